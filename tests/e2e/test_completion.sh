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
# Topics: each is listed, says something in both languages, and an unknown one is refused.
run "$MVCHAT" help
topics=$(sed -n '/help TOPIC/,$p' "$T/out" | grep -oE '^  [a-z-]+' | tr -d ' ')
eq 'topics are listed' "$(printf '%s\n' "$topics" | wc -l | tr -d ' ')" 8
for topic in $topics; do
	expect "help $topic" 0 "$MVCHAT" help "$topic"
	cp "$T/out" "$T/en"
	expect "help $topic, in Russian" 0 env MVCHAT_LANG=ru "$MVCHAT" help "$topic"
	if [ "$(wc -l <"$T/en")" -ge 4 ] && ! cmp -s "$T/en" "$T/out" && LC_ALL=C grep -q "$(printf '[\320\321]')" "$T/out"; then
		ok "help $topic says something"
	else
		not_ok "help $topic says something" "$T/out"
	fi
done
expect 'no such topic' 2 "$MVCHAT" help nonsense
# fish says itself what it would offer.
if command -v fish >/dev/null 2>&1; then
	fish_offers() { eq "fish: $1" "$(fish --no-config -c "source '$T/c.fish'; complete -C'$3'" | cut -f1 | sort | tr '\n' ' ' | sed 's/ *$//')" "$2"; }
	fish_offers 'commands' 'map' 'mvchat ma'
	fish_offers 'options of a command' '--timeout --to' 'mvchat move --t'
	fish_offers 'where to' 'pachca sandbox' 'mvchat move --to '
	fish_offers 'a policy' 'create create-suspended' 'mvchat map --unmatched c'
else
	skip 'fish completes' 'fish is not installed'
fi
# zsh completes only for a terminal: it gets one, and the tabulator is pressed.
if command -v zsh >/dev/null 2>&1 && zsh -f -c 'zmodload zsh/zpty' 2>/dev/null; then
	mkdir "$T/zsh"
	cp "$T/c.zsh" "$T/zsh/_mvchat"
	cat >"$T/try.zsh" <<'END'
zmodload zsh/zpty
zpty z 'TERM=dumb zsh -f -i'
zpty -w z "fpath=($1 \$fpath); cd $1"
zpty -w z 'PS1=; PROMPT_EOL_MARK=; zstyle ":completion:*" insert-tab false; autoload -Uz compinit; compinit -u -D; unsetopt beep; setopt no_list_beep; LISTMAX=0'
zpty -w z 'print READY'
typeset out
zpty -r -m z out '*READY*READY*'
zpty -w -n z "$2"$'\t'
zpty -r -m z out "*$3*"
print -r -- "$out"
zpty -d z
END
	zsh_makes() {
		run timeout 30 zsh -f "$T/try.zsh" "$T/zsh" "$2" "$3"
		if grep -qaF "$3" "$T/out"; then ok "zsh: $1"; else not_ok "zsh: $1" "$T/out"; fi
	}
	zsh_makes 'a command' 'mvchat rep' 'mvchat report '
	zsh_makes 'an option' 'mvchat move --ti' 'mvchat move --timeout'
	zsh_makes 'where to' 'mvchat move --to p' 'mvchat move --to pachca'
	zsh_makes 'a language' 'mvchat plan --lang r' 'mvchat plan --lang ru'
else
	skip 'zsh completes' 'zsh is not installed'
fi
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
