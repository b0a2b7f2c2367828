/* whatsapp_db_people.c: who is who in a database of WhatsApp: JIDs, numbers, names, and whose phone it is.
 *
 * Promises: one person per number, whatever device suffix or hidden id (LID) a JID has; the same id as in a text export that shows
 * the number ("wa:+79161234567"). Called by whatsapp_db*.c.
 *
 * JIDs: USER@s.whatsapp.net is a number, USER@lid an id that hides the number (the table jid_map or LID.sqlite may tell it),
 * USER@g.us a group; ":3" or ".0:3" behind USER names a device.
 */
#include "importers/whatsapp_db.h"

#include <string.h>

const char *wadb_bare(struct arena *a, const char *jid, const char **server)
{
	const char *at = strchr(jid, '@');
	size_t n = at ? (size_t)(at - jid) : strlen(jid);
	*server = at ? at + 1 : "s.whatsapp.net"; /* an address book may leave it out */
	size_t user = 0;
	while (user < n && jid[user] != ':' && !(jid[user] == '.' && streq(*server, "s.whatsapp.net")))
		user++;
	return arena_fmt(a, "%.*s@%s", (int)user, jid, *server);
}

static bool digits(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] < '0' || s[i] > '9')
			return false;
	return n > 0;
}

/* Nothing but what ids are made of, so that a hostile one spoils nothing. */
static bool plain(const char *s)
{
	size_t n = strlen(s);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] <= ' ' || (unsigned char)s[i] >= 0x7f || s[i] == '/')
			return false;
	return n && n <= 120;
}

struct wadb_person *wadb_person(struct wadb *w, const char *jid)
{
	const char *server, *id;
	if (!jid || !*jid)
		return NULL;
	struct wadb_person *p = table_get(&w->by_jid, jid);
	if (p)
		return p;
	const char *bare = wadb_bare(&w->a, jid, &server);
	const size_t n = strcspn(bare, "@");
	if (!n || !plain(bare) || streq(bare, "0@s.whatsapp.net")) /* 0: WhatsApp itself */
		return NULL;
	if ((p = table_get(&w->by_jid, bare)))
		return p;
	if (streq(server, "s.whatsapp.net") && digits(bare, n) && n >= 7 && n <= 15)
		id = arena_fmt(&w->a, "wa:+%.*s", (int)n, bare);
	else if (streq(server, "s.whatsapp.net") || streq(server, "lid") || streq(server, "hosted") || streq(server, "bot"))
		id = arena_fmt(&w->a, "wa:%s:%.*s", streq(server, "lid") ? "lid" : "id", (int)n, bare);
	else
		return NULL;
	p = table_get(&w->people, id);
	if (!p) {
		p = arena_new(&w->a, struct wadb_person);
		p->id = id;
		p->phone = id[3] == '+' ? id + 3 : NULL;
		p->source = NAME_PLACEHOLDER;
		table_put(&w->people, id, p);
	}
	table_put(&w->by_jid, arena_strdup(&w->a, jid), p);
	return p;
}

void wadb_lid(struct wadb *w, const char *lid, const char *jid)
{
	struct wadb_person *p = lid && jid ? wadb_person(w, jid) : NULL;
	const char *server;
	if (!p || table_get(&w->by_jid, lid))
		return;
	const char *bare = wadb_bare(&w->a, lid, &server);
	table_put(&w->by_jid, arena_strdup(&w->a, lid), p);
	if (!table_get(&w->by_jid, bare))
		table_put(&w->by_jid, bare, p);
}

void wadb_name(struct wadb *w, struct wadb_person *p, const char *name, enum name_source source)
{
	char clean[WA_AUTHOR_MAX + 1], number[24];
	if (!p || !name || (p->name && p->source <= source))
		return;
	size_t n = strlen(name);
	if (!wa_clean_name(name, n < WA_AUTHOR_MAX ? n : 0, clean) || wa_phone(clean, number))
		return;
	const char *s = clean;
	while (*s == '~' || *s == ' ')
		s++;
	if (*s) {
		p->name = arena_strdup(&w->a, s);
		p->source = source;
	}
}

/* The phone's owner is in every group and never the author of what was received. If that fits one person, it is them; else
 * they stay a person without a number, the same in every copy of this phone's database. */
void wadb_find_me(struct wadb *w, const char *first_stanza)
{
	struct wadb_person *found = NULL;
	size_t groups = 0, fit = 0;
	for (size_t i = 0; i < w->chats.n; i++) {
		const struct wadb_chat *c = w->chats.rows[i].value;
		groups += c->group && c->roster;
	}
	for (size_t i = 0; i < w->people.n && groups; i++) {
		struct wadb_person *p = w->people.rows[i].value;
		if (p->groups == groups && !p->wrote && p->phone) {
			found = p;
			fit++;
		}
	}
	for (size_t i = 0; i < w->chats.n && fit == 1; i++) { /* nobody's own chat, unless it is the one with oneself */
		const struct wadb_chat *c = w->chats.rows[i].value;
		if (c->partner == found && groups < 2)
			fit = 0;
	}
	if (fit == 1) {
		w->me = found;
		return;
	}
	struct wadb_person *p = arena_new(&w->a, struct wadb_person);
	p->id = arena_fmt(&w->a, "wa:me:%012llx", (unsigned long long)(hash64s(first_stanza ? first_stanza : "") & 0xffffffffffff));
	p->source = NAME_PLACEHOLDER;
	table_put(&w->people, p->id, p);
	w->me = p;
}

bool wadb_push_person(struct wadb *w, struct wadb_person *p)
{
	struct source *s = &w->wa;
	if (p->said)
		return !s->stopped;
	p->said = true;
	const char *name = p->name ? p->name : p->phone ? p->phone : p == w->me ? "the phone's owner" : p->id + 3;
	struct user u = { .id = p->id, .name = name, .phone = p->phone, .name_source = p->name ? p->source : NAME_PLACEHOLDER };
	s->n_users++;
	if (!s->stopped && !s->sink->user(s->sink->ctx, &u))
		s->stopped = true;
	return !s->stopped;
}
