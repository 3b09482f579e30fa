#!/bin/bash
# Builds the patched kernel: Debian's linux-source-6.12 (or the unpatched tree
# named by KERNEL_SOURCE) plus patches/series, configured from "tinyconfig"
# plus kernel/config.  The result lies in a cache outside the repository,
# under a key made of everything that went in; a second call only prints it.
#
#   kernel/build.sh [--debug-config] [--unpatched | --kernel RELEASE] [--if-cached] [--unpack DIRECTORY]
#
# Prints the directory that holds bzImage, config, include/ (the user-space
# headers) and uapi.json; all else goes to standard error.
#   --debug-config  lockdep, KASAN and friends: kernel/config.debug as well
#   --unpatched     without the series, to compare with
#   --kernel        another release (5.10, 6.1; 6.12 is --unpatched), without the
#                   series: kernel/config.RELEASE says how its configuration differs
#   --if-cached     build nothing; exit 3 when the cache does not have it
#   --unpack        no build: the unpatched source, into a directory that exists
#
# KERNEL_SOURCE      an unpatched tree of 6.12 or RELEASE; it is copied, never changed
# TSBPF_KERNEL_CACHE default: ${XDG_CACHE_HOME:-$HOME/.cache}/tsbpf/kernel
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${TSBPF_KERNEL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tsbpf/kernel}
release=6.12
packages=(build-essential flex bison bc libelf-dev libssl-dev dwarves xz-utils patch perl)
need_mb=6000

say() { echo "kernel/build.sh: $*" >&2; }
die() { say "$*"; exit 1; }

arguments=("$@")
fragments=("$here/config")
flavour=release
if_cached= unpatched= unpack_into=
while [ $# -gt 0 ]; do
	case $1 in
	--debug-config) fragments+=("$here/config.debug"); flavour=debug ;;
	--unpatched) unpatched=1 ;;
	--kernel)
		release=${2:-}
		unpatched=1
		[ "$release" = 6.12 ] || [ -f "$here/config.$release" ] ||
			die "there is no configuration for Linux ${release:-of no release}; there is one for$(
				printf '%s\n' 6.12 "$here"/config.[0-9]* | sed 's/.*config\.//' | sort -V | tr '\n' ' ' | sed 's/^/ /;s/ $//')"
		shift ;;
	--if-cached) if_cached=1 ;;
	--unpack)
		unpack_into=${2:-}
		[ -d "$unpack_into" ] || die "--unpack needs a directory that exists"
		shift ;;
	*) die "unknown argument '$1'; see the head of $0" ;;
	esac
	shift
done
[ -z "$unpatched" ] || flavour=$flavour-unpatched
if [ "$release" != 6.12 ]; then
	fragments+=("$here/config.$release")
	flavour=${flavour%-unpatched}-$release
fi
package=linux-source-$release
tarball=/usr/src/$package.tar.xz

# Installs what is missing; asks nothing.
install() {
	local missing=() p as_root=()
	for p; do
		dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
	done
	[ ${#missing[@]} = 0 ] && return
	command -v apt-get >/dev/null || die "needs ${missing[*]}, and there is no apt-get to install them"
	if [ "$(id -u)" != 0 ]; then
		sudo -n true 2>/dev/null || die "needs packages; run: apt-get install ${missing[*]}"
		as_root=(sudo -n)
	fi
	say "installing ${missing[*]}"
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y --no-install-recommends "${missing[@]}" >&2 ||
		{ "${as_root[@]}" apt-get update >&2 &&
		  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
			apt-get install -y --no-install-recommends "${missing[@]}" >&2; } ||
		die "apt-get could not install ${missing[*]} (no network? not Debian 12 or later?)"
}

# What is being built, in words: the same words, the same kernel.
if [ -n "${KERNEL_SOURCE:-}" ]; then
	[ -f "$KERNEL_SOURCE/Makefile" ] && [ -d "$KERNEL_SOURCE/net/mptcp" ] ||
		die "KERNEL_SOURCE=$KERNEL_SOURCE is not a Linux source tree"
	KERNEL_SOURCE=$(cd "$KERNEL_SOURCE" && pwd)
	version=$(awk -F' *= *' '$1 ~ /^(VERSION|PATCHLEVEL|SUBLEVEL)$/ { v = v "." $2 } /^NAME/ { exit }
		END { print substr(v, 2) }' "$KERNEL_SOURCE/Makefile")
	case $version in
	"$release"|"$release".*) ;;
	*)
		[ -z "$unpatched" ] || die "KERNEL_SOURCE is Linux ${version:-of no version}, not $release"
		die "KERNEL_SOURCE is Linux ${version:-of no version}; the series is for 6.12 (see kernel/README.md on carrying it over)" ;;
	esac
	for patch in $([ "$release" != 6.12 ] || grep -v '^#' "$here/patches/series" | sed -n '1p;$p'); do
		! patch -d "$KERNEL_SOURCE" -p1 -R -f -s --dry-run < "$here/patches/$patch" > /dev/null 2>&1 ||
			die "KERNEL_SOURCE=$KERNEL_SOURCE has $patch already; name an unpatched tree"
	done
	source="tree $version $(cd "$KERNEL_SOURCE" && find . -type f -not -path './.git/*' \
		-printf '%P %s %T@\n' | LC_ALL=C sort | sha256sum | cut -c1-16)"
else
	version=$(dpkg-query -W -f '${Version}' "$package" 2>/dev/null || true)
	if [ -z "$version" ] || [ ! -f $tarball ]; then
		[ -n "$if_cached" ] && exit 3
		install "$package"
		version=$(dpkg-query -W -f '${Version}' "$package")
		[ -f $tarball ] || die "$package is installed but $tarball is not there"
	fi
	source="debian $version"
fi

mapfile -t series < <(grep -v '^#' "$here/patches/series" 2>/dev/null || true)
[ ${#series[@]} -gt 0 ] || die "$here/patches/series is missing or empty"
[ -z "$unpatched" ] || series=()
for patch in "${series[@]}"; do
	[ -f "$here/patches/$patch" ] || die "patches/series names $patch, which is not there"
done
content() {
	echo "$source"
	cat "${fragments[@]}" "$here/uapi.sh"
	(cd "$here/patches" && cat "${series[@]}" < /dev/null)
}
key=$(content | sha256sum | cut -c1-20)
out=$cache/$flavour-$key

# Fills an empty directory with the unpatched source.
unpack() {
	if [ -n "${KERNEL_SOURCE:-}" ]; then
		say "copying $KERNEL_SOURCE"
		(cd "$KERNEL_SOURCE" && tar -cf - --exclude=./.git .) | tar -xf - -C "$1" || fail "cannot copy $KERNEL_SOURCE"
		# What was built in that tree would get in the way of a build outside it.
		make -s -C "$1" mrproper >&2 || fail "cannot clean the copy of $KERNEL_SOURCE"
	else
		say "unpacking $tarball ($version)"
		tar -xf $tarball -C "$1" --strip-components=1 || fail "cannot unpack $tarball"
	fi
}
# The disk is others' too; what fails when it is full says many things, but not that.
free_mb() { df -Pm "$1" | awk 'NR == 2 { print $4 }'; }
fail() {
	local where=${unpack_into:-$cache}
	[ "$(free_mb "$where")" -ge 20 ] || die "the disk of $where is full; $*"
	die "$*"
}

if [ -n "$unpack_into" ]; then
	install "${packages[@]}"
	unpack "$unpack_into"
	exit
fi
if [ -f "$out/bzImage" ]; then
	echo "$out"
	exit
fi
[ -z "$if_cached" ] || exit 3

mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ] || die "cannot write to the cache, $cache (set TSBPF_KERNEL_CACHE)"
exec 9>"$cache/.lock"
if ! flock -n 9; then
	say "another build is running; waiting for it"
	flock 9
	# Patches or configuration may have changed since.
	exec 9>&-
	exec "$0" "${arguments[@]}"
fi

# What a build that was killed has left; none but this one has the lock.
rm -rf "$cache"/.work-*
[ "$(free_mb "$cache")" -ge $need_mb ] ||
	die "needs $need_mb MB in $cache, $(free_mb "$cache") MB are free (set TSBPF_KERNEL_CACHE)"
install "${packages[@]}"

# Named without the key: the path is in what the compiler is told, and an object cache (ccache) knows the objects again.
work=$cache/.work-$flavour
mkdir "$work"
trap 'rm -rf "$work"' EXIT
log=$work/build.log
started=$SECONDS

mkdir "$work/src"
unpack "$work/src"

for patch in "${series[@]}"; do
	if ! patch -d "$work/src" -p1 --forward --no-backup-if-mismatch \
		--reject-file=- < "$here/patches/$patch" > "$work/patch.log" 2>&1; then
		cat "$work/patch.log" >&2
		die "$patch does not apply to Linux $version:$(awk '
			/^(patching|checking) file / { file = $3 }
			/^Hunk #[0-9]+ (FAILED|ignored)/ { sub("#", "", $2); print "  " file ", hunk " $2 ", line " $5 + 0 }
			/^can.t find file|^No file to patch/ { print "  a file that it changes is not there" }' \
			"$work/patch.log" | sed '1s/^/\n/')"
	fi
done

build=$work/build
mkdir "$build"
run() {
	"$@" >> "$log" 2>&1 && return
	tail -40 "$log" >&2
	cp "$log" "$cache/failed-$flavour-$key.log" 2>/dev/null || true
	fail "'${*: -2}' failed; its last lines are above, all of it in $cache/failed-$flavour-$key.log"
}
export KBUILD_BUILD_TIMESTAMP="@0" KBUILD_BUILD_USER=tsbpf KBUILD_BUILD_HOST=tsbpf
kmake=(make -C "$work/src" "O=$build" "LOCALVERSION=-tsbpf")
run "${kmake[@]}" tinyconfig
run "$work/src/scripts/kconfig/merge_config.sh" -m -O "$build" "$build/.config" "${fragments[@]}"
run "${kmake[@]}" olddefconfig
# A later fragment may overrule an earlier one; only the last line of a name counts.
lost=$(cat "${fragments[@]}" | sed -nE 's/^# (CONFIG_[A-Z0-9_a-z]+) is not set$/\1 &/p; s/^(CONFIG_[A-Z0-9_a-z]+)=.*/\1 &/p' |
	awk '{ name = $1; sub(/^[^ ]+ /, ""); last[name] = $0 } END { for (name in last) if (last[name] !~ /^#/) print last[name] }' |
	grep -vxF -f "$build/.config" | LC_ALL=C sort | tr '\n' ' ' || true)
[ -z "$lost" ] || die "${lost% } did not survive olddefconfig: a dependency is missing"

say "building Linux $version, $flavour configuration, with ${#series[@]} patches on $(nproc) processors"
run nice "${kmake[@]}" "-j$(nproc)" bzImage
run nice "${kmake[@]}" "-j$(nproc)" headers

mkdir "$work/out"
cp "$build/arch/x86/boot/bzImage" "$work/out/"
cp "$build/.config" "$work/out/config"
cp -r "$build/usr/include" "$work/out/include"
"$here/uapi.sh" "$work/out/include" > "$work/out/uapi.json" || die "cannot read the numbers of include/uapi"
echo "$source" > "$work/out/source"
rm -rf "$out"
mv "$work/out" "$out"
say "built in $((SECONDS - started)) s"
echo "$out"
