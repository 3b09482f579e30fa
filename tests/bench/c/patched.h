/*
 * The interface of the patched kernel (kernel/README.md), for C: no system header has it yet.
 * Plays the part of vmlinux.h in the C counterparts.
 */
#ifndef PATCHED_H
#define PATCHED_H

#include <linux/types.h>

enum {
	BPF_TCP_OPTIONS_SIZE_CALC = 64,
	BPF_TCP_OPTIONS_WRITE = 65,
	BPF_TCP_PARSE_OPTIONS = 66,
	BPF_MPTCP_NEW_SESSION = 67,
	BPF_MPTCP_FULLY_ESTABLISHED = 68,
	BPF_MPTCP_CLOSE_SESSION = 69,
	BPF_MPTCP_ADD_RADDR = 70,
	BPF_MPTCP_REM_RADDR = 71,
	BPF_MPTCP_SUBFLOW_ESTABLISHED = 72,
	BPF_MPTCP_SUBFLOW_CLOSED = 73,
	BPF_MPTCP_ADD_LADDR = 74,
	BPF_MPTCP_REM_LADDR = 75,
	BPF_MPTCP_TIMER = 78,
};

#define BPF_SOCK_OPS_TCP_OPTIONS_CB_FLAG 0x80

#define TCP_DELACK_MIN_US 64
#define TCP_DELACK_MAX_US 46
#define TCP_DELACK_SEGS 66

/* struct bpf_sock_ops with the members that the series appends. */
struct patched_sock_ops {
	__u32 op;
	union {
		__u32 args[4];
		__u32 reply;
		__u32 replylong[4];
	};
	__u32 family;
	__u32 remote_ip4;
	__u32 local_ip4;
	__u32 remote_ip6[4];
	__u32 local_ip6[4];
	__u32 remote_port;
	__u32 local_port;
	__u32 is_fullsock;
	__u32 snd_cwnd;
	__u32 srtt_us;
	__u32 bpf_sock_ops_cb_flags;
	__u32 state;
	__u32 rtt_min;
	__u32 snd_ssthresh;
	__u32 rcv_nxt;
	__u32 snd_nxt;
	__u32 snd_una;
	__u32 mss_cache;
	__u32 ecn_flags;
	__u32 rate_delivered;
	__u32 rate_interval_us;
	__u32 packets_out;
	__u32 retrans_out;
	__u32 total_retrans;
	__u32 segs_in;
	__u32 data_segs_in;
	__u32 segs_out;
	__u32 data_segs_out;
	__u32 lost_out;
	__u32 sacked_out;
	__u32 sk_txhash;
	__u64 bytes_received;
	__u64 bytes_acked;
	struct bpf_sock *sk;
	void *skb_data;
	void *skb_data_end;
	__u32 skb_len;
	__u32 skb_tcp_flags;
	__u64 skb_hwtstamp;
	__u32 mptcp_flags;
	__u32 mptcp_loc_token;
	__u32 mptcp_rem_token;
	__u32 padding;
	__u64 mptcp_loc_key;
	__u64 mptcp_rem_key;
	__u32 mptcp_addr6[4];
	__u32 opt_data[4];
};
_Static_assert(__builtin_offsetof(struct patched_sock_ops, mptcp_flags) == 224, "ABI");
_Static_assert(sizeof(struct patched_sock_ops) == 288, "ABI");

static long (*const bpf_mptcp_open_subflow)(void *ctx, const void *saddr, __u32 saddrlen, const void *daddr,
					    __u32 daddrlen) = (void *)212;
static long (*const bpf_mptcp_close_subflow)(void *ctx, const void *saddr, __u32 saddrlen, const void *daddr,
					     __u32 daddrlen) = (void *)213;
static long (*const bpf_mptcp_set_priority)(void *ctx, const void *addrs, __u32 addrslen, __u32 backup) = (void *)214;
static long (*const bpf_mptcp_set_timer)(void *ctx, __u32 ms) = (void *)215;
static long (*const bpf_mptcp_announce_addr)(void *ctx, const void *addr, __u32 addrlen, __u32 announce) = (void *)216;

#endif
