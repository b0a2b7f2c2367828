#!/bin/sh
# valgrind.sh: the unit tests and the demo's commands under memcheck; any error or definite leak fails.
set -u
cd "$(dirname "$0")/../.." || exit 1
bad=0
T=$(mktemp -d) || exit 1
trap 'kill "${pid:-0}" 2>/dev/null; rm -rf "$T"' EXIT
memcheck='valgrind -q --child-silent-after-fork=yes --error-exitcode=99 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite'
vg() { $memcheck "$@"; }
export MVCHAT_TEST_SLOW=1 TMPDIR="$T" LC_ALL=C.UTF-8 TZ=UTC
for t in build/release/unit/test_*; do
	case "$t" in *.d | *_model) continue ;; esac # the exhaustive search would take hours here
	if vg "$t" >"$T/out" 2>"$T/err" </dev/null; then echo "ok    $(basename "$t")"; else bad=1; echo "FAIL  $(basename "$t")"; head -40 "$T/err"; fi
done
export MVCHAT_CLOCK=virtual PACHCA_ADMIN_TOKEN=sandbox-admin-token PACHCA_BOT_TOKEN=sandbox-bot-token
$memcheck build/release/mvchat sandbox -q --store "$T/s.db" --port-file "$T/port" >"$T/sandbox.out" 2>&1 &
pid=$!
i=0
while [ ! -s "$T/port" ]; do i=$((i + 1)); [ $i -lt 3000 ] || { echo 'the sandbox did not start'; exit 1; }; sleep 0.05; done
url=http://127.0.0.1:$(cat "$T/port")/api/shared/v1
mkdir "$T/p"
step() { if vg "$@" >"$T/out" 2>"$T/err"; then echo "ok    mvchat $2"; else bad=1; echo "FAIL  mvchat $2"; head -60 "$T/err"; fi; }
step build/release/mvchat inspect fixtures/slack/demo
step build/release/mvchat map -C "$T/p" --url "$url" --unmatched create "$PWD/fixtures/slack/demo"
step build/release/mvchat plan -C "$T/p"
step build/release/mvchat apply -C "$T/p" --yes
step build/release/mvchat verify -C "$T/p"
step build/release/mvchat status -C "$T/p"
kill "$pid"
wait "$pid"
case $? in 0) echo 'ok    mvchat sandbox' ;; *) bad=1; echo 'FAIL  mvchat sandbox'; head -40 "$T/sandbox.out" ;; esac
exit $bad
