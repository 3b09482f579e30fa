/*
 * A program of somebody else's on the sockets of ours, as people write them: an option of kind 210 on every segment once the
 * connection is established, and -1 for all that it does not know. With `stops` it clears the flag after its first data.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define KIND 210
#ifdef PATCHED
enum { LENGTH = 64, WRITE = 65, FLAG = 0x80 };
#else
enum {
	LENGTH = BPF_SOCK_OPS_HDR_OPT_LEN_CB,
	WRITE = BPF_SOCK_OPS_WRITE_HDR_OPT_CB,
	FLAG = BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG
};
#endif

const volatile __u32 stops = 0;

SEC("sockops")
int beside(struct bpf_sock_ops *skops)
{
	int done = stops && skops->data_segs_out > 0;

	switch (skops->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		bpf_sock_ops_cb_flags_set(skops, skops->bpf_sock_ops_cb_flags | FLAG);
		break;
	case LENGTH:
		if (done) {
			bpf_sock_ops_cb_flags_set(skops, skops->bpf_sock_ops_cb_flags & ~FLAG);
			break;
		}
#ifdef PATCHED
		skops->reply = 4;
		break;
	case WRITE:
		if (done)
			break;
		skops->reply = KIND | 4 << 8 | 0xbeef0000;
		break;
#else
		bpf_reserve_hdr_opt(skops, 4, 0);
		break;
	case WRITE: {
		__u8 option[4] = { KIND, 4, 0xef, 0xbe };

		if (done)
			break;
		bpf_store_hdr_opt(skops, option, sizeof(option), 0);
		break;
	}
#endif
	default:
		skops->reply = -1;
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
