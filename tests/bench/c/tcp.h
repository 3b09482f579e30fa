/* What the option handlers share: the events of bpf(2), TCP socket options, callback flags. */
#ifndef TCP_H
#define TCP_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "patched.h"

#define SOL_TCP 6
#define TCP_CONGESTION 13
#define TCP_USER_TIMEOUT 18
#define AF_INET 2
#define AF_INET6 10

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* bpf_sock_ops_cb_flags_set() replaces the flags, so the old ones go in again. */
#define SET_FLAGS(skops, on) bpf_sock_ops_cb_flags_set((struct bpf_sock_ops *)(skops), (skops)->bpf_sock_ops_cb_flags | (on))

#endif
