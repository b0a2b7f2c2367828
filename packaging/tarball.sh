#!/bin/sh
# tarball.sh [OUTPUT-FOLDER]: mvchat-VERSION-ARCH.tar.gz, to be unpacked anywhere and run from there; prints its name.
# Called by `make tarball`. As much as can be is linked in (libraries of which the system has an archive and that need nothing
# else; libfyaml.a holds a hash library of its own that clashes with ours); what stays dynamic is named in the tarball's INSTALL.txt with the packages it comes from. The same commit gives the same
# bytes. Environment: BUILD (build/release), LIBS (the linker's -l flags), CC.
set -eu
cd "$(dirname "$0")/.."
out=${1:-build} build=${BUILD:-build/release} cc=${CC:-cc}
version=$("$build/mvchat" --version | sed 's/^mvchat //')
name=mvchat-$version-$(uname -m)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
umask 022
W=$(mktemp -d)
trap 'rm -rf "$W"' EXIT
libs=
for flag in $LIBS; do
	case $flag in
	-ldeflate | -lz | -ljansson | -lsqlite3 | -lpcre2-8 | -lxxhash | -lnettle | -lcsv | -lunistring | -lyajl)
		file=$("$cc" -print-file-name="lib${flag#-l}.a")
		case $file in /*) flag=$file ;; esac ;;
	esac
	libs="$libs $flag"
done
mkdir -p "$W/$name" "$out"
# shellcheck disable=SC2086
"$cc" -O2 -o "$W/mvchat" "$build/cli/main.o" "$build/libmvchat.a" $libs -lm -lpthread -Wl,--as-needed -Wl,-z,relro,-z,now -pie
strip --strip-unneeded "$W/mvchat"
mkdir -p "$W/build/locale/ru/LC_MESSAGES"
cp "$W/mvchat" "$W/build/mvchat"
cp "$build/locale/ru/LC_MESSAGES/mvchat.mo" "$W/build/locale/ru/LC_MESSAGES/"
BUILD=$W/build DESTDIR=$W/$name PREFIX=/ sh packaging/install.sh
{
	printf 'mvchat %s\n\nUnpack it anywhere and run bin/mvchat; it finds its Russian texts in share/ beside it.\n' "$version"
	printf 'Распакуйте куда угодно и запускайте bin/mvchat; русские тексты он найдёт рядом, в share/.\n\nIt needs from the system:\n'

	objdump -p "$W/mvchat" | awk '/NEEDED/ {print "  " $2}' | sort
	if command -v dpkg-query >/dev/null 2>&1; then
		printf '\nOn this Debian they come from:\n'
		objdump -p "$W/mvchat" | awk '/NEEDED/ {print $2}' | while read -r so; do
			ldd "$W/mvchat" | awk -v so="$so" '$1 == so {print $3}' | xargs -r readlink -f
		done | while read -r f; do dpkg-query -S "$f" "${f#/usr}" 2>/dev/null | head -n 1 | cut -d: -f1; done | sort -u | sed 's/^/  /'
	fi
} >"$W/$name/INSTALL.txt"
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -C "$W" -cf - "$name" | gzip -9n >"$out/$name.tar.gz"
echo "$out/$name.tar.gz"
