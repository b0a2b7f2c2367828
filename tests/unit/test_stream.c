/* The stream: the exact sequence of ops for small models, and what is left to do after stops, changes and refusals. */
#include "stream_fakes.h"

#include "replay/session.h"
#include "replay/stream_in.h"
#include "stream_small.h"

static const char expected[] =
	"user new@x.ru|Иван|Петров\n"
	"chat general public\n"
	"post 102 [System 1970-01-01 00:16] (the first message of this thread is not in the archive)\n"
	"post 102 [Ann Lee 1970-01-01 00:16] hello\n"
	"upload here.txt\n"
	"post 102 [Иван Петров 1970-01-01 00:16] see\n📎 away.png (not in the export)\n👍 Ann Lee, Иван Петров ·  3 <here.txt 105>\n"
	"post 102 [Ann Lee 1970-01-01 00:16] " HUNDRED "\n"
	"post 102 [Ann Lee 1970-01-01 00:16] " TEN "\n"
	"thread 103\n"
	"post T109+ [Ann Lee 1970-01-01 00:16] orphan\n"
	"thread 104\n"
	"post T111+ [Ann Lee 1970-01-01 00:16] reply one\n"
	"post T111+ [Ann Lee 1970-01-01 00:16] reply two\n"
	"pin 106\n"
	"members 101 11\n"
	"archive\n";
enum { N_OPS = 16 };

static void exact_sequence(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	small_model(&w);
	world_ready(&w);
	assert_string_equal(drive_with(&w, 0, NULL), expected);
	assert_string_equal(drive_with(&w, 0, NULL), "");
	world_end(&w);
}

/* Dying after any intent: the next run takes up that op first in its lane and goes on; nothing twice, nothing else. */
static void stops_and_resumes_anywhere(void **state)
{
	(void)state;
	for (int stop = 1; stop <= N_OPS; stop++) {
		struct world w;
		world_begin(&w);
		small_model(&w);
		world_ready(&w);
		const char *one = drive_with(&w, stop, NULL), *two = drive_with(&w, 0, NULL);
		/* the op that was open stands at the end of one and again in two */
		size_t n = strlen(one), same = 0;
		for (size_t k = 1; k <= n && k <= strlen(two); k++)
			if (!strncmp(one + n - k, two, k) && two[k - 1] == '\n')
				same = k;
		assert_true(same > 0);
		assert_string_equal(arena_fmt(&w.a, "%.*s%s", (int)(n - same), one, two), expected);
		assert_string_equal(drive_with(&w, 0, NULL), "");
		world_end(&w);
	}
}

static void change_makes_one_edit(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	small_model(&w);
	world_ready(&w);
	drive_with(&w, 0, NULL);
	world_spool(&w);
	struct msg m = make_msg(&w, 1001, "U1", 0, "hello, edited"), r = make_msg(&w, 1006, "U1", 1001, "reply two, edited");
	m.edited_us = r.edited_us = 1;
	assert_true(w.sink.msg(w.sink.ctx, "C1", &m) && w.sink.msg(w.sink.ctx, "C1", &r));
	small_model(&w);
	world_ready(&w);
	assert_string_equal(drive_with(&w, 0, NULL), "delete archiving\nedit 104 hello, edited\nedit 113 reply two, edited\narchive\n");
	assert_string_equal(drive_with(&w, 0, NULL), "");
	/* and once more: an edit may follow an edit */
	world_spool(&w);
	m.body = text_from_plain(&w.a, "hello again");
	m.edited_us = 2;
	assert_true(w.sink.msg(w.sink.ctx, "C1", &m) && w.sink.msg(w.sink.ctx, "C1", &r));
	small_model(&w);
	world_ready(&w);
	assert_string_equal(drive_with(&w, 0, NULL), "delete archiving\nedit 104 hello again\narchive\n");
	assert_string_equal(drive_with(&w, 0, NULL), "");
	world_end(&w);
}

/* The thread's first message turns up in a later archive: its place-holder becomes it. A file that turns up stays a name. */
static void lost_root_is_found(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	small_model(&w);
	world_ready(&w);
	drive_with(&w, 0, NULL);
	world_spool(&w);
	add_msg(&w, "C1", 999, "U1", 0, "I was first");
	small_model(&w);
	world_ready(&w);
	assert_string_equal(drive_with(&w, 0, NULL), "delete archiving\nedit 103 I was first\narchive\n");
	assert_string_equal(drive_with(&w, 0, NULL), "");
	world_end(&w);
}

/* Files of what is still to come: of messages that are sent, each that nobody has begun, once; no further than allowed. */
static void files_go_ahead(void **state)
{
	(void)state;
	static const struct file two[] = {
		{ .name = "a.txt", .entry = "f/a", .state = FILE_PRESENT, .size = 5 }, { .name = "b.txt", .entry = "f/b", .state = FILE_PRESENT, .size = 6 },
	}, away[] = {
		{ .name = "away.png", .permalink = "https://x/away", .state = FILE_LINKED, .size = 9 }, { .name = "c.txt", .entry = "f/c", .state = FILE_PRESENT, .size = 50 },
	};
	static const struct { int at; enum msg_kind kind; int root; const struct file *files; } msgs[] = {
		{ 1001, MSG_TEXT, 0, two }, { 1002, MSG_JOIN, 0, two }, { 1003, MSG_DELETED, 0, two }, { 1004, MSG_TEXT, 0, NULL }, { 1005, MSG_TEXT, 1001, two },
		{ 1006, MSG_TEXT, 0, away },
	};
	struct world w;
	struct err e = ERR_INIT;
	struct conv c = { .id = "C1", .name = "general", .kind = CONV_PUBLIC, .members = members, .n_members = 1 };
	world_begin(&w);
	assert_true(w.sink.conv(w.sink.ctx, &c));
	add_user(&w, "U1", "Ann Lee", "11", 0);
	for (size_t i = 0; i < countof(msgs); i++) {
		struct msg m = make_msg(&w, msgs[i].at, "U1", msgs[i].root, "words");
		m.kind = msgs[i].kind;
		m.files = msgs[i].files;
		m.n_files = msgs[i].files ? 2 : 0;
		assert_true(w.sink.msg(w.sink.ctx, "C1", &m));
	}
	world_ready(&w);
	struct stream_args args = { w.spool, MAP, &fake_ex, NULL, w.ledger, NULL };
	struct stream *s = stream_open(&args, &e);
	char name[] = "c:C1";
	struct lane_spec lane = { .kind = LANE_CHAT, .name = name, .id = "C1" };
	struct stream_pos pos = { 0 }, ahead = { 0 }, again = { 0 };
	struct stream_op op;
	size_t look = STREAM_LOOK;
	assert_true(stream_has_files(s));
	ledger_begin(w.ledger);
	assert_int_equal(stream_ahead(s, &lane, &pos, &ahead, &look, 100, &w.a, &op), STREAM_WAIT); /* there is no chat yet */
	assert_int_equal(stream_next(s, &lane, &pos, 0, NULL, NULL, &w.a, &op, &e), STREAM_OP);
	assert_int_equal(op.op.key.kind, OP_CHAT_CREATE);
	ledger_intent(w.ledger, &op.op.key, ledger_lane(w.ledger, name), 1, 1, 0, w.run, 1);
	ledger_done(w.ledger, &op.op.key, "77", NULL);
	stream_passed(s, &pos, &op);
	assert_int_equal(stream_next(s, &lane, &pos, 0, NULL, NULL, &w.a, &op, &e), STREAM_OP);
	assert_int_equal(op.op.key.kind, OP_UPLOAD);
	static const struct { const char *id; int part; const char *name; } want[] = {
		{ "1001.000000", 0, "a.txt" }, { "1001.000000", 1, "b.txt" }, { "1006.000000", 1, "c.txt" },
	};
	for (size_t i = 0; i < countof(want); i++) {
		if (i == 2)
			assert_int_equal(stream_ahead(s, &lane, &pos, &ahead, &look, 49, &w.a, &op), STREAM_WAIT); /* too large for now */
		assert_int_equal(stream_ahead(s, &lane, &pos, &ahead, &look, 50, &w.a, &op), STREAM_OP);
		assert_string_equal(op.op.key.id, want[i].id);
		assert_int_equal(op.op.key.part, want[i].part);
		assert_string_equal(op.op.name, want[i].name);
		assert_int_equal(op.state, OP_ABSENT);
	}
	assert_true(look < STREAM_LOOK);
	assert_int_equal(stream_ahead(s, &lane, &pos, &ahead, &look, 50, &w.a, &op), STREAM_END);
	ledger_intent(w.ledger, &op.op.key, ledger_lane(w.ledger, name), 1, 1, 0, w.run, 1); /* begun: c.txt */
	look = 3;
	for (int i = 0; i < 2; i++)
		assert_int_equal(stream_ahead(s, &lane, &pos, &again, &look, 50, &w.a, &op), STREAM_OP);
	assert_int_equal(stream_ahead(s, &lane, &pos, &again, &look, 50, &w.a, &op), STREAM_WAIT); /* so many messages and no more */
	assert_int_equal(look, 0);
	look = STREAM_LOOK;
	assert_int_equal(stream_ahead(s, &lane, &pos, &again, &look, 50, &w.a, &op), STREAM_END);
	/* Several uploads of a lane may be open, and put nothing in doubt; forgotten they are as if they had never been. */
	struct opkey k = { op.op.key.conv, INT64_C(1001000000), "1001.000000", OP_UPLOAD, 1 };
	struct ledger_row row;
	ledger_intent(w.ledger, &k, ledger_lane(w.ledger, name), 1, 1, 0, w.run, 1);
	ledger_unknown(w.ledger, &k, "no answer");
	assert_false(ledger_open_op(w.ledger, ledger_lane(w.ledger, name), &w.a, &row));
	assert_true(ledger_get(w.ledger, &k, &w.a, &row));
	ledger_forget_uploads(w.ledger);
	assert_false(ledger_get(w.ledger, &k, &w.a, &row));
	assert_true(ledger_commit(w.ledger, &e));
	stream_pos_release(&pos);
	stream_pos_release(&ahead);
	stream_pos_release(&again);
	stream_close(s);
	world_end(&w);
}

/* A later archive brings an earlier message while an op is open: the open one is still the first. */
static void open_op_comes_first(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	small_model(&w);
	world_ready(&w);
	drive_with(&w, 4, NULL);
	world_spool(&w);
	add_msg(&w, "C1", 990, "U1", 0, "before all");
	small_model(&w);
	world_ready(&w);
	const char *log = drive_with(&w, 0, NULL);
	static const char head[] = "post 102 [Ann Lee 1970-01-01 00:16] hello\npost 102 [Ann Lee 1970-01-01 00:16] before all\nupload";
	assert_memory_equal(log, head, strlen(head));
	assert_string_equal(drive_with(&w, 0, NULL), "");
	world_end(&w);
}

/* The source of the op in doubt is gone: the lane gives nothing else as long as the op is open. */
static void open_op_without_source(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	small_model(&w);
	world_ready(&w);
	drive_with(&w, 4, NULL);
	world_spool(&w);
	add_user(&w, "U2", "Иван Петров", "new@x.ru", 0);
	add_msg(&w, "C1", 1005, "U1", 0, "something else");
	world_ready(&w);
	assert_string_equal(drive_with(&w, 0, NULL), "");
	world_end(&w);
}

static void refused_root_keeps_its_replies_back(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	small_model(&w);
	world_ready(&w);
	const char *log = drive_with(&w, 0, "hello");
	assert_null(strstr(log, "reply one"));
	assert_non_null(strstr(log, "orphan"));
	assert_string_equal(drive_with(&w, 0, NULL), "");
	world_end(&w);
}

/* A first message left out by rule is stood in for, because its replies go. */
static void left_out_root(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	fake_map.skip_author = "U2";
	fake_map.cfg.locale = "ru";
	add_msg(&w, "C1", 1001, "U2", 0, "secret");
	add_msg(&w, "C1", 1002, "U1", 1001, "answer");
	add_msg(&w, "C1", 1003, "U2", 0, "secret too");
	world_ready(&w);
	assert_string_equal(drive_with(&w, 0, NULL), "chat C1 private\npost 101 [Система 01.01.1970 00:16] (сообщение не перенесено)\nthread 102\n"
	                                             "post T103+ [U1 01.01.1970 00:16] answer\n");
	assert_string_equal(drive_with(&w, 0, NULL), "");
	world_end(&w);
}

static void native_reactions(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	fake_map.cfg.reactions = REACTION_NATIVE;
	small_model(&w);
	world_ready(&w);
	const char *log = drive_with(&w, 0, NULL);
	assert_non_null(strstr(log, "react 106 👍\npin"));
	assert_null(strstr(log, "Ann Lee, "));
	assert_string_equal(drive_with(&w, 0, NULL), "");
	world_end(&w);
}

/* A label that is too long loses characters of the name, whole ones, and keeps the time. */
static void label_keeps_its_time(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	fake_tr.label_max = 30;
	add_user(&w, "U1", "Константин Константинопольский", NULL, 0);
	add_msg(&w, "C1", 1001, "U1", 0, "x");
	world_ready(&w);
	assert_non_null(strstr(drive_with(&w, 0, NULL), "[Конст… 1970-01-01 00:16] x"));
	fake_tr.label_max = 255;
	world_end(&w);
}

static void header_in_the_text(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	fake_map.cfg.attribution = ATTRIBUTION_HEADER;
	fake_map.cfg.zone = "Asia/Kolkata";
	fake_map.cfg.label_format = "{name}, {time} {zone}";
	add_user(&w, "U1", "Ann", NULL, 0);
	add_msg(&w, "C1", 1001, "U1", 0, "x");
	world_ready(&w);
	assert_non_null(strstr(drive_with(&w, 0, NULL), "[] Ann, 05:46 UTC+5:30\nx"));
	world_end(&w);
}

/* Whether a chat was made is found out by its name. While that is in doubt another name would make a second chat: the lane gives
 * nothing until the mapping says the old name again. */
static void renamed_while_in_doubt(void **state)
{
	(void)state;
	struct world w;
	world_begin(&w);
	small_model(&w);
	world_ready(&w);
	assert_string_equal(drive_with(&w, 2, NULL), "user new@x.ru|Иван|Петров\nchat general public\n");
	world_spool(&w);
	struct conv c = { .id = "C1", .name = "renamed", .kind = CONV_PUBLIC };
	assert_true(w.sink.conv(w.sink.ctx, &c));
	add_msg(&w, "C1", 1001, "U1", 0, "hello");
	world_ready(&w);
	assert_string_equal(drive_with(&w, 0, NULL), "");
	world_spool(&w);
	small_model(&w);
	world_ready(&w);
	assert_memory_equal(drive_with(&w, 0, NULL), "chat general public\npost", 24);
	world_end(&w);
}

static void count_thread(void *ctx, const struct lane_spec *thread)
{
	assert_int_equal(thread->kind, LANE_THREAD);
	++*(size_t *)ctx;
}

/* The caller counts the threads it has been told of before this call: those of this very call keep the chat from finishing too. */
static void chat_waits_for_threads_told_of_now(void **state)
{
	(void)state;
	struct world w;
	struct err e = ERR_INIT;
	world_begin(&w);
	small_model(&w);
	world_ready(&w);
	drive_with(&w, 9, NULL); /* all of the chat, and the intent of its first thread */
	struct stream_args args = { w.spool, &fake_map, &fake_ex, NULL, w.ledger, NULL };
	struct stream *s = stream_open(&args, &e);
	assert_non_null(s);
	struct lane_spec lane = { LANE_CHAT, (char[]){ "c:C1" }, "C1", NULL, 0, NULL, 5 };
	struct stream_pos pos = { 0 };
	struct stream_op op;
	size_t told = 0;
	assert_int_equal(stream_next(s, &lane, &pos, 0, count_thread, &told, &w.a, &op, &e), STREAM_WAIT);
	assert_int_equal(told, 2);
	assert_int_equal(stream_next(s, &lane, &pos, 2, count_thread, &told, &w.a, &op, &e), STREAM_WAIT);
	assert_int_equal(stream_next(s, &lane, &pos, 0, count_thread, &told, &w.a, &op, &e), STREAM_OP);
	assert_int_equal(op.op.key.kind, OP_PIN);
	stream_pos_release(&pos);
	stream_close(s);
	world_end(&w);
}

/* ---- pictures ---- */

static void pictures_of_accounts(void **state)
{
	(void)state;
	static const struct { const char *url; bool safe; } URLS[] = {
		{ "https://app.pachca.com/users/12/photo.jpg", true }, { "https://avatars.slack-edge.com/2024-01-01/1_2_512.png", true },
		{ "http://app.pachca.com/a.jpg", false }, { "https://app.pachca.com/a.jpg?token=x", false }, { "https://u:p@x.ru/a.jpg", false },
		{ "https://files.slack.com/a.jpg", false }, { "https://SLACK.com/a.jpg", false }, { "https://notslack.com/a.jpg", true },
		{ "https://10.0.0.1/a.jpg", false }, { "https://[::1]/a.jpg", false }, { "https://intranet/a.jpg", false }, { "https://x.ru:8443/a.jpg", false },
		{ "https://nas.local/a.jpg", false }, { "https://x.ru/a b", false }, { "https://x.ru/\xd1\x84", false }, { "https://x.ru./a", false }, { "", false }, { NULL, false },
	};
	for (size_t i = 0; i < countof(URLS); i++)
		assert_int_equal(stream_avatar_safe(URLS[i].url), URLS[i].safe);
	char longest[257] = "https://x.ru/";
	memset(longest + 13, 'a', 256 - 13);
	assert_false(stream_avatar_safe(longest));
	longest[255] = '\0';
	assert_true(stream_avatar_safe(longest));

	struct world w;
	struct err e = ERR_INIT;
	world_begin(&w);
	small_model(&w);
	static const struct user more[] = {
		{ .id = "P1", .name = "Ann", .email = "71", .name_source = NAME_LISTED, .avatar_url = "https://src.example/1.png" },
		{ .id = "P2", .name = "Bob", .email = "72", .name_source = NAME_LISTED, .avatar_url = "https://src.example/2.png" },
		{ .id = "P3", .name = "Cid", .email = "73", .name_source = NAME_LISTED, .avatar_url = "https://src.example/3.png?x=1" },
		{ .id = "P4", .name = "Dan", .email = "new4", .name_source = NAME_LISTED, .avatar_url = "https://src.example/4.png" },
		{ .id = "P5", .name = "Eve", .name_source = NAME_LISTED, .avatar_url = "https://src.example/5.png" },
	};
	for (size_t i = 0; i < countof(more); i++)
		assert_true(w.sink.user(w.sink.ctx, &more[i]));
	world_ready(&w);
	struct target_person accounts[] = { { .id = "71", .avatar = "https://dst.example/71.png" }, { .id = "72", .avatar = "https://dst.example/72.png?token=s" } };
	struct snapshot snap = { .people = accounts, .n_people = countof(accounts) };
	struct stream_args args = { w.spool, &fake_map, &fake_ex, NULL, w.ledger, &snap };
	struct stream *s = stream_open(&args, &e);
	assert_non_null(s);
	assert_string_equal(stream_someone(s, "P1")->avatar, "https://dst.example/71.png");
	assert_string_equal(stream_someone(s, "P2")->avatar, "https://src.example/2.png"); /* the account's has a token */
	assert_null(stream_someone(s, "P3")->avatar);
	assert_null(stream_someone(s, "P4")->avatar); /* no account yet */
	assert_null(stream_someone(s, "P5")->avatar);
	stream_close(s);
	fake_map.cfg.avatars = AVATARS_NONE;
	s = stream_open(&args, &e);
	assert_null(stream_someone(s, "P1")->avatar);
	stream_close(s);
	world_end(&w);
}
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_sequence), cmocka_unit_test(stops_and_resumes_anywhere), cmocka_unit_test(change_makes_one_edit),
		cmocka_unit_test(lost_root_is_found), cmocka_unit_test(files_go_ahead), cmocka_unit_test(open_op_comes_first),
		cmocka_unit_test(open_op_without_source), cmocka_unit_test(refused_root_keeps_its_replies_back),
		cmocka_unit_test(left_out_root), cmocka_unit_test(native_reactions), cmocka_unit_test(label_keeps_its_time),
		cmocka_unit_test(header_in_the_text), cmocka_unit_test(renamed_while_in_doubt),
		cmocka_unit_test(chat_waits_for_threads_told_of_now), cmocka_unit_test(pictures_of_accounts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
