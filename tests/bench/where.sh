#!/bin/sh
# where.sh [ARCHIVE MESSAGES]: where the instructions of reading an archive go, by library and by our files (callgrind; slow).
# Instructions, unlike seconds, do not depend on what else the machine does.
set -eu
cd "$(dirname "$0")/../.."
N=${2:-20000}
dir=build/bench
mkdir -p "$dir"
zip=${1:-$dir/slack-$N.zip}
[ -f "$zip" ] || build/release/tools/gen_slack --messages "$N" --channels 200 --threads 10 --users 300 --seed 1 "$zip"
command -v valgrind >/dev/null || { echo 'valgrind is not installed' >&2; exit 1; }
valgrind -q --tool=callgrind --callgrind-out-file="$dir/callgrind.out" build/release/mvchat inspect -q --json "$zip" >/dev/null
# Lines are "1,234 ( 5.67%)  file:function [object]"; functions of ours that were inlined have no object.
callgrind_annotate --auto=no --threshold=100 "$dir/callgrind.out" | awk -v n="$N" '
	/PROGRAM TOTALS/ { gsub(",", "", $1); all = $1; next }
	!/^ *[0-9,]+ \(/ { next }
	{
		ir = $1; gsub(",", "", ir)
		line = $0; sub(/^[^)]*\) +/, "", line)
		file = line; sub(/:.*/, "", file)
		object = "mvchat"
		if (match(line, /\[[^]]*\]$/)) { object = substr(line, RSTART + 1, RLENGTH - 2); sub(/.*\//, "", object) }
		by[object] += ir
		if (object == "mvchat") { if (!match(file, /(core|importers|replay|mapping|cli)\/.*/)) file = "(inlined from libc)"; else file = substr(file, RSTART); ours[file] += ir }
	}
	END {
		printf "%d instructions a message\n", all / n
		for (o in by) if (by[o] > all / 200) printf "%5.1f %%  %s\n", 100 * by[o] / all, o | "sort -rn"
		close("sort -rn")
		print "of mvchat:"
		for (f in ours) if (ours[f] > all / 200) printf "%5.1f %%  %s\n", 100 * ours[f] / all, f | "sort -rn"
	}'
