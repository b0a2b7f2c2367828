#!/bin/sh
# deps.sh: installs what is missing to build and test mvchat. Says what it does; uses sudo only when not root.
# Debian and its relatives (apt), Fedora and its relatives (dnf), macOS (brew). With --check it only tells (exit 1 = missing).
set -eu
missing=
need_cmd() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
need_lib() { { command -v pkg-config >/dev/null 2>&1 && pkg-config --exists "$1" 2>/dev/null; } || missing="$missing $2"; }
need_header() { [ -e "/usr/include/$1" ] || [ -e "/opt/homebrew/include/$1" ] || missing="$missing $2"; }

if command -v apt-get >/dev/null 2>&1; then mgr=apt
elif command -v dnf >/dev/null 2>&1; then mgr=dnf
elif command -v brew >/dev/null 2>&1; then mgr=brew
else mgr=none; fi
pick() { case $mgr in apt | none) echo "$1" ;; dnf) echo "$2" ;; brew) echo "$3" ;; esac; }

need_cmd cc "$(pick gcc gcc gcc)"
[ -e /usr/include/stdio.h ] || [ "$mgr" = brew ] || missing="$missing $(pick libc6-dev glibc-devel '')"
need_cmd make "$(pick make make make)"
need_cmd ar "$(pick binutils binutils binutils)"
need_cmd pkg-config "$(pick pkg-config pkgconf-pkg-config pkg-config)"
need_cmd msgfmt "$(pick gettext gettext gettext)"
need_cmd zip "$(pick zip zip zip)"
need_cmd curl "$(pick curl curl curl)"
need_lib libzip "$(pick libzip-dev libzip-devel libzip)"
need_lib libdeflate "$(pick libdeflate-dev libdeflate-devel libdeflate)"
need_lib zlib "$(pick zlib1g-dev zlib-devel zlib)"
need_lib libarchive "$(pick libarchive-dev libarchive-devel libarchive)"
need_lib jansson "$(pick libjansson-dev jansson-devel jansson)"
need_lib yajl "$(pick libyajl-dev yajl-devel yajl)"
need_lib libfyaml "$(pick libfyaml-dev libfyaml-devel libfyaml)"
need_lib sqlite3 "$(pick libsqlite3-dev sqlite-devel sqlite)"
need_lib libcurl "$(pick libcurl4-openssl-dev libcurl-devel curl)"
need_lib libxml-2.0 "$(pick libxml2-dev libxml2-devel libxml2)"
need_lib libpcre2-8 "$(pick libpcre2-dev pcre2-devel pcre2)"
need_lib libmicrohttpd "$(pick libmicrohttpd-dev libmicrohttpd-devel libmicrohttpd)"
need_lib libxxhash "$(pick libxxhash-dev xxhash-devel xxhash)"
need_lib nettle "$(pick nettle-dev nettle-devel nettle)"
need_lib opusfile "$(pick libopusfile-dev opusfile-devel opusfile)"
need_lib cmocka "$(pick libcmocka-dev libcmocka-devel cmocka)"
need_header csv.h "$(pick libcsv-dev libcsv-devel libcsv)"
need_header unistr.h "$(pick libunistring-dev libunistring-devel libunistring)"
[ -e /usr/share/zoneinfo/Europe/Moscow ] || [ "$mgr" = brew ] || missing="$missing $(pick tzdata tzdata '')"
# The contract check needs Node.js, and only where the vendor's specification is at hand.
if [ -n "${MVCHAT_OPENAPI:-}" ] || [ -f ../shared/pachca/openapi.en.yaml ]; then
	command -v node >/dev/null 2>&1 || missing="$missing $(pick nodejs nodejs node)"
	command -v npm >/dev/null 2>&1 || missing="$missing $(pick npm npm '')"
fi
# MVCHAT_FULL=1: also what checks the pages in a browser and the completions in their shells. Without them those say "skipped".
if [ -n "${MVCHAT_FULL:-}" ] && [ "$mgr" = apt ] && [ "${1:-}" != --check ]; then
	large=
	command -v chromium >/dev/null 2>&1 || large="$large chromium fonts-noto-color-emoji"
	command -v node >/dev/null 2>&1 || large="$large nodejs"
	command -v npm >/dev/null 2>&1 || large="$large npm"
	for shell in zsh fish; do command -v $shell >/dev/null 2>&1 || large="$large $shell"; done
	if [ -n "$large" ]; then
		as=
		[ "$(id -u)" -eq 0 ] || as=sudo
		echo "deps: installing with apt:$large" >&2
		# shellcheck disable=SC2086
		{ $as apt-get update -q && DEBIAN_FRONTEND=noninteractive $as apt-get install -y -q --no-install-recommends $large; } >/dev/null ||
			echo 'deps: these could not be installed; what needs them is skipped' >&2
	fi
fi
if [ -z "$missing" ]; then exit 0; fi
if [ "${1:-}" = --check ]; then echo "missing:$missing" >&2; exit 1; fi
if [ "$mgr" = none ]; then
	echo "deps: install these (or what your system calls them):$missing" >&2
	exit 1
fi
sudo=
if [ "$mgr" != brew ] && [ "$(id -u)" -ne 0 ]; then sudo=sudo; fi
echo "deps: installing with $mgr:$missing" >&2
case $mgr in
apt)
	$sudo apt-get update -q >/dev/null
	# shellcheck disable=SC2086
	DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q --no-install-recommends $missing >/dev/null
	;;
dnf)
	# shellcheck disable=SC2086
	$sudo dnf install -y -q $missing ;;
brew)
	# shellcheck disable=SC2086
	brew install -q $missing ;;
esac
exec sh "$0" --check
