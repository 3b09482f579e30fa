// SPDX-License-Identifier: GPL-2.0
/* sock_ops programs of a cgroup and of a network namespace on one socket */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

/* Who was told of a connection that was established, in order */
__u32 told[16] = {};
__u32 told_nr = 0;
/* What each one found in its reply: that of the one before */
__u32 found[16] = {};

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_STORAGE);
	__type(key, struct bpf_cgroup_storage_key);
	__type(value, __u64);
} storage SEC(".maps");

static __always_inline int note(struct bpf_sock_ops *ctx, __u32 who)
{
	__u32 at;

	if (ctx->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB) {
		at = __sync_fetch_and_add(&told_nr, 1) & 15;
		told[at] = who;
		found[at] = ctx->reply;
		ctx->reply = who;
	}
	return 1;
}

SEC("sockops")
int of_cgroup(struct bpf_sock_ops *ctx)
{
	return note(ctx, 1);
}

SEC("sockops")
int first(struct bpf_sock_ops *ctx)
{
	return note(ctx, 2);
}

SEC("sockops")
int second(struct bpf_sock_ops *ctx)
{
	return note(ctx, 3);
}

SEC("sockops")
int stored(struct bpf_sock_ops *ctx)
{
	__u64 *value = bpf_get_local_storage(&storage, 0);

	__sync_fetch_and_add(value, 1);
	return 1;
}
