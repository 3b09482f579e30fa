/* A subflow that broke is opened again, with back-off: counterpart of programs/recover.ts. */
#include "mptcp.h"

#define PAIRS 4
#define MILLISECOND 1000000ull

const volatile __u32 longestWaitSeconds = 60;
const volatile __u8 mostFailures = 8;

struct pair {
	__be32 from6[4];
	__be32 to6[4];
	__be32 from;
	__be32 to;
	__u64 sinceNs;
	__u32 family;
	__be16 port;
	__u8 failures;
	__u8 waits;
};

struct pairs {
	struct pair list[PAIRS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, struct pairs);
	__uint(max_entries, 1024);
} broken SEC(".maps");

static __always_inline void open_pair(struct patched_sock_ops *skops, struct pair *pair, __u64 now)
{
	pair->waits = 0;
	pair->sinceNs = now;
	if (pair->family == AF_INET6) {
		struct sockaddr_in6 from = { .family = AF_INET6 };
		struct sockaddr_in6 to = { .family = AF_INET6, .port = pair->port };

		copy6(from.addr, pair->from6);
		copy6(to.addr, pair->to6);
		bpf_mptcp_open_subflow(skops, &from, sizeof(from), &to, sizeof(to));
	} else {
		struct sockaddr_in from = { .family = AF_INET, .addr = pair->from };
		struct sockaddr_in to = { .family = AF_INET, .port = pair->port, .addr = pair->to };

		bpf_mptcp_open_subflow(skops, &from, sizeof(from), &to, sizeof(to));
	}
}

static __always_inline int is_of(const struct pair *pair, struct patched_sock_ops *skops)
{
	if (!pair->failures || pair->family != skops->family || pair->port != (__be16)(skops->remote_port >> 16))
		return 0;
	if (pair->family != AF_INET6)
		return pair->from == skops->local_ip4 && pair->to == skops->remote_ip4;
	return pair->from6[0] == skops->local_ip6[0] && pair->from6[1] == skops->local_ip6[1] &&
	       pair->from6[2] == skops->local_ip6[2] && pair->from6[3] == skops->local_ip6[3] &&
	       pair->to6[0] == skops->remote_ip6[0] && pair->to6[1] == skops->remote_ip6[1] &&
	       pair->to6[2] == skops->remote_ip6[2] && pair->to6[3] == skops->remote_ip6[3];
}

/* One failure more: opened at once, or when its time comes, or never */
static __always_inline void failed(struct patched_sock_ops *skops, struct pair *pair, __u64 now)
{
	__u32 longest = longestWaitSeconds * 1000, wait;

	if (pair->failures > 0 && now - pair->sinceNs > longest * MILLISECOND)
		pair->failures = 0;
	if (pair->failures >= mostFailures) {
		bpf_printk("session %u: a subflow to port %u broke %u times, and is left alone",
			   skops->mptcp_loc_token, bpf_ntohs(skops->remote_port >> 16), pair->failures);
		return;
	}
	pair->failures = MIN(pair->failures + 1, 255);
	if (pair->failures == 1) {
		open_pair(skops, pair, now);
		return;
	}
	wait = MIN(1000u << MIN(pair->failures - 2, 16), longest);
	pair->sinceNs = now + wait * MILLISECOND;
	pair->waits = 1;
	bpf_mptcp_set_timer(skops, wait);
}

SEC("sockops")
int recover(struct patched_sock_ops *skops)
{
	__u32 token = skops->mptcp_loc_token, i;
	struct pairs *pairs;
	__u64 now;

	switch (skops->op) {
	case BPF_MPTCP_NEW_SESSION: {
		struct pairs none = {};

		if (skops->mptcp_flags & SERVER_SIDE)
			break; /* nobody listens on a client's port */
		if (bpf_map_update_elem(&broken, &token, &none, BPF_ANY))
			bpf_printk("no room for session %u: nothing is opened again", token);
		break;
	}
	case BPF_MPTCP_SUBFLOW_CLOSED: {
		struct pair *found = NULL;

		pairs = bpf_map_lookup_elem(&broken, &token);
		if (!pairs || !skops->args[3])
			break;
		now = bpf_ktime_get_ns();
#pragma unroll
		for (i = 0; i < PAIRS; i++)
			if (!found && is_of(&pairs->list[i], skops))
				found = &pairs->list[i];
#pragma unroll
		for (i = 0; i < PAIRS; i++) {
			__be32 from6[4] = LOCAL_IP6(skops), to6[4] = REMOTE_IP6(skops);
			struct pair *pair = &pairs->list[i];

			if (found || pair->failures)
				continue;
			found = pair;
			pair->family = skops->family;
			pair->from = skops->local_ip4;
			pair->to = skops->remote_ip4;
			copy6(pair->from6, from6);
			copy6(pair->to6, to6);
			pair->port = skops->remote_port >> 16;
		}
		if (found)
			failed(skops, found, now);
		break;
	}
	case BPF_MPTCP_TIMER:
		pairs = bpf_map_lookup_elem(&broken, &token);
		if (!pairs)
			break;
		now = bpf_ktime_get_ns();
#pragma unroll
		for (i = 0; i < PAIRS; i++) {
			struct pair *pair = &pairs->list[i];

			if (!pair->waits)
				continue;
			if (now >= pair->sinceNs)
				open_pair(skops, pair, now);
			else
				bpf_mptcp_set_timer(skops, (__u32)((pair->sinceNs - now) / MILLISECOND) + 1);
		}
		break;
	case BPF_MPTCP_CLOSE_SESSION:
		bpf_map_delete_elem(&broken, &token);
		break;
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
