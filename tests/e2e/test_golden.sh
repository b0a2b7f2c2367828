#!/bin/sh
# Every point of the mapping as a user has it: a small project each under fixtures/mapping/points, with all that the program says about it as
# written down. MVCHAT_REGEN=1 writes the goldens anew; ONLY_POINT=part does only the folders whose names hold it.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual MVCHAT_LANG=en
tokens
points=$ROOT/fixtures/mapping/points
cp -R "$points/archive" "$T/archive"

# What differs from run to run, or says how fast rather than what.
plain() {
	sed -E -e "s#$T#…#g" -e 's#127\.0\.0\.1:[0-9]+#127.0.0.1:PORT#g' -e 's/^(To do: .* in about ).*/\1…/; s/^(  (requests|least time|time) +).*/\1…/' \
		-e 's/"digest":"[0-9a-f]+"/"digest":"…"/; s/"estimate":\{[^}]*\}/"estimate":{}/; s/"seconds":[0-9]+/"seconds":0/g; s/in about [^"]*"/in about …"/' \
		-e 's/mvchat: (warning|info): the time zone.*//'
}
lines() { sed -E 's/\},\{/},\n{/g; s/,("(rules|caught|losses|conversations|people|unresolved|notes|permissions|verdict|edits|estimate)":)/,\n\1/g'; }

say() { printf '%s\n' "$*" >>"$T/golden.txt"; }
# told COMMAND…: the command as a user types it, what it says, and how it ends where that is not "done"
told() {
	what=$1
	shift
	say "\$ mvchat $what"
	"$MVCHAT" "$@" -C "$p" >"$T/out" 2>"$T/err" </dev/null
	code=$?
	plain <"$T/out" >>"$T/golden.txt"
	plain <"$T/err" | grep -v '^$' >>"$T/golden.txt"
	[ "$code" -eq 0 ] || say "(exit $code)"
	say ''
}

step() {
	case "$1" in
	'' | '#') return ;;
	map) told map map --url "$URL" ;;
	check) told 'map --check' map --check ;;
	plan)
		shift
		told "plan${*:+ $*}" plan --url "$URL" "$@"
		"$MVCHAT" plan -C "$p" --url "$URL" --json "$@" 2>/dev/null | plain | lines >"$T/golden.json"
		;;
	apply) told 'apply --yes' apply --yes --url "$URL" ;;
	explain) told "map --explain $2" map --explain "$2" ;;
	users | channels)
		say "\$ cat $1.csv"
		cat "$p/$1.csv" >>"$T/golden.txt"
		say ''
		;;
	dump)
		say "\$ mvchat sandbox --dump"
		"$MVCHAT" sandbox --store "$STORE" --dump | sed -E 's/"(author|owner)":"import",?//; s/"files":\[\],|"reactions":\[\],?|"pinned":false|"tags":\[\]|"channel":false,//g; s/,+\}/}/' >>"$T/golden.txt"
		say ''
		;;
	use)
		say "\$ cp $2 ${3:-mvchat.yaml}"
		cp "$dir/$2" "$p/${3:-mvchat.yaml}"
		;;
	*) not_ok "$name: no such step: $1" ;;
	esac
}

for dir in "$points"/[0-9]*; do
	name=${dir##*/}
	case "$name" in *"${ONLY_POINT:-}"*) ;; *) continue ;; esac
	p=$T/$name
	cp -R "$dir" "$p"
	rm -f "$p/golden.txt" "$p/golden.json"
	rm -f "$T/golden.json"
	: >"$T/golden.txt"
	sandbox "$name"
	while read -r method path body; do
		case "$method" in '' | '#') continue ;; esac
		ctl -X "$method" -H 'Content-Type: application/json' -d "$body" "$PAGE/sandbox$path" >/dev/null || not_ok "$name: target: $path"
	done <<-END
		$(cat "$dir/target" 2>/dev/null)
	END
	while read -r word rest; do
		# shellcheck disable=SC2086
		step "$word" $rest
	done <"$dir/steps"
	if [ -n "${MVCHAT_REGEN:-}" ]; then
		cp "$T/golden.txt" "$dir/golden.txt"
		[ ! -f "$T/golden.json" ] || cp "$T/golden.json" "$dir/golden.json"
	fi
	same "$name: as written down" "$dir/golden.txt" "$T/golden.txt"
	[ ! -f "$T/golden.json" ] || same "$name: and as JSON" "$dir/golden.json" "$T/golden.json"
	sandbox_stop "$spid"
done
done_testing
