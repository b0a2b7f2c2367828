#!/bin/sh
# run.sh MODE: runs every test of one build mode and ends with the line "N passed, N failed".
# Each test is a program that prints TAP ("ok 1 - …", "not ok 2 - …", "# SKIP reason"). A program that dies or prints no TAP
# counts as one failure. Environment: ONLY=regex runs the matching tests only; V=1 shows every line.
set -u
cd "$(dirname "$0")/.." || exit 1
mode=${1:-release}
build=build/$mode
export MVCHAT="$PWD/$build/mvchat" BUILD="$PWD/$build" MODE="$mode"
export LC_ALL=C.UTF-8 LANGUAGE=en TZ=UTC CMOCKA_MESSAGE_OUTPUT=TAP NO_COLOR=1 COLUMNS=80
export ASAN_OPTIONS=abort_on_error=0:exitcode=99:detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
# On a virtual clock silence means a hung server; on a busy machine a slow thread must not look like one.
export MVCHAT_CLOCK_HANG_MS=${MVCHAT_CLOCK_HANG_MS:-1500}
unset PACHCA_ADMIN_TOKEN PACHCA_BOT_TOKEN http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY
work=$(mktemp -d "${TMPDIR:-/tmp}/mvchat-test-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
export TMPDIR="$work"
passed=0 failed=0 skipped=0

# one NAME TIMEOUT COMMAND…
one() {
	name=$1 limit=$2
	shift 2
	case "$name" in *${ONLY:-}*) ;; *) return ;; esac
	out=$work/out
	timeout -k 10 "$limit" "$@" >"$out" 2>"$work/err" </dev/null
	code=$?
	s=$(grep -cE '^ok .*# SKIP' "$out")
	p=$(grep -cE '^ok ' "$out")
	f=$(grep -cE '^not ok ' "$out")
	p=$((p - s))
	bad=
	if [ "$code" -ne 0 ] && [ "$f" -eq 0 ]; then f=1 bad="exit code $code"; fi
	if [ $((p + f + s)) -eq 0 ]; then f=1 bad='no test ran'; fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	if [ "$f" -gt 0 ]; then
		printf 'FAIL  %-34s %s passed, %s failed %s\n' "$name" "$p" "$f" "$bad"
		grep -vE '^ok ' "$out" | head -60 | sed 's/^/      | /'
		head -60 "$work/err" | sed 's/^/      ! /'
	else
		extra=
		[ "$s" -gt 0 ] && extra=" ($s skipped: $(grep -E '^ok .*# SKIP' "$out" | sed 's/.*# SKIP *//' | sort -u | head -3 | paste -sd';' -))"
		printf 'ok    %-34s %s%s\n' "$name" "$p" "$extra"
		[ -n "${V:-}" ] && sed 's/^/      | /' "$out"
	fi
}

printf '%s\n' "-- $mode --"
for t in "$build"/unit/test_*; do
	case "$t" in *.d) continue ;; esac
	[ -x "$t" ] && one "unit/$(basename "$t" | sed s/^test_//)" 120 "$t"
done
for t in "$build"/fuzz/fuzz_*; do
	[ -x "$t" ] || continue
	n=$(basename "$t")
	corpus=tests/fuzz/corpus/${n#fuzz_}
	[ "$n" = fuzz_pachca_parse ] && corpus=fixtures/http/pachca
	one "fuzz-corpus/${n#fuzz_}" 120 "$t" "$corpus"
done
if [ "$mode" = release ]; then
	one layers 30 sh tests/layers.sh
	for t in tests/checks/*.sh; do [ -f "$t" ] && one "check/$(basename "$t" .sh)" 120 sh "$t"; done
fi
for t in tests/e2e/test_*.sh; do
	[ -f "$t" ] || continue
	one "e2e/$(basename "$t" .sh | sed s/^test_//)" 300 sh "$t"
done
if [ "$mode" = release ] && [ -x "$build/tools/chaos" ]; then
	# Here a false alarm is one more fault to survive, and every hang is waited for.
	one chaos/short 300 env MVCHAT_CLOCK_HANG_MS=200 "$build/tools/chaos" --short
	one chaos/regressions 120 "$build/tools/storm" --file tests/chaos/regressions
	one chaos/random 120 "$build/tools/storm" --seed 1 --runs 60
fi
[ "$skipped" -gt 0 ] && printf '%s skipped\n' "$skipped"
echo "$passed $failed" > "${RESULT:-/dev/null}"
printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
