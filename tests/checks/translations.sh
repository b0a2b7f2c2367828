#!/bin/sh
# translations.sh: every string a person can see has its Russian, nothing is fuzzy, the formats agree.
set -u
cd "$(dirname "$0")/../.." || exit 1
T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT
n=0 bad=0
say() { n=$((n + 1)); if [ "$1" = 0 ]; then printf 'ok %d - %s\n' "$n" "$2"; else bad=1; printf 'not ok %d - %s\n' "$n" "$2"; sed 's/^/# /' "$T/log" | head -40; fi; }
sh tests/tools/pot.sh "$T/mvchat.pot" >"$T/log" 2>&1
say $? 'strings can be collected'
msgmerge -q --no-fuzzy-matching -o "$T/ru.po" po/ru.po "$T/mvchat.pot" >"$T/log" 2>&1
say $? 'the catalogue fits them'
msgattrib --untranslated --no-obsolete --no-wrap "$T/ru.po" | grep '^msgid ' | grep -v '^msgid ""$' >"$T/log"
[ -s "$T/log" ]; say $((1 - $?)) 'nothing is untranslated'
msgattrib --only-fuzzy --no-obsolete --no-wrap po/ru.po | grep '^msgid ' | grep -v '^msgid ""$' >"$T/log"
[ -s "$T/log" ]; say $((1 - $?)) 'nothing is fuzzy'
# One word for one thing: учётная запись, закрытый, открытый, ограничения, выгрузка.
msgattrib --translated --no-obsolete --no-wrap po/ru.po | grep '^msgstr' | grep -F -e аккаунт -e приватн -e публичн -e лимит -e ' экспорт' >"$T/log"
[ -s "$T/log" ]; say $((1 - $?)) 'one word for one thing'
msgfmt --check -o /dev/null po/ru.po >"$T/log" 2>&1
say $? 'formats and header are sound'
printf '1..%d\n' "$n"
exit "$bad"
