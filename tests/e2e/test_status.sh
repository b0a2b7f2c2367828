#!/bin/sh
# status, once and again and again.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
demo_zip "$T/export.zip"
expect 'a project nobody has touched' 0 "$MVCHAT" status -C "$T"
has 'says so' "$T/out" 'Nothing has been written yet'
expect 'watching it ends at once' 0 "$MVCHAT" status -C "$T" --watch
has 'because no run is going on' "$T/out" 'No run is going on'
expect 'after a rehearsal' 0 "$MVCHAT" move "$T/export.zip" --to sandbox --yes -q -C "$T/p"
expect 'status' 0 "$MVCHAT" status -C "$T/p"
has 'nothing is open' "$T/out" 'No write is open'
expect 'a wrong interval' 2 "$MVCHAT" status -C "$T/p" --watch soon

# Somebody holds the ledger: flock is what a run holds, with its number inside.
mkfifo "$T/go"
flock "$T/p/.mvchat/ledger.lock" sh -c 'echo $$ >"$0"; echo held; read -r x <"$1"' "$T/p/.mvchat/ledger.lock" "$T/go" >"$T/held" &
holder=$!
until [ -s "$T/held" ]; do :; done
run "$MVCHAT" status -C "$T/p"
has 'status tells of a run' "$T/out" 'A run is going on'
run "$MVCHAT" status -C "$T/p" --json
has 'and in JSON' "$T/out" '"running":true'
"$MVCHAT" status -C "$T/p" --watch 1 >"$T/watched" 2>&1 &
watcher=$!
until [ -s "$T/watched" ]; do kill -0 $watcher 2>/dev/null || break; done
if kill -0 $watcher 2>/dev/null; then ok 'it is watched'; else not_ok 'it is watched' "$T/watched"; fi
echo go >"$T/go"
wait $holder
wait $watcher
eq 'watching ends with the run' $? 0
has 'with a line each time' "$T/watched" 'writes done'
has 'and says why it ends' "$T/watched" 'No run is going on'
done_testing
