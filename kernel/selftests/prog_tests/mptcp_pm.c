// SPDX-License-Identifier: GPL-2.0
/* Path management by a BPF program */
#include <netinet/in.h>
#include <test_progs.h>
#include "cgroup_helpers.h"
#include "network_helpers.h"
#include "mptcp_pm.skel.h"

#define NS_TEST "mptcp_pm_ns"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static bool wait_for(const __u32 *counter, __u32 wanted)
{
	int tries;

	for (tries = 0; tries < 1000 && READ_ONCE(*counter) < wanted; tries++)
		usleep(10000);
	return READ_ONCE(*counter) >= wanted;
}

/* A session, from its beginning to its end */
static void run_session(struct mptcp_pm *skel, __u32 established, __u32 failed)
{
	struct network_helper_opts opts = {
		.timeout_ms	= 60000,
		.proto		= IPPROTO_MPTCP,
	};
	int server = -1, client = -1, peer = -1;
	__u32 sessions = skel->bss->closed_sessions;
	char byte = 'x';

	server = start_server_str(AF_INET, SOCK_STREAM, "127.0.0.1", 0, &opts);
	if (!ASSERT_GE(server, 0, "start_server_str"))
		return;
	client = connect_to_fd(server, 60000);
	if (!ASSERT_GE(client, 0, "connect_to_fd"))
		goto out;
	peer = accept(server, NULL, NULL);
	if (!ASSERT_GE(peer, 0, "accept"))
		goto out;

	/* The peer's answer makes the client's side fully established. */
	ASSERT_EQ(write(client, &byte, 1), 1, "client writes");
	ASSERT_EQ(read(peer, &byte, 1), 1, "server reads");
	ASSERT_EQ(write(peer, &byte, 1), 1, "server writes");
	ASSERT_EQ(read(client, &byte, 1), 1, "client reads");

	ASSERT_TRUE(wait_for(&skel->bss->established, established), "subflows");
	ASSERT_TRUE(wait_for(&skel->bss->failed, failed), "requests that failed");
	ASSERT_EQ(skel->bss->first, 1, "the first subflow");
	ASSERT_EQ(skel->bss->refused_by_helper, 0, "bpf_mptcp_open_subflow");
out:
	if (peer >= 0)
		close(peer);
	if (client >= 0)
		close(client);
	close(server);
	ASSERT_TRUE(wait_for(&skel->bss->closed_sessions, sessions + 1), "the end");
	skel->bss->established = 0;
	skel->bss->failed = 0;
	skel->bss->first = 0;
}

void test_mptcp_pm(void)
{
	struct nstoken *nstoken = NULL;
	struct mptcp_pm *skel = NULL;
	struct bpf_link *links[2] = { };
	int cgroup;

	cgroup = test__join_cgroup("/mptcp_pm");
	if (!ASSERT_GE(cgroup, 0, "test__join_cgroup"))
		return;

	SYS(out, "ip netns add %s", NS_TEST);
	SYS(out, "ip -net %s link set dev lo up", NS_TEST);
	SYS(out, "ip -net %s mptcp limits set subflows 8", NS_TEST);
	nstoken = open_netns(NS_TEST);
	if (!ASSERT_OK_PTR(nstoken, "open_netns"))
		goto out;

	skel = mptcp_pm__open_and_load();
	if (!ASSERT_OK_PTR(skel, "mptcp_pm__open_and_load"))
		goto out;
	links[0] = bpf_program__attach_cgroup(skel->progs.pm, cgroup);
	links[1] = bpf_program__attach_cgroup(skel->progs.other, cgroup);
	if (!ASSERT_OK_PTR(links[0], "attach pm") || !ASSERT_OK_PTR(links[1], "attach other"))
		goto out;

	/* The peer takes eight, and resets four when the third ACK comes. */
	if (test__start_subtest("every request is answered"))
		run_session(skel, 8, 5);

	/* The namespace's ids are not used up by the first one. */
	skel->data->addresses = 4;
	if (test__start_subtest("ids are given back"))
		run_session(skel, 4, 1);

	skel->bss->refuse = 1;
	if (test__start_subtest("a refusal stands beside other programs"))
		run_session(skel, 0, 5);
out:
	bpf_link__destroy(links[0]);
	bpf_link__destroy(links[1]);
	mptcp_pm__destroy(skel);
	if (nstoken)
		close_netns(nstoken);
	SYS_NOFAIL("ip netns del %s", NS_TEST);
	close(cgroup);
}
