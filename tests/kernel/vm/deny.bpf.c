// SPDX-License-Identifier: GPL-2.0
// Refuses every socket.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("cgroup/sock_create")
int deny(struct bpf_sock *sk)
{
	(void)sk;
	return 0;
}

char _license[] SEC("license") = "GPL";
