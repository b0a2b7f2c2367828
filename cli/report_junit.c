/* A report as JUnit XML, for pipelines: a conversation is a testsuite, what must hold for it are its testcases. Promises: the shape
 * that GitLab, Jenkins (its junit-10.xsd) and others read; counts on every suite; no message text, names and ids only. */
#include "cli/report_int.h"
#include "cli/report_xml.h"

#include "core/clock.h"
#include "core/table.h"

#include <string.h>

enum { EXAMPLES_MAX = 20 };

struct check {
	const char *name;
	int64_t wrong;             /* failed when not 0 */
	const char *skipped;       /* why it does not apply, or NULL */
	uint32_t findings;         /* verify: mask of 1 << finding, as examples; or 0 */
};

/* Findings by conversation, so that a suite does not look through all of them. */
struct of_conv { int64_t n[N_FINDING]; const struct report_finding *first[EXAMPLES_MAX]; size_t n_first; };

struct junit {
	const struct report *r;
	struct xw x;
	struct arena a;
	struct table convs;        /* conversation -> struct of_conv; "" = people */
	char time[32];
	int64_t tests, failures, skipped;
	bool counting;             /* the first pass only adds up */
};

static struct of_conv *of_conv(struct junit *j, const char *conv)
{
	struct of_conv *c = table_get(&j->convs, conv);
	if (!c) {
		c = arena_new(&j->a, struct of_conv);
		table_put(&j->convs, arena_strdup(&j->a, conv), c);
	}
	return c;
}

static void sort_findings(struct junit *j)
{
	const struct report_verify *rv = j->r->verify;
	for (size_t i = 0; rv && i < rv->n; i++) {
		const char *conv = report_lane_conv(rv->v[i].lane, &j->a);
		struct of_conv *c = of_conv(j, conv ? conv : "");
		c->n[rv->v[i].finding]++;
		if (c->n_first < EXAMPLES_MAX)
			c->first[c->n_first++] = &rv->v[i];
	}
}

static void failure(struct junit *j, const struct check *c, const struct of_conv *found)
{
	char message[128], line[SENTENCE_MAX];
	fmt_into(message, sizeof(message), "%s: %lld", c->name, (long long)c->wrong);
	xw_start(&j->x, "failure");
	xw_attr(&j->x, "message", message);
	xw_attr(&j->x, "type", "mvchat");
	for (size_t i = 0; found && i < found->n_first; i++) {
		const struct report_finding *f = found->first[i];
		if (!(c->findings >> f->finding & 1))
			continue;
		xw_text(&j->x, "\n");
		xw_text(&j->x, report_finding_word(f->finding));
		xw_text(&j->x, "  ");
		xw_text(&j->x, safe(f->source ? f->source : f->target));
		xw_text(&j->x, "  ");
		xw_text(&j->x, safe(f->what ? report_sentence(f->what, line, sizeof(line)) : ""));
		if (f->url) {
			xw_text(&j->x, "  ");
			xw_text(&j->x, safe(f->url));
		}
	}
	xw_end(&j->x);
}

static void suite(struct junit *j, const char *name, const char *id, const struct check *v, size_t n, const struct of_conv *found)
{
	int64_t failures = 0, skipped = 0;
	for (size_t i = 0; i < n; i++) {
		failures += !v[i].skipped && v[i].wrong;
		skipped += v[i].skipped != NULL;
	}
	j->tests += (int64_t)n;
	j->failures += failures;
	j->skipped += skipped;
	if (j->counting)
		return;
	xw_raw(&j->x, "\n  ");
	xw_start(&j->x, "testsuite");
	xw_attr(&j->x, "name", name);
	xw_attr(&j->x, "id", id);
	xw_attrf(&j->x, "tests", "%zu", n);
	xw_attrf(&j->x, "failures", "%lld", (long long)failures);
	xw_attr(&j->x, "errors", "0");
	xw_attrf(&j->x, "skipped", "%lld", (long long)skipped);
	xw_attr(&j->x, "time", "0");
	xw_attr(&j->x, "timestamp", j->time);
	for (size_t i = 0; i < n; i++) {
		xw_raw(&j->x, "\n    ");
		xw_start(&j->x, "testcase");
		xw_attr(&j->x, "name", v[i].name);
		xw_attrf(&j->x, "classname", "mvchat.%.400s", name);
		xw_attr(&j->x, "time", "0");
		if (v[i].skipped) {
			xw_start(&j->x, "skipped");
			xw_attr(&j->x, "message", v[i].skipped);
			xw_end(&j->x);
		} else if (v[i].wrong) {
			failure(j, &v[i], found);
		}
		xw_end(&j->x);
	}
	xw_raw(&j->x, "\n  ");
	xw_end(&j->x);
}

static int64_t in_bucket(const struct facts *f, enum bucket b)
{
	int64_t n = 0;
	for (int i = 0; i < N_ITEM; i++)
		n += f->bucket[i][b];
	return n;
}

static void account_suite(struct junit *j)
{
	const struct facts *f = j->r->facts;
	struct check v[5] = {
		{ _("adds up"), !f->adds_up, NULL, 0 },
		{ _("nothing in doubt"), in_bucket(f, BUCKET_DOUBT), NULL, 0 },
		{ _("nothing rejected"), in_bucket(f, BUCKET_REJECTED), NULL, 0 },
		{ _("no question open"), (int64_t)f->n_unresolved, NULL, 0 },
	};
	size_t n = 4;
	if (j->r->kind == REPORT_RUN || j->r->kind == REPORT_VERIFY)
		v[n++] = (struct check){ _("nothing left to do"), f->nothing_to_do ? in_bucket(f, BUCKET_PENDING) : in_bucket(f, BUCKET_PENDING) + 1, NULL, 0 };
	suite(j, _("Account"), "account", v, n, NULL);
}

static void people_suite(struct junit *j)
{
	const struct facts *f = j->r->facts;
	int64_t unresolved = 0;
	for (size_t i = 0; i < f->n_people; i++)
		unresolved += f->people[i].unresolved;
	struct check v[3] = { { _("mapped"), unresolved, NULL, 0 }, { _("nothing rejected"), f->bucket[ITEM_USER][BUCKET_REJECTED], NULL, 0 } };
	size_t n = 2;
	if (j->r->verify)
		v[n++] = (struct check){ _("complete"), j->r->verify->result.users_missing, NULL, 1u << FIND_MISSING };
	suite(j, _("People"), "people", v, n, table_get(&j->convs, ""));
}

static void chat_suite(struct junit *j, const struct facts_chat *c)
{
	char name[512];
	const char *rule = report_rule(c->why), *why = c->action == CHAT_SKIP ? rule ? rule : c->why ? safe(c->why) : _("left out") : NULL;
	fmt_into(name, sizeof(name), "%s (%s)", safe(c->name), safe(c->id));
	struct check v[6] = {
		{ _("mapped"), c->action == CHAT_REJECTED, why, 0 },
		{ _("nothing in doubt"), c->doubt, why, 0 },
		{ _("nothing rejected"), c->rejected, why, 0 },
	};
	size_t n = 3;
	const struct of_conv *found = table_get(&j->convs, c->id);
	if (j->r->verify) {
		static const struct of_conv none;
		const int64_t *w = found ? found->n : none.n;
		v[n++] = (struct check){ _("complete"), w[FIND_MISSING], why, 1u << FIND_MISSING };
		v[n++] = (struct check){ _("in order"), w[FIND_MISPLACED], why, 1u << FIND_MISPLACED };
		v[n++] = (struct check){ _("unaltered"), w[FIND_ALTERED] + w[FIND_TWICE], why, 1u << FIND_ALTERED | 1u << FIND_TWICE };
	}
	suite(j, name, c->id, v, n, found);
}

/* One check for each kind of thing, one for each reason to stay; what is a choice or a stated limit fails nothing. */
static void rollback_suite(struct junit *j)
{
	const struct report_rollback *rb = j->r->rollback;
	struct check v[REPORT_KINDS + REPORT_REASONS];
	char names[REPORT_KINDS][128];
	size_t n = 0;
	for (size_t i = 0; i < rb->n_kinds; i++) {
		fmt_into(names[i], sizeof(names[i]), _("taken back: %s"), rb->kinds[i].word);
		v[n++] = (struct check){ names[i], rb->kinds[i].left, rb->preview ? _("only shown, not done") : NULL, 0 };
	}
	for (size_t i = 0; i < rb->n_why; i++)
		v[n++] = (struct check){ rb->why[i].sentence, rb->why[i].n, rb->why[i].fine ? _("a choice, or a limit that is stated") : NULL, 0 };
	suite(j, _("Rollback"), "rollback", v, n, NULL);
}

static void suites(struct junit *j)
{
	j->tests = j->failures = j->skipped = 0;
	if (j->r->rollback) {
		rollback_suite(j);
		return;
	}
	account_suite(j);
	people_suite(j);
	for (size_t i = 0; i < j->r->facts->n_chats; i++)
		chat_suite(j, &j->r->facts->chats[i]);
}

bool report_write_junit(const struct report *r, FILE *f, struct err *e)
{
	struct junit j = { .r = r, .counting = true };
	char when[32];
	if (!xw_open(&j.x, f, e))
		return false;
	arena_init(&j.a);
	table_init(&j.convs);
	clock_iso(r->now_us, when);
	fmt_into(j.time, sizeof(j.time), "%.19s", when); /* xs:dateTime without a zone, as the schema's users write it */
	sort_findings(&j);
	suites(&j);
	j.counting = false;
	xw_raw(&j.x, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
	xw_start(&j.x, "testsuites");
	xw_attr(&j.x, "name", report_title(r));
	xw_attrf(&j.x, "tests", "%lld", (long long)j.tests);
	xw_attrf(&j.x, "failures", "%lld", (long long)j.failures);
	xw_attr(&j.x, "errors", "0");
	xw_attrf(&j.x, "time", "%.3f", r->run ? (double)r->run->elapsed_us / 1e6 : 0.0);
	suites(&j);
	xw_raw(&j.x, "\n");
	xw_end(&j.x);
	xw_raw(&j.x, "\n");
	table_release(&j.convs);
	arena_release(&j.a);
	return xw_close(&j.x, e);
}
