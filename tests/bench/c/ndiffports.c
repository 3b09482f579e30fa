/* Listing 2 of the paper: counterpart of programs/ndiffports.ts. */
#include "tcp.h"

#define MOST 8

const volatile __u8 extraSubflows = 2;

SEC("sockops")
int ndiffports(struct patched_sock_ops *skops)
{
	__u32 count, i;

	if (skops->op != BPF_MPTCP_FULLY_ESTABLISHED || !skops->args[1])
		return 1;
	count = extraSubflows;
#pragma unroll
	for (i = 0; i < MOST; i++) {
		if (i < count) /* no break: clang would rotate the loop and then not unroll it */
			bpf_mptcp_open_subflow(skops, NULL, 0, NULL, 0);
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
