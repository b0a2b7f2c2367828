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
#include "replay/plan.h"

#include "core/buf.h"
#include "core/table.h"
#include "replay/spool_seat.h"
#include "replay/stream_in.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { CUT_BIT = 13 /* of LOSS_CUT */, RULES_MAX = 500, SENTENCES_MAX = 1000, WHY_MAX = 80, EXPECTED_MAX = 1 << 20 };

const char *item_name(enum item i)
{
	static const char *const names[N_ITEM] = { "users", "channels", "messages", "threads", "files", "reactions", "pins" };
	return names[i];
}

const char *bucket_name(enum bucket b)
{
	static const char *const names[N_BUCKET] = { "sent", "merged", "text", "skipped", "rejected", "doubt", "pending" };
	return names[b];
}

struct sentences { const char **v; size_t n, cap, left_out; };

/* Of one lane: messages to send so far in the order of time, none of them followed by one that is there already. */
struct line_up { int64_t waiting; };

/* What rules send from the conversation being walked into the chat of another. */
struct away { struct spot *host; int64_t msgs, there /* of them, already */, pending /* to be sent */; };
/* The writes of one chat, or of one thread of ours in it, whichever conversations they come from. */
struct load { int64_t posts; struct spot *sp; const struct load *chat; /* a thread's */ };

/* A thread that still has replies to send: how many, and how many posts of the channel come before it can open. */
struct rest { int64_t posts, before; bool posted; };

struct plan {
	struct stream *s;
	struct facts *f;
	const struct snapshot *snap;
	struct arena *a;               /* results */
	struct arena one, conv, lists; /* reset for each message; for each conversation; after each record of a list */
	struct digest digest;
	struct table rules;            /* "item rule" -> int64_t */
	struct sentences unresolved, privacy, notes;
	int64_t n_late, n_late_chats;  /* messages that will stand after later ones; chats with such */
	int64_t n_made, n_shut, n_guests; /* accounts to be created: all; of them without access; guests */
	int64_t would[MAPPING_RULES_MAX]; /* messages left out for whatever reason that rule i would take too */
	int64_t would_by[MAPPING_RULES_MAX][MAPPING_RULES_MAX]; /* ... by rule k */
	size_t chats_cap, people_cap;
	size_t n_named; const char *const *names; /* the mapping's `rules` */
	int64_t ops, people_calls, uploads;
	int64_t ahead_other;           /* chats opened and archived again for these alone */
	int64_t ahead;                 /* edits at most, if what links lead to is sent */
	struct err *e;
	bool ok;
	/* the conversation being walked */
	struct spot *sp;
	struct facts_chat *chat;
	struct table closed;           /* roots whose replies cannot be sent -> rule */
	struct table line_ups;         /* root, "" for the channel -> struct line_up */
	int64_t late;                  /* messages to send that are older than ones there */
	struct table rests;            /* roots with replies to send -> struct rest */
	int64_t posts;                 /* of the chat's own lane */
	bool posted;                   /* ... a message among them that was not there: it will stand behind all that are */
	int64_t goes_on;               /* messages that go on in new ones */
	struct removal removal;
	bool people_in;                /* some have joined already */
	enum op_state made;            /* CHAT_CREATE */
	int64_t elsewhere;             /* messages sent that would go to another place today */
	struct away *away; size_t n_away, cap_away;
	struct table loads;            /* chats into which several conversations go: id of the conversation, or lane of the thread -> struct load */
	struct table far;              /* threads of ours in other chats: "host/root" -> why nothing can be sent into them, or fine */
	struct table heard;            /* other chats: id of the conversation -> struct away */
	struct { int64_t num; char name[512]; } lane; /* of the ledger, asked for last */
};

/* ---- small things ---- */

static void say(struct plan *p, struct sentences *s, const char *text)
{
	if (s->n >= SENTENCES_MAX) {
		s->left_out++;
		return;
	}
	if (s->n + 1 >= s->cap) {
		s->cap = s->cap ? 2 * s->cap : 16;
		const char **v = arena_array(p->a, s->cap, const char *);
		if (s->n)
			memcpy(v, s->v, s->n * sizeof(*v));
		s->v = v;
	}
	s->v[s->n++] = text;
}

static void say_end(struct plan *p, struct sentences *s, const char ***v, size_t *n)
{
	if (s->left_out) {
		size_t left = s->left_out;
		s->n--; /* the last one makes room */
		s->v[s->n++] = arena_fmt(p->a, "… and %zu more", left + 1);
	}
	*v = s->v;
	*n = s->n;
}

/* A reason as a word that can be counted: the code before the colon of "code: message". */
static const char *reason(struct arena *a, const char *why)
{
	if (!why || !*why)
		return "refused";
	size_t n = strcspn(why, ":");
	return arena_strndup(a, why, n < WHY_MAX ? n : WHY_MAX);
}

static void count(struct plan *p, enum item item, enum bucket b, const char *rule, int64_t n)
{
	if (!n)
		return;
	p->f->bucket[item][b] += n;
	if (!rule)
		return;
	char key[160];
	if (!fmt_into(key, sizeof(key), "%d %d %s", (int)item, (int)b, rule) || p->rules.n >= RULES_MAX)
		rule = "other", fmt_into(key, sizeof(key), "%d %d other", (int)item, (int)b);
	struct facts_rule *r = table_get(&p->rules, key);
	if (!r) {
		r = arena_new(p->a, struct facts_rule);
		*r = (struct facts_rule){ item, arena_strdup(p->a, rule), 0 };
		table_put(&p->rules, arena_strdup(p->a, key), r);
	}
	r->n += n;
}

static void digest_num(struct plan *p, int64_t v)
{
	uint8_t b[8];
	for (int i = 0; i < 8; i++)
		b[i] = (uint8_t)((uint64_t)v >> (8 * i));
	digest_add(&p->digest, b, sizeof(b));
}

static void digest_str(struct plan *p, const char *s)
{
	digest_add(&p->digest, s, strlen(s) + 1);
}

/* Which limit a write falls under (the exporter says it for each request; a kind always has the same). An upload is a
 * request for a place and one that brings the bytes. */
static void call(struct plan *p, enum op_kind kind, int64_t ts_us, const char *id, int part, uint64_t body_fp)
{
	bool post = kind == OP_POST || kind == OP_EDIT || (kind == OP_DELETE && part < opkey_undo_part(OP_USER_CREATE, 0));
	p->ops++;
	p->f->calls[post ? REQ_POST : REQ_OTHER]++;
	if (kind == OP_UPLOAD)
		p->f->calls[REQ_BLOB]++;
	p->uploads += kind == OP_UPLOAD;
	p->people_calls += kind == OP_USER_CREATE;
	digest_str(p, p->sp ? p->sp->id : "");
	digest_num(p, ts_us);
	digest_str(p, id);
	digest_num(p, (int64_t)kind);
	digest_num(p, part);
	digest_num(p, (int64_t)body_fp);
}

static void count_loss(struct plan *p, uint32_t loss)
{
	for (int i = 0; i < N_LOSS; i++)
		p->f->loss[i] += loss >> i & 1;
}

static enum op_state state_of(struct plan *p, int64_t conv, int64_t ts, const char *id, enum op_kind kind, const char **target, const char **why)
{
	struct ledger_row row = { .state = OP_ABSENT };
	struct opkey k = { conv, ts, id, kind, 0 };
	bool found = ledger_get(p->s->x.ledger, &k, &p->one, &row);
	if (target)
		*target = found && row.state != OP_GONE ? row.target : NULL;
	if (why)
		*why = found ? row.why : NULL;
	return found && row.state != OP_GONE ? row.state : OP_ABSENT; /* what was taken back is to be written again */
}

static bool is_open(enum op_state s)
{
	return s == OP_INTENT || s == OP_UNKNOWN;
}

/* ---- people ---- */

static const struct target_person *snap_person(const struct snapshot *snap, const char *id, const char *email)
{
	for (size_t i = 0; snap && i < snap->n_people; i++)
		if ((id && streq(snap->people[i].id, id)) || (email && snap->people[i].email && !strcasecmp(snap->people[i].email, email)))
			return &snap->people[i];
	return NULL;
}

static const char *copy(struct plan *p, const char *s)
{
	return arena_strdup(p->a, s);
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
			say(p, &p->privacy, arena_fmt(p->a, "%s (%s) is the account %s by decision: it will be where this person was, and read what this person could",
			                              w->name, w->id, m->target_id));
		w->target_id = copy(p, m->target_id);
		w->unresolved = p->snap && !snap_person(p->snap, m->target_id, NULL);
		if (w->unresolved)
			say(p, &p->unresolved, arena_fmt(p->a, "%s (%s) is matched to the account %s, which the target does not have", w->name, w->id, m->target_id));
		break;
	case PERSON_CREATE:
		w->target_id = copy(p, target);
		b = w->state == OP_DONE ? BUCKET_SENT : w->state == OP_REJECTED ? BUCKET_REJECTED
		  : is_open(w->state) ? BUCKET_DOUBT : can ? BUCKET_PENDING : BUCKET_SKIPPED;
		if (b == BUCKET_SKIPPED) {
			rule = "no-email";
			w->unresolved = true;
			say(p, &p->unresolved, arena_fmt(p->a, "%s (%s) is to get an account, but has no e-mail", w->name, w->id));
		}
		break;
	}
	count(p, ITEM_USER, b, rule, 1);
	if (b != BUCKET_PENDING && b != BUCKET_DOUBT)
		return;
	p->n_made++;
	p->n_shut += m->suspended;
	p->n_guests += m->role && streq(m->role, "multi_guest");
	call(p, OP_USER_CREATE, 0, w->id, 0, hash64s(m->email ? m->email : ""));
	const struct target_person *same = snap_person(p->snap, NULL, m->email);
	if (same) {
		w->unresolved = true;
		say(p, &p->unresolved, arena_fmt(p->a, "%s (%s) is to get an account, but %s exists in the target already (id %s)", w->name, w->id, m->email, same->id));
	} else if (m->suspended) {
		say(p, &p->privacy, arena_fmt(p->a, "%s <%s> gets an account without access", w->name, m->email));
	} else {
		say(p, &p->privacy, arena_fmt(p->a, "%s <%s> gets an account%s", w->name, m->email, p->s->cfg->invite ? " and an invitation" : ""));
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
	*w = (struct facts_person){ .id = copy(p, u->id), .name = copy(p, m.name), .email = copy(p, m.email ? m.email : u->email),
	                            .why = copy(p, m.why), .action = m.action, .messages = n_msgs };
	w->state = state_of(p, 0, 0, u->id, OP_USER_CREATE, &target, NULL);
	judge_person(p, w, &m, target);
	arena_reset(&p->lists);
	return true;
}

/* ---- one message ---- */

static struct load *load_of(struct plan *p, const char *key, struct spot *sp, const struct load *chat)
{
	struct load *x = table_get(&p->loads, key);
	if (!x) {
		x = arena_new(p->a, struct load);
		*x = (struct load){ 0, sp, chat };
		table_put(&p->loads, arena_strdup(p->a, key), x);
	}
	return x;
}

/* Only where several conversations may share a chat: else each one's own count is the chat's. */
static void add_load(struct plan *p, const struct spool_meta *m, int64_t posts)
{
	if (posts <= 0 || (!p->s->crosses && !mapping_merges(p->s->x.mapping)))
		return;
	struct spot *sp = stream_seat(p->s, p->sp, m), *host = stream_host(p->s, sp);
	struct load *chat = load_of(p, (host ? host : sp)->id, host ? host : sp, NULL);
	if (m->root && m->root[0] == '@' && p->s->threads)
		load_of(p, stream_lane_name(p->s, p->sp, m, &p->one), sp, chat)->posts += posts;
	else if (!m->root || !p->s->threads)
		chat->posts += posts;
}

/* What a message still needs, with its losses, as if all its uploads were done. */
static void plan_send(struct plan *p, const struct spool_meta *m, const struct msg *msg, const struct standing *st, enum fate fate, const char *rule)
{
	struct letter l;
	struct letter_args x = { .sp = p->sp, .meta = m, .msg = msg, .fate = fate, .rule = rule, .posted = st->parts > 0, .want = LETTER_ALL,
	                         .ahead = AHEAD_OF_UNSENT };
	stream_letter(p->s, &x, &p->one, &l);
	int todo = l.n_uploads;
	for (size_t i = 0; todo && i < msg->n_files; i++) {
		if (l.upload <= (int)i && stream_uploadable(p->s, &msg->files[i])) {
			call(p, OP_UPLOAD, m->ts_us, m->id, (int)i, 0);
			todo--;
		}
	}
	for (size_t part = (size_t)st->parts; part < l.n_parts; part++) {
		struct op op = { .key = { .kind = OP_POST }, .label = "", .body = "" };
		stream_post(p->s, &l, part, &op);
		call(p, OP_POST, m->ts_us, m->id, (int)part, p->s->x.exporter->fingerprint(&op));
	}
	int64_t posts = (int64_t)l.n_parts - st->parts;
	add_load(p, m, posts);
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
	count_loss(p, (l.loss & ~(uint32_t)(l.stays ? 0 : LOSS_LINK)) | (l.n_parts > 1 ? LOSS_SPLIT : 0));
}

/* A sent message with a link that was left as it was: the edits that make it lead somewhere, now or when the rest is sent. */
static void plan_links(struct plan *p, const struct spool_meta *m, const struct msg *msg, const struct standing *st)
{
	struct relink r;
	int64_t edits = 0;
	for (int part = 0; (part = stream_relink(p->s, p->sp, m, msg, st, part, &p->one, &r)) >= 0; part++, edits++)
		call(p, OP_EDIT, m->ts_us, m->id, part, r.fp);
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
		call(p, OP_POST, m->ts_us, m->id, (int)part, p->s->x.exporter->fingerprint(&op));
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
		call(p, k.kind, m->ts_us, m->id, part, k.kind == OP_EDIT ? now : 0);
		++*lane_posts(p, m);
	}
	p->f->loss[CUT_BIT] += edits && (l.loss & LOSS_CUT) && !(st->loss & LOSS_CUT);
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

/* Why nothing can be sent into another conversation's chat, or the thread of ours there that this message is for; or NULL. */
static const char *far_shut(struct plan *p, struct spot *seat, const struct spool_meta *m)
{
	static char fine[] = "";
	bool ours = m->root && m->root[0] == '@' && p->s->threads;
	const char *key = arena_fmt(&p->one, "%s/%s", seat->id, ours ? m->root : ""), *why = table_get(&p->far, key);
	if (!why) {
		struct spot *host = stream_host(p->s, seat);
		why = state_of(p, stream_lconv(p->s, host ? host : seat), 0, "", OP_CHAT_CREATE, NULL, NULL) == OP_REJECTED ? "chat-rejected" : fine;
		if (ours && why == fine && (state_of(p, stream_lconv(p->s, seat), m->root_ts_us, m->root, OP_POST, NULL, NULL) == OP_REJECTED ||
		                            state_of(p, stream_lconv(p->s, seat), m->root_ts_us, m->root, OP_THREAD_OPEN, NULL, NULL) == OP_REJECTED))
			why = "root-rejected";
		table_put(&p->far, arena_strdup(p->a, key), (void *)(uintptr_t)why);
	}
	if (why != fine)
		return why;
	return m->root && !ours && p->s->threads ? table_get(&p->closed, m->root) : NULL;
}

/* Where one message stands. *rule: why, for skipped and rejected. */
static enum bucket judge(struct plan *p, const struct spool_meta *m, const struct standing *st, enum fate *fate, const char **rule, bool *send)
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
	const char *shut = seat != p->sp ? far_shut(p, seat, m) : p->made == OP_REJECTED ? "chat-rejected"
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
		count(p, ITEM_REACTION, b, b == BUCKET_SKIPPED || b == BUCKET_REJECTED ? rule ? rule : "with-message" : NULL, left);
		return;
	}
	if (p->s->cfg->reactions == REACTION_DROP) {
		count(p, ITEM_REACTION, BUCKET_SKIPPED, "reactions-dropped", left);
		return;
	}
	if (p->s->cfg->reactions == REACTION_TEXT || !(p->s->tr.caps & (CAP_REACT_SELF | CAP_REACT_AS))) {
		bool text = p->s->cfg->reactions == REACTION_TEXT;
		count(p, ITEM_REACTION, b == BUCKET_PENDING && text ? BUCKET_PENDING : text ? BUCKET_TEXT : BUCKET_SKIPPED, text ? NULL : "target-cannot-react", left);
		return;
	}
	const int64_t sent = st->reacts[OP_DONE], refused = st->reacts[OP_REJECTED], open = st->reacts[OP_INTENT] + st->reacts[OP_UNKNOWN];
	count(p, ITEM_REACTION, BUCKET_SENT, NULL, sent);
	count(p, ITEM_REACTION, BUCKET_REJECTED, refused ? "refused" : NULL, refused);
	count(p, ITEM_REACTION, BUCKET_DOUBT, NULL, open);
	left -= sent + refused + open;
	int64_t eligible = 0;
	for (size_t i = 0; left && msg && i < msg->n_reacts; i++)
		eligible += stream_reaction_counts(p->s, msg, i);
	int64_t todo = eligible - sent - refused - open;
	todo = todo < 0 ? 0 : todo > left ? left : todo;
	for (int64_t i = 0; i < todo + open; i++)
		call(p, OP_REACT, m->ts_us, m->id, (int)i, 0);
	count(p, ITEM_REACTION, BUCKET_PENDING, NULL, todo);
	count(p, ITEM_REACTION, BUCKET_SKIPPED, left > todo ? "custom-emoji" : NULL, left - todo);
}

static void judge_files(struct plan *p, const struct spool_meta *m, const struct standing *st, enum bucket b, const char *rule)
{
	if (!m->n_files)
		return;
	int64_t up = st->uploads < m->n_files ? st->uploads : m->n_files;
	if (b == BUCKET_SENT) {
		count(p, ITEM_FILE, BUCKET_SENT, NULL, up);
		count(p, ITEM_FILE, BUCKET_TEXT, NULL, m->n_files - up);
		p->chat->files += up;
		return;
	}
	count(p, ITEM_FILE, b, b == BUCKET_SKIPPED || b == BUCKET_REJECTED ? rule ? rule : "with-message" : NULL, m->n_files);
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
		count(p, ITEM_THREAD, b, rule, n);
}

/* A message with replies: where its thread stands. */
static void judge_thread(struct plan *p, const struct spool_meta *m, const struct standing *st, enum bucket b, enum fate fate, const char *rule)
{
	const char *shut = closed_by(p, m, st);
	if (!p->s->threads) {
		count_thread(p, m, BUCKET_TEXT, NULL, 1);
		return;
	}
	if (shut) {
		table_put(&p->closed, arena_strdup(&p->conv, m->id), (void *)(uintptr_t)shut);
		count_thread(p, m, streq(shut, "orphan") ? BUCKET_SKIPPED : BUCKET_REJECTED, shut, 1);
		return;
	}
	if (st->thread == OP_DONE) {
		count_thread(p, m, BUCKET_SENT, NULL, 1);
		return;
	}
	if (is_open(st->thread)) {
		count_thread(p, m, BUCKET_DOUBT, NULL, 1);
		call(p, OP_THREAD_OPEN, m->ts_us, m->id, 0, 0);
		return;
	}
	/* Not opened yet: is any reply going to be sent? */
	bool goes = fate == FATE_PLACEHOLDER;
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
		goes = !reply.complete && stream_fate(p->s, p->sp, &r, &why) == FATE_SEND;
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
	call(p, OP_THREAD_OPEN, m->ts_us, m->id, 0, 0);
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
	st.thread = state_of(p, conv, m->root_ts_us, m->root, OP_THREAD_OPEN, NULL, NULL);
	const char *shut = closed_by(p, &root, &st);
	if (shut)
		table_put(&p->closed, arena_strdup(&p->conv, m->root), (void *)(uintptr_t)shut);
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
static bool stands_elsewhere(struct plan *p, const struct spool_meta *m, const struct standing *st)
{
	if (st->lane != p->lane.num) {
		const char *name = ledger_lane_name(p->s->x.ledger, st->lane, &p->one);
		p->lane.num = st->lane;
		if (!name || !fmt_into(p->lane.name, sizeof(p->lane.name), "%s", name))
			p->lane.name[0] = '\0';
	}
	return p->lane.name[0] && !streq(stream_lane_name(p->s, p->sp, m, &p->one), p->lane.name);
}

static void count_away(struct plan *p, const struct spool_meta *m, const struct standing *st, enum bucket b)
{
	struct spot *seat = stream_seat(p->s, p->sp, m);
	struct away *x = NULL, *heard;
	for (size_t i = 0; i < p->n_away && !x; i++)
		x = p->away[i].host == seat ? &p->away[i] : NULL;
	if (!x) {
		if (p->n_away == p->cap_away) {
			p->cap_away = p->cap_away ? 2 * p->cap_away : 4;
			p->away = xrealloc(p->away, p->cap_away * sizeof(*p->away));
		}
		x = &p->away[p->n_away++];
		*x = (struct away){ seat, 0, 0, 0 };
	}
	x->there += b == BUCKET_SENT && st->complete && !stands_elsewhere(p, m, st);
	x->msgs += b != BUCKET_SKIPPED && b != BUCKET_REJECTED;
	if (b != BUCKET_PENDING)
		return;
	x->pending++;
	if (m->root && m->root[0] == '@')
		return;
	if (!(heard = table_get(&p->heard, seat->id))) {
		heard = arena_new(p->a, struct away);
		*heard = (struct away){ seat, 0, 0, 0 };
		table_put(&p->heard, seat->id, heard);
	}
	heard->pending++;
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
	enum bucket b = judge(p, m, st, &fate, &rule, &send);
	bool again = (st->complete || (send && st->parts && (st->src_fp != m->fp || st->edit))) && p->sp->place.action != PLACE_SKIP && (!standing_settled(p->s, p->sp, st, m) || st->stale || st->edit_refused || (st->src_fp != m->fp && !(p->s->tr.caps & CAP_EDIT)));
	bool native = m->n_reacts && p->s->cfg->reactions == REACTION_NATIVE && (b == BUCKET_SENT || b == BUCKET_PENDING) &&
	              st->reacts[OP_DONE] + st->reacts[OP_REJECTED] < m->n_reacts;
	bool links = st->complete && p->sp->place.action != PLACE_SKIP && stream_links_may_change(p->s, st);
	if (send || again || native || links) {
		decoded = true;
		if (!spool_walk_body(w, &p->one, &msg, p->e))
			return false;
	}
	line_up(p, m, st, send);
	if (st->complete && p->sp->place.action != PLACE_SKIP)
		p->elsewhere += stands_elsewhere(p, m, st);
	if (send)
		plan_send(p, m, &msg, st, fate, rule);
	else if (st->complete)
		count_loss(p, st->loss | (st->parts > 1 ? LOSS_SPLIT : 0));
	if (!(again && plan_again(p, m, &msg, st)) && links)
		plan_links(p, m, &msg, st);
	if (m->n_replies && !m->root)
		judge_thread(p, m, st, b, fate, rule);
	else if (m->n_answers && (!m->root || m->root[0] == '@') && !m->quotes) /* its replies stand beside it, in a thread of ours */
		count(p, ITEM_THREAD, p->sp->place.action == PLACE_SKIP ? BUCKET_SKIPPED : BUCKET_TEXT, p->sp->place.action == PLACE_SKIP ? p->sp->place.why : NULL, 1);
	if (m->kind == MSG_LOST_ROOT)
		return true; /* ours, not the source's: in no bucket */
	count(p, ITEM_MSG, b, b == BUCKET_SKIPPED || b == BUCKET_REJECTED ? rule : NULL, 1);
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
		count_away(p, m, st, b);
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
			call(p, OP_DELETE, r->ts_us, r->id, part, 0);
			p->posts++;
		}
		p->chat->deletes += deletes && !stays;
		p->f->removed_stay += stays;
	}
	p->f->deletes += p->chat->deletes;
}

static bool walk_messages(struct plan *p)
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

/* ---- one conversation ---- */

/* Pins of our own threads are in no bucket. */
static void count_pin(struct plan *p, const char *id, enum bucket b, const char *rule, int64_t n)
{
	if (id[0] != '@')
		count(p, ITEM_PIN, b, rule, n);
}

static void judge_pins(struct plan *p, const struct conv *c)
{
	struct stream *s = p->s;
	for (size_t i = 0; i < c->n_pins; i++) {
		int64_t ts, conv = stream_lconv(s, p->sp);
		struct spool_meta m;
		struct standing st;
		const char *rule = NULL;
		arena_reset(&p->one);
		arena_reset(&s->tmp);
		if (p->sp->place.action == PLACE_SKIP || !s->cfg->pins || !(s->tr.caps & CAP_PIN)) {
			count_pin(p, c->pins[i].msg_id, BUCKET_SKIPPED, p->sp->place.action == PLACE_SKIP ? p->sp->place.why : "pins-off", 1);
			continue;
		}
		if (!spool_find(s->x.spool, p->sp->num, c->pins[i].msg_id, &ts) ||
		    !spool_msg(s->x.spool, p->sp->num, ts, c->pins[i].msg_id, &p->one, NULL, &m, NULL)) {
			count_pin(p, c->pins[i].msg_id, BUCKET_SKIPPED, "message-not-found", 1);
			continue;
		}
		bool twice = false;
		for (size_t k = 0; k < i && !twice; k++)
			twice = streq(c->pins[k].msg_id, c->pins[i].msg_id);
		if (twice) {
			count_pin(p, c->pins[i].msg_id, BUCKET_MERGED, NULL, 1);
			continue;
		}
		enum op_state state = state_of(p, conv, ts, m.id, OP_PIN, NULL, NULL);
		standing_get(s, conv, ts, m.id, &st);
		enum bucket b = state == OP_DONE ? BUCKET_SENT : state == OP_REJECTED ? BUCKET_REJECTED : is_open(state) ? BUCKET_DOUBT : N_BUCKET;
		if (b == N_BUCKET) {
			enum fate fate;
			bool send;
			b = judge(p, &m, &st, &fate, &rule, &send);
			if (b == BUCKET_SENT || b == BUCKET_DOUBT || fate == FATE_PLACEHOLDER)
				b = BUCKET_PENDING;
		}
		count_pin(p, c->pins[i].msg_id, b, b == BUCKET_SKIPPED || b == BUCKET_REJECTED ? rule ? rule : "refused" : NULL, 1);
		if (b == BUCKET_PENDING || b == BUCKET_DOUBT)
			call(p, OP_PIN, ts, m.id, 0, 0);
	}
}

static const struct target_chat *snap_chat(const struct snapshot *snap, const char *id, const char *name)
{
	for (size_t i = 0; snap && i < snap->n_chats; i++)
		if ((id && streq(snap->chats[i].id, id)) || (name && snap->chats[i].name && streq(snap->chats[i].name, name)))
			return &snap->chats[i];
	return NULL;
}

static const char *source_privacy(enum conv_kind k)
{
	switch (k) {
	case CONV_PUBLIC: return "public";
	case CONV_PRIVATE: return "private";
	case CONV_GROUP: return "a group conversation";
	case CONV_DM: return "a direct conversation";
	}
	return "private";
}

/* A chat made under another mapping keeps its name and its openness: what people see every day is not changed behind their backs. */
static void say_kept(struct plan *p, const struct conv *c)
{
	const struct facts_chat *f = p->chat;
	const struct target_chat *seen = snap_chat(p->snap, f->target_id, NULL);
	struct ledger_row row;
	struct opkey k = { stream_lconv(p->s, p->sp), 0, "", OP_CHAT_CREATE, 0 };
	if (ledger_get(p->s->x.ledger, &k, &p->one, &row) && row.body_fp != hash64s(f->target_name))
		say(p, &p->notes, arena_fmt(p->a, "%s (%s) has its chat already and is not renamed; the mapping calls it '%s' now", c->name, c->id, f->target_name));
	if (seen && seen->is_public != p->sp->place.is_public)
		say(p, &p->notes, arena_fmt(p->a, seen->is_public ? "%s (%s) has its chat already, which is public, and is not closed; the mapping says private"
		                                                  : "%s (%s) has its chat already, which is private, and is not opened; the mapping says public", c->name, c->id));
}

/* A department that becomes a member reads what some of its people could not. */
static void say_company(struct plan *p, const struct conv *c)
{
	struct company who;
	mapping_company(p->s->x.mapping, c, &p->one, &who);
	if (who.ignored)
		say(p, &p->notes, arena_fmt(p->a, "channels.members names %s, a direct message: these have no administrators, editors or tags; ignored", c->id));
	if (who.n_editors && p->sp->place.action != PLACE_ADOPT)
		say(p, &p->notes, arena_fmt(p->a, "channels.members: nobody becomes an editor of %s: only channels of the target have editors, and a chat is made here", c->name));
	for (size_t i = 0; i < who.n_tags; i++) {
		if (state_of(p, stream_lconv(p->s, p->sp), 0, arena_fmt(&p->one, "tag:%s", who.tags[i]), OP_MEMBERS, NULL, NULL) == OP_DONE)
			continue;
		if (c->kind != CONV_PUBLIC)
			say(p, &p->privacy, arena_fmt(p->a, "%s is %s; everybody with the tag '%s' will read it", c->name, source_privacy(c->kind), who.tags[i]));
		say(p, &p->notes, arena_fmt(p->a, "the tag '%s' joins %s: the target tells its people so, there is no silent way", who.tags[i], c->name));
	}
}

static int64_t strangers_of(const struct conv *c, const struct conv *readers)
{
	struct table in;
	int64_t n = 0;
	table_init(&in);
	for (size_t i = 0; i < c->n_members; i++)
		table_put(&in, c->members[i], &in);
	for (size_t i = 0; i < readers->n_members; i++)
		n += !table_get(&in, readers->members[i]);
	table_release(&in);
	return n;
}

/* Two conversations in one chat: who is in the one reads the other. */
static void say_merged(struct plan *p, const struct conv *c, const struct spot *host)
{
	struct spool_conv h;
	struct ledger_row shut;
	if (!host) {
		say(p, &p->notes, arena_fmt(p->a, "%s (%s) has a chat of its own from an earlier run and stays in it; the mapping merges it into %s", c->name, c->id,
		                            p->sp->place.into));
		return;
	}
	if (stream_shut(p->s, stream_spot(p->s, host->id), &p->one, &shut))
		say(p, &p->unresolved, arena_fmt(p->a, "%s (%s) goes into the chat of %s, which an earlier run has archived: unarchive the chat %s first", c->name, c->id,
		                                 host->id, shut.target ? shut.target : ""));
	if (!spool_conv(p->s->x.spool, host->id, &p->one, &h))
		return;
	int64_t read_c = strangers_of(c, &h.conv), read_h = strangers_of(&h.conv, c);
	if (c->kind != CONV_PUBLIC && host->place.is_public)
		say(p, &p->privacy, arena_fmt(p->a, "%s is private and is merged into the public chat of %s", c->name, h.conv.name));
	else if (c->kind != CONV_PUBLIC && read_c)
		say(p, &p->privacy, arena_fmt(p->a, "%s is private and is merged into the chat of %s: %lld people who were not in it will read it", c->name,
		                              h.conv.name, (long long)read_c));
	if (h.conv.kind != CONV_PUBLIC && read_h && p->sp->place.join_members)
		say(p, &p->privacy, arena_fmt(p->a, "%s is merged into the chat of %s, which is private: %lld people who were not in that one will read it", c->name,
		                              h.conv.name, (long long)read_h));
}

/* What becomes of the chat itself, and who could read what they could not before. */
static void judge_chat(struct plan *p, const struct conv *c)
{
	struct facts_chat *f = p->chat;
	const struct place *pl = &p->sp->place;
	const char *target = NULL, *why = NULL, *rule = NULL;
	enum bucket b = BUCKET_SENT;
	p->made = state_of(p, stream_lconv(p->s, p->sp), 0, "", OP_CHAT_CREATE, &target, &why);
	if (pl->action == PLACE_SKIP) {
		f->action = CHAT_SKIP;
		b = BUCKET_SKIPPED;
		rule = pl->why ? pl->why : "channel";
	} else if (pl->action == PLACE_ADOPT) {
		const struct target_chat *seen = pl->target_id ? snap_chat(p->snap, pl->target_id, NULL) : NULL;
		struct spot *host = stream_host(p->s, p->sp);
		const char *dest = pl->into ? stream_spot_target(p->s, p->sp) : pl->target_id;
		if (host)
			p->made = state_of(p, stream_lconv(p->s, host), 0, "", OP_CHAT_CREATE, NULL, NULL);
		if (!pl->into || dest)
			p->made = OP_DONE;
		f->action = CHAT_ADOPT;
		f->target_id = dest;
		if (p->made == OP_REJECTED) {
			b = BUCKET_REJECTED;
			rule = "chat-rejected";
		}
		if (pl->into && !pl->twin)
			say_merged(p, c, host);
		if (p->snap && pl->target_id && !seen)
			say(p, &p->unresolved, arena_fmt(p->a, "%s (%s) is to go into the chat %s, which the target does not have", c->name, c->id, pl->target_id));
		if (seen && seen->is_public && !pl->may_be_public) {
			const char *said = arena_fmt(p->a, "%s (%s) is %s and must not go into the public chat %s: name it under channels.allow_public, or choose another chat",
			                             c->name, c->id, source_privacy(c->kind), pl->target_id);
			say(p, &p->unresolved, said);
			p->f->breach = p->f->breach ? p->f->breach : said;
		}
		if (c->kind != CONV_PUBLIC && pl->target_id)
			say(p, &p->privacy, arena_fmt(p->a, "%s is %s; whoever is in the chat %s%s will read it", c->name, source_privacy(c->kind),
			                              pl->target_id, seen && seen->is_public ? " (public)" : ""));
	} else if (p->made == OP_DONE) {
		f->action = CHAT_EXISTS;
		f->target_id = copy(p, target);
		say_kept(p, c);
	} else if (p->made == OP_REJECTED) {
		f->action = CHAT_REJECTED;
		f->why = copy(p, why);
		b = BUCKET_REJECTED;
		rule = reason(&p->one, why);
	} else {
		f->action = CHAT_CREATE;
		b = is_open(p->made) ? BUCKET_DOUBT : BUCKET_PENDING;
		call(p, OP_CHAT_CREATE, 0, "", 0, hash64s(f->target_name));
		const struct target_chat *same = snap_chat(p->snap, NULL, f->target_name);
		if (same)
			f->why = arena_fmt(p->a, "the target has a chat of this name already (id %s); a second one will be made", same->id);
	}
	if (!strncmp(c->id, MAPPING_MADE, strlen(MAPPING_MADE)) && !c->n_members)
		say(p, &p->notes, arena_fmt(p->a, "'%s' is made by rules and stays empty of people: nobody could read all that goes into it; 'allow_wider' of the rule names what more people may read",
		                            f->target_name));
	if (pl->action == PLACE_CREATE && pl->is_public && c->kind != CONV_PUBLIC)
		say(p, &p->privacy, arena_fmt(p->a, "%s is %s and becomes public", c->name, source_privacy(c->kind)));
	if (pl->action != PLACE_SKIP && pl->join_members)
		say_company(p, c);
	if (strncmp(c->id, MAPPING_LIVE, strlen(MAPPING_LIVE)) != 0 && strncmp(c->id, MAPPING_MADE, strlen(MAPPING_MADE)) != 0) /* those are ours */
		count(p, ITEM_CONV, b, rule, 1);
}

static double lane_bound(const struct plan *p, int64_t n)
{
	/* Chats that we make have all our bots in them; into one that is there already only the first is known to be let. */
	int bots = p->sp->place.action == PLACE_ADOPT ? 1 : p->s->tr.bots;
	return n > 0 ? pacer_bound_shared_s(&p->s->tr, REQ_POST, n, bots) : 0;
}

/* The chat's own lane, and each thread's after the posts before its root. */
static double chat_bound(const struct plan *p)
{
	double max = lane_bound(p, p->posts);
	for (size_t i = 0; i < p->rests.n; i++) {
		const struct rest *r = p->rests.rows[i].value;
		double t = lane_bound(p, r->before) + lane_bound(p, r->posts);
		if (r->posts && t > max)
			max = t;
	}
	return max;
}

/* Who reads a chat, as far as the archives tell: the members of its conversation and of those merged into it. */
struct readers { struct plan *p; struct spot *host; struct table in; struct arena a; };

static bool add_readers(void *ctx, const struct spool_conv *c)
{
	struct readers *r = ctx;
	struct spot *sp = stream_spot(r->p->s, c->conv.id);
	for (size_t i = 0; i < c->conv.n_members && (sp == r->host || (sp->place.action != PLACE_SKIP && stream_host(r->p->s, sp) == r->host)); i++) {
		const char *who = arena_strdup(&r->p->conv, mapping_same_person(r->p->s->x.mapping, c->conv.members[i]));
		table_put(&r->in, who, (void *)(uintptr_t)who);
	}
	arena_reset(&r->a);
	return true;
}

static int64_t new_readers(struct plan *p, const struct conv *c, struct spot *seat)
{
	struct readers r = { .p = p, .host = seat };
	struct spool_conv h;
	struct table old;
	int64_t n = 0;
	struct spot *host = stream_host(p->s, seat);
	r.host = host ? host : seat;
	arena_init(&r.a);
	table_init(&r.in);
	table_init(&old);
	if (mapping_hosts(p->s->x.mapping, r.host->id))
		spool_convs(p->s->x.spool, &r.a, add_readers, &r, NULL);
	else if (spool_conv(p->s->x.spool, r.host->id, &r.a, &h))
		add_readers(&r, &h);
	for (size_t i = 0; i < c->n_members; i++)
		table_put(&old, mapping_same_person(p->s->x.mapping, c->members[i]), &old);
	for (size_t i = 0; i < r.in.n; i++)
		n += !table_get(&old, r.in.rows[i].key);
	table_release(&old);
	table_release(&r.in);
	arena_release(&r.a);
	return n;
}

/* Is anybody in this chat who would not be let in by what goes into it today? Joined are portions; each is called by who is in it. */
static bool others_are_in(struct plan *p, struct spot *sp)
{
	struct ledger_walk *w = ledger_walk(p->s->x.ledger, stream_lconv(p->s, sp));
	struct ledger_row row;
	bool others = false;
	while (!others && ledger_walk_next(w, &row) && !row.key.ts_us) {
		const char *id, *const *ids;
		size_t n;
		bool known = row.key.kind != OP_MEMBERS || row.state != OP_DONE || strncmp(row.key.id, "members:", 8) != 0;
		for (size_t i = 0; !known && stream_portion(p->s, sp, i, &p->one, &id, &ids, &n); i++)
			known = streq(id, row.key.id);
		others = !known;
	}
	ledger_walk_end(w);
	return others;
}

/* Messages of this conversation that rules send into another chat: who reads there what they could not before? Where somebody may, a rule
 * must say so; else nothing is written at all. */
static void say_away(struct plan *p, const struct conv *c, const struct away *x)
{
	const char *to = x->host->place.name;
	struct spool_conv h;
	struct company who = { 0 };
	if (!x->msgs || c->kind == CONV_PUBLIC)
		return;
	bool allowed = mapping_may_widen(p->s->x.mapping, c->id, c->name, x->host->id);
	struct spot *top = stream_host(p->s, x->host);
	top = top ? top : x->host;
	const struct target_chat *seen = top->place.action == PLACE_ADOPT && top->place.target_id ? snap_chat(p->snap, top->place.target_id, NULL) : NULL;
	bool public = top->place.is_public || (seen && seen->is_public);
	int64_t more = new_readers(p, c, x->host);
	if (spool_conv(p->s->x.spool, top->id, &p->one, &h))
		mapping_company(p->s->x.mapping, &h.conv, &p->one, &who);
	const char *name = c->name && *c->name ? c->name : c->id, *chat = top->place.target_id, *said;
	long long n = (long long)x->msgs;
	bool direct = c->kind == CONV_DM || c->kind == CONV_GROUP, adopted = top->place.action == PLACE_ADOPT && chat;
	if (!allowed && !x->there && !strncmp(x->host->id, MAPPING_MADE, strlen(MAPPING_MADE)) && others_are_in(p, x->host)) {
		said = arena_fmt(p->a, "%s (%s) is not public and rules send %lld of its messages into '%s', where people are already who may not have been in it; name it under 'allow_wider' of the rule, or choose another channel",
		                 name, c->id, n, to);
		say(p, &p->unresolved, said);
		p->f->breach = p->f->breach ? p->f->breach : said;
		return;
	}
	if (!public && !adopted && !more && !who.n_tags)
		return;
	if (allowed && !(public && direct)) {
		said = public ? arena_fmt(p->a, "%s is not public; rules send %lld of its messages into '%s', which everybody can read", name, n, to)
		     : adopted ? arena_fmt(p->a, "%s is not public; rules send %lld of its messages into '%s': whoever is in the chat %s will read them", name, n, to, chat)
		     : more ? arena_fmt(p->a, "%s is not public; rules send %lld of its messages into '%s': %lld people who were not in it will read them", name, n, to, (long long)more)
		            : arena_fmt(p->a, "%s is not public; rules send %lld of its messages into '%s': everybody with its tags will read them", name, n, to);
		say(p, &p->privacy, said);
		return;
	}
	said = public && direct ? arena_fmt(p->a, "direct messages never become public; rules send %lld of %s (%s) into '%s', which everybody can read", n, name, c->id, to)
	     : public ? arena_fmt(p->a, "%s (%s) is not public and rules send %lld of its messages into '%s', which everybody can read: name it under 'allow_wider' of the rule, or choose another channel",
	                          name, c->id, n, to)
	     : adopted ? arena_fmt(p->a, "%s (%s) is not public and rules send %lld of its messages into '%s': whoever is in the chat %s would read them; name it under 'allow_wider' of the rule, or choose another channel",
	                           name, c->id, n, to, chat)
	     : more ? arena_fmt(p->a, "%s (%s) is not public and rules send %lld of its messages into '%s': %lld people who were not in it would read them; name it under 'allow_wider' of the rule, or choose another channel",
	                        name, c->id, n, to, (long long)more)
	            : arena_fmt(p->a, "%s (%s) is not public and rules send %lld of its messages into '%s': everybody with its tags would read them; name it under 'allow_wider' of the rule, or choose another channel",
	                        name, c->id, n, to);
	say(p, &p->unresolved, said);
	p->f->breach = p->f->breach ? p->f->breach : said;
}

static void begin_chat(struct plan *p, const struct spool_conv *c)
{
	struct facts *f = p->f;
	f->chats = room(p, f->chats, f->n_chats, &p->chats_cap, f->spool.convs, sizeof(*f->chats));
	p->sp = stream_spot(p->s, c->conv.id);
	p->chat = &f->chats[f->n_chats++];
	*p->chat = (struct facts_chat){ .id = copy(p, c->conv.id), .name = copy(p, c->conv.name), .kind = c->conv.kind, .archived = c->conv.archived,
	                                .is_public = p->sp->place.is_public, .why = copy(p, p->sp->place.why), .read = c->n_msgs, .threads = c->n_threads };
	p->chat->target_name = p->s->x.exporter->chat_name(p->sp->place.name, p->a);
	p->posts = p->goes_on = 0;
	p->n_away = 0;
	p->posted = false;
	p->people_in = false;
	p->late = 0;
	table_init(&p->line_ups);
	table_init(&p->closed);
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
		say(p, &p->unresolved, arena_fmt(p->a, "%s (%s) was archived by an earlier run and has new messages: unarchive the chat %s first",
		                                 c->name, c->id, c->target_id ? c->target_id : ""));
		return;
	}
	c->reopens = true;
	bool again = p->sp->place.archive_at_end;
	if (!sure) {
		p->ahead_other += 1 + again;
		return;
	}
	call(p, OP_DELETE, 0, "", opkey_undo_part(OP_ARCHIVE, 0), 0);
	if (again)
		call(p, OP_ARCHIVE, 0, "", 0, 0);
	say(p, &p->notes, arena_fmt(p->a, "%s (%s) was archived by an earlier run: it is opened for what is new%s", c->name, c->id,
	                            again ? ", and archived again" : ""));
}

static bool each_conv(void *ctx, const struct spool_conv *c)
{
	struct plan *p = ctx;
	struct arena finish;
	enum op_state state;
	int64_t ops = p->ops;
	struct spot *sp = stream_spot(p->s, c->conv.id);
	if (stream_idle(p->s, sp)) {
		arena_reset(&p->lists);
		return true;
	}
	begin_chat(p, c);
	arena_reset(&p->one);
	judge_chat(p, &c->conv);
	p->chat->target_id = copy(p, p->chat->target_id);
	p->ok = walk_messages(p);
	if (p->ok)
		judge_pins(p, &c->conv);
	if (p->ok && p->sp->place.action != PLACE_SKIP && p->chat->action != CHAT_REJECTED) {
		arena_init(&finish);
		int64_t portions = stream_portions(p->s, p->sp, &finish, &p->chat->members);
		for (int64_t i = 0; i < portions; i++)
			call(p, OP_MEMBERS, 0, "", (int)i, 0);
		if (stream_archives(p->s, p->sp, &finish, &state))
			call(p, OP_ARCHIVE, 0, "", 0, 0);
		plan_reopening(p, ops);
		/* What goes into threads that hold history reaches nobody. */
		bool heard = p->people_in && p->sp->place.placement != PLACEMENT_THREADS;
		int64_t gone = 0;
		for (size_t i = 0; i < p->n_away; i++)
			gone += p->away[i].pending;
		p->f->heard += heard ? p->chat->pending - gone + p->goes_on : 0;
		for (size_t i = 0; i < p->n_away; i++)
			say_away(p, &c->conv, &p->away[i]);
		if (p->chat->action == CHAT_ADOPT && p->chat->pending && p->sp->place.placement == PLACEMENT_INLINE)
			say(p, &p->notes, arena_fmt(p->a, "%s (%s): its history goes among what people write in the chat %s; 'placement: threads' keeps them apart",
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
	digest_str(p, p->s->x.exporter->name);
	digest_str(p, spool_source_id(p->s->x.spool, &p->one));
	const struct spool_counts *c = &p->f->spool;
	const int64_t read[] = { c->read, c->stored, c->merged, c->conflicts, c->bad, c->users, c->convs, c->threads, c->replies, c->lost_roots,
	                         c->files, c->files_present, c->reactions, c->pins, c->first_us, c->last_us };
	for (size_t i = 0; i < countof(read); i++)
		digest_num(p, read[i]);
	ledger_count(p->s->x.ledger, &lc);
	for (int k = 0; k <= OP_DELETE; k++)
		for (int st = 0; st <= OP_GONE; st++)
			digest_num(p, lc.by_kind_state[k][st]);
	digest_end(&p->digest, p->f->digest);
	int64_t open = 0;
	for (int k = 0; k <= OP_DELETE; k++)
		open += lc.by_kind_state[k][OP_INTENT] + lc.by_kind_state[k][OP_UNKNOWN];
	p->f->nothing_to_do = !p->ops && !open;
}

/* Where several conversations go into one chat, its lane is as long as all of them. */
static void finish_loads(struct plan *p)
{
	for (size_t i = 0; i < p->loads.n; i++) {
		const struct load *x = p->loads.rows[i].value;
		struct spot *sp = p->sp;
		p->sp = x->sp;
		double t = lane_bound(p, x->posts);
		p->sp = sp;
		for (size_t k = 0; k < p->f->n_chats && !x->chat; k++) {
			struct facts_chat *c = &p->f->chats[k];
			if (c->bound_s < t && streq(c->id, x->sp->id))
				c->bound_s = t;
		}
		p->f->bound_s = t > p->f->bound_s ? t : p->f->bound_s;
	}
	for (size_t i = 0; i < p->heard.n; i++) {
		const struct away *x = p->heard.rows[i].value;
		struct ledger_walk *w = ledger_walk(p->s->x.ledger, stream_lconv(p->s, x->host));
		struct ledger_row row;
		bool in = false;
		while (!in && ledger_walk_next(w, &row) && !row.key.ts_us)
			in = row.key.kind == OP_MEMBERS && row.state == OP_DONE;
		ledger_walk_end(w);
		p->f->heard += in && x->host->place.placement != PLACEMENT_THREADS ? x->pending : 0;
	}
}

static int64_t caught(const struct plan *p, const char *rule)
{
	for (size_t i = 0; i < p->rules.n; i++) {
		const struct facts_rule *r = p->rules.rows[i].value;
		if (r->item == ITEM_MSG && streq(r->rule, rule))
			return r->n;
	}
	return 0;
}

/* Which rules take what this one would have taken: "rules: a (5), rules: b (2)"; NULL: none does. */
static const char *takers(struct plan *p, size_t rule)
{
	const char *said = NULL;
	for (size_t k = 0; k < p->n_named; k++) {
		int64_t n = p->would_by[rule][k] + spool_seats_tally(p->s->x.spool, rule, (int)k);
		if (n)
			said = arena_fmt(p->a, "%s%s%s (%lld)", said ? said : "", said ? ", " : "", p->names[k], (long long)n);
	}
	return said;
}

/* A rule that does nothing is probably mistaken; a pilot should say what it is a pilot of. */
static void say_notes(struct plan *p)
{
	const char *const *names = p->names, *by;
	for (size_t i = 0; i < p->n_named; i++) {
		if (caught(p, names[i]))
			continue;
		int64_t seated = spool_seats_picked(p->s->x.spool, i);
		if (seated) {
			const char *into = mapping_rule_into(p->s->x.mapping, i);
			say(p, &p->notes, into ? arena_fmt(p->a, "%s: %lld messages go into '%s'", names[i], (long long)seated, into)
			                       : arena_fmt(p->a, "%s: %lld messages go into threads", names[i], (long long)seated));
			continue;
		}
		int64_t tagged = spool_seats_tally(p->s->x.spool, i, TALLY_TAGGED);
		if (tagged) {
			say(p, &p->notes, arena_fmt(p->a, "%s: %lld messages get a tag", names[i], (long long)tagged));
			continue;
		}
		if ((by = takers(p, i))) {
			say(p, &p->notes, arena_fmt(p->a, "%s: catches nothing, because others take its messages before it: %s", names[i], by));
			continue;
		}
		if (p->would[i])
			say(p, &p->notes, arena_fmt(p->a, "%s: catches nothing that others before it do not leave out (%lld messages)", names[i], (long long)p->would[i]));
		else
			say(p, &p->notes, arena_fmt(p->a, "%s: catches nothing", names[i]));
	}
	if (p->elsewhere)
		say(p, &p->notes, arena_fmt(p->a, "%lld messages were sent before under other rules: they stay where they are", (long long)p->elsewhere));
	if (p->f->heard)
		say(p, &p->notes, arena_fmt(p->a, "%lld messages go into chats whose people are in already: they will be notified", (long long)p->f->heard));
	for (size_t i = 0; i < p->rules.n; i++) {
		const struct facts_rule *r = p->rules.rows[i].value;
		if (!strncmp(r->rule, "only.", 5) && (r->item == ITEM_MSG || r->item == ITEM_CONV))
			say(p, &p->notes, arena_fmt(p->a, "the pilot leaves %lld %s for later (%s)", (long long)r->n, item_name(r->item), r->rule));
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
		double t = lane_bound(p, c->links);
		longest = t > longest ? t : longest;
	}
	f->people_s = f->bound_s;
	f->bound_s += longest;
	if (p->ops) {
		p->ops += p->ahead + p->ahead_other;
		f->calls[REQ_POST] += p->ahead;
		f->links_later = p->ahead;
		f->calls[REQ_OTHER] += p->ahead_other;
		digest_num(p, p->ahead);
	}
}

/* Seats: what is to be created against what is there. The API tells no licences, so the sum is what the tariff must hold. */
static void say_seats(struct plan *p)
{
	int64_t active = 0, seats = p->n_made - p->n_shut;
	if (!p->n_made)
		return;
	if (!p->snap) {
		say(p, &p->notes, arena_fmt(p->a, "seats: %lld accounts are to be created (%lld of them without access, %lld guests)", (long long)p->n_made,
		                            (long long)p->n_shut, (long long)p->n_guests));
		return;
	}
	for (size_t i = 0; i < p->snap->n_people; i++)
		active += !p->snap->people[i].bot && !p->snap->people[i].suspended;
	say(p, &p->notes, arena_fmt(p->a, "seats: %lld accounts are to be created (%lld of them without access, %lld guests); with the %lld active ones the tariff must hold %lld",
	                            (long long)p->n_made, (long long)p->n_shut, (long long)p->n_guests, (long long)active, (long long)(active + seats)));
}

static void say_late(struct plan *p)
{
	if (p->n_late)
		say(p, &p->notes, arena_fmt(p->a, "%lld messages in %lld conversations will stand after later ones that an earlier run has sent: the target orders by arrival",
		                            (long long)p->n_late, (long long)p->n_late_chats));
}

static void finish_facts(struct plan *p)
{
	struct facts *f = p->f;
	finish_loads(p);
	finish_links(p);
	count(p, ITEM_MSG, BUCKET_MERGED, NULL, f->spool.merged);
	count(p, ITEM_MSG, BUCKET_SKIPPED, "unreadable", f->spool.bad);
	check_sums(f);
	for (int c = 0; c < N_REQ_CLASS; c++) {
		f->calls_total += f->calls[c];
		if (f->calls[c] && c != REQ_OTHER && !p->s->tr.rate[c].per_scope) {
			double t = pacer_bound_s(&p->s->tr, (enum req_class)c, f->calls[c]);
			f->bound_s = t > f->bound_s ? t : f->bound_s;
			f->people_s = t > f->people_s ? t : f->people_s;
		}
	}
	/* People are made with a token of their own; places for files are asked for by all bots in turn; all else is the first's. */
	int64_t bots = p->s->tr.bots > 1 ? p->s->tr.bots : 1;
	int64_t first = f->calls[REQ_OTHER] - p->people_calls - p->uploads + p->uploads / bots;
	double t = pacer_bound_s(&p->s->tr, REQ_OTHER, first > p->people_calls ? first : p->people_calls);
	f->bound_s = t > f->bound_s ? t : f->bound_s;
	f->n_rules = p->rules.n;
	f->rules = arena_array(p->a, p->rules.n + 1, struct facts_rule);
	for (size_t i = 0; i < p->rules.n; i++)
		f->rules[i] = *(const struct facts_rule *)p->rules.rows[i].value;
	say_end(p, &p->unresolved, &f->unresolved, &f->n_unresolved);
	say_end(p, &p->privacy, &f->privacy, &f->n_privacy);
	say_notes(p);
	say_seats(p);
	say_late(p);
	say_end(p, &p->notes, &f->notes, &f->n_notes);
	finish_digest(p);
}

bool plan_run(struct spool *sp, const struct mapping *m, const struct exporter *ex, const struct target *t, const struct traits *tr,
              struct ledger *l, const struct snapshot *snap, struct arena *a, struct facts *out, struct err *e)
{
	return plan_wished(sp, m, ex, t, tr, l, snap, 0, a, out, e);
}

bool plan_wished(struct spool *sp, const struct mapping *m, const struct exporter *ex, const struct target *t, const struct traits *tr,
                 struct ledger *l, const struct snapshot *snap, uint32_t wish, struct arena *a, struct facts *out, struct err *e)
{
	struct stream_args args = { sp, m, ex, t, l, NULL };
	struct plan p = { .f = out, .snap = snap, .a = a, .e = e, .ok = true };
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
