#!/bin/sh
# mutants.sh: takes one guard away at a time and sees which test notices. A guard whose removal no test notices is either not
# needed or not tested: then this fails.
#
#   sh tests/tools/mutants.sh [PART OF A NAME]     from the top folder, after `make everything`; -l lists, -k keeps the copy,
#                                                  -f says which edits do not fit the tree any more, and builds nothing
#   TESTS=chaos sh tests/tools/mutants.sh settle   would these tests alone notice?
#
# Works in a copy of the tree (build/mutants/tree), whose objects are built on. Every edit is a literal text that must stand in
# its file exactly once, or the script fails: it must not rot. Each mutant names the tests that should notice, the quickest
# first; the first that fails ends it. Prints a Markdown table; build/mutants/NAME.log holds what the failing test said.
set -u
only='' list='' keep='' fit='' unfit=0
for a; do
	case $a in
	-l) list=1 ;;
	-k) keep=1 ;;
	-f) fit=1 ;;
	*) only=$a ;;
	esac
done
top=$(pwd)
[ -f replay/lane.c ] && [ -f Makefile ] || { echo 'mutants: run me from the top folder' >&2; exit 2; }
out=$top/build/mutants tree=$top/build/mutants/tree
jobs=$(nproc 2>/dev/null || echo 2)
edited='' name='' survived=0 tried=0

die() { printf 'mutants: %s\n' "$*" >&2; exit 2; }

prepare() {
	rm -rf "$tree"
	mkdir -p "$tree/build" || exit 2
	tar -cf - --exclude=./build --exclude=./.git . | tar -xf - -C "$tree" || exit 2
	[ -d build/release ] && cp -a build/release "$tree/build/release" # with its times: only what changes is built
	cd "$tree" || exit 2
	make -s -j"$jobs" everything >"$out/build.log" 2>&1 || die "the unchanged tree does not build: $out/build.log"
}

# begin NAME: a new mutant. True when it was asked for.
begin() {
	name=$1 edited=''
	if [ -n "$list" ]; then printf '%s\n' "$name"; return 1; fi
	case $name in *"$only"*) return 0 ;; *) return 1 ;; esac
}

# edit FILE OLD NEW: OLD must stand in FILE exactly once.
edit() {
	if [ -n "$fit" ]; then
		OLD=$2 perl -0777 -ne '$n = () = /\Q$ENV{OLD}\E/g; exit($n != 1)' "$1" || { printf "%s: does not fit %s\n" "$name" "$1"; unfit=1; }
		return
	fi
	case " $edited " in *" $1 "*) ;; *) cp -p "$1" "$1.before" && edited="$edited $1" ;; esac
	OLD=$2 NEW=$3 perl -0777 -i -pe '$n = () = /\Q$ENV{OLD}\E/g; $n == 1 or die "found $n times: $ENV{OLD}\n"; s/\Q$ENV{OLD}\E/$ENV{NEW}/' "$1" 2>"$out/edit.err" &&
		[ ! -s "$out/edit.err" ] || { cat "$out/edit.err" >&2; die "'$name' no longer fits $1"; }
}

restore() {
	for f in $edited; do
		mv "$f.before" "$f"
		touch "$f"
	done
	edited=
}

one_test() {
	case $1 in
	unit/*) MVCHAT_CLOCK_HANG_MS=1500 timeout 150 "build/release/unit/test_${1#unit/}" ;;
	chaos) timeout 400 build/release/tools/chaos --short ;;
	storm) timeout 400 build/release/tools/storm --file tests/chaos/regressions ;;
	e2e/*) MVCHAT_CLOCK_HANG_MS=1500 timeout 200 sh "tests/e2e/test_${1#e2e/}.sh" ;;
	*) die "no test called $1" ;;
	esac
}

targets() {
	for t; do
		case $t in
		unit/*) printf ' build/release/unit/test_%s' "${t#unit/}" ;;
		chaos) printf ' build/release/mvchat build/release/tools/chaos' ;;
		storm) printf ' build/release/mvchat build/release/tools/storm build/release/tools/netfail.so' ;;
		e2e/*) printf ' build/release/mvchat' ;;
		esac
	done
}

# tests TEST...: builds the mutant and runs these until one fails.
tests() {
	[ -z "$fit" ] || return 0
	tried=$((tried + 1))
	log=$out/$(printf '%s' "$name" | tr -c 'a-zA-Z0-9\n' _).log
	killer=
	# shellcheck disable=SC2086
	[ -n "${TESTS:-}" ] && set -- $TESTS
	for t; do
		# shellcheck disable=SC2046
		make -s -j"$jobs" CFLAGS=-Wno-error $(targets "$t") >"$log" 2>&1 || {
			tail -5 "$log" >&2
			printf '| %s | **it does not build** | |\n' "$name"
			survived=$((survived + 1))
			restore
			return
		}
		one_test "$t" >"$log" 2>&1 </dev/null
		code=$?
		if [ $code -ne 0 ]; then
			killer=$t
			[ $code -eq 124 ] && killer="$t (it hangs)"
			break
		fi
	done
	if [ -n "$killer" ]; then
		what=$(grep -oE '^(not ok.*|\[  FAILED  \] [a-z_]+$)' "$log" | head -1)
		[ -n "$what" ] || what=$(grep -oE '^\[ RUN  .*' "$log" | tail -1) # it died there
		what=$(printf '%s' "$what" | sed -E 's/^(not ok [0-9]+ - |\[[A-Z ]*\] )//' | cut -c1-70 | tr '|' '/')
		printf '| %s | %s | %s |\n' "$name" "$killer" "$what"
	else
		printf '| %s | **none: it survives** | |\n' "$name"
		survived=$((survived + 1))
	fi
	restore
}

baseline() {
	for t in unit/lane_model unit/engine unit/wire unit/wire_files unit/ledger unit/ledger_copies unit/durable unit/stream unit/stream_edits unit/plan unit/log unit/pachca e2e/main e2e/errors e2e/humans chaos storm; do
		one_test "$t" >"$out/baseline.log" 2>&1 </dev/null || die "$t fails without any change: $out/baseline.log"
	done
}

if [ -z "$list$fit" ]; then
	mkdir -p "$out"
	prepare
	[ -n "$only" ] || baseline
	printf '| guard removed | first test that fails | what it says |\n| --- | --- | --- |\n'
fi

# ---- the protocol ----

if begin 'write-ahead: the request leaves before its intent is durable'; then
	edit replay/engine.c '	if (!x->wrote)
		return true; /* names at most: they can wait */' '	if (!x->wrote || x->wrote == WROTE_INTENT)
		return true;'
	tests unit/engine chaos
fi
if begin 'write-ahead: sent although the commit failed'; then
	edit replay/engine.c '		if (!commit(x))
			return false;
		send_batch(x);' '		bool kept = commit(x);
		send_batch(x);
		if (!kept) {
			wait(x);
			return false;
		}'
	tests unit/engine chaos
fi
if begin 'write-ahead: no intent asked for (lane)'; then
	edit replay/lane.c '		return go(l, LANE_WRITING, LANE_DO_INTENT);' '		return go(l, LANE_FLYING, LANE_DO_SEND);'
	tests unit/lane unit/lane_model
fi
if begin 'settle: no wait before looking'; then
	edit replay/engine.c 'x->s->traits.settle_s) * SECOND_US;' 'x->s->traits.settle_s) * SECOND_US * 0;'
	tests unit/engine chaos
fi
if begin 'settle: what is found open is looked up at once'; then
	edit replay/engine.c '			r->not_before = x->began_us + x->settle_us;' '			r->not_before = x->began_us;'
	tests unit/engine chaos
fi
if begin 'read-back: an unknown outcome is sent again blindly'; then
	edit replay/lane.c 'return l->settle == SETTLE_REPEAT ? resend(l, max) : go(l, LANE_LOOK, LANE_DO_NOTHING);' 'return resend(l, max);'
	tests unit/lane_model unit/engine chaos
fi
if begin 'unknown: taken for "not applied"'; then
	edit replay/lane.c '	if (ev == LANE_EV_UNKNOWN)
		return doubt(l);' '	if (ev == LANE_EV_UNKNOWN) {
		l->row = LANE_ROW_NONE;
		return go(l, LANE_READY, LANE_DO_FORGET);
	}'
	tests unit/lane_model unit/engine chaos
fi
if begin 'unknown: a list that cannot be read is taken for an empty one'; then
	edit replay/engine_look.c '		engine_look_blind(x, r, e.msg);
		return;' '		engine_step(x, r, LANE_EV_ABSENT, NULL);
		return;'
	tests unit/engine chaos
fi
if begin 'one open op: the index'; then
	edit replay/schema_v5.sql 'CREATE UNIQUE INDEX one_open' 'CREATE INDEX one_open'
	tests unit/ledger
fi
if begin 'one open op: index gone, and the lane goes on past an unknown outcome'; then
	edit replay/schema_v5.sql 'CREATE UNIQUE INDEX one_open' 'CREATE INDEX one_open'
	edit replay/lane.c '	if (l->settle == SETTLE_STOP)
		return stop(l, LANE_WHY_UNKNOWABLE, action);
	return go(l, LANE_SETTLING, action);' '	return finish(l, action);'
	edit replay/stream_know.c '	return state == OP_ABSENT || state == OP_INTENT || state == OP_UNKNOWN;' '	return state == OP_ABSENT;'
	tests unit/lane_model chaos
fi
if begin 'one open op: the stream does not give the open one first'; then
	edit replay/stream_reopen.c '	if (n < 0 || !ledger_open_op(s->x.ledger, n, a, &row))' '	if (n < 0 || !ledger_open_op(s->x.ledger, n, a, &row) || n >= 0)'
	tests unit/stream unit/engine
fi
if begin 'files ahead: the lane does not wait for what is under way'; then
	edit replay/engine.c 'r->awaits = h->op.op.key.kind == OP_UPLOAD && engine_ahead_has(x, r, &h->op.op.key);' 'r->awaits = false;'
	tests unit/engine
fi
if begin 'files ahead: none'; then
	edit replay/engine.c 'x->files = !src && stream_has_files(args->stream);' 'x->files = false;'
	tests unit/engine
fi
if begin 'files ahead: of messages that are left out'; then
	edit replay/stream_ahead.c 'if (st.parts || st.open || st.rejected || stream_fate(s, sp, m, &rule) != FATE_SEND ||' 'if (st.parts || st.open || st.rejected ||'
	tests unit/stream
fi
if begin 'limits: a process begins with all of them'; then
	edit replay/pacer.c '	double left = how == RECALL_REST ? 0 : r->burst;' '	double left = r->burst;
	return;'
	tests unit/pacer
fi
if begin 'looking: no anchor'; then
	edit replay/engine_look.c '		h->anchor = ledger_anchor(x->l, r->num, 1u << OP_POST, &h->arena);' '		h->anchor = NULL;'
	tests unit/engine chaos
fi
if begin 'looking: rows the ledger owns are not dropped'; then
	edit replay/engine_look.c 'seen.owned = makes && ledger_owns(x->l, op->key.kind, row->id);' 'seen.owned = makes && op->key.kind > 99;'
	tests unit/engine chaos
fi
if begin 'looking: neither anchor nor ownership'; then
	edit replay/engine_look.c '		h->anchor = ledger_anchor(x->l, r->num, 1u << OP_POST, &h->arena);' '		h->anchor = NULL;'
	edit replay/engine_look.c 'seen.owned = makes && ledger_owns(x->l, op->key.kind, row->id);' 'seen.owned = makes && op->key.kind > 99;'
	tests unit/engine chaos
fi
if begin 'looking: what was sent is not remembered'; then
	edit replay/engine_look.c 'h->sent_fp = known ? row.body_fp : 0;' 'h->sent_fp = 0;'
	tests unit/engine chaos
fi
if begin 'looking: throttled without end'; then
	edit replay/engine_look.c '		engine_throttled(x, r, resp->retry_after_s, now);' '		pool_throttled(&x->s->pool, &h->req, resp->retry_after_s, now);
		engine_step(x, r, LANE_EV_AGAIN, NULL);'
	tests unit/engine
fi
if begin 'looking: lists without end'; then
	edit replay/engine_look.c '	h->rows += page.n ? 0 : EMPTY_PAGE_ROWS;' ''
	tests unit/engine
fi
if begin 'looking: lists in circles'; then
	edit replay/engine_look.c 'if (page.next && h->cursor && streq(page.next, h->cursor)) {' 'if (0) {'
	edit replay/engine_look.c '	h->rows += page.n ? 0 : EMPTY_PAGE_ROWS;' ''
	tests unit/engine
fi
if begin 'looking: a refused token is a list that cannot be read'; then
	edit replay/engine_look.c 'if (resp->status == 401 || resp->status == 402) {' 'if (resp->status == 999) {'
	tests unit/engine
fi
if begin 'in doubt: a chat under another name'; then
	edit replay/stream_reopen.c '		stream_op_chat(s, g->sp, &row->key, row->state, a, out);
		return !row->body_fp || row->body_fp == out->body_fp;' '		stream_op_chat(s, g->sp, &row->key, row->state, a, out);
		return true;'
	tests unit/stream
fi
if begin 'looking: something else of ours does not stop the lane'; then
	edit replay/lane.c '	if (k->other)
		return LANE_EV_STRANGE;' ''
	tests unit/lane unit/lane_model unit/engine
fi
if begin 'refusal: counted as an unknown outcome that was not applied, without taking the intent back'; then
	edit replay/lane.c '		l->row = LANE_ROW_NONE;
		return go(l, LANE_READY, LANE_DO_FORGET);' '		l->mid = 1;
		return go(l, LANE_READY, LANE_DO_NOTHING);'
	tests unit/lane unit/lane_model unit/engine
fi

# ---- the wire ----

if begin 'wire: the body as POSTFIELDS, which libcurl sends again by itself'; then
	edit replay/wire_send.c '		curl_easy_setopt(h, CURLOPT_READFUNCTION, on_read);
		curl_easy_setopt(h, CURLOPT_READDATA, c);' '		if (c->vf) {
			curl_easy_setopt(h, CURLOPT_READFUNCTION, on_read);
			curl_easy_setopt(h, CURLOPT_READDATA, c);
		} else {
			curl_easy_setopt(h, CURLOPT_POSTFIELDS, c->body);
		}'
	tests unit/wire
fi
if begin 'wire: writes without a body on a used connection'; then
	edit replay/wire_send.c '		curl_easy_setopt(h, CURLOPT_FRESH_CONNECT, 1L);
' ''
	tests unit/wire
fi
if begin 'wire: redirects followed'; then
	edit replay/wire_send.c 'CURLOPT_FOLLOWLOCATION, 0L' 'CURLOPT_FOLLOWLOCATION, 1L'
	tests unit/wire
fi
if begin 'wire: a token to any host'; then
	edit replay/wire_send.c '	if (r->auth != AUTH_NONE && !wire_same_origin(o, &w->origin))' '	if (r->auth != AUTH_NONE && !o->port)'
	tests unit/wire
fi

if begin 'wire: an answer without end'; then
	edit replay/wire_send.c 'if (n > c->answer.max - c->answer.len) {' 'if (n > ((size_t)1 << 30) - c->answer.len) {'
	tests unit/wire
fi
if begin 'wire: any certificate'; then
	edit replay/wire_send.c 'curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);' 'curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 0L);'
	tests e2e/tls
fi
if begin 'wire: a certificate of any host'; then
	edit replay/wire_send.c 'curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);' 'curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 0L);'
	tests e2e/tls
fi

# ---- the ledger ----

if begin 'ledger: done is not final'; then
	edit replay/schema_v4.sql '	WHEN 3 THEN NOT (NEW.state = 5 AND NEW.target IS OLD.target OR NEW.state = 1 AND OLD.kind = 10)' '	WHEN 3 THEN 0'
	tests unit/ledger
fi
if begin 'ledger: an id of the target may belong to two posts'; then
	edit replay/schema_v3.sql 'CREATE UNIQUE INDEX one_target' 'CREATE INDEX one_target'
	tests unit/ledger
fi
if begin 'ledger: commits are not synced'; then
	edit replay/ledger_open.c '	ledger_exec(l, "PRAGMA synchronous = FULL");' '	ledger_exec(l, "PRAGMA synchronous = NORMAL");'
	edit replay/ledger_open.c '"PRAGMA synchronous") != 2' '"PRAGMA synchronous") != 1'
	tests unit/durable unit/power
fi
if begin 'ledger: no lock'; then
	edit replay/ledger_open.c 'if (flock(l->lock_fd, LOCK_EX | LOCK_NB) < 0) {' 'if (0) {'
	tests unit/ledger e2e/errors
fi
if begin 'ledger: any pair'; then
	edit replay/ledger_run.c 'bool same = streq(source, source_id) && streq(target, target_id);' 'bool same = true;'
	tests unit/ledger e2e/errors
fi
if begin 'ledger: a failed commit is not told'; then
	edit replay/ledger.c '		l->failed = false;
		l->fresh = 0;
		memset(l->last, 0, sizeof(l->last));
		return false;' '		l->failed = false;
		l->fresh = 0;
		memset(l->last, 0, sizeof(l->last));
		return true;'
	tests unit/ledger unit/durable unit/engine
fi

if begin 'ledger: an older copy is not noticed'; then
	edit replay/ledger_mark.c 'return m.intents > l->intents ? LEDGER_BEHIND : LEDGER_NEWEST;' 'return LEDGER_NEWEST;'
	tests storm unit/ledger_copies
fi
if begin 'ledger: one that is gone is not noticed'; then
	edit replay/ledger_mark.c 'l->intents > 0 ? LEDGER_EXCHANGED : LEDGER_LOST' 'LEDGER_NEWEST'
	tests unit/ledger_copies
fi
if begin 'ledger: the mark is not raised'; then
	edit replay/ledger.c '	ledger_mark_raise(l);' ''
	tests storm unit/ledger_copies
fi
if begin 'ledger: half completed counts as complete'; then
	edit replay/ledger_open.c '	                    " UPDATE status SET ident = random(); COMMIT"))' '	                    " COMMIT"))'
	tests unit/ledger_copies
fi
if begin 'ledger: what an old copy has open is settled by its anchor'; then
	edit replay/ledger_open.c '"BEGIN IMMEDIATE; UPDATE op SET state = 1 WHERE state = 2; DELETE FROM op WHERE state = 1;"' '"BEGIN IMMEDIATE;"'
	tests unit/ledger_copies
fi
if begin 'ledger: strangers in the target do not keep it closed'; then
	edit cli/cmd_verify.c '(!doubtful || opt_given(a, "accept"))' 'true'
	tests e2e/humans
fi
if begin 'ledger: one that is half rebuilt counts as whole'; then
	edit replay/ledger_open.c 'if (age == LEDGER_NEWEST && !(l->rebuilding && l->intents == 0))' 'if (age == LEDGER_NEWEST)'
	tests unit/ledger_copies
fi
if begin 'rollback: what was read long ago is believed'; then
	edit replay/rollback_look.c '(covered && clock_mono_us() < l->fresh_us)' 'covered'
	tests e2e/meanwhile
fi
if begin 'rollback: a deletion found open is asked for again, whatever people have done since'; then
	edit replay/rollback.c 'if (!drop_open(rb, e))' 'if (rb->failed && !drop_open(rb, e))'
	tests e2e/meanwhile
fi
if begin 'rollback: accounts that were there before are taken back'; then
	edit replay/engine_step.c 'row.tries == 1 &&' 'row.tries < 1 &&'
	tests e2e/neighbours
fi
if begin 'verify: another file of the same name goes unnoticed'; then
	edit replay/verify.c 'v->out->files_other += (int64_t)(uploads - here);' 'v->out->files_other += 0;'
	tests e2e/verify
fi
if begin 'memory: the tree of an answer has no bound'; then
	edit core/json_quick.c 'if (q->a->used > q->used_max)' 'if (q->a->used == SIZE_MAX)'
	tests unit/json
fi
if begin 'ledger: a backup others may read'; then
	edit replay/ledger_backup.c 'O_NOFOLLOW, 0600)' 'O_NOFOLLOW, 0644)'
	tests unit/ledger_copies
fi

# ---- silence, access, secrets, sums ----

if begin 'silence: people join before the history is in'; then
	edit replay/stream.c '	if (q->pos->phase == PH_MSGS) {
		if (next_msg(s, &g, q, a, out, &got, e))
			return got;
		if (*q->shut)' '	if (q->pos->phase == PH_MSGS) {
		if (stream_next_members(s, &g, a, out))
			return STREAM_OP;
		if (next_msg(s, &g, q, a, out, &got, e))
			return got;
		if (*q->shut)'
	tests unit/stream e2e/main
fi
if begin 'silence: a chat finishes before its threads'; then
	edit replay/stream.c '		if (q->threads_open || *q->announced)' '		if (q->threads_open)'
	tests unit/stream unit/engine e2e/main chaos
fi
if begin 'silence: ... nor waits for those it knows of'; then
	edit replay/stream.c '		if (q->threads_open || *q->announced)' '		if (*q->announced)'
	tests unit/stream unit/engine e2e/main chaos
fi
if begin 'silence: mentions add people to threads'; then
	edit exporters/pachca_op.c '	if (post && op->thread)
		jw_kbool(w, "skip_invite_mentions", true);' ''
	tests unit/pachca e2e/main
fi
if begin 'silence: "@name" in a text stays a mention'; then
	edit exporters/markdown.c '!in_address(i ? before : 0, s + i + 1, left - 1)) /* i: a part may begin with this piece */
				buf_adds(out, WORD_JOINER);' '!in_address(i ? before : 0, s + i + 1, left - 1)) /* i: a part may begin with this piece */
				buf_adds(out, "");'
	tests unit/markdown e2e/main
fi
if begin 'silence: invitations'; then
	edit replay/stream_op.c 'op->invite = s->cfg->invite && !p.suspended;' 'op->invite = true;'
	tests unit/stream e2e/main
fi
if begin 'access: private becomes public'; then
	edit replay/stream_op.c 'op->is_public = sp->place.is_public;' 'op->is_public = true;'
	tests unit/stream e2e/main
fi
if begin 'access: deactivated people join'; then
	edit replay/stream_join.c 'if (!w->known || w->suspended || (w->flags & (USER_BOT | USER_GONE | USER_SYSTEM)))' 'if (!w->known || (w->flags & (USER_BOT | USER_SYSTEM)))'
	tests unit/stream e2e/main
fi
if begin 'secrets: tokens not masked'; then
	edit core/log.c '		if (hit)
			buf_adds(out, "***");' '		if (hit)
			buf_add(out, s + i, hit);'
	tests unit/log e2e/main e2e/errors
fi
if begin 'sums: the account is not checked'; then
	edit replay/plan.c '			f->adds_up = false;' '			f->adds_up = true;'
	tests unit/plan
fi

# ---- several bots ----

if begin 'bots: who has written is forgotten'; then
	edit replay/engine.c '	ledger_know_bots(x->l, bots, n_bots);' '	ledger_know_bots(x->l, bots, 0 * n_bots);'
	tests storm
fi
if begin 'bots: adopting does not learn who wrote'; then
	edit replay/adopt_place.c '	if (foreign && !(x->ex->also_ours &&' '	if (foreign && !(x->ex->name[0] == 0 &&'
	tests e2e/pool storm
fi
if begin 'bots: whoever comes begins a lost ledger anew'; then
	edit replay/ledger_mark.c '	if (!l->marked_bond[0] || streq(' '	if (l->marked_bond[0] != 1 || streq('
	tests unit/ledger_copies e2e/pool
fi

# ---- the target's time ----

if begin 'time: an intent is dated by this machine'; then
	edit replay/engine_step.c '#include "replay/engine_lanes.h"' '#include "replay/engine_lanes.h"
#include "core/clock.h"'
	edit replay/engine_step.c 'o->loss, x->a->run, wire_now_us(x->s->wire, NULL));' 'o->loss, x->a->run, clock_wall_us());'
	tests unit/engine
fi
if begin 'time: a message is forgiven for its age by nobody knows whose clock'; then
	edit replay/engine_look.c 'm == MATCH_OTHER && aged && h->time_told &&' 'm == MATCH_OTHER && aged &&'
	tests unit/engine
fi
if begin 'time: the Date of an answer says nothing'; then
	edit replay/wire.c '		if (off < -OFF_US || off > OFF_US)' '		if (off == 1)'
	tests unit/wire
fi

# ---- the schedule ----

if begin 'schedule: a shut token is asked on'; then
	edit replay/pool.c '	if (b->rest_until_us > now_us && r->auth != AUTH_NONE)' '	if (b->rest_until_us > now_us && r->auth == AUTH_ADMIN)'
	tests unit/pool unit/engine
fi
if begin 'schedule: shares of tokens are not evened out'; then
	edit replay/pool.c 'p->bot[least].given + AHEAD_MAX ? least : best' 'p->bot[least].given + (1 << 30) ? least : best'
	tests unit/pool
fi
if begin 'schedule: a message goes with another token than its file'; then
	edit replay/stream_text.c '.by = done ? row.target2 : NULL, ' '.by = NULL, '
	tests e2e/uploads
fi
if begin 'schedule: no more uploads at once than at first'; then
	edit replay/engine_ahead.c 'x->blobs.held && x->blobs.may < x->blobs.most' 'x->blobs.held && x->blobs.may > x->blobs.most'
	tests e2e/uploads
fi
if begin 'schedule: the first lane takes all places ahead'; then
	edit replay/engine_ahead.c '|| left_of(r) > left_of(best)' '|| !best'
	tests e2e/uploads
fi
if begin 'schedule: connections without regard to open files'; then
	edit replay/wire_open.c 'return room < most ? room : most;' 'return room > most ? room : most;'
	tests e2e/uploads
fi

# ---- processes ----

if begin 'processes: two read the archive at once'; then
	edit cli/project.c '	while (fd >= 0 && flock(fd, LOCK_EX) != 0)' '	while (fd >= 0 && flock(fd, LOCK_SH) != 0)'
	tests e2e/signals
fi
if begin 'processes: ^C does not wait for what is out'; then
	edit cli/stage.c '	stop_polite = 1; /*' '	stop_polite = 0; /*'
	tests e2e/signals
fi

[ -n "$list" ] && exit 0
[ -n "$fit" ] && exit "$unfit"
printf '\n%d guards removed one at a time, %d survived\n' "$tried" "$survived"
cd "$top" || exit 2
[ -n "$keep" ] || rm -rf "$tree"
[ "$survived" -eq 0 ]
