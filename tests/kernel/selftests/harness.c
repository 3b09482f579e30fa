// SPDX-License-Identifier: GPL-2.0
// Runs one test of tools/testing/selftests/bpf without the rest of test_progs,
// which would need all its programs built: what that test calls, and main().
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

int main(void)
{
	test_tcp_hdr_options();
	cleanup_cgroup_environment();
	printf("%d failures\n", failures);
	return failures != 0;
}
