/* mvchat map: drafts or refreshes mvchat.yaml, users.csv and channels.csv; keeps every decision; lists what is open. */
#include "cli/stage.h"

#include "core/log.h"
#include "replay/arrange.h"
#include "replay/spool_seat.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct opt opts[] = {
	{ "url", 0, "URL", N_("address of the target's API (default: the vendor's)") },
	{ "to", 0, "TARGET", N_("target for a new project (default: pachca)") },
	{ "unmatched", 0, "POLICY", N_("for a new project: people without an account: label, create, create-suspended, skip or fail") },
	{ "zone", 0, "ZONE", N_("for a new project: time zone of the times shown (default: Europe/Moscow in Russian, else UTC)") },
	OPT_DATE_ORDER,
	{ "key", 0, "FILE", N_("key of an encrypted backup: a file with its 64 digits, or the phone's key file; - reads standard input") },
	{ "offline", 0, NULL, N_("do not ask the target; match people later") },
	{ "check", 0, NULL, N_("only check the mapping; write nothing (for CI)") },
	{ "explain", 0, "ID", N_("tell how one person, conversation or message (CHANNEL/TS) is mapped, and why") },
	OPTS_WAY,
	{ NULL, 0, NULL, NULL },
};

enum { CHANGES_SHOWN = 40 };

/* What people changed, before it is taken by anything. */
static void print_changes(const struct mapping_change *v, size_t n)
{
	if (!n)
		return;
	out_title(_("Changed since the mapping was last replayed or drafted"));
	for (size_t i = 0; i < n && i < CHANGES_SHOWN; i++) {
		const struct mapping_change *c = &v[i];
		bool row = *c->column;
		printf("  ~ %s  %s%s%s%s%s%s  ", c->where, safe(row && *c->name ? c->name : c->id), row && *c->name ? " (" : "", row && *c->name ? safe(c->id) : "",
		       row && *c->name ? ")" : "", row ? "  " : "", c->column);
		printf("%s → ", *c->was ? safe(c->was) : "–");
		printf("%s\n", *c->is ? safe(c->is) : "–");
	}
	if (n > CHANGES_SHOWN)
		printf(_("  … and %s more (--json lists all)\n"), num((int64_t)n - CHANGES_SHOWN));
	putchar('\n');
}

static void json_changes(struct jw *w, const struct mapping_change *v, size_t n)
{
	jw_key(w, "changes");
	jw_arr(w);
	for (size_t i = 0; i < n; i++) {
		jw_obj(w);
		jw_kstr(w, "where", v[i].where); jw_kstr(w, "id", v[i].id); jw_kstr(w, "column", *v[i].column ? v[i].column : NULL);
		jw_kstr(w, "name", *v[i].name ? v[i].name : NULL); jw_kstr(w, "was", v[i].was); jw_kstr(w, "is", v[i].is);
		jw_obj_end(w);
	}
	jw_arr_end(w);
}

static void print_result(const struct draft_result *r, const struct mapping_change *v, size_t n, bool json)
{
	if (json) {
		struct buf b;
		struct jw w;
		buf_init(&b, 64 << 20);
		jw_init(&w, &b);
		jw_obj(&w);
		jw_kint(&w, "schema", 1);
		jw_key(&w, "people"); jw_obj(&w);
		jw_kint(&w, "matched", (int64_t)r->n_people_matched); jw_kint(&w, "create", (int64_t)r->n_people_create);
		jw_kint(&w, "label", (int64_t)r->n_people_label); jw_kint(&w, "skip", (int64_t)r->n_people_skip);
		jw_kint(&w, "unresolved", (int64_t)r->n_people_unresolved); jw_obj_end(&w);
		jw_key(&w, "conversations"); jw_obj(&w);
		jw_kint(&w, "create", (int64_t)r->n_places_create); jw_kint(&w, "adopt", (int64_t)r->n_places_adopt);
		jw_kint(&w, "skip", (int64_t)r->n_places_skip); jw_kint(&w, "unresolved", (int64_t)r->n_places_unresolved); jw_obj_end(&w);
		jw_key(&w, "unresolved"); jw_arr(&w);
		for (size_t i = 0; i < r->n_unresolved; i++)
			jw_str(&w, r->unresolved[i]);
		jw_arr_end(&w);
		json_changes(&w, v, n);
		jw_obj_end(&w);
		puts(b.p);
		buf_release(&b);
		return;
	}
	out_title(_("Mapping"));
	out_row(16, _("people"), _("%s have an account · %s to be created · %s shown by name only · %s left out"), num((int64_t)r->n_people_matched),
	        num((int64_t)r->n_people_create), num((int64_t)r->n_people_label), num((int64_t)r->n_people_skip));
	out_row(16, _("conversations"), _("%s to be created · %s existing ones used · %s left out"), num((int64_t)r->n_places_create),
	        num((int64_t)r->n_places_adopt), num((int64_t)r->n_places_skip));
	out_row(16, _("rows"), _("%s new · %s kept · %s no longer in the archive"), num((int64_t)r->n_rows_new), num((int64_t)r->n_rows_kept),
	        num((int64_t)r->n_rows_stale));
	out_row(16, _("written"), "%s%s%s%s", r->wrote_yaml ? "mvchat.yaml " : "", r->wrote_users ? "users.csv " : "",
	        r->wrote_channels ? "channels.csv " : "", r->wrote_yaml || r->wrote_users || r->wrote_channels ? "" : _("nothing changed"));
	if (n)
		putchar('\n');
	print_changes(v, n);
	if (r->n_unresolved) {
		if (!n)
			putchar('\n');
		out_title(_("Open questions"));
		for (size_t i = 0; i < r->n_unresolved && i < 50; i++)
			printf("  ? %s\n", safe(r->unresolved[i]));
		if (r->n_unresolved > 50)
			printf(_("  … and %s more (--json lists all)\n"), num((int64_t)r->n_unresolved - 50));
	}
	putchar('\n');
	if (r->n_unresolved)
		printf(i18n_n("%s question is open; decide it in the tables, then run 'mvchat plan'.\n",
		              "%s questions are open; decide them in the tables, then run 'mvchat plan'.\n", (int64_t)r->n_unresolved),
		       num((int64_t)r->n_unresolved));
	else
		printf("%s\n", _("Nothing is open. Look the tables over, then run 'mvchat plan'."));
}

static void line(struct buf *out, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void line(struct buf *out, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_addf(out, "  %s\n", text);
}

/* Where a message sits and what put it there. sc, m: as the source has them. */
static bool explain_seat(struct project *p, const struct spool_conv *sc, const struct spool_meta *was, struct buf *out, struct err *e)
{
	const char *const *rules, *thread = NULL;
	struct spool_meta m;
	struct spool_conv host;
	struct place place;
	struct pick pick;
	int64_t at;
	struct msg title;
	mapping_rules(p->mapping, &rules);
	if (!arrange(p->spool, p->mapping, e))
		return false;
	mapping_place(p->mapping, &sc->conv, &p->arena, &place);
	if (place.action == PLACE_SKIP || !spool_msg(p->spool, sc->num, was->ts_us, was->id, &p->arena, NULL, &m, NULL))
		return true;
	bool mine = spool_seats_pick(p->spool, sc->num, m.ts_us, m.id, &p->arena, &pick);
	if (mine)
		line(out, pick.how == PICK_RULE ? _("- %s: decides where it goes") : pick.how == PICK_CARRY ? _("- %s: it goes along with a message that the rule caught before it (carry)")
		          : _("- %s: it goes along with the message that the rule caught after it (back)"), rules[pick.rule]);
	else if (was->root && spool_seats_pick(p->spool, sc->num, was->root_ts_us, was->root, &p->arena, &pick))
		line(out, _("- %s: it goes with the message it answers, which the rule placed"), rules[pick.rule]);
	const char *id = spool_conv_id(p->spool, m.host, &p->arena);
	if (!id || !spool_conv(p->spool, id, &p->arena, &host))
		return true;
	mapping_place(p->mapping, &host.conv, &p->arena, &place);
	if (place.action == PLACE_SKIP) {
		line(out, _("= its place is the chat of '%s', which is left out: it waits"), host.conv.name ? host.conv.name : id);
		return true;
	}
	if (m.root && m.root[0] == '@' && spool_find(p->spool, m.host, m.root, &at) && spool_msg(p->spool, m.host, at, m.root, &p->arena, &title, NULL, NULL)) {
		struct buf words;
		buf_init(&words, 1 << 16);
		text_plaintext(&title.body, &words);
		thread = arena_strdup(&p->arena, words.p);
		buf_release(&words);
	}
	if (thread)
		line(out, _("= in the chat '%s', thread '%s'"), place.name, thread);
	else
		line(out, m.root ? _("= in the chat '%s', under the message it answers") : _("= in the chat '%s'"), place.name);
	return true;
}

/* CHANNEL/TS: a conversation by id or name, a message by its id in the source. */
static bool explain_msg(struct project *p, const struct survey *c, const char *what, struct buf *out, struct err *e)
{
	const char *slash = strrchr(what, '/');
	const char *chat = arena_strndup(&p->arena, what + (*what == '#'), (size_t)(slash - what) - (*what == '#'));
	for (size_t i = 0; i < c->n_convs; i++) {
		struct spool_conv sc;
		struct spool_counts counts;
		struct spool_meta m;
		struct msg msg;
		int64_t ts;
		if ((!streq(chat, c->convs[i].id) && !(c->convs[i].name && streq(chat, c->convs[i].name))) || !spool_conv(p->spool, c->convs[i].id, &p->arena, &sc))
			continue;
		if (!spool_find(p->spool, sc.num, slash + 1, &ts) || !spool_msg(p->spool, sc.num, ts, slash + 1, &p->arena, &msg, &m, e)) {
			err_set(e, ERR_USAGE, _("there is no message '%s' in '%s'"), slash + 1, chat);
			err_hint(e, _("'mvchat inspect --dump' shows the ids of messages"));
			return false;
		}
		spool_count(p->spool, &counts);
		struct msg_meta mm = { .conv = sc.conv.id, .conv_name = sc.conv.name, .author = m.author, .ts_us = m.ts_us, .kind = m.kind, .flags = m.flags,
			.has_replies = m.n_replies > 0, .is_reply = m.root != NULL, .is_empty = m.empty, .has_file = m.n_files > 0,
			.days_since_us = mapping_days_since(p->mapping, counts.last_us),
			.count_since_us = stream_count_since(p->spool, sc.num, mapping_config(p->mapping)->last_messages) };
		mapping_explain_msg(p->mapping, &sc.conv, &mm, &msg, out);
		return explain_seat(p, &sc, &m, out, e);
	}
	return err_set(e, ERR_USAGE, _("no conversation is called '%s'"), chat);
}

/* A chat that an apply has made for a conversation without a row is that conversation's, not one that happens to have its name. */
static void note_own(struct project *p, const struct survey *s, struct snapshot *snap)
{
	struct err e = ERR_INIT;
	struct ledger *l = snap->n_chats ? ledger_open(p->state, LEDGER_READ, &e) : NULL;
	struct table chats;
	table_init(&chats);
	for (size_t i = 0; l && i < snap->n_chats; i++)
		table_put(&chats, snap->chats[i].id, &snap->chats[i]);
	for (size_t i = 0; l && i < s->n_convs; i++) {
		struct ledger_row row;
		struct opkey k = { ledger_conv(l, s->convs[i].id), 0, "", OP_CHAT_CREATE, 0 };
		struct target_chat *t = k.conv >= 0 && ledger_get(l, &k, &p->arena, &row) && row.state == OP_DONE ? table_get(&chats, row.target) : NULL;
		if (t)
			t->made_for = s->convs[i].id;
	}
	table_release(&chats);
	ledger_close(l); /* one that cannot be read is told by whoever needs it */
}

static int run(const struct args *a)
{
	struct err e = ERR_INIT;
	struct project p;
	int code = EX_DONE;
	project_init(&p, a);
	const char *yaml = arena_fmt(&p.arena, "%s/mvchat.yaml", p.dir);
	bool exists = access(yaml, F_OK) == 0;
	const struct mapping_change *changes = NULL;
	size_t n = 0;
	bool check = opt_given(a, "check"), explain = opt_given(a, "explain");
	p.key_file = opt_value(a, "key");
	if (!date_order_given(a, &p.date_order, &e))
		goto fail;
	if (exists && a->n_rest) {
		err_set(&e, ERR_USAGE, _("the project has a mapping already; archives are named in %s"), yaml);
		err_hint(&e, _("run 'mvchat map' without archives, or edit 'archives:' there"));
		goto fail;
	}
	if (!exists && (!a->n_rest || check || explain)) {
		err_set(&e, ERR_USAGE, _("there is no mvchat.yaml in '%s'"), p.dir);
		err_hint(&e, "mvchat map export.zip");
		goto fail;
	}
	if (exists) {
		/* A refresh is how somebody undecided gets decided. */
		if (!project_mapping_as(&p, check ? DECIDED_ALL : explain ? DECIDED_OR_NOT : DECIDED_DRAFT, &e))
			goto fail;
	} else {
		struct mapping_archive *ar = arena_array(&p.arena, (size_t)a->n_rest, struct mapping_archive);
		for (int i = 0; i < a->n_rest; i++)
			ar[i] = (struct mapping_archive){ .path = a->rest[i], .zone = opt_value(a, "zone"), .date_order = p.date_order, .key_file = p.key_file };
		p.archives = ar;
		p.n_archives = (size_t)a->n_rest;
	}
	if (!project_spool(&p, &e))
		goto fail;
	const char *to = opt_value(a, "to") ? opt_value(a, "to") : "pachca";
	if (!opt_given(a, "offline") && !check && !explain && !project_session(&p, a, to, opt_value(a, "url"), TOKENS_OPTIONAL, &e))
		goto fail;
	struct snapshot snap = { 0 };
	if (p.session && !snapshot_read(p.session, &p.arena, &snap, &e))
		goto fail;
	if (!p.session && !opt_given(a, "offline") && !check && !explain)
		log_warn("map.offline", "%s", _("no token given: people are not compared with the target's accounts"));
	struct map_wish wish = { to, opt_value(a, "url"), opt_value(a, "zone"), opt_value(a, "unmatched") };
	struct survey s;
	if (!stage_survey(&p, exists ? ARCHIVES_OF_MAPPING : ARCHIVES_NAMED, &wish, &snap, &s, &e))
		goto fail;
	note_own(&p, &s, &snap);
	if (explain) {
		struct buf b;
		buf_init(&b, 1 << 20);
		const char *what = opt_value(a, "explain");
		bool ok = mapping_explain(p.mapping, &s, what, &b, &e);
		if (!ok && strchr(what, '/')) {
			err_clear(&e);
			ok = explain_msg(&p, &s, what, &b, &e);
		}
		fputs(b.p, stdout);
		buf_release(&b);
		if (!ok)
			goto fail;
		goto out;
	}
	if (check) {
		n = stage_changes(&p, p.mapping, &changes);
		if (opt_given(a, "json")) {
			struct buf b;
			struct jw w;
			buf_init(&b, 64 << 20);
			jw_init(&w, &b);
			jw_obj(&w);
			jw_kint(&w, "schema", 1);
			jw_kbool(&w, "sound", true);
			json_changes(&w, changes, n);
			jw_obj_end(&w);
			puts(b.p);
			buf_release(&b);
			goto out;
		}
		print_changes(changes, n);
		printf("%s\n", _("The mapping is sound."));
		goto out;
	}
	struct draft_result r = { 0 };
	if (!mapping_draft(p.dir, &s, &p.arena, &r, &e))
		goto fail;
	/* As refreshed: a person who has an account now is a change like any other. A new draft is where counting begins. */
	mapping_free(p.mapping);
	p.mapping = mapping_load_open(p.dir, &e);
	if (!p.mapping)
		goto fail;
	if (stage_accepted(&p))
		n = stage_changes(&p, p.mapping, &changes);
	else
		stage_accept(&p, p.mapping);
	print_result(&r, changes, n, opt_given(a, "json"));
	goto out;
fail:
	code = out_fail(&e);
out:
	project_close(&p);
	return code;
}

const struct command cmd_map = {
	"map", "[ARCHIVE…]", N_("draft or refresh the mapping: people, channels, policies"),
	N_("In a new folder: reads the archives and writes mvchat.yaml, users.csv and channels.csv. Later: refreshes the tables and keeps every decision."),
	opts, run,
};
