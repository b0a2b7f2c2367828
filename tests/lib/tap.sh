# shellcheck shell=sh
# tap.sh: for end-to-end tests in plain shell. Sourced; prints TAP. Gives a scratch folder $T, removed at the end, and the
# functions below. Sandboxes started here are stopped at exit.
set -u
T=$(mktemp -d "${TMPDIR:-/tmp}/mvchat-e2e-XXXXXX") || exit 1
ROOT=$(pwd)
MVCHAT=${MVCHAT:-$ROOT/build/release/mvchat}
n=0 bad=0 sandboxes=
finish() {
	for p in $sandboxes; do kill "$p" 2>/dev/null; done
	for p in $sandboxes; do wait "$p" 2>/dev/null; done
	rm -rf "$T"
}
trap finish EXIT
trap 'exit 130' INT TERM
ok() { n=$((n + 1)); printf 'ok %d - %s\n' "$n" "$1"; }
not_ok() {
	n=$((n + 1)) bad=$((bad + 1))
	printf 'not ok %d - %s\n' "$n" "$1"
	shift
	for f in "$@"; do
		[ -f "$f" ] && sed 's/^/#   /' "$f" | head -30
	done
}
skip() { n=$((n + 1)); printf 'ok %d - %s # SKIP %s\n' "$n" "$1" "$2"; }
done_testing() { printf '1..%d\n' "$n"; [ "$bad" -eq 0 ]; exit; }

# run COMMAND…: stdout to $T/out, stderr to $T/err, code in $code
run() { "$@" >"$T/out" 2>"$T/err" </dev/null; code=$?; }
# expect NAME CODE COMMAND…
expect() {
	name=$1 want=$2
	shift 2
	run "$@"
	if [ "$code" -eq "$want" ]; then ok "$name"; else not_ok "$name (exit $code, not $want)" "$T/out" "$T/err"; fi
}
# has NAME FILE TEXT: the file holds the text
has() { if grep -qF -- "$3" "$2"; then ok "$1"; else not_ok "$1: no '$3'" "$2"; fi; }
hasnt() { if grep -qF -- "$3" "$2"; then not_ok "$1: found '$3'" "$2"; else ok "$1"; fi; }
same() { if cmp -s "$2" "$3"; then ok "$1"; else diff "$2" "$3" >"$T/diff" 2>&1; not_ok "$1" "$T/diff"; fi; }
eq() { if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1: '$2' is not '$3'"; fi; }
# number KEY FILE: the first "KEY":N of a JSON text
number() { grep -oE "\"$1\":-?[0-9]+" "$2" | head -1 | grep -oE '[-0-9]+$'; }

# written PROJECT: messages posted and edited so far, as the ledger has them
written() {
	"$MVCHAT" status -C "$1" --json | grep -oE '"(posts|edits)":\{"done":[0-9]+' | grep -oE '[0-9]+$' | { a=0; while read -r k; do a=$((a + k)); done; echo $a; }
}

# sandbox NAME [options]: starts one; sets $URL (API), $PAGE, $STORE, $LOG
sandbox() {
	sname=$1
	shift
	STORE=$T/$sname.db LOG=$T/$sname.log
	rm -f "$T/$sname.port"
	"$MVCHAT" sandbox -q --store "$STORE" --port-file "$T/$sname.port" --log "$LOG" "$@" >"$T/$sname.out" 2>&1 &
	sandboxes="$sandboxes $!"
	spid=$!
	i=0
	while [ ! -s "$T/$sname.port" ]; do
		i=$((i + 1))
		if [ $i -gt 500 ] || ! kill -0 "$spid" 2>/dev/null; then echo "Bail out! the sandbox did not start"; cat "$T/$sname.out"; exit 1; fi
		sleep 0.02
	done
	PORT=$(cat "$T/$sname.port")
	PAGE=http://127.0.0.1:$PORT URL=http://127.0.0.1:$PORT/api/shared/v1
}
sandbox_stop() { kill "$1" 2>/dev/null; wait "$1" 2>/dev/null; }
ctl() { curl -s -m 10 "$@"; }
# Links to messages hold the target's ids and this run's port. That they lead to the target is part of what two runs must have in common.
blank_links() { sed -E 's#http://127\.0\.0\.1:[^] )"\\]*#@#g'; }
tokens() { export PACHCA_ADMIN_TOKEN=sandbox-admin-token PACHCA_BOT_TOKEN=sandbox-bot-token; }
# gen_slack OPTIONS… FILE: an archive of chance
gen_slack() {
	gen=$ROOT/build/${MODE:-release}/tools/gen_slack
	[ -x "$gen" ] || gen=$ROOT/build/release/tools/gen_slack
	"$gen" "$@"
}
# drafted NAME ARCHIVE: the project $T/NAME; everybody gets an account
drafted() { mkdir "$T/$1" && expect "map ($1)" 0 "$MVCHAT" map -C "$T/$1" --offline --unmatched create "$2"; }
# points [LINES]: the project $T/p over a copy of the archive with a case of everything, $T/archive; the lines are added to its mvchat.yaml
points() {
	cp -R "$ROOT/fixtures/mapping/points/archive" "$T/archive"
	mkdir "$T/p"
	printf 'version: 1\narchives:\n  - path: ../archive\n%s\n' "${1:-}" >"$T/p/mvchat.yaml"
}
# faults RULE…: what goes wrong in the sandbox from now on; '' = nothing
faults() { printf '%s\n' "$@" | ctl -X POST --data-binary @- "$PAGE/sandbox/faults" >/dev/null; }
# counted NAME: one of the numbers the sandbox has counted
counted() { ctl "$PAGE/sandbox/stats" >"$T/stats" && number "$1" "$T/stats"; }
# dump: all that is in the sandbox
dump() { "$MVCHAT" sandbox --store "$STORE" --dump; }
demo_zip() { sh "$ROOT/tests/tools/zip_fixture.sh" "$ROOT/fixtures/slack/demo" "$1"; }
