/* test_engine.c: the loop against a target in memory that loses, delays, throttles and forgets, in thousands of seeded runs.
 *
 * Everything around the engine is this file's: the wire, the pacer, the stream and the exporter are fakes with the real
 * signatures (linked instead of the library's), the target lives in shared memory, and each run of the program is a child
 * process that may be killed at any request, answer or question to the stream. The ledger is the real one.
 * What must hold in the end: every message once and in order in every chat and thread, people in only after the history, and
 * a further run writes nothing.
 */
#include "replay/engine.h"

#include "core/clock.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { MAX_CHATS = 8, MAX_MSGS = 7, MAX_ROWS = 400, MAX_PLACES = 64, SETTLE_S = 30, PAGE = 3, KILLED = 9, MAX_FLY = 128, MAX_PEOPLE = 20000 };
static const int64_t SECOND = 1000000;

/* ---- the source ---- */

struct message { int text; bool file, rejected; int n_replies, reply_text[3]; };
struct source { int n_chats, n_msgs[MAX_CHATS]; struct message m[MAX_CHATS][MAX_MSGS]; };

/* ---- the target, in shared memory: it outlives the process that writes to it ---- */

struct row { int place, text; bool ours; int64_t shown_at; int id; };
struct spot { int id, name, thread_of /* message */; int64_t shown_at; bool in_use; int members, posts_at_members; };
struct late { bool used; char body[160]; int64_t at; };
struct world {
	uint64_t seed;
	int64_t now;         /* the virtual clock across processes */
	struct row row[MAX_ROWS]; int n_rows;
	struct spot place[MAX_PLACES]; int n_places;
	uint8_t people[MAX_PEOPLE];  /* how often each was made */
	struct late late[16];
	int next_id, requests, writes;
	int kills_left, faults_left, faulty /* per cent */, kill_one_in;
	bool human, down;    /* somebody else writes as well; nobody can be reached */
	int list_faults_left;
};
static struct world *w;
static struct source src;
static int n_people = 2;
static bool no_limits, same_name /* of all chats */;

static uint32_t rnd(uint32_t n)
{
	w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(w->seed >> 33) % n;
}

static void maybe_die(void)
{
	if (w->kills_left && rnd((uint32_t)w->kill_one_in) == 0) {
		w->kills_left--;
		w->now = clock_wall_us();
		_exit(KILLED);
	}
}

static int64_t target_off, row_age; /* how far the target's clock is off ours; how old a row of its lists is */
static bool time_hidden;
static int64_t applied_at; /* 0 = now */

static int64_t shown_at(void)
{
	return (applied_at ? applied_at : clock_wall_us()) + (rnd(3) ? 0 : (int64_t)rnd(SETTLE_S - 5) * SECOND / 2);
}

static int add_row(int place, int text, bool ours)
{
	if (w->n_rows == MAX_ROWS)
		abort();
	int64_t shown = shown_at();
	if (w->n_rows && w->row[w->n_rows - 1].shown_at > shown)
		shown = w->row[w->n_rows - 1].shown_at; /* lists show a prefix */
	w->row[w->n_rows++] = (struct row){ place, text, ours, shown, ++w->next_id };
	return w->next_id;
}

static int add_place(int name, int thread_of)
{
	if (w->n_places == MAX_PLACES)
		abort();
	w->place[w->n_places++] = (struct spot){ .id = ++w->next_id, .name = name, .thread_of = thread_of, .shown_at = shown_at(), .in_use = true };
	return w->next_id;
}

static int posts_in(int place)
{
	int n = 0;
	for (int i = 0; i < w->n_rows; i++)
		n += w->row[i].ours && w->row[i].place == place;
	return n;
}

/* Does one write; its answer into out. body: "POST place text", "CHAT name", "THREAD msg", "SLOT", "PUT", "MEMBERS place", "USER n", "BAD". */
static int apply(const char *body, char out[64])
{
	int a = 0, b = 0;
	if (sscanf(body, "POST %d %d", &a, &b) == 2) {
		snprintf(out, 64, "%d", add_row(a, b, true));
	} else if (sscanf(body, "CHAT %d", &a) == 1) {
		snprintf(out, 64, "%d", add_place(a, 0));
	} else if (sscanf(body, "USER %d", &a) == 1) {
		if (w->people[a]++)
			abort(); /* an address is unique: the exporter would be told "taken" */
		snprintf(out, 64, "%d", 9000 + a);
	} else if (sscanf(body, "THREAD %d", &a) == 1) {
		int id = 0;
		for (int i = 0; i < w->n_places; i++)
			if (w->place[i].thread_of == a)
				id = w->place[i].id;
		if (!id)
			id = add_place(0, a);
		snprintf(out, 64, "%d", id);
	} else if (sscanf(body, "MEMBERS %d", &a) == 1) {
		for (int i = 0; i < w->n_places; i++)
			if (w->place[i].id == a && !w->place[i].members++)
				w->place[i].posts_at_members = posts_in(a);
		snprintf(out, 64, "%d", a);
	} else if (streq(body, "SLOT")) {
		snprintf(out, 64, "slot");
		return 202;
	} else if (streq(body, "PUT")) {
		snprintf(out, 64, "handle");
	} else if (streq(body, "BAD")) {
		snprintf(out, 64, "no such thing");
		return 422;
	} else {
		abort();
	}
	return 200;
}

static void apply_late(void)
{
	char out[64];
	for (size_t i = 0; i < countof(w->late); i++)
		if (w->late[i].used && w->late[i].at <= clock_wall_us()) {
			w->late[i].used = false;
			applied_at = w->late[i].at;
			apply(w->late[i].body, out);
			applied_at = 0;
		}
}

static void list(const char *body, char *out, size_t cap)
{
	char kind[16], scope[32], cursor[32];
	size_t n = 0;
	if (sscanf(body, "LIST %15s %31s %31s", kind, scope, cursor) != 3)
		abort();
	int64_t now = clock_wall_us();
	int place = atoi(scope), from = atoi(cursor), sent = 0;
	out[0] = '\0';
	if (streq(kind, "users")) {
		if (w->people[place])
			snprintf(out, cap, "R %d %d 1 0\n", 9000 + place, place);
	} else if (streq(kind, "chats")) {
		for (int i = w->n_places - 1; i >= 0; i--)
			if (!w->place[i].thread_of && w->place[i].shown_at <= now)
				n += (size_t)snprintf(out + n, cap - n, "R %d %d 1 %lld\n", w->place[i].id, w->place[i].name, (long long)(now + target_off));
	} else {
		for (int i = w->n_rows - 1; i >= 0; i--) {
			const struct row *r = &w->row[i];
			if (r->place != place || r->shown_at > now || (from && r->id >= from))
				continue;
			if (sent++ == PAGE) {
				snprintf(out + n, cap - n, "N %d\n", from); /* the next page: below the last row given */
				break;
			}
			n += (size_t)snprintf(out + n, cap - n, "R %d %d %d %lld\n", r->id, r->text, r->ours, (long long)(now + target_off - row_age));
			from = r->id;
		}
	}
}

/* ---- wire ---- */

struct flight { bool used, file; void *tag; enum wire_class cls; int status, retry_after; char body[1024]; };
static struct flight fly[MAX_FLY];
static char given[MAX_FLY][1024];
struct wire { int unused; };
static int64_t writes_here, requests_here;
static int slots, beside /* posts that left while a file was under way */, most_uploads /* at once */;
static bool no_network, wrong_token;
static int64_t shut_from, shut_until /* mono: the token, for whatever it asks */;
static int asked_while_shut, shut_asks_max;
static enum { LOSE_NOTHING, LOSE_ANSWER, LOSE_PROCESS } lose_post; /* of the first message: it is applied, and then? */
static enum { LISTS_GOOD, LISTS_THROTTLED, LISTS_REFUSED, LISTS_ENDLESS, LISTS_IN_CIRCLES } lists;
enum { ASKED_MAX = 60000 };

int64_t wire_now_us(const struct wire *x, bool *told)
{
	(void)x;
	if (told)
		*told = !time_hidden;
	return clock_wall_us() + (time_hidden ? 0 : target_off);
}

int64_t wire_requests(const struct wire *x, bool writes_only) { (void)x; return writes_only ? writes_here : requests_here; }
int64_t wire_throttled(const struct wire *x) { (void)x; return 0; }
size_t wire_connections(const struct wire *x) { (void)x; return 320; }

static void fate(struct flight *f, const char *body, bool writes)
{
	char out[64] = "";
	f->cls = WIRE_ANSWER;
	f->status = 200;
	f->retry_after = -1;
	apply_late();
	if (w->human && rnd(4) == 0 && w->n_places)
		add_row(w->place[rnd((uint32_t)w->n_places)].id, (int)rnd(3), false);
	bool bad = w->faulty && (int)rnd(100) < w->faulty;
	if (w->down || no_network) {
		f->cls = WIRE_UNSENT;
		return;
	}
	if (wrong_token) {
		f->status = 401;
		return;
	}
	if (clock_mono_us() < shut_until && clock_mono_us() >= shut_from) {
		if (++asked_while_shut > shut_asks_max)
			abort(); /* hammered */
		f->status = 423;
		return;
	}
	if (requests_here > ASKED_MAX)
		abort(); /* it would never end */
	if (!writes && lists != LISTS_GOOD) {
		f->status = lists == LISTS_THROTTLED ? 429 : lists == LISTS_REFUSED ? 401 : 200;
		f->retry_after = 2;
		if (f->status == 200)
			snprintf(f->body, sizeof(f->body), "N %d\n", lists == LISTS_ENDLESS ? (int)requests_here + 1000 : 7);
		return;
	}
	if (writes && lose_post && !strncmp(body, "POST", 4)) {
		apply(body, out);
		f->cls = WIRE_UNKNOWN;
		if (lose_post == LOSE_PROCESS) {
			w->now = clock_wall_us();
			_exit(KILLED);
		}
		lose_post = LOSE_NOTHING;
		return;
	}
	if (!writes) {
		if (bad && w->list_faults_left > 0) {
			w->list_faults_left--;
			f->cls = rnd(2) ? WIRE_UNKNOWN : WIRE_ANSWER;
			f->status = rnd(2) ? 500 : 429;
			f->retry_after = 2;
			return;
		}
		list(body, f->body, sizeof(f->body));
		return;
	}
	if (!bad || w->faults_left <= 0) {
		f->status = apply(body, f->body);
		return;
	}
	w->faults_left--;
	switch (rnd(7)) {
	case 0: /* applied, the answer lost */
		apply(body, out);
		f->cls = WIRE_UNKNOWN;
		break;
	case 1:
		apply(body, out);
		f->status = 500;
		break;
	case 2: /* lost on its way */
		f->cls = WIRE_UNKNOWN;
		break;
	case 3: /* under way for a while */
		f->cls = WIRE_UNKNOWN;
		for (size_t i = 0; i < countof(w->late); i++)
			if (!w->late[i].used) {
				w->late[i] = (struct late){ .used = true, .at = clock_wall_us() + (int64_t)rnd(SETTLE_S / 2 - 2) * SECOND };
				snprintf(w->late[i].body, sizeof(w->late[i].body), "%s", body);
				break;
			}
		break;
	case 4:
		f->status = 429;
		f->retry_after = rnd(2) ? -1 : (int)rnd(20);
		break;
	case 5:
		f->cls = WIRE_UNSENT;
		break;
	default: /* success, and nothing to be understood */
		apply(body, out);
		f->status = 200;
		snprintf(f->body, sizeof(f->body), "?");
		break;
	}
}

struct vfile *wire_file(struct wire *x, const struct file *f, struct err *e)
{
	(void)x, (void)f, (void)e;
	return NULL;
}

bool wire_send(struct wire *x, const struct http_req *r, void *tag, struct err *e)
{
	(void)x, (void)e;
	size_t i = 0;
	while (i < MAX_FLY && fly[i].used)
		i++;
	assert_true(i < MAX_FLY);
	maybe_die();
	char body[160];
	snprintf(body, sizeof(body), "%.*s", (int)r->body_len, r->body);
	fly[i] = (struct flight){ .used = true, .tag = tag };
	int files = 0;
	for (size_t k = 0; k < MAX_FLY; k++)
		files += fly[k].used && fly[k].file;
	bool file = !strncmp(body, "SLOT", 4) || !strncmp(body, "PUT", 3);
	slots += !strncmp(body, "SLOT", 4);
	beside += files > 0 && !strncmp(body, "POST", 4);
	fly[i].file = file;
	most_uploads = files + file > most_uploads ? files + file : most_uploads;
	requests_here++;
	writes_here += r->writes;
	w->requests++;
	w->writes += r->writes;
	fate(&fly[i], body, r->writes);
	maybe_die();
	return true;
}

size_t wire_poll(struct wire *x, int64_t deadline, struct wire_done *out, size_t max)
{
	(void)x, (void)deadline;
	size_t n = 0, used = 0;
	clock_advance_us(rnd(50000));
	for (size_t i = 0; i < MAX_FLY; i++)
		used += fly[i].used;
	assert_true(used > 0); /* waiting for nothing is what the clock is for */
	while (!n)
		for (size_t i = 0; i < MAX_FLY && n < max; i++) {
			if (!fly[i].used || rnd(2))
				continue;
			fly[i].used = false;
			memcpy(given[i], fly[i].body, sizeof(given[i]));
			out[n++] = (struct wire_done){ fly[i].tag, fly[i].cls, { fly[i].status, given[i], strlen(given[i]), "", fly[i].retry_after },
				fly[i].cls == WIRE_ANSWER ? NULL : "the connection broke" };
		}
	maybe_die();
	return n;
}

/* ---- pacer: one request a scope every 100 ms ---- */

static struct { char scope[32]; int64_t next; } paced[128];
struct pacer { int unused; };

static int64_t *slot(const char *scope)
{
	size_t i = 0;
	while (i < countof(paced) && *paced[i].scope && !streq(paced[i].scope, scope))
		i++;
	assert_true(i < countof(paced));
	snprintf(paced[i].scope, sizeof(paced[i].scope), "%s", scope);
	return &paced[i].next;
}

int64_t pacer_ask(struct pacer *p, enum req_class c, const char *scope, int64_t now)
{
	(void)p, (void)c;
	int64_t *next = slot(scope);
	if (no_limits)
		return 0;
	if (*next > now)
		return *next;
	*next = now + 100000;
	return 0;
}

struct pacer *pacer_new(const struct traits *t, double factor) { (void)t, (void)factor; return NULL; }
void pacer_free(struct pacer *p) { (void)p; }

void pacer_recall(struct pacer *p, enum req_class c, const char *scope, const int64_t *ago, size_t n, enum recall how, int64_t now)
{
	(void)p, (void)c, (void)scope, (void)ago, (void)n, (void)how, (void)now;
}

void pacer_return(struct pacer *p, enum req_class c, const char *scope, int64_t now) { (void)p, (void)c; *slot(scope) = now; }
void pacer_ok(struct pacer *p, enum req_class c, const char *scope, int64_t now) { (void)p, (void)c, (void)scope, (void)now; }

void pacer_throttled(struct pacer *p, enum req_class c, const char *scope, int retry_after_s, int64_t now)
{
	(void)p, (void)c;
	*slot(scope) = now + (retry_after_s < 0 ? 1 : retry_after_s) * SECOND;
}

/* ---- stream: the source's ops in order, by number ---- */

struct stream { struct ledger *l; int chat_of; };
static int uploads_ahead, asked_while_open, barriers, barriers_early; /* chats with an odd number wait until everything is posted */

/* Op number i of a lane; false at the end. Lanes: "p:N", "c:N", "t:N/M". */
static bool item(struct ledger *l, const struct lane_spec *s, int i, struct opkey *k, const struct message **msg, int *reply, struct arena *a)
{
	*msg = NULL;
	*reply = -1;
	if (s->kind == LANE_PERSON) {
		*k = (struct opkey){ .id = s->id, .kind = OP_USER_CREATE };
		return i == 0;
	}
	int c = atoi(s->id);
	k->conv = ledger_conv(l, arena_fmt(a, "C%d", c));
	k->part = 0;
	k->ts_us = 0;
	k->id = "";
	if (s->kind == LANE_THREAD) {
		int m = atoi(s->root);
		const struct message *root = &src.m[c][m];
		*k = (struct opkey){ .conv = k->conv, .ts_us = m + 1, .id = s->root, .kind = OP_THREAD_OPEN };
		if (i == 0)
			return true;
		*k = (struct opkey){ .conv = k->conv, .ts_us = 1000 * (m + 1) + i, .id = arena_fmt(a, "r%d", i), .kind = OP_POST };
		*reply = i - 1;
		*msg = root;
		return i <= root->n_replies;
	}
	if (i == 0) {
		k->kind = OP_CHAT_CREATE;
		return true;
	}
	i--;
	for (int m = 0; m < src.n_msgs[c]; m++) {
		int n = src.m[c][m].file ? 2 : 1;
		if (i < n) {
			*k = (struct opkey){ .conv = k->conv, .ts_us = m + 1, .id = arena_fmt(a, "%d", m), .kind = n == 2 && i == 0 ? OP_UPLOAD : OP_POST };
			*msg = &src.m[c][m];
			return true;
		}
		i -= n;
	}
	k->kind = OP_MEMBERS;
	return i == 0;
}

static const char *target_of(struct ledger *l, int64_t conv, int64_t ts, const char *id, enum op_kind kind, struct arena *a)
{
	struct ledger_row r;
	struct opkey k = { .conv = conv, .ts_us = ts, .id = id, .kind = kind };
	return ledger_get(l, &k, a, &r) && r.state == OP_DONE ? r.target : NULL;
}

bool stream_lanes(struct stream *s, bool (*each)(void *ctx, const struct lane_spec *), void *ctx, struct err *e)
{
	(void)s, (void)e;
	for (int i = 0; i < n_people; i++) {
		char name[16], id[16];
		snprintf(name, sizeof(name), "p:%d", i);
		snprintf(id, sizeof(id), "%d", i);
		each(ctx, &(struct lane_spec){ LANE_PERSON, name, id, NULL, 0, NULL, 1 });
	}
	for (int i = 0; i < src.n_chats; i++) {
		char name[16], id[16];
		snprintf(name, sizeof(name), "c:%d", i);
		snprintf(id, sizeof(id), "%d", i);
		each(ctx, &(struct lane_spec){ LANE_CHAT, name, id, NULL, 0, NULL, src.n_msgs[i] });
	}
	return true;
}

static void fill(struct stream *s, const struct lane_spec *lane, const struct opkey *k, const struct message *m, int reply, struct arena *a, struct op *op)
{
	*op = (struct op){ .key = *k, .label = "", .body = "" };
	op->chat = target_of(s->l, k->conv, 0, "", OP_CHAT_CREATE, a);
	if (lane->kind == LANE_THREAD) {
		op->target_id = target_of(s->l, k->conv, atoi(lane->root) + 1, lane->root, OP_POST, a);
		if (k->kind == OP_POST)
			op->chat = op->thread = target_of(s->l, k->conv, atoi(lane->root) + 1, lane->root, OP_THREAD_OPEN, a);
	}
	op->name = same_name ? "0" : lane->id;
	op->email = lane->id;
	if (m)
		op->body = arena_fmt(a, "%d", reply >= 0 ? m->reply_text[reply] : m->text);
	if (k->kind == OP_POST && m && reply < 0 && m->rejected)
		op->role = "bad";
}

static uint64_t fingerprint_of(const char *body)
{
	return (uint64_t)atoi(body) + 1000;
}

const char *stream_chat_target(struct stream *s, const char *source_conv, struct arena *a) { (void)s, (void)source_conv, (void)a; return NULL; }

static bool all_posted(struct ledger *l, struct arena *a)
{
	bool all = true;
	for (int c = 0; c < src.n_chats; c++)
		for (int m = 0; m < src.n_msgs[c]; m++) {
			struct ledger_row r;
			struct opkey k = { .conv = ledger_conv(l, arena_fmt(a, "C%d", c)), .ts_us = m + 1, .id = arena_fmt(a, "%d", m), .kind = OP_POST };
			all = all && ledger_get(l, &k, a, &r) && (r.state == OP_DONE || r.state == OP_REJECTED);
		}
	return all;
}

enum stream_got stream_next(struct stream *s, const struct lane_spec *lane, struct stream_pos *pos, size_t threads_open,
                            stream_thread_fn on_thread, void *ctx, struct arena *a, struct stream_op *out, struct err *e)
{
	(void)e;
	maybe_die();
	for (;; pos->phase++) {
		struct opkey k = { 0 };
		struct ledger_row r;
		const struct message *m;
		int reply;
		if (!item(s->l, lane, pos->phase, &k, &m, &reply, a))
			return STREAM_END;
		bool there = ledger_get(s->l, &k, a, &r);
		if (there && (r.state == OP_DONE || r.state == OP_REJECTED)) {
			if (r.state == OP_DONE && k.kind == OP_POST && lane->kind == LANE_CHAT && m->n_replies) {
				char name[32], id[16];
				snprintf(name, sizeof(name), "t:%s/%s", lane->id, k.id);
				snprintf(id, sizeof(id), "%s", k.id);
				on_thread(ctx, &(struct lane_spec){ LANE_THREAD, name, lane->id, id, k.ts_us, NULL, m->n_replies });
			}
			continue;
		}
		bool open = there && (r.state == OP_INTENT || r.state == OP_UNKNOWN); /* given first, whatever is waited for */
		if (k.kind == OP_MEMBERS && threads_open && !open)
			return STREAM_WAIT;
		if (k.kind == OP_MEMBERS && !there && atoi(lane->id) % 2) {
			if (!pos->part++)
				return STREAM_LATER;
			barriers++;
			barriers_early += !all_posted(s->l, a);
		}
		*out = (struct stream_op){ .state = there ? r.state : OP_ABSENT, .visible = k.kind != OP_UPLOAD, .src_fp = 1 };
		fill(s, lane, &k, m, reply, a, &out->op);
		if (k.kind == OP_POST)
			out->body_fp = fingerprint_of(out->op.body);
		if (!there && k.kind == OP_POST && lane->kind == LANE_CHAT && !out->op.chat)
			asked_while_open++; /* the chat's creation must be done by now */
		return STREAM_OP;
	}
}

bool stream_has_files(const struct stream *s) { (void)s; return true; }

/* Files of later messages of a chat, in order: those that nobody has begun. pos->phase: the item the lane stands at. */
enum stream_got stream_ahead(struct stream *s, const struct lane_spec *lane, const struct stream_pos *pos, struct stream_pos *ahead, size_t *look,
                             int64_t max, struct arena *a, struct stream_op *out)
{
	maybe_die();
	(void)max;
	if (lane->kind != LANE_CHAT)
		return STREAM_END;
	if (pos->phase == 0)
		return STREAM_WAIT;
	if (ahead->phase < pos->phase) {
		ahead->phase = pos->phase;
		*look = STREAM_LOOK;
	}
	for (;; ahead->phase++, --*look) {
		struct opkey k = { 0 };
		struct ledger_row r;
		const struct message *m;
		int reply;
		if (!*look)
			return STREAM_WAIT;
		if (!item(s->l, lane, ahead->phase, &k, &m, &reply, a))
			return STREAM_END;
		if (k.kind != OP_UPLOAD || ledger_get(s->l, &k, a, &r))
			continue;
		*out = (struct stream_op){ .state = OP_ABSENT, .src_fp = 1 };
		fill(s, lane, &k, m, reply, a, &out->op);
		ahead->phase++;
		uploads_ahead++;
		return STREAM_OP;
	}
}

void stream_passed(struct stream *s, struct stream_pos *pos, const struct stream_op *op) { (void)s, (void)pos, (void)op; }
void stream_pos_release(struct stream_pos *p) { free(p->id); }

/* ---- exporter ---- */

static bool build(const struct target *t, const struct op *op, struct arena *a, struct http_req *out, struct err *e)
{
	(void)t, (void)e;
	*out = (struct http_req){ .method = "POST", .path = "/", .auth = AUTH_BOT, .rate = REQ_OTHER, .scope = "", .writes = true };
	switch (op->key.kind) {
	case OP_POST:
		out->body = op->role ? "BAD" : arena_fmt(a, "POST %s %s", op->chat, op->body);
		out->rate = REQ_POST;
		out->scope = op->chat;
		break;
	case OP_CHAT_CREATE:
		out->body = arena_fmt(a, "CHAT %s", op->name);
		break;
	case OP_USER_CREATE:
		out->body = arena_fmt(a, "USER %s", op->email);
		break;
	case OP_THREAD_OPEN:
		out->body = arena_fmt(a, "THREAD %s", op->target_id);
		break;
	case OP_UPLOAD:
		out->body = op->step == 0 ? "SLOT" : "PUT";
		if (op->step == 1 && (!op->carry || !streq(op->carry, "slot")))
			abort();
		break;
	case OP_MEMBERS:
		out->body = arena_fmt(a, "MEMBERS %s", op->chat);
		break;
	case OP_REACT: case OP_PIN: case OP_ARCHIVE: case OP_EDIT: case OP_DELETE:
		return err_set(e, ERR_INTERNAL, "not in this test");
	}
	out->body_len = strlen(out->body);
	return true;
}

static void parse(const struct target *t, const struct op *op, const struct http_resp *r, struct arena *a, struct outcome *out)
{
	(void)t;
	const char *body = arena_strndup(a, r->body, r->len);
	*out = (struct outcome){ .v = V_UNKNOWN, .why = "unreadable", .retry_after_s = r->retry_after_s };
	if (r->status == 200 && *body != '?')
		*out = (struct outcome){ .v = V_DONE, .id = body, .id2 = op->key.kind == OP_THREAD_OPEN ? body : NULL };
	else if (r->status == 202)
		*out = (struct outcome){ .v = V_MORE, .carry = body };
	else if (r->status == 422)
		*out = (struct outcome){ .v = V_REJECTED, .why = body };
	else if (r->status == 429)
		*out = (struct outcome){ .v = V_THROTTLED, .why = "slow down", .retry_after_s = r->retry_after_s };
	else if (r->status == 401)
		*out = (struct outcome){ .v = V_FATAL, .why = "wrong token" };
	else if (r->status == 423)
		*out = (struct outcome){ .v = V_REST, .why = "the token is shut", .retry_after_s = -1 };
	else if (r->status == 403)
		*out = (struct outcome){ .v = V_LANE, .why = "closed" };
}

static bool list_build(const struct target *t, enum list_kind kind, const char *scope, enum list_order order, const char *cursor,
                       struct arena *a, struct http_req *out, struct err *e)
{
	(void)t, (void)e;
	assert_int_equal(order, NEWEST_FIRST);
	const char *name = kind == LIST_CHATS ? "chats" : kind == LIST_USERS_FIND ? "users" : "rows";
	*out = (struct http_req){ .method = "GET", .path = "/", .rate = REQ_READ, .scope = "", .auth = AUTH_BOT };
	out->body = arena_fmt(a, "LIST %s %s %s", name, *scope ? scope : "0", cursor ? cursor : "0");
	out->body_len = strlen(out->body);
	return true;
}

static bool list_parse(const struct target *t, enum list_kind kind, const struct http_resp *r, struct arena *a, struct page *out, struct err *e)
{
	(void)t, (void)kind;
	if (r->status != 200)
		return err_set(e, ERR_TARGET, "HTTP %d", r->status);
	*out = (struct page){ .v = arena_array(a, 64, struct seen) };
	char *text = arena_strndup(a, r->body, r->len);
	for (char *line = text; *line; ) {
		char *end = strchr(line, '\n');
		*end = '\0';
		int id, body, ours;
		long long ts;
		if (sscanf(line, "N %d", &id) == 1)
			out->next = arena_fmt(a, "%d", id);
		else if (sscanf(line, "R %d %d %d %lld", &id, &body, &ours, &ts) == 4)
			out->v[out->n++] = (struct seen){ .id = arena_fmt(a, "%d", id), .body = arena_fmt(a, "%d", body), .name = "",
				.author = ours ? "us" : "them", .ts_us = ts };
		line = end + 1;
	}
	return true;
}

static enum match match(const struct target *t, const struct op *op, const struct seen *s, struct arena *a)
{
	(void)t, (void)a;
	const char *want = op->key.kind == OP_POST ? op->body : op->name;
	return !streq(s->author, "us") ? MATCH_FOREIGN : streq(want, s->body) ? MATCH_SAME : MATCH_OTHER;
}

static int id_cmp(const char *a, const char *b)
{
	return atoi(a) - atoi(b);
}

static uint64_t fingerprint_seen(const struct seen *s)
{
	return fingerprint_of(s->body);
}

static const struct exporter fake = { .name = "fake", .build = build, .parse = parse, .list_build = list_build, .list_parse = list_parse,
	.match = match, .id_cmp = id_cmp, .fingerprint_seen = fingerprint_seen };

/* ---- runs ---- */

static char dir[64];

static void wipe(void)
{
	static const char *const names[] = { "ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.lock", "ledger.db-mark" };
	char path[128];
	for (size_t i = 0; i < countof(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
}

static void set_clock(void)
{
	char s[32];
	snprintf(s, sizeof(s), "%lld", (long long)(w->now / SECOND + 1));
	setenv("MVCHAT_CLOCK", "virtual", 1);
	setenv("MVCHAT_CLOCK_START", s, 1);
	clock_init();
}

static struct engine_args base_args;

/* One run of the program in this process. */
static bool run_once(struct engine_result *res, struct err *e)
{
	static const uint8_t digest[DIGEST_BYTES];
	struct wire wire = { 0 };
	struct pacer pacer = { 0 };
	struct session s = { .ex = &fake, .wire = &wire, .pool = { .n = 1, .bot = { { .pacer = &pacer } } }, .target_id = "fake" };
	for (int k = 0; k <= OP_DELETE; k++)
		s.traits.settle[k] = SETTLE_REPEAT;
	s.traits.settle[OP_POST] = s.traits.settle[OP_CHAT_CREATE] = s.traits.settle[OP_USER_CREATE] = SETTLE_LIST;
	s.traits.settle_list[OP_POST] = LIST_MESSAGES;
	s.traits.settle_list[OP_CHAT_CREATE] = LIST_CHATS;
	s.traits.settle_list[OP_USER_CREATE] = LIST_USERS_FIND;
	s.traits.settle_s = SETTLE_S;
	memset(fly, 0, sizeof(fly));
	memset(paced, 0, sizeof(paced));
	writes_here = requests_here = 0;
	set_clock();
	struct ledger *l = ledger_open(dir, LEDGER_WRITE, e);
	if (!l)
		return false;
	struct stream st = { .l = l };
	struct engine_args args = base_args;
	args.session = &s;
	args.stream = &st;
	args.ledger = l;
	args.run = ledger_run_begin(l, "apply", digest, NULL);
	bool ok = engine_run(&args, res, e);
	ledger_close(l);
	w->now = clock_wall_us();
	return ok;
}

/* The same in a child, which may be killed. Its exit: 0 done, KILLED, 6 stopped, 1 failed. */
static int run_child(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct engine_result res;
		struct err e = ERR_INIT;
		if (!run_once(&res, &e)) {
			fprintf(stderr, "run: %s\n", e.msg);
			_exit(1);
		}
		if (asked_while_open)
			_exit(2);
		_exit(res.stopped || res.lanes_stopped ? 6 : 0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void new_world(uint64_t seed, int chats)
{
	memset(w, 0, sizeof(*w));
	wipe();
	w->seed = seed * 2654435761u + 1;
	w->now = 1700000000 * SECOND;
	w->next_id = 100;
	w->kill_one_in = 20;
	base_args = (struct engine_args){ .settle_s = -1, .max_tries = 50 };
	no_network = wrong_token = false;
	shut_from = shut_until = 0;
	lose_post = LOSE_NOTHING;
	lists = LISTS_GOOD;
	asked_while_open = 0;
	memset(&src, 0, sizeof(src));
	src.n_chats = chats;
	for (int c = 0; c < chats; c++) {
		src.n_msgs[c] = 1 + (int)rnd(MAX_MSGS);
		for (int m = 0; m < src.n_msgs[c]; m++) {
			struct message *x = &src.m[c][m];
			x->text = (int)rnd(2); /* twins are the rule */
			x->file = rnd(5) == 0;
			x->rejected = rnd(10) == 0;
			x->n_replies = rnd(4) ? 0 : (int)rnd(4);
			for (int i = 0; i < x->n_replies; i++)
				x->reply_text[i] = (int)rnd(2);
		}
	}
}

static const struct spot *place_named(int name)
{
	const struct spot *found = NULL;
	for (int i = 0; i < w->n_places; i++)
		if (!w->place[i].thread_of && w->place[i].name == name) {
			if (found)
				return NULL; /* twice */
			found = &w->place[i];
		}
	return found;
}

static int nth(int place, int n)
{
	for (int i = 0; i < w->n_rows; i++)
		if (w->row[i].ours && w->row[i].place == place && n-- == 0)
			return i;
	return -1;
}

/* NULL: the target holds the source, once, in order. */
static const char *compare(void)
{
	for (int i = 0; i < n_people; i++)
		if (w->people[i] != 1)
			return "a person";
	for (int c = 0; c < src.n_chats; c++) {
		const struct spot *p = place_named(c);
		if (!p)
			return "a chat is missing or there twice";
		int n = 0, threads = 0;
		for (int m = 0; m < src.n_msgs[c]; m++) {
			const struct message *x = &src.m[c][m];
			if (x->rejected)
				continue;
			int at = nth(p->id, n++);
			if (at < 0 || w->row[at].text != x->text)
				return "a message is missing or out of order";
			if (!x->n_replies)
				continue;
			threads++;
			const struct spot *t = NULL;
			for (int i = 0; i < w->n_places; i++)
				if (w->place[i].thread_of == w->row[at].id)
					t = &w->place[i];
			if (!t)
				return "a thread is missing";
			for (int i = 0; i < x->n_replies; i++) {
				int r = nth(t->id, i);
				if (r < 0 || w->row[r].text != x->reply_text[i])
					return "a reply is missing or out of order";
			}
			if (posts_in(t->id) != x->n_replies)
				return "a reply is there twice";
		}
		if (posts_in(p->id) != n)
			return "a message is there twice";
		if (!p->members || p->posts_at_members != n)
			return "people joined too early or never";
	}
	return NULL;
}

static void test_undisturbed(void **state)
{
	(void)state;
	struct engine_result res;
	struct err e = ERR_INIT;
	new_world(7, MAX_CHATS);
	barriers = barriers_early = 0;
	assert_true(run_once(&res, &e));
	assert_true(barriers > 0);
	assert_int_equal(barriers_early, 0);
	assert_false(res.stopped);
	assert_int_equal(res.lanes_stopped, 0);
	assert_int_equal(res.in_doubt, 0);
	assert_true(res.posted > 10 && res.created > MAX_CHATS && res.uploaded > 0);
	assert_int_equal(res.requests, res.writes);
	assert_null(compare());
	int writes = w->writes;
	assert_true(run_once(&res, &e));
	assert_int_equal(res.writes, 0);
	assert_int_equal(w->writes, writes);
}

static void storm(uint64_t seed, int *kills, int *faults)
{
	new_world(seed, 1 + (int)(seed % MAX_CHATS));
	w->kills_left = (int)(seed % 6);
	w->faults_left = 40;
	w->list_faults_left = 3;
	w->faulty = (int)(seed % 4) * 12;
	w->human = seed % 3 == 0;
	w->kill_one_in = 3 + (int)(seed % 60);
	int had = w->kills_left, code = KILLED;
	for (int i = 0; i < 40 && code == KILLED; i++)
		code = run_child();
	*kills += had - w->kills_left;
	*faults += 40 - w->faults_left;
	if (code != 0)
		fail_msg("seed %llu: exit %d", (unsigned long long)seed, code);
	const char *wrong = compare();
	if (wrong)
		fail_msg("seed %llu: %s", (unsigned long long)seed, wrong);
	int writes = w->writes;
	w->faulty = 0;
	w->kills_left = 0;
	if (run_child() != 0 || w->writes != writes)
		fail_msg("seed %llu: a further run wrote", (unsigned long long)seed);
}

static void test_exactly_once_under_fire(void **state)
{
	(void)state;
	const char *n = getenv("MVCHAT_TEST_RUNS"), *only = getenv("MVCHAT_TEST_SEED");
	uint64_t runs = n ? strtoull(n, NULL, 10) : 500, i = 1;
	int kills = 0, faults = 0;
	clock_t began = clock();
	time_t wall = time(NULL);
	if (only) {
		storm(strtoull(only, NULL, 10), &kills, &faults);
		return;
	}
	for (; i <= runs && (n || time(NULL) - wall < 8); i++)
		storm(i, &kills, &faults);
	print_message("# %d runs, %d kills, %d faults, %.1f s CPU\n", (int)i - 1, kills, faults, (double)(clock() - began) / CLOCKS_PER_SEC);
	assert_true(i > 10);
}

static int events_stopped, events_rejected;
static const char *stop_after;
static volatile int stop_flag;

static void on_event(void *ctx, const char *ev, const char *lane, const char *what)
{
	(void)ctx, (void)lane, (void)what;
	events_stopped += streq(ev, "lane.stopped");
	events_rejected += streq(ev, "op.rejected");
}

static void on_progress(void *ctx, const struct engine_progress *p)
{
	(void)ctx;
	if (stop_after && p->done >= 3)
		stop_flag = 1;
}

/* An op in doubt that the source no longer has: its lane stops with a word, nothing else of it is sent, the others go on. */
static void test_doubt_without_source(void **state)
{
	(void)state;
	struct engine_result res;
	struct err e = ERR_INIT;
	new_world(21, 3);
	base_args.event = on_event;
	events_stopped = 0;
	struct ledger *l = ledger_open(dir, LEDGER_WRITE, &e);
	assert_non_null(l);
	ledger_begin(l);
	struct opkey k = { .conv = ledger_conv(l, "C1"), .ts_us = 5, .id = "gone", .kind = OP_POST };
	ledger_intent(l, &k, ledger_lane(l, "c:1"), 0, 0, 0, 1, 0);
	assert_true(ledger_commit(l, &e));
	ledger_close(l);
	for (int i = 0; i < 2; i++) {
		assert_true(run_once(&res, &e));
		assert_int_equal(res.lanes_stopped, 1);
		assert_int_equal(res.in_doubt, 1);
		assert_int_equal(events_stopped, i + 1);
		assert_null(place_named(1));
		assert_non_null(place_named(0));
		assert_non_null(place_named(2));
	}
	assert_int_equal(res.writes, 0);
}

/* The disk is full at every possible place: what depends on a commit that failed is never sent. */
static void test_full_disk(void **state)
{
	(void)state;
	new_world(31, MAX_CHATS);
	int failed = 0;
	for (rlim_t limit = 8192; limit < 600000; limit += 4096) {
		pid_t pid = fork();
		if (pid == 0) {
			struct engine_result res;
			struct err e = ERR_INIT;
			signal(SIGXFSZ, SIG_IGN);
			signal(SIGABRT, SIG_DFL);
			dup2(open("/dev/null", O_WRONLY), 2);
			setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
			setrlimit(RLIMIT_FSIZE, &(struct rlimit){ limit, limit });
			_exit(run_once(&res, &e) ? 0 : e.code == ERR_INTERNAL ? 1 : 2);
		}
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		failed += !WIFEXITED(status) || WEXITSTATUS(status);
		assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) < 2);
	}
	assert_true(failed > 3);
	assert_int_equal(run_child(), 0);
	assert_null(compare());
}

/* Many lanes: each costs what waits little, and a tick serves many with one commit. */
static void test_many_lanes(void **state)
{
	(void)state;
	struct engine_result res;
	struct err e = ERR_INIT;
	new_world(5, 1);
	n_people = MAX_PEOPLE;
	no_limits = true;
	clock_t began = clock();
	assert_true(run_once(&res, &e));
	double us = (double)(clock() - began) / CLOCKS_PER_SEC * 1e6 / MAX_PEOPLE;
	no_limits = false;
	assert_false(res.stopped);
	assert_int_equal(res.created, MAX_PEOPLE + w->n_places);
	assert_null(compare());
	n_people = 2;
	print_message("# %d lanes, %.1f us CPU an op\n", MAX_PEOPLE, us);
	if (!getenv("MVCHAT_TEST_SLOW")) /* under valgrind time says nothing */
		if (!getenv("MVCHAT_TEST_SLOW")) /* under valgrind it says nothing */
		assert_true(us < 1000); /* the machine may be busy, or the sanitizers at work */
}

/* The storm must be able to fail: without the settle wait it does. */
static void test_settling_is_needed(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed < 200; seed++) {
		new_world(seed, 2);
		base_args.settle_s = 0;
		w->faults_left = 40;
		w->faulty = 40;
		if (run_child() != 0 || compare())
			return;
	}
	fail_msg("nothing went wrong without settling");
}

/* Files of messages to come are uploaded while others are posted, each once, and the messages stand in order all the same. */
static void test_files_go_ahead(void **state)
{
	(void)state;
	struct engine_result res;
	struct err e = ERR_INIT;
	new_world(3, 1);
	src.n_msgs[0] = MAX_MSGS;
	for (int m = 0; m < MAX_MSGS; m++)
		src.m[0][m] = (struct message){ .text = m % 2, .file = true };
	uploads_ahead = slots = beside = most_uploads = 0;
	no_limits = true;
	assert_true(run_once(&res, &e));
	no_limits = false;
	assert_false(res.stopped);
	assert_int_equal(res.uploaded, MAX_MSGS);
	assert_int_equal(res.posted, MAX_MSGS);
	assert_int_equal(slots, MAX_MSGS);
	assert_true(uploads_ahead >= MAX_MSGS - 2);
	assert_true(most_uploads >= 2);
	assert_true(beside > 0);
	assert_null(compare());
	/* One whose outcome stays unknown is tried again, by itself and then by its lane, and holds nobody else up. */
	for (uint64_t seed = 1; seed < 40; seed++) {
		new_world(seed, 1);
		src.n_msgs[0] = MAX_MSGS;
		for (int m = 0; m < MAX_MSGS; m++)
			src.m[0][m] = (struct message){ .text = m % 2, .file = m % 3 != 0 };
		w->faults_left = 20;
		w->faulty = 40;
		w->kills_left = 2;
		while (run_child() == KILLED)
			;
		w->kills_left = w->faults_left = 0; /* now in this process */
		assert_true(run_once(&res, &e));
		assert_null(compare());
	}
}

static void test_stops_and_goes_on(void **state)
{
	(void)state;
	struct engine_result res;
	struct err e = ERR_INIT;
	new_world(11, MAX_CHATS);
	base_args.people_first = true; /* else a chat's end may be among the five, and is not in the sum */
	base_args.max_ops = 5;
	base_args.event = on_event;
	events_rejected = 0;
	assert_true(run_once(&res, &e));
	assert_true(res.stopped);
	assert_int_equal(res.in_doubt, 0);
	assert_int_equal(res.posted + res.created + res.uploaded + res.rejected, 5);
	base_args.max_ops = 0;
	base_args.stop = &stop_flag;
	base_args.progress = on_progress;
	stop_after = "some";
	stop_flag = 0;
	assert_true(run_once(&res, &e)); /* ^C: what is out is finished */
	assert_true(res.stopped);
	assert_int_equal(res.in_doubt, 0);
	stop_after = NULL;
	stop_flag = 0;
	assert_true(run_once(&res, &e));
	assert_false(res.stopped);
	assert_null(compare());
	int rejected = 0;
	for (int c = 0; c < src.n_chats; c++)
		for (int m = 0; m < src.n_msgs[c]; m++)
			rejected += src.m[c][m].rejected;
	assert_int_equal(events_rejected, rejected);
}

/* Weights of the chats in the order in which they were made. */
static void chats_made(int64_t small_first, int weight[MAX_CHATS])
{
	struct engine_result res;
	struct err e = ERR_INIT;
	int n = 0;
	new_world(5, MAX_CHATS);
	base_args.small_first = small_first;
	assert_true(run_once(&res, &e));
	assert_null(compare());
	for (int i = 0; i < w->n_places; i++)
		if (!w->place[i].thread_of)
			weight[n++] = src.n_msgs[w->place[i].name];
	assert_int_equal(n, MAX_CHATS);
}

static void test_small_first(void **state)
{
	(void)state;
	enum { SMALL = 3 };
	int weight[MAX_CHATS];
	chats_made(0, weight);
	for (int i = 1; i < MAX_CHATS; i++)
		assert_true(weight[i] <= weight[i - 1]);
	chats_made(SMALL, weight);
	int turn = 0;
	while (turn < MAX_CHATS && weight[turn] <= SMALL)
		turn++;
	assert_in_range(turn, 1, MAX_CHATS - 1);
	for (int i = turn; i < MAX_CHATS; i++) {
		assert_true(weight[i] > SMALL);
		assert_true(i == turn || weight[i] <= weight[i - 1]);
	}
}

static void test_no_network(void **state)
{
	(void)state;
	struct engine_result res;
	struct err e = ERR_INIT;
	new_world(12, MAX_CHATS);
	base_args.max_wait_s = 300;
	no_network = true;
	assert_true(run_once(&res, &e));
	assert_true(res.stopped);
	assert_int_equal(res.in_doubt, 0);
	assert_true(res.elapsed_us > 300 * SECOND && res.elapsed_us < 600 * SECOND);
	assert_true(res.requests < 40); /* it does not spin */
	no_network = false;
	assert_true(run_once(&res, &e));
	assert_null(compare());
}

static void test_wrong_token(void **state)
{
	(void)state;
	struct engine_result res;
	struct err e = ERR_INIT;
	new_world(13, 3);
	wrong_token = true;
	assert_false(run_once(&res, &e));
	assert_int_equal(e.code, ERR_TARGET);
	assert_true(*e.hint);
	assert_true(res.requests <= n_people);
	wrong_token = false;
	assert_true(run_once(&res, &e));
	assert_int_equal(res.in_doubt + res.adopted + res.resent, 0);
	assert_null(compare());
}

/* Something of ours that the ledger does not know, where an op is in doubt: that lane stops, the others go on. */
/* A token that is shut is left alone: what was under way with it comes back, and then nothing goes until its rest is over, a longer one if
 * it is still shut. Nothing is lost or sent twice over it. */
static void test_shut_token_is_left_alone(void **state)
{
	(void)state;
	struct engine_result res;
	struct err e = ERR_INIT;
	for (uint64_t seed = 1; seed < 8; seed++) {
		new_world(seed, 6);
		shut_from = SECOND / 2;
		shut_until = shut_from + 100 * SECOND; /* longer than the first rest */
		shut_asks_max = 2 * 7 * MAX_MSGS;      /* at most one a lane and file, twice */
		asked_while_shut = 0;
		base_args.max_wait_s = 600;
		assert_true(run_once(&res, &e));
		assert_true(asked_while_shut > 0);
		assert_false(res.stopped);
		assert_int_equal(res.lanes_stopped, 0);
		assert_true(res.elapsed_us >= (60 + 120) * SECOND); /* both rests in full */
		assert_null(compare());
	}
	shut_until = 0;
}

static void test_strange_stops_one_lane(void **state)
{
	(void)state;
	struct engine_result res;
	struct err e = ERR_INIT;
	for (uint64_t seed = 1; ; seed++) {
		assert_true(seed < 300);
		new_world(seed, 4);
		w->faults_left = 1;
		w->faulty = 10;
		base_args.event = on_event;
		base_args.max_ops = 14;
		events_stopped = 0;
		assert_true(run_once(&res, &e));
		if (res.in_doubt != 1 || !w->n_places)
			continue;
		for (int i = 0; i < w->n_places; i++)
			add_row(w->place[i].id, 77, true);
		base_args.max_ops = 0;
		assert_true(run_once(&res, &e));
		if (res.lanes_stopped)
			break; /* else it was an op that may be repeated */
	}
	assert_false(res.stopped);
	assert_true(events_stopped >= 1);
	assert_int_equal(res.in_doubt, 1);
	int whole = 0;
	for (int c = 0; c < src.n_chats; c++) {
		const struct spot *p = place_named(c);
		whole += p && p->members > 0;
	}
	assert_true(whole >= src.n_chats - 1);
	int writes = w->writes;
	assert_true(run_once(&res, &e)); /* it stays stopped, and writes nothing */
	assert_int_equal(w->writes, writes);
	assert_true(res.lanes_stopped >= 1);
}

/* Reading back meets a server that throttles without end, refuses the token, or gives lists that never end: the run ends, the op
 * stays in doubt, and the next run settles it. */
static void test_lists_that_lead_nowhere(void **state)
{
	(void)state;
	static const struct { int lists; bool ok, stopped; size_t lanes_stopped; } cases[] = {
		{ LISTS_THROTTLED, true, true, 0 }, { LISTS_REFUSED, false, true, 0 }, { LISTS_ENDLESS, true, false, 1 }, { LISTS_IN_CIRCLES, true, false, 1 },
	};
	for (size_t i = 0; i < countof(cases); i++) {
		struct engine_result res;
		struct err e = ERR_INIT;
		new_world(40 + i, 1);
		src.m[0][0] = (struct message){ .text = 1 };
		lose_post = LOSE_ANSWER;
		lists = cases[i].lists;
		base_args.max_wait_s = 300;
		assert_int_equal(run_once(&res, &e), cases[i].ok);
		assert_int_equal(res.stopped, cases[i].stopped);
		assert_int_equal(res.lanes_stopped, cases[i].lanes_stopped);
		assert_int_equal(res.in_doubt, 1);
		assert_int_equal(res.posted, 0);
		assert_true(res.requests < 2000 && res.elapsed_us < 500 * SECOND); /* max_wait_s and what it takes to begin and to settle */
		assert_true(cases[i].ok || (e.code == ERR_TARGET && *e.hint));
		lists = LISTS_GOOD;
		assert_true(run_once(&res, &e));
		assert_int_equal(res.adopted, 1);
		assert_null(compare());
	}
}

/* The text of a message that is in doubt has changed since (a newer archive, another mapping): what arrived is still known. */
static void test_doubt_with_another_text(void **state)
{
	(void)state;
	struct engine_result res;
	struct err e = ERR_INIT;
	new_world(51, 1);
	base_args.people_first = true; /* one thing in doubt is enough */
	src.n_msgs[0] = 3;
	for (int m = 0; m < 3; m++)
		src.m[0][m] = (struct message){ .text = 1 };
	lose_post = LOSE_PROCESS;
	assert_int_equal(run_child(), KILLED);
	assert_int_equal(w->n_rows, 1);
	lose_post = LOSE_NOTHING;
	src.m[0][0].text = 5;
	assert_true(run_once(&res, &e));
	assert_int_equal(res.lanes_stopped, 0);
	assert_int_equal(res.adopted, 1);
	assert_int_equal(res.resent, 0);
	src.m[0][0].text = 1; /* as it arrived */
	assert_null(compare());
}

/* What the chat held before our last message is not asked, even if it looks just like the one in doubt. */
static void test_anchor_ends_the_look(void **state)
{
	(void)state;
	struct engine_result res;
	struct err e = ERR_INIT;
	new_world(52, 1);
	src.n_msgs[0] = 2;
	src.m[0][0] = (struct message){ .text = 3 };
	src.m[0][1] = (struct message){ .text = 4 };
	n_people = 0;
	base_args.max_ops = 1;
	assert_true(run_once(&res, &e)); /* the chat */
	int stray = add_row(w->place[0].id, 4, true); /* ours, and no ledger knows it: another project's, say */
	assert_true(run_once(&res, &e)); /* the first message: from here on the look begins after it */
	w->faulty = 0;
	lose_post = LOSE_NOTHING;
	base_args.max_ops = 0;
	struct ledger *l = ledger_open(dir, LEDGER_WRITE, &e);
	ledger_begin(l);
	struct opkey k = { .conv = ledger_conv(l, "C0"), .ts_us = 2, .id = "1", .kind = OP_POST };
	ledger_intent(l, &k, ledger_lane(l, "c:0"), 1, 0, 0, 1, 0); /* the intent of the second, which never left */
	assert_true(ledger_commit(l, &e));
	ledger_close(l);
	assert_true(run_once(&res, &e));
	assert_int_equal(res.adopted, 0);
	assert_int_equal(res.resent, 1);
	assert_int_equal(res.posted, 1);
	assert_int_equal(posts_in(w->place[0].id), 3);
	(void)stray;
	n_people = 2;
}

/* A message of ours that is not the one in doubt: edited by a person since, or an old one of another project's? The target's time tells, and
 * ours does not: it is 322 days ahead here. */
static void test_age_goes_by_the_target(void **state)
{
	(void)state;
	static const int64_t DAY = 86400 * (int64_t)1000000;
	static const struct { int64_t off, age; bool hidden, stops; } cases[] = {
		{ 0, 0, false, true }, { -322, 0, false, true }, { 322, 0, false, true },
		{ 0, 2, false, false }, { -322, 2, false, false }, { 322, 2, false, false },
		{ -322, 0, true, true }, { 0, 2, true, true },
	};
	for (size_t i = 0; i < countof(cases); i++) {
		struct engine_result res;
		struct err e = ERR_INIT;
		new_world(60 + i, 1);
		base_args.people_first = true;
		src.n_msgs[0] = 1;
		src.m[0][0] = (struct message){ .text = 1 };
		target_off = cases[i].off * DAY;
		row_age = cases[i].age * DAY;
		time_hidden = cases[i].hidden;
		lose_post = LOSE_PROCESS;
		assert_int_equal(run_child(), KILLED);
		lose_post = LOSE_NOTHING;
		assert_int_equal(w->n_rows, 1);
		w->row[0].text = 7;
		assert_true(run_once(&res, &e));
		assert_int_equal(res.lanes_stopped, cases[i].stops);
		assert_int_equal(res.resent, !cases[i].stops);
		assert_int_equal(w->n_rows, cases[i].stops ? 1 : 2);
	}
	target_off = row_age = 0;
	time_hidden = false;
}

/* Two conversations whose chats have the same name: what one made is not what the other is looking for. */
static void test_owned_is_not_adopted(void **state)
{
	(void)state;
	struct engine_result res;
	struct err e = ERR_INIT;
	new_world(53, 1);
	src.n_msgs[0] = 1;
	src.m[0][0] = (struct message){ .text = 3 };
	n_people = 0;
	assert_true(run_once(&res, &e));
	int made = w->place[0].id, places = w->n_places;
	struct ledger *l = ledger_open(dir, LEDGER_WRITE, &e);
	ledger_begin(l);
	struct opkey k = { .conv = ledger_conv(l, "C1"), .id = "", .kind = OP_CHAT_CREATE };
	ledger_intent(l, &k, ledger_lane(l, "c:1"), 1, 0, 0, 1, w->now); /* its request never left */
	assert_true(ledger_commit(l, &e));
	ledger_close(l);
	src.n_chats = 2;
	src.n_msgs[1] = 1;
	src.m[1][0] = (struct message){ .text = 4 };
	same_name = true;
	assert_true(run_once(&res, &e));
	same_name = false;
	assert_int_equal(res.adopted, 0);
	assert_int_equal(res.resent, 1);
	assert_int_equal(w->n_places, places + 1);
	assert_int_equal(posts_in(made), 1);
	n_people = 2;
}

int main(void)
{
	/* in memory where there is such a folder: thousands of runs sync at every commit */
	strcpy(dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/mvchat-engine-XXXXXX" : "/tmp/mvchat-engine-XXXXXX");
	char path[128];
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/world", dir);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(*w)) < 0)
		return 1;
	w = mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	unlink(path);
	if (w == MAP_FAILED)
		return 1;
	static const struct CMUnitTest tests[] = { cmocka_unit_test(test_undisturbed), cmocka_unit_test(test_exactly_once_under_fire),
		cmocka_unit_test(test_doubt_without_source), cmocka_unit_test(test_full_disk), cmocka_unit_test(test_many_lanes), cmocka_unit_test(test_settling_is_needed),
		cmocka_unit_test(test_files_go_ahead), cmocka_unit_test(test_stops_and_goes_on), cmocka_unit_test(test_small_first), cmocka_unit_test(test_no_network), cmocka_unit_test(test_shut_token_is_left_alone),
		cmocka_unit_test(test_wrong_token), cmocka_unit_test(test_strange_stops_one_lane), cmocka_unit_test(test_lists_that_lead_nowhere),
		cmocka_unit_test(test_doubt_with_another_text), cmocka_unit_test(test_anchor_ends_the_look), cmocka_unit_test(test_age_goes_by_the_target),
		 cmocka_unit_test(test_owned_is_not_adopted) };
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	wipe();
	rmdir(dir);
	return rc;
}
