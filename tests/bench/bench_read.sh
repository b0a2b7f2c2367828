#!/bin/sh
# bench_read.sh [ZIP MESSAGES]: how fast an archive is read into the spool, beside the least that could be: inflating it.
# Without arguments it generates N messages (default 1,000,000) and MEDIA GiB of files beside them (default 0; holes, where the file
# system knows them): MEDIA=10 shows that memory does not grow with the archive. The best of RUNS (default 3) counts: other programs only slow down.
set -eu
cd "$(dirname "$0")/../.."
N=${2:-${N:-1000000}} RUNS=${RUNS:-3} MEDIA=${MEDIA:-0}
bin=build/release/mvchat tools=build/release/tools
dir=build/bench
mkdir -p "$dir"
zip=${1:-$dir/slack-$N.zip}
if [ "$MEDIA" -gt 0 ] && [ -z "${1:-}" ]; then
	zip=$dir/slack-$N-$MEDIA.zip
	trap 'rm -f "$zip"' EXIT
fi
[ -f "$zip" ] || "$tools/gen_slack" --messages "$N" --channels 200 --threads 10 --users 300 --seed 1 --media "$MEDIA" "$zip"
row() { printf '%-46s %14s   %s\n' "$1" "$2" "$3"; }

# best FIELD FILE: the line of FILE with the smallest value in that field
best() { sort -n -k "$1" "$2" | head -1; }
: >"$dir/inflate.all"
: >"$dir/read.all"
: >"$dir/one.all"
i=0
while [ "$i" -lt "$RUNS" ]; do
	"$tools/inflate" "$zip" >>"$dir/inflate.all"
	"$tools/measure" "$dir/m" "$bin" inspect -q --json "$zip" >"$dir/inspect.json"
	cat "$dir/m" >>"$dir/read.all"
	if command -v taskset >/dev/null 2>&1; then
		taskset -c 0 "$tools/measure" "$dir/m" "$bin" inspect -q --json "$zip" >"$dir/inspect.json"
		cat "$dir/m" >>"$dir/one.all"
	fi
	i=$((i + 1))
done
read -r entries bytes inflate_wall inflate_cpu <<-END
	$(best 4 "$dir/inflate.all")
END
read -r wall cpu peak _ <<-END
	$(best 1 "$dir/read.all")
END
row "archive: $N messages, $entries entries" "$((bytes / 1048576)) MiB" "$(($(wc -c <"$zip") / 1048576)) MiB zip"
row '' '' 'bound'
row 'bare inflate with libzip, CPU' "$inflate_cpu s" "(wall $inflate_wall s)"
row 'read into the spool' "$(awk -v n="$N" -v s="$wall" 'BEGIN { printf "%d", n / s }') msg/s" '>= 150000 msg/s on two cores'
row '  wall / CPU' "$wall / $cpu s" ''
row '  wall as a multiple of the bare inflate' "$(awk -v a="$wall" -v b="$inflate_cpu" 'BEGIN { printf "%.2f", a / b }')" '<= 2.5'
row '  peak memory' "$((peak / 1024)) MiB" '<= 48 MiB'
if [ -s "$dir/one.all" ]; then
	read -r wall cpu peak _ <<-END
		$(best 1 "$dir/one.all")
	END
	row 'the same on one core' "$(awk -v n="$N" -v s="$wall" 'BEGIN { printf "%d", n / s }') msg/s" '>= 80000 msg/s'
	row '  CPU' "$cpu s" ''
fi
