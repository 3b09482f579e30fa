/* Counterpart of write.ts, as a good C programmer writes it. */
#include "../c/tcp.h"

struct option {
	__u8 kind;
	__u8 len;
	__be16 value;
};

#ifdef PATCHED
SEC("sockops")
int write_option(struct patched_sock_ops *skops)
{
	switch (skops->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		SET_FLAGS(skops, BPF_SOCK_OPS_TCP_OPTIONS_CB_FLAG);
		break;
	case BPF_TCP_OPTIONS_SIZE_CALC:
		skops->reply = sizeof(struct option);
		break;
	case BPF_TCP_OPTIONS_WRITE:
		/* Kind and length come first in memory, so they are the low bytes. */
		skops->reply = 66 | sizeof(struct option) << 8 | (__u32)bpf_htons(1) << 16;
		break;
	}
	return 1;
}
#else
SEC("sockops")
int write_option(struct bpf_sock_ops *skops)
{
	switch (skops->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		bpf_sock_ops_cb_flags_set(skops, skops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
		break;
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
		bpf_reserve_hdr_opt(skops, sizeof(struct option), 0);
		break;
	case BPF_SOCK_OPS_WRITE_HDR_OPT_CB: {
		struct option opt = { 66, sizeof(opt), bpf_htons(1) };

		bpf_store_hdr_opt(skops, &opt, sizeof(opt), 0);
		break;
	}
	}
	return 1;
}
#endif

char _license[] SEC("license") = "GPL";
