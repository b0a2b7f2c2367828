#!/bin/sh
# Every sentence an importer says of an archive is known to cli/hazard_words.c, which puts it into the reader's language: the
# literal formats of slack_hazard, slack_bad, wa_hazard and wa_bad with each conversion as %s. Formats that are one value only
# ("%.80s") are names, not sentences. So that a new oddity is in the guide: its word is there, too.
set -u
cd "$(dirname "$0")/../.." || exit 1
n=0 bad=0
ok() { n=$((n + 1)); echo "ok $n - $1"; }
not_ok() { n=$((n + 1)) bad=$((bad + 1)); echo "not ok $n - $1"; }
T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT
forms() { sed -E 's/%(\.[0-9]+)?0?[0-9]*(ll|z)?[sdu]/%s/g; s/%s\.%s/%s/g'; }
{
	grep -hoE '(slack|wa)_hazard\(([a-z]->)?s, [^"]*"[a-z0-9-]+", "([^"\\]|\\.)*"' importers/*.c | sed -E 's/^[^"]*"[a-z0-9-]+", //'
	grep -hoE '(slack|wa)_bad\(s, "([^"\\]|\\.)*"' importers/*.c | sed -E 's/^[^"]*//'
	grep -hoE 'HAZARD_[A-Z]+, "[a-z0-9-]+", "[^"]*" }' importers/*.c | sed -E 's/^[^"]*"[^"]*", //; s/ }$//'
} | forms | sort -u | grep -vE '^"(%s|%s \(%s\))"$' >"$T/said"
grep -oE 'N_\("([^"\\]|\\.)*"\)' cli/hazard_words.c | sed -E 's/^N_\(//; s/\)$//' | sort -u >"$T/known"
if [ "$(grep -c . "$T/said")" -gt 50 ]; then ok 'sentences are found'; else not_ok 'sentences are found'; fi
comm -23 "$T/said" "$T/known" >"$T/missing"
if [ -s "$T/missing" ]; then not_ok 'each is known'; sed 's/^/# /' "$T/missing"; else ok 'each is known'; fi
grep -hoE '(slack_hazard\(([a-z]->)?s, |^.*\{ VAULT_[A-Z0-9]+, )HAZARD_[A-Z]+, "[a-z0-9-]+"|put_hazard\(s, HAZARD_[A-Z]+, "[a-z0-9-]+"' importers/slack*.c replay/spool_build.c |
	grep -oE '"[a-z0-9-]+"$' | tr -d '"' | sort -u >"$T/words"
for f in docs/slack.md docs/slack.ru.md; do
	: >"$T/untold"
	while read -r w; do grep -qF "\`$w\`" "$f" 2>/dev/null || echo "$w" >>"$T/untold"; done <"$T/words"
	if [ -s "$T/untold" ]; then not_ok "$f has each word"; sed 's/^/# /' "$T/untold"; else ok "$f has each word"; fi
done
echo "1..$n"
[ "$bad" -eq 0 ]
