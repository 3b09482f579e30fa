/*
 * Which options write on a socket: counterpart of compiler/frontend/option-state.ts, which explains it. Included by handlers
 * that write one option.
 */
#ifndef WRITING_H
#define WRITING_H

#include "tcp.h"

#ifdef PATCHED
typedef struct patched_sock_ops sock_ops;
#define WRITE_FLAG BPF_SOCK_OPS_TCP_OPTIONS_CB_FLAG
#define LENGTH_OP BPF_TCP_OPTIONS_SIZE_CALC
#else
typedef struct bpf_sock_ops sock_ops;
#define WRITE_FLAG BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG
#define LENGTH_OP BPF_SOCK_OPS_HDR_OPT_LEN_CB
#endif
#define WRITES 0x100
#define OFFERED 1

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
} option_state SEC(".maps");

static __always_inline __u32 *state_of(sock_ops *skops, __u64 create)
{
	struct bpf_sock *sk = skops->sk;

	return sk ? bpf_sk_storage_get(&option_state, sk, 0, create) : 0;
}

/* The flag to set besides others; `flags` are those that the socket has. */
static __always_inline __u32 begin_writing(sock_ops *skops, __u32 flags)
{
	__u32 *state = state_of(skops, BPF_SK_STORAGE_GET_F_CREATE);

	if (!state)
		return 0;
	*state = (*state & ~OFFERED) | ((flags & WRITE_FLAG) ^ (WRITE_FLAG | WRITES));
	return WRITE_FLAG;
}

static __always_inline void end_writing(__u32 *state)
{
	*state &= ~WRITES;
}

/* At both events of a segment: the state of an option that writes on this socket. */
static __always_inline __u32 *writing(sock_ops *skops)
{
	__u32 *state = state_of(skops, 0), now, flags;

	if (!state)
		return 0;
	now = *state;
	flags = skops->bpf_sock_ops_cb_flags;
	if (now & WRITES) {
		if (!(flags & WRITE_FLAG)) {
			*state = now | WRITE_FLAG;
			bpf_sock_ops_cb_flags_set((void *)skops, flags | WRITE_FLAG);
		}
		return state;
	}
	if (skops->op == LENGTH_OP) {
		if (now == WRITE_FLAG && skops->skb_tcp_flags) {
			*state = OFFERED;
			bpf_sock_ops_cb_flags_set((void *)skops, flags & ~WRITE_FLAG);
		}
	} else if (now == OFFERED) {
		*state = 0;
		bpf_sock_ops_cb_flags_set((void *)skops, flags | WRITE_FLAG);
	}
	return 0;
}

#endif
