#!/bin/sh
# Every project of the house, with whatever its mapping does: applied, its ledger lost, adopted, applied again: no message is sent, nothing in the
# target changes; and taken back, nothing of it is left.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
tokens
demo_zip "$T/export.zip"
cp -R "$ROOT/fixtures/mapping/points" "$ROOT/fixtures/mapping/stories" "$ROOT/fixtures/mapping/routes" "$T"
content() { "$MVCHAT" sandbox --store "$STORE" --dump | grep -v '"type":"stats"'; }
# a pin that is there already is set again, because the target does not show pins
pinless() { sed 's/,"pinned":[a-z]*//' "$1"; }
tried=0
for p in "$T"/points/[0-9]*/ "$T"/stories/*/ "$T/routes/"; do
	p=${p%/}
	name=$(basename "$p")
	[ -f "$p/export.zip" ] || cp "$T/export.zip" "$p/export.zip"
	sandbox "s-$name"
	run "$MVCHAT" map -q -C "$p" --url "$URL"
	map=$code
	run "$MVCHAT" apply -C "$p" --url "$URL" --yes
	# 3-undecided leaves its people open; two points write into chats that are not in this target, which is not what is tested here
	case $name in
	3-undecided | 4-merge-skip-adopt | 4-public-adopted | 9-permissions) sandbox_stop "$spid"; continue ;;
	esac
	eq "$name: applied" "$map$code" 00
	tried=$((tried + 1))
	content >"$T/one"
	rm -f "$p/.mvchat/"ledger.db*
	run "$MVCHAT" verify --adopt -C "$p" --url "$URL" --json
	case $code in 0 | 6) ok "$name: adopted" ;; *) not_ok "$name: adopted (exit $code)" "$T/out" "$T/err" ;; esac
	expect "$name: applied again" 0 "$MVCHAT" apply -C "$p" --url "$URL" --yes --json
	eq "$name: no message is sent, nothing is made" "$(number posted "$T/out") $(number created "$T/out") $(number edited "$T/out") $(number uploaded "$T/out")" '0 0 0 0'
	content >"$T/two"
	pinless "$T/one" >"$T/a"
	pinless "$T/two" >"$T/b"
	same "$name: nothing has changed" "$T/a" "$T/b"
	expect "$name: verify" 0 "$MVCHAT" verify -C "$p" --url "$URL"
	expect "$name: taken back" 0 "$MVCHAT" rollback -C "$p" --url "$URL" --all --yes
	content >"$T/two"
	eq "$name: nothing is left" "$(grep '"type":"message"' "$T/two" | grep -vc '"deleted":true')" 0
	sandbox_stop "$spid"
done
if [ "$tried" -ge 22 ]; then ok "$tried projects"; else not_ok "only $tried projects"; fi
done_testing
