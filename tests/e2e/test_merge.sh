#!/bin/sh
# Several channels become one chat: in the order of time, with everybody in it, once, and provably.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
tokens
decide() { sed -i "s/^\($2,.*\),[^,]*,\([^,]*\),\([^,]*\)\$/\1,$3,\2,\3/" "$1/channels.csv"; }
project() {
	mkdir "$1"
	expect "$2: map" 0 "$MVCHAT" map -C "$1" --url "$URL" "$T/export.zip"
	decide "$1" C05SALES01 into:C05GENERAL
	decide "$1" C05DEVEL01 into:C05GENERAL
}
demo_zip "$T/export.zip"

sandbox merge
project "$T/p" merge
has 'merge: the decision' "$T/p/channels.csv" 'into:C05GENERAL'
expect 'merge: check' 0 "$MVCHAT" map -C "$T/p" --check
expect 'merge: plan' 0 "$MVCHAT" plan -C "$T/p"
hasnt 'merge: no more is seen than before' "$T/out" 'will read it'
# The chat of several takes as long as all of them: of its own it has no more messages than dev.
"$MVCHAT" plan -C "$T/p" --json >"$T/plan.json"
seconds() { grep -oE "\"id\":\"$1\"[^}]*" "$T/plan.json" | grep -oE '"seconds":[0-9]+' | grep -oE '[0-9]+'; }
eq 'merge: the least time of one alone' "$(seconds C05DEVEL01)" 0
eq 'merge: the least time of the chat is that of all of them' "$(seconds C05GENERAL)" 1
hasnt 'merge: nothing goes into a chat without an address' "$T/plan.json" '(null)'
expect 'merge: apply' 0 "$MVCHAT" apply -C "$T/p" --yes
dump >"$T/merge.dump"
hasnt 'merge: no chat of its own' "$T/merge.dump" '"name":"sales"'
# Labels carry the time: what stands in the chat, replies left out, must be sorted by it.
order() { grep '"type":"message"' "$1" | grep '"chat":"general","thread":null' | grep -oE '· 20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}'; }
contents() { grep '"type":"message"' "$1" | grep '"chat":"general"' | grep -oE '"label":"[^"]*"|"content":"[^"]*"' | blank_links | sort; }
order "$T/merge.dump" >"$T/order"
sort "$T/order" >"$T/sorted"
same 'merge: in the order of time' "$T/sorted" "$T/order"
eq 'merge: all are there' "$(wc -l <"$T/order" | tr -d ' ')" 30
has 'merge: where it comes from' "$T/merge.dump" ' · #sales · '
hasnt 'merge: what was there keeps its label' "$T/merge.dump" ' · #general · '
expect 'merge: verify' 0 "$MVCHAT" verify -C "$T/p"
before=$(counted writes)
expect 'merge: apply again' 0 "$MVCHAT" apply -C "$T/p" --yes
eq 'merge: the second time nothing is written' "$(counted writes)" "$before"
expect 'merge: nothing is left' 0 "$MVCHAT" plan -C "$T/p" --exit-code

# The ledger is lost: found again, nothing is sent twice.
rm -f "$T/p/.mvchat/"ledger.db*
expect 'adopt: found again, but for pins' 6 "$MVCHAT" verify -C "$T/p" --adopt
before=$(counted writes)
expect 'adopt: apply' 0 "$MVCHAT" apply -C "$T/p" --yes
eq 'adopt: nothing is written' "$(counted writes)" "$before"
expect 'adopt: verify' 0 "$MVCHAT" verify -C "$T/p"

# One of them is taken back: the others stay.
expect 'rollback: sales alone' 0 "$MVCHAT" rollback -C "$T/p" --channel sales --yes
dump >"$T/back.dump"
hasnt 'rollback: its messages are gone' "$T/back.dump" ' · #sales · '
has 'rollback: the others are there' "$T/back.dump" ' · #dev · '
expect 'rollback: everything; the chat of several is emptied and given up' 0 "$MVCHAT" rollback -C "$T/p" --all --yes --json
eq 'rollback: nothing is left to do' "$(grep -oE '"todo":\{"messages":[0-9]+,"reactions":[0-9]+,"pins":[0-9]+,"joinings":[0-9]+,"archivings":[0-9]+,"chats":[0-9]+' "$T/out" | grep -oE ':[0-9]+' | sort -u)" ':0'
expect 'rollback: again' 0 "$MVCHAT" rollback -C "$T/p" --all --yes --json
eq 'rollback: writes nothing' "$(number writes "$T/out")" 0
dump "$T/empty.dump"
eq 'rollback: no message is left' "$(grep '"type":"message"' "$T/empty.dump" | grep -c '"chat":"general"')" 0

# Whatever moment the program dies in, the chat is the same.
contents "$T/merge.dump" >"$T/want"
sandbox killed
project "$T/k" killed
kills=0
for at in 7 23 41 64 97 130 171 222; do
	MVCHAT_STEP_KILL=$at "$MVCHAT" apply -C "$T/k" --yes >"$T/out" 2>"$T/err" </dev/null
	[ $? -gt 128 ] && kills=$((kills + 1))
done
eq 'killed: eight times' "$kills" 8
expect 'killed: apply in the end' 0 "$MVCHAT" apply -C "$T/k" --yes
dump >"$T/killed.dump"
contents "$T/killed.dump" >"$T/got"
order "$T/killed.dump" >"$T/order"
same 'killed: in the order of time' "$T/sorted" "$T/order"
same 'killed: no message too many, none too few' "$T/want" "$T/got"
expect 'killed: verify' 0 "$MVCHAT" verify -C "$T/k"

# With accounts and several tokens: everybody of all three is in it, and nobody is told of old messages.
sandbox people --bots 3
project "$T/a" people
sed -i 's/^  unmatched: label/  unmatched: create/' "$T/a/mvchat.yaml"
expect 'people: apply' 0 "$MVCHAT" apply -C "$T/a" --yes
dump >"$T/people.dump"
eq 'people: nobody was notified' "$(ctl "$PAGE/sandbox/stats" | grep -oE '"notifications":[0-9]+' | head -1 | cut -d: -f2)" 0
order "$T/people.dump" >"$T/order"
same 'people: in the order of time' "$T/sorted" "$T/order"
in_chat=$(grep '"type":"chat","name":"general"' "$T/people.dump" | grep -oE '"members":\[[^]]*' | grep -o '","' | wc -l)
if [ "$in_chat" -ge 9 ]; then ok "people: all are in it ($in_chat)"; else not_ok 'people: some are missing' "$T/people.dump"; fi
expect 'people: verify' 0 "$MVCHAT" verify -C "$T/a"
expect 'people: nothing is left' 0 "$MVCHAT" plan -C "$T/a" --exit-code

# What must not be.
refuse() {
	cp "$T/p/channels.csv" "$T/kept.csv"
	decide "$T/p" "$2" "$3"
	expect "$1: refused" "$4" "$MVCHAT" plan -C "$T/p"
	has "$1: says why" "$T/err" "$5"
	cp "$T/kept.csv" "$T/p/channels.csv"
}
refuse 'private into public' G05BUHGALT into:C05GENERAL 4 'is private in the source and would go into the public chat'
refuse 'a chain' C05PARTNER into:C05SALES01 4 'which itself goes into another'
refuse 'a circle' C05GENERAL into:C05SALES01 4 'which itself goes into another'
refuse 'itself' C05PARTNER into:C05PARTNER 4 'into itself'
refuse 'a direct message' D05DM00001 into:C05PARTNER 4 'direct messages are never merged'
refuse 'nobody' C05PARTNER into:C05NOBODY0 4 'which has no row'
decide "$T/p" C05PARTNER into:G05BUHGALT
expect 'public into private: plan' 0 "$MVCHAT" plan -C "$T/p"
has 'public into private: who will read it is told' "$T/out" 'who were not in that one will read it'
done_testing
