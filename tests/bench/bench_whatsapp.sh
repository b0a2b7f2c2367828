#!/bin/sh
# bench_whatsapp.sh: a Russian WhatsApp export of MB megabytes (default 100): the bare line scan, scan and parse, into the spool;
# two phones' copies of a chat of COPIES messages (default 200,000 each) put together; and three phones' of MERGE messages (default
# 1,000,000; 0: not), beside reading each of them alone, for a quarter of them too, so that it is seen to grow in proportion.
# Generated, not stored.
set -eu
cd "$(dirname "$0")/../.."
MB=${MB:-100} COPIES=${COPIES:-200000} MERGE=${MERGE:-1000000} RUNS=${RUNS:-3}
bin=build/release/mvchat tools=build/release/tools
dir=build/bench
mkdir -p "$dir/wa-$MB"
chat="$dir/wa-$MB/Чат WhatsApp с Склад.txt"
[ -f "$chat" ] || "$tools/gen_whatsapp" --bulk "${MB}000000" >"$chat"
row() { printf '%-46s %14s   %s\n' "$1" "$2" "$3"; }

read -r lines parse <<-END
	$("$tools/scan_whatsapp" "$chat")
END
row "WhatsApp export of $MB MB" '' 'wished for'
row 'bare line scan' "$lines MB/s" ''
row 'scan and parse (UTF-8, headers, dates)' "$parse MB/s" '>= 500 MB/s'
: >"$dir/wa.all"
i=0
while [ "$i" -lt "$RUNS" ]; do
	"$tools/measure" "$dir/m" "$bin" inspect -q --json --zone Europe/Moscow "$chat" >"$dir/wa.json"
	cat "$dir/m" >>"$dir/wa.all"
	i=$((i + 1))
done
read -r wall cpu peak _ <<-END
	$(sort -n "$dir/wa.all" | head -1)
END
row 'read into the spool (two readings, classified)' "$(awk -v n="$MB" -v s="$wall" 'BEGIN { printf "%.0f MB/s", n / s }')" '>= 120 MB/s'
row '  wall / CPU' "$wall / $cpu s" ''
row '  peak memory' "$((peak / 1024)) MiB" '<= 32 MiB'

[ -d "$dir/wa-copies-$COPIES" ] || "$tools/gen_whatsapp" --copies "$COPIES" "$dir/wa-copies-$COPIES"
"$tools/measure" "$dir/m" "$bin" inspect -q --json --zone Europe/Moscow "$dir/wa-copies-$COPIES/1" "$dir/wa-copies-$COPIES/2" >"$dir/wa.json"
read -r wall cpu peak _ <"$dir/m"
row "two copies of a chat, $COPIES messages each" "$(awk -v n="$COPIES" -v s="$wall" 'BEGIN { printf "%d msg/s", 2 * n / s }')" ''
row '  wall / CPU' "$wall / $cpu s" ''
row '  peak memory' "$((peak / 1024)) MiB" ''
merged=$(grep -oE '"merged":[0-9]+' "$dir/wa.json" | head -1 | grep -oE '[0-9]+')
left=$(grep -oE '"messages":[0-9]+' "$dir/wa.json" | head -1 | grep -oE '[0-9]+')
row '  messages, and read twice' "$left, $merged" "$((COPIES + 1)) or less"

merge_three() { # MESSAGES
	d=$dir/wa-merge-$1
	[ -d "$d" ] || "$tools/gen_whatsapp" --copies "$1" "$d" 3
	alone=0
	for phone in 1 2 3; do
		"$tools/measure" "$dir/m" "$bin" inspect -q --json --zone Europe/Moscow "$d/$phone" >"$dir/wa.json"
		read -r wall cpu peak _ <"$dir/m"
		alone=$(awk -v a="$alone" -v b="$cpu" 'BEGIN { print a + b }')
	done
	one=$peak
	"$tools/measure" "$dir/m" "$bin" inspect -q --json --zone Europe/Moscow "$d/1" "$d/2" "$d/3" >"$dir/wa.json"
	read -r wall cpu peak _ <"$dir/m"
	row "three copies of a chat of $1 messages" "$(awk -v a="$cpu" -v b="$alone" 'BEGIN { printf "%.2f x CPU", a / b }')" 'of reading each alone'
	row '  wall / CPU / CPU of reading each alone' "$wall / $cpu / $alone s" ''
	row '  peak memory; of one phone alone' "$((peak / 1024)), $((one / 1024)) MiB" 'flat'
	left=$(grep -oE '"messages":[0-9]+' "$dir/wa.json" | head -1 | grep -oE '[0-9]+')
	row '  messages' "$left" "$(($1 + 1))"
}
if [ "$MERGE" -gt 0 ]; then
	merge_three "$((MERGE / 4))"
	merge_three "$MERGE"
fi
