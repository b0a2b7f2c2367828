#!/bin/sh
# The guides, word for word: every block after "<!-- guide -->", line by line in one shell, as a reader would type it. Only the port is
# another one (18080 may be taken). Both languages hold the same commands.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
# steps FILE: the commands of a guide
steps() { awk '/^<!-- guide -->$/ {want = 1; next} want && /^```sh$/ {on = 1; want = 0; next} /^```$/ {on = 0} on' "$1"; }
mkdir "$T/bin"
ln -s "$MVCHAT" "$T/bin/mvchat"
PATH=$T/bin:$PATH
# guide NAME FOLDER: runs docs/NAME.md inside the folder
guide() {
	steps "$ROOT/docs/$1.md" >"$T/en"
	steps "$ROOT/docs/$1.ru.md" >"$T/ru"
	if [ "$(grep -c '^mvchat' "$T/en")" -ge 4 ]; then ok "$1.md has steps"; else not_ok "$1.md has steps" "$T/en"; return; fi
	same "$1.ru.md has the same" "$T/en" "$T/ru"
	sandbox free
	sandbox_stop "$spid"
	port=$PORT pid=
	sandboxes=
	sed -i "s/18080/$port/g" "$T/en"
	cd "$2" || exit 1
	while IFS= read -r line <&3; do
		case $line in
		'' | '#'*) continue ;;
		*'&')
			eval "$line" >"$T/background" 2>&1
			pid=$! sandboxes=$! i=0
			until curl -s -m 2 -o "$T/stats" "http://127.0.0.1:$port/sandbox/stats"; do
				i=$((i + 1))
				if [ $i -gt 500 ] || ! kill -0 "$pid" 2>/dev/null; then break; fi
				sleep 0.02
			done
			if [ -s "$T/stats" ]; then ok "$1: $line"; else not_ok "$1: $line" "$T/background"; fi
			;;
		*)
			eval "$line" >"$T/out" 2>"$T/err" </dev/null
			code=$?
			if [ $code -eq 0 ]; then ok "$1: $line"; else not_ok "$1: $line (exit $code)" "$T/out" "$T/err"; fi
			case $line in 'mvchat apply'*) ctl "http://127.0.0.1:$port/sandbox/stats" >"$T/stats.apply" ;; esac
			;;
		esac
	done 3<"$T/en"
	cd "$ROOT" || exit 1
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
