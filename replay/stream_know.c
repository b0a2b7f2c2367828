/* stream_know.c: what the stream knows before it decides on an order: people, places, rules, and how a message stands in the
 * ledger. Called by stream.c, stream_text.c and plan.c through stream_in.h; decides nothing about what comes next. */
#include "replay/stream_in.h"

#include "replay/arrange.h"
#include "replay/session.h"
#include "replay/spool_seat.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { AVATAR_MAX = 255 };

/* ---- people and places ---- */

bool stream_avatar_safe(const char *url)
{
	static const char *const PRIVATE[] = { "slack.com", "slack-files.com", "whatsapp.net", "localhost", "local", "internal", "lan" };
	size_t n = url ? strlen(url) : 0;
	if (n <= 8 || n > AVATAR_MAX || strncmp(url, "https://", 8) != 0 || strpbrk(url, "?#@\\\"<> ;"))
		return false;
	for (size_t i = 0; i < n; i++)
		if (url[i] <= ' ' || url[i] == 0x7f)
			return false; /* other characters than ASCII, too: char is signed, or they are above */
	const char *host = url + 8;
	size_t len = strcspn(host, "/"), last = len;
	while (last && host[last - 1] != '.')
		last--;
	if (!last || memchr(host, ':', len) || host[0] == '.' || last == len || (host[last] >= '0' && host[last] <= '9') || host[0] == '[')
		return false; /* a name with a dot, no port, no number */
	for (size_t i = 0; i < countof(PRIVATE); i++) {
		size_t m = strlen(PRIVATE[i]);
		if (len >= m && !strncasecmp(host + len - m, PRIVATE[i], m) && (len == m || host[len - m - 1] == '.'))
			return false;
	}
	return true;
}

/* The account's own picture, else the one the source knows. */
static const char *avatar_of(struct stream *s, const struct person *p, const struct user *u)
{
	const struct snapshot *snap = s->x.snap;
	if (p->action != PERSON_MATCH || !p->target_id || s->cfg->avatars != AVATARS_MATCH)
		return NULL;
	for (size_t i = 0; snap && i < snap->n_people; i++)
		if (streq(snap->people[i].id, p->target_id) && stream_avatar_safe(snap->people[i].avatar))
			return arena_strdup(&s->run, snap->people[i].avatar);
	return stream_avatar_safe(u->avatar_url) ? arena_strdup(&s->run, u->avatar_url) : NULL;
}

struct someone *stream_someone(struct stream *s, const char *id)
{
	struct someone *w = table_get(&s->people, id);
	if (w)
		return w;
	/* Somebody with several ids is the main one, unless the archives know only this one. */
	const char *main = mapping_same_person(s->x.mapping, id);
	struct arena a;
	struct user u;
	arena_init(&a);
	w = arena_new(&s->run, struct someone);
	if ((main != id && spool_user(s->x.spool, main, &a, &u)) || spool_user(s->x.spool, id, &a, &u)) {
		struct person p;
		mapping_person(s->x.mapping, &u, &a, &p);
		*w = (struct someone){ arena_strdup(&s->run, p.name), p.action == PERSON_MATCH ? arena_strdup(&s->run, p.target_id) : NULL,
		                       p.action, p.flags | u.flags, p.suspended, true, avatar_of(s, &p, &u) };
	}
	arena_release(&a);
	table_put(&s->people, arena_strdup(&s->run, id), w);
	return w;
}

/* Kept: the place and the numbers; members and pins are read again when they are needed. */
static struct spot *keep_spot(struct stream *s, const struct spool_conv *c)
{
	struct spot *sp = table_get(&s->spots, c->conv.id);
	if (sp)
		return sp;
	struct place p;
	mapping_place(s->x.mapping, &c->conv, &s->run, &p);
	sp = arena_new(&s->run, struct spot);
	*sp = (struct spot){ .id = arena_strdup(&s->run, c->conv.id), .name = arena_strdup(&s->run, c->conv.name), .count_since_us = -1, .num = c->num,
	                     .n_msgs = c->n_msgs + c->n_guests, .n_roots = c->n_roots, .n_threads = c->n_threads, .kind = c->conv.kind, .place = p,
	                     .no_files = !c->n_files && !c->n_guests && !spool_seated(s->x.spool, c->num) };
	sp->place.id = sp->id;
	sp->place.name = arena_strdup(&s->run, p.name);
	sp->place.target_id = arena_strdup(&s->run, p.target_id);
	sp->place.why = arena_strdup(&s->run, p.why);
	sp->place.into = arena_strdup(&s->run, p.into);
	table_put(&s->spots, sp->id, sp);
	struct spot *host = p.into ? stream_spot(s, p.into) : NULL; /* never one that is merged itself: no circle */
	if (p.twin && (!host || host->place.action == PLACE_SKIP)) {
		sp->place.into = NULL; /* the other is left out: the chat is its alone */
		sp->place.twin = false;
	} else if (p.into && sp->place.action != PLACE_SKIP && (!host || host->place.action == PLACE_SKIP)) {
		sp->place.action = PLACE_SKIP;
		sp->place.why = host && host->place.why ? host->place.why : "channel";
	}
	return sp;
}

struct spot *stream_host(struct stream *s, struct spot *sp)
{
	struct ledger_row row;
	if (!sp->place.into || sp->place.action == PLACE_SKIP)
		return NULL;
	/* What has a chat of its own from an earlier run stays in it: nobody's history is torn in two. */
	struct opkey k = { stream_lconv(s, sp), 0, "", OP_CHAT_CREATE, 0 };
	struct arena a;
	arena_init(&a);
	bool own = stream_row(s, &k, &a, &row);
	arena_release(&a);
	return own ? NULL : stream_spot(s, sp->place.into);
}

struct spot *stream_spot(struct stream *s, const char *id)
{
	struct spot *sp = table_get(&s->spots, id);
	if (sp)
		return sp;
	struct arena a;
	struct spool_conv c;
	arena_init(&a);
	if (spool_conv(s->x.spool, id, &a, &c))
		sp = keep_spot(s, &c);
	arena_release(&a);
	return sp;
}

struct spot *stream_spot_num(struct stream *s, int64_t num)
{
	char key[32];
	if (s->last_num && s->last_num->num == num)
		return s->last_num;
	fmt_into(key, sizeof(key), "%" PRId64, num);
	struct spot *sp = table_get(&s->numbers, key);
	if (!sp) {
		struct arena a;
		arena_init(&a);
		const char *id = spool_conv_id(s->x.spool, num, &a);
		sp = id ? stream_spot(s, id) : NULL;
		if (!sp)
			die("stream: conversation %" PRId64 " has left the spool", num);
		arena_release(&a);
		table_put(&s->numbers, arena_strdup(&s->run, key), sp);
	}
	return s->last_num = sp;
}

const char *stream_lane_name(struct stream *s, struct spot *at, const struct spool_meta *m, struct arena *a)
{
	return m->root && s->threads ? arena_fmt(a, "t:%s/%s", stream_thread_spot(s, at, m)->id, m->root) : arena_fmt(a, "c:%s", stream_seat(s, at, m)->id);
}

bool stream_idle(struct stream *s, struct spot *sp)
{
	struct ledger_row row;
	struct opkey k = { stream_lconv(s, sp), 0, "", OP_CHAT_CREATE, 0 };
	if (strncmp(sp->id, MAPPING_MADE, strlen(MAPPING_MADE)) != 0)
		return false;
	if (sp->idle != IDLE_UNKNOWN)
		return sp->idle == IDLE_YES;
	struct arena a;
	arena_init(&a);
	bool busy = stream_row(s, &k, &a, &row);
	arena_release(&a);
	struct spool_walk *w = spool_walk(s->x.spool, sp->num, SPOOL_ALL, NULL, 0, NULL);
	struct spool_meta m;
	while (!busy && spool_walk_next(w, &m)) {
		struct standing st;
		const char *rule;
		if (m.kind == MSG_LOST_ROOT)
			continue;
		arena_reset(&s->tmp);
		standing_get(s, stream_mconv(s, sp, &m), m.ts_us, m.id, &st);
		busy = !standing_settled(s, sp, &st, &m) && (st.parts || st.open || stream_fate(s, sp, &m, &rule) != FATE_SKIP);
	}
	spool_walk_end(w);
	sp->idle = busy ? IDLE_NO : IDLE_YES;
	return !busy;
}

const char *stream_stands_in(struct stream *s, struct spot *home, const struct ledger_row *row, struct arena *a)
{
	struct spool_meta m;
	const char *lane = s->crosses ? ledger_lane_name(s->x.ledger, row->lane, a) : NULL;
	struct spot *sp = lane && !strncmp(lane, "c:", 2) ? stream_spot(s, lane + 2) : NULL;
	if (s->crosses && !sp && spool_msg(s->x.spool, home->num, row->key.ts_us, row->key.id, a, NULL, &m, NULL))
		sp = stream_seat(s, home, &m);
	return stream_spot_target(s, sp ? sp : home);
}

int64_t stream_lconv(struct stream *s, struct spot *sp)
{
	if (!sp->lconv)
		sp->lconv = ledger_conv(s->x.ledger, sp->id);
	return sp->lconv;
}

bool stream_shares(struct stream *s, struct spot *sp)
{
	if (s->crosses && sp->guests == GUESTS_UNKNOWN) {
		struct arena a;
		const int64_t *convs;
		arena_init(&a);
		sp->guests = spool_seats_guests(s->x.spool, sp->num, &a, &convs) ? GUESTS_SOME : GUESTS_NONE;
		arena_release(&a);
	}
	return sp->guests == GUESTS_SOME || (mapping_merges(s->x.mapping) && (stream_host(s, sp) || mapping_hosts(s->x.mapping, sp->id)));
}

bool stream_row(struct stream *s, const struct opkey *k, struct arena *a, struct ledger_row *row)
{
	*row = (struct ledger_row){ .state = OP_ABSENT };
	/* What was taken back (mvchat rollback) is to be written again, like what never was. */
	if (ledger_get(s->x.ledger, k, a, row) && row->state != OP_GONE)
		return true;
	*row = (struct ledger_row){ .state = OP_ABSENT };
	return false;
}

bool stream_todo(enum op_state state)
{
	return state == OP_ABSENT || state == OP_INTENT || state == OP_UNKNOWN;
}

const char *stream_spot_target(struct stream *s, struct spot *sp)
{
	if (sp->target)
		return sp->target;
	struct spot *host = stream_host(s, sp);
	if (host)
		return sp->target = stream_spot_target(s, host);
	if (sp->place.action == PLACE_ADOPT && !sp->place.into)
		return sp->target = sp->place.target_id;
	struct ledger_row row;
	struct opkey k = { stream_lconv(s, sp), 0, "", OP_CHAT_CREATE, 0 };
	struct arena a;
	arena_init(&a);
	if (stream_row(s, &k, &a, &row) && row.state == OP_DONE)
		sp->target = arena_strdup(&s->run, row.target);
	arena_release(&a);
	return sp->target;
}

bool stream_chat_known(struct stream *s, const char *source_conv)
{
	return stream_spot(s, source_conv) != NULL;
}

/* "t:CONV/ROOT": an id may have a stroke in it. */
struct spot *stream_lane_spot(struct stream *s, const char *name, const char **root)
{
	struct spot *sp = NULL;
	struct arena a;
	if (strncmp(name, "t:", 2) != 0)
		return NULL;
	arena_init(&a);
	for (const char *p = strchr(name, '/'); p && !sp; p = strchr(p + 1, '/')) {
		sp = stream_spot(s, arena_strndup(&a, name + 2, (size_t)(p - name - 2)));
		*root = p + 1;
	}
	arena_release(&a);
	return sp;
}

bool stream_thread_lane(struct stream *s, const char *name, const char **root, const char **conv, int64_t *root_ts_us)
{
	struct spot *sp = stream_lane_spot(s, name, root);
	*conv = sp ? sp->id : NULL;
	return sp && spool_find(s->x.spool, sp->num, *root, root_ts_us);
}

const char *stream_chat_target(struct stream *s, const char *source_conv, struct arena *a)
{
	struct spot *sp = stream_spot(s, source_conv);
	return sp ? arena_strdup(a, stream_spot_target(s, sp)) : NULL;
}

const char *stream_user_target(struct stream *s, const char *source_user, struct arena *a)
{
	struct someone *w = stream_someone(s, source_user);
	if (w->target)
		return arena_strdup(a, w->target);
	struct ledger_row row;
	struct opkey k = { 0, 0, mapping_same_person(s->x.mapping, source_user), OP_USER_CREATE, 0 };
	if (!stream_row(s, &k, a, &row) || row.state != OP_DONE)
		return NULL;
	return w->target = arena_strdup(&s->run, row.target);
}

struct stream *stream_open(const struct stream_args *args, struct err *e)
{
	struct stream *s = xcalloc(1, sizeof(*s));
	s->x = *args;
	s->cfg = mapping_config(args->mapping);
	args->exporter->traits(args->target, &s->tr);
	s->threads = (s->tr.caps & CAP_THREAD) && (s->tr.caps & CAP_THREAD_LANES);
	arena_init(&s->run);
	arena_init(&s->tmp);
	arena_init(&s->trial);
	arena_init(&s->words);
	s->shuts = 1;
	struct spool_counts sc;
	spool_count(args->spool, &sc);
	const char *const *paths;
	s->several = spool_archives(args->spool, &s->tmp, &paths) > 1;
	s->bad = sc.bad > 0;
	s->files = (s->tr.caps & CAP_UPLOAD) && sc.files > 0;
	s->days_since_us = mapping_days_since(args->mapping, sc.last_us);
	if (mapping_asks_text(args->mapping))
		s->answers = xcalloc(TEXT_ANSWERS, sizeof(*s->answers));
	table_init(&s->people);
	table_init(&s->spots);
	table_init(&s->numbers);
	s->crosses = s->threads && mapping_has_into(args->mapping);
	if (s->threads && s->cfg->zone && s->cfg->locale && !arrange(args->spool, args->mapping, e)) {
		stream_close(s);
		return NULL;
	}
	if (!s->cfg->zone || !s->cfg->locale || !s->cfg->label_format) {
		err_set(e, ERR_USAGE, "the mapping names no zone, locale or label");
		stream_close(s);
		return NULL;
	}
	return s;
}

void stream_wish(struct stream *s, uint32_t wishes)
{
	s->wish = wishes;
}

void stream_close(struct stream *s)
{
	if (!s)
		return;
	table_release(&s->people);
	table_release(&s->spots);
	table_release(&s->numbers);
	arena_release(&s->run);
	arena_release(&s->tmp);
	arena_release(&s->trial);
	arena_release(&s->words);
	free(s->answers);
	free(s);
}

bool stream_shut(struct stream *s, struct spot *sp, struct arena *a, struct ledger_row *row)
{
	struct ledger_row opened;
	struct opkey k = { stream_lconv(s, sp), 0, "", OP_ARCHIVE, 0 };
	if (!(s->tr.caps & CAP_ARCHIVE) || sp->open_at == s->shuts)
		return false;
	if (!stream_row(s, &k, a, row) || row->state != OP_DONE) {
		sp->open_at = s->shuts;
		return false;
	}
	k.kind = OP_DELETE;
	k.part = opkey_undo_part(OP_ARCHIVE, 0);
	return !stream_row(s, &k, a, &opened) || opened.state != OP_REJECTED;
}

/* ---- rules ---- */

/* Messages of the same instant are all in. */
int64_t stream_count_since(struct spool *sp, int64_t conv, int64_t want)
{
	struct spool_meta m;
	int64_t n = 0, since = 0;
	for (int pass = 0; want > 0 && pass < 2 && (!pass || n > want); pass++) {
		struct spool_walk *w = spool_walk(sp, conv, SPOOL_SOURCE, NULL, 0, NULL);
		int64_t at = 0;
		while (!since && spool_walk_next(w, &m)) {
			if (m.kind == MSG_LOST_ROOT)
				continue;
			if (pass && at++ == n - want)
				since = m.ts_us;
			n += !pass;
		}
		spool_walk_end(w);
	}
	return since;
}

static struct msg_meta meta_of(struct stream *s, struct spot *sp, const struct spool_meta *m)
{
	if (sp->count_since_us < 0)
		sp->count_since_us = stream_count_since(s->x.spool, sp->num, s->cfg->last_messages); /* the spool does not change meanwhile */
	return (struct msg_meta){ .conv = sp->id, .conv_name = sp->name, .author = m->author, .ts_us = m->ts_us, .kind = m->kind, .flags = m->flags,
	                          .has_replies = m->n_replies > 0, .is_reply = m->root != NULL, .is_empty = m->empty, .has_file = m->n_files > 0,
	                          .days_since_us = s->days_since_us, .count_since_us = sp->count_since_us };
}

/* Rules and redactions that need the text. Only messages that are not settled in the ledger get here, each several times in a
 * row (passing over, looking, threads): the last answers are remembered, so that a text is mostly read once. */
static const char *text_rule(struct stream *s, const struct spot *sp, const struct spool_meta *m, const struct msg_meta *mm)
{
	uint64_t key = hash64(m->id, strlen(m->id), m->fp ^ (uint64_t)sp->num * UINT64_C(0x9e3779b97f4a7c15)) | 1;
	struct text_answer *v = &s->answers[key / 2 % TEXT_ANSWERS];
	struct msg msg;
	if (v->key == key)
		return v->rule;
	arena_reset(&s->words);
	/* What cannot be read is not sent either: whoever wants its body meets the error. */
	if (!spool_msg(s->x.spool, sp->num, m->ts_us, m->id, &s->words, &msg, NULL, NULL))
		return NULL;
	*v = (struct text_answer){ key, mapping_skips_text(s->x.mapping, mm, &msg, &s->words) };
	return v->rule;
}

enum limits { LIMITS_COUNT, WHENEVER };
static const char *rule_of(struct stream *s, struct spot *at, const struct spool_meta *m, enum limits limits)
{
	if (m->kind == MSG_LOST_ROOT)
		return "orphan"; /* sent only where replies need it */
	struct spot *sp = stream_home(s, at, m);
	if (sp != at && sp->place.action == PLACE_SKIP)
		return sp->place.why ? sp->place.why : "channel";
	struct msg_meta mm = meta_of(s, sp, m);
	mm.whenever = limits == WHENEVER;
	const char *rule = mapping_skips(s->x.mapping, &mm);
	if (!rule && m->empty && m->kind != MSG_DELETED)
		return "empty";
	return rule || !s->answers ? rule : text_rule(s, sp, m, &mm);
}

uint64_t stream_rule_hits(struct stream *s, struct spot *sp, const struct spool_meta *m)
{
	sp = stream_home(s, sp, m);
	struct msg_meta mm = meta_of(s, sp, m);
	struct msg msg;
	arena_reset(&s->words);
	bool read = (s->answers || mapping_has_tags(s->x.mapping)) && spool_msg(s->x.spool, sp->num, m->ts_us, m->id, &s->words, &msg, NULL, NULL);
	return mapping_rule_hits(s->x.mapping, &mm, read ? &msg : NULL, &s->words);
}

const char *stream_tags(struct stream *s, struct spot *sp, const struct spool_meta *m, const struct msg *msg, struct arena *a)
{
	if (!mapping_has_tags(s->x.mapping))
		return NULL;
	struct msg_meta mm = meta_of(s, sp, m);
	return mapping_tags(s->x.mapping, &mm, msg, a);
}

bool stream_route_of(struct stream *s, struct spot *sp, const struct spool_meta *m, size_t *rule)
{
	struct msg_meta mm = meta_of(s, sp, m);
	struct msg msg;
	struct route r;
	arena_reset(&s->words);
	enum route_answer got = mapping_route(s->x.mapping, &mm, NULL, &s->words, &r);
	if (got == ROUTE_ASK_TEXT && spool_msg(s->x.spool, sp->num, m->ts_us, m->id, &s->words, &msg, NULL, NULL))
		got = mapping_route(s->x.mapping, &mm, &msg, &s->words, &r);
	*rule = got == ROUTE_YES ? r.rule : 0;
	return got == ROUTE_YES;
}

/* Will any reply be sent? Asked only for first messages that are themselves left out. */
static bool any_reply_goes(struct stream *s, struct spot *sp, const char *root)
{
	struct spool_walk *w = spool_walk(s->x.spool, sp->num, SPOOL_THREAD, root, 0, NULL);
	struct spool_meta m;
	bool goes = false;
	while (!goes && spool_walk_next(w, &m))
		goes = !rule_of(s, sp, &m, LIMITS_COUNT);
	spool_walk_end(w);
	return goes;
}

/* A thread of ours is begun for what is still to be written into it, not for what stands elsewhere since before. */
static bool any_reply_due(struct stream *s, struct spot *sp, const char *root)
{
	struct spool_walk *w = spool_walk(s->x.spool, sp->num, SPOOL_THREAD, root, 0, NULL);
	struct spool_meta m;
	bool due = false;
	while (!due && spool_walk_next(w, &m)) {
		struct standing st;
		arena_reset(&s->tmp);
		standing_get(s, stream_mconv(s, sp, &m), m.ts_us, m.id, &st);
		due = !st.open && !standing_settled(s, sp, &st, &m) && (st.parts || !rule_of(s, sp, &m, LIMITS_COUNT));
	}
	spool_walk_end(w);
	return due;
}

enum fate stream_fate(struct stream *s, struct spot *sp, const struct spool_meta *m, const char **rule)
{
	sp = stream_home(s, sp, m);
	*rule = rule_of(s, sp, m, LIMITS_COUNT);
	if (!*rule)
		return FATE_SEND;
	if (!s->threads || m->root || !m->n_replies ||
	    (m->kind == MSG_LOST_ROOT && s->cfg->orphans == ORPHAN_SKIP && !spool_is_title(m)))
		return FATE_SKIP;
	if (spool_is_title(m))
		return any_reply_due(s, sp, m->id) ? FATE_PLACEHOLDER : FATE_SKIP;
	if (!any_reply_goes(s, sp, m->id))
		return FATE_SKIP;
	/* A pilot's limits only leave for later: a place-holder would still stand there when the whole comes. All other rules count. */
	if (!strncmp(*rule, "only.", 5))
		*rule = rule_of(s, sp, m, WHENEVER);
	return *rule ? FATE_PLACEHOLDER : FATE_SEND;
}

/* ---- standing ---- */

void standing_add(struct standing *st, const struct ledger_row *r)
{
	if (r->state == OP_ABSENT || r->state == OP_GONE)
		return;
	bool open = r->state == OP_INTENT || r->state == OP_UNKNOWN;
	switch (r->key.kind) {
	case OP_UPLOAD:
		st->uploads += r->state == OP_DONE; /* one that is open puts nothing in doubt: nobody sees it */
		break;
	case OP_POST:
		st->open |= open;
		st->rejected |= r->state == OP_REJECTED;
		st->stale |= r->stale_mapping;
		st->post_stale |= r->stale_mapping;
		st->loss |= r->loss;
		if (r->state == OP_DONE) {
			st->parts++;
			st->complete = !(r->loss & LOSS_SPLIT);
			st->last_run = r->run;
			st->last_sent_us = r->sent_us;
		}
		if (open)
			st->open_lane = r->lane;
		st->lane = r->lane;
		if (r->key.part == 0)
			st->src_fp = r->src_fp;
		break;
	case OP_EDIT:
		st->open |= open;
		st->edit_refused |= r->state == OP_REJECTED;
		if ((r->state == OP_DONE || r->was.any) && r->sent_us >= st->edit_sent_us) {
			st->loss = ((r->state == OP_DONE ? r->loss : r->was.loss) & ~(uint32_t)LOSS_SPLIT) | (st->loss & LOSS_SPLIT);
			st->edit_sent_us = r->sent_us;
		}
		if (r->key.part == 0 && (r->state == OP_DONE || r->state == OP_REJECTED)) {
			st->edit = true;
			st->edit_src_fp = r->src_fp;
			st->stale = r->state == OP_DONE ? r->stale_mapping : r->was.any ? r->was.stale_mapping : st->stale;
		}
		break;
	case OP_THREAD_OPEN:
		st->thread = r->state;
		break;
	case OP_REACT:
		st->reacts[r->state]++;
		break;
	case OP_DELETE:
		if (r->state == OP_DONE && (r->loss & LOSS_SPLIT) && r->key.part == st->parts &&
		    (r->run > st->last_run || (r->run == st->last_run && r->sent_us >= st->last_sent_us)))
			st->complete = true;
		break;
	case OP_USER_CREATE: case OP_CHAT_CREATE: case OP_PIN: case OP_MEMBERS: case OP_ARCHIVE:
		break;
	}
}

void standing_get(struct stream *s, int64_t lconv, int64_t ts_us, const char *id, struct standing *out)
{
	struct ledger_row row;
	struct opkey k = { lconv, ts_us, id, OP_POST, 0 };
	*out = (struct standing){ 0 };
	while (stream_row(s, &k, &s->tmp, &row)) {
		standing_add(out, &row);
		if (row.state != OP_DONE)
			break;
		k.part++;
	}
	if (!out->parts)
		return;
	k.kind = OP_DELETE;
	if (!out->complete && k.part == out->parts && stream_row(s, &k, &s->tmp, &row))
		standing_add(out, &row);
	k.kind = OP_EDIT;
	k.part = 0;
	if (stream_row(s, &k, &s->tmp, &row))
		standing_add(out, &row);
}

/* A stand-in whose message goes itself by now. */
static bool stands_in_vain(struct stream *s, struct spot *sp, const struct standing *st, const struct spool_meta *m)
{
	const char *rule;
	return (st->loss & LOSS_ROOT) && m->kind != MSG_LOST_ROOT && stream_fate(s, sp, m, &rule) == FATE_SEND;
}

bool standing_settled(struct stream *s, struct spot *sp, const struct standing *st, const struct spool_meta *m)
{
	if (st->open)
		return false;
	if (st->rejected)
		return true;
	if (!st->complete)
		return false;
	if (!(s->tr.caps & CAP_EDIT))
		return true;
	if ((s->wish & WISH_EDIT_DRIFT) && (st->parts == 1 ? st->stale : st->post_stale))
		return false;
	if (st->parts == 1 && st->edit)
		return st->edit_src_fp == m->fp && !stands_in_vain(s, sp, st, m);
	return st->src_fp == m->fp && !st->edit && !stands_in_vain(s, sp, st, m);
}

bool stream_change_due(const struct stream *s, const struct spool_meta *m, enum fate fate, const struct ledger_row *post, const struct ledger_row *edit)
{
	bool refused = edit->state == OP_REJECTED;
	struct ledger_there there = ledger_there(post, edit);
	if (!(s->tr.caps & CAP_EDIT))
		return false;
	if ((refused ? edit->src_fp : there.src_fp) != m->fp || (fate == FATE_SEND && (there.loss & LOSS_ROOT) && m->kind != MSG_LOST_ROOT))
		return true;
	return (s->wish & WISH_EDIT_DRIFT) && (refused ? edit->stale_mapping : there.stale_mapping);
}

bool stream_edit_due(const struct stream *s, const struct spool_meta *m, enum fate fate, const struct ledger_row *post, const struct ledger_row *edit,
                     uint64_t now)
{
	bool same_source = (edit->state == OP_REJECTED ? edit->src_fp : ledger_there(post, edit).src_fp) == m->fp;
	if (now == ledger_there(post, edit).body_fp || (edit->state == OP_REJECTED && edit->body_fp == now && same_source))
		return false; /* it says so, or was asked once, with these words */
	return stream_change_due(s, m, fate, post, edit);
}
