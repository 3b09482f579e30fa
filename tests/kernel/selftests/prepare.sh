#!/bin/bash
# Builds the upstream selftests that fit in the virtual machine, from the kernel
# source that kernel/build.sh takes, into a directory.
#
#   tests/kernel/selftests/prepare.sh KERNEL DIRECTORY
#
# KERNEL is what kernel/build.sh printed. DIRECTORY gets hdr-options (the TCP
# header option test of selftests/bpf) and mptcp/ (selftests/net/mptcp).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
kernel=$1
out=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ -n "${KERNEL_SOURCE:-}" ]; then
	tools=$KERNEL_SOURCE/tools
else
	tar -xf /usr/src/linux-source-6.12.tar.xz -C "$work" --strip-components=1 --wildcards \
		'*/tools/testing/selftests/bpf/*.[ch]' \
		'*/tools/testing/selftests/net/*.sh' '*/tools/testing/selftests/net/mptcp' \
		'*/tools/testing/selftests/kselftest/*' '*/tools/testing/selftests/kselftest.h' \
		'*/tools/include' '*/tools/lib/bpf/*.h' '*/tools/arch/x86/include'
	tools=$work/tools
fi
bpf=$tools/testing/selftests/bpf
net=$tools/testing/selftests/net
mkdir -p "$out/mptcp"
for name in test_tcp_hdr_options test_misc_tcp_hdr_options; do
	clang-19 -O2 -g -Wno-compare-distinct-pointer-types -target bpf -mcpu=v3 -I "$kernel/include" -idirafter "/usr/include/$(uname -m)-linux-gnu" \
		-I "$bpf" -I "$bpf/progs" -c "$bpf/progs/$name.c" -o "$work/$name.o"
	bpftool gen object "$work/$name.linked.o" "$work/$name.o"
	bpftool gen skeleton "$work/$name.linked.o" name "$name" > "$work/$name.skel.h"
done
gcc -w -g -O1 -D_GNU_SOURCE -I "$work" -I "$bpf" -I "$tools/include" -I "$tools/include/uapi" -I "$tools/lib" \
	-I "$tools/arch/x86/include" -include stdbool.h -include fcntl.h \
	"$here/harness.c" "$bpf/prog_tests/tcp_hdr_options.c" "$bpf/cgroup_helpers.c" "$bpf/network_helpers.c" \
	-o "$out/hdr-options" -lbpf
for name in mptcp_connect pm_nl_ctl mptcp_sockopt mptcp_inq; do
	gcc -w -O2 -I "$kernel/include" -o "$out/mptcp/$name" "$net/mptcp/$name.c"
done
cp "$net"/mptcp/*.sh "$out/mptcp/"
cp "$net/lib.sh" "$net/net_helper.sh" "$out/"
