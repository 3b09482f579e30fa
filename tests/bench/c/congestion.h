/* What the congestion controls share: the kernel's structs as far as they are used, found by name when the object is loaded. */
#ifndef CONGESTION_H
#define CONGESTION_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define KERNEL __attribute__((preserve_access_index))
#define OPS(member) SEC("struct_ops/" #member)

struct sock_common {
	volatile unsigned char skc_state;
} KERNEL;
struct sock {
	struct sock_common __sk_common;
	__u32 sk_pacing_status;
	unsigned long sk_pacing_rate;
	__u32 sk_gso_max_size;
} KERNEL;
struct inet_sock {
	struct sock sk;
} KERNEL;
struct inet_connection_sock {
	struct inet_sock icsk_inet;
	__u8 icsk_ca_state : 5;
	struct {
		__u8 pending;
	} icsk_ack;
	__u64 icsk_ca_priv[13];
} KERNEL;
struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u8 is_cwnd_limited : 1;
	__u32 snd_cwnd;
	__u32 snd_ssthresh;
	__u32 max_packets_out;
	__u32 snd_una;
	__u32 snd_nxt;
	__u32 rcv_nxt;
	__u32 delivered;
	__u32 delivered_ce;
	__u32 prior_cwnd;
	__u64 tcp_mstamp;
	__u64 tcp_wstamp_ns;
	__u8 ecn_flags;
} KERNEL;
struct ack_sample {
	__u32 pkts_acked;
	__s32 rtt_us;
	__u32 in_flight;
} KERNEL;
struct tcp_congestion_ops {
	__u32 (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
	void (*set_state)(struct sock *sk, __u8 new_state);
	void (*cwnd_event)(struct sock *sk, int event);
	void (*in_ack_event)(struct sock *sk, __u32 flags);
	void (*pkts_acked)(struct sock *sk, const struct ack_sample *sample);
	__u32 (*undo_cwnd)(struct sock *sk);
	char name[16];
	__u32 flags;
	void (*init)(struct sock *sk);
	void (*release)(struct sock *sk);
};

extern __u32 tcp_slow_start(struct tcp_sock *tp, __u32 acked) __ksym;
extern void tcp_cong_avoid_ai(struct tcp_sock *tp, __u32 w, __u32 acked) __ksym;
extern __u32 tcp_reno_ssthresh(struct sock *sk) __ksym;
extern void tcp_reno_cong_avoid(struct sock *sk, __u32 ack, __u32 acked) __ksym;
extern __u32 tcp_reno_undo_cwnd(struct sock *sk) __ksym;

static __always_inline struct tcp_sock *tcp(struct sock *sk)
{
	return (struct tcp_sock *)sk;
}
/* Of a bit field clang finds the byte, and not the bit, unless it is asked for both. */
static __always_inline bool cwnd_limited(struct tcp_sock *tp)
{
	return BPF_CORE_READ_BITFIELD(tp, is_cwnd_limited);
}
static __always_inline void *kept(struct sock *sk)
{
	return tcp(sk)->inet_conn.icsk_ca_priv;
}

enum { STATE_RECOVERY = 3, STATE_LOSS = 4 };
enum { EVENT_TX_START = 0, EVENT_LOSS = 3, EVENT_NO_CE = 4, EVENT_IS_CE = 5 };

#endif
