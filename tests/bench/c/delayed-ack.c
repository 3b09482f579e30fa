/* The sender tells the receiver how to delay its ACKs: counterpart of programs/delayed-ack.ts. */
#include "writing.h"

#define KIND 67
#define LEAST_US 2000

const volatile __u8 rttFraction = 2;
const volatile __u8 segmentsPerAck = 100;

struct option {
	__u8 kind;
	__u8 len;
	__u8 fraction;
	__u8 segments;
};

struct stats {
	__u64 requests;
	__u32 lastDelayUs;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct stats);
} stats SEC(".maps");

static __always_inline int set_delayed_ack(void *skops, __u32 max_us, __u32 segments)
{
	int err = bpf_setsockopt(skops, SOL_TCP, TCP_DELACK_MAX_US, &max_us, sizeof(max_us));

	return err ?: bpf_setsockopt(skops, SOL_TCP, TCP_DELACK_SEGS, &segments, sizeof(segments));
}

SEC("sockops")
int delayedAck(struct patched_sock_ops *skops)
{
	__u32 *state;

	switch (skops->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		SET_FLAGS(skops, begin_writing(skops, skops->bpf_sock_ops_cb_flags) | BPF_SOCK_OPS_RTO_CB_FLAG);
		break;
	case BPF_TCP_OPTIONS_SIZE_CALC:
	case BPF_TCP_OPTIONS_WRITE:
		state = writing(skops);
		if (!state)
			break;
		if (skops->op == BPF_TCP_OPTIONS_SIZE_CALC) {
			skops->reply = sizeof(struct option);
			break;
		}
		/* Kind and length come first in memory, so they are the low bytes. */
		skops->reply = KIND | sizeof(struct option) << 8 | (__u32)rttFraction << 16 | (__u32)segmentsPerAck << 24;
		if (skops->data_segs_out > 2)
			end_writing(state);
		break;
	case BPF_TCP_PARSE_OPTIONS: {
		__u32 delay_us, data, fraction, segments;
		struct stats *seen;

		if (skops->args[0] != KIND || skops->args[1] != sizeof(struct option))
			break;
		data = skops->args[2];
		fraction = data >> 16 & 0xff;
		segments = data >> 24;
		if (!fraction || !segments)
			break;
		delay_us = skops->rtt_min / fraction;
		delay_us = MAX(delay_us, LEAST_US);
		if (set_delayed_ack(skops, delay_us, segments))
			break;
		if (!skops->sk)
			break;
		seen = bpf_sk_storage_get(&stats, skops->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		if (!seen)
			break;
		seen->requests++;
		seen->lastDelayUs = delay_us;
		break;
	}
	case BPF_SOCK_OPS_RTO_CB:
		state = state_of(skops, 0);
		if (state)
			end_writing(state);
		break;
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
