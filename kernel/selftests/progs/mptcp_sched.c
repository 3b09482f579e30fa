// SPDX-License-Identifier: GPL-2.0
/* Packet schedulers: one that sends everything on the first subflow that can
 * take it, and one without get_send().
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

extern int bpf_iter_mptcp_subflow_new(struct bpf_iter_mptcp_subflow *it,
				      struct sock *sk) __ksym;
extern struct mptcp_subflow_context *
bpf_iter_mptcp_subflow_next(struct bpf_iter_mptcp_subflow *it) __ksym;
extern void
bpf_iter_mptcp_subflow_destroy(struct bpf_iter_mptcp_subflow *it) __ksym;
extern bool mptcp_subflow_active(struct mptcp_subflow_context *subflow) __ksym;
extern void
mptcp_subflow_set_scheduled(struct mptcp_subflow_context *subflow,
			    bool scheduled) __ksym;

__u32 sessions = 0;
__u32 released = 0;
__u32 sends = 0;

SEC("struct_ops/sched_init")
void sched_init(unsigned long long *ctx)
{
	__sync_fetch_and_add(&sessions, 1);
}

SEC("struct_ops/sched_release")
void sched_release(unsigned long long *ctx)
{
	__sync_fetch_and_add(&released, 1);
}

SEC("struct_ops/sched_send")
int sched_send(unsigned long long *ctx)
{
	struct mptcp_subflow_context *subflow;
	struct bpf_iter_mptcp_subflow it;
	int ret = -1;

	__sync_fetch_and_add(&sends, 1);
	bpf_iter_mptcp_subflow_new(&it, (struct sock *)ctx[0]);
	while ((subflow = bpf_iter_mptcp_subflow_next(&it))) {
		if (!mptcp_subflow_active(subflow))
			continue;
		mptcp_subflow_set_scheduled(subflow, true);
		ret = 0;
		break;
	}
	bpf_iter_mptcp_subflow_destroy(&it);
	return ret;
}

SEC("struct_ops/sched_retrans")
int sched_retrans(unsigned long long *ctx)
{
	return -1;
}

SEC(".struct_ops")
struct mptcp_sched_ops sched = {
	.get_send	= (void *)sched_send,
	.init		= (void *)sched_init,
	.release	= (void *)sched_release,
	.name		= "bpf_selftest",
};

SEC(".struct_ops")
struct mptcp_sched_ops without_send = {
	.get_retrans	= (void *)sched_retrans,
	.name		= "bpf_without",
};
