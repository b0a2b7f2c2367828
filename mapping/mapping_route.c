/* mapping_route.c: where history goes: the placement of a conversation, and rules that send messages into threads.
 *
 * Called by mapping_decide.c (placement) and by replay through mapping.h (routes), which keeps the windows of time; here stands only
 * what one rule says of one message. Pure: text in, names out. */
#include "mapping/mapping_rows.h"

#include "core/utf8.h"
#include "mapping/mapping_names.h"

#include <string.h>

enum { THREAD_NAME_MAX = 200 };

static enum placement placement_of(const struct mapping *m, const struct conv *c, const struct place *p, struct arena *a)
{
	const struct place_row *r = rows_place(m, c->id);
	const struct place_row *h = p->into ? rows_place(m, p->into) : NULL;
	if (h) { /* all of a chat is placed the same way */
		const struct conv host = { .id = h->id, .name = h->name, .kind = h->kind };
		const struct place hp = { .action = h->decision == PLACE_DECIDE_ADOPT ? PLACE_ADOPT : PLACE_CREATE };
		return placement_of(m, &host, &hp, a);
	}
	for (size_t i = 0; i < m->cfg.n_placed; i++)
		for (size_t k = 0; k < m->cfg.placed[i].channels.n; k++) {
			const char *g = m->cfg.placed[i].channels.v[k];
			if (streq(g, c->id) || (c->name && names_glob(g, c->name, a)) || (r && *r->name && names_glob(g, r->name, a)))
				return m->cfg.placed[i].placement;
		}
	/* People talk in a chat that was there before: history does not come among them unless somebody says so. */
	return m->cfg.placement_auto ? p->action == PLACE_ADOPT ? PLACEMENT_THREADS : PLACEMENT_INLINE : m->cfg.placement;
}

bool route_splits(const struct mapping *m, const struct place_row *h, struct arena *a)
{
	const struct conv c = { .id = h->id, .name = h->name, .kind = h->kind };
	const struct place p = { .action = h->decision == PLACE_DECIDE_ADOPT ? PLACE_ADOPT : PLACE_CREATE };
	return placement_of(m, &c, &p, a) == PLACEMENT_ARCHIVE_CHAT;
}

void route_place(const struct mapping *m, const struct conv *c, struct arena *a, struct place *p)
{
	bool live = !strncmp(c->id, MAPPING_LIVE, strlen(MAPPING_LIVE));
	p->history_by = m->cfg.history_by;
	p->placement = live || p->action == PLACE_SKIP ? PLACEMENT_INLINE : placement_of(m, c, p, a);
	if (p->placement != PLACEMENT_ARCHIVE_CHAT)
		return;
	if (c->archived && p->action == PLACE_CREATE) {
		p->placement = PLACEMENT_INLINE; /* it is read-only as it is */
		return;
	}
	p->name = arena_fmt(a, streq(m->cfg.c.locale, "ru") ? "%s · архив" : "%s · archive", p->name);
	p->action = PLACE_CREATE;
	p->target_id = NULL;
	p->archive_at_end = true;
}

bool mapping_merges(const struct mapping *m)
{
	return m->n_into > 0;
}

bool mapping_hosts(const struct mapping *m, const char *conv)
{
	const struct place_row *r = m->n_into ? rows_place(m, conv) : NULL;
	return r && r->hosts;
}

bool mapping_has_routes(const struct mapping *m)
{
	return m->cfg.has_routes;
}

/* One line without control characters, not too long; NULL: nothing is left. */
static const char *thread_name(const struct mapping *m, const char *s, struct arena *a)
{
	char *name = arena_strdup(a, s);
	size_t n = 0;
	for (const char *p = name; *p; p++) {
		bool blank = (unsigned char)*p <= ' ' || *p == 0x7f;
		if (!blank || (n && name[n - 1] != ' '))
			name[n++] = blank ? ' ' : *p;
	}
	while (n && name[n - 1] == ' ')
		n--;
	name[n] = '\0';
	if (n > THREAD_NAME_MAX)
		name[utf8_cut(name, THREAD_NAME_MAX)] = '\0';
	const char *clean = mapping_redact(m, name, a);
	return clean && *clean ? clean : NULL;
}

enum route_answer mapping_route(const struct mapping *m, const struct msg_meta *mm, const struct msg *msg, struct arena *a, struct route *out)
{
	uint64_t about = m->cfg.has_routes ? rows_rules_about(m, mm) : 0;
	bool asks = false;
	struct buf words = { 0 };
	enum route_answer answer = ROUTE_NO;
	if (!about)
		return ROUTE_NO;
	if (msg) {
		buf_init(&words, 4 << 20);
		rows_words(msg, &words);
	}
	/* As when messages are left out: rules without a text first. */
	for (int with_text = 0; with_text < 2 && answer == ROUTE_NO; with_text++)
		for (size_t i = 0; i < m->cfg.n_rules; i++) {
			const struct rule_where *r = &m->cfg.rules[i];
			const char *name = r->thread;
			if (!(about >> i & 1) || (r->re != NULL) != (with_text == 1))
				continue;
			if (r->re && !msg) {
				asks = true;
				continue;
			}
			if (r->re && (words.full || regex_expand(r->re, r->what == RULE_ROUTE ? r->thread : "", words.p ? words.p : "", words.len, a, &name) != REGEX_YES))
				continue;
			if (r->what == RULE_DROP)
				goto out; /* left out: it goes nowhere */
			name = thread_name(m, name, a);
			if (!name)
				continue; /* its groups were empty */
			*out = (struct route){ i, name, r->carry_us, r->back_us, r->any_author };
			answer = ROUTE_YES;
			break;
		}
out:
	if (msg)
		buf_release(&words);
	return answer == ROUTE_NO && asks ? ROUTE_ASK_TEXT : answer;
}
