#!/bin/sh
# run.sh MODE: runs every test of one build mode, as many at a time as there are processors, and ends with the line
# "N passed, N failed". Each test is a program that prints TAP ("ok 1 - …", "not ok 2 - …", "# SKIP reason") and has a scratch folder
# of its own (TMPDIR). A program that dies or prints no TAP counts as one failure.
# Environment: ONLY=part runs the tests whose names hold it; V=1 shows every line; TEST_JOBS=N runs N at a time.
set -u

# run.sh --one WORK LINE: one test, "NAME LIMIT COMMAND…"; leaves its counts in WORK/results and prints its report at once.
if [ "${1:-}" = --one ]; then
	work=$2
	# shellcheck disable=SC2086
	set -- $3
	name=$1 limit=$2
	shift 2
	T=$(mktemp -d "$work/test-XXXXXX") || exit 255
	mkdir "$T/tmp"
	began=$(date +%s)
	TMPDIR=$T/tmp timeout -k 10 "$limit" "$@" >"$T/out" 2>"$T/err" </dev/null
	code=$?
	took=$(($(date +%s) - began))
	s=$(grep -cE '^ok .*# SKIP' "$T/out")
	p=$(grep -cE '^ok ' "$T/out")
	f=$(grep -cE '^not ok ' "$T/out")
	p=$((p - s))
	why=
	if [ "$code" -ne 0 ] && [ "$f" -eq 0 ]; then f=1 why="exit code $code"; fi
	if [ $((p + f + s)) -eq 0 ]; then f=1 why='no test ran'; fi
	echo "$p $f $s" >>"$work/results"
	{
		slow=
		[ "$took" -ge 20 ] && slow=" [$took s]"
		if [ "$f" -gt 0 ]; then
			printf 'FAIL  %-34s %s passed, %s failed %s%s\n' "$name" "$p" "$f" "$why" "$slow"
			grep -vE '^ok ' "$T/out" | head -60 | sed 's/^/      | /'
			head -60 "$T/err" | sed 's/^/      ! /'
		else
			extra=
			[ "$s" -gt 0 ] && extra=" ($s skipped: $(grep -E '^ok .*# SKIP' "$T/out" | sed 's/.*# SKIP *//' | sort -u | head -3 | paste -sd';' -))"
			printf 'ok    %-34s %s%s%s\n' "$name" "$p" "$extra" "$slow"
			[ -n "${V:-}" ] && sed 's/^/      | /' "$T/out"
		fi
	} >"$T/report"
	cat "$T/report"
	rm -rf "$T"
	exit 0
fi

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
: >"$work/results"

# one NAME LIMIT COMMAND…: on the list; no word of it holds a blank
one() {
	case "$1" in *${ONLY:-}*) printf '%s\n' "$*" ;; esac
}
{
	# The longest come first, so that the end is not one of them alone.
	if [ "$mode" = release ] && [ -x "$build/tools/chaos" ]; then
		# Here a false alarm is one more fault to survive, and every hang is waited for.
		one chaos/short 600 env MVCHAT_CLOCK_HANG_MS=200 "$build/tools/chaos" --short
	fi
	for t in tests/e2e/test_*.sh; do
		[ -f "$t" ] && one "e2e/$(basename "$t" .sh | sed s/^test_//)" 600 sh "$t"
	done
	if [ "$mode" = release ] && [ -x "$build/tools/storm" ]; then
		one chaos/regressions 300 "$build/tools/storm" --file tests/chaos/regressions
		one chaos/random 300 "$build/tools/storm" --seed 1 --runs 60
	fi
	for t in "$build"/unit/test_*; do
		case "$t" in *.d) continue ;; esac
		[ -x "$t" ] && one "unit/$(basename "$t" | sed s/^test_//)" 300 "$t"
	done
	for t in "$build"/fuzz/fuzz_*; do
		[ -x "$t" ] || continue
		n=$(basename "$t")
		corpus=tests/fuzz/corpus/${n#fuzz_}
		[ "$n" = fuzz_pachca_parse ] && corpus=fixtures/http/pachca
		one "fuzz-corpus/${n#fuzz_}" 300 "$t" "$corpus"
	done
	if [ "$mode" = release ]; then
		one layers 60 sh tests/layers.sh
		for t in tests/checks/*.sh; do [ -f "$t" ] && one "check/$(basename "$t" .sh)" 120 sh "$t"; done
	fi
} >"$work/list"

printf '%s\n' "-- $mode --"
jobs=${TEST_JOBS:-$(nproc 2>/dev/null || echo 2)}
tr '\n' '\0' <"$work/list" | xargs -0 -r -n 1 -P "$jobs" sh tests/run.sh --one "$work"
# A test whose runner itself died has left no counts.
lost=$(($(grep -c . "$work/list") - $(grep -c . "$work/results")))
# shellcheck disable=SC2046
set -- $(awk '{ p += $1; f += $2; s += $3 } END { print p + 0, f + 0, s + 0 }' "$work/results")
passed=$1 failed=$(($2 + lost)) skipped=$3
[ "$lost" -gt 0 ] && echo "FAIL  $lost tests came to no end"
[ "$skipped" -gt 0 ] && printf '%s skipped\n' "$skipped"
echo "$passed $failed" > "${RESULT:-/dev/null}"
printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
