/* slack_lists.c: users.json, channels.json, groups.json, mpims.json, dms.json and the lists of other things an export holds.
 *
 * Lists are read element by element, so a list of a hundred thousand people costs no more memory than what is remembered of
 * each: id, name, flags.
 */
#include "importers/slack.h"

#include "core/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEMBERS_MAX = 200 * 1000, PINS_MAX = 10 * 1000, DM_NAME_MAX = 200 };

static const char *const skip_users[] = { "status_emoji_display_info", "huddle_state", "image_24", "image_32", "image_48",
	"image_72", "image_192", "image_1024", "fields", NULL };

static const char *opt(struct source *s, const struct jv *v)
{
	return v && v->type == JV_STR && v->len ? slack_untoken(s->step, slack_str(s->step, v), NULL) : NULL;
}

int64_t slack_time_us(const struct jv *v)
{
	int64_t t = jv_int(v, 0);
	if (t <= 1) /* 1 is a placeholder that some exports have for direct messages */
		return 0;
	if (t > 100000000000) /* milliseconds, as `updated` has them */
		return t > INT64_MAX / 1000 ? 0 : t * 1000;
	return t * 1000000;
}

static uint32_t user_flags(struct source *s, const struct jv *v, const char *id)
{
	static const struct { const char *key; uint32_t flag; } bools[] = {
		{ "deleted", USER_GONE }, { "is_bot", USER_BOT }, { "is_app_user", 0 }, { "is_restricted", USER_GUEST }, { "is_ultra_restricted", USER_GUEST },
		{ "is_stranger", USER_STRANGER }, { "is_admin", USER_ADMIN }, { "is_owner", USER_OWNER }, { "is_primary_owner", USER_OWNER },
		{ "is_invited_user", USER_INVITED }, { "is_workflow_bot", USER_BOT },
	};
	uint32_t flags = 0;
	for (size_t i = 0; i < countof(bools); i++)
		if (jv_get_bool(v, bools[i].key))
			flags |= bools[i].flag;
	if (jv_get_str(jv_get(v, "profile"), "bot_id"))
		flags |= USER_BOT;
	const char *team = jv_get_str(v, "team_id");
	if (team && !s->grid && !streq(s->team, "unknown") && !streq(team, s->team))
		flags |= USER_STRANGER;
	if (streq(id, "USLACKBOT"))
		flags |= USER_SYSTEM | USER_BOT;
	return flags;
}

static bool each_user(struct source *s, const struct jv *v)
{
	const char *id = jv_get_str(v, "id") ? slack_str(s->step, jv_get(v, "id")) : NULL;
	if (!jv_is(v, JV_OBJ) || !id || !slack_is_ref(id, strlen(id)))
		return slack_bad(s, "a user without a usable id");
	const struct jv *pr = jv_get(v, "profile");
	struct user u = { .id = id, .name_source = NAME_LISTED, .flags = user_flags(s, v, id) };
	u.alias = opt(s, jv_get(pr, "bot_id"));
	u.handle = opt(s, jv_get(v, "name"));
	const struct jv *names[] = { jv_get(pr, "real_name"), jv_get(v, "real_name"), jv_get(pr, "display_name"), jv_get(v, "name") };
	for (size_t i = 0; i < countof(names) && !u.name; i++)
		u.name = opt(s, names[i]);
	if (!u.name)
		u.name = id;
	u.first = opt(s, jv_get(pr, "first_name"));
	u.last = opt(s, jv_get(pr, "last_name"));
	u.email = opt(s, jv_get(pr, "email"));
	u.phone = opt(s, jv_get(pr, "phone"));
	u.title = opt(s, jv_get(pr, "title"));
	u.zone = opt(s, jv_get(v, "tz"));
	u.avatar_url = opt(s, jv_get(pr, "image_original"));
	if (!u.avatar_url)
		u.avatar_url = opt(s, jv_get(pr, "image_512"));
	const struct person *known = slack_person(s, id);
	/* On Grid a person stands in several lists; active in one workspace counts as active. */
	if (known && known->listed && (known->flags & USER_GONE) <= (u.flags & USER_GONE))
		return true;
	slack_list_person(s, &u);
	slack_app_user(s, &u, jv_get_str(pr, "api_app_id"), jv_get_bool(v, "is_workflow_bot"));
	if (!s->sink->user(s->sink->ctx, &u))
		s->stopped = true;
	return !s->stopped;
}

static const struct entry *entry_of(struct source *s, const struct space *sp, const char *name)
{
	char path[PATH_BUF];
	return fmt_into(path, sizeof(path), "%s%s", sp->prefix, name) ? vault_find(s->v, path) : NULL;
}

bool slack_read_users(struct source *s, const struct space *sp)
{
	static const char *const lists[] = { "users.json", "org_users.json" };
	for (size_t i = 0; i < countof(lists) && !s->stopped; i++) {
		const struct entry *en = entry_of(s, sp, lists[i]);
		if (en)
			slack_read(s, en, skip_users, each_user);
	}
	return !s->stopped;
}

/* ---- conversations ---- */

struct chan *slack_add_chan(struct source *s, const struct space *sp, const char *id, const char *name, enum conv_kind kind)
{
	struct chan *c = arena_new(&s->names, struct chan);
	c->id = arena_strdup(&s->names, id);
	c->name = arena_strdup(&s->names, name);
	c->kind = kind;
	c->space = sp;
	table_put(&s->by_id, c->id, c);
	return c;
}

static const char *const *members(struct source *s, const struct jv *list, size_t *n_out)
{
	size_t n = 0, unknown = 0;
	*n_out = 0;
	if (list && list->type == JV_NULL)
		slack_hazard(s, HAZARD_NOTE, "null-field", "members is null");
	if (!jv_count(list))
		return NULL;
	const char **ids = arena_array(s->step, jv_count(list), const char *);
	jv_each(list, m) {
		const char *id = jv_str(m);
		if (!id || !slack_is_ref(id, strlen(id)) || n == MEMBERS_MAX)
			continue;
		if (!slack_person(s, id)) {
			unknown++;
			slack_found(s, id, NAME_PLACEHOLDER, "", 0);
		}
		ids[n++] = id;
	}
	if (unknown)
		slack_hazard(s, HAZARD_NOTE, "unknown-member", "%zu members are in no list of users", unknown);
	*n_out = n;
	return ids;
}

/* Topics are mrkdwn that nobody styles: addresses and entities are what occurs. */
static const char *topic(struct source *s, const struct jv *v)
{
	const char *t = opt(s, jv_get(v, "value"));
	if (!t || !strpbrk(t, "<&"))
		return t;
	struct text_builder b;
	text_begin(&b, s->step);
	slack_mrkdwn(&b, t, strlen(t), &s->seen);
	struct text text = text_end(&b);
	struct buf out;
	buf_init(&out, 64 * 1024);
	for (size_t i = 0; i < text.n_blocks; i++) {
		for (size_t k = 0; k < text.blocks[i].n_spans; k++) {
			const struct span *sp = &text.blocks[i].spans[k];
			buf_adds(&out, *sp->text ? sp->text : *sp->url ? sp->url : sp->ref);
		}
		if (i + 1 < text.n_blocks)
			buf_addc(&out, '\n');
	}
	const char *copy = slack_untoken(s->step, arena_strndup(s->step, out.p, out.len), NULL);
	buf_release(&out);
	return copy;
}

static const char *person_name(struct source *s, const char *id)
{
	const struct person *p = slack_person(s, id);
	return p ? p->name : id;
}

/* "Анна Иванова, Пётр Петров"; one member alone is a notebook: their own name. */
static const char *people_name(struct source *s, const char *const *ids, size_t n)
{
	struct buf out;
	buf_init(&out, DM_NAME_MAX * 4);
	for (size_t i = 0; i < n; i++) {
		const char *name = person_name(s, ids[i]);
		if (i && n == 2 && streq(ids[0], ids[1]))
			break;
		if (out.len + strlen(name) > DM_NAME_MAX) {
			buf_addf(&out, " +%zu", n - i);
			break;
		}
		buf_addf(&out, "%s%s", i ? ", " : "", name);
	}
	const char *copy = arena_strndup(s->step, out.p, out.len);
	buf_release(&out);
	return copy;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void note_same_members(struct source *s, const struct conv *c)
{
	const char **sorted = arena_array(s->step, c->n_members, const char *);
	memcpy(sorted, c->members, c->n_members * sizeof(*sorted));
	qsort(sorted, c->n_members, sizeof(*sorted), by_text);
	uint64_t h = c->n_members;
	for (size_t i = 0; i < c->n_members; i++)
		h = hash64(sorted[i], strlen(sorted[i]), h);
	const char *key = arena_fmt(&s->names, "%016llx", (unsigned long long)h);
	if (table_put(&s->member_sets, key, s))
		slack_hazard(s, HAZARD_NOTE, "group-dm-twice", "%s has the same members as another group message", c->id);
}

static void pins(struct source *s, const struct jv *list, struct conv *c)
{
	if (!jv_count(list))
		return;
	struct pin *out = arena_array(s->step, jv_count(list), struct pin);
	size_t n = 0;
	jv_each(list, p) {
		const char *id = opt(s, jv_get(p, "id"));
		int64_t us;
		if (!id || !slack_ts(id, &us) || n == PINS_MAX) /* type "F" pins a file, not a message */
			continue;
		out[n++] = (struct pin){ id, opt(s, jv_get(p, "user")), slack_time_us(jv_get(p, "created")) };
	}
	c->pins = out;
	c->n_pins = n;
}

static void put_folder(struct source *s, struct chan *ch, const char *name)
{
	const char *key = arena_fmt(&s->names, "%s%s", ch->space->prefix, name);
	struct chan *old = table_get(&s->by_folder, key);
	if (old && old != ch)
		slack_hazard(s, HAZARD_WARN, "folder-shared", "%s and %s are both called \"%.80s\": the folder goes to the first", old->id, ch->id, name);
	else
		table_put(&s->by_folder, key, ch);
}

const char *slack_space_name(struct source *s, const struct space *sp)
{
	return sp->len ? arena_strndup(s->step, sp->prefix + strlen("teams/"), sp->len - strlen("teams/") - 1) : NULL;
}

static bool each_conv(struct source *s, const struct jv *v, const struct space *sp, enum conv_kind kind)
{
	const char *id = opt(s, jv_get(v, "id"));
	if (!jv_is(v, JV_OBJ) || !id || !slack_is_id(id, strlen(id))) {
		if (jv_is(v, JV_STR) && !v->len)
			return slack_hazard(s, HAZARD_NOTE, "empty-string-in-list", "an empty string where a conversation is expected");
		return slack_bad(s, "a conversation without a usable id");
	}
	const char *name = opt(s, jv_get(v, "name"));
	struct conv c = { .id = id, .kind = kind, .archived = jv_get_bool(v, "is_archived"), .general = jv_get_bool(v, "is_general") };
	/* One list may hold several kinds in exports of other tools: the object's own word counts where it makes things less public. */
	if (jv_get_bool(v, "is_im"))
		c.kind = CONV_DM;
	else if (jv_get_bool(v, "is_mpim"))
		c.kind = CONV_GROUP;
	else if (kind == CONV_PUBLIC && (jv_get_bool(v, "is_private") || jv_get_bool(v, "is_group")))
		c.kind = CONV_PRIVATE;
	c.shared = jv_get_bool(v, "is_ext_shared") || jv_get_bool(v, "is_pending_ext_shared");
	c.created_us = slack_time_us(jv_get(v, "created"));
	c.creator = opt(s, jv_get(v, "creator"));
	c.space = slack_space_name(s, sp);
	c.topic = topic(s, jv_get(v, "topic"));
	c.purpose = c.kind == CONV_GROUP ? NULL : topic(s, jv_get(v, "purpose")); /* of group DMs: a generated list of handles */
	c.members = members(s, jv_get(v, "members"), &c.n_members);
	pins(s, jv_get(v, "pins"), &c);
	if (c.kind == CONV_DM && !c.n_members && jv_get_str(v, "user")) { /* slackdump: the other side only */
		const char **one = arena_array(s->step, 1, const char *);
		one[0] = opt(s, jv_get(v, "user"));
		c.members = one;
		c.n_members = 1;
	}
	c.name = name;
	if ((c.kind == CONV_DM || c.kind == CONV_GROUP) && c.n_members)
		c.name = people_name(s, c.members, c.n_members);
	if (!c.name)
		c.name = id;
	if (c.kind == CONV_DM && (c.n_members == 1 || (c.n_members == 2 && streq(c.members[0], c.members[1]))) && !jv_get_str(v, "user"))
		slack_hazard(s, HAZARD_NOTE, "dm-with-self", "%s is somebody's notes to themselves", id);
	if (c.kind == CONV_GROUP && c.n_members)
		note_same_members(s, &c);
	if (!c.n_members)
		slack_hazard(s, HAZARD_NOTE, "no-members", "%s lists no members", id);
	if (s->grid && !sp->len && c.kind != CONV_DM)
		slack_hazard(s, HAZARD_NOTE, "grid-shared-channel", "%s belongs to several workspaces of the organisation", id);
	struct chan *ch = table_get(&s->by_id, id);
	if (ch) /* Grid: the root's entry comes first and is the fuller one */
		return true;
	ch = slack_add_chan(s, sp, id, name ? name : id, c.kind);
	if (name)
		put_folder(s, ch, name);
	if (!s->sink->conv(s->sink->ctx, &c))
		s->stopped = true;
	return !s->stopped;
}

static bool each_public(struct source *s, const struct jv *v) { return each_conv(s, v, s->listed_space, CONV_PUBLIC); }
static bool each_private(struct source *s, const struct jv *v) { return each_conv(s, v, s->listed_space, CONV_PRIVATE); }
static bool each_group(struct source *s, const struct jv *v) { return each_conv(s, v, s->listed_space, CONV_GROUP); }
static bool each_dm(struct source *s, const struct jv *v) { return each_conv(s, v, s->listed_space, CONV_DM); }

bool slack_read_channels(struct source *s, const struct space *sp)
{
	static const struct { const char *name; slack_each each; } lists[] = {
		{ "channels.json", each_public }, { "groups.json", each_private }, { "mpims.json", each_group }, { "dms.json", each_dm },
	};
	s->listed_space = sp;
	for (size_t i = 0; i < countof(lists) && !s->stopped; i++) {
		const struct entry *en = entry_of(s, sp, lists[i].name);
		if (en)
			slack_read(s, en, NULL, lists[i].each);
	}
	return !s->stopped;
}

/* ---- other lists: counted, so that nobody is surprised by what does not move ---- */

static bool each_other(struct source *s, const struct jv *v)
{
	if (jv_is(v, JV_STR) && !v->len)
		return slack_hazard(s, HAZARD_NOTE, "empty-string-in-list", "the list holds an empty string instead of nothing");
	const struct jv *user = jv_get(v, "user_id");
	if (user && user->type == JV_NUM)
		slack_hazard(s, HAZARD_NOTE, "integer-user", "user_id is a number: Slack itself");
	s->n_listed++;
	return !s->stopped;
}

static bool each_log(struct source *s, const struct jv *v)
{
	slack_app_log(s, v);
	return each_other(s, v);
}

bool slack_read_others(struct source *s, const struct space *sp)
{
	static const char *const lists[] = { "integration_logs.json", "canvases.json", "file_conversations.json", "huddle_transcripts.json", "lists.json",
		"content_flags.json" };
	for (size_t i = 0; i < countof(lists) && !s->stopped; i++) {
		const struct entry *en = entry_of(s, sp, lists[i]);
		if (!en)
			continue;
		s->n_listed = 0;
		slack_read(s, en, NULL, i == 0 ? each_log : each_other);
		char key[80];
		fmt_into(key, sizeof(key), "%s%.*s", sp->prefix, (int)(strlen(lists[i]) - 5), lists[i]);
		if (!s->stopped && s->n_listed)
			slack_fact_int(s, key, s->n_listed);
	}
	return !s->stopped;
}

/* ---- whose archive it is ---- */

struct votes { char team[16][64]; size_t n[16]; };
static bool vote(struct source *s, struct votes *t, const struct jv *v)
{
	const char *team = jv_get_str(v, "team_id");
	const char *org = jv_get_str(jv_get(v, "enterprise_user"), "enterprise_id");
	if (s->grid && org)
		team = org;
	if (!team || jv_get_bool(v, "is_stranger") || jv_get_bool(v, "is_bot") || !slack_is_id(team, strlen(team)))
		return true;
	for (size_t i = 0; i < countof(t->team); i++) {
		if (!t->n[i])
			fmt_into(t->team[i], sizeof(t->team[i]), "%s", team);
		if (streq(t->team[i], team)) {
			t->n[i]++;
			break;
		}
	}
	return true;
}

struct voting { struct source *s; struct votes votes; };
static bool each_vote(void *ctx, const struct jv *v, size_t index, size_t line)
{
	struct voting *g = ctx;
	(void)index, (void)line;
	return vote(g->s, &g->votes, v);
}

bool slack_find_team(struct source *s)
{
	static const char *const skip[] = { "profile", NULL };
	struct voting g = { .s = s };
	for (size_t i = 0; i < 2 * s->n_spaces; i++) {
		const struct entry *en = entry_of(s, &s->spaces[i / 2], i % 2 ? "org_users.json" : "users.json");
		if (!en || (!s->grid && i >= 2))
			continue;
		struct vfile *f = vault_read(s->v, en, NULL);
		if (!f)
			continue;
		struct arena step;
		arena_init(&step);
		struct json_elements r = { .read = vfile_read, .read_ctx = f, .skip_keys = skip, .step = &step, .each = each_vote, .ctx = &g };
		json_elements(&r, NULL); /* what is broken is told by the walk */
		arena_release(&step);
		vfile_close(f);
	}
	size_t best = 0;
	for (size_t i = 1; i < countof(g.votes.n); i++)
		if (g.votes.n[i] > g.votes.n[best])
			best = i;
	fmt_into(s->team, sizeof(s->team), "%s", g.votes.n[best] ? g.votes.team[best] : "unknown");
	return g.votes.n[best] > 0;
}
