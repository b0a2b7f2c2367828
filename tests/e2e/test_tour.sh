#!/bin/sh
# The tour of README.md (README.ru.md has the same commands), word for word: the block after "<!-- tour -->"; the archive is the demo.
. tests/lib/tap.sh
. tests/lib/typed.sh
steps() { sed -n '/^<!-- tour -->$/,/^```$/p' "$1" | sed -e 1,2d -e '$d'; }
steps README.md >"$T/tour"
steps README.ru.md | grep -v '^#' >"$T/ru"
grep -v '^#' "$T/tour" >"$T/en"
same 'README.ru.md has the same' "$T/en" "$T/ru"
if [ "$(grep -c '^mvchat' "$T/tour")" -ge 6 ]; then ok 'README.md has a tour'; else not_ok 'README.md has a tour' "$T/tour"; done_testing; fi
mkdir "$T/tour.d"
demo_zip "$T/tour.d/export.zip"
after() { case $1 in 'mvchat '*) cp "$T/out" "$T/out.$(printf '%s' "$1" | cut -d' ' -f2)" ;; esac }
typed tour "$T/tour" "$T/tour.d"
has 'verify says that it is complete' "$T/out.verify" 'The replay is complete'
hasnt 'the plan wrote nothing down that is wrong' "$T/out.plan" 'do not add up'
ctl "http://127.0.0.1:$port/" >"$T/page"
has 'the page to look at is there' "$T/page" '<html'
if kill "$pid" 2>/dev/null && wait "$pid"; then ok 'the rehearsal target stops'; else not_ok "the rehearsal target stops (exit $?)"; fi
sandboxes=
if ctl "http://127.0.0.1:$port/" >/dev/null; then not_ok 'and is gone'; else ok 'and is gone'; fi
done_testing
