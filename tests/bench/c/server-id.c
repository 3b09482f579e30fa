/* Which server behind a balancer has the connection: counterpart of programs/server-id.ts. */
#define LISTENS
#include "writing.h"

#define KIND 183

const volatile __u32 serverId = 0;

struct server_id {
	__be32 id;
};

struct option {
	__u8 kind;
	__u8 len;
	__be32 id;
} __attribute__((packed));

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct server_id);
} servers SEC(".maps");

/* The client repeats from now on what the SYN-ACK said. */
static __always_inline void learn(sock_ops *skops, __be32 id)
{
	struct bpf_sock *sk = skops->sk;
	struct server_id *server;

	server = sk ? bpf_sk_storage_get(&servers, sk, 0, BPF_SK_STORAGE_GET_F_CREATE) : 0;
	if (!server)
		return;
	server->id = id;
	begin(skops);
}

static __always_inline __be32 name_to_write(sock_ops *skops)
{
	struct bpf_sock *sk = skops->sk;
	struct server_id *server = sk ? bpf_sk_storage_get(&servers, sk, 0, 0) : 0;

	if (server)
		return server->id;
	return skops->skb_tcp_flags & TCP_SYN ? bpf_htonl(serverId) : 0;
}

#ifdef PATCHED
SEC("sockops")
int serverName(struct patched_sock_ops *skops)
{
	__u32 *state;
	__be32 id;

	switch (skops->op) {
	case BPF_SOCK_OPS_TCP_LISTEN_CB:
		if (serverId)
			begin(skops);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		state = state_of(skops, 0);
		if (state)
			end_writing(state);
		break;
	case BPF_TCP_OPTIONS_SIZE_CALC:
	case BPF_TCP_OPTIONS_WRITE:
		if (!speaks(skops, &state) || (!serverId && skops->skb_tcp_flags & TCP_SYN))
			break;
		if (skops->op == BPF_TCP_OPTIONS_SIZE_CALC) {
			skops->reply = sizeof(struct option);
			break;
		}
		id = name_to_write(skops);
		skops->replylong[0] = KIND | sizeof(struct option) << 8 | id << 16;
		skops->replylong[1] = id >> 16;
		break;
	case BPF_TCP_PARSE_OPTIONS:
		if (skops->skb_tcp_flags & TCP_SYN && (skops->opt_data[0] & 0xffff) == (KIND | sizeof(struct option) << 8))
			learn(skops, skops->opt_data[0] >> 16 | skops->opt_data[1] << 16);
		break;
	}
	return 1;
}
#else
SEC("sockops")
int serverName(struct bpf_sock_ops *skops)
{
	struct option opt = { .kind = KIND };
	__u32 *state;

	switch (skops->op) {
	case BPF_SOCK_OPS_TCP_LISTEN_CB:
		if (serverId)
			begin(skops);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		state = state_of(skops, 0);
		if (state)
			end_writing(state);
		/* fall through */
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		SET_FLAGS(skops, BPF_SOCK_OPS_PARSE_UNKNOWN_HDR_OPT_CB_FLAG);
		/* fall through: the segment that ended the handshake may carry the option */
	case BPF_SOCK_OPS_PARSE_HDR_OPT_CB:
		if (bpf_load_hdr_opt(skops, &opt, sizeof(opt), 0) == sizeof(opt) && skops->skb_tcp_flags & TCP_SYN)
			learn(skops, opt.id);
		break;
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
	case BPF_SOCK_OPS_WRITE_HDR_OPT_CB:
		if (!speaks(skops, &state) || (!serverId && skops->skb_tcp_flags & TCP_SYN))
			break;
		if (skops->op == BPF_SOCK_OPS_HDR_OPT_LEN_CB) {
			bpf_reserve_hdr_opt(skops, sizeof(opt), 0);
			break;
		}
		opt.len = sizeof(opt);
		opt.id = name_to_write(skops);
		bpf_store_hdr_opt(skops, &opt, sizeof(opt), 0);
		break;
	}
	return 1;
}
#endif

char _license[] SEC("license") = "GPL";
