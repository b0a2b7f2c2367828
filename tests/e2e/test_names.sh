#!/bin/sh
# Somebody has another name in a newer export: what was sent under the old one is told, edited when asked for, and found again when the ledger
# is lost. A new colleague changes nothing.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual MVCHAT_LANG=en
tokens
points
sandbox names
rename() { sed -i "s/\"real_name\": \"$1\"/\"real_name\": \"$2\"/" "$T/archive/users.json"; }
expect 'map' 0 "$MVCHAT" map -C "$T/p" --url "$URL"
expect 'apply' 0 "$MVCHAT" apply -C "$T/p" --url "$URL" --yes
expect 'nobody has another name' 0 "$MVCHAT" plan -C "$T/p" --url "$URL" --json
eq 'nothing differs' "$(number drift "$T/out")" 0
dump >"$T/dump"
cp "$T/dump" "$T/first"
labels=$(grep -c '"label":"Иван Петров · ' "$T/dump")
before=$((labels + 1)) # one names him among the reactions

# U02IVAN and U03IVAN have one name: both become somebody else.
rename 'Иван Петров' 'Иван Сидоров'
expect 'plan' 0 "$MVCHAT" plan -C "$T/p" --url "$URL"
has 'the old name is told' "$T/out" "$before  written differently by today's mapping or names: left as they are (apply --edit-drift edits them)"
has 'and is no reason to write' "$T/out" 'nothing is left to do'
expect 'as JSON' 0 "$MVCHAT" plan -C "$T/p" --url "$URL" --json --exit-code
eq 'the same number' "$(number drift "$T/out")" "$before"
expect 'apply sends nothing' 0 "$MVCHAT" apply -C "$T/p" --url "$URL" --yes
dump >"$T/dump"
same 'the target is as it was' "$T/first" "$T/dump"
expect 'the plan still tells it' 0 "$MVCHAT" plan -C "$T/p" --url "$URL" --json
eq 'after a run that wrote nothing' "$(number drift "$T/out")" "$before"
expect 'edits, when asked for' 0 "$MVCHAT" apply -C "$T/p" --url "$URL" --yes --edit-drift
has 'as many as was said' "$T/out" "messages edited             $before"
dump >"$T/dump"
hasnt 'the old name is gone' "$T/dump" '"label":"Иван Петров · '
eq 'the new one is there' "$(grep -c '"label":"Иван Сидоров · ' "$T/dump")" "$labels"
expect 'and nothing differs any more' 0 "$MVCHAT" plan -C "$T/p" --url "$URL" --json
eq 'by the plan' "$(number drift "$T/out")" 0
expect 'verify' 0 "$MVCHAT" verify -C "$T/p" --url "$URL"

# A new colleague is no change of what was sent.
sed -i '0,/^ {/s// {"id":"U99NEW","team_id":"T0POINTS","name":"new","deleted":false,"real_name":"Новый Человек","profile":{"real_name":"Новый Человек"},"is_bot":false},\n {/' "$T/archive/users.json"
expect 'a newer export with somebody new' 0 "$MVCHAT" plan -C "$T/p" --url "$URL" --json
eq 'nothing differs' "$(number drift "$T/out")" 0
expect 'apply' 0 "$MVCHAT" apply -C "$T/p" --url "$URL" --yes

# The ledger is lost, and there is a new name again: its messages are found by the names the project remembers.
rename 'Вера Ильина' 'Вера Орлова'
rename 'Иван Сидоров' 'Иван Третий'
rm -f "$T/p/.mvchat/"ledger.db*
expect 'adopt' 0 "$MVCHAT" verify -C "$T/p" --url "$URL" --adopt --settle 0
has 'tells how many' "$T/out" "under a former name"
cp "$T/dump" "$T/first"
expect 'apply sends nothing twice' 0 "$MVCHAT" apply -C "$T/p" --url "$URL" --yes
dump >"$T/dump"
same 'the target is as it was' "$T/first" "$T/dump"
expect 'plan' 0 "$MVCHAT" plan -C "$T/p" --url "$URL" --json
eq 'the former names are told' "$(number drift "$T/out")" "$before" # Вера's message is the one that names him
expect 'and edited' 0 "$MVCHAT" apply -C "$T/p" --url "$URL" --yes --edit-drift
dump >"$T/dump"
eq 'to those of today' "$(grep -c '"label":"Вера Орлова · \|"label":"Иван Третий · ' "$T/dump")" "$before"
expect 'verify' 0 "$MVCHAT" verify -C "$T/p" --url "$URL"

# Death at any moment of writing the file leaves the old one or the new one, whole; what a name was is noticed after the next run, as it would have
# been without it.
BUILD=${BUILD:-$ROOT/build/release}
state=$T/p/.mvchat/names.state
if [ -f "$BUILD/tools/killfile.so" ] && [ "${MODE:-release}" = release ]; then
	killing() { env LD_PRELOAD="$BUILD/tools/killfile.so" MVCHAT_KILLFILE="names.state:$1" MVCHAT_KILLFILE_COUNT="$T/moments" "$MVCHAT" apply -C "$T/p" --url "$URL" --yes >"$T/out" 2>"$T/err" </dev/null; }
	cp "$state" "$T/state.old"
	rename 'Вера Орлова' 'Вера Белова'
	cp -R "$T/p/.mvchat" "$T/mvchat.old"
	killing 0
	eq 'an undisturbed run' $? 0
	moments=$(cat "$T/moments")
	# run numbers are not what is compared
	plain() { cut -f2- "$1" | sort; }
	plain "$state" >"$T/new.plain"
	plain "$T/state.old" >"$T/old.plain"
	hasnt 'has another name to remember' "$T/old.plain" 'Вера Белова'
	has 'and remembers it' "$T/new.plain" 'Вера Белова'
	if [ "${moments:-0}" -ge 9 ]; then ok "written in $moments moments"; else not_ok "written in $moments moments"; fi
	at=0 olds=0 news=0
	while [ "$at" -lt "${moments:-0}" ]; do
		at=$((at + 1))
		rm -rf "$T/p/.mvchat"
		cp -R "$T/mvchat.old" "$T/p/.mvchat"
		killing "$at"
		[ $? = 137 ] || not_ok "killed at moment $at"
		plain "$state" >"$T/now.plain"
		if cmp -s "$T/now.plain" "$T/old.plain"; then olds=$((olds + 1)); elif cmp -s "$T/now.plain" "$T/new.plain"; then news=$((news + 1)); else not_ok "killed at moment $at: neither old nor new" "$state"; fi
		run "$MVCHAT" apply -C "$T/p" --url "$URL" --yes --json
		[ "$code$(number writes "$T/out")" = 00 ] || not_ok "killed at moment $at: the next run" "$T/err"
		plain "$state" >"$T/now.plain"
		cmp -s "$T/now.plain" "$T/new.plain" || not_ok "killed at moment $at: the next run leaves another file" "$state"
		[ -z "$(find "$T/p/.mvchat" -name '*.tmp')" ] || not_ok "killed at moment $at: something is left over"
	done
	eq 'each death left the old or the new' "$((olds + news))" "$moments"
	if [ "$olds" -gt 0 ] && [ "$news" -gt 0 ]; then ok "old $olds times, new $news times"; else not_ok "old $olds times, new $news times"; fi
else
	skip 'death while the file is written' 'not in this build'
fi

# What the file says is never trusted with more than names.
printf 'x\t\ty\n9999999999999999999\tU02IVAN\n\\' >"$T/p/.mvchat/names.state"
expect 'a broken file' 0 "$MVCHAT" plan -C "$T/p" --url "$URL" --exit-code
rm "$T/p/.mvchat/names.state"
expect 'no file' 0 "$MVCHAT" plan -C "$T/p" --url "$URL" --exit-code
done_testing
