/* What a report says, section by section, whatever it is written on. Promises: every figure comes from the struct report;
 * everything foreign passes safe(); a table leaves out columns that would hold only zeros, but for the account, whose columns
 * are its proof. Called by the Markdown and HTML writers. Knows nothing of either. */
#include "cli/report_int.h"

#include "cli/apps_view.h"
#include "core/clock.h"

#include <stdlib.h>
#include <string.h>

enum { ODDITIES_MAX = 200, FOLD_ABOVE = 40, LONGEST_MAX = 10, COLUMNS_MAX = 12, APPS_SHOWN = 200, APP_PLACES = 5 };

struct doc { const struct report *r; const struct paper *p; };

static void text(const struct doc *d, const char *s)
{
	d->p->cell(d->p->ctx, s);
}

static void number(const struct doc *d, int64_t n)
{
	text(d, num(n));
}

static void pair(const struct doc *d, const char *what, const char *value)
{
	d->p->row(d->p->ctx);
	text(d, what);
	text(d, value);
}

static void table(const struct doc *d, const char *caption, const struct column *cols, size_t n)
{
	d->p->table(d->p->ctx, caption, cols, n);
}

static void table_end(const struct doc *d)
{
	d->p->table_end(d->p->ctx);
}

static void section(const struct doc *d, const char *id, const char *title)
{
	d->p->section(d->p->ctx, id, title);
}

static void para(const struct doc *d, const char *s)
{
	d->p->para(d->p->ctx, s);
}

static const char *minute(int64_t us, char out[40])
{
	char iso[32];
	clock_iso(us, iso);
	snprintf(out, 40, "%.10s %.5s UTC", iso, iso + 11);
	return out;
}

/* ---- sections ---- */

static void run_result(const struct doc *d)
{
	const struct engine_result *x = d->r->run;
	if (!x)
		return;
	const struct column cols[] = { { _("What"), CELL_HEAD }, { _("How many"), CELL_NUM } };
	const struct { const char *word; int64_t n; } rows[] = {
		{ _("messages sent"), x->posted }, { _("messages edited"), x->edited }, { _("people, chats, threads made"), x->created },
		{ _("files uploaded"), x->uploaded }, { _("found already written"), x->adopted }, { _("proved absent, sent again"), x->resent },
		{ _("rejected"), x->rejected }, { _("in doubt"), x->in_doubt }, { _("lanes stopped"), (int64_t)x->lanes_stopped },
		{ _("requests"), x->requests }, { _("told to wait"), x->throttled },
	};
	section(d, "run", _("This run"));
	table(d, _("What this run wrote"), cols, countof(cols));
	for (size_t i = 0; i < countof(rows); i++)
		if (rows[i].n || i == 0)
			pair(d, rows[i].word, num(rows[i].n));
	pair(d, _("time"), span_of((double)x->elapsed_us / 1e6));
	table_end(d);
}

static void account(const struct doc *d)
{
	const struct facts *f = d->r->facts;
	struct column cols[2 + N_BUCKET] = { { _("Item"), CELL_HEAD }, { _("Read"), CELL_NUM } };
	for (int b = 0; b < N_BUCKET; b++)
		cols[2 + b] = (struct column){ report_bucket((enum bucket)b), CELL_NUM };
	section(d, "account", _("Account"));
	para(d, f->adds_up ? _("Everything the archives hold is in exactly one column; in every row the columns add up to what was read.")
	                   : _("In one row the columns do not add up to what was read. This is a bug in mvchat; please report it."));
	table(d, _("What became of everything that was read"), cols, countof(cols));
	for (int i = 0; i < N_ITEM; i++) {
		d->p->row(d->p->ctx);
		text(d, report_item((enum item)i));
		number(d, f->read[i]);
		for (int b = 0; b < N_BUCKET; b++)
			number(d, f->bucket[i][b]);
	}
	table_end(d);
	if (f->edits || f->drift || f->drift_edits || f->refused || f->removed) {
		const struct column pairs[] = { { _("What"), CELL_HEAD }, { _("Messages"), CELL_NUM } };
		table(d, _("Sent messages that are no longer what they were"), pairs, countof(pairs));
		if (f->edits)
			pair(d, _("changed in the source since, to be edited"), num(f->edits));
		if (f->refused)
			pair(d, _("changed in the source since, and the target refused the edit"), num(f->refused));
		if (f->removed)
			pair(d, _("deleted in the source since"), num(f->removed));
		if (f->drift_edits)
			pair(d, _("written differently by today's mapping or names, to be edited"), num(f->drift_edits));
		if (f->drift)
			pair(d, _("would be written differently with today's mapping or names; left as they are"), num(f->drift));
		table_end(d);
	}
}

/* Numbers of a conversation, in the order of their columns. */
enum { N_CHAT_NUMBERS = 8 };
static void chat_numbers(const struct facts_chat *c, int64_t out[N_CHAT_NUMBERS])
{
	const int64_t v[N_CHAT_NUMBERS] = { c->read, c->sent, c->pending, c->skipped, c->rejected, c->doubt, c->edits, c->threads };
	memcpy(out, v, sizeof(v));
}

static const char *chat_note(const struct facts_chat *c, char *out, size_t size)
{
	const char *rule = report_rule(c->why);
	if (c->action == CHAT_EXISTS || c->action == CHAT_ADOPT || (c->why && streq(c->why, "default: create")))
		return "";
	return rule ? rule : c->why ? report_sentence(c->why, out, size) : "";
}

static void conversations(const struct doc *d)
{
	const struct facts *f = d->r->facts;
	int64_t n[N_CHAT_NUMBERS], any[N_CHAT_NUMBERS] = { 1 };
	char note[SENTENCE_MAX];
	bool notes = false;
	const char *const heads[N_CHAT_NUMBERS] = { _("Read"), _("Sent"), _("To do"), _("Left out"), _("Rejected"), _("In doubt"), _("To edit"), _("Threads") };
	section(d, "conversations", _("Conversations"));
	if (!f->n_chats) {
		para(d, _("The archives hold no conversation."));
		return;
	}
	for (size_t i = 0; i < f->n_chats; i++) {
		chat_numbers(&f->chats[i], n);
		for (int k = 0; k < N_CHAT_NUMBERS; k++)
			any[k] |= n[k];
		notes = notes || *chat_note(&f->chats[i], note, sizeof(note));
	}
	struct column cols[COLUMNS_MAX] = { { _("Conversation"), CELL_HEAD }, { _("Kind"), CELL_TEXT }, { _("In the target"), CELL_TEXT } };
	size_t n_cols = 3;
	for (int k = 0; k < N_CHAT_NUMBERS; k++)
		if (any[k])
			cols[n_cols++] = (struct column){ heads[k], CELL_NUM };
	if (notes)
		cols[n_cols++] = (struct column){ _("Note"), CELL_TEXT };
	table(d, _("Each conversation and its messages"), cols, n_cols);
	for (size_t i = 0; i < f->n_chats; i++) {
		const struct facts_chat *c = &f->chats[i];
		char name[1024];
		if (c->target_name && *c->target_name && c->action != CHAT_SKIP && !streq(c->target_name, c->name))
			fmt_into(name, sizeof(name), "%s → %s", safe(c->name), safe(c->target_name));
		else
			fmt_into(name, sizeof(name), "%s", safe(c->name));
		d->p->row(d->p->ctx);
		text(d, name);
		text(d, kind_word(c->kind));
		text(d, report_chat_action(c));
		chat_numbers(c, n);
		for (int k = 0; k < N_CHAT_NUMBERS; k++)
			if (any[k])
				number(d, n[k]);
		if (notes)
			text(d, safe(chat_note(c, note, sizeof(note))));
	}
	table_end(d);
}

static void people(const struct doc *d)
{
	const struct facts *f = d->r->facts;
	int64_t n[4] = { 0 }, made = 0;
	for (size_t i = 0; i < f->n_people; i++) {
		n[f->people[i].action]++;
		made += f->people[i].action == PERSON_CREATE && f->people[i].state == OP_DONE;
	}
	const struct column sums[] = { { _("What"), CELL_HEAD }, { _("People"), CELL_NUM } };
	const struct column cols[] = { { _("Person"), CELL_HEAD }, { _("In the target"), CELL_TEXT }, { _("Messages"), CELL_NUM }, { _("Decided by"), CELL_TEXT } };
	section(d, "people", _("People"));
	table(d, _("People by what becomes of them"), sums, countof(sums));
	pair(d, _("have an account"), num(n[PERSON_MATCH]));
	if (made)
		pair(d, _("account created"), num(made));
	if (n[PERSON_CREATE] - made)
		pair(d, _("to be created"), num(n[PERSON_CREATE] - made));
	pair(d, _("shown by name only"), num(n[PERSON_LABEL]));
	if (n[PERSON_SKIP])
		pair(d, _("left out"), num(n[PERSON_SKIP]));
	table_end(d);
	if (!f->n_people)
		return;
	struct arena a;
	arena_init(&a);
	d->p->fold(d->p->ctx, _("Everyone by name"), f->n_people <= FOLD_ABOVE);
	table(d, _("Each person"), cols, countof(cols));
	for (size_t i = 0; i < f->n_people; i++) {
		const struct facts_person *w = &f->people[i];
		d->p->row(d->p->ctx);
		text(d, safe(w->name));
		text(d, report_person_action(w));
		number(d, w->messages);
		text(d, safe(w->why ? words_of_rule(w->why, &a) : ""));
	}
	arena_release(&a);
	table_end(d);
	d->p->fold_end(d->p->ctx);
}

struct oddities { const struct doc *d; int64_t n; bool open; };

static bool one_bad(void *ctx, const char *where, const char *msg, const char *archive)
{
	struct oddities *o = ctx;
	const struct doc *d = o->d;
	char line[SENTENCE_MAX];
	(void)archive;
	if (o->n++ >= ODDITIES_MAX)
		return true;
	if (!o->open) {
		const struct column cols[] = { { _("Place"), CELL_HEAD }, { _("Why"), CELL_TEXT } };
		table(d, _("Records that could not be read"), cols, countof(cols));
		o->open = true;
	}
	pair(d, safe(where), safe(hazard_sentence(msg, line, sizeof(line))));
	return true;
}

static bool one_hazard(void *ctx, const struct spool_hazard *h)
{
	struct oddities *o = ctx;
	const struct doc *d = o->d;
	char line[SENTENCE_MAX];
	if (h->level == HAZARD_NOTE || o->n++ >= ODDITIES_MAX)
		return true;
	if (!o->open) {
		const struct column cols[] = { { _("Oddity"), CELL_HEAD }, { _("The first of them"), CELL_TEXT }, { _("How often"), CELL_NUM }, { _("First at"), CELL_CODE } };
		table(d, _("Oddities of the archives worth knowing"), cols, countof(cols));
		o->open = true;
	}
	d->p->row(d->p->ctx);
	text(d, safe(h->name));
	text(d, safe(hazard_sentence(h->what, line, sizeof(line))));
	number(d, h->n);
	text(d, safe(h->where));
	return true;
}

static void and_more(const struct doc *d, int64_t n, int64_t max)
{
	char line[SENTENCE_MAX];
	if (n <= max)
		return;
	fmt_into(line, sizeof(line), _("… and %s more"), num(n - max));
	para(d, line);
}

/* Only what was asked for with --examples; nothing of it has not passed the replacements. */
static void caught(const struct doc *d)
{
	const struct facts *f = d->r->facts;
	const struct column cols[] = { { _("Rule"), CELL_CODE }, { _("Message"), CELL_CODE }, { _("Author"), CELL_TEXT }, { _("Time"), CELL_TEXT }, { _("Text"), CELL_TEXT } };
	const struct column sums[] = { { _("Replacement"), CELL_CODE }, { _("Messages"), CELL_NUM } };
	char line[SENTENCE_MAX];
	bool open = false;
	for (size_t i = 0; i < f->n_caught; i++) {
		if (f->caught[i].how != CAUGHT_CHANGED || !f->caught[i].n)
			continue;
		if (!open)
			table(d, _("Messages to be sent in which something is replaced or hidden"), sums, countof(sums));
		open = true;
		d->p->row(d->p->ctx);
		text(d, safe(f->caught[i].rule));
		number(d, f->caught[i].n);
	}
	if (open)
		table_end(d);
	open = false;
	for (size_t i = 0; i < f->n_caught; i++)
		for (size_t k = 0; k < f->caught[i].n_examples; k++) {
			const struct facts_example *x = &f->caught[i].examples[k];
			if (!open)
				table(d, _("Examples of what the rules catch; »…« is what a rule matches"), cols, countof(cols));
			open = true;
			d->p->row(d->p->ctx);
			text(d, safe(f->caught[i].rule));
			fmt_into(line, sizeof(line), "%s/%s", x->name && *x->name ? x->name : x->conv, x->id);
			text(d, safe(line));
			text(d, safe(x->author));
			/* day and hour stay on one line */
			const char *blank = strchr(x->when, ' ');
			fmt_into(line, sizeof(line), blank ? "%.*s\xc2\xa0%s" : "%.*s%s", (int)(blank ? blank - x->when : (ptrdiff_t)strlen(x->when)), x->when, blank ? blank + 1 : "");
			text(d, line);
			if (x->withheld)
				fmt_into(line, sizeof(line), "%s", _("(not shown: what must be hidden in it could not be decided)"));
			else
				fmt_into(line, sizeof(line), *x->match ? "%s»%s«%s" : "%s%s%s", x->before, x->match, x->after);
			text(d, safe(line));
		}
	if (open)
		table_end(d);
}

static void left_out(const struct doc *d)
{
	const struct facts *f = d->r->facts;
	const struct column cols[] = { { _("Why"), CELL_HEAD }, { _("Item"), CELL_TEXT }, { _("How many"), CELL_NUM }, { _("Rule"), CELL_CODE } };
	section(d, "left-out", _("Left out or rejected, by rule"));
	if (!f->n_rules)
		para(d, _("Nothing was left out or rejected."));
	else
		table(d, _("What was left out or rejected, and the rule that says so"), cols, countof(cols));
	for (size_t i = 0; i < f->n_rules; i++) {
		const struct facts_rule *x = &f->rules[i];
		const char *why = report_rule(x->rule);
		d->p->row(d->p->ctx);
		text(d, why ? why : _("a rule of the mapping, or the target's own words"));
		text(d, report_item(x->item));
		number(d, x->n);
		text(d, safe(x->rule));
	}
	if (f->n_rules)
		table_end(d);
	caught(d);
	if (!d->r->spool)
		return;
	struct oddities bad = { .d = d }, odd = { .d = d };
	spool_bads(d->r->spool, one_bad, &bad);
	if (bad.open)
		table_end(d);
	and_more(d, bad.n, ODDITIES_MAX);
	spool_hazards(d->r->spool, one_hazard, &odd);
	if (odd.open)
		table_end(d);
}

static void losses(const struct doc *d)
{
	const struct facts *f = d->r->facts;
	const struct column cols[] = { { _("What is different"), CELL_HEAD }, { _("Messages"), CELL_NUM } };
	int64_t most = 0;
	for (int i = 0; i < N_LOSS; i++)
		most = f->loss[i] > most ? f->loss[i] : most;
	section(d, "losses", _("What the target cannot hold as it was"));
	if (!most) {
		para(d, _("Nothing is lost: every message is held as it was."));
		return;
	}
	table(d, _("Losses by kind (messages concerned)"), cols, countof(cols));
	for (int i = 0; i < N_LOSS; i++) {
		if (!f->loss[i])
			continue;
		d->p->row(d->p->ctx);
		text(d, _(loss_sentence((enum loss)(1u << i))));
		number(d, f->loss[i]);
		d->p->bar(d->p->ctx, f->loss[i], most);
	}
	table_end(d);
}

static void sentences(const struct doc *d, const char *id, const char *title, const char *none, const char *const *v, size_t n)
{
	char line[SENTENCE_MAX];
	section(d, id, title);
	if (!n) {
		para(d, none);
		return;
	}
	if (n > FOLD_ABOVE) {
		fmt_into(line, sizeof(line), i18n_n("%s item", "%s items", (int64_t)n), num((int64_t)n));
		d->p->fold(d->p->ctx, line, false);
	}
	d->p->list(d->p->ctx);
	for (size_t i = 0; i < n; i++)
		d->p->item(d->p->ctx, safe(report_sentence(v[i], line, sizeof(line))));
	d->p->list_end(d->p->ctx);
	if (n > FOLD_ABOVE)
		d->p->fold_end(d->p->ctx);
}

static void permissions(const struct doc *d)
{
	const struct facts *f = d->r->facts;
	char line[SENTENCE_MAX] = "";
	int64_t made = 0;
	for (size_t i = 0; i < f->n_people; i++)
		made += f->people[i].action == PERSON_CREATE && f->people[i].state == OP_DONE;
	if (made)
		fmt_into(line, sizeof(line), _("Accounts created so far: %s; they are listed under \"People\". Nobody else sees or gains anything they did not have before."), num(made));
	sentences(d, "permissions", _("Permissions: who will see or gain what"), made ? line : _("Nobody sees or gains anything they did not have before."),
	          (const char *const *)f->privacy, f->n_privacy);
}

/* The conversations that take longest: they run side by side, so the longest one sets the time. */
static void schedule(const struct doc *d)
{
	const struct facts *f = d->r->facts;
	const struct facts_chat *top[LONGEST_MAX];
	size_t n = 0;
	for (size_t i = 0; i < f->n_chats; i++) {
		size_t at = n;
		if (f->chats[i].bound_s <= 0)
			continue;
		while (at && top[at - 1]->bound_s < f->chats[i].bound_s)
			at--;
		if (at == LONGEST_MAX)
			continue;
		n += n < LONGEST_MAX;
		memmove(top + at + 1, top + at, (n - at - 1) * sizeof(top[0]));
		top[at] = &f->chats[i];
	}
	if (n < 2 || f->bound_s < 60)
		return;
	const struct column cols[] = { { _("Conversation"), CELL_HEAD }, { _("Least time"), CELL_NUM } };
	table(d, _("The longest conversations; they are written side by side"), cols, countof(cols));
	for (size_t i = 0; i < n; i++) {
		d->p->row(d->p->ctx);
		text(d, safe(top[i]->name));
		text(d, span_of(top[i]->bound_s));
		d->p->bar(d->p->ctx, (int64_t)(top[i]->bound_s * 1000), (int64_t)(top[0]->bound_s * 1000));
	}
	table_end(d);
}

static void estimate(const struct doc *d)
{
	const struct facts *f = d->r->facts;
	const struct column cols[] = { { _("What"), CELL_HEAD }, { _("How much"), CELL_NUM } };
	section(d, "estimate", _("Estimate"));
	if (!f->calls_total) {
		para(d, _("Nothing is left to write."));
		return;
	}
	table(d, _("What writing the rest takes"), cols, countof(cols));
	pair(d, _("requests"), num(f->calls_total));
	const struct { const char *word; enum req_class c; } rows[] = {
		{ _("of them messages"), REQ_POST }, { _("of them reading"), REQ_READ }, { _("of them to storage"), REQ_BLOB }, { _("of them other"), REQ_OTHER },
	};
	for (size_t i = 0; i < countof(rows); i++)
		if (f->calls[rows[i].c])
			pair(d, rows[i].word, num(f->calls[rows[i].c]));
	pair(d, _("least time the target's limits allow"), span_of(f->bound_s));
	table_end(d);
	schedule(d);
}

static void verified(const struct doc *d)
{
	const struct report_verify *rv = d->r->verify;
	if (!rv)
		return;
	const struct verify_result *v = &rv->result;
	const struct column sums[] = { { _("What"), CELL_HEAD }, { _("How many"), CELL_NUM } };
	const struct { const char *word; int64_t n; bool always; } rows[] = {
		{ _("messages that match"), v->messages[FIND_MATCH], true }, { _("messages missing"), v->messages[FIND_MISSING], true },
		{ _("messages altered"), v->messages[FIND_ALTERED], true }, { _("messages out of order"), v->messages[FIND_MISPLACED], true },
		{ _("messages there twice"), v->messages[FIND_TWICE], true }, { _("messages written by others"), v->messages[FIND_FOREIGN], false },
		{ _("people there"), v->users_ok, false }, { _("people missing"), v->users_missing, false }, { _("chats there"), v->chats_ok, false },
		{ _("chats missing"), v->chats_missing, false }, { _("members missing"), v->members_missing, false },
		{ _("chats more or less public than they should be"), v->privacy_wrong, false }, { _("chats archived or not, wrongly"), v->archived_wrong, false },
		{ _("chats with another name"), v->names_wrong, false }, { _("reactions missing"), v->reactions_missing, false },
		{ _("files that are not the ones sent"), v->files_other, false },
	};
	section(d, "verify", _("Compared with the target"));
	table(d, _("What was read back, compared with what was written"), sums, countof(sums));
	for (size_t i = 0; i < countof(rows); i++)
		if (rows[i].n || rows[i].always)
			pair(d, rows[i].word, num(rows[i].n));
	table_end(d);
	if (!rv->n)
		return;
	const struct column cols[] = { { _("Finding"), CELL_HEAD }, { _("Lane"), CELL_CODE }, { _("Source"), CELL_CODE }, { _("What is different"), CELL_TEXT },
	                               { _("Address"), CELL_LINK } };
	table(d, _("Findings"), cols, countof(cols));
	for (size_t i = 0; i < rv->n; i++) {
		const struct report_finding *x = &rv->v[i];
		char line[SENTENCE_MAX];
		d->p->row(d->p->ctx);
		text(d, report_finding_word(x->finding));
		text(d, safe(x->lane));
		text(d, safe(x->source));
		text(d, safe(x->what ? report_sentence(x->what, line, sizeof(line)) : ""));
		text(d, safe(x->url));
	}
	table_end(d);
	and_more(d, (int64_t)rv->n + rv->left_out, (int64_t)rv->n);
}

/* ---- time ---- */

struct months { struct month *v; size_t n, cap; };

static bool one_month(void *ctx, int year, int month, int64_t n)
{
	struct months *m = ctx;
	GROW(m->v, m->n, m->cap, 64);
	m->v[m->n++] = (struct month){ year, month, n };
	return true;
}

struct span_bar *report_bars(const struct month *v, size_t n, size_t max, size_t *n_bars, int *step, struct arena *a)
{
	static const int steps[] = { 1, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 2400 };
	*n_bars = 0;
	*step = 1;
	if (!n || !max)
		return NULL;
	int first = v[0].year * 12 + v[0].month - 1, last = v[n - 1].year * 12 + v[n - 1].month - 1, size = 1;
	for (size_t i = 0; i < countof(steps); i++) {
		size = steps[i];
		if ((size_t)(last / size - first / size + 1) <= max)
			break;
	}
	size_t bars = (size_t)(last / size - first / size + 1);
	struct span_bar *out = arena_array(a, bars, struct span_bar);
	for (size_t i = 0; i < bars; i++) {
		int at = (first / size + (int)i) * size;
		out[i] = (struct span_bar){ at / 12, at % 12 + 1, 0 };
	}
	for (size_t i = 0; i < n; i++)
		out[(v[i].year * 12 + v[i].month - 1) / size - first / size].n += v[i].n;
	*n_bars = bars;
	*step = size;
	return out;
}

static void timeline(const struct doc *d)
{
	struct months m = { 0 };
	if (!d->r->spool)
		return;
	spool_months(d->r->spool, one_month, &m);
	if (m.n) {
		section(d, "time", _("Messages over time"));
		d->p->months(d->p->ctx, _("Messages of the source by month"), m.v, m.n);
	}
	free(m.v);
}

/* ---- what has to be built anew ---- */

struct apps { const struct doc *d; struct arena a; int64_t n; };

static bool one_app(void *ctx, const struct spool_integration *in)
{
	struct apps *x = ctx;
	const struct doc *d = x->d;
	if (x->n++ >= APPS_SHOWN)
		return true;
	if (x->n == 1) {
		const struct column cols[] = { { _("Name"), CELL_HEAD }, { _("Kind"), CELL_TEXT }, { _("State"), CELL_TEXT }, { _("Messages"), CELL_NUM },
			{ _("Last message"), CELL_TEXT }, { _("Conversations"), CELL_TEXT }, { _("Installed by"), CELL_TEXT } };
		section(d, "integrations", _("Apps, bots and webhooks"));
		para(d, _("Messages they posted are migrated as messages; the apps themselves have to be set up anew in the target. The busiest first."));
		table(d, _("Each app, bot and webhook the archives know of"), cols, countof(cols));
	}
	d->p->row(d->p->ctx);
	text(d, safe(in->in.name));
	text(d, apps_kind_word(in->in.kind));
	text(d, apps_state_word(in->in.state));
	number(d, in->n_msgs);
	text(d, in->n_msgs ? day(in->last_us) : "");
	text(d, apps_places(in, APP_PLACES, &x->a));
	text(d, apps_installer(in, &x->a));
	return true;
}

static void integrations(const struct doc *d)
{
	struct apps x = { .d = d };
	if (!d->r->spool)
		return;
	arena_init(&x.a);
	spool_integrations(d->r->spool, &x.a, one_app, &x);
	if (x.n)
		table_end(d);
	and_more(d, x.n, APPS_SHOWN);
	arena_release(&x.a);
}

/* ---- where it comes from, and who signs ---- */

static bool one_archive(void *ctx, const struct spool_archive *ar)
{
	const struct doc *d = ctx;
	char digest[DIGEST_HEX];
	hex(ar->digest, DIGEST_BYTES, digest);
	d->p->row(d->p->ctx);
	text(d, safe(ar->path ? path_base(ar->path) : NULL));
	text(d, safe(ar->format));
	text(d, digest);
	return true;
}

static void provenance(const struct doc *d)
{
	const struct report *r = d->r;
	char digest[DIGEST_HEX], when[40];
	section(d, "provenance", _("What this report is about"));
	if (r->spool) {
		const struct column cols[] = { { _("Archive"), CELL_HEAD }, { _("Format"), CELL_TEXT }, { _("SHA-256"), CELL_CODE } };
		table(d, _("Archives that were read"), cols, countof(cols));
		spool_archive_each(r->spool, one_archive, (void *)(uintptr_t)d);
		table_end(d);
	}
	const struct column pairs[] = { { _("What"), CELL_HEAD }, { _("Value"), CELL_CODE } };
	table(d, _("Mapping, plan and ledger"), pairs, countof(pairs));
	hex(r->mapping_digest, DIGEST_BYTES, digest);
	pair(d, _("mapping (SHA-256)"), digest);
	hex(r->facts->digest, DIGEST_BYTES, digest);
	pair(d, _("plan (SHA-256)"), digest);
	pair(d, _("target"), safe(r->target));
	if (r->target_where)
		pair(d, _("account or address there"), safe(r->target_where));
	if (r->facts->spool.first_us) {
		char period[64];
		fmt_into(period, sizeof(period), "%s … %s", day(r->facts->spool.first_us), day(r->facts->spool.last_us));
		pair(d, _("messages from … to"), period);
	}
	pair(d, _("runs"), num(r->runs));
	if (r->last_done_us)
		pair(d, _("last write"), minute(r->last_done_us, when));
	pair(d, "mvchat", MVCHAT_VERSION);
	table_end(d);
}

static void head(const struct doc *d)
{
	const struct report *r = d->r;
	char line[SENTENCE_MAX], when[40];
	fmt_into(line, sizeof(line), _("Written %s, target: %s."), minute(r->now_us, when), safe(r->target));
	para(d, line);
	if (r->offline)
		para(d, _("The target was not asked: this is what archives, mapping and ledger say."));
}

void report_doc(const struct report *r, const struct paper *p)
{
	struct doc d = { r, p };
	const struct facts *f = r->facts;
	char verdict[512];
	enum tone tone;
	p->open(p->ctx, r, report_title(r));
	report_verdict(r, &tone, verdict, sizeof(verdict));
	p->verdict(p->ctx, tone, report_tone(r, tone), verdict);
	head(&d);
	if (r->rollback) {
		report_rollback_doc(r->rollback, p);
		provenance(&d);
		p->close(p->ctx);
		return;
	}
	run_result(&d);
	account(&d);
	verified(&d);
	conversations(&d);
	people(&d);
	left_out(&d);
	losses(&d);
	permissions(&d);
	sentences(&d, "questions", _("Open questions"), _("No question is open."), (const char *const *)f->unresolved, f->n_unresolved);
	estimate(&d);
	timeline(&d);
	integrations(&d);
	provenance(&d);
	const char *const who[] = { _("For the company"), _("For whoever carried the migration out") };
	section(&d, "sign", _("Signatures"));
	p->sign(p->ctx, _("I have read what came over, what did not, and why."), who, countof(who));
	p->close(p->ctx);
}
