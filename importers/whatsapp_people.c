/* whatsapp_people.c: who a line is by.
 *
 * Promises: one record per spelling in a chat, one id per person as far as the text can tell: a number is a number whatever
 * spaces, hyphens and marks it is written with; a name is the same in NFC and NFD and in any case. Two people with one name
 * cannot be told apart, and one person under two names is joined by the mapping's aliases, not here.
 */
#include "importers/whatsapp.h"

#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <uninorm.h>

static bool is_space(const unsigned char *p, size_t n, size_t *k)
{
	if (n >= 2 && p[0] == 0xc2 && p[1] == 0xa0)
		*k = 2;
	else if (n >= 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xaf || p[2] == 0x89 || p[2] == 0x87))
		*k = 3;
	else if (*p == ' ' || *p == '\t')
		*k = 1;
	else
		return false;
	return true;
}

size_t wa_clean_name(const char *s, size_t n, char out[WA_AUTHOR_MAX + 1])
{
	size_t len = 0;
	if (n > WA_AUTHOR_MAX)
		return 0;
	for (size_t i = 0, k; i < n;) {
		if ((k = wa_mark(s + i, n - i))) {
			i += k;
		} else if (is_space((const unsigned char *)s + i, n - i, &k)) {
			if (len && out[len - 1] != ' ')
				out[len++] = ' ';
			i += k;
		} else {
			out[len++] = s[i++];
		}
	}
	while (len && out[len - 1] == ' ')
		len--;
	out[len] = '\0';
	return len;
}

bool wa_phone(const char *name, char out[24])
{
	size_t len = 0;
	const unsigned char *p = (const unsigned char *)name;
	if (*p != '+')
		return false;
	out[len++] = '+';
	for (p++; *p; p++) {
		if (*p >= '0' && *p <= '9') {
			if (len > 15) /* E.164: at most 15 digits */
				return false;
			out[len++] = (char)*p;
		} else if (p[0] == 0xe2 && p[1] == 0x80 && p[2] >= 0x90 && p[2] <= 0x95) {
			p += 2; /* hyphens and dashes */
		} else if (!strchr(" -().", *p)) {
			return false;
		}
	}
	out[len] = '\0';
	return len >= 8;
}

const char *wa_person_id(struct arena *a, struct buf *scratch, const char *name, const char **phone)
{
	char number[24];
	*phone = NULL;
	if (wa_phone(name, number)) {
		*phone = arena_strdup(a, number);
		return arena_fmt(a, "wa:%s", number);
	}
	buf_reset(scratch);
	wa_norm(name, strlen(name), scratch);
	size_t len = 0;
	uint8_t *folded = u8_casefold((const uint8_t *)scratch->p, scratch->len, NULL, UNINORM_NFC, NULL, &len);
	const char *id = folded ? arena_fmt(a, "wa:name:%.*s", (int)len, (const char *)folded) : arena_fmt(a, "wa:name:%s", scratch->p);
	free(folded);
	return id;
}

struct wa_author *wa_author_named(struct source *s, struct wa_chat *c, const char *name)
{
	struct wa_author *p = table_get(&c->by_name, name);
	if (p)
		return p;
	p = arena_new(&s->names, struct wa_author);
	p->name = arena_strdup(&s->names, name);
	p->push = name[0] == '~';
	p->always = true;
	p->id = wa_person_id(&s->names, &s->norm, p->name, &p->phone);
	buf_reset(&s->norm);
	wa_norm(name, strlen(name), &s->norm);
	for (const char *q = s->norm.p; (q = strchr(q, '"')); q++)
		p->half_notice = !p->half_notice;
	p->half_notice |= wa_is_notice_head(s->norm.p, s->norm.len);
	table_put(&c->by_name, p->name, p);
	return p;
}

struct wa_author *wa_author_at(struct source *s, struct wa_chat *c, const char *raw, size_t n)
{
	char key[WA_AUTHOR_MAX + 1], clean[WA_AUTHOR_MAX + 1];
	if (c->last && n == c->last->n && !memcmp(raw, c->last->text, n))
		return c->last->author;
	if (!n || n > WA_AUTHOR_MAX)
		return NULL;
	memcpy(key, raw, n);
	key[n] = '\0';
	struct wa_spelling *sp = table_get(&c->by_raw, key);
	if (!sp) {
		if (!wa_clean_name(raw, n, clean) || c->by_raw.n >= WA_AUTHORS_MAX)
			return NULL;
		sp = arena_new(&s->names, struct wa_spelling);
		sp->text = arena_strdup(&s->names, key);
		sp->n = n;
		sp->author = wa_author_named(s, c, clean);
		table_put(&c->by_raw, sp->text, sp);
	}
	c->last = sp;
	return sp->author;
}

void wa_split(struct source *s, struct wa_chat *c, const char *rest, size_t n, struct wa_parts *out)
{
	*out = (struct wa_parts){ NULL, rest, n };
	const char *colon = memchr(rest, ':', n < WA_AUTHOR_MAX ? n : WA_AUTHOR_MAX);
	const char *first = NULL;
	while (colon) {
		size_t at = (size_t)(colon - rest);
		if (at + 1 == n || rest[at + 1] == ' ') {
			first = colon;
			break;
		}
		colon = memchr(colon + 1, ':', (n < WA_AUTHOR_MAX ? n : WA_AUTHOR_MAX) - at - 1);
	}
	if (!first || first == rest)
		return;
	size_t at = (size_t)(first - rest);
	struct wa_author *p = wa_author_at(s, c, rest, at);
	if (!p)
		return;
	size_t from = at + 1 + (at + 1 < n);
	if (p->full) { /* "A: B: text", where the person is called "A: B" */
		size_t k = strlen(p->next);
		if (n - from >= k + 1 && !memcmp(rest + from, p->next, k) && rest[from + k] == ':' && (from + k + 1 == n || rest[from + k + 1] == ' ')) {
			p = wa_author_named(s, c, p->full);
			from += k + 1;
			from += from < n;
		}
	}
	*out = (struct wa_parts){ p, rest + from, n - from };
}

bool wa_is_notice(struct source *s, const struct wa_chat *c, const struct wa_author *p, const char *rest, size_t n)
{
	if (c->ios || n > WA_PHRASE_MAX || !(p->half_notice || p->full))
		return false;
	buf_reset(&s->norm);
	wa_norm(rest, n, &s->norm);
	const struct wa_string *hit = wa_match(s->match, WA_TEMPLATES, &c->locales, s->norm.p, s->norm.len, NULL);
	return hit && hit->kind != WA_LOCATION;
}

const struct wa_author *wa_mentioned(struct source *s, struct wa_chat *c, const char *label, size_t n)
{
	char name[WA_AUTHOR_MAX + 1];
	const struct wa_author *p;
	size_t len = wa_clean_name(label, n, name);
	if (!len)
		return NULL;
	p = table_get(&c->by_name, name);
	if (!p && len + 2 < sizeof(name)) { /* who is no contact stands in lines as "~ Name" */
		memmove(name + 2, name, len + 1);
		memcpy(name, "~ ", 2);
		p = table_get(&c->by_name, name);
		memmove(name, name + 2, len + 1);
	}
	if (p)
		return p->system ? NULL : p;
	/* A number is written without its plus. */
	for (size_t i = 0; i < c->by_name.n; i++) {
		p = c->by_name.rows[i].value;
		if (p->phone && streq(p->phone + 1, name))
			return p;
	}
	(void)s;
	return NULL;
}

bool wa_push_person(struct source *s, const struct wa_author *p)
{
	if (table_get(&s->people, p->id))
		return true;
	const char *id = arena_strdup(&s->run, p->id);
	table_put(&s->people, id, (void *)(uintptr_t)id);
	const char *name = p->name;
	while (p->push && (*name == '~' || *name == ' '))
		name++;
	if (!*name)
		name = p->name;
	struct user u = { .id = p->id, .name = name, .phone = p->phone, .name_source = p->phone ? NAME_PLACEHOLDER : NAME_PROFILE };
	s->n_users++;
	if (!s->stopped && !s->sink->user(s->sink->ctx, &u))
		s->stopped = true;
	return !s->stopped;
}
