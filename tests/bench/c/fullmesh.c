/* A subflow between every local address and every address of the peer: counterpart of programs/fullmesh.ts. */
#include "tcp.h"

#define LOCAL_ADDRS 8
#define REMOTE_ADDRS 8

struct local_addr {
	__be32 addr;
	__u8 inUse;
};

struct remote_addr {
	__be32 addr;
	__be16 port;
	__u8 id;
	__u8 inUse;
};

struct remote_addrs {
	struct remote_addr list[REMOTE_ADDRS];
};

struct sockaddr_in {
	__u16 family;
	__be16 port;
	__be32 addr;
	__u8 zero[8];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct local_addr);
	__uint(max_entries, LOCAL_ADDRS);
} localAddrs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, struct remote_addrs);
	__uint(max_entries, 1024);
} remoteAddrs SEC(".maps");

static __always_inline void open_from_all(struct patched_sock_ops *skops, __be32 addr, __be16 port, int is_initial)
{
	struct sockaddr_in from = { .family = AF_INET };
	struct sockaddr_in to = { .family = AF_INET, .port = port, .addr = addr };
	__u32 i;

#pragma unroll
	for (i = 0; i < LOCAL_ADDRS; i++) {
		__u32 key = i;
		struct local_addr *local = bpf_map_lookup_elem(&localAddrs, &key);

		if (!local || !local->inUse)
			continue;
		if (is_initial && local->addr == skops->local_ip4)
			continue; /* this subflow exists already */
		from.addr = local->addr;
		bpf_mptcp_open_subflow(skops, &from, sizeof(from), &to, sizeof(to));
	}
}

SEC("sockops")
int fullmesh(struct patched_sock_ops *skops)
{
	__u32 token = skops->mptcp_loc_token;
	struct remote_addrs *known;
	__u32 i;

	switch (skops->op) {
	case BPF_MPTCP_NEW_SESSION: {
		struct remote_addrs none = {};

		bpf_map_update_elem(&remoteAddrs, &token, &none, BPF_ANY);
		break;
	}
	case BPF_MPTCP_FULLY_ESTABLISHED:
		if (skops->args[1])
			open_from_all(skops, skops->remote_ip4, skops->remote_port >> 16, 1);
		break;
	case BPF_MPTCP_ADD_RADDR: {
		__be32 addr = skops->args[0];
		__be16 port = bpf_htons(skops->args[1]);

		known = bpf_map_lookup_elem(&remoteAddrs, &token);
		if (!known)
			break;
#pragma unroll
		for (i = 0; i < REMOTE_ADDRS; i++) {
			struct remote_addr *slot = &known->list[i];

			if (slot->inUse)
				continue;
			slot->addr = addr;
			slot->port = port;
			slot->id = skops->args[2];
			slot->inUse = 1;
			break;
		}
		open_from_all(skops, addr, port, 0);
		break;
	}
	case BPF_MPTCP_REM_RADDR: {
		__u8 id = skops->args[1];

		known = bpf_map_lookup_elem(&remoteAddrs, &token);
		if (!known)
			break;
#pragma unroll
		for (i = 0; i < REMOTE_ADDRS; i++)
			if (known->list[i].id == id)
				known->list[i].inUse = 0;
		break;
	}
	case BPF_MPTCP_CLOSE_SESSION:
		bpf_map_delete_elem(&remoteAddrs, &token);
		break;
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
