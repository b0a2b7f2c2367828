/* The stream over what stands in the target already: links that lead somewhere only later, chats that were archived, messages deleted,
 * edited or made longer in the source, another mapping; and that the plan counts the same. */
#include "stream_fakes.h"

#include "replay/stream_in.h"

#include "stream_small.h"

/* ---- links that lead somewhere only later ---- */

/* Two chats that link to each other, both ways, into a thread, and to what is left out or was never there. */
static void linked_model(struct world *w)
{
	static const char *const both[] = { "C1/1001.000000", "C2/1002.000000" };
	fake_map.skip_author = "U9";
	struct conv c1 = { .id = "C1", .name = "one", .kind = CONV_PUBLIC, .members = members, .n_members = 1 };
	struct conv c2 = { .id = "C2", .name = "two", .kind = CONV_PUBLIC, .archived = true };
	assert_true(w->sink.conv(w->sink.ctx, &c1));
	assert_true(w->sink.conv(w->sink.ctx, &c2));
	add_user(w, "U1", "Ann", "11", 0);
	add_link(w, "C1", 1001, 0, "C2/1001.000000");
	add_link(w, "C1", 1002, 0, "C1/1004.000000");   /* a reply, later, in a thread of this chat */
	add_link(w, "C1", 1003, 0, "C2/1009.000000");   /* left out by rule */
	add_link(w, "C1", 1004, 1003, "C1/1005.000000"); /* from a thread to what comes after it */
	add_link(w, "C1", 1005, 0, "C9/1.0");           /* of no archive */
	add_link(w, "C1", 1006, 0, "C1/1001.000000");   /* backwards: at once */
	add_link(w, "C2", 1001, 0, "C1/1001.000000");
	struct msg m = link_msg(w, 1002, "U1", 0, both, 2);
	assert_true(w->sink.msg(w->sink.ctx, "C2", &m));
	add_msg(w, "C2", 1009, "U9", 0, "not for them");
}

static const char *lines_with(struct world *w, const char *log, const char *word)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	for (const char *p = log; *p; p += strcspn(p, "\n") + 1)
		if (!strncmp(p, word, strlen(word)))
			buf_add(&b, p, strcspn(p, "\n") + 1);
	const char *out = arena_strdup(&w->a, b.p);
	buf_release(&b);
	return out;
}

static void links_lead_somewhere_in_the_end(void **state)
{
	(void)state;
	struct world w;
	struct facts f;
	struct err e = ERR_INIT;
	world_begin(&w);
	linked_model(&w);
	world_ready(&w);
	assert_true(plan_run(w.spool, MAP, &fake_ex, NULL, &fake_tr, w.ledger, NULL, &w.a, &f, &e));
	assert_int_equal(f.links, 5);  /* all but those that lead nowhere and the one back; of C1/1001 nobody knows before */
	assert_int_equal(f.loss[10], 2);
	const char *log = drive_with(&w, 0, NULL);
	/* C1: chat 101, posts 102 to 106, thread 107 and its reply 108, people 109, then it waits; C2: chat 110, posts 111 and 112, then it waits, too */
	assert_string_equal(lines_with(&w, log, "edit"),
	                    "edit 102 see @110/111\nedit 103 see @101/108\nedit 112 see @101/102 @110/112\n");
	assert_non_null(strstr(log, "post 101 [Ann 1970-01-01 00:16] see @101/102\n"));
	assert_non_null(strstr(log, "see @101/105\nmembers 11\nchat two")); /* nobody waits for links */
	assert_non_null(strstr(log, "@110/112\narchive\n"));
	assert_true(plan_run(w.spool, MAP, &fake_ex, NULL, &fake_tr, w.ledger, NULL, &w.a, &f, &e));
	assert_true(f.nothing_to_do && !f.links);
	assert_int_equal(f.loss[10], 2);
	assert_string_equal(drive_with(&w, 0, NULL), "");
	world_end(&w);
}

/* Killed anywhere, the end is the same, and each edit is made once. */
static void links_after_any_death(void **state)
{
	(void)state;
	for (int stop = 1; stop < 20; stop++) {
		struct world w;
		world_begin(&w);
		linked_model(&w);
		world_ready(&w);
		const char *a = drive_with(&w, stop, NULL), *b = drive_with(&w, 0, NULL);
		assert_string_equal(drive_with(&w, 0, NULL), "");
		struct ledger_row row;
		static const struct { const char *conv, *id; int64_t ts; } all[] = {
			{ "C1", "1001.000000", 1001000000 }, { "C1", "1002.000000", 1002000000 }, { "C1", "1004.000000", 1004000000 }, { "C2", "1002.000000", 1002000000 } };
		for (size_t i = 0; i < countof(all); i++) {
			struct opkey k = { ledger_conv(w.ledger, all[i].conv), all[i].ts, all[i].id, OP_POST, 0 };
			assert_true(ledger_get(w.ledger, &k, &w.a, &row));
			uint32_t loss = row.loss;
			k.kind = OP_EDIT;
			if (ledger_get(w.ledger, &k, &w.a, &row))
				loss = row.loss;
			if (loss & LOSS_LINK)
				fail_msg("died at %d: %s %s still leads to the old place\n%s--\n%s", stop, all[i].conv, all[i].id, a, b);
		}
		world_end(&w);
	}
}

/* Many links, some of which led somewhere when the message was posted: its earlier form is found among them. */
static void many_links(void **state)
{
	(void)state;
	static const char *const refs[] = { "C1/1011.000000", "C1/1001.000000", "C1/1012.000000", "C1/1002.000000", "C1/1013.000000", "C1/1003.000000",
	                                    "C1/1014.000000", "C1/1004.000000", "C1/1015.000000", "C1/1001.000000" };
	struct world w;
	struct facts f;
	struct err e = ERR_INIT;
	world_begin(&w);
	fake_tr.text_max = 1000;
	for (int i = 1; i <= 15; i++) {
		if (i < 5 || i > 10)
			add_msg(&w, "C1", 1000 + i, "U1", 0, "said");
	}
	struct msg m = link_msg(&w, 1010, "U1", 0, refs, countof(refs));
	assert_true(w.sink.msg(w.sink.ctx, "C1", &m));
	world_ready(&w);
	const char *log = drive_with(&w, 0, NULL);
	assert_string_equal(lines_with(&w, log, "edit"),
	                    "edit 106 see @101/107 @101/102 @101/108 @101/103 @101/109 @101/104 @101/110 @101/105 @101/111 @101/102\n");
	assert_true(plan_run(w.spool, MAP, &fake_ex, NULL, &fake_tr, w.ledger, NULL, &w.a, &f, &e));
	assert_true(f.nothing_to_do);
	assert_int_equal(f.loss[10], 0);
	world_end(&w);
}

/* What may have been: every form of a few; of many, those that the order of their targets allows. */
static void forms_of_links(void **state)
{
	(void)state;
	struct link_forms f = { .n_links = 3, .by_age = { 2, 0, 1 } };
	uint64_t off, seen = 0;
	int n = 0;
	for (; stream_link_form(&f, n, &off); n++)
		seen |= UINT64_C(1) << off;
	assert_int_equal(n, 8);
	assert_int_equal(seen, 0xff);
	f = (struct link_forms){ .n_links = LINKS_TOLD_APART };
	for (int i = 0; i < f.n_links; i++)
		f.by_age[i] = f.n_links - 1 - i; /* the last is the oldest */
	assert_true(stream_link_form(&f, 0, &off) && !off);
	bool half = false, swapped = false;
	for (n = 0; stream_link_form(&f, n, &off); n++) {
		half |= off == (UINT64_C(1) << 30) - 1;
		swapped |= off == ((UINT64_C(1) << 30) - 1 + (UINT64_C(1) << 31)); /* one of the border's came late */
	}
	assert_true(half && swapped);
	assert_int_equal(n, (LINKS_TOLD_APART + 1) * 16);
	f.n_links = 0;
	assert_false(stream_link_form(&f, 1, &off));
}

/* A target that refuses the edit is not asked again; one that cannot edit is not asked at all; another mapping is no reason. */
static void links_that_stay(void **state)
{
	(void)state;
	struct world w;
	struct facts f;
	struct err e = ERR_INIT;
	world_begin(&w);
	linked_model(&w);
	world_ready(&w);
	drive_with(&w, 0, "see @110/111");
	assert_string_equal(drive_with(&w, 0, NULL), "");
	assert_true(plan_run(w.spool, MAP, &fake_ex, NULL, &fake_tr, w.ledger, NULL, &w.a, &f, &e));
	assert_int_equal(f.loss[10], 3);
	world_end(&w);
	world_begin(&w);
	linked_model(&w);
	world_ready(&w);
	fake_tr.caps &= ~(uint32_t)CAP_EDIT;
	assert_true(plan_run(w.spool, MAP, &fake_ex, NULL, &fake_tr, w.ledger, NULL, &w.a, &f, &e));
	assert_int_equal(f.links, 0);
	assert_string_equal(lines_with(&w, drive_with(&w, 0, NULL), "edit"), "");
	fake_tr.caps |= CAP_EDIT;
	fake_map.cfg.label_format = "{name}"; /* now everything would be written otherwise: not the links alone */
	assert_string_equal(drive_with(&w, 0, NULL), "");
	fake_map.cfg.label_format = "{name} {date} {time}";
	assert_true(plan_run(w.spool, MAP, &fake_ex, NULL, &fake_tr, w.ledger, NULL, &w.a, &f, &e));
	assert_int_equal(f.links, 3);
	assert_int_equal(f.calls[REQ_POST], 3);
	const char *log = drive_with(&w, 0, NULL);
	assert_string_equal(lines_with(&w, log, "post"), "");
	assert_non_null(strstr(log, "delete archiving\nedit "));
	assert_string_equal(drive_with(&w, 0, NULL), "");
	world_end(&w);
}

static void plan_of(struct world *w, uint32_t wish, struct facts *f)
{
	struct err e = ERR_INIT;
	uint8_t digest[DIGEST_BYTES];
	mapping_digest(MAP, digest);
	ledger_current_mapping(w->ledger, digest);
	if (!plan_wished(w->spool, MAP, &fake_ex, NULL, &fake_tr, w->ledger, NULL, wish, 0, &w->a, f, &e))
		fail_msg("%s", e.msg);
	assert_true(f->adds_up);
}

/* ---- a newer archive ---- */

/* A chat that the first run has archived is opened for what is new, once, whatever it is, and shut again. */
static void archived_chats_open_for_what_is_new(void **state)
{
	(void)state;
	struct world w;
	struct facts f;
	world_begin(&w);
	small_model(&w);
	world_ready(&w);
	drive_with(&w, 0, NULL);
	for (int stop = 0; stop < 6; stop++) {
		world_spool(&w);
		for (int i = 0; i <= stop; i++)
			add_msg(&w, "C1", 1010 + i, "U1", i % 2 ? 1001 : 0, i % 2 ? "one more reply" : "one more");
		small_model(&w);
		world_ready(&w);
		plan_of(&w, 0, &f);
		assert_int_equal(f.bucket[ITEM_MSG][BUCKET_PENDING], 1);
		assert_int_equal(f.calls_total, 3);
		assert_int_equal(f.heard, 1);
		assert_true(f.n_notes == 2 && strstr(f.notes[0], "it is opened for what is new, and archived again"));
		const char *log = drive_with(&w, stop, NULL);
		if (!stop || stop > 3) {
			assert_memory_equal(log, "delete archiving\npost ", 22);
			assert_non_null(strstr(log, "\narchive\n"));
		} else {
			log = drive_with(&w, 0, NULL);
			assert_non_null(strstr(log, "archive\n"));
		}
		plan_of(&w, 0, &f);
		assert_true(f.nothing_to_do);
		assert_string_equal(drive_with(&w, 0, NULL), "");
	}
	world_end(&w);
}

/* What lies between two messages that are there was deleted; what lies outside is merely not in the archive. */
static void deleted_in_the_source(void **state)
{
	(void)state;
	struct world w;
	struct facts f;
	world_begin(&w);
	for (int i = 1; i <= 6; i++)
		add_msg(&w, "C1", 1000 + i, "U1", 0, i == 3 ? LONG : "text");
	add_msg(&w, "C1", 1010, "U1", 1004, "a reply");
	world_ready(&w);
	drive_with(&w, 0, NULL);
	for (int pass = 0; pass < 2; pass++) { /* a shorter archive; then one in which three are missing, one of them with a thread */
		world_spool(&w);
		add_msg(&w, "C1", 1002, "U1", 0, "text");
		if (!pass)
			add_msg(&w, "C1", 1003, "U1", 0, LONG), add_msg(&w, "C1", 1004, "U1", 0, "text");
		else
			add_msg(&w, "C1", 1020, "U1", 0, "text");
		world_ready(&w);
		drive_with(&w, 0, NULL);
		plan_of(&w, 0, &f);
		assert_int_equal(f.removed, pass ? 5 : 0);
		assert_int_equal(f.chats[0].removed, pass ? 5 : 0);
		assert_int_equal(f.deletes, 0);
		assert_true(f.nothing_to_do);
	}
	plan_of(&w, WISH_DELETE_REMOVED, &f);
	assert_int_equal(f.deletes, 4);
	assert_int_equal(f.removed_stay, 1);
	assert_int_equal(f.calls[REQ_POST], 5);
	wished = WISH_DELETE_REMOVED;
	assert_string_equal(drive_with(&w, 2, NULL), "delete 105\ndelete 104\n"); /* both parts of 1003; died in the second */
	wished = 0;
	assert_string_equal(drive_with(&w, 0, NULL), "delete 104\n"); /* what was begun is finished, the rest was not asked for */
	wished = WISH_DELETE_REMOVED;
	assert_string_equal(drive_with(&w, 0, NULL), "delete 107\ndelete 108\ndelete 110\n");
	assert_string_equal(drive_with(&w, 0, NULL), "");
	plan_of(&w, WISH_DELETE_REMOVED, &f);
	assert_true(f.nothing_to_do);
	assert_int_equal(f.removed, 1);
	wished = 0;
	/* a record that cannot be read may be any of them */
	world_spool(&w);
	add_msg(&w, "C1", 1001, "U1", 0, "text");
	add_msg(&w, "C1", 1020, "U1", 0, "text");
	struct err bad = { .code = ERR_RECORD };
	assert_true(w.sink.bad(w.sink.ctx, &bad));
	world_ready(&w);
	plan_of(&w, WISH_DELETE_REMOVED, &f);
	assert_int_equal(f.removed, 0);
	world_end(&w);
}

/* The place-holder that a pilot left for a first message becomes it when the message itself goes. */
static void pilots_stand_ins(void **state)
{
	(void)state;
	struct world w;
	struct facts f;
	world_begin(&w);
	fake_map.skip_author = "U2";
	add_msg(&w, "C1", 1001, "U2", 0, "the true one");
	add_msg(&w, "C1", 1002, "U1", 1001, "answer");
	world_ready(&w);
	drive_with(&w, 0, NULL);
	assert_string_equal(drive_with(&w, 0, NULL), "");
	fake_map.skip_author = NULL;
	plan_of(&w, 0, &f);
	assert_int_equal(f.edits, 1);
	assert_int_equal(f.calls_total, 1);
	assert_string_equal(drive_with(&w, 0, NULL), "edit 102 the true one\n");
	plan_of(&w, 0, &f);
	assert_true(f.nothing_to_do);
	assert_int_equal(f.bucket[ITEM_MSG][BUCKET_SENT], 2);
	assert_string_equal(drive_with(&w, 0, NULL), "");
	world_end(&w);
}

/* What another mapping would write otherwise is left, and edited when asked for; once. */
static void drift_is_edited_when_asked(void **state)
{
	(void)state;
	struct world w;
	struct facts f;
	uint8_t digest[DIGEST_BYTES];
	world_begin(&w);
	add_msg(&w, "C1", 1001, "U1", 0, "one");
	add_msg(&w, "C1", 1002, "U1", 1001, LONG);
	add_msg(&w, "C1", 1003, "U1", 0, "three");
	world_ready(&w);
	drive_with(&w, 0, NULL);
	fake_map.digest = 9;
	fake_map.cfg.label_format = "{name}!";
	mapping_digest(MAP, digest);
	w.run = ledger_run_begin(w.ledger, "apply", digest, NULL);
	plan_of(&w, 0, &f);
	assert_int_equal(f.drift, 3);
	assert_int_equal(f.drift_edits, 0);
	assert_true(f.nothing_to_do);
	assert_string_equal(drive_with(&w, 0, NULL), "");
	plan_of(&w, WISH_EDIT_DRIFT, &f);
	assert_int_equal(f.drift, 0);
	assert_int_equal(f.drift_edits, 3);
	assert_int_equal(f.edits, 0);
	assert_int_equal(f.calls_total, 4);
	wished = WISH_EDIT_DRIFT;
	assert_string_equal(drive_with(&w, 0, "three"), "edit 102 one\nedit 103 three\nedit 105 " HUNDRED "\nedit 106 " TEN "\n");
	assert_string_equal(drive_with(&w, 0, NULL), "");
	plan_of(&w, WISH_EDIT_DRIFT, &f);
	assert_true(f.nothing_to_do);
	assert_int_equal(f.drift, 1); /* the one that was refused */
	assert_int_equal(f.refused, 0);
	wished = 0;
	world_end(&w);
}

/* A refused edit is told of as long as it stands. */
static void refused_edits_are_told(void **state)
{
	(void)state;
	struct world w;
	struct facts f;
	world_begin(&w);
	add_msg(&w, "C1", 1001, "U1", 0, "one");
	world_ready(&w);
	drive_with(&w, 0, NULL);
	world_spool(&w);
	add_msg(&w, "C1", 1001, "U1", 0, "one, changed");
	world_ready(&w);
	assert_string_equal(drive_with(&w, 0, "changed"), "edit 102 one, changed\n");
	assert_string_equal(drive_with(&w, 0, NULL), "");
	plan_of(&w, 0, &f);
	assert_int_equal(f.refused, 1);
	assert_int_equal(f.drift, 0);
	assert_true(f.nothing_to_do);
	/* back to what it was: what stands there is right */
	world_spool(&w);
	add_msg(&w, "C1", 1001, "U1", 0, "one");
	world_ready(&w);
	assert_string_equal(drive_with(&w, 0, NULL), "");
	plan_of(&w, 0, &f);
	assert_int_equal(f.refused, 0);
	world_end(&w);
}

static void says(struct world *w, const char *text)
{
	world_spool(w);
	add_msg(w, "C1", 1001, "U1", 0, text);
	world_ready(w);
}

/* Edited, and the next edit refused: what stands there is the first edit's. */
static void refused_after_an_edit(void **state)
{
	(void)state;
	struct world w;
	struct facts f;
	world_begin(&w);
	says(&w, "one");
	drive_with(&w, 0, NULL);
	says(&w, "two");
	assert_string_equal(drive_with(&w, 0, NULL), "edit 102 two\n");
	says(&w, "three");
	assert_string_equal(drive_with(&w, 0, "three"), "edit 102 three\n");
	plan_of(&w, 0, &f);
	assert_int_equal(f.refused, 1);
	says(&w, "two");
	assert_string_equal(drive_with(&w, 0, NULL), "");
	plan_of(&w, 0, &f);
	assert_true(f.nothing_to_do && !f.refused);
	says(&w, "one"); /* as it was posted, which is not what stands there */
	plan_of(&w, 0, &f);
	assert_int_equal(f.edits, 1);
	assert_string_equal(drive_with(&w, 0, NULL), "edit 102 one\n");
	assert_string_equal(drive_with(&w, 0, NULL), "");
	world_end(&w);
}

/* `n` times "abcdefghi ", and "end". */
static const char *long_text(struct world *w, int n)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	for (int i = 0; i < n; i++)
		buf_adds(&b, "abcdefghi ");
	buf_adds(&b, "end");
	const char *out = arena_strdup(&w->a, b.p);
	buf_release(&b);
	return out;
}

/* The first message (maybe of a thread) says `text`; with `others` one stands behind it. */
enum behind { NOTHING_BEHIND, ONE_BEHIND };
static void long_model(struct world *w, const char *text, enum behind behind)
{
	world_spool(w);
	add_user(w, "U1", "Ann", "11", 0);
	add_msg(w, "C1", 1001, "U1", 0, text);
	add_msg(w, "C1", 1002, "U1", 1001, text);
	if (behind == ONE_BEHIND)
		add_msg(w, "C1", 1003, "U1", 0, "behind");
	world_ready(w);
}

/* What is planned is what is done, and then nothing is left to do. Returns what was done. */
static const char *as_planned(struct world *w, struct facts *f)
{
	int64_t lines = 0, open = 0;
	struct ledger_counts c;
	ledger_count(w->ledger, &c);
	for (int k = 0; k <= OP_DELETE; k++)
		open += c.by_kind_state[k][OP_INTENT];
	plan_of(w, 0, f);
	const char *log = drive_with(w, 0, NULL);
	for (const char *p = log; (p = strchr(p, '\n')); p++)
		lines += strncmp(p + 1, "… ", strlen("… ")) != 0; /* the second line of a text */
	if (f->calls_total != lines && !open) /* what is in doubt is counted as that */
		fail_msg("%d planned, %d done:\n%s", (int)f->calls_total, (int)lines, log);
	struct facts after;
	plan_of(w, 0, &after);
	if (!after.nothing_to_do)
		fail_msg("not finished after\n%s", log);
	assert_string_equal(drive_with(w, 0, NULL), "");
	return log;
}

/* Longer than the messages it stands in: it goes on where nothing stands behind it, and is cut with a note elsewhere. */
static void longer_than_posted(void **state)
{
	(void)state;
	struct world w;
	struct facts f;
	world_begin(&w);
	long_model(&w, "short", ONE_BEHIND);
	drive_with(&w, 0, NULL); /* chat 101, messages 102 and 103, thread 104, reply 105 */
	long_model(&w, long_text(&w, 25), ONE_BEHIND);
	const char *log = as_planned(&w, &f);
	assert_int_equal(f.edits, 2);
	assert_int_equal(f.loss[13], 1);
	assert_int_equal(f.calls[REQ_POST], 4);
	const char *edit = strstr(log, "edit 102 abcdefghi abc"), *note = edit ? strstr(edit, "\n… (continues: ") : NULL;
	assert_non_null(note);
	int left = atoi(note + strlen("\n… (continues: "));
	assert_int_equal(note - edit - (long)strlen("edit 102 ") + left, 253); /* every character is there or counted */
	assert_true(left < 253 - 60); /* and as much as fits is there */
	assert_null(strstr(log, "post 101 "));
	assert_non_null(strstr(log, "+ [Ann 1970-01-01 00:16] abcdefghi "));
	assert_int_equal(f.heard, 0);
	plan_of(&w, 0, &f);
	assert_int_equal(f.loss[13], 1); /* told for as long as it is so */
	/* short enough again: the note goes, and the reply's further parts */
	long_model(&w, long_text(&w, 9), ONE_BEHIND);
	log = as_planned(&w, &f);
	assert_string_equal(lines_with(&w, log, "edit 102"), arena_fmt(&w.a, "edit 102 %s\n", long_text(&w, 9)));
	assert_string_equal(lines_with(&w, log, "delete"), "delete 108\ndelete 107\n");
	plan_of(&w, 0, &f);
	assert_int_equal(f.loss[13], 0);
	/* and long once more: the reply goes on in new messages */
	long_model(&w, long_text(&w, 12), ONE_BEHIND);
	log = as_planned(&w, &f);
	assert_int_equal(f.calls[REQ_POST], 3);
	assert_non_null(strstr(log, "] abcdefghi abcdefghi end\n"));
	long_model(&w, "x", ONE_BEHIND);
	fake_tr.caps &= ~(uint32_t)CAP_DELETE; /* what cannot be deleted says that it is no longer needed */
	log = as_planned(&w, &f);
	fake_tr.caps |= CAP_DELETE;
	assert_non_null(strstr(log, "(text shortened)\n"));
	assert_null(strstr(log, "delete"));
	world_end(&w);
}

/* A new message that is earlier goes behind: then nothing can follow any more. Plan and apply say the same. */
static void longer_with_news_before_it(void **state)
{
	(void)state;
	struct world w;
	struct facts f;
	world_begin(&w);
	long_model(&w, "short", NOTHING_BEHIND);
	drive_with(&w, 0, NULL);
	long_model(&w, long_text(&w, 25), NOTHING_BEHIND);
	world_spool(&w);
	add_msg(&w, "C1", 1000, "U1", 0, "turned up");
	add_msg(&w, "C1", 1001, "U1", 0, long_text(&w, 25));
	add_msg(&w, "C1", 1002, "U1", 1001, long_text(&w, 25));
	world_ready(&w);
	as_planned(&w, &f);
	assert_int_equal(f.loss[13], 1);
	world_end(&w);
}

/* Killed anywhere between two lengths, the end is the same. */
static void lengths_after_any_death(void **state)
{
	(void)state;
	static const int lengths[] = { 0, 25, 12, 45, 1 };
	for (int stop = 1; stop < 9; stop++) {
		struct world w;
		struct facts f;
		world_begin(&w);
		for (size_t i = 0; i < countof(lengths); i++) {
			long_model(&w, long_text(&w, lengths[i]), NOTHING_BEHIND);
			drive_with(&w, stop, NULL);
			as_planned(&w, &f);
			/* so many messages stand there, one after the other */
			struct ledger_counts c;
			ledger_count(w.ledger, &c);
			int want = lengths[i] / 10 + 1;
			if (c.by_kind_state[OP_POST][OP_DONE] != 2 * want)
				fail_msg("died at %d, length %d: %d messages, not %d", stop, lengths[i], (int)c.by_kind_state[OP_POST][OP_DONE], 2 * want);
			plan_of(&w, 0, &f);
			assert_int_equal(f.loss[13], 0);
		}
		world_end(&w);
	}
}
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links_lead_somewhere_in_the_end), cmocka_unit_test(links_after_any_death), cmocka_unit_test(many_links),
		cmocka_unit_test(forms_of_links), cmocka_unit_test(links_that_stay),
		cmocka_unit_test(archived_chats_open_for_what_is_new), cmocka_unit_test(deleted_in_the_source),
		cmocka_unit_test(pilots_stand_ins), cmocka_unit_test(drift_is_edited_when_asked),
		cmocka_unit_test(refused_edits_are_told), cmocka_unit_test(refused_after_an_edit), cmocka_unit_test(longer_than_posted),
		cmocka_unit_test(longer_with_news_before_it), cmocka_unit_test(lengths_after_any_death),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
