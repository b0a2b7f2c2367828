/* whatsapp.c: the importer of WhatsApp's "Export chat": recognising an archive, finding its chats, and the walk over them.
 *
 * Promises importer.h. Reads what iPhones write (a zip with `_chat.txt`), what Android writes ("WhatsApp Chat with X.txt", its name
 * in any language, alone or in a zip) and folders or zips of many such chats, each with the media beside it. Archives inside an
 * archive, and WhatsApp's databases, are recognised and refused with what to do. Two streaming readings of each transcript; what
 * is remembered is the people of a chat and 16 bytes for each message.
 *
 * Options: "zone=Europe/Moscow" (the phone's; a transcript has local times and no zone), "date-order=dmy|mdy|ymd" for chats whose
 * dates nothing proves.
 */
#include "importers/whatsapp.h"

#include "core/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BID_FILES = 16, REFUSED_SHOWN = 3, CUT_SMALL = 10000, CUT_LARGE = 40000 };

/* ---- telling ---- */

static void place(const struct source *s, char *where, size_t n)
{
	if (!s->entry)
		where[0] = '\0';
	else if (s->line)
		fmt_into(where, n, "%s:%zu", s->entry, s->line);
	else
		fmt_into(where, n, "%s", s->entry);
}

static void say(char *out, size_t cap, const char *fmt, va_list ap) __attribute__((format(printf, 3, 0)));
static void say(char *out, size_t cap, const char *fmt, va_list ap)
{
	vsnprintf(out, cap, fmt, ap);
	utf8_mend(out);
}

bool wa_hazard(struct source *s, enum hazard_level level, const char *name, const char *fmt, ...)
{
	char what[320], where[240];
	va_list ap;
	va_start(ap, fmt);
	say(what, sizeof(what), fmt, ap);
	va_end(ap);
	place(s, where, sizeof(where));
	if (!s->stopped && !s->sink->hazard(s->sink->ctx, level, name, where, what))
		s->stopped = true;
	return !s->stopped;
}

bool wa_bad(struct source *s, const char *fmt, ...)
{
	struct err e = ERR_INIT;
	char what[256];
	va_list ap;
	va_start(ap, fmt);
	say(what, sizeof(what), fmt, ap);
	va_end(ap);
	err_set(&e, ERR_RECORD, "%s", what);
	place(s, e.where, sizeof(e.where));
	if (!s->stopped && !s->sink->bad(s->sink->ctx, &e))
		s->stopped = true;
	return !s->stopped;
}

bool wa_fact(struct source *s, const char *key, const char *fmt, ...)
{
	char value[400];
	va_list ap;
	va_start(ap, fmt);
	say(value, sizeof(value), fmt, ap);
	va_end(ap);
	if (!s->stopped && !s->sink->fact(s->sink->ctx, key, value))
		s->stopped = true;
	return !s->stopped;
}

/* ---- finding transcripts ---- */

static bool ends_with(const char *s, const char *tail)
{
	size_t n = strlen(s), m = strlen(tail);
	if (n < m)
		return false;
	for (size_t i = 0; i < m; i++) {
		char c = s[n - m + i];
		if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != tail[i])
			return false;
	}
	return true;
}

/* How sure a name makes that this is a transcript: what iPhones call it, what Android calls it, any text, none. */
enum name_is { NAME_IOS = 3, NAME_ANDROID = 2, NAME_TEXT = 1, NAME_OTHER = 0 };

static enum name_is name_of(const struct entry *en, struct arena *a, struct buf *scratch)
{
	const char *base = path_base(en->name), *title;
	if (!ends_with(base, ".txt"))
		return NAME_OTHER;
	if (streq(base, "_chat.txt"))
		return NAME_IOS;
	return wa_title_of(a, scratch, base, &title) ? NAME_ANDROID : NAME_TEXT;
}

static bool is_inner_archive(const struct entry *en, struct arena *a, struct buf *scratch)
{
	const char *title;
	return ends_with(en->name, ".zip") && wa_title_of(a, scratch, path_base(en->name), &title);
}

static bool same_folder(const char *a, const char *b)
{
	size_t n = (size_t)(path_base(a) - a), m = (size_t)(path_base(b) - b);
	return n == m && !memcmp(a, b, n);
}

static int bid(struct vault *v)
{
	struct arena a;
	struct buf scratch;
	struct wa_head h;
	int best = 0;
	size_t tried = 0;
	arena_init(&a);
	buf_init(&scratch, 4096);
	for (size_t i = 0; i < vault_count(v) && tried < BID_FILES && best < 90; i++) {
		const struct entry *en = vault_entry_in(v, i, &a);
		enum name_is is = name_of(en, &a, &scratch);
		int n = 0;
		if (is != NAME_OTHER) {
			size_t headers = wa_sniff(v, en, &h);
			tried++;
			n = !headers ? 0 : is == NAME_IOS ? 95 : is == NAME_ANDROID ? 90 : headers > 1 ? 60 : 30;
		} else if (is_inner_archive(en, &a, &scratch)) {
			n = 50;
		} else if (ends_with(en->name, ".crypt15") || ends_with(en->name, ".crypt14") || ends_with(en->name, ".crypt12") ||
		           streq(path_base(en->name), "msgstore.db") || streq(path_base(en->name), "ChatStorage.sqlite")) {
			n = 40;
		}
		best = n > best ? n : best;
		arena_reset(&a);
	}
	buf_release(&scratch);
	arena_release(&a);
	return best;
}

/* ---- opening ---- */

static bool take_options(struct source *s, const char *const *options, struct err *e)
{
	fmt_into(s->zone, sizeof(s->zone), "UTC");
	for (size_t i = 0; options && options[i]; i++) {
		const char *o = options[i];
		if (strncmp(o, "zone=", 5) == 0) {
			if (!zone_known(o + 5) || !fmt_into(s->zone, sizeof(s->zone), "%s", o + 5)) {
				err_set(e, ERR_USAGE, "there is no time zone \"%.60s\"", o + 5);
				return err_hint(e, "an IANA name is wanted, such as Europe/Moscow or Asia/Almaty");
			}
			s->zone_given = true;
		} else if (strncmp(o, "date-order=", 11) == 0) {
			int found = -1;
			for (int k = 0; k < WA_N_ORDERS; k++)
				if (streq(o + 11, wa_order_name((enum wa_order)k)))
					found = k;
			if (found < 0) {
				err_set(e, ERR_USAGE, "date-order is dmy, mdy or ymd, not \"%.40s\"", o + 11);
				return false;
			}
			s->order = (enum wa_order)found;
			s->order_given = true;
		}
	}
	return true;
}

/* The surest name in the folder of an entry. Entries are sorted, so a folder's files stand together but for its subfolders. */
static uint8_t best_name(struct vault *v, const uint8_t *is, const char *name)
{
	size_t folder = (size_t)(path_base(name) - name);
	char *prefix = xstrndup(name, folder);
	uint8_t top = 0;
	struct arena a;
	arena_init(&a);
	for (size_t k = vault_lower(v, prefix); k < vault_count(v); k++) {
		arena_reset(&a);
		const char *other = vault_entry_in(v, k, &a)->name;
		if (strncmp(other, prefix, folder) != 0)
			break;
		if (is[k] > top && same_folder(other, name))
			top = is[k];
	}
	arena_release(&a);
	free(prefix);
	return top;
}

/* In a folder with a transcript by name, other texts are documents somebody sent; elsewhere any text with headers is one. */
static void find_chats(struct source *s)
{
	struct wa_head h;
	size_t n = vault_count(s->v), cap = 0;
	uint8_t *is = xcalloc(n ? n : 1, 1);
	struct arena a;
	arena_init(&a);
	for (size_t i = 0; i < n; i++) {
		arena_reset(&a);
		const struct entry *en = vault_entry_in(s->v, i, &a);
		is[i] = (uint8_t)name_of(en, &s->keep, &s->norm);
		s->nested |= is_inner_archive(en, &s->keep, &s->norm);
	}
	arena_release(&a);
	const char *of = NULL; /* an entry of the folder that `top` is about */
	uint8_t top = 0;
	for (size_t i = 0; i < n; i++) {
		if (!is[i])
			continue;
		const struct entry *en = vault_entry(s->v, i);
		if (!of || !same_folder(of, en->name))
			top = best_name(s->v, is, en->name);
		of = en->name;
		if (is[i] < top && top > NAME_TEXT)
			continue;
		if (!wa_sniff(s->v, en, &h) && is[i] == NAME_TEXT)
			continue;
		GROW(s->chats, s->n_chats, cap, 16);
		s->chats[s->n_chats++] = (struct wa_chat_ref){ en };
	}
	free(is);
}

static void wa_close(struct source *s)
{
	if (!s)
		return;
	wa_match_free(s->match);
	buf_release(&s->norm);
	buf_release(&s->body);
	arena_release(&s->keep);
	free(s->chats);
	free(s);
}

static struct source *wa_open(struct vault *v, const char *const *options, struct err *e)
{
	struct source *s = xcalloc(1, sizeof(*s));
	s->v = v;
	arena_init(&s->keep);
	buf_init(&s->norm, WA_BODY_MAX + 64);
	buf_init(&s->body, WA_BODY_MAX);
	if (!take_options(s, options, e)) {
		wa_close(s);
		return NULL;
	}
	find_chats(s);
	if (!s->n_chats) {
		bool database = false;
		struct arena a;
		arena_init(&a);
		for (size_t i = 0; i < vault_count(v); i++) {
			arena_reset(&a);
			const char *name = vault_entry_in(v, i, &a)->name;
			database |= strstr(name, ".crypt1") || ends_with(name, "msgstore.db") || ends_with(name, "chatstorage.sqlite");
		}
		arena_release(&a);
		if (s->nested) {
			err_set(e, ERR_ARCHIVE, "there are archives of chats inside this one");
			err_hint(e, "unpack it once and give each chat's zip as an archive of its own");
		} else if (database) {
			err_set(e, ERR_ARCHIVE, "this is a database or a backup of WhatsApp, not an exported chat");
			err_hint(e, "it is read as --format whatsapp-db; or export the chats on the phone: in the chat, More, Export chat");
		} else {
			err_set(e, ERR_ARCHIVE, "no chat exported from WhatsApp: no text whose lines begin with a date and a time");
			err_hint(e, "export the chat on the phone and give the file as it is");
		}
		wa_close(s);
		return NULL;
	}
	s->match = wa_match_new();
	return s;
}

/* A transcript does not say whose phone it comes from, and chats of many phones belong into one migration. */
static const char *identity(const struct source *s)
{
	(void)s;
	return "whatsapp";
}

/* ---- the walk ---- */

static void name_chat(struct source *s, struct wa_chat *c)
{
	const char *name = c->en->name, *base = path_base(name);
	c->folder = arena_strndup(&s->names, name, (size_t)(base - name));
	if (!streq(base, "_chat.txt")) {
		c->named = wa_title_of(&s->names, &s->norm, base, &c->title);
		if (c->named)
			return;
	}
	/* "_chat.txt": the folder it stands in, else the archive, is called "WhatsApp Chat - X". */
	if (*c->folder) {
		const char *folder = arena_strndup(&s->names, c->folder, strlen(c->folder) - 1);
		c->named = wa_title_of(&s->names, &s->norm, path_base(folder), &c->title);
	} else {
		const char *top = vault_top(s->v), *title;
		if (vault_kind(s->v) != VAULT_FILE && wa_title_of(&s->names, &s->norm, path_base(*top ? top : vault_path(s->v)), &title)) {
			c->named = true;
			c->title = title;
		} else if (streq(base, "_chat.txt") && vault_kind(s->v) != VAULT_FILE) {
			c->title = title;
		}
	}
}

static void about_chat(struct source *s, struct wa_chat *c)
{
	char shape[WA_SHAPE_MAX + 1];
	wa_shape_text(&c->lock, shape, sizeof(shape));
	wa_fact(s, "chat", "%s: %s, %s", c->title, c->group ? "group" : "two people", c->ios ? "from an iPhone" : "from Android");
	wa_fact(s, "date-order", "%s: %s; %s", c->title, wa_order_name(c->order), c->why);
	wa_fact(s, "header", "%s: %s", c->title, shape);
	buf_reset(&s->norm);
	for (size_t i = 0; i < wa_n_locales; i++)
		if (c->locales.bits[i / 64] >> (i % 64) & 1)
			buf_addf(&s->norm, "%s%s", s->norm.len ? ", " : "", wa_locales[i]);
	if (c->language_known)
		wa_fact(s, "language", "%s: %.200s", c->title, s->norm.p);
	else
		wa_fact(s, "language", "%s: not known", c->title);
	if (c->me)
		wa_fact(s, "exported-by", "%s: %s", c->title, c->me->name);
	s->line = 0;
	if (c->enc != WA_UTF8)
		wa_hazard(s, HAZARD_NOTE, "encoding", "the text was saved again by another program, in %s", wa_encoding_name(c->enc));
	else if (c->bad_lines)
		wa_hazard(s, HAZARD_LOSS, "encoding-broken", "%zu lines hold bytes that are no UTF-8; they became U+FFFD", c->bad_lines);
	if (c->foreign) {
		s->line = c->foreign_line;
		wa_hazard(s, HAZARD_NOTE, "header-like-text", "%zu lines look like the beginning of a message in another form or place; taken as text", c->foreign);
	}
	s->line = 0;
	if (!c->language_known && c->marked_asked > 2)
		wa_hazard(s, HAZARD_WARN, "language-unknown", "what WhatsApp itself wrote is in a language that is not known; it is kept as notices");
	size_t n = c->headers;
	if ((n >= CUT_SMALL - 100 && n <= CUT_SMALL) || (n >= CUT_LARGE - 100 && n <= CUT_LARGE))
		wa_hazard(s, HAZARD_WARN, "probably-cut", "%zu messages: WhatsApp exports at most %d with media and %d without; export the other way too, or add another phone's export", n, CUT_SMALL, CUT_LARGE);
	if (n <= 3 && c->authorless + (c->title_author ? c->title_author->n : 0) >= n)
		wa_hazard(s, HAZARD_WARN, "nothing-said", "only notices: a linked device exports a chat almost empty; export on the main phone");
}

static bool push_conv(struct source *s, struct wa_chat *c)
{
	const char **members = arena_array(&s->names, c->by_name.n + 2, const char *);
	size_t n = 0;
	for (size_t i = 0; i < c->by_name.n && !s->stopped; i++) {
		const struct wa_author *p = c->by_name.rows[i].value;
		if (p->system || !p->n)
			continue;
		wa_push_person(s, p);
		size_t k = 0;
		while (k < n && !streq(members[k], p->id))
			k++;
		if (k == n)
			members[n++] = p->id;
	}
	if (!c->group && n < 2) { /* a partner who never wrote */
		struct wa_author *p = wa_author_named(s, c, c->title);
		if (n == 0 || !streq(members[0], p->id)) {
			wa_push_person(s, p);
			members[n++] = p->id;
		}
	}
	const struct copy copy = { .conv_id = c->conv_id, .label = c->en->name, .owner = c->me ? c->me->id : NULL, .ids = COPY_IDS_MADE,
	                           .clock = COPY_CLOCK_LOCAL, .zone = s->zone };
	if (!s->stopped && s->sink->copy && !s->sink->copy(s->sink->ctx, &copy))
		s->stopped = true;
	struct conv conv = { .id = c->conv_id, .name = c->title, .kind = c->group ? CONV_PRIVATE : CONV_DM, .members = members, .n_members = n };
	if (!s->stopped && !s->sink->conv(s->sink->ctx, &conv))
		s->stopped = true;
	return !s->stopped;
}

/* What people ask first of a chat whose dates are refused. */
struct refusal { struct err first; size_t n; char names[160]; };

static void note_refusal(struct refusal *r, const struct wa_chat *c, const struct err *e)
{
	if (!r->n)
		r->first = *e;
	else if (r->n < REFUSED_SHOWN + 1) {
		size_t n = strlen(r->names);
		fmt_into(r->names + n, sizeof(r->names) - n, "%s\"%.40s\"", n ? ", " : "", c->title);
	}
	r->n++;
}

static bool walk_chat(struct source *s, const struct entry *en, struct refusal *refused, struct err *e)
{
	struct wa_chat *c = arena_new(&s->names, struct wa_chat);
	struct err mine = ERR_INIT;
	c->en = en;
	s->entry = en->name;
	s->line = 0;
	wa_media_is_transcript(s, en);
	name_chat(s, c);
	bool ok = true;
	switch (wa_survey(s, c, e)) {
	case WA_SURVEY_FAILED:
		ok = false;
		break;
	case WA_NO_CHAT:
		wa_hazard(s, HAZARD_WARN, "no-messages", "no line begins with a date and a time that is understood");
		wa_bad(s, "no messages found in this text");
		break;
	case WA_CHAT:
		if (c->near_ * 50 > c->headers) {
			err_set(e, ERR_ARCHIVE, "%zu lines begin with a time that has a word which is not known", c->near_);
			err_where(e, "%s:%zu", en->name, c->near_line);
			err_hint(e, "set the phone to the 24-hour clock or to English and export again");
			ok = false;
		} else if (!wa_decide_order(s, c, &mine)) {
			note_refusal(refused, c, &mine);
		} else if (!refused->n) {
			about_chat(s, c);
			push_conv(s, c);
			ok = !s->stopped && wa_emit(s, c, e);
		}
		break;
	}
	table_release(&c->by_raw);
	table_release(&c->by_name);
	free(c->seen.slots);
	arena_reset(&s->names);
	return ok && !s->stopped;
}

static bool wa_walk(struct source *s, const struct sink *sink, struct arena *step, struct err *e)
{
	struct refusal refused = { .n = 0 };
	char day[32];
	s->sink = sink;
	s->step = step;
	s->stopped = false;
	s->n_msgs = s->n_users = s->twice = s->never = 0;
	s->first_us = s->last_us = 0;
	s->entry = NULL;
	s->line = 0;
	arena_init(&s->names);
	arena_init(&s->run);
	table_init(&s->people);
	s->media = wa_media_new(s);
	bool ok = true;
	for (size_t i = 0; i < s->n_chats; i++)
		wa_media_is_transcript(s, s->chats[i].en);
	wa_fact(s, "kind", "whatsapp-export");
	wa_fact(s, "zone", "%s", s->zone);
	if (!s->zone_given)
		wa_hazard(s, HAZARD_WARN, "zone-assumed", "no time zone was given: times are taken as UTC; give the phone's zone in the mapping");
	for (size_t i = 0; i < s->n_chats && ok; i++)
		ok = walk_chat(s, s->chats[i].en, &refused, e);
	if (ok && refused.n) {
		if (e)
			*e = refused.first;
		if (e && refused.n > 1)
			err_hint(e, "the same of %zu more (%s): look at the phone and say --date-order dmy or --date-order mdy", refused.n - 1, refused.names);
		ok = false;
	}
	if (ok) {
		wa_media_unused(s);
		s->entry = NULL;
		if (s->nested)
			wa_hazard(s, HAZARD_LOSS, "archive-inside", "archives of chats inside this one are not read: give them as archives of their own");
		if (s->n_msgs) {
			clock_iso(s->first_us, day);
			wa_fact(s, "first-day", "%.10s", day);
			clock_iso(s->last_us, day);
			wa_fact(s, "last-day", "%.10s", day);
		}
	}
	wa_media_free(s->media);
	s->media = NULL;
	table_release(&s->people);
	arena_release(&s->names);
	arena_release(&s->run);
	s->sink = NULL;
	s->step = NULL;
	ok = ok && !s->stopped;
	if (!ok && (!e || e->code == ERR_NONE))
		err_set(e, ERR_INTERNAL, "the walk was stopped by its reader");
	return ok;
}

const struct importer importer_whatsapp = {
	.name = "whatsapp",
	.summary = N_("WhatsApp chat export (iPhone, Android)"),
	.bid = bid,
	.open = wa_open,
	.identity = identity,
	.walk = wa_walk,
	.close = wa_close,
};
