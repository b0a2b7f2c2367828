#!/bin/sh
# fuzz_campaign.sh SECONDS [TARGET...]: explores with each fuzz target in turn (all of them when none is named) for SECONDS of wall
# time, and prints a table: runs, processor seconds (user and system, of this target alone), findings. Inputs that break a promise are
# kept as build/fuzz/found_TARGET/crash-*; the status is then 1. Called by `make fuzz-campaign T=SECONDS TARGETS='…'`.
set -u
seconds=${1:?seconds of wall time for each target}
shift
if [ $# -eq 0 ]; then
	set -- $(ls tests/fuzz/fuzz_*.c | sed 's|.*/fuzz_||;s|\.c$||')
fi
ticks=$(getconf CLK_TCK)
cpu() { # clock ticks of this shell's children that have ended: cutime + cstime of proc(5)
	sed 's/.*) //' /proc/$$/stat | awk '{ print $14 + $15 }'
}
bad=0 all_runs=0 all_cpu=0 table=
for f; do
	${MAKE:-make} -s fuzz-build F="$f" || exit 2
	found=build/fuzz/found_$f
	mkdir -p "$found"
	corpus=tests/fuzz/corpus/$f
	[ "$f" = pachca_parse ] && corpus=fixtures/http/pachca
	before=$(cpu)
	build/fuzz/fuzz_$f -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$found/" \
		"$found" "$corpus" >"$found.log" 2>&1
	status=$?
	after=$(cpu)
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$found.log")
	used=$(((after - before) / ticks))
	case $status in
	0) word=none ;;
	*) word="yes, see $found.log" bad=1 ;;
	esac
	line=$(printf '%-16s %12s %8s  %s' "$f" "${runs:-0}" "$used" "$word")
	echo "$line"
	all_runs=$((all_runs + ${runs:-0}))
	all_cpu=$((all_cpu + used))
	table="$table$line
"
done
printf '\n%-16s %12s %8s  %s\n%s' target runs 'cpu s' findings "$table"
printf '%-16s %12s %8s\n' total "$all_runs" "$all_cpu"
exit $bad
