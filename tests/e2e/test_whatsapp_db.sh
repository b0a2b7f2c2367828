#!/bin/sh
# WhatsApp's databases into the sandbox: an iPhone's, an Android's and a text export of one chat become one history, written once;
# an encrypted backup with its key; exports collected in a zip.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
tokens
db=$(dirname "$MVCHAT")/tools/wa_db
sql=fixtures/whatsapp-db
mkdir -p "$T/ios/Message/Media/120363041234567890@g.us/a/b" "$T/and" "$T/text" "$T/box"
"$db" make "$T/ios/ChatStorage.sqlite" <$sql/chatstorage.sql && "$db" make "$T/ios/ContactsV2.sqlite" <$sql/contactsv2.sql &&
	"$db" make "$T/and/msgstore.db" <$sql/msgstore.sql && "$db" make "$T/and/wa.db" <$sql/wa.sql && "$db" key 15 "$T/key" && "$db" key 14 "$T/phone.key" ||
	{ echo 'Bail out! no databases'; exit 1; }
printf '\211PNG\r\n\032\n\0\0\0\rIHDR\0\0\0\001\0\0\0\001\010\006\0\0\0\037\025\304\211' >"$T/ios/Message/Media/120363041234567890@g.us/a/b/photo.png"
cat >"$T/text/Чат WhatsApp с Закупки.txt" <<'EOF'
05.03.2024, 12:00 - Иван Петров: Коллеги, счёт №117 до *пятницы*
05.03.2024, 12:01 - Маша: Принято, @79031112233 привезёт
05.03.2024, 12:02 - Пётр (склад): Будет завтра
05.03.2024, 12:30 - Маша: Этого в базах нет, только в тексте
13.03.2024, 12:30 - Иван Петров: и этого тоже нет
EOF

# what inspect says of a database
expect 'inspect an iPhone database' 0 "$MVCHAT" inspect "$T/ios"
has 'which one it is' "$T/out" 'ChatStorage (iPhone, Mac)'
has 'how many messages' "$T/out" 'messages                    15'
has 'its reactions' "$T/out" 'reactions                   1'
has 'what is missing' "$T/out" 'media-missing'
has 'what is left out' "$T/out" 'status-not-read'
expect 'the file alone' 0 "$MVCHAT" inspect "$T/ios/ChatStorage.sqlite"

# an encrypted backup
"$db" seal 15 "$T/and/msgstore.db" "$T/msgstore.db.crypt15"
"$db" seal 14 "$T/and/msgstore.db" "$T/msgstore.db.crypt14"
expect 'a backup without its key is refused' 3 "$MVCHAT" inspect "$T/msgstore.db.crypt15"
has 'which key, it says' "$T/err" '64 digits'
expect 'the phone key is another kind' 3 "$MVCHAT" inspect --key "$T/phone.key" "$T/msgstore.db.crypt15"
expect 'with its key it is read' 0 "$MVCHAT" inspect --key "$T/key" "$T/msgstore.db.crypt15"
has 'whole' "$T/out" 'messages                    16'
expect 'crypt14 with the phone key' 0 "$MVCHAT" inspect --key "$T/phone.key" "$T/msgstore.db.crypt14"
if MVCHAT_BACKUP_KEY=$(cat "$T/key") "$MVCHAT" inspect "$T/msgstore.db.crypt15" >"$T/out" 2>&1; then ok 'the key in the environment'; else not_ok 'the key in the environment' "$T/out"; fi
if "$MVCHAT" inspect --key - "$T/msgstore.db.crypt15" <"$T/key" >"$T/out" 2>&1; then ok 'the key from standard input'; else not_ok 'the key from standard input' "$T/out"; fi
expect 'a key file that is not there' 2 "$MVCHAT" inspect --key "$T/nothing" "$T/msgstore.db.crypt15"
expect 'a key that is none' 2 "$MVCHAT" inspect --key "$T/text/Чат WhatsApp с Закупки.txt" "$T/msgstore.db.crypt15"
head -c 2000 "$T/msgstore.db.crypt15" >"$T/cut.crypt15"
expect 'a backup that was cut off' 3 "$MVCHAT" inspect --key "$T/key" "$T/cut.crypt15"
has 'is called so' "$T/err" 'cut off or changed'
head -c 5000 "$T/ios/ChatStorage.sqlite" >"$T/ChatStorage.sqlite"
expect 'a database that was cut off' 3 "$MVCHAT" inspect "$T/ChatStorage.sqlite"

# three sources of one chat, one of them encrypted
sandbox all
mkdir "$T/p"
expect 'map' 0 "$MVCHAT" map -C "$T/p" --url "$URL" --unmatched create --zone Europe/Moscow --key "$T/key" "$T/ios" "$T/msgstore.db.crypt15" "$T/text"
has 'the key file is kept in the mapping, not the key' "$T/p/mvchat.yaml" 'key_file'
hasnt 'nowhere the key' "$T/p/mvchat.yaml" 'd4dbe2e9'
eq 'the group is one chat' "$(grep -c 'wa:group' "$T/p/channels.csv")" 1
has 'people with their numbers' "$T/p/users.csv" '+79161234567'
expect 'plan' 0 "$MVCHAT" plan -C "$T/p"
expect 'apply' 0 "$MVCHAT" apply -C "$T/p" --yes
expect 'verify' 0 "$MVCHAT" verify -C "$T/p"
ctl "$PAGE/sandbox/dump" >"$T/dump"
for text in '"content":"Коллеги, счёт' '"content":"Принято, ' '"content":"Маша, скинь остатки"' 'Этого в базах нет' 'и этого тоже нет' 'Машина' 'Счёт подписан' 'Когда отгрузка'; do
	eq "once: $text" "$(grep '"type":"message"' "$T/dump" | grep -c "$text")" 1
done
expect 'again' 0 "$MVCHAT" apply -C "$T/p" --yes --json
eq 'and nothing is sent' "$(number posted "$T/out")" 0
eq 'no database is left unpacked' "$(find "$T/p" -name 'mvchat-unpack*' | wc -l | tr -d ' ')" 0
if grep -rqs 'd4dbe2e9f0f7fe05' "$T/p"; then not_ok 'the key is nowhere in the project'; else ok 'the key is nowhere in the project'; fi

# a zip of zips
if command -v zip >/dev/null; then
	(cd "$T/text" && zip -q "$T/box/Чат WhatsApp с Закупки.zip" ./*.txt)
	mkdir "$T/one" && printf '[05.03.2024, 12:00:01] Ann: hello\r\n[25.03.2024, 12:00:01] Bob: hi\r\n' >"$T/one/_chat.txt"
	(cd "$T/one" && zip -q "$T/box/WhatsApp Chat - Bob.zip" _chat.txt)
	(cd "$T/box" && zip -q "$T/all.zip" ./*.zip)
	(cd "$T" && zip -q "$T/twice.zip" all.zip)
	expect 'a zip of zips' 0 "$MVCHAT" inspect --dump --zone UTC "$T/all.zip"
	has 'the one chat' "$T/out" '"Закупки"'
	has 'and the other' "$T/out" '"Bob"'
	cp "$T/out" "$T/dump"
	expect 'a zip of a zip of zips' 0 "$MVCHAT" inspect --dump --zone UTC "$T/twice.zip"
	same 'says the same' "$T/dump" "$T/out"
	expect 'and a folder of zips' 0 "$MVCHAT" inspect --dump --zone UTC "$T/box"
	same 'too' "$T/dump" "$T/out"
	# a zip somebody sent stays a file; one made to do harm is refused
	(cd "$T/text" && zip -q "$T/one/WhatsApp Chat - Eve.zip" ./*.txt)
	printf '[26.03.2024, 12:00:01] Bob: \342\200\216<attached: WhatsApp Chat - Eve.zip>\r\n' >>"$T/one/_chat.txt"
	expect 'an archive that was sent' 0 "$MVCHAT" inspect --dump --zone UTC "$T/one"
	has 'stays a file' "$T/out" '"entry":"WhatsApp Chat - Eve.zip"'
	hasnt 'and no chat' "$T/out" 'Закупки'
	mkdir "$T/evil" && head -c 30000000 /dev/zero >"$T/evil/_chat.txt"
	(cd "$T/evil" && zip -q "$T/box/bomb.zip" _chat.txt)
	expect 'a bomb inside' 3 "$MVCHAT" inspect "$T/box"
	has 'is refused by name' "$T/err" 'bomb.zip'
	demo_zip "$T/slack.zip"
	(cd "$T" && zip -q "$T/slack-again.zip" slack.zip)
	expect 'a Slack export that was zipped again' 0 "$MVCHAT" inspect "$T/slack-again.zip"
	has 'is a Slack export' "$T/out" 'slack'
else
	skip 'zips of zips' 'no zip here'
fi
done_testing
