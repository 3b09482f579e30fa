/* TCP-INT, which switch was the busiest: counterpart of programs/telemetry.ts. */
#include "writing.h"

#define KIND 0x72

const volatile __u8 tagFrequencyKey = 1;
const volatile __u8 threshold = 0;

struct option {
	__u8 kind;
	__u8 len;
	__u8 tag;
	__u8 value;
	__u8 hop;
	__u8 latency[3];
	__u8 echoValue;
	__u8 echoLink;
	__be16 echoLatency;
};

struct seen {
	__u8 link;
	__u8 value;
	__u8 hop;
	__be16 latency;
};

struct path {
	__u8 value;
	__u8 link;
	__u8 hop;
	__u16 latency;
	__u32 samples;
};

struct report {
	__be32 remoteIp6[4];
	__be32 remoteIp4;
	__u16 family;
	__be16 remotePort;
	__u16 latency;
	__u8 value;
	__u8 hop;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct seen);
} seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct path);
} paths SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} reports SEC(".maps");

static __always_inline void fill(sock_ops *skops, struct option *opt)
{
	struct bpf_sock *sk = skops->sk;
	struct seen *last;

	*opt = (struct option){ .kind = KIND, .len = sizeof(*opt), .tag = tagFrequencyKey << 4 };
	last = sk ? bpf_sk_storage_get(&seen, sk, 0, 0) : 0;
	if (!last)
		return;
	opt->echoValue = last->value;
	opt->echoLink = last->link << 4 | (last->hop & 0xf);
	opt->echoLatency = last->latency;
}

static __always_inline void arrived(sock_ops *skops, const struct option *opt)
{
	struct bpf_sock *sk = skops->sk;
	struct seen *last;
	struct path *path;

	if (opt->hop) {
		last = sk ? bpf_sk_storage_get(&seen, sk, 0, BPF_SK_STORAGE_GET_F_CREATE) : 0;
		if (last) {
			last->link = opt->tag & 0xf;
			last->value = opt->value;
			last->hop = opt->hop;
			last->latency = bpf_htons(opt->latency[0] << 8 | opt->latency[1]);
		}
	}
	if (!opt->echoLink)
		return;
	path = sk ? bpf_sk_storage_get(&paths, sk, 0, BPF_SK_STORAGE_GET_F_CREATE) : 0;
	if (path) {
		path->value = opt->echoValue;
		path->link = opt->echoLink >> 4;
		path->hop = opt->echoLink & 0xf;
		path->latency = bpf_ntohs(opt->echoLatency);
		path->samples++;
	}
	if (threshold && opt->echoValue >= threshold) {
		struct report report = {
			.remoteIp6 = { skops->remote_ip6[0], skops->remote_ip6[1], skops->remote_ip6[2], skops->remote_ip6[3] },
			.remoteIp4 = skops->remote_ip4,
			.family = skops->family,
			.remotePort = skops->remote_port >> 16,
			.value = opt->echoValue,
			.hop = opt->echoLink & 0xf,
			.latency = bpf_ntohs(opt->echoLatency),
		};

		bpf_ringbuf_output(&reports, &report, sizeof(report), 0);
	}
}

#ifdef PATCHED
/* A word of the context: clang-16 would read and write halves, which the kernel refuses. */
#define WHOLE(word) (*(volatile __u32 *)&(word))

SEC("sockops")
int telemetry(struct patched_sock_ops *skops)
{
	struct option opt;
	__u32 words[3];

	switch (skops->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		begin(skops);
		break;
	case BPF_TCP_OPTIONS_SIZE_CALC:
	case BPF_TCP_OPTIONS_WRITE:
		if (!writing(skops))
			break;
		if (skops->op == BPF_TCP_OPTIONS_SIZE_CALC) {
			skops->reply = sizeof(struct option);
			break;
		}
		fill(skops, &opt);
		__builtin_memcpy(words, &opt, sizeof(opt));
		WHOLE(skops->replylong[0]) = words[0];
		WHOLE(skops->replylong[1]) = words[1];
		WHOLE(skops->replylong[2]) = words[2];
		break;
	case BPF_TCP_PARSE_OPTIONS:
		words[0] = skops->opt_data[0];
		if ((words[0] & 0xffff) != (KIND | sizeof(struct option) << 8))
			break;
		words[1] = WHOLE(skops->opt_data[1]);
		words[2] = WHOLE(skops->opt_data[2]);
		__builtin_memcpy(&opt, words, sizeof(opt));
		arrived(skops, &opt);
		break;
	}
	return 1;
}
#else
SEC("sockops")
int telemetry(struct bpf_sock_ops *skops)
{
	struct option opt = { .kind = KIND };

	switch (skops->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		SET_FLAGS(skops, BPF_SOCK_OPS_PARSE_UNKNOWN_HDR_OPT_CB_FLAG | begin_writing(skops, skops->bpf_sock_ops_cb_flags));
		/* fall through: the segment that ended the handshake may carry the option */
	case BPF_SOCK_OPS_PARSE_HDR_OPT_CB:
		if (bpf_load_hdr_opt(skops, &opt, sizeof(opt), 0) == sizeof(opt))
			arrived(skops, &opt);
		break;
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
	case BPF_SOCK_OPS_WRITE_HDR_OPT_CB:
		if (!writing(skops))
			break;
		if (skops->op == BPF_SOCK_OPS_HDR_OPT_LEN_CB) {
			bpf_reserve_hdr_opt(skops, sizeof(opt), 0);
			break;
		}
		fill(skops, &opt);
		bpf_store_hdr_opt(skops, &opt, sizeof(opt), 0);
		break;
	}
	return 1;
}
#endif

char _license[] SEC("license") = "GPL";
