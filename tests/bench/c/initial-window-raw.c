/* Listing 1 one hook at a time: counterpart of programs/initial-window-raw.ts. */
#include "tcp.h"

#define KIND 66

struct option {
	__u8 kind;
	__u8 len;
	__be16 segments;
};

SEC("sockops")
int initialWindowRaw(struct bpf_sock_ops *skops)
{
	switch (skops->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		bpf_sock_ops_cb_flags_set(skops, BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
		break;
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
		bpf_reserve_hdr_opt(skops, 4, 0);
		break;
	case BPF_SOCK_OPS_WRITE_HDR_OPT_CB: {
		struct option opt = { KIND, sizeof(opt), bpf_htons(20) };

		bpf_store_hdr_opt(skops, &opt, sizeof(opt), 0);
		if (skops->data_segs_in > 1)
			bpf_sock_ops_cb_flags_set(skops, 0);
		break;
	}
	case BPF_SOCK_OPS_PARSE_HDR_OPT_CB: {
		struct option opt = { .kind = KIND };

		if (bpf_load_hdr_opt(skops, &opt, sizeof(opt), 0) == sizeof(opt))
			skops->reply = 1;
		break;
	}
	default:
		skops->reply = -1;
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
