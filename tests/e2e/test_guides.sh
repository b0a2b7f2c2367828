#!/bin/sh
# The guides, word for word: every block after "<!-- guide -->". Both languages hold the same commands.
. tests/lib/tap.sh
. tests/lib/typed.sh
# steps FILE: the commands of a guide
steps() { awk '/^<!-- guide -->$/ {want = 1; next} want && /^```sh$/ {on = 1; want = 0; next} /^```$/ {on = 0} on' "$1"; }
after() { case $1 in 'mvchat apply'*) ctl "http://127.0.0.1:$port/sandbox/stats" >"$T/stats.apply" ;; esac }
# guide NAME FOLDER: runs docs/NAME.md inside the folder
guide() {
	steps "$ROOT/docs/$1.md" >"$T/en"
	steps "$ROOT/docs/$1.ru.md" >"$T/ru"
	if [ "$(grep -c '^mvchat' "$T/en")" -ge 4 ]; then ok "$1.md has steps"; else not_ok "$1.md has steps" "$T/en"; return; fi
	same "$1.ru.md has the same" "$T/en" "$T/ru"
	typed "$1" "$T/en" "$2"
	eq "$1: nobody was notified by applying" "$(number notifications "$T/stats.apply")" 0
	kill "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	sandboxes=
}

mkdir "$T/pilot.d"
demo_zip "$T/pilot.d/export.zip"
guide pilot "$T/pilot.d"
mkdir "$T/factory.d"
"$BUILD/tools/gen_whatsapp" --phones "$T/factory.d"
guide factory "$T/factory.d"
done_testing
