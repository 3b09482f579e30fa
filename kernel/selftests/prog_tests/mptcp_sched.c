// SPDX-License-Identifier: GPL-2.0
/* Packet scheduling by a BPF program */
#include <netinet/in.h>
#include <test_progs.h>
#include "network_helpers.h"
#include "mptcp_sched.skel.h"

#define NS_TEST "mptcp_sched_ns"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static bool wait_for(const __u32 *counter, __u32 wanted)
{
	int tries;

	for (tries = 0; tries < 1000 && READ_ONCE(*counter) < wanted; tries++)
		usleep(10000);
	return READ_ONCE(*counter) == wanted;
}

/* A session whose both sides have the scheduler: unregistered on the way */
static void run_session(struct mptcp_sched *skel, struct bpf_link **link)
{
	struct network_helper_opts opts = {
		.timeout_ms	= 60000,
		.proto		= IPPROTO_MPTCP,
	};
	int server = -1, client = -1, peer = -1;
	char byte = 'x';
	__u32 sends;

	server = start_server_str(AF_INET, SOCK_STREAM, "127.0.0.1", 0, &opts);
	if (!ASSERT_GE(server, 0, "start_server_str"))
		return;
	client = connect_to_fd(server, 60000);
	if (!ASSERT_GE(client, 0, "connect_to_fd"))
		goto out;
	peer = accept(server, NULL, NULL);
	if (!ASSERT_GE(peer, 0, "accept"))
		goto out;
	ASSERT_EQ(skel->bss->sessions, 3, "calls of init()");

	ASSERT_EQ(write(client, &byte, 1), 1, "client writes");
	ASSERT_EQ(read(peer, &byte, 1), 1, "server reads");
	sends = READ_ONCE(skel->bss->sends);
	ASSERT_GT(sends, 0, "calls of get_send()");

	bpf_link__destroy(*link);
	*link = NULL;
	ASSERT_EQ(write(peer, &byte, 1), 1, "server writes");
	ASSERT_EQ(read(client, &byte, 1), 1, "client reads");
	ASSERT_GT(READ_ONCE(skel->bss->sends), sends, "calls after the scheduler was unregistered");
	ASSERT_EQ(skel->bss->released, 0, "calls of release()");
out:
	if (peer >= 0)
		close(peer);
	if (client >= 0)
		close(client);
	close(server);
	ASSERT_TRUE(wait_for(&skel->bss->released, 3), "the end");
}

void test_mptcp_sched(void)
{
	struct bpf_link *link = NULL, *other = NULL;
	struct nstoken *nstoken = NULL;
	struct mptcp_sched *skel;

	skel = mptcp_sched__open_and_load();
	if (!ASSERT_OK_PTR(skel, "mptcp_sched__open_and_load"))
		return;

	SYS(out, "ip netns add %s", NS_TEST);
	SYS(out, "ip -net %s link set dev lo up", NS_TEST);
	nstoken = open_netns(NS_TEST);
	if (!ASSERT_OK_PTR(nstoken, "open_netns"))
		goto out;

	link = bpf_map__attach_struct_ops(skel->maps.sched);
	if (!ASSERT_OK_PTR(link, "attach sched"))
		goto out;
	if (test__start_subtest("get_send is required")) {
		other = bpf_map__attach_struct_ops(skel->maps.without_send);
		ASSERT_ERR_PTR(other, "attach without_send");
	}

	if (!ASSERT_OK(write_sysctl("/proc/sys/net/mptcp/scheduler", "bpf_selftest"), "write_sysctl"))
		goto out;
	if (test__start_subtest("a session keeps its scheduler"))
		run_session(skel, &link);
out:
	bpf_link__destroy(link);
	bpf_link__destroy(other);
	mptcp_sched__destroy(skel);
	if (nstoken)
		close_netns(nstoken);
	SYS_NOFAIL("ip netns del %s", NS_TEST);
}
