#!/bin/bash
# Checks each patch of patches/series by itself, in order: it applies, passes
# checkpatch.pl --strict, and the tree up to it builds without a warning that
# the unpatched tree does not give.
#
#   kernel/check-series.sh [--style-only | --link]
#
#   --style-only   apply and checkpatch, no builds: seconds instead of minutes
#   --link         build a whole kernel after each patch: hours instead of minutes
#
# Three configurations are built after each patch: config.series (all that the
# series touches), one without IPv6, and one without BPF for cgroups as well. Built is
# what the series touches and what stands next to it, and no object may want a
# symbol that only a later patch defines, or only the other configuration.
# KERNEL_SOURCE and TSBPF_KERNEL_CACHE are as in build.sh.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${TSBPF_KERNEL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tsbpf/kernel}
# The prototypes in helper documentation must be one line; the tree has no
# MAINTAINERS entry for a file that only this series has.
ignore=FILE_PATH_CHANGES,LONG_LINE_COMMENT
objects=(net/mptcp/ net/core/{filter,sock}.o kernel/bpf/{core,bpf_struct_ops,net_namespace,syscall}.o
	net/ipv4/{tcp,tcp_input,tcp_output,tcp_timer,tcp_ipv4,tcp_minisocks,tcp_fastopen,tcp_cong,syncookies,inet_connection_sock,af_inet}.o)

say() { echo "kernel/check-series.sh: $*" >&2; }
die() { say "$*"; exit 1; }
style_only= link=
case ${1:-} in
'') ;;
--style-only) style_only=1 ;;
--link) link=1 ;;
*) die "unknown argument '$1'; see the head of $0" ;;
esac

mkdir -p "$cache"
work=$(mktemp -d "$cache/series.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/src"
"$here/build.sh" --unpack "$work/src"
export KBUILD_BUILD_TIMESTAMP="@0" KBUILD_BUILD_USER=tsbpf KBUILD_BUILD_HOST=tsbpf

# Configures a build directory: its name, then lines for .config.
configure() {
	mkdir "$work/$1"
	make -s -C "$work/src" "O=$work/$1" tinyconfig > "$work/log" 2>&1 &&
		"$work/src/scripts/kconfig/merge_config.sh" -m -O "$work/$1" "$work/$1/.config" "${@:2}" >> "$work/log" 2>&1 &&
		make -s -C "$work/src" "O=$work/$1" olddefconfig >> "$work/log" 2>&1 ||
		{ cat "$work/log" >&2; die "cannot configure the tree"; }
}

# Builds in a build directory, and adds the warnings to a file.
build() { # directory, file, targets
	make -k -C "$work/src" "O=$work/$1" "-j$(nproc)" "${@:3}" < /dev/null > "$work/log" 2>&1 ||
		{ grep -E 'error|undefined|\*\*\*' "$work/log" >&2; die "the tree up to $name does not build in configuration '$1'"; }
	{ grep -E 'warning: |WARNING: ' "$work/log" || true; } | sed "s@$work/@@g; s/:[0-9]*:[0-9]*:/:/" | LC_ALL=C sort -u > "$2"
}
# What the objects of a build directory define, and what they want of others.
symbols() { # directory, what they are kept as
	find "$work/$1/net" "$work/$1/kernel/bpf" -name '*.o' -exec nm -g {} + |
		awk -v d="$work/$2.$1" 'NF == 3 { print $3 > (d ".defined") } $1 == "U" { print $2 > (d ".wanted") }'
	for list in defined wanted; do LC_ALL=C sort -u -o "$work/$2.$1.$list" "$work/$2.$1.$list"; done
}
build_all() { # what its warnings and symbols are kept as
	local extra=(net/ipv6/tcp_ipv6.o kernel/bpf/cgroup.o)
	[ -z "$link" ] || extra=(vmlinux)
	build full "$work/$1.full" "${objects[@]}" "${extra[@]}"
	build v4 "$work/$1.v4" "${objects[@]}"
	build plain "$work/$1.plain" "${objects[@]}"
	symbols full "$1"
	symbols v4 "$1"
	symbols plain "$1"
}

name="the unpatched tree"
if [ -z "$style_only" ]; then
	configure full "$here/config.series"
	grep -vE '^CONFIG_(IPV6|MPTCP_IPV6)=' "$here/config.series" > "$work/v4.config"
	configure v4 "$work/v4.config"
	grep -vE '^CONFIG_(CGROUP_BPF|IPV6|MPTCP_IPV6)=' "$here/config.series" > "$work/plain.config"
	configure plain "$work/plain.config"
	started=$SECONDS
	build_all before
	say "the unpatched tree: $((SECONDS - started)) s"
fi

failed=
while read -r name; do
	started=$SECONDS
	patch -d "$work/src" -p1 --forward --fuzz=0 --no-backup-if-mismatch --reject-file=- < "$here/patches/$name" > "$work/log" 2>&1 ||
		{ cat "$work/log" >&2; die "$name does not apply"; }
	if grep -q '^Hunk.*offset' "$work/log"; then
		grep '^Hunk.*offset' "$work/log" >&2
		say "$name: its line numbers are off"
		failed=1
	fi
	if ! (cd "$work/src" && perl scripts/checkpatch.pl --strict --no-tree --quiet --show-types --ignore "$ignore" "$here/patches/$name") >&2; then
		say "$name: checkpatch.pl --strict complains"
		failed=1
	fi
	if [ -z "$style_only" ]; then
		build_all "$name"
		for configuration in full v4 plain; do
			new=$(LC_ALL=C comm -13 "$work/before.$configuration" "$work/$name.$configuration")
			if [ -n "$new" ]; then
				echo "$new" >&2
				say "$name: new warnings in configuration '$configuration'"
				failed=1
			fi
		done
	fi
	say "$name: $((SECONDS - started)) s"
done < <(grep -v '^#' "$here/patches/series")

# Symbols that the series adds may be wanted only where they are defined.
if [ -z "$style_only" ]; then
	last=$(grep -v '^#' "$here/patches/series" | tail -1)
	LC_ALL=C comm -13 "$work/before.full.defined" "$work/$last.full.defined" > "$work/added"
	[ -s "$work/added" ] || die "the series adds no symbol; is this check blind?"
	while read -r name; do
		for configuration in full v4 plain; do
			missing=$(LC_ALL=C comm -12 "$work/added" "$work/$name.$configuration.wanted" | LC_ALL=C comm -23 - "$work/$name.$configuration.defined")
			if [ -n "$missing" ]; then
				say "$name: undefined in configuration '$configuration':" $missing
				failed=1
			fi
		done
	done < <(grep -v '^#' "$here/patches/series")
fi
[ -z "$failed" ] || die "see above"
say "each patch applies and is clean${style_only:+ (not built)}"
