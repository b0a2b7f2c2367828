#!/bin/sh
# A lost ledger is rebuilt from the target: the next apply sends nothing that is there, whatever was there.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
tokens

content() { "$MVCHAT" sandbox --store "$1" --dump; }
lose() { rm -f "$T/$1/.mvchat/"ledger.db*; }
# words of a dump that depend on the target's ids, this run's address, or on how often something was tried
plain() { grep -v '"type":"stats"' "$1" | sed -E 's#http://127\.0\.0\.1:[0-9]+/[^ )"\\]*#@#g; s#https://severny-veter\.slack\.com/archives/[^ )"\\]*#@#g; s#"thread":[0-9]+#"thread":\##g'; }

# reveals PROJECT STORE: words of six letters and more that messages in the target hold and the ledger's file holds as well, free pages and log
# included; but for those that must stand there: ids of the source, names of uploads, words of the schema and of our own
reveals() {
	{ cat replay/schema*.sql; echo 'members: admin: editor: tag: adopted existed rollback attaches https'; content "$2" | grep -oE '"files":\[[^]]*\]'; sqlite3 -readonly "$1/.mvchat/ledger.db" 'SELECT source || target FROM bond UNION ALL SELECT name FROM conv'; } >"$T/fair"
	content "$2" | grep '"type":"message"' | sed -E 's/.*"content":"//; s/","files":\[.*//' | grep -oE '[[:alpha:]]{6,}' | sort -u >"$T/words"
	grep -oFf "$T/words" "$T/fair" | sort -u >"$T/fair.words"
	comm -23 "$T/words" "$T/fair.words" >"$T/secret"
	printf '%s\n' "$PACHCA_ADMIN_TOKEN" "$PACHCA_BOT_TOKEN" >>"$T/secret"
	cat "$1/.mvchat/"ledger.db* | grep -aoFf "$T/secret" | sort -u
}
n_secret=0 whose=
# looked NAME PROJECT STORE: remembers what they have in common
looked() {
	command -v sqlite3 >/dev/null || return 0
	found=$(reveals "$2" "$3" | paste -sd' ' -)
	[ -z "$found" ] || whose="$whose $1: $found;"
	n_secret=$((n_secret + $(grep -c . "$T/secret")))
}

# whole NAME ARCHIVE [sed of mvchat.yaml]: apply, lose the ledger, adopt, apply again
whole() {
	sandbox "$1"
	mkdir "$T/$1"
	expect "$1: map" 0 "$MVCHAT" map -C "$T/$1" --url "$URL" --unmatched create "$2"
	[ -n "${3:-}" ] && sed -i "$3" "$T/$1/mvchat.yaml"
	run "$MVCHAT" apply -C "$T/$1" --yes
	if [ "$code" -ne 0 ] && [ "$code" -ne 6 ]; then not_ok "$1: apply (exit $code)" "$T/err"; return; fi
	first=$code
	content "$STORE" >"$T/$1.before"
	looked "$1" "$T/$1" "$STORE"
	lose "$1"
	expect "$1: adopt" 0 "$MVCHAT" verify --adopt -C "$T/$1"
	run "$MVCHAT" apply -C "$T/$1" --yes --json
	eq "$1: the next apply ends as the first did" "$code" "$first"
	eq "$1: and writes nothing" "$(number writes "$T/out")" 0
	content "$STORE" >"$T/$1.after"
	same "$1: the target is what it was" "$T/$1.before" "$T/$1.after"
	expect "$1: verify" 0 "$MVCHAT" verify -C "$T/$1"
	expect "$1: adopting twice" 0 "$MVCHAT" verify --adopt -C "$T/$1" --json
	eq "$1: finds nothing more" "$(number messages "$T/out")" 0
}
demo_zip "$T/export.zip"
whole demo "$T/export.zip"
whole native "$T/export.zip" 's/reactions: *text/reactions: native/'
plain "$T/demo.before" >"$T/undisturbed"

# Interrupted half-way, the ledger lost, adopted, finished: the content of an undisturbed run.
for at in 40 200 401 700 1000; do
	sandbox "half$at"
	p=half$at
	mkdir "$T/$p"
	run "$MVCHAT" map -C "$T/$p" --url "$URL" --unmatched create "$T/export.zip"
	MVCHAT_STEP_KILL=$at "$MVCHAT" apply -C "$T/$p" --yes >"$T/out" 2>"$T/err" </dev/null
	lose "$p"
	run "$MVCHAT" verify --adopt -C "$T/$p"
	eq "killed at step $at: adopted as far as it went" "$code" 6
	expect "killed at step $at: apply goes on" 0 "$MVCHAT" apply -C "$T/$p" --yes
	content "$STORE" >"$T/dump"
	plain "$T/dump" >"$T/now"
	same "killed at step $at: the content is that of an undisturbed run" "$T/undisturbed" "$T/now"
	expect "killed at step $at: verify" 0 "$MVCHAT" verify -C "$T/$p"
done

# Killed while adopting: the next one goes on.
for at in 2 3 4 5 6; do
	lose demo
	run "$MVCHAT" verify --adopt -C "$T/demo"
	lose demo
	MVCHAT_STEP_KILL=$at "$MVCHAT" verify --adopt -C "$T/demo" >"$T/out" 2>"$T/err" </dev/null
	run "$MVCHAT" verify --adopt -C "$T/demo" --url "http://127.0.0.1:$(cat "$T/demo.port")/api/shared/v1"
	eq "adopting killed at step $at: goes on" "$code" 0
	run "$MVCHAT" apply -C "$T/demo" --yes --json
	eq "adopting killed at step $at: nothing is sent" "$(number writes "$T/out")" 0
done

# Every archive of the house (the demo came first): adopt and apply send nothing; and rollback leaves what was there before.
bare() { "$MVCHAT" sandbox --store "$1" --dump | grep -vE '"type":"stats"|"suspended":true|"name":"\[(taken back|отменено)\] '; }
unread=
for f in fixtures/slack/hazards/* fixtures/whatsapp/*/ fixtures/hostile/*/ tests/chaos/archive; do
	case $f in fixtures/whatsapp/*) [ "${MODE:-release}" = asan ] && continue ;; esac # long, and the same code
	name=$(basename "$f") p=$T/p-$(basename "$f")
	mkdir "$p"
	sandbox "s-$name"
	archive=${f%/}
	[ -d "$archive/archive" ] && archive=$archive/archive
	given=$(sed 's/^/--/' "${f%/}/options" 2>/dev/null | paste -sd' ' -)
	# shellcheck disable=SC2086
	run "$MVCHAT" map -C "$p" --url "$URL" --unmatched create $given "$archive"
	if [ "$code" -ne 0 ]; then # no archive that can be read, or one that asks first
		unread="$unread $name"
		sandbox_stop "$spid"
		continue
	fi
	bare "$STORE" >"$T/bare"
	run "$MVCHAT" apply -C "$p" --yes
	content "$STORE" >"$T/one"
	looked "$name" "$p" "$STORE"
	rm -f "$p/.mvchat/"ledger.db*
	run "$MVCHAT" verify --adopt -C "$p"
	run "$MVCHAT" apply -C "$p" --yes --json
	content "$STORE" >"$T/two"
	eq "$name: adopted, nothing is sent" "$(number writes "$T/out")" 0
	same "$name: nothing has changed" "$T/one" "$T/two"
	expect "$name: rollback" 0 "$MVCHAT" rollback -C "$p" --all --yes
	bare "$STORE" >"$T/two"
	same "$name: leaves what was there before" "$T/bare" "$T/two"
	sandbox_stop "$spid"
	rm -rf "$p"
done
want=' 39-txt-export 40-slackdump-sqlite islamic undecidable'
[ "${MODE:-release}" = asan ] && want=' 39-txt-export 40-slackdump-sqlite'
eq 'every archive but those that cannot be read or ask first' "$unread" "$want"
if command -v sqlite3 >/dev/null; then
	eq 'no ledger holds a word of a message, or a token' "$whose" ''
	if [ "$n_secret" -gt 300 ]; then ok "$n_secret words and tokens were looked for"; else not_ok "only $n_secret words were looked for"; fi
else
	skip 'no ledger holds a word of a message' 'sqlite3 is not installed'
fi
done_testing
