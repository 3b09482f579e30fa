// SPDX-License-Identifier: GPL-2.0
// Programs that others may have attached to the same sockets. The first is what the kernel's samples (samples/bpf/tcp_*_kern.c)
// do with an event that they do not know.
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

SEC("sockops")
int minus_one(struct bpf_sock_ops *ctx)
{
	int rv = -1;

	switch (ctx->op) {
	case BPF_SOCK_OPS_RWND_INIT:
		rv = 40;
		break;
	default:
		rv = -1;
	}
	ctx->reply = rv;
	return 1;
}

SEC("sockops")
int returns_zero(struct bpf_sock_ops *ctx)
{
	ctx->reply = 1;
	return 0;
}

SEC("sockops")
int writes_all(struct bpf_sock_ops *ctx)
{
	if (ctx->op < 64)
		return 1;
	ctx->replylong[0] = 0xdeadbeef;
	ctx->replylong[1] = 0xdeadbeef;
	ctx->replylong[2] = 0xdeadbeef;
	ctx->replylong[3] = 0xdeadbeef;
	return 1;
}

SEC("sockops")
int accepts(struct bpf_sock_ops *ctx)
{
	ctx->reply = 0;
	return 1;
}

// What two programs answer to the same question: whoever is asked last.
SEC("sockops")
int ecn(struct bpf_sock_ops *ctx)
{
	if (ctx->op == BPF_SOCK_OPS_NEEDS_ECN)
		ctx->reply = 1;
	return 1;
}

SEC("sockops")
int no_ecn(struct bpf_sock_ops *ctx)
{
	if (ctx->op == BPF_SOCK_OPS_NEEDS_ECN)
		ctx->reply = 0;
	return 1;
}

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_STORAGE);
	__type(key, struct bpf_cgroup_storage_key);
	__type(value, __u64);
} storage SEC(".maps");

SEC("sockops")
int stored(struct bpf_sock_ops *ctx)
{
	__u64 *value = bpf_get_local_storage(&storage, 0);

	__sync_fetch_and_add(value, 1);
	return 1;
}

char _license[] SEC("license") = "GPL";
