#!/bin/sh
# screens.sh [DIR]: makes the READMEs' pictures anew (docs/img): a terminal session, the sandbox's page, a message beside its
# source, the report, the archive; in English and Russian. Needs Chromium and npm (MVCHAT_FULL=1 make deps).
. tests/lib/tap.sh
out=${1:-docs/img}
mkdir -p "$out" build/browser
out=$(cd "$out" && pwd)
cp tests/browser/package.json tests/browser/package-lock.json tests/browser/.npmrc tests/browser/screens.mjs build/browser/
[ -d build/browser/node_modules/playwright-core ] || (cd build/browser && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error) || exit 1
CHROMIUM=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
export CHROMIUM MVCHAT_CLOCK=virtual NO_COLOR=1 COLUMNS=100 TZ=Europe/Moscow
tokens
for lang in en ru; do
	mkdir "$T/$lang" && cd "$T/$lang" || exit 1
	(cd "$ROOT" && demo_zip "$T/$lang/export.zip")
	{
		echo '$ mvchat move export.zip --to sandbox --create-people --yes'
		"$MVCHAT" move export.zip --to sandbox --create-people --yes --lang $lang 2>&1
	} | sed 's/ *$//' >session.txt
	cd "$ROOT" || exit 1
	"$MVCHAT" sandbox -q -C "$T/$lang/mvchat-rehearsal" --store "$T/$lang/mvchat-rehearsal/.mvchat/sandbox.db" --port 18180 --port-file "$T/$lang.port" >"$T/out" 2>&1 &
	sandboxes="$sandboxes $!"
	i=0
	while [ ! -s "$T/$lang.port" ] && [ $i -lt 500 ]; do i=$((i + 1)); sleep 0.02; done
	"$MVCHAT" archive "$T/$lang/export.zip" -o "$T/$lang/archive" --lang $lang -q >"$T/out" 2>&1 || cat "$T/out"
	node build/browser/screens.mjs $lang "http://127.0.0.1:$(cat "$T/$lang.port")/" "$T/$lang/mvchat-rehearsal/report.html" "$T/$lang/archive" "$T/$lang/session.txt" "$out" || exit 1
	for p in $sandboxes; do kill "$p" 2>/dev/null; done
	for p in $sandboxes; do wait "$p" 2>/dev/null; done
	sandboxes=
done
ls -l "$out"
