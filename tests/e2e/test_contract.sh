#!/bin/sh
# The exporter's requests and the sandbox's answers against the vendor's OpenAPI file, judged by a validator neither contains
# (Prism, from npm). Runs where the file is at hand (MVCHAT_OPENAPI, or beside the project), says skipped where not.
. tests/lib/tap.sh
spec=${MVCHAT_OPENAPI:-$ROOT/../shared/pachca/openapi.en.yaml}
if [ ! -f "$spec" ]; then skip 'contract' "the vendor's OpenAPI file is not here"; done_testing; fi
if [ "${MODE:-release}" != release ]; then skip 'contract' 'checked with the release build'; done_testing; fi
dir=$ROOT/build/contract
mkdir -p "$dir"
cp tests/contract/package.json tests/contract/package-lock.json tests/contract/.npmrc tests/contract/front.mjs "$dir/"
if ! cmp -s "$dir/package-lock.json" "$dir/installed" || [ ! -d "$dir/node_modules" ]; then
	if ! (cd "$dir" && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error >"$T/npm.log" 2>&1); then
		not_ok 'the validator can be installed' "$T/npm.log"
		done_testing
	fi
	cp "$dir/package-lock.json" "$dir/installed"
fi
export MVCHAT_CLOCK=virtual
tokens
sandbox contract
node "$dir/front.mjs" "$spec" "$URL" "$T/front.port" "$T/exchanges.jsonl" 2>"$T/front.err" &
sandboxes="$! $sandboxes"
i=0
while [ ! -s "$T/front.port" ]; do
	i=$((i + 1))
	[ $i -lt 600 ] || { not_ok 'the validator starts' "$T/front.err"; done_testing; }
	sleep 0.05
done
through=http://127.0.0.1:$(cat "$T/front.port")
mkdir "$T/p"
expect 'map through the validator' 0 "$MVCHAT" map -C "$T/p" --url "$through" --unmatched create fixtures/slack/demo
sed -i 's/reactions: *text/reactions: native/' "$T/p/mvchat.yaml"
expect 'apply through the validator' 0 "$MVCHAT" apply -C "$T/p" --yes
expect 'verify through the validator' 0 "$MVCHAT" verify -C "$T/p"
expect 'rollback through the validator' 0 "$MVCHAT" rollback -C "$T/p" --all --yes
expect 'apply after it' 0 "$MVCHAT" apply -C "$T/p" --yes
expect 'rollback with its accounts' 0 "$MVCHAT" rollback -C "$T/p" --all --users delete --yes
cp "$T/exchanges.jsonl" "$dir/" 2>/dev/null
node "$ROOT/tests/contract/summary.mjs" "$T/exchanges.jsonl" >"$T/summary" 2>&1
grep -E '^(ok|not ok|#)' "$T/summary" | while read -r line; do echo "$line"; done | sed -E "s/^(ok|not ok) [0-9]+/\1 x/" >"$T/lines"
while IFS= read -r line; do
	case $line in
	'ok x - '*) ok "${line#ok x - }" ;;
	'not ok x - '*) not_ok "${line#not ok x - }" ;;
	'#'*) echo "$line" ;;
	esac
done <"$T/lines"
done_testing
