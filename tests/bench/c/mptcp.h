/* What the path managers share: socket addresses, IPv6 addresses, the addresses of this host. */
#ifndef MPTCP_H
#define MPTCP_H

#include "tcp.h"

#define LOCAL_ADDRS 8
#define SERVER_SIDE 1

struct sockaddr_in {
	__u16 family;
	__be16 port;
	__be32 addr;
	__u8 zero[8];
};

struct sockaddr_in6 {
	__u16 family;
	__be16 port;
	__be32 flowinfo;
	__be32 addr[4];
	__u32 scope;
};

struct local_addr {
	__be32 addr;
	__u32 family; /* 0: free */
	__be32 addr6[4];
};

struct local_addresses {
	struct local_addr list[LOCAL_ADDRS];
};

static __always_inline int same6(const __be32 *a, const __be32 *b)
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

static __always_inline void copy6(__be32 *to, const __be32 *from)
{
	to[0] = from[0];
	to[1] = from[1];
	to[2] = from[2];
	to[3] = from[3];
}

/* The kernel lets members of the context be read one by one only; without volatile, clang reads two at once. */
#define MEMBER(member) (*(const volatile __u32 *)&(member))
#define LOCAL_IP6(skops) \
	{ MEMBER((skops)->local_ip6[0]), MEMBER((skops)->local_ip6[1]), MEMBER((skops)->local_ip6[2]), MEMBER((skops)->local_ip6[3]) }
#define REMOTE_IP6(skops) \
	{ MEMBER((skops)->remote_ip6[0]), MEMBER((skops)->remote_ip6[1]), MEMBER((skops)->remote_ip6[2]), MEMBER((skops)->remote_ip6[3]) }
#define EVENT_IP6(skops) \
	{ MEMBER((skops)->mptcp_addr6[0]), MEMBER((skops)->mptcp_addr6[1]), MEMBER((skops)->mptcp_addr6[2]), MEMBER((skops)->mptcp_addr6[3]) }

#define LOCAL_ADDRESSES                                    \
	struct {                                           \
		__uint(type, BPF_MAP_TYPE_ARRAY);          \
		__type(key, __u32);                        \
		__type(value, struct local_addresses);     \
		__uint(max_entries, 1);                    \
	} local_addrs SEC(".maps")

#endif
