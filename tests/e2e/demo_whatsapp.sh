#!/bin/sh
# demo_whatsapp.sh: the exports of one trade chat from three phones, brought into the embedded sandbox as one history with its
# photos, as `make demo-whatsapp` runs it. Every command is shown.
# MVCHAT_DEMO_KEEP=1 leaves the sandbox running so that the chat can be looked at in a browser.
set -eu
cd "$(dirname "$0")/../.."
MVCHAT=$PWD/build/release/mvchat
dir=build/demo-whatsapp
rm -rf "$dir"
mkdir -p "$dir/project"
sandbox=
stop() { if [ -n "$sandbox" ]; then kill "$sandbox" 2>/dev/null || true; wait "$sandbox" 2>/dev/null || true; sandbox=; fi; }
trap stop EXIT
trap 'exit 130' INT TERM
show() { printf '\n$ %s\n' "$*"; }
mv_run() { show mvchat "$@"; "$MVCHAT" "$@"; }

build/release/tools/gen_whatsapp --phones "$dir"
echo "Three phones have the chat, in two languages, on three clocks, each with other names, photos and gaps:"
for phone in ivan maria alexey; do
	printf '\n# %s\n' "$phone"
	sed -n 4,8p "$dir/$phone"/*/*.txt
done
show mvchat sandbox --store "$dir/sandbox.db" '&'
"$MVCHAT" sandbox -q --store "$dir/sandbox.db" --port-file "$dir/port" --log "$dir/requests.jsonl" &
sandbox=$!
i=0
while [ ! -s "$dir/port" ]; do
	i=$((i + 1))
	[ "$i" -lt 500 ] || { echo 'the sandbox did not start' >&2; exit 1; }
	sleep 0.02
done
port=$(cat "$dir/port")
export PACHCA_ADMIN_TOKEN=sandbox-admin-token PACHCA_BOT_TOKEN=sandbox-bot-token
export MVCHAT_CLOCK=virtual
mv_run inspect --zone Europe/Moscow "$dir/ivan" "$dir/maria" "$dir/alexey"
mv_run map -C "$dir/project" --zone Europe/Moscow --url "http://127.0.0.1:$port/api/shared/v1" "$dir/ivan" "$dir/maria" "$dir/alexey"
mv_run plan -C "$dir/project"
mv_run apply -C "$dir/project" --yes
printf '\n# once more: nothing is sent twice\n'
show mvchat apply -C "$dir/project" --yes
"$MVCHAT" apply -C "$dir/project" --yes --json >"$dir/second.json"
writes=$(grep -oE '"writes":[0-9]+' "$dir/second.json" | head -1 | grep -oE '[0-9]+$')
printf 'writes: %s\n' "$writes"
mv_run verify -C "$dir/project"
if [ -n "${MVCHAT_DEMO_KEEP:-}" ]; then
	echo "Look at the chat: http://127.0.0.1:$port/ (Ctrl-C ends the sandbox)"
	wait "$sandbox"
else
	echo "Look at the chat: build/release/mvchat sandbox --store $dir/sandbox.db"
fi
[ "$writes" = 0 ]
