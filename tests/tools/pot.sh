#!/bin/sh
# pot.sh OUT: collects the strings for translation from the sources into a template.
set -eu
cd "$(dirname "$0")/../.."
# shellcheck disable=SC2046
xgettext --from-code=UTF-8 --language=C --keyword=_ --keyword=N_ --keyword=i18n_n:1,2 --keyword=COUNTED:1,2 --no-location --sort-output \
	--keyword=err_set:3 --keyword=err_hint:2 --keyword=err_wrap:2 --keyword=err_word --keyword=decide_note:2 --keyword=question:2 \
	--package-name=mvchat -o "$1" $(ls core/*.c importers/*.c mapping/*.c exporters/*.c replay/*.c sandbox/*.c cli/*.c cli/*.h 2>/dev/null)
