#!/bin/sh
# bench.sh: the speed and memory promises, each figure with its bound beside it, from one run on this machine.
# N (messages, default 1,000,000). The archive is generated, not stored.
set -eu
cd "$(dirname "$0")/../.."
N=${N:-1000000}
bin=build/release/mvchat tools=build/release/tools
dir=build/bench
mkdir -p "$dir"
pid=
stop() { [ -z "$pid" ] || { kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; pid=; }; }
trap stop EXIT
trap 'exit 130' INT TERM
export MVCHAT_CLOCK_HANG_MS=5000 # a busy machine is not a hung server
export PACHCA_ADMIN_TOKEN=sandbox-admin-token PACHCA_BOT_TOKEN=sandbox-bot-token
row() { printf '%-46s %14s   %s\n' "$1" "$2" "$3"; }
wall() { cut -d' ' -f1 "$dir/m"; }
peak() { cut -d' ' -f3 "$dir/m"; }
per() { awk -v n="$1" -v s="$2" 'BEGIN { printf "%d", n / s }'; }
field() { grep -oE "\"$1\":[0-9]+" "$2" | head -1 | grep -oE '[0-9]+$'; }
serve() { # options…
	rm -f "$dir/port"
	"$bin" sandbox -q --port-file "$dir/port" "$@" >/dev/null 2>"$dir/sandbox.err" &
	pid=$!
	while [ ! -s "$dir/port" ]; do kill -0 "$pid"; sleep 0.02; done
	url=http://127.0.0.1:$(cat "$dir/port")/api/shared/v1
}
generate() { # messages file
	[ -f "$2" ] || "$tools/gen_slack" --messages "$1" --channels 200 --threads 10 --users 300 --seed 1 "$2"
}

generate "$N" "$dir/slack-$N.zip"
row "archive: $N messages" "$(($(wc -c <"$dir/slack-$N.zip") / 1048576)) MiB zip" ''
row '' '' 'bound'

RUNS=1 sh tests/bench/bench_read.sh "$dir/slack-$N.zip" "$N"
rm -rf "$dir/p" && mkdir "$dir/p"
"$tools/measure" "$dir/m" "$bin" map -q -C "$dir/p" --offline --unmatched create "$PWD/$dir/slack-$N.zip" >/dev/null
row 'read into the spool and draft the mapping' "$(per "$N" "$(wall)") msg/s" '>= 80000 msg/s'
row '  peak memory' "$(($(peak) / 1024)) MiB" '<= 48 MiB'

serve --no-limits
MVCHAT_CLOCK=virtual "$tools/measure" "$dir/m" "$bin" apply -q --yes --json --rate 1000000 -C "$dir/p" --url "$url" >"$dir/apply.json"
posted=$(field posted "$dir/apply.json")
row "replay, limits off: $posted messages" "$(per "$posted" "$(wall)") msg/s" '>= 3000 msg/s'
row '  peak memory' "$(($(peak) / 1024)) MiB" ''
row '  CPU of the client per message' "$(awk -v n="$posted" '{ printf "%.0f us", $2 / n * 1e6 }' "$dir/m")" ''
"$tools/measure" "$dir/m" "$bin" plan -q --json -C "$dir/p" --url "$url" >"$dir/plan.json"
row 'plan on the finished ledger' "$(wall) s" '<= 5 s'
grep -q '"nothing_to_do":true' "$dir/plan.json" || { echo 'the plan on a finished ledger is not empty' >&2; exit 1; }
stop

echo
sh tests/bench/bench_schedule.sh
echo
echo 'limits lower than the client can know (2 a second, 20 in a burst):'
RATES=post=2/20/30,read=5/5,other=25/25 TOKENS=1 sh tests/bench/bench_schedule.sh one
echo
sh tests/bench/bench_cpu.sh
echo
sh tests/bench/bench_whatsapp.sh
echo
sh tests/bench/bench_mapping.sh
echo
sh tests/bench/bench_memory.sh
