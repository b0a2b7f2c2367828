#!/bin/sh
# deb.sh [OUTPUT-FOLDER]: a Debian package of build/release/mvchat; prints its name. Called by `make deb`.
# Dependencies come from the libraries the program is linked with. The same commit gives the same bytes.
# Environment: BUILD (build/release), DEBFULLNAME and DEBEMAIL (maintainer).
set -eu
cd "$(dirname "$0")/.."
for tool in dpkg-deb dpkg-shlibdeps strip gzip; do
	command -v $tool >/dev/null 2>&1 || { echo "deb: $tool is missing (apt install dpkg-dev binutils)" >&2; exit 1; }
done
out=${1:-build}
build=${BUILD:-build/release}
version=$("$build/mvchat" --version | sed 's/^mvchat //')
arch=$(dpkg --print-architecture)
commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH
maintainer="${DEBFULLNAME:-mvchat maintainers} <${DEBEMAIL:-mvchat@example.org}>"
umask 022
W=$(mktemp -d)
trap 'rm -rf "$W"' EXIT
root=$W/root doc=$W/root/usr/share/doc/mvchat
mkdir -p "$root/DEBIAN" "$W/debian" "$out"
chmod 755 "$root"
BUILD=$build DESTDIR=$root PREFIX=/usr sh packaging/install.sh
strip --strip-unneeded --remove-section=.comment --remove-section=.note "$root/usr/bin/mvchat"
find "$root/usr/share/man" -type f -exec gzip -9n {} +
# Debian's zsh looks in vendor-completions, not in site-functions.
mkdir -p "$root/usr/share/zsh/vendor-completions"
mv "$root/usr/share/zsh/site-functions/_mvchat" "$root/usr/share/zsh/vendor-completions/"
rmdir "$root/usr/share/zsh/site-functions"

{
	echo 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/'
	printf 'Upstream-Name: mvchat\n\nFiles: *\nCopyright: %s the mvchat authors\n' "$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y)"
	if [ -f LICENSE ]; then
		echo 'License: mvchat'
		sed 's/^$/./; s/^/ /' LICENSE
	else
		printf 'License: unstated\n The source tree this package was built from holds no licence: ask its authors before you pass it on.\n'
	fi
	printf 'Comment: built from commit %s. Nothing of other projects is copied in; libraries are linked dynamically.\n' "$commit"
} >"$doc/copyright"
printf 'mvchat (%s) unstable; urgency=medium\n\n  * Built from commit %s.\n\n -- %s  %s\n' "$version" "$commit" "$maintainer" \
	"$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")" | gzip -9n >"$doc/changelog.gz"

printf 'Source: mvchat\nMaintainer: %s\n\nPackage: mvchat\nArchitecture: any\n' "$maintainer" >"$W/debian/control"
depends=$(cd "$W" && dpkg-shlibdeps -O root/usr/bin/mvchat 2>"$W/shlibs.log" | sed -n 's/^shlibs:Depends=//p')
[ -n "$depends" ] || { echo 'deb: dpkg-shlibdeps found no dependencies' >&2; cat "$W/shlibs.log" >&2; exit 1; }
cat >"$root/DEBIAN/control" <<END
Package: mvchat
Version: $version
Architecture: $arch
Maintainer: $maintainer
Installed-Size: $(du -k -s --apparent-size "$root/usr" | cut -f1)
Depends: $depends, tzdata
Section: net
Priority: optional
Description: move a company's chats from one messenger to another
 mvchat reads export archives (Slack), maps people, channels and threads
 through files people can read, and replays everything into the target's
 API (Pachca) in idempotent batches: nothing lost in silence, nothing sent
 twice, a dry run first, and a local sandbox for the rehearsal.
END
(cd "$root" && find usr -type f -exec md5sum {} + | LC_ALL=C sort -k2) >"$root/DEBIAN/md5sums"
chmod 644 "$root/DEBIAN/control" "$root/DEBIAN/md5sums"
find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
deb=$out/mvchat_${version}_$arch.deb
dpkg-deb --root-owner-group -Zxz --build "$root" "$deb" >/dev/null
echo "$deb"
