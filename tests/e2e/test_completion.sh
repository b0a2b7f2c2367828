#!/bin/sh
# Completions: the scripts are sound, and bash's offers what the option tables have.
. tests/lib/tap.sh
for shell in bash zsh fish; do
	expect "made for $shell" 0 "$MVCHAT" help --completion $shell
	cp "$T/out" "$T/c.$shell"
	run "$MVCHAT" help --completion $shell --lang ru
	same 'in the same words whatever the language' "$T/out" "$T/c.$shell"
done
expect 'no other shell' 2 "$MVCHAT" help --completion tcsh
for shell in bash zsh fish; do
	if command -v $shell >/dev/null 2>&1; then
		expect "$shell reads it" 0 $shell -n "$T/c.$shell"
	else
		skip "$shell reads it" "$shell is not installed"
	fi
done
if ! command -v bash >/dev/null 2>&1; then
	skip 'bash completes' 'bash is not installed'
	done_testing
fi
cat >"$T/try.bash" <<'END'
compopt() { :; }
. "$1"
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_mvchat
printf '%s\n' "${COMPREPLY[@]}"
END
# offers NAME WANTED WORDS…: the last word is the one being typed
offers() {
	oname=$1 wanted=$2
	shift 2
	run bash "$T/try.bash" "$T/c.bash" "$@"
	eq "$oname" "$(tr '\n' ' ' <"$T/out" | sed 's/ *$//')" "$wanted"
}
: >"$T/export.zip"
offers 'commands' 'map' mvchat ma
offers 'commands after help' 'move' mvchat help mo
offers 'options of a command' '--to --timeout' mvchat move --t
offers 'common ones too' '--lang --log-format' mvchat status --l
offers 'where to' 'pachca sandbox' mvchat move --to ''
offers 'a policy' 'create create-suspended' mvchat map --unmatched c
offers 'languages' 'ru' mvchat plan --lang r
offers 'archives' "$T/export.zip" mvchat move "$T/exp"
offers 'folders' "$T" mvchat plan -C "$T"
offers 'nothing where a number is wanted' '' mvchat apply --max-ops ''
# Nothing of the tables is left out.
lost=
for c in $("$MVCHAT" help --completion bash | sed -n "s/.*compgen -W '\(.*\) help --version.*/\1/p"); do
	for o in $("$MVCHAT" help "$c" | grep -oE '^ .{3,5}--[a-z-]+' | grep -oE -- '--[a-z-]+'); do
		for f in bash zsh; do grep -qF -- "$o" "$T/c.$f" || lost="$lost $f:$c$o"; done
		grep -qF -- "-l ${o#--}" "$T/c.fish" || lost="$lost fish:$c$o"
	done
done
eq 'every option is in every script' "$lost" ''
done_testing
