/* Counterpart of write-parse.ts, as a good C programmer writes it. */
#include "../c/tcp.h"

struct option {
	__u8 kind;
	__u8 len;
	__be16 value;
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} last SEC(".maps");

#ifdef PATCHED
SEC("sockops")
int write_parse(struct patched_sock_ops *skops)
{
	__u32 zero = 0, *slot;

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
	case BPF_TCP_PARSE_OPTIONS:
		if (skops->args[0] != 66 || skops->args[1] != sizeof(struct option))
			break;
		slot = bpf_map_lookup_elem(&last, &zero);
		if (slot)
			*slot = bpf_ntohs(skops->args[2] >> 16);
		break;
	}
	return 1;
}
#else
SEC("sockops")
int write_parse(struct bpf_sock_ops *skops)
{
	switch (skops->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		bpf_sock_ops_cb_flags_set(skops, skops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG |
							 BPF_SOCK_OPS_PARSE_UNKNOWN_HDR_OPT_CB_FLAG);
		/* fall through: the segment that ended the handshake may carry the option */
	case BPF_SOCK_OPS_PARSE_HDR_OPT_CB: {
		struct option opt = { .kind = 66 };
		__u32 zero = 0, *slot;

		if (bpf_load_hdr_opt(skops, &opt, sizeof(opt), 0) != sizeof(opt))
			break;
		slot = bpf_map_lookup_elem(&last, &zero);
		if (slot)
			*slot = bpf_ntohs(opt.value);
		break;
	}
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
