#!/bin/sh
# The archive: every message once, links that lead somewhere, nothing from elsewhere, hostile text, whole or not at all.
. tests/lib/tap.sh
demo_zip "$T/export.zip"

# anchors DIR: how many messages have a place
anchors() { find "$1/c" -name '*.html' -exec cat {} + | grep -oE '<article class="m[^"]*" id="[^"]*"' | wc -l | tr -d ' '; }
# dead DIR: local links and sources without a file or without their anchor
dead() {
	(cd "$1" && find . -name '*.html' | while read -r page; do
		dir=$(dirname "$page")
		grep -oE '(href|src|action)="[^"]*"' "$page" | sed 's/^[a-z]*="//; s/"$//' | sort -u | while read -r to; do
			case $to in http:* | https:* | mailto:*) continue ;; esac
			file=${to%%#*}
			case $file in '') at=$page ;; *) at=$dir/$file ;; esac
			[ -f "$at" ] || { echo "$page: $to"; continue; }
			case $to in *'#'*) grep -qF "id=\"${to#*#}\"" "$at" || echo "$page: $to" ;; esac
		done
	done)
}
# foreign DIR: anything a browser would load or run from elsewhere
foreign() {
	find "$1" \( -name '*.html' -o -name '*.css' -o -name '*.js' \) ! -path '*/files/*' ! -path '*/search/*' -exec grep -nEi \
		'(src|action)="?(https?:|//|data:|javascript:)|<link[^>]*href="?(https?:|//)|href="?(javascript|data|vbscript|file):|@import|url\(|<iframe|<object|<embed|<[a-z]+ [^>]*[ "]on[a-z]+=' {} +
}
empty() { if [ -z "$2" ]; then ok "$1"; else printf '%s\n' "$2" >"$T/found"; not_ok "$1" "$T/found"; fi; }

expect 'an archive of the demo' 0 "$MVCHAT" archive "$T/export.zip" -o "$T/a" --zone Europe/Moscow
has 'says where to look' "$T/out" "$T/a/index.html"
has 'and how private it is' "$T/out" 'private conversations included'
expect 'counted' 0 "$MVCHAT" inspect "$T/export.zip" --json
stored=$(number messages "$T/out") lost=$(number lost_roots "$T/out") convs=$(number conversations "$T/out")
eq 'every message has one place' "$(anchors "$T/a")" $((stored + lost))
eq 'no anchor twice on a page' "$(find "$T/a/c" -name '*.html' | while read -r f; do grep -oE ' id="[^"]*"' "$f" | sort | uniq -d; done)" ''
eq 'a folder for each conversation' "$(ls "$T/a/c" | wc -l | tr -d ' ')" "$convs"
empty 'all links lead somewhere' "$(dead "$T/a")"
empty 'nothing comes from elsewhere' "$(foreign "$T/a")"
eq 'the same content is kept once' "$(find "$T/a/files" -type f -exec cksum {} + | awk '{print $1, $2}' | sort | uniq -d)" ''
eq 'files of the archive are there' "$(find "$T/a/files" -type f | grep -c .)" 8
eq 'the archive is private' "$(find "$T/a" -perm /077 | head -1)" ''
eq 'no half file stays' "$(find "$T/a" -name '.part' -o -name '*.tmp')" ''
has 'times are in the zone' "$T/a/index.html" 'Europe/Moscow'
has 'a thread stands under its root' "$T/a/c/1/1.html" '<details class="th" open><summary>4 replies</summary>'
has 'an edit is marked' "$T/a/c/3/1.html" '>edited<'
has 'reactions name people' "$T/a/c/1/1.html" 'Иван Петров, Мария Кузнецова'
has 'a deleted message says so' "$T/a/c/2/1.html" '(message deleted)'
has 'lists are lists' "$T/a/c/1/1.html" '<ul><li>не писать ночью</li>'
has 'code is code' "$T/a/c/3/1.html" '<pre><code>assert(x &lt; 3)'
has 'images stand in the page' "$T/a/c/4/1.html" '<img loading="lazy" src="../../files/'
has 'the search knows the words' "$T/a/search/0.js" 'ждём замечаний'

expect 'once more elsewhere' 0 "$MVCHAT" archive "$T/export.zip" -o "$T/b/" --zone Europe/Moscow -q
if diff -r "$T/a" "$T/b" >"$T/diff" 2>&1; then ok 'gives the same bytes'; else not_ok 'gives the same bytes' "$T/diff"; fi
expect 'Russian' 0 "$MVCHAT" archive "$T/export.zip" -o "$T/ru" --lang ru --json
eq 'the JSON counts the same' "$(number messages "$T/out")" $((stored + lost))
has 'says so' "$T/ru/index.html" '<html lang="ru">'

# What is in the way stays.
expect 'an archive is there already' 2 "$MVCHAT" archive "$T/export.zip" -o "$T/a"
has 'the way out is named' "$T/err" '--force'
echo stale >"$T/a/stale"
mkdir "$T/a.tmp" && : >"$T/a.tmp/.mvchat-archive" && : >"$T/a.tmp/half.html"
expect 'it is replaced' 0 "$MVCHAT" archive "$T/export.zip" -o "$T/a" --zone Europe/Moscow --force
if diff -r "$T/a" "$T/b" >"$T/diff" 2>&1; then ok 'by a fresh one'; else not_ok 'by a fresh one' "$T/diff"; fi
eq 'nothing is left beside it' "$(ls -d "$T"/a.* 2>/dev/null)" ''
mkdir "$T/mine" && echo precious >"$T/mine/letter"
expect 'a foreign folder is refused' 2 "$MVCHAT" archive "$T/export.zip" -o "$T/mine" --force
eq 'and untouched' "$(cat "$T/mine/letter")" precious
mkdir "$T/c.tmp" && echo precious >"$T/c.tmp/letter"
expect 'so is a foreign folder beside it' 2 "$MVCHAT" archive "$T/export.zip" -o "$T/c" --force
eq 'which is untouched too' "$(cat "$T/c.tmp/letter")" precious
mkdir "$T/empty"
expect 'an empty folder is filled' 0 "$MVCHAT" archive "$T/export.zip" -o "$T/empty" --no-files
eq 'without files when they are not wanted' "$(find "$T/empty/files" -type f | wc -l | tr -d ' ')" 0
has 'but with their names' "$T/empty/c/4/1.html" 'not copied'
expect 'no archive at all' 3 "$MVCHAT" archive "$T/mine/letter" -o "$T/none"
eq 'leaves nothing' "$(ls -d "$T"/none* 2>/dev/null)" ''
expect 'an unknown format' 2 "$MVCHAT" archive "$T/export.zip" --format pdf -o "$T/none"
expect 'an unknown zone' 2 "$MVCHAT" archive "$T/export.zip" --zone Europe/Nowhere -o "$T/none"
expect '--as-mapped without a project' 2 "$MVCHAT" archive "$T/export.zip" --as-mapped -o "$T/none"

# Hostile text.
expect 'a hostile export' 0 "$MVCHAT" archive fixtures/hostile/slack-text -o "$T/h"
empty 'its links lead somewhere' "$(dead "$T/h")"
empty 'nothing comes from elsewhere' "$(foreign "$T/h")"
mkdir -p "$T/evil/general"
x='<script>alert(1)<\/script>\"><img src=x onerror=alert(1)>'
printf '[{"id":"U1","name":"e","real_name":"%s","profile":{"real_name":"%s"}}]' "$x" "$x" >"$T/evil/users.json"
printf '[{"id":"C1","name":"general","members":["U1"],"topic":{"value":"%s"},"purpose":{"value":"%s"}}]' "$x" "$x" >"$T/evil/channels.json"
printf '[{"type":"message","user":"U1","ts":"1704067200.000100","text":"%s <javascript:alert(1)|go> <data:text/html,x|go> `%s`","reactions":[{"name":"%s","users":["U1"],"count":1}]}]' \
	"$x" "$x" "$x" >"$T/evil/general/2024-01-01.json"
expect 'markup as text and names' 0 "$MVCHAT" archive "$T/evil" -o "$T/e"
empty 'nothing of it runs' "$(grep -rlE '<script>|<img src=x|"><img' "$T/e" --include='*.html')"
empty 'nothing comes from elsewhere' "$(foreign "$T/e")"
has 'it can be read' "$T/e/c/1/1.html" '&lt;script&gt;alert(1)'

# Pages and long threads: 700 messages, the tenth of which has 1,100 replies; the last links into the middle of that thread.
mkdir -p "$T/big/general"
echo '[{"id":"U1","name":"a","real_name":"Анна"}]' >"$T/big/users.json"
echo '[{"id":"C1","name":"general","members":["U1"]}]' >"$T/big/channels.json"
awk 'BEGIN {
	t = 1704067200; print "[";
	for (i = 1; i <= 700; i++) {
		thread = i == 10 ? sprintf(",\"thread_ts\":\"%d.000100\",\"reply_count\":1100", t + i) : "";
		text = i == 700 ? "<https://t.slack.com/archives/C1/p" (t + 5550) "000100?thread_ts=" (t + 10) ".000100&cid=C1>" : "message " i;
		printf "{\"type\":\"message\",\"user\":\"U1\",\"ts\":\"%d.000100\",\"text\":\"%s\"%s},\n", t + i, text, thread;
	}
	for (i = 1; i <= 1100; i++)
		printf "{\"type\":\"message\",\"user\":\"U1\",\"ts\":\"%d.000100\",\"thread_ts\":\"%d.000100\",\"text\":\"reply %d\"}%s\n", t + 5000 + i, t + 10, i, i < 1100 ? "," : "]";
}' </dev/null >"$T/big/general/2024-01-01.json"
expect 'a long channel with a long thread' 0 "$MVCHAT" archive "$T/big" -o "$T/l"
eq 'every message has one place' "$(anchors "$T/l")" 1800
eq 'on pages that are bounded' "$(for f in "$T"/l/c/1/*.html; do echo "$(basename "$f") $(grep -c '<article' "$f")"; done | tr '\n' ' ')" \
	'1.html 500 2.html 200 t1-1.html 500 t1-2.html 500 t1-3.html 100 '
empty 'all links lead somewhere' "$(dead "$T/l")"
has 'a link into the thread finds its page' "$T/l/c/1/2.html" 'href="../1/t1-2.html#m1704072750.000100"'
has 'the months are linked' "$T/l/c/1/2.html" 'href="1.html#y2024-01"'

# JSON lines.
expect 'JSON lines' 0 "$MVCHAT" archive "$T/export.zip" --format jsonl
eq 'hold every message' "$(grep -c '^{"type":"msg"' "$T/out")" "$stored"
eq 'every conversation' "$(grep -c '^{"type":"conv"' "$T/out")" "$convs"
cp "$T/out" "$T/lines"
expect 'into a file' 0 "$MVCHAT" archive "$T/export.zip" --format jsonl -o "$T/all.jsonl"
same 'is the same' "$T/lines" "$T/all.jsonl"
if [ -w /dev/full ]; then
	run sh -c '"$0" archive "$1" --format jsonl >/dev/full' "$MVCHAT" "$T/export.zip"
	eq 'a full disk is told' "$code" 1
fi

# A project: names and zone of the mapping; left out only when asked.
mkdir "$T/p"
run "$MVCHAT" map -C "$T/p" "$T/export.zip"
eq 'a project' "$code" 0
expect 'its archive' 0 "$MVCHAT" archive -C "$T/p" -o "$T/pa"
eq 'holds everything' "$(anchors "$T/pa")" $((stored + lost))
expect 'as mapped' 0 "$MVCHAT" archive -C "$T/p" -o "$T/pm" --as-mapped
if [ "$(anchors "$T/pm")" -lt $((stored + lost)) ]; then ok 'holds less'; else not_ok 'holds less'; fi
has 'and says so' "$T/out" 'left out by the mapping'
empty 'its links lead somewhere' "$(dead "$T/pm")"
expect 'without archive or project' 4 "$MVCHAT" archive -C "$T/mine" -o "$T/none"

# The search, from disk, in a browser.
browser=$(command -v chromium || command -v chromium-browser || true)
if [ -z "$browser" ]; then
	skip 'the search works from disk' 'chromium is not installed'
else
	look() {
		timeout 60 "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update \
			--disable-sync --user-data-dir="$T/chrome" --virtual-time-budget=10000 --dump-dom "$1" >"$T/dom" 2>/dev/null
	}
	look "file://$T/a/search.html#q=%D0%97%D0%90%D0%9C%D0%95%D0%A7%D0%90%D0%9D%D0%98"
	has 'the search works from disk' "$T/dom" '<mark>замечани</mark>'
	has 'and leads to the message' "$T/dom" 'href="c/1/1.html#m'
	look "file://$T/a/search.html?q=nosuchword"
	has 'what is not there is not found' "$T/dom" 'Nothing found.'
	look "file://$T/e/search.html#q=alert"
	hasnt 'hostile text stays text' "$T/dom" '<img src="x"'
	has 'and is shown' "$T/dom" '&lt;script&gt;'
fi
done_testing
