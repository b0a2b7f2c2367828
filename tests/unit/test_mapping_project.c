/* A project folder: drafting and refreshing it, loading it, what is refused, policies, privacy, pilots, the digest. */
#include "mapping/mapping.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "mapping_folder.h"

static const char users_head[] = "source_id,name,handle,email,flags,messages,suggestion,target_id,confidence,reason,decision,notes\n";
static const char channels_head[] =
	"source_id,name,kind,archived,messages,first,last,suggestion,target_name,reason,decision,privacy,notes\n";

/* ---- the project ---- */

static const char *const dm_members[] = { "U1", "U2" };
static const struct user src_users[] = {
	{ .id = "U2", .name = "Мария Ли", .handle = "maria", .email = "m@x.ru" },
	{ .id = "U1", .name = "Иван Петров", .handle = "ivan", .email = "ivan@x.ru" },
	{ .id = "U3", .name = "=Уволен", .email = "gone@x.ru", .flags = USER_GONE },
	{ .id = "B1", .name = "Робот", .flags = USER_BOT },
};
static const struct conv src_convs[] = {
	{ .id = "C1", .name = "general", .kind = CONV_PUBLIC }, { .id = "C2", .name = "General", .kind = CONV_PRIVATE, .archived = true },
	{ .id = "D1", .name = "ivan, maria", .kind = CONV_DM, .members = dm_members, .n_members = 2 },
	{ .id = "G1", .name = "mpdm-ivan--maria-1", .kind = CONV_GROUP, .members = dm_members, .n_members = 2 },
};
static const struct target_person src_people[] = { { .id = "10", .name = "И", .email = "IVAN@x.ru" }, { .id = "30", .name = "У", .email = "gone@x.ru" } };
static const struct target_chat src_chats[] = { { .id = "5", .name = "GENERAL", .is_public = true } };
static const struct mapping_archive src_archives[] = { { "a \"b\".zip", "slack", NULL, NULL, NULL } };
static const struct survey src = { .archives = src_archives, .n_archives = 1, .users = src_users, .n_users = countof(src_users), .convs = src_convs,
	.n_convs = countof(src_convs), .people = src_people, .n_people = countof(src_people), .chats = src_chats, .n_chats = 1, .zone = "Europe/Moscow",
	.locale = "ru", .name_max = 80 };

static void draft(const struct survey *s, struct draft_result *r, struct arena *a)
{
	struct err e = ERR_INIT;
	if (!mapping_draft(dir, s, a, r, &e))
		fail_msg("%s (%s)", e.msg, e.where);
}

static struct mapping *load(void)
{
	struct err e = ERR_INIT;
	struct mapping *m = mapping_load(dir, &e);
	if (!m)
		fail_msg("%s (%s)", e.msg, e.where);
	return m;
}

static void test_draft(void **state)
{
	(void)state;
	struct arena a;
	struct draft_result r;
	struct person p;
	struct place q;
	arena_init(&a);
	draft(&src, &r, &a);
	assert_true(r.wrote_yaml && r.wrote_users && r.wrote_channels);
	assert_int_equal(r.n_people_matched, 2);
	assert_int_equal(r.n_people_label, 2);
	assert_int_equal(r.n_places_create, 4);
	assert_int_equal(r.n_rows_new, 8);
	assert_int_equal(r.n_unresolved, 2); /* both "general"s meet the target's chat */
	assert_non_null(strstr(r.unresolved[0], "adopt:5"));
	char *text = get("users.csv");
	assert_non_null(strstr(text, "'=Уволен"));
	free(text);
	struct mapping *m = load();
	assert_string_equal(mapping_config(m)->archives[0].path, "a \"b\".zip");
	assert_string_equal(mapping_config(m)->zone, "Europe/Moscow");
	mapping_person(m, &src_users[1], &a, &p);
	assert_int_equal(p.action, PERSON_MATCH);
	assert_string_equal(p.target_id, "10");
	mapping_person(m, &src_users[2], &a, &p);
	assert_int_equal(p.action, PERSON_MATCH);
	assert_true(p.flags & USER_GONE);
	static const char *const names[] = { "general (2)", "General (3)", "Иван Петров, Мария Ли", "Иван Петров, Мария Ли (2)" };
	for (size_t i = 0; i < countof(src_convs); i++) {
		mapping_place(m, &src_convs[i], &a, &q);
		assert_string_equal(q.name, names[i]);
		assert_int_equal(q.is_public, i == 0);
		assert_int_equal(q.archive_at_end, i == 1);
	}
	struct buf b;
	struct err e = ERR_INIT;
	buf_init(&b, 65536);
	assert_true(mapping_explain(m, &src, "@ivan", &b, &e));
	assert_non_null(strstr(b.p, "suggestion match (тот же адрес почты)"));
	assert_false(mapping_explain(m, &src, "nobody", &b, &e));
	assert_int_equal(e.code, ERR_USAGE);
	buf_release(&b);
	mapping_free(m);
	draft(&src, &r, &a);
	assert_false(r.wrote_yaml || r.wrote_users || r.wrote_channels);
	assert_int_equal(r.n_rows_kept, 8);
	arena_release(&a);
}

static void test_refresh_keeps_decisions(void **state)
{
	(void)state;
	struct arena a;
	struct draft_result r;
	struct person p;
	arena_init(&a);
	put("mvchat.yaml", "version: 1\npeople: {unmatched: create}\n");
	put("users.csv", "decision;source_id;my column;notes\r\nskip;U2;mine;\"a\nb\"\r\nmatch:ivan@x.ru;U1;;\r\nlabel;UX;;gone\r\n");
	put("channels.csv", "source_id,target_name,decision\nC1,Общий,create\nD1,,skip\n");
	draft(&src, &r, &a);
	assert_false(r.wrote_yaml);
	assert_int_equal(r.n_rows_stale, 1);
	char *text = get("users.csv");
	assert_int_equal(strncmp(text, "decision;source_id;my column;notes;name;", 40), 0);
	assert_non_null(strstr(text, "\r\nskip;U2;mine;\"a\nb\";Мария Ли;"));
	assert_non_null(strstr(text, "\r\nlabel;UX;;gone;;;;;;stale;;;no longer in the archives\r\n"));
	free(text);
	struct mapping *m = load();
	mapping_person(m, &src_users[0], &a, &p);
	assert_int_equal(p.action, PERSON_SKIP);
	struct msg_meta mm = { .author = "U2", .kind = MSG_TEXT };
	assert_string_equal(mapping_skips(m, &mm), "people: skip");
	mapping_person(m, &src_users[1], &a, &p);
	assert_int_equal(p.action, PERSON_MATCH);
	assert_string_equal(p.target_id, "10");
	struct place q;
	mapping_place(m, &src_convs[0], &a, &q);
	assert_string_equal(q.name, "Общий");
	mapping_place(m, &src_convs[2], &a, &q);
	assert_int_equal(q.action, PLACE_SKIP);
	mapping_free(m);
	arena_release(&a);
}

static void test_load_errors(void **state)
{
	(void)state;
	static const struct { const char *yaml, *users, *channels, *where, *msg; enum err_code code; } t[] = {
		{ "version: 1\n", "U1,a,,,,,,,,,crate,\n", "", "users.csv:2:11",
		  "decision 'crate' is not one of match:ID, match:E-MAIL, create, create:E-MAIL, create-suspended, label, skip", ERR_USAGE },
		{ "version: 1\n", "U1,a,,,deactivated,,,,,,create,\n", "", "users.csv:2:11",
		  "a (U1) is deactivated in the source and must not get access", ERR_MAPPING },
		{ "version: 1\n", "", "C1,secret,private,,,,,,secret,,,public,\n", "channels.csv:2:12",
		  "'secret' (C1) is private in the source and would become public", ERR_MAPPING },
		{ "version: 1\nchannels: {allow_public: [D1, x]}\n", "", "D1,x,dm,,,,,,x,,,public,\n", "channels.csv:2:12",
		  "'x' (D1) is a direct message and can never become public", ERR_MAPPING },
		{ "version: 1\n", "", "C1,a,public,,,,,,Один,,,,\nC2,b,public,,,,,,оДИН,,,,\n", "channels.csv:3:9",
		  "'C1' and 'C2' would both be called 'оДИН' in the target", ERR_MAPPING },
		{ "version: 1\n", "", "C1,a,public,,,,,,a,,adopt,,\n", "channels.csv:2:11", "decision 'adopt' is not one of create, adopt:ID, into:ID, skip", ERR_USAGE },
		{ "version: 1\npeople: {unmatched: fail}\n", "U1,a,,,,,,,,,,\nU2,b,,,bot,,,,,,,\n", "", "users.csv:2:11",
		  "people.unmatched: fail, and there is no account in the target for 1 people; the first is a (U1)", ERR_MAPPING },
	};
	for (size_t i = 0; i < countof(t); i++) {
		char text[1024];
		struct err e = ERR_INIT;
		put("mvchat.yaml", t[i].yaml);
		snprintf(text, sizeof(text), "%s%s", users_head, t[i].users);
		put("users.csv", text);
		snprintf(text, sizeof(text), "%s%s", channels_head, t[i].channels);
		put("channels.csv", text);
		assert_null(mapping_load(dir, &e));
		assert_string_equal(e.msg, t[i].msg);
		assert_string_equal(e.where, t[i].where);
		assert_int_equal(e.code, t[i].code);
	}
}

/* Who × what: each of the five kinds of people under each of the five policies, with and without an e-mail. */
static void test_policies(void **state)
{
	(void)state;
	static const struct { const char *key, *flags; uint32_t bits; } who[] = {
		{ "unmatched", "", 0 }, { "deactivated", "deactivated", USER_GONE }, { "guests", "guest", USER_GUEST }, { "bots", "bot", USER_BOT },
		{ "strangers", "stranger", USER_STRANGER },
	};
	static const char *const what[] = { "label", "create", "create-suspended", "skip", "fail" };
	/* L label · C account · G guest's account · S account without access · H guest's, without access · X left out · F refused to
	 * start · - refused as a value */
	static const char *const want[] = { "LCSXF", "L-SXF", "LGHXF", "L--XF", "LGHXF" };
	for (size_t i = 0; i < countof(who); i++)
		for (size_t k = 0; k < countof(what); k++) {
			char text[512];
			struct err e = ERR_INIT;
			struct arena a;
			struct person p, q;
			snprintf(text, sizeof(text), "version: 1\npeople: {%s: %s}\n", who[i].key, what[k]);
			put("mvchat.yaml", text);
			snprintf(text, sizeof(text), "%sU1,Анна,,a@x.ru,%s,,,,,,,\n", users_head, who[i].flags);
			put("users.csv", text);
			put("channels.csv", channels_head);
			struct mapping *m = mapping_load(dir, &e);
			char w = want[i][k];
			if (w == '-' || w == 'F') {
				assert_null(m);
				assert_int_equal(e.code, w == 'F' ? ERR_MAPPING : ERR_USAGE);
				assert_non_null(strstr(e.msg, w == 'F' ? ": fail, and there is no account" : "is not one of label"));
				assert_true(w == 'F' || strstr(e.hint, "label") || strstr(e.hint, "create-suspended"));
				if (w == 'F' && !(m = mapping_load_open(dir, &e)))
					fail_msg("%s", e.msg);
			}
			if (!m)
				continue;
			arena_init(&a);
			struct user u = { .id = "U1", .name = "Анна", .email = "a@x.ru", .flags = who[i].bits }, mute = { .id = "U1", .name = "Анна", .flags = who[i].bits };
			mapping_person(m, &u, &a, &p);
			bool makes = strchr("CGSH", w) != NULL;
			assert_int_equal(p.action, makes ? PERSON_CREATE : w == 'X' ? PERSON_SKIP : PERSON_LABEL);
			assert_int_equal(p.suspended, w == 'S' || w == 'H');
			assert_int_equal(p.unresolved, w == 'F');
			if (makes)
				assert_string_equal(p.role, strchr("GH", w) ? "multi_guest" : "user");
			struct msg_meta mm = { .author = "U1", .kind = MSG_TEXT };
			assert_int_equal(mapping_skips(m, &mm) != NULL, w == 'X');
			mapping_free(m);
			/* without an e-mail nobody gets an account, whatever is said */
			snprintf(text, sizeof(text), "%sU1,Анна,,,%s,,,,,,,\n", users_head, who[i].flags);
			put("users.csv", text);
			if (w == 'F')
				put("mvchat.yaml", "version: 1\n");
			m = load();
			mapping_person(m, &mute, &a, &q);
			assert_int_equal(q.action, w == 'X' ? PERSON_SKIP : PERSON_LABEL);
			assert_int_equal(q.unresolved, makes && !(who[i].bits & USER_GONE));
			mapping_free(m);
			arena_release(&a);
		}
}

/* What people changed is told, what the draft itself writes is not. */
static void test_changes(void **state)
{
	(void)state;
	static const char was_page[] = "version: 1\npeople: {unmatched: label}\n", is_page[] = "version: 1\npeople: {unmatched: create}\nredact: [secrets]\n";
	char text[1024];
	struct buf was, is;
	struct arena a;
	const struct mapping_change *v;
	arena_init(&a);
	buf_init(&was, 65536);
	buf_init(&is, 65536);
	put("mvchat.yaml", was_page);
	snprintf(text, sizeof(text), "%sU1,Анна,,a@x.ru,,,,,,,,\nU2,Борис,,,,,match,30,100,same,,\nU3,В,,,,,,,,,skip,\n", users_head);
	put("users.csv", text);
	snprintf(text, sizeof(text), "%sC1,one,public,,,,,,one,,,,\n", channels_head);
	put("channels.csv", text);
	struct mapping *m = load();
	mapping_state(m, &was);
	mapping_free(m);
	assert_int_equal(mapping_changes(was.p, was.p, &a, &v), 0);
	put("mvchat.yaml", is_page);
	snprintf(text, sizeof(text), "%sU1,Анна,,a@x.ru,,,,,,,create,\nU2,Борис,,,,,match,31,100,same,,a note\nU4,Новый,,,,,,,,,,\n", users_head);
	put("users.csv", text);
	snprintf(text, sizeof(text), "%sC1,one,public,,,,,,Один,,,private,\nC2,two,public,,,,,,two,,,,\n", channels_head);
	put("channels.csv", text);
	m = load();
	mapping_state(m, &is);
	mapping_free(m);
	static const struct mapping_change want[] = {
		{ "mvchat.yaml", "people.unmatched", "", "", "label", "create" }, { "mvchat.yaml", "redact[0]", "", "", "", "secrets" },
		{ "users.csv", "U1", "decision", "Анна", "", "create" }, { "users.csv", "U2", "decision", "Борис", "match:30", "match:31" },
		{ "channels.csv", "C1", "target_name", "one", "one", "Один" }, { "channels.csv", "C1", "privacy", "one", "", "private" },
		{ "users.csv", "U3", "decision", "В", "skip", "" },
	};
	assert_int_equal(mapping_changes(was.p, is.p, &a, &v), countof(want));
	for (size_t i = 0; i < countof(want); i++) {
		assert_string_equal(v[i].where, want[i].where);
		assert_string_equal(v[i].id, want[i].id);
		assert_string_equal(v[i].column, want[i].column);
		assert_string_equal(v[i].name, want[i].name);
		assert_string_equal(v[i].was, want[i].was);
		assert_string_equal(v[i].is, want[i].is);
	}
	/* a kept text that is broken, or another version's, says nothing */
	assert_int_equal(mapping_changes("", "", &a, &v), 0);
	assert_int_equal(mapping_changes("mvchat mapping state 1\nrubbish\na\tb\n\t\t\t\t\n", "mvchat mapping state 1\n", &a, &v), 0);
	buf_release(&was);
	buf_release(&is);
	arena_release(&a);
}

static void test_privacy(void **state)
{
	(void)state;
	static const struct { const char *yaml, *cell; enum conv_kind kind; bool is_public; } t[] = {
		{ "version: 1\n", "", CONV_PUBLIC, true }, { "version: 1\n", "private", CONV_PUBLIC, false }, { "version: 1\n", "", CONV_PRIVATE, false },
		{ "version: 1\nchannels: {allow_public: [secret]}\n", "", CONV_PRIVATE, false },
		{ "version: 1\nchannels: {allow_public: [secret]}\n", "public", CONV_PRIVATE, true },
		/* the table lies about the kind: the source decides */
		{ "version: 1\nchannels: {allow_public: [secret]}\n", "public", CONV_DM, false },
		{ "version: 1\nchannels: {allow_public: [secret]}\n", "public", CONV_GROUP, false },
	};
	for (size_t i = 0; i < countof(t); i++) {
		char text[512];
		put("mvchat.yaml", t[i].yaml);
		put("users.csv", users_head);
		snprintf(text, sizeof(text), "%sC1,secret,private,,,,,,secret,,,%s,\n", channels_head, t[i].cell);
		put("channels.csv", text);
		struct mapping *m = load();
		struct arena a;
		struct place q;
		arena_init(&a);
		mapping_place(m, &(struct conv){ .id = "C1", .name = "secret", .kind = t[i].kind }, &a, &q);
		assert_int_equal(q.is_public, t[i].is_public);
		arena_release(&a);
		mapping_free(m);
	}
}

static void digest_of(const char *yaml, const char *users, char out[DIGEST_HEX])
{
	char text[1024];
	uint8_t d[DIGEST_BYTES];
	put("mvchat.yaml", yaml);
	snprintf(text, sizeof(text), "%s%s", users_head, users);
	put("users.csv", text);
	put("channels.csv", channels_head);
	struct mapping *m = load();
	mapping_digest(m, d);
	hex(d, sizeof(d), out);
	mapping_free(m);
}

static void test_digest(void **state)
{
	(void)state;
	char base[DIGEST_HEX], x[DIGEST_HEX];
	digest_of("version: 1\nonly: {channels: [a, b]}\n", "U1,a,,,,,,,,,skip,\nU2,b,,,,,,,,,,\n", base);
	digest_of("# words\nversion:   1\nonly:\n  channels:\n    - b\n    - a\n", "U2,b,,,,77,label,,,,,a note\nU1,a,,,,,,,,,SKIP,\n", x);
	assert_string_equal(x, base);
	digest_of("version: 1\nonly: {channels: [a, c]}\n", "U1,a,,,,,,,,,skip,\nU2,b,,,,,,,,,,\n", x);
	assert_string_not_equal(x, base);
	digest_of("version: 1\nonly: {channels: [a, b]}\n", "U1,a,,,,,,,,,label,\nU2,b,,,,,,,,,,\n", x);
	assert_string_not_equal(x, base);
}

static void test_pilot_and_skips(void **state)
{
	(void)state;
	struct arena a;
	struct draft_result r;
	struct person p;
	struct place q;
	arena_init(&a);
	put("mvchat.yaml", "version: 1\npeople: {unmatched: create}\nonly: {users: [IVAN@*], channels: [gen*, D1], since: 2024-01-01}\n");
	draft(&src, &r, &a);
	struct mapping *m = load();
	mapping_person(m, &src_users[1], &a, &p);
	assert_int_equal(p.action, PERSON_MATCH);
	mapping_person(m, &src_users[0], &a, &p);
	assert_int_equal(p.action, PERSON_LABEL);
	mapping_place(m, &src_convs[2], &a, &q);
	assert_int_equal(q.action, PLACE_CREATE);
	mapping_place(m, &src_convs[3], &a, &q);
	assert_int_equal(q.action, PLACE_SKIP);
	assert_string_equal(q.why, "only.channels: not listed");
	mapping_place(m, &src_convs[0], &a, &q);
	assert_string_equal(q.why, "only.users: nobody listed is a member");
	struct msg_meta mm = { .author = "U1", .kind = MSG_JOIN, .ts_us = INT64_C(1704067200000000) };
	assert_string_equal(mapping_skips(m, &mm), "messages.leave_out: join");
	mm.has_replies = true;
	assert_null(mapping_skips(m, &mm));
	mm.ts_us--;
	assert_string_equal(mapping_skips(m, &mm), "only.since");
	mapping_free(m);
	arena_release(&a);
}

static void test_aliases_and_members(void **state)
{
	(void)state;
	struct arena a;
	struct draft_result r;
	struct person p;
	arena_init(&a);
	put("mvchat.yaml", "version: 1\npeople:\n  unmatched: create\n  members_list: list.csv\n  aliases:\n    - [U1, U9]\n    - [U2, U8]\n");
	put("list.csv", "username,email,status,billing-active,has-2fa,has-sso,userid,fullname,displayname,expiration-timestamp\n"
	                "a,other@x.ru,Member,1,0,0,U1,Иван Петров,,\nb,nine@x.ru,Member,1,0,0,U9,Ivan,,\nc,same@x.ru,Member,1,0,0,U8,,,\nd,SAME@x.ru,Member,1,0,0,U7,,,\n");
	static const struct user users[] = { { .id = "U1", .name = "Иван Петров", .email = "ivan@x.ru" }, { .id = "U9", .name = "Ivan (phone)" },
		{ .id = "U2", .name = "Мария Ли", .email = "new@x.ru" }, { .id = "U8", .name = "masha" }, { .id = "U7", .name = "Кто-то" } };
	struct survey s = src;
	s.users = users;
	s.n_users = countof(users);
	draft(&s, &r, &a);
	char *text = get("users.csv");
	assert_non_null(strstr(text, "\nU9,Ivan (phone),,nine@x.ru,"));
	assert_non_null(strstr(text, "\nU8,masha,,,"));
	free(text);
	bool conflict = false, twice = false;
	for (size_t i = 0; i < r.n_unresolved; i++) {
		conflict = conflict || strstr(r.unresolved[i], "row U1 (Иван Петров): the archive says ivan@x.ru, the members list other@x.ru; the first is used.");
		twice = twice || streq(r.unresolved[i], "list.csv, lines 4 and 5: U8 and U7 have one e-mail (SAME@x.ru); it is not used.");
	}
	assert_true(conflict && twice);
	struct mapping *m = load();
	mapping_person(m, &users[1], &a, &p);
	assert_int_equal(p.action, PERSON_MATCH);
	assert_string_equal(p.target_id, "10");
	assert_string_equal(p.name, "Иван Петров");
	assert_string_equal(p.id, "U9");
	mapping_person(m, &users[2], &a, &p);
	assert_int_equal(p.action, PERSON_CREATE);
	mapping_person(m, &users[3], &a, &p);
	assert_int_equal(p.action, PERSON_LABEL); /* one account, made for U2 */
	assert_string_equal(p.name, "Мария Ли");
	assert_string_equal(mapping_same_person(m, "U8"), "U2");
	struct buf b;
	struct err e = ERR_INIT;
	buf_init(&b, 65536);
	assert_true(mapping_explain(m, &s, "U8", &b, &e));
	assert_non_null(strstr(b.p, "  = the account that is created for U2\n"));
	assert_non_null(strstr(b.p, "people.aliases: other ids of this person: U2\n"));
	assert_null(strstr(b.p, "name in the label only"));
	buf_reset(&b);
	assert_true(mapping_explain(m, &s, "U9", &b, &e));
	assert_non_null(strstr(b.p, "  = existing account 10\n"));
	buf_release(&b);
	assert_string_equal(mapping_same_person(m, "U2"), "U2");
	mapping_free(m);
	put("mvchat.yaml", "version: 1\npeople: {aliases: [[U1, UX]]}\n");
	assert_null(mapping_load(dir, &e));
	assert_string_equal(e.msg, "people.aliases: 'UX' has no row in users.csv");
	put("mvchat.yaml", "version: 1\npeople: {members_list: none.csv}\n");
	err_clear(&e);
	assert_false(mapping_draft(dir, &s, &a, &r, &e));
	assert_string_equal(e.msg, "people.members_list: 'none.csv' is missing");
	char path[128];
	path_of("list.csv", path);
	unlink(path);
	arena_release(&a);
}

static void test_rename(void **state)
{
	(void)state;
	struct arena a;
	struct draft_result r;
	struct place q;
	static const struct conv convs[] = { { .id = "C1", .name = "proj-альфа", .kind = CONV_PUBLIC }, { .id = "C2", .name = "team-x", .kind = CONV_PRIVATE },
		{ .id = "C3", .name = "general", .kind = CONV_PUBLIC }, { .id = "D1", .name = "proj-x", .kind = CONV_DM, .members = dm_members, .n_members = 2 } };
	static const char *const names[] = { "Проект альфа!", "Команда x!", "general!", "U1, U2" };
	struct survey s = { .convs = convs, .n_convs = countof(convs) };
	arena_init(&a);
	put("mvchat.yaml", "version: 1\nchannels:\n  suffix: '!'\n  rename:\n    - {match: '^proj-(.*)$', to: 'Проект {1}'}\n    - {match: '^(?:team|proj)-', to: 'Команда '}\n    - {match: '^.*$', to: ''}\n");
	draft(&s, &r, &a);
	struct mapping *m = load();
	for (size_t i = 0; i < countof(convs); i++) {
		mapping_place(m, &convs[i], &a, &q);
		assert_string_equal(q.name, names[i]);
	}
	mapping_free(m);
	arena_release(&a);
}

/* Administrators by name or as creators; a tag opens a private channel only when it is called by its name. */
static void test_company(void **state)
{
	(void)state;
	static const char *const members[] = { "U1", "U2", "U3" };
	static const struct { enum conv_kind kind; const char *id; size_t admins, tags; } t[] = {
		{ CONV_PUBLIC, "C1", 2, 2 }, { CONV_PRIVATE, "C1", 2, 1 }, { CONV_PRIVATE, "C2", 1, 0 }, { CONV_GROUP, "C1", 0, 0 }, { CONV_DM, "C1", 0, 0 },
	};
	struct arena a;
	arena_init(&a);
	put("mvchat.yaml", "version: 1\nchannels:\n  members:\n    - {channel: '*', admin: creator, editor: U1, tag: всем}\n"
	                   "    - {channel: '#Sales', admin: ['anna@*', U9], tag: [Отдел, Отдел]}\n");
	char text[512];
	snprintf(text, sizeof(text), "%sU2,Анна,,anna@x.ru,,,,,,,,\n", users_head);
	put("users.csv", text);
	put("channels.csv", channels_head);
	struct mapping *m = load();
	for (size_t i = 0; i < countof(t); i++) {
		struct company who;
		struct conv c = { .id = t[i].id, .name = streq(t[i].id, "C1") ? "sales" : "board", .kind = t[i].kind, .creator = "U3", .members = members, .n_members = 3 };
		mapping_company(m, &c, &a, &who);
		assert_int_equal(who.n_tags, t[i].tags);
		if (who.n_tags)
			assert_string_equal(who.tags[who.n_tags - 1], "Отдел");
		assert_int_equal(who.n_admins, t[i].admins);
		bool channel = t[i].kind == CONV_PUBLIC || t[i].kind == CONV_PRIVATE;
		assert_int_equal(who.n_editors, channel);
		if (channel)
			assert_string_equal(who.editors[0], "U1");
		/* a direct message that is called by its name is told, one that a pattern takes is not */
		assert_int_equal(who.ignored, !channel && (streq(c.name, "sales") || streq(c.id, "C1")));
	}
	mapping_free(m);
	arena_release(&a);
}

/* A pilot of a department: who has the tag stands in the members list. */
static void test_tag_pilot(void **state)
{
	(void)state;
	static const struct { const char *only, *list; bool a, b, c; const char *error; } t[] = {
		{ "tags: [продажи]", "userid,email,tags\nU1,,\"Склад; Продажи \"\nU2,,Склад\n", true, false, false, NULL },
		{ "tags: [ПРОД*]", "userid,department\nU1,Склад\nU2,Продажи\nU3,Продажи\n", false, true, true, NULL },
		{ "{tags: [Продажи], users: [U2]}", "userid,tags\nU1,Продажи\n", true, true, false, NULL },
		{ "tags: [Продажи]", "userid,email\nU1,\n", false, false, false, "only.tags: 'members.csv' has neither a column 'tags' nor 'department'" },
		{ "tags: [Продажи, Отдел]", "userid,tags\nU1,Продажи\n", false, false, false, "only.tags: nobody in 'members.csv' has the tag 'Отдел'" },
		{ "tags: [Продажи]", NULL, false, false, false, "only.tags needs people.members_list: archives do not know who has which tag" },
	};
	struct arena a;
	char text[512];
	uint8_t before[DIGEST_BYTES] = { 0 }, now[DIGEST_BYTES];
	arena_init(&a);
	snprintf(text, sizeof(text), "%sU1,Анна,,anna@x.ru,,,match,11,100,e-mail,,\nU2,Б,,b@x.ru,,,match,12,100,e-mail,,\n", users_head);
	put("users.csv", text);
	put("channels.csv", channels_head);
	for (size_t i = 0; i < countof(t); i++) {
		static const char *const one[] = { "U3" };
		struct err e = ERR_INIT;
		struct person p;
		struct place q;
		const char *only = t[i].only;
		snprintf(text, sizeof(text), "version: 1\n%sonly: %s%s%s\n", t[i].list ? "people: {members_list: members.csv}\n" : "", *only == '{' ? "" : "{", only, *only == '{' ? "" : "}");
		put("mvchat.yaml", text);
		if (t[i].list)
			put("members.csv", t[i].list);
		struct mapping *m = mapping_load(dir, &e);
		if (t[i].error) {
			assert_null(m);
			assert_string_equal(e.msg, t[i].error);
			continue;
		}
		assert_non_null(m);
		mapping_person(m, &(struct user){ .id = "U1", .name = "Анна" }, &a, &p);
		assert_int_equal(p.action == PERSON_MATCH, t[i].a);
		if (!t[i].a)
			assert_string_equal(p.why, "only.tags: without these tags, so no account is used");
		mapping_person(m, &(struct user){ .id = "U2", .name = "Б" }, &a, &p);
		assert_int_equal(p.action == PERSON_MATCH, t[i].b);
		/* somebody without a row */
		mapping_place(m, &(struct conv){ .id = "C1", .name = "x", .kind = CONV_PUBLIC, .members = one, .n_members = 1 }, &a, &q);
		assert_int_equal(q.action == PLACE_CREATE, t[i].c);
		mapping_digest(m, now);
		assert_memory_not_equal(now, before, DIGEST_BYTES);
		memcpy(before, now, DIGEST_BYTES);
		mapping_free(m);
	}
	arena_release(&a);
}

/* The example projects docs/mapping.md tells about. */
static void test_examples(void **state)
{
	(void)state;
	static const struct { const char *dir; enum person_action maria, petr; enum place_action general, board; const char *old; } t[] = {
		{ "fixtures/mapping/emergency", PERSON_CREATE, PERSON_MATCH, PLACE_CREATE, PLACE_CREATE, NULL },
		{ "fixtures/mapping/pilot", PERSON_LABEL, PERSON_LABEL, PLACE_CREATE, PLACE_SKIP, "only.since" },
	};
	static const char *const members[] = { "U01", "U03" };
	for (size_t i = 0; i < countof(t); i++) {
		struct arena a;
		struct err e = ERR_INIT;
		struct person p;
		struct place q;
		arena_init(&a);
		struct mapping *m = mapping_load(t[i].dir, &e);
		if (!m)
			fail_msg("%s: %s", t[i].dir, e.msg);
		mapping_person(m, &(struct user){ .id = "U02", .name = "Мария Ли", .email = "maria@example.com" }, &a, &p);
		assert_int_equal(p.action, t[i].maria);
		mapping_person(m, &(struct user){ .id = "U03", .name = "Пётр Сидоров", .email = "petr@example.com" }, &a, &p);
		assert_int_equal(p.action, t[i].petr);
		mapping_person(m, &(struct user){ .id = "U04", .name = "Анна Ким", .email = "anna@example.com", .flags = USER_GONE }, &a, &p);
		assert_int_equal(p.action, PERSON_LABEL);
		mapping_place(m, &(struct conv){ .id = "C01", .name = "general", .kind = CONV_PUBLIC, .members = members, .n_members = 2 }, &a, &q);
		assert_int_equal(q.action, t[i].general);
		mapping_place(m, &(struct conv){ .id = "C02", .name = "board", .kind = CONV_PRIVATE, .members = members, .n_members = 2 }, &a, &q);
		assert_int_equal(q.action, t[i].board);
		assert_false(q.is_public);
		const char *rule = mapping_skips(m, &(struct msg_meta){ .author = "U01", .kind = MSG_TEXT, .ts_us = INT64_C(1672531200000000) });
		assert_true(t[i].old ? rule && streq(rule, t[i].old) : !rule);
		mapping_free(m);
		arena_release(&a);
	}
}
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_draft, begin, end),
		cmocka_unit_test_setup_teardown(test_refresh_keeps_decisions, begin, end),
		cmocka_unit_test_setup_teardown(test_load_errors, begin, end), cmocka_unit_test_setup_teardown(test_policies, begin, end),
		cmocka_unit_test_setup_teardown(test_changes, begin, end), cmocka_unit_test_setup_teardown(test_privacy, begin, end),
		cmocka_unit_test_setup_teardown(test_digest, begin, end),
		cmocka_unit_test_setup_teardown(test_pilot_and_skips, begin, end),
		cmocka_unit_test_setup_teardown(test_aliases_and_members, begin, end),
		cmocka_unit_test_setup_teardown(test_rename, begin, end), cmocka_unit_test_setup_teardown(test_company, begin, end),
		cmocka_unit_test_setup_teardown(test_tag_pilot, begin, end), cmocka_unit_test(test_examples),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
