#!/bin/sh
# demo.sh: the main job on the demo archive against the embedded sandbox, as `make demo` runs it. Every command is shown.
# MVCHAT_DEMO_KEEP=1 leaves the sandbox running so that the chats can be looked at in a browser.
set -eu
cd "$(dirname "$0")/../.."
dir=build/demo
. tests/lib/demo.sh
if [ -n "${1:-}" ]; then archive=$1; else archive=$dir/export.zip; sh tests/tools/zip_fixture.sh fixtures/slack/demo "$archive"; fi
sandbox_start
mv_run inspect "$archive"
mv_run map -C "$dir/project" --url "http://127.0.0.1:$port/api/shared/v1" --unmatched create "$archive"
mv_run plan -C "$dir/project"
mv_run apply -C "$dir/project" --yes
mv_run verify -C "$dir/project"
apply_again
stats=$(curl -s "http://127.0.0.1:$port/sandbox/stats")
notified=$(printf '%s' "$stats" | grep -oE '"notifications":[0-9]+' | head -1 | grep -oE '[0-9]+$')
printf '\nDemo: the second apply made %s writes; notifications caused: %s.\n' "$writes" "$notified"
echo "Project: $dir/project (mvchat.yaml, users.csv, channels.csv); requests: $dir/requests.jsonl"
look
[ "$writes" = 0 ] && [ "$notified" = 0 ]
