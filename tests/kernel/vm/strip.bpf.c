// SPDX-License-Identifier: GPL-2.0
// A middlebox that takes MPTCP's options off segments with data, as those that
// rewrite what they do not know do: the connection must fall back to TCP.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define OPTIONS 40
#define EOL 0
#define NOP 1
#define MPTCP 30

SEC("tc")
int strip(struct __sk_buff *skb)
{
	int i, at, length, skip = 0, mptcp = 0;
	__u8 options[OPTIONS] = {}, nop = NOP;
	struct tcphdr tcp;
	struct iphdr ip;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) || ip.version != 4 || ip.protocol != IPPROTO_TCP)
		return TC_ACT_OK;
	at = ETH_HLEN + ip.ihl * 4;
	if (bpf_skb_load_bytes(skb, at, &tcp, sizeof(tcp)) || bpf_ntohs(ip.tot_len) <= ip.ihl * 4 + tcp.doff * 4)
		return TC_ACT_OK;
	length = tcp.doff * 4 - (int)sizeof(tcp);
	if (length < 1 || length > OPTIONS || bpf_skb_load_bytes(skb, at + sizeof(tcp), options, length))
		return TC_ACT_OK;

	for (i = 0; i < OPTIONS; i++) {
		if (i >= length)
			break;
		if (!skip) {
			if (options[i] == EOL)
				break;
			if (options[i] == NOP)
				continue;
			skip = i + 1 < OPTIONS ? options[i + 1] : 0;
			if (skip < 2)
				break;
			mptcp = options[i] == MPTCP;
		}
		if (mptcp)
			bpf_skb_store_bytes(skb, at + sizeof(tcp) + i, &nop, 1, 0);
		skip--;
	}
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
