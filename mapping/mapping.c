/* mapping.c: the project folder in memory: loading, checking, the digest. Called by cli and replay. What the rows then mean
 * is in mapping_decide.c; what is written, in mapping_draft.c. */
#include "mapping/mapping.h"

#include "core/canon.h"
#include "core/json.h"
#include "core/utf8.h"
#include "mapping/mapping_members.h"
#include "mapping/mapping_names.h"
#include "mapping/mapping_rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { YAML_MAX = 4 << 20, CSV_MAX = 64 << 20 };

const struct sheet_column users_columns[N_USERS_COLUMN] = {
	[U_ID] = { "source_id", false, true }, [U_NAME] = { "name", false, false }, [U_HANDLE] = { "handle", false, false }, [U_EMAIL] = { "email", false, false },
	[U_FLAGS] = { "flags", false, false }, [U_MESSAGES] = { "messages", false, false }, [U_SUGGESTION] = { "suggestion", false, false },
	[U_TARGET] = { "target_id", false, true }, [U_CONFIDENCE] = { "confidence", false, false }, [U_REASON] = { "reason", false, false },
	[U_DECISION] = { "decision", true, true }, [U_NOTES] = { "notes", true, false },
};
/* target_name comes from the archive, so it is guarded like one, though people may edit it. */
const struct sheet_column channels_columns[N_CHANNELS_COLUMN] = {
	[C_ID] = { "source_id", false, true }, [C_NAME] = { "name", false, false }, [C_KIND] = { "kind", false, false }, [C_ARCHIVED] = { "archived", false, false },
	[C_MESSAGES] = { "messages", false, false }, [C_FIRST] = { "first", false, false }, [C_LAST] = { "last", false, false },
	[C_SUGGESTION] = { "suggestion", false, false }, [C_TARGET_NAME] = { "target_name", false, false }, [C_REASON] = { "reason", false, false },
	[C_DECISION] = { "decision", true, true }, [C_PRIVACY] = { "privacy", true, false }, [C_NOTES] = { "notes", true, false },
};

bool rows_slurp(const char *path, char **out, size_t *len, struct err *e)
{
	*out = NULL;
	*len = 0;
	FILE *f = fopen(path, "r");
	if (!f && errno == ENOENT)
		return true;
	struct stat st;
	if (!f || fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > CSV_MAX) {
		if (!f)
			err_set(e, ERR_USAGE, "cannot read '%s':", path);
		else
			err_set(e, ERR_USAGE, "'%s' is not a plain file of a sensible size", path);
		if (f)
			fclose(f);
		return false;
	}
	struct buf b;
	buf_init(&b, CSV_MAX);
	char block[16384];
	for (size_t n; (n = fread(block, 1, sizeof(block), f)) > 0;)
		buf_add(&b, block, n);
	bool bad = ferror(f);
	fclose(f);
	if (bad || b.full) {
		buf_release(&b);
		return err_set(e, ERR_USAGE, "cannot read '%s'", path);
	}
	*len = b.len;
	*out = buf_detach(&b);
	return true;
}

bool rows_read_config(struct mapping *m, const char *text, size_t len, struct err *e)
{
	if (len > YAML_MAX || !utf8_valid(text, len) || memchr(text, '\0', len)) {
		err_set(e, ERR_USAGE, "the file is too large or not UTF-8 text");
		return err_where(e, "mvchat.yaml");
	}
	if (!config_parse("mvchat.yaml", text, len, &m->a, &m->cfg, e))
		return false;
	const struct mapping_config *c = &m->cfg.c;
	m->kind_rules = arena_array(&m->a, c->n_leave_out + 1, const char *);
	for (size_t i = 0; i < c->n_leave_out; i++)
		m->kind_rules[i] = arena_fmt(&m->a, "messages.leave_out: %s", c->leave_out[i]);
	m->rule_names = arena_array(&m->a, m->cfg.n_rules + 1, const char *);
	for (size_t i = 0; i < m->cfg.n_rules; i++)
		m->rule_names[i] = m->cfg.rules[i].why;
	return true;
}

const struct user_row *rows_user(const struct mapping *m, const char *id)
{
	return table_get(&m->user_rows, sheet_key(id));
}

const struct place_row *rows_place(const struct mapping *m, const char *id)
{
	return table_get(&m->place_rows, sheet_key(id));
}

bool rows_may_be_public(enum conv_kind kind)
{
	return kind == CONV_PUBLIC || kind == CONV_PRIVATE;
}

bool rows_allow_public(const struct mapping *m, const char *id, const char *name, struct arena *a)
{
	for (size_t i = 0; i < m->cfg.allow_public.n; i++) {
		const char *s = m->cfg.allow_public.v[i];
		if (streq(s, id) || streq(names_fold(*s == '#' ? s + 1 : s, a), names_fold(name, a)))
			return true;
	}
	return false;
}

static const struct { const char *name; enum user_flag flag; } flag_names[] = {
	{ "bot", USER_BOT }, { "deactivated", USER_GONE }, { "guest", USER_GUEST }, { "stranger", USER_STRANGER }, { "system", USER_SYSTEM },
	{ "admin", USER_ADMIN }, { "owner", USER_OWNER }, { "invited", USER_INVITED },
};

const char *mapping_flags_text(uint32_t flags, struct arena *a)
{
	const char *s = "";
	for (size_t i = 0; i < countof(flag_names); i++)
		if (flags & flag_names[i].flag)
			s = arena_fmt(a, "%s%s%s", s, *s ? " " : "", flag_names[i].name);
	return s;
}

static uint32_t read_flags(const char *s)
{
	uint32_t flags = 0;
	for (size_t i = 0; i < countof(flag_names); i++)
		if (strstr(s, flag_names[i].name))
			flags |= flag_names[i].flag;
	return flags;
}

bool rows_where(struct err *e, const struct sheet *s, size_t line, size_t column)
{
	for (size_t i = 0; i < s->n_order; i++)
		if (s->order[i] == column)
			return err_where(e, "%s:%zu:%zu", s->file, line, i + 1);
	return err_where(e, "%s:%zu", s->file, line);
}

static bool bad_decision(struct err *e, const struct sheet *s, size_t line, size_t column, const char *got, const char *const *words,
                         size_t n, const char *allowed)
{
	const char *near = nearest_word(got, words, n);
	err_set(e, ERR_USAGE, "%s '%s' is not one of %s", column == C_PRIVACY && s->n_standard == N_CHANNELS_COLUMN ? "privacy" : "decision",
	        looks_like_token(got) ? "…" : got, allowed);
	if (near)
		err_hint(e, "did you mean '%s'?", near);
	return rows_where(e, s, line, column);
}

static const char *lower(const char *s, struct arena *a)
{
	const char *big = strpbrk(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
	if (!big)
		return s;
	char *out = arena_strdup(a, s);
	for (char *p = out; *p && *p != ':'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 32);
	return out;
}

static bool is_email(const char *s)
{
	const char *at = strchr(s, '@');
	return at && at > s && strchr(at, '.') && !strpbrk(s, " \t,;<>");
}

/* Ids of accounts and chats: digits or letters; spreadsheets turn 123 into 123.0 or 123,0. */
static const char *read_id(const char *s, struct arena *a)
{
	size_t n = strlen(s), digits = strspn(s, "0123456789");
	if (digits && digits + 2 == n && (s[digits] == '.' || s[digits] == ',') && s[n - 1] == '0')
		return arena_strndup(a, s, digits);
	return s;
}

static bool is_id(const char *s)
{
	return *s && strspn(s, "0123456789") == strlen(s);
}

static bool user_decision(struct mapping *m, const struct sheet_row *r, struct user_row *u, struct err *e)
{
	static const char *const words[] = { "create", "create-suspended", "label", "skip", "match" };
	const char *d = lower(sheet_meant(r->cells[U_DECISION], &m->a), &m->a);
	const char *id = NULL;
	if (!*d)
		return true;
	if (!strncmp(d, "match:", 6))
		id = sheet_meant(d + 6, &m->a);
	else if (is_email(d) && !strchr(d, ':'))
		id = d;
	else if (is_id(read_id(d, &m->a)))
		id = d;
	if (id && *id) {
		u->decision = DECIDE_MATCH;
		if (is_email(id)) {
			u->decided_email = id;
			/* Looked up when the draft was last refreshed, for exactly this address? */
			if (streq(r->cells[U_REASON], arena_fmt(&m->a, "decision: %s", id)) && *r->cells[U_TARGET])
				u->decided_id = read_id(r->cells[U_TARGET], &m->a);
		} else {
			u->decided_id = read_id(id, &m->a);
		}
		return true;
	}
	if (streq(d, "create"))
		u->decision = DECIDE_CREATE;
	else if (!strncmp(d, "create:", 7) && is_email(sheet_meant(d + 7, &m->a))) {
		u->decision = DECIDE_CREATE;
		u->decided_email = sheet_meant(d + 7, &m->a);
	} else if (streq(d, "create-suspended"))
		u->decision = DECIDE_CREATE_SUSPENDED;
	else if (streq(d, "label"))
		u->decision = DECIDE_LABEL;
	else if (streq(d, "skip"))
		u->decision = DECIDE_SKIP;
	else
		return bad_decision(e, &m->users, r->line, U_DECISION, d, words, countof(words),
		                    "match:ID, match:E-MAIL, create, create:E-MAIL, create-suspended, label, skip");
	if (u->decision == DECIDE_CREATE && u->flags & USER_GONE) {
		err_set(e, ERR_MAPPING, "%s (%s) is deactivated in the source and must not get access", u->name, u->id);
		err_hint(e, "write create-suspended or label");
		return rows_where(e, &m->users, r->line, U_DECISION);
	}
	return true;
}

/* Somebody who has several ids is in the pilot with any of them. */
static void share_pilot(struct mapping *m)
{
	for (size_t i = 0; i < m->cfg.n_aliases; i++) {
		const struct string_list *l = &m->cfg.aliases[i];
		bool in = false;
		for (int pass = 0; pass < 2; pass++)
			for (size_t j = 0; j < l->n; j++) {
				struct user_row *u = table_get(&m->user_rows, sheet_key(l->v[j]));
				if (u && !pass)
					in = in || u->in_pilot;
				else if (u)
					u->in_pilot = in;
			}
	}
}

bool rows_pilot_of_people(const struct mapping *m)
{
	return m->cfg.only_users.n || m->cfg.only_tags.n;
}

bool rows_tagged(const struct mapping *m, const char *id)
{
	return table_get(&m->tagged, sheet_key(id)) != NULL;
}

/* Archives know no tags of people: the members list does. */
static bool read_tags(struct mapping *m, struct err *e)
{
	const struct config *c = &m->cfg;
	table_release(&m->tagged);
	if (!c->only_tags.n)
		return true;
	if (c->members_list)
		return members_tagged(*c->members_list == '/' ? c->members_list : arena_fmt(&m->a, "%s/%s", m->dir, c->members_list), c->members_list,
		                      c->only_tags.v, c->only_tags.n, &m->a, &m->tagged, e);
	err_set(e, ERR_MAPPING, "only.tags needs people.members_list: archives do not know who has which tag");
	err_hint(e, "name a CSV with the columns userid and tags (or department), or list the people under only.users");
	return err_where(e, "mvchat.yaml");
}

static bool in_pilot(struct mapping *m, const struct user_row *u)
{
	if (rows_tagged(m, u->id))
		return true;
	for (size_t i = 0; i < m->cfg.only_users.n; i++) {
		const char *p = m->cfg.only_users.v[i];
		if (streq(p, u->id) || names_glob(p, u->name, &m->a) || (*u->handle && names_glob(p, u->handle, &m->a)) ||
		    (*u->email && names_glob(p, u->email, &m->a)))
			return true;
	}
	return !rows_pilot_of_people(m);
}

static bool build_user(struct mapping *m, const struct sheet_row *r, struct err *e)
{
	struct user_row *u = arena_new(&m->a, struct user_row);
	const char *s = r->cells[U_SUGGESTION], *target = r->cells[U_TARGET];
	*u = (struct user_row){ .id = r->cells[U_ID], .name = r->cells[U_NAME], .handle = r->cells[U_HANDLE], .email = r->cells[U_EMAIL],
		.flags = read_flags(r->cells[U_FLAGS]), .reason = r->cells[U_REASON], .line = r->line, .row = (size_t)(r - m->users.rows) };
	if (!*u->name)
		u->name = u->id;
	/* What is below 90 is a question, whatever the suggestion's word. */
	int confidence = atoi(r->cells[U_CONFIDENCE]);
	if (*target && (streq(s, "match") || streq(s, "ask"))) {
		u->suggested_id = read_id(target, &m->a);
		u->suggests_match = streq(s, "match") && confidence >= 90;
		u->asks = !u->suggests_match;
	} else if (streq(s, "ask")) {
		u->asks = true;
	}
	if (!user_decision(m, r, u, e))
		return false;
	u->in_pilot = in_pilot(m, u);
	u->rules = rows_rules_author(m, u->id, u->name, u->handle, u->email, &m->a);
	table_put(&m->user_rows, sheet_key(u->id), u);
	return true;
}

static bool place_decision(struct mapping *m, const struct sheet_row *r, struct place_row *p, struct err *e)
{
	static const char *const words[] = { "create", "adopt", "into", "skip" };
	static const char *const privacy_words[] = { "private", "public" };
	const char *d = lower(sheet_meant(r->cells[C_DECISION], &m->a), &m->a);
	const char *v = lower(sheet_meant(r->cells[C_PRIVACY], &m->a), &m->a);
	if (streq(d, "create"))
		p->decision = PLACE_DECIDE_CREATE;
	else if (streq(d, "skip"))
		p->decision = PLACE_DECIDE_SKIP;
	else if (!strncmp(d, "adopt:", 6) && *sheet_meant(d + 6, &m->a)) {
		p->decision = PLACE_DECIDE_ADOPT;
		p->adopt_id = read_id(sheet_meant(d + 6, &m->a), &m->a);
	} else if (!strncmp(d, "into:", 5) && *sheet_meant(d + 5, &m->a)) {
		p->decision = PLACE_DECIDE_INTO;
		p->into = sheet_meant(sheet_meant(r->cells[C_DECISION], &m->a) + 5, &m->a); /* an id: its case counts */
		m->n_into++;
	} else if (*d)
		return bad_decision(e, &m->channels, r->line, C_DECISION, d, words, countof(words), "create, adopt:ID, into:ID, skip");
	if (streq(v, "private"))
		p->privacy = PRIVACY_PRIVATE;
	else if (streq(v, "public"))
		p->privacy = PRIVACY_PUBLIC;
	else if (*v)
		return bad_decision(e, &m->channels, r->line, C_PRIVACY, v, privacy_words, countof(privacy_words), "private, public");
	return true;
}

static bool check_privacy(struct mapping *m, const struct place_row *p, struct err *e)
{
	if (p->privacy != PRIVACY_PUBLIC || p->decision == PLACE_DECIDE_SKIP || p->kind == CONV_PUBLIC || !p->kind) /* not said: the archive decides */
		return true;
	const char *name = *p->name ? p->name : p->id;
	if (!rows_may_be_public(p->kind)) {
		err_set(e, ERR_MAPPING, "'%s' (%s) is a direct message and can never become public", name, p->id);
		err_hint(e, "empty its 'privacy' cell");
		return rows_where(e, &m->channels, p->line, C_PRIVACY);
	}
	if (rows_allow_public(m, p->id, p->name, &m->a))
		return true;
	err_set(e, ERR_MAPPING, "'%s' (%s) is private in the source and would become public", name, p->id);
	err_hint(e, "if that is meant, name it in mvchat.yaml: channels.allow_public: [%s]; else empty its 'privacy' cell", name);
	return rows_where(e, &m->channels, p->line, C_PRIVACY);
}

static bool build_place(struct mapping *m, const struct sheet_row *r, struct err *e)
{
	struct place_row *p = arena_new(&m->a, struct place_row);
	*p = (struct place_row){ .id = r->cells[C_ID], .name = r->cells[C_NAME], .target_name = r->cells[C_TARGET_NAME], .line = r->line, .row = (size_t)(r - m->channels.rows),
		.stale = streq(r->cells[C_SUGGESTION], "stale") };
	for (int k = CONV_PUBLIC; k <= CONV_DM; k++)
		if (streq(r->cells[C_KIND], conv_kind_name((enum conv_kind)k)))
			p->kind = (enum conv_kind)k;
	p->rules = rows_rules_place(m, p->id, p->name, &m->a);
	if (!place_decision(m, r, p, e) || !check_privacy(m, p, e))
		return false;
	table_put(&m->place_rows, sheet_key(p->id), p);
	if (!*p->target_name || p->decision == PLACE_DECIDE_SKIP || p->decision == PLACE_DECIDE_ADOPT || p->decision == PLACE_DECIDE_INTO || p->stale)
		return true;
	const struct place_row *was = table_put(&m->taken, names_fold(p->target_name, &m->a), p);
	if (was) {
		err_set(e, ERR_MAPPING, "'%s' and '%s' would both be called '%s' in the target", was->id, p->id, p->target_name);
		err_hint(e, "give one of them another target_name; or merge one into the other: into:%s in its 'decision' cell", was->id);
		return rows_where(e, &m->channels, p->line, C_TARGET_NAME);
	}
	return true;
}

bool rows_public(const struct place_row *p)
{
	return p->kind == CONV_PUBLIC ? p->privacy != PRIVACY_PRIVATE : p->privacy == PRIVACY_PUBLIC;
}

static bool merge_wrong(struct mapping *m, const struct place_row *p, const char *hint, struct err *e)
{
	err_hint(e, "%s", hint);
	return rows_where(e, &m->channels, p->line, C_DECISION);
}

/* What is merged into what. People who join the one read what was written in the other. */
static bool check_merge(struct mapping *m, struct place_row *p, struct err *e)
{
	struct place_row *h = table_get(&m->place_rows, sheet_key(p->into));
	for (size_t i = 0; i < m->place_rows.n && !h; i++) {
		struct place_row *r = m->place_rows.rows[i].value;
		h = streq(p->into, r->name) && *r->name ? r : NULL;
	}
	if (!h || h->stale) {
		err_set(e, ERR_MAPPING, h ? "'%s' is to go into '%s', which the archives no longer have" : "'%s' is to go into '%s', which has no row in channels.csv",
		        p->id, p->into);
		return merge_wrong(m, p, "into: takes an id of the first column", e);
	}
	if (h == p) {
		err_set(e, ERR_MAPPING, "'%s' is to go into itself", p->id);
		return merge_wrong(m, p, "empty its 'decision' cell", e);
	}
	if (h->decision == PLACE_DECIDE_INTO || h->decision == PLACE_DECIDE_SKIP) {
		err_set(e, ERR_MAPPING, h->decision == PLACE_DECIDE_SKIP ? "'%s' is to go into '%s', which is left out" : "'%s' is to go into '%s', which itself goes into another",
		        p->id, h->id);
		return merge_wrong(m, p, "name a channel that has a chat of its own", e);
	}
	if (route_splits(m, h, &m->a)) {
		err_set(e, ERR_MAPPING, "'%s' is to go into '%s', whose history goes into a second chat (history: archive-chat)", p->id, h->id);
		return merge_wrong(m, p, "place the history of that channel inline or in threads", e);
	}
	if (p->kind == CONV_DM || p->kind == CONV_GROUP || h->kind == CONV_DM || h->kind == CONV_GROUP) {
		err_set(e, ERR_MAPPING, "'%s' is to go into '%s': direct messages are never merged", p->id, h->id);
		return merge_wrong(m, p, "merge channels only", e);
	}
	if (p->kind != CONV_PUBLIC && rows_public(h) && !rows_allow_public(m, p->id, p->name, &m->a)) {
		err_set(e, ERR_MAPPING, "'%s' (%s) is private in the source and would go into the public chat of '%s'", p->name, p->id, h->id);
		err_hint(e, "if that is meant, name it in mvchat.yaml: channels.allow_public: [%s]; else choose another decision", p->name);
		return rows_where(e, &m->channels, p->line, C_DECISION);
	}
	p->into = h->id;
	h->hosts = true;
	return true;
}

/* Two rows that adopt one chat: their messages take turns in it, as if the second were merged into the first. */
static void pair_up(struct mapping *m)
{
	struct table first;
	table_init(&first);
	for (size_t i = 0; i < m->place_rows.n; i++) {
		struct place_row *p = m->place_rows.rows[i].value;
		if (p->decision != PLACE_DECIDE_ADOPT || p->stale || route_splits(m, p, &m->a))
			continue;
		struct place_row *h = table_get(&first, p->adopt_id);
		if (!h) {
			table_put(&first, p->adopt_id, p);
		} else if (m->n_into < MAPPING_MERGED_MAX) {
			p->into = h->id;
			h->hosts = true;
			m->n_into++;
		}
	}
	table_release(&first);
}

static bool check_merges(struct mapping *m, struct err *e)
{
	for (size_t i = 0; i < m->place_rows.n && m->n_into; i++) {
		struct place_row *p = m->place_rows.rows[i].value;
		if (p->decision != PLACE_DECIDE_INTO || p->stale)
			continue;
		if (m->n_into > MAPPING_MERGED_MAX) {
			err_set(e, ERR_MAPPING, "%zu channels are merged into others; at most %d can be", m->n_into, MAPPING_MERGED_MAX);
			return rows_where(e, &m->channels, p->line, C_DECISION);
		}
		if (!check_merge(m, p, e))
			return false;
	}
	pair_up(m);
	return true;
}

bool rows_build(struct mapping *m, struct err *e)
{
	m->n_into = 0;
	table_release(&m->user_rows);
	table_release(&m->place_rows);
	table_release(&m->taken);
	table_release(&m->mains);
	table_release(&m->named);
	if (!read_tags(m, e))
		return false;
	for (size_t i = 0; i < m->users.n_rows; i++)
		if (!build_user(m, &m->users.rows[i], e))
			return false;
	/* Only a main id that has a row can decide for the others; mapping_load insists on it. */
	for (size_t i = 0; i < m->cfg.n_aliases; i++)
		for (size_t j = 1; j < m->cfg.aliases[i].n && rows_user(m, m->cfg.aliases[i].v[0]); j++)
			table_put(&m->mains, m->cfg.aliases[i].v[j], (void *)(uintptr_t)m->cfg.aliases[i].v[0]);
	share_pilot(m);
	for (size_t i = 0; i < m->channels.n_rows; i++)
		if (!build_place(m, &m->channels.rows[i], e))
			return false;
	return check_merges(m, e) && route_names(m, e);
}

static bool read_sheet(struct mapping *m, const char *name, struct sheet *s, const struct sheet_column *columns, size_t n, enum load how,
                       struct err *e)
{
	char *text;
	size_t len;
	sheet_init(s, name, columns, n, &m->a);
	if (!rows_slurp(arena_fmt(&m->a, "%s/%s", m->dir, name), &text, &len, e))
		return false;
	bool ok = true;
	if (text) {
		ok = sheet_read(s, text, len, &m->a, e);
	} else if (how == LOAD_ALL) {
		ok = err_set(e, ERR_MAPPING, "'%s/%s' is missing", m->dir, name);
		err_hint(e, "run 'mvchat map' to draft it");
	}
	free(text);
	return ok;
}

struct mapping *rows_open(const char *dir, enum load how, bool *has_yaml, struct err *e)
{
	struct mapping *m = xcalloc(1, sizeof(*m));
	arena_init(&m->a);
	m->dir = arena_strdup(&m->a, dir);
	char *text;
	size_t len;
	bool ok = rows_slurp(arena_fmt(&m->a, "%s/mvchat.yaml", dir), &text, &len, e);
	*has_yaml = ok && text;
	if (ok && text)
		ok = rows_read_config(m, text, len, e);
	else if (ok && how == LOAD_ALL) {
		ok = err_set(e, ERR_MAPPING, "'%s/mvchat.yaml' is missing", dir);
		err_hint(e, "run 'mvchat map ARCHIVE' to draft it");
	}
	free(text);
	ok = ok && read_sheet(m, "users.csv", &m->users, users_columns, N_USERS_COLUMN, how, e) &&
	     read_sheet(m, "channels.csv", &m->channels, channels_columns, N_CHANNELS_COLUMN, how, e);
	if (ok && (*has_yaml || how == LOAD_ALL))
		ok = rows_build(m, e);
	if (ok)
		return m;
	mapping_free(m);
	return NULL;
}

/* A policy "fail" means: do not start while somebody is undecided. */
static bool check_complete(struct mapping *m, struct err *e)
{
	size_t open = 0;
	const struct user_row *first = NULL;
	const char *key, *first_key = NULL;
	for (size_t i = 0; i < m->user_rows.n; i++) {
		const struct user_row *u = m->user_rows.rows[i].value;
		if (table_get(&m->mains, u->id))
			continue; /* decided with the main one */
		if (rows_policy(&m->cfg, u->flags, &key) != POLICY_FAIL || u->decision != DECIDE_NOTHING || u->suggests_match || !u->in_pilot)
			continue;
		open++;
		first = first ? first : u;
		first_key = first_key ? first_key : key;
	}
	if (!open)
		return true;
	err_set(e, ERR_MAPPING, "%s: fail, and there is no account in the target for %zu people; the first is %s (%s)", first_key, open,
	        first->name, first->id);
	err_hint(e, "fill the 'decision' column of users.csv: match:ID, create, label or skip");
	return rows_where(e, &m->users, first->line, U_DECISION);
}

static bool check_aliases(const struct mapping *m, struct err *e)
{
	for (size_t i = 0; i < m->cfg.n_aliases; i++)
		for (size_t j = 0; j < m->cfg.aliases[i].n; j++)
			if (!rows_user(m, m->cfg.aliases[i].v[j])) {
				err_set(e, ERR_MAPPING, "people.aliases: '%s' has no row in users.csv", m->cfg.aliases[i].v[j]);
				err_hint(e, "aliases are source ids, as in the first column of users.csv");
				return err_where(e, "mvchat.yaml");
			}
	return true;
}

struct mapping *mapping_load_open(const char *dir, struct err *e)
{
	bool has_yaml;
	struct mapping *m = rows_open(dir, LOAD_ALL, &has_yaml, e);
	if (m && !check_aliases(m, e)) {
		mapping_free(m);
		m = NULL;
	}
	return m;
}

struct mapping *mapping_load_draft(const char *dir, struct err *e)
{
	bool has_yaml;
	struct mapping *m = rows_open(dir, LOAD_DRAFT, &has_yaml, e);
	if (!m || has_yaml)
		return m;
	mapping_free(m);
	err_set(e, ERR_MAPPING, "'%s/mvchat.yaml' is missing", dir);
	err_hint(e, "run 'mvchat map ARCHIVE' to draft it");
	return NULL;
}

struct mapping *mapping_load(const char *dir, struct err *e)
{
	struct mapping *m = mapping_load_open(dir, e);
	if (m && !check_complete(m, e)) {
		mapping_free(m);
		m = NULL;
	}
	return m;
}

void mapping_free(struct mapping *m)
{
	if (!m)
		return;
	table_release(&m->user_rows);
	table_release(&m->place_rows);
	table_release(&m->taken);
	table_release(&m->tagged);
	table_release(&m->mains);
	table_release(&m->named);
	arena_release(&m->a);
	free(m);
}

const struct mapping_config *mapping_config(const struct mapping *m)
{
	return &m->cfg.c;
}

/* ---- digest ---- */

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct table_row *)a)->key, ((const struct table_row *)b)->key);
}

static struct table_row *sorted(const struct table *t)
{
	struct table_row *v = xcalloc(t->n + 1, sizeof(*v));
	if (t->n) {
		memcpy(v, t->rows, t->n * sizeof(*v));
		qsort(v, t->n, sizeof(*v), by_key);
	}
	return v;
}

static int by_string(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Lists are sets: their order decides nothing. */
static void put_set(struct jw *w, const char *key, const char *const *v, size_t n)
{
	const char **s = xcalloc(n + 1, sizeof(*s));
	if (n)
		memcpy(s, v, n * sizeof(*s));
	qsort(s, n, sizeof(*s), by_string);
	jw_key(w, key);
	jw_arr(w);
	for (size_t i = 0; i < n; i++)
		jw_str(w, s[i]);
	jw_arr_end(w);
	free(s);
}

static void put_config(struct jw *w, const struct config *c)
{
	jw_key(w, "archives");
	jw_arr(w);
	for (size_t i = 0; i < c->c.n_archives; i++) {
		jw_obj(w);
		jw_kstr(w, "path", c->c.archives[i].path);
		jw_kstr(w, "format", c->c.archives[i].format);
		jw_kstr(w, "zone", c->c.archives[i].zone);
		jw_obj_end(w);
	}
	jw_arr_end(w);
	jw_kstr(w, "target", c->c.target);
	jw_kstr(w, "url", c->c.target_url);
	jw_kstr(w, "zone", c->c.zone);
	jw_kstr(w, "locale", c->c.locale);
	jw_kstr(w, "label", c->c.label_format);
	jw_kint(w, "unmatched", c->unmatched);
	jw_kint(w, "deactivated", c->deactivated);
	jw_kint(w, "guests", c->guests);
	jw_kint(w, "bots", c->bots);
	jw_kint(w, "strangers", c->strangers);
	jw_kbool(w, "invite", c->c.invite);
	jw_kint(w, "dm", c->dm);
	jw_kint(w, "group_dm", c->group_dm);
	jw_kint(w, "archived", c->archived);
	jw_kint(w, "placement", c->placement_auto ? -1 : (int)c->placement);
	jw_kint(w, "thread_by", (int)c->history_by);
	if (c->thread_size)
		jw_kint(w, "thread_size", c->thread_size);
	for (size_t i = 0; i < c->n_placed; i++) {
		put_set(w, "placed", c->placed[i].channels.v, c->placed[i].channels.n);
		jw_kint(w, "as", (int)c->placed[i].placement);
	}
	jw_kbool(w, "join", c->join_members);
	jw_kstr(w, "prefix", c->prefix);
	jw_kstr(w, "suffix", c->suffix);
	jw_kint(w, "mentions", c->c.mentions);
	jw_kint(w, "reactions", c->c.reactions);
	jw_kbool(w, "pins", c->c.pins);
	jw_kint(w, "orphans", c->c.orphans);
	jw_kint(w, "attribution", c->c.attribution);
	if (c->c.avatars != AVATARS_MATCH)
		jw_kint(w, "avatars", c->c.avatars);
	jw_kint(w, "since", c->c.since_us);
	jw_kint(w, "until", c->c.until_us);
	jw_kint(w, "last_days", c->c.last_days);
	jw_kint(w, "last_messages", c->c.last_messages);
	for (size_t i = 0; i < c->n_substs; i++) {
		const struct subst *x = &c->substs[i];
		jw_kstr(w, "subst", x->match);
		jw_kstr(w, "with", x->with);
		jw_kbool(w, "caseless", x->caseless);
	}
	for (size_t i = 0; i < c->n_rules; i++) {
		const struct rule_where *x = &c->rules[i];
		jw_kstr(w, "rule", x->name);
		put_set(w, "rule_channels", x->channels.v, x->channels.n);
		put_set(w, "rule_authors", x->authors.v, x->authors.n);
		jw_kstr(w, "rule_text", x->text);
		jw_kbool(w, "rule_caseless", x->caseless);
		jw_kint(w, "rule_since", x->since_us);
		jw_kint(w, "rule_until", x->until_us);
		jw_kint(w, "rule_kinds", x->kinds);
		jw_kint(w, "rule_file", (int)x->file);
		jw_kint(w, "rule_do", (int)x->what);
		jw_kstr(w, "rule_thread", x->thread);
		if (x->into) {
			jw_kstr(w, "rule_into", x->into);
			put_set(w, "rule_wider", x->allow_wider.v, x->allow_wider.n);
		}
		if (x->tag)
			jw_kstr(w, "rule_tag", x->tag);
		jw_kint(w, "rule_carry", x->carry_us);
		jw_kint(w, "rule_back", x->back_us);
		jw_kbool(w, "rule_any", x->any_author);
	}
	for (size_t i = 0; i < c->n_aliases; i++) {
		jw_kstr(w, "main", c->aliases[i].v[0]);
		put_set(w, "aliases", c->aliases[i].v + 1, c->aliases[i].n - 1);
	}
	for (size_t i = 0; i < c->n_renames; i++) {
		jw_kstr(w, "rename", c->renames[i].match);
		jw_kstr(w, "to", c->renames[i].to);
	}
	for (size_t i = 0; i < c->n_extras; i++) {
		put_set(w, "extra_channels", c->extras[i].channels.v, c->extras[i].channels.n);
		put_set(w, "extra_admins", c->extras[i].admins.v, c->extras[i].admins.n);
		put_set(w, "extra_tags", c->extras[i].tags.v, c->extras[i].tags.n);
		if (c->extras[i].editors.n) /* keys of today do not change the digests of yesterday */
			put_set(w, "extra_editors", c->extras[i].editors.v, c->extras[i].editors.n);
	}
	put_set(w, "leave_out", c->c.leave_out, c->c.n_leave_out);
	put_set(w, "allow_public", c->allow_public.v, c->allow_public.n);
	put_set(w, "only_channels", c->only_channels.v, c->only_channels.n);
	put_set(w, "only_users", c->only_users.v, c->only_users.n);
	if (c->only_tags.n)
		put_set(w, "only_tags", c->only_tags.v, c->only_tags.n);
}

void mapping_digest(const struct mapping *m, uint8_t out[DIGEST_BYTES])
{
	struct digest d;
	struct buf b;
	struct jw w;
	digest_init(&d);
	buf_init(&b, (size_t)16 << 20);
	jw_init(&w, &b);
	jw_obj(&w);
	put_config(&w, &m->cfg);
	jw_obj_end(&w);
	digest_add(&d, b.p, b.len);
	struct table_row *v = sorted(&m->user_rows);
	for (size_t i = 0; i < m->user_rows.n; i++) {
		const struct user_row *u = v[i].value;
		buf_reset(&b);
		jw_init(&w, &b);
		jw_obj(&w);
		jw_kstr(&w, "user", v[i].key);
		jw_kint(&w, "decision", u->decision);
		jw_kstr(&w, "email", u->decided_email ? u->decided_email : u->email);
		if (u->decision == DECIDE_MATCH)
			jw_kstr(&w, "target", u->decided_id);
		else if (u->decision == DECIDE_NOTHING)
			jw_kstr(&w, "target", u->suggests_match ? u->suggested_id : NULL);
		jw_kbool(&w, "asks", u->decision == DECIDE_NOTHING && u->asks);
		if (m->cfg.only_tags.n) /* the list may have changed */
			jw_kbool(&w, "in_pilot", u->in_pilot);
		jw_obj_end(&w);
		digest_add(&d, b.p, b.len);
	}
	free(v);
	v = sorted(&m->place_rows);
	for (size_t i = 0; i < m->place_rows.n; i++) {
		const struct place_row *p = v[i].value;
		buf_reset(&b);
		jw_init(&w, &b);
		jw_obj(&w);
		jw_kstr(&w, "conv", v[i].key);
		jw_kint(&w, "decision", p->decision);
		jw_kstr(&w, "adopt", p->adopt_id);
		if (p->decision == PLACE_DECIDE_INTO)
			jw_kstr(&w, "into", p->into);
		jw_kstr(&w, "name", p->target_name);
		jw_kint(&w, "privacy", p->privacy);
		jw_obj_end(&w);
		digest_add(&d, b.p, b.len);
	}
	free(v);
	buf_release(&b);
	digest_end(&d, out);
}
