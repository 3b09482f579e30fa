/* Subflows that take much longer than the quickest are backups: counterpart of programs/backup-by-rtt.ts. */
#include "mptcp.h"

const volatile __u8 factor = 2;

struct quickest {
	__u32 srttUs;
	__u32 family;
	__be32 from6[4];
	__be32 to6[4];
	__be32 from;
	__be32 to;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, struct quickest);
	__uint(max_entries, 1024);
} quickest SEC(".maps");

static __always_inline void fill(struct quickest *one, struct patched_sock_ops *skops, __u32 srtt)
{
	__be32 from6[4] = LOCAL_IP6(skops), to6[4] = REMOTE_IP6(skops);

	one->srttUs = srtt;
	one->family = skops->family;
	copy6(one->from6, from6);
	copy6(one->to6, to6);
	one->from = skops->local_ip4;
	one->to = skops->remote_ip4;
}

SEC("sockops")
int backupByRtt(struct patched_sock_ops *skops)
{
	__u32 token = skops->mptcp_loc_token;
	struct quickest *best;
	__u32 srtt;

	switch (skops->op) {
	case BPF_MPTCP_SUBFLOW_ESTABLISHED:
		srtt = skops->srtt_us >> 3;
		if (!srtt)
			break;
		best = bpf_map_lookup_elem(&quickest, &token);
		if (!best) {
			struct quickest first;

			fill(&first, skops, srtt);
			if (bpf_map_update_elem(&quickest, &token, &first, BPF_ANY))
				bpf_printk("no room for session %u: none of it becomes a backup", token);
			break;
		}
		if (srtt > best->srttUs * factor) {
			bpf_mptcp_set_priority(skops, NULL, 0, 1);
			break;
		}
		if (srtt >= best->srttUs)
			break;
		if (srtt * factor < best->srttUs) {
			if (best->family == AF_INET6) {
				struct sockaddr_in6 ends[2] = { { .family = AF_INET6 }, { .family = AF_INET6 } };

				copy6(ends[0].addr, best->from6);
				copy6(ends[1].addr, best->to6);
				bpf_mptcp_set_priority(skops, ends, sizeof(ends), 1);
			} else {
				struct sockaddr_in ends[2] = { { .family = AF_INET, .addr = best->from },
							       { .family = AF_INET, .addr = best->to } };

				bpf_mptcp_set_priority(skops, ends, sizeof(ends), 1);
			}
		}
		fill(best, skops, srtt);
		break;
	case BPF_MPTCP_CLOSE_SESSION:
		bpf_map_delete_elem(&quickest, &token);
		break;
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
