/* test_whatsapp_merge.c: exports of one chat from several phones become the history they come from: each message once, at its time,
 * by its author, with its file; and what was written in an earlier run is found again under its id. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/conform/whatsapp_phones.h"

#include "core/table.h"
#include "importers/importer.h"
#include "replay/align.h"
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

/* ---- the tests ---- */

static void three_phones(void **state)
{
	const char *tries = getenv("MVCHAT_SEEDS");
	uint32_t seeds = tries ? (uint32_t)atoi(tries) : 6;
	(void)state;
	for (uint32_t seed = 1; seed <= seeds; seed++) {
		struct phone_history h;
		const struct phone *const sets[][3] = { { &android, &iphone, &english }, { &iphone, &german, &android }, { &german, &english, &iphone } };
		const struct phone *const *set = sets[seed % 3];
		const struct archive v[] = { { set[0], "a", "UTC" }, { set[1], "b", "UTC" }, { set[2], "c", "UTC" } };
		clean();
		phone_history(&h, seed, 900, 1708000000); /* over the end of March, when Berlin changes its clocks */
		if (v[0].phone == &german || v[0].phone == &iphone) { /* the first phone's clock is the history's: told rightly */
			struct archive w[] = { v[0], v[1], v[2] };
			w[0].zone = v[0].phone == &german ? "Europe/Berlin" : "Europe/Moscow";
			export_all(w, 3, &h);
			struct spool *s = read_archives(w, 3, NULL);
			check_union(s, w, 3, &h, seed, TIMES_FINE);
			spool_close(s);
		} else {
			export_all(v, 3, &h);
			struct spool *s = read_archives(v, 3, NULL);
			check_union(s, v, 3, &h, seed, TIMES_FINE);
			spool_close(s);
		}
		phone_history_free(&h);
	}
}

/* Two phones with whole minutes, and people who say "ok" again and again, several times a minute; each phone lacks something. What is lost
 * is no more than what is told as unclear; what the same person said around it decides the rest. */
static bool lacks_some(size_t i, size_t n) { (void)n; return (i * 2654435761u >> 7) % 9 != 0; }
static bool lacks_others(size_t i, size_t n) { (void)n; return (i * 2246822519u >> 9) % 9 != 0; }
struct unclear { size_t n; bool told; };

static bool note_unclear(void *ctx, const struct spool_hazard *h)
{
	struct unclear *u = ctx;
	const char *p = streq(h->name, "short-texts-unclear") ? strstr(h->what, "\" ") : NULL;
	if (p) {
		u->told = true;
		u->n += strtoul(p + 2, NULL, 10);
	}
	return true;
}

static void short_texts(void **state)
{
	static const char *const brief[] = { "ок", "да", "+" };
	static const struct phone one = { PHONE_RU_ANDROID, "Склад", { "Иван", "Мария Кузнецова", "+7 916 123-45-67", "Ольга", "Пётр" }, same_clock, lacks_some, holds_a, 0 };
	static const struct phone two = { PHONE_RU_ANDROID, "Склад", { "Иван", "Мария", "Сергей", "Оля", "Пётр" }, same_clock, lacks_others, holds_a, 0 };
	static const struct archive v[] = { { &one, "a", "UTC" }, { &two, "b", "UTC" } };
	size_t lost_all = 0;
	(void)state;
	for (uint32_t seed = 61; seed < 65; seed++) {
		struct phone_history h;
		struct unclear u = { .n = 0 };
		int64_t at = 1708000000;
		size_t have = 1, briefs = 0;
		clean();
		phone_history(&h, seed, 1500, at);
		for (size_t i = 0; i < h.n; i++) {
			struct phone_event *e = &h.v[i];
			at += 1 + (int)phone_next(&h.state, 12) + (i % 40 == 0 ? 300 : 0);
			*e = (struct phone_event){ .at_s = at, .who = (int)phone_next(&h.state, 3) };
			if (phone_next(&h.state, 2) == 0) {
				fmt_into(e->words, sizeof(e->words), "%s", brief[phone_next(&h.state, 3)]);
				briefs++;
			} else {
				fmt_into(e->words, sizeof(e->words), "по заказу отгрузка к обеду, машина номер №%zu", i);
			}
			have += lacks_some(i, h.n) || lacks_others(i, h.n);
		}
		export_all(v, 2, &h);
		struct spool *s = read_archives(v, 2, NULL);
		struct spool_counts c;
		spool_count(s, &c);
		assert_true(spool_hazards(s, note_unclear, &u));
		size_t lost = have - (size_t)c.stored;
		if ((int64_t)have < c.stored || lost > u.n || briefs < 600)
			fail_msg("seed %u: %zu of %zu messages, unclear %zu", seed, (size_t)c.stored, have, u.n);
		lost_all += lost;
		spool_close(s);
		phone_history_free(&h);
	}
	assert_true(lost_all <= 8); /* of 3,000 */
}

/* One phone is written; then another's export comes; then a later one of the first; then all from the beginning. */
static void nothing_twice(void **state)
{
	struct phone_history h;
	struct keys *past = malloc(sizeof(*past));
	struct phone early = android, late = android, middle = iphone;
	(void)state;
	for (uint32_t seed = 21; seed < 24; seed++) {
		clean();
		phone_history(&h, seed, 700, 1708000000);
		early.until_s = h.v[400].at_s;
		middle.until_s = h.v[550].at_s;
		late.until_s = 0;
		const struct archive v[] = { { &early, "a1", "UTC" }, { &middle, "b", "UTC" }, { &late, "a2", "UTC" }, { &english, "c", "UTC" } };
		export_all(v, 4, &h);
		past->n = 0;
		for (size_t n = 1; n <= 4; n++) {
			struct spool *s = read_archives(v, n, past);
			check_keys(s, past);
			check_union(s, v, n, &h, seed, TIMES_WRITTEN);
			take_keys(s, past);
			spool_close(s);
		}
		/* The same with nothing new, and with the archives in another order. */
		struct spool *s = read_archives(v, 4, past);
		check_keys(s, past);
		spool_close(s);
		phone_history_free(&h);
	}
	free(past);
}

/* Messages of the spool that were not written before: what would be sent. */
static size_t count_new(struct spool *s, const struct keys *old)
{
	struct keys *now = malloc(sizeof(*now));
	struct table t;
	size_t n = 0;
	take_keys(s, now);
	table_init(&t);
	for (size_t i = 0; i < old->n; i++)
		table_put(&t, arena_fmt(&mem, "%s %s %lld", old->v[i].conv, old->v[i].id, (long long)old->v[i].ts_us), now);
	for (size_t i = 0; i < now->n; i++)
		n += !table_get(&t, arena_fmt(&mem, "%s %s %lld", now->v[i].conv, now->v[i].id, (long long)now->v[i].ts_us));
	table_release(&t);
	free(now);
	return n;
}

static bool note_not_found(void *ctx, const struct spool_hazard *h)
{
	*(bool *)ctx |= streq(h->name, "written-not-found");
	return true;
}

/* Three phones' exports are written; then the list changes: another order, a newer export in an older one's place, one that is gone. */
static void list_changes(void **state)
{
	static const size_t orders[][3] = { { 1, 0, 2 }, { 2, 1, 0 }, { 1, 2, 0 }, { 0, 2, 1 } };
	struct phone_history h;
	struct keys *past = malloc(sizeof(*past));
	struct phone early = android, ios = iphone, en = english;
	(void)state;
	for (uint32_t seed = 41; seed < 44; seed++) {
		clean();
		phone_history(&h, seed, 600, 1708000000);
		for (size_t i = 0; i < h.n; i++) { /* what is edited is another text, and known by its phone's earlier export only */
			h.v[i].edited[0] = '\0';
			h.v[i].deleted = false;
		}
		early.until_s = ios.until_s = en.until_s = h.v[450].at_s;
		const struct archive v[] = { { &early, "a1", "UTC" }, { &ios, "b", "UTC" }, { &en, "c", "UTC" }, { &android, "a2", "UTC" } };
		export_all(v, 4, &h);
		struct spool *s = read_archives(v, 3, NULL);
		take_keys(s, past);
		spool_close(s);
		for (size_t k = 0; k < countof(orders); k++) {
			const struct archive w[] = { v[orders[k][0]], v[orders[k][1]], v[orders[k][2]] };
			s = read_archives(w, 3, past);
			check_keys(s, past);
			assert_int_equal(count_new(s, past), 0);
			spool_close(s);
		}
		const struct archive newer[] = { v[3], v[1], v[2] };
		s = read_archives(newer, 3, past);
		check_keys(s, past);
		size_t fresh = 0;
		for (size_t i = 0; i < h.n; i++)
			fresh += some_have(newer, 3, i, h.n, h.v[i].at_s, false, false) && !some_have(v, 3, i, h.n, h.v[i].at_s, false, false);
		assert_true(fresh > 0);
		assert_int_equal(count_new(s, past), fresh);
		spool_close(s);
		const struct archive fewer[] = { v[1], v[2] };
		bool told = false;
		s = read_archives(fewer, 2, past); /* by which they were known: it cannot be seen any more, and is told */
		assert_true(spool_hazards(s, note_not_found, &told));
		assert_true(told);
		spool_close(s);
		phone_history_free(&h);
	}
	free(past);
}

static void put_text(const char *dir, const char *name, const char *text)
{
	struct buf b;
	char path[600];
	fmt_into(path, sizeof(path), "%s/%s", top, dir);
	assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
	buf_init(&b, 1 << 20);
	buf_adds(&b, text);
	fmt_into(path, sizeof(path), "%s/%s/%s", top, dir, name);
	assert_true(phone_write(path, &b));
	buf_release(&b);
}

/* A day's talk with a minute in the middle, as a phone shows it whose clock is ahead. */
static const char *talk(int hours, const char *minute)
{
	static const char *const lines[] = { "Анна: Добрый день, когда будет отгрузка по заказу?", "Борис: Завтра к обеду, машина уже заказана", "Анна: Счёт выслала на почту, проверьте пожалуйста",
		NULL, "Борис: Получил, спасибо, оплатим сегодня", "Анна: Деньги пришли, отгружаем паллету сегодня", "Виктор: Отлично, ждём машину на складе" };
	struct buf b;
	buf_init(&b, 1 << 16);
	for (size_t i = 0; i < countof(lines); i++)
		if (lines[i]) {
			buf_addf(&b, "03.02.2024, %02d:%02zu - %s\n", 12 + hours, 8 * i, lines[i]);
		} else {
			for (const char *p = minute, *nl; (nl = strchr(p, '\n')); p = nl + 1)
				buf_addf(&b, "03.02.2024, %02d:%02zu - %.*s\n", 12 + hours, 8 * i, (int)(nl - p), p);
		}
	char *out = arena_strdup(&mem, b.p);
	buf_release(&b);
	return out;
}

/* Two short texts of one minute were written; a newer export shows that another of them is the one that the first phone has. Neither is
 * sent again: ids are passed on where clocks agree, and else given to the twin. */
static void ids_pass_on(void **state)
{
	static const struct archive v[] = { { NULL, "a", "UTC" }, { NULL, "b", "UTC" } };
	static const char *const cases[][3] = { /* the second phone's minute; the first's, and later */
		{ "Анна: да\nАнна: кабель привезли на склад сегодня утром\nАнна: да\n", "", "Анна: кабель привезли на склад сегодня утром\nАнна: да\n" },
		{ "Анна: да\nАнна: кабель привезли на склад сегодня утром\nАнна: да\n", "Анна: да\n", "Анна: кабель привезли на склад сегодня утром\nАнна: да\n" },
		{ "Анна: да\nАнна: кабель привезли на склад сегодня утром\nБорис: да\n", "", "Борис: да\n" }, /* now the first of its minute, but another's */
	};
	struct keys *past = malloc(sizeof(*past));
	(void)state;
	for (int hours = 0; hours <= 3; hours += 3)
		for (size_t i = 0; i < countof(cases); i++) {
			clean();
			put_text("a", "WhatsApp Chat with X.txt", talk(0, cases[i][1]));
			put_text("b", "WhatsApp Chat with X.txt", talk(hours, cases[i][0]));
			struct spool *s = read_archives(v, 2, NULL);
			take_keys(s, past);
			assert_int_equal(past->n, 9);
			spool_close(s);
			put_text("a", "WhatsApp Chat with X.txt", talk(0, cases[i][2]));
			s = read_archives(v, 2, past);
			check_keys(s, past);
			assert_int_equal(count_new(s, past), 0);
			spool_close(s);
		}
	free(past);
}

/* A talk of two is called after the other side on each phone. */
static void talk_of_two(void **state)
{
	static const char anna[] = "[03.02.2024, 12:00:05] Борис: Добрый день, когда будет отгрузка по заказу?\r\n"
		"[03.02.2024, 12:01:10] Анна Котова: Завтра к обеду, машина уже заказана\r\n[03.02.2024, 12:02:00] Борис: ок\r\n"
		"[03.02.2024, 12:03:00] Анна Котова: Счёт выслала на почту, проверьте пожалуйста\r\n[03.02.2024, 12:05:00] Борис: Получил, спасибо, оплатим сегодня\r\n"
		"[13.02.2024, 12:05:00] Анна Котова: Деньги пришли, отгружаем паллету сегодня\r\n[13.02.2024, 12:06:00] Борис: Отлично, ждём машину на складе\r\n";
	static const char boris[] = "03.02.2024, 15:00 - Boris K: Добрый день, когда будет отгрузка по заказу?\n03.02.2024, 15:01 - Аня: Завтра к обеду, машина уже заказана\n"
		"03.02.2024, 15:02 - Boris K: ок\n03.02.2024, 15:03 - Аня: Счёт выслала на почту, проверьте пожалуйста\n03.02.2024, 15:05 - Boris K: Получил, спасибо, оплатим сегодня\n"
		"13.02.2024, 15:05 - Аня: Деньги пришли, отгружаем паллету сегодня\n13.02.2024, 15:06 - Boris K: Отлично, ждём машину на складе\n14.02.2024, 15:06 - Boris K: Приехала\n";
	/* Another's talk with somebody whom this phone, too, calls Борис. */
	static const char other[] = "13.02.2024, 12:00 - Борис: Поедем в субботу на рыбалку?\n13.02.2024, 12:01 - Олег: Давай, заеду за тобой в шесть утра\n";
	static const char *const names[] = { "WhatsApp Chat with Борис.txt", "WhatsApp Chat with Аня.txt", "WhatsApp Chat with Борис.txt" };
	static const char *const texts[] = { anna, boris, other };
	const struct archive v[] = { { NULL, "a", "UTC" }, { NULL, "b", "UTC" }, { NULL, "c", "UTC" } };
	struct convs c;
	(void)state;
	clean();
	for (size_t i = 0; i < 3; i++)
		put_text(v[i].dir, names[i], texts[i]);
	struct spool *s = read_archives(v, 3, NULL);
	convs_of(s, &c);
	assert_int_equal(c.n, 2);
	assert_string_equal(c.ids[0], "wa:chat:борис");
	assert_int_equal(c.msgs[0], 8);
	assert_string_equal(c.ids[1], "wa:chat:борис#2"); /* never mixed: there is nothing in common but the name */
	assert_int_equal(c.msgs[1], 2);
	spool_close(s);
}

/* ---- align.c alone ---- */

static void pieces(void **state)
{
	struct align_anchor a[60];
	struct align_shift v[ALIGN_SHIFTS_MAX];
	(void)state;
	for (int i = 0; i < 60; i++) /* three hours, then two; every tenth text is another one */
		a[i] = (struct align_anchor){ .ts_us = (int64_t)i * 3600000000, .apart_us = (i < 30 ? -3 : -2) * 3600000000ll + (i % 10 == 4 ? i * 777777777ll : 0) };
	size_t n = align_shifts(a, 60, v);
	assert_int_equal(n, 2);
	assert_int_equal(v[0].shift_us, -10800000000);
	assert_int_equal(v[1].shift_us, -7200000000);
	assert_int_equal(align_shift_at(v, n, 29 * 3600000000ll)->shift_us, -10800000000);
	assert_int_equal(align_shift_at(v, n, 30 * 3600000000ll)->shift_us, -7200000000);
	assert_false(a[4].fits);
	assert_true(a[5].fits);
	assert_int_equal(align_shifts(a, 0, v), 0);
}

/* Equal words of two people in one minute, in the other order on the other phone, and one of them missing. */
static void equal_words(void **state)
{
	struct align_item a[] = { { .ts_us = 0, .words = 9, .author = 1 }, { .ts_us = 1000, .words = 9, .author = 2 }, { .ts_us = 2000, .words = 9, .author = 1 } };
	struct align_item b[] = { { .ts_us = 0, .words = 9, .author = 2 }, { .ts_us = 1000, .words = 9, .author = 1 } };
	struct align_rules r = { .slack_us = 60000000, .notice_us = 60000000 };
	(void)state;
	for (int i = 0; i < 3; i++)
		a[i].alt_us = a[i].ts_us;
	for (int i = 0; i < 2; i++)
		b[i].alt_us = b[i].ts_us;
	align_match(a, 3, b, 2, &r);
	assert_int_equal(a[1].pair, 0);
	assert_int_equal(b[0].pair, 1);
	assert_true(b[1].pair == 0 || b[1].pair == 2);
	assert_int_equal((a[0].pair == 1) + (a[2].pair == 1), 1);
}

static int setup(void **state)
{
	(void)state;
	arena_init(&mem);
	return mkdtemp(top) ? 0 : 1;
}

static int teardown(void **state)
{
	(void)state;
	arena_release(&mem);
	remove_tree(top);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(pieces), cmocka_unit_test(equal_words), cmocka_unit_test(three_phones), cmocka_unit_test(short_texts), cmocka_unit_test(nothing_twice), cmocka_unit_test(list_changes), cmocka_unit_test(ids_pass_on),
	                                    cmocka_unit_test(talk_of_two) };
	return cmocka_run_group_tests(tests, setup, teardown);
}
