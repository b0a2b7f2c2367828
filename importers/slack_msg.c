/* slack_msg.c: one message object to struct msg.
 *
 * Called by the walk for each element of a day file. Identity is the `ts` string; its time is read from the digits, never
 * through floating point. Everything built lives in the step arena. Does not decide what is migrated: kinds are only named.
 */
#include "importers/slack.h"

#include "importers/emoji.h"

#include <stdlib.h>
#include <string.h>

enum { REACTS_MAX = 500 };

/* In alphabetical order: fields_of() goes by the first letter. */
enum field {
	F_APP_ID, F_ATTACHMENTS, F_BLOCKS, F_BOT_ID, F_BOT_PROFILE, F_COMMENT, F_EDITED, F_FILE, F_FILES, F_MIMETYPE, F_REACTIONS, F_REPLY_COUNT, F_ROOM,
	F_SUBTYPE, F_TEAM, F_TEXT, F_THREAD_TS, F_TS, F_TYPE, F_USER, F_USER_PROFILE, F_USER_TEAM, F_USERNAME, N_FIELDS,
};
static const char *const field_names[N_FIELDS] = {
	"app_id", "attachments", "blocks", "bot_id", "bot_profile", "comment", "edited", "file", "files", "mimetype", "reactions", "reply_count", "room",
	"subtype", "team", "text", "thread_ts", "ts", "type", "user", "user_profile", "user_team", "username",
};

/* Subtrees that no message needs. `user_profile` is read in a second pass only where somebody is known by no list. */
#define SKIP_COMMON "replies", "reply_users", "icons", "metadata", "preview_highlight", "transcription", "root", "item", "shares"
const char *const slack_skip_day[] = { SKIP_COMMON, "user_profile", NULL };
const char *const slack_skip_day_keep[] = { SKIP_COMMON, NULL };
const char *const slack_skip_profiles[] = { SKIP_COMMON, "blocks", "files", "attachments", "reactions", "text", "room", "edited", NULL };

struct kind_row { const char *subtype; enum msg_kind kind; };

/* docs/slack.md has the same table for people. */
static const struct kind_row kinds[] = {
	{ "app_conversation_join", MSG_APP },
	{ "assistant_app_thread", MSG_BOT },
	{ "bot_add", MSG_APP }, { "bot_disable", MSG_APP }, { "bot_enable", MSG_APP }, { "bot_message", MSG_BOT }, { "bot_remove", MSG_APP },
	{ "canvas_sharing_message", MSG_TEXT },
	{ "channel_archive", MSG_ARCHIVE }, { "channel_canvas_updated", MSG_SYSTEM }, { "channel_convert_to_private", MSG_ARCHIVE },
	{ "channel_convert_to_public", MSG_ARCHIVE }, { "channel_join", MSG_JOIN }, { "channel_leave", MSG_LEAVE }, { "channel_name", MSG_RENAME },
	{ "channel_posting_permissions", MSG_ARCHIVE }, { "channel_purpose", MSG_TOPIC }, { "channel_topic", MSG_TOPIC },
	{ "channel_unarchive", MSG_ARCHIVE },
	{ "document_comment_root", MSG_TEXT }, { "document_mention", MSG_TEXT }, { "document_unfurl", MSG_SYSTEM },
	{ "ekm_access_denied", MSG_SYSTEM },
	{ "file_comment", MSG_TEXT }, { "file_created", MSG_TEXT }, { "file_mention", MSG_TEXT }, { "file_share", MSG_TEXT },
	{ "group_archive", MSG_ARCHIVE }, { "group_join", MSG_JOIN }, { "group_leave", MSG_LEAVE }, { "group_name", MSG_RENAME },
	{ "group_purpose", MSG_TOPIC }, { "group_topic", MSG_TOPIC }, { "group_unarchive", MSG_ARCHIVE },
	{ "huddle_thread", MSG_CALL },
	{ "joiner_notification", MSG_SYSTEM }, { "joiner_notification_for_inviter", MSG_SYSTEM },
	{ "list_record_comment", MSG_TEXT },
	{ "me_message", MSG_ME }, { "mpdm_move", MSG_SYSTEM },
	{ "pinned_item", MSG_PIN },
	{ "reminder_add", MSG_APP }, { "reminder_delete", MSG_APP }, { "reply_broadcast", MSG_TEXT },
	{ "sh_room_created", MSG_CALL }, { "sh_room_shared", MSG_CALL }, { "slackbot_response", MSG_BOT },
	{ "thread_broadcast", MSG_TEXT }, { "tombstone", MSG_DELETED },
	{ "unpinned_item", MSG_PIN },
};

static bool kind_of_subtype(const char *subtype, enum msg_kind *kind)
{
	for (size_t i = 0; i < countof(kinds); i++) {
		if (kinds[i].subtype[0] == subtype[0] && streq(kinds[i].subtype, subtype)) {
			*kind = kinds[i].kind;
			return true;
		}
	}
	return false;
}

bool slack_ts(const char *s, int64_t *us)
{
	int64_t sec = 0, frac = 0;
	int n = 0, m = 0;
	for (; *s >= '0' && *s <= '9'; s++, n++) {
		if (n == 11)
			return false;
		sec = sec * 10 + (*s - '0');
	}
	if (!n)
		return false;
	if (*s == '.') {
		for (s++; *s >= '0' && *s <= '9'; s++, m++) {
			if (m == 6)
				return false;
			frac = frac * 10 + (*s - '0');
		}
	}
	for (; m < 6; m++)
		frac *= 10;
	*us = sec * 1000000 + frac;
	return !*s && sec > 0;
}

/* The fields whose names begin with c: [first, *end). */
static enum field fields_of(char c, enum field *end)
{
	switch (c) {
	case 'a': *end = F_ATTACHMENTS + 1; return F_APP_ID;
	case 'b': *end = F_BOT_PROFILE + 1; return F_BLOCKS;
	case 'c': *end = F_COMMENT + 1; return F_COMMENT;
	case 'e': *end = F_EDITED + 1; return F_EDITED;
	case 'f': *end = F_FILES + 1; return F_FILE;
	case 'm': *end = F_MIMETYPE + 1; return F_MIMETYPE;
	case 'r': *end = F_ROOM + 1; return F_REACTIONS;
	case 's': *end = F_SUBTYPE + 1; return F_SUBTYPE;
	case 't': *end = F_TYPE + 1; return F_TEAM;
	case 'u': *end = F_USERNAME + 1; return F_USER;
	}
	return *end = N_FIELDS;
}

static void gather(const struct jv *v, const struct jv *f[N_FIELDS])
{
	jv_each(v, c) {
		enum field end, i = fields_of(c->key[0], &end);
		while (i < end && !streq(field_names[i], c->key))
			i++;
		if (i < end)
			f[i] = c; /* the last of equal keys counts */
	}
}

static const char *non_empty(const struct jv *v)
{
	return v && v->type == JV_STR && v->len ? v->s : NULL;
}

/* ts may be a bare number in exports of other tools: its digits are kept as they are written. */
static const char *ts_string(const struct jv *v)
{
	return v && (v->type == JV_STR || v->type == JV_NUM) && v->len && !memchr(v->s, '\0', v->len) ? v->s : NULL;
}

/* ---- sets of times ---- */

static void times_clear(struct times *t)
{
	if (t->n)
		memset(t->slots, 0, t->n_slots * sizeof(*t->slots));
	t->n = 0;
}

/* true when us was not there before */
static bool times_add(struct times *t, int64_t us)
{
	if (2 * (t->n + 1) > t->n_slots) {
		struct times bigger = { .n_slots = t->n_slots ? 2 * t->n_slots : 4096 };
		bigger.slots = xcalloc(bigger.n_slots, sizeof(*bigger.slots));
		for (size_t i = 0; i < t->n_slots; i++)
			if (t->slots[i])
				times_add(&bigger, t->slots[i]);
		free(t->slots);
		*t = bigger;
	}
	size_t i = ((uint64_t)us * 0x9E3779B97F4A7C15u >> 20) & (t->n_slots - 1);
	while (t->slots[i] && t->slots[i] != us)
		i = (i + 1) & (t->n_slots - 1);
	if (t->slots[i])
		return false;
	t->slots[i] = us;
	t->n++;
	return true;
}

static bool times_has(const struct times *t, int64_t us)
{
	if (!t->n_slots)
		return false;
	size_t i = ((uint64_t)us * 0x9E3779B97F4A7C15u >> 20) & (t->n_slots - 1);
	while (t->slots[i] && t->slots[i] != us)
		i = (i + 1) & (t->n_slots - 1);
	return t->slots[i] != 0;
}

void slack_conv_begin(struct source *s)
{
	times_clear(&s->times);
	times_clear(&s->replied);
	s->n_roots = 0;
	s->watch = true;
}

bool slack_conv_end(struct source *s)
{
	const char *own = s->entry;
	struct arena a;
	arena_init(&a);
	for (size_t i = 0; s->watch && i < s->n_roots && !s->stopped; i++) {
		const struct root *r = &s->roots[i];
		if (times_has(&s->times, r->us))
			continue;
		arena_reset(&a);
		s->entry = vault_entry_in(s->v, r->entry, &a)->name;
		s->line = r->line;
		slack_hazard(s, HAZARD_WARN, "orphan-reply", "a reply to %lld.%06lld, which is not in the archive", (long long)(r->us / 1000000),
			     (long long)(r->us % 1000000));
	}
	s->entry = own;
	arena_release(&a);
	return !s->stopped;
}

static void watch(struct source *s, int64_t us, int64_t parent_us)
{
	if (s->in_file > 0 && us != s->last_us && us / 1000 == s->last_us / 1000)
		slack_hazard(s, HAZARD_NOTE, "same-millisecond", "two messages that only microseconds tell apart");
	s->last_us = us;
	if (s->day != INT64_MIN && us / 86400000000 != s->day && !s->off_day++)
		slack_hazard(s, HAZARD_NOTE, "day-not-utc", "a day file holds messages of another UTC day");
	if (!s->watch)
		return;
	if (!times_add(&s->times, us))
		slack_hazard(s, HAZARD_NOTE, "duplicate", "%lld.%06lld stands in the archive again", (long long)(us / 1000000), (long long)(us % 1000000));
	if (parent_us && times_add(&s->replied, parent_us)) {
		GROW(s->roots, s->n_roots, s->roots_cap, 256);
		s->roots[s->n_roots++] = (struct root){ .us = parent_us, .entry = s->entry_index, .line = (uint32_t)s->line };
	}
	if (s->times.n >= TIMES_MAX || s->n_roots >= ROOTS_MAX)
		s->watch = false; /* too many to remember: the spool, which sees them all, finds them */
}

/* ---- the author ---- */

static const char *profile_name(struct source *s, const struct jv *profile)
{
	static const char *const keys[] = { "real_name", "display_name", "name", "first_name" };
	for (size_t i = 0; i < countof(keys); i++)
		if (jv_get_str(profile, keys[i]))
			return slack_str(s->step, jv_get(profile, keys[i]));
	return "";
}

static void learn_profile(struct source *s, const char *id, const struct jv *profile)
{
	if (!jv_is(profile, JV_OBJ))
		return;
	uint32_t flags = jv_get_bool(profile, "is_restricted") || jv_get_bool(profile, "is_ultra_restricted") ? USER_GUEST : 0;
	slack_found(s, id, NAME_PROFILE, profile_name(s, profile), flags);
}

bool slack_profile_pass(struct source *s, const struct jv *v)
{
	const char *id = jv_get_str(v, "user");
	const struct person *p = id ? slack_person(s, id) : NULL;
	if (p && !p->listed && p->source > NAME_PROFILE)
		learn_profile(s, id, jv_get(v, "user_profile"));
	return !s->stopped;
}

/* "added an integration to this channel: <https://x.slack.com/services/B0JL6UFSL|github>": often all that names an old bot. */
static void learn_bot(struct source *s, const char *bot, const char *text)
{
	const char *p = strstr(text, "/services/");
	size_t n = strlen(bot);
	if (!p || strncmp(p + 10, bot, n) != 0 || p[10 + n] != '|')
		return;
	p += 10 + n + 1;
	slack_found(s, bot, NAME_MENTION, slack_decode(s->step, p, strcspn(p, ">\n")), USER_BOT);
}

/* Returns the author's id or NULL. */
static const char *author(struct source *s, const struct jv *const f[N_FIELDS], struct msg *m)
{
	const char *user = non_empty(f[F_USER]), *bot = non_empty(f[F_BOT_ID]), *username = non_empty(f[F_USERNAME]);
	const struct jv *comment = f[F_COMMENT];
	struct person *p = NULL;
	if (!user && jv_get_str(comment, "user"))
		user = jv_get_str(comment, "user");
	if (m->kind == MSG_APP && bot && slack_is_ref(bot, strlen(bot))) {
		learn_bot(s, bot, slack_str(s->step, f[F_TEXT]));
		slack_app_notice(s, m->subtype, bot, user, m->ts_us);
	}
	if (f[F_USER] && f[F_USER]->type == JV_NUM)
		slack_hazard(s, HAZARD_NOTE, "integer-user", "user is a number: Slack itself");
	if (user && slack_is_ref(user, strlen(user))) {
		p = slack_person(s, user);
		if (!p || (!p->listed && p->source > NAME_PROFILE && !(p->flags & USER_SYSTEM))) {
			p = slack_found(s, user, NAME_PLACEHOLDER, "", 0);
			if (jv_get_str(f[F_BOT_PROFILE], "name")) /* a workflow's or an app's own user */
				slack_found(s, user, NAME_BOT, slack_str(s->step, jv_get(f[F_BOT_PROFILE], "name")), USER_BOT);
			else if (f[F_USER_PROFILE])
				learn_profile(s, user, f[F_USER_PROFILE]);
			else if (!bot)
				s->want_profiles = true;
			if (username && username[0] != '<' && bot)
				slack_found(s, user, NAME_MENTION, slack_str(s->step, f[F_USERNAME]), USER_BOT);
		}
	} else if (bot && slack_is_ref(bot, strlen(bot))) {
		const char *name = jv_get_str(f[F_BOT_PROFILE], "name") ? slack_str(s->step, jv_get(f[F_BOT_PROFILE], "name")) : "";
		p = slack_person(s, bot);
		if (p && p->listed)
			slack_hazard(s, HAZARD_NOTE, "bot-by-alias", "%s is the bot of %s", bot, p->id);
		else
			p = slack_found(s, bot, NAME_BOT, *name ? name : username ? slack_str(s->step, f[F_USERNAME]) : "", USER_BOT);
		user = bot;
	} else {
		user = NULL;
	}
	if (p && (p->flags & USER_BOT) && !(p->flags & USER_SYSTEM) && m->kind == MSG_TEXT)
		m->kind = MSG_BOT;
	if (!user && bot && m->kind == MSG_TEXT)
		m->kind = MSG_BOT;
	const char *team = non_empty(f[F_USER_TEAM]);
	if (team && p && !p->listed && !s->grid && !streq(team, s->team) && !streq(s->team, "unknown") && !(p->flags & USER_SYSTEM))
		slack_hazard(s, HAZARD_NOTE, "stranger", "%s is of workspace %.40s", user, team);
	/* Apps name themselves per message. Old exports wrote a person's "<@U…|name>" here. */
	if (username && username[0] != '<' && (bot || m->kind == MSG_BOT) && !(p && streq(p->name, username)))
		m->author_name = slack_untoken(s->step, slack_str(s->step, f[F_USERNAME]), NULL);
	return p ? p->id : user;
}

static void app(struct source *s, const struct jv *const f[N_FIELDS], const char *author)
{
	const struct jv *profile = f[F_BOT_PROFILE];
	const char *id = non_empty(f[F_APP_ID]);
	slack_app_msg(s, author, non_empty(f[F_BOT_ID]), id ? id : jv_get_str(profile, "app_id"), jv_get_str(profile, "name"),
		      jv_get_bool(profile, "is_workflow_bot"));
}

/* ---- reactions ---- */

static void reactions(struct source *s, const struct jv *list, struct msg *m)
{
	if (!jv_count(list))
		return;
	struct react *out = arena_array(s->step, jv_count(list), struct react);
	size_t n = 0;
	jv_each(list, r) {
		const char *name = jv_get_str(r, "name") ? slack_untoken(s->step, slack_str(s->step, jv_get(r, "name")), NULL) : NULL;
		const struct jv *users = jv_get(r, "users");
		size_t n_users = jv_count(users);
		if (!name || n >= REACTS_MAX)
			continue;
		size_t at = 0;
		while (at < n && !streq(out[at].name, name))
			at++;
		struct react *e = &out[at];
		const char **ids = arena_array(s->step, n_users + e->n_users + 1, const char *);
		size_t k = 0;
		if (e->n_users)
			memcpy(ids, e->users, e->n_users * sizeof(*ids)), k = e->n_users;
		size_t own = k;
		jv_each(users, u) {
			const char *id = non_empty(u);
			bool twice = !id || !slack_is_ref(id, strlen(id));
			for (size_t i = 0; !twice && i < own; i++) /* only merged entries can repeat a person */
				twice = streq(ids[i], id);
			if (twice)
				continue;
			const struct person *p = slack_person(s, id);
			if (!p)
				p = slack_found(s, id, NAME_PLACEHOLDER, "", 0);
			ids[k++] = p ? p->id : id;
		}
		int64_t count = jv_get_int(r, "count", 0);
		count = count < 0 || count > 1000000 ? 0 : count;
		if (at == n) {
			char chars[EMOJI_MAX];
			n++;
			e->name = name;
			e->emoji = emoji_chars(name, strlen(name), chars) ? arena_strdup(s->step, chars) : "";
			e->count = (int)count;
		} else {
			e->count += (int)count;
		}
		e->users = ids;
		e->n_users = k;
		if (e->count < (int)k)
			e->count = (int)k;
	}
	m->reacts = out;
	m->n_reacts = n;
}

/* ---- the text ---- */

/* Old file messages: "<@U1|ann> uploaded a file: <url|name> and commented: text". What a person wrote, or NULL. */
static const char *old_file_comment(struct source *s, const struct jv *const f[N_FIELDS], const char *text)
{
	const struct jv *initial = jv_at(f[F_FILE], "initial_comment.comment");
	if (non_empty(initial))
		return slack_str(s->step, initial);
	const char *p = strstr(text, " and commented: ");
	if (p)
		return p + strlen(" and commented: ");
	if (strncmp(text, "<@", 2) == 0 && (strstr(text, " uploaded a file: ") || strstr(text, " shared a file: ")))
		return "";
	return NULL;
}

/* Comments on files of the first years stand between other messages: a quoted line says which file it is about. The same line in
 * every export, whether the file's own message is in it or not. */
static void about_file(struct source *s, struct text_builder *b, const struct jv *file)
{
	const char *name = slack_str(s->step, jv_get(file, jv_get_str(file, "title") ? "title" : "name"));
	const char *address = jv_get_str(file, "permalink") ? slack_untoken(s->step, slack_str(s->step, jv_get(file, "permalink")), NULL) : "";
	if (!*name)
		name = slack_str(s->step, jv_get(file, "id"));
	if (!*name)
		return;
	b->quote++;
	text_block(b, BLOCK_PARA);
	text_span(b, *address ? SPAN_LINK : SPAN_TEXT, STYLE_ITALIC, name, "", address);
	b->quote--;
}

static bool spans_seen(const struct text_builder *b, size_t from)
{
	for (size_t i = from; i < b->n; i++)
		if (b->blocks[i].n_spans || b->blocks[i].kind == BLOCK_RULE)
			return true;
	return false;
}

/* Takes export tokens out of whatever people pasted. */
static void clean_spans(struct source *s, struct text *t)
{
	const char *token = NULL;
	for (size_t i = 0; i < t->n_blocks; i++) {
		for (size_t k = 0; k < t->blocks[i].n_spans; k++) {
			struct span *sp = &t->blocks[i].spans[k];
			if (*sp->text)
				sp->text = slack_untoken(s->step, sp->text, &token);
			if (*sp->url)
				sp->url = slack_untoken(s->step, sp->url, &token);
			if (*sp->ref)
				sp->ref = slack_untoken(s->step, sp->ref, &token);
		}
	}
	if (token)
		slack_hazard(s, HAZARD_WARN, "token-in-url", "a token in the text of a message");
}

/* User groups have no list in an export: labels stand in `text` only, while blocks name the id. */
static void learn_groups(struct source *s, const char *text)
{
	for (const char *p = strstr(text, "<!subteam^"); p; p = strstr(p, "<!subteam^")) {
		p += strlen("<!subteam^");
		size_t n = strcspn(p, "|>");
		size_t m = p[n] == '|' ? strcspn(p + n + 1, ">") : 0;
		if (m && slack_is_id(p, n))
			s->seen.group(s->seen.ctx, arena_strndup(s->step, p, n), slack_decode(s->step, p + n + 1, m));
	}
}

static void body(struct source *s, const struct jv *const f[N_FIELDS], struct msg *m, struct files *files)
{
	struct text_builder b;
	text_begin(&b, s->step);
	const char *text = slack_str(s->step, f[F_TEXT]);
	bool old_file = m->subtype && streq(m->subtype, "file_share") && jv_is(f[F_FILE], JV_OBJ);
	bool app_room = m->kind == MSG_CALL || (f[F_ROOM] && !*text);
	bool wrote = false;
	if (m->subtype && streq(m->subtype, "file_comment")) {
		if (jv_get_str(f[F_COMMENT], "comment"))
			text = slack_str(s->step, jv_get(f[F_COMMENT], "comment"));
		about_file(s, &b, f[F_FILE]);
	}
	if (old_file) {
		const char *said = old_file_comment(s, f, text);
		text = said ? said : text;
	}
	if (f[F_BLOCKS] && f[F_BLOCKS]->type == JV_NULL)
		slack_hazard(s, HAZARD_NOTE, "null-field", "blocks is null");
	if (f[F_ATTACHMENTS] && f[F_ATTACHMENTS]->type == JV_NULL)
		slack_hazard(s, HAZARD_NOTE, "null-field", "attachments is null");
	if (jv_is(f[F_BLOCKS], JV_ARR)) {
		learn_groups(s, text);
		wrote = slack_blocks(&b, f[F_BLOCKS], &s->seen) > 0;
	}
	if (!wrote && *text) {
		slack_mrkdwn(&b, text, strlen(text), &s->seen);
		m->flags |= MSGF_FALLBACK_TEXT;
		wrote = true;
	}
	if (app_room && slack_room(s, &b, f[F_ROOM])) {
		m->kind = MSG_CALL;
		if (!*text)
			slack_hazard(s, HAZARD_NOTE, "call-without-text", "a call, written as one line");
	}
	if (jv_is(f[F_ATTACHMENTS], JV_ARR) && m->kind != MSG_PIN)
		m->flags |= slack_attachments(s, &b, f[F_ATTACHMENTS], m->kind == MSG_BOT || non_empty(f[F_BOT_ID]), wrote, files);
	bool visible = spans_seen(&b, 0);
	m->body = text_end(&b);
	clean_spans(s, &m->body);
	if (!visible && !files->n)
		slack_hazard(s, HAZARD_NOTE, "empty-message", "neither text nor files (%s)", m->subtype ? m->subtype : "no subtype");
}

/* A record that is no message of ours; true when it has been told and the walk goes on. */
static bool not_a_message(struct source *s, const struct jv *v, const struct jv *const f[N_FIELDS])
{
	const char *mime = non_empty(f[F_MIMETYPE]), *subtype = non_empty(f[F_SUBTYPE]);
	if (!jv_is(v, JV_OBJ)) {
		if (jv_is(v, JV_STR) && !v->len)
			slack_hazard(s, HAZARD_NOTE, "empty-string-in-list", "an empty string among the messages");
		return slack_bad(s, "not a message: an object was expected");
	}
	if (mime && strstr(mime, "slack-docs") && !ts_string(f[F_TS])) {
		slack_hazard(s, HAZARD_NOTE, "canvas-as-message", "a canvas stands where a message should");
		return slack_bad(s, "a canvas without a time stands among the messages");
	}
	if (subtype && (streq(subtype, "message_changed") || streq(subtype, "message_deleted") || streq(subtype, "message_replied")))
		return slack_bad(s, "an event record (%s), not a message", subtype);
	return false;
}

bool slack_msg(struct source *s, const struct jv *v)
{
	const struct jv *f[N_FIELDS] = { 0 };
	if (jv_is(v, JV_OBJ))
		gather(v, f);
	if (not_a_message(s, v, f) || s->stopped)
		return !s->stopped;
	struct msg m = { .id = ts_string(f[F_TS]), .kind = MSG_TEXT };
	if (non_empty(f[F_SUBTYPE]))
		m.subtype = slack_untoken(s->step, non_empty(f[F_SUBTYPE]), NULL);
	if (!m.id || !slack_ts(m.id, &m.ts_us)) {
		slack_hazard(s, HAZARD_LOSS, "no-ts", "a message without a usable time");
		return slack_bad(s, "a message without a usable ts (\"%.40s\")", m.id ? m.id : "");
	}
	const char *thread = ts_string(f[F_THREAD_TS]);
	int64_t thread_us = 0;
	if (thread && slack_ts(thread, &thread_us) && thread_us != m.ts_us) {
		m.parent = thread;
		m.parent_ts_us = thread_us;
	}
	if (m.subtype && !kind_of_subtype(m.subtype, &m.kind)) {
		m.flags |= MSGF_UNKNOWN_KIND;
		slack_hazard(s, HAZARD_WARN, "unknown-subtype", "%.60s", m.subtype);
	}
	if (m.subtype && (streq(m.subtype, "thread_broadcast") || streq(m.subtype, "reply_broadcast")))
		m.flags |= MSGF_BROADCAST;
	if (m.subtype && streq(m.subtype, "ekm_access_denied"))
		slack_hazard(s, HAZARD_LOSS, "ekm-denied", "the company's encryption key hid this message from the export");
	if (m.kind == MSG_DELETED && jv_int(f[F_REPLY_COUNT], 0) > 0)
		slack_hazard(s, HAZARD_NOTE, "tombstone-root", "a deleted message with %lld replies", (long long)jv_int(f[F_REPLY_COUNT], 0));
	m.author = author(s, f, &m);
	if (m.kind == MSG_BOT && m.author)
		app(s, f, m.author);
	struct files files = { 0 };
	jv_each(f[F_FILES], file)
		slack_file(s, file, &files);
	if (!files.n && jv_is(f[F_FILE], JV_OBJ) && !(m.subtype && streq(m.subtype, "file_comment")))
		slack_file(s, f[F_FILE], &files);
	const char *mime = non_empty(f[F_MIMETYPE]);
	if (mime && strstr(mime, "slack-docs")) { /* before canvases had messages of their own */
		slack_hazard(s, HAZARD_NOTE, "canvas-as-message", "a canvas stands where a message should");
		slack_file(s, v, &files);
	}
	body(s, f, &m, &files);
	reactions(s, f[F_REACTIONS], &m);
	m.files = files.v;
	m.n_files = files.n;
	const char *edited = ts_string(jv_get(f[F_EDITED], "ts"));
	if (edited && !slack_ts(edited, &m.edited_us))
		m.edited_us = 0;
	watch(s, m.ts_us, m.parent_ts_us);
	s->in_file++;
	s->n_msgs++;
	if (!s->first_us || m.ts_us < s->first_us)
		s->first_us = m.ts_us;
	if (m.ts_us > s->newest_us)
		s->newest_us = m.ts_us;
	if (!s->stopped && !s->sink->msg(s->sink->ctx, s->chan->id, &m))
		s->stopped = true;
	return !s->stopped;
}
