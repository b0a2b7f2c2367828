/* Who sits where: rules with their windows before and after, replies with what they answer, placements; the same every time, in the
 * order of time; what was sent before a change of rules stays. */
#define STREAM_REAL_MAPPING
#include "stream_fakes.h"

#include "mapping_page.h"
#include "replay/arrange.h"
#include "replay/spool_seat.h"

/* "1001 root quotes" of everything in the conversation, in order; titles by what they say. */
static const char *seats(struct world *w, const char *conv)
{
	struct spool_conv c;
	struct spool_meta m;
	struct buf b;
	buf_init(&b, 1 << 20);
	assert_true(spool_conv(w->spool, conv, &w->a, &c));
	struct spool_walk *k = spool_walk(w->spool, c.num, SPOOL_ALL, NULL, 0, NULL);
	while (spool_walk_next(k, &m)) {
		struct msg msg;
		struct err e = ERR_INIT;
		const char *under = "-";
		if (spool_is_title(&m)) {
			struct buf t;
			buf_init(&t, 1 << 16);
			assert_true(spool_walk_body(k, &w->a, &msg, &e));
			text_plaintext(&msg.body, &t);
			buf_addf(&b, "[%s] %lld\n", t.p, (long long)m.n_replies);
			buf_release(&t);
			continue;
		}
		if (m.root) {
			struct spool_meta root;
			assert_true(spool_msg(w->spool, c.num, m.root_ts_us, m.root, &w->a, &msg, &root, NULL));
			struct buf t;
			buf_init(&t, 1 << 16);
			text_plaintext(&msg.body, &t);
			under = arena_strdup(&w->a, t.p);
			buf_release(&t);
		}
		buf_addf(&b, "%.4s %s%s%s\n", m.id, under, m.quotes ? " > " : "", m.quotes ? arena_fmt(&w->a, "%.4s", m.quotes) : "");
	}
	spool_walk_end(k);
	const char *all = arena_strdup(&w->a, b.p ? b.p : "");
	buf_release(&b);
	return all;
}

static const char orders[] = "version: 1\nrules:\n  - {name: o, do: route, thread: 'No {1}', carry: 60s, back: 30s, where: {text: 'no (\\d+)'}}\n";

static void photo(struct world *w, int at, const char *author)
{
	static const struct file f = { .name = "p.jpg", .entry = "f/p", .state = FILE_PRESENT, .kind = FILE_IMAGE, .size = 1 };
	struct msg m = make_msg(w, at, author, 0, "");
	m.files = &f;
	m.n_files = 1;
	assert_true(w->sink.msg(w->sink.ctx, "C1", &m));
}

static void begin(struct world *w, const char *yaml)
{
	real_map = mapping_of(yaml);
	world_begin(w);
}

static void end(struct world *w)
{
	world_end(w);
	mapping_free(real_map);
}

static const char *arranged(struct world *w)
{
	struct err e = ERR_INIT;
	if (!arrange(w->spool, real_map, &e))
		fail_msg("%s", e.msg);
	return seats(w, "C1");
}

static void windows(void **state)
{
	(void)state;
	struct world w;
	begin(&w, orders);
	photo(&w, 1000, "U1");                          /* too early */
	photo(&w, 1040, "U1");                          /* goes back to 7 */
	photo(&w, 1045, "U2");                          /* another author's */
	add_msg(&w, "C1", 1050, "U1", 0, "just words"); /* no file: stays */
	add_msg(&w, "C1", 1060, "U1", 0, "no 7");
	photo(&w, 1070, "U1");
	add_msg(&w, "C1", 1080, "U1", 0, "no 8");
	add_msg(&w, "C1", 1090, "U1", 0, "words go along");
	add_msg(&w, "C1", 1095, "U2", 0, "not his");
	add_msg(&w, "C1", 1100, "U2", 1060, "an answer");
	add_msg(&w, "C1", 1101, "U2", 1060, "an answer about no 8");
	photo(&w, 1140, "U1");
	photo(&w, 1141, "U1");                          /* too late */
	world_ready(&w);
	static const char want[] = "[No 7] 4\n[No 8] 4\n1000 -\n1040 No 7\n1045 -\n1050 -\n1060 No 7\n1070 No 7\n1080 No 8\n1090 No 8\n1095 -\n"
	                           "1100 No 7 > 1060\n1101 No 8 > 1060\n1140 No 8\n1141 -\n";
	assert_string_equal(arranged(&w), want);
	assert_int_equal(spool_seats_picked(w.spool, 0), 7);
	/* found again as it is, and made again the same */
	assert_string_equal(arranged(&w), want);
	struct err e = ERR_INIT;
	spool_close(w.spool);
	assert_int_equal(unlink(arena_fmt(&w.a, "%s.seats", w.spool_path)), 0);
	w.spool = spool_open(w.spool_path, SPOOL_READ, &e);
	assert_string_equal(arranged(&w), want);
	end(&w);
}

static void anybody_and_first_match(void **state)
{
	(void)state;
	struct world w;
	begin(&w, "version: 1\nrules:\n  - {name: d, do: drop, where: {text: secret}}\n"
	          "  - {name: a, do: route, thread: A, carry: 10s, carry_author: any, where: {text: alpha}}\n"
	          "  - {name: b, do: route, thread: B, where: {text: 'alpha|beta'}}\n");
	add_msg(&w, "C1", 1001, "U1", 0, "alpha");
	add_msg(&w, "C1", 1002, "U2", 0, "along");
	add_msg(&w, "C1", 1003, "U2", 0, "beta");
	add_msg(&w, "C1", 1004, "U2", 0, "secret alpha");
	add_msg(&w, "C1", 1020, "U2", 0, "alone");
	world_ready(&w);
	assert_string_equal(arranged(&w), "[B] 1\n[A] 3\n1001 A\n1002 A\n1003 B\n1004 A\n1020 -\n");
	const char *log = drive_with(&w, 0, NULL);
	assert_null(strstr(log, "secret"));
	assert_non_null(strstr(log, "+ [U2 · 1970-01-01 00:16] along"));
	assert_string_equal(drive_with(&w, 0, NULL), "");
	end(&w);
}

static void months(void **state)
{
	(void)state;
	struct world w;
	begin(&w, "version: 1\nlocale: ru\ntime: {zone: Asia/Tokyo}\nhistory: {placement: threads}\n");
	add_msg(&w, "C1", 1001, "U1", 0, "root");
	add_msg(&w, "C1", 1002, "U2", 1001, "answer");
	add_msg(&w, "C1", 2647000, "U1", 0, "in Tokyo it is February"); /* 31.01. 15:16 UTC */
	world_ready(&w);
	const char *got = arranged(&w);
	assert_string_equal(got, "[История: январь 1970] 2\n1001 История: январь 1970\n1002 История: январь 1970 > 1001\n[История: февраль 1970] 1\n2647 История: февраль 1970\n");
	const char *log = drive_with(&w, 0, NULL);
	assert_non_null(strstr(log, "[U2 · 01.01.1970 09:16] ↪ U1: root\nanswer"));
	assert_non_null(strstr(log, "[] История: январь 1970\n"));
	assert_string_equal(drive_with(&w, 0, NULL), "");
	end(&w);
}

static void conv_of(struct world *w, const char *id, enum conv_kind kind, const char *const *members, size_t n)
{
	struct conv c = { .id = id, .name = id, .kind = kind, .members = members, .n_members = n };
	assert_true(w->sink.conv(w->sink.ctx, &c));
}

/* Messages of several conversations in one chat: in the order of time, also those of one time and id; each with its replies. */
static void into_one_chat(void **state)
{
	(void)state;
	struct world w;
	static const char *const all[] = { "U1", "U2", "U3" };
	begin(&w, "version: 1\nrules:\n  - {name: o, do: route, into: Orders, where: {text: order}}\n");
	conv_of(&w, "C1", CONV_PRIVATE, all, 3);
	conv_of(&w, "C2", CONV_PRIVATE, all + 1, 2);
	conv_of(&w, "C3", CONV_PUBLIC, all, 1);
	add_msg(&w, "C1", 1001, "U1", 0, "order a");
	add_msg(&w, "C2", 1001, "U2", 0, "order b");
	add_msg(&w, "C3", 1001, "U1", 0, "order c");
	add_msg(&w, "C2", 1002, "U2", 0, "stays");
	add_msg(&w, "C2", 1003, "U3", 1001, "answer b");
	add_msg(&w, "C1", 1003, "U3", 1001, "answer a");
	add_msg(&w, "C1", 1004, "U3", 1001, "an order in an answer");
	add_msg(&w, "C2", 1005, "U3", 1002, "an order under what stays");
	world_ready(&w);
	struct err e = ERR_INIT;
	struct spool_conv made = { 0 };
	assert_true(arrange(w.spool, real_map, &e));
	assert_string_equal(seats(&w, "C1"), "");
	assert_string_equal(seats(&w, "C2"), "1002 -\n");
	assert_string_equal(seats(&w, "C3"), "");
	struct arena a;
	arena_init(&a);
	const int64_t *guests;
	for (int i = 0; i < 2; i++) { /* only who is in both of the private ones */
		const char *id = spool_conv_id(w.spool, SEATING_MADE, &a);
		assert_true(id && spool_conv(w.spool, id, &a, &made));
		assert_int_equal(spool_seats_guests(w.spool, made.num, &a, &guests), 3);
		assert_int_equal(made.conv.n_members, 2);
		assert_string_equal(made.conv.members[0], "U2");
		assert_string_equal(made.conv.members[1], "U3");
	}
	/* after each of the three with one time and id comes the next of them */
	struct spool_meta m;
	int64_t ts = 0, conv = 0;
	char *id = NULL;
	struct buf order;
	buf_init(&order, 4096);
	for (;;) {
		struct spool_walk *k = spool_walk_after(w.spool, made.num, SPOOL_CHANNEL, NULL, ts, id, conv);
		bool more = spool_walk_next(k, &m);
		if (more) {
			buf_addf(&order, "%lld:%.4s ", (long long)m.conv, m.id);
			free(id);
			id = xstrdup(m.id);
			ts = m.ts_us;
			conv = m.conv;
		}
		spool_walk_end(k);
		if (!more)
			break;
	}
	free(id);
	assert_string_equal(order.p, "1:1001 2:1001 3:1001 2:1005 ");
	buf_release(&order);
	arena_release(&a);
	const char *log = drive_with(&w, 0, NULL);
	assert_non_null(strstr(log, "[U3 · 1970-01-01 00:16] answer a"));
	assert_non_null(strstr(log, "[U1 · #C3 · 1970-01-01 00:16] order c"));
	assert_non_null(strstr(log, "[U3 · #C2 · 1970-01-01 00:16] ↪ U2: stays\nan order under what stays"));
	assert_string_equal(drive_with(&w, 0, NULL), "");
	end(&w);
}

/* Threads of at most two messages, whichever conversation they come from. */
static void pieces(void **state)
{
	(void)state;
	struct world w;
	begin(&w, "version: 1\nhistory: {placement: threads, thread_by: all, thread_size: 2}\n");
	for (int i = 1; i <= 5; i++)
		add_msg(&w, "C1", 1000 + i, "U1", i == 3 ? 1001 : 0, "words");
	world_ready(&w);
	assert_string_equal(arranged(&w), "[History] 2\n[History (2)] 2\n[History (3)] 1\n1001 History\n1002 History\n1003 History (2) > 1001\n"
	                                  "1004 History (2)\n1005 History (3)\n");
	drive_with(&w, 0, NULL);
	assert_string_equal(drive_with(&w, 0, NULL), "");
	end(&w);
}

/* Rules come when half of it is sent: nothing twice, nothing lost, and no thread for what stands elsewhere. */
static void changed_on_the_way(void **state)
{
	(void)state;
	for (int stop = 2; stop < 7; stop++) {
		struct world w;
		begin(&w, "version: 1\n");
		add_msg(&w, "C1", 1001, "U1", 0, "about no 5");
		add_msg(&w, "C1", 1002, "U1", 0, "second");
		add_msg(&w, "C1", 1003, "U1", 1002, "third");
		add_msg(&w, "C1", 1004, "U1", 0, "fourth no 6");
		world_ready(&w);
		const char *one = drive_with(&w, stop, NULL);
		mapping_free(real_map);
		real_map = mapping_of(orders);
		const char *two = drive_with(&w, 0, NULL), *three = drive_with(&w, 0, NULL);
		static const char *const said[] = { "about no 5", "second", "third", "fourth no 6" };
		for (size_t i = 0; i < countof(said); i++) {
			size_t n = 0;
			const char *all = arena_fmt(&w.a, "%s%s", one, two);
			for (const char *p = all; (p = strstr(p, arena_fmt(&w.a, "] %s\n", said[i]))); p++)
				n++;
			n += strstr(all, arena_fmt(&w.a, "] ↪ U1: second\n%s\n", said[i])) != NULL;
			/* the one that was open when the run ended is given once more, to find out what became of it */
			const char *last = strrchr(arena_strndup(&w.a, one, strlen(one) - 1), '\n');
			bool open = last && strstr(last, said[i]);
			if (n != 1u + open)
				fail_msg("stopped after %d: '%s' %zu times\n%s--\n%s", stop, said[i], n, one, two);
		}
		assert_string_equal(three, "");
		end(&w);
	}
}

int main(void)
{
	(void)add_link, (void)add_user; /* not needed here */
	const struct CMUnitTest tests[] = { cmocka_unit_test(windows), cmocka_unit_test(anybody_and_first_match), cmocka_unit_test(months), cmocka_unit_test(into_one_chat), cmocka_unit_test(pieces),
		cmocka_unit_test(changed_on_the_way) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
