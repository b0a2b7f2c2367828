/* mapping_decide.c: who, where and what: the rules in the order they apply. Called by replay (through mapping.h), by the draft
 * and by mapping_explain.c, which runs the very same code with a trace. Pure: nothing is read or written. */
#include "mapping/mapping_rows.h"

#include "core/canon.h"
#include "mapping/mapping_names.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One rule that was looked at, in the reader's language. */
void decide_note(struct buf *trace, const char *fmt, ...)
{
	if (!trace)
		return;
	char line[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), err_word(fmt), ap);
	va_end(ap);
	buf_addf(trace, "  - %s\n", line);
}

/* The rule that decided, by its name as in reports (`why` is a key, never translated), and in words where it has some. */
void decide_note_why(struct buf *trace, const char *why)
{
	if (!trace)
		return;
	struct arena a;
	arena_init(&a);
	decide_note(trace, "%s", words_of_rule(why, &a));
	arena_release(&a);
}

/* ---- people ---- */

struct rule { const char *key; enum people_policy policy; };

/* Exactly one policy is responsible for a person; the strictest property wins. */
static struct rule policy_for(const struct config *c, uint32_t flags)
{
	if (flags & (USER_BOT | USER_SYSTEM))
		return (struct rule){ "people.bots", c->bots };
	if (flags & USER_STRANGER)
		return (struct rule){ "people.strangers", c->strangers };
	if (flags & USER_GONE)
		return (struct rule){ "people.deactivated", c->deactivated };
	if (flags & USER_GUEST)
		return (struct rule){ "people.guests", c->guests };
	return (struct rule){ "people.unmatched", c->unmatched };
}

enum people_policy rows_policy(const struct config *c, uint32_t flags, const char **key)
{
	struct rule r = policy_for(c, flags);
	*key = r.key;
	return r.policy;
}

static void create(struct person *p, const struct user *u, const char *email, const char *why, struct arena *a)
{
	p->why = why;
	if (!email || !*email) {
		p->action = PERSON_LABEL;
		p->unresolved = !(u->flags & USER_GONE); /* leavers lose nothing by having no account */
		p->why = arena_fmt(a, "%s, but no e-mail is known", why);
		return;
	}
	p->action = PERSON_CREATE;
	p->email = email;
	p->role = u->flags & (USER_GUEST | USER_STRANGER) ? "multi_guest" : "user";
	p->suspended = (u->flags & USER_GONE) != 0; /* whatever the table says: a leaver never gets access */
}

static bool by_decision(const struct user_row *r, const struct user *u, const char *email, struct arena *a, struct person *p)
{
	switch (r->decision) {
	case DECIDE_NOTHING:
		return false;
	case DECIDE_MATCH:
		p->action = r->decided_id ? PERSON_MATCH : PERSON_LABEL;
		p->target_id = r->decided_id;
		p->unresolved = !r->decided_id;
		p->why = r->decided_id ? "users.csv: decision match"
		                       : arena_fmt(a, "users.csv: decision match:%s, not found in the target yet", r->decided_email);
		return true;
	case DECIDE_CREATE:
		create(p, u, r->decided_email ? r->decided_email : email, "users.csv: decision create", a);
		return true;
	case DECIDE_CREATE_SUSPENDED:
		create(p, u, email, "users.csv: decision create-suspended", a);
		p->suspended = true;
		return true;
	case DECIDE_LABEL:
		p->why = "users.csv: decision label";
		return true;
	case DECIDE_SKIP:
		p->action = PERSON_SKIP;
		p->why = "users.csv: decision skip";
		return true;
	}
	return false;
}

static void by_policy(const struct mapping *m, const struct user_row *r, const struct user *u, const char *email, struct arena *a,
                      struct person *p)
{
	struct rule rule = policy_for(&m->cfg, u->flags);
	const char *why = arena_fmt(a, "policy %s: %s", rule.key, people_policy_name(rule.policy));
	p->why = why;
	switch (rule.policy) {
	case POLICY_LABEL:
		return;
	case POLICY_SKIP:
		p->action = PERSON_SKIP;
		return;
	case POLICY_FAIL:
		p->unresolved = true;
		return;
	case POLICY_CREATE:
		if (r && r->asks) {
			/* Perhaps this person has an account already: a second one could not be taken back quietly. */
			p->unresolved = true;
			p->why = arena_fmt(a, "%s, but the person may have an account already (%s)", why, r->reason);
			return;
		}
		create(p, u, email, why, a);
		return;
	case POLICY_CREATE_SUSPENDED:
		create(p, u, email, why, a);
		p->suspended = true;
		return;
	}
}

/* A second id of a person: the main one's name and account; an account is made for the main one only, and what the source says
 * of this id (that it is deactivated) stays with it. */
static bool by_alias(const struct mapping *m, const struct user *u, struct arena *a, struct person *p, struct buf *trace)
{
	const char *id = mapping_same_person(m, u->id);
	const struct user_row *r = streq(id, u->id) ? NULL : rows_user(m, id);
	if (!r)
		return false;
	struct user main = { .id = r->id, .name = r->name, .handle = *r->handle ? r->handle : NULL, .email = *r->email ? r->email : NULL, .flags = r->flags };
	decide_note(trace, "people.aliases: the same person as %s (%s)", r->name, r->id);
	decide_person(m, &main, a, p, trace);
	p->id = u->id;
	p->flags = u->flags;
	p->unresolved = false;
	if (p->action == PERSON_CREATE) {
		p->action = PERSON_LABEL;
		p->suspended = false;
		p->email = p->role = NULL;
	}
	p->shares = r->id;
	p->why = arena_fmt(a, "people.aliases: the same person as %s", r->id);
	return true;
}

void decide_person(const struct mapping *m, const struct user *u, struct arena *a, struct person *p, struct buf *trace)
{
	if (by_alias(m, u, a, p, trace))
		return;
	const struct user_row *r = rows_user(m, u->id);
	/* What people filled in helps where the source is silent; what the source says stands. */
	const char *email = u->email && *u->email ? u->email : r && *r->email ? r->email : NULL;
	*p = (struct person){ .id = u->id, .action = PERSON_LABEL, .name = u->name && *u->name ? u->name : u->id, .first = u->first,
		.last = u->last, .phone = u->phone, .title = u->title, .email = email, .flags = u->flags };
	if (!r)
		decide_note(trace, "users.csv: no row");
	if (r && by_decision(r, u, email, a, p)) {
		decide_note_why(trace, p->why);
	} else if (r && r->suggests_match) {
		if (r->decision == DECIDE_NOTHING)
			decide_note(trace, "users.csv line %zu: no decision", r->line);
		p->action = PERSON_MATCH;
		p->target_id = r->suggested_id;
		p->why = arena_fmt(a, "users.csv: suggestion match (%s)", r->reason);
		decide_note_why(trace, p->why);
	} else {
		if (r) {
			decide_note(trace, "users.csv line %zu: no decision", r->line);
			if (r->asks)
				decide_note(trace, "users.csv: a question is open (%s)", r->reason);
			else
				decide_note(trace, "users.csv: no account found");
		}
		by_policy(m, r, u, email, a, p);
		decide_note_why(trace, p->why);
	}
	bool in = !rows_pilot_of_people(m) || (r ? r->in_pilot : rows_tagged(m, u->id));
	if (!r && m->cfg.only_users.n)
		for (size_t i = 0; i < m->cfg.only_users.n && !in; i++) {
			const char *g = m->cfg.only_users.v[i];
			in = streq(g, u->id) || names_glob(g, p->name, a) || (u->handle && names_glob(g, u->handle, a)) ||
			     (email && names_glob(g, email, a));
		}
	if (!in && p->action != PERSON_SKIP) {
		p->action = PERSON_LABEL;
		p->target_id = NULL;
		p->suspended = p->unresolved = false;
		p->why = m->cfg.only_users.n ? "only.users: not listed, so no account is used" : "only.tags: without these tags, so no account is used";
		decide_note_why(trace, p->why);
	}
	if (p->action != PERSON_CREATE)
		p->email = p->role = NULL;
	if (p->flags & USER_GONE)
		decide_note(trace, "deactivated in the source: never joined to chats, never given access");
}

const char *mapping_same_person(const struct mapping *m, const char *id)
{
	const char *main = table_get(&m->mains, id);
	return main ? main : id;
}

void mapping_person(const struct mapping *m, const struct user *u, struct arena *a, struct person *out)
{
	decide_person(m, u, a, out, NULL);
}

/* ---- places ---- */

static const char *person_name(const struct mapping *m, const char *id, const struct table *people)
{
	const struct user *u = people ? table_get(people, id) : NULL;
	if (u && u->name && *u->name)
		return u->name;
	const struct user_row *r = rows_user(m, id);
	return r ? r->name : id;
}

const char *decide_name(const struct mapping *m, const struct conv *c, const struct table *people, struct arena *a)
{
	const char *name = c->name && *c->name ? c->name : c->id;
	bool direct = c->kind == CONV_DM || c->kind == CONV_GROUP;
	if (direct && c->n_members) {
		name = "";
		for (size_t i = 0; i < c->n_members; i++)
			name = arena_fmt(a, "%s%s%s", name, i ? ", " : "", person_name(m, c->members[i], people));
	} else if (direct && !strncmp(name, "mpdm-", 5)) {
		name = arena_fmt(a, "Group %s", c->id); /* the people in it are not known */
	}
	for (size_t i = 0; !direct && i < m->cfg.n_renames; i++) {
		const char *to;
		if (regex_replace(m->cfg.renames[i].re, m->cfg.renames[i].to, name, a, &to) != REGEX_YES)
			continue;
		name = *to ? to : name;
		break;
	}
	return direct ? name : arena_fmt(a, "%s%s%s", m->cfg.prefix, name, m->cfg.suffix);
}

static bool pilot_channel(const struct mapping *m, const struct conv *c, const struct place_row *r, struct arena *a)
{
	for (size_t i = 0; i < m->cfg.only_channels.n; i++) {
		const char *g = m->cfg.only_channels.v[i];
		if (streq(g, c->id) || (c->name && names_glob(g, c->name, a)) || (r && *r->name && names_glob(g, r->name, a)))
			return true;
	}
	return m->cfg.only_channels.n == 0;
}

static bool pilot_members(const struct mapping *m, const struct conv *c)
{
	if (!rows_pilot_of_people(m))
		return true;
	for (size_t i = 0; i < c->n_members; i++) {
		const struct user_row *r = rows_user(m, c->members[i]);
		if (r ? r->in_pilot : rows_tagged(m, c->members[i]))
			return true;
		for (size_t j = 0; !r && j < m->cfg.only_users.n; j++)
			if (streq(m->cfg.only_users.v[j], c->members[i]))
				return true;
	}
	return false;
}

static const char *skip_policy(const struct config *c, const struct conv *v)
{
	if (v->kind == CONV_DM && c->dm == DM_SKIP)
		return "policy channels.dm: skip";
	if (v->kind == CONV_GROUP && c->group_dm == DM_SKIP)
		return "policy channels.group_dm: skip";
	if (v->archived && c->archived == ARCHIVED_SKIP)
		return "policy channels.archived: skip";
	return NULL;
}

static void decide_action(const struct mapping *m, const struct conv *c, const struct place_row *r, struct arena *a, struct place *p,
                          struct buf *trace)
{
	enum place_decision d = r ? r->decision : PLACE_DECIDE_NOTHING;
	if (!pilot_channel(m, c, r, a)) {
		p->action = PLACE_SKIP;
		p->why = "only.channels: not listed";
		return;
	}
	if (m->cfg.only_channels.n)
		decide_note(trace, "only.channels: listed");
	if (!pilot_members(m, c)) {
		p->action = PLACE_SKIP;
		p->why = m->cfg.only_users.n ? "only.users: nobody listed is a member" : "only.tags: nobody with these tags is a member";
		return;
	}
	if (d == PLACE_DECIDE_NOTHING) {
		if (r)
			decide_note(trace, "channels.csv: no decision");
		else
			decide_note(trace, "channels.csv: no row");
		const char *skip = skip_policy(&m->cfg, c);
		p->action = skip ? PLACE_SKIP : PLACE_CREATE;
		p->why = skip ? skip : "default: create";
		return;
	}
	if (d == PLACE_DECIDE_INTO) {
		const struct place_row *h = rows_place(m, r->into);
		p->action = PLACE_ADOPT;
		p->into = r->into;
		p->target_id = h && h->decision == PLACE_DECIDE_ADOPT ? h->adopt_id : NULL;
		p->why = arena_fmt(a, "channels.csv: decision into:%s", r->into);
		return;
	}
	p->action = d == PLACE_DECIDE_SKIP ? PLACE_SKIP : d == PLACE_DECIDE_ADOPT ? PLACE_ADOPT : PLACE_CREATE;
	p->target_id = d == PLACE_DECIDE_ADOPT ? r->adopt_id : NULL;
	p->into = d == PLACE_DECIDE_ADOPT ? r->into : NULL;
	p->twin = p->into != NULL;
	p->why = d == PLACE_DECIDE_SKIP ? "channels.csv: decision skip"
	         : d == PLACE_DECIDE_ADOPT ? arena_fmt(a, "channels.csv: decision adopt:%s", r->adopt_id) : "channels.csv: decision create";
}

void decide_place(const struct mapping *m, const struct conv *asked, struct arena *a, struct place *p, struct buf *trace)
{
	struct conv base = *asked;
	const struct conv *c = &base;
	if (!strncmp(base.id, MAPPING_LIVE, strlen(MAPPING_LIVE)))
		base.id += strlen(MAPPING_LIVE);
	const struct place_row *r = rows_place(m, c->id);
	*p = (struct place){ .id = c->id, .join_members = m->cfg.join_members, };
	if (!strncmp(c->id, MAPPING_MADE, strlen(MAPPING_MADE))) {
		/* Made by rules, for messages of channels that are carried over: a pilot's limits are asked of those. */
		p->action = PLACE_CREATE;
		p->why = "rules: into";
		p->name = c->name;
		route_place(m, asked, a, p);
		return;
	}
	decide_action(m, c, r, a, p, trace);
	decide_note_why(trace, p->why);
	if (r && *r->target_name) {
		p->name = r->target_name;
		decide_note(trace, "channels.csv: target_name '%s'", p->name);
	} else {
		/* Without a row nothing has looked for namesakes: direct messages, and names the table uses, carry their id. */
		p->name = decide_name(m, c, NULL, a);
		bool direct = c->kind == CONV_DM || c->kind == CONV_GROUP;
		if (direct || table_get(&m->taken, names_fold(p->name, a)))
			p->name = arena_fmt(a, "%s (%s)", p->name, c->id);
		decide_note(trace, "name made of the source's: '%s'", p->name);
	}
	p->may_be_public = c->kind == CONV_PUBLIC || (c->kind == CONV_PRIVATE && rows_allow_public(m, c->id, c->name ? c->name : c->id, a));
	enum privacy want = r ? r->privacy : PRIVACY_AS_SOURCE;
	p->is_public = c->kind == CONV_PUBLIC && want != PRIVACY_PRIVATE;
	if (want == PRIVACY_PUBLIC && c->kind == CONV_PRIVATE && p->may_be_public) {
		p->is_public = true;
		decide_note(trace, "channels.csv: privacy public, allowed by channels.allow_public");
	} else {
		decide_note(trace, "%s", err_word(p->is_public ? N_("public, as in the source") : c->kind == CONV_PUBLIC ? N_("channels.csv: privacy private") : N_("private, as in the source")));
	}
	if (p->twin)
		decide_note(trace, "channels.csv: %s adopts the same chat; their messages stand in the order of time", p->into);
	if (p->into && !p->twin) {
		const struct place_row *h = rows_place(m, p->into);
		if (h) {
			p->name = *h->target_name ? h->target_name : *h->name ? h->name : h->id;
			p->is_public = rows_public(h);
			decide_note(trace, err_word(N_("merged into the chat '%s', in the order of time")), p->name);
		}
	}
	/* A pilot leaves people or messages of it for later, and nothing can be written into an archived chat. */
	const struct mapping_config *k = &m->cfg.c;
	bool partly = k->since_us || k->until_us || k->last_days || k->last_messages || rows_pilot_of_people(m);
	p->archive_at_end = c->archived && p->action == PLACE_CREATE && m->cfg.archived == ARCHIVED_ARCHIVE;
	p->archive_at_end = p->archive_at_end && !(r && r->hosts); /* what is merged into it may have more to say in a later run */
	route_place(m, asked, a, p);
	p->id = asked->id;
	p->archive_at_end = p->archive_at_end && !partly;
	if (p->placement == PLACEMENT_THREADS)
		decide_note(trace, "%s", err_word(N_("history.placement: threads")));
	if (p->placement == PLACEMENT_ARCHIVE_CHAT)
		decide_note(trace, err_word(N_("history.placement: archive-chat, its history goes into '%s'")), p->name);
	if (c->archived && p->action != PLACE_SKIP)
		decide_note(trace, "%s", err_word(p->archive_at_end ? N_("archived in the source: archived again when everything is in") :
		           partly && m->cfg.archived == ARCHIVED_ARCHIVE ? N_("archived in the source: archived again when the pilot has become the whole") : N_("archived in the source: stays open")));
}

void mapping_place(const struct mapping *m, const struct conv *c, struct arena *a, struct place *out)
{
	decide_place(m, c, a, out, NULL);
}

/* ---- who is more than a member ---- */

/* What lets a department read a private channel must name the channel: a pattern is not enough. */
enum extra_what { EXTRA_ADMIN, EXTRA_TAG };
static bool extra_covers(const struct extra *x, const struct conv *c, enum extra_what what, struct arena *a)
{
	for (size_t i = 0; i < x->channels.n; i++) {
		const char *s = x->channels.v[i];
		bool named = streq(s, c->id) || (c->name && streq(names_fold(*s == '#' ? s + 1 : s, a), names_fold(c->name, a)));
		if (named || ((c->kind == CONV_PUBLIC || what == EXTRA_ADMIN) && c->name && names_glob(s, c->name, a)))
			return true;
	}
	return false;
}

static bool names_member(const struct mapping *m, const struct string_list *l, const struct conv *c, const char *member, struct arena *a)
{
	const struct user_row *r = rows_user(m, member);
	for (size_t i = 0; i < l->n; i++) {
		const char *s = l->v[i];
		if (streq(s, member) || (streq(s, "creator") && c->creator && streq(c->creator, member)) ||
		    (r && (names_glob(s, r->name, a) || (*r->handle && names_glob(s, r->handle, a)) || (*r->email && names_glob(s, r->email, a)))))
			return true;
	}
	return false;
}

static void once(const char **v, size_t *n, const char *s)
{
	for (size_t i = 0; i < *n; i++)
		if (streq(v[i], s))
			return;
	v[(*n)++] = s;
}

bool mapping_names_tags(const struct mapping *m)
{
	for (size_t i = 0; i < m->cfg.n_extras; i++)
		for (size_t k = 0; k < m->cfg.extras[i].tags.n; k++) {
			const char *tag = m->cfg.extras[i].tags.v[k];
			if (tag[strspn(tag, "0123456789")])
				return true;
		}
	return false;
}

void mapping_company(const struct mapping *m, const struct conv *c, struct arena *a, struct company *out)
{
	const struct config *k = &m->cfg;
	size_t tags = 0, n_admins = 0, n_editors = 0, n_tags = 0;
	*out = (struct company){ 0 };
	if (c->kind != CONV_PUBLIC && c->kind != CONV_PRIVATE) {
		for (size_t i = 0; i < k->n_extras && !out->ignored; i++)
			out->ignored = extra_covers(&k->extras[i], c, EXTRA_TAG, a); /* by its name: a pattern takes what it can */
		return;
	}
	for (size_t i = 0; i < k->n_extras; i++)
		tags += k->extras[i].tags.n;
	const char **admins = k->n_extras ? arena_array(a, c->n_members + 1, const char *) : NULL, **names = k->n_extras ? arena_array(a, tags + 1, const char *) : NULL;
	const char **editors = k->n_extras ? arena_array(a, c->n_members + 1, const char *) : NULL;
	for (size_t i = 0; i < k->n_extras; i++) {
		const struct extra *x = &k->extras[i];
		bool admins_here = (x->admins.n || x->editors.n) && extra_covers(x, c, EXTRA_ADMIN, a), tags_here = x->tags.n && extra_covers(x, c, EXTRA_TAG, a);
		for (size_t j = 0; j < c->n_members && admins_here; j++) {
			if (names_member(m, &x->admins, c, c->members[j], a))
				once(admins, &n_admins, c->members[j]);
			if (names_member(m, &x->editors, c, c->members[j], a))
				once(editors, &n_editors, c->members[j]);
		}
		for (size_t j = 0; j < x->tags.n && tags_here; j++)
			once(names, &n_tags, x->tags.v[j]);
	}
	*out = (struct company){ admins, n_admins, editors, n_editors, names, n_tags, false };
}

/* ---- messages ---- */

static bool author_skipped(const struct mapping *m, const char *author)
{
	author = author ? mapping_same_person(m, author) : NULL;
	const struct user_row *r = author ? rows_user(m, author) : NULL;
	if (r && r->decision != DECIDE_NOTHING)
		return r->decision == DECIDE_SKIP;
	if (!author || (r && r->suggests_match))
		return false;
	/* Somebody without a row is an ordinary person as far as is known here. */
	return policy_for(&m->cfg, r ? r->flags : 0).policy == POLICY_SKIP;
}

/* What policies leave out; rules come after them. */
const char *decide_by_policies(const struct mapping *m, const struct msg_meta *mm)
{
	const struct mapping_config *c = &m->cfg.c;
	if (!mm->whenever) {
		if (c->since_us && mm->ts_us && mm->ts_us < c->since_us)
			return "only.since";
		if (c->until_us && mm->ts_us >= c->until_us)
			return "only.until";
		if (mm->days_since_us && mm->ts_us < mm->days_since_us)
			return "only.last_days";
		if (mm->count_since_us > 0 && mm->ts_us < mm->count_since_us)
			return "only.last_messages";
	}
	if (author_skipped(m, mm->author))
		return "people: skip";
	if (mm->kind == MSG_LOST_ROOT)
		return c->orphans == ORPHAN_SKIP ? "messages.orphans: skip" : NULL;
	if (mm->has_replies)
		return NULL; /* a thread needs its first message */
	const char *kind = msg_kind_name(mm->kind);
	for (size_t i = 0; i < c->n_leave_out; i++)
		if (kind && streq(kind, c->leave_out[i]))
			return m->kind_rules[i];
	if (mm->is_empty && (mm->kind == MSG_TEXT || mm->kind == MSG_ME || mm->kind == MSG_BOT))
		return "empty";
	return NULL;
}

static bool any_glob(const struct string_list *l, const char *const *v, size_t n, struct arena *a)
{
	for (size_t i = 0; i < l->n; i++)
		for (size_t j = 0; j < n; j++)
			if (v[j] && *v[j] && (streq(l->v[i], v[j]) || names_glob(l->v[i], v[j], a)))
				return true;
	return l->n == 0;
}

uint64_t rows_rules_author(const struct mapping *m, const char *id, const char *name, const char *handle, const char *email, struct arena *a)
{
	const char *const v[] = { id, name, handle, email };
	uint64_t mask = 0;
	for (size_t i = 0; i < m->cfg.n_rules; i++)
		mask |= any_glob(&m->cfg.rules[i].authors, v, countof(v), a) ? UINT64_C(1) << i : 0;
	return mask;
}

uint64_t rows_rules_place(const struct mapping *m, const char *id, const char *name, struct arena *a)
{
	const char *const v[] = { id, name };
	uint64_t mask = 0;
	for (size_t i = 0; i < m->cfg.n_rules; i++)
		mask |= any_glob(&m->cfg.rules[i].channels, v, countof(v), a) ? UINT64_C(1) << i : 0;
	return mask;
}

/* Rules whose conditions other than the text hold. */
uint64_t rows_rules_about(const struct mapping *m, const struct msg_meta *mm)
{
	const struct place_row *p = rows_place(m, mm->conv ? mm->conv : "");
	const struct user_row *u = mm->author ? rows_user(m, mm->author) : NULL;
	uint64_t mask = UINT64_MAX, hits = 0;
	if (!m->cfg.n_rules || mm->kind == MSG_LOST_ROOT)
		return 0;
	struct arena a;
	arena_init(&a);
	mask &= p ? p->rules : rows_rules_place(m, mm->conv, mm->conv_name, &a);
	mask &= u ? u->rules : rows_rules_author(m, mm->author, NULL, NULL, NULL, &a);
	arena_release(&a);
	for (size_t i = 0; i < m->cfg.n_rules; i++) {
		const struct rule_where *r = &m->cfg.rules[i];
		if (!(mask >> i & 1) || (r->since_us && mm->ts_us < r->since_us) || (r->until_us && mm->ts_us >= r->until_us) ||
		    (r->kinds && !(r->kinds >> mm->kind & 1)) || (r->file != FILE_EITHER && mm->has_file != (r->file == FILE_SOME)))
			continue;
		hits |= UINT64_C(1) << i;
	}
	return hits;
}

const char *mapping_skips(const struct mapping *m, const struct msg_meta *mm)
{
	const char *why = decide_by_policies(m, mm);
	uint64_t hits = why ? 0 : rows_rules_about(m, mm);
	for (size_t i = 0; hits && i < m->cfg.n_rules; i++)
		if ((hits >> i & 1) && !m->cfg.rules[i].re && m->cfg.rules[i].what != RULE_TAG)
			return m->cfg.rules[i].what == RULE_DROP ? m->cfg.rules[i].why : NULL;
	return why;
}

int64_t mapping_days_since(const struct mapping *m, int64_t newest_us)
{
	const struct mapping_config *c = &m->cfg.c;
	return c->last_days && newest_us ? config_days_since(newest_us, c->last_days, c->zone) : 0;
}

bool mapping_asks_text(const struct mapping *m)
{
	return m->cfg.asks_text;
}

/* What a rule's pattern is tried on: the words as people wrote them, and the names of the files, one in a line. */
void rows_words(const struct msg *msg, struct buf *out)
{
	text_plaintext(&msg->body, out);
	for (size_t i = 0; i < msg->n_files; i++)
		buf_addf(out, "%s%s", out->len ? "\n" : "", msg->files[i].name);
}

enum { WORDS_MAX = 4 << 20 };

/* *limit: the first rule that could not be decided, or NULL. Rules that need no text are taken as they are. */
uint64_t decide_rules_by_text(const struct mapping *m, uint64_t about, const struct msg *msg, bool *limit)
{
	struct buf b = { 0 };
	bool ready = false;
	*limit = false;
	for (size_t i = 0; i < m->cfg.n_rules; i++) {
		const struct regex *re = m->cfg.rules[i].re;
		if (!(about >> i & 1) || !re)
			continue;
		if (!ready) {
			buf_init(&b, WORDS_MAX);
			rows_words(msg, &b);
			ready = true;
		}
		enum regex_got got = b.full ? REGEX_LIMIT : regex_search(re, b.p, b.len);
		*limit = *limit || got == REGEX_LIMIT;
		if (got != REGEX_YES)
			about &= ~(UINT64_C(1) << i);
	}
	if (ready)
		buf_release(&b);
	return about;
}

const char *mapping_skips_text(const struct mapping *m, const struct msg_meta *mm, const struct msg *msg, struct arena *a)
{
	bool limit;
	uint64_t hits = decide_rules_by_text(m, rows_rules_about(m, mm), msg, &limit);
	bool routed = false;
	for (int with_text = 0; with_text < 2; with_text++) /* rules without a text come first */
		for (size_t i = 0; hits && !routed && i < m->cfg.n_rules; i++)
			if ((hits >> i & 1) && m->cfg.rules[i].what != RULE_TAG && (m->cfg.rules[i].re != NULL) == (with_text == 1)) {
				if (m->cfg.rules[i].what == RULE_DROP)
					return m->cfg.rules[i].why;
				routed = true;
			}
	if (limit)
		return "rules-limit";
	struct msg clean;
	return mapping_redact_msg(m, msg, a, &clean) ? NULL : "redaction-limit";
}

size_t mapping_rules(const struct mapping *m, const char *const **names)
{
	*names = m->rule_names;
	return m->cfg.n_rules;
}

bool mapping_rule_drops(const struct mapping *m, size_t i)
{
	return m->cfg.rules[i].what == RULE_DROP;
}

uint64_t mapping_rule_hits(const struct mapping *m, const struct msg_meta *mm, const struct msg *msg, struct arena *a)
{
	bool limit;
	(void)a;
	uint64_t hits = rows_rules_about(m, mm), with_text = 0;
	for (size_t i = 0; i < m->cfg.n_rules; i++)
		with_text |= m->cfg.rules[i].re ? UINT64_C(1) << i : 0;
	return msg ? decide_rules_by_text(m, hits, msg, &limit) : hits & ~with_text;
}

uint64_t mapping_tag_rules(const struct mapping *m)
{
	uint64_t tags = 0;
	for (size_t i = 0; i < m->cfg.n_rules; i++)
		tags |= m->cfg.rules[i].what == RULE_TAG ? UINT64_C(1) << i : 0;
	return tags;
}

uint64_t mapping_rules_about(const struct mapping *m, const struct msg_meta *mm, uint64_t *texts)
{
	uint64_t about = rows_rules_about(m, mm);
	*texts = 0;
	for (size_t i = 0; i < m->cfg.n_rules; i++)
		*texts |= (about >> i & 1) && m->cfg.rules[i].re ? UINT64_C(1) << i : 0;
	return about;
}
