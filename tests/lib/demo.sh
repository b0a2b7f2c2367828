# demo.sh: what `make demo` and `make demo-whatsapp` share: a folder, a sandbox on a free port, commands that are shown before they run.
# Set dir before reading this.
MVCHAT=$PWD/build/release/mvchat
rm -rf "$dir"
mkdir -p "$dir/project"
sandbox=
stop() { if [ -n "$sandbox" ]; then kill "$sandbox" 2>/dev/null || true; wait "$sandbox" 2>/dev/null || true; sandbox=; fi; }
trap stop EXIT
trap 'exit 130' INT TERM
show() { printf '\n$ %s\n' "$*"; }
mv_run() { show mvchat "$@"; "$MVCHAT" "$@"; }

# Leaves the port in $port. The clock is virtual: the sandbox enforces the vendor's limits, and nobody has to sit them out.
sandbox_start() {
	show mvchat sandbox --store "$dir/sandbox.db" '&'
	"$MVCHAT" sandbox -q --store "$dir/sandbox.db" --port-file "$dir/port" --log "$dir/requests.jsonl" &
	sandbox=$!
	i=0
	while [ ! -s "$dir/port" ]; do
		i=$((i + 1))
		[ "$i" -lt 500 ] || { echo 'the sandbox did not start' >&2; exit 1; }
		sleep 0.02
	done
	port=$(cat "$dir/port")
	export PACHCA_ADMIN_TOKEN=sandbox-admin-token PACHCA_BOT_TOKEN=sandbox-bot-token MVCHAT_CLOCK=virtual
}

# Applies again; leaves the number of writes, which is to be 0, in $writes.
apply_again() {
	printf '\n# once more: nothing is sent twice\n'
	show mvchat apply -C "$dir/project" --yes
	"$MVCHAT" apply -C "$dir/project" --yes --json >"$dir/second.json"
	writes=$(grep -oE '"writes":[0-9]+' "$dir/second.json" | head -1 | grep -oE '[0-9]+$')
}

# MVCHAT_DEMO_KEEP=1 leaves the sandbox running so that the chats can be looked at in a browser.
look() {
	if [ -n "${MVCHAT_DEMO_KEEP:-}" ]; then
		echo "Look at the chats: http://127.0.0.1:$port/ (Ctrl-C ends the sandbox)"
		wait "$sandbox"
	else
		echo "Look at the chats, and at where each message came from: build/release/mvchat sandbox -C $dir/project --store $dir/sandbox.db --port $port"
	fi
}
