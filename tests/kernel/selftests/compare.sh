#!/bin/bash
# Runs one of the kernel's MPTCP selftests on the patched kernel and on the same
# source and configuration without the series, and compares: some of them
# measure times that an emulated processor cannot keep, and fail on both.
#
#   tests/kernel/selftests/compare.sh [--timeout SECONDS] SCRIPT [ARGUMENT…]
#
# SCRIPT is of tools/testing/selftests/net/mptcp; its arguments are its own, as
# in "compare.sh mptcp_join.sh -f". Ends with 1 when a subtest passes without
# the series and not with it, or when either kernel reported anything. Builds
# what is not built. The output of both runs stays in
# ${TMPDIR:-/tmp}/tsbpf-compare-SCRIPT.{patched,unpatched}.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
kernel=$here/../../../kernel
seconds=3600
if [ "${1:-}" = --timeout ]; then
	seconds=${2:?}
	shift 2
fi
script=${1:?names a script of selftests/net/mptcp; see the head of $0}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$here/prepare.sh" "$("$kernel/build.sh")" "$work"
[ -f "$work/mptcp/$script" ] || { echo "compare.sh: no $script in selftests/net/mptcp" >&2; exit 2; }

kept=${TMPDIR:-/tmp}/tsbpf-compare-${script%.sh}
run() { # name, options of kernel/run.sh; the rest is the script's
	local name=$1 code=0
	shift
	echo "compare.sh: $script on the $name kernel" >&2
	"$kernel/run.sh" "$@" --timeout "$seconds" bash -c "cd $work/mptcp && exec bash $arguments" > "$kept.$name" 2>&1 || code=$?
	if [ $code = 125 ] || [ $code = 126 ]; then
		tail -n 100 "$kept.$name" >&2
		exit 1
	fi
	[ $code != 124 ] || echo "compare.sh: no end after $seconds s" >&2
	# "ok 12 - name # time=8ms" becomes "ok name".
	grep -aE '^(not )?ok [0-9]+ - ' "$kept.$name" |
		sed -E 's/\r//g; s/ (# )?time=[0-9]+ms.*//; s/^ok ([0-9]+ - .*) # SKIP/skip \1/; s/ [0-9]+ - / /' |
		LC_ALL=C sort > "$work/$name" || true
}
arguments=$(printf '%q ' "$@")
run patched
run unpatched --unpatched
for name in patched unpatched; do
	printf '%-10s %3d passed, %3d failed, %3d skipped\n' "$name" \
		"$(grep -c '^ok ' "$work/$name")" "$(grep -c '^not ok ' "$work/$name")" "$(grep -c '^skip ' "$work/$name")"
done
grep '^ok ' "$work/unpatched" > "$work/good" || true
[ -s "$work/good" ] || { echo "compare.sh: nothing passed on the unpatched kernel; see $kept.unpatched" >&2; exit 1; }
worse=$(LC_ALL=C comm -23 "$work/good" "$work/patched")
if [ -n "$worse" ]; then
	echo "compare.sh: these pass without the series only:" >&2
	echo "$worse" >&2
	exit 1
fi
