#!/bin/sh
# all.sh: the release build's tests, then the same under ASan + UBSan; one closing line for both.
set -u
cd "$(dirname "$0")/.." || exit 1
r=$(mktemp) || exit 1
trap 'rm -f "$r"' EXIT
p=0 f=0
for mode in ${MODES:-release asan}; do
	: > "$r"
	RESULT=$r sh tests/run.sh "$mode" | sed '$d'
	read -r a b < "$r" || { a=0; b=1; }
	p=$((p + a)) f=$((f + b))
done
printf '%s passed, %s failed\n' "$p" "$f"
[ "$f" -eq 0 ]
