/* slack.c: the Slack importer: recognising an archive, and the walk over it.
 *
 * Promises importer.h. Reads workspace exports, Enterprise Grid exports (root + teams/<name>/) and slackdump's export and dump layouts;
 * recognises TXT exports and slackdump's database and says what to do with them. One pass, constant memory: only people and
 * conversations are remembered. Broken entries cost a counted record each, never the walk.
 */
#include "importers/slack.h"

#include "core/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PEEK_BYTES = 4096, PEEK_FILES = 8, LARGE_DAY = 500 };

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

bool slack_hazard(struct source *s, enum hazard_level level, const char *name, const char *fmt, ...)
{
	char what[320], where[240];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	utf8_mend(what);
	place(s, where, sizeof(where));
	struct arena a;
	arena_init(&a);
	if (!s->stopped && s->sink && !s->sink->hazard(s->sink->ctx, level, name, where, strstr(what, "xox") ? slack_untoken(&a, what, NULL) : what))
		s->stopped = true;
	arena_release(&a);
	return !s->stopped;
}

static bool tell_bad(struct source *s, const struct err *e)
{
	if (!s->stopped && !s->sink->bad(s->sink->ctx, e))
		s->stopped = true;
	return !s->stopped;
}

bool slack_bad(struct source *s, const char *fmt, ...)
{
	struct err e = ERR_INIT;
	char what[256];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(what))
		what[utf8_cut(what, sizeof(what) - 1)] = '\0';
	struct arena a;
	arena_init(&a);
	err_set(&e, ERR_RECORD, "%s", slack_untoken(&a, what, NULL));
	arena_release(&a);
	place(s, e.where, sizeof(e.where));
	return tell_bad(s, &e);
}

bool slack_fact(struct source *s, const char *key, const char *value)
{
	if (!s->stopped && !s->sink->fact(s->sink->ctx, key, value))
		s->stopped = true;
	return !s->stopped;
}

bool slack_fact_int(struct source *s, const char *key, int64_t value)
{
	char text[24];
	fmt_into(text, sizeof(text), "%lld", (long long)value);
	return slack_fact(s, key, text);
}

bool slack_is_id(const char *s, size_t n)
{
	if (n < 2 || n > 40 || s[0] < 'A' || s[0] > 'Z')
		return false;
	for (size_t i = 1; i < n; i++)
		if (!((s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= '0' && s[i] <= '9')))
			return false;
	return true;
}

bool slack_is_ref(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!((s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9') || s[i] == '_' || s[i] == '-' || s[i] == '.'))
			return false;
	return n > 0 && n <= 64 && !slack_token_in(s, n);
}

/* ---- names of entries ---- */

static bool is_digits(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] < '0' || p[i] > '9')
			return false;
	return true;
}

/* "2024-03-01.json". Other .json files in a channel's folder are no lists of messages. */
static bool is_day(const char *name)
{
	return strlen(name) == 15 && is_digits(name, 4) && name[4] == '-' && is_digits(name + 5, 2) && name[7] == '-' && is_digits(name + 8, 2) &&
	       streq(name + 10, ".json");
}

/* Days since 1970 (Howard Hinnant's algorithm for the proleptic Gregorian calendar). */
static int64_t day_number(const char *name)
{
	int64_t y = strtol(name, NULL, 10), m = strtol(name + 5, NULL, 10), d = strtol(name + 8, NULL, 10);
	y -= m <= 2;
	int64_t era = y / 400, yoe = y - era * 400, doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1, doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
	return era * 146097 + doe - 719468;
}

static void day_text(int64_t us, char out[16])
{
	int64_t z = us / 86400000000 + 719468, era = z / 146097, doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	int64_t m = mp < 10 ? mp + 3 : mp - 9, y = yoe + era * 400 + (m <= 2);
	fmt_into(out, 16, "%04d-%02d-%02d", (int)(y % 10000), (int)m, (int)(doy - (153 * mp + 2) / 5 + 1));
}

/* "C024BE91L.json" or "C024BE91L-1577694990.000400.json" (one thread): slackdump's dump. */
static bool is_dump_name(const char *name)
{
	size_t n = 0, len = strlen(name);
	if (!strchr("CDG", name[0]) || len < 10 || !streq(name + len - 5, ".json"))
		return false;
	while ((name[n] >= 'A' && name[n] <= 'Z') || (name[n] >= '0' && name[n] <= '9'))
		n++;
	return n >= 6 && (n == len - 5 || name[n] == '-');
}

/* Length of "teams/<name>/" at the start of an entry's name where it holds a workspace, else 0. */
static size_t team_prefix(const char *name)
{
	if (strncmp(name, "teams/", 6) != 0)
		return 0;
	const char *slash = strchr(name + 6, '/');
	if (!slash)
		return 0;
	const char *rest = slash + 1, *more = strchr(rest, '/');
	size_t n = strlen(rest);
	if (more ? is_day(more + 1) : n > 5 && streq(rest + n - 5, ".json") && !is_day(rest))
		return (size_t)(rest - name);
	return 0;
}

static bool is_list(const char *name)
{
	static const char *const lists[] = { "channels.json", "groups.json", "dms.json", "mpims.json" };
	for (size_t i = 0; i < countof(lists); i++)
		if (streq(name, lists[i]))
			return true;
	return false;
}

static bool is_known_list(const char *name)
{
	static const char *const lists[] = { "users.json", "org_users.json", "integration_logs.json", "canvases.json", "file_conversations.json",
		"huddle_transcripts.json", "lists.json", "content_flags.json", "user_mapping.json", "team_map.json" };
	for (size_t i = 0; i < countof(lists); i++)
		if (streq(name, lists[i]))
			return true;
	return is_list(name);
}

/* ---- recognising ---- */

struct shape { size_t users, lists, days, dumps, txt, other, uploads, attachments; bool sqlite, teams; };

static void look(struct vault *v, struct shape *sh)
{
	struct arena a;
	arena_init(&a);
	*sh = (struct shape){ 0 };
	for (size_t i = 0; i < vault_count(v); i++) {
		arena_reset(&a);
		const char *name = vault_entry_in(v, i, &a)->name, *slash;
		size_t skip = team_prefix(name);
		sh->teams |= skip > 0;
		name += skip;
		slash = strchr(name, '/');
		if (!slash) {
			sh->users += streq(name, "users.json") || streq(name, "org_users.json");
			sh->lists += is_list(name);
			sh->dumps += is_dump_name(name);
			sh->sqlite |= streq(name, "slackdump.sqlite");
			sh->teams |= streq(name, "org_users.json");
		} else if (is_day(slash + 1)) {
			sh->days++;
		} else if (strncmp(name, "__uploads/", 10) == 0 || (strncmp(name, "teams/", 6) == 0 && strstr(name, "/__uploads/"))) {
			sh->uploads++;
		} else if (strncmp(slash, "/attachments/", 13) == 0) {
			sh->attachments++;
		} else if (str_ends(name, ".txt") && (strncmp(name, "channels/", 9) == 0 || strncmp(name, "dms/", 4) == 0)) {
			sh->txt++;
		} else if (strncmp(name, "files/", 6) != 0) {
			sh->other++;
		}
	}
	arena_release(&a);
}

/* Whether a root file looks like slackdump's dump: its first bytes name the fields. */
static bool peek_dump(struct vault *v)
{
	char head[PEEK_BYTES + 1];
	int tried = 0;
	bool found = false;
	struct arena a;
	arena_init(&a);
	for (size_t i = 0; i < vault_count(v) && tried < PEEK_FILES && !found; i++) {
		arena_reset(&a);
		const struct entry *en = vault_entry_in(v, i, &a);
		if (strchr(en->name, '/') || !is_dump_name(en->name))
			continue;
		tried++;
		struct vfile *f = vault_read(v, en, NULL);
		ptrdiff_t n = f ? vfile_read(f, head, PEEK_BYTES, NULL) : -1;
		vfile_close(f);
		if (n <= 0)
			continue;
		head[n] = '\0';
		found = head[strspn(head, " \t\r\n")] == '{' && (strstr(head, "\"messages\"") || strstr(head, "\"channel_id\""));
	}
	arena_release(&a);
	return found;
}

static int bid(struct vault *v)
{
	struct shape sh;
	if (vault_kind(v) == VAULT_FILE)
		return 0;
	look(v, &sh);
	if (sh.days && (sh.users || sh.lists))
		return 95;
	if (sh.users && sh.lists)
		return 85;
	if (sh.sqlite || (sh.dumps && !sh.days && peek_dump(v)))
		return 85;
	if (sh.days)
		return 60;
	return sh.txt && !sh.other && !sh.users ? 55 : 0;
}

/* ---- opening ---- */

static void add_space(struct source *s, const char *prefix, size_t n)
{
	for (size_t i = 0; i < s->n_spaces; i++)
		if (s->spaces[i].len == n && memcmp(s->spaces[i].prefix, prefix, n) == 0)
			return;
	struct space *grown = arena_array(&s->keep, s->n_spaces + 1, struct space);
	if (s->n_spaces)
		memcpy(grown, s->spaces, s->n_spaces * sizeof(*grown));
	grown[s->n_spaces++] = (struct space){ arena_strndup(&s->keep, prefix, n), n };
	s->spaces = grown;
}

static bool each_team(void *ctx, const struct jv *v, size_t index, size_t line)
{
	struct source *s = ctx;
	const char *team = jv_get_str(v, "team");
	(void)line;
	if (team && slack_is_id(team, strlen(team)))
		fmt_into(s->team, sizeof(s->team), "%s", team);
	return streq(s->team, "unknown") && index < 200;
}

/* Without a list of users the messages tell whose workspace this is. */
static void team_from_messages(struct source *s)
{
	int tried = 0;
	struct arena a;
	arena_init(&a);
	for (size_t i = 0; i < vault_count(s->v) && tried < PEEK_FILES && streq(s->team, "unknown"); i++) {
		arena_reset(&a);
		const struct entry *en = vault_entry_in(s->v, i, &a);
		const char *slash = strrchr(en->name, '/');
		if (!slash || !is_day(slash + 1))
			continue;
		tried++;
		struct vfile *f = vault_read(s->v, en, NULL);
		if (!f)
			continue;
		struct arena step;
		arena_init(&step);
		struct json_elements r = { .read = vfile_read, .read_ctx = f, .skip_keys = slack_skip_day, .step = &step, .each = each_team, .ctx = s };
		json_elements(&r, NULL);
		arena_release(&step);
		vfile_close(f);
	}
	arena_release(&a);
}

static void slack_close(struct source *s)
{
	if (!s)
		return;
	arena_release(&s->keep);
	free(s);
}

static struct source *slack_open(struct vault *v, const char *const *options, struct err *e)
{
	struct shape sh;
	(void)options;
	look(v, &sh);
	if (sh.sqlite && !sh.days) {
		err_set(e, ERR_ARCHIVE, "this is slackdump's database, not an export");
		err_hint(e, "make an export of it: slackdump convert -f export -o export.zip %.120s", vault_path(v));
		return NULL;
	}
	if (!sh.days && !sh.users && !sh.lists && sh.txt) {
		err_set(e, ERR_ARCHIVE, "this is Slack's TXT export, which holds no ids, threads or exact times");
		err_hint(e, "ask for the export again and choose JSON as its format");
		return NULL;
	}
	if (!sh.days && !sh.users && !sh.lists && !sh.dumps) {
		err_set(e, ERR_ARCHIVE, "no Slack export: neither channels.json, users.json nor day files such as general/2024-03-01.json");
		return NULL;
	}
	struct source *s = xcalloc(1, sizeof(*s));
	s->v = v;
	arena_init(&s->keep);
	s->grid = sh.teams;
	s->dump = sh.dumps && !sh.days && peek_dump(v);
	s->has_uploads = sh.uploads > 0;
	s->has_attachments = sh.attachments > 0;
	add_space(s, "", 0);
	struct arena a;
	arena_init(&a);
	for (size_t i = 0; sh.teams && i < vault_count(v); i++) {
		arena_reset(&a);
		const char *name = vault_entry_in(v, i, &a)->name;
		size_t n = team_prefix(name);
		if (n)
			add_space(s, name, n);
	}
	arena_release(&a);
	if (!slack_find_team(s))
		team_from_messages(s);
	return s;
}

static const char *identity(const struct source *s)
{
	return s->team;
}

/* ---- reading one entry ---- */

struct reading { struct source *s; slack_each each; const size_t *lines_before; };

static bool each_element(void *ctx, const struct jv *element, size_t index, size_t line)
{
	struct reading *r = ctx;
	(void)index;
	r->s->line = line + *r->lines_before;
	return r->each(r->s, element);
}

static bool bad_element(void *ctx, const struct err *e, size_t index, size_t line)
{
	struct reading *r = ctx;
	(void)index;
	r->s->line = line + *r->lines_before;
	slack_hazard(r->s, HAZARD_LOSS, "too-large", "%s", e->msg);
	return slack_bad(r->s, "%s", e->msg);
}

static const size_t no_lines = 0;

bool slack_read_from(struct source *s, json_read_fn read, void *read_ctx, const char *const *skip, slack_each each, size_t max_element,
		     const size_t *lines_before)
{
	struct reading of = { s, each, lines_before ? lines_before : &no_lines }, *ctx = &of;
	struct err e = ERR_INIT;
	struct json_elements r = { .read = read, .read_ctx = read_ctx, .skip_keys = skip, .max_element = max_element, .step = s->step,
		.each = each_element, .bad = bad_element, .ctx = ctx };
	bool ok = json_elements(&r, &e);
	if (r.n_replaced)
		slack_hazard(s, HAZARD_NOTE, "lone-surrogate", "%zu half characters became U+FFFD", r.n_replaced);
	if (!ok && !s->stopped) {
		const char *at = strncmp(e.where, "line ", 5) == 0 ? e.where + 5 : NULL;
		s->line = at ? strtoul(at, NULL, 10) + *ctx->lines_before : 0;
		slack_hazard(s, HAZARD_LOSS, "broken-json", "%s", e.msg);
		slack_bad(s, "%.200s; the records before this place are kept", e.msg);
	}
	s->line = 0;
	return !s->stopped;
}

bool slack_read(struct source *s, const struct entry *en, const char *const *skip_keys, slack_each each)
{
	struct err e = ERR_INIT;
	s->entry = en->name;
	s->line = 0;
	struct vfile *f = vault_read(s->v, en, &e);
	if (!f) {
		slack_hazard(s, HAZARD_LOSS, "broken-json", "%s", e.msg);
		return slack_bad(s, "%.200s", e.msg);
	}
	slack_read_from(s, vfile_read, f, skip_keys, each, 0, NULL);
	vfile_close(f);
	return !s->stopped;
}

/* ---- folders of day files ---- */

static const struct space *space_of(const struct source *s, const char *name)
{
	const struct space *best = &s->spaces[0];
	for (size_t i = 1; i < s->n_spaces; i++)
		if (strncmp(name, s->spaces[i].prefix, s->spaces[i].len) == 0)
			best = &s->spaces[i];
	return best;
}

/* A folder that no list knows still holds messages. Private, because nothing says that everybody may read it. */
static struct chan *chan_of_folder(struct source *s, const struct space *sp, const char *folder)
{
	const char *id = folder, *name = folder;
	struct conv c = { .kind = CONV_PRIVATE };
	bool about_file = strncmp(folder, "FC:", 3) == 0;
	if (about_file) {
		const char *title = strchr(folder + 3, ':');
		id = title ? arena_strndup(&s->names, folder, (size_t)(title - folder)) : folder;
		name = title && title[1] ? title + 1 : folder;
		slack_hazard(s, HAZARD_NOTE, "file-conversation", "comments on the canvas or file \"%.80s\"", name);
	} else if (sp->len && !slack_is_id(folder, strlen(folder))) {
		id = arena_fmt(&s->names, "%.*s:%s", (int)(sp->len - 7), sp->prefix + 6, folder);
	}
	struct chan *old = table_get(&s->by_id, id);
	if (old)
		return old;
	if (slack_is_id(folder, strlen(folder)) && folder[0] == 'D')
		c.kind = CONV_DM;
	else if (strncmp(folder, "mpdm-", 5) == 0)
		c.kind = CONV_GROUP;
	c.id = id;
	c.name = name;
	c.space = slack_space_name(s, sp);
	if (!about_file)
		slack_hazard(s, HAZARD_WARN, "folder-without-channel", "the folder \"%.80s\" is in no list of conversations; taken as private", folder);
	struct chan *ch = slack_add_chan(s, sp, id, name, c.kind);
	if (!s->stopped && !s->sink->conv(s->sink->ctx, &c))
		s->stopped = true;
	return ch;
}

static bool begin_folder(struct source *s, const char *entry_name, size_t n)
{
	if (s->folder && !slack_conv_end(s))
		return false;
	s->folder = arena_strndup(&s->names, entry_name, n);
	const struct space *sp = space_of(s, entry_name);
	const char *folder = s->folder + sp->len;
	s->entry = entry_name;
	s->line = 0;
	s->chan = table_get(&s->by_folder, s->folder);
	if (!s->chan && (s->chan = table_get(&s->by_id, folder)) && s->chan->kind != CONV_DM)
		slack_hazard(s, HAZARD_NOTE, "folder-by-id", "the folder of %s is called by its id", s->chan->name);
	if (!s->chan)
		s->chan = chan_of_folder(s, sp, folder);
	slack_conv_begin(s);
	return !s->stopped;
}

static bool walk_day(struct source *s, const struct entry *en, size_t index, const char *day)
{
	s->entry_index = (uint32_t)index;
	s->in_file = s->off_day = 0;
	s->last_us = 0;
	s->day = day_number(day);
	s->want_profiles = false;
	slack_read(s, en, s->keep_profiles ? slack_skip_day_keep : slack_skip_day, slack_msg);
	if (s->in_file >= LARGE_DAY)
		slack_hazard(s, HAZARD_NOTE, "large-day", "%zu messages in one file", s->in_file);
	if (s->want_profiles && !s->keep_profiles && !s->stopped) {
		/* Somebody wrote who is in no list: read again for the profiles, which are a quarter of a message's bytes. */
		struct vfile *f = vault_read(s->v, en, NULL);
		if (f) {
			struct reading ctx = { s, slack_profile_pass, &no_lines };
			struct json_elements r = { .read = vfile_read, .read_ctx = f, .skip_keys = slack_skip_profiles, .step = s->step, .each = each_element,
				.ctx = &ctx };
			json_elements(&r, NULL); /* what is broken has been told */
			vfile_close(f);
		}
		if (++s->rescans == RESCANS_MAX)
			s->keep_profiles = true;
	}
	return !s->stopped;
}

static bool walk_other(struct source *s, const struct entry *en, const char *name)
{
	const char *slash = strchr(name, '/'), *base = slash ? strrchr(name, '/') + 1 : name;
	s->entry = en->name;
	s->line = 0;
	if (streq(base, "canvas_in_the_conversation.json"))
		return slack_hazard(s, HAZARD_WARN, "canvas-in-conversation", "a canvas of the conversation: the export holds its title, not its text");
	if (strncmp(name, "__uploads/", 10) == 0 || (slash && strncmp(slash, "/attachments/", 13) == 0)) {
		s->n_uploads++;
		return true;
	}
	if (!slash && is_known_list(name))
		return true;
	if (s->dump && slash) {
		s->n_uploads++;
		return true;
	}
	return slack_hazard(s, HAZARD_NOTE, "unknown-file", "no part of a Slack export that is known; left alone");
}

static bool walk_entries(struct source *s)
{
	struct arena a; /* the entry, whose name s->entry is, too */
	arena_init(&a);
	for (size_t i = 0; i < vault_count(s->v) && !s->stopped; i++) {
		arena_reset(&a);
		const struct entry *en = vault_entry_in(s->v, i, &a);
		const char *name = en->name + space_of(s, en->name)->len, *slash = strchr(name, '/');
		if (s->dump && !slash && is_dump_name(name)) {
			slack_walk_dump_file(s, en, i);
			continue;
		}
		if (!slash || !is_day(slash + 1)) {
			walk_other(s, en, name);
			continue;
		}
		size_t n = (size_t)(slash - en->name);
		if (!s->folder || strncmp(s->folder, en->name, n) != 0 || s->folder[n])
			begin_folder(s, en->name, n);
		if (!s->stopped)
			walk_day(s, en, i, slash + 1);
	}
	if (s->folder && !s->dump && !s->stopped)
		slack_conv_end(s);
	s->entry = NULL;
	arena_release(&a);
	return !s->stopped;
}

static bool last_facts(struct source *s)
{
	char day[16];
	slack_fact(s, "kind", s->dump ? "slackdump-dump" : s->grid ? "slack-grid" : s->has_uploads || s->has_attachments ? "slack-with-files" : "slack-export");
	slack_fact(s, "team", s->team);
	if (s->domain[0])
		slack_fact(s, "workspace", s->domain);
	if (s->n_msgs) {
		day_text(s->first_us, day);
		slack_fact(s, "first-day", day);
		day_text(s->newest_us, day);
		slack_fact(s, "last-day", day);
	}
	if (s->n_uploads)
		slack_fact_int(s, "files-in-archive", s->n_uploads);
	if (s->token_kind)
		slack_fact(s, "token-kind", s->token_kind);
	return !s->stopped;
}

static void walk_begin(struct source *s, const struct sink *sink, struct arena *step)
{
	s->sink = sink;
	s->step = step;
	s->stopped = false;
	arena_init(&s->names);
	table_init(&s->people);
	table_init(&s->found);
	table_init(&s->by_id);
	table_init(&s->by_folder);
	table_init(&s->groups);
	table_init(&s->member_sets);
	table_init(&s->apps);
	table_init(&s->app_of);
	slack_people_seen(s);
	s->entry = s->folder = NULL;
	s->chan = NULL;
	s->roots = NULL;
	s->n_roots = s->roots_cap = 0;
	s->times = s->replied = (struct times){ 0 };
	s->keep_profiles = false;
	s->rescans = 0;
	s->first_us = s->newest_us = s->n_msgs = s->n_uploads = 0;
	s->token_kind = NULL;
	s->domain[0] = '\0';
}

static void walk_end(struct source *s)
{
	table_release(&s->people);
	table_release(&s->found);
	table_release(&s->by_id);
	table_release(&s->by_folder);
	table_release(&s->groups);
	table_release(&s->member_sets);
	table_release(&s->apps);
	table_release(&s->app_of);
	free(s->times.slots);
	free(s->replied.slots);
	free(s->roots);
	arena_release(&s->names);
	s->sink = NULL;
	s->step = NULL;
}

/* The zip itself: nothing of it does harm but encryption, whose entries are told as unreadable one by one, too. */
static void archive_oddities(struct source *s)
{
	static const struct { enum vault_oddity o; enum hazard_level level; const char *name, *what; } rows[] = {
		{ VAULT_UNFLAGGED, HAZARD_NOTE, "name-unflagged", "a name in UTF-8 without the zip's flag that says so" },
		{ VAULT_GUESSED, HAZARD_WARN, "name-guessed", "a name in no UTF-8; its code page was guessed" },
		{ VAULT_JUNK, HAZARD_NOTE, "archive-junk", "left behind by macOS, no part of the export; left out" },
		{ VAULT_ZIP64, HAZARD_NOTE, "zip64", "sizes written in 64 bits" },
		{ VAULT_DESCRIPTORS, HAZARD_NOTE, "data-descriptor", "written as a stream: sizes stand behind the bytes" },
		{ VAULT_ENCRYPTED, HAZARD_LOSS, "encrypted", "encrypted: it cannot be read" },
	};
	for (size_t i = 0; i < countof(rows); i++) {
		size_t n = vault_oddity(s->v, rows[i].o, &s->entry);
		while (n-- && !s->stopped)
			slack_hazard(s, rows[i].level, rows[i].name, "%s", rows[i].what);
	}
	s->entry = NULL;
}

static bool slack_walk(struct source *s, const struct sink *sink, struct arena *step, struct err *e)
{
	walk_begin(s, sink, step);
	if (vault_top(s->v)[0])
		slack_hazard(s, HAZARD_NOTE, "extra-top-folder", "everything stands in the folder \"%.80s\"", vault_top(s->v));
	archive_oddities(s);
	for (size_t i = 0; i < s->n_spaces && !s->stopped; i++)
		slack_read_users(s, &s->spaces[i]);
	for (size_t i = 0; i < s->n_spaces && !s->stopped; i++)
		slack_read_channels(s, &s->spaces[i]);
	for (size_t i = 0; i < s->n_spaces && !s->stopped; i++)
		slack_read_others(s, &s->spaces[i]);
	bool ok = !s->stopped && walk_entries(s);
	s->line = 0;
	ok = ok && slack_push_apps(s) && slack_push_found(s) && last_facts(s);
	walk_end(s);
	if (!ok && (!e || e->code == ERR_NONE))
		err_set(e, ERR_INTERNAL, "the walk was stopped by its reader");
	return ok;
}

const struct importer importer_slack = {
	.name = "slack",
	.summary = N_("Slack export (workspace, Enterprise Grid, slackdump)"),
	.bid = bid,
	.open = slack_open,
	.identity = identity,
	.walk = slack_walk,
	.close = slack_close,
};
