#!/bin/sh
# embed.sh FILE: prints a C header with the bytes of FILE as `static const unsigned char embed_NAME[]` and its length
# `embed_NAME_len` (without the final NUL that is always added); NAME is the file name with non-alphanumerics as '_'.
set -eu
name=$(basename "$1" | tr -c 'A-Za-z0-9\n' '_')
printf '/* made from %s; do not edit */\n' "$1"
printf 'static const unsigned char embed_%s[] = {\n' "$name"
od -An -v -tu1 "$1" | sed 's/[0-9][0-9]*/&,/g'
printf '0 };\nenum { embed_%s_len = sizeof(embed_%s) - 1 };\n' "$name" "$name"
