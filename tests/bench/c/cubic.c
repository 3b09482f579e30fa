/* The same CUBIC as programs/cubic.ts, in C. */
#include "congestion.h"

char LICENSE[] SEC("license") = "GPL";

#define BETA 717
#define C 410ULL
#define CUBE_FACTOR ((1ULL << 40) / C)
#define RENO_EIGHTHS 15
#define SECOND_US 1000000ULL
#define LOW_WINDOW 16
#define TRAIN_GAP_US 2000
#define MIN_SAMPLES 8

struct cubic {
	__u32 per_segment, max_window, last_window, origin, k, min_rtt_us, acked, reno_window;
	__u64 last_look_us, epoch_us, last_sent_us;
	__u32 found, round_start_us, last_ack_us, round_end, round_rtt_us, samples;
};

static __always_inline bool is_after(__u32 a, __u32 b)
{
	return (__s32)(b - a) < 0;
}

static __always_inline void forget(struct cubic *own)
{
	own->per_segment = 0;
	own->max_window = 0;
	own->last_window = 0;
	own->origin = 0;
	own->k = 0;
	own->min_rtt_us = 0;
	own->acked = 0;
	own->reno_window = 0;
	own->last_look_us = 0;
	own->epoch_us = 0;
	own->found = 0;
}

static __always_inline void begin_round(struct tcp_sock *tp, struct cubic *own)
{
	__u32 now = tp->tcp_mstamp;

	own->round_start_us = now;
	own->last_ack_us = now;
	own->round_end = tp->snd_nxt;
	own->round_rtt_us = 0xffffffff;
	own->samples = 0;
}

static __always_inline __u32 cube_root(__u64 a)
{
	__u64 rest = a, x;
	__u32 k = 0;

	if (a < 64)
		return a < 1 ? 0 : a < 8 ? 1 : a < 27 ? 2 : 3;
	if (rest >> 48) {
		rest >>= 48;
		k += 16;
	}
	if (rest >> 24) {
		rest >>= 24;
		k += 8;
	}
	if (rest >> 12) {
		rest >>= 12;
		k += 4;
	}
	if (rest >> 6) {
		rest >>= 6;
		k += 2;
	}
	if (rest >> 3)
		k += 1;
	x = ((((a >> (3 * (k - 2))) + 384) / 7 * 135) << k) >> 13;
	x = (2 * x + a / (x * x)) / 3;
	x = (2 * x + a / (x * x)) / 3;
	return x;
}

static __always_inline void follow(struct cubic *own, __u32 window, __u64 now, __u32 acked)
{
	__u64 t, k, away;
	__u32 delta, target;

	if (!own->epoch_us) {
		own->epoch_us = now;
		own->acked = acked;
		own->reno_window = window;
		own->origin = MAX(window, own->max_window);
		own->k = own->max_window > window ? cube_root(CUBE_FACTOR * (own->max_window - window)) : 0;
	}
	t = ((now - own->epoch_us + own->min_rtt_us) << 10) / SECOND_US;
	k = own->k;
	away = t < k ? k - t : t - k;
	delta = (C * away * away * away) >> 40;
	target = t < k ? own->origin - delta : own->origin + delta;
	own->per_segment = target > window ? window / (target - window) : 100 * window;
	if (!own->max_window && own->per_segment > 20)
		own->per_segment = 20;
}

static __always_inline void look(struct tcp_sock *tp, struct cubic *own, __u32 acked)
{
	__u32 window = tp->snd_cwnd, each;
	__u64 now = tp->tcp_mstamp, since;

	own->acked += acked;
	since = now - own->last_look_us;
	if (own->last_window == window && since <= SECOND_US / 32)
		return;
	if (!own->epoch_us || since >= 1000) {
		own->last_window = window;
		own->last_look_us = now;
		follow(own, window, now, acked);
	}
	each = (window * RENO_EIGHTHS) >> 3;
	if (own->acked > each) {
		__u32 steps = (own->acked - 1) / each;

		own->acked -= steps * each;
		own->reno_window += steps;
	}
	if (own->reno_window > window)
		own->per_segment = MIN(own->per_segment, window / (own->reno_window - window));
	own->per_segment = MAX(own->per_segment, 2);
}

static __always_inline __u32 burst_us(struct tcp_sock *tp)
{
	__u64 rate = tp->inet_conn.icsk_inet.sk.sk_pacing_rate, us;

	if (!rate)
		return 0;
	us = tp->inet_conn.icsk_inet.sk.sk_gso_max_size * 4 * SECOND_US / rate;
	return MIN(1000, us);
}

static __always_inline bool is_full(struct tcp_sock *tp, struct cubic *own, __u32 rtt_us)
{
	__u32 now = tp->tcp_mstamp, threshold;
	bool full = false;

	if (is_after(tp->snd_una, own->round_end))
		begin_round(tp, own);
	if (tp->snd_cwnd < LOW_WINDOW)
		return false;
	if ((__s32)(now - own->last_ack_us) <= TRAIN_GAP_US) {
		__u32 whole = own->min_rtt_us + burst_us(tp);

		own->last_ack_us = now;
		if (!tp->inet_conn.icsk_inet.sk.sk_pacing_status)
			whole >>= 1;
		if ((__s32)(now - own->round_start_us) > (__s32)whole)
			full = true;
	}
	own->round_rtt_us = MIN(own->round_rtt_us, rtt_us);
	threshold = own->min_rtt_us >> 3;
	threshold = MIN(MAX(threshold, 4000), 16000);
	if (own->samples < MIN_SAMPLES)
		own->samples += 1;
	else if (own->round_rtt_us > own->min_rtt_us + threshold)
		full = true;
	return full;
}

OPS(init)
void BPF_PROG(cubic_init, struct sock *sk)
{
	struct cubic *own = kept(sk);

	forget(own);
	begin_round(tcp(sk), own);
}

OPS(ssthresh)
__u32 BPF_PROG(cubic_ssthresh, struct sock *sk)
{
	struct cubic *own = kept(sk);
	__u32 window = tcp(sk)->snd_cwnd, next;

	own->epoch_us = 0;
	own->max_window = window < own->max_window ? window * (1024 + BETA) / 2048 : window;
	next = (window * BETA) >> 10;
	return MAX(next, 2);
}

OPS(cong_avoid)
void BPF_PROG(cubic_cong_avoid, struct sock *sk, __u32 ack, __u32 acked)
{
	struct tcp_sock *tp = tcp(sk);
	struct cubic *own = kept(sk);

	if (!cwnd_limited(tp) &&
	    !(tp->snd_cwnd < tp->snd_ssthresh && tp->snd_cwnd < 2 * tp->max_packets_out))
		return;
	if (tp->snd_cwnd < tp->snd_ssthresh) {
		acked = tcp_slow_start(tp, acked);
		if (!acked)
			return;
	}
	look(tp, own, acked);
	tcp_cong_avoid_ai(tp, own->per_segment, acked);
}

OPS(set_state)
void BPF_PROG(cubic_set_state, struct sock *sk, __u8 new_state)
{
	struct cubic *own = kept(sk);

	if (new_state != STATE_LOSS)
		return;
	forget(own);
	begin_round(tcp(sk), own);
}

OPS(cwnd_event)
void BPF_PROG(cubic_cwnd_event, struct sock *sk, int event)
{
	struct cubic *own = kept(sk);
	__u64 now, moved;

	if (event != EVENT_TX_START || !own->epoch_us || !own->last_sent_us)
		return;
	now = tcp(sk)->tcp_mstamp;
	if (now > own->last_sent_us) {
		moved = own->epoch_us + (now - own->last_sent_us);
		own->epoch_us = MIN(moved, now);
	}
}

OPS(pkts_acked)
void BPF_PROG(cubic_pkts_acked, struct sock *sk, const struct ack_sample *sample)
{
	struct tcp_sock *tp = tcp(sk);
	struct cubic *own = kept(sk);
	__u32 rtt_us;

	own->last_sent_us = tp->tcp_wstamp_ns / 1000;
	if (sample->rtt_us < 0)
		return;
	if (own->epoch_us && tp->tcp_mstamp - own->epoch_us < SECOND_US)
		return;
	rtt_us = sample->rtt_us;
	rtt_us = MAX(rtt_us, 1);
	if (!own->min_rtt_us || own->min_rtt_us > rtt_us)
		own->min_rtt_us = rtt_us;
	if (own->found || tp->snd_cwnd >= tp->snd_ssthresh)
		return;
	if (!is_full(tp, own, rtt_us))
		return;
	own->found = 1;
	tp->snd_ssthresh = tp->snd_cwnd;
}

OPS(undo_cwnd)
__u32 BPF_PROG(cubic_undo_cwnd, struct sock *sk)
{
	return tcp_reno_undo_cwnd(sk);
}

SEC(".struct_ops")
struct tcp_congestion_ops cubic = {
	.ssthresh = (void *)cubic_ssthresh,
	.cong_avoid = (void *)cubic_cong_avoid,
	.set_state = (void *)cubic_set_state,
	.cwnd_event = (void *)cubic_cwnd_event,
	.pkts_acked = (void *)cubic_pkts_acked,
	.undo_cwnd = (void *)cubic_undo_cwnd,
	.init = (void *)cubic_init,
	.name = "c_cubic",
};
