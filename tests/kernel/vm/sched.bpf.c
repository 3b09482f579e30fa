// SPDX-License-Identifier: GPL-2.0
// Packet schedulers for the tests of the patched kernel, in C so that it is tested without our own compiler in between.
#include "sched.h"

enum { FIRST, TURNS, REDUNDANT, NOBODY, CARELESS, SCHEDULERS };
enum { INIT, RELEASE, SEND, RETRANS, CALLS };

// How often each callback of each scheduler was called.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SCHEDULERS * CALLS);
	__type(key, __u32);
	__type(value, __u64);
} sched_counts SEC(".maps");

// Whose turn it is in a session. What is counted in a loop is in memory, too: there the verifier does not follow each number.
struct turns {
	__u32 turn, active, at;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct turns);
} sched_turns SEC(".maps");

static __always_inline void count(__u32 scheduler, __u32 call)
{
	__u32 key = scheduler * CALLS + call;
	__u64 *value = bpf_map_lookup_elem(&sched_counts, &key);

	if (value)
		__sync_fetch_and_add(value, 1);
}

static __always_inline int pick_first(struct mptcp_sock *msk)
{
	int picked = -EINVAL;
	bool found = false;

	each_subflow(subflow, msk, {
		if (!found && mptcp_subflow_active(subflow)) {
			found = true;
			if (bpf_sk_stream_memory_free(subflow)) {
				mptcp_subflow_set_scheduled(subflow, true);
				picked = 0;
			}
		}
	});
	mptcp_set_timeout((struct sock *)msk);
	return picked;
}

// One that has nothing of its own to send again.
static __always_inline int pick_idle(struct mptcp_sock *msk)
{
	int picked = -EINVAL;

	each_subflow(subflow, msk, {
		struct sock *ssk = bpf_mptcp_subflow_tcp_sock(subflow);
		struct tcp_sock *tcp = ssk ? (struct tcp_sock *)bpf_skc_to_tcp_sock(ssk) : 0;

		if (picked && tcp && !tcp->packets_out && mptcp_subflow_active(subflow)) {
			mptcp_subflow_set_scheduled(subflow, true);
			picked = 0;
		}
	});
	return picked;
}

// In turn, each for a burst of up to 64 KB: a subflow that has no room yet is waited for.
static __always_inline int pick_in_turn(struct mptcp_sock *msk)
{
	struct turns *its = bpf_sk_storage_get(&sched_turns, msk, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	int picked = -EINVAL;

	if (!its)
		return -EINVAL;
	its->active = 0;
	its->at = 0;
	each_subflow(subflow, msk, {
		if (mptcp_subflow_active(subflow))
			its->active++;
	});
	if (!its->active)
		return -EINVAL;
	its->turn %= its->active;
	each_subflow(subflow, msk, {
		if (mptcp_subflow_active(subflow) && its->at++ == its->turn && bpf_sk_stream_memory_free(subflow)) {
			mptcp_subflow_set_scheduled(subflow, true);
			picked = 0;
		}
	});
	if (!picked) {
		its->turn++;
		msk->snd_burst = BURST;
		mptcp_set_timeout((struct sock *)msk);
	}
	return picked;
}

// On all, once all have room.
static __always_inline int pick_all(struct mptcp_sock *msk)
{
	bool room = true;

	each_subflow(subflow, msk, {
		if (mptcp_subflow_active(subflow) && !bpf_sk_stream_memory_free(subflow))
			room = false;
	});
	if (!room)
		return -EINVAL;
	each_subflow(subflow, msk, {
		if (mptcp_subflow_active(subflow))
			mptcp_subflow_set_scheduled(subflow, true);
	});
	mptcp_set_timeout((struct sock *)msk);
	return 0;
}

static __always_inline int pick_whatever(struct mptcp_sock *msk)
{
	each_subflow(subflow, msk, { mptcp_subflow_set_scheduled(subflow, true); });
	return 0;
}

#define callback(type, id, call, function, body)                                                                             \
	SEC("struct_ops/" #function)                                                                                           \
	type function(unsigned long long *ctx)                                                                                 \
	{                                                                                                                      \
		struct mptcp_sock *msk = (void *)ctx[0];                                                                       \
		count(id, call);                                                                                               \
		body                                                                                                           \
	}
#define scheduler(id, prefix, label, pick, again)                                                                                  \
	callback(int, id, SEND, prefix##_send, { return pick(msk); })                                                          \
	callback(int, id, RETRANS, prefix##_retrans, { return again(msk); })                                                    \
	callback(int, id, INIT, prefix##_init, { (void)msk; return 0; })                                                       \
	callback(int, id, RELEASE, prefix##_release, { (void)msk; return 0; })                                                 \
	SEC(".struct_ops")                                                                                                     \
	struct mptcp_sched_ops prefix = {                                                                                      \
		.get_send = (void *)prefix##_send,                                                                             \
		.get_retrans = (void *)prefix##_retrans,                                                                       \
		.init = (void *)prefix##_init,                                                                                 \
		.release = (void *)prefix##_release,                                                                           \
		.name = label,                                                                                                 \
	};

static __always_inline int pick_none(struct mptcp_sock *msk)
{
	(void)msk;
	return 0;
}

scheduler(FIRST, sched_first, "t_first", pick_first, pick_first)
scheduler(TURNS, sched_turn, "t_turns", pick_in_turn, pick_idle)
scheduler(REDUNDANT, sched_all, "t_redundant", pick_all, pick_idle)
scheduler(NOBODY, sched_none, "t_nobody", pick_none, pick_none)
scheduler(CARELESS, sched_any, "t_careless", pick_whatever, pick_whatever)

char _license[] SEC("license") = "GPL";
