/*
 * A subflow between every local address and every address of the peer, in IPv4 and IPv6, while addresses come and go:
 * counterpart of programs/fullmesh.ts.
 */
#include "mptcp.h"

#define REMOTE_ADDRS 8

struct remote_addr {
	__be32 addr;
	__be16 port;
	__u8 id;
	__u8 inUse;
	__u32 family;
	__be32 addr6[4];
};

struct remote_addrs {
	struct remote_addr list[REMOTE_ADDRS];
};

LOCAL_ADDRESSES;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, struct remote_addrs);
	__uint(max_entries, 1024);
} remoteAddrs SEC(".maps");

static __always_inline void open4(struct patched_sock_ops *skops, __be32 addr, const struct remote_addr *remote)
{
	struct sockaddr_in from = { .family = AF_INET, .addr = addr };
	struct sockaddr_in to = { .family = AF_INET, .port = remote->port, .addr = remote->addr };

	bpf_mptcp_open_subflow(skops, &from, sizeof(from), &to, sizeof(to));
}

static __always_inline void open6(struct patched_sock_ops *skops, const __be32 *addr, const struct remote_addr *remote)
{
	struct sockaddr_in6 from = { .family = AF_INET6 };
	struct sockaddr_in6 to = { .family = AF_INET6, .port = remote->port };

	copy6(from.addr, addr);
	copy6(to.addr, remote->addr6);
	bpf_mptcp_open_subflow(skops, &from, sizeof(from), &to, sizeof(to));
}

/* An IPv6 socket may carry IPv4, as ::ffff:192.0.2.1. */
static __always_inline __u32 family_of(struct patched_sock_ops *skops)
{
	if (skops->family != AF_INET6)
		return AF_INET;
	if (!skops->remote_ip6[0] && !skops->remote_ip6[1] && skops->remote_ip6[2] == bpf_htonl(0xffff))
		return AF_INET;
	return AF_INET6;
}

static __always_inline int is_known(const struct remote_addrs *known, const struct remote_addr *remote)
{
	int i;

#pragma unroll
	for (i = 0; i < REMOTE_ADDRS; i++) {
		const struct remote_addr *slot = &known->list[i];

		if (!slot->inUse)
			continue;
		if (slot->id == remote->id)
			return 1;
		if (slot->addr == remote->addr && slot->port == remote->port && same6(slot->addr6, remote->addr6))
			return 1;
	}
	return 0;
}

static __always_inline void remember(struct remote_addrs *known, const struct remote_addr *remote)
{
	int i;

#pragma unroll
	for (i = 0; i < REMOTE_ADDRS; i++) {
		struct remote_addr *slot = &known->list[i];

		if (slot->inUse)
			continue;
		*slot = *remote;
		slot->inUse = 1;
		break;
	}
}

/* Where is_initial, the subflow from its own address exists already. */
static __always_inline void open_from_all(struct patched_sock_ops *skops, const struct remote_addr *remote, int is_initial)
{
	__u32 i, key = 0;
	struct local_addresses *locals = bpf_map_lookup_elem(&local_addrs, &key);

	if (!locals)
		return;
	if (remote->family == AF_INET6) {
#pragma unroll
		for (i = 0; i < LOCAL_ADDRS; i++) {
			struct local_addr *local = &locals->list[i];

			if (local->family != AF_INET6)
				continue;
			if (is_initial && local->addr6[0] == skops->local_ip6[0] && local->addr6[1] == skops->local_ip6[1] &&
			    local->addr6[2] == skops->local_ip6[2] && local->addr6[3] == skops->local_ip6[3])
				continue;
			open6(skops, local->addr6, remote);
		}
	} else {
#pragma unroll
		for (i = 0; i < LOCAL_ADDRS; i++) {
			struct local_addr *local = &locals->list[i];

			if (local->family != AF_INET)
				continue;
			if (is_initial && local->addr == skops->local_ip4)
				continue;
			open4(skops, local->addr, remote);
		}
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

		if (skops->mptcp_flags & SERVER_SIDE)
			break; /* nobody listens on a client's port */
		if (bpf_map_update_elem(&remoteAddrs, &token, &none, BPF_ANY))
			bpf_printk("no room for session %u: not meshed", token);
		break;
	}
	case BPF_MPTCP_FULLY_ESTABLISHED: {
		struct remote_addr first = { .port = skops->remote_port >> 16, .family = family_of(skops) };

		if (!skops->args[1])
			break;
		known = bpf_map_lookup_elem(&remoteAddrs, &token);
		if (!known)
			break;
		if (first.family == AF_INET6) {
			first.addr6[0] = skops->remote_ip6[0];
			first.addr6[1] = skops->remote_ip6[1];
			first.addr6[2] = skops->remote_ip6[2];
			first.addr6[3] = skops->remote_ip6[3];
		} else {
			first.addr = skops->remote_ip4;
		}
		remember(known, &first);
		open_from_all(skops, &first, 1);
		break;
	}
	case BPF_MPTCP_ADD_RADDR: {
		struct remote_addr remote = {
			.addr = skops->args[0],
			/* No port is that of the subflow on which the address was announced (RFC 8684, section 3.4.1). */
			.port = skops->args[1] ? bpf_htons(skops->args[1]) : skops->remote_port >> 16,
			.id = skops->args[2],
			.family = skops->args[3],
			.addr6 = { skops->mptcp_addr6[0], skops->mptcp_addr6[1], skops->mptcp_addr6[2],
				   skops->mptcp_addr6[3] },
		};

		known = bpf_map_lookup_elem(&remoteAddrs, &token);
		if (!known || is_known(known, &remote))
			break;
		remember(known, &remote);
		open_from_all(skops, &remote, 0);
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
	case BPF_MPTCP_ADD_LADDR: {
		__u32 family = skops->args[3];
		__be32 addr = skops->args[0];
		__be32 addr6[4] = { skops->mptcp_addr6[0], skops->mptcp_addr6[1], skops->mptcp_addr6[2],
				    skops->mptcp_addr6[3] };

		known = bpf_map_lookup_elem(&remoteAddrs, &token);
		if (!known)
			break;
#pragma unroll
		for (i = 0; i < REMOTE_ADDRS; i++) {
			struct remote_addr *slot = &known->list[i];

			if (!slot->inUse || slot->family != family)
				continue;
			if (family == AF_INET6)
				open6(skops, addr6, slot);
			else
				open4(skops, addr, slot);
		}
		break;
	}
	case BPF_MPTCP_REM_LADDR:
		/* Its subflows can carry nothing any more. */
		if (skops->args[3] == AF_INET6) {
			struct sockaddr_in6 from = {
				.family = AF_INET6,
				.addr = { skops->mptcp_addr6[0], skops->mptcp_addr6[1], skops->mptcp_addr6[2],
					  skops->mptcp_addr6[3] },
			};

			bpf_mptcp_close_subflow(skops, &from, sizeof(from), 0, 0);
		} else {
			struct sockaddr_in from = { .family = AF_INET, .addr = skops->args[0] };

			bpf_mptcp_close_subflow(skops, &from, sizeof(from), 0, 0);
		}
		break;
	case BPF_MPTCP_CLOSE_SESSION:
		bpf_map_delete_elem(&remoteAddrs, &token);
		break;
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
