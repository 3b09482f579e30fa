/* The same DCTCP as programs/dctcp.ts, in C. */
#include "congestion.h"

char LICENSE[] SEC("license") = "GPL";

#define ONE 1024
#define SHIFT 4
#define NEEDS_ECN 2
enum { SOL_TCP = 6, TCP_CONGESTION = 13 };
enum { ECN_OK = 1, ECN_DEMAND_CWR = 4 };
enum { PENDING_TIMER = 2, PENDING_NOW = 16 };
enum { TCP_CLOSED = 7, TCP_LISTENS = 10 };

struct dctcp {
	__u32 alpha, round_end, delivered, delivered_ce, loss_window, marked, rcv_nxt, ecn;
};

static __always_inline void begin_round(struct tcp_sock *tp, struct dctcp *own)
{
	own->round_end = tp->snd_nxt;
	own->delivered = tp->delivered;
	own->delivered_ce = tp->delivered_ce;
}

static __always_inline void react_to_loss(struct sock *sk, struct dctcp *own)
{
	own->loss_window = tcp(sk)->snd_cwnd;
	tcp(sk)->snd_ssthresh = tcp_reno_ssthresh(sk);
}

static __always_inline void echo(struct tcp_sock *tp, __u32 marked)
{
	if (marked == 1)
		tp->ecn_flags |= ECN_DEMAND_CWR;
	else
		tp->ecn_flags &= ~ECN_DEMAND_CWR;
}

static __always_inline void arrived(struct tcp_sock *tp, struct dctcp *own, __u32 marked)
{
	if (own->marked != marked) {
		if (tp->inet_conn.icsk_ack.pending & PENDING_TIMER) {
			echo(tp, own->marked);
			bpf_tcp_send_ack(tp, own->rcv_nxt);
		}
		tp->inet_conn.icsk_ack.pending |= PENDING_NOW;
	}
	own->rcv_nxt = tp->rcv_nxt;
	own->marked = marked;
	echo(tp, marked);
}

OPS(init)
void BPF_PROG(dctcp_init, struct sock *sk)
{
	struct tcp_sock *tp = tcp(sk);
	struct dctcp *own = kept(sk);
	__u8 state = sk->__sk_common.skc_state;

	own->ecn = state == TCP_LISTENS || state == TCP_CLOSED || (tp->ecn_flags & ECN_OK);
	own->alpha = ONE;
	own->loss_window = 0;
	own->marked = 0;
	own->rcv_nxt = tp->rcv_nxt;
	begin_round(tp, own);
	if (!own->ecn) {
		char reno[16] = "reno";

		bpf_setsockopt(sk, SOL_TCP, TCP_CONGESTION, reno, sizeof(reno));
	}
}

OPS(ssthresh)
__u32 BPF_PROG(dctcp_ssthresh, struct sock *sk)
{
	struct dctcp *own = kept(sk);
	__u32 window, next;

	if (!own->ecn)
		return tcp_reno_ssthresh(sk);
	window = tcp(sk)->snd_cwnd;
	own->loss_window = window;
	next = window - ((window * own->alpha) >> 11);
	return MAX(next, 2);
}

OPS(cong_avoid)
void BPF_PROG(dctcp_cong_avoid, struct sock *sk, __u32 ack, __u32 acked)
{
	tcp_reno_cong_avoid(sk, ack, acked);
}

OPS(in_ack_event)
void BPF_PROG(dctcp_in_ack_event, struct sock *sk, __u32 flags)
{
	struct tcp_sock *tp = tcp(sk);
	struct dctcp *own = kept(sk);
	__u32 delivered, marked, less, alpha;

	if ((tp->snd_una - own->round_end) >> 31)
		return;
	delivered = tp->delivered - own->delivered;
	marked = tp->delivered_ce - own->delivered_ce;
	less = own->alpha >> SHIFT;
	alpha = own->alpha - (less ? less : own->alpha);
	if (marked) {
		alpha += (marked << (10 - SHIFT)) / MAX(delivered, 1);
		alpha = MIN(alpha, ONE);
	}
	own->alpha = alpha;
	begin_round(tp, own);
}

OPS(set_state)
void BPF_PROG(dctcp_set_state, struct sock *sk, __u8 new_state)
{
	struct dctcp *own = kept(sk);

	if (own->ecn && new_state == STATE_RECOVERY && new_state != tcp(sk)->inet_conn.icsk_ca_state)
		react_to_loss(sk, own);
}

OPS(cwnd_event)
void BPF_PROG(dctcp_cwnd_event, struct sock *sk, int event)
{
	struct dctcp *own = kept(sk);

	if (!own->ecn)
		return;
	switch (event) {
	case EVENT_IS_CE:
		arrived(tcp(sk), own, 1);
		break;
	case EVENT_NO_CE:
		arrived(tcp(sk), own, 0);
		break;
	case EVENT_LOSS:
		react_to_loss(sk, own);
		break;
	default:
		break;
	}
}

OPS(undo_cwnd)
__u32 BPF_PROG(dctcp_undo_cwnd, struct sock *sk)
{
	struct tcp_sock *tp = tcp(sk);
	struct dctcp *own = kept(sk);
	__u32 before = own->ecn ? own->loss_window : tp->prior_cwnd;

	return MAX(tp->snd_cwnd, before);
}

SEC(".struct_ops")
struct tcp_congestion_ops dctcp = {
	.ssthresh = (void *)dctcp_ssthresh,
	.cong_avoid = (void *)dctcp_cong_avoid,
	.in_ack_event = (void *)dctcp_in_ack_event,
	.set_state = (void *)dctcp_set_state,
	.cwnd_event = (void *)dctcp_cwnd_event,
	.undo_cwnd = (void *)dctcp_undo_cwnd,
	.init = (void *)dctcp_init,
	.flags = NEEDS_ECN,
	.name = "c_dctcp",
};
