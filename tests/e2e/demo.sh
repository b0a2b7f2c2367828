#!/bin/sh
# demo.sh: the main job on the demo archive against the embedded sandbox, as `make demo` runs it. Every command is shown.
# MVCHAT_DEMO_KEEP=1 leaves the sandbox running so that the chats can be looked at in a browser.
set -eu
cd "$(dirname "$0")/../.."
MVCHAT=$PWD/build/release/mvchat
dir=build/demo
rm -rf "$dir"
mkdir -p "$dir/project"
sandbox=
stop() { if [ -n "$sandbox" ]; then kill "$sandbox" 2>/dev/null || true; wait "$sandbox" 2>/dev/null || true; sandbox=; fi; }
trap stop EXIT
trap 'exit 130' INT TERM
show() { printf '\n$ %s\n' "$*"; }
mv_run() { show mvchat "$@"; "$MVCHAT" "$@"; }

if [ -n "${1:-}" ]; then archive=$1; else archive=$dir/export.zip; sh tests/tools/zip_fixture.sh fixtures/slack/demo "$archive"; fi
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
# The clock of the demo is virtual: the sandbox enforces the vendor's limits, and nobody has to sit them out.
export MVCHAT_CLOCK=virtual
mv_run inspect "$archive"
mv_run map -C "$dir/project" --url "http://127.0.0.1:$port/api/shared/v1" --unmatched create "$archive"
mv_run plan -C "$dir/project"
mv_run apply -C "$dir/project" --yes
mv_run verify -C "$dir/project"
printf '\n# once more: nothing is sent twice\n'
show mvchat apply -C "$dir/project" --yes
"$MVCHAT" apply -C "$dir/project" --yes --json >"$dir/second.json"
writes=$(grep -oE '"writes":[0-9]+' "$dir/second.json" | head -1 | grep -oE '[0-9]+$')
stats=$(curl -s "http://127.0.0.1:$port/sandbox/stats")
notified=$(printf '%s' "$stats" | grep -oE '"notifications":[0-9]+' | head -1 | grep -oE '[0-9]+$')
printf '\nDemo: the second apply made %s writes; notifications caused: %s.\n' "$writes" "$notified"
echo "Project: $dir/project (mvchat.yaml, users.csv, channels.csv); requests: $dir/requests.jsonl"
if [ -n "${MVCHAT_DEMO_KEEP:-}" ]; then
	echo "Look at the chats: http://127.0.0.1:$port/ (Ctrl-C ends the sandbox)"
	wait "$sandbox"
else
	echo "Look at the chats: build/release/mvchat sandbox --store $dir/sandbox.db"
fi
[ "$writes" = 0 ] && [ "$notified" = 0 ]
