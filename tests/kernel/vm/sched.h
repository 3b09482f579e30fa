// SPDX-License-Identifier: GPL-2.0
// What a packet scheduler in C sees of the kernel: the members that it names, which are found in the kernel's types when it is loaded.
#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct sock_common {
	__u16 skc_family;
};
struct sock {
	struct sock_common __sk_common;
};
struct mptcp_sock {
	int snd_burst;
	struct sock *first;
};
struct mptcp_subflow_context {
	unsigned long avg_pacing_rate;
	__u32 subflow_id;
	bool scheduled;
	struct sock *tcp_sock;
};
struct tcp_sock {
	__u32 packets_out, srtt_us;
};
#pragma clang attribute pop

struct mptcp_sched_ops {
	int (*get_send)(struct mptcp_sock *msk);
	int (*get_retrans)(struct mptcp_sock *msk);
	char name[16];
	void (*init)(struct mptcp_sock *msk);
	void (*release)(struct mptcp_sock *msk);
};

struct bpf_iter_mptcp_subflow {
	__u64 __opaque[2];
} __attribute__((aligned(8)));

extern int bpf_iter_mptcp_subflow_new(struct bpf_iter_mptcp_subflow *it, struct sock *sk) __ksym;
extern struct mptcp_subflow_context *bpf_iter_mptcp_subflow_next(struct bpf_iter_mptcp_subflow *it) __ksym;
extern void bpf_iter_mptcp_subflow_destroy(struct bpf_iter_mptcp_subflow *it) __ksym;
extern struct sock *bpf_mptcp_subflow_tcp_sock(const struct mptcp_subflow_context *subflow) __ksym;
extern bool bpf_sk_stream_memory_free(const struct mptcp_subflow_context *subflow) __ksym;
extern bool mptcp_subflow_active(struct mptcp_subflow_context *subflow) __ksym;
extern void mptcp_subflow_set_scheduled(struct mptcp_subflow_context *subflow, bool scheduled) __ksym;
extern void mptcp_set_timeout(struct sock *sk) __ksym;
extern __u64 mptcp_wnd_end(const struct mptcp_sock *msk) __ksym;

#define EINVAL 22
#define BURST 65428

// For each subflow of a session that can send.
#define each_subflow(subflow, msk, body)                                                      \
	do {                                                                                  \
		struct bpf_iter_mptcp_subflow it;                                             \
		struct mptcp_subflow_context *subflow;                                        \
		bpf_iter_mptcp_subflow_new(&it, (struct sock *)(msk));                        \
		while ((subflow = bpf_iter_mptcp_subflow_next(&it))) {                        \
			body                                                                  \
		}                                                                             \
		bpf_iter_mptcp_subflow_destroy(&it);                                          \
	} while (0)
