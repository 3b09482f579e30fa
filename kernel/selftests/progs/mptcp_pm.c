// SPDX-License-Identifier: GPL-2.0
/* A path manager: opens subflows from addresses that nobody has given an id,
 * and counts what comes of each request.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/socket.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

static long (*open_subflow)(void *ctx, const void *saddr, __u32 saddrlen,
			    const void *daddr, __u32 daddrlen) =
	(void *)BPF_FUNC_mptcp_open_subflow;

/* From 127.0.0.2 on; one more, 192.0.2.1, is no address of this host. */
__u32 addresses = 12;
__u32 refused_by_helper = 0;
__u32 established = 0;
__u32 first = 0;
__u32 failed = 0;
__u32 last_error = 0;
__u32 closed_sessions = 0;
__u32 refuse = 0;

static void open_from(struct bpf_sock_ops *ctx, __u32 addr)
{
	struct sockaddr_in local = {
		.sin_family = 2,
		.sin_addr.s_addr = bpf_htonl(addr),
	};

	if (open_subflow(ctx, &local, sizeof(local), NULL, 0))
		refused_by_helper++;
}

SEC("sockops")
int pm(struct bpf_sock_ops *ctx)
{
	__u32 i;

	/* Both ends are in the cgroup. */
	if (ctx->mptcp_flags & BPF_MPTCP_F_SERVER) {
		if (ctx->op == BPF_MPTCP_ACCEPT_SUBFLOW)
			ctx->reply = refuse;
		return 1;
	}

	switch (ctx->op) {
	case BPF_MPTCP_FULLY_ESTABLISHED:
		if (!ctx->args[1])
			break;
		for (i = 0; i < addresses && i < 16; i++)
			open_from(ctx, 0x7f000002 + i);
		open_from(ctx, 0xc0000201);
		break;
	case BPF_MPTCP_SUBFLOW_ESTABLISHED:
		if (ctx->args[3])
			first++;
		else
			established++;
		break;
	case BPF_MPTCP_SUBFLOW_CLOSED:
		if (ctx->args[3]) {
			failed++;
			last_error = ctx->args[3];
		}
		break;
	case BPF_MPTCP_CLOSE_SESSION:
		closed_sessions++;
		break;
	}
	return 1;
}

/* Knows none of these events, like most programs. */
SEC("sockops")
int other(struct bpf_sock_ops *ctx)
{
	ctx->reply = -1;
	return 1;
}
