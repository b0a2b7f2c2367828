#!/bin/sh
# Signals, two commands at once, and what a terminal shows. Apply runs in real time here, held by a request that is never answered.
. tests/lib/tap.sh
unset NO_COLOR
tokens
demo_zip "$T/export.zip"
base() { rm -rf "$T/p"; mkdir "$T/p"; "$MVCHAT" map -q -C "$T/p" --url "$URL" --unmatched create "$T/export.zip" >"$T/out" 2>&1 || not_ok 'map' "$T/out"; }
held="POST /messages 12 hang-after"
# applying [option…]: apply in the background, in $apid; returns when it holds a request that is not answered.
applying() {
	before=$(ctl "$PAGE/sandbox/stats" | grep -oE '"faults":[0-9]+' | grep -oE '[0-9]+$')
	"$MVCHAT" apply -C "$T/p" --yes "$@" >"$T/apply.out" 2>"$T/apply.err" </dev/null &
	apid=$!
	i=0
	until [ "$(ctl "$PAGE/sandbox/stats" | grep -oE '"faults":[0-9]+' | grep -oE '[0-9]+$')" != "$before" ]; do
		i=$((i + 1))
		if [ $i -gt 300 ] || ! kill -0 $apid 2>/dev/null; then not_ok 'apply comes to the held request' "$T/apply.out" "$T/apply.err"; return; fi
		sleep 0.02
	done
	sleep 0.3
}
alive() { if kill -0 "$apid" 2>/dev/null; then ok "$1"; else not_ok "$1" "$T/apply.err"; fi; }
ended() { wait "$apid" 2>/dev/null; eq "$1" $? "$2"; }
go_on() { expect "$1" 0 env MVCHAT_CLOCK=virtual "$MVCHAT" apply -C "$T/p" --yes; }
dump() { ctl "$PAGE/sandbox/dump" | grep -v '"type":"stats"' | blank_links >"$1"; }

# What an undisturbed run leaves.
sandbox calm
base
go_on 'an undisturbed run'
dump "$T/calm"

# ^C once: what is out is waited for (here: until the time for a request is over), and written down.
sandbox once
base
ctl --data-binary "$held" "$PAGE/sandbox/faults" >/dev/null
applying --timeout 2
expect 'status while apply runs' 0 "$MVCHAT" status -C "$T/p" --json
if [ "$(grep -oE '"posts":\{"done":[0-9]+' "$T/out" | grep -oE '[0-9]+$')" -gt 0 ]; then ok 'counts what is done by now'; else not_ok 'counts what is done by now' "$T/out"; fi
expect 'plan while apply runs' 0 "$MVCHAT" plan -C "$T/p" --offline
run "$MVCHAT" apply -C "$T/p" --yes
eq 'a second apply is refused' "$code" 8
alive 'apply is at work'
kill -INT "$apid"
sleep 0.2
alive '^C once: it waits for what is out'
ended '... and ends with 130' 130
has 'and says how to go on' "$T/apply.err" 'again'
writes=$(ctl "$PAGE/sandbox/stats" | grep -oE '"mutating":[0-9]+')
sleep 0.3
eq 'and writes nothing after it' "$(ctl "$PAGE/sandbox/stats" | grep -oE '"mutating":[0-9]+')" "$writes"
go_on 'the next apply completes'
dump "$T/once"
same 'the content is that of an undisturbed run' "$T/calm" "$T/once"
expect 'verify' 0 env MVCHAT_CLOCK=virtual "$MVCHAT" verify -C "$T/p"

# ^C twice: at once.
sandbox twice
base
ctl --data-binary "$held" "$PAGE/sandbox/faults" >/dev/null
applying --timeout 60
kill -INT "$apid"
sleep 0.2
alive 'the first ^C waits'
kill -INT "$apid"
ended 'the second ends it at once, with 130' 130
go_on 'the next apply completes'
dump "$T/twice"
same 'the content is that of an undisturbed run' "$T/calm" "$T/twice"

# SIGTERM is the same with another number; SIGKILL needs nothing.
sandbox term
base
ctl --data-binary "$held" "$PAGE/sandbox/faults" >/dev/null
applying --timeout 2
kill -TERM "$apid"
ended 'SIGTERM ends it cleanly, with 143' 143
ctl --data-binary "POST /messages 30 hang" "$PAGE/sandbox/faults" >/dev/null
applying --timeout 60 --settle 1
kill -KILL "$apid"
ended 'SIGKILL' 137
go_on 'the next apply completes'
dump "$T/term"
same 'the content is that of an undisturbed run' "$T/calm" "$T/term"

# A command that has nothing to finish ends with the first signal, and leaves no scratch behind.
mkdir "$T/scratch"
generator=$(dirname "$MVCHAT")/tools/gen_slack
if [ -x "$generator" ] && "$generator" --messages 60000 "$T/big.zip" >/dev/null 2>&1; then
	TMPDIR=$T/scratch "$MVCHAT" inspect "$T/big.zip" >"$T/out" 2>"$T/err" &
	apid=$!
	i=0
	while [ -z "$(ls "$T/scratch")" ] && [ $i -lt 200 ]; do
		i=$((i + 1))
		sleep 0.01
	done
	kill -INT "$apid"
	ended 'inspect ends with the first ^C' 130
	eq 'and leaves no scratch behind' "$(ls "$T/scratch")" ''
else
	skip 'inspect ends with the first ^C' 'no generator of archives'
fi

# Two commands at once read one archive: one of them does, the other waits.
for i in 1 2 3 4 5; do
	rm -f "$T/p/.mvchat/spool.db"
	"$MVCHAT" plan -q --offline -C "$T/p" >"$T/one" 2>"$T/one.err" &
	apid=$!
	"$MVCHAT" plan -q --offline -C "$T/p" >"$T/two" 2>"$T/two.err"
	code=$?
	wait $apid
	other=$?
	if [ "$other $code" = '0 0' ]; then ok "two plans at once ($i)"; else not_ok "two plans at once ($i): $other $code" "$T/one.err" "$T/two.err"; fi
	same 'say the same' "$T/one" "$T/two"
done

# Terminals.
sandbox tty
base
run env MVCHAT_CLOCK=virtual "$MVCHAT" apply -C "$T/p" --yes --max-ops 20
if grep -q "$(printf '\033')" "$T/out" "$T/err"; then not_ok 'no control characters where there is no terminal' "$T/err"; else ok 'no control characters where there is no terminal'; fi
if command -v script >/dev/null && script -q -e -c true "$T/typescript" </dev/null >/dev/null 2>&1; then
	# in_tty WIDTH COMMAND…: on a terminal of that width; what it showed in $T/typescript
	in_tty() {
		width=$1
		shift
		TERM=xterm script -q -e -c "stty cols $width; $*" "$T/typescript" </dev/null >/dev/null 2>&1
		code=$?
	}
	in_tty 100 env MVCHAT_CLOCK=virtual "$MVCHAT" apply -C "$T/p" --yes --max-ops 40
	eq 'apply on a terminal' "$code" 6
	has 'draws one line' "$T/typescript" 'sending'
	has 'and wipes it' "$T/typescript" "$(printf '\r\033[K')"
	for width in 30 12; do
		in_tty $width env MVCHAT_CLOCK=virtual "$MVCHAT" apply -C "$T/p" --yes --max-ops 40
		longest=$(perl -CSD -0777 -ne 'my $m = 0; for (split /\r\e\[K/) { next unless /^(?:sending|reading)/; my ($l) = /^([^\r\n]*)/; $m = length $l if length $l > $m } print $m' "$T/typescript")
		if [ "$longest" -gt 0 ] && [ "$longest" -lt "$width" ]; then ok "in $width columns it does not wrap"; else not_ok "in $width columns it is $longest wide" "$T/typescript"; fi
	done
	in_tty 100 "$MVCHAT" plan -C "$T/p" --offline
	has 'a plan on a terminal has emphasis' "$T/typescript" "$(printf '\033[')"
	in_tty 100 env NO_COLOR=1 "$MVCHAT" plan -C "$T/p" --offline --progress never
	if grep -qE "$(printf '\033')\\[[0-9;]*m" "$T/typescript"; then not_ok 'NO_COLOR is respected' "$T/typescript"; else ok 'NO_COLOR is respected'; fi
	in_tty 100 env TERM=dumb MVCHAT_CLOCK=virtual "$MVCHAT" apply -C "$T/p" --yes --max-ops 10
	if grep -q "$(printf '\033')" "$T/typescript"; then not_ok 'a dumb terminal gets plain lines' "$T/typescript"; else ok 'a dumb terminal gets plain lines'; fi
else
	skip 'terminals' "no 'script' here"
fi
done_testing
