/* The conditions of plan --fail-on. Promises: a condition counts what the reports show, nothing else; an unknown word is refused before
 * any work. */
#include "cli/report_gate.h"

#include <stdlib.h>
#include <string.h>

enum { WORD_MAX = 64 };

/* Short words for the losses, in the order of their bits; loss_name's long ones are understood too. */
static const char *const losses[N_LOSS] = {
	"author", "time", "style", "mentions", "reactions", "files", "emoji", "split", "broadcast", "roots", "links", "edits", "pins", "cut",
};

static int64_t loss_any(const struct facts *f)
{
	int64_t n = 0;
	for (int i = 0; i < N_LOSS; i++)
		n = f->loss[i] > n ? f->loss[i] : n;
	return n;
}

static int64_t in_bucket(const struct facts *f, enum bucket b)
{
	int64_t n = 0;
	for (int i = 0; i < N_ITEM; i++)
		n += f->bucket[i][b];
	return n;
}

static int64_t unresolved(const struct facts *f)
{
	return (int64_t)f->n_unresolved;
}

/* Conversations that more people can read than could before. */
static int64_t privacy(const struct facts *f)
{
	int64_t n = 0;
	for (size_t i = 0; i < f->n_chats; i++) {
		const struct facts_chat *c = &f->chats[i];
		bool made = c->action == CHAT_CREATE || c->action == CHAT_EXISTS;
		n += c->kind != CONV_PUBLIC && (c->action == CHAT_ADOPT || (made && c->is_public));
	}
	return n;
}

static int64_t accounts(const struct facts *f)
{
	int64_t n = 0;
	for (size_t i = 0; i < f->n_people; i++)
		n += f->people[i].action == PERSON_CREATE && f->people[i].state != OP_DONE;
	return n;
}

static int64_t rejected(const struct facts *f)
{
	return in_bucket(f, BUCKET_REJECTED);
}

static int64_t doubt(const struct facts *f)
{
	return in_bucket(f, BUCKET_DOUBT);
}

static int64_t unreadable(const struct facts *f)
{
	return f->spool.bad;
}

static int64_t drift(const struct facts *f)
{
	return f->edits + f->drift + f->drift_edits + f->refused + f->removed;
}

static const struct { const char *name; int64_t (*count)(const struct facts *f); } conditions[] = {
	{ "loss", loss_any }, { "unresolved", unresolved }, { "privacy", privacy }, { "accounts", accounts }, { "rejected", rejected },
	{ "doubt", doubt }, { "unreadable", unreadable }, { "drift", drift },
};

static int loss_of(const char *word)
{
	for (int i = 0; i < N_LOSS; i++)
		if (streq(word, losses[i]) || streq(word, loss_name((enum loss)(1u << i))))
			return i;
	return -1;
}

/* false: no such condition. f NULL = only asked whether there is. */
static bool count_of(const char *word, const struct facts *f, int64_t *n)
{
	int bit = !strncmp(word, "loss:", 5) ? loss_of(word + 5) : -1;
	if (bit >= 0) {
		*n = f ? f->loss[bit] : 0;
		return true;
	}
	for (size_t i = 0; i < countof(conditions); i++) {
		if (streq(word, conditions[i].name)) {
			*n = f ? conditions[i].count(f) : 0;
			return true;
		}
	}
	return false;
}

/* The next word of the list into out[WORD_MAX]; returns what follows it, or NULL at the end. */
static const char *next_word(const char *list, char *out)
{
	list += strspn(list, ", ");
	size_t n = strcspn(list, ", ");
	if (!n)
		return NULL;
	fmt_into(out, WORD_MAX, "%.*s", (int)(n < WORD_MAX ? n : WORD_MAX - 1), list);
	return list + n;
}

static bool unknown(const char *word, struct err *e)
{
	const char *names[countof(conditions) + N_LOSS + 1];
	size_t n = 0;
	bool loss = !strncmp(word, "loss:", 5);
	for (size_t i = 0; !loss && i < countof(conditions); i++)
		names[n++] = conditions[i].name;
	for (int i = 0; loss && i < N_LOSS; i++)
		names[n++] = losses[i];
	names[n] = NULL;
	err_set(e, ERR_USAGE, _("--fail-on: there is no condition '%s'"), word);
	const char *near = nearest(loss ? word + 5 : word, names);
	if (near)
		return err_hint(e, _("did you mean '%s%s'?"), loss ? "loss:" : "", near);
	return err_hint(e, _("conditions: loss, loss:KIND, unresolved, privacy, accounts, rejected, doubt, unreadable, drift"));
}

bool gate_known(const char *list, struct err *e)
{
	char word[WORD_MAX];
	int64_t n;
	for (const char *p = list; p && (p = next_word(p, word));)
		if (!count_of(word, NULL, &n))
			return unknown(word, e);
	return true;
}

int gate_met(const char *list, const struct facts *f, void (*each)(void *ctx, const char *condition, int64_t n), void *ctx)
{
	char word[WORD_MAX];
	int met = 0;
	int64_t n;
	for (const char *p = list; p && (p = next_word(p, word));) {
		if (!count_of(word, f, &n) || !n)
			continue;
		each(ctx, word, n);
		met++;
	}
	return met;
}
