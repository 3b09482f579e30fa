/* Counterpart of write.ts, as a good C programmer writes it. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

struct option {
	__u8 kind;
	__u8 len;
	__be16 value;
};

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

char _license[] SEC("license") = "GPL";
