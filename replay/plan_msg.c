/* plan_msg.c: where each message stands and what it still needs, see plan.h for the buckets. Called by plan.c for each
 * conversation; writes nothing. */
#include "replay/plan_in.h"

/* What a message still needs, with its losses, as if all its uploads were done. */
static void plan_send(struct plan *p, struct spool_walk *w, const struct spool_meta *m, const struct msg *msg, const struct standing *st, enum fate fate, const char *rule)
{
	struct letter l;
	struct letter_args x = { .sp = p->sp, .meta = m, .msg = msg, .fate = fate, .rule = rule, .posted = st->parts > 0, .want = LETTER_ALL,
	                         .ahead = AHEAD_OF_UNSENT };
	stream_letter(p->s, &x, &p->one, &l);
	if (fate == FATE_SEND)
		plan_changed(p, &l, w, m);
	int todo = l.n_uploads;
	for (size_t i = 0; todo && i < msg->n_files; i++) {
		if (l.upload <= (int)i && stream_uploadable(p->s, &msg->files[i])) {
			plan_call(p, OP_UPLOAD, m->ts_us, m->id, (int)i, 0);
			p->f->upload_bytes += msg->files[i].size > 0 ? msg->files[i].size : 0;
			todo--;
		}
	}
	for (size_t part = (size_t)st->parts; part < l.n_parts; part++) {
		struct op op = { .key = { .kind = OP_POST }, .label = "", .body = "" };
		stream_post(p->s, &l, part, &op);
		plan_call(p, OP_POST, m->ts_us, m->id, (int)part, p->s->x.exporter->fingerprint(&op));
	}
	p->f->avatars += l.avatar && (size_t)st->parts < l.n_parts;
	int64_t posts = (int64_t)l.n_parts - st->parts;
	plan_load(p, m, posts);
	if (m->host != p->sp->num && (!m->root || m->root[0] == '@')) {
		; /* in another chat's lane */
	} else if (m->root && p->s->threads) {
		struct rest *r = table_get(&p->rests, m->root);
		if (!r) {
			r = arena_new(&p->conv, struct rest);
			table_put(&p->rests, arena_strdup(&p->conv, m->root), r);
		}
		r->posts += posts > 0 ? posts : 0;
		r->posted |= posts > 0;
	} else {
		if (m->n_replies) {
			struct rest *r = arena_new(&p->conv, struct rest);
			struct rest *had = table_get(&p->rests, m->id);
			r->posts = had ? had->posts : 0;
			r->posted = had && had->posted;
			r->before = p->posts + 1;
			table_put(&p->rests, arena_strdup(&p->conv, m->id), r);
		}
		p->posts += posts > 0 ? posts : 0;
		p->posted |= posts > 0;
	}
	if (l.ahead) {
		p->chat->links_ahead++;
		p->ahead += (int64_t)l.n_parts;
	}
	/* What leads nowhere yet will, by the time it is posted or by an edit after that. */
	plan_count_loss(p, (l.loss & ~(uint32_t)(l.stays ? 0 : LOSS_LINK)) | (l.n_parts > 1 ? LOSS_SPLIT : 0));
}

/* A sent message with a link that was left as it was: the edits that make it lead somewhere, now or when the rest is sent. */
static void plan_links(struct plan *p, const struct spool_meta *m, const struct msg *msg, const struct standing *st)
{
	struct relink r;
	int64_t edits = 0;
	for (int part = 0; (part = stream_relink(p->s, p->sp, m, msg, st, part, &p->one, &r)) >= 0; part++, edits++)
		plan_call(p, OP_EDIT, m->ts_us, m->id, part, r.fp);
	p->chat->links += edits > 0;
	p->chat->links_ahead += r.letter.ahead && !edits;
	p->ahead += r.letter.ahead && !edits ? st->parts : 0;
}

/* Where the writes of the lane that this message belongs to are counted. */
static int64_t *lane_posts(struct plan *p, const struct spool_meta *m)
{
	if (!m->root || !p->s->threads)
		return &p->posts;
	struct rest *r = table_get(&p->rests, m->root);
	if (!r) {
		r = arena_new(&p->conv, struct rest);
		table_put(&p->rests, arena_strdup(&p->conv, m->root), r);
	}
	return &r->posts;
}

/* As stream_parts_max will say when it is this message's turn: what goes before it in its lane will stand behind it. */
static int again_parts_max(struct plan *p, const struct spool_meta *m, const struct standing *st)
{
	const struct rest *r = m->root && p->s->threads ? table_get(&p->rests, m->root) : NULL;
	bool posted = m->root && p->s->threads ? r && r->posted : p->posted;
	return !st->complete ? 0 : posted ? st->parts : stream_parts_max(p->s, p->sp, m, st);
}

/* The parts in which a message that is there goes on. */
static int plan_rest(struct plan *p, const struct spool_meta *m, const struct letter *l, int from)
{
	int n = 0;
	for (size_t part = (size_t)from; part < l->n_parts; part++, n++) {
		struct op op = { .key = { .kind = OP_POST }, .label = "", .body = "" };
		stream_post(p->s, l, part, &op);
		plan_call(p, OP_POST, m->ts_us, m->id, (int)part, p->s->x.exporter->fingerprint(&op));
		++*lane_posts(p, m);
	}
	p->goes_on += n > 0;
	return n;
}

/* A sent message whose source or mapping is not what it was: edits to make, or drift to tell. Returns the edits. */
static int plan_again(struct plan *p, const struct spool_meta *m, const struct msg *msg, const struct standing *st)
{
	struct letter l;
	const char *rule;
	struct letter_args x = { .sp = p->sp, .meta = m, .msg = msg, .fate = stream_fate(p->s, p->sp, m, &rule), .rule = rule, .posted = true,
	                         .want = LETTER_ALL, .ahead = AHEAD_OF_SENT, .parts_max = again_parts_max(p, m, st) };
	if (x.fate == FATE_SKIP || (x.fate == FATE_PLACEHOLDER && !(st->loss & LOSS_ROOT)))
		return 0; /* no longer to be sent: it stays as it is */
	stream_letter(p->s, &x, &p->one, &l);
	int edits = 0, by_drift = 0, drift = 0, refused = 0, more = 0;
	bool stands_in = st->loss & LOSS_ROOT; /* for its own message, which goes itself now */
	for (int part = 0; part < st->parts; part++) {
		struct ledger_row post = { .state = OP_ABSENT }, edit = { .state = OP_ABSENT };
		struct opkey k = { stream_lconv(p->s, p->sp), m->ts_us, m->id, OP_POST, part };
		struct op op = { .key = { .kind = OP_POST }, .label = "", .body = "" };
		if (!ledger_get(p->s->x.ledger, &k, &p->one, &post))
			continue;
		k.kind = OP_EDIT;
		stream_row(p->s, &k, &p->one, &edit);
		stream_post(p->s, &l, (size_t)part, &op);
		uint64_t now = p->s->x.exporter->fingerprint(&op), then = ledger_there(&post, &edit).body_fp;
		if (part + 1 == st->parts && st->complete && !x.parts_max && stream_change_due(p->s, m, x.fate, &post, &edit))
			edits += more = plan_rest(p, m, &l, part + 1);
		if (now == then)
			continue;
		if (!stream_edit_due(p->s, m, x.fate, &post, &edit, now)) {
			refused += edit.state == OP_REJECTED && edit.src_fp == m->fp && edit.body_fp == now && (post.src_fp != m->fp || (post.loss & LOSS_ROOT));
			drift += !refused && !stream_only_links(p->s, &x, &l, part, then);
			continue;
		}
		edits++;
		by_drift += !stands_in && (edit.state == OP_DONE || edit.state == OP_REJECTED ? edit.src_fp : post.src_fp) == m->fp ? 1 + more : 0;
		more = 0;
		k.kind = (size_t)part >= l.n_parts && stream_part_goes(p->s, &k, part, st->parts, &p->one) ? OP_DELETE : OP_EDIT;
		plan_call(p, k.kind, m->ts_us, m->id, part, k.kind == OP_EDIT ? now : 0);
		++*lane_posts(p, m);
	}
	/* What such a message loses besides: its end, and files, which no edit brings. */
	if (edits)
		plan_count_loss(p, l.loss & ~st->loss & (LOSS_CUT | LOSS_FILE));
	p->f->edits += edits > by_drift;
	p->f->drift_edits += by_drift > 0 && edits == by_drift;
	p->chat->edits += edits > 0;
	p->f->drift += drift > 0;
	p->f->refused += refused > 0;
	if (edits && l.ahead) {
		p->chat->links_ahead++;
		p->ahead += edits;
	}
	return edits;
}

/* Where one message stands. *rule: why, for skipped and rejected. */
enum bucket plan_judge(struct plan *p, const struct spool_meta *m, const struct standing *st, enum fate *fate, const char **rule, bool *send)
{
	*send = false;
	*rule = NULL;
	*fate = FATE_SEND;
	const char *why = NULL;
	if (st->rejected) {
		*rule = st->parts ? "torn" : "refused";
		return BUCKET_REJECTED;
	}
	struct spot *seat = stream_seat(p->s, p->sp, m);
	bool stand_in = (st->loss & LOSS_ROOT) || !st->complete;
	if (stand_in || m->kind == MSG_LOST_ROOT)
		*fate = stream_fate(p->s, p->sp, m, &why);
	if (st->complete) {
		*rule = st->loss & LOSS_ROOT ? why ? why : "left-out" : NULL;
		return *rule ? BUCKET_SKIPPED : BUCKET_SENT;
	}
	if (st->open && (st->parts || p->sp->place.action == PLACE_SKIP || *fate == FATE_SKIP))
		return BUCKET_DOUBT;
	if (p->sp->place.action == PLACE_SKIP) {
		*rule = p->sp->place.why ? p->sp->place.why : "channel";
		return BUCKET_SKIPPED;
	}
	if (*fate == FATE_SKIP && !st->parts) {
		*rule = why;
		return BUCKET_SKIPPED;
	}
	if (seat != p->sp && seat->place.action == PLACE_SKIP) {
		*rule = seat->place.why ? seat->place.why : "channel";
		return BUCKET_SKIPPED;
	}
	const char *shut = seat != p->sp ? plan_far_shut(p, seat, m) : p->made == OP_REJECTED ? "chat-rejected"
	                 : m->root && p->s->threads ? table_get(&p->closed, m->root) : NULL;
	if (shut) {
		*rule = shut;
		return streq(shut, "orphan") ? BUCKET_SKIPPED : BUCKET_REJECTED;
	}
	*send = true;
	if (st->open)
		return BUCKET_DOUBT;
	*rule = *fate == FATE_PLACEHOLDER ? why : NULL;
	return *fate == FATE_PLACEHOLDER ? BUCKET_SKIPPED : BUCKET_PENDING;
}

static void judge_reactions(struct plan *p, const struct spool_meta *m, const struct standing *st, enum bucket b, const char *rule, const struct msg *msg)
{
	int64_t left = m->n_reacts;
	if (!left)
		return;
	if (b != BUCKET_SENT && b != BUCKET_PENDING) {
		plan_count(p, ITEM_REACTION, b, b == BUCKET_SKIPPED || b == BUCKET_REJECTED ? rule ? rule : "with-message" : NULL, left);
		return;
	}
	if (p->s->cfg->reactions == REACTION_DROP) {
		plan_count(p, ITEM_REACTION, BUCKET_SKIPPED, "reactions-dropped", left);
		return;
	}
	if (p->s->cfg->reactions == REACTION_TEXT || !(p->s->tr.caps & (CAP_REACT_SELF | CAP_REACT_AS))) {
		bool text = p->s->cfg->reactions == REACTION_TEXT;
		plan_count(p, ITEM_REACTION, b == BUCKET_PENDING && text ? BUCKET_PENDING : text ? BUCKET_TEXT : BUCKET_SKIPPED, text ? NULL : "target-cannot-react", left);
		return;
	}
	const int64_t sent = st->reacts[OP_DONE], refused = st->reacts[OP_REJECTED], open = st->reacts[OP_INTENT] + st->reacts[OP_UNKNOWN];
	plan_count(p, ITEM_REACTION, BUCKET_SENT, NULL, sent);
	plan_count(p, ITEM_REACTION, BUCKET_REJECTED, refused ? "refused" : NULL, refused);
	plan_count(p, ITEM_REACTION, BUCKET_DOUBT, NULL, open);
	left -= sent + refused + open;
	if (p->sp->place.action == PLACE_SKIP && !open) { /* nothing more is done in its chat */
		plan_count(p, ITEM_REACTION, BUCKET_SKIPPED, p->sp->place.why ? p->sp->place.why : "channel", left);
		return;
	}
	int64_t eligible = 0;
	for (size_t i = 0; left && msg && i < msg->n_reacts; i++)
		eligible += stream_reaction_counts(p->s, msg, i);
	int64_t todo = eligible - sent - refused - open;
	todo = todo < 0 ? 0 : todo > left ? left : todo;
	for (int64_t i = 0; i < todo + open; i++)
		plan_call(p, OP_REACT, m->ts_us, m->id, (int)i, 0);
	plan_count(p, ITEM_REACTION, BUCKET_PENDING, NULL, todo);
	plan_count(p, ITEM_REACTION, BUCKET_SKIPPED, left > todo ? "custom-emoji" : NULL, left - todo);
}

static void judge_files(struct plan *p, const struct spool_meta *m, const struct standing *st, enum bucket b, const char *rule)
{
	if (!m->n_files)
		return;
	int64_t up = st->uploads < m->n_files ? st->uploads : m->n_files;
	if (b == BUCKET_SENT) {
		plan_count(p, ITEM_FILE, BUCKET_SENT, NULL, up);
		plan_count(p, ITEM_FILE, BUCKET_TEXT, NULL, m->n_files - up);
		p->chat->files += up;
		return;
	}
	plan_count(p, ITEM_FILE, b, b == BUCKET_SKIPPED || b == BUCKET_REJECTED ? rule ? rule : "with-message" : NULL, m->n_files);
}

/* Why the replies to this message cannot be sent, or NULL. */
static const char *closed_by(const struct plan *p, const struct spool_meta *m, const struct standing *st)
{
	if (st->thread == OP_DONE)
		return NULL;
	if (st->rejected)
		return "root-rejected";
	if (p->made == OP_REJECTED)
		return "chat-rejected";
	if (st->thread == OP_REJECTED)
		return "thread-rejected";
	return m->kind == MSG_LOST_ROOT && p->s->cfg->orphans == ORPHAN_SKIP && !st->complete && !spool_is_title(m) ? "orphan" : NULL;
}

/* Threads of ours are in no bucket. */
static void count_thread(struct plan *p, const struct spool_meta *m, enum bucket b, const char *rule, int64_t n)
{
	if (!spool_is_title(m))
		plan_count(p, ITEM_THREAD, b, rule, n);
}

/* A thread without its first message goes on where an earlier run opened it, whatever is said of such threads today. */
static void note_opened(struct plan *p, const struct spool_meta *root)
{
	if (root->kind == MSG_LOST_ROOT && p->s->cfg->orphans == ORPHAN_SKIP && !spool_is_title(root))
		table_put(&p->opened, arena_strdup(&p->conv, root->id), &p->opened);
}

/* A message with replies: where its thread stands. */
static void judge_thread(struct plan *p, const struct spool_meta *m, const struct standing *st, enum bucket b, enum fate fate, const char *rule)
{
	const char *shut = closed_by(p, m, st);
	if (!p->s->threads) {
		count_thread(p, m, BUCKET_TEXT, NULL, 1);
		return;
	}
	if (!shut)
		note_opened(p, m);
	if (shut) {
		table_put(&p->closed, arena_strdup(&p->conv, m->id), (void *)(uintptr_t)shut);
		count_thread(p, m, streq(shut, "orphan") ? BUCKET_SKIPPED : BUCKET_REJECTED, shut, 1);
		return;
	}
	if (st->thread == OP_DONE) {
		count_thread(p, m, BUCKET_SENT, NULL, 1);
		return;
	}
	if (plan_is_open(st->thread)) {
		count_thread(p, m, BUCKET_DOUBT, NULL, 1);
		plan_call(p, OP_THREAD_OPEN, m->ts_us, m->id, 0, 0);
		return;
	}
	/* Not opened yet: is any reply going to be sent? */
	bool goes = fate == FATE_PLACEHOLDER && spool_is_title(m);
	const struct place *pl = &p->sp->place, *there = &stream_seat(p->s, p->sp, m)->place;
	pl = pl->action != PLACE_SKIP && there->action == PLACE_SKIP ? there : pl;
	struct spool_walk *w = goes || pl->action == PLACE_SKIP || spool_is_title(m) ? NULL
	                     : spool_walk(p->s->x.spool, p->sp->num, SPOOL_THREAD, m->id, 0, NULL);
	struct spool_meta r;
	const char *why;
	bool beside = false; /* a reply was sent before, under other rules: it stands elsewhere */
	while (w && !goes && spool_walk_next(w, &r)) {
		struct standing reply;
		arena_reset(&p->s->tmp);
		standing_get(p->s, stream_mconv(p->s, p->sp, &r), r.ts_us, r.id, &reply);
		beside |= reply.complete;
		goes = !reply.complete && !reply.rejected && stream_fate(p->s, p->sp, &r, &why) == FATE_SEND;
	}
	spool_walk_end(w);
	if (!goes && beside && pl->action != PLACE_SKIP) {
		count_thread(p, m, BUCKET_TEXT, NULL, 1);
		return;
	}
	if (!goes || pl->action == PLACE_SKIP) {
		count_thread(p, m, BUCKET_SKIPPED, pl->action == PLACE_SKIP ? pl->why : rule ? rule : "no-replies", 1);
		return;
	}
	count_thread(p, m, b == BUCKET_DOUBT ? BUCKET_DOUBT : BUCKET_PENDING, NULL, 1);
	plan_call(p, OP_THREAD_OPEN, m->ts_us, m->id, 0, 0);
}

/* The root of a reply lies after it in time: it has not been judged yet. */
static void judge_late_root(struct plan *p, const struct spool_meta *m)
{
	struct standing st;
	struct spool_meta root;
	int64_t conv = stream_lconv(p->s, p->sp);
	if (!p->s->threads || table_get(&p->closed, m->root) ||
	    !spool_msg(p->s->x.spool, p->sp->num, m->root_ts_us, m->root, &p->one, NULL, &root, NULL))
		return;
	standing_get(p->s, conv, m->root_ts_us, m->root, &st);
	st.thread = plan_state(p, conv, m->root_ts_us, m->root, OP_THREAD_OPEN, NULL, NULL);
	const char *shut = closed_by(p, &root, &st);
	if (shut)
		table_put(&p->closed, arena_strdup(&p->conv, m->root), (void *)(uintptr_t)shut);
	else
		note_opened(p, &root);
}

/* The target orders by arrival: what an earlier run left out comes after what it sent. */
static void line_up(struct plan *p, const struct spool_meta *m, const struct standing *st, bool send)
{
	const char *lane = m->root && p->s->threads ? m->root : m->host == p->sp->num ? "" : arena_fmt(&p->one, "@%lld", (long long)m->host);
	struct line_up *x = table_get(&p->line_ups, lane);
	if (!send && !st->parts)
		return;
	if (!x) {
		x = arena_new(&p->conv, struct line_up);
		table_put(&p->line_ups, arena_strdup(&p->conv, lane), x);
	}
	if (send && !st->parts) {
		x->waiting++;
		return;
	}
	p->late += x->waiting;
	x->waiting = 0;
}

/* Was it written into another lane than it would be today? */
bool plan_elsewhere(struct plan *p, const struct spool_meta *m, const struct standing *st)
{
	if (st->lane != p->lane.num) {
		const char *name = ledger_lane_name(p->s->x.ledger, st->lane, &p->one);
		p->lane.num = st->lane;
		if (!name || !fmt_into(p->lane.name, sizeof(p->lane.name), "%s", name))
			p->lane.name[0] = '\0';
	}
	return p->lane.name[0] && !streq(stream_lane_name(p->s, p->sp, m, &p->one), p->lane.name);
}

/* A message that is there and would not be sent today. */
static bool left_out_today(struct plan *p, const struct spool_meta *m, const struct standing *st)
{
	const char *rule;
	if (m->kind == MSG_LOST_ROOT || (st->loss & LOSS_ROOT))
		return false; /* ours */
	if (p->sp->place.action == PLACE_SKIP || (m->root && p->s->threads && table_get(&p->closed, m->root)))
		return true;
	return st->stale && stream_fate(p->s, p->sp, m, &rule) != FATE_SEND;
}

static bool one_message(struct plan *p, struct spool_walk *w, const struct spool_meta *m, const struct standing *st)
{
	struct facts_chat *c = p->chat;
	enum fate fate;
	const char *rule;
	bool send, decoded = false;
	struct msg msg;
	arena_reset(&p->one);
	arena_reset(&p->s->tmp);
	if (m->root && (m->root_ts_us > m->ts_us || (m->root_ts_us == m->ts_us && strcmp(m->root, m->id) > 0)))
		judge_late_root(p, m);
	enum bucket b = plan_judge(p, m, st, &fate, &rule, &send);
	const struct place *there = &stream_seat(p->s, p->sp, m)->place;
	bool again = there->action != PLACE_SKIP && (st->complete || (send && st->parts && (st->src_fp != m->fp || st->edit))) && p->sp->place.action != PLACE_SKIP && (!standing_settled(p->s, p->sp, st, m) || st->stale || st->edit_refused || (st->src_fp != m->fp && !(p->s->tr.caps & CAP_EDIT)));
	bool native = m->n_reacts && p->s->cfg->reactions == REACTION_NATIVE && (b == BUCKET_SENT || b == BUCKET_PENDING) &&
	              st->reacts[OP_DONE] + st->reacts[OP_REJECTED] < m->n_reacts;
	bool links = st->complete && p->sp->place.action != PLACE_SKIP && stream_links_may_change(p->s, st);
	if (send || again || native || links) {
		decoded = true;
		if (!spool_walk_body(w, &p->one, &msg, p->e))
			return false;
	}
	line_up(p, m, st, send);
	if (m->root && p->opened.n && table_get(&p->opened, m->root))
		p->orphans += st->complete || send;
	else
		p->stays += st->complete && left_out_today(p, m, st);
	if (st->complete && p->sp->place.action != PLACE_SKIP)
		p->elsewhere += plan_elsewhere(p, m, st);
	if (send)
		plan_send(p, w, m, &msg, st, fate, rule);
	else if (st->complete)
		plan_count_loss(p, st->loss | (st->parts > 1 ? LOSS_SPLIT : 0));
	if (!(again && plan_again(p, m, &msg, st)) && links)
		plan_links(p, m, &msg, st);
	if (m->n_replies && !m->root)
		judge_thread(p, m, st, b, fate, rule);
	else if (m->n_answers && (!m->root || m->root[0] == '@') && !m->quotes) /* its replies stand beside it, in a thread of ours */
		plan_count(p, ITEM_THREAD, p->sp->place.action == PLACE_SKIP ? BUCKET_SKIPPED : BUCKET_TEXT, p->sp->place.action == PLACE_SKIP ? p->sp->place.why : NULL, 1);
	if (m->kind == MSG_LOST_ROOT)
		return true; /* ours, not the source's: in no bucket */
	plan_count(p, ITEM_MSG, b, b == BUCKET_SKIPPED || b == BUCKET_REJECTED ? rule : NULL, 1);
	if (b == BUCKET_SKIPPED && p->examples && p->sp->place.action != PLACE_SKIP && rule)
		plan_example_left_out(p, rule, w, m);
	else if (b != BUCKET_SKIPPED && p->examples)
		plan_example_moved(p, w, m);
	if (b == BUCKET_SKIPPED && p->n_named && p->sp->place.action != PLACE_SKIP) {
		uint64_t hits = stream_rule_hits(p->s, p->sp, m);
		size_t by = rule && !strncmp(rule, "rules: ", 7) ? 0 : p->n_named;
		while (by < p->n_named && !streq(p->names[by], rule))
			by++;
		for (size_t i = 0; i < p->n_named; i++) {
			p->would[i] += (int64_t)(hits >> i & 1);
			if (by < p->n_named && by != i)
				p->would_by[i][by] += (int64_t)(hits >> i & 1);
		}
	}
	if (m->host != p->sp->num)
		plan_away(p, m, st, b);
	c->sent += b == BUCKET_SENT;
	c->pending += b == BUCKET_PENDING;
	c->skipped += b == BUCKET_SKIPPED;
	c->rejected += b == BUCKET_REJECTED;
	c->doubt += b == BUCKET_DOUBT;
	judge_files(p, m, st, b, rule);
	judge_reactions(p, m, st, b, rule, decoded ? &msg : NULL);
	return true;
}

/* A row of the ledger that belongs to no message of the archives. */
static void passed_row(struct plan *p, const struct ledger_row *r)
{
	if (r->key.kind == OP_MEMBERS && r->state == OP_DONE)
		p->people_in = true;
	removal_row(&p->removal, r);
}

/* Sent, and deleted in the source since. */
static void plan_removed(struct plan *p)
{
	size_t n = removal_end(&p->removal);
	bool deletes = (p->s->wish & WISH_DELETE_REMOVED) && (p->s->tr.caps & CAP_DELETE) && p->sp->place.action != PLACE_SKIP;
	p->chat->removed = (int64_t)n;
	p->f->removed += (int64_t)n;
	for (size_t i = 0; i < n; i++) {
		const struct removed *r = &p->removal.v[i];
		bool stays = r->thread;
		for (int part = 0; deletes && !stays && part < r->parts; part++) {
			struct opkey k = { stream_lconv(p->s, p->sp), r->ts_us, r->id, OP_DELETE, part };
			struct ledger_row row;
			arena_reset(&p->one);
			if (ledger_get(p->s->x.ledger, &k, &p->one, &row) && row.state == OP_REJECTED) {
				stays = true;
				break;
			}
			plan_call(p, OP_DELETE, r->ts_us, r->id, part, 0);
			p->posts++;
		}
		p->chat->deletes += deletes && !stays;
		p->f->removed_stay += stays;
	}
	p->f->deletes += p->chat->deletes;
}

bool plan_messages(struct plan *p)
{
	struct stream *s = p->s;
	struct ledger_walk *lw = ledger_walk(s->x.ledger, stream_lconv(s, p->sp));
	struct spool_walk *w = spool_walk(s->x.spool, p->sp->num, SPOOL_SOURCE, NULL, 0, NULL);
	struct ledger_row row;
	struct spool_meta m;
	bool more = ledger_walk_next(lw, &row), ok = true;
	removal_begin(&p->removal, s, &p->conv);
	while (ok && spool_walk_next(w, &m)) {
		struct standing st = { 0 };
		int c;
		while (more && (c = row.key.ts_us != m.ts_us ? (row.key.ts_us < m.ts_us ? -1 : 1) : strcmp(row.key.id, m.id)) <= 0) {
			if (c == 0)
				standing_add(&st, &row);
			else
				passed_row(p, &row);
			more = ledger_walk_next(lw, &row);
		}
		removal_msg(&p->removal, &m);
		ok = one_message(p, w, &m, &st);
	}
	spool_walk_end(w);
	ledger_walk_end(lw);
	plan_removed(p);
	return ok;
}
