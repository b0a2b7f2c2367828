#!/bin/sh
# zip_fixture.sh FOLDER OUT.zip: zips a fixture's folder as an export is zipped: its content at the root, sorted, without README
# and expectations, with one fixed time, so that the same folder gives the same bytes.
set -eu
out=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cp -R "$1"/. "$tmp"/
rm -f "$tmp"/README* "$tmp"/expect.jsonl "$out"
cd "$tmp"
find . -type f -exec touch -d '2024-01-01 00:00:00 UTC' {} +
find . -type f | LC_ALL=C sort | sed 's|^\./||' | TZ=UTC zip -q -X -D "$out" -@
