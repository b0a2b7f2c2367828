#!/bin/sh
# lint.sh: the slow readers: clang-tidy, cppcheck, gcc -fanalyzer, shellcheck. What is not installed is said and skipped.
set -u
cd "$(dirname "$0")/../.." || exit 1
bad=0
flags="-std=c11 -D_XOPEN_SOURCE=700 -I. -Ibuild/release -DMVCHAT_VERSION=__FILE__ -DMVCHAT_LOCALEDIR=__FILE__ $(pkg-config --cflags libzip libarchive jansson yajl libfyaml sqlite3 libcurl libxml-2.0 libpcre2-8 libmicrohttpd libxxhash nettle opusfile cmocka)"
src=$(ls core/*.c importers/*.c mapping/*.c exporters/*.c replay/*.c sandbox/*.c cli/*.c)
have() { command -v "$1" >/dev/null 2>&1 || { echo "lint: $1 is not installed: skipped"; return 1; }; }
if have clang-tidy; then
	# shellcheck disable=SC2086
	clang-tidy -quiet --warnings-as-errors='*' --checks='-*,bugprone-*,clang-analyzer-*,cert-err34-c,-bugprone-easily-swappable-parameters,-bugprone-reserved-identifier,-bugprone-assignment-in-if-condition,-bugprone-narrowing-conversions,-bugprone-implicit-widening-of-multiplication-result,-bugprone-branch-clone,-bugprone-suspicious-string-compare,-bugprone-suspicious-include,-bugprone-multi-level-implicit-pointer-conversion,-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling' $src -- $flags 2>/dev/null || bad=1
fi
if have cppcheck; then
	# shellcheck disable=SC2086
	cppcheck -q --std=c11 -D__GNUC__ --enable=warning,performance,portability --inline-suppr --error-exitcode=1 --suppress=missingIncludeSystem -I. $src || bad=1
fi
if have shellcheck; then
	# shellcheck disable=SC2046
	shellcheck -x -S warning -e SC1091,SC2034,SC2154 $(git ls-files '*.sh') .ci/run || bad=1
fi
if [ "${ANALYZER:-1}" = 1 ]; then
	for f in $src; do
		# shellcheck disable=SC2086
		gcc $flags -O1 -fanalyzer -Wno-analyzer-malloc-leak -Wno-analyzer-file-leak -Wno-analyzer-fd-leak -Werror -c -o /dev/null "$f" || bad=1
	done
fi
[ "$bad" = 0 ] && echo 'lint: clean'
exit $bad
