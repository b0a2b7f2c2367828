#!/bin/sh
# bench_mapping.sh: a project of 2,000 people, 700 channels and 50 rules is drafted, checked and planned on a spool of N messages
# (default 1,000,000) that is read already; the target has an account for each of the people.
set -eu
cd "$(dirname "$0")/../.."
N=${N:-1000000}
bin=build/release/mvchat tools=build/release/tools
dir=build/bench
zip=$dir/wide-$N.zip
mkdir -p "$dir"
pid=
stop() { [ -z "$pid" ] || { kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; pid=; }; }
trap stop EXIT
trap 'exit 130' INT TERM
export MVCHAT_CLOCK=virtual MVCHAT_CLOCK_HANG_MS=5000 MVCHAT_LANG=en
export PACHCA_ADMIN_TOKEN=sandbox-admin-token PACHCA_BOT_TOKEN=sandbox-bot-token
row() { printf '%-46s %14s   %s\n' "$1" "$2" "$3"; }
sum() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f", a + b }'; }
[ -f "$zip" ] || "$tools/gen_slack" --messages "$N" --channels 700 --threads 10 --users 2000 --seed 5 "$zip"
rm -f "$dir/port"
"$bin" sandbox -q --no-limits --port-file "$dir/port" >/dev/null 2>"$dir/sandbox.err" &
pid=$!
while [ ! -s "$dir/port" ]; do kill -0 "$pid"; sleep 0.02; done
url=http://127.0.0.1:$(cat "$dir/port")/api/shared/v1

p=$dir/wide
rm -rf "$p" && mkdir "$p"
"$bin" map -q -C "$p" --url "$url" --unmatched create "$PWD/$zip" >/dev/null
# accounts for all of them; nothing else is written
sed -i 's/^only:.*//; $a only: {channels: [no-such-channel]}' "$p/mvchat.yaml"
"$bin" apply -q --yes --rate 1000000 -C "$p" >/dev/null 2>&1 || true
rm -f "$p/mvchat.yaml" "$p/users.csv" "$p/channels.csv" "$p/.mvchat/"ledger.db*

wall=0 peak=0
measure() { # NAME command…
	name=$1
	shift
	"$tools/measure" "$dir/m" "$@" >"$dir/mapping.out"
	read -r w cpu kb _ <"$dir/m"
	row "  $name" "$w s" "CPU $cpu s, $((kb / 1024)) MiB"
	wall=$(sum "$wall" "$w")
	[ "$kb" -le "$peak" ] || peak=$kb
}
row "mapping: $N messages, 2,000 people, 700 channels" '' ''
measure 'draft' "$bin" map -q -C "$p" --url "$url" "$PWD/$zip"
matched=$(grep -oE '[0-9,]+ have an account' "$dir/mapping.out" || true)
[ "$(grep -c ',match,' "$p/users.csv")" -ge 1900 ] || { echo "the draft matches too few: $matched" >&2; exit 1; }
{
	printf 'redact: [card-numbers, passwords]\nrules:\n'
	i=0
	while [ "$i" -lt 50 ]; do
		case $((i % 5)) in
		0) where="channel: 'channel-$i*', text: 'release (\\d+)'" ;;
		1) where="author: 'Анна *', text: '\\bзаказ\\s+\\w+\\s+договор$i', ignore_case: true" ;;
		2) where="channel: ['general', '*-1$i'], has_file: true" ;;
		3) where="kind: [bot, call], until: 2016-01-$((i % 28 + 1 < 10 ? 10 : i % 28 + 1))" ;;
		4) where="text: '(ticket|customer)-$i(\\d{2,5})'" ;;
		esac
		printf '  - {name: rule %d, where: {%s}, do: drop}\n' "$i" "$where"
		i=$((i + 1))
	done
} >>"$p/mvchat.yaml"
measure 'refresh' "$bin" map -q -C "$p"
measure 'check' "$bin" map -q -C "$p" --check
measure 'plan' "$bin" plan -q --json -C "$p"
row '  together' "$wall s" '<= 30 s'
row '  peak memory' "$((peak / 1024)) MiB" '<= 96 MiB'
