/* An initial window asked for on the SYN-ACK, too: counterpart of programs/initial-window-both.ts. */
#define LISTENS
#include "writing.h"

#define KIND 66
#ifndef TCP_BPF_IW
#define TCP_BPF_IW 1001
#endif

const volatile __u16 wantedWindow = 20;
const volatile __u16 largestWindow = 64;

struct option {
	__u8 kind;
	__u8 len;
	__be16 segments;
};

static __always_inline int is_trusted(sock_ops *skops)
{
	__be32 addr4 = skops->remote_ip4;

	return (addr4 & bpf_htonl(0xff000000)) == bpf_htonl(0x0a000000) ||
	       (addr4 & bpf_htonl(0xffff0000)) == bpf_htonl(0xc0a80000) ||
	       (skops->family == AF_INET6 && (skops->remote_ip6[0] & bpf_htonl(0xff000000)) == bpf_htonl(0xfd000000));
}

static __always_inline void grant(sock_ops *skops, __be16 wire)
{
	__u32 segments, largest = largestWindow;

	if (!is_trusted(skops))
		return;
	segments = bpf_ntohs(wire);
	segments = MIN(segments, largest);
	if (bpf_setsockopt(skops, SOL_TCP, TCP_BPF_IW, &segments, sizeof(segments)))
		bpf_printk("initial window %u refused", segments);
}

#ifdef PATCHED
SEC("sockops")
int initialWindowBoth(struct patched_sock_ops *skops)
{
	__u32 *state;

	switch (skops->op) {
	case BPF_SOCK_OPS_TCP_LISTEN_CB:
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		begin(skops);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		state = state_of(skops, 0);
		if (state)
			end_writing(state);
		break;
	case BPF_TCP_OPTIONS_SIZE_CALC:
	case BPF_TCP_OPTIONS_WRITE:
		if (!speaks(skops, &state))
			break;
		if (skops->op == BPF_TCP_OPTIONS_SIZE_CALC) {
			skops->reply = sizeof(struct option);
			break;
		}
		/* Kind and length come first in memory, so they are the low bytes. */
		skops->reply = KIND | sizeof(struct option) << 8 | (__u32)bpf_htons(wantedWindow) << 16;
		if (state && skops->data_segs_in > 1)
			end_writing(state);
		break;
	case BPF_TCP_PARSE_OPTIONS:
		if (skops->args[0] == KIND && skops->args[1] == sizeof(struct option))
			grant(skops, skops->args[2] >> 16);
		break;
	}
	return 1;
}
#else
SEC("sockops")
int initialWindowBoth(struct bpf_sock_ops *skops)
{
	__u32 on = BPF_SOCK_OPS_PARSE_UNKNOWN_HDR_OPT_CB_FLAG, *state;
	struct option opt = { .kind = KIND };

	switch (skops->op) {
	case BPF_SOCK_OPS_TCP_LISTEN_CB:
		begin(skops);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		on |= begin_writing(skops, skops->bpf_sock_ops_cb_flags);
		goto arrived;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		state = state_of(skops, 0);
		if (state)
			end_writing(state);
	arrived:
		SET_FLAGS(skops, on);
		/* fall through: the segment that ended the handshake may carry the option */
	case BPF_SOCK_OPS_PARSE_HDR_OPT_CB:
		if (bpf_load_hdr_opt(skops, &opt, sizeof(opt), 0) == sizeof(opt))
			grant(skops, opt.segments);
		break;
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
	case BPF_SOCK_OPS_WRITE_HDR_OPT_CB:
		if (!speaks(skops, &state))
			break;
		if (skops->op == BPF_SOCK_OPS_HDR_OPT_LEN_CB) {
			bpf_reserve_hdr_opt(skops, sizeof(opt), 0);
			break;
		}
		opt = (struct option){ KIND, sizeof(opt), bpf_htons(wantedWindow) };
		bpf_store_hdr_opt(skops, &opt, sizeof(opt), 0);
		if (state && skops->data_segs_in > 1)
			end_writing(state);
		break;
	}
	return 1;
}
#endif

char _license[] SEC("license") = "GPL";
