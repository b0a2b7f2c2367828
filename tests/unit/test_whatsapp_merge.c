/* Exports of one chat from several phones become the history they come from: each message once, at its time,
 * by its author, with its file; and what was written in an earlier run is found again under its id. */
#include "whatsapp_world.h"

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

static void match(struct align_item *a, size_t na, struct align_item *b, size_t nb, int64_t open_us)
{
	const struct align_rules r = { .slack_us = 1000000, .coarse_us = 1000000, .notice_us = 60000000, .open_us = open_us };
	for (size_t i = 0; i < na; i++)
		a[i].alt_us = a[i].ts_us;
	for (size_t i = 0; i < nb; i++)
		b[i].alt_us = b[i].ts_us;
	align_match(a, na, b, nb, &r);
}

/* Short words of one minute: around the same person's text they are another message, around somebody else's it is not clear, and with
 * seconds it is. */
static void places(void **state)
{
	enum { OK = 9, LONG = 77, SHORT = ALIGN_COARSE | ALIGN_BRIEF };
	struct align_item a[] = { { .words = OK, .author = 1, .flags = SHORT }, { .words = LONG, .author = 1, .flags = ALIGN_COARSE } };
	struct align_item b[] = { { .words = LONG, .author = 1, .flags = ALIGN_COARSE }, { .words = OK, .author = 1, .flags = SHORT } };
	(void)state;
	match(a, 2, b, 2, 0);
	assert_int_equal(a[1].pair, 0);
	assert_int_equal(a[0].pair, -1);
	a[1].author = b[0].author = 2;
	match(a, 2, b, 2, 0);
	assert_int_equal(a[1].pair, 0);
	assert_int_equal(a[0].pair, 1);
	assert_true(a[0].unclear);
	a[1].author = b[0].author = 1;
	a[0].flags = b[1].flags = ALIGN_BRIEF;
	match(a, 2, b, 2, 0);
	assert_int_equal(a[0].pair, 1);
	assert_false(a[0].unclear);
	a[0].flags = b[1].flags = SHORT | ALIGN_MEDIA; /* files are sent when they are ready */
	match(a, 2, b, 2, 0);
	assert_int_equal(a[0].pair, 1);
}

/* An edited text is another copy's earlier one only where they are alike, in one place, and young. */
static void other_states(void **state)
{
	enum { EDITED = ALIGN_COARSE | ALIGN_LATER | ALIGN_CHANGED };
	struct align_item a[] = { { .words = 5, .bag = 0x1f, .author = 1, .flags = EDITED }, { .words = 77, .author = 2, .flags = ALIGN_COARSE } };
	struct align_item b[] = { { .words = 6, .bag = 0xff, .author = 1, .flags = ALIGN_COARSE }, { .words = 77, .author = 2, .flags = ALIGN_COARSE } };
	(void)state;
	match(a, 2, b, 2, 0);
	assert_int_equal(a[0].pair, 0);
	match(a, 2, b, 2, 1); /* both copies are known to know */
	assert_int_equal(a[0].pair, -1);
	b[0].bag = 0xff0;
	match(a, 2, b, 2, 0);
	assert_int_equal(a[0].pair, -1);
	a[0].bag = 0x07; /* of three words nobody can tell */
	match(a, 2, b, 2, 0);
	assert_int_equal(a[0].pair, 0);
	const struct align_item t = b[0];
	b[0] = b[1];
	b[1] = t;
	match(a, 2, b, 2, 0); /* after what somebody else wrote, not before it */
	assert_int_equal(a[1].pair, 0);
	assert_int_equal(a[0].pair, -1);
	a[0].flags = ALIGN_COARSE | ALIGN_LATER; /* still waited for: it may be so for ever */
	b[1] = b[0];
	b[0] = t;
	match(a, 2, b, 2, 1);
	assert_int_equal(a[0].pair, 0);
}

/* The words of a text as bits; styles and mentions do not count. */
static void bags(void **state)
{
	struct align_words one = { 0 }, two = { 0 }, three = { 0 };
	(void)state;
	align_words_add(&one, "отгрузка во *вторник* утром", strlen("отгрузка во *вторник* утром"));
	align_words_end(&one);
	align_words_add(&two, "отгрузка во ", strlen("отгрузка во "));
	align_words_add(&two, "вторник утром", strlen("вторник утром"));
	align_words_end(&two);
	align_words_add(&three, "отгрузка", strlen("отгрузка"));
	align_words_end(&three);
	assert_int_equal(one.bag, two.bag);
	assert_int_equal(one.h, two.h);
	assert_int_equal(__builtin_popcountll(one.bag), 4);
	assert_int_equal(three.bag & one.bag, three.bag);
	assert_int_equal(__builtin_popcountll(three.bag), 1);
}

static void id_filter(void **state)
{
	struct idfilter f;
	char id[32];
	size_t wrong = 0;
	(void)state;
	idfilter_init(&f, 20000);
	for (int i = 0; i < 20000; i++) {
		fmt_into(id, sizeof(id), "%08x#0", (unsigned)i * 2654435761u);
		idfilter_add(&f, id);
	}
	for (int i = 0; i < 20000; i++) {
		fmt_into(id, sizeof(id), "%08x#0", (unsigned)i * 2654435761u);
		assert_true(idfilter_has(&f, id));
		fmt_into(id, sizeof(id), "%08x#1", (unsigned)i * 2654435761u);
		wrong += idfilter_has(&f, id);
	}
	assert_true(wrong < 200);
	idfilter_free(&f);
	assert_false(idfilter_has(&f, "a"));
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
	const struct CMUnitTest tests[] = { cmocka_unit_test(pieces), cmocka_unit_test(equal_words), cmocka_unit_test(places), cmocka_unit_test(other_states), cmocka_unit_test(bags), cmocka_unit_test(id_filter),
	                                     cmocka_unit_test(three_phones), cmocka_unit_test(short_texts), cmocka_unit_test(nothing_twice), cmocka_unit_test(list_changes), cmocka_unit_test(ids_pass_on),
	                                    cmocka_unit_test(talk_of_two) };
	return cmocka_run_group_tests(tests, setup, teardown);
}
