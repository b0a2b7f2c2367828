/* whatsapp_survey.c: the first reading of a transcript: its shape, its people, its language, the order of its dates.
 *
 * Promises: nothing is guessed about dates. An order is accepted only with a proof, which is told: a field that can be no month,
 * the date in a media file's name, a history that runs forwards in one reading and backwards in the other, the archive's own
 * time, or signs that no locale writes with the month first. Everything else is refused with both readings.
 */
#include "importers/whatsapp.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ISLAMIC_FIRST = 1430, ISLAMIC_LAST = 1473 }; /* 2009 to 2051 */
enum { SNIFF_LINES = 3000, SNIFF_BYTES = 64 * 1024, SHAPES = 8, JUMP_DAYS = 2 };

/* ---- names that tell ---- */

static int digits(const char *p, size_t n)
{
	int v = 0;
	for (size_t i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -1;
		v = v * 10 + p[i] - '0';
	}
	return v;
}

static int32_t plausible(int y, int m, int d)
{
	return y >= 2009 && y <= 2050 && m >= 1 && m <= 12 && d >= 1 && d <= 31 ? wa_day_of(y, m, d) : WA_DAY_NONE;
}

/* "IMG-20240131-WA0003.jpg" (Android), "00000012-PHOTO-2024-01-31-10-15-59.jpg" (iPhone), "2015-08-04-PHOTO-00004762.jpg" (old
 * iPhones). The words are the same in every language met. */
int32_t wa_name_day(const char *s, size_t n)
{
	for (size_t i = 0; i + 8 <= n; i++) {
		if (s[i] != '-' && i)
			continue;
		const char *p = s + i + (s[i] == '-');
		size_t left = n - (size_t)(p - s);
		if (left >= 11 && !memcmp(p + 8, "-WA", 3) && i)
			return plausible(digits(p, 4), digits(p + 4, 2), digits(p + 6, 2));
		if (left >= 11 && p[4] == '-' && p[7] == '-' && p[10] == '-' && digits(p, 4) > 0)
			return plausible(digits(p, 4), digits(p + 5, 2), digits(p + 8, 2));
	}
	return WA_DAY_NONE;
}

bool wa_title_of(struct arena *a, struct buf *scratch, const char *file_name, const char **title)
{
	size_t n = strlen(file_name);
	const char *ends[] = { ".txt", ".zip", ".TXT", ".ZIP" };
	for (size_t i = 0; i < countof(ends); i++)
		if (n > 4 && streq(file_name + n - 4, ends[i])) {
			n -= 4;
			break;
		}
	/* Browsers and phones put " (1)" behind the name of a second download. */
	if (n > 4 && file_name[n - 1] == ')' && file_name[n - 2] >= '0' && file_name[n - 2] <= '9' && file_name[n - 3] == '(' && file_name[n - 4] == ' ')
		n -= 4;
	struct wa_arg arg;
	buf_reset(scratch);
	wa_norm(file_name, n, scratch);
	if (wa_match_kind(WA_EXPORT_NAME, scratch->p, scratch->len, &arg) && arg.n) {
		*title = arena_strndup(a, arg.s, arg.n);
		return true;
	}
	*title = arena_strndup(a, scratch->p, scratch->len);
	return false;
}

/* ---- shape ---- */

struct shape { struct wa_head head; size_t n, after_crlf, after_lf; };

static size_t sniff(struct wa_reader *r, struct wa_head *shape, bool *crlf_only)
{
	struct shape shapes[SHAPES];
	struct wa_line l;
	struct wa_head h;
	size_t n = 0, bytes = 0, best = 0;
	for (size_t i = 0; i < SNIFF_LINES && bytes < SNIFF_BYTES && wa_reader_next(r, &l, NULL) == WA_LINE; i++) {
		bytes += l.n + 1;
		if (!l.begins || wa_head_parse(l.p, l.n, &h) != WA_HEAD_YES)
			continue;
		size_t k = 0;
		while (k < n && !wa_same_shape(&shapes[k].head, &h))
			k++;
		if (k == SHAPES)
			continue;
		if (k == n)
			shapes[n++] = (struct shape){ .head = h };
		shapes[k].n++;
		if (l.no > 1)
			*(l.after_lf ? &shapes[k].after_lf : &shapes[k].after_crlf) += 1;
	}
	for (size_t i = 1; i < n; i++)
		if (shapes[i].n > shapes[best].n)
			best = i;
	if (!n)
		return 0;
	*shape = shapes[best].head;
	/* Where headers follow CRLF, a bare LF is a line end inside a message (iPhones since 2022). */
	*crlf_only = shapes[best].head.bracket && shapes[best].after_crlf >= 3 && shapes[best].after_lf * 4 <= shapes[best].after_crlf;
	return shapes[best].n;
}

size_t wa_sniff(struct vault *v, const struct entry *en, struct wa_head *shape)
{
	bool crlf;
	if (en->encrypted || !en->size)
		return 0;
	struct wa_reader *r = wa_reader_open(v, en, false, NULL);
	size_t n = r ? sniff(r, shape, &crlf) : 0;
	wa_reader_close(r);
	return n;
}

/* ---- evidence of the order ---- */

static void weigh(struct wa_chat *c, const struct wa_head *h, bool authored, size_t line)
{
	struct wa_evidence *ev = &c->ev;
	if (ev->n++ && h->date[0] == ev->prev[0] && h->date[1] == ev->prev[1] && h->date[2] == ev->prev[2])
		return; /* the same day says nothing new */
	memcpy(ev->prev, h->date, sizeof(ev->prev));
	int32_t day[WA_N_ORDERS];
	for (int o = 0; o < WA_N_ORDERS; o++) {
		day[o] = wa_day(h, (enum wa_order)o);
		if (day[o] == WA_DAY_NONE) {
			if (!ev->invalid[o]++)
				ev->invalid_line[o] = line;
			continue;
		}
		if (!authored)
			continue; /* notices are not in order, and their times change between exports */
		if (ev->last[o] && day[o] + JUMP_DAYS < ev->last[o] && !ev->jumps[o]++)
			ev->jump_line[o] = line;
		ev->last[o] = day[o];
		if (!ev->low[o] || day[o] < ev->low[o])
			ev->low[o] = day[o];
		if (day[o] > ev->high[o])
			ev->high[o] = day[o];
	}
	ev->differ += day[WA_DMY] != day[WA_MDY];
}

/* A media file's name bears the day it was sent or received. It proves something only where the readings differ. */
static void weigh_name(struct wa_chat *c, const struct wa_head *h, const char *text, size_t n, size_t line)
{
	int32_t named = wa_name_day(text, n < 200 ? n : 200);
	int32_t a = wa_day(h, WA_DMY), b = wa_day(h, WA_MDY), y = wa_day(h, WA_YMD);
	if (named == WA_DAY_NONE || (a == b && b == y))
		return;
	if (!c->ev.n_hits++)
		c->ev.hit_line = line;
	for (int o = 0; o < WA_N_ORDERS; o++) {
		int32_t d = wa_day(h, (enum wa_order)o);
		c->ev.hits[o] += d != WA_DAY_NONE && d - named <= 1 && named - d <= 1;
	}
}

/* ---- the reading ---- */

static void vote(struct wa_chat *c, const struct wa_string *hit)
{
	c->marked_known++;
	for (size_t i = 0; i < wa_n_locales; i++)
		c->votes[i] += (hit->locales.bits[i / 64] >> (i % 64) & 1) != 0;
	switch ((enum wa_kind)hit->kind) {
	case WA_ADMIN: case WA_CREATE: case WA_DESCRIPTION: case WA_ICON: case WA_INVITE_LINK: case WA_JOIN: case WA_JOIN_REQUEST:
	case WA_LEAVE: case WA_REMOVE: case WA_SETTINGS: case WA_SUBJECT:
		c->group_events++;
		break;
	case WA_NONE: case WA_ATTACHED: case WA_BLOCKED: case WA_BUSINESS: case WA_CALL: case WA_CALL_MISSED: case WA_CONTACT: case WA_DELETED:
	case WA_DELETED_ME: case WA_DISAPPEARING: case WA_EDITED: case WA_ENCRYPTION: case WA_EXPORT_NAME: case WA_LIVE_LOCATION:
	case WA_LOCATION: case WA_META_AI: case WA_NUMBER: case WA_OMITTED: case WA_OMITTED_AUDIO: case WA_OMITTED_CONTACT:
	case WA_OMITTED_DOCUMENT: case WA_OMITTED_GIF: case WA_OMITTED_IMAGE: case WA_OMITTED_PRODUCT: case WA_OMITTED_STICKER:
	case WA_OMITTED_VIDEO: case WA_OMITTED_VIDEO_NOTE: case WA_PIN: case WA_POLL: case WA_PRIVACY: case WA_SECURITY_CODE:
	case WA_UNSUPPORTED: case WA_VIEW_ONCE: case WA_WAITING: case WA_N_KINDS:
		break;
	}
}

static const struct wa_string *ask(struct source *s, enum wa_form form, const char *text, size_t n)
{
	if (!n || n > WA_PHRASE_MAX)
		return NULL;
	buf_reset(&s->norm);
	wa_norm(text, n, &s->norm);
	return wa_match(s->match, form, NULL, s->norm.p, s->norm.len, NULL);
}

/* "A: B: text": does the name go on behind the first colon? */
static void follow_colon(struct source *s, struct wa_author *p, const char *text, size_t n, const char *rest, size_t rest_n)
{
	if (!p->always)
		return;
	const char *colon = memchr(text, ':', n < 80 ? n : 80);
	size_t k = colon ? (size_t)(colon - text) : 0;
	bool here = k && (k + 1 == n || text[k + 1] == ' ');
	if (here && !p->next) {
		p->next = arena_strndup(&s->names, text, k);
		return;
	}
	if (here && strlen(p->next) == k && !memcmp(p->next, text, k))
		return;
	/* It does not stand here. A notice that names somebody "A: B" has no author at all: "A: B left". */
	const struct wa_string *hit = p->n < 40 ? ask(s, WA_TEMPLATES, rest, rest_n) : NULL;
	if (hit && p->next && n > strlen(p->next) && !memcmp(p->next, text, strlen(p->next)))
		p->colon_proved = true;
	else
		p->always = false;
}

static void survey_header(struct source *s, struct wa_chat *c, const struct wa_head *h, const struct wa_line *l)
{
	struct wa_parts parts;
	const char *rest = l->p + h->len;
	size_t rest_n = l->n - h->len;
	c->headers++;
	wa_split(s, c, rest, rest_n, &parts);
	if (parts.author && wa_is_notice(s, c, parts.author, rest, rest_n))
		parts = (struct wa_parts){ NULL, rest, rest_n };
	struct wa_author *p = parts.author;
	bool mark = wa_mark(parts.text, parts.n) > 0;
	if (p) {
		p->n++;
		p->marked += mark;
		if (!c->first_author)
			c->first_author = p;
		if (!mark)
			follow_colon(s, p, parts.text, parts.n, rest, rest_n);
	} else {
		c->authorless++;
	}
	weigh(c, h, p && !mark && !h->mark, l->no);
	if (mark || h->mark || (parts.n > 20 && parts.text[3] == '-' && parts.text[12] == '-'))
		weigh_name(c, h, parts.text, parts.n, l->no);
	bool generated = !p || (mark && c->ios);
	c->marked += generated && p;
	bool bare = c->ios && p && !c->marked && p == c->first_author && c->headers < WA_MATCHED_LINES; /* marks may have been lost */
	bool angle = !generated && parts.n && parts.text[0] == '<';
	if (!(generated || bare || angle) || c->marked_asked >= WA_MATCHED_LINES)
		return;
	const struct wa_string *hit = ask(s, generated || bare ? WA_TEMPLATES : WA_FIXED, parts.text, parts.n);
	if (generated && !(p && h->mark))
		c->marked_asked++;
	if (hit && (generated || angle))
		vote(c, hit);
	if (hit && p)
		p->generated++;
	if (c->headers == 1)
		c->first_is_media = hit ? wa_is_omitted((enum wa_kind)hit->kind) : h->mark;
	if (hit && p && hit->kind == WA_DELETED_ME)
		c->me = p;
}

static bool read_all(struct source *s, struct wa_chat *c, struct wa_reader *r, struct err *e)
{
	struct wa_line l;
	struct wa_head h;
	enum wa_read got;
	while ((got = wa_reader_next(r, &l, e)) == WA_LINE) {
		enum wa_head_is is = l.begins ? wa_head_parse_like(l.p, l.n, &c->like, &h) : WA_HEAD_NO;
		if (is == WA_HEAD_NO)
			continue;
		if (is == WA_HEAD_NEAR) {
			if (!c->near_++)
				c->near_line = l.no;
		} else if (!wa_same_shape(&h, &c->lock) || (c->crlf_only && l.after_lf && l.no > 1)) {
			if (!c->foreign++)
				c->foreign_line = l.no;
		} else {
			survey_header(s, c, &h, &l);
		}
	}
	return got == WA_END;
}

/* ---- what it comes to ---- */

static void settle_language(struct wa_chat *c)
{
	size_t top = 0;
	for (size_t i = 0; i < wa_n_locales; i++)
		top = c->votes[i] > top ? c->votes[i] : top;
	for (size_t i = 0; i < wa_n_locales && top; i++)
		if (c->votes[i] * 10 >= top * 9)
			c->locales.bits[i / 64] |= 1ull << (i % 64);
	c->language_known = top > 0 && c->marked_known * 3 >= c->marked_asked;
}

/* A name with ": " in it, where something besides the lines themselves says so. */
static void settle_colons(struct source *s, struct wa_chat *c)
{
	for (size_t i = 0, n = c->by_name.n; i < n; i++) {
		struct wa_author *p = c->by_name.rows[i].value;
		if (!p->always || !p->next || p->n < 2)
			continue;
		const char *full = arena_fmt(&s->names, "%s: %s", p->name, p->next);
		if (!p->colon_proved && !(c->named && streq(full, c->title)))
			continue;
		p->full = full;
		struct wa_author *whole = wa_author_named(s, c, full);
		whole->n += p->n;
		p->n = 0;
	}
}

/* iPhones write a group's notices under the group's own name, the first of them at the very beginning. */
static void settle_title(struct source *s, struct wa_chat *c)
{
	struct wa_author *p = c->first_author;
	if (c->ios && p && p->n && !c->first_is_media && (c->marked ? p->marked == p->n : p->generated == p->n)) {
		p->system = true;
		c->title_author = p;
		if (!c->named)
			c->title = p->name;
	}
	/* One whose beginning is cut off has it somewhere: who is called like the group and whose every line bears the mark. */
	struct wa_author *named = c->named && !c->title_author && c->ios && c->marked ? table_get(&c->by_name, c->title) : NULL;
	if (named && named->n && named->marked == named->n && c->group_events) {
		named->system = true;
		c->title_author = named;
	}
	if (!c->title || !*c->title)
		c->title = "WhatsApp";
	(void)s;
}

static size_t people(const struct wa_chat *c)
{
	size_t n = 0;
	for (size_t i = 0; i < c->by_name.n; i++) {
		const struct wa_author *p = c->by_name.rows[i].value;
		n += !p->system && p->n;
	}
	return n;
}

/* A group says so by its events, or by more than two who write; where only two write, by a title that is neither's. */
static void settle_kind(struct source *s, struct wa_chat *c)
{
	const char *phone;
	size_t n = people(c);
	bool partner = false;
	const char *id = wa_person_id(&s->names, &s->norm, c->title, &phone);
	for (size_t i = 0; i < c->by_name.n; i++) {
		const struct wa_author *p = c->by_name.rows[i].value;
		partner |= !p->system && p->n && streq(p->id, id);
	}
	c->group = c->group_events || n > 2 || (n == 2 && c->named && !partner);
	if (!c->group && c->title_author && n >= 1 && !partner && c->title_author->n > 1 && n == 2)
		c->group = true;
	if (!c->group && c->title_author && n < 2) {
		/* A partner who never wrote: iPhones put the notice of encryption under the partner's name. */
		c->title_author->system = true;
	}
	for (size_t i = 0; i < c->by_name.n && !c->group && partner && !c->me; i++) {
		struct wa_author *p = c->by_name.rows[i].value;
		if (p->n && !p->system && !streq(p->id, id))
			c->me = p; /* in a talk of two the other one is who exported it */
	}
	const char *key = strncmp(id, "wa:name:", 8) == 0 ? id + 8 : id + 3;
	c->conv_id = arena_fmt(&s->names, c->group ? "wa:group:%s" : "wa:chat:%s", key);
}

enum wa_surveyed wa_survey(struct source *s, struct wa_chat *c, struct err *e)
{
	for (int turn = 0; turn < 2; turn++) {
		struct wa_reader *r = wa_reader_open(s->v, c->en, c->cp1251, e);
		if (!r)
			return WA_SURVEY_FAILED;
		size_t n = sniff(r, &c->lock, &c->crlf_only);
		wa_reader_close(r);
		if (!n)
			return WA_NO_CHAT;
		c->like = (struct wa_like){ .head = c->lock };
		c->ios = c->lock.bracket || c->lock.shape[c->lock.shape_n - 1] == ':';
		for (size_t i = 0; i < c->lock.shape_n && c->lock.shape[i] != ','; i++)
			c->ev.dots |= c->lock.shape[i] == '.';
		r = wa_reader_open(s->v, c->en, c->cp1251, e);
		if (!r)
			return WA_SURVEY_FAILED;
		bool ok = read_all(s, c, r, e);
		size_t cyrillic, high;
		wa_reader_broken(r, &c->bad_lines, &cyrillic, &high);
		c->enc = wa_reader_encoding(r);
		wa_reader_close(r);
		if (!ok)
			return WA_SURVEY_FAILED;
		/* Few UTF-8 texts have bytes out of place; one saved as windows-1251 has them in every Russian line. */
		if (turn || c->enc != WA_UTF8 || c->bad_lines * 4 < c->headers || c->bad_lines < 2 || cyrillic * 10 < high * 9)
			break;
		table_release(&c->by_raw);
		table_release(&c->by_name);
		struct wa_chat again = { .en = c->en, .folder = c->folder, .title = c->title, .guessed_from = c->guessed_from, .named = c->named, .cp1251 = true };
		*c = again;
	}
	settle_language(c);
	settle_colons(s, c);
	settle_title(s, c);
	settle_kind(s, c);
	c->last = NULL;
	return WA_CHAT;
}

/* ---- the decision ---- */

static void show_day(char out[24], int32_t day)
{
	int y, m, d;
	if (day == WA_DAY_NONE || !day) {
		fmt_into(out, 24, "no date");
		return;
	}
	wa_day_split(day, &y, &m, &d);
	fmt_into(out, 24, "%04d-%02d-%02d", y, m, d);
}

static bool proved(struct wa_chat *c, enum wa_order o, const char *fmt, ...) PRINTF_LIKE(3, 4);
static bool proved(struct wa_chat *c, enum wa_order o, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(c->why, sizeof(c->why), fmt, ap);
	va_end(ap);
	c->order = o;
	return true;
}

static const char *const order_words[WA_N_ORDERS] = { "day, month, year", "month, day, year", "year, month, day" };

static bool by_evidence(const struct source *s, struct wa_chat *c)
{
	const struct wa_evidence *ev = &c->ev;
	bool alive[WA_N_ORDERS];
	size_t least = SIZE_MAX;
	int n = 0, one = 0, out = -1;
	for (int o = 0; o < WA_N_ORDERS; o++)
		least = ev->invalid[o] < least ? ev->invalid[o] : least;
	for (int o = 0; o < WA_N_ORDERS; o++) {
		alive[o] = ev->invalid[o] <= least;
		if (alive[o]) {
			n++;
			one = o;
		} else if (out < 0 || ev->invalid[o] < ev->invalid[out]) {
			out = o;
		}
	}
	/* A pasted line may look like a header with a date that is none: it takes a clear majority to rule a reading out. */
	if (n == 1 && (!least || ev->invalid[out] >= 20 * least)) {
		if (c->lock.width[0] == 4)
			return proved(c, (enum wa_order)one, "the year stands first");
		return proved(c, (enum wa_order)one, "line %zu has a field that can be no month in the other reading (%zu such lines)", ev->invalid_line[out], ev->invalid[out]);
	}
	if (n == 0)
		return false;
	for (int o = 0; o < WA_N_ORDERS; o++)
		if (!alive[o] && ev->invalid[o] < 20 * least + 1)
			alive[o] = true;
	if (!ev->differ && alive[WA_DMY] && !alive[WA_YMD])
		return proved(c, WA_DMY, "both readings give the same dates");
	int32_t archive_day = 0;
	if (vault_kind(s->v) == VAULT_ZIP && c->en->mtime_us > 0)
		archive_day = (int32_t)(c->en->mtime_us / 86400000000);
	for (int o = 0; o < WA_N_ORDERS; o++) {
		if (!alive[o])
			continue;
		bool names = ev->hits[o] > 0, order = true, late = archive_day && ev->high[o] && ev->high[o] <= archive_day + 1;
		size_t jumps = SIZE_MAX, others = 0;
		for (int x = 0; x < WA_N_ORDERS; x++) {
			if (x == o || !alive[x])
				continue;
			others++;
			names = names && ev->hits[x] * 10 <= ev->hits[o];
			jumps = ev->jumps[x] < jumps ? ev->jumps[x] : jumps;
			late = late && ev->high[x] > archive_day + 1;
		}
		order = others && jumps >= 2 && ev->jumps[o] * 8 <= jumps;
		if (names && others)
			return proved(c, (enum wa_order)o, "the media file named in line %zu bears the date (%zu such names)", ev->hit_line, ev->hits[o]);
		if (order)
			return proved(c, (enum wa_order)o, "the history runs forwards; read otherwise it would jump back %zu times", jumps);
		if (late && others)
			return proved(c, (enum wa_order)o, "read otherwise it would go on after the archive was made");
	}
	if (ev->dots && alive[WA_DMY] && !alive[WA_YMD])
		return proved(c, WA_DMY, "dates with dots: no locale writes the month first with them");
	return false;
}

bool wa_decide_order(struct source *s, struct wa_chat *c, struct err *e)
{
	const struct wa_evidence *ev = &c->ev;
	char first[2][24], last[2][24];
	if (by_evidence(s, c)) {
		if (s->order_given && s->order != c->order)
			wa_hazard(s, HAZARD_WARN, "date-order-contradicted", "the order %s was asked for, but the dates are %s: %.120s", wa_order_name(s->order),
			          order_words[c->order], c->why);
		return true;
	}
	if (s->order_given && ev->invalid[s->order] * 20 <= ev->n)
		return proved(c, s->order, "as asked for; nothing in the chat proves it");
	for (size_t i = 0; i < 3; i++)
		if (c->lock.width[i] == 4 && ev->prev[i] >= ISLAMIC_FIRST && ev->prev[i] <= ISLAMIC_LAST) {
			/* Months begin when the moon was seen, or by tables that differ by a day: a date would be a guess. */
			err_set(e, ERR_ARCHIVE, "the dates of \"%.60s\" are of the Islamic calendar (year %u), which cannot be turned into others to the day", c->title,
			        (unsigned)ev->prev[i]);
			err_where(e, "%s", c->en->name);
			return err_hint(e, "set the phone's calendar to Gregorian and export again; the times of all messages change with it");
		}
	for (int o = 0; o < 2; o++) {
		show_day(first[o], ev->low[o]);
		show_day(last[o], ev->high[o]);
	}
	err_set(e, ERR_ARCHIVE, "day or month first? the dates of \"%.60s\" run from %s to %s with the day first, from %s to %s with the month first, and nothing proves either",
	        c->title, first[0], last[0], first[1], last[1]);
	err_where(e, "%s", c->en->name);
	return err_hint(e, "look at the phone it came from and say --date-order dmy or --date-order mdy (in mvchat.yaml: date_order under the archive); a longer export, or one with media, may decide it");
}
