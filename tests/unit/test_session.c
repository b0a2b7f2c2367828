/* session against a scripted wire and a target that exists only here. Time is virtual. */
#include "replay/session.h"

#include "core/clock.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- the wire: answers in order ---- */

struct answer { enum wire_class cls; int status, retry_after; const char *body; };
static const struct answer *script;
static size_t n_script, asked;
static int64_t endless;    /* > 0: each page is full and names another one; the next id */
static char paths[4096];   /* every path asked for, ';' behind each */
static char opened[128];
static bool wire_is_open;
static int64_t last_asked_us;

struct wire *wire_open(const struct wire_config *c, struct err *e)
{
	if (streq(c->base_url, "bad"))
		return err_set(e, ERR_USAGE, "bad address"), NULL;
	snprintf(opened, sizeof(opened), "%s", c->base_url);
	wire_is_open = true;
	return (struct wire *)(void *)&wire_is_open;
}

void wire_first_bot(struct wire *w, int bot) { (void)w, (void)bot; }
void wire_close(struct wire *w)
{
	if (w)
		wire_is_open = false;
}

enum wire_class wire_call(struct wire *w, const struct http_req *r, struct arena *a, struct http_resp *resp, struct err *e)
{
	assert_ptr_equal(w, &wire_is_open);
	assert_false(r->writes);
	size_t n = strlen(paths);
	*resp = (struct http_resp){ .status = 200, .body = "", .content_type = "", .retry_after_s = -1 };
	if (endless)
		return WIRE_ANSWER;
	resp->status = 0;
	snprintf(paths + n, sizeof(paths) - n, "%s;", r->path);
	last_asked_us = clock_mono_us();
	if (asked >= n_script)
		fail_msg("one request too many: %s", r->path);
	const struct answer *s = &script[asked++];
	if (s->cls != WIRE_ANSWER) {
		err_set(e, ERR_TARGET, "cannot connect");
		return s->cls;
	}
	*resp = (struct http_resp){ .status = s->status, .body = arena_strdup(a, s->body ? s->body : ""), .len = s->body ? strlen(s->body) : 0,
		                    .content_type = "", .retry_after_s = s->retry_after };
	return WIRE_ANSWER;
}

/* ---- the target: a page is "id id id>next" ---- */

struct target { int hellos; bool named; char url[128]; };
static struct target the_target;
static bool may_refuses;
static uint32_t may_asked;
static int hello_wants;

static struct target *configure(const char *const *options, struct arena *a, struct err *e)
{
	(void)a;
	the_target = (struct target){ 0 };
	for (; options && *options; options++) {
		if (!strncmp(*options, "url=", 4))
			snprintf(the_target.url, sizeof(the_target.url), "%s", *options + 4);
		else if (!streq(*options, "x=1"))
			return err_set(e, ERR_USAGE, "unknown option"), NULL;
	}
	return &the_target;
}

static void traits(const struct target *t, struct traits *out)
{
	*out = (struct traits){ .caps = t->named ? CAP_LIST : 0 };
	out->rate[REQ_READ] = (struct rate){ false, 10, 10, 10 };
	out->rate[REQ_OTHER] = (struct rate){ false, 50, 50, 50 };
}

static bool hello_build(const struct target *t, int i, struct arena *a, struct http_req *out)
{
	(void)t;
	if (i >= hello_wants)
		return false;
	*out = (struct http_req){ .method = "GET", .path = arena_fmt(a, "/hello%d", i), .rate = REQ_OTHER, .scope = "" };
	return true;
}

static bool hello_parse(struct target *t, int i, const struct http_resp *r, struct arena *a, struct err *e)
{
	(void)a;
	if (r->status != 200)
		return err_set(e, ERR_TARGET, "token refused");
	assert_int_equal(i, t->hellos++);
	t->named = true;
	return true;
}

static bool may(const struct target *t, uint32_t kinds, struct err *e)
{
	(void)t;
	may_asked = kinds;
	return !may_refuses || err_set(e, ERR_TARGET, "lacks messages:create");
}

static const char *identity(const struct target *t, struct arena *a)
{
	assert_true(t->named || !hello_wants);
	return arena_strdup(a, "fake one");
}

static bool list_build(const struct target *t, enum list_kind kind, const char *scope, enum list_order order, const char *cursor,
                       struct arena *a, struct http_req *out, struct err *e)
{
	(void)t;
	if (kind == LIST_MEMBERS)
		return err_set(e, ERR_INTERNAL, "no such list");
	*out = (struct http_req){ .method = "GET", .rate = REQ_READ, .scope = scope,
		                  .path = arena_fmt(a, "/l%d/%s/%s/%s", (int)kind, scope, order == OLDEST_FIRST ? "up" : "down", cursor ? cursor : "") };
	return true;
}

static bool list_parse(const struct target *t, enum list_kind kind, const struct http_resp *r, struct arena *a, struct page *out, struct err *e)
{
	(void)t;
	(void)kind;
	*out = (struct page){ .v = arena_array(a, 64, struct seen) };
	if (endless) {
		out->n = 64;
		for (size_t i = 0; i < out->n; i++)
			out->v[i] = (struct seen){ .id = arena_fmt(a, "%" PRId64, endless++), .name = "", .body = "" };
		out->next = arena_fmt(a, "%" PRId64, endless);
		return true;
	}
	if (r->status != 200 || strchr(r->body, '<'))
		return err_set(e, ERR_TARGET, "not a list: %d", r->status);
	char *copy = arena_strdup(a, r->body), *next = strchr(copy, '>');
	if (next) {
		*next = '\0';
		out->next = next + 1;
	}
	for (char *save, *id = strtok_r(copy, " ", &save); id; id = strtok_r(NULL, " ", &save))
		out->v[out->n++] = (struct seen){ .id = id, .name = arena_fmt(a, "name %s", id), .body = *id == '1' ? "one@x" : "", .archived = *id == '2',
			                          .suspended = *id == '3', .is_public = *id == '4', .phone = *id == '5' ? "+5" : NULL };
	return true;
}

static const struct exporter fake = { .name = "fake", .default_url = "https://default", .configure = configure, .traits = traits,
	.hello_build = hello_build, .hello_parse = hello_parse, .may = may, .identity = identity, .list_build = list_build, .list_parse = list_parse };

/* ---- helpers ---- */

static void play(const struct answer *s, size_t n)
{
	script = s;
	n_script = n;
	asked = 0;
	paths[0] = '\0';
}
#define PLAY(...) do { static const struct answer s_[] = { __VA_ARGS__ }; play(s_, countof(s_)); } while (0)
#define OK(body) { WIRE_ANSWER, 200, -1, body }
#define STATUS(n, after) { WIRE_ANSWER, n, after, NULL }
#define LOST(cls) { cls, 0, -1, NULL }

static int setup(void **state)
{
	(void)state;
	setenv("MVCHAT_CLOCK", "virtual", 1);
	clock_init();
	hello_wants = 0;
	may_refuses = false;
	play(NULL, 0);
	return 0;
}

static struct session *open_session(void)
{
	struct err e = ERR_INIT;
	struct session_args a = { .ex = &fake };
	struct session *s = session_open(&a, &e);
	if (!s)
		fail_msg("%s", e.msg);
	return s;
}

static char rows[256];
static int rows_max;
static bool each(void *ctx, const struct seen *r)
{
	size_t n = strlen(rows);
	assert_ptr_equal(ctx, rows);
	snprintf(rows + n, sizeof(rows) - n, "%s ", r->id);
	return --rows_max != 0;
}

static bool list(struct session *s, struct err *e)
{
	rows[0] = '\0';
	return session_list(s, LIST_MESSAGES, "5", OLDEST_FIRST, each, rows, e);
}

/* ---- tests ---- */

static void opening_greets_and_asks_permission(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	hello_wants = 3;
	PLAY(OK(""), OK(""), OK(""));
	static const char *const OPTIONS[] = { "x=1", NULL };
	struct session_args a = { .ex = &fake, .op_kinds = 1u << OP_POST, .options = OPTIONS, .wire = { .base_url = "https://mine" } };
	struct session *s = session_open(&a, &e);
	assert_non_null(s);
	assert_string_equal(paths, "/hello0;/hello1;/hello2;");
	assert_string_equal(opened, "https://mine");
	assert_string_equal(the_target.url, "https://mine");
	assert_string_equal(s->target_id, "fake one");
	assert_int_equal(may_asked, 1u << OP_POST);
	assert_int_equal(s->traits.caps, CAP_LIST); /* as they are after the greeting */
	assert_true(wire_is_open);
	session_close(s);
	assert_false(wire_is_open);
	/* an address given as an option stays; without any, the exporter's own */
	static const char *const NAMED[] = { "url=https://other", NULL };
	a.options = NAMED;
	PLAY(OK(""), OK(""), OK(""));
	s = session_open(&a, &e);
	assert_string_equal(the_target.url, "https://other");
	session_close(s);
	a = (struct session_args){ .ex = &fake };
	PLAY(OK(""), OK(""), OK(""));
	s = session_open(&a, &e);
	assert_string_equal(opened, "https://default");
	assert_string_equal(the_target.url, "");
	session_close(s);
	session_close(NULL);
}

static void opening_fails_with_the_reason(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	static const char *const OPTIONS[] = { "y", NULL };
	struct session_args a = { .ex = &fake, .options = OPTIONS };
	assert_null(session_open(&a, &e));
	assert_string_equal(e.msg, "unknown option");
	a = (struct session_args){ .ex = &fake, .wire = { .base_url = "bad" } };
	assert_null(session_open(&a, &e));
	assert_string_equal(e.msg, "bad address");
	a = (struct session_args){ .ex = &fake };
	hello_wants = 1;
	PLAY(STATUS(401, -1));
	assert_null(session_open(&a, &e));
	assert_string_equal(e.msg, "token refused");
	may_refuses = true;
	PLAY(OK(""));
	assert_null(session_open(&a, &e));
	assert_string_equal(e.msg, "lacks messages:create");
	assert_false(wire_is_open);
	/* nobody there: two tries, not five */
	PLAY(LOST(WIRE_UNSENT), LOST(WIRE_UNSENT));
	assert_null(session_open(&a, &e));
	assert_string_equal(e.msg, "cannot connect");
	assert_true(e.hint[0]);
	assert_int_equal(asked, 2);
}

static void greeting_survives_a_hiccup(void **state)
{
	(void)state;
	hello_wants = 2;
	PLAY(LOST(WIRE_UNSENT), STATUS(502, -1), STATUS(429, 2), OK(""), LOST(WIRE_UNSENT), LOST(WIRE_UNSENT), OK(""));
	session_close(open_session());
	assert_int_equal(asked, 7);
	assert_true(clock_mono_us() >= 3000000);
}

static void a_list_is_read_page_by_page(void **state)
{
	(void)state;
	struct session *s = open_session();
	struct err e = ERR_INIT;
	PLAY(OK("1 2 3>c2"), OK(">c3"), OK("4 5>c4"), OK("6"));
	assert_true(list(s, &e));
	assert_string_equal(rows, "1 2 3 4 5 6 ");
	assert_string_equal(paths, "/l3/5/up/;/l3/5/up/c2;/l3/5/up/c3;/l3/5/up/c4;");
	assert_int_equal(s->list_requests, 4);
	assert_int_equal(s->last_status, 200);
	/* an empty one */
	PLAY(OK(""));
	assert_true(list(s, &e));
	assert_string_equal(rows, "");
	/* stopped by the reader in the middle of a page */
	PLAY(OK("1 2 3>c2"), OK("4 5 6>c3"));
	rows_max = 5;
	assert_true(list(s, &e));
	assert_string_equal(rows, "1 2 3 4 5 ");
	rows_max = 3; /* and with its last row: no further page is asked for */
	PLAY(OK("1 2 3>c2"));
	assert_true(list(s, &e));
	rows_max = 0;
	session_close(s);
}

static void trouble_in_passing_is_tried_again(void **state)
{
	(void)state;
	struct session *s = open_session();
	struct err e = ERR_INIT;
	int64_t t = clock_mono_us();
	PLAY(LOST(WIRE_UNSENT), STATUS(500, -1), LOST(WIRE_UNKNOWN), STATUS(503, -1), OK("1>c2"), STATUS(408, -1), OK("2"));
	assert_true(list(s, &e));
	assert_string_equal(rows, "1 2 ");
	assert_true(clock_mono_us() - t >= 500000 * (1 + 2 + 4 + 8 + 1));
	assert_true(clock_mono_us() - t < 60000000);
	/* five times the same is enough */
	PLAY(STATUS(500, -1), STATUS(500, -1), LOST(WIRE_UNKNOWN), STATUS(500, -1), STATUS(502, -1));
	assert_false(list(s, &e));
	assert_int_equal(asked, 5);
	assert_int_equal(e.code, ERR_TARGET);
	assert_string_equal(e.msg, "the target answered HTTP 502");
	assert_true(e.hint[0]);
	session_close(s);
}

static bool count_rows(void *ctx, const struct seen *r)
{
	(void)r;
	++*(int64_t *)ctx;
	return true;
}

/* Full pages for ever: whoever keeps the rows does not run out of memory. */
static void a_list_without_end_is_an_error(void **state)
{
	(void)state;
	struct session *s = open_session();
	struct err e = ERR_INIT;
	int64_t n = 0;
	endless = 1;
	assert_false(session_list(s, LIST_CHATS, "", OLDEST_FIRST, count_rows, &n, &e));
	endless = 0;
	assert_int_equal(e.code, ERR_TARGET);
	assert_non_null(strstr(e.msg, "does not end"));
	assert_in_range(n, 1000000, 1000064);
	session_close(s);
}

static void a_refusal_is_sat_out(void **state)
{
	(void)state;
	struct session *s = open_session();
	struct err e = ERR_INIT;
	int64_t t = clock_mono_us();
	PLAY(STATUS(429, 30), OK("1"));
	assert_true(list(s, &e));
	assert_true(last_asked_us - t >= 30000000 && last_asked_us - t < 33000000);
	/* more often than a failure may come, because nothing failed */
	PLAY(STATUS(429, 1), STATUS(429, -1), STATUS(503, 3), STATUS(429, 0), STATUS(429, 1), STATUS(429, 1), STATUS(429, 1), OK("1"));
	assert_true(list(s, &e));
	assert_int_equal(asked, 8);
	/* but not for ever, and not for a day */
	static struct answer many[200];
	for (size_t i = 0; i < countof(many); i++)
		many[i] = (struct answer)STATUS(429, 20);
	play(many, countof(many));
	t = clock_mono_us();
	assert_false(list(s, &e));
	assert_true(asked > 3 && asked < 60);
	assert_true(clock_mono_us() - t <= 1100 * (int64_t)1000000);
	assert_non_null(strstr(e.msg, "slow down"));
	PLAY(STATUS(429, 86400));
	t = clock_mono_us();
	assert_false(list(s, &e));
	assert_true(clock_mono_us() - t < 1100 * (int64_t)1000000);
	session_close(s);
}

static void pages_are_paced(void **state)
{
	(void)state;
	struct session *s = open_session();
	struct err e = ERR_INIT;
	static struct answer pages[101];
	static char cursors[101][16];
	for (size_t i = 0; i < countof(pages); i++) {
		snprintf(cursors[i], sizeof(cursors[i]), i < 100 ? "1>c%zu" : "1", i);
		pages[i] = (struct answer)OK(cursors[i]);
	}
	play(pages, countof(pages));
	int64_t t = clock_mono_us();
	assert_true(session_list(s, LIST_MESSAGES, "5", NEWEST_FIRST, each, rows, &e));
	double took = (double)(clock_mono_us() - t) / 1e6, bound = pacer_bound_s(&s->traits, REQ_READ, 101);
	assert_true(took >= bound && took < bound * 1.05);
	session_close(s);
}

static void what_cannot_be_read_is_an_error(void **state)
{
	(void)state;
	struct session *s = open_session();
	struct err e = ERR_INIT;
	PLAY(STATUS(404, -1)); /* a clear no: once */
	assert_false(list(s, &e));
	assert_string_equal(e.msg, "not a list: 404");
	assert_int_equal(s->last_status, 404);
	PLAY(OK("<html>"), OK("1 2>c"), OK("<html>"), OK("<html>"), OK("3")); /* a page of somebody else's: again */
	assert_true(list(s, &e));
	assert_string_equal(rows, "1 2 3 ");
	PLAY(OK("<html>"), OK("<html>"), OK("<html>"));
	assert_false(list(s, &e));
	PLAY(LOST(WIRE_LOCAL)); /* our own fault: never again */
	assert_false(list(s, &e));
	assert_int_equal(s->last_status, 0);
	PLAY(OK("1>a"), OK("2>a"));
	assert_false(list(s, &e));
	assert_non_null(strstr(e.msg, "circles"));
	static struct answer empty[1100];
	static char cursors[1100][16];
	for (size_t i = 0; i < countof(empty); i++) {
		snprintf(cursors[i], sizeof(cursors[i]), ">c%zu", i);
		empty[i] = (struct answer)OK(cursors[i]);
	}
	play(empty, countof(empty));
	assert_false(list(s, &e));
	assert_non_null(strstr(e.msg, "circles"));
	PLAY(OK("1"));
	assert_false(session_list(s, LIST_MEMBERS, "5", OLDEST_FIRST, each, rows, &e));
	assert_string_equal(e.msg, "no such list");
	session_close(s);
}

static void the_snapshot(void **state)
{
	(void)state;
	struct session *s = open_session();
	struct err e = ERR_INIT;
	struct arena a;
	struct snapshot snap;
	arena_init(&a);
	PLAY(OK("1 2>n"), OK("3 5"), OK("1 2 4>m"), OK("6"));
	assert_true(snapshot_read(s, &a, &snap, &e));
	session_close(s); /* it does not need the session any more */
	assert_int_equal(snap.n_people, 4);
	assert_string_equal(snap.people[0].id, "1");
	assert_string_equal(snap.people[0].name, "name 1");
	assert_string_equal(snap.people[0].email, "one@x");
	assert_null(snap.people[1].email);
	assert_true(snap.people[2].suspended && !snap.people[0].suspended);
	assert_string_equal(snap.people[3].phone, "+5");
	assert_int_equal(snap.n_chats, 4);
	assert_true(snap.chats[1].archived && !snap.chats[0].archived);
	assert_true(snap.chats[2].is_public && !snap.chats[1].is_public);
	assert_string_equal(snap.chats[3].name, "name 6");
	s = open_session();
	PLAY(OK(""), OK(""));
	assert_true(snapshot_read(s, &a, &snap, &e));
	assert_int_equal(snap.n_people + snap.n_chats, 0);
	PLAY(OK("1 2"), STATUS(403, -1));
	assert_false(snapshot_read(s, &a, &snap, &e));
	assert_int_equal(snap.n_people, 0);
	session_close(s);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(opening_greets_and_asks_permission, setup), cmocka_unit_test_setup(opening_fails_with_the_reason, setup),
		cmocka_unit_test_setup(greeting_survives_a_hiccup, setup), cmocka_unit_test_setup(a_list_is_read_page_by_page, setup),
		cmocka_unit_test_setup(trouble_in_passing_is_tried_again, setup), cmocka_unit_test_setup(a_refusal_is_sat_out, setup),
		cmocka_unit_test_setup(a_list_without_end_is_an_error, setup),
		cmocka_unit_test_setup(pages_are_paced, setup), cmocka_unit_test_setup(what_cannot_be_read_is_an_error, setup),
		cmocka_unit_test_setup(the_snapshot, setup),
	};
	return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
