#!/bin/bash
# Prints how many lines each patch of patches/series adds to the kernel, and
# how many of these are code: neither blank nor comment. The user-space header
# and its copy for tools/ do not count.
#
#   kernel/sizes.sh        prints: number, lines added, lines of code added
set -euo pipefail

patches=$(cd "$(dirname "$0")" && pwd)/patches
while read -r name; do
	awk -v number="${name%%-*}" '
		/^diff --git / { counts = $4 !~ /^b\/(include\/uapi|tools)\//; next }
		/^@@ / { comment = 0 }
		/^[+ ]/ && !/^\+\+\+ / && counts {
			line = substr($0, 2)
			gsub(/[ \t]/, "", line)
			# What is left of a line without its comments; one may go on to later lines.
			while (line != "") {
				if (comment) {
					if (!(end = index(line, "*/"))) line = ""
					else { line = substr(line, end + 2); comment = 0 }
				} else if ((start = index(line, "/*"))) {
					if (start > 1) { line = substr(line, start); had = 1 }
					else { line = substr(line, 3); comment = 1 }
				} else if (line ~ /^\/\//) line = ""
				else { had = 1; line = "" }
			}
			if (/^\+/) { added++; code += had }
			had = 0
		}
		END { print number, added + 0, code + 0 }' "$patches/$name"
done < <(grep -v '^#' "$patches/series")
