/* A server tells its clients of its other addresses: counterpart of programs/announce-addresses.ts. */
#include "mptcp.h"

LOCAL_ADDRESSES;

static __always_inline void announce4(struct patched_sock_ops *skops, __be32 addr, __u32 wanted)
{
	struct sockaddr_in in = { .family = AF_INET, .addr = addr };

	bpf_mptcp_announce_addr(skops, &in, sizeof(in), wanted);
}

static __always_inline void announce6(struct patched_sock_ops *skops, const __be32 *addr, __u32 wanted)
{
	struct sockaddr_in6 in6 = { .family = AF_INET6 };

	copy6(in6.addr, addr);
	bpf_mptcp_announce_addr(skops, &in6, sizeof(in6), wanted);
}

static __always_inline void announce_event(struct patched_sock_ops *skops, __u32 wanted)
{
	__be32 addr6[4] = EVENT_IP6(skops);

	if (skops->args[3] == AF_INET6)
		announce6(skops, addr6, wanted);
	else
		announce4(skops, skops->args[0], wanted);
}

SEC("sockops")
int announceAddresses(struct patched_sock_ops *skops)
{
	struct local_addresses *locals;
	__u32 i, key = 0;

	switch (skops->op) {
	case BPF_MPTCP_FULLY_ESTABLISHED:
		if (!skops->args[1] || !(skops->mptcp_flags & SERVER_SIDE))
			break;
		locals = bpf_map_lookup_elem(&local_addrs, &key);
		if (!locals)
			break;
#pragma unroll
		for (i = 0; i < LOCAL_ADDRS; i++)
			if (locals->list[i].family == AF_INET)
				announce4(skops, locals->list[i].addr, 1);
		if (skops->family != AF_INET6)
			break; /* such a socket takes no IPv6 */
#pragma unroll
		for (i = 0; i < LOCAL_ADDRS; i++)
			if (locals->list[i].family == AF_INET6)
				announce6(skops, locals->list[i].addr6, 1);
		break;
	case BPF_MPTCP_ADD_LADDR:
		if (skops->mptcp_flags & SERVER_SIDE)
			announce_event(skops, 1);
		break;
	case BPF_MPTCP_REM_LADDR:
		if (!skops->args[2] && skops->mptcp_flags & SERVER_SIDE)
			announce_event(skops, 0);
		break;
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
