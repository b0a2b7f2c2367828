#!/bin/sh
# The pages people look at, in a real browser: the sandbox's page, the HTML report, the HTML archive. A browser is a large
# package: MVCHAT_FULL=1 says that it may be there (then `make deps` installs Debian's Chromium).
. tests/lib/tap.sh
if [ "${MODE:-release}" != release ]; then skip 'browser' 'checked with the release build'; done_testing; fi
if [ -z "${MVCHAT_FULL:-}" ]; then skip 'browser' 'MVCHAT_FULL=1 runs it'; done_testing; fi
CHROMIUM=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
export CHROMIUM
if [ -z "$CHROMIUM" ] || ! command -v npm >/dev/null; then skip 'browser' 'no Chromium or no npm here'; done_testing; fi
dir=$ROOT/build/browser
mkdir -p "$dir"
cp tests/browser/package.json tests/browser/package-lock.json tests/browser/.npmrc tests/browser/look.mjs "$dir/"
if ! cmp -s "$dir/package-lock.json" "$dir/installed" || [ ! -d "$dir/node_modules" ]; then
	if ! (cd "$dir" && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error >"$T/npm.log" 2>&1); then
		not_ok 'the driver can be installed' "$T/npm.log"
		done_testing
	fi
	cp "$dir/package-lock.json" "$dir/installed"
fi
export MVCHAT_CLOCK=virtual
tokens
demo_zip "$T/export.zip"
sandbox demo -C "$T/p" --no-limits
demo_page=$PAGE/
mkdir "$T/p"
expect 'map' 0 "$MVCHAT" map -C "$T/p" --url "$URL" --unmatched create "$T/export.zip"
expect 'apply' 0 "$MVCHAT" apply -C "$T/p" --yes
expect 'report' 0 "$MVCHAT" report -C "$T/p" -o "$T/report.html"
expect 'archive' 0 "$MVCHAT" archive "$T/export.zip" -o "$T/archive"
"$ROOT/build/release/tools/gen_slack" --messages "${BROWSER_MESSAGES:-100000}" --channels 20 --users 50 --threads 10 "$T/big.zip" >"$T/out" 2>"$T/err"
sandbox big --no-limits
mkdir "$T/big"
expect 'map of the large one' 0 "$MVCHAT" map -C "$T/big" --url "$URL" --unmatched label "$T/big.zip"
expect 'apply of the large one' 0 "$MVCHAT" apply -C "$T/big" --yes -q
if [ -n "${BROWSER_SHOTS:-}" ]; then mkdir -p "$BROWSER_SHOTS"; fi
node "$dir/look.mjs" "$demo_page" "$PAGE/" "$T/report.html" "$T/archive" ${BROWSER_SHOTS:+"$BROWSER_SHOTS"} >"$T/look" 2>&1
grep -qE '^1\.\.[0-9]+$' "$T/look" || not_ok 'the browser came to its end' "$T/look"
while IFS= read -r line; do
	case $line in
	'ok '*) ok "${line#ok * - }" ;;
	'not ok '*) not_ok "${line#not ok * - }" ;;
	'#'*) echo "$line" ;;
	esac
done <"$T/look"
done_testing
