#!/bin/sh
# Two projects in one workspace, one project before another workspace or with another bot: nobody touches what is not his own.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
tokens
demo_zip "$T/export.zip"
stat() { ctl "$PAGE/sandbox/stats" | grep -oE "\"$1\":[0-9]+" | head -1 | grep -oE '[0-9]+$'; }
dump() { "$MVCHAT" sandbox --store "$STORE" --dump | grep -v '"type":"stats"'; }
suspended() { dump | grep '"type":"user"' | grep -c '"suspended":true'; }

# The same archive through two projects, turn and turn about.
sandbox one --bots 2
mkdir "$T/p" "$T/q"
expect 'map' 0 "$MVCHAT" map -C "$T/p" --url "$URL" --unmatched create "$T/export.zip"
cp -R "$T/p/." "$T/q"
expect 'the first project begins' 6 "$MVCHAT" apply -C "$T/p" --yes --max-ops 60
expect 'the second one writes everything' 0 "$MVCHAT" apply -C "$T/q" --yes --json
eq 'the accounts are there already: none is made' "$(number adopted "$T/out")" 10
expect 'the first one ends' 0 "$MVCHAT" apply -C "$T/p" --yes
for x in p q; do
	expect "$x: verify" 0 "$MVCHAT" verify -C "$T/$x"
	expect "$x: again" 0 "$MVCHAT" apply -C "$T/$x" --yes --json
	eq "$x: writes nothing" "$(number writes "$T/out")" 0
done

# The second one is taken back: the accounts were not its own, and the first one's chats are not touched.
expect 'the second one is taken back' 0 "$MVCHAT" rollback -C "$T/q" --all --yes --json
eq 'ten accounts were there before' "$(number older "$T/out")" 10
eq 'no account lost its access' "$(suspended)" 0
expect 'the first one is whole' 0 "$MVCHAT" verify -C "$T/p"
expect 'and has nothing to write' 0 "$MVCHAT" apply -C "$T/p" --yes --json
eq 'indeed' "$(number writes "$T/out")" 0
expect 'the second one comes again' 0 "$MVCHAT" apply -C "$T/q" --yes

# A lost ledger, and two chats of each name: which ones are whose cannot be told, and nothing is sent a second time by mistake.
dump >"$T/before"
rm -rf "$T/p/.mvchat"
expect 'adopting cannot tell them apart' 7 "$MVCHAT" verify --adopt -C "$T/p"
expect 'apply is refused' 8 "$MVCHAT" apply -C "$T/p" --yes
has 'and says why' "$T/err" 'would be written a second time'
expect 'rollback as well' 8 "$MVCHAT" rollback -C "$T/p" --all --yes
expect 'status is not' 0 "$MVCHAT" status -C "$T/p" --json
has 'and tells it' "$T/out" '"outdated":true'
expect 'a plan can be made' 0 "$MVCHAT" plan -C "$T/p"
dump >"$T/after"
same 'nothing was written' "$T/before" "$T/after"
expect 'the wrong ones are renamed by taking them back' 0 "$MVCHAT" rollback -C "$T/q" --all --yes
run "$MVCHAT" verify --adopt -C "$T/p"
eq 'now they can be told' "$code" 0
expect 'and the ledger is open' 0 "$MVCHAT" apply -C "$T/p" --yes --json
eq 'with nothing to write' "$(number writes "$T/out")" 0
expect 'verify' 0 "$MVCHAT" verify -C "$T/p"

# Killed while adopting, the ledger half full: not open either.
rm -rf "$T/p/.mvchat"
MVCHAT_STEP_KILL=14 "$MVCHAT" verify --adopt -C "$T/p" >"$T/out" 2>"$T/err" </dev/null
eq 'killed while adopting' $? 137
before=$(stat mutating)
expect 'apply is refused then, too' 8 "$MVCHAT" apply -C "$T/p" --yes
eq 'before the first request that writes' "$(stat mutating)" "$before"
expect 'adopting goes on' 0 "$MVCHAT" verify --adopt -C "$T/p"
expect 'and opens it' 0 "$MVCHAT" apply -C "$T/p" --yes --json
eq 'nothing is sent' "$(number writes "$T/out")" 0

URL0=$URL PAGE0=$PAGE STORE0=$STORE
# Another bot: its messages would not be ours to edit or to delete.
for c in 'apply --yes' 'plan' 'verify' 'rollback --all --yes' 'verify --adopt'; do
	# shellcheck disable=SC2086
	expect "another bot: $c is refused" 8 env PACHCA_BOT_TOKEN=sandbox-bot-token-2 "$MVCHAT" $c -C "$T/p"
done
has 'and says whose it is' "$T/err" 'this ledger belongs to'

# A chat that is closed to us: whether its messages are there cannot be told, so the ledger stays closed until it is open, or the table says otherwise.
mkdir "$T/c"
sandbox closed
expect 'closed: map' 0 "$MVCHAT" map -C "$T/c" --url "$URL" --unmatched create "$T/export.zip"
cp "$T/c/channels.csv" "$T/channels.csv"
sed -i 's/^\(C05PARTNER,.*\),,,$/\1,adopt:999,,/' "$T/c/channels.csv"
expect 'closed: apply does the rest' 6 "$MVCHAT" apply -C "$T/c" --yes
rm -f "$T/c/.mvchat/"ledger.db*
expect 'closed: adopting finds the rest' 7 "$MVCHAT" verify --adopt -C "$T/c" --json
eq 'closed: and counts the chat' "$(number closed "$T/out")" 1
expect 'closed: in words' 7 "$MVCHAT" verify --adopt -C "$T/c"
has 'closed: says what to do' "$T/out" 'let the bot in'
expect 'closed: apply is refused' 8 "$MVCHAT" apply -C "$T/c" --yes
cp "$T/channels.csv" "$T/c/channels.csv"
expect 'closed: with another decision there is no doubt' 6 "$MVCHAT" verify --adopt -C "$T/c"
before=$(stat messages)
expect 'closed: apply goes on' 0 "$MVCHAT" apply -C "$T/c" --yes --json
eq 'closed: with the four messages of that channel' "$(number posted "$T/out") $(($(stat messages) - before))" '4 4'
expect 'closed: verify' 0 "$MVCHAT" verify -C "$T/c"
URL=$URL0 PAGE=$PAGE0 STORE=$STORE0

# No administrator: what needs none goes on, what needs one says so before it begins.
before=$(stat mutating)
expect 'no administrator: apply has nothing to ask of one' 0 env -u PACHCA_ADMIN_TOKEN "$MVCHAT" apply -C "$T/p" --yes
expect 'no administrator: verify' 0 env -u PACHCA_ADMIN_TOKEN "$MVCHAT" verify -C "$T/p"
URL1=$URL PAGE1=$PAGE STORE1=$STORE

# Another workspace: whatever would be done there, this ledger is not about it.
sandbox two
before=$(stat requests)
for c in 'apply --yes' 'plan' 'verify' 'rollback --all --yes' 'verify --adopt'; do
	# shellcheck disable=SC2086
	expect "another address: $c is refused" 8 "$MVCHAT" $c -C "$T/p" --url "$URL"
done
eq 'nothing was written there' "$(stat mutating)" 0
URL=$URL1 PAGE=$PAGE1 STORE=$STORE1

mkdir "$T/r"
sandbox three
expect 'a third project' 0 "$MVCHAT" map -C "$T/r" --url "$URL" --unmatched create "$T/export.zip"
expect 'applied' 0 "$MVCHAT" apply -C "$T/r" --yes
before=$(stat mutating)
expect 'no administrator: rollback of accounts is refused' 5 env -u PACHCA_ADMIN_TOKEN "$MVCHAT" rollback -C "$T/r" --all --yes
has 'and names what is missing' "$T/err" 'users:update'
eq 'before anything was deleted' "$(stat mutating)" "$before"
expect 'no administrator: it goes without the accounts' 0 env -u PACHCA_ADMIN_TOKEN "$MVCHAT" rollback -C "$T/r" --all --users keep --yes
eq 'they keep their access' "$(suspended)" 0
done_testing
