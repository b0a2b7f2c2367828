/* Any bytes as a Slack export. The input is cut at RS (0x1e) into the entries of ENTRIES, in that order; one that is missing has a small
 * sensible content. Properties:
 *  - the archive is read to its end, or refused with words;
 *  - the same twice;
 *  - every line pushed can be read back and is written the same; messages belong to a conversation told before, ids and times are usable;
 *  - the account adds up: where jansson reads the days as lists, each element became one message or one bad record;
 *  - an export token does not get out. */
#include "tests/conform/jsonl_sink.h"

#include "core/base.h"
#include "core/utf8.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RS = 0x1e, OUT_MAX = 64 << 20, CONVS_MAX = 4096 };

#define CHECK(x) do { if (!(x)) die("property does not hold: %s", #x); } while (0)

static const struct { const char *name, *without; } ENTRIES[] = {
	{ "general/2024-03-01.json", "[]" },
	{ "general/2024-03-02.json", "[]" },
	{ "users.json", "[{\"id\":\"U1\",\"team_id\":\"T1\",\"name\":\"ann\",\"profile\":{\"real_name\":\"Ann\"}},"
	                "{\"id\":\"UB\",\"team_id\":\"T1\",\"name\":\"bot\",\"is_bot\":true,\"profile\":{\"real_name\":\"Bot\",\"bot_id\":\"B1\"}}]" },
	{ "channels.json", "[{\"id\":\"C1\",\"name\":\"general\",\"members\":[\"U1\"]}]" },
	{ "integration_logs.json", "[]" },
};

static char dir[64];

static void forget(void)
{
	char path[128];
	for (size_t i = 0; i < countof(ENTRIES); i++) {
		fmt_into(path, sizeof(path), "%s/%s", dir, ENTRIES[i].name);
		unlink(path);
	}
	fmt_into(path, sizeof(path), "%s/general", dir);
	rmdir(path);
	rmdir(dir);
}

static void put(const char *name, const char *data, size_t n)
{
	char path[128];
	fmt_into(path, sizeof(path), "%s/%s", dir, name);
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && write(fd, data, n) == (ssize_t)n);
	close(fd);
}

struct seen {
	struct jsonl j;
	struct arena a;
	uint64_t convs[CONVS_MAX];
	size_t n_convs;
	bool broken; /* a list that ended in the middle: what stood behind is one bad record, however many it was */
};

/* What has just been written begins at `from`; its newline is the last byte. */
static void same_again(struct seen *s, size_t from, const struct buf *again)
{
	const size_t n = s->j.out.len - from - 1;
	CHECK(utf8_valid(s->j.out.p + from, n));
	if (again->len != n || memcmp(again->p, s->j.out.p + from, n) != 0)
		die("property does not hold: '%.*s' is read as '%.*s'", (int)n, s->j.out.p + from, (int)again->len, again->p);
}

static bool user(void *ctx, const struct user *u)
{
	struct seen *s = ctx;
	const size_t from = s->j.out.len;
	struct user got;
	struct buf again;
	struct err e = ERR_INIT;
	CHECK(u->id && *u->id);
	jsonl_user(&s->j, u);
	CHECK(canon_read_user(s->j.out.p + from, s->j.out.len - from - 1, &s->a, &got, &e));
	buf_init(&again, OUT_MAX);
	canon_user(&got, &again);
	same_again(s, from, &again);
	buf_release(&again);
	return true;
}

static bool conv(void *ctx, const struct conv *c)
{
	struct seen *s = ctx;
	const size_t from = s->j.out.len;
	struct conv got;
	struct buf again;
	struct err e = ERR_INIT;
	CHECK(c->id && *c->id);
	jsonl_conv(&s->j, c);
	CHECK(canon_read_conv(s->j.out.p + from, s->j.out.len - from - 1, &s->a, &got, &e));
	buf_init(&again, OUT_MAX);
	canon_conv(&got, &again);
	same_again(s, from, &again);
	buf_release(&again);
	if (s->n_convs < CONVS_MAX)
		s->convs[s->n_convs++] = hash64(c->id, strlen(c->id), 1);
	return true;
}

static bool msg(void *ctx, const char *conv_id, const struct msg *m)
{
	struct seen *s = ctx;
	const size_t from = s->j.out.len;
	const uint64_t of = hash64(conv_id, strlen(conv_id), 1);
	bool known = s->n_convs == CONVS_MAX;
	const char *where = NULL;
	struct msg got;
	struct buf again;
	struct err e = ERR_INIT;
	for (size_t i = 0; i < s->n_convs && !known; i++)
		known = s->convs[i] == of;
	CHECK(known && m->id && *m->id && m->ts_us > 0);
	jsonl_msg(&s->j, conv_id, m);
	CHECK(canon_read_msg(s->j.out.p + from, s->j.out.len - from - 1, &s->a, &got, &where, &e));
	CHECK(streq(where, conv_id) && canon_msg_fp(&got) == canon_msg_fp(m));
	buf_init(&again, OUT_MAX);
	canon_msg(&got, where, &again);
	same_again(s, from, &again);
	buf_release(&again);
	arena_reset(&s->a);
	return true;
}

static bool bad(void *ctx, const struct err *e)
{
	struct seen *s = ctx;
	CHECK(e->code == ERR_RECORD && *e->msg && utf8_valid(e->msg, strlen(e->msg)));
	if (strncmp(e->where, "general/", 8) != 0)
		s->j.bad--; /* jsonl_bad counts it: only those of the days are asked for below */
	return jsonl_bad(&s->j, e);
}

static bool hazard(void *ctx, enum hazard_level level, const char *name, const char *where, const char *what)
{
	struct seen *s = ctx;
	CHECK(*name && utf8_valid(what, strlen(what)) && utf8_valid(where, strlen(where)));
	s->broken |= streq(name, "broken-json") && strncmp(where, "general/", 8) == 0;
	return jsonl_hazard(&s->j, level, name, where, what);
}

static bool fact(void *ctx, const char *key, const char *value) { return jsonl_fact(&((struct seen *)ctx)->j, key, value); }
static bool integration(void *ctx, const struct integration *in) { return jsonl_integration(&((struct seen *)ctx)->j, in); }

/* Tokens begin "xoxe-", "xoxb-"…; four characters more, and it is not just the word. */
static bool token_in(const char *s)
{
	for (; (s = strstr(s, "xox")); s += 3)
		if (s[3] && strchr("abcdeoprs", s[3]) && s[4] == '-' &&
		    strspn(s + 5, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") >= 4)
			return true;
	return false;
}

static void walk(struct source *src, struct seen *s)
{
	struct err e = ERR_INIT;
	struct arena step;
	struct sink sink;
	jsonl_sink(&s->j, &sink, OUT_MAX);
	sink = (struct sink){ .ctx = s, .user = user, .conv = conv, .msg = msg, .bad = bad, .hazard = hazard, .fact = fact, .integration = integration };
	arena_init(&s->a);
	arena_init(&step);
	CHECK(importer_slack.walk(src, &sink, &step, &e));
	CHECK(!s->j.out.len || !token_in(s->j.out.p));
	arena_release(&step);
	arena_release(&s->a);
}

/* How many elements the list has; -1: jansson reads none. */
static long elements(const char *data, size_t n)
{
	json_t *list = json_loadb(data, n, JSON_ALLOW_NUL, NULL);
	const long count = json_is_array(list) ? (long)json_array_size(list) : -1;
	json_decref(list);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct seen one, two;
	long expected = 0;
	size_t part = 0;
	if (size > 256 << 10)
		return 0;
	if (!*dir) {
		char path[96];
		fmt_into(dir, sizeof(dir), "%s/mvchat-fuzz-slack-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
		CHECK(mkdtemp(dir));
		fmt_into(path, sizeof(path), "%s/general", dir);
		CHECK(mkdir(path, 0700) == 0);
		atexit(forget);
	}
	for (const char *p = (const char *)data, *end = p + size; part < countof(ENTRIES); part++) {
		const char *stop = p < end ? memchr(p, RS, (size_t)(end - p)) : NULL;
		const size_t n = (size_t)((stop ? stop : end) - p);
		const bool own = n > 0 || part == 0;
		put(ENTRIES[part].name, own ? p : ENTRIES[part].without, own ? n : strlen(ENTRIES[part].without));
		if (part < 2 && own && expected >= 0) {
			const long k = elements(p, n);
			expected = k < 0 ? -1 : expected + k;
		}
		p = stop ? stop + 1 : end;
	}
	struct err e = ERR_INIT;
	struct vault *v = vault_open(dir, NULL, NULL, &e);
	CHECK(v);
	CHECK(importer_slack.bid(v) > 0);
	struct source *src = importer_slack.open(v, NULL, &e);
	CHECK(src || (e.code == ERR_ARCHIVE && e.msg[0]));
	if (src) {
		one.n_convs = two.n_convs = 0;
		one.broken = two.broken = false;
		walk(src, &one);
		walk(src, &two);
		CHECK(one.j.out.len == two.j.out.len && !memcmp(one.j.out.p, two.j.out.p, one.j.out.len));
		if (expected >= 0 && !one.broken)
			CHECK(one.j.msgs + one.j.bad == (size_t)expected);
		importer_slack.close(src);
		buf_release(&one.j.out);
		buf_release(&two.j.out);
	}
	vault_close(v);
	return 0;
}
