/* Which distributed trace the bytes belong to: counterpart of programs/trace-context.ts. */
#include "writing.h"

#define KIND 25
#define MOST_TRIES 2

const volatile __u8 enabled = 1;

struct trace_context {
	__u8 traceId[16];
	__u8 spanId[8];
};

struct option {
	__u8 kind;
	__u8 len;
	struct trace_context context;
};

/* proof: with so many bytes acknowledged, data that carried a context has arrived. */
struct way {
	__u64 proof;
	__u32 again;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct trace_context);
} outgoing SEC(".maps"), incoming SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct way);
} ways SEC(".maps");

/* Of a segment that leaves, or will: without flags it is one that the MSS is computed for, and has data. */
static __always_inline int has_data(sock_ops *skops)
{
	struct tcphdr *tcp = header_of(skops);

	if (!skops->skb_tcp_flags)
		return 1;
	return skops->skb_len != (tcp ? tcp->doff * 4 : 0);
}

static __always_inline int is_dropped(sock_ops *skops, struct bpf_sock *sk)
{
	struct way *way = bpf_sk_storage_get(&ways, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!way)
		return 0;
	if (!way->proof)
		way->proof = skops->bytes_acked + (__u32)(skops->snd_nxt - skops->snd_una) + 1;
	if (!leaves_again(skops) || skops->bytes_acked >= way->proof)
		return 0;
	return ++way->again >= MOST_TRIES;
}

SEC("sockops")
int traceContext(struct bpf_sock_ops *skops)
{
	__u32 on = BPF_SOCK_OPS_PARSE_UNKNOWN_HDR_OPT_CB_FLAG, *state;
	struct option opt = { .kind = KIND };
	struct trace_context *context;
	struct bpf_sock *sk;

	switch (skops->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		if (enabled)
			on |= begin_writing(skops, skops->bpf_sock_ops_cb_flags);
		SET_FLAGS(skops, on);
		/* fall through: the segment that ended the handshake may carry the option */
	case BPF_SOCK_OPS_PARSE_HDR_OPT_CB:
		if (bpf_load_hdr_opt(skops, &opt, sizeof(opt), 0) != sizeof(opt) || !enabled)
			break;
		sk = skops->sk;
		context = sk ? bpf_sk_storage_get(&incoming, sk, 0, BPF_SK_STORAGE_GET_F_CREATE) : 0;
		if (context)
			*context = opt.context;
		break;
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
	case BPF_SOCK_OPS_WRITE_HDR_OPT_CB:
		state = writing(skops);
		sk = skops->sk;
		if (!state || !sk || !has_data(skops))
			break;
		context = bpf_sk_storage_get(&outgoing, sk, 0, 0);
		if (!context)
			break;
		if (skops->op == BPF_SOCK_OPS_HDR_OPT_LEN_CB) {
			bpf_reserve_hdr_opt(skops, sizeof(opt), 0);
			break;
		}
		opt.len = sizeof(opt);
		opt.context = *context;
		bpf_store_hdr_opt(skops, &opt, sizeof(opt), 0);
		if (is_dropped(skops, sk))
			end_writing(state);
		break;
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
