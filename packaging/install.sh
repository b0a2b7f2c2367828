#!/bin/sh
# install.sh: puts a built mvchat under $DESTDIR$PREFIX: program, Russian texts, man pages, completions, documents.
# Called by `make install` and by packaging/deb.sh. Environment: BUILD (build/release), PREFIX (/usr/local), DESTDIR.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build/release} to=${DESTDIR:-}${PREFIX:-/usr/local}
bin=$build/mvchat mo=$build/locale/ru/LC_MESSAGES/mvchat.mo
[ -x "$bin" ] && [ -f "$mo" ] || { echo "install: $bin or $mo is not built" >&2; exit 1; }
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
put() { install -d -m 755 "$to/$(dirname "$2")" && install -m "${3:-644}" "$1" "$to/$2"; }
put "$bin" bin/mvchat 755
put "$mo" share/locale/ru/LC_MESSAGES/mvchat.mo
for f in docs/*.1; do put "$f" "share/man/man1/$(basename "$f")"; done
for f in docs/*.5; do put "$f" "share/man/man5/$(basename "$f")"; done
"$bin" help --completion bash >"$T/bash"
"$bin" help --completion zsh >"$T/zsh"
"$bin" help --completion fish >"$T/fish"
put "$T/bash" share/bash-completion/completions/mvchat
put "$T/zsh" share/zsh/site-functions/_mvchat
put "$T/fish" share/fish/vendor_completions.d/mvchat.fish
# A guide with its links as they lead from there. Pictures, and the sections that show them, stay in the source tree.
guide() {
	awk 'function out() { if (text !~ /!\[/) printf "%s", text; text = "" } /^## / { out() } { text = text $0 "\n" } END { out() }' "$1" |
		sed -e 's#\[docs/#[#g; s#](docs/#](#g' -e 's#\[\([^]]*\)\](mvchat-[a-z]*\.5)#\1#g' -e 's#\[CONTRIBUTING\.md\](CONTRIBUTING\.md)#CONTRIBUTING.md#' >"$T/guide"
	put "$T/guide" "share/doc/mvchat/${1#docs/}"
}
for f in README.md README.ru.md docs/*.md; do guide "$f"; done
for f in docs/*.json docs/ci/*; do put "$f" "share/doc/mvchat/${f#docs/}"; done
