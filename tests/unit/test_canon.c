/* Canonical lines: examples that pin the format, and random records that must come back as they were. */
#include "core/canon.h"

#include "core/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- equality ---- */

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

#define SAME(field) if (!same(x->field, y->field)) return #field
#define EQUAL(field) if (x->field != y->field) return #field
#define SAME_LIST(list, n) do { \
	EQUAL(n); \
	for (size_t i_ = 0; i_ < x->n; i_++) \
		if (!same(x->list[i_], y->list[i_])) return #list; \
} while (0)

static const char *diff_user(const struct user *x, const struct user *y)
{
	SAME(id); SAME(alias); SAME(handle); SAME(name); SAME(first); SAME(last); SAME(email); SAME(phone); SAME(title); SAME(zone);
	SAME(avatar_url); EQUAL(name_source); EQUAL(flags);
	return NULL;
}

static const char *diff_pin(const struct pin *x, const struct pin *y)
{
	SAME(msg_id); SAME(user); EQUAL(at_us);
	return NULL;
}

static const char *diff_conv(const struct conv *x, const struct conv *y)
{
	SAME(id); SAME(name); SAME(topic); SAME(purpose); SAME(space); SAME(creator); EQUAL(kind); EQUAL(archived); EQUAL(general); EQUAL(shared);
	EQUAL(created_us); SAME_LIST(members, n_members); EQUAL(n_pins);
	for (size_t i = 0; i < x->n_pins; i++)
		if (diff_pin(&x->pins[i], &y->pins[i]))
			return "pins";
	return NULL;
}

static const char *diff_span(const struct span *x, const struct span *y)
{
	EQUAL(kind); EQUAL(style); SAME(text); SAME(ref); SAME(url);
	return NULL;
}

static const char *diff_block(const struct block *x, const struct block *y)
{
	EQUAL(kind); EQUAL(quote); EQUAL(indent); EQUAL(ordinal); EQUAL(level); SAME(lang); EQUAL(n_spans);
	for (size_t i = 0; i < x->n_spans; i++)
		if (diff_span(&x->spans[i], &y->spans[i]))
			return "span";
	return NULL;
}

static const char *diff_file(const struct file *x, const struct file *y)
{
	SAME(id); SAME(name); SAME(title); SAME(mime); SAME(url); SAME(permalink); SAME(preview); SAME(entry); EQUAL(state); EQUAL(kind);
	EQUAL(size); EQUAL(width); EQUAL(height); EQUAL(duration_ms); EQUAL(archive);
	return NULL;
}

static const char *diff_react(const struct react *x, const struct react *y)
{
	SAME(name); SAME(emoji); SAME_LIST(users, n_users); EQUAL(count);
	return NULL;
}

static const char *diff_msg(const struct msg *x, const struct msg *y)
{
	SAME(id); SAME(author); SAME(author_name); SAME(parent); EQUAL(parent_ts_us); EQUAL(ts_us); EQUAL(grain_s); EQUAL(kind); SAME(subtype);
	EQUAL(edited_us); EQUAL(flags); EQUAL(body.n_blocks); EQUAL(n_files); EQUAL(n_reacts);
	const char *d;
	for (size_t i = 0; i < x->body.n_blocks; i++)
		if ((d = diff_block(&x->body.blocks[i], &y->body.blocks[i])))
			return d;
	for (size_t i = 0; i < x->n_files; i++)
		if ((d = diff_file(&x->files[i], &y->files[i])))
			return d;
	for (size_t i = 0; i < x->n_reacts; i++)
		if ((d = diff_react(&x->reacts[i], &y->reacts[i])))
			return d;
	return NULL;
}

/* ---- random records (splitmix64: the same everywhere) ---- */

static uint64_t seed;
static struct arena a;

static uint64_t rnd(uint64_t below)
{
	uint64_t z = seed += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (z ^ z >> 31) % below;
}

static const char *rnd_str(void)
{
	static const char *const bits[] = {
		"a", "B7", " ", "\n", "\"", "\\", "/", "\t", "\x01", "\x7f", "\xd0\xb6", "\xe2\x82\xac", "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb",
		"\xe2\x80\xae", "<b>", "null", "{}", "1500000000.123456", "\xc2\x85", "e\xcc\x81",
	};
	struct buf b;
	buf_init(&b, 10000);
	for (uint64_t n = rnd(8); n; n--)
		buf_adds(&b, bits[rnd(countof(bits))]);
	const char *s = arena_strdup(&a, b.p);
	buf_release(&b);
	return s;
}

static const char *maybe(void)
{
	return rnd(2) ? rnd_str() : NULL;
}

static const char *filled(void)
{
	return arena_fmt(&a, "x%s", rnd_str());
}

static int64_t rnd_us(void)
{
	return rnd(3) ? (int64_t)rnd(2000000000) * 1000000 + (int64_t)rnd(1000000) : rnd(2) ? 0 : -(int64_t)rnd(1000000);
}

static const char *const *rnd_strs(size_t *n)
{
	*n = rnd(4);
	const char **s = arena_array(&a, *n, const char *);
	for (size_t i = 0; i < *n; i++)
		s[i] = rnd_str();
	return s;
}

static struct text rnd_text(void)
{
	struct text t = { NULL, rnd(4) };
	t.blocks = arena_array(&a, t.n_blocks, struct block);
	for (size_t i = 0; i < t.n_blocks; i++) {
		struct block *k = &t.blocks[i];
		if (rnd(2)) {
			k->kind = (enum block_kind)rnd(BLOCK_NOTE + 1);
			k->quote = (int)rnd(3);
			k->indent = (int)rnd(3);
			k->ordinal = rnd(5) ? (int)rnd(3) : INT32_MAX;
			k->level = (int)rnd(7);
			k->lang = maybe();
		}
		k->n_spans = rnd(4);
		k->spans = arena_array(&a, k->n_spans, struct span);
		for (size_t j = 0; j < k->n_spans; j++) {
			struct span *s = &k->spans[j];
			*s = (struct span){ SPAN_TEXT, 0, rnd_str(), "", "" };
			if (rnd(2))
				*s = (struct span){ (enum span_kind)rnd(SPAN_CALL + 1), (uint32_t)rnd(32), rnd_str(), rnd_str(), rnd_str() };
		}
	}
	return t;
}

static struct user rnd_user(void)
{
	return (struct user){
		filled(), maybe(), maybe(), filled(), maybe(), maybe(), maybe(), maybe(), maybe(), maybe(), maybe(),
		(enum name_source)rnd(NAME_PLACEHOLDER + 1), (uint32_t)rnd(256),
	};
}

static struct conv rnd_conv(void)
{
	struct conv c = {
		.id = filled(), .name = rnd_str(), .topic = maybe(), .purpose = maybe(), .space = maybe(), .creator = maybe(), .kind = (enum conv_kind)(1 + rnd(4)),
		.archived = rnd(2), .general = rnd(2), .shared = rnd(2), .created_us = rnd_us(), .n_pins = rnd(3),
	};
	c.members = rnd_strs(&c.n_members);
	struct pin *pins = arena_array(&a, c.n_pins, struct pin);
	for (size_t i = 0; i < c.n_pins; i++)
		pins[i] = (struct pin){ rnd_str(), maybe(), rnd_us() };
	c.pins = pins;
	return c;
}

static struct msg rnd_msg(void)
{
	struct msg m = {
		.id = filled(), .author = maybe(), .author_name = maybe(), .parent = maybe(), .parent_ts_us = rnd_us(), .ts_us = rnd_us(),
		.grain_s = (uint32_t)(rnd(3) * 30), .kind = (enum msg_kind)(1 + rnd(14)), .subtype = maybe(), .body = rnd_text(),
		.n_files = rnd(3), .n_reacts = rnd(3), .edited_us = rnd_us(), .flags = (uint32_t)rnd(16),
	};
	struct file *files = arena_array(&a, m.n_files, struct file);
	for (size_t i = 0; i < m.n_files; i++)
		files[i] = (struct file){
			maybe(), filled(), maybe(), maybe(), maybe(), maybe(), maybe(), maybe(), (enum file_state)(1 + rnd(4)),
			(enum file_kind)(1 + rnd(7)), rnd(3) ? (int64_t)rnd(INT64_MAX) : -1, (int)rnd(3000), (int)rnd(2), (int)rnd(2), (int)rnd(3),
		};
	m.files = files;
	struct react *reacts = arena_array(&a, m.n_reacts, struct react);
	for (size_t i = 0; i < m.n_reacts; i++) {
		reacts[i] = (struct react){ .name = rnd_str(), .emoji = rnd_str() };
		reacts[i].users = rnd_strs(&reacts[i].n_users);
		reacts[i].count = rnd(2) ? (int)reacts[i].n_users : (int)rnd(9);
	}
	m.reacts = reacts;
	return m;
}

static void test_round_trip(void **state)
{
	(void)state;
	struct arena back;
	struct buf one, two;
	struct err e = ERR_INIT;
	arena_init(&a);
	arena_init(&back);
	buf_init(&one, 1 << 20);
	buf_init(&two, 1 << 20);
	for (seed = 1; seed < 40000; seed += 2) {
		const uint64_t at = seed;
		const char *d = NULL, *conv = NULL;
		arena_reset(&a);
		arena_reset(&back);
		buf_reset(&one);
		buf_reset(&two);
		const uint64_t what = rnd(4);
		if (what == 0) {
			struct user x = rnd_user(), y;
			canon_user(&x, &one);
			assert_true(canon_read_user(one.p, one.len, &back, &y, &e));
			canon_user(&y, &two);
			d = diff_user(&x, &y);
		} else if (what == 1) {
			struct conv x = rnd_conv(), y;
			canon_conv(&x, &one);
			assert_true(canon_read_conv(one.p, one.len, &back, &y, &e));
			canon_conv(&y, &two);
			d = diff_conv(&x, &y);
		} else {
			struct msg x = rnd_msg(), y;
			const char *c = maybe();
			canon_msg(&x, c, &one);
			assert_true(canon_read_msg(one.p, one.len, &back, &y, &conv, &e));
			canon_msg(&y, conv, &two);
			d = diff_msg(&x, &y);
			if (!d && !same(c, conv))
				d = "conv";
			assert_true(canon_msg_fp(&x) == canon_msg_fp(&y));
		}
		if (d || strcmp(one.p, two.p))
			fail_msg("seed %llu, %s:\n%s\n%s", (unsigned long long)at, d ? d : "text", one.p, two.p);
		assert_null(strchr(one.p, '\n'));
		seed = at;
	}
	buf_release(&one);
	buf_release(&two);
	arena_release(&a);
	arena_release(&back);
}

/* ---- the format ---- */

static void test_format(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 10000);
	arena_init(&a);
	struct user u = { .id = "U1", .name = "Ann", .name_source = NAME_LISTED };
	canon_user(&u, &b);
	assert_string_equal(b.p, "{\"type\":\"user\",\"id\":\"U1\",\"name\":\"Ann\"}");
	buf_reset(&b);
	u.flags = USER_BOT | USER_INVITED;
	u.name_source = NAME_MENTION;
	canon_user(&u, &b);
	assert_string_equal(b.p, "{\"type\":\"user\",\"id\":\"U1\",\"name\":\"Ann\",\"via\":\"mention\",\"flags\":[\"bot\",\"invited\"]}");

	buf_reset(&b);
	const struct pin pin = { "1.2", "U1", 7 };
	const char *const members[] = { "U1" };
	struct conv c = { .id = "C1", .name = "general", .kind = CONV_PUBLIC, .general = true, .members = members, .n_members = 1, .pins = &pin, .n_pins = 1 };
	canon_conv(&c, &b);
	assert_string_equal(b.p, "{\"type\":\"conv\",\"id\":\"C1\",\"name\":\"general\",\"kind\":\"public\",\"general\":true,\"members\":[\"U1\"],"
		"\"pins\":[{\"msg\":\"1.2\",\"by\":\"U1\",\"at\":7}]}");

	buf_reset(&b);
	struct msg m = { .id = "1.2", .author = "U1", .ts_us = 1500000000123456, .kind = MSG_TEXT, .body = text_from_plain(&a, "hi\nthere") };
	canon_msg(&m, "C1", &b);
	assert_string_equal(b.p, "{\"type\":\"msg\",\"conv\":\"C1\",\"id\":\"1.2\",\"by\":\"U1\",\"at\":1500000000123456,\"body\":\"hi\\nthere\"}");

	buf_reset(&b);
	struct text_builder t;
	text_begin(&t, &a);
	text_plain(&t, 0, "see ", 4);
	text_plain(&t, STYLE_BOLD | STYLE_UNDERLINE, "this", 4);
	text_span(&t, SPAN_USER, 0, "Ann", "U1", NULL);
	struct block *k = text_block(&t, BLOCK_ITEM);
	k->indent = 1;
	k->ordinal = 2;
	text_plain(&t, 0, "one", 3);
	text_block(&t, BLOCK_RULE);
	text_block(&t, BLOCK_PARA);
	text_plain(&t, 0, "end", 3);
	const struct file f = { .name = "a.png", .entry = "f/a.png", .state = FILE_PRESENT, .kind = FILE_IMAGE, .size = 0 };
	const struct react r[] = { { "ok", "", members, 1, 1 }, { "party", "\xf0\x9f\x8e\x89", NULL, 0, 3 } };
	m = (struct msg){
		.id = "1.3", .kind = MSG_LOST_ROOT, .body = text_end(&t), .files = &f, .n_files = 1, .reacts = r, .n_reacts = 2, .parent = "1.2",
		.grain_s = 60, .flags = MSGF_BROADCAST | MSGF_FORWARDED,
	};
	canon_msg(&m, NULL, &b);
	assert_string_equal(b.p, "{\"type\":\"msg\",\"id\":\"1.3\",\"re\":\"1.2\",\"grain\":60,\"kind\":\"lost-root\","
		"\"body\":[[\"see \",{\"st\":\"bu\",\"t\":\"this\"},{\"k\":\"user\",\"t\":\"Ann\",\"r\":\"U1\"}],"
		"{\"k\":\"item\",\"in\":1,\"no\":2,\"s\":\"one\"},{\"k\":\"rule\"},\"end\"],"
		"\"files\":[{\"name\":\"a.png\",\"entry\":\"f/a.png\",\"state\":\"present\",\"kind\":\"image\",\"size\":0}],"
		"\"reacts\":[{\"name\":\"ok\",\"by\":[\"U1\"]},{\"name\":\"party\",\"emoji\":\"\xf0\x9f\x8e\x89\",\"n\":3}],"
		"\"flags\":[\"broadcast\",\"forwarded\"]}");
	buf_release(&b);
	arena_release(&a);
}

static void test_reading(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct msg m;
	struct conv c;
	struct user u;
	const char *conv;
	arena_init(&a);
	/* Keys from the future, a number for an id, unknown names where a name may be new. */
	static const char later[] = "{\"new\":[{}],\"type\":\"msg\",\"id\":17,\"conv\":5,\"at\":\"12\",\"kind\":\"me\",\"flags\":[\"later\",\"forwarded\",1],"
		"\"body\":[{\"k\":\"aside\",\"s\":[{\"k\":\"hologram\",\"t\":\"x\"}]}],\"reacts\":[{}],\"files\":[{}]}";
	assert_true(canon_read_msg(later, strlen(later), &a, &m, &conv, &e));
	assert_string_equal(m.id, "17");
	assert_string_equal(conv, "5");
	assert_int_equal(m.ts_us, 12);
	assert_int_equal(m.kind, MSG_ME);
	assert_int_equal(m.flags, MSGF_FORWARDED);
	assert_int_equal(m.body.blocks[0].kind, BLOCK_PARA);
	assert_string_equal(m.body.blocks[0].spans[0].text, "x");
	assert_string_equal(m.reacts[0].name, "");
	assert_true(*m.files[0].name);
	assert_int_equal(m.files[0].state, FILE_GONE);
	/* Nothing that is wrong makes a pointer NULL that the model promises. */
	static const char odd[] = "{\"type\":\"msg\",\"id\":\"1\",\"re\":\"1\",\"body\":[1,null,true,{},[null,[],{\"t\":[]}],{\"s\":{}},{\"s\":7}],\"files\":{},\"reacts\":7,\"flags\":{}}";
	assert_true(canon_read_msg(odd, strlen(odd), &a, &m, NULL, &e));
	assert_null(m.parent); /* never its own */
	for (size_t i = 0; i < m.body.n_blocks; i++)
		for (size_t j = 0; j < m.body.blocks[i].n_spans; j++) {
			const struct span *s = &m.body.blocks[i].spans[j];
			assert_true(s->text && s->ref && s->url);
		}
	static const char *const bad[] = {
		"", "x", "[]", "\"msg\"", "{}", "{\"type\":\"user\",\"id\":\"1\"}", "{\"type\":\"msg\"}", "{\"type\":\"msg\",\"id\":\"\"}", "{\"type\":\"msg\",\"id\":null}",
		"{\"type\":\"msg\",\"id\":[]}", "{\"type\":7,\"id\":\"1\"}", "{\"type\":\"msg\",\"id\":\"1\",\"kind\":\"mee\"}", "{\"type\":\"msg\",\"id\":\"1\"",
	};
	for (size_t i = 0; i < countof(bad); i++) {
		e = (struct err)ERR_INIT;
		if (canon_read_msg(bad[i], strlen(bad[i]), &a, &m, NULL, &e))
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(e.code, ERR_RECORD);
		assert_true(e.msg[0]);
	}
	static const char no_kind[] = "{\"type\":\"conv\",\"id\":\"C1\",\"name\":\"x\"}", bare[] = "{\"type\":\"user\",\"id\":\"U1\"}";
	assert_false(canon_read_conv(no_kind, strlen(no_kind), &a, &c, &e));
	assert_true(canon_read_user(bare, strlen(bare), &a, &u, &e));
	assert_string_equal(u.name, "U1"); /* never empty */
	arena_release(&a);
}

static void test_fingerprint(void **state)
{
	(void)state;
	arena_init(&a);
	struct text_builder b;
	text_begin(&b, &a);
	text_span(&b, SPAN_USER, 0, "Ann", "U1", NULL);
	text_plain(&b, 0, "hi", 2);
	struct file f = { .id = "F1", .name = "a", .url = "http://x?t=1", .state = FILE_LINKED, .kind = FILE_PLAIN, .size = 1 };
	struct msg m = { .id = "1", .author = "U1", .kind = MSG_TEXT, .body = text_end(&b), .files = &f, .n_files = 1 };
	const uint64_t was = canon_msg_fp(&m);
	/* No change: a new label of a mention, a new address of a file, its bytes now in the archive. */
	m.body.blocks[0].spans[0].text = "Ann Smith";
	f.url = "http://x?t=2";
	f.state = FILE_PRESENT;
	f.entry = "a";
	assert_true(canon_msg_fp(&m) == was);
	/* Changes. */
	m.body.blocks[0].spans[0].ref = "U2";
	assert_true(canon_msg_fp(&m) != was);
	m.body.blocks[0].spans[0].ref = "U1";
	m.body.blocks[0].spans[1].text = "ho";
	assert_true(canon_msg_fp(&m) != was);
	m.body.blocks[0].spans[1].text = "hi";
	m.body.blocks[0].spans[1].style = STYLE_BOLD;
	assert_true(canon_msg_fp(&m) != was);
	m.body.blocks[0].spans[1].style = 0;
	m.edited_us = 1;
	assert_true(canon_msg_fp(&m) != was);
	m.edited_us = 0;
	m.author = NULL;
	const uint64_t none = canon_msg_fp(&m);
	assert_true(none != was);
	m.author = "";
	assert_true(canon_msg_fp(&m) != none);
	m.author = "U1";
	f.id = "F2";
	assert_true(canon_msg_fp(&m) != was);
	f.id = "F1";
	const char *const who[] = { "U1" };
	const struct react r = { "ok", "", who, 1, 1 };
	m.reacts = &r;
	m.n_reacts = 1;
	assert_true(canon_msg_fp(&m) != was);
	m.n_reacts = 0;
	assert_true(canon_msg_fp(&m) == was);
	arena_release(&a);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(conv_kind_name(CONV_DM), "dm");
	assert_string_equal(msg_kind_name(MSG_SYSTEM), "system");
	assert_string_equal(file_state_name(FILE_GONE), "gone");
	assert_string_equal(file_kind_name(FILE_SNIPPET), "snippet");
	assert_string_equal(conv_kind_name((enum conv_kind)0), "unknown");
	assert_string_equal(msg_kind_name((enum msg_kind)99), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_reading),
		cmocka_unit_test(test_fingerprint),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
