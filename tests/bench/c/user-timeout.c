/* RFC 5482 user timeout: counterpart of programs/user-timeout.ts. */
#include "writing.h"

#define KIND 28
#define LOWER_MS 1000
#define UPPER_MS 600000

const volatile __u16 timeoutSeconds = 10;

struct option {
	__u8 kind;
	__u8 len;
	__be16 value;
};

static __always_inline void adopt(void *skops, __be16 value)
{
	__u32 raw = bpf_ntohs(value);
	__u32 time = raw & 0x7fff;
	__u32 ms = raw & 0x8000 ? time * 60000 : time * 1000;

	ms = MAX(ms, LOWER_MS);
	ms = MIN(ms, UPPER_MS);
	bpf_setsockopt(skops, SOL_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

#ifdef PATCHED
SEC("sockops")
int userTimeout(struct patched_sock_ops *skops)
{
	__u32 *state;

	switch (skops->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		SET_FLAGS(skops, begin_writing(skops, skops->bpf_sock_ops_cb_flags));
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
		skops->reply = KIND | sizeof(struct option) << 8 | (__u32)bpf_htons(timeoutSeconds & 0x7fff) << 16;
		if (skops->data_segs_out > 1)
			end_writing(state);
		break;
	case BPF_TCP_PARSE_OPTIONS:
		if (skops->args[0] == KIND && skops->args[1] == sizeof(struct option))
			adopt(skops, skops->args[2] >> 16);
		break;
	}
	return 1;
}
#else
SEC("sockops")
int userTimeout(struct bpf_sock_ops *skops)
{
	__u32 on = BPF_SOCK_OPS_PARSE_UNKNOWN_HDR_OPT_CB_FLAG, *state;

	switch (skops->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		on |= begin_writing(skops, skops->bpf_sock_ops_cb_flags);
		/* fall through */
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		SET_FLAGS(skops, on);
		/* fall through: the segment that ended the handshake may carry the option */
	case BPF_SOCK_OPS_PARSE_HDR_OPT_CB: {
		struct option opt = { .kind = KIND };

		if (bpf_load_hdr_opt(skops, &opt, sizeof(opt), 0) == sizeof(opt))
			adopt(skops, opt.value);
		break;
	}
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
	case BPF_SOCK_OPS_WRITE_HDR_OPT_CB: {
		struct option opt;

		state = writing(skops);
		if (!state)
			break;
		if (skops->op == BPF_SOCK_OPS_HDR_OPT_LEN_CB) {
			bpf_reserve_hdr_opt(skops, sizeof(struct option), 0);
			break;
		}
		opt = (struct option){ KIND, sizeof(opt), bpf_htons(timeoutSeconds & 0x7fff) };
		bpf_store_hdr_opt(skops, &opt, sizeof(opt), 0);
		if (skops->data_segs_out > 1)
			end_writing(state);
		break;
	}
	}
	return 1;
}
#endif

char _license[] SEC("license") = "GPL";
