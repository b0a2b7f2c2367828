/* test_whatsapp_locales.c: a generated export of every locale from both kinds of phone: every line dated, attributed and named as
 * it was meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/conform/whatsapp_gen.h"

#include "importers/importer.h"
#include "importers/whatsapp_match.h"

#include <unistd.h>

struct check { const struct gen_chat *c; const char *what; size_t at, wrong; bool only_words; };

static bool skip_user(void *ctx, const struct user *u) { (void)ctx, (void)u; return true; }
static bool skip_conv(void *ctx, const struct conv *c) { (void)ctx, (void)c; return true; }
static bool skip_fact(void *ctx, const char *k, const char *v) { (void)ctx, (void)k, (void)v; return true; }
static bool skip_hazard(void *ctx, enum hazard_level l, const char *n, const char *w, const char *t) { (void)ctx, (void)l, (void)n, (void)w, (void)t; return true; }
static bool no_bad(void *ctx, const struct err *e)
{
	struct check *k = ctx;
	fail_msg("%s: bad record %s", k->what, e->msg);
	return false;
}

static bool same(const char *a, const char *b)
{
	return a && b ? streq(a, b) : a == b;
}

/* Two kinds may have one wording in a locale; then either name is right. */
static bool same_words(const char *kind, const char *text)
{
	struct buf b;
	bool hit = false;
	buf_init(&b, 8192);
	wa_norm(text, strlen(text), &b);
	for (int k = 1; k < WA_N_KINDS && !hit; k++)
		hit = streq(wa_kind_name((enum wa_kind)k), kind) && wa_match_kind((enum wa_kind)k, b.p, b.len, NULL);
	buf_release(&b);
	return hit;
}

static bool check_msg(void *ctx, const char *conv, const struct msg *m)
{
	struct check *k = ctx;
	(void)conv;
	if (k->at >= k->c->n)
		fail_msg("%s: more messages than were meant", k->what);
	const struct gen_meant *w = &k->c->meant[k->at++];
	struct buf b;
	buf_init(&b, 1 << 20);
	text_plaintext(&m->body, &b);
	bool kind = same(m->subtype, w->kind) || (m->subtype && w->kind && same_words(m->subtype, w->words));
	bool notice = !w->author && !m->author; /* a notice that is kept without a name is no harm, but told */
	if (m->ts_us != w->at_s * 1000000 || !same(m->author, w->author) || !kind || !streq(b.p, w->words) || (m->edited_us != 0) != w->edited) {
		k->wrong++;
		print_message("%s, message %zu: %s%s at %lld kind %s \"%s\"; meant: %s at %lld kind %s \"%s\"\n", k->what, k->at, m->author ? m->author : "-",
		              notice ? " (notice)" : "", (long long)(m->ts_us / 1000000), m->subtype ? m->subtype : "-", b.p, w->author ? w->author : "-",
		              (long long)w->at_s, w->kind ? w->kind : "-", w->words);
	}
	buf_release(&b);
	return true;
}

static size_t try_one(struct gen *g, const char *locale, enum gen_phone phone, const char *dir)
{
	static struct gen_chat c;
	struct err e = ERR_INIT;
	char path[512], what[64];
	gen_locale(g, locale, phone, &c);
	fmt_into(what, sizeof(what), "%s %s", locale, phone == GEN_IPHONE ? "iPhone" : "Android");
	fmt_into(path, sizeof(path), "%s/WhatsApp Chat with %s.txt", dir, gen_title);
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(c.text.p, 1, c.text.len, f), c.text.len);
	assert_int_equal(fclose(f), 0);
	struct vault *v = vault_open(path, NULL, NULL, &e);
	assert_non_null(v);
	assert_true(importer_whatsapp.bid(v) >= 90);
	struct source *s = importer_whatsapp.open(v, NULL, &e);
	if (!s)
		fail_msg("%s: %s", what, e.msg);
	struct check k = { .c = &c, .what = what };
	struct sink sink = { .ctx = &k, .user = skip_user, .conv = skip_conv, .msg = check_msg, .bad = no_bad, .hazard = skip_hazard, .fact = skip_fact };
	struct arena step;
	arena_init(&step);
	if (!importer_whatsapp.walk(s, &sink, &step, &e))
		fail_msg("%s: %s %s", what, e.msg, e.where);
	assert_int_equal(k.at, c.n);
	arena_release(&step);
	importer_whatsapp.close(s);
	vault_close(v);
	unlink(path);
	buf_release(&c.text);
	return k.wrong;
}

static void all_locales(void **state)
{
	struct gen g;
	char dir[] = "/tmp/mvchat-wa-XXXXXX";
	size_t wrong = 0;
	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_true(gen_read(&g, "importers/whatsapp_strings.tsv"));
	assert_true(g.n > 5000);
	assert_true(wa_n_locales >= 85);
	for (size_t i = 0; i < wa_n_locales; i++) {
		wrong += try_one(&g, wa_locales[i], GEN_ANDROID, dir);
		wrong += try_one(&g, wa_locales[i], GEN_IPHONE, dir);
	}
	assert_int_equal(rmdir(dir), 0);
	arena_release(&g.a);
	assert_int_equal(wrong, 0);
}

/* The table is written in the form that texts are brought into. */
static void table_is_normal(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 8192);
	for (size_t i = 0; i < wa_n_strings; i++) {
		size_t n = strcspn(wa_strings[i].text, "\002");
		buf_reset(&b);
		wa_norm(wa_strings[i].text, n, &b);
		if (b.len != n && wa_strings[i].text[n] != '\002')
			fail_msg("\"%s\" is not normal: \"%s\"", wa_strings[i].text, b.p);
	}
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(table_is_normal), cmocka_unit_test(all_locales) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
