/* Subflows that carry nothing are closed: counterpart of programs/close-idle.ts. */
#include "mptcp.h"

#define MILLISECOND 1000000ull
/* A timer's longest time, in milliseconds. */
#define DAY 86400000u

const volatile __u32 idleMs = 30000;

struct key {
	__u32 token;
	__u32 localId;
	__u32 remoteId;
};

struct seen {
	__u64 bytes;
	__u64 sinceNs;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct key);
	__type(value, struct seen);
	__uint(max_entries, 4096);
} seen SEC(".maps");

/* The first words of args are ids in events of subflows only. */
#define KEY(skops) \
	{ .token = (skops)->mptcp_loc_token, .localId = (__u8)(skops)->args[0], .remoteId = (__u8)(skops)->args[1] }

SEC("sockops")
int closeIdle(struct patched_sock_ops *skops)
{
	switch (skops->op) {
	case BPF_MPTCP_SUBFLOW_ESTABLISHED: {
		struct key key = KEY(skops);
		struct seen now = { .bytes = skops->bytes_received + skops->bytes_acked };

		if (skops->args[3])
			break;
		now.sinceNs = bpf_ktime_get_ns();
		if (!bpf_map_update_elem(&seen, &key, &now, BPF_ANY))
			bpf_mptcp_set_timer(skops, MIN(idleMs, DAY));
		break;
	}
	case BPF_MPTCP_TIMER: {
		struct key key = KEY(skops);
		__u64 now, bytes, end;
		struct seen *last;

		if (skops->args[3])
			break;
		last = bpf_map_lookup_elem(&seen, &key);
		if (!last)
			break;
		now = bpf_ktime_get_ns();
		bytes = skops->bytes_received + skops->bytes_acked;
		if (bytes != last->bytes) {
			last->bytes = bytes;
			last->sinceNs = now;
		}
		end = last->sinceNs + idleMs * MILLISECOND;
		if (now >= end)
			bpf_mptcp_close_subflow(skops, NULL, 0, NULL, 0);
		else
			bpf_mptcp_set_timer(skops, MIN((__u32)((end - now) / MILLISECOND), DAY - 1) + 1);
		break;
	}
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
