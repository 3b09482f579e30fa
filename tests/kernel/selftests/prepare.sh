#!/bin/bash
# Builds the upstream selftests that fit in the virtual machine, from the kernel
# source that kernel/build.sh takes, into a directory.
#
#   tests/kernel/selftests/prepare.sh KERNEL DIRECTORY
#
# KERNEL is what kernel/build.sh printed. DIRECTORY gets bpf-tcp (the tests of
# selftests/bpf that are about sock_ops programs and MPTCP) and mptcp/
# (selftests/net/mptcp, with time limits for an emulated processor).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
kernel=$1
out=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

parts=('tools/testing/selftests/bpf/*.[ch]' 'tools/testing/selftests/net/*.sh' tools/testing/selftests/net/mptcp
	'tools/testing/selftests/kselftest/*' tools/testing/selftests/kselftest.h
	tools/include 'tools/lib/bpf/*.h' tools/arch/x86/include)
if [ -n "${KERNEL_SOURCE:-}" ]; then
	(cd "$KERNEL_SOURCE" && tar -cf - tools) | tar -xf - -C "$work" --wildcards "${parts[@]}"
else
	tar -xf /usr/src/linux-source-6.12.tar.xz -C "$work" --strip-components=1 --wildcards "${parts[@]/#/*/}"
fi
# The series changes one of them, and a header.
git -C "$work" apply --include='tools/testing/*' --include='tools/include/*' "$here"/../../../kernel/patches/*-tools-bpf-*.patch
# Its own, in the form that they would be sent in.
cp -r "$here"/../../../kernel/selftests/* "$work/tools/testing/selftests/bpf/"
bpf=$work/tools/testing/selftests/bpf
net=$work/tools/testing/selftests/net

flavour=()
[ "${TSBPF_KERNEL_DEBUG:-}" != 1 ] || flavour=(--debug-config)
"$here/../../../kernel/run.sh" "${flavour[@]}" --kernel "$kernel/bzImage" bpftool btf dump file /sys/kernel/btf/vmlinux format c > "$work/vmlinux.h"
for name in test_tcp_hdr_options test_misc_tcp_hdr_options test_tcpbpf_kern tcp_rtt mptcp_sock mptcpify mptcp_pm mptcp_sched netns_sock_ops; do
	clang-19 -O2 -g -Wno-compare-distinct-pointer-types -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 -I "$work" -I "$kernel/include" -idirafter "/usr/include/$(uname -m)-linux-gnu" \
		-I "$bpf" -I "$bpf/progs" -c "$bpf/progs/$name.c" -o "$work/$name.o"
	bpftool gen object "$work/$name.linked.o" "$work/$name.o"
	bpftool gen skeleton "$work/$name.linked.o" name "$name" > "$work/$name.skel.h"
done
gcc -w -g -O1 -D_GNU_SOURCE -I "$work" -I "$bpf" -I "$work/tools/include" -I "$work/tools/include/uapi" -I "$work/tools/lib" \
	-I "$work/tools/arch/x86/include" -include stdbool.h -include fcntl.h \
	"$here/harness.c" "$bpf"/prog_tests/{tcp_hdr_options,tcpbpf_user,tcp_rtt,mptcp,mptcp_pm,mptcp_sched,netns_sock_ops}.c "$bpf/cgroup_helpers.c" "$bpf/network_helpers.c" \
	-o "$out/bpf-tcp" -lbpf
mkdir -p "$out/mptcp"
for name in mptcp_connect pm_nl_ctl mptcp_sockopt mptcp_inq; do
	gcc -w -O2 -I "$kernel/include" -o "$out/mptcp/$name" "$net/mptcp/$name.c"
done
cp "$net"/mptcp/*.sh "$out/mptcp/"
cp "$net/lib.sh" "$net/net_helper.sh" "$out/"
# An emulated processor is slow. How long a program waits for its peer, and stays connected to be looked at, is no part of what is
# tested; nor is that a hundred listeners have started as soon as the last of them has.
sed -i 's/seq 10)/seq 600)/' "$out/net_helper.sh"
sed -i 's/^timeout_poll=30$/timeout_poll=240/' "$out"/mptcp/*.sh
sed -i 's/-w 20 /-w 200 /; s/^\(\tlocal timeout\)=20$/\1=200/
	s/^mptcp_lib_wait_local_port_listen $ns $((NR_CLIENTS + 10001))$/for I in $(seq 1 $NR_CLIENTS); do mptcp_lib_wait_local_port_listen $ns $((I + 10001)); done/' \
	"$out/mptcp/diag.sh"
grep -q 'seq 600' "$out/net_helper.sh" && grep -q 'timeout_poll=240' "$out/mptcp/diag.sh" &&
	grep -q 'local timeout=200' "$out/mptcp/diag.sh" && grep -q 'NR_CLIENTS); do mptcp_lib_wait' "$out/mptcp/diag.sh"
