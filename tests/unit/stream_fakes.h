/* stream_fakes.h: a small model, a mapping and an exporter that can be looked through, for test_stream.c and test_plan.c.
 * The ledger and the spool are the real ones. Included by one .c of a program. */
#include "core/base.h"

#include "core/arena.h"
#include "core/buf.h"
#include "replay/plan.h"
#include "replay/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- mapping: this one, or (STREAM_REAL_MAPPING) the real one, which the program loads into MAP itself ---- */
#ifdef STREAM_REAL_MAPPING
static struct mapping *real_map;
#define MAP real_map
#else
#define MAP (&fake_map)
struct mapping { struct mapping_config cfg; const char *skip_author; const char *skip_conv, *private_as_public; bool merges; uint8_t digest; };
static struct mapping fake_map;

const struct mapping_config *mapping_config(const struct mapping *m) { return &m->cfg; }
void mapping_digest(const struct mapping *m, uint8_t out[DIGEST_BYTES]) { memset(out, m->digest, DIGEST_BYTES); }

void mapping_person(const struct mapping *m, const struct user *u, struct arena *a, struct person *out)
{
	(void)m;
	(void)a;
	*out = (struct person){ .id = u->id, .name = u->name, .flags = u->flags, .action = PERSON_LABEL, .why = "policy" };
	if (u->email && !strncmp(u->email, "new", 3))
		out->action = PERSON_CREATE, out->email = u->email;
	else if (u->email)
		out->action = PERSON_MATCH, out->target_id = u->email;
}

void mapping_place(const struct mapping *m, const struct conv *c, struct arena *a, struct place *out)
{
	(void)a;
	*out = (struct place){ .id = c->id, .name = c->name, .action = PLACE_CREATE, .is_public = c->kind == CONV_PUBLIC, .join_members = true,
	                       .archive_at_end = c->archived, .why = "policy" };
	if (m->skip_conv && streq(m->skip_conv, c->id))
		out->action = PLACE_SKIP;
	if (m->private_as_public && streq(m->private_as_public, c->id))
		out->is_public = true;
}

const char *mapping_skips(const struct mapping *m, const struct msg_meta *mm)
{
	if (m->skip_author && mm->author && streq(m->skip_author, mm->author))
		return "author";
	return mm->kind == MSG_JOIN ? "join" : NULL;
}

bool mapping_asks_text(const struct mapping *m) { (void)m; return false; }
const char *mapping_skips_text(const struct mapping *m, const struct msg_meta *mm, const struct msg *msg, struct arena *a)
{
	(void)m, (void)mm, (void)msg, (void)a;
	return NULL;
}
bool mapping_has_routes(const struct mapping *m) { (void)m; return false; }
bool mapping_has_tags(const struct mapping *m) { (void)m; return false; }
bool mapping_has_into(const struct mapping *m) { (void)m; return false; }
uint64_t mapping_tag_rules(const struct mapping *m) { (void)m; return 0; }
uint64_t mapping_rules_about(const struct mapping *m, const struct msg_meta *mm, uint64_t *texts) { (void)m, (void)mm; *texts = 0; return 0; }
const char *mapping_rule_into(const struct mapping *m, size_t rule) { (void)m, (void)rule; return NULL; }
bool mapping_may_widen(const struct mapping *m, const char *conv, const char *name, const char *into) { (void)m, (void)conv, (void)name, (void)into; return false; }
const char *mapping_tags(const struct mapping *m, const struct msg_meta *mm, const struct msg *msg, struct arena *a) { (void)m, (void)mm, (void)msg, (void)a; return NULL; }
bool mapping_merges(const struct mapping *m) { return m->merges; }
bool mapping_hosts(const struct mapping *m, const char *conv) { return m->merges && streq(conv, "C1"); }
enum route_answer mapping_route(const struct mapping *m, const struct msg_meta *mm, const struct msg *msg, struct arena *a, struct route *out)
{
	(void)m, (void)mm, (void)msg, (void)a, (void)out;
	return ROUTE_NO;
}
size_t mapping_rules(const struct mapping *m, const char *const **names) { (void)m; *names = NULL; return 0; }
uint64_t mapping_rule_hits(const struct mapping *m, const struct msg_meta *mm, const struct msg *msg, struct arena *a)
{
	(void)m, (void)mm, (void)msg, (void)a;
	return 0;
}
int64_t mapping_days_since(const struct mapping *m, int64_t newest_us) { (void)m, (void)newest_us; return 0; }

void mapping_company(const struct mapping *m, const struct conv *c, struct arena *a, struct company *out) { (void)m, (void)c, (void)a; *out = (struct company){ 0 }; }
const char *mapping_same_person(const struct mapping *m, const char *id) { (void)m; return id; }
const char *mapping_redact(const struct mapping *m, const char *text, struct arena *a) { (void)m, (void)a; return text; }
bool mapping_redact_seen(const struct mapping *m, const struct msg *in, struct arena *a, struct msg *out, struct mapping_hits *hits)
{
	(void)m, (void)a;
	*out = *in;
	*hits = (struct mapping_hits){ { 0 } };
	return true;
}
bool mapping_rule_drops(const struct mapping *m, size_t i) { (void)m, (void)i; return true; }
size_t mapping_replacements(const struct mapping *m, const char *const **names) { (void)m; *names = NULL; return 0; }
bool mapping_sample(const struct mapping *m, const struct msg *msg, enum sample_of what, size_t i, struct arena *a, struct mapping_sample *out)
{
	(void)m, (void)msg, (void)what, (void)i, (void)a, (void)out;
	return false;
}
bool mapping_redact_msg(const struct mapping *m, const struct msg *in, struct arena *a, struct msg *out) { (void)m, (void)a; *out = *in; return true; }
#endif

/* ---- exporter: plain words; parts of at most text_max bytes ---- */
static struct traits fake_tr = {
	.caps = CAP_LABEL | CAP_THREAD | CAP_THREAD_LANES | CAP_EDIT | CAP_PIN | CAP_UPLOAD | CAP_MEMBERS | CAP_ARCHIVE | CAP_USER_CREATE | CAP_REACT_SELF |
	        CAP_DELETE,
	.text_max = 60, .label_max = 255, .members_max = 2,
};

static void fake_traits(const struct target *t, struct traits *out) { (void)t; *out = fake_tr; }
static const char *fake_chat_name(const char *w, struct arena *a) { return arena_strdup(a, w); }

static void fake_render(const struct target *t, const struct text *body, const struct resolver *r, struct arena *a, const char *const **parts,
                        size_t *n_parts, uint32_t *loss)
{
	struct buf b;
	(void)t;
	buf_init(&b, 1 << 20);
	for (size_t i = 0; i < body->n_blocks; i++) {
		if (i)
			buf_addc(&b, '\n');
		for (size_t k = 0; k < body->blocks[i].n_spans; k++) {
			const struct span *s = &body->blocks[i].spans[k];
			const char *name = s->kind == SPAN_USER ? r->user_name(r->ctx, s->ref) : s->kind == SPAN_CONV ? r->conv_name(r->ctx, s->ref) : NULL;
			const char *url = s->kind == SPAN_MSG ? r->msg_url(r->ctx, s->ref) : NULL;
			*loss |= s->kind == SPAN_MSG && !url ? LOSS_LINK : 0;
			buf_adds(&b, url ? url : name ? name : s->text);
		}
	}
	size_t max = (size_t)fake_tr.text_max, n = b.len ? (b.len + max - 1) / max : 1;
	const char **v = arena_array(a, n, const char *);
	for (size_t i = 0; i < n; i++)
		v[i] = arena_strndup(a, b.p + i * max, i + 1 < n ? max : b.len - i * max);
	*parts = v;
	*n_parts = n;
	*loss |= n > 1 ? LOSS_SPLIT : 0;
	buf_release(&b);
}

static uint64_t fake_fp(const struct op *op)
{
	uint64_t h = hash64(op->label, strlen(op->label), 1);
	h = hash64(op->body, strlen(op->body), h);
	for (size_t i = 0; i < op->n_files; i++)
		h = hash64(op->files[i].name, strlen(op->files[i].name), h);
	return h;
}

static const char *fake_url(const struct target *t, const char *chat, const char *msg, struct arena *a)
{
	(void)t;
	return arena_fmt(a, "@%s/%s", chat, msg);
}

static int fake_id_cmp(const char *a, const char *b)
{
	size_t x = strlen(a), y = strlen(b);
	return x != y ? (x < y ? -1 : 1) : strcmp(a, b);
}

static const struct exporter fake_ex = { .id_cmp = fake_id_cmp, .message_url = fake_url, .name = "fake", .traits = fake_traits, .render = fake_render, .fingerprint = fake_fp, .chat_name = fake_chat_name };

/* ---- a world: spool, ledger ---- */
struct world { char dir[64], spool_path[80]; struct spool *spool; struct sink sink; struct ledger *ledger; struct arena a; int64_t run; int serial; };

static void world_spool(struct world *w)
{
	struct err e = ERR_INIT;
	static const uint8_t d[DIGEST_BYTES] = { 7 };
	spool_close(w->spool);
	w->spool = spool_open(w->spool_path, SPOOL_BUILD, &e);
	assert_non_null(w->spool);
	assert_true(spool_archive_begin(w->spool, "a.zip", "slack", "T1", d, &e));
	spool_sink(w->spool, &w->sink);
}

static void world_begin(struct world *w)
{
	struct err e = ERR_INIT;
	*w = (struct world){ 0 };
	/* Hundreds of small worlds: in memory where that is possible, for each commit waits for the disk. */
	snprintf(w->dir, sizeof(w->dir), "%s/mvchat-stream-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->spool_path, sizeof(w->spool_path), "%s/spool", w->dir);
	arena_init(&w->a);
#ifndef STREAM_REAL_MAPPING
	fake_map = (struct mapping){ .cfg = { .zone = "UTC", .locale = "en", .label_format = "{name} {date} {time}", .pins = true,
	                                      .reactions = REACTION_TEXT, .orphans = ORPHAN_PLACEHOLDER } };
#endif
	fake_tr.text_max = 100;
	w->ledger = ledger_open(w->dir, LEDGER_WRITE, &e);
	if (!w->ledger)
		fail_msg("%s", e.msg);
	uint8_t digest[DIGEST_BYTES];
	mapping_digest(MAP, digest);
	w->run = ledger_run_begin(w->ledger, "apply", digest, NULL);
	ledger_current_mapping(w->ledger, digest);
	world_spool(w);
}

static void world_ready(struct world *w)
{
	struct err e = ERR_INIT;
	if (!spool_finish(w->spool, &e))
		fail_msg("%s", e.msg);
	spool_close(w->spool);
	w->spool = spool_open(w->spool_path, SPOOL_READ, &e);
	assert_non_null(w->spool);
}

static void world_end(struct world *w)
{
	char cmd[120];
	spool_close(w->spool);
	ledger_close(w->ledger);
	arena_release(&w->a);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", w->dir);
	assert_int_equal(system(cmd), 0);
}

static void add_user(struct world *w, const char *id, const char *name, const char *email, uint32_t flags)
{
	struct user u = { .id = id, .name = name, .email = email, .flags = flags, .name_source = NAME_LISTED };
	assert_true(w->sink.user(w->sink.ctx, &u));
}

static struct msg make_msg(struct world *w, int at, const char *author, int root, const char *text)
{
	struct msg m = { .id = arena_fmt(&w->a, "%d.000000", at), .author = author, .ts_us = (int64_t)at * 1000000, .kind = MSG_TEXT, .body = text_from_plain(&w->a, text) };
	if (root) {
		m.parent = arena_fmt(&w->a, "%d.000000", root);
		m.parent_ts_us = (int64_t)root * 1000000;
	}
	return m;
}

static inline void add_msg(struct world *w, const char *conv, int at, const char *author, int root, const char *text)
{
	struct msg m = make_msg(w, at, author, root, text);
	assert_true(w->sink.msg(w->sink.ctx, conv, &m));
}

/* A message that is a few words and a link to another one: "see LINK". */
static struct msg link_msg(struct world *w, int at, const char *author, int root, const char *const *refs, size_t n)
{
	struct msg m = make_msg(w, at, author, root, "");
	struct text_builder b;
	text_begin(&b, &w->a);
	text_block(&b, BLOCK_PARA);
	text_span(&b, SPAN_TEXT, 0, "see", NULL, NULL);
	for (size_t i = 0; i < n; i++) {
		text_span(&b, SPAN_TEXT, 0, " ", NULL, NULL);
		text_span(&b, SPAN_MSG, 0, arena_fmt(&w->a, "old:%s", refs[i]), refs[i], "https://old");
	}
	m.body = text_end(&b);
	return m;
}

static inline void add_link(struct world *w, const char *conv, int at, int root, const char *ref)
{
	struct msg m = link_msg(w, at, "U1", root, &ref, 1);
	assert_true(w->sink.msg(w->sink.ctx, conv, &m));
}

/* ---- an engine in miniature: lanes one after the other, every op DONE (or as the script says) ---- */
struct driver {
	struct world *w;
	struct stream *s;
	struct buf log;                  /* one line per op */
	struct lane_spec lanes[400]; size_t n_lanes;
	int n_ops;
	int stop_after;                  /* dies after so many ops: the last one stays an intent; 0 = never */
	const char *reject;              /* bodies holding this are refused */
};

static bool note_lane(void *ctx, const struct lane_spec *l)
{
	struct driver *d = ctx;
	assert_true(d->n_lanes < countof(d->lanes));
	d->lanes[d->n_lanes] = *l;
	d->lanes[d->n_lanes].name = arena_strdup(&d->w->a, l->name);
	d->lanes[d->n_lanes].id = arena_strdup(&d->w->a, l->id);
	d->lanes[d->n_lanes].root = arena_strdup(&d->w->a, l->root);
	d->n_lanes++;
	return true;
}

static void note_thread(void *ctx, const struct lane_spec *l) { note_lane(ctx, l); }

static void log_op(struct driver *d, const struct stream_op *so)
{
	static const char *const names[] = { "?", "user", "chat", "upload", "post", "thread", "react", "pin", "members", "archive", "edit", "delete" };
	const struct op *op = &so->op;
	buf_addf(&d->log, "%s", names[op->key.kind]);
	switch (op->key.kind) {
	case OP_USER_CREATE: buf_addf(&d->log, " %s|%s|%s", op->email, op->first, op->last ? op->last : "-"); break;
	case OP_CHAT_CREATE: buf_addf(&d->log, " %s %s", op->name, op->is_public ? "public" : "private"); break;
	case OP_UPLOAD: buf_addf(&d->log, " %s", op->name); break;
	case OP_POST: buf_addf(&d->log, " %s%s [%s] %s", op->chat, op->thread ? "+" : "", op->label, op->body); break;
	case OP_EDIT: buf_addf(&d->log, " %s %s", op->target_id, op->body); break;
	case OP_THREAD_OPEN: case OP_PIN: buf_addf(&d->log, " %s", op->target_id); break;
	case OP_REACT: buf_addf(&d->log, " %s %s", op->target_id, op->emoji); break;
	case OP_MEMBERS:
		for (size_t i = 0; i < op->n_ids; i++)
			buf_addf(&d->log, " %s", op->ids[i]);
		break;
	case OP_ARCHIVE: break;
	case OP_DELETE: buf_addf(&d->log, " %s", op->undoes == OP_ARCHIVE ? "archiving" : op->target_id); break;
	}
	for (size_t i = 0; i < op->n_files; i++)
		buf_addf(&d->log, " <%s %s>", op->files[i].name, op->files[i].handle);
	buf_adds(&d->log, "\n");
}

/* Told of every op that was done, by whoever wants to know what the target holds; id: what it is called there. */
static void (*written)(void *ctx, const char *conv, const char *lane, const struct op *op, const char *id);
static void *written_ctx;

/* Runs one lane till it waits or ends. false: died. */
static bool drive_lane(struct driver *d, struct lane_spec lane, struct stream_pos *pos, size_t open, enum stream_got *end)
{
	for (;;) {
		struct arena a;
		struct stream_op so;
		struct err e = ERR_INIT;
		arena_init(&a);
		ledger_begin(d->w->ledger);
		enum stream_got got = stream_next(d->s, &lane, pos, open, note_thread, d, &a, &so, &e);
		if (got == STREAM_ERROR)
			fail_msg("%s: %s", lane.name, e.msg);
		if (got != STREAM_OP) {
			*end = got;
			assert_true(ledger_commit(d->w->ledger, &e));
			arena_release(&a);
			return true;
		}
		log_op(d, &so);
		struct world *w = d->w;
		struct ledger *l = w->ledger;
		if (so.state != OP_INTENT)
			ledger_intent(l, &so.op.key, ledger_lane(l, lane.name), so.src_fp, so.body_fp, so.loss, w->run, 1);
		bool die_here = d->stop_after && ++d->n_ops == d->stop_after;
		if (!die_here) {
			if (d->reject && so.op.body && strstr(so.op.body, d->reject))
				ledger_reject(l, &so.op.key, "bad: refused");
			else {
				w->serial++;
				const char *id = so.op.key.kind == OP_EDIT ? so.op.target_id : arena_fmt(&a, "%d", 100 + w->serial);
				ledger_done(l, &so.op.key, id, so.op.key.kind == OP_THREAD_OPEN ? arena_fmt(&a, "T%d", 100 + w->serial) : NULL);
				if (written)
					written(written_ctx, ledger_conv_name(l, so.op.key.conv, &a), lane.name, &so.op, id);
			}
		}
		if (!die_here)
			stream_passed(d->s, pos, &so);
		assert_true(ledger_commit(l, &e));
		arena_release(&a);
		if (die_here)
			return false;
	}
}

static uint32_t wished; /* enum stream_wish of the runs to come */

/* One run over everything. Returns what was written. The caller frees nothing; the text lives in the world's arena. */
static const char *drive_with(struct world *w, int stop_after, const char *reject)
{
	struct driver d = { .w = w, .stop_after = stop_after, .reject = reject };
	struct stream_args args = { w->spool, MAP, &fake_ex, NULL, w->ledger, NULL };
	struct err e = ERR_INIT;
	d.s = stream_open(&args, &e);
	assert_non_null(d.s);
	stream_wish(d.s, wished);
	buf_init(&d.log, 8 << 20);
	assert_true(stream_lanes(d.s, note_lane, &d, &e));
	size_t first = d.n_lanes;
	bool alive = true;
	struct stream_pos *at = xcalloc(first + 1, sizeof(*at));
	enum stream_got *end = xcalloc(first + 1, sizeof(*end));
	for (size_t i = 0; alive && i < first; i++) {
		/* A chat goes as far as it can, then its threads, then its finish. The count of open threads starts at one, so that it
		 * waits even when it announces none. */
		size_t next = d.n_lanes;
		end[i] = STREAM_WAIT;
		for (size_t open = d.lanes[i].kind == LANE_CHAT; alive && end[i] == STREAM_WAIT; open = 0) {
			alive = drive_lane(&d, d.lanes[i], &at[i], open, &end[i]);
			for (; alive && next < d.n_lanes; next++) {
				struct stream_pos tp = { 0 };
				enum stream_got te;
				alive = drive_lane(&d, d.lanes[next], &tp, 0, &te);
				stream_pos_release(&tp);
			}
		}
	}
	for (size_t i = 0; i < first; i++) {
		if (alive && end[i] == STREAM_LATER)
			alive = drive_lane(&d, d.lanes[i], &at[i], 0, &end[i]);
		if (alive)
			assert_int_equal(end[i], STREAM_END);
		stream_pos_release(&at[i]);
	}
	free(at);
	free(end);
	stream_close(d.s);
	const char *log = arena_strdup(&w->a, d.log.p);
	buf_release(&d.log);
	return log;
}
