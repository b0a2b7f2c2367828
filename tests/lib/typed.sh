# typed.sh: commands of a document, line by line in one shell, as a reader would type them. Read after tap.sh.
export MVCHAT_CLOCK=virtual
mkdir "$T/bin"
ln -s "$MVCHAT" "$T/bin/mvchat"
PATH=$T/bin:$PATH

# lines NAME FILE FOLDER: runs FILE's lines inside FOLDER. Leaves the pid of what went into the background (a rehearsal target, on
# $port) in $pid, and calls after LINE, where it is defined, behind each command that is not in the background; its output is in $T/out.
lines() {
	cd "$3" || exit 1
	while IFS= read -r line <&3; do
		case $line in
		'' | '#'*) continue ;;
		*'&')
			eval "$line" >"$T/background" 2>&1
			pid=$! sandboxes=$! i=0
			until curl -s -m 2 -o "$T/stats" "http://127.0.0.1:$port/sandbox/stats"; do
				i=$((i + 1))
				if [ $i -gt 500 ] || ! kill -0 "$pid" 2>/dev/null; then break; fi
				sleep 0.02
			done
			if [ -s "$T/stats" ]; then ok "$1: $line"; else not_ok "$1: $line" "$T/background"; fi
			;;
		*)
			eval "$line" >"$T/out" 2>"$T/err" </dev/null
			code=$?
			if [ $code -eq 0 ]; then ok "$1: $line"; else not_ok "$1: $line (exit $code)" "$T/out" "$T/err"; fi
			after "$line"
			;;
		esac
	done 3<"$2"
	cd "$ROOT" || exit 1
}

# typed NAME FILE FOLDER: the same, with a port that is free (left in $port) instead of 18080, which may be taken.
typed() {
	sandbox free
	sandbox_stop "$spid"
	port=$PORT pid=
	sandboxes=
	sed -i "s/18080/$port/g" "$2"
	lines "$@"
}
