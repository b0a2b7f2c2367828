/* What a report says of a taking back: on paper (Markdown, HTML), as text and as JSON. Promises: everything foreign passes safe().
 * Called by report.c and report_doc.c; the checks of the JUnit form are in report_junit.c. Decides nothing. */
#include "cli/report_int.h"

#include <stdio.h>
#include <string.h>

enum { STAYS_MAX = 1000 };

void report_stays(struct report_rollback *rb, struct arena *a, const struct report_kept *k)
{
	if (rb->n == REPORT_FINDINGS_MAX) {
		rb->left_out++;
		return;
	}
	ARENA_GROW(a, rb->v, rb->n, rb->cap, 64);
	rb->v[rb->n++] = (struct report_kept){ k->why, arena_strdup(a, k->what), arena_strdup(a, k->lane), arena_strdup(a, k->source),
	                                       arena_strdup(a, k->target), arena_strdup(a, k->url) };
}

void report_chat_left(struct report_rollback *rb, struct arena *a, const char *name, const char *target)
{
	ARENA_GROW(a, rb->chats, rb->n_chats, rb->cap_chats, 64);
	rb->chats[rb->n_chats++] = (struct report_left){ arena_strdup(a, name), arena_strdup(a, target) };
}

static int64_t messages_of(const struct report_rollback *rb, bool left)
{
	return rb->n_kinds ? left ? rb->kinds[0].left : rb->kinds[0].was : 0; /* messages come first */
}

const char *report_rollback_verdict(const struct report_rollback *rb, enum tone *tone, char *out, size_t size)
{
	int64_t was = messages_of(rb, false), left = messages_of(rb, true);
	*tone = rb->preview || !rb->complete ? TONE_OPEN : TONE_GOOD;
	if (rb->preview)
		fmt_into(out, size, _("Would be taken back: %s messages; nothing has been deleted."), num(was));
	else if (rb->complete)
		fmt_into(out, size, _("Taken back: %s messages; what the target cannot delete is listed."), num(was - left));
	else
		fmt_into(out, size, _("Taken back: %s messages; not everything: what stays, and why, is listed."), num(was - left));
	return out;
}

/* ---- on paper ---- */

static void row(const struct paper *p, const char *a, const char *b)
{
	p->row(p->ctx);
	p->cell(p->ctx, a);
	p->cell(p->ctx, b);
}

void report_rollback_doc(const struct report_rollback *rb, const struct paper *p)
{
	const struct column cols[] = { { _("What"), CELL_HEAD }, { rb->preview ? _("How many") : _("Taken back"), CELL_NUM }, { _("Still to do"), CELL_NUM } };
	const struct column pairs[] = { { _("What"), CELL_HEAD }, { _("How many"), CELL_NUM } };
	p->section(p->ctx, "rollback", rb->preview ? _("To be taken back") : _("Taken back"));
	p->table(p->ctx, safe(rb->scope), cols, rb->preview ? 2 : 3);
	for (size_t i = 0; i < rb->n_kinds; i++) {
		row(p, rb->kinds[i].word, num(rb->kinds[i].was - (rb->preview ? 0 : rb->kinds[i].left)));
		if (!rb->preview)
			p->cell(p->ctx, num(rb->kinds[i].left));
	}
	p->table_end(p->ctx);
	if (rb->n_why) {
		p->section(p->ctx, "stays", _("Stays"));
		p->table(p->ctx, _("What stays, by reason"), pairs, countof(pairs));
		for (size_t i = 0; i < rb->n_why; i++)
			row(p, rb->why[i].sentence, num(rb->why[i].n));
		p->table_end(p->ctx);
		const struct column each[] = { { _("Reason"), CELL_HEAD }, { _("Where"), CELL_CODE }, { _("Source"), CELL_CODE }, { _("Link"), CELL_LINK } };
		p->table(p->ctx, _("Each thing that stays"), each, countof(each));
		for (size_t i = 0; i < rb->n && i < STAYS_MAX; i++) {
			row(p, rb->v[i].why, safe(rb->v[i].lane));
			p->cell(p->ctx, safe(rb->v[i].source));
			p->cell(p->ctx, safe(rb->v[i].url));
		}
		p->table_end(p->ctx);
	}
	if (rb->files_left || rb->n_chats) {
		p->section(p->ctx, "left", _("What the target cannot delete"));
		p->table(p->ctx, _("What stays in the target"), pairs, countof(pairs));
		if (rb->files_left)
			row(p, _("uploaded files: their bytes stay in the storage"), num(rb->files_left));
		if (rb->n_chats)
			row(p, _("chats: emptied, renamed and archived"), num((int64_t)rb->n_chats));
		p->table_end(p->ctx);
		p->list(p->ctx);
		for (size_t i = 0; i < rb->n_chats && i < STAYS_MAX; i++)
			p->item(p->ctx, safe(rb->chats[i].name));
		p->list_end(p->ctx);
	}
}

/* ---- as text ---- */

void report_rollback_print(const struct report_rollback *rb)
{
	out_title(rb->preview ? _("To be taken back") : _("Taken back"));
	printf("  %s\n", safe(rb->scope));
	for (size_t i = 0; i < rb->n_kinds; i++)
		if (rb->kinds[i].was)
			out_row(26, rb->kinds[i].word, rb->preview || !rb->kinds[i].left ? "%s" : _("%s, still to do %s"),
			        num(rb->kinds[i].was - (rb->preview ? 0 : rb->kinds[i].left)), num(rb->kinds[i].left));
	putchar('\n');
	if (rb->n_why) {
		out_title(_("Stays"));
		for (size_t i = 0; i < rb->n_why; i++)
			out_row(48, rb->why[i].sentence, "%s", num(rb->why[i].n));
		for (size_t i = 0; i < rb->n; i++)
			printf("  %s  %s %s  %s\n", rb->v[i].why, safe(rb->v[i].lane), safe(rb->v[i].source), safe(rb->v[i].url));
		putchar('\n');
	}
	if (rb->files_left || rb->n_chats) {
		out_title(_("What the target cannot delete"));
		if (rb->files_left)
			out_row(48, _("uploaded files: their bytes stay in the storage"), "%s", num(rb->files_left));
		for (size_t i = 0; i < rb->n_chats; i++)
			printf("  %s\n", safe(rb->chats[i].name));
	}
}

/* ---- as JSON ---- */

void report_rollback_json(const struct report_rollback *rb, struct jw *w)
{
	jw_obj(w);
	jw_kbool(w, "dry_run", rb->preview);
	jw_kbool(w, "complete", rb->complete);
	for (int left = 0; left < 2; left++) {
		jw_key(w, left ? "todo" : rb->preview ? "would_take_back" : "taken_back");
		jw_obj(w);
		for (size_t i = 0; i < rb->n_kinds; i++)
			jw_kint(w, rb->kinds[i].json, left ? rb->kinds[i].left : rb->kinds[i].was - (rb->preview ? 0 : rb->kinds[i].left));
		jw_obj_end(w);
	}
	jw_key(w, "kept");
	jw_obj(w);
	for (size_t i = 0; i < rb->n_why; i++)
		jw_kint(w, rb->why[i].json, rb->why[i].n);
	jw_obj_end(w);
	jw_key(w, "stays");
	jw_arr(w);
	for (size_t i = 0; i < rb->n; i++) {
		const struct report_kept *k = &rb->v[i];
		jw_obj(w);
		jw_kstr(w, "what", k->what); jw_kstr(w, "lane", k->lane); jw_kstr(w, "source", k->source);
		jw_kstr(w, "target", k->target); jw_kstr(w, "url", k->url); jw_kstr(w, "why", k->why);
		jw_obj_end(w);
	}
	jw_arr_end(w);
	jw_kint(w, "stays_left_out", rb->left_out);
	jw_key(w, "cannot_delete");
	jw_obj(w);
	jw_kint(w, "files", rb->files_left);
	jw_key(w, "chats");
	jw_arr(w);
	for (size_t i = 0; i < rb->n_chats; i++) {
		jw_obj(w);
		jw_kstr(w, "name", rb->chats[i].name);
		jw_kstr(w, "target", rb->chats[i].target);
		jw_obj_end(w);
	}
	jw_arr_end(w);
	jw_obj_end(w);
	jw_obj_end(w);
}
