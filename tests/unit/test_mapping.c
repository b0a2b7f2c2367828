/* The mapping layer: strict reading, spreadsheets' mess, names, matching, schema. */
#include "mapping/mapping.h"

#include "core/canon.h"
#include "core/json.h"
#include "mapping/mapping_config.h"
#include "mapping/mapping_match.h"
#include "mapping/mapping_names.h"
#include "mapping/mapping_rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- mvchat.yaml ---- */

static void test_yaml_errors(void **state)
{
	(void)state;
	static const struct { const char *text, *where, *msg, *hint; enum err_code code; } t[] = {
		{ "version: 1\npeopel:\n", "mvchat.yaml:2:1", "unknown key 'peopel'", "did you mean 'people'?", ERR_USAGE },
		{ "version: 1\npeople:\n  unmatchd: label\n", "mvchat.yaml:3:3", "unknown key 'people.unmatchd'", "did you mean 'unmatched'?", ERR_USAGE },
		{ "version: 1\npeople:\n  unmatched: lable\n", "mvchat.yaml:3:14",
		  "'people.unmatched': 'lable' is not one of label, create, skip, fail, create-suspended", "did you mean 'label'?", ERR_USAGE },
		{ "version: 1\npeople: label\n", "mvchat.yaml:2:9", "'people' must be a section, not a single value", "", ERR_USAGE },
		{ "version: 1\npeople:\n  invite: yes\n", "mvchat.yaml:3:11", "'people.invite': 'yes' is not true or false", "", ERR_USAGE },
		{ "version: 2\n", "mvchat.yaml:1:10", "'version' must be 1: this program reads no other", "", ERR_USAGE },
		{ "locale: ru\n", "mvchat.yaml", "the line 'version: 1' is missing", "", ERR_USAGE },
		{ "version: 1\nonly:\n  channels: general\n", "mvchat.yaml:3:13", "'only.channels' must be a list, not a single value", "", ERR_USAGE },
		{ "version: 1\nonly: {since: 2024-02-30}\n", "mvchat.yaml:2:15", "'only.since': '2024-02-30' is not a date written as 2024-03-31", "", ERR_USAGE },
		{ "version: 1\nonly: {since: 2024-02-02, until: 2024-02-01}\n", "mvchat.yaml",
		  "only.since (2024-02-02) is later than only.until (2024-02-01)", "", ERR_USAGE },
		{ "version: 1\nonly: {last_weeks_of: 3}\n", "mvchat.yaml:2:8", "unknown key 'only.last_weeks_of'", "known here: channels, users, tags, since, until, last_days, last_messages", ERR_USAGE },
		{ "version: 1\nonly: {last_days: 0}\n", "mvchat.yaml:2:19", "'only.last_days': '0' is not a whole number, at least 1", "", ERR_USAGE },
		{ "version: 1\nonly: {last_messages: many}\n", "mvchat.yaml:2:23", "'only.last_messages': 'many' is not a whole number, at least 1", "", ERR_USAGE },
		{ "version: 1\nmessages:\n  leave_out: [join, jion]\n", "mvchat.yaml:3:21",
		  "'messages.leave_out': 'jion' is not one of bot, join, leave, topic, rename, archive, pin, call, deleted, app, system",
		  "did you mean 'join'?", ERR_USAGE },
		{ "version: 1\nhistory: {placement: thread}\n", "mvchat.yaml:2:22", "'history.placement': 'thread' is not one of auto, inline, threads, archive-chat", "did you mean 'threads'?", ERR_USAGE },
		{ "version: 1\nhistory: {channels: [{channel: a}]}\n", "mvchat.yaml:2:23", "'history.channels[0]' has no 'placement'", "", ERR_USAGE },
		{ "version: 1\npeople: {aliases: [[U1]]}\n", "mvchat.yaml:2:10", "'people.aliases[0]' must name at least two source ids of one person", "", ERR_USAGE },
		{ "version: 1\npeople: {aliases: [[U1, U2], [U3, U1]]}\n", "mvchat.yaml:2:10", "'people.aliases': 'U1' is named twice", "", ERR_USAGE },
		{ "version: 1\npeople: {aliases: [U1, U2]}\n", "mvchat.yaml:2:20", "'people.aliases[0]' must be a list, not a single value", "", ERR_USAGE },
		{ "version: 1\nchannels: {rename: [{match: a, to: '{1}'}]}\n", "mvchat.yaml:2:22", "'channels.rename[0].to' uses {1}, but the pattern has 0 groups", "", ERR_USAGE },
		{ "version: 1\ntime: {zone: Mars/Olympus}\n", "mvchat.yaml:2:14", "'time.zone': 'Mars/Olympus' is not a time zone this system knows",
		  "write an IANA name such as Europe/Moscow", ERR_USAGE },
		{ "version: 1\ntime: {label: \"{nam}\"}\n", "mvchat.yaml:2:16",
		  "'time.label': '{nam}' is not a label: only {name}, {date}, {time} and {zone} are known", "", ERR_USAGE },
		{ "version: 1\ntarget: {url: \"ftp://x\"}\n", "mvchat.yaml:2:16",
		  "'target.url': 'ftp://x' is not an address that begins with https:// or http://", "", ERR_USAGE },
		{ "version: 1\nversion: 1\n", "mvchat.yaml:2:1", "this key stands there twice", "delete one of them", ERR_USAGE },
		{ "version: 1\n---\nversion: 1\n", "mvchat.yaml", "the file holds more than one YAML document ('---')", "", ERR_USAGE },
		{ "version: &a 1\nlocale: *a\n", "mvchat.yaml:2:10", "anchors and aliases are not read here: write the value out", "", ERR_USAGE },
		{ "# nothing\n", "mvchat.yaml:1:1", "the file is empty", "", ERR_USAGE },
		{ "- a\n", "mvchat.yaml:1:1", "the file must consist of 'key: value' lines, beginning with 'version: 1'", "", ERR_USAGE },
		{ "version: 1\narchives:\n  - zone: UTC\n", "mvchat.yaml:2:1", "'archives[0]' has no 'path'", "", ERR_USAGE },
		{ "version: 1\ntarget: {admin_token_env: my token}\n", "mvchat.yaml:2:27",
		  "'target.admin_token_env': 'my token' is not the name of an environment variable",
		  "write the variable's name (PACHCA_ADMIN_TOKEN), not the token", ERR_USAGE },
	};
	for (size_t i = 0; i < countof(t); i++) {
		struct arena a;
		struct config c;
		struct err e = ERR_INIT;
		arena_init(&a);
		assert_false(config_parse("mvchat.yaml", t[i].text, strlen(t[i].text), &a, &c, &e));
		assert_string_equal(e.msg, t[i].msg);
		assert_string_equal(e.where, t[i].where);
		assert_string_equal(e.hint, t[i].hint);
		assert_int_equal(e.code, t[i].code);
		arena_release(&a);
	}
}

static void test_yaml_secrets(void **state)
{
	(void)state;
	static const char *const t[] = {
		"version: 1\ntarget: {token: abc}\n",
		"version: 1\ntarget: {admin_token_env: aB3dE6gH9jK2mN5pQ8sT1vW4}\n",
		"version: 1\ntarget: {url: \"https://user:pw@host/\"}\n",
		"version: 1\nlocale: xoxb-12345\n",
		"version: 1\nlocale: 0123456789abcdef0123456789abcdef\n",
	};
	static const char *const secret[] = { "abc", "aB3dE6", "pw@", "12345", "0123456789abcdef" };
	for (size_t i = 0; i < countof(t); i++) {
		struct arena a;
		struct config c;
		struct err e = ERR_INIT;
		arena_init(&a);
		assert_false(config_parse("mvchat.yaml", t[i], strlen(t[i]), &a, &c, &e));
		assert_non_null(strstr(e.msg, "token"));
		assert_null(strstr(e.msg, secret[i]));
		assert_null(strstr(e.hint, secret[i]));
		arena_release(&a);
	}
}

static void test_yaml_values(void **state)
{
	(void)state;
	static const char *const same[] = {
		"version: 1\nlocale: ru\ntime:\n  zone: Europe/Moscow\nonly:\n  since: 2024-03-01\n  until: 2024-03-31\nmessages: {leave_out: [], pins: false}\n",
		"{\"version\": 1, \"locale\": \"ru\", \"time\": {\"zone\": \"Europe/Moscow\"}, \"only\": {\"since\": \"2024-03-01\", \"until\": \"2024-03-31\"},"
		" \"messages\": {\"leave_out\": [], \"pins\": false}}",
	};
	for (size_t i = 0; i < countof(same); i++) {
		struct arena a;
		struct config c;
		struct err e = ERR_INIT;
		arena_init(&a);
		assert_true(config_parse("f", same[i], strlen(same[i]), &a, &c, &e));
		assert_string_equal(c.c.locale, "ru");
		assert_false(c.c.pins);
		assert_int_equal(c.c.n_leave_out, 0);
		assert_int_equal(c.c.since_us, INT64_C(1709240400000000)); /* 2024-02-29T21:00Z */
		assert_int_equal(c.c.until_us, INT64_C(1711918800000000)); /* 2024-03-31T21:00Z, exclusive */
		assert_string_equal(c.c.admin_token_env, "PACHCA_ADMIN_TOKEN");
		assert_int_equal(c.c.mentions, MENTION_MUTE);
		assert_false(c.c.invite);
		arena_release(&a);
	}
}

/* ---- tables ---- */

static void test_csv_mess(void **state)
{
	(void)state;
	static const struct sheet_column cols[] = { { "source_id", false, true }, { "name", false, false }, { "decision", true, true } };
	static const struct { const char *text, *id, *name, *decision; char sep; } ok[] = {
		{ "source_id,name,decision\nU1,Иван,skip\n", "U1", "Иван", "skip", ',' },
		{ "\xef\xbb\xbfsource_id;name;decision\r\nU1;\"a;b\";label\r\n", "U1", "a;b", "label", ';' },
		{ "source_id\tname\tdecision\nU1\ta\t\n", "U1", "a", "", '\t' },
		{ "sep=;\nsource_id;name;decision\nU1;a;b\n", "U1", "a", "b", ';' },
		{ "decision,SOURCE_ID,name\nskip,U1,a\n", "U1", "a", "skip", ',' },
		{ "source_id,name\nU1,a,,\n", "U1", "a", "", ',' },
		{ "source_id,name,decision\n\n\nU1\n", "U1", "", "", ',' },
		{ "source_id,name,decision\n\"=\"\"007\"\"\",'=1+1,x\n", "007", "=1+1", "x", ',' },
		{ "source_id,name,decision\n'+7916,''-a,x\n", "+7916", "'-a", "x", ',' },
		{ "source_id,name,decision\nU1,\"two \"\"q\"\" lines\nhere\",x\n", "U1", "two \"q\" lines\nhere", "x", ',' },
		{ "source_id,name,decision\nU1,a,x", "U1", "a", "x", ',' },
		{ "source_id,name,decision,,\nU1,a,x,,\n,,,,\n", "U1", "a", "x", ',' },
	};
	for (size_t i = 0; i < countof(ok); i++) {
		struct arena a;
		struct sheet s;
		struct err e = ERR_INIT;
		arena_init(&a);
		sheet_init(&s, "users.csv", cols, countof(cols), &a);
		if (!sheet_read(&s, ok[i].text, strlen(ok[i].text), &a, &e))
			fail_msg("%zu: %s", i, e.msg);
		assert_int_equal(s.n_rows, 1);
		assert_string_equal(s.rows[0].cells[0], ok[i].id);
		assert_string_equal(s.rows[0].cells[1], ok[i].name);
		assert_string_equal(s.rows[0].cells[2], ok[i].decision);
		assert_int_equal(s.sep, ok[i].sep);
		arena_release(&a);
	}
	static const struct { const char *text, *where, *msg; } bad[] = {
		{ "source_id,name,decison\nU1,a,skip\n", "users.csv:1:3", "column 'decision' is missing and 'decison' is not known" },
		{ "name,decision\na,b\n", "users.csv:1:1", "the first line must name the columns; 'source_id' is not among them" },
		{ "source_id,name,decision\nU1,a,b\n\nU1,c,d\n", "users.csv:4", "'U1' has two rows, in lines 2 and 4" },
		{ "source_id,name,decision\n+71,a,b\n71,c,d\n", "users.csv:3", "'71' has two rows, in lines 2 and 3" },
		{ "source_id,name,decision\nU1,a,b,c\n", "users.csv:2:4", "more cells than columns: a quote or a separator is out of place" },
		{ "source_id,name,decision\n,a,b\n", "users.csv:2:1", "a row without 'source_id'" },
		{ "source_id,name,name\n", "users.csv:1:3", "column 'name' is there twice" },
		{ "", "users.csv:1:1", "the file is empty: the first line must name the columns" },
		{ "source_id,name\nU1,\xc8\xe2\xe0\xed\n", "users.csv", "the file is not UTF-8 text" },
		{ "source_id;name\nU1;a\n7,9E+10;b\n", "users.csv:3:1", "'7,9E+10' is a number that a spreadsheet has shortened: its digits are lost" },
		{ "source_id,decision\nU1,match: 1.2E+11\n", "users.csv:2:2", "'match: 1.2E+11' is a number that a spreadsheet has shortened: its digits are lost" },
	};
	for (size_t i = 0; i < countof(bad); i++) {
		struct arena a;
		struct sheet s;
		struct err e = ERR_INIT;
		arena_init(&a);
		sheet_init(&s, "users.csv", cols, countof(cols), &a);
		assert_false(sheet_read(&s, bad[i].text, strlen(bad[i].text), &a, &e));
		assert_string_equal(e.msg, bad[i].msg);
		assert_string_equal(e.where, bad[i].where);
		arena_release(&a);
	}
}

/* Excel's "Unicode text": UTF-16 of either order with a BOM, tabs, CRLF. */
static void test_csv_utf16(void **state)
{
	(void)state;
	static const struct sheet_column cols[] = { { "source_id", false, true }, { "name", false, false }, { "decision", true, true } };
	static const uint16_t text[] = { 0xfeff, 's', 'o', 'u', 'r', 'c', 'e', '_', 'i', 'd', '\t', 'n', 'a', 'm', 'e', '\r', '\n', '7', '\t', 0x0418, 0x20ac, 0xd83d, 0xde00, '\r', '\n' };
	for (int order = 0; order < 4; order++) { /* 2, 3: with half a pair at the end */
		char bytes[2 * countof(text)];
		struct arena a;
		struct sheet s;
		struct err e = ERR_INIT;
		struct buf b;
		size_t n = order < 2 ? countof(text) : 23 - 1;
		for (size_t i = 0; i < n; i++) {
			bytes[2 * i + (order & 1)] = (char)(text[i] & 0xff);
			bytes[2 * i + 1 - (size_t)(order & 1)] = (char)(text[i] >> 8);
		}
		arena_init(&a);
		buf_init(&b, 4096);
		sheet_init(&s, "users.csv", cols, countof(cols), &a);
		assert_int_equal(sheet_read(&s, bytes, 2 * n, &a, &e), order < 2);
		if (order < 2) {
			assert_string_equal(s.rows[0].cells[1], "И€😀");
			sheet_write(&s, &b);
			assert_string_equal(b.p, "\xef\xbb\xbfsource_id\tname\tdecision\r\n7\tИ€😀\t\r\n");
		} else {
			assert_string_equal(e.msg, "the file says it is UTF-16 and is not");
		}
		buf_release(&b);
		arena_release(&a);
	}
}

static void test_csv_round_trip(void **state)
{
	(void)state;
	static const struct sheet_column cols[] = { { "source_id", false, true }, { "name", false, false }, { "decision", true, true } };
	static const char text[] = "\xef\xbb\xbfmine;source_id;name;decision\r\n=1+1;U1;'=cmd;skip\r\n;'+7;\"a;b\";\r\n";
	struct arena a;
	struct sheet s;
	struct err e = ERR_INIT;
	struct buf b;
	arena_init(&a);
	buf_init(&b, 4096);
	sheet_init(&s, "x.csv", cols, countof(cols), &a);
	assert_true(sheet_read(&s, text, sizeof(text) - 1, &a, &e));
	assert_string_equal(s.rows[0].cells[1], "=cmd");
	sheet_write(&s, &b);
	assert_string_equal(b.p, text);
	buf_release(&b);
	arena_release(&a);
}

/* ---- names and matching ---- */

static void test_names(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a);
	assert_string_equal(names_person("Ли  Мария", &a), names_person("мария ЛИ", &a));
	assert_string_equal(names_person("Пётр Семёнов", &a), names_person("Петр Семенов", &a));
	assert_string_equal(names_phone("8 (916) 123-45-67", &a), names_phone("+7 916 1234567", &a));
	assert_null(names_phone("123", &a));
	assert_null(names_phone("+7 916 1234567 ext. 5", &a));
	assert_true(names_glob("Team-*", "team-Красный", &a));
	assert_true(names_glob("#general", "GENERAL", &a));
	assert_false(names_glob("team-?", "team-", &a));
	assert_string_equal(names_fit("short", "C1", 10, &a), "short");
	const char *cut = names_fit("очень длинное имя канала", "C1", 15, &a);
	assert_int_equal(strncmp(cut, "очень дл~", strlen("очень дл~")), 0);
	assert_string_not_equal(cut, names_fit("очень длинное имя канала", "C2", 15, &a));
	arena_release(&a);
}

static void test_matching(void **state)
{
	(void)state;
	static const struct target_person people[] = {
		{ .id = "1", .name = "Иван Петров", .email = "Ivan@Example.com" },
		{ .id = "2", .name = "Мария Ли", .email = "m@x.ru", .phone = "+79161234567" },
		{ .id = "3", .name = "Анна Ким" }, { .id = "4", .name = "Ким Анна" },
		{ .id = "5", .name = "Пётр Сидоров", .email = "petr@x.ru" },
		{ .id = "6", .name = "Старый Друг", .email = "old@x.ru", .suspended = true },
		{ .id = "7", .name = "Борис Бот", .bot = true },
		{ .id = "8", .name = "Двойник Один" },
	};
	static const struct user users[] = {
		{ .id = "U1", .name = "x", .email = "ivan@example.COM" },
		{ .id = "U2", .name = "x", .phone = "8 916 123 45 67" },
		{ .id = "U3", .name = "Анна Ким" },
		{ .id = "U4", .name = "Сидоров Петр" },
		{ .id = "U5", .name = "Старый Друг", .email = "old@x.ru" },
		{ .id = "U6", .name = "Борис Бот" },
		{ .id = "U7", .name = "Двойник Один" }, { .id = "U8", .name = "Один Двойник" },
		{ .id = "U9", .name = "Иван Петров", .flags = USER_BOT },
	};
	static const struct { const char *id; int confidence; bool asks; } want[] = {
		{ "1", 100, false }, { "2", 90, false }, { NULL, 0, true }, { "5", 60, true }, { "6", 60, true }, { NULL, 0, false },
		{ NULL, 0, true }, { NULL, 0, true }, { NULL, 0, false },
	};
	struct survey s = { .users = users, .n_users = countof(users), .people = people, .n_people = countof(people) };
	struct arena a;
	arena_init(&a);
	struct matcher *mt = match_open(&s, "en", &a);
	for (size_t i = 0; i < countof(users); i++) {
		struct match m = match_person(mt, &users[i], users[i].email, &a);
		assert_int_equal(m.confidence, want[i].confidence);
		assert_int_equal(m.asks, want[i].asks);
		if (want[i].id)
			assert_string_equal(m.target_id, want[i].id);
		else
			assert_null(m.target_id);
	}
	match_close(mt);
	arena_release(&a);
}

static void test_sounds(void **state)
{
	(void)state;
	static const char *const same[][2] = {
		{ "Щербаков Юрий", "Yuri Shcherbakov" }, { "Щербаков Юрий", "Iurii Scherbakov" }, { "Юлия Цой", "Julia Tsoy" }, { "Алексей Хасанов", "Alexey Khasanov" },
		{ "Александр Соловьёв", "Alexander Solovyov" }, { "Александр Соловьев", "Aleksandr Soloviev" }, { "Евгений Жуков", "Yevgeniy Zhukov" },
		{ "Дмитрий Ильин", "Dmitry Ilyin" }, { "Чайковский Пётр", "Petr Tchaikovsky" }, { "Наталья Васильева", "Natalia Vasilyeva" }, { "Анна Ким", "ana KIM" },
		{ "Иван Сергеевич Петров", "Petrov Ivan" }, { "Мария Ильинична Ли", "Maria Li" }, { "Виктор Грачёв", "Victor Grachev" }, { "Ксения Быкова", "Xenia Bykova" },
		{ "Zoë Müller", "Zoe Muller" }, { "Ivan Petrovich Sidorov", "Иван Сидоров" },
	};
	static const char *const differ[][2] = { { "Иван Петров", "Иван Петрович" }, { "Иван Сидоров", "Илья Сидоров" }, { "Мария Ли", "Марина Ли" }, { "Жуков Иван", "Зуков Иван" } };
	static const struct { const char *local, *name; enum local_fit fit; } locals[] = {
		{ "ivan.petrov@x.ru", "Иван Петров", LOCAL_FULL }, { "petrov_ivan2@x.ru", "Иван Петров", LOCAL_FULL }, { "ivanpetrov", "Петров Иван", LOCAL_FULL },
		{ "i.petrov@x.ru", "Иван Петров", LOCAL_INITIAL }, { "petrovi", "Иван Петров", LOCAL_INITIAL }, { "ipetrov", "Иван Петров", LOCAL_INITIAL },
		{ "y.shcherbakov", "Юрий Щербаков", LOCAL_INITIAL }, { "ivan", "Иван Петров", LOCAL_NO }, { "sales@x.ru", "Иван Петров", LOCAL_NO }, { "a.petrov", "Иван Петров", LOCAL_NO },
		{ "m.li", "Мария Ли", LOCAL_NO },
	};
	struct arena a;
	arena_init(&a);
	for (size_t i = 0; i < countof(same); i++)
		assert_string_equal(names_sound(same[i][0], &a), names_sound(same[i][1], &a));
	for (size_t i = 0; i < countof(differ); i++)
		assert_string_not_equal(names_sound(differ[i][0], &a), names_sound(differ[i][1], &a));
	for (size_t i = 0; i < countof(locals); i++)
		if (names_local_fits(locals[i].local, names_sound(locals[i].name, &a), &a) != locals[i].fit)
			fail_msg("%s, %s: %s %s", locals[i].local, locals[i].name, names_sound(locals[i].local, &a), names_sound(locals[i].name, &a));
	arena_release(&a);
}

static void test_likeness(void **state)
{
	(void)state;
	static const struct target_person people[] = {
		{ .id = "1", .name = "Юрий Щербаков", .email = "us@x.ru" }, { .id = "2", .name = "Ivan Petrov" }, { .id = "3", .name = "Иван Петров" },
		{ .id = "4", .name = "Мария Кузнецова", .email = "mk@x.ru" }, { .id = "5", .name = "Пользователь", .email = "olga.smirnova@x.ru" },
		{ .id = "6", .name = "Oleg Orlov", .suspended = true }, { .id = "7", .name = "Анна Белова" }, { .id = "8", .name = "Алла Белова" },
	};
	static const struct { struct user u; const char *id; int confidence; const char *reason; } t[] = {
		{ { .id = "U1", .name = "Yury Scherbakov" }, "1", CONFIDENCE_SOUND, "the same name in another spelling, order or without a patronymic" },
		{ { .id = "U2", .name = "Петров Иван Ильич", .email = "x@y.ru" }, NULL, 0, "2 accounts could be this person" },
		{ { .id = "U3", .name = "masha", .email = "maria.kuznetsova@old.ru" }, "4", CONFIDENCE_LOCAL, "the e-mail 'maria.kuznetsova@old.ru' is this name" },
		{ { .id = "U4", .name = "masha k", .handle = "mkuznetsova" }, "4", CONFIDENCE_INITIAL, "the handle 'mkuznetsova' is an initial and this surname" },
		{ { .id = "U5", .name = "Ольга Смирнова" }, "5", CONFIDENCE_LOCAL, "the account's e-mail 'olga.smirnova@x.ru' is this name" },
		{ { .id = "U6", .name = "Олег Орлов" }, NULL, 0, "" },
		{ { .id = "U7", .name = "x", .email = "a.belova@y.ru" }, NULL, 0, "2 accounts could be this person" },
		{ { .id = "U8", .name = "Yuri Sh" }, NULL, 0, "" },
		{ { .id = "U9", .name = "Yury Scherbakov", .flags = USER_BOT }, NULL, 0, "" },
	};
	struct user users[countof(t)];
	for (size_t i = 0; i < countof(t); i++)
		users[i] = t[i].u;
	struct survey s = { .users = users, .n_users = countof(users), .people = people, .n_people = countof(people) };
	struct arena a;
	arena_init(&a);
	struct matcher *mt = match_open(&s, "en", &a);
	for (size_t i = 0; i < countof(t); i++) {
		struct match m = match_person(mt, &users[i], users[i].email, &a);
		if (strncmp(m.reason, t[i].reason, strlen(t[i].reason)) || (!*t[i].reason && *m.reason))
			fail_msg("%s: %s", users[i].id, m.reason);
		assert_int_equal(m.confidence, t[i].confidence);
		assert_int_equal(m.asks, *t[i].reason != '\0');
		assert_true(t[i].id ? m.target_id && streq(m.target_id, t[i].id) : !m.target_id);
	}
	match_close(mt);
	arena_release(&a);
}

/* ---- the schema ---- */

static const struct jv *schema_of(const struct jv *root, const char *path)
{
	const struct jv *v = root;
	for (const char *p = path; *p;) {
		char part[64];
		size_t n = strcspn(p, ".");
		bool list = n > 2 && p[n - 1] == ']';
		assert_true(n < sizeof(part));
		memcpy(part, p, n);
		part[list ? n - 2 : n] = '\0';
		v = jv_get(jv_get(v, "properties"), part);
		v = list ? jv_get(v, "items") : v;
		p += n + (p[n] == '.');
	}
	return v;
}

static size_t count_leaves(const struct jv *v)
{
	size_t n = 0;
	jv_each(jv_get(v, "properties"), it) {
		n += 1 + count_leaves(it) + count_leaves(jv_get(it, "items"));
	}
	return n;
}

static void same_words(const struct jv *v, const char *const *words)
{
	size_t i = 0;
	jv_each(v, it) {
		assert_non_null(words[i]);
		assert_string_equal(jv_str(it), words[i]);
		i++;
	}
	assert_null(words[i]);
}

static void test_schema(void **state)
{
	(void)state;
	struct arena a;
	struct err e = ERR_INIT;
	char *text;
	size_t len;
	arena_init(&a);
	assert_true(rows_slurp("docs/mvchat-mapping.schema.json", &text, &len, &e));
	assert_non_null(text);
	const struct jv *root = jv_parse(&a, text, len, &e);
	assert_non_null(root);
	for (size_t i = 0; i < n_config_keys; i++) {
		const struct config_key *k = &config_keys[i];
		const struct jv *v = schema_of(root, k->path);
		if (!v)
			fail_msg("'%s' is not in the schema", k->path);
		if (k->type == KEY_ENUM)
			same_words(jv_get(v, "enum"), k->values);
		if (k->type == KEY_CHOICES)
			same_words(jv_get(jv_get(v, "items"), "enum"), k->values);
		if (k->type == KEY_ITEMS)
			assert_false(jv_get_bool(jv_get(v, "items"), "additionalProperties"));
		if (k->type == KEY_BOOL)
			assert_string_equal(jv_get_str(v, "type"), "boolean");
		if (k->type == KEY_KINDS) {
			const char *names[16] = { NULL };
			for (size_t j = 0; j < n_leavable_kinds; j++)
				names[j] = msg_kind_name(leavable_kinds[j]);
			same_words(jv_get(jv_get(v, "items"), "enum"), names);
		}
		if (k->type == KEY_SECTION)
			assert_true(jv_is(jv_get(v, "additionalProperties"), JV_BOOL) && !jv_get_bool(v, "additionalProperties"));
	}
	assert_int_equal(count_leaves(root), n_config_keys);
	free(text);
	arena_release(&a);
}
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_yaml_errors), cmocka_unit_test(test_yaml_secrets), cmocka_unit_test(test_yaml_values),
		cmocka_unit_test(test_csv_mess), cmocka_unit_test(test_csv_utf16), cmocka_unit_test(test_csv_round_trip),
		cmocka_unit_test(test_names), cmocka_unit_test(test_matching), cmocka_unit_test(test_sounds),
		cmocka_unit_test(test_likeness), cmocka_unit_test(test_schema),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
