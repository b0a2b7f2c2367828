/* The real mapping under the real stream: for mappings and archives of chance, the plan's counts are what the stream then
 * yields, nothing that was to be left out or redacted is in what is written, and a second run has nothing to do. */
#include "mapping_chance.h"

enum { EXAMPLES = 3 };

static void plan(struct world *w, struct facts *f, const char *page)
{
	struct err e = ERR_INIT;
	if (!plan_wished(w->spool, MAP, &fake_ex, NULL, &fake_tr, w->ledger, NULL, 0, EXAMPLES, &w->a, f, &e))
		fail_msg("%s", e.msg);
	if (!f->adds_up)
		fail_msg("%s do not add up under\n%s", f->mismatch, page);
}

/* Each rule has as many examples as it can have, and none shows what is to be hidden. */
static size_t check_examples(const struct facts *f, const char *page)
{
	size_t shown = 0;
	for (size_t i = 0; i < f->n_caught; i++) {
		const struct facts_caught *c = &f->caught[i];
		int64_t most = c->n < EXAMPLES ? c->n : EXAMPLES;
		if (c->how == CAUGHT_MOVED ? (int64_t)c->n_examples > most : (int64_t)c->n_examples != most)
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

static void counts_are_what_is_done(void **state)
{
	(void)state;
	size_t texts = 0, limits = 0, sent = 0, relinked = 0, accounts = 0, merged = 0, adopted = 0, examples = 0, reacted = 0, pinned = 0;
	const char *many = getenv("MVCHAT_SEEDS");
	const char *from = getenv("MVCHAT_SEED");
	for (uint32_t s = from ? (uint32_t)atoi(from) : 1; s <= (many ? (uint32_t)atoi(many) : 250); s++) {
		struct world w;
		struct facts before, after;
		struct buf page;
		seed = s;
		buf_init(&page, 8192);
		random_page(&page);
		real_map = mapping_of(page.p);
		size_t into = s % 3 ? 0 : merge_some(real_map, page.p);
		adopted += s % 3 == 1 ? decide_some(real_map) : 0;
		merged += into;
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
		reacted += count_lines(log, "react");
		pinned += count_lines(log, "pin");
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
	assert_true(texts > 40 && limits > 5 && sent > 300 && relinked > 5 && accounts > 100 && merged > 40 && examples > 300 && adopted > 40 && reacted > 20 && pinned > 20); /* chance has been everywhere */
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
