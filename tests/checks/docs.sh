#!/bin/sh
# docs.sh: the man page is what the option tables say; man pages are clean; what the README links to exists; the guides say the
# same in both languages.
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
# Every table, column, index and trigger of the ledger stands in its man page, columns in their table's section; nothing stands there that is not.
if command -v sqlite3 >/dev/null 2>&1; then
	cat replay/schema.sql replay/schema_v[0-9].sql >"$T/schema.sql"
	ask() { { cat "$T/schema.sql"; echo "$1"; } | sqlite3 :memory: 2>>"$T/log"; }
	# section TABLE: what the page says of it, a word a line
	section() { awk -v t="$1" '/^\.S[sh] /{ on = 0; gsub(/,/, " "); for (i = 2; i <= NF; i++) on = on || $i == t } on' docs/mvchat-ledger.5 | grep -E '^\.(It )?(Pq )?Va ' | tr -s ' ,.' '\n'; }
	: >"$T/log"
	ask "SELECT m.name || ' ' || c.name FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table'" >"$T/columns"
	while read -r table column; do
		section "$table" | grep -qx "$column" || echo "$table.$column is not described" >>"$T/log"
	done <"$T/columns"
	[ "$(grep -c . "$T/columns")" -gt 30 ] || echo 'the schema has not been read' >>"$T/log"
	[ ! -s "$T/log" ]
	say $? 'every column of the ledger is described'
	: >"$T/log"
	for x in $(ask "SELECT name FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql IS NOT NULL"); do
		grep -qwF "$x" docs/mvchat-ledger.5 || echo "$x is not described" >>"$T/log"
	done
	for x in $(sed -nE 's/^\.It Va ([a-z0-9_]+)$/\1/p' docs/mvchat-ledger.5); do
		grep -qx "op $x" "$T/columns" || echo "$x is no column of op" >>"$T/log"
	done
	grep -qE "^The version of the format, $(find replay -name 'schema_v[0-9].sql' | sed -E 's/.*_v([0-9])\.sql/\1/' | sort -n | tail -1)\." docs/mvchat-ledger.5 || echo 'the version is another' >>"$T/log"
	[ ! -s "$T/log" ]
	say $? 'so are its indexes, its triggers and its version, and nothing else is'
else
	n=$((n + 1)); printf 'ok %d - every column of the ledger is described # SKIP sqlite3 is not installed\n' "$n"
fi
# Every guide is there in both languages, each leads to the other, and both say the same things: the same sections, tables and
# options, in the same order; what a table or an example holds in code is the same, too.
shape() { # FILE: its sections by depth, its tables' rows, its blocks
	awk '/^ *```/ {code = !code; if (code) print "block"; next} code {next} /^#+ / {print $1; next} /^\|/ {print "|"; next} /^    [^ ]/ {print "line"}' "$1" | uniq -c
}
options() { grep -oE -- '(^|[^a-z-])--[a-z][a-z-]+' "$1" | grep -oE -- '--.*' | sort -u; }
"$MVCHAT" help --mdoc | sed 's/\\//g' | grep -oE 'Fl (Fl )?-?[a-z][a-z-]+' | sed -E 's/^Fl (Fl )?-?/--/' | sort -u >"$T/known"
# what other programs take
printf '%s\n' --data-binary --exclude --profile --scenario >>"$T/known"
for f in README.md docs/*.md; do
	case $f in *.ru.md) continue ;; esac
	ru=${f%.md}.ru.md here=$(basename "$f" .md)
	if [ ! -f "$ru" ]; then
		echo "no $ru" >"$T/log"
		say 1 "$f is there in Russian"
		continue
	fi
	: >"$T/log"
	grep -qF "]($here.ru.md)" "$f" || echo "$f does not lead to $ru" >>"$T/log"
	grep -qF "]($here.md)" "$ru" || echo "$ru does not lead to $f" >>"$T/log"
	[ ! -s "$T/log" ]
	say $? "$f and its Russian lead to each other"
	shape "$f" >"$T/a"
	shape "$ru" >"$T/b"
	diff "$T/a" "$T/b" >"$T/log"
	say $? "$f and its Russian have the same sections, tables and blocks"
	options "$f" >"$T/a"
	options "$ru" >"$T/b"
	{ diff "$T/a" "$T/b"; sort "$T/known" | comm -13 - "$T/a" | sed 's/^/mvchat does not know /'; } >"$T/log"
	[ ! -s "$T/log" ]
	say $? "$f and its Russian name the same options, which exist"
done
# One word for one thing (tests/checks/translations.sh asks the same of the program).
grep -nF -e аккаунт -e приватн -e лимит docs/*.ru.md README.ru.md >"$T/log"
[ ! -s "$T/log" ]
say $? 'the Russian guides say учётная запись, закрытый, ограничения'
for f in docs/*.ru.md; do
	[ -f "${f%.ru.md}.md" ] || { echo "no English for $f" >"$T/log"; say 1 "$f is there in English"; }
	grep -oE '\]\([a-z./]+\.md' "$f" | sed 's/^](//' | grep -vE "\.ru\.md$|^$(basename "$f" .ru.md)\.md$|CONTRIBUTING" >"$T/log"
	[ ! -s "$T/log" ]
	say $? "$f leads to Russian pages"
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
