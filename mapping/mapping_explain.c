/* mapping_explain.c: how one person, conversation or message is mapped and why: the rules in the order they are applied, as lines of
 * text. It runs the code of mapping_decide.c with a trace, so that what is explained is what is done. Called by `mvchat map --explain`.
 * Where rules put a message among others is not known here: that takes all messages of its conversation (replay/arrange.c). Pure. */
#include "mapping/mapping_rows.h"

#include "core/canon.h"
#include "mapping/mapping_names.h"

#include <string.h>

enum { WORDS_MAX = 4 << 20 };

static const char *action_name(enum person_action x)
{
	switch (x) {
	case PERSON_LABEL: return N_("name in the label only");
	case PERSON_MATCH: return N_("existing account");
	case PERSON_CREATE: return N_("account is created");
	case PERSON_SKIP: return N_("left out, with all messages");
	}
	return "?";
}

/* Without a survey, what the tables say stands for the source. */
static struct user user_of_row(const struct user_row *r)
{
	return (struct user){ .id = r->id, .name = r->name, .handle = *r->handle ? r->handle : NULL, .email = *r->email ? r->email : NULL,
		.flags = r->flags };
}

/* The other ids of somebody who has several. */
static void explain_ids(const struct mapping *m, const char *id, struct arena *a, struct buf *out)
{
	const char *main = mapping_same_person(m, id), *others = "";
	for (size_t i = 0; i < m->cfg.n_aliases; i++)
		for (size_t j = 0; streq(m->cfg.aliases[i].v[0], main) && j < m->cfg.aliases[i].n; j++)
			if (!streq(m->cfg.aliases[i].v[j], id))
				others = arena_fmt(a, "%s%s%s", others, *others ? ", " : "", m->cfg.aliases[i].v[j]);
	if (*others)
		decide_note(out, "people.aliases: other ids of this person: %s", others);
}

static void explain_person(const struct mapping *m, const struct user *u, struct arena *a, struct buf *out)
{
	struct person p;
	buf_addf(out, err_word("person %s (%s)"), u->name && *u->name ? u->name : u->id, u->id);
	buf_addc(out, '\n');
	decide_person(m, u, a, &p, out);
	explain_ids(m, u->id, a, out);
	if (p.shares && p.action == PERSON_LABEL) {
		struct person main;
		struct user as = user_of_row(rows_user(m, p.shares));
		decide_person(m, &as, a, &main, NULL);
		if (main.action == PERSON_CREATE) {
			buf_addf(out, err_word("  = the account that is created for %s%s"), p.shares, main.suspended ? err_word(", suspended") : "");
			buf_addc(out, '\n');
			return;
		}
	}
	buf_addf(out, "  = %s%s%s%s%s\n", err_word(action_name(p.action)), p.target_id ? " " : "", p.target_id ? p.target_id : "",
	         p.suspended ? err_word(", suspended") : "", p.unresolved ? err_word("; an open question, answer it in users.csv") : "");
}

static const char *kind_words(enum conv_kind k)
{
	switch (k) {
	case CONV_PUBLIC: return N_("public channel");
	case CONV_PRIVATE: return N_("private channel");
	case CONV_GROUP: return N_("group conversation");
	case CONV_DM: return N_("direct conversation");
	}
	return N_("conversation");
}

static void explain_place(const struct mapping *m, const struct conv *c, struct arena *a, struct buf *out)
{
	struct place p;
	buf_addf(out, "%s %s (%s)\n", err_word(kind_words(c->kind)), c->name && *c->name ? c->name : c->id, c->id);
	decide_place(m, c, a, &p, out);
	switch (p.action) {
	case PLACE_SKIP:
		buf_addf(out, "  = %s\n", err_word("left out, with everything in it"));
		break;
	case PLACE_ADOPT:
		if (p.into && !p.twin)
			buf_addf(out, err_word("  = into the chat '%s' of %s"), p.name, p.into);
		else
			buf_addf(out, "  = %s %s", err_word("into the existing chat"), p.target_id);
		buf_addc(out, '\n');
		break;
	case PLACE_CREATE:
		buf_addf(out, "  = %s '%s'%s\n", err_word(p.is_public ? N_("new public chat") : N_("new private chat")), p.name,
		         p.join_members ? err_word(", members join when its history is in") : "");
		break;
	}
	struct company who;
	mapping_company(m, c, a, &who);
	for (size_t i = 0; p.action != PLACE_SKIP && i < who.n_admins; i++)
		decide_note(out, "channels.members: %s becomes an administrator of the chat", who.admins[i]);
	for (size_t i = 0; p.action != PLACE_SKIP && i < who.n_editors; i++)
		decide_note(out, p.action == PLACE_ADOPT ? N_("channels.members: %s becomes an editor, if the chat is a channel of the target")
		                                  : N_("channels.members: %s does not become an editor, as only channels of the target have some"), who.editors[i]);
	if (who.ignored)
		decide_note(out, "channels.members: direct messages have no administrators, editors or tags; ignored");
	for (size_t i = 0; p.action != PLACE_SKIP && i < who.n_tags; i++)
		decide_note(out, "channels.members: everybody with the tag '%s' is in the chat", who.tags[i]);
}

static void explain_rules(const struct mapping *m, const struct msg_meta *mm, const struct msg *msg, struct buf *out)
{
	uint64_t about = rows_rules_about(m, mm);
	for (size_t i = 0; i < m->cfg.n_rules; i++) {
		const char *name = m->cfg.rules[i].why;
		bool limit;
		if (!(about >> i & 1))
			decide_note(out, "%s: not about it", name);
		else if (decide_rules_by_text(m, UINT64_C(1) << i, msg, &limit))
			decide_note(out, "%s: catches it", name);
		else
			decide_note(out, limit ? N_("%s: its pattern could not be decided within the limits") : N_("%s: its pattern does not match"), name);
	}
}

void mapping_explain_msg(const struct mapping *m, const struct conv *c, const struct msg_meta *mm, const struct msg *msg, struct buf *out)
{
	struct arena a;
	struct place p;
	struct msg clean;
	arena_init(&a);
	const char *kind = msg_kind_name(mm->kind), *why;
	buf_addf(out, err_word("message %s/%s (%s)"), c->id, msg->id, kind ? kind : "?");
	buf_addc(out, '\n');
	decide_place(m, c, &a, &p, NULL);
	decide_note(out, p.action == PLACE_SKIP ? N_("its conversation is left out: %s") : N_("its conversation is carried over: %s"), words_of_rule(p.why, &a));
	const struct user_row *author = mm->author ? rows_user(m, mapping_same_person(m, mm->author)) : NULL;
	if (author) {
		struct user u = user_of_row(author);
		struct person w;
		decide_person(m, &u, &a, &w, NULL);
		decide_note(out, "its author, %s (%s): %s; %s", w.name, u.id, err_word(action_name(w.action)), words_of_rule(w.why, &a));
	}
	why = decide_by_policies(m, mm);
	if (why)
		decide_note_why(out, why);
	else
		decide_note(out, "no policy leaves it out");
	explain_rules(m, mm, msg, out);
	const char *tags = mapping_tags(m, mm, msg, &a);
	if (tags)
		decide_note(out, "at its end stands: %s", tags);
	if (!mapping_redact_msg(m, msg, &a, &clean)) {
		decide_note(out, "text, redact: could not be decided within the limits");
	} else if (m->cfg.n_substs) {
		struct buf was, is;
		buf_init(&was, WORDS_MAX);
		buf_init(&is, WORDS_MAX);
		rows_words(msg, &was);
		rows_words(&clean, &is);
		decide_note(out, "%s", err_word(was.len != is.len || memcmp(was.p, is.p, is.len) ? N_("text, redact: the text is changed") : N_("text, redact: the text is as it was")));
		buf_release(&was);
		buf_release(&is);
	}
	why = p.action == PLACE_SKIP ? p.why : mapping_skips(m, mm);
	why = why ? why : mapping_skips_text(m, mm, msg, &a);
	if (!why)
		buf_addf(out, "  = %s\n", err_word("sent"));
	else
		buf_addf(out, "  = %s: %s%s\n", err_word("left out"), words_of_rule(why, &a),
		         !mm->has_replies || p.action == PLACE_SKIP ? "" : !strncmp(why, "only.", 5) ? err_word("; taken along if replies are sent")
		         : err_word("; a place-holder stands in if replies are sent"));
	arena_release(&a);
}

static bool called(const char *folded, const char *s, struct arena *a)
{
	return s && *s && streq(folded, names_fold(s, a));
}

bool mapping_explain(const struct mapping *m, const struct survey *s, const char *id, struct buf *out, struct err *e)
{
	struct arena a;
	arena_init(&a);
	const char *want = names_fold(*id == '#' || *id == '@' ? id + 1 : id, &a);
	size_t found = 0;
	for (size_t i = 0; s && i < s->n_users; i++) {
		const struct user *u = &s->users[i];
		if (streq(id, u->id) || called(want, u->name, &a) || called(want, u->handle, &a) || called(want, u->email, &a)) {
			explain_person(m, u, &a, out);
			found++;
		}
	}
	for (size_t i = 0; s && i < s->n_convs; i++) {
		const struct conv *c = &s->convs[i];
		const struct place_row *r = rows_place(m, c->id);
		if (streq(id, c->id) || called(want, c->name, &a) || (r && called(want, r->target_name, &a))) {
			explain_place(m, c, &a, out);
			found++;
		}
	}
	for (size_t i = 0; !found && i < m->user_rows.n; i++) {
		struct user u = user_of_row(m->user_rows.rows[i].value);
		if (streq(id, u.id) || called(want, u.name, &a) || called(want, u.handle, &a) || called(want, u.email, &a)) {
			explain_person(m, &u, &a, out);
			found++;
		}
	}
	for (size_t i = 0; !found && i < m->place_rows.n; i++) {
		const struct place_row *r = m->place_rows.rows[i].value;
		if (streq(id, r->id) || called(want, r->name, &a) || called(want, r->target_name, &a)) {
			struct conv c = { .id = r->id, .name = r->name, .kind = r->kind ? r->kind : CONV_PRIVATE };
			explain_place(m, &c, &a, out);
			found++;
		}
	}
	arena_release(&a);
	if (found)
		return true;
	err_set(e, ERR_USAGE, "no person and no conversation is called '%s'", id);
	return err_hint(e, "give a source id, name, handle or e-mail; users.csv and channels.csv list them");
}
