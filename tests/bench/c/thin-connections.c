/* Further subflows for connections that carry enough: counterpart of programs/thin-connections.ts. */
#include "mptcp.h"

/* A timer's longest time, in milliseconds. */
#define DAY 86400000u

const volatile __u32 worthBytes = 100000;
const volatile __u32 firstLookMs = 200;
const volatile __u32 longestWaitMs = 10000;

LOCAL_ADDRESSES;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, 4096);
} thin SEC(".maps");

static __always_inline void open_from_others(struct patched_sock_ops *skops, const struct local_addresses *locals)
{
	__u32 i;

	if (skops->family == AF_INET) {
#pragma unroll
		for (i = 0; i < LOCAL_ADDRS; i++) {
			struct sockaddr_in from = { .family = AF_INET, .addr = locals->list[i].addr };

			if (locals->list[i].family == AF_INET && from.addr != skops->local_ip4)
				bpf_mptcp_open_subflow(skops, &from, sizeof(from), NULL, 0);
		}
	} else if (skops->family == AF_INET6) {
#pragma unroll
		for (i = 0; i < LOCAL_ADDRS; i++) {
			struct sockaddr_in6 from = { .family = AF_INET6 };
			const __be32 *addr = locals->list[i].addr6;

			if (locals->list[i].family != AF_INET6)
				continue;
			if (addr[0] == skops->local_ip6[0] && addr[1] == skops->local_ip6[1] &&
			    addr[2] == skops->local_ip6[2] && addr[3] == skops->local_ip6[3])
				continue;
			copy6(from.addr, addr);
			bpf_mptcp_open_subflow(skops, &from, sizeof(from), NULL, 0);
		}
	}
}

SEC("sockops")
int thinConnections(struct patched_sock_ops *skops)
{
	__u32 token = skops->mptcp_loc_token;
	struct local_addresses *locals;
	__u32 *wait, key = 0, first, longest;

	switch (skops->op) {
	case BPF_MPTCP_FULLY_ESTABLISHED:
		if (!skops->args[1] || skops->mptcp_flags & SERVER_SIDE)
			break; /* nobody listens on a client's port */
		first = MIN(firstLookMs, DAY);
		if (bpf_map_update_elem(&thin, &token, &first, BPF_ANY))
			bpf_printk("no room for session %u: it keeps one subflow", token);
		else
			bpf_mptcp_set_timer(skops, first);
		break;
	case BPF_MPTCP_TIMER:
		if (!skops->args[3])
			break;
		wait = bpf_map_lookup_elem(&thin, &token);
		if (!wait)
			break;
		if (skops->bytes_received + skops->bytes_acked < worthBytes) {
			longest = MIN(longestWaitMs, DAY);
			*wait = MIN(*wait * 2, longest);
			bpf_mptcp_set_timer(skops, *wait);
			break;
		}
		bpf_map_delete_elem(&thin, &token);
		locals = bpf_map_lookup_elem(&local_addrs, &key);
		if (locals)
			open_from_others(skops, locals);
		break;
	case BPF_MPTCP_CLOSE_SESSION:
		bpf_map_delete_elem(&thin, &token);
		break;
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
