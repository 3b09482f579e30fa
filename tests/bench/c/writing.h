/*
 * Which options write on a socket: counterpart of compiler/frontend/option-state.ts, which explains it. Handlers that write two
 * options name the bit of each; those whose options are on SYN-ACKs define LISTENS.
 */
#ifndef WRITING_H
#define WRITING_H

#include <linux/tcp.h>
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
#define TCP_SYN 2
#define TCP_ACK 16

#ifdef LISTENS
/* What is said of a listener holds for the connections that it accepts. */
#define STATE_FLAGS (BPF_F_NO_PREALLOC | BPF_F_CLONE)
#else
#define STATE_FLAGS BPF_F_NO_PREALLOC
#endif

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, STATE_FLAGS);
	__type(key, int);
	__type(value, __u32);
} option_state SEC(".maps");

static __always_inline __u32 *state_of(sock_ops *skops, __u64 create)
{
	struct bpf_sock *sk = skops->sk;

	return sk ? bpf_sk_storage_get(&option_state, sk, 0, create) : 0;
}

/* The flag to set besides others; `flags` are those that the socket has. */
static __always_inline __u32 begin_writing_as(sock_ops *skops, __u32 flags, __u32 option)
{
	__u32 *state = state_of(skops, BPF_SK_STORAGE_GET_F_CREATE);

	if (!state)
		return 0;
	*state = (*state & ~OFFERED) | ((flags & WRITE_FLAG) ^ (WRITE_FLAG | option));
	return WRITE_FLAG;
}

static __always_inline void end_writing_as(__u32 *state, __u32 option)
{
	*state &= ~option;
}

/* At both events of a segment: the state of an option that writes on this socket. */
static __always_inline __u32 *writing_as(sock_ops *skops, __u32 option)
{
	__u32 *state = state_of(skops, 0), now, flags;

	if (!state)
		return 0;
	now = *state;
	flags = skops->bpf_sock_ops_cb_flags;
	if (now & option) {
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

/* Of handlers that write one option. */
static __always_inline __u32 begin_writing(sock_ops *skops, __u32 flags)
{
	return begin_writing_as(skops, flags, WRITES);
}

static __always_inline void end_writing(__u32 *state)
{
	end_writing_as(state, WRITES);
}

static __always_inline __u32 *writing(sock_ops *skops)
{
	return writing_as(skops, WRITES);
}

static __always_inline void begin(sock_ops *skops)
{
	SET_FLAGS(skops, begin_writing(skops, skops->bpf_sock_ops_cb_flags));
}

/* The same of options of listeners: a request has no socket, and so no state. */
static __always_inline int speaks(sock_ops *skops, __u32 **state)
{
	if (!skops->sk) {
		*state = 0;
		return 1;
	}
	*state = writing(skops);
	return *state != 0;
}

/* The segment at hand. */
static __always_inline struct tcphdr *header_of(sock_ops *skops)
{
	struct tcphdr *tcp = (void *)(long)skops->skb_data;

	return (void *)(tcp + 1) <= (void *)(long)skops->skb_data_end ? tcp : 0;
}

/* Does it begin with what was sent before? Of a SYN-ACK the kernel does not tell. */
static __always_inline int leaves_again(sock_ops *skops)
{
	struct tcphdr *tcp = header_of(skops);
	__u32 seq = tcp ? bpf_ntohl(tcp->seq) : 0;

	if ((skops->skb_tcp_flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK))
		return 0;
	return (__s32)(seq - skops->snd_nxt) < 0;
}

#endif
