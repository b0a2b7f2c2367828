/* mapping_rows.c: what the cells of users.csv and channels.csv mean: people, places, what is merged into what.
 *
 * Promises: a decision that cannot hold is refused with the cell it stands in: a word nobody knows, access for somebody who has left,
 * private conversations that would be read by others, two chats of one name. Called by mapping.c; what was read is asked for by the other
 * files of mapping/. What the rows then decide is in mapping_decide.c.
 */
#include "mapping/mapping_rows.h"

#include "core/canon.h"
#include "mapping/mapping_members.h"
#include "mapping/mapping_names.h"

#include <stdlib.h>
#include <string.h>

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
