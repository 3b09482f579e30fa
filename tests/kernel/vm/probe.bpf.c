// SPDX-License-Identifier: GPL-2.0
// The program all tests of the patched kernel share: it logs every event it
// sees and does what the test has put into its maps. Written in C so that the
// kernel is tested without our own compiler in between.
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#define LOG_ENTRIES 2048
#define ACTIONS 8
#define OPS 80
#define ANY 0xffffffff

static long (*open_subflow)(void *, const void *, __u32, const void *, __u32) = (void *)BPF_FUNC_mptcp_open_subflow;
static long (*close_subflow)(void *, const void *, __u32, const void *, __u32) = (void *)BPF_FUNC_mptcp_close_subflow;
static long (*announce_addr)(void *, const void *, __u32, __u32) = (void *)BPF_FUNC_mptcp_announce_addr;
static long (*set_priority)(void *, const void *, __u32, __u32) = (void *)BPF_FUNC_mptcp_set_priority;

struct entry {
	__u32 op, args[4], is_fullsock;
	__u32 family, local_ip4, remote_ip4, local_port, remote_port;
	__u32 flags, loc_token, rem_token;
	__u64 loc_key, rem_key, netns;
	__u32 addr6[4], opt_data[4], local_ip6[4];
	__u32 ret[ACTIONS], done, skb_len;
	__u64 time;
};

enum { NOTHING, OPEN, CLOSE, PRIORITY, SET_INT, GET_INT, SET_STRING, SET_FLAGS, OPEN_EVENT, STORE_MAINLINE, RESERVE_MAINLINE,
       OPEN_LOCAL, CLOSE_LOCAL, ANNOUNCE, WITHDRAW };

// What to do at an event: op, and the values of args[1] and args[3] unless they are ANY.
struct action {
	__u32 op, arg1, arg3, what, count;
	__u32 saddrlen, daddrlen, level, name, value;
	__u8 saddr[64], daddr[32];
};

struct config {
	__u32 port;		// only sockets with this local or remote port, 0: all
	__u32 quiet;		// do not log SIZE_CALC and WRITE
	__s32 size;		// the reply to SIZE_CALC
	__u32 write_fails;	// return 0 at WRITE
	__u32 bytes[4];		// the reply to WRITE
	__u32 refuse;		// the reply to ACCEPT_SUBFLOW
	__u32 data_only;	// SIZE_CALC replies only after this many data segments
	__u32 slow_op;		// an event that takes this long before it is logged
	__u32 slow_ms;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct config);
} config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ACTIONS);
	__type(key, __u32);
	__type(value, struct action);
} actions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LOG_ENTRIES);
	__type(key, __u32);
	__type(value, struct entry);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, OPS + 1); // by op, and at OPS the number of entries in the log
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

struct many {
	void *ctx;
	__u32 counts[2]; // requests queued, requests refused with ENOSPC
};

static long open_one(__u32 index, struct many *many)
{
	long ret = open_subflow(many->ctx, 0, 0, 0, 0);

	if (!ret)
		many->counts[0]++;
	else if (ret == -28)
		many->counts[1]++;
	return 0;
}

struct pause {
	__u64 end;
	struct config *config;
};

// A test may cut it short.
static long until(__u32 index, struct pause *pause)
{
	return bpf_ktime_get_ns() > pause->end || !*(volatile __u32 *)&pause->config->slow_ms;
}

static __always_inline long act(struct bpf_sock_ops *ctx, struct action *a, struct entry *e)
{
	__u32 saddrlen = a->saddrlen & 63, daddrlen = a->daddrlen & 31;
	__u32 value = a->value;
	long ret;

	switch (a->what) {
	case OPEN:
		if (a->count > 1) {
			struct many many = { .ctx = ctx };

			bpf_loop(a->count, open_one, &many, 0);
			return many.counts[0] << 16 | (many.counts[1] & 0xffff);
		}
		if (!saddrlen && !daddrlen)
			return open_subflow(ctx, 0, 0, 0, 0);
		if (!saddrlen)
			return open_subflow(ctx, 0, 0, a->daddr, daddrlen);
		if (!daddrlen)
			return open_subflow(ctx, a->saddr, saddrlen, 0, 0);
		return open_subflow(ctx, a->saddr, saddrlen, a->daddr, daddrlen);
	case OPEN_EVENT: {
		// To the address of the event, as a full mesh would.
		struct { __u16 family, port; __u32 addr; __u64 zero; } in = { 2, 0, e->args[0], 0 };
		struct { __u16 family, port; __u32 flow, addr[4], scope; } in6 = { 10, 0, 0, {}, 0 };

		if (e->args[3] == 2) {
			in.port = __builtin_bswap16(e->args[1]);
			return open_subflow(ctx, 0, 0, &in, sizeof(in));
		}
		__builtin_memcpy(in6.addr, e->addr6, 16);
		in6.port = __builtin_bswap16(e->args[1]);
		return open_subflow(ctx, 0, 0, &in6, sizeof(in6));
	}
	case OPEN_LOCAL:
	case CLOSE_LOCAL: {
		// From the IPv4 address of the event.
		struct { __u16 family, port; __u32 addr; __u64 zero; } in = { 2, 0, e->args[0], 0 };

		return a->what == OPEN_LOCAL ? open_subflow(ctx, &in, sizeof(in), 0, 0)
					     : close_subflow(ctx, &in, sizeof(in), 0, 0);
	}
	case CLOSE:
		if (!saddrlen && !daddrlen)
			return close_subflow(ctx, 0, 0, 0, 0);
		if (!saddrlen)
			return close_subflow(ctx, 0, 0, a->daddr, daddrlen);
		if (!daddrlen)
			return close_subflow(ctx, a->saddr, saddrlen, 0, 0);
		return close_subflow(ctx, a->saddr, saddrlen, a->daddr, daddrlen);
	case ANNOUNCE:
	case WITHDRAW:
		return announce_addr(ctx, a->saddr, saddrlen, a->what == ANNOUNCE);
	case PRIORITY:
		return set_priority(ctx, saddrlen ? a->saddr : 0, saddrlen, value);
	case SET_INT:
		return bpf_setsockopt(ctx, a->level, a->name, &value, sizeof(value));
	case GET_INT:
		value = 0;
		ret = bpf_getsockopt(ctx, a->level, a->name, &value, sizeof(value));
		return ret ? ret : value;
	case SET_STRING:
		return bpf_setsockopt(ctx, a->level, a->name, a->saddr, 16);
	case SET_FLAGS:
		return bpf_sock_ops_cb_flags_set(ctx, value);
	case RESERVE_MAINLINE:
		return bpf_reserve_hdr_opt(ctx, 4, 0);
	case STORE_MAINLINE:
		return bpf_store_hdr_opt(ctx, a->saddr, 4, 0);
	}
	return 0;
}

SEC("sockops")
int probe(struct bpf_sock_ops *ctx)
{
	__u32 zero = 0, op = ctx->op, i, one, last = OPS;
	struct config *c = bpf_map_lookup_elem(&config, &zero);
	struct entry *e = 0;
	__u64 *count;

	if (!c)
		return 0;
	if (c->port && ctx->local_port != c->port && __builtin_bswap32(ctx->remote_port) != c->port && op != 69 &&
	    op != 73 && op != 74 && op != 75)
		return 1;
	if (c->slow_ms && c->slow_op == op) {
		struct pause pause = { .end = bpf_ktime_get_ns() + c->slow_ms * 1000000ull, .config = c };

		for (i = 0; i < 8; i++)
			bpf_loop(1 << 23, until, &pause, 0);
	}
	count = bpf_map_lookup_elem(&counts, &op);
	if (count)
		__sync_fetch_and_add(count, 1);

	if (!(c->quiet && (op == 64 || op == 65))) {
		count = bpf_map_lookup_elem(&counts, &last);
		if (!count)
			return 0;
		one = __sync_fetch_and_add(count, 1);
		e = bpf_map_lookup_elem(&events, &one);
	}
	if (e) {
		e->op = op;
		e->args[0] = ctx->args[0];
		e->args[1] = ctx->args[1];
		e->args[2] = ctx->args[2];
		e->args[3] = ctx->args[3];
		e->is_fullsock = ctx->is_fullsock;
		e->family = ctx->family;
		e->local_ip4 = ctx->local_ip4;
		e->remote_ip4 = ctx->remote_ip4;
		e->local_port = ctx->local_port;
		e->remote_port = __builtin_bswap32(ctx->remote_port);
		e->flags = ctx->mptcp_flags;
		e->loc_token = ctx->mptcp_loc_token;
		e->rem_token = ctx->mptcp_rem_token;
		e->loc_key = ctx->mptcp_loc_key;
		e->rem_key = ctx->mptcp_rem_key;
		e->netns = bpf_get_netns_cookie(ctx);
		e->addr6[0] = ctx->mptcp_addr6[0];
		e->addr6[1] = ctx->mptcp_addr6[1];
		e->addr6[2] = ctx->mptcp_addr6[2];
		e->addr6[3] = ctx->mptcp_addr6[3];
		e->opt_data[0] = ctx->opt_data[0];
		e->opt_data[1] = ctx->opt_data[1];
		e->opt_data[2] = ctx->opt_data[2];
		e->opt_data[3] = ctx->opt_data[3];
		e->local_ip6[0] = ctx->local_ip6[0];
		e->local_ip6[1] = ctx->local_ip6[1];
		e->local_ip6[2] = ctx->local_ip6[2];
		e->local_ip6[3] = ctx->local_ip6[3];
		e->skb_len = ctx->skb_len;
		e->time = bpf_ktime_get_ns();
		for (i = 0; i < ACTIONS; i++) {
			__u32 index = i;
			struct action *a = bpf_map_lookup_elem(&actions, &index);

			if (!a || !a->what || a->op != op || (a->arg1 != ANY && a->arg1 != e->args[1]) ||
			    (a->arg3 != ANY && a->arg3 != e->args[3]))
				continue;
			e->ret[i] = act(ctx, a, e);
			e->done |= 1 << i;
		}
	}

	switch (op) {
	case 64:
		ctx->reply = c->data_only && ctx->data_segs_out < c->data_only ? 0 : c->size;
		break;
	case 65:
		ctx->replylong[0] = c->bytes[0];
		if (ctx->args[1] > 4)
			ctx->replylong[1] = c->bytes[1];
		if (c->size > 8)
			ctx->replylong[2] = c->bytes[2];
		if (c->size > 12)
			ctx->replylong[3] = c->bytes[3];
		return !c->write_fails;
	case 76:
		ctx->reply = c->refuse;
		break;
	case 1 ... 2:
		ctx->reply = -1;
		break;
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
