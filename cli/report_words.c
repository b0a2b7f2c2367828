/* The words of a report. Promises: everything returned is in the reader's language as far as it can be; nothing is escaped for
 * any format. Called by the report writers only. Holds no layout. */
#include "cli/report_int.h"

#include <stdlib.h>
#include <string.h>

const char *report_title(const struct report *r)
{
	switch (r->kind) {
	case REPORT_PLAN: return _("Migration plan");
	case REPORT_RUN: return _("Migration report");
	case REPORT_VERIFY: return _("Verification report");
	case REPORT_ROLLBACK: return _("Report of a taking back");
	case REPORT_ACCOUNT: return r->runs ? _("Migration account") : _("Migration plan");
	}
	return "?";
}

const char *report_item(enum item i)
{
	switch (i) {
	case ITEM_USER: return _("People");
	case ITEM_CONV: return _("Conversations");
	case ITEM_MSG: return _("Messages");
	case ITEM_THREAD: return _("Threads");
	case ITEM_FILE: return _("Files");
	case ITEM_REACTION: return _("Reactions");
	case ITEM_PIN: return _("Pins");
	case N_ITEM: break;
	}
	return "?";
}

const char *report_bucket(enum bucket b)
{
	switch (b) {
	case BUCKET_SENT: return _("Sent");
	case BUCKET_MERGED: return _("Merged");
	case BUCKET_TEXT: return _("As text");
	case BUCKET_SKIPPED: return _("Left out");
	case BUCKET_REJECTED: return _("Rejected");
	case BUCKET_DOUBT: return _("In doubt");
	case BUCKET_PENDING: return _("To do");
	case N_BUCKET: break;
	}
	return "?";
}

const char *report_chat_action(const struct facts_chat *c)
{
	switch (c->action) {
	case CHAT_CREATE: return _("will be created");
	case CHAT_EXISTS: return _("chat created");
	case CHAT_ADOPT: return _("an existing chat is used");
	case CHAT_SKIP: return _("is left out");
	case CHAT_REJECTED: return _("chat refused");
	}
	return "?";
}

const char *report_person_action(const struct facts_person *p)
{
	switch (p->action) {
	case PERSON_LABEL: return _("shown by name only");
	case PERSON_MATCH: return _("has an account");
	case PERSON_CREATE:
		return p->state == OP_DONE ? _("account created") : p->state == OP_REJECTED || p->state == OP_GONE ? _("account refused")
		     : _("account will be created");
	case PERSON_SKIP: return _("is left out");
	}
	return "?";
}

const char *report_finding_word(enum finding f)
{
	switch (f) {
	case FIND_MATCH: return _("match");
	case FIND_MISSING: return _("missing");
	case FIND_ALTERED: return _("altered");
	case FIND_FOREIGN: return _("foreign");
	case FIND_MISPLACED: return _("out of order");
	case FIND_TWICE: return _("twice");
	case N_FINDING: break;
	}
	return "?";
}

/* Rules of the plan (replay/plan.c) and those of the mapping that a reader should not have to decode. */
static const struct { const char *rule, *sentence; } rules[] = {
	{ "unreadable", N_("the record could not be read") },
	{ "no-email", N_("an account was wanted, but no e-mail is known") },
	{ "refused", N_("the target refused it") },
	{ "torn", N_("the target refused a part of the message") },
	{ "taken-back", N_("it was taken back out of the target") },
	{ "left-out", N_("a rule leaves it out; a place-holder stands for it") },
	{ "channel", N_("the mapping leaves the conversation out") },
	{ "chat-rejected", N_("the target refused the chat") },
	{ "root-rejected", N_("the target refused the thread's first message") },
	{ "thread-rejected", N_("the target refused the thread") },
	{ "orphan", N_("the thread's first message is not in the archive") },
	{ "no-replies", N_("no reply of the thread is carried over") },
	{ "with-message", N_("goes with its message") },
	{ "pins-off", N_("pins are switched off") },
	{ "message-not-found", N_("the pinned message is not in the archive") },
	{ "reactions-dropped", N_("reactions are switched off") },
	{ "target-cannot-react", N_("the target has no such reactions") },
	{ "custom-emoji", N_("the target does not know this emoji") },
	{ "empty", N_("the message has neither text nor files") },
	{ "other", N_("other reasons") },
	{ "people: skip", N_("the mapping leaves its author out") },
	{ "only.since", N_("written before the chosen period") },
	{ "only.until", N_("written after the chosen period") },
	{ "only.channels: not listed", N_("not among the chosen conversations") },
	{ "only.users: nobody listed is a member", N_("none of the chosen people is a member") },
	{ "only.tags: nobody with these tags is a member", N_("none of the chosen people is a member") },
	{ "policy channels.dm: skip", N_("direct conversations are not carried over") },
	{ "policy channels.group_dm: skip", N_("group conversations are not carried over") },
	{ "policy channels.archived: skip", N_("archived channels are not carried over") },
	{ "messages.leave_out: join", N_("lines about somebody joining") },
	{ "messages.leave_out: leave", N_("lines about somebody leaving") },
	{ "messages.leave_out: topic", N_("lines about a changed topic") },
	{ "messages.leave_out: rename", N_("lines about a changed name") },
	{ "messages.leave_out: archive", N_("lines about archiving") },
	{ "messages.leave_out: pin", N_("lines about pinning") },
	{ "messages.leave_out: app", N_("lines about apps and reminders") },
	{ "messages.leave_out: bot", N_("messages of bots") },
	{ "messages.leave_out: call", N_("lines about calls") },
	{ "messages.leave_out: deleted", N_("place-holders of deleted messages") },
	{ "messages.leave_out: system", N_("lines of the messenger itself") },
	{ "messages.orphans: skip", N_("the thread's first message is not in the archive") },
	{ "channels.csv: decision skip", N_("left out by the decision in channels.csv") },
	{ "users.csv: decision skip", N_("left out by the decision in users.csv") },
};

const char *report_rule(const char *rule)
{
	for (size_t i = 0; rule && i < countof(rules); i++)
		if (streq(rules[i].rule, rule))
			return _(rules[i].sentence);
	return NULL;
}

/* The forms of the plan's sentences (replay/plan.c) and of verify's, the longer before those they begin like. */
static const char *const forms[] = {
	N_("%s (%s) is matched to the account %s, which the target does not have"),
	N_("%s (%s) is to get an account, but has no e-mail"),
	N_("%s (%s) is to get an account, but %s exists in the target already (id %s)"),
	N_("%s (%s) is private and must not go into the public chat %s: name it under channels.allow_public, or choose another chat"),
	N_("%s (%s) is a group conversation and must not go into the public chat %s: name it under channels.allow_public, or choose another chat"),
	N_("%s (%s) is a direct conversation and must not go into the public chat %s: name it under channels.allow_public, or choose another chat"),
	N_("%s (%s) is the account %s by decision: it will be where this person was, and read what this person could"),
	N_("%s (%s) has its chat already and is not renamed; the mapping calls it '%s' now"),
	N_("%s (%s) has its chat already, which is public, and is not closed; the mapping says private"),
	N_("%s (%s) has its chat already, which is private, and is not opened; the mapping says public"),
	N_("the tag '%s' joins %s: the target tells its people so, there is no silent way"),
	N_("channels.members names %s, a direct message: these have no administrators, editors or tags; ignored"),
	N_("channels.members: nobody becomes an editor of %s: only channels of the target have editors, and a chat is made here"),
	N_("%s messages in %s conversations will stand after later ones that an earlier run has sent: the target orders by arrival"),
	N_("%s (%s) is to go into the chat %s, which the target does not have, or in which our bot is not"),
	N_("%s <%s> gets an account without access"),
	N_("%s <%s> gets an account and an invitation"),
	N_("%s <%s> gets an account"),
	N_("%s is private; everybody with the tag '%s' will read it"),
	N_("%s (%s) has a chat of its own from an earlier run and stays in it; the mapping merges it into %s"),
	N_("%s (%s) goes into the chat of %s, which an earlier run has archived: unarchive the chat %s first"),
	N_("%s is private and is merged into the public chat of %s"),
	N_("%s is private and is merged into the chat of %s: %s people who were not in it will read it"),
	N_("%s is merged into the chat of %s, which is private: %s people who were not in that one will read it"),
	N_("%s is private and becomes public"),
	N_("%s is a group conversation and becomes public"),
	N_("%s is a direct conversation and becomes public"),
	N_("%s is private; whoever is in the chat %s (public) will read it"),
	N_("%s is private; whoever is in the chat %s will read it"),
	N_("%s is a group conversation; whoever is in the chat %s (public) will read it"),
	N_("%s is a group conversation; whoever is in the chat %s will read it"),
	N_("%s is a direct conversation; whoever is in the chat %s (public) will read it"),
	N_("%s is a direct conversation; whoever is in the chat %s will read it"),
	N_("the target has a chat of this name already (id %s); a second one will be made"),
	N_("the mapping has changed since it was last replayed or drafted: mvchat.yaml %s, users.csv %s, channels.csv %s ('mvchat map --check' lists what)"),
	N_("%s: catches nothing, because others take its messages before it: %s"),
	N_("%s: catches nothing that others before it do not leave out (%s messages)"),
	N_("%s: catches nothing"),
	N_("'%s' is made by rules and stays empty of people: nobody could read all that goes into it; 'allow_wider' of the rule names what more people may read"),
	N_("%s is not public; rules send %s of its messages into '%s', which everybody can read"),
	N_("%s is not public; rules send %s of its messages into '%s': whoever is in the chat %s will read them"),
	N_("%s is not public; rules send %s of its messages into '%s': everybody with its tags will read them"),
	N_("%s is not public; rules send %s of its messages into '%s': %s people who were not in it will read them"),
	N_("%s (%s) is not public and rules send %s of its messages into '%s', where people are already who may not have been in it; name it under 'allow_wider' of the rule, or choose another channel"),
	N_("direct messages never become public; rules send %s of %s (%s) into '%s', which everybody can read"),
	N_("%s (%s) is not public and rules send %s of its messages into '%s', which everybody can read: name it under 'allow_wider' of the rule, or choose another channel"),
	N_("%s (%s) is not public and rules send %s of its messages into '%s': whoever is in the chat %s would read them; name it under 'allow_wider' of the rule, or choose another channel"),
	N_("%s (%s) is not public and rules send %s of its messages into '%s': everybody with its tags would read them; name it under 'allow_wider' of the rule, or choose another channel"),
	N_("%s (%s) is not public and rules send %s of its messages into '%s': %s people who were not in it would read them; name it under 'allow_wider' of the rule, or choose another channel"),
	N_("%s (%s): its history goes among what people write in the chat %s; 'placement: threads' keeps them apart"),
	N_("%s replies stand, or go on, in threads that an earlier run opened although their first message is in no archive: messages.orphans says skip today"),
	N_("%s (%s) was archived by an earlier run: it is opened for what is new, and archived again"),
	N_("%s (%s) was archived by an earlier run: it is opened for what is new"),
	N_("… and %s more"),
	/* what verify finds (replay/verify.c) */
	N_("it stands before a message that was written earlier"),
	N_("the chat is archived and should not be"), N_("the chat has another name than it was given"), N_("a file is not the one that was sent"),
	N_("it was deleted and is still there"),
	N_("it is not in the chat"),
	N_("the chat's id in the target is not known"),
	N_("the chat is gone or closed to us"),
	N_("text, label or files differ from what was written"),
	N_("the chat is not in the target, or closed to us"),
	N_("the chat is private and should be public"),
	N_("the chat is public and should be private"),
	N_("the chat should be archived"),
	N_("the ledger has it in another chat"),
	N_("the person we created is not in the target"),
	N_("the same message is there a second time"),
	N_("this person is not a member of the chat"),
	N_("this person is not an administrator of the chat"),
	N_("this person is not an editor of the chat"),
	N_("this tag is not a member of the chat"),
};

/* Those that count something, and which of their blanks says how many. */
#define COUNTED(one, many) one, many
static const struct { const char *one, *many; size_t number; } counted[] = {
	{ COUNTED("seats: %s account is to be created (%s of them without access, %s guests); with the %s active ones the tariff must hold %s",
	          "seats: %s accounts are to be created (%s of them without access, %s guests); with the %s active ones the tariff must hold %s"), 0 },
	{ COUNTED("seats: %s account is to be created (%s of them without access, %s guests)",
	          "seats: %s accounts are to be created (%s of them without access, %s guests)"), 0 },
	{ COUNTED("rules: %s: %s message goes into a thread", "rules: %s: %s messages go into threads"), 1 },
	{ COUNTED("rules: %s: %s message goes into '%s'", "rules: %s: %s messages go into '%s'"), 1 },
	{ COUNTED("rules: %s: %s message gets a tag", "rules: %s: %s messages get a tag"), 1 },
	{ COUNTED("%s message was sent before under other rules: it stays where it is",
	          "%s messages were sent before under other rules: they stay where they are"), 0 },
	{ COUNTED("%s message was sent before that today's mapping leaves out: it stays",
	          "%s messages were sent before that today's mapping leaves out: they stay"), 0 },
	{ COUNTED("the pilot leaves %s message for later (%s)", "the pilot leaves %s messages for later (%s)"), 0 },
	{ COUNTED("the pilot leaves %s channel for later (%s)", "the pilot leaves %s channels for later (%s)"), 0 },
	{ COUNTED("%s message goes into a chat whose people are in already: they will be notified",
	          "%s messages go into chats whose people are in already: they will be notified"), 0 },
};

enum { BLANKS_MAX = 10 };
struct piece { const char *p; size_t n; };

/* Does text have this form? Each %s takes as little as it can, the last as much as is left. */
static bool fits(const char *form, const char *text, struct piece *blanks)
{
	for (size_t n = 0;;) {
		const char *blank = strstr(form, "%s");
		size_t lit = blank ? (size_t)(blank - form) : strlen(form);
		if (strncmp(text, form, lit) != 0)
			return false;
		text += lit;
		if (!blank)
			return !*text;
		if (n == BLANKS_MAX)
			return false;
		form = blank + 2;
		const char *more = strstr(form, "%s"), *at;
		lit = more ? (size_t)(more - form) : strlen(form);
		if (!more) {
			size_t left = strlen(text);
			at = left >= lit ? text + left - lit : NULL;
		} else {
			for (at = text; *at && strncmp(at, form, lit) != 0; at++)
				;
		}
		if (!at)
			return false;
		blanks[n++] = (struct piece){ text, (size_t)(at - text) };
		text = at;
	}
}

static size_t put(char *out, size_t size, size_t at, const char *p, size_t n)
{
	for (size_t i = 0; i < n && at + 1 < size; i++)
		out[at++] = p[i];
	return at;
}

static const char *filled(const char *form, const struct piece *blanks, char *out, size_t size)
{
	size_t at = 0, k = 0;
	for (const char *b; (b = strstr(form, "%s")) && k < BLANKS_MAX; form = b + 2, k++) {
		at = put(out, size, at, form, (size_t)(b - form));
		at = put(out, size, at, blanks[k].p ? blanks[k].p : "", blanks[k].n);
	}
	at = put(out, size, at, form, strlen(form));
	out[at] = '\0';
	return out;
}

const char *report_translate(const char *const *known, size_t n, const char *english, char *out, size_t size)
{
	struct piece blanks[BLANKS_MAX];
	for (size_t i = 0; i < n; i++) {
		memset(blanks, 0, sizeof(blanks));
		if (fits(known[i], english, blanks))
			return filled(_(known[i]), blanks, out, size);
	}
	out[put(out, size, 0, english, strlen(english))] = '\0';
	return out;
}

/* A sentence of the plan, which counts in the plural whatever the number is. */
static const char *sentence(const char *english, char *out, size_t size)
{
	struct piece blanks[BLANKS_MAX];
	for (size_t i = 0; i < countof(counted); i++) {
		memset(blanks, 0, sizeof(blanks));
		if (!fits(counted[i].many, english, blanks))
			continue;
		const char *p = blanks[counted[i].number].p;
		return filled(i18n_n(counted[i].one, counted[i].many, strtoll(p ? p : "0", NULL, 10)), blanks, out, size);
	}
	return report_translate(forms, countof(forms), english, out, size);
}

const char *report_sentence(const char *english, char *out, size_t size)
{
	static const char later[] = " for later (";
	const char *why = !strncmp(english, "the pilot leaves ", 17) ? strstr(english, later) : NULL;
	size_t n = strlen(english);
	if (!why || english[n - 1] != ')')
		return sentence(english, out, size);
	/* What leaves them is a rule's key with words of its own. */
	struct arena a;
	arena_init(&a);
	const size_t upto = (size_t)(why - english) + sizeof(later) - 1;
	const char *rule = arena_strndup(&a, english + upto, n - upto - 1);
	sentence(arena_fmt(&a, "%.*s%s)", (int)upto, english, words_of_rule(rule, &a)), out, size);
	arena_release(&a);
	return out;
}

const char *report_lane_conv(const char *lane, struct arena *a)
{
	if (!strncmp(lane, "c:", 2))
		return arena_strdup(a, lane + 2);
	if (!strncmp(lane, "t:", 2)) {
		const char *slash = strrchr(lane, '/');
		return slash ? arena_strndup(a, lane + 2, (size_t)(slash - lane) - 2) : NULL;
	}
	/* verify names a chat as a whole by the conversation alone */
	return !strncmp(lane, "p:", 2) || streq(lane, "people") ? NULL : arena_strdup(a, lane);
}

/* ---- the verdict ---- */

static const char *verify_verdict(const struct report *r, enum tone *tone, char *out, size_t size)
{
	const struct verify_result *v = &r->verify->result;
	const int64_t *n = v->messages;
	*tone = !v->clean ? TONE_BAD : r->verify->complete ? TONE_GOOD : TONE_OPEN;
	if (v->stopped)
		fmt_into(out, size, "%s", _("The comparison was stopped: it covers a part only."));
	else if (v->clean && r->verify->complete)
		fmt_into(out, size, _("The replay is complete: all %s messages written are in the target, unchanged and in order."), num(n[FIND_MATCH]));
	else if (v->clean)
		fmt_into(out, size, _("What was written is all there (%s messages), but the replay is not finished: %s messages are to do."),
		         num(n[FIND_MATCH]), num(r->facts->bucket[ITEM_MSG][BUCKET_PENDING] + r->facts->bucket[ITEM_MSG][BUCKET_DOUBT]));
	else
		fmt_into(out, size, _("The target differs from what was written: %s messages and %s other things (listed below)."),
		         num(n[FIND_MISSING] + n[FIND_ALTERED] + n[FIND_MISPLACED] + n[FIND_TWICE]),
		         num(verify_other_things(v)));
	return out;
}

const char *report_tone(const struct report *r, enum tone tone)
{
	switch (tone) {
	case TONE_GOOD: return _("Complete");
	case TONE_OPEN: return r->runs && !(r->rollback && r->rollback->preview) ? _("Not finished yet") : _("Not begun yet");
	case TONE_BAD: return _("Needs attention");
	}
	return "?";
}

const char *report_verdict(const struct report *r, enum tone *tone, char *out, size_t size)
{
	const struct facts *f = r->facts;
	int64_t rejected = 0, doubt = 0, waiting = 0;
	if (r->rollback)
		return report_rollback_verdict(r->rollback, tone, out, size);
	for (int i = 0; i < N_ITEM; i++) {
		rejected += f->bucket[i][BUCKET_REJECTED];
		doubt += f->bucket[i][BUCKET_DOUBT];
		waiting += f->bucket[i][BUCKET_PENDING];
	}
	if (f->adds_up && r->verify)
		return verify_verdict(r, tone, out, size);
	*tone = !f->adds_up ? TONE_BAD : doubt || rejected || waiting || !f->nothing_to_do ? TONE_OPEN : TONE_GOOD;
	if (f->adds_up && !doubt && rejected && f->nothing_to_do && !waiting)
		fmt_into(out, size, _("Nearly complete: %s messages are in the target, %s items were rejected (the reasons are below)."),
		         num(f->bucket[ITEM_MSG][BUCKET_SENT] + f->bucket[ITEM_MSG][BUCKET_TEXT]), num(rejected));
	else if (f->adds_up && !doubt && rejected)
		fmt_into(out, size, _("To do: %s messages in about %s (%s requests); %s items were rejected (the reasons are below)."),
		         num(f->bucket[ITEM_MSG][BUCKET_PENDING]), span_of(f->bound_s), num(f->calls_total), num(rejected));
	else
		fmt_into(out, size, "%s", facts_verdict(f));
	return out;
}
