/* mapping_digest.c: one number for all that a mapping decides, so that the ledger can tell under which one a message was written.
 *
 * Promises: mappings that decide the same have the same digest, in whatever order their lists and rows stand; keys that are new in the
 * house and not used leave it as it was. Called by cli and replay. Reads the mapping only.
 */
#include "mapping/mapping_rows.h"

#include "core/json.h"

#include <stdlib.h>
#include <string.h>

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
