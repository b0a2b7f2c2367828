/* whatsapp_world.h: phones of one chat, their exports read into one spool, and what of it should be there. Included first by one .c of a
 * program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/conform/whatsapp_phones.h"

#include "core/table.h"
#include "importers/importer.h"
#include "replay/align.h"
#include "replay/idfilter.h"
#include "replay/spool.h"

#include <dirent.h>
#include <unistd.h>

enum { KEYS_MAX = 20000 };
struct keys { struct { char conv[80], id[80]; int64_t ts_us; } v[KEYS_MAX]; size_t n; };
struct archive { const struct phone *phone; const char *dir, *zone; };

static char top[] = "/tmp/mvchat-merge-XXXXXX";
static struct arena mem;

/* ---- phones ---- */

static int64_t same_clock(int64_t at) { (void)at; return 0; }
static int64_t three_hours(int64_t at) { (void)at; return 3 * 3600; }
static int64_t wrong_clock(int64_t at) { (void)at; return -130; }
static int64_t berlin(int64_t at) { return at >= 1711846800 && at < 1729990800 ? 7200 : 3600; }
static bool all(size_t i, size_t n) { (void)i, (void)n; return true; }
static bool not_middle(size_t i, size_t n) { return i < n / 5 || i >= n / 4; }
static bool not_here(size_t i, size_t n) { return (i < n / 3 || i >= n / 2) && i % 97 != 5; }
static bool not_first(size_t i, size_t n) { return i >= n / 10; }
static bool holds_all(size_t i) { (void)i; return true; }
static bool holds_a(size_t i) { return i % 3 != 0; }
static bool holds_b(size_t i) { return i % 3 != 1; }
static bool holds_c(size_t i) { return i % 3 != 2; }

static const struct phone android = { PHONE_RU_ANDROID, "Склад", { "Иван", "Мария Кузнецова", "+7 916 123-45-67", "Ольга", "Пётр" }, same_clock, not_middle, holds_a, 0 };
static const struct phone iphone = { PHONE_RU_IPHONE, "Склад", { "Иван Стройка", "Маша", "Сергей", "+7 900 000-11-22", "Петя" }, three_hours, not_here, holds_b, 0 };
static const struct phone english = { PHONE_EN_IPHONE, "Склад", { "+7 911 222-33-44", "~ Masha", "Sergey Work", "Olga", "Peter" }, wrong_clock, not_first, holds_c, 0 };
static const struct phone german = { PHONE_DE_ANDROID, "Склад", { "Iwan", "Maria", "Sergej", "Olga", "Peter" }, berlin, all, holds_all, 0 };

/* ---- reading ---- */

static void remove_tree(const char *dir)
{
	char path[1024];
	DIR *d = opendir(dir);
	for (struct dirent *en; d && (en = readdir(d));) {
		if (streq(en->d_name, ".") || streq(en->d_name, ".."))
			continue;
		fmt_into(path, sizeof(path), "%s/%s", dir, en->d_name);
		if (unlink(path) != 0)
			remove_tree(path);
	}
	if (d)
		closedir(d);
	rmdir(dir);
}

static bool past_conv(void *ctx, const char *conv_id, bool (*put)(void *to, int64_t ts_us, const char *id), void *to)
{
	const struct keys *k = ctx;
	for (size_t i = 0; i < k->n; i++)
		if (streq(k->v[i].conv, conv_id) && !put(to, k->v[i].ts_us, k->v[i].id))
			return false;
	return true;
}

static struct spool *read_archives(const struct archive *v, size_t n, struct keys *past)
{
	struct err e = ERR_INIT;
	char path[600], dir[600], zone[80];
	fmt_into(path, sizeof(path), "%s/spool.db", top);
	struct spool *s = spool_open(path, SPOOL_BUILD, &e);
	assert_non_null(s);
	for (size_t i = 0; i < n; i++) {
		uint8_t digest[DIGEST_BYTES] = { (uint8_t)(i + 1) };
		struct sink sink;
		struct arena step;
		fmt_into(dir, sizeof(dir), "%s/%s", top, v[i].dir);
		fmt_into(zone, sizeof(zone), "zone=%s", v[i].zone ? v[i].zone : "UTC");
		struct vault *vault = vault_open(dir, NULL, NULL, &e);
		assert_non_null(vault);
		const char *const options[] = { zone, NULL };
		struct source *src = importer_whatsapp.open(vault, options, &e);
		if (!src)
			fail_msg("%s: %s", dir, e.msg);
		assert_true(spool_archive_begin(s, dir, "whatsapp", "whatsapp", digest, &e));
		spool_sink(s, &sink);
		arena_init(&step);
		if (!importer_whatsapp.walk(src, &sink, &step, &e))
			fail_msg("%s: %s", dir, e.msg);
		arena_release(&step);
		importer_whatsapp.close(src);
		vault_close(vault);
	}
	if (past)
		spool_set_past(s, &(struct spool_past){ past_conv, past });
	if (!spool_finish(s, &e))
		fail_msg("%s", e.msg);
	spool_close(s);
	s = spool_open(path, SPOOL_READ, &e);
	assert_non_null(s);
	return s;
}

static void export_all(const struct archive *v, size_t n, const struct phone_history *h)
{
	char dir[600];
	for (size_t i = 0; i < n; i++) {
		fmt_into(dir, sizeof(dir), "%s/%s", top, v[i].dir);
		assert_true(phone_export(v[i].phone, h, dir));
	}
}

struct convs { char ids[8][80]; int64_t nums[8], msgs[8]; size_t n; };
static bool note_conv(void *ctx, const struct spool_conv *c)
{
	struct convs *v = ctx;
	if (v->n < 8) {
		fmt_into(v->ids[v->n], 80, "%s", c->conv.id);
		v->nums[v->n] = c->num;
		v->msgs[v->n] = c->n_msgs;
	}
	v->n++;
	return true;
}

static void convs_of(struct spool *s, struct convs *out)
{
	struct err e = ERR_INIT;
	out->n = 0;
	assert_true(spool_convs(s, &mem, note_conv, out, &e));
}

static void take_keys(struct spool *s, struct keys *k)
{
	struct convs c;
	k->n = 0;
	convs_of(s, &c);
	for (size_t i = 0; i < c.n; i++) {
		struct spool_meta m;
		struct spool_walk *w = spool_walk(s, c.nums[i], SPOOL_ALL, NULL, 0, NULL);
		while (spool_walk_next(w, &m)) {
			assert_true(k->n < KEYS_MAX);
			fmt_into(k->v[k->n].conv, 80, "%s", c.ids[i]);
			fmt_into(k->v[k->n].id, 80, "%s", m.id);
			k->v[k->n++].ts_us = m.ts_us;
		}
		spool_walk_end(w);
	}
}

/* ---- what the union is ---- */

static bool some_have(const struct archive *v, size_t n, size_t i, size_t of, int64_t at, bool file, bool fine)
{
	for (size_t k = 0; k < n; k++) {
		const struct phone *p = v[k].phone;
		if (p->has(i, of) && (!p->until_s || at <= p->until_s) && (!file || p->holds(i)) && (!fine || phone_is_iphone(p)))
			return true;
	}
	return false;
}

static bool state_known(const struct archive *v, size_t n, size_t i, size_t of, int64_t at, int64_t changed)
{
	for (size_t k = 0; k < n; k++)
		if (v[k].phone->has(i, of) && (!v[k].phone->until_s || (at <= v[k].phone->until_s && changed <= v[k].phone->until_s)))
			return true;
	return false;
}

/* The person as the first phone that knows them calls them. */
static const char *person(const struct archive *v, int who)
{
	static char out[PHONE_PEOPLE][120];
	const char *name = v[0].phone->names[who];
	size_t n = 0;
	if (name[0] == '+') {
		n = (size_t)snprintf(out[who], 120, "wa:");
		for (const char *p = name; *p; p++)
			if (!strchr(" -", *p))
				out[who][n++] = *p;
		out[who][n] = '\0';
		return out[who];
	}
	static const char *const lower[][2] = { { "Иван", "иван" }, { "Мария Кузнецова", "мария кузнецова" }, { "Ольга", "ольга" }, { "Пётр", "пётр" },
		{ "Иван Стройка", "иван стройка" }, { "Маша", "маша" }, { "Сергей", "сергей" }, { "Петя", "петя" }, { "Iwan", "iwan" }, { "Maria", "maria" },
		{ "Sergej", "sergej" }, { "Olga", "olga" }, { "Peter", "peter" } };
	for (size_t i = 0; i < countof(lower); i++)
		if (streq(lower[i][0], name))
			snprintf(out[who], 120, "wa:name:%s", lower[i][1]);
	return out[who];
}

/* What tells one text from all others: its number, and whether it was edited. */
static const char *number_of(const char *text)
{
	const char *no = strstr(text, "№");
	return no ? no : text;
}

struct tallying { size_t expected, found; int64_t first_us; };

/* Every message of the spool against the history; every message of the history that some phone has, in the spool. */
enum times { TIMES_FINE, TIMES_WRITTEN /* before, from a phone that has only minutes */ };
static void check_union(struct spool *s, const struct archive *v, size_t n, const struct phone_history *h, uint32_t seed, enum times times)
{
	struct convs c;
	struct err e = ERR_INIT;
	struct arena a;
	struct buf b;
	struct table words, briefs;   /* words -> index + 1; "author|words" -> struct tallying */
	bool *seen = calloc(h->n, sizeof(*seen));
	size_t notices = 0, want_notices = 1 /* of encryption */, wrong = 0;
	convs_of(s, &c);
	if (c.n != 1)
		fail_msg("seed %u: %zu conversations", seed, c.n);
	arena_init(&a);
	buf_init(&b, 1 << 20);
	table_init(&words);
	table_init(&briefs);
	for (size_t i = 0; i < h->n; i++) {
		const struct phone_event *x = &h->v[i];
		if (!some_have(v, n, i, h->n, x->at_s, false, false))
			continue;
		want_notices += x->kind == PHONE_ADDED;
		if (x->kind == PHONE_ADDED)
			continue;
		bool changed = x->changed_s && state_known(v, n, i, h->n, x->at_s, x->changed_s);
		const char *text = x->edited[0] && changed ? x->edited : x->words;
		bool unique = strstr(x->words, "№") && !(x->deleted && changed);
		bool file = x->kind == PHONE_PHOTO && some_have(v, n, i, h->n, x->at_s, true, false);
		if (unique || file) {
			const char *key = file ? arena_fmt(&mem, "file %zu", i) : arena_strdup(&mem, number_of(text));
			table_put(&words, key, (void *)(uintptr_t)(i + 1));
		} else {
			const char *key = arena_fmt(&mem, "%s|%s", person(v, x->who), x->deleted && changed ? "deleted" : x->kind == PHONE_PHOTO ? "photo" : text);
			struct tallying *t = table_get(&briefs, key);
			if (!t) {
				t = arena_new(&mem, struct tallying);
				table_put(&briefs, key, t);
			}
			t->expected++;
		}
	}
	struct spool_walk *w = spool_walk(s, c.nums[0], SPOOL_ALL, NULL, 0, NULL);
	struct spool_meta m;
	int64_t last = INT64_MIN;
	while (spool_walk_next(w, &m)) {
		struct msg msg;
		arena_reset(&a);
		assert_true(spool_walk_body(w, &a, &msg, &e));
		buf_reset(&b);
		text_plaintext(&msg.body, &b);
		assert_true(m.ts_us >= last);
		last = m.ts_us;
		if (m.kind != MSG_TEXT && m.kind != MSG_DELETED) {
			notices++;
			continue;
		}
		const char *key = number_of(b.p);
		if (m.kind == MSG_DELETED)
			key = "deleted";
		else if (msg.n_files && msg.files[0].state == FILE_PRESENT) {
			size_t no = 0;
			const char *base = strrchr(msg.files[0].entry, '/') ? strrchr(msg.files[0].entry, '/') + 1 : msg.files[0].entry, *wa = strstr(base, "-WA");
			no = strtoul(wa ? wa + 3 : base, NULL, 10);
			key = arena_fmt(&a, "file %zu", no);
			assert_int_equal(msg.files[0].archive >= 0 && (size_t)msg.files[0].archive < n, 1);
			assert_int_equal(v[msg.files[0].archive].phone->holds(no), 1);
			assert_true(msg.files[0].width == 8 * (8 + (int)(no % 5)) && msg.files[0].height == 8 * (6 + (int)(no % 3)));
		} else if (msg.n_files && !strstr(b.p, "№")) {
			key = "photo";
		}
		size_t i = (size_t)(uintptr_t)table_get(&words, key);
		if (i-- == 0) {
			struct tallying *t = m.author ? table_get(&briefs, arena_fmt(&a, "%s|%s", m.author, key)) : NULL;
			if (!t || ++t->found > t->expected) {
				print_message("seed %u: too much: %s by %s at %lld %s\n", seed, key, m.author ? m.author : "-", (long long)m.ts_us, m.id);
				wrong++;
			}
			continue;
		}
		const struct phone_event *x = &h->v[i];
		int64_t at = x->at_s * 1000000, off = m.ts_us - at;
		bool fine = times == TIMES_FINE && some_have(v, n, i, h->n, x->at_s, false, true);
		bool time = fine ? llabs(off) < 1000000 : off > -61000000 && off < 61000000;
		if (seen[i] || !time || !m.author || !streq(m.author, person(v, x->who))) {
			print_message("seed %u: %s \"%s\" by %s (meant %s), %lld us off%s\n", seed, seen[i] ? "twice" : "wrong", b.p, m.author ? m.author : "-", person(v, x->who),
			              (long long)off, fine ? "" : ", minutes only");
			wrong++;
		}
		seen[i] = true;
	}
	spool_walk_end(w);
	for (size_t i = 0; i < words.n; i++)
		if (!seen[(size_t)(uintptr_t)words.rows[i].value - 1]) {
			print_message("seed %u: missing %s\n", seed, words.rows[i].key);
			wrong++;
		}
	for (size_t i = 0; i < briefs.n; i++) {
		const struct tallying *t = briefs.rows[i].value;
		if (t->found != t->expected) {
			print_message("seed %u: %s %zu times, meant %zu\n", seed, briefs.rows[i].key, t->found, t->expected);
			wrong++;
		}
	}
	if (notices != want_notices) {
		print_message("seed %u: %zu notices, meant %zu\n", seed, notices, want_notices);
		wrong++;
	}
	struct spool_counts counts;
	spool_count(s, &counts);
	assert_int_equal(counts.read, counts.stored + counts.merged);
	assert_int_equal(counts.convs, 1);
	assert_int_equal(counts.users, PHONE_PEOPLE);
	assert_int_equal(counts.stored, c.msgs[0]);
	assert_int_equal(counts.files, counts.files_present + counts.files_gone);
	table_release(&words);
	table_release(&briefs);
	arena_release(&a);
	buf_release(&b);
	free(seen);
	assert_int_equal(wrong, 0);
}

/* Everything that was written before is still there, under the same key. */
static void check_keys(struct spool *s, const struct keys *old)
{
	struct keys *now = malloc(sizeof(*now));
	struct table t;
	take_keys(s, now);
	table_init(&t);
	for (size_t i = 0; i < now->n; i++)
		table_put(&t, arena_fmt(&mem, "%s %s %lld", now->v[i].conv, now->v[i].id, (long long)now->v[i].ts_us), now);
	assert_int_equal(t.n, now->n); /* each once */
	for (size_t i = 0; i < old->n; i++)
		if (!table_get(&t, arena_fmt(&mem, "%s %s %lld", old->v[i].conv, old->v[i].id, (long long)old->v[i].ts_us)))
			fail_msg("written before and not found again: %s %s at %lld", old->v[i].conv, old->v[i].id, (long long)old->v[i].ts_us);
	table_release(&t);
	free(now);
}

static void clean(void)
{
	remove_tree(top);
	assert_int_equal(mkdir(top, 0700), 0);
	arena_reset(&mem);
}
