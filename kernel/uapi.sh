#!/bin/bash
# Prints as JSON the numbers of the kernel's user-space interface that a
# sock_ops program is compiled against, as the C compiler sees them.
#
#   kernel/uapi.sh INCLUDE_DIRECTORY
set -euo pipefail

include=$1
bpf=$include/linux/bpf.h
[ -f "$bpf" ] || { echo "kernel/uapi.sh: no $bpf" >&2; exit 1; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# Every name in an enum or behind a #define that starts with one of these.
names() {
	grep -oE "^[[:space:]]*(#define[[:space:]]+)?($1)\b" "$2" | grep -oE '[A-Z][A-Z0-9_]*$' | awk '!seen[$0]++'
}
block() { # title, names
	echo "	puts(\"  \\\"$1\\\": {\");"
	echo "$2" | awk 'NF { l[++n] = $1 } END { for (i = 1; i <= n; i++)
		printf "	printf(\"    \\\"%s\\\": %%lld%s\\n\", (long long)(%s));\n", l[i], (i < n ? "," : ""), l[i] }'
	echo "	puts(\"  }$3\");"
}

fields=$(awk '/^struct bpf_sock_ops \{/ { on = 1; next } on && /^};/ { exit } on' "$bpf" |
	sed -e 's@/\*.*@@' | grep -oE '^[[:space:]]+(__(aligned_)?u(32|64) |__bpf_md_ptr\(.*, )[a-z_0-9]+' | grep -oE '[a-z_0-9]+$')
{
	echo '#include <stdio.h>'
	echo '#include <stddef.h>'
	echo '#include <linux/bpf.h>'
	echo '#include <linux/tcp.h>'
	echo 'int main(void) {'
	echo '	puts("{");'
	block ops "$(names 'BPF_SOCK_OPS_[A-Z0-9_]+_CB|BPF_SOCK_OPS_(VOID|TIMEOUT_INIT|RWND_INIT|NEEDS_ECN|BASE_RTT)|BPF_TCP_(OPTIONS_SIZE_CALC|OPTIONS_WRITE|PARSE_OPTIONS)|BPF_MPTCP_[A-EG-Z][A-Z0-9_]+|BPF_MPTCP_FULLY_[A-Z]+' "$bpf")" ,
	block callbackFlags "$(names 'BPF_SOCK_OPS_[A-Z0-9_]+_CB_FLAGS?' "$bpf")" ,
	block mptcpFlags "$(names 'BPF_MPTCP_F_[A-Z0-9_]+' "$bpf")" ,
	block sockopts "$(names 'TCP_BPF_[A-Z0-9_]+' "$bpf"; 
		grep -oE '^#define TCP_[A-Z0-9_]+[[:space:]]+[0-9]+\b' "$include/linux/tcp.h" | awk '{ print $2 }' |
		grep -vE '^TCP_(REPAIR_(ON|OFF)|MD5SIG_(MAX|FLAG)|AO_(MAX|KEYF)|RECEIVE_|MSS_|S_)' )" ,
	block attachTypes "$(names 'BPF_NETNS_SOCK_OPS' "$bpf")" ,
	echo '	puts("  \"helpers\": {");'
	awk '/^#define ___BPF_FUNC_MAPPER/ { on = 1; next } on && /FN\(/ { match($0, /FN\([a-z_0-9]+, [0-9]+/)
		s = substr($0, RSTART + 3, RLENGTH - 3); split(s, p, ", "); l[++n] = p[1] } on && !/FN\(/ { exit }
		END { for (i = 1; i <= n; i++) printf "	printf(\"    \\\"bpf_%s\\\": %%d%s\\n\", BPF_FUNC_%s);\n",
			l[i], (i < n ? "," : ""), l[i] }' "$bpf"
	echo '	puts("  },");'
	echo '	puts("  \"sockOps\": {");'
	echo "	printf(\"    \\\"size\\\": %zu,\\n\", sizeof(struct bpf_sock_ops));"
	echo '	puts("    \"fields\": {");'
	echo "$fields" | awk 'NF { l[++n] = $1 } END { for (i = 1; i <= n; i++) {
		f = "((struct bpf_sock_ops *)0)->" l[i]
		printf "	printf(\"      \\\"%s\\\": { \\\"offset\\\": %%zu, \\\"size\\\": %%zu }%s\\n\", offsetof(struct bpf_sock_ops, %s), sizeof(%s));\n",
			l[i], (i < n ? "," : ""), l[i], f } }'
	echo '	puts("    }\n  }\n}");'
	echo '	return 0;'
	echo '}'
} > "$dir/uapi.c"
${CC:-gcc} -w -I"$include" -o "$dir/uapi" "$dir/uapi.c"
"$dir/uapi"
