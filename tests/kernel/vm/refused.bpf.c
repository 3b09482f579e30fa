// SPDX-License-Identifier: GPL-2.0
// Packet schedulers that the kernel refuses, one for each value of REFUSED (sched_tests.py has the words).
#include "sched.h"

#define NO_GET_SEND 1
#define NAME_TAKEN 2
#define BAD_NAME 3
#define WRITES 4
#define NOT_TRUSTED 5
#define LEAKS_ITERATOR 6
#define NOT_A_SCHEDULER 7

#if REFUSED == NAME_TAKEN
#define NAME "default"
#elif REFUSED == BAD_NAME
#define NAME "t refused"
#else
#define NAME "t_refused"
#endif

SEC("struct_ops/refused_send")
int refused_send(unsigned long long *ctx)
{
	struct mptcp_sock *msk = (void *)ctx[0];
	struct bpf_iter_mptcp_subflow it;
	struct mptcp_subflow_context *subflow;

	if (REFUSED == WRITES)
		msk->first = 0;
	bpf_iter_mptcp_subflow_new(&it, (struct sock *)msk);
	while ((subflow = bpf_iter_mptcp_subflow_next(&it))) {
		if (REFUSED == NOT_TRUSTED)
			mptcp_subflow_set_scheduled((struct mptcp_subflow_context *)msk->first, true);
		mptcp_subflow_set_scheduled(subflow, true);
	}
	if (REFUSED != LEAKS_ITERATOR)
		bpf_iter_mptcp_subflow_destroy(&it);
	return 0;
}

#if REFUSED == NOT_A_SCHEDULER
struct tcp_congestion_ops {
	__u32 (*ssthresh)(struct sock *sk);
	__u32 (*undo_cwnd)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
	char name[16];
};

SEC("struct_ops/refused_undo")
int refused_undo(unsigned long long *ctx)
{
	(void)ctx;
	return 2;
}

SEC("struct_ops/refused_avoid")
void refused_avoid(unsigned long long *ctx)
{
	(void)ctx;
}

SEC(".struct_ops")
struct tcp_congestion_ops refused = {
	.ssthresh = (void *)refused_send,
	.undo_cwnd = (void *)refused_undo,
	.cong_avoid = (void *)refused_avoid,
	.name = NAME,
};
#else
SEC(".struct_ops")
struct mptcp_sched_ops refused = {
#if REFUSED == NO_GET_SEND
	.get_retrans = (void *)refused_send,
#else
	.get_send = (void *)refused_send,
#endif
	.name = NAME,
};
#endif

char _license[] SEC("license") = "GPL";
