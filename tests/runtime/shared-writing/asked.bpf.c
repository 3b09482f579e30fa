/* Counts how often programs are asked for the length of options: never, on sockets whose callback flag is clear. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u32 asked = 0;

SEC("sockops")
int count(struct bpf_sock_ops *skops)
{
	if (skops->op == BPF_SOCK_OPS_HDR_OPT_LEN_CB || skops->op == 64)
		__sync_fetch_and_add(&asked, 1);
	return 1;
}

char _license[] SEC("license") = "GPL";
