/* session.c: greeting a target, and lists read to their end.
 *
 * Promises: only reads; each request waits for the pacer; a refusal (429, 503 with Retry-After) is sat out, a transient failure
 * is tried again a few times with growing pauses, anything else is reported at once. A list is complete or an error: never
 * silently short. Memory: one page, whatever the list's length. All waiting is on core/clock.
 * Called by map, plan, verify and the engine. It writes nothing to the target and nothing to the ledger.
 */
#include "replay/session.h"

#include "core/clock.h"
#include "core/log.h"

#include <stdlib.h>
#include <string.h>

enum {
	TRIES = 5,            /* of one request that fails in passing */
	TRIES_CONNECT = 2,    /* of the greeting, when nobody is there at all: a wrong address should not cost a minute */
	PARSE_TRIES = 3,      /* of a page that is a success and cannot be read (a proxy's page, a cut answer) */
	EMPTY_PAGES = 1000,   /* in a row: a server that never ends */
	ROWS_MAX = 1000000,   /* of any list but that of messages: its reader may keep every row */
};
static const int64_t FIRST_PAUSE_US = 500000;
static const int64_t REFUSED_US = 900 * (int64_t)1000000; /* refused for so long in all: give up, resumably */

static void wait_until(int64_t mono_us)
{
	while (clock_mono_us() < mono_us)
		clock_sleep_until_mono(mono_us);
}

static bool transient(int status)
{
	return status >= 500 || status == 408;
}

/* One read, until there is an answer that means something. `greeting`: nothing has worked yet. */
enum stage { GREETING, READING };
static bool fetch(struct session *s, struct http_req *r, enum stage stage, struct arena *a, struct http_resp *resp, struct err *e)
{
	int64_t pause = FIRST_PAUSE_US, refused_from = -1;
	for (int tries = 1;;) {
		for (int64_t at; (at = pool_ask(&s->pool, r, 1, 0, clock_mono_us())) != 0;)
			wait_until(at);
		struct err why = ERR_INIT;
		enum wire_class cls = wire_call(s->wire, r, a, resp, &why);
		int64_t now = clock_mono_us();
		s->last_status = resp->status;
		if (cls == WIRE_LOCAL) { /* refused before it began: a missing token, an address we do not use */
			if (e)
				*e = why;
			return false;
		}
		if (cls == WIRE_ANSWER && (resp->status == 429 || (resp->status == 503 && resp->retry_after_s >= 0))) {
			pool_throttled(&s->pool, r, resp->retry_after_s, now);
			if (refused_from < 0)
				refused_from = now;
			if (now + (int64_t)resp->retry_after_s * 1000000 - refused_from < REFUSED_US)
				continue;
			err_set(e, ERR_TARGET, "the target has been asking us to slow down for %lld minutes", (long long)(REFUSED_US / 60000000));
			return err_hint(e, "try again later; nothing is lost");
		}
		if (cls == WIRE_ANSWER && !transient(resp->status)) {
			pool_ok(&s->pool, r, now);
			return true;
		}
		if (cls == WIRE_ANSWER)
			err_set(&why, ERR_TARGET, "the target answered HTTP %d", resp->status);
		if (tries++ >= (stage == GREETING && cls == WIRE_UNSENT ? TRIES_CONNECT : TRIES)) {
			if (e)
				*e = why;
			return err_hint(e, cls == WIRE_UNSENT ? "check the address and the network, then run the same command again"
			                                      : "the target or the network is in trouble; run the same command again later");
		}
		wait_until(now + pause);
		pause *= 2;
	}
}

/* ---- opening ---- */

static size_t count_bots(const struct session_args *args)
{
	size_t n = 1;
	while (args->wire.more_bot_tokens && args->wire.more_bot_tokens[n - 1])
		n++;
	return n;
}

static const char *const *with_url(struct session *s, const struct session_args *args)
{
	size_t n = 0;
	bool named = !args->wire.base_url;
	for (; args->options && args->options[n]; n++)
		named = named || !strncmp(args->options[n], "url=", 4);
	size_t n_known = 0;
	while (args->known && args->known[n_known])
		n_known++;
	const char **v = arena_array(&s->arena, n + n_known + 4, const char *);
	for (size_t i = 0; i < n; i++)
		v[i] = args->options[i];
	if (!named)
		v[n++] = arena_fmt(&s->arena, "url=%s", args->wire.base_url);
	if (count_bots(args) > 1) {
		v[n++] = arena_fmt(&s->arena, "bots=%zu", count_bots(args));
		if (args->bond)
			v[n++] = arena_fmt(&s->arena, "bond=%s", args->bond);
	}
	for (size_t i = 0; i < n_known; i++)
		v[n++] = arena_fmt(&s->arena, "known=%s", args->known[i]);
	return v;
}

static bool greet(struct session *s, struct err *e)
{
	struct arena a;
	struct http_req r;
	bool ok = true;
	arena_init(&a);
	for (int i = 0; ok && s->ex->hello_build(s->target, i, &a, &r); i++) {
		struct http_resp resp;
		ok = fetch(s, &r, i == 0 ? GREETING : READING, &a, &resp, e) && s->ex->hello_parse(s->target, i, &resp, &s->arena, e);
		arena_reset(&a);
	}
	arena_release(&a);
	return ok;
}

struct session *session_open(const struct session_args *args, struct err *e)
{
	struct session *s = xcalloc(1, sizeof(*s));
	struct wire_config wc = args->wire;
	double rate = args->rate > 0 ? args->rate : 1.0;
	arena_init(&s->arena);
	s->ex = args->ex;
	if (!wc.base_url)
		wc.base_url = s->ex->default_url;
	s->target = s->ex->configure(with_url(s, args), &s->arena, e);
	if (!s->target)
		goto fail;
	s->ex->traits(s->target, &s->traits);
	s->wire = wire_open(&wc, e); /* refuses too many tokens */
	if (!s->wire)
		goto fail;
	pool_open(&s->pool, &s->traits, rate, count_bots(args));
	if (!greet(s, e))
		goto fail;
	int first = s->ex->first_bot && s->pool.n > 1 ? s->ex->first_bot(s->target) : 0;
	wire_first_bot(s->wire, first);
	pool_swap(&s->pool, first);
	if (!s->ex->may(s->target, args->op_kinds, e))
		goto fail;
	/* What the greeting told may have changed what the target can do for us; what has been asked so far stays counted in
	 * the pacer. */
	s->ex->traits(s->target, &s->traits);
	s->target_id = s->ex->identity(s->target, &s->arena);
	return s;
fail:
	session_close(s);
	return NULL;
}

void session_close(struct session *s)
{
	if (!s)
		return;
	wire_close(s->wire);
	if (s->pool.n)
		pool_close(&s->pool);
	arena_release(&s->arena);
	free(s);
}

/* ---- lists ---- */

static bool read_page(struct session *s, enum list_kind kind, const char *scope, enum list_order order, const char *cursor,
                      struct arena *a, struct page *page, struct err *e)
{
	for (int tries = 1;; tries++) {
		struct http_req r;
		struct http_resp resp;
		arena_reset(a);
		if (!s->ex->list_build(s->target, kind, scope, order, cursor, a, &r, e))
			return false;
		s->list_requests++;
		if (!fetch(s, &r, READING, a, &resp, e))
			return false;
		if (s->ex->list_parse(s->target, kind, &resp, a, page, e))
			return true;
		if (resp.status / 100 != 2 || tries == PARSE_TRIES)
			return false;
	}
}

bool session_list(struct session *s, enum list_kind kind, const char *scope, enum list_order order,
                  bool (*each)(void *ctx, const struct seen *row), void *ctx, struct err *e)
{
	struct arena a;
	char *cursor = NULL;
	int empty = 0;
	size_t rows = 0;
	bool ok = true, go = true;
	arena_init(&a);
	s->last_status = 0;
	while (go) {
		struct page page = { 0 };
		ok = read_page(s, kind, scope, order, cursor, &a, &page, e);
		if (!ok)
			break;
		for (size_t i = 0; go && i < page.n; i++)
			go = each(ctx, &page.v[i]);
		rows += page.n;
		if (!page.next)
			break;
		if (go && rows >= ROWS_MAX && kind != LIST_MESSAGES) {
			ok = err_set(e, ERR_TARGET, "the target's list does not end (more than %d rows)", (int)ROWS_MAX);
			break;
		}
		empty = page.n ? 0 : empty + 1;
		if ((cursor && streq(cursor, page.next)) || empty == EMPTY_PAGES) {
			ok = err_set(e, ERR_TARGET, "the target's list goes round in circles");
			break;
		}
		free(cursor);
		cursor = xstrdup(page.next);
	}
	free(cursor);
	arena_release(&a);
	return ok;
}

/* ---- the snapshot ---- */

struct gather { struct session *s; struct arena *a; struct snapshot *out; size_t cap; };

/* Which of our bots are among these people. */
static uint32_t bots_among(const struct session *s, const char *const *ids, size_t n)
{
	const char *const *bots = NULL;
	size_t n_bots = s->ex->other_bots ? s->ex->other_bots(s->target, &bots) : 0;
	uint32_t mask = 1;
	for (size_t b = 0; b < n_bots; b++)
		for (size_t i = 0; i < n; i++)
			if (streq(ids[i], bots[b]))
				mask |= 2u << b;
	return mask;
}

bool session_admit(struct session *s, const char *chat, struct err *e)
{
	const char *const *bots = NULL;
	size_t n = s->pool.n > 1 && s->ex->other_bots ? s->ex->other_bots(s->target, &bots) : 0;
	if (!n || pool_room(&s->pool, chat) == pool_all(&s->pool))
		return true;
	struct arena a;
	struct op op = { .key = { .kind = OP_MEMBERS, .id = "" }, .chat = chat, .ids = bots, .n_ids = n };
	struct http_req r;
	struct http_resp resp;
	arena_init(&a);
	bool ok = s->ex->build(s->target, &op, &a, &r, e) && fetch(s, &r, READING, &a, &resp, e); /* may be asked again: no second effect */
	if (ok) {
		struct outcome o = { .retry_after_s = -1 };
		s->ex->parse(s->target, &op, &resp, &a, &o);
		if (o.v == V_DONE)
			pool_room_put(&s->pool, chat, pool_all(&s->pool));
		else
			log_info("pool.refused", "chat %s does not take the further bots: %s", chat, o.why ? o.why : "no reason given");
	}
	arena_release(&a);
	return ok;
}

static const char *or_null(struct arena *a, const char *s)
{
	return s && *s ? arena_strdup(a, s) : NULL;
}

static bool add_person(void *ctx, const struct seen *r)
{
	struct gather *g = ctx;
	GROW(g->out->people, g->out->n_people, g->cap, 256);
	g->out->people[g->out->n_people++] = (struct target_person){
		.id = arena_strdup(g->a, r->id), .name = arena_strdup(g->a, r->name ? r->name : ""), .email = or_null(g->a, r->body),
		.phone = or_null(g->a, r->phone), .nick = or_null(g->a, r->nick), .avatar = or_null(g->a, r->avatar), .bot = r->bot, .suspended = r->suspended,
	};
	return true;
}

static bool add_chat(void *ctx, const struct seen *r)
{
	struct gather *g = ctx;
	GROW(g->out->chats, g->out->n_chats, g->cap, 256);
	g->out->chats[g->out->n_chats++] = (struct target_chat){
		.id = arena_strdup(g->a, r->id), .name = arena_strdup(g->a, r->name ? r->name : ""), .is_public = r->is_public,
		.archived = r->archived, .personal = r->personal,
	};
	pool_room_put(&g->s->pool, r->id, bots_among(g->s, r->ids, r->n_ids));
	return true;
}

/* Puts an array grown on the heap into the arena. */
static void *settle_array(struct arena *a, void *p, size_t n, size_t size)
{
	void *kept = arena_memdup(a, p ? p : "", n * size);
	free(p);
	return kept;
}

bool snapshot_read(struct session *s, struct arena *a, struct snapshot *out, struct err *e)
{
	struct gather people = { s, a, out, 0 }, chats = { s, a, out, 0 };
	*out = (struct snapshot){ 0 };
	bool ok = session_list(s, LIST_USERS, "", OLDEST_FIRST, add_person, &people, e) &&
	          session_list(s, LIST_CHATS, "", OLDEST_FIRST, add_chat, &chats, e);
	out->people = settle_array(a, out->people, out->n_people, sizeof(*out->people));
	out->chats = settle_array(a, out->chats, out->n_chats, sizeof(*out->chats));
	if (!ok)
		*out = (struct snapshot){ 0 };
	return ok;
}
