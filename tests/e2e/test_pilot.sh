#!/bin/sh
# A pilot of whatever form, then a changed mapping, then the whole: the target ends as after one full run with the last mapping,
# nothing is sent twice, and where the order differs the plan says so before.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
tokens
demo_zip "$T/export.zip"
# Content: without ids of the target, addresses of this run, counts of requests.
content() { "$MVCHAT" sandbox --store "$1" --dump | grep -v '"type":"stats"' | sed -E 's#"thread":[0-9]+#"thread":\##g' | blank_links; }
counted() { "$MVCHAT" status -C "$1" --json | grep -oE '"posts":\{"done":[0-9]+' | grep -oE '[0-9]+$'; }

# the posts of a plan: links that are put right afterwards are edits, counted apart
posts() { echo $(($(number messages "$1") - $(number links "$1"))); }

sandbox whole
mkdir "$T/whole"
expect 'map' 0 "$MVCHAT" map -C "$T/whole" --url "$URL" --unmatched create "$T/export.zip"
expect 'the default mapping shows nothing to anybody new but the accounts it was told to make' 0 "$MVCHAT" plan -C "$T/whole" --json
eq 'each permission is an account' "$(grep -o '"permissions":\[[^]]*' "$T/out" | grep -oE '"[^"]+"' | grep -vc 'gets an account')" 1 # the key itself
# the last mapping: a name, a redaction and who is left out, besides
change() { printf 'redact: [passwords]\n' >>"$1/mvchat.yaml"; sed -i 's/^\(C05SALES[^,]*,sales,[^,]*,[^,]*,[^,]*,[^,]*,[^,]*,[^,]*,\)sales,/\1Продажи,/' "$1/channels.csv"; }
change "$T/whole"
has 'the change is in the table' "$T/whole/channels.csv" 'Продажи'
expect 'the whole at once' 0 "$MVCHAT" apply -C "$T/whole" --yes
# the name that a chat has already stays: taken out of the comparison, and looked for in the plan
lined() { sed -E 's/Продажи/sales/g; s/^(\{"type":"message","chat":"([^"]*)")/\2\t\1/' "$1" | LC_ALL=C sort -s -t '	' -k 1,1; }
content "$STORE" >"$T/whole.dump"
lined "$T/whole.dump" >"$T/whole.lined"
sort "$T/whole.lined" >"$T/whole.sorted"
all=$(counted "$T/whole")

# pilot NAME LIMITS SAME-ORDER: the pilot, the change and the whole
pilot() {
	sandbox "$1"
	mkdir "$T/$1"
	run "$MVCHAT" map -C "$T/$1" --url "$URL" --unmatched create "$T/export.zip"
	cp "$T/$1/mvchat.yaml" "$T/whole.yaml"
	printf 'only: %s\n' "$2" >>"$T/$1/mvchat.yaml"
	"$MVCHAT" map -C "$T/$1" --check >"$T/out" 2>&1 || not_ok "$1: check" "$T/out"
	has "$1: check shows the limit" "$T/out" 'mvchat.yaml  only.'
	"$MVCHAT" plan -C "$T/$1" --json >"$T/plan.json"
	first=$(posts "$T/plan.json")
	has "$1: the plan says what is left for later" "$T/plan.json" 'the pilot leaves'
	expect "$1: the pilot" 0 "$MVCHAT" apply -C "$T/$1" --yes
	expect "$1: verify" 0 "$MVCHAT" verify -C "$T/$1"
	some=$(counted "$T/$1")
	eq "$1: as many as planned" "$some" "$first"
	if [ "$some" -gt 0 ] && [ "$some" -lt "$all" ]; then ok "$1: a part ($some of $all)"; else not_ok "$1: a part ($some of $all)"; fi
	content "$STORE" >"$T/$1.pilot"
	cp "$T/whole.yaml" "$T/$1/mvchat.yaml"
	change "$T/$1"
	"$MVCHAT" plan -C "$T/$1" --json >"$T/plan.json"
	rest=$(posts "$T/plan.json")
	drift=$(number drift "$T/plan.json")
	if grep -q 'will stand after later ones' "$T/plan.json"; then late=yes; else late=no; fi
	expect "$1: the whole" 0 "$MVCHAT" apply -C "$T/$1" --yes
	eq "$1: nothing twice" "$(counted "$T/$1")" "$((some + rest))"
	eq "$1: in all" "$((some + rest))" "$all"
	content "$STORE" >"$T/$1.dump"
	lined "$T/$1.dump" >"$T/$1.lined"
	sort "$T/$1.lined" >"$T/$1.sorted"
	if cmp -s "$T/whole.lined" "$T/$1.lined"; then order=same; else order=other; fi
	same "$1: the content of one full run" "$T/whole.sorted" "$T/$1.sorted"
	if grep -q '#sales' "$T/$1.dump"; then
		if [ "$drift" -gt 0 ]; then ok "$1: the old name in a text is counted before"; else not_ok "$1: the old name in a text is not told"; fi
	else
		eq "$1: nothing is written differently" "$drift" 0
	fi
	if grep -q '"name":"sales"' "$T/$1.dump"; then
		has "$1: the plan says which chat keeps its name" "$T/plan.json" "is not renamed; the mapping calls it 'Продажи' now"
	else
		hasnt "$1: the plan speaks of no name" "$T/plan.json" 'is not renamed'
	fi
	eq "$1: what the plan said of the order" "$late" "$3"
	[ "$3" = yes ] || eq "$1: the order is the whole's" "$order" same
	expect "$1: nothing is left" 0 "$MVCHAT" plan -C "$T/$1" --exit-code
}
pilot people '{users: [ivan.petrov, anna.smirnova@severny-veter.example]}' no
pilot channels '{channels: [general, "s*"]}' no
pilot until '{until: 2024-02-10}' no
pilot since '{since: 2024-02-01}' yes
pilot days '{last_days: 20}' yes
pilot messages '{last_messages: 5}' yes
done_testing
