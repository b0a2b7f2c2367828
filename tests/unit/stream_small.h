/* stream_small.h: a model with a case of most things: one chat with threads, files, reactions, pins. Included by one .c of a program, after
 * stream_fakes.h. */
#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define LONG HUNDRED TEN

static const char *const members[] = { "U1", "U2", "U3", "U4", "U5", "U1" };

static void small_model(struct world *w)
{
	static const struct pin pins[] = { { "1003.000000", NULL, 0 }, { "7777.000000", NULL, 0 } };
	static const struct file files[] = {
		{ .name = "here.txt", .entry = "f/here.txt", .state = FILE_PRESENT, .kind = FILE_PLAIN, .size = 5 },
		{ .name = "away.png", .permalink = "https://x/away", .state = FILE_LINKED, .kind = FILE_IMAGE, .size = 9 },
	};
	static const char *const fans[] = { "U1", "U2" };
	static const struct react reacts[] = { { "+1", "👍", fans, 2, 2 }, { "party", "", NULL, 0, 3 } };
	struct conv c = { .id = "C1", .name = "general", .kind = CONV_PUBLIC, .archived = true, .members = members, .n_members = countof(members),
	                  .pins = pins, .n_pins = countof(pins) };
	assert_true(w->sink.conv(w->sink.ctx, &c));
	add_user(w, "U1", "Ann Lee", "11", 0);
	add_user(w, "U2", "Иван Петров", "new@x.ru", 0);
	add_user(w, "U3", "Gone", "13", USER_GONE);
	add_user(w, "U4", "Robot", "14", USER_BOT);
	add_user(w, "U5", "Nobody", NULL, 0);
	add_msg(w, "C1", 1001, "U1", 0, "hello");
	struct msg join = make_msg(w, 1002, "U2", 0, "joined");
	join.kind = MSG_JOIN;
	assert_true(w->sink.msg(w->sink.ctx, "C1", &join));
	struct msg m = make_msg(w, 1003, "U2", 0, "see");
	m.files = files;
	m.n_files = 2;
	m.reacts = reacts;
	m.n_reacts = 2;
	assert_true(w->sink.msg(w->sink.ctx, "C1", &m));
	add_msg(w, "C1", 1004, "U1", 1001, "reply one");
	add_msg(w, "C1", 1006, "U1", 1001, "reply two");
	add_msg(w, "C1", 1005, "U1", 0, LONG);
	add_msg(w, "C1", 1008, "U1", 999, "orphan");
	struct msg empty = make_msg(w, 1009, "U1", 0, "");
	assert_true(w->sink.msg(w->sink.ctx, "C1", &empty));
}
