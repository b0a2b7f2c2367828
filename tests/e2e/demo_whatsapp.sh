#!/bin/sh
# demo_whatsapp.sh: the exports of one trade chat from three phones, brought into the embedded sandbox as one history with its
# photos, as `make demo-whatsapp` runs it. Every command is shown.
# MVCHAT_DEMO_KEEP=1 leaves the sandbox running so that the chat can be looked at in a browser.
set -eu
cd "$(dirname "$0")/../.."
dir=build/demo-whatsapp
. tests/lib/demo.sh
build/release/tools/gen_whatsapp --phones "$dir"
echo "Three phones have the chat, in two languages, on three clocks, each with other names, photos and gaps:"
for phone in ivan maria alexey; do
	printf '\n# %s\n' "$phone"
	sed -n 4,8p "$dir/$phone"/*/*.txt
done
sandbox_start
mv_run inspect --zone Europe/Moscow "$dir/ivan" "$dir/maria" "$dir/alexey"
mv_run map -C "$dir/project" --zone Europe/Moscow --url "http://127.0.0.1:$port/api/shared/v1" "$dir/ivan" "$dir/maria" "$dir/alexey"
mv_run plan -C "$dir/project"
mv_run apply -C "$dir/project" --yes
apply_again
printf 'writes: %s\n' "$writes"
mv_run verify -C "$dir/project"
look
[ "$writes" = 0 ]
