// SPDX-License-Identifier: GPL-2.0
// Runs some tests of tools/testing/selftests/bpf without the rest of test_progs,
// which would need all its programs built: what these tests call, and main().
#include "test_progs.h"

struct test_env env;
static int failures;

bool test__start_subtest(const char *name)
{
	printf("subtest %s\n", name);
	return true;
}

void test__skip(void)
{
}

void test__fail(void)
{
	failures++;
}

int test__join_cgroup(const char *path)
{
	int fd = cgroup_setup_and_join(path);

	if (fd < 0)
		test__fail();
	return fd;
}

int write_sysctl(const char *sysctl, const char *value)
{
	int fd = open(sysctl, O_WRONLY), length = strlen(value);
	bool written = fd >= 0 && write(fd, value, length) == length;

	if (fd >= 0)
		close(fd);
	if (!written)
		test__fail();
	return written ? 0 : -1;
}

extern void test_tcp_hdr_options(void);
extern void test_tcpbpf_user(void);
extern void test_tcp_rtt(void);
extern void test_mptcp(void);
extern void test_mptcp_pm(void);
extern void test_mptcp_sched(void);
extern void test_netns_sock_ops(void);

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "tcp_hdr_options", test_tcp_hdr_options },
	{ "tcpbpf_user", test_tcpbpf_user },
	{ "tcp_rtt", test_tcp_rtt },
	{ "mptcp", test_mptcp },
	{ "mptcp_pm", test_mptcp_pm },
	{ "mptcp_sched", test_mptcp_sched },
	{ "netns_sock_ops", test_netns_sock_ops },
};

int main(void)
{
	int all = 0;

	for (int i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		failures = 0;
		tests[i].run();
		cleanup_cgroup_environment();
		printf("%s: %d failures\n", tests[i].name, failures);
		all += failures;
	}
	return all != 0;
}
