#!/bin/sh
# The guides, word for word: every block after "<!-- guide -->". Both languages hold the same commands.
. tests/lib/tap.sh
. tests/lib/typed.sh
# steps FILE: the commands of a guide, without what stands behind them as a remark
steps() { awk '/^<!-- guide -->$/ {want = 1; next} want && /^```sh$/ {on = 1; want = 0; next} /^```$/ {on = 0} on' "$1" | sed 's/  *# .*//'; }
after() {
	case $1 in
	'mvchat apply'*) ctl "http://127.0.0.1:$port/sandbox/stats" >"$T/stats.apply" ;;
	'mvchat rollback'*) ctl "http://127.0.0.1:$port/sandbox/stats" >"$T/stats.rollback" ;;
	esac
}
# both NAME N: at least N commands of docs/NAME.md to $T/en, the same in both languages
both() {
	steps "$ROOT/docs/$1.md" >"$T/en"
	steps "$ROOT/docs/$1.ru.md" >"$T/ru"
	if [ "$(grep -c '^mvchat' "$T/en")" -ge "$2" ]; then ok "$1.md has steps"; else not_ok "$1.md has steps" "$T/en"; fi
	same "$1.ru.md has the same" "$T/en" "$T/ru"
}
end() {
	kill "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	sandboxes=
}
# guide NAME FOLDER: runs docs/NAME.md inside the folder
guide() {
	both "$1" 4
	typed "$1" "$T/en" "$2"
	eq "$1: nobody was notified by applying" "$(number notifications "$T/stats.apply")" 0
}

mkdir "$T/pilot.d"
demo_zip "$T/pilot.d/export.zip"
guide pilot "$T/pilot.d"
end
mkdir "$T/factory.d"
"$BUILD/tools/gen_whatsapp" --phones "$T/factory.d"
guide factory "$T/factory.d"
end

# The project that the guide to the sandbox leaves goes on in those to the archive and to taking back.
mkdir "$T/sandbox.d"
demo_zip "$T/sandbox.d/export.zip"
guide sandbox "$T/sandbox.d"
posts=$(number messages "$T/stats.apply")
if [ "$(number faults "$T/stats.apply")" -ge $((posts / 7)) ]; then ok 'every seventh answer was lost'; else not_ok 'every seventh answer was lost' "$T/stats.apply"; fi
has 'the dump is that of the replay' "$T/out" "\"type\":\"stats\",\"users\":12,\"chats\":10,\"messages\":$posts"
both archive 3
lines archive "$T/en" "$T/sandbox.d"
for f in history/index.html project-history/search.html all.jsonl; do
	if [ -s "$T/sandbox.d/$f" ]; then ok "archive: $f"; else not_ok "archive: $f"; fi
done
both rollback 5
lines rollback "$T/en" "$T/sandbox.d"
eq 'rollback: no message is left' "$(number messages "$T/stats.rollback")" 0
has 'rollback: the report is there' "$T/sandbox.d/back.xml" '<testsuites'
end
done_testing
