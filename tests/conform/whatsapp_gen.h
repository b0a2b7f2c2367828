/* whatsapp_gen.h: exports in every locale and from both kinds of phone, with what each line means beside it.
 *
 * Everything comes from importers/whatsapp_strings.tsv (its header.* rows show how a locale writes dates), read here anew and not
 * through the importer's own table, so that the two check each other.
 */
#ifndef MVCHAT_TESTS_WHATSAPP_GEN_H
#define MVCHAT_TESTS_WHATSAPP_GEN_H

#include "core/arena.h"
#include "core/buf.h"
#include "core/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GEN_ROWS = 8000, GEN_MEANT = 4000 };
enum gen_phone { GEN_ANDROID, GEN_IPHONE };

struct gen_row { char *kind, *locales, *platform, *text; };
struct gen { struct arena a; struct gen_row *rows; size_t n; };

/* One message as it is meant: its local time, who says it (NULL: WhatsApp), the table's kind (NULL: words), the words. */
struct gen_meant { int64_t at_s; const char *author, *kind, *words; bool edited; };
struct gen_chat { struct buf text; struct gen_meant meant[GEN_MEANT]; size_t n; int64_t now; };

static bool gen_read(struct gen *g, const char *path)
{
	char line[4096];
	FILE *f = fopen(path, "rb");
	if (!f)
		return false;
	arena_init(&g->a);
	g->rows = arena_array(&g->a, GEN_ROWS, struct gen_row);
	g->n = 0;
	while (fgets(line, sizeof(line), f) && g->n < GEN_ROWS) {
		char *field[5] = { NULL }, *p = line;
		line[strcspn(line, "\n")] = '\0';
		for (int i = 0; i < 5 && p; i++) {
			field[i] = p;
			p = strchr(p, '\t');
			if (p)
				*p++ = '\0';
		}
		if (line[0] != '#' && field[4])
			g->rows[g->n++] = (struct gen_row){ arena_strdup(&g->a, field[0]), arena_strdup(&g->a, field[1]), arena_strdup(&g->a, field[2]),
				arena_strdup(&g->a, field[3]) };
	}
	fclose(f);
	return true;
}

static bool gen_has(const char *list, const char *locale)
{
	size_t n = strlen(locale);
	for (const char *p = list; p; p = strchr(p, ',')) {
		p += *p == ',';
		if (!strncmp(p, locale, n) && (p[n] == ',' || !p[n]))
			return true;
	}
	return false;
}

static const char *gen_find(const struct gen *g, const char *kind, const char *locale)
{
	for (size_t i = 0; i < g->n; i++)
		if (streq(g->rows[i].kind, kind) && gen_has(g->rows[i].locales, locale))
			return g->rows[i].text;
	return NULL;
}

/* Languages without a date row of their own are set to a region that has one. */
static const char *gen_region(const struct gen *g, const char *locale)
{
	static const char *const region[][2] = { { "en", "en-US" }, { "pt", "pt-PT" }, { "zh", "zh-CN" }, { "zh-Hans", "zh-CN" }, { "zh-SG", "zh-CN" },
		{ "zh-Hant", "zh-TW" }, { "ca", "es" } };
	for (size_t i = 0; i < countof(region); i++)
		if (streq(region[i][0], locale))
			return region[i][1];
	return gen_find(g, "header.short", locale) ? locale : "en-GB";
}

/* ---- dates in the manner of an example ---- */

static uint32_t gen_zero(uint32_t c)
{
	static const uint32_t zeros[] = { '0', 0x660, 0x6f0, 0x966, 0x9e6, 0x1040 };
	for (size_t i = 0; i < countof(zeros); i++)
		if (c >= zeros[i] && c <= zeros[i] + 9)
			return zeros[i];
	return 0;
}

static void gen_number(struct buf *out, int v, size_t width, uint32_t zero)
{
	char text[16], c[4];
	fmt_into(text, sizeof(text), "%0*d", (int)width, v);
	for (const char *p = text; *p; p++)
		buf_add(out, c, utf8_put(zero + (uint32_t)(*p - '0'), c));
}

static void gen_civil(int64_t at, int *y, int *m, int *d)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int64_t n = at / 86400;
	for (*y = 1970; n >= 365 + (*y % 4 == 0); (*y)++)
		n -= 365 + (*y % 4 == 0);
	for (*m = 1; n >= days[*m - 1] + (*m == 2 && *y % 4 == 0); (*m)++)
		n -= days[*m - 1] + (*m == 2 && *y % 4 == 0);
	*d = (int)n + 1;
}

/* The example shows 9 March 2026 (18 Esfand 1404), 14:05:07. */
static void gen_time(const struct gen *g, struct buf *out, const char *locale, const char *example, int64_t at)
{
	int y, m, d, hour = (int)(at / 3600 % 24), minute = (int)(at / 60 % 60), second = (int)(at % 60);
	bool half = false;
	const char *pm = gen_find(g, "time.pm", locale), *am = gen_find(g, "time.am", locale), *word = NULL;
	static const char *const common[][2] = { { "PM", "AM" }, { "pm", "am" }, { "p.m", "a.m" } };
	gen_civil(at, &y, &m, &d);
	bool persian = strstr(example, "\xdb\xb1\xdb\xb4\xdb\xb0\xdb\xb4") != NULL;
	if (persian) { /* 1 Farvardin 1404 is 21 March 2025 */
		int n = (int)(at / 86400 - 20168);
		y = 1404;
		m = n < 186 ? n / 31 + 1 : (n - 186) / 30 + 7;
		d = n < 186 ? n % 31 + 1 : (n - 186) % 30 + 1;
	}
	if (pm && strstr(example, pm)) {
		word = pm;
	} else {
		for (size_t i = 0; i < countof(common) && !word; i++)
			if (strstr(example, common[i][0])) {
				word = common[i][0];
				am = common[i][1];
			}
	}
	half = word != NULL;
	for (const char *p = example, *end = example + strlen(example); p < end;) {
		uint32_t c = 0, zero;
		size_t k = utf8_get(p, (size_t)(end - p), &c), width = 0;
		if (word && !strncmp(p, word, strlen(word))) {
			buf_adds(out, hour < 12 ? am : word);
			p += strlen(word);
			continue;
		}
		if (!strncmp(p, "<U+200F>", 8)) {
			buf_adds(out, "\xe2\x80\x8f");
			p += 8;
			continue;
		}
		if (!(zero = gen_zero(c))) {
			buf_add(out, p, k);
			p += k;
			continue;
		}
		int v = 0;
		while (p < end && (k = utf8_get(p, (size_t)(end - p), &c)) && c >= zero && c <= zero + 9) {
			v = v * 10 + (int)(c - zero);
			width++;
			p += k;
		}
		int value = v == 2026 || v == 1404 ? y : v == 26 ? y % 100 : v == 69 ? (y + 543) % 100 : v == 3 || v == 12 ? m : v == 9 || v == 18 ? d :
		            v == 14 ? hour : v == 2 ? (hour % 12 ? hour % 12 : 12) : v == 5 ? minute : second;
		if (v == 2 && !half)
			value = hour;
		gen_number(out, value, width, zero);
	}
}

/* ---- a chat ---- */

static const char gen_mark[] = "\xe2\x80\x8e", gen_title[] = "Test group 7";

/* text with its holes filled and its open end ended. */
static char *gen_fill(struct arena *a, const char *text, const char *const fill[3])
{
	struct buf b;
	size_t hole = 0;
	buf_init(&b, 8192);
	for (const char *p = text; *p;) {
		if (!strncmp(p, "{}", 2)) {
			buf_adds(&b, fill[hole < 2 ? hole++ : 2]);
			p += 2;
		} else if (!strcmp(p, "\xe2\x80\xa6")) {
			buf_adds(&b, ". 17");
			p += 3;
		} else {
			buf_addc(&b, *p++);
		}
	}
	char *out = arena_strdup(a, b.p);
	buf_release(&b);
	return out;
}

static void gen_line(struct gen *g, struct gen_chat *c, const char *locale, enum gen_phone phone, const char *author, const char *mark, const char *text,
                     struct gen_meant m)
{
	const char *region = gen_region(g, locale), *example = gen_find(g, phone == GEN_IPHONE ? "header.medium" : "header.short", region);
	c->now += 7 * 3600 + 61 * 17 + (phone == GEN_IPHONE ? 7 : 0);
	m.at_s = phone == GEN_IPHONE ? c->now : c->now - c->now % 60;
	if (c->n == GEN_MEANT)
		return;
	c->meant[c->n++] = m;
	if (phone == GEN_IPHONE)
		buf_addc(&c->text, '[');
	gen_time(g, &c->text, region, example, m.at_s);
	buf_adds(&c->text, phone == GEN_IPHONE ? "] " : " - ");
	if (author)
		buf_addf(&c->text, "%s: ", author);
	buf_addf(&c->text, "%s%s%s", mark, text, phone == GEN_IPHONE ? "\r\n" : "\n");
}

static bool gen_in(const char *kind, const char *const *list)
{
	for (; *list; list++)
		if (!strncmp(kind, *list, strlen(*list)))
			return true;
	return false;
}

static void gen_event(struct gen *g, struct gen_chat *c, const char *locale, enum gen_phone phone, const struct gen_row *r)
{
	static const char *const skip[] = { "header", "time", "export-name", "poll", "contact", NULL };
	static const char *const personal[] = { "omitted", "deleted", "waiting", "view-once", "call", "live-location", "location", "unsupported", NULL };
	static const char *const names[3] = { "Vera Holm", "Otto Lind", "Nils Berg" };
	static const char *const url[3] = { "https://maps.google.com/?q=55.75,37.61", "", "" };
	bool ios = phone == GEN_IPHONE, open = strchr(r->text, '{') || strstr(r->text, "\xe2\x80\xa6");
	const char *mark = ios ? gen_mark : "";
	if (gen_in(r->kind, skip) || (streq(r->platform, "ios") && !ios) || (streq(r->platform, "android") && ios) || streq(r->platform, "web"))
		return;
	if (streq(r->kind, "edited")) {
		char *text = arena_fmt(&g->a, "words %s<%s>", mark, r->text);
		gen_line(g, c, locale, phone, "Anna", "", text, (struct gen_meant){ .author = "wa:name:anna", .words = "words", .edited = true });
	} else if (streq(r->kind, "attached")) {
		if (ios && !strchr(r->text, '<'))
			return;
		char *name = arena_fmt(&g->a, ios ? "00000012-PHOTO-2025-04-01-10-00-00.jpg" : "IMG-20250401-WA0007.jpg");
		const char *fill[3] = { name, "", "" };
		if (ios && r->text[0] != '<') {
			fill[0] = "2025-04-01-PHOTO-00004762.jpg";
			mark = "";
		}
		gen_line(g, c, locale, phone, "Anna", ios ? mark : gen_mark, gen_fill(&g->a, r->text, fill),
		         (struct gen_meant){ .author = "wa:name:anna", .kind = "attached", .words = "" });
	} else if (gen_in(r->kind, personal)) {
		if (open && !ios && !streq(r->kind, "location"))
			return;
		bool omitted = !strncmp(r->kind, "omitted", 7), place = streq(r->kind, "location");
		if (ios && streq(r->platform, "android"))
			return;
		char *text = gen_fill(&g->a, r->text, place ? url : names);
		gen_line(g, c, locale, phone, "Anna", mark, text,
		         (struct gen_meant){ .author = "wa:name:anna", .kind = r->kind, .words = omitted ? "" : text });
	} else {
		char *text = gen_fill(&g->a, r->text, names);
		gen_line(g, c, locale, phone, ios ? gen_title : NULL, mark, text, (struct gen_meant){ .kind = r->kind, .words = text });
	}
}

/* A group's chat in which everything the locale knows happens once, between two halves of talk. */
static void gen_locale(struct gen *g, const char *locale, enum gen_phone phone, struct gen_chat *c)
{
	bool ios = phone == GEN_IPHONE;
	buf_init(&c->text, 16 << 20);
	c->n = 0;
	c->now = 1743500000; /* 1 April 2025, 09:33:20 */
	for (size_t i = 0; i < g->n; i++)
		if (streq(g->rows[i].kind, "create") && gen_has(g->rows[i].locales, locale)) {
			gen_event(g, c, locale, phone, &g->rows[i]);
			break;
		}
	if (!c->n)
		gen_line(g, c, locale, phone, ios ? gen_title : NULL, ios ? gen_mark : "", "Qwyx zzub", (struct gen_meant){ .words = "Qwyx zzub" });
	for (size_t i = 0; i < g->n; i++) {
		if (i % 500 == 0) {
			gen_line(g, c, locale, phone, "Anna", "", "hello: at 12:30 - as said", (struct gen_meant){ .author = "wa:name:anna", .words = "hello: at 12:30 - as said" });
			gen_line(g, c, locale, phone, "\xe2\x80\xaa+7\xc2\xa0" "916\xc2\xa0" "123-45-67\xe2\x80\xac", "", "two\nlines",
			         (struct gen_meant){ .author = "wa:+79161234567", .words = "two\nlines" });
			gen_line(g, c, locale, phone, "~\xe2\x80\xafYeraly", "", "third", (struct gen_meant){ .author = "wa:name:~ yeraly", .words = "third" });
		}
		if (gen_has(g->rows[i].locales, locale))
			gen_event(g, c, locale, phone, &g->rows[i]);
	}
}

#endif
