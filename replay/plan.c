/* plan.c: see plan.h. Called by cli/ (plan, apply before it starts, status, reports); writes nothing.
 *
 * For each conversation spool and ledger are walked side by side. A message is rendered only when its words matter: it is not
 * in the target yet (parts, uploads, losses), its source changed (is it an edit?), or it was written under another mapping
 * (drift). So a plan over a finished ledger reads no text at all.
 *
 * What the buckets mean (everything read is in exactly one of them):
 *
 *            sent                 merged   text           skipped                rejected           doubt       pending
 * users      has an account       –        name in label  mapping leaves out,    creation refused   creation    to be created
 *                                                         or no e-mail to create
 * channels   exists in the target –        –              mapping leaves out     creation refused   creation    to be created
 * messages   every part posted    read     –              by rule, unreadable,   a part refused,    a part      the rest
 *                                 twice                   taken back             or chat, root are
 * threads    opened               –        inline target  no reply is sent       as their root      opening     the rest
 * files      uploaded, and their  –        named in the   with their message     with their message, with it    the rest
 *            message sent                  message                               or the upload
 * reactions  set                  –        a line of text dropped, custom, with  refused            with it     the rest
 *                                                         their message
 * pins       pinned               –        –              switched off, message  refused            with it     the rest
 *                                                         not sent or not found
 *
 * The sums are checked against the spool's own counts, which are made while reading and know nothing of this walk.
 */
#include "replay/plan_in.h"

enum { EXPECTED_MAX = 1 << 20 };

/* ---- people ---- */

static const struct target_person *snap_person(const struct snapshot *snap, const char *id, const char *email)
{
	for (size_t i = 0; snap && i < snap->n_people; i++)
		if ((id && streq(snap->people[i].id, id)) || (email && snap->people[i].email && !strcasecmp(snap->people[i].email, email)))
			return &snap->people[i];
	return NULL;
}

static void judge_person(struct plan *p, struct facts_person *w, const struct person *m, const char *target)
{
	enum bucket b = BUCKET_TEXT;
	const char *rule = NULL;
	bool can = (p->s->tr.caps & CAP_USER_CREATE) && m->email && *m->email;
	switch (m->action) {
	case PERSON_LABEL: b = w->state == OP_DONE ? BUCKET_SENT : BUCKET_TEXT; break;
	case PERSON_SKIP: b = BUCKET_SKIPPED; rule = m->why; break;
	case PERSON_MATCH:
		b = BUCKET_SENT;
		if (streq(m->why, "users.csv: decision match"))
			plan_say(p, &p->privacy, arena_fmt(p->a, "%s (%s) is the account %s by decision: it will be where this person was, and read what this person could",
			                              w->name, w->id, m->target_id));
		w->target_id = plan_copy(p, m->target_id);
		w->unresolved = p->snap && !snap_person(p->snap, m->target_id, NULL);
		if (w->unresolved)
			plan_say(p, &p->unresolved, arena_fmt(p->a, "%s (%s) is matched to the account %s, which the target does not have", w->name, w->id, m->target_id));
		break;
	case PERSON_CREATE:
		w->target_id = plan_copy(p, target);
		b = w->state == OP_DONE ? BUCKET_SENT : w->state == OP_REJECTED ? BUCKET_REJECTED
		  : plan_is_open(w->state) ? BUCKET_DOUBT : can ? BUCKET_PENDING : BUCKET_SKIPPED;
		if (b == BUCKET_SKIPPED) {
			rule = "no-email";
			w->unresolved = true;
			plan_say(p, &p->unresolved, arena_fmt(p->a, "%s (%s) is to get an account, but has no e-mail", w->name, w->id));
		}
		break;
	}
	plan_count(p, ITEM_USER, b, rule, 1);
	if (b != BUCKET_PENDING && b != BUCKET_DOUBT)
		return;
	p->n_made++;
	p->n_shut += m->suspended;
	p->n_guests += m->role && streq(m->role, "multi_guest");
	plan_call(p, OP_USER_CREATE, 0, w->id, 0, hash64s(m->email ? m->email : ""));
	const struct target_person *same = snap_person(p->snap, NULL, m->email);
	if (same) {
		w->unresolved = true;
		plan_say(p, &p->unresolved, arena_fmt(p->a, "%s (%s) is to get an account, but %s exists in the target already (id %s)", w->name, w->id, m->email, same->id));
	} else if (m->suspended) {
		plan_say(p, &p->privacy, arena_fmt(p->a, "%s <%s> gets an account without access", w->name, m->email));
	} else {
		plan_say(p, &p->privacy, arena_fmt(p->a, "%s <%s> gets an account%s", w->name, m->email, p->s->cfg->invite ? " and an invitation" : ""));
	}
}

/* Makes room for one more. How many there are is nearly known beforehand (the reading has counted them), so hardly ever is anything copied. */
static void *room(struct plan *p, void *v, size_t n, size_t *cap, int64_t expected, size_t size)
{
	if (n < *cap)
		return v;
	*cap = !*cap && expected > 0 && expected <= EXPECTED_MAX ? (size_t)expected : n < 32 ? 64 : 2 * n;
	void *larger = arena_calloc(p->a, *cap, size);
	if (n)
		memcpy(larger, v, n * size);
	return larger;
}

static bool each_person(void *ctx, const struct user *u, int64_t n_msgs)
{
	struct plan *p = ctx;
	struct facts *f = p->f;
	struct person m;
	const char *target;
	arena_reset(&p->one);
	mapping_person(p->s->x.mapping, u, &p->one, &m);
	f->people = room(p, f->people, f->n_people, &p->people_cap, f->spool.users, sizeof(*f->people));
	struct facts_person *w = &f->people[f->n_people++];
	*w = (struct facts_person){ .id = plan_copy(p, u->id), .name = plan_copy(p, m.name), .email = plan_copy(p, m.email ? m.email : u->email),
	                            .why = plan_copy(p, m.why), .action = m.action, .messages = n_msgs };
	w->state = plan_state(p, 0, 0, u->id, OP_USER_CREATE, &target, NULL);
	judge_person(p, w, &m, target);
	arena_reset(&p->lists);
	return true;
}

/* ---- one conversation ---- */

double plan_lane_bound(const struct plan *p, int64_t n)
{
	/* Chats that we make have all our bots in them; into one that is there already only the first is known to be let. */
	int bots = p->sp->place.action == PLACE_ADOPT ? 1 : p->s->tr.bots;
	return n > 0 ? pacer_bound_shared_s(&p->s->tr, REQ_POST, n, bots) : 0;
}

/* The chat's own lane, and each thread's after the posts before its root. */
static double chat_bound(const struct plan *p)
{
	double max = plan_lane_bound(p, p->posts);
	for (size_t i = 0; i < p->rests.n; i++) {
		const struct rest *r = p->rests.rows[i].value;
		double t = plan_lane_bound(p, r->before) + plan_lane_bound(p, r->posts);
		if (r->posts && t > max)
			max = t;
	}
	return max;
}

static void begin_chat(struct plan *p, const struct spool_conv *c)
{
	struct facts *f = p->f;
	f->chats = room(p, f->chats, f->n_chats, &p->chats_cap, f->spool.convs, sizeof(*f->chats));
	p->sp = stream_spot(p->s, c->conv.id);
	p->chat = &f->chats[f->n_chats++];
	*p->chat = (struct facts_chat){ .id = plan_copy(p, c->conv.id), .name = plan_copy(p, c->conv.name), .kind = c->conv.kind, .archived = c->conv.archived,
	                                .is_public = p->sp->place.is_public, .why = plan_copy(p, p->sp->place.why), .read = c->n_msgs, .threads = c->n_threads };
	p->chat->target_name = p->s->x.exporter->chat_name(p->sp->place.name, p->a);
	p->posts = p->goes_on = 0;
	p->n_away = 0;
	p->posted = false;
	p->people_in = false;
	p->late = 0;
	table_init(&p->line_ups);
	table_init(&p->closed);
	table_init(&p->opened);
	table_init(&p->rests);
}

/* A chat that an earlier run has archived and that gets something new is opened, and archived again. ops: before this chat. */
static void plan_reopening(struct plan *p, int64_t ops)
{
	struct ledger_row row = { .state = OP_ABSENT };
	struct facts_chat *c = p->chat;
	arena_reset(&p->one);
	bool reopens = stream_shut(p->s, p->sp, &p->one, &row), sure = p->ops > ops;
	if (row.state != OP_DONE || !(sure || c->links_ahead))
		return;
	if (!reopens) {
		plan_say(p, &p->unresolved, arena_fmt(p->a, "%s (%s) was archived by an earlier run and has new messages: unarchive the chat %s first",
		                                 c->name, c->id, c->target_id ? c->target_id : ""));
		return;
	}
	c->reopens = true;
	bool again = p->sp->place.archive_at_end;
	if (!sure) {
		p->ahead_other += 1 + again;
		return;
	}
	plan_call(p, OP_DELETE, 0, "", opkey_undo_part(OP_ARCHIVE, 0), 0);
	if (again)
		plan_call(p, OP_ARCHIVE, 0, "", 0, 0);
	plan_say(p, &p->notes, arena_fmt(p->a, "%s (%s) was archived by an earlier run: it is opened for what is new%s", c->name, c->id,
	                            again ? ", and archived again" : ""));
}

static bool each_conv(void *ctx, const struct spool_conv *c)
{
	struct plan *p = ctx;
	struct arena finish;
	enum op_state state;
	int64_t ops = p->ops;
	if (stream_idle(p->s, stream_spot(p->s, c->conv.id))) {
		arena_reset(&p->lists);
		return true;
	}
	begin_chat(p, c);
	arena_reset(&p->one);
	plan_judge_chat(p, &c->conv);
	p->chat->target_id = plan_copy(p, p->chat->target_id);
	p->ok = plan_messages(p);
	if (p->ok)
		plan_pins(p, &c->conv);
	if (p->ok && p->sp->place.action != PLACE_SKIP && p->chat->action != CHAT_REJECTED) {
		arena_init(&finish);
		int64_t joins = stream_joins_todo(p->s, p->sp, &finish, &p->chat->members);
		for (int64_t i = 0; i < joins; i++)
			plan_call(p, OP_MEMBERS, 0, "", (int)i, 0);
		if (stream_archives(p->s, p->sp, &finish, &state))
			plan_call(p, OP_ARCHIVE, 0, "", 0, 0);
		plan_reopening(p, ops);
		/* What goes into threads that hold history reaches nobody. */
		bool heard = p->people_in && p->sp->place.placement != PLACEMENT_THREADS;
		int64_t gone = 0;
		for (size_t i = 0; i < p->n_away; i++)
			gone += p->away[i].pending;
		p->f->heard += heard ? p->chat->pending - gone + p->goes_on : 0;
		for (size_t i = 0; i < p->n_away; i++)
			plan_say_away(p, &c->conv, &p->away[i]);
		if (p->chat->action == CHAT_ADOPT && p->sp->place.target_id && p->chat->pending && p->sp->place.placement == PLACEMENT_INLINE)
			plan_say(p, &p->notes, arena_fmt(p->a, "%s (%s): its history goes among what people write in the chat %s; 'placement: threads' keeps them apart",
			                            p->chat->name, p->chat->id, p->sp->place.target_id));
		arena_release(&finish);
	}
	p->chat->bound_s = chat_bound(p);
	if (p->chat->bound_s > p->f->bound_s)
		p->f->bound_s = p->chat->bound_s;
	p->n_late += p->late;
	p->n_late_chats += p->late > 0;
	table_release(&p->line_ups);
	table_release(&p->closed);
	table_release(&p->opened);
	table_release(&p->rests);
	arena_reset(&p->conv);
	arena_reset(&p->lists);
	return p->ok;
}

/* ---- the whole ---- */

static void check_sums(struct facts *f)
{
	const struct spool_counts *c = &f->spool;
	f->read[ITEM_USER] = c->users;
	f->read[ITEM_CONV] = c->convs;
	f->read[ITEM_MSG] = c->read + c->bad;
	f->read[ITEM_THREAD] = c->threads;
	f->read[ITEM_FILE] = c->files;
	f->read[ITEM_REACTION] = c->reactions;
	f->read[ITEM_PIN] = c->pins;
	f->adds_up = true;
	for (int i = 0; i < N_ITEM; i++) {
		int64_t sum = 0;
		for (int b = 0; b < N_BUCKET; b++)
			sum += f->bucket[i][b];
		if (sum != f->read[i] && f->adds_up) {
			f->adds_up = false;
			f->mismatch = item_name((enum item)i);
		}
	}
}

static void finish_digest(struct plan *p)
{
	struct ledger_counts lc;
	uint8_t m[DIGEST_BYTES];
	mapping_digest(p->s->x.mapping, m);
	digest_add(&p->digest, m, sizeof(m));
	plan_digest_str(p, p->s->x.exporter->name);
	plan_digest_str(p, spool_source_id(p->s->x.spool, &p->one));
	const struct spool_counts *c = &p->f->spool;
	const int64_t read[] = { c->read, c->stored, c->merged, c->conflicts, c->bad, c->users, c->convs, c->threads, c->replies, c->lost_roots,
	                         c->files, c->files_present, c->reactions, c->pins, c->first_us, c->last_us };
	for (size_t i = 0; i < countof(read); i++)
		plan_digest_num(p, read[i]);
	ledger_count(p->s->x.ledger, &lc);
	for (int k = 0; k <= OP_DELETE; k++)
		for (int st = 0; st <= OP_GONE; st++)
			plan_digest_num(p, lc.by_kind_state[k][st]);
	digest_end(&p->digest, p->f->digest);
	int64_t open = 0;
	for (int k = 0; k <= OP_DELETE; k++)
		open += lc.by_kind_state[k][OP_INTENT] + lc.by_kind_state[k][OP_UNKNOWN];
	p->f->nothing_to_do = !p->ops && !open;
}

/* A rule that does nothing is probably mistaken; a pilot should say what it is a pilot of. */
static void say_notes(struct plan *p)
{
	const char *const *names = p->names, *by;
	for (size_t i = 0; i < p->n_named; i++) {
		if (plan_left_out(p, names[i]))
			continue;
		int64_t seated = spool_seats_picked(p->s->x.spool, i);
		if (seated) {
			const char *into = mapping_rule_into(p->s->x.mapping, i);
			plan_say(p, &p->notes, into ? arena_fmt(p->a, "%s: %lld messages go into '%s'", names[i], (long long)seated, into)
			                            : arena_fmt(p->a, "%s: %lld messages go into threads", names[i], (long long)seated));
			continue;
		}
		int64_t tagged = spool_seats_tally(p->s->x.spool, i, TALLY_TAGGED);
		if (tagged) {
			plan_say(p, &p->notes, arena_fmt(p->a, "%s: %lld messages get a tag", names[i], (long long)tagged));
			continue;
		}
		if ((by = plan_takers(p, i))) {
			plan_say(p, &p->notes, arena_fmt(p->a, "%s: catches nothing, because others take its messages before it: %s", names[i], by));
			continue;
		}
		if (p->would[i])
			plan_say(p, &p->notes, arena_fmt(p->a, "%s: catches nothing that others before it do not leave out (%lld messages)", names[i], (long long)p->would[i]));
		else
			plan_say(p, &p->notes, arena_fmt(p->a, "%s: catches nothing", names[i]));
	}
	const char *const *changes;
	size_t n_changes = mapping_replacements(p->s->x.mapping, &changes);
	bool first = !p->f->bucket[ITEM_MSG][BUCKET_SENT] && p->f->bucket[ITEM_MSG][BUCKET_PENDING];
	for (size_t i = 0; i < n_changes && first; i++) /* what is built in need not find anything */
		if (!p->changed[i] && strncmp(changes[i], "redact: ", 8) != 0)
			plan_say(p, &p->notes, arena_fmt(p->a, "%s: catches nothing", changes[i]));
	if (p->elsewhere)
		plan_say(p, &p->notes, arena_fmt(p->a, "%lld messages were sent before under other rules: they stay where they are", (long long)p->elsewhere));
	if (p->stays)
		plan_say(p, &p->notes, arena_fmt(p->a, "%lld messages were sent before that today's mapping leaves out: they stay", (long long)p->stays));
	if (p->orphans)
		plan_say(p, &p->notes, arena_fmt(p->a, "%lld replies stand, or go on, in threads that an earlier run opened although their first message is in no archive: messages.orphans says skip today", (long long)p->orphans));
	if (p->f->heard)
		plan_say(p, &p->notes, arena_fmt(p->a, "%lld messages go into chats whose people are in already: they will be notified", (long long)p->f->heard));
	for (size_t i = 0; i < p->rules.n; i++) {
		const struct facts_rule *r = p->rules.rows[i].value;
		if (!strncmp(r->rule, "only.", 5) && (r->item == ITEM_MSG || r->item == ITEM_CONV))
			plan_say(p, &p->notes, arena_fmt(p->a, "the pilot leaves %lld %s for later (%s)", (long long)r->n, item_name(r->item), r->rule));
	}
}

/* Links are put right when everything else is posted, chat by chat; nothing lies ahead where nothing is sent. */
static void finish_links(struct plan *p)
{
	struct facts *f = p->f;
	double longest = 0;
	for (size_t i = 0; i < f->n_chats; i++) {
		struct facts_chat *c = &f->chats[i];
		c->links_ahead = p->ops ? c->links_ahead : 0;
		c->links += c->links_ahead;
		f->links += c->links;
		double t = plan_lane_bound(p, c->links);
		longest = t > longest ? t : longest;
	}
	f->people_s = f->bound_s;
	f->bound_s += longest;
	if (p->ops) {
		p->ops += p->ahead + p->ahead_other;
		f->calls[REQ_POST] += p->ahead;
		f->links_later = p->ahead;
		f->calls[REQ_OTHER] += p->ahead_other;
		plan_digest_num(p, p->ahead);
	}
}

/* Seats: what is to be created against what is there. The API tells no licences, so the sum is what the tariff must hold. */
static void say_seats(struct plan *p)
{
	int64_t active = 0, seats = p->n_made - p->n_shut;
	if (!p->n_made)
		return;
	if (!p->snap) {
		plan_say(p, &p->notes, arena_fmt(p->a, "seats: %lld accounts are to be created (%lld of them without access, %lld guests)", (long long)p->n_made,
		                            (long long)p->n_shut, (long long)p->n_guests));
		return;
	}
	for (size_t i = 0; i < p->snap->n_people; i++)
		active += !p->snap->people[i].bot && !p->snap->people[i].suspended;
	plan_say(p, &p->notes, arena_fmt(p->a, "seats: %lld accounts are to be created (%lld of them without access, %lld guests); with the %lld active ones the tariff must hold %lld",
	                            (long long)p->n_made, (long long)p->n_shut, (long long)p->n_guests, (long long)active, (long long)(active + seats)));
}

static void say_late(struct plan *p)
{
	if (p->n_late)
		plan_say(p, &p->notes, arena_fmt(p->a, "%lld messages in %lld conversations will stand after later ones that an earlier run has sent: the target orders by arrival",
		                            (long long)p->n_late, (long long)p->n_late_chats));
}

static void finish_facts(struct plan *p)
{
	struct facts *f = p->f;
	plan_finish_loads(p);
	finish_links(p);
	plan_count(p, ITEM_MSG, BUCKET_MERGED, NULL, f->spool.merged);
	plan_count(p, ITEM_MSG, BUCKET_SKIPPED, "unreadable", f->spool.bad);
	check_sums(f);
	for (int c = 0; c < N_REQ_CLASS; c++) {
		f->calls_total += f->calls[c];
		if (f->calls[c] && c != REQ_OTHER && !p->s->tr.rate[c].per_scope) {
			double t = pacer_bound_s(&p->s->tr, (enum req_class)c, f->calls[c]);
			f->bound_s = t > f->bound_s ? t : f->bound_s;
			f->people_s = t > f->people_s ? t : f->people_s;
		}
	}
	/* People are made with a token of their own; places for files are asked for by any bot, all else by the first. */
	int64_t bots = p->s->tr.bots > 1 ? p->s->tr.bots : 1, all = f->calls[REQ_OTHER] - p->people_calls, first = all - p->uploads;
	int64_t busiest = first > (all + bots - 1) / bots ? first : (all + bots - 1) / bots;
	double t = pacer_bound_s(&p->s->tr, REQ_OTHER, busiest > p->people_calls ? busiest : p->people_calls);
	f->bound_s = t > f->bound_s ? t : f->bound_s;
	f->n_rules = p->rules.n;
	f->rules = arena_array(p->a, p->rules.n + 1, struct facts_rule);
	for (size_t i = 0; i < p->rules.n; i++)
		f->rules[i] = *(const struct facts_rule *)p->rules.rows[i].value;
	plan_say_end(p, &p->unresolved, &f->unresolved, &f->n_unresolved);
	plan_say_end(p, &p->privacy, &f->privacy, &f->n_privacy);
	say_notes(p);
	say_seats(p);
	say_late(p);
	plan_say_end(p, &p->notes, &f->notes, &f->n_notes);
	plan_finish_caught(p);
	finish_digest(p);
}

bool plan_run(struct spool *sp, const struct mapping *m, const struct exporter *ex, const struct target *t, const struct traits *tr,
              struct ledger *l, const struct snapshot *snap, struct arena *a, struct facts *out, struct err *e)
{
	return plan_wished(sp, m, ex, t, tr, l, snap, 0, 0, a, out, e);
}

bool plan_wished(struct spool *sp, const struct mapping *m, const struct exporter *ex, const struct target *t, const struct traits *tr,
                 struct ledger *l, const struct snapshot *snap, uint32_t wish, size_t examples, struct arena *a, struct facts *out, struct err *e)
{
	struct stream_args args = { sp, m, ex, t, l, NULL };
	struct plan p = { .f = out, .snap = snap, .a = a, .e = e, .ok = true, .examples = examples < PLAN_EXAMPLES_MAX ? examples : PLAN_EXAMPLES_MAX };
	*out = (struct facts){ 0 };
	if (!(p.s = stream_open(&args, e)))
		return false;
	p.s->tr = *tr;
	stream_wish(p.s, wish);
	p.s->threads = (tr->caps & CAP_THREAD) && (tr->caps & CAP_THREAD_LANES);
	p.s->crosses = p.s->crosses && p.s->threads;
	arena_init(&p.one);
	arena_init(&p.conv);
	arena_init(&p.lists);
	digest_init(&p.digest);
	table_init(&p.rules);
	table_init(&p.samples);
	table_init(&p.loads);
	table_init(&p.far);
	table_init(&p.heard);
	spool_count(sp, &out->spool);
	p.n_named = mapping_rules(m, &p.names);
	bool ok = spool_users(sp, &p.lists, each_person, &p, e);
	ok = ok && spool_convs(sp, &p.lists, each_conv, &p, e) && p.ok;
	if (ok)
		finish_facts(&p);
	else
		digest_end(&p.digest, out->digest);
	table_release(&p.rules);
	table_release(&p.samples);
	table_release(&p.loads);
	table_release(&p.far);
	table_release(&p.heard);
	free(p.away);
	arena_release(&p.one);
	arena_release(&p.conv);
	arena_release(&p.lists);
	stream_close(p.s);
	return ok;
}
