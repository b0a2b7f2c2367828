#!/bin/sh
# The tour of README.md, word for word: the block after "<!-- tour -->", line by line in one shell, as a reader would type it.
# Only the port is another one (18080 may be taken), and the archive is the demo.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
sed -n '/^<!-- tour -->$/,/^```$/p' README.md | sed -e 1,2d -e '$d' >"$T/tour"
if [ "$(grep -c '^mvchat' "$T/tour")" -ge 6 ]; then ok 'README.md has a tour'; else not_ok 'README.md has a tour' "$T/tour"; done_testing; fi

# A port that is free now.
sandbox free
port=$PORT
sandbox_stop "$spid"
sandboxes=
sed -i "s/18080/$port/g" "$T/tour"

mkdir "$T/bin" "$T/tour.d"
ln -s "$MVCHAT" "$T/bin/mvchat"
PATH=$T/bin:$PATH
demo_zip "$T/tour.d/export.zip"
cd "$T/tour.d" || exit 1
pid=
while IFS= read -r line <&3; do
	case $line in
	'' | '#'*) continue ;;
	*'&')
		eval "$line" >"$T/background" 2>&1
		pid=$!
		sandboxes=$pid
		i=0
		until curl -s -m 2 -o "$T/stats" "http://127.0.0.1:$port/sandbox/stats"; do
			i=$((i + 1))
			if [ $i -gt 500 ] || ! kill -0 "$pid" 2>/dev/null; then break; fi
			sleep 0.02
		done
		if [ -s "$T/stats" ]; then ok "$line"; else not_ok "$line" "$T/background"; fi
		;;
	*)
		eval "$line" >"$T/out" 2>"$T/err" </dev/null
		code=$?
		if [ $code -eq 0 ]; then ok "$line"; else not_ok "$line (exit $code)" "$T/out" "$T/err"; fi
		case $line in 'mvchat '*) cp "$T/out" "$T/out.$(printf '%s' "$line" | cut -d' ' -f2)" ;; esac
		;;
	esac
done 3<"$T/tour"
cd "$ROOT" || exit 1
has 'verify says that it is complete' "$T/out.verify" 'The replay is complete'
hasnt 'the plan wrote nothing down that is wrong' "$T/out.plan" 'do not add up'
ctl "http://127.0.0.1:$port/" >"$T/page"
has 'the page to look at is there' "$T/page" '<html'
if kill "$pid" 2>/dev/null && wait "$pid"; then ok 'the rehearsal target stops'; else not_ok "the rehearsal target stops (exit $?)"; fi
sandboxes=
if ctl "http://127.0.0.1:$port/" >/dev/null; then not_ok 'and is gone'; else ok 'and is gone'; fi
done_testing
