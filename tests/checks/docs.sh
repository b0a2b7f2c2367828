#!/bin/sh
# docs.sh: the man page is what the option tables say; man pages are clean; what the README links to exists.
set -u
cd "$(dirname "$0")/../.." || exit 1
n=0 bad=0
T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT
say() { n=$((n + 1)); if [ "$1" = 0 ]; then printf 'ok %d - %s\n' "$n" "$2"; else bad=1; printf 'not ok %d - %s\n' "$n" "$2"; sed 's/^/# /' "$T/log" | head -20; fi; }
"$MVCHAT" help --mdoc >"$T/mvchat.1"
diff docs/mvchat.1 "$T/mvchat.1" >"$T/log" 2>&1
say $? 'docs/mvchat.1 is in step (mvchat help --mdoc >docs/mvchat.1)'
if command -v mandoc >/dev/null 2>&1; then
	for f in docs/*.[15]; do
		mandoc -T lint -W warning "$f" >"$T/log" 2>&1
		say $? "$f is clean"
	done
else
	n=$((n + 1)); printf 'ok %d - man pages are clean # SKIP mandoc is not installed\n' "$n"
fi
for f in README.md README.ru.md CONTRIBUTING.md docs/*.md; do
	[ -f "$f" ] || continue
	: >"$T/log"
	grep -oE '\]\([A-Za-z0-9_./:-]+' "$f" | sed 's/^](//' | grep -vE '^(https?:|mailto:)' | while read -r link; do
		[ -e "$(dirname "$f")/$link" ] || echo "$link" >>"$T/log"
	done
	[ ! -s "$T/log" ]
	say $? "links of $f lead somewhere"
done
# What can be lost has a word on the sandbox's page, in both languages.
: >"$T/log"
"$MVCHAT" help losses | grep -oE '^  [a-z-]+' | tr -d ' ' | while read -r loss; do
	[ "$(grep -oF "\"$loss\": \"" sandbox/page/page.js | grep -c .)" = 2 ] || echo "$loss" >>"$T/log"
done
[ ! -s "$T/log" ]
say $? "the sandbox's page has a word for every loss, in both languages"
printf '1..%d\n' "$n"
exit "$bad"
