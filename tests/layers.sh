#!/bin/sh
# layers.sh: the rings hold. Prints TAP; fails on an include that points outwards or sideways, and on a library used outside
# its fence. Rules: design in CONTRIBUTING.md, "The house".
set -u
cd "$(dirname "$0")/.." || exit 1
n=0 bad=0
ok() { n=$((n + 1)); printf 'ok %d - %s\n' "$n" "$1"; }
not_ok() { n=$((n + 1)); bad=$((bad + 1)); printf 'not ok %d - %s\n' "$n" "$1"; printf '%s\n' "$2" | sed 's/^/# /'; }

# check NAME FOLDER ALLOWED-REGEX: every #include "ring/…" of FOLDER's files matches the regex.
check() {
	found=$(grep -nE '^#include "' "$2"/*.[ch] 2>/dev/null | grep -vE "#include \"($3)")
	if [ -z "$found" ]; then ok "$1"; else not_ok "$1" "$found"; fi
}
check 'core includes only core' core 'core/'
check 'importers include core and themselves' importers 'core/|importers/'
check 'mapping includes core and itself' mapping 'core/|mapping/|embed/mapping/'
check 'exporters include core and themselves' exporters 'core/|exporters/'
check 'replay includes core, mapping, the two contracts and itself' replay 'core/|mapping/mapping\.h|importers/importer\.h|exporters/exporter\.h|replay/|embed/replay/'
check 'sandbox includes core and itself' sandbox 'core/|sandbox/|embed/sandbox/'
check 'cli includes anything of the house' cli 'core/|importers/importer\.h|mapping/mapping\.h|exporters/exporter\.h|replay/|sandbox/sandbox\.h|cli/|embed/cli/'

# fence LIBRARY HEADER-REGEX ALLOWED-FILES-REGEX
fence() {
	found=$(grep -nE "^#include <($2)" core/*.[ch] importers/*.[ch] mapping/*.[ch] exporters/*.[ch] replay/*.[ch] sandbox/*.[ch] cli/*.[ch] | grep -vE "^($3)")
	if [ -z "$found" ]; then ok "$1 stays inside its fence"; else not_ok "$1 stays inside its fence" "$found"; fi
}
fence 'SQLite' 'sqlite3' 'replay/(spool|ledger)[a-z_]*\.[ch]|sandbox/|core/db\.c'
fence 'libcurl' 'curl/' 'replay/(wire[a-z_]*|fetch[a-z_]*)\.[ch]'
fence 'libzip, libdeflate, zlib and libarchive' 'zip\.h|zlib|libdeflate|archive' 'core/vault[a-z_]*\.[ch]'
# cli/rehearsal.c: the child that serves the sandbox watches for its parent's end.
fence 'threads' 'pthread' 'core/worker\.c|sandbox/|cli/rehearsal\.c'
fence 'yajl' 'yajl' 'core/json[a-z_]*\.c'
fence 'libfyaml' 'libfyaml' 'mapping/'
fence 'libopusfile' 'opus' 'replay/voice\.c'
fence 'libmicrohttpd' 'microhttpd' 'sandbox/'
fence 'libxml2' 'libxml' 'cli/report'
fence 'libunistring' 'uni(str|gbrk|width|norm|case|types|conv|ctype|name)' 'core/utf8|mapping/|importers/|exporters/|core/text|sandbox/'

found=$(grep -nE '\b(printf|puts|putchar|fputs|fwrite|perror)\(' importers/*.c mapping/*.c exporters/*.c replay/*.c 2>/dev/null | grep -vE '\b(snprintf|vsnprintf|fprintf)\(' | grep -vE 'o(->|\.)f\b')
if [ -z "$found" ]; then ok 'only cli prints'; else not_ok 'only cli prints' "$found"; fi
found=$(grep -nE '\b(strcpy|strcat|sprintf|strtok|gets|gmtime|localtime|asctime|ctime|tmpnam|system)\(' core/*.c importers/*.c mapping/*.c exporters/*.c replay/*.c sandbox/*.c 2>/dev/null)
if [ -z "$found" ]; then ok 'no banned function'; else not_ok 'no banned function' "$found"; fi
found=$(for f in core importers mapping exporters replay sandbox cli; do for c in "$f"/*.c; do h=${c%.c}.h; [ -f "$h" ] || continue; grep -qE '^#include "[a-z]+/[a-z_]*(_in|_priv|_int|_db)\.h"' "$c" && continue; first=$(grep -m1 '^#include' "$c"); [ "$first" = "#include \"$h\"" ] || echo "$c: $first"; done; done)
if [ -z "$found" ]; then ok 'each file includes its own header first'; else not_ok 'each file includes its own header first' "$found"; fi
printf '1..%d\n' "$n"
exit $((bad > 0))
