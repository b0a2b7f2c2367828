#!/bin/sh
# bench_memory.sh: peak memory of every command, for a Slack zip with a directory of any size. Ends with 1 when one takes more than 64 MiB.
#
#   sh tests/bench/bench_memory.sh                       3,000 messages with a file each, 850,000 day files without a message
#   MESSAGES=N DAYS=N sh tests/bench/bench_memory.sh     others
#   CHANNELS=20000 MESSAGES=10000000 OPS=20000 sh tests/bench/bench_memory.sh
#                                                        messages without files, in so many channels; at most so many writes. 2.9 GB of
#                                                        archive, 4 GB of spool; commands that need a whole run are left out
set -eu
cd "$(dirname "$0")/../.."
CHANNELS=${CHANNELS:-} OPS=${OPS:-} KEEP=${KEEP:-}
MESSAGES=${MESSAGES:-3000}
DAYS=${DAYS:-$([ -n "$CHANNELS" ] && echo 0 || echo 850000)}
bin=build/release/mvchat tools=build/release/tools
dir=build/bench
mkdir -p "$dir"
pid='' worst=0
stop() { [ -z "$pid" ] || { kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; pid=; }; }
rm -rf "$dir/mem-pages"
trap 'stop; [ -n "$KEEP" ] || rm -rf "$dir/mem.zip" "$dir/mem" "$dir/mem-pages"' EXIT
trap 'exit 130' INT TERM
export MVCHAT_CLOCK_HANG_MS=20000 MVCHAT_CLOCK=virtual
export PACHCA_ADMIN_TOKEN=sandbox-admin-token PACHCA_BOT_TOKEN=sandbox-bot-token

if [ -n "$CHANNELS" ]; then
	set -- --messages "$MESSAGES" --channels "$CHANNELS" --threads 10 --days "$DAYS"
else
	set -- --shape files --messages "$MESSAGES" --days "$DAYS"
fi
if [ -z "$KEEP" ] || [ ! -f "$dir/mem.zip" ]; then
	"$tools/gen_slack" "$@" --users 300 --seed 1 "$dir/mem.zip"
fi
zip=$PWD/$dir/mem.zip
echo "archive: $(unzip -Z1 "$zip" 2>/dev/null | wc -l) entries, $(($(wc -c <"$zip") / 1048576)) MiB"
printf '%-34s %9s %9s\n' command peak 'CPU'

# row NAME CODES COMMAND…: CODES: exit codes that are right, as a pattern
row() {
	name=$1 codes=$2
	shift 2
	code=0
	"$tools/measure" "$dir/m" "$bin" "$@" >"$dir/mem.out" 2>"$dir/mem.err" || code=$?
	echo "$code" | grep -qxE "$codes" || { echo "$name: exit code $code" >&2; cat "$dir/mem.err" >&2; exit 1; }
	read -r _ cpu peak _ <"$dir/m"
	[ "$peak" -le "$worst" ] || worst=$peak
	printf '%-34s %5s MiB %7s s\n' "$name" "$(awk -v k="$peak" 'BEGIN { printf "%.0f", k / 1024 }')" "$cpu"
}
p=$dir/mem
rm -rf "$p" && mkdir "$p"
rm -f "$dir/port"
"$bin" sandbox -q --no-limits --port-file "$dir/port" >/dev/null 2>"$dir/sandbox.err" &
pid=$!
while [ ! -s "$dir/port" ]; do kill -0 "$pid"; sleep 0.02; done
url=http://127.0.0.1:$(cat "$dir/port")/api/shared/v1

row 'inspect' 0 inspect -q "$zip"
row 'map (reads the archive)' 0 map -q -C "$p" --offline --unmatched create "$zip"
row 'map again' 0 map -q -C "$p" --offline
[ -n "$CHANNELS" ] || row 'fetch (nothing to fetch)' 0 fetch -q -C "$p" # the messages of the others link to files of Slack's
row 'plan' 0 plan -q -C "$p" --url "$url"
row 'apply, stopped' '0|6' apply -q --yes --rate 1000000 -C "$p" --url "$url" --max-ops "${OPS:-2000}"
row 'status' '0|6' status -C "$p"
row 'report' '0|6' report -q -C "$p"
if [ -z "$OPS" ]; then
	row 'apply, the rest, with files' 0 apply -q --yes --rate 1000000 -C "$p" --url "$url"
	row 'plan, nothing to do' 0 plan -q -C "$p" --url "$url"
	row 'verify' '0|7' verify -q -C "$p" --url "$url"
	row 'archive, with files' 0 archive -q -C "$p" -o "$dir/mem-pages"
	row 'rollback' '0|6' rollback -q --yes --all -C "$p" --url "$url"
fi
[ "$worst" -le 65536 ] || { echo "more than 64 MiB: $((worst / 1024)) MiB" >&2; exit 1; }
