/* The real mapping under the real stream: for mappings and archives of chance, the plan's counts are what the stream then
 * yields, nothing that was to be left out or redacted is in what is written, and a second run has nothing to do. */
#define STREAM_REAL_MAPPING
#include "stream_fakes.h"

#include "mapping/mapping_rows.h"

static uint32_t seed;
static int rnd(int n)
{
	seed = seed * 1664525u + 1013904223u;
	return (int)((seed >> 8) % (uint32_t)n);
}

static struct mapping *mapping_of(const char *yaml)
{
	struct mapping *m = xcalloc(1, sizeof(*m));
	struct err e = ERR_INIT;
	arena_init(&m->a);
	if (!rows_read_config(m, yaml, strlen(yaml), &e))
		fail_msg("%s (%s)\n%s", e.msg, e.where, yaml);
	return m;
}

/* A page of chance. 1970-01-01 is the day of all messages but the late ones (a day is 86400 s). */
static void random_page(struct buf *b)
{
	static const char *const wheres[] = { "text: apple", "text: 'ap+le|pear'", "author: U1", "channel: C1", "channel: 'C*', text: pear", "kind: [join, deleted]",
		"kind: text, has_file: true", "until: 1970-01-01", "since: 1970-01-02", "text: '(a|a)+$', author: U2", "text: PLUM, ignore_case: true", "has_file: false, author: 'U[34]'" };
	static const char *const only[] = { "", "only: {last_days: 1}\n", "only: {last_messages: 3}\n", "only: {since: 1970-01-02}\n", "only: {channels: [C0, C1]}\n",
		"only: {last_messages: 2, last_days: 2}\n", "only: {users: [U1, 'U3']}\n", "only: {users: ['u*@x.ru'], last_days: 1}\n", "only: {until: 1970-01-01}\n" };
	static const char *const all[] = { "label", "create", "create-suspended", "skip" }, *const gone[] = { "label", "create-suspended", "skip" };
	buf_addf(b, "version: 1\npeople: {unmatched: %s, deactivated: %s, guests: %s, strangers: %s, bots: %s", rnd(2) ? "create" : all[rnd(4)], gone[rnd(3)],
	         all[rnd(4)], all[rnd(4)], rnd(4) ? "label" : "skip");
	buf_adds(b, rnd(3) ? "}\n" : ", aliases: [[U1, U7]]}\n");
	buf_addf(b, "channels: {join_members: %s, archived: %s, members: [%s]}\n", rnd(4) ? "true" : "false", rnd(2) ? "archive" : rnd(2) ? "skip" : "open",
	         rnd(2) ? "" : rnd(2) ? "{channel: '*', admin: [creator, U1, U3], tag: x}" : "{channel: [C0, C2], admin: U6}, {channel: C0, tag: [x, y]}");
	static const char *const shown[] = { "label", "header", "none" }, *const mentions[] = { "mute", "live", "text" };
	buf_addf(b, "messages: {leave_out: [%s], reactions: %s, orphans: %s, attribution: %s, mentions: %s}\n", rnd(2) ? "join" : "", rnd(2) ? "text" : "drop",
	         rnd(2) ? "skip" : "placeholder", shown[rnd(3)], mentions[rnd(3)]);
	buf_adds(b, only[rnd(countof(only))]);
	if (rnd(2))
		buf_adds(b, "redact: [secrets, card-numbers]\n");
	if (rnd(3) == 0)
		buf_adds(b, "text: [{match: pear, replace: fruit}, {match: '(z+)+$', replace: x}]\n");
	static const char *const places[] = { "", "", "history: {placement: threads}\n", "history: {placement: threads, thread_by: all}\n",
		"history: {placement: archive-chat}\n", "history: {channels: [{channel: C1, placement: threads}, {channel: 'C*', placement: archive-chat}]}\n" };
	static const char *const does[] = { "drop", "drop", "route, thread: 'n {0}', carry: 5s", "route, thread: fruit, back: 9s, carry: 3s, carry_author: any" };
	static const char *const elsewhere[] = { "route, into: C0", "route, into: C2, carry: 9s, allow_wider: [C0, C1]", "route, into: New, thread: 'n {0}', back: 5s",
		"route, into: C1, thread: fruit", "route, into: '{channel} {year}'", "tag, tag: 'x{0}'", "tag, tag: late" };
	buf_adds(b, places[rnd(countof(places))]);
	int n = rnd(4);
	if (n)
		buf_adds(b, "rules:\n");
	for (int i = 0; i < n; i++) {
		const char *where = wheres[rnd(countof(wheres))], *what = does[rnd(countof(does))];
		if (rnd(3) == 0)
			what = elsewhere[rnd(countof(elsewhere))];
		if (strstr(what, "{0}") && !strstr(where, "text: "))
			what = "drop";
		buf_addf(b, "  - {name: r%d, do: %s, where: {%s}}\n", i, what, where);
	}
}

static void random_archive(struct world *w)
{
	static const char *const texts[] = { "apple", "a pear", "plum", "key xoxb-1234567890 end", "card 4111 1111 1111 1111", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz!",
		"so many words that they cannot possibly fit in one single part of what the target takes", "" };
	static const struct file files[] = { { .name = "a.txt", .entry = "f/a", .state = FILE_PRESENT, .kind = FILE_PLAIN, .size = 1 },
		{ .name = "xoxb-1234567890.txt", .url = "https://x/b", .state = FILE_EXTERNAL, .kind = FILE_PLAIN, .size = -1 } };
	static const uint32_t flags[] = { 0, 0, 0, 0, USER_BOT, USER_GONE, USER_GUEST, USER_STRANGER };
	static const char *const members[] = { "U0", "U1", "U2", "U3", "U4", "U5", "U6", "U7", "U9" };
	for (int i = 0; i < 8; i++)
		add_user(w, arena_fmt(&w->a, "U%d", i), "Some One", i % 2 || i > 4 ? arena_fmt(&w->a, "u%d@x.ru", i) : NULL, flags[i]);
	for (int c = 0; c < 3; c++) {
		const char *conv = arena_fmt(&w->a, "C%d", c);
		struct conv cv = { .id = conv, .name = conv, .kind = rnd(2) ? CONV_PUBLIC : CONV_PRIVATE, .archived = !rnd(3), .members = members + rnd(3), .creator = "U1", .n_members = (size_t)rnd(7) };
		assert_true(w->sink.conv(w->sink.ctx, &cv));
		for (int n = rnd(25); n > 0; n--) {
			int at = 1001 + rnd(20) + (rnd(3) ? 0 : 86400), root = rnd(2) ? 1001 + rnd(20) : 0;
			struct msg m = make_msg(w, at, arena_fmt(&w->a, "U%d", rnd(9)), root == at ? 0 : root, texts[rnd(countof(texts))]);
			m.kind = rnd(8) ? MSG_TEXT : rnd(2) ? MSG_JOIN : MSG_DELETED;
			m.files = files;
			m.n_files = rnd(3) ? 0 : (size_t)rnd(3);
			assert_true(w->sink.msg(w->sink.ctx, conv, &m));
		}
		for (int n = rnd(8); n > 0; n--)
			add_link(w, conv, 1030 + rnd(9), rnd(2) ? 0 : 1001 + rnd(20), arena_fmt(&w->a, "C%d/%d.000000", rnd(3), 1001 + rnd(40)));
	}
}

enum { EXAMPLES = 3 };

static void plan(struct world *w, struct facts *f, const char *page)
{
	struct err e = ERR_INIT;
	if (!plan_wished(w->spool, MAP, &fake_ex, NULL, &fake_tr, w->ledger, NULL, 0, EXAMPLES, &w->a, f, &e))
		fail_msg("%s", e.msg);
	if (!f->adds_up)
		fail_msg("%s do not add up under\n%s", f->mismatch, page);
}

static size_t count_lines(const char *log, const char *word)
{
	size_t n = 0;
	for (const char *p = log; *p; p = *p ? p + 1 : p) {
		n += !strncmp(p, word, strlen(word));
		p += strcspn(p, "\n");
	}
	return n;
}

/* Each rule has as many examples as it can have, and none shows what is to be hidden. */
static size_t check_examples(const struct facts *f, const char *page)
{
	size_t shown = 0;
	for (size_t i = 0; i < f->n_caught; i++) {
		const struct facts_caught *c = &f->caught[i];
		int64_t most = c->n < EXAMPLES ? c->n : EXAMPLES;
		if (c->how == CAUGHT_MOVED || c->how == CAUGHT_TAGGED ? (int64_t)c->n_examples > most : (int64_t)c->n_examples != most)
			fail_msg("%s: %zu examples of %lld messages under\n%s", c->rule, c->n_examples, (long long)c->n, page);
		for (size_t k = 0; k < c->n_examples; k++) {
			const struct facts_example *x = &c->examples[k];
			const char *all = x->withheld ? "" : *x->match ? x->match : x->before;
			shown += *all != '\0';
			if (strstr(page, "redact:") && (strstr(x->before, "xoxb-") || strstr(x->match, "xoxb-") || strstr(x->after, "xoxb-") || strstr(x->before, "4111") || strstr(x->after, "4111")))
				fail_msg("%s shows %s»%s«%s under\n%s", c->rule, x->before, x->match, x->after, page);
			assert_true(!k || x[-1].ts_us <= x->ts_us);
		}
	}
	return shown;
}

/* C2 and perhaps C1 go into C0's chat. Rules that name a channel need its row. */
static size_t merge_some(struct mapping *m, const char *page, bool merge)
{
	size_t n = !merge || strstr(page, "archive-chat") ? 0 : (size_t)rnd(3);
	for (size_t i = 0; (n || strstr(page, "into: C")) && i < 3; i++) {
		struct place_row *p = arena_new(&m->a, struct place_row);
		*p = (struct place_row){ .id = arena_fmt(&m->a, "C%zu", i), .name = "", .target_name = "", .kind = CONV_PRIVATE, .rules = UINT64_MAX };
		if (i > 2 - n) {
			p->decision = PLACE_DECIDE_INTO;
			p->into = "C0";
			m->n_into++;
		}
		p->hosts = i == 0 && n;
		p->rules = rows_rules_place(m, p->id, p->id, &m->a);
		table_put(&m->place_rows, sheet_key(p->id), p);
	}
	return n;
}

static void counts_are_what_is_done(void **state)
{
	(void)state;
	size_t texts = 0, limits = 0, sent = 0, relinked = 0, accounts = 0, merged = 0, examples = 0;
	for (uint32_t s = 1; s <= 250; s++) {
		struct world w;
		struct facts before, after;
		struct buf page;
		seed = s;
		buf_init(&page, 8192);
		random_page(&page);
		real_map = mapping_of(page.p);
		merged += merge_some(real_map, page.p, s % 2 == 0);
		world_begin(&w);
		random_archive(&w);
		world_ready(&w);
		plan(&w, &before, page.p);
		examples += check_examples(&before, page.p);
		const char *log = drive_with(&w, 0, NULL);
		if (count_lines(log, "post") + (size_t)before.links_later != (size_t)before.calls[REQ_POST] || count_lines(log, "edit") > (size_t)before.links_later || count_lines(log, "upload") != (size_t)before.calls[REQ_BLOB])
			fail_msg("archive %u: %zu posts, %lld planned, under\n%s\n%s", s, count_lines(log, "post"), (long long)before.calls[REQ_POST], page.p, log);
		/* whoever is to get an account gets it, each once; every other write is one that was counted */
		size_t made = count_lines(log, "user"), others = made + count_lines(log, "chat") + count_lines(log, "thread") + count_lines(log, "members") +
		              count_lines(log, "archive") + count_lines(log, "react") + count_lines(log, "pin") + count_lines(log, "upload");
		if (made != (size_t)before.bucket[ITEM_USER][BUCKET_PENDING] || others != (size_t)before.calls[REQ_OTHER])
			fail_msg("archive %u: %zu accounts, %lld planned; %zu other writes, %lld planned, under\n%s\n%s", s, made,
			         (long long)before.bucket[ITEM_USER][BUCKET_PENDING], others, (long long)before.calls[REQ_OTHER], page.p, log);
		accounts += made;
		if (strstr(page.p, "redact:") && (strstr(log, "xoxb-") || strstr(log, "4111 1111")))
			fail_msg("archive %u: not redacted:\n%s", s, log);
		if (strstr(page.p, "replace: fruit") && (strstr(log, " pear") || strstr(log, "zzzz")))
			fail_msg("archive %u: not replaced:\n%s", s, log);
		plan(&w, &after, page.p);
		relinked += count_lines(log, "edit");
		if (!after.nothing_to_do || after.bucket[ITEM_MSG][BUCKET_PENDING] ||
		    after.bucket[ITEM_MSG][BUCKET_SENT] != before.bucket[ITEM_MSG][BUCKET_PENDING] ||
		    after.bucket[ITEM_MSG][BUCKET_SKIPPED] != before.bucket[ITEM_MSG][BUCKET_SKIPPED])
			fail_msg("archive %u: %lld sent, %lld planned under\n%s", s, (long long)after.bucket[ITEM_MSG][BUCKET_SENT],
			         (long long)before.bucket[ITEM_MSG][BUCKET_PENDING], page.p);
		/* a rule is in the account with what it caught, or among the notes */
		const char *const *names;
		for (size_t i = 0, n = mapping_rules(MAP, &names); i < n; i++) {
			bool told = false;
			for (size_t k = 0; k < before.n_rules; k++)
				told = told || (before.rules[k].item == ITEM_MSG && streq(before.rules[k].rule, names[i]) && before.rules[k].n);
			for (size_t k = 0; k < before.n_notes; k++)
				told = told || !strncmp(before.notes[k], names[i], strlen(names[i]));
			assert_true(told);
		}
		assert_string_equal(drive_with(&w, 0, NULL), "");
		for (size_t k = 0; k < before.n_rules; k++)
			limits += streq(before.rules[k].rule, "redaction-limit");
		texts += mapping_asks_text(MAP);
		sent += (size_t)after.bucket[ITEM_MSG][BUCKET_SENT];
		world_end(&w);
		mapping_free(real_map);
		buf_release(&page);
	}
	assert_true(texts > 40 && limits > 5 && sent > 300 && relinked > 5 && accounts > 100 && merged > 40 && examples > 300); /* chance has been everywhere */
}

/* Extending a pilot sends the rest and nothing twice. */
static void pilots_grow(void **state)
{
	(void)state;
	static const char *const pages[] = { "version: 1\nonly: {last_messages: 2}\n", "version: 1\nonly: {last_days: 1}\n", "version: 1\n" };
	struct world w;
	size_t posts = 0;
	static const size_t want[] = { 2, 3, 5 };
	real_map = mapping_of(pages[0]);
	world_begin(&w);
	mapping_free(real_map);
	add_msg(&w, "C1", 1001, "U1", 0, "one");
	add_msg(&w, "C1", 1002, "U1", 0, "two");
	add_msg(&w, "C1", 86400, "U1", 0, "three");
	add_msg(&w, "C1", 86402, "U1", 0, "four");
	add_msg(&w, "C1", 86403, "U1", 0, "five");
	world_ready(&w);
	for (size_t i = 0; i < countof(pages); i++) {
		struct facts f;
		real_map = mapping_of(pages[i]);
		plan(&w, &f, pages[i]);
		assert_int_equal(f.bucket[ITEM_MSG][BUCKET_SENT] + f.bucket[ITEM_MSG][BUCKET_PENDING], want[i]);
		if (i < 2) {
			assert_int_equal(f.n_notes, 1 + (i > 0));
			assert_string_equal(f.notes[0], i ? "the pilot leaves 2 messages for later (only.last_days)" : "the pilot leaves 3 messages for later (only.last_messages)");
		}
		/* what comes after what it is older than is told before */
		static const char *const late[] = { NULL, "1 messages in 1 conversations will stand", "2 messages in 1 conversations will stand" };
		if (late[i] && strncmp(f.notes[f.n_notes - 1], late[i], strlen(late[i])) != 0)
			fail_msg("%s", f.notes[f.n_notes - 1]);
		posts += count_lines(drive_with(&w, 0, NULL), "post");
		assert_int_equal(posts, want[i]);
		mapping_free(real_map);
	}
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(counts_are_what_is_done), cmocka_unit_test(pilots_grow) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
