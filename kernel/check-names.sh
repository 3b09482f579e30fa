#!/bin/bash
# Compares the names and numbers that the series adds to include/uapi with those
# of another tree, unpatched: the first thing to do when the series is carried to it.
#
#   kernel/check-names.sh TREE
#
# Says which of our names the tree has (take its number and meaning, or another
# name), and which of our numbers it gives to something else. Exit 1 if any.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
headers=${1:?name a Linux source tree}/include/uapi/linux
for file in bpf tcp snmp; do
	[ -f "$headers/$file.h" ] || { echo "kernel/check-names.sh: no $headers/$file.h" >&2; exit 2; }
done

# What the patches add to these headers: NAME, or NAME NUMBER where the line says it.
added=$(awk '/^diff --git/ { on = / a\/include\/uapi\/linux\/(bpf|tcp|snmp)\.h / }
	on && /^\+[ \t]*#define[ \t]/ { sub(/^\+[ \t]*#define[ \t]+/, ""); print $1, $2; next }
	on && /^\+[ \t]*FN\(/ { gsub(/.*FN\(|,|\)/, " "); print "BPF_FUNC_" $1, $2; next }
	on && /^\+[ \t]*(BPF|LINUX_MIB)_[A-Z0-9_]+[ \t]*[=,]/ { sub(/^\+[ \t]*/, ""); name = $1; sub(/,.*/, "", name); print name }' \
	"$here"/patches/*.patch | LC_ALL=C sort -u)
[ "$(wc -l <<< "$added")" -gt 20 ] || { echo "kernel/check-names.sh: the patches add no names; is this check blind?" >&2; exit 2; }

found=
while read -r name number; do
	case $name in BPF_SOCK_OPS_ALL_CB_FLAGS) continue ;; esac
	pattern="\\b$name\\b"
	[ "${name#BPF_FUNC_}" = "$name" ] || pattern="\\bFN\\(${name#BPF_FUNC_},"
	# Not in comments: a name counts where it is defined.
	if line=$(grep -hE "^[[:space:]]*(#define[[:space:]]+)?$pattern|^[[:space:]]*$pattern" "$headers"/{bpf,tcp,snmp}.h | head -1) && [ -n "$line" ]; then
		echo "the tree has $name: $(tr -s '[:space:]' ' ' <<< "$line")"
		found=1
	fi
	[ -n "$number" ] || continue
	case $name in
	TCP_*) other=$(awk -v n="$number" -v own="$name" '$1 == "#define" && $2 ~ /^TCP_[A-Z0-9_]+$/ && $2 !~ /^TCP_(REPAIR_|MD5SIG_|AO_|MSS_|S_)/ && $3 == n && $2 != own { print $2 }' "$headers/tcp.h") ;;
	BPF_FUNC_*) other=$(grep -oE "FN\([a-z0-9_]+, $number\b" "$headers/bpf.h" | grep -v "FN(${name#BPF_FUNC_}," || true) ;;
	*) other= ;;
	esac
	[ -z "$other" ] || { echo "the tree gives the number of $name, $number, to $other"; found=1; }
done <<< "$added"
if ! grep -qE 'BPF_SOCK_OPS_ALL_CB_FLAGS[[:space:]]*=[[:space:]]*0x7F' "$headers/bpf.h"; then
	echo "the tree has callback flags beyond 0x7F: BPF_SOCK_OPS_TCP_OPTIONS_CB_FLAG needs another bit"
	found=1
fi
[ -z "$found" ] || exit 1
echo "no name and no number of the series is in $headers"
