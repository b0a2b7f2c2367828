#!/bin/sh
# The Debian package: what is in it, that the same commit gives the same bytes, that what is in it runs from where it is unpacked.
# MVCHAT_DEBOOTSTRAP=1 also installs it in a fresh Debian (as root; downloads some 100 MB and takes minutes).
. tests/lib/tap.sh
if [ "${MODE:-release}" != release ] || ! command -v dpkg-deb >/dev/null 2>&1 || ! command -v dpkg-shlibdeps >/dev/null 2>&1; then
	skip 'the Debian package' 'dpkg-dev is missing, or this is not the release build'
	done_testing
fi
export BUILD="$ROOT/build/release"
expect 'the package is made' 0 sh packaging/deb.sh "$T/one"
deb=$(cat "$T/out")
sh packaging/deb.sh "$T/two" >/dev/null
same 'twice the same bytes' "$deb" "$T/two/$(basename "$deb")"
dpkg-deb --field "$deb" >"$T/control"
for lib in libcurl4 libsqlite3-0 libzip4 libmicrohttpd tzdata; do has "depends on $lib" "$T/control" "$lib"; done
dpkg-deb -x "$deb" "$T/root"
for f in usr/bin/mvchat usr/share/man/man1/mvchat.1.gz usr/share/man/man5/mvchat-ledger.5.gz usr/share/locale/ru/LC_MESSAGES/mvchat.mo \
	usr/share/bash-completion/completions/mvchat usr/share/zsh/vendor-completions/_mvchat usr/share/fish/vendor_completions.d/mvchat.fish \
	usr/share/doc/mvchat/copyright usr/share/doc/mvchat/changelog.gz usr/share/doc/mvchat/README.md; do
	if [ -s "$T/root/$f" ]; then ok "has $f"; else not_ok "has $f"; fi
done
for f in "$T/root/usr/share/doc/mvchat"/*.md; do
	grep -oE '\]\([A-Za-z0-9_./:-]+' "$f" | sed 's/^](//' | grep -vE '^(https?|mailto):' | while read -r link; do [ -e "$(dirname "$f")/$link" ] || echo "$(basename "$f"): $link"; done
done >"$T/links"
eq 'its guides lead to what is in it' "$(cat "$T/links")" ''
eq 'nothing is writable for others' "$(find "$T/root" -type f -perm /022 | head -1)" ''
if grep -qF "$ROOT" "$T/root/usr/bin/mvchat"; then not_ok 'no path of the machine it was built on'; else ok 'no path of the machine it was built on'; fi
expect 'it runs' 0 "$T/root/usr/bin/mvchat" --version
run "$T/root/usr/bin/mvchat" help --lang ru
has 'and finds its Russian' "$T/out" 'переносит'
demo_zip "$T/export.zip"
expect 'and moves' 0 "$T/root/usr/bin/mvchat" move "$T/export.zip" --to sandbox --yes -q -C "$T/p"
# The tarball runs from where it is unpacked.
expect 'the tarball is made' 0 make -s tarball
tar xzf "$(tail -n 1 "$T/out")" -C "$T"
unpacked=$(find "$T" -mindepth 1 -maxdepth 1 -name 'mvchat-*' -type d | head -n 1)
run "$unpacked/bin/mvchat" help --lang ru
has 'it finds its Russian beside itself' "$T/out" 'переносит'
has 'and says what it needs' "$unpacked/INSTALL.txt" 'libcurl.so'
hasnt 'no more than it must' "$unpacked/INSTALL.txt" 'libsqlite3'
expect 'and moves' 0 "$unpacked/bin/mvchat" move "$T/export.zip" --to sandbox --yes -q -C "$T/p2"
if command -v lintian >/dev/null 2>&1; then
	expect 'lintian finds no error' 0 lintian --allow-root --fail-on error "$deb"
else
	skip 'lintian finds no error' 'lintian is not installed'
fi
if [ -n "${MVCHAT_DEBOOTSTRAP:-}" ] && [ "$(id -u)" -eq 0 ] && command -v debootstrap >/dev/null 2>&1; then
	expect 'a fresh Debian' 0 debootstrap --variant=minbase "${MVCHAT_SUITE:-bookworm}" "$T/debian"
	cp "$deb" "$T/export.zip" "$T/debian/root/"
	expect 'takes the package with what it depends on' 0 chroot "$T/debian" apt-get install -y -q --no-install-recommends "/root/$(basename "$deb")"
	expect 'and moves' 0 chroot "$T/debian" mvchat move /root/export.zip --to sandbox --yes -q -C /root/p
	expect 'and gives it back' 0 chroot "$T/debian" apt-get remove -y -q mvchat
else
	skip 'installed in a fresh Debian' 'MVCHAT_DEBOOTSTRAP=1 as root, with debootstrap and a network'
fi
done_testing
