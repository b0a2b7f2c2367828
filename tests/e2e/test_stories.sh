#!/bin/sh
# The three projects that docs/mapping.md teaches by: each is checked, planned as written down, replayed and verified.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual MVCHAT_LANG=en
tokens
demo_zip "$T/export.zip"
content() { "$MVCHAT" sandbox --store "$1" --dump; }
plain() { sed -E 's/^(To do: .* in about ).*/\1…/; s/^(  (requests|least time) +).*/\1…/' "$1"; }

# story NAME: a copy of the project, its check, the plan against the golden one, the replay
story() {
	p=$T/$1
	cp -r "fixtures/mapping/stories/$1" "$p"
	[ "$1" = factory ] || cp "$T/export.zip" "$p/export.zip"
	rm -f "$p/plan.golden"
	sandbox "$1"
	expect "$1: the mapping is sound" 0 "$MVCHAT" map -C "$p" --check
	expect "$1: plan" 0 "$MVCHAT" plan -C "$p" --url "$URL"
	plain "$T/out" >"$T/$1.plan"
	if [ -n "${GOLDEN:-}" ]; then cp "$T/$1.plan" "fixtures/mapping/stories/$1/plan.golden"; fi
	same "$1: as written down" "fixtures/mapping/stories/$1/plan.golden" "$T/$1.plan"
	expect "$1: apply" 0 "$MVCHAT" apply -C "$p" --url "$URL" --yes
	expect "$1: verify" 0 "$MVCHAT" verify -C "$p" --url "$URL"
	expect "$1: nothing is left" 0 "$MVCHAT" plan -C "$p" --url "$URL" --exit-code
	content "$STORE" >"$T/$1.dump"
	has "$1: nobody was told anything" "$T/$1.dump" '"notifications":0,"invitations":0'
}
members() { grep -F "\"type\":\"chat\",\"name\":\"$1\"" "$2" | grep -oE '"members":\[[^]]*'; }

story emergency
has 'who had no address got one by hand' "$T/emergency.dump" 'vera.ilina@severny-veter.example'
hasnt 'who has left has no account' "$T/emergency.dump" 'pavel.gromov'
hasnt 'what waits for later is not there' "$T/emergency.dump" '"name":"проект-иней"'

story pilot
members Общий "$T/pilot.dump" >"$T/m"
has 'the pilot: its people are in' "$T/m" 'anna.smirnova'
hasnt 'and nobody else' "$T/m" 'ivan.petrov'
hasnt 'nothing of before' "$T/pilot.dump" '2024-01-'
hasnt 'a channel without them' "$T/pilot.dump" '"name":"dev"'
expect 'asking why' 0 "$MVCHAT" map -C "$T/pilot" --explain dev
has 'says which limit' "$T/out" 'only.channels: not listed'
sed -i '/^only:/,$d; s/^  unmatched: label/  unmatched: create/' "$T/pilot/mvchat.yaml"
expect 'the pilot grows' 0 "$MVCHAT" plan -C "$T/pilot" --url "$URL"
has 'the plan says what changed' "$T/out" 'the mapping has changed since it was last replayed'
has 'and what is out of order' "$T/out" 'will stand after later ones'
has 'and how many seats it takes' "$T/out" 'the tariff must hold'
# somebody of the table has no address: that is said, and is no reason to stop
expect 'the whole' 0 "$MVCHAT" apply -C "$T/pilot" --url "$URL" --yes
content "$STORE" >"$T/pilot.dump"
members Общий "$T/pilot.dump" >"$T/m"
has 'now the others are in, too' "$T/m" 'ivan.petrov'

story factory
eq 'what both exports have is there once' "$(grep -c 'Заказ 12346, монтаж завтра' "$T/factory.dump")" 1
has 'two numbers, one person' "$T/factory.dump" '"label":"Сергей Замерщик · 2024-03-13 09:00"'
has 'a password is hidden' "$T/factory.dump" '[password removed]'
hasnt 'and nowhere to be found' "$T/factory.dump" '2450'
hasnt 'nor the card' "$T/factory.dump" '4111'
has 'a photo is where it belongs' "$T/factory.dump" 'IMG-20240203-WA0001.jpg'
done_testing
