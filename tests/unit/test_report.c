/* Reports: whatever the names hold, HTML and JUnit stay well-formed, Markdown tables keep their columns, counts agree, and a file is
 * there whole or not at all. */
#include "cli/report_gate.h"
#include "cli/report_int.h"

#include "core/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <libxml/parser.h>
#include <libxml/xmlschemas.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>

/* The command table and the signal belong to main.c, which no test links. */
const struct command *const commands[] = { NULL };
volatile int stop_signal;

#define EVIL "<script>alert(1)</script> | `x` & \"q\" ]]> \x01\x1b[2J \xef\xbf\xbe _a_ *b* [l](http://x)"

static struct facts_chat chats[] = {
	{ .id = "C1", .name = "general", .target_name = "общий", .kind = CONV_PUBLIC, .action = CHAT_EXISTS, .read = 1200, .sent = 1190, .skipped = 8, .rejected = 2, .threads = 3, .bound_s = 12 },
	{ .id = "C2", .name = EVIL, .target_name = EVIL, .kind = CONV_PRIVATE, .action = CHAT_CREATE, .why = EVIL, .read = 5, .pending = 4, .doubt = 1, .bound_s = 3700 },
	{ .id = "D3", .name = "Анна, Иван", .target_name = "Анна, Иван", .kind = CONV_DM, .action = CHAT_SKIP, .why = "policy channels.dm: skip", .read = 7, .skipped = 7 },
	{ .id = "C4", .name = "shut", .target_name = "shut", .kind = CONV_GROUP, .action = CHAT_REJECTED, .why = "403: forbidden", .read = 1, .rejected = 1 },
};
static struct facts_person people[] = {
	{ .id = "U1", .name = "Анна Смирнова", .email = "a@x.example", .action = PERSON_CREATE, .state = OP_DONE, .why = "policy people.unmatched: create", .messages = 900 },
	{ .id = "U2", .name = EVIL, .action = PERSON_LABEL, .why = EVIL, .messages = 3, .unresolved = true },
};
static struct facts_rule rules[] = { { ITEM_MSG, "unreadable", 8 }, { ITEM_MSG, EVIL, 2 }, { ITEM_CONV, "policy channels.dm: skip", 1 } };
static const char *unresolved[] = { EVIL, "Иван (U7) is to get an account, but has no e-mail" };
static const char *privacy[] = { "Анна <a@x.example> gets an account", EVIL " gets an account" };
static struct report_finding findings[] = {
	{ FIND_MISSING, "c:C1", "1.000001", "77", "https://app.example/chats/1?message=77&x=<y>", "it is not in the chat" },
	{ FIND_MISPLACED, "t:C1/1.000001", "1.000009", "78", NULL, NULL },
	{ FIND_MISSING, "people", NULL, "9", NULL, "the person we created is not in the target" },
	{ FIND_ALTERED, "c:C2", EVIL, "80", "javascript:alert(1)", EVIL },
};
static struct facts facts;
static struct engine_result run_result = { .posted = 71, .created = 3, .requests = 112, .elapsed_us = 1500000 };
static struct report_verify verified;
static struct report report;
static char dir[64], path[128];

static void make_facts(void)
{
	facts = (struct facts){
		.adds_up = true, .rules = rules, .n_rules = countof(rules), .chats = chats, .n_chats = countof(chats), .people = people,
		.n_people = countof(people), .unresolved = unresolved, .n_unresolved = countof(unresolved), .privacy = privacy,
		.n_privacy = countof(privacy), .calls = { [REQ_POST] = 5, [REQ_OTHER] = 2 }, .calls_total = 7, .bound_s = 3700,
	};
	facts.read[ITEM_MSG] = 1213;
	facts.bucket[ITEM_MSG][BUCKET_SENT] = 1190;
	facts.bucket[ITEM_MSG][BUCKET_SKIPPED] = 15;
	facts.bucket[ITEM_MSG][BUCKET_REJECTED] = 3;
	facts.bucket[ITEM_MSG][BUCKET_DOUBT] = 1;
	facts.bucket[ITEM_MSG][BUCKET_PENDING] = 4;
	facts.loss[0] = 1190;
	facts.loss[4] = 17;
	verified = (struct report_verify){ .v = findings, .n = countof(findings) };
	verified.result.messages[FIND_MATCH] = 1187;
	verified.result.messages[FIND_MISSING] = 1;
	verified.result.messages[FIND_MISPLACED] = 1;
	verified.result.messages[FIND_ALTERED] = 1;
	verified.result.users_missing = 1;
	report = (struct report){ .kind = REPORT_VERIFY, .facts = &facts, .run = &run_result, .verify = &verified, .target = "pachca",
	                          .target_where = EVIL, .runs = 2, .last_done_us = 1700000000000000, .now_us = 1700000100000000 };
}

/* Writes one format into a file and reads it back; the caller frees. */
static char *written(const char *format)
{
	struct err e = ERR_INIT;
	const struct report_format *f = report_format_named(format);
	assert_non_null(f);
	snprintf(path, sizeof(path), "%s/r%s", dir, f->extension);
	if (!report_write(&report, f, path, &e))
		fail_msg("%s: %s", format, e.msg);
	FILE *in = fopen(path, "r");
	assert_non_null(in);
	struct buf b;
	char piece[4096];
	buf_init(&b, 1 << 24);
	for (size_t n; (n = fread(piece, 1, sizeof(piece), in)) > 0;)
		buf_add(&b, piece, n);
	fclose(in);
	unlink(path);
	return buf_detach(&b);
}

static xmlDocPtr parsed(const char *format)
{
	char *s = written(format);
	xmlDocPtr d = xmlReadMemory(s, (int)strlen(s), format, "UTF-8", XML_PARSE_NONET);
	if (!d)
		fail_msg("%s is not well-formed:\n%.2000s", format, s);
	free(s);
	return d;
}

static double ask(xmlDocPtr d, const char *xpath)
{
	xmlXPathContextPtr c = xmlXPathNewContext(d);
	xmlXPathRegisterNs(c, (const xmlChar *)"h", (const xmlChar *)"http://www.w3.org/1999/xhtml");
	xmlXPathRegisterNs(c, (const xmlChar *)"s", (const xmlChar *)"http://www.w3.org/2000/svg");
	xmlXPathObjectPtr o = xmlXPathEvalExpression((const xmlChar *)xpath, c);
	if (!o)
		fail_msg("bad question: %s", xpath);
	double v = xmlXPathCastToNumber(o);
	xmlXPathFreeObject(o);
	xmlXPathFreeContext(c);
	return v;
}

static void assert_ask(xmlDocPtr d, const char *xpath, double want)
{
	double got = ask(d, xpath);
	if (got < want || got > want)
		fail_msg("%s: %g, not %g", xpath, got, want);
}

static void html_holds(void **state)
{
	(void)state;
	static const struct { const char *q; double want; } table[] = {
		{ "count(//h:html[@lang='en'][h:head/h:title[string-length()>0]])", 1 },
		{ "count(//h:h1)", 1 },
		{ "count(//h:section[not(h:h2)])", 0 },
		{ "count(//h:section/@aria-labelledby[not(. = //@id)])", 0 },
		{ "count(//h:table[not(h:caption)])", 0 },
		{ "count(//h:th[not(@scope)])", 0 },
		{ "count(//h:tbody/h:tr[not(h:th)])", 0 },
		/* every row has as many cells as its table has heads */
		{ "count(//h:tbody/h:tr[count(*) != count(ancestor::h:table/h:thead/h:tr/*)])", 0 },
		{ "count(//@id[. = ../preceding::*/@id])", 0 },
		/* the verdict stands before everything else */
		{ "count(//h:div[contains(@class,'verdict')]/preceding::h:section)", 0 },
		{ "count(//h:div[contains(@class,'verdict bad')])", 1 },
		/* nothing active, nothing from elsewhere */
		{ "count(//h:script | //h:iframe | //h:object | //h:link | //h:img | //h:form)", 0 },
		{ "count(//@*[starts-with(name(),'on')])", 0 },
		{ "count(//@src)", 0 },
		{ "count(//@href)", 1 },
		{ "count(//@href[starts-with(.,'https://app.example/')])", 1 },
		{ "count(//h:td[contains(.,'javascript:alert(1)')])", 1 },
		/* foreign words are words */
		{ "count(//h:th[contains(.,'<script>alert(1)</script>')])", 3 },
		{ "count(//h:div[@class='sign']/h:div)", 2 },
		{ "count(//s:svg[@class='b'])", 4 },
		/* the longest first */
		{ "count(//h:section[@aria-labelledby='h-estimate']//h:tr[h:td[contains(.,'1 h 01 min')]]/following-sibling::h:tr[contains(.,'12 s')])", 1 },
		{ "count(//h:section[@aria-labelledby='h-account']//h:tbody/h:tr)", N_ITEM },
		{ "count(//h:section[@aria-labelledby='h-conversations']//h:tbody/h:tr)", countof(chats) },
	};
	make_facts();
	xmlDocPtr d = parsed("html");
	for (size_t i = 0; i < countof(table); i++)
		assert_ask(d, table[i].q, table[i].want);
	xmlFreeDoc(d);
}

static void junit_holds(void **state)
{
	(void)state;
	static const struct { const char *q; double want; } table[] = {
		{ "count(/testsuites)", 1 },
		{ "/testsuites/@tests - count(//testcase)", 0 },
		{ "/testsuites/@failures - count(//failure)", 0 },
		{ "sum(//testsuite/@tests) - count(//testcase)", 0 },
		{ "sum(//testsuite/@failures) - count(//failure)", 0 },
		{ "sum(//testsuite/@skipped) - count(//skipped)", 0 },
		{ "count(//testsuite[@tests != count(testcase)])", 0 },
		{ "count(//testsuite[@failures != count(testcase/failure)])", 0 },
		{ "count(//testsuite)", 2 + countof(chats) },
		{ "count(//testsuite[@id='C1']/testcase[@name='complete']/failure[@message='complete: 1'])", 1 },
		{ "count(//testsuite[@id='C1']/testcase[@name='in order']/failure[@message='in order: 1'])", 1 },
		{ "count(//testsuite[@id='C1']/testcase[@name='unaltered']/failure)", 0 },
		{ "count(//testsuite[@id='C2']/testcase[@name='unaltered']/failure)", 1 },
		{ "count(//testsuite[@id='C2']/testcase[@name='nothing in doubt']/failure)", 1 },
		{ "count(//testsuite[@id='D3']/testcase/skipped)", 6 },
		{ "count(//testsuite[@id='C4']/testcase[@name='mapped']/failure)", 1 },
		{ "count(//testsuite[@id='people']/testcase[@name='complete']/failure)", 1 },
		{ "count(//testsuite[@id='account']/testcase[@name='no question open']/failure[@message='no question open: 2'])", 1 },
	};
	make_facts();
	xmlDocPtr d = parsed("junit");
	for (size_t i = 0; i < countof(table); i++)
		assert_ask(d, table[i].q, table[i].want);
	xmlSchemaParserCtxtPtr pc = xmlSchemaNewParserCtxt("tests/lib/junit.xsd");
	xmlSchemaPtr schema = xmlSchemaParse(pc);
	assert_non_null(schema);
	xmlSchemaValidCtxtPtr vc = xmlSchemaNewValidCtxt(schema);
	assert_int_equal(xmlSchemaValidateDoc(vc, d), 0);
	xmlSchemaFreeValidCtxt(vc);
	xmlSchemaFree(schema);
	xmlSchemaFreeParserCtxt(pc);
	xmlFreeDoc(d);
	/* a plan asks less, and a sound one fails nowhere */
	make_facts();
	report.kind = REPORT_PLAN;
	report.verify = NULL;
	facts.n_unresolved = 0;
	facts.n_chats = 1;
	chats[0].rejected = 0;
	people[1].unresolved = false;
	for (int i = 0; i < N_ITEM; i++)
		facts.bucket[i][BUCKET_DOUBT] = facts.bucket[i][BUCKET_REJECTED] = 0;
	d = parsed("junit");
	chats[0].rejected = 2;
	people[1].unresolved = true;
	assert_ask(d, "count(//failure)", 0);
	assert_ask(d, "count(//testsuite[@id='C1']/testcase)", 3);
	xmlFreeDoc(d);
}

/* Cells of a table line: bars that are not escaped. */
static size_t bars(const char *line, size_t n)
{
	size_t k = 0;
	for (size_t i = 0; i < n; i++) {
		if (line[i] == '\\')
			i++;
		else
			k += line[i] == '|';
	}
	return k;
}

static void markdown_holds(void **state)
{
	(void)state;
	make_facts();
	char *s = written("markdown");
	for (const char *p = s; (p = strstr(p, "<script")); p++)
		assert_int_equal(p[-1], '\\');
	for (const char *p = s; (p = strstr(p, "[l")); p++)
		assert_int_equal(p[-1], '\\');
	assert_null(strstr(s, "\x1b"));
	assert_non_null(strstr(s, "# Verification report\n"));
	assert_true(strstr(s, "differs from what was written") < strstr(s, "## Account"));
	size_t head = 0, tables = 0;
	for (char *p = s; *p; p += strcspn(p, "\n") + (p[strcspn(p, "\n")] == '\n')) {
		size_t n = strcspn(p, "\n");
		if (*p != '|') {
			head = 0;
			continue;
		}
		tables += !head;
		if (!head)
			head = bars(p, n);
		if (bars(p, n) != head)
			fail_msg("%.*s", (int)n, p);
	}
	assert_true(tables > 8);
	free(s);
}

static void json_and_text_hold(void **state)
{
	(void)state;
	struct arena a;
	struct err e = ERR_INIT;
	make_facts();
	arena_init(&a);
	char *s = written("json");
	const struct jv *v = jv_parse(&a, s, strlen(s), &e);
	if (!v)
		fail_msg("%s (%s)", e.msg, e.where);
	assert_string_equal(jv_get_str(v, "report"), "verify");
	assert_int_equal(jv_get_int(jv_get(v, "run"), "posted", -1), 71);
	assert_int_equal(jv_get_int(jv_at(v, "verify.messages"), "missing", -1), 1);
	assert_int_equal(jv_get(jv_get(v, "verify"), "findings")->n, countof(findings));
	assert_int_equal(jv_get_int(jv_at(v, "facts.items.messages"), "sent", -1), 1190);
	free(s);
	arena_release(&a);
	s = written("text");
	assert_non_null(strstr(s, "Compared with the target"));
	assert_null(strstr(s, "\x1b"));
	free(s);
}

/* What it says first, for each way things can stand. */
static void verdicts(void **state)
{
	(void)state;
	static const struct { int64_t pending, doubt, rejected; bool adds_up, nothing, verify, clean, complete; enum tone tone; const char *part; } table[] = {
		{ 0, 0, 0, true, true, false, false, false, TONE_GOOD, "nothing is left to do" },
		{ 4, 0, 0, true, false, false, false, false, TONE_OPEN, "To do: 4 messages" },
		{ 0, 2, 0, true, false, false, false, false, TONE_OPEN, "2 items are in doubt" },
		{ 0, 0, 3, true, true, false, false, false, TONE_OPEN, "3 items were rejected (the reasons are below)" },
		{ 4, 0, 3, true, false, false, false, false, TONE_OPEN, "3 items were rejected (the reasons are below)" },
		{ 0, 0, 0, false, true, false, false, false, TONE_BAD, "does not add up" },
		{ 0, 0, 0, false, true, true, true, true, TONE_BAD, "does not add up" },
		{ 0, 0, 0, true, true, true, true, true, TONE_GOOD, "The replay is complete" },
		{ 4, 0, 0, true, false, true, true, false, TONE_OPEN, "not finished: 4 messages are to do" },
		{ 0, 0, 0, true, true, true, false, false, TONE_BAD, "differs" },
	};
	for (size_t i = 0; i < countof(table); i++) {
		char out[512];
		enum tone tone;
		make_facts();
		facts.bucket[ITEM_MSG][BUCKET_PENDING] = table[i].pending;
		facts.bucket[ITEM_MSG][BUCKET_DOUBT] = table[i].doubt;
		facts.bucket[ITEM_MSG][BUCKET_REJECTED] = table[i].rejected;
		facts.adds_up = table[i].adds_up;
		facts.nothing_to_do = table[i].nothing;
		verified.result.clean = table[i].clean;
		verified.complete = table[i].complete;
		report.verify = table[i].verify ? &verified : NULL;
		report_verdict(&report, &tone, out, sizeof(out));
		if (!strstr(out, table[i].part) || tone != table[i].tone)
			fail_msg("%zu: %s (%d)", i, out, (int)tone);
	}
}

static void sentences_come_through(void **state)
{
	(void)state;
	static const char *const table[] = {
		"Анна (U1) is matched to the account 5, which the target does not have",
		"Иван (он же Ваня) (U2) is to get an account, but i@x.example exists in the target already (id 7)",
		"A <a@x> gets an account", "A <a@x> gets an account without access", "A <a@x> gets an account and an invitation",
		"law is private; whoever is in the chat 12 will read it", "law is private; whoever is in the chat 12 (public) will read it",
		"law is private and becomes public", "… and 12 more", "something nobody foresaw: %s %d %n", "", " gets an account", "%s <%s> gets an account",
	};
	char out[SENTENCE_MAX];
	for (size_t i = 0; i < countof(table); i++)
		assert_string_equal(report_sentence(table[i], out, sizeof(out)), table[i]);
	char small[8];
	assert_string_equal(report_sentence("A <a@x> gets an account", small, sizeof(small)), "A <a@x>");
	assert_null(report_rule("policy people.bots: skip"));
	assert_non_null(report_rule("unreadable"));
}

static void lanes(void **state)
{
	(void)state;
	static const struct { const char *lane, *conv; } table[] = {
		{ "c:C1", "C1" }, { "t:C1/1700.000100", "C1" }, { "t:odd/name/1700.000100", "odd/name" }, { "t:broken", NULL }, { "p:U1", NULL },
		{ "people", NULL }, { "C9", "C9" },
	};
	struct arena a;
	arena_init(&a);
	for (size_t i = 0; i < countof(table); i++) {
		const char *got = report_lane_conv(table[i].lane, &a);
		if (table[i].conv)
			assert_string_equal(got, table[i].conv);
		else
			assert_null(got);
	}
	arena_release(&a);
}

static void bars_fit(void **state)
{
	(void)state;
	static const struct { struct month v[3]; size_t n, max, bars; int step; } table[] = {
		{ { { 2024, 1, 5 } }, 1, 120, 1, 1 },
		{ { { 2024, 1, 5 }, { 2024, 4, 1 } }, 2, 120, 4, 1 },
		{ { { 2014, 1, 5 }, { 2024, 1, 1 } }, 2, 120, 41, 3 },
		{ { { 1990, 1, 5 }, { 2020, 6, 2 }, { 2199, 12, 1 } }, 3, 120, 105, 24 },
		{ { { 1990, 1, 5 }, { 2199, 12, 1 } }, 2, 1, 1, 0 },
	};
	struct arena a;
	arena_init(&a);
	for (size_t i = 0; i < countof(table); i++) {
		size_t n;
		int step;
		int64_t want = 0, got = 0;
		struct span_bar *b = report_bars(table[i].v, table[i].n, table[i].max, &n, &step, &a);
		for (size_t k = 0; k < table[i].n; k++)
			want += table[i].v[k].n;
		for (size_t k = 0; k < n; k++)
			got += b[k].n;
		assert_int_equal(got, want);
		if (table[i].step) {
			assert_int_equal(n, table[i].bars);
			assert_int_equal(step, table[i].step);
			assert_true(n <= table[i].max);
		}
	}
	arena_release(&a);
}

static void names_and_files(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	static const struct { const char *path, *name; } table[] = {
		{ "a.html", "html" }, { "dir.d/A.HTML", "html" }, { "a.md", "markdown" }, { "a.xml", "junit" }, { "x.tar.json", "json" }, { "a.txt", "text" },
		{ "a.htm", NULL }, { "a", NULL }, { "x.html/a", NULL }, { "", NULL },
	};
	for (size_t i = 0; i < countof(table); i++) {
		const struct report_format *f = report_format_of(table[i].path, &e);
		if (!table[i].name)
			assert_null(f);
		else
			assert_string_equal(f->name, table[i].name);
	}
	assert_int_equal(e.code, ERR_USAGE);
	assert_true(report_check(NULL, &e) && report_check("a.html,b.md,,c.xml", &e));
	assert_false(report_check("a.html,b.doc", &e));
	make_facts();
	/* several at once; a folder that is not there: nothing is left behind, the error says so */
	char list[400], one[160], two[160];
	snprintf(one, sizeof(one), "%s/one.md", dir);
	snprintf(two, sizeof(two), "%s/two.xml", dir);
	snprintf(list, sizeof(list), "%s,%s", one, two);
	assert_true(report_save(&report, list, &e));
	assert_int_equal(access(one, R_OK), 0);
	assert_int_equal(access(two, R_OK), 0);
	unlink(one);
	unlink(two);
	snprintf(list, sizeof(list), "%s/none/x.html", dir);
	err_clear(&e);
	assert_false(report_save(&report, list, &e));
	assert_int_equal(e.code, ERR_INTERNAL);
	assert_true(e.hint[0] != '\0');
}

static void note(void *ctx, const char *condition, int64_t n)
{
	char *out = ctx;
	size_t at = strlen(out);
	snprintf(out + at, 256 - at, "%s=%lld ", condition, (long long)n);
}

static void gates(void **state)
{
	(void)state;
	static const struct { const char *list, *met, *hint; } table[] = {
		{ NULL, "", NULL },
		{ "", "", NULL },
		{ "loss", "loss=1190 ", NULL },
		{ "loss:reactions,loss:pins", "loss:reactions=17 ", NULL },
		{ "loss:reaction-as-text", "loss:reaction-as-text=17 ", NULL },
		{ "unresolved, privacy,accounts", "unresolved=2 privacy=1 accounts=1 ", NULL },
		{ "rejected,doubt,unreadable,drift", "rejected=3 doubt=1 unreadable=8 ", NULL },
		{ "unresolvd", NULL, "did you mean 'unresolved'?" },
		{ "loss:reaction", NULL, "did you mean 'loss:reactions'?" },
		{ "unresolved,xyzzyx", NULL, "conditions: " },
		{ "loss:", NULL, "conditions: " },
	};
	make_facts();
	facts.spool.bad = 8;
	chats[1].is_public = true;
	people[1].action = PERSON_CREATE;
	for (size_t i = 0; i < countof(table); i++) {
		struct err e = ERR_INIT;
		char got[256] = "";
		assert_int_equal(gate_known(table[i].list, &e), table[i].met != NULL);
		if (table[i].hint && !strstr(e.hint, table[i].hint))
			fail_msg("%s: %s", table[i].list, e.hint);
		if (!table[i].met)
			continue;
		int n = gate_met(table[i].list, &facts, note, got), words = 0;
		for (const char *p = got; *p; p++)
			words += *p == ' ';
		assert_string_equal(got, table[i].met);
		assert_int_equal(n, words);
	}
	chats[1].is_public = false;
	people[1].action = PERSON_LABEL;
}

static void findings_are_bounded(void **state)
{
	(void)state;
	struct arena a;
	struct report_verify rv = { .n = 0 };
	arena_init(&a);
	for (int i = 0; i < REPORT_FINDINGS_MAX + 7; i++)
		report_found(&rv, &a, &findings[i % (int)countof(findings)]);
	assert_int_equal(rv.n, REPORT_FINDINGS_MAX);
	assert_int_equal(rv.left_out, 7);
	assert_string_equal(rv.v[1].lane, "t:C1/1.000001");
	assert_null(rv.v[1].url);
	arena_release(&a);
}

static int before(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/mvchat-report-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int after(void **state)
{
	(void)state;
	xmlCleanupParser();
	return rmdir(dir); /* fails when a test left something behind */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(html_holds), cmocka_unit_test(junit_holds), cmocka_unit_test(markdown_holds), cmocka_unit_test(json_and_text_hold),
		cmocka_unit_test(verdicts), cmocka_unit_test(sentences_come_through), cmocka_unit_test(lanes), cmocka_unit_test(bars_fit),
		cmocka_unit_test(names_and_files), cmocka_unit_test(findings_are_bounded), cmocka_unit_test(gates),
	};
	clock_init();
	return cmocka_run_group_tests(tests, before, after);
}
