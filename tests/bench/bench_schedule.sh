#!/bin/sh
# bench_schedule.sh [SHAPE…]: archive shape x tokens under the target's limits, in virtual time: the least the limits allow, what
# the plan estimates, what the run took, the ratio, and how many requests were told to wait. SCALE (per cent, default 100)
# makes the archives smaller; TOKENS are the numbers of tokens (default "1 3"); STORAGE_MS is how long the storage takes for each
# file (default 0): no file can come sooner than that after its place, so where places decide, the least time is as much longer.
# RATES, as the sandbox's --rates (post=2/20/30,read=5/5,other=25/25): limits that the client does not know; the bound is then theirs.
set -eu
cd "$(dirname "$0")/../.."
SCALE=${SCALE:-100} TOKENS=${TOKENS:-1 3}
bin=build/release/mvchat tools=build/release/tools
dir=build/bench
mkdir -p "$dir"
pid=
stop() { [ -z "$pid" ] || { kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; pid=; }; }
trap stop EXIT
trap 'exit 130' INT TERM
export MVCHAT_CLOCK_HANG_MS=5000 MVCHAT_CLOCK=virtual PACHCA_ADMIN_TOKEN=sandbox-admin-token
field() { grep -oE "\"$1\":[0-9]+" "$2" | head -1 | grep -oE '[0-9]+$'; }
serve() { # options…
	rm -f "$dir/port"
	"$bin" sandbox -q --port-file "$dir/port" "$@" >/dev/null 2>"$dir/sandbox.err" &
	pid=$!
	while [ ! -s "$dir/port" ]; do kill -0 "$pid"; sleep 0.02; done
	url=http://127.0.0.1:$(cat "$dir/port")/api/shared/v1
}
# words SHAPE MESSAGES
words() {
	case $1 in
	one) echo "one channel, $2 messages" ;;
	small) echo "$(($2 / 20)) channels of 20" ;;
	thread) echo "one thread of $2 replies" ;;
	files) echo "20 channels, $2 files" ;;
	mixed) echo "200 channels, skewed, $2" ;;
	even) echo "200 channels, even, $2" ;;
	esac
}
# bound ESTIMATE PLAN SHAPE TOKENS: the least time in seconds. The plan's is that of the limits it knows: messages 4 a second behind a
# burst of 150 in a chat, all else 50 a second. Of limits that it does not know: by whichever of the two decides.
bound() {
	chat=$(grep -oE '"members":[0-9]+,"seconds":[0-9]+' "$2" | sed 's/.*://' | sort -n | tail -1)
	awk -v ms="$(field least_ms "$1")" -v chat="${chat:-0}" -v shape="$3" -v k="$4" -v storage="${STORAGE_MS:-0}" -v rates="${RATES:-}" 'BEGIN {
		b = ms / 1000
		if (rates != "") {
			split(rates, kind, ","); split(substr(kind[1], 6), post, "/"); split(substr(kind[3], 7), other, "/")
			b = chat >= b - 1 && chat > 0 ? (4 * chat + 150 - post[2]) / post[1] : b * 50 / other[1]
		}
		if (shape == "files") # beside the places there are 20 chats to be made and opened
			b = b + storage / 1000 - 40 / 50 / k > b ? b + storage / 1000 - 40 / 50 / k : b
		printf "%.2f", b
	}'
}
printf '%-30s %6s %9s %9s %9s %7s %7s %8s\n' 'archive' tokens bound estimate took 'x bound' 'x est.' '429'
for shape in ${*:-one small thread files mixed even}; do
	case $shape in
	one | thread) n=20000 ;;
	small | even) n=100000 ;;
	files) n=6000 ;;
	mixed) n=60000 ;;
	esac
	n=$((n * SCALE / 100))
	zip=$dir/shape-$shape-$n.zip
	if [ "$shape" = even ]; then
		[ -f "$zip" ] || "$tools/gen_slack" --messages "$n" --channels 200 --threads 10 --users 300 --seed 1 "$zip"
	else
		[ -f "$zip" ] || "$tools/gen_slack" --shape "$shape" --messages "$n" --users 300 --seed 1 "$zip"
	fi
	for tokens in $TOKENS; do
		unset PACHCA_BOT_TOKEN
		echo "POST /direct_url * slow ${STORAGE_MS:-0}" >"$dir/faults"
		serve --bots "$tokens" --faults "$dir/faults" ${RATES:+--rates "$RATES"}
		PACHCA_BOT_TOKEN=sandbox-bot-token
		i=2
		while [ "$i" -le "$tokens" ]; do PACHCA_BOT_TOKEN=$PACHCA_BOT_TOKEN,sandbox-bot-token-$i; i=$((i + 1)); done
		export PACHCA_BOT_TOKEN
		rm -rf "$dir/s" && mkdir "$dir/s"
		"$bin" map -q -C "$dir/s" --offline --unmatched create "$PWD/$zip" >/dev/null
		"$bin" plan -q --json -C "$dir/s" --url "$url" >"$dir/plan.json" 2>/dev/null || true
		"$bin" apply -q --yes --json -C "$dir/s" --url "$url" >"$dir/apply.json"
		grep -oE '"estimate":\{[^}]*' "$dir/plan.json" >"$dir/estimate"
		awk -v w="$(words "$shape" "$n")" -v k="$tokens" -v b="$(bound "$dir/estimate" "$dir/plan.json" "$shape" "$tokens")" -v e="$(field seconds "$dir/estimate")" \
			-v ms="$(field elapsed_ms "$dir/apply.json")" -v t="$(field throttled "$dir/apply.json")" -v r="$(field requests "$dir/apply.json")" \
			'BEGIN { s = ms / 1000; printf "%-30s %6d %7.1f s %7d s %7.1f s %7.3f %7.3f %7.3f%%\n", w, k, b, e, s, s / b, s / e, 100 * t / r }'
		stop
	done
done
