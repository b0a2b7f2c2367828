#!/bin/sh
# pot.sh OUT: collects the strings for translation from the sources into a template.
set -eu
cd "$(dirname "$0")/../.."
# shellcheck disable=SC2046
xgettext --from-code=UTF-8 --language=C --keyword=_ --keyword=N_ --keyword=i18n_n:1,2 --no-location --sort-output \
	--package-name=mvchat -o "$1" $(ls cli/*.c cli/*.h exporters/loss.c 2>/dev/null)
# The mapping's own sentences: the functions that take them translate their formats.
xgettext --from-code=UTF-8 --language=C --keyword --keyword=N_ --keyword=tr --keyword=err_set:3 --keyword=err_hint:2 --keyword=note:2 --keyword=question:2 \
	--join-existing --no-location --sort-output -o "$1" mapping/*.c
