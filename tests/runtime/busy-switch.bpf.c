// SPDX-License-Identifier: GPL-2.0
// A switch that knows TCP-INT: it writes what it measured into the option of kind 0x72, first behind the time stamps,
// of segments that come by.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define KIND 0x72
#define LENGTH 12
#define TIME_STAMPS 12
/* INTval, and the latency in nanoseconds. */
#define MEASURE 200
#define LATENCY 0x012345
/* LinkSpd */
#define SPEED 4

SEC("tc")
int busy(struct __sk_buff *skb)
{
	__u32 ip4 = skb->protocol == bpf_htons(ETH_P_IP), at;
	__u8 ttl, protocol, option[6];

	if (!ip4 && skb->protocol != bpf_htons(ETH_P_IPV6))
		return TC_ACT_OK;
	if (bpf_skb_load_bytes(skb, ETH_HLEN + (ip4 ? offsetof(struct iphdr, protocol) : offsetof(struct ipv6hdr, nexthdr)),
			       &protocol, 1) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN + (ip4 ? offsetof(struct iphdr, ttl) : offsetof(struct ipv6hdr, hop_limit)),
			       &ttl, 1) ||
	    protocol != IPPROTO_TCP)
		return TC_ACT_OK;
	at = ETH_HLEN + (ip4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)) + sizeof(struct tcphdr) + TIME_STAMPS;
	if (bpf_skb_load_bytes(skb, at, option, sizeof(option)) || option[0] != KIND || option[1] != LENGTH ||
	    option[3] >= MEASURE)
		return TC_ACT_OK;
	option[2] |= SPEED;
	option[3] = MEASURE;
	option[4] = ttl;
	option[5] = LATENCY >> 16;
	bpf_skb_store_bytes(skb, at, option, sizeof(option), 0);
	option[0] = LATENCY >> 8 & 0xff;
	option[1] = LATENCY & 0xff;
	bpf_skb_store_bytes(skb, at + sizeof(option), option, 2, 0);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
