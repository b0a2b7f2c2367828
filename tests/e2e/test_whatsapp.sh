#!/bin/sh
# The exports of one chat from three phones: one after the other into one project, and the demo. Nothing is written twice.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
tokens
gen=$(dirname "$MVCHAT")/tools/gen_whatsapp
"$gen" --phones "$T/phones" || { echo 'Bail out! no exports'; exit 1; }
posted() { "$MVCHAT" apply -C "$T/p" --yes --json >"$T/run" 2>"$T/err"; number posted "$T/run"; }

# One phone is applied first; the others come later, at the end of the list.
sandbox one
mkdir "$T/p"
expect 'the first phone' 0 "$MVCHAT" map -C "$T/p" --zone Europe/Moscow --url "$URL" "$T/phones/ivan"
eq 'its messages are written' "$(posted)" 44
sed -i "s#^  - path: .*/ivan.*#&\n    zone: Europe/Moscow\n  - path: $T/phones/maria\n    zone: Europe/Moscow\n  - path: $T/phones/alexey#" "$T/p/mvchat.yaml"
expect 'two more phones' 0 "$MVCHAT" map -C "$T/p"
expect 'the plan with all three' 0 "$MVCHAT" plan -C "$T/p" --json
cp "$T/out" "$T/plan"
eq 'only what the first phone did not have is sent' "$(posted)" 4
expect 'verify is clean' 0 "$MVCHAT" verify -C "$T/p"
eq 'and then nothing' "$(posted)" 0
ctl "$PAGE/sandbox/dump" >"$T/dump"
for text in 'бухты на приёмке' 'Машина подъехала' 'Погрузили, водитель' 'акт подписан' '48290 закрыт'; do
	eq "once: $text" "$(grep '"type":"message"' "$T/dump" | grep -c "$text")" 1
done
has 'edited on a later phone, edited in the target' "$T/dump" 'ворота 3'

# An export that has nothing of what was written, in the place of the others: it is said before anything is sent.
mkdir "$T/p2" "$T/p2/.mvchat"
cp "$T/p/.mvchat/ledger"* "$T/p2/.mvchat/"
cp -r "$T/phones/ivan" "$T/moved"
for f in "$T/moved"/*/*.txt; do sed -i -E 's/^([0-9.]+, )([0-9]{2}):([0-9]{2}) - /\1\2:59 - /' "$f"; done
expect 'a phone whose times are others now' 0 "$MVCHAT" map -q -C "$T/p2" --offline --zone Europe/Moscow "$T/moved"
has 'in the place of its earlier export' "$T/p2/mvchat.yaml" moved
rm -f "$T/p2/.mvchat/spool.db"
expect 'its plan' 0 "$MVCHAT" plan --offline -C "$T/p2" --report "$T/p2/report.md"
has 'warns' "$T/p2/report.md" 'written before'

# The three at once: every photo, people known by one name each.
sandbox three
rm -rf "$T/p"
mkdir "$T/p"
expect 'three phones at once' 0 "$MVCHAT" map -C "$T/p" --zone Europe/Moscow --url "$URL" "$T/phones/ivan" "$T/phones/maria" "$T/phones/alexey"
eq 'five people' "$(grep -c '^wa:' "$T/p/users.csv")" 5
eq 'one chat' "$(grep -c '^wa:' "$T/p/channels.csv")" 1
expect 'written' 0 "$MVCHAT" apply -C "$T/p" --yes
expect 'verify is clean for the three' 0 "$MVCHAT" verify -C "$T/p"
has 'and says so' "$T/out" 'The replay is complete'
ctl "$PAGE/sandbox/dump" >"$T/dump"
eq 'nine photos, with their sizes' "$(grep -oE '"sha256":"[0-9a-f]+","type":"image"' "$T/dump" | wc -l | tr -d ' ')" 9

# Voice messages: what can be listened to goes as one, with its length and wave; what only has the name of one goes as sound.
sandbox voice
mkdir "$T/v" "$T/vp"
cp fixtures/media/voice.opus "$T/v/PTT-20240203-WA0001.opus"
cp fixtures/whatsapp/android-group-ru/archive/PTT-20240203-WA0002.opus "$T/v/"
printf 'BEGIN:VCARD\r\nVERSION:2.1\r\nFN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=D0=98=D0=B2=\r\n=D0=B0=D0=BD\r\nTEL;CELL:+79161112233\r\nTEL;WORK:84950000000\r\nEND:VCARD\r\n' \
	>"$T/v/Driver.vcf"
cat >"$T/v/WhatsApp Chat with Ann.txt" <<'TXT'
03/02/2024, 10:00 - Ann: PTT-20240203-WA0001.opus (file attached)
13/02/2024, 10:01 - Bob: PTT-20240203-WA0002.opus (file attached)
13/02/2024, 10:02 - Bob: Driver.vcf (file attached)
TXT
expect 'a chat with voice messages' 0 "$MVCHAT" map -C "$T/vp" --zone Europe/Moscow --url "$URL" "$T/v"
eq 'is written' "$(cd "$T" && "$MVCHAT" apply -C vp --yes --json >run 2>err; number posted run)" 3
ctl "$PAGE/sandbox/dump" >"$T/dump"
eq 'one as a voice message, which the target takes with duration and waveform only' \
	"$(grep -oE '"name":"PTT-[^}]*"type":"voice"' "$T/dump" | cut -d'"' -f4)" PTT-20240203-WA0001.opus
eq 'one as sound' "$(grep -oE '"name":"PTT-[^}]*"type":"audio"' "$T/dump" | cut -d'"' -f4)" PTT-20240203-WA0002.opus
has 'a card: who it is of, in words' "$T/dump" '👤 Иван, +79161112233, 84950000000'
expect 'and verified' 0 "$MVCHAT" verify -C "$T/vp"
eq 'and then nothing' "$(cd "$T" && "$MVCHAT" apply -C vp --yes --json >run 2>err; number posted run)" 0

# A date that nothing proves: both readings are shown, and how to say which.
mkdir "$T/u"
printf '03/04/24, 10:00 - Ann: one\n05/04/24, 10:00 - Bob: two\n' >"$T/u/WhatsApp Chat with Ann.txt"
expect 'undecidable dates are refused' 3 "$MVCHAT" inspect "$T/u"
has 'with one reading' "$T/err" '2024-04-03'
has 'and the other' "$T/err" '2024-03-04'
has 'and how to say it' "$T/err" 'date-order'
expect 'said' 0 "$MVCHAT" inspect --date-order mdy "$T/u"
has 'it is read so' "$T/out" '2024-03-04'
expect 'what is no order' 2 "$MVCHAT" inspect --date-order mmm "$T/u"
expect 'what is no zone' 2 "$MVCHAT" inspect --zone Mars/Base "$T/u"
expect 'a project is drafted with it' 0 "$MVCHAT" map --offline -C "$T/u" --date-order mdy "$T/u/WhatsApp Chat with Ann.txt"
has 'and keeps it' "$T/u/mvchat.yaml" 'date_order: "mdy"'
expect 'so that it can be planned' 0 "$MVCHAT" plan --offline -C "$T/u"
done_testing
