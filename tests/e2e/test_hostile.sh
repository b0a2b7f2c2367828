#!/bin/sh
# Archives that are broken or mean harm, as a user hands them over: each is refused (3) or read with every unreadable record told;
# nothing crashes, memory stays bounded, and the exit code says when something is lost.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual
# The slow build looks at a part of the places; its memory is not the program's.
if [ "${MODE:-release}" = release ]; then kb_max=60000 every=1; else kb_max=2000000 every=8; fi
demo_zip "$T/demo.zip"
size=$(wc -c <"$T/demo.zip" | tr -d ' ')
look() { "$BUILD/tools/measure" "$T/m" "$MVCHAT" inspect --json --exit-code "$1" >"$T/out" 2>"$T/err" </dev/null; code=$?; }
# honest NAME: what inspect said of the last archive is one of the outcomes there may be
odd=''
honest() {
	read -r _ _ kb _ <"$T/m"
	[ "$kb" -le "$kb_max" ] || odd="$odd $1:${kb}KB"
	case "$code" in
	0) ;;
	3) grep -q . "$T/err" || odd="$odd $1:silent" ;;
	7) [ $(($(number bad "$T/out") + $(grep -c '"level":"loss"' "$T/out"))) -gt 0 ] || odd="$odd $1:unexplained" ;;
	*) odd="$odd $1:exit$code" ;;
	esac
}

# Cut off after every KiB: the directory at the end is missing, and that is said.
k=0 odd='' refused=0 cuts=0
while [ $((k * 1024)) -lt "$size" ]; do
	head -c $((k * 1024)) "$T/demo.zip" >"$T/cut.zip"
	look "$T/cut.zip"
	honest "$k"
	[ "$code" -eq 3 ] && refused=$((refused + 1))
	cuts=$((cuts + 1))
	k=$((k + every))
done
eq "a zip cut off at every KiB" "$odd" ''
eq 'is refused every time' "$refused" "$cuts"

# Here and there a KiB is zeros.
k=0 odd='' noticed=0 holes=0
while [ $((k * 1024)) -lt "$size" ]; do
	cp "$T/demo.zip" "$T/hole.zip"
	dd if=/dev/zero of="$T/hole.zip" bs=1024 seek=$k count=1 conv=notrunc 2>/dev/null
	look "$T/hole.zip"
	honest "$k"
	[ "$code" -ne 0 ] && noticed=$((noticed + 1))
	holes=$((holes + 1))
	k=$((k + 4 * every))
done
eq "a zip with a hole in each of $holes places" "$odd" ''
# A hole in a file that messages only carry is found when the file is read, not now; the demo itself has losses.
eq 'something is told of each' "$noticed" "$holes"

# A day file that ends anywhere: what stands before is kept, in order, and one record says where it broke off.
cp -R fixtures/slack/hazards/35-large-day "$T/day"
day=$(find "$T/day" -name '20*.json')
cp "$day" "$T/whole.json"
length=$(wc -c <"$T/whole.json" | tr -d ' ')
k=1 odd='' before=0
while [ $((k * 1024)) -lt "$length" ]; do
	head -c $((k * 1024)) "$T/whole.json" >"$day"
	look "$T/day"
	honest "$k"
	now=$(number messages "$T/out")
	[ "$code" -eq 7 ] && [ "$(number bad "$T/out")" = 1 ] && [ "$now" -ge "$before" ] || odd="$odd $k:$now"
	before=$now
	k=$((k + every))
done
eq "a day file cut off at every KiB" "$odd" ''
if [ "$before" -gt 400 ]; then ok 'keeps the messages before'; else not_ok "keeps the messages before: $before"; fi

# Nesting without end, at the top and inside one message; the other messages stay.
msg() { printf '{"type":"message","user":"U0HAZ00001","text":"%s","ts":"17000000%s.000100"%s}' "$2" "$1" "${3:-}"; }
{ msg 10 before | sed 's/^/[/'; printf ',{"type":"message","ts":"1700000011.000100","blocks":'; head -c 100000 /dev/zero | tr '\0' '['; head -c 100000 /dev/zero | tr '\0' ']'; printf '},'; msg 12 after; printf ']'; } >"$day"
look "$T/day"; odd=''; honest nested
eq '100,000 arrays in one message' "$code/$(number bad "$T/out")/$(number messages "$T/out")$odd" 7/1/2 || cat "$T/out"
head -c 100000 /dev/zero | tr '\0' '[' >"$day"
look "$T/day"; honest brackets
eq '100,000 open brackets' "$code/$(number bad "$T/out")$odd" 7/1

# One message of 40 MB, and bytes that are no UTF-8.
{ printf '['; msg 10 "$(printf 'a\377\300\257b')"; printf ',{"type":"message","user":"U0HAZ00001","ts":"1700000011.000100","text":"'; head -c 40000000 /dev/zero | tr '\0' 'x'; printf '"},'; msg 12 after; printf ']'; } >"$day"
look "$T/day"; odd=''; honest large
eq 'a message of 40 MB' "$code/$(number bad "$T/out")/$(number messages "$T/out")$odd" 7/1/2
expect 'bytes that are no UTF-8' 0 "$MVCHAT" inspect --dump "$T/day"
if iconv -f UTF-8 -t UTF-8 "$T/out" >/dev/null 2>&1; then ok 'do not get out'; else not_ok 'do not get out'; fi

# Zips that lie: by an entry's size, by overlapping, by links, by names. One by one through the whole program.
mkdir "$T/zips"
"$BUILD/tools/hostile" "$T/zips"
odd='' n_zips=0
for z in "$T/zips"/*; do
	look "$z"
	honest "${z##*/}"
	n_zips=$((n_zips + 1))
done
eq "$n_zips archives that lie" "$odd" ''
if command -v zip >/dev/null 2>&1; then
	cp "$T/whole.json" "$day"
	(cd "$T/day" && zip -q -r -P secret "$T/secret.zip" .)
	look "$T/secret.zip"; odd=''; honest encrypted
	eq 'an encrypted zip' "$code$odd" 7
	has 'says so' "$T/out" '"name":"encrypted","level":"loss"'
	head -c 200000000 /dev/zero | (cd "$T" && zip -q -9 bomb.zip -)
	look "$T/bomb.zip"; odd=''; honest bomb
	eq 'a bomb of zeros' "$code$odd" 3
else
	skip 'an encrypted zip' 'zip is not installed'
fi
done_testing
