/* TOA, whose connection a proxy's is: counterpart of programs/client-address.ts. */
#include "writing.h"

#define WRITES4 0x100
#define WRITES6 0x200

struct client4 {
	__be16 port;
	__be32 addr;
} __attribute__((packed));

struct client6 {
	__be16 port;
	__be32 addr[4];
} __attribute__((packed));

struct option4 {
	__u8 kind;
	__u8 len;
	struct client4 client;
};

struct option6 {
	__u8 kind;
	__u8 len;
	struct client6 client;
};

struct prefix {
	__u32 length;
	__be32 addr[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct client4);
} clients4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct client6);
} clients6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix);
	__type(value, __u32);
	__uint(max_entries, 256);
} proxies SEC(".maps");

static __always_inline int is_proxy(struct bpf_sock_ops *skops)
{
	struct prefix peer = { .length = 128 };
	__u32 *found;

	if (skops->family == AF_INET) {
		peer.addr[2] = bpf_htonl(0xffff);
		peer.addr[3] = skops->remote_ip4;
		/* The verifier wants the context's own pointer in each access: not one of two. */
		asm volatile("" ::: "memory");
	} else {
		/* Nor two of its members at once. */
		peer.addr[0] = *(volatile __u32 *)&skops->remote_ip6[0];
		peer.addr[1] = *(volatile __u32 *)&skops->remote_ip6[1];
		peer.addr[2] = *(volatile __u32 *)&skops->remote_ip6[2];
		peer.addr[3] = *(volatile __u32 *)&skops->remote_ip6[3];
	}
	found = bpf_map_lookup_elem(&proxies, &peer);
	return found && *found;
}

/* Both families differ in nothing but names and sizes. */
#define CLIENT(KIND, WRITES, option, clients)                                                                      \
	__u32 on = BPF_SOCK_OPS_PARSE_UNKNOWN_HDR_OPT_CB_FLAG, *state;                                             \
	struct option opt = { .kind = KIND };                                                                      \
	struct bpf_sock *sk = skops->sk;                                                                           \
	typeof(opt.client) *client;                                                                                \
                                                                                                                   \
	switch (skops->op) {                                                                                       \
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:                                                                   \
		if (sk && bpf_sk_storage_get(&clients, sk, 0, 0))                                                  \
			on |= begin_writing_as(skops, skops->bpf_sock_ops_cb_flags, WRITES);                       \
		/* fall through */                                                                                 \
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:                                                                  \
		SET_FLAGS(skops, on);                                                                              \
		/* fall through: the segment that ended the handshake may carry the option */                      \
	case BPF_SOCK_OPS_PARSE_HDR_OPT_CB:                                                                        \
		if (bpf_load_hdr_opt(skops, &opt, sizeof(opt), 0) != sizeof(opt) || !sk)                           \
			break;                                                                                     \
		if (bpf_sk_storage_get(&clients, sk, 0, 0) || !is_proxy(skops))                                    \
			break;                                                                                     \
		client = bpf_sk_storage_get(&clients, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);                         \
		if (client)                                                                                        \
			*client = opt.client;                                                                      \
		break;                                                                                             \
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:                                                                          \
	case BPF_SOCK_OPS_WRITE_HDR_OPT_CB:                                                                        \
		state = writing_as(skops, WRITES);                                                                 \
		if (!state || !sk)                                                                                 \
			break;                                                                                     \
		if (skops->op == BPF_SOCK_OPS_HDR_OPT_LEN_CB) {                                                    \
			bpf_reserve_hdr_opt(skops, sizeof(opt), 0);                                                \
			break;                                                                                     \
		}                                                                                                  \
		opt.len = sizeof(opt);                                                                             \
		client = bpf_sk_storage_get(&clients, sk, 0, 0);                                                   \
		if (client)                                                                                        \
			opt.client = *client;                                                                      \
		bpf_store_hdr_opt(skops, &opt, sizeof(opt), 0);                                                    \
		if (skops->bytes_acked > 1)                                                                        \
			end_writing_as(state, WRITES);                                                             \
		break;                                                                                             \
	}                                                                                                          \
	return 1;

SEC("sockops")
int client4(struct bpf_sock_ops *skops)
{
	CLIENT(200, WRITES4, option4, clients4)
}

SEC("sockops")
int client6(struct bpf_sock_ops *skops)
{
	CLIENT(201, WRITES6, option6, clients6)
}

char _license[] SEC("license") = "GPL";
