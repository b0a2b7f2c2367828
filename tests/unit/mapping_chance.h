/* mapping_chance.h: mappings and archives of chance, for tests of what holds whatever a mapping says. Included by one .c of a program,
 * which gets stream_fakes.h with the real mapping. */
#define STREAM_REAL_MAPPING
#include "stream_fakes.h"

#include "mapping_page.h"

static uint32_t seed;
static int rnd(int n)
{
	seed = seed * 1664525u + 1013904223u;
	return (int)((seed >> 8) % (uint32_t)n);
}

static bool chance_elsewhere; /* rules that send messages into other channels, and tags */

/* A page of chance. 1970-01-01 is the day of all messages but the late ones (a day is 86400 s). */
static void random_page(struct buf *b)
{
	static const char *const wheres[] = { "text: apple", "text: 'ap+le|pear'", "author: U1", "channel: C1", "channel: 'C*', text: pear", "kind: [join, deleted]",
		"kind: text, has_file: true", "until: 1970-01-01", "since: 1970-01-02", "text: '(a|a)+$', author: U2", "text: PLUM, ignore_case: true", "has_file: false, author: 'U[34]'" };
	static const char *const only[] = { "", "only: {last_days: 1}\n", "only: {last_messages: 3}\n", "only: {since: 1970-01-02}\n", "only: {channels: [C0, C1]}\n",
		"only: {last_messages: 2, last_days: 2}\n", "only: {users: [U1, 'U3']}\n", "only: {users: ['u*@x.ru'], last_days: 1}\n", "only: {until: 1970-01-01}\n" };
	static const char *const all[] = { "label", "create", "create-suspended", "skip" }, *const gone[] = { "label", "create-suspended", "skip" };
	buf_addf(b, "version: 1\npeople: {unmatched: %s, deactivated: %s, guests: %s, strangers: %s, bots: %s", rnd(2) ? "create" : all[rnd(4)], gone[rnd(3)],
	         all[rnd(4)], all[rnd(4)], rnd(4) ? "label" : "skip");
	buf_adds(b, rnd(3) ? "}\n" : ", aliases: [[U1, U7]]}\n");
	buf_addf(b, "channels: {dm: %s, group_dm: %s, join_members: %s, archived: %s, members: [%s]}\n", rnd(3) ? "private-chat" : "skip", rnd(3) ? "private-chat" : "skip", rnd(4) ? "true" : "false", rnd(2) ? "archive" : rnd(2) ? "skip" : "open",
	         rnd(2) ? "" : rnd(2) ? "{channel: '*', admin: [creator, U1, U3], tag: x}" : "{channel: [C0, C2], admin: U6, editor: U3}, {channel: C0, tag: [x, y]}");
	static const char *const shown[] = { "label", "header", "none" }, *const mentions[] = { "mute", "live", "text" };
	static const char *const reactions[] = { "text", "drop", "native" };
	buf_addf(b, "messages: {pins: %s, leave_out: [%s], reactions: %s, orphans: %s, attribution: %s, mentions: %s}\n", rnd(3) ? "true" : "false", rnd(2) ? "join" : "", reactions[rnd(3)],
	         rnd(2) ? "skip" : "placeholder", shown[rnd(3)], mentions[rnd(3)]);
	buf_adds(b, only[rnd(countof(only))]);
	if (rnd(2))
		buf_adds(b, "redact: [secrets, card-numbers]\n");
	if (rnd(3) == 0)
		buf_adds(b, "text: [{match: pear, replace: fruit}, {match: '(z+)+$', replace: x}]\n");
	static const char *const places[] = { "", "", "history: {placement: threads}\n", "history: {placement: threads, thread_by: all}\n",
		"history: {placement: archive-chat}\n", "history: {channels: [{channel: C1, placement: threads}, {channel: 'C*', placement: archive-chat}]}\n" };
	static const char *const does[] = { "drop", "drop", "route, thread: 'n {0}', carry: 5s", "route, thread: fruit, back: 9s, carry: 3s, carry_author: any" };
	static const char *const elsewhere[] = { "route, into: C0", "route, into: C2, carry: 9s, allow_wider: [C0, C1]", "route, into: New, thread: 'n {0}', back: 5s",
		"route, into: C1, thread: fruit", "route, into: '{channel} {year}'", "tag, tag: 'x{0}'", "tag, tag: late" };
	buf_adds(b, places[rnd(countof(places))]);
	int n = rnd(4);
	if (n)
		buf_adds(b, "rules:\n");
	for (int i = 0; i < n; i++) {
		const char *where = wheres[rnd(countof(wheres))], *what = does[rnd(countof(does))];
		if (chance_elsewhere && rnd(3) == 0)
			what = elsewhere[rnd(countof(elsewhere))];
		if (strstr(what, "{0}") && !strstr(where, "text: "))
			what = "drop";
		buf_addf(b, "  - {name: r%d, do: %s, where: {%s}}\n", i, what, where);
	}
}

static void random_archive(struct world *w)
{
	static const char *const texts[] = { "apple", "a pear", "plum", "key xoxb-1234567890 end", "card 4111 1111 1111 1111", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz!",
		"so many words that they cannot possibly fit in one single part of what the target takes", "" };
	static const struct file files[] = { { .name = "a.txt", .entry = "f/a", .state = FILE_PRESENT, .kind = FILE_PLAIN, .size = 1 },
		{ .name = "xoxb-1234567890.txt", .url = "https://x/b", .state = FILE_EXTERNAL, .kind = FILE_PLAIN, .size = -1 } };
	static const char *const fans[] = { "U0", "U3", "U9" };
	static const struct react reacts[] = { { "+1", "👍", fans, 3, 3 }, { "ok", "👌", NULL, 0, 1 }, { "own", "", NULL, 0, 1 } };
	static const uint32_t flags[] = { 0, 0, 0, 0, USER_BOT, USER_GONE, USER_GUEST, USER_STRANGER };
	static const char *const members[] = { "U0", "U1", "U2", "U3", "U4", "U5", "U6", "U7", "U9" };
	for (int i = 0; i < 8; i++)
		add_user(w, arena_fmt(&w->a, "U%d", i), "Some One", i % 2 || i > 4 ? arena_fmt(&w->a, "u%d@x.ru", i) : NULL, flags[i]);
	for (int c = 0; c < 3; c++) {
		const char *conv = arena_fmt(&w->a, "C%d", c);
		static const enum conv_kind kinds[] = { CONV_PUBLIC, CONV_PUBLIC, CONV_PRIVATE, CONV_PRIVATE, CONV_PRIVATE, CONV_DM, CONV_GROUP };
		static const struct pin pins[] = { { "1003.000000", NULL, 0 }, { "1003.000000", NULL, 0 }, { "1005.000000", NULL, 0 }, { "1.0", NULL, 0 } };
		struct conv cv = { .id = conv, .name = conv, .kind = kinds[rnd(countof(kinds))], .pins = pins, .n_pins = (size_t)rnd(5), .archived = !rnd(3), .members = members + rnd(3), .creator = "U1", .n_members = (size_t)rnd(7) };
		assert_true(w->sink.conv(w->sink.ctx, &cv));
		for (int n = rnd(25); n > 0; n--) {
			int at = 1001 + rnd(20) + (rnd(3) ? 0 : 86400), root = rnd(2) ? 1001 + rnd(20) : 0;
			struct msg m = make_msg(w, at, arena_fmt(&w->a, "U%d", rnd(9)), root == at ? 0 : root, texts[rnd(countof(texts))]);
			m.kind = rnd(8) ? MSG_TEXT : rnd(2) ? MSG_JOIN : MSG_DELETED;
			m.files = files;
			m.n_files = rnd(3) ? 0 : (size_t)rnd(3);
			m.reacts = reacts;
			m.n_reacts = rnd(3) ? 0 : (size_t)rnd(4);
			assert_true(w->sink.msg(w->sink.ctx, conv, &m));
		}
		for (int n = rnd(8); n > 0; n--)
			add_link(w, conv, 1030 + rnd(9), rnd(2) ? 0 : 1001 + rnd(20), arena_fmt(&w->a, "C%d/%d.000000", rnd(3), 1001 + rnd(40)));
	}
}

static inline size_t count_lines(const char *log, const char *word)
{
	size_t n = 0;
	for (const char *p = log; *p; p = *p ? p + 1 : p) {
		n += !strncmp(p, word, strlen(word));
		p += strcspn(p, "\n");
	}
	return n;
}

static struct place_row *row_of_place(struct mapping *m, size_t i)
{
	struct place_row *p = arena_new(&m->a, struct place_row);
	*p = (struct place_row){ .id = arena_fmt(&m->a, "C%zu", i), .name = "", .target_name = "", .rules = UINT64_MAX };
	p->rules = rows_rules_place(m, p->id, p->id, &m->a);
	table_put(&m->place_rows, sheet_key(p->id), p);
	return p;
}

/* C2 and perhaps C1 go into C0's chat. */
static size_t merge_some(struct mapping *m, const char *page)
{
	size_t n = strstr(page, "archive-chat") ? 0 : (size_t)rnd(3);
	for (size_t i = 0; (n || strstr(page, "into: C")) && i < 3; i++) { /* rules that name a channel need its row */
		struct place_row *p = row_of_place(m, i);
		if (i > 2 - n) {
			p->decision = PLACE_DECIDE_INTO;
			p->into = "C0";
			m->n_into++;
		}
		p->hosts = i == 0 && n;
	}
	return n;
}

/* Decisions of chance in the tables. C1 and C2 may even go into one chat that is there. */
static size_t decide_some(struct mapping *m)
{
	static const enum place_decision places[] = { PLACE_DECIDE_NOTHING, PLACE_DECIDE_CREATE, PLACE_DECIDE_ADOPT, PLACE_DECIDE_SKIP, PLACE_DECIDE_NOTHING };
	static const enum person_decision people[] = { DECIDE_NOTHING, DECIDE_MATCH, DECIDE_CREATE, DECIDE_CREATE_SUSPENDED, DECIDE_LABEL, DECIDE_SKIP };
	size_t n = 0;
	for (size_t i = 0; i < 3; i++) {
		struct place_row *p = row_of_place(m, i);
		p->decision = places[rnd(countof(places))];
		p->adopt_id = p->decision == PLACE_DECIDE_ADOPT ? i && rnd(2) ? "900" : arena_fmt(&m->a, "90%zu", i) : NULL;
		p->target_name = rnd(2) ? "" : arena_fmt(&m->a, "named %d", rnd(3));
		p->privacy = rnd(3) ? PRIVACY_AS_SOURCE : PRIVACY_PRIVATE;
		n += p->decision == PLACE_DECIDE_ADOPT;
	}
	for (int i = 0; i < 8; i++) {
		if (rnd(2))
			continue;
		struct user_row *u = arena_new(&m->a, struct user_row);
		*u = (struct user_row){ .id = arena_fmt(&m->a, "U%d", i), .name = "Some One", .handle = "", .email = arena_fmt(&m->a, "u%d@x.ru", i), .decision = people[rnd(countof(people))],
		                        .rules = 0, .reason = "", .in_pilot = rnd(2) };
		u->rules = rows_rules_author(m, u->id, u->name, "", u->email, &m->a);
		if (u->decision == DECIDE_MATCH)
			u->decided_id = arena_fmt(&m->a, "80%d", i);
		table_put(&m->user_rows, sheet_key(u->id), u);
	}
	return n;
}
