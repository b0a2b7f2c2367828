/* Any bytes as a project's files. The input is cut at RS (0x1e) into mvchat.yaml, users.csv, channels.csv, members.csv; one that is
 * missing or empty is not there. Properties:
 *  - they are read, or refused with words and the place;
 *  - the same twice; every answer about people, places, messages and texts is sound, and every text is UTF-8;
 *  - a refreshed draft can be read, and refreshed again changes nothing. */
#include "mapping/mapping.h"

#include "core/base.h"
#include "core/utf8.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* The YAML library (0.7) keeps a kilobyte of its own after a scalar with a long row of quotes. */
const char *__lsan_default_suppressions(void) { return "leak:libfyaml"; }

enum { RS = 0x1e };

#define CHECK(x) do { if (!(x)) die("property does not hold: %s", #x); } while (0)

static const char *const names[] = { "mvchat.yaml", "users.csv", "channels.csv", "members.csv" };
static char dir[64];

static const char *const members[] = { "U1", "U2", "U3" };
static const struct user users[] = {
	{ .id = "U1", .name = "Иван Петров", .handle = "ivan", .email = "ivan@example.com", .name_source = NAME_LISTED },
	{ .id = "U2", .name = "Anna Kim", .handle = "anna", .phone = "+79161234567", .name_source = NAME_LISTED, .flags = USER_GUEST },
	{ .id = "U3", .name = "Пётр", .name_source = NAME_PLACEHOLDER, .flags = USER_GONE },
	{ .id = "B1", .name = "bot", .name_source = NAME_BOT, .flags = USER_BOT },
};
static const int64_t user_msgs[countof(users)] = { 5, 4, 3, 2 };
static const struct conv convs[] = {
	{ .id = "C1", .name = "general", .kind = CONV_PUBLIC, .general = true, .members = members, .n_members = 3 },
	{ .id = "C2", .name = "секреты", .kind = CONV_PRIVATE, .members = members, .n_members = 2 },
	{ .id = "G1", .name = "ann, ivan, petr", .kind = CONV_GROUP, .members = members, .n_members = 3 },
	{ .id = "D1", .name = "Anna Kim", .kind = CONV_DM, .members = members, .n_members = 2 },
	{ .id = "C3", .name = "General", .kind = CONV_PUBLIC, .archived = true, .members = members, .n_members = 1 },
};
static const struct conv_stats stats[countof(convs)] = { { 10, 1700000000000000, 1710000000000000 }, { 0 } };
static const struct target_person people[] = {
	{ .id = "1", .name = "Ivan Petrov", .email = "ivan@example.com" }, { .id = "2", .name = "Ким Анна", .phone = "+7 916 123-45-67" },
};
static const struct target_chat chats[] = { { "11", "general", true, false, false, NULL }, { "12", "Секреты", false, false, false, NULL } };

static void path_of(size_t i, char out[128])
{
	fmt_into(out, 128, "%s/%s", dir, names[i]);
}

static void forget(void)
{
	char path[128];
	for (size_t i = 0; i < countof(names); i++) {
		path_of(i, path);
		unlink(path);
	}
	rmdir(dir);
}

static void text(const char *s)
{
	CHECK(!s || utf8_valid(s, strlen(s)));
}

/* Everything the mapping answers, as one text: two mappings that say the same decide the same. */
static void answers(const struct mapping *m, struct buf *out)
{
	struct arena a;
	arena_init(&a);
	for (size_t i = 0; i < countof(users); i++) {
		struct person p;
		mapping_person(m, &users[i], &a, &p);
		CHECK(p.name && *p.name && p.why && (p.action != PERSON_MATCH || p.target_id));
		text(p.name), text(p.email), text(p.phone), text(p.first), text(p.last), text(p.title);
		buf_addf(out, "%s %d %s %s %s %d\n", p.id, (int)p.action, p.target_id ? p.target_id : "", p.name, p.email ? p.email : "", (int)p.suspended);
	}
	for (size_t i = 0; i < countof(convs); i++) {
		struct place p;
		mapping_place(m, &convs[i], &a, &p);
		CHECK(p.name && *p.name && p.why && (p.action != PLACE_ADOPT || p.target_id || p.into));
		CHECK(!p.is_public || p.may_be_public || p.action == PLACE_ADOPT);
		text(p.name);
		buf_addf(out, "%s %d %s %s %s %d %d %d\n", p.id, (int)p.action, p.target_id ? p.target_id : "", p.into ? p.into : "", p.name, (int)p.is_public,
		         (int)p.archive_at_end, (int)p.placement);
	}
	const struct text body = text_from_plain(&a, "заказ 12345: карта 4111 1111 1111 1111, пароль: hunter2 https://x.example/?token=1");
	for (size_t i = 0; i < countof(convs); i++) {
		const struct msg msg = { .id = "1700000000.000100", .author = users[i % countof(users)].id, .ts_us = 1700000000000100, .kind = MSG_TEXT, .body = body };
		const struct msg_meta mm = { .conv = convs[i].id, .author = msg.author, .ts_us = msg.ts_us, .kind = MSG_TEXT, .conv_name = convs[i].name, .has_file = i & 1 };
		const char *rule = mapping_skips(m, &mm);
		struct route r;
		struct msg clean;
		if (!rule && mapping_asks_text(m))
			rule = mapping_skips_text(m, &mm, &msg, &a);
		text(rule);
		const uint64_t hits = mapping_rule_hits(m, &mm, &msg, &a);
		enum route_answer to = ROUTE_NO;
		if (mapping_has_routes(m)) {
			to = mapping_route(m, &mm, NULL, &a, &r);
			if (to == ROUTE_ASK_TEXT)
				to = mapping_route(m, &mm, &msg, &a, &r);
			CHECK(to != ROUTE_ASK_TEXT);
			text(to == ROUTE_YES ? r.thread : NULL);
		}
		struct buf words;
		buf_init(&words, 1 << 20);
		if (mapping_redact_msg(m, &msg, &a, &clean))
			text_plaintext(&clean.body, &words);
		text(words.p);
		buf_addf(out, "%s %llx %d %s\n", rule ? rule : "", (unsigned long long)hits, (int)to, words.len ? words.p : "");
		buf_release(&words);
	}
	arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[128];
	struct err e = ERR_INIT;
	if (size > 128 << 10)
		return 0;
	if (!*dir) {
		fmt_into(dir, sizeof(dir), "%s/mvchat-fuzz-mapping-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
		CHECK(mkdtemp(dir));
		atexit(forget);
	}
	const char *p = (const char *)data, *end = p + size;
	for (size_t i = 0; i < countof(names); i++) {
		const char *stop = p < end ? memchr(p, RS, (size_t)(end - p)) : NULL;
		const size_t n = (size_t)((stop ? stop : end) - p);
		path_of(i, path);
		unlink(path);
		if (n) {
			const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
			CHECK(fd >= 0 && write(fd, p, n) == (ssize_t)n);
			close(fd);
		}
		p = stop ? stop + 1 : end;
	}
	struct mapping *m = mapping_load_open(dir, &e);
	CHECK(m || ((e.code == ERR_USAGE || e.code == ERR_MAPPING) && *e.msg));
	text(e.msg), text(e.where), text(e.hint);
	if (!m)
		return 0;
	struct buf said, again;
	uint8_t one[DIGEST_BYTES], two[DIGEST_BYTES];
	buf_init(&said, 64 << 20);
	buf_init(&again, 64 << 20);
	mapping_digest(m, one);
	answers(m, &said);
	mapping_free(m);
	CHECK((m = mapping_load_open(dir, &e)));
	mapping_digest(m, two);
	answers(m, &again);
	CHECK(!memcmp(one, two, sizeof(one)) && said.len == again.len && !memcmp(said.p, again.p, said.len));
	mapping_free(m);

	struct arena a;
	struct draft_result d;
	const struct mapping_archive archive = { .path = "export.zip" };
	const struct survey s = { .archives = &archive, .n_archives = 1, .users = users, .user_msgs = user_msgs, .n_users = countof(users), .convs = convs,
		.conv_stats = stats, .n_convs = countof(convs), .people = people, .n_people = countof(people), .chats = chats, .n_chats = countof(chats),
		.target = "pachca", .name_max = 60 };
	arena_init(&a);
	if (mapping_draft(dir, &s, &a, &d, &e)) {
		CHECK((m = mapping_load_open(dir, &e)));
		mapping_free(m);
		CHECK(mapping_draft(dir, &s, &a, &d, &e));
		CHECK(!d.wrote_yaml && !d.wrote_users && !d.wrote_channels && !d.n_rows_new);
	} else {
		CHECK(*e.msg);
	}
	arena_release(&a);
	buf_release(&said);
	buf_release(&again);
	return 0;
}
