// SPDX-License-Identifier: GPL-2.0
/* sock_ops programs that are attached to a network namespace by a link */
#include <test_progs.h>
#include "cgroup_helpers.h"
#include "network_helpers.h"
#include "netns_sock_ops.skel.h"

#define NS_TEST "netns_sock_ops_ns"
#define NS_OTHER "netns_sock_ops_other"

/* A connection in the namespace that this process is in */
static void run_connection(void)
{
	int server, client;

	server = start_server_str(AF_INET, SOCK_STREAM, "127.0.0.1", 0, NULL);
	if (!ASSERT_GE(server, 0, "start_server_str"))
		return;
	client = connect_to_fd(server, 60000);
	if (ASSERT_GE(client, 0, "connect_to_fd"))
		close(client);
	close(server);
}

/* Who was told, one digit each */
static __u32 told(struct netns_sock_ops *skel)
{
	__u32 i, digits = 0;

	for (i = 0; i < skel->bss->told_nr; i++)
		digits = digits * 10 + skel->bss->told[i];
	skel->bss->told_nr = 0;
	return digits;
}

static int attach(struct bpf_program *prog, int netns)
{
	return bpf_link_create(bpf_program__fd(prog), netns, BPF_NETNS_SOCK_OPS, NULL);
}

static void check_order(struct netns_sock_ops *skel, int cgroup, int netns)
{
	int links[3] = { -1, -1, -1 }, i;

	links[0] = attach(skel->progs.first, netns);
	links[1] = attach(skel->progs.second, netns);
	links[2] = bpf_link_create(bpf_program__fd(skel->progs.of_cgroup), cgroup,
				   BPF_CGROUP_SOCK_OPS, NULL);
	for (i = 0; i < 3; i++)
		if (!ASSERT_GE(links[i], 0, "bpf_link_create"))
			goto out;

	run_connection();
	ASSERT_EQ(skel->bss->found[1], 1, "the reply that the first one found");
	ASSERT_EQ(skel->bss->found[2], 2, "the reply that the second one found");
	ASSERT_EQ(told(skel), 123, "the cgroup's first");

	close(links[0]);
	run_connection();
	ASSERT_EQ(told(skel), 13, "without the first one");

	links[0] = attach(skel->progs.first, netns);
	run_connection();
	ASSERT_EQ(told(skel), 132, "attached again, it is the last one");
out:
	for (i = 0; i < 3; i++)
		if (links[i] >= 0)
			close(links[i]);
}

static void check_update(struct netns_sock_ops *skel, int netns)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info), ids[4] = {}, count = 4;
	struct stat stat;
	int link;

	link = attach(skel->progs.first, netns);
	if (!ASSERT_GE(link, 0, "bpf_link_create"))
		return;
	ASSERT_OK(bpf_link_update(link, bpf_program__fd(skel->progs.second), NULL), "update");
	run_connection();
	ASSERT_EQ(told(skel), 3, "who was told");
	ASSERT_ERR(bpf_link_update(link, bpf_program__fd(skel->progs.stored), NULL),
		   "a program that has storage in its cgroup");

	ASSERT_OK(bpf_obj_get_info_by_fd(link, &info, &len), "bpf_obj_get_info_by_fd");
	ASSERT_OK(fstat(netns, &stat), "fstat");
	ASSERT_EQ(info.type, BPF_LINK_TYPE_NETNS, "type");
	ASSERT_EQ(info.netns.netns_ino, stat.st_ino, "netns_ino");
	ASSERT_EQ(info.netns.attach_type, BPF_NETNS_SOCK_OPS, "attach_type");
	ASSERT_OK(bpf_prog_query(netns, BPF_NETNS_SOCK_OPS, 0, NULL, ids, &count),
		  "bpf_prog_query");
	ASSERT_EQ(count, 1, "programs of the namespace");
	ASSERT_EQ(ids[0], info.prog_id, "the one there");

	ASSERT_OK(bpf_link_detach(link), "detach");
	run_connection();
	ASSERT_EQ(told(skel), 0, "nobody is told");
	close(link);
}

static void check_refused(struct netns_sock_ops *skel, int cgroup, int netns)
{
	int first = bpf_program__fd(skel->progs.first);

	ASSERT_EQ(attach(skel->progs.stored, netns), -EINVAL, "storage in a cgroup");
	ASSERT_ERR(bpf_link_create(first, cgroup, BPF_NETNS_SOCK_OPS, NULL), "a cgroup");
	ASSERT_ERR(bpf_link_create(first, netns, BPF_CGROUP_SOCK_OPS, NULL), "the cgroup's type");
	ASSERT_EQ(bpf_link_create(first, netns, BPF_SK_LOOKUP, NULL), -EINVAL, "another type");
	ASSERT_ERR(bpf_prog_attach(first, netns, BPF_NETNS_SOCK_OPS, 0), "without a link");
	ASSERT_ERR(bpf_prog_attach(first, cgroup, BPF_NETNS_SOCK_OPS, 0), "to a cgroup");
}

/* The namespace goes, and the link stays without one. */
static void check_end(struct netns_sock_ops *skel)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	int link = -1, netns, tries;

	SYS(out, "ip netns add %s", NS_OTHER);
	netns = open("/var/run/netns/" NS_OTHER, O_RDONLY);
	if (!ASSERT_GE(netns, 0, "open"))
		goto out;
	link = attach(skel->progs.first, netns);
	close(netns);
	if (!ASSERT_GE(link, 0, "bpf_link_create"))
		goto out;
	SYS(out, "ip netns del %s", NS_OTHER);
	for (tries = 0; tries < 1000; tries++) {
		len = sizeof(info);
		if (bpf_obj_get_info_by_fd(link, &info, &len) || !info.netns.netns_ino)
			break;
		usleep(10000);
	}
	ASSERT_EQ(info.netns.netns_ino, 0, "netns_ino");
	ASSERT_EQ(bpf_link_update(link, bpf_program__fd(skel->progs.second), NULL), -ENOLINK,
		  "update");
	ASSERT_OK(bpf_link_detach(link), "detach");
out:
	if (link >= 0)
		close(link);
	SYS_NOFAIL("ip netns del %s", NS_OTHER);
}

void test_netns_sock_ops(void)
{
	struct netns_sock_ops *skel = NULL;
	struct nstoken *nstoken = NULL;
	int cgroup, netns = -1;

	cgroup = test__join_cgroup("/netns_sock_ops");
	if (!ASSERT_GE(cgroup, 0, "test__join_cgroup"))
		return;

	SYS(out, "ip netns add %s", NS_TEST);
	SYS(out, "ip -net %s link set dev lo up", NS_TEST);
	nstoken = open_netns(NS_TEST);
	if (!ASSERT_OK_PTR(nstoken, "open_netns"))
		goto out;
	netns = open("/proc/self/ns/net", O_RDONLY);
	if (!ASSERT_GE(netns, 0, "open"))
		goto out;

	skel = netns_sock_ops__open_and_load();
	if (!ASSERT_OK_PTR(skel, "netns_sock_ops__open_and_load"))
		goto out;

	if (test__start_subtest("order"))
		check_order(skel, cgroup, netns);
	if (test__start_subtest("update"))
		check_update(skel, netns);
	if (test__start_subtest("refused"))
		check_refused(skel, cgroup, netns);
	if (test__start_subtest("end of the namespace"))
		check_end(skel);
out:
	netns_sock_ops__destroy(skel);
	if (netns >= 0)
		close(netns);
	if (nstoken)
		close_netns(nstoken);
	SYS_NOFAIL("ip netns del %s", NS_TEST);
	close(cgroup);
}
