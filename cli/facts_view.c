/* The facts as text and as JSON. Promises: nothing here asks the ledger or the target; no message text is printed. */
#include "cli/cmd.h"

#include "cli/report.h"
#include "core/clock.h"
#include "core/utf8.h"

#include <stdio.h>

static const char *item_word(enum item i)
{
	switch (i) {
	case ITEM_USER: return _("people");
	case ITEM_CONV: return _("conversations");
	case ITEM_MSG: return _("messages");
	case ITEM_THREAD: return _("threads");
	case ITEM_FILE: return _("files");
	case ITEM_REACTION: return _("reactions");
	case ITEM_PIN: return _("pins");
	case N_ITEM: break;
	}
	return "?";
}

static const char *chat_word(const struct facts_chat *c)
{
	switch (c->action) {
	case CHAT_CREATE: return _("create");
	case CHAT_EXISTS: return _("exists");
	case CHAT_ADOPT: return _("adopt");
	case CHAT_SKIP: return _("skip");
	case CHAT_REJECTED: return _("rejected");
	}
	return "?";
}

static const char *chat_name_json(const struct facts_chat *c)
{
	static const char *const names[] = { [CHAT_CREATE] = "create", [CHAT_EXISTS] = "exists", [CHAT_ADOPT] = "adopt",
	                                     [CHAT_SKIP] = "skip", [CHAT_REJECTED] = "rejected" };
	return names[c->action];
}

static const char *person_name_json(enum person_action a)
{
	switch (a) {
	case PERSON_LABEL: return "label";
	case PERSON_MATCH: return "match";
	case PERSON_CREATE: return "create";
	case PERSON_SKIP: return "skip";
	}
	return "?";
}

/* Rounded up: 0 MB is no size of anything. */
static int64_t megabytes(int64_t bytes)
{
	return bytes / 1000000 + (bytes % 1000000 > 0);
}

static int64_t pending(const struct facts *f)
{
	return f->bucket[ITEM_MSG][BUCKET_PENDING];
}

const char *facts_verdict(const struct facts *f)
{
	static char out[512];
	int64_t rejected = 0, doubt = 0, waiting = 0;
	for (int i = 0; i < N_ITEM; i++) {
		rejected += f->bucket[i][BUCKET_REJECTED];
		doubt += f->bucket[i][BUCKET_DOUBT];
		waiting += f->bucket[i][BUCKET_PENDING];
	}
	if (!f->adds_up)
		fmt_into(out, sizeof(out), _("The account does not add up (%s): this is a bug in mvchat, please report it."), f->mismatch ? f->mismatch : "?");
	else if (doubt)
		fmt_into(out, sizeof(out), _("Incomplete: %s items are in doubt; run 'mvchat apply' again to settle them."), num(doubt));
	else if (rejected)
		fmt_into(out, sizeof(out), _("Nearly complete: %s messages are in the target, %s items were rejected (the reasons are above)."),
		         num(f->bucket[ITEM_MSG][BUCKET_SENT] + f->bucket[ITEM_MSG][BUCKET_TEXT]), num(rejected));
	else if (f->refused && f->nothing_to_do)
		fmt_into(out, sizeof(out), _("Nearly complete: %s messages were edited in the source, and the target refused the edit ('mvchat status' has the reasons)."),
		         num(f->refused));
	else if (f->nothing_to_do && !waiting)
		fmt_into(out, sizeof(out), _("Everything is in the target: %s messages; nothing is left to do."), num(f->bucket[ITEM_MSG][BUCKET_SENT]));
	else
		fmt_into(out, sizeof(out), _("To do: %s messages in about %s (%s requests)."), num(pending(f)), span_of(f->bound_s), num(f->calls_total));
	return out;
}

static void print_table(const struct facts *f)
{
	/* Short words: the table must fit into 80 columns in every language. */
	static const char *const heads[] = { N_("sent"), N_("merged"), N_("as text"), N_("skipped"), N_("refused"), N_("doubt"), N_("to do") };
	printf("  ");
	out_pad("", 13);
	out_right(_("read"), 8);
	for (size_t b = 0; b < countof(heads); b++)
		out_right(_(heads[b]), 8);
	putchar('\n');
	for (int i = 0; i < N_ITEM; i++) {
		printf("  ");
		out_pad(item_word((enum item)i), 13);
		out_right(num(f->read[i]), 8);
		for (int b = 0; b < N_BUCKET; b++)
			out_right(f->bucket[i][b] ? num(f->bucket[i][b]) : "·", 8);
		putchar('\n');
	}
}

/* A rule in the reader's language, behind so many columns; documents and JSON keep the key. */
static void print_reason(size_t indent, const char *why)
{
	struct arena a;
	arena_init(&a);
	fputs("  ", stdout);
	out_rest(indent + 2, safe(why ? words_of_rule(why, &a) : ""));
	arena_release(&a);
}

/* A number in a column of eight (its blanks may be more than a byte), and what it counts, broken under itself. */
static const char *lead_of(int64_t n, char lead[48])
{
	const char *digits = num(n);
	const size_t w = utf8_width(digits);
	fmt_into(lead, 48, "  %*s%s  ", w < 8 ? (int)(8 - w) : 0, "", digits);
	return lead;
}

static void counted(int64_t n, const char *what)
{
	char lead[48];
	out_wrapped(lead_of(n, lead), what);
}

static void print_chats(const struct facts *f)
{
	enum { LEAD = 21, NAME = 30, NUMBER = 9 }; /* together at most 80 columns */
	size_t shown = 0;
	bool counts = false;
	out_title(_("Conversations"));
	for (size_t i = 0; i < f->n_chats && i < 60; i++)
		counts = counts || f->chats[i].action != CHAT_SKIP;
	if (counts) {
		out_pad("", LEAD + NAME);
		out_right(_("to do"), NUMBER);
		out_right(_("sent"), NUMBER);
		out_right(_("skipped"), NUMBER);
		putchar('\n');
	}
	for (size_t i = 0; i < f->n_chats; i++) {
		const struct facts_chat *c = &f->chats[i];
		if (shown++ == 60)
			break;
		printf("  ");
		out_pad(chat_word(c), 9);
		out_pad(kind_word(c->kind), 10);
		const char *name = safe(c->target_name && *c->target_name ? c->target_name : c->name);
		out_pad(name, NAME);
		if (utf8_width(name) > NAME) {
			putchar('\n');
			out_pad("", LEAD + NAME);
		}
		if (c->action == CHAT_SKIP) {
			print_reason(LEAD + NAME, c->why);
			continue;
		}
		out_right(num(c->pending), NUMBER);
		out_right(num(c->sent), NUMBER);
		out_right(num(c->skipped), NUMBER);
		printf("%s%s\n", c->edits ? "  " : "", c->edits ? _("some changed") : "");
	}
	if (f->n_chats > 60)
		printf(_("  … and %s more (--json lists all)\n"), num((int64_t)f->n_chats - 60));
	putchar('\n');
}

static void print_people(const struct facts *f)
{
	int64_t n[4] = { 0 }, made = 0;
	for (size_t i = 0; i < f->n_people; i++) {
		n[f->people[i].action]++;
		made += f->people[i].action == PERSON_CREATE && f->people[i].state == OP_DONE;
	}
	out_title(_("People"));
	out_row(26, _("have an account"), "%s", num(n[PERSON_MATCH]));
	out_row(26, _("to be created"), "%s", num(n[PERSON_CREATE] - made));
	if (made)
		out_row(26, _("created"), "%s", num(made));
	out_row(26, _("shown by name only"), "%s", num(n[PERSON_LABEL]));
	if (n[PERSON_SKIP])
		out_row(26, _("left out"), "%s", num(n[PERSON_SKIP]));
	putchar('\n');
}

static void print_sentences(const char *title, const char *const *v, size_t n, const char *mark)
{
	if (!n)
		return;
	out_title(title);
	for (size_t i = 0; i < n && i < 30; i++) {
		char said[1024], lead[16];
		fmt_into(lead, sizeof(lead), "  %s ", mark);
		out_wrapped(lead, safe(report_sentence(v[i], said, sizeof(said))));
	}
	if (n > 30)
		printf(_("  … and %s more (--json lists all)\n"), num((int64_t)n - 30));
	putchar('\n');
}

/* »…« round what a rule matches: also where there is no bold, and where brackets stand for what was hidden. */
static void print_example(const struct facts_example *x)
{
	struct buf b;
	printf("      %s/%s  %s  %s\n", safe(x->name && *x->name ? x->name : x->conv), safe(x->id), x->when, safe(x->author));
	buf_init(&b, 4096);
	if (x->withheld)
		buf_adds(&b, _("(not shown: what must be hidden in it could not be decided)"));
	else if (*x->match)
		buf_addf(&b, "%s»%s«%s", x->before, x->match, x->after);
	else
		buf_adds(&b, *x->before ? x->before : _("(no text)"));
	out_wrapped("          ", safe(b.p));
	buf_release(&b);
}

static const char *caught_word(enum caught c)
{
	switch (c) {
	case CAUGHT_LEFT_OUT: return _("left out");
	case CAUGHT_MOVED: return _("moved elsewhere");
	case CAUGHT_TAGGED: return _("tagged");
	case CAUGHT_CHANGED: return _("changed");
	}
	return "?";
}

/* Without examples only what is told nowhere else: replacements. */
static void print_caught(const struct facts *f)
{
	struct arena a;
	char lead[48];
	bool examples = false, changes = false;
	for (size_t i = 0; i < f->n_caught; i++) {
		examples = examples || f->caught[i].n_examples;
		changes = changes || (f->caught[i].how == CAUGHT_CHANGED && f->caught[i].n);
	}
	if (!examples && !changes)
		return;
	arena_init(&a);
	out_title(examples ? _("What the rules catch (messages), with examples") : _("Replaced or hidden in texts (messages to be sent)"));
	for (size_t i = 0; i < f->n_caught; i++) {
		const struct facts_caught *c = &f->caught[i];
		if (!c->n || (!examples && c->how != CAUGHT_CHANGED))
			continue;
		fputs(lead_of(c->n, lead), stdout);
		printf("%s", safe(words_of_rule(c->rule, &a)));
		printf(examples ? " (%s)\n" : "\n", caught_word(c->how));
		for (size_t k = 0; k < c->n_examples; k++)
			print_example(&c->examples[k]);
	}
	putchar('\n');
	arena_release(&a);
}

/* What was sent and is not any more what the archives or the mapping say. */
static void print_changes(const struct facts *f)
{
	if (!f->edits && !f->refused && !f->drift && !f->drift_edits && !f->removed)
		return;
	char lead[48];
	out_title(_("Changed since it was sent (messages)"));
	if (f->edits)
		counted(f->edits, _("changed in the source: to be edited"));
	if (f->refused)
		counted(f->refused, _("changed in the source, and the target refused the edit"));
	if (f->drift)
		counted(f->drift, _("written differently by today's mapping or names: left as they are (apply --edit-drift edits them)"));
	if (f->drift_edits)
		counted(f->drift_edits, _("written differently by today's mapping or names: to be edited"));
	if (f->removed > f->deletes)
		counted(f->removed - f->deletes, _("deleted in the source: left in the target (apply --delete-removed deletes them; what has a thread stays)"));
	if (f->deletes)
		counted(f->deletes, _("deleted in the source: TO BE DELETED in the target"));
	for (size_t i = 0, shown = 0; f->removed && i < f->n_chats && shown < 30; i++)
		if (f->chats[i].removed) {
			fputs(lead_of(f->chats[i].removed, lead), stdout);
			printf("  %s\n", safe(f->chats[i].name && *f->chats[i].name ? f->chats[i].name : f->chats[i].id));
			shown++;
		}
	putchar('\n');
}

void facts_print(const struct facts *f, enum facts_view view)
{
	char lead[48];
	if (view == VIEW_PLAN) {
		print_people(f);
		print_chats(f);
	}
	out_title(_("Account"));
	print_table(f);
	putchar('\n');
	if (f->n_rules) {
		out_title(_("Left out or rejected, by rule"));
		for (size_t i = 0; i < f->n_rules; i++) {
			fputs(lead_of(f->rules[i].n, lead), stdout);
			out_pad(item_word(f->rules[i].item), 14);
			print_reason(26, f->rules[i].rule);
		}
		putchar('\n');
	}
	if (view == VIEW_PLAN)
		print_caught(f);
	bool any = false;
	for (int i = 0; i < N_LOSS; i++)
		any = any || f->loss[i];
	if (any) {
		out_title(_("What the target cannot hold as it was (messages concerned)"));
		for (int i = 0; i < N_LOSS; i++)
			if (f->loss[i])
				counted(f->loss[i], _(loss_sentence((enum loss)(1u << i))));
		putchar('\n');
	}
	print_changes(f);
	if (view == VIEW_PLAN) {
		print_sentences(_("Open questions"), (const char *const *)f->unresolved, f->n_unresolved, "?");
		print_sentences(_("About rules and limits"), (const char *const *)f->notes, f->n_notes, "!");
		print_sentences(_("Permissions: who will see or gain what"), (const char *const *)f->privacy, f->n_privacy, "!");
		out_title(_("Estimate"));
		out_row(26, _("requests"), _("%s (messages %s, reading %s, other %s, storage %s)"), num(f->calls_total), num(f->calls[REQ_POST]),
		        num(f->calls[REQ_READ]), num(f->calls[REQ_OTHER]), num(f->calls[REQ_BLOB]));
		out_row(26, _("least time"), "%s", span_of(f->bound_s));
		if (f->upload_bytes && f->bound_s >= 1)
			out_row(26, _("files to upload"), _("%s MB: the least time asks for a line of %s MB a second"), num(megabytes(f->upload_bytes)),
			        num(megabytes((int64_t)((double)f->upload_bytes / f->bound_s))));
		if (f->avatars)
			out_row(26, _("with a picture of the author"), "%s", num(f->avatars));
		if (f->links)
			out_row(26, _("links put right by edits"), _("at most %s"), num(f->links));
		putchar('\n');
	}
	out_wrapped("", facts_verdict(f));
}

/* Of tens of thousands of chats and people the text is as large as everything else that is held. */
static void spill(struct jw *w, FILE *to)
{
	enum { PLENTY = 64 << 10 };
	if (!to || w->out->len < PLENTY)
		return;
	fwrite(w->out->p, 1, w->out->len, to);
	buf_reset(w->out);
}

static void examples_json(const struct facts_caught *c, struct jw *w)
{
	jw_key(w, "examples");
	jw_arr(w);
	for (size_t i = 0; i < c->n_examples; i++) {
		const struct facts_example *x = &c->examples[i];
		char iso[32];
		clock_iso(x->ts_us, iso);
		jw_obj(w);
		jw_kstr(w, "conversation", x->conv); jw_kstr(w, "name", safe(x->name)); jw_kstr(w, "id", safe(x->id));
		jw_kstr(w, "author", safe(x->author)); jw_kstr(w, "time", iso);
		if (x->withheld) {
			jw_kbool(w, "withheld", true);
		} else {
			jw_kstr(w, "before", safe(x->before)); jw_kstr(w, "match", safe(x->match)); jw_kstr(w, "after", safe(x->after));
		}
		jw_obj_end(w);
	}
	jw_arr_end(w);
}

void facts_json(const struct facts *f, struct jw *w)
{
	facts_json_to(f, w, NULL);
}

void facts_json_to(const struct facts *f, struct jw *w, FILE *to)
{
	char digest[DIGEST_HEX];
	hex(f->digest, DIGEST_BYTES, digest);
	jw_obj(w);
	jw_kint(w, "schema", 1);
	jw_kstr(w, "digest", digest);
	jw_kbool(w, "adds_up", f->adds_up);
	jw_kbool(w, "nothing_to_do", f->nothing_to_do);
	jw_key(w, "items");
	jw_obj(w);
	for (int i = 0; i < N_ITEM; i++) {
		jw_key(w, item_name((enum item)i));
		jw_obj(w);
		jw_kint(w, "read", f->read[i]);
		for (int b = 0; b < N_BUCKET; b++)
			jw_kint(w, bucket_name((enum bucket)b), f->bucket[i][b]);
		jw_obj_end(w);
	}
	jw_obj_end(w);
	jw_key(w, "rules");
	jw_arr(w);
	for (size_t i = 0; i < f->n_rules; i++) {
		jw_obj(w);
		jw_kstr(w, "item", item_name(f->rules[i].item));
		jw_kstr(w, "rule", f->rules[i].rule);
		jw_kint(w, "count", f->rules[i].n);
		jw_obj_end(w);
	}
	jw_arr_end(w);
	jw_key(w, "caught");
	jw_arr(w);
	for (size_t i = 0; i < f->n_caught; i++) {
		const struct facts_caught *c = &f->caught[i];
		jw_obj(w);
		jw_kstr(w, "rule", c->rule);
		jw_kstr(w, "how", caught_name(c->how));
		jw_kint(w, "count", c->n);
		if (c->n_examples)
			examples_json(c, w);
		jw_obj_end(w);
	}
	jw_arr_end(w);
	jw_key(w, "losses");
	jw_obj(w);
	for (int i = 0; i < N_LOSS; i++)
		jw_kint(w, loss_name((enum loss)(1u << i)), f->loss[i]);
	jw_obj_end(w);
	jw_kint(w, "edits", f->edits);
	jw_kint(w, "drift_edits", f->drift_edits);
	jw_kint(w, "edits_refused", f->refused);
	jw_kint(w, "removed", f->removed);
	jw_kint(w, "deletes", f->deletes);
	jw_kint(w, "links", f->links);
	jw_kint(w, "avatars", f->avatars);
	jw_kint(w, "into_joined_chats", f->heard);
	jw_kint(w, "drift", f->drift);
	jw_key(w, "estimate");
	jw_obj(w);
	jw_kint(w, "requests", f->calls_total);
	jw_kint(w, "messages", f->calls[REQ_POST]); jw_kint(w, "reads", f->calls[REQ_READ]);
	jw_kint(w, "other", f->calls[REQ_OTHER]); jw_kint(w, "storage", f->calls[REQ_BLOB]);
	jw_kint(w, "upload_bytes", f->upload_bytes);
	jw_kint(w, "seconds", (int64_t)(f->bound_s + 0.5)); jw_kint(w, "least_ms", (int64_t)(f->bound_s * 1000));
	jw_obj_end(w);
	jw_key(w, "conversations");
	jw_arr(w);
	for (size_t i = 0; i < f->n_chats; i++) {
		const struct facts_chat *c = &f->chats[i];
		spill(w, to);
		jw_obj(w);
		jw_kstr(w, "id", c->id); jw_kstr(w, "name", c->name); jw_kstr(w, "target_name", c->target_name);
		jw_kstr(w, "target_id", c->target_id); jw_kstr(w, "action", chat_name_json(c)); jw_kstr(w, "why", c->why);
		jw_kbool(w, "public", c->is_public); jw_kbool(w, "archived", c->archived);
		jw_kint(w, "read", c->read); jw_kint(w, "sent", c->sent); jw_kint(w, "pending", c->pending);
		jw_kint(w, "skipped", c->skipped); jw_kint(w, "rejected", c->rejected); jw_kint(w, "doubt", c->doubt);
		jw_kint(w, "edits", c->edits); jw_kint(w, "links", c->links);
		jw_kint(w, "removed", c->removed); jw_kint(w, "deletes", c->deletes); jw_kint(w, "threads", c->threads); jw_kint(w, "files", c->files); jw_kint(w, "members", c->members);
		jw_kint(w, "seconds", (int64_t)(c->bound_s + 0.5));
		jw_obj_end(w);
	}
	jw_arr_end(w);
	jw_key(w, "people");
	jw_arr(w);
	for (size_t i = 0; i < f->n_people; i++) {
		const struct facts_person *p = &f->people[i];
		spill(w, to);
		jw_obj(w);
		jw_kstr(w, "id", p->id); jw_kstr(w, "name", p->name); jw_kstr(w, "email", p->email);
		jw_kstr(w, "action", person_name_json(p->action)); jw_kstr(w, "target_id", p->target_id); jw_kstr(w, "why", p->why);
		jw_kbool(w, "done", p->state == OP_DONE); jw_kint(w, "messages", p->messages); jw_kbool(w, "unresolved", p->unresolved);
		jw_obj_end(w);
	}
	jw_arr_end(w);
	jw_key(w, "unresolved");
	jw_arr(w);
	for (size_t i = 0; i < f->n_unresolved; i++)
		jw_str(w, f->unresolved[i]);
	jw_arr_end(w);
	jw_key(w, "notes");
	jw_arr(w);
	for (size_t i = 0; i < f->n_notes; i++)
		jw_str(w, f->notes[i]);
	jw_arr_end(w);
	jw_key(w, "permissions");
	jw_arr(w);
	for (size_t i = 0; i < f->n_privacy; i++)
		jw_str(w, f->privacy[i]);
	jw_arr_end(w);
	jw_kstr(w, "verdict", facts_verdict(f));
	jw_obj_end(w);
}
