/* whatsapp_phones.h: one true history of a chat, and what the exports of it from several phones look like.
 *
 * The phones differ in language, header, grain of time, clock, zone, contact names, in what they have missing and which files they
 * hold. Everything follows from a seed, so that a test can say exactly what the union of the exports is.
 */
#ifndef MVCHAT_TESTS_WHATSAPP_PHONES_H
#define MVCHAT_TESTS_WHATSAPP_PHONES_H

#include "core/buf.h"
#include "core/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PHONE_PEOPLE = 5, PHONE_WORDS = 240 };
enum phone_style { PHONE_RU_ANDROID, PHONE_RU_IPHONE, PHONE_EN_IPHONE, PHONE_DE_ANDROID, PHONE_EN_ANDROID };
enum phone_event_kind { PHONE_SAID, PHONE_PHOTO, PHONE_ADDED /* a notice: who added whom */ };

struct phone_event {
	int64_t at_s;                /* UTC */
	int who, whom;
	enum phone_event_kind kind;
	char words[PHONE_WORDS];     /* or a photo's caption, maybe "" */
	char edited[PHONE_WORDS];    /* what it became, or "" */
	bool deleted;
	int64_t changed_s;           /* when it was edited or deleted */
};
struct phone_history { struct phone_event *v; size_t n; uint32_t state; };

struct phone {
	enum phone_style style;
	const char *title, *names[PHONE_PEOPLE];
	int64_t (*shift)(int64_t at_s);          /* seconds to add to UTC for what it shows */
	bool (*has)(size_t i, size_t n);         /* the message */
	bool (*holds)(size_t i);                 /* the file of a photo */
	int64_t until_s;                         /* exported then; 0: at the end */
};

static uint32_t phone_next(uint32_t *state, uint32_t n)
{
	*state = *state * 1664525u + 1013904223u;
	return (*state >> 8) % n;
}

static void phone_civil(int64_t at, int *y, int *m, int *d)
{
	int64_t z = (at >= 0 ? at : at - 86399) / 86400 + 719468, era = z / 146097, doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	*d = (int)(doy - (153 * mp + 2) / 5 + 1);
	*m = (int)(mp < 10 ? mp + 3 : mp - 9);
	*y = (int)(yoe + era * 400 + (*m <= 2));
}

/* A trade chat: orders, short answers, photos, somebody added, things edited and deleted. */
static void phone_history(struct phone_history *h, uint32_t seed, size_t n, int64_t from_s)
{
	static const char *const words[] = { "заказ", "склад", "отгрузка", "сегодня", "машина", "придёт", "завтра", "к обеду", "счёт", "акт", "подписан",
		"нужно", "уточнить", "цену", "коллеги", "спасибо", "проверь", "почту", "документы", "кабель", "щит", "автомат", "*срочно*", "паллета" };
	static const char *const brief[] = { "ок", "+", "да", "Принято", "👍" };
	int64_t at = from_s;
	h->v = calloc(n, sizeof(*h->v));
	h->n = n;
	h->state = seed;
	for (size_t i = 0; i < n; i++) {
		struct phone_event *e = &h->v[i];
		static const int gaps[] = { 3, 7, 15, 40, 90, 300, 1800, 7200, 14000 };
		at += gaps[phone_next(&h->state, 9)] + (int)phone_next(&h->state, 20);
		uint32_t k = phone_next(&h->state, 100);
		size_t len = 0;
		*e = (struct phone_event){ .at_s = at, .who = (int)phone_next(&h->state, PHONE_PEOPLE) };
		e->whom = (e->who + 1) % PHONE_PEOPLE;
		if (k < 2 && i > 10) {
			e->kind = PHONE_ADDED;
			continue;
		}
		e->kind = k < 14 ? PHONE_PHOTO : PHONE_SAID;
		if (k >= 14 && k < 24) {
			fmt_into(e->words, sizeof(e->words), "%s", brief[phone_next(&h->state, 5)]);
			continue;
		}
		if (k < 10)
			continue;
		for (uint32_t w = 2 + phone_next(&h->state, 9); w; w--)
			len += (size_t)snprintf(e->words + len, sizeof(e->words) - len, "%s ", words[phone_next(&h->state, countof(words))]);
		snprintf(e->words + (len < 200 ? len : 199), sizeof(e->words) - (len < 200 ? len : 199), "№%zu", i);
		uint32_t change = e->kind == PHONE_SAID ? phone_next(&h->state, 40) : 9;
		if (change == 0)
			fmt_into(e->edited, sizeof(e->edited), "%.200s исправлено", e->words);
		e->deleted = change == 1;
		e->changed_s = at + (int64_t)phone_next(&h->state, 20 * 86400);
	}
}

static void phone_history_free(struct phone_history *h)
{
	free(h->v);
}

/* ---- a photo: coloured squares, a baseline JPEG (ITU T.81) of blocks that have nothing but a mean ---- */

struct phone_bits { struct buf *out; uint32_t acc; int n; };

static void phone_put(struct phone_bits *b, uint32_t v, int n)
{
	for (int i = n - 1; i >= 0; i--) {
		b->acc = b->acc << 1 | (v >> i & 1);
		if (++b->n == 8) {
			buf_addc(b->out, (char)(b->acc & 0xff));
			if ((b->acc & 0xff) == 0xff)
				buf_addc(b->out, '\0');
			b->acc = 0;
			b->n = 0;
		}
	}
}

static void phone_photo(struct buf *out, uint32_t seed, int across, int down)
{
	static const unsigned char head[] = { 0xff, 0xd8, 0xff, 0xe0, 0, 16, 'J', 'F', 'I', 'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 0xff, 0xdb, 0, 67, 0 };
	/* twelve codes of four bits for the size of a difference; one of one bit for "nothing else" */
	static const unsigned char tables[] = { 0xff, 0xc4, 0, 31, 0x00, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
		0xff, 0xc4, 0, 20, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xda, 0, 12, 3, 1, 0x00, 2, 0x00, 3, 0x00, 0, 63, 0 };
	int w = across * 8, h = down * 8, last[3] = { 0, 0, 0 };
	const unsigned char frame[] = { 0xff, 0xc0, 0, 17, 8, (unsigned char)(h >> 8), (unsigned char)h, (unsigned char)(w >> 8), (unsigned char)w, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0 };
	struct phone_bits b = { .out = out };
	uint32_t state = seed;
	buf_add(out, (const char *)head, sizeof(head));
	for (int i = 0; i < 64; i++)
		buf_addc(out, 8);
	buf_add(out, (const char *)frame, sizeof(frame));
	buf_add(out, (const char *)tables, sizeof(tables));
	for (int i = 0; i < across * down; i++)
		for (int c = 0; c < 3; c++) {
			int v = (int)phone_next(&state, c ? 160 : 200) - (c ? 80 : 100), d = v - last[c], size = 0;
			last[c] = v;
			for (int x = abs(d); x; x >>= 1)
				size++;
			phone_put(&b, (uint32_t)size, 4);
			if (size)
				phone_put(&b, (uint32_t)(d < 0 ? d + (1 << size) - 1 : d), size);
			phone_put(&b, 0, 1);
		}
	while (b.n)
		phone_put(&b, 1, 1);
	buf_add(out, "\xff\xd9", 2);
}

/* ---- an export ---- */

static void phone_header(const struct phone *p, int64_t shown, struct buf *out)
{
	int y, m, d, s = (int)(((shown % 86400) + 86400) % 86400), hh = s / 3600, mm = s / 60 % 60, ss = s % 60;
	phone_civil(shown, &y, &m, &d);
	switch (p->style) {
	case PHONE_RU_ANDROID:
		buf_addf(out, "%02d.%02d.%04d, %02d:%02d - ", d, m, y, hh, mm);
		break;
	case PHONE_RU_IPHONE:
		buf_addf(out, "[%02d.%02d.%04d, %02d:%02d:%02d] ", d, m, y, hh, mm, ss);
		break;
	case PHONE_EN_IPHONE:
		buf_addf(out, "[%d/%d/%02d, %d:%02d:%02d\xe2\x80\xaf%s] ", m, d, y % 100, hh % 12 ? hh % 12 : 12, mm, ss, hh < 12 ? "AM" : "PM");
		break;
	case PHONE_DE_ANDROID:
		buf_addf(out, "%02d.%02d.%02d, %02d:%02d - ", d, m, y % 100, hh, mm);
		break;
	case PHONE_EN_ANDROID:
		buf_addf(out, "%d/%d/%02d, %d:%02d\xe2\x80\xaf%s - ", m, d, y % 100, hh % 12 ? hh % 12 : 12, mm, hh < 12 ? "AM" : "PM");
		break;
	}
}

static bool phone_is_iphone(const struct phone *p)
{
	return p->style == PHONE_RU_IPHONE || p->style == PHONE_EN_IPHONE;
}

/* The words each style writes: left out, deleted, edited, added. */
static const char *const phone_words[][7] = {
	[PHONE_RU_ANDROID] = { "<Без медиафайлов>", "(файл добавлен)", "Данное сообщение удалено", "<Сообщение изменено>", "добавил(-а)", "",
		"Сообщения и звонки защищены сквозным шифрованием. Третьи лица, включая WhatsApp, не могут прочитать ваши сообщения или прослушать ваши звонки. Подробнее." },
	[PHONE_RU_IPHONE] = { "изображение отсутствует", "прикреплено: ", "Данное сообщение удалено.", "<Сообщение изменено>", "добавил(-а)", "",
		"Сообщения и звонки защищены сквозным шифрованием. Третьи лица, включая WhatsApp, не могут прочитать ваши сообщения или прослушать ваши звонки." },
	[PHONE_EN_IPHONE] = { "image omitted", "attached: ", "This message was deleted.", "<This message was edited>", "added", "",
		"Messages and calls are end-to-end encrypted. No one outside of this chat, not even WhatsApp, can read or listen to them." },
	[PHONE_DE_ANDROID] = { "<Medien ausgeschlossen>", "(Datei angehängt)", "Diese Nachricht wurde gelöscht.", "<Diese Nachricht wurde bearbeitet.>", "hat", " hinzugefügt",
		"Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt. Niemand außerhalb dieses Chats kann sie lesen oder anhören, nicht einmal WhatsApp." },
	[PHONE_EN_ANDROID] = { "<Media omitted>", "(file attached)", "This message was deleted", "<This message was edited>", "added", "",
		"Messages and calls are end-to-end encrypted. No one outside of this chat, not even WhatsApp, can read or listen to them." },
};

static bool phone_write(const char *path, const struct buf *b)
{
	FILE *f = fopen(path, "wb");
	bool ok = f && fwrite(b->p, 1, b->len, f) == b->len;
	return f && fclose(f) == 0 && ok;
}

/* Writes the phone's export into dir (made): the transcript and the photos it holds. */
static bool phone_export(const struct phone *p, const struct phone_history *h, const char *dir)
{
	struct buf out, photo;
	char path[700], name[120];
	const char *const *say = phone_words[p->style];
	const char *mark = "\xe2\x80\x8e", *eol = phone_is_iphone(p) ? "\r\n" : "\n";
	bool ok = mkdir(dir, 0777) == 0 || errno == EEXIST;
	buf_init(&out, (size_t)512 << 20);
	buf_init(&photo, 1 << 20);
	for (size_t i = 0; i < h->n && ok; i++) {
		const struct phone_event *e = &h->v[i];
		if (!i) { /* every export begins with the notice of encryption, in the phone's language */
			phone_header(p, e->at_s - 60 + p->shift(e->at_s - 60), &out);
			buf_addf(&out, "%s%s%s%s%s", phone_is_iphone(p) ? p->title : "", phone_is_iphone(p) ? ": " : "", phone_is_iphone(p) ? mark : "", say[6], eol);
		}
		if ((p->until_s && e->at_s > p->until_s) || !p->has(i, h->n))
			continue;
		int64_t shown = e->at_s + p->shift(e->at_s), until = p->until_s ? p->until_s : INT64_MAX;
		bool changed = e->changed_s && e->changed_s <= until;
		if (phone_is_iphone(p) && e->kind == PHONE_PHOTO)
			buf_add(&out, mark, 3);
		phone_header(p, shown, &out);
		if (e->kind == PHONE_ADDED) {
			if (phone_is_iphone(p))
				buf_addf(&out, "%s: %s", p->title, mark);
			buf_addf(&out, "%s %s %s%s%s", p->names[e->who], say[4], p->names[e->whom], say[5], eol);
			continue;
		}
		buf_addf(&out, "%s: ", p->names[e->who]);
		if (e->deleted && changed) {
			buf_addf(&out, "%s%s%s", phone_is_iphone(p) ? mark : "", say[2], eol);
		} else if (e->kind == PHONE_SAID) {
			bool edited = e->edited[0] && changed;
			buf_addf(&out, "%s", edited ? e->edited : e->words);
			if (edited)
				buf_addf(&out, " %s%s", phone_is_iphone(p) ? mark : "", say[3]);
			buf_adds(&out, eol);
		} else if (p->holds(i)) {
			int y, m, d, s = (int)(((shown % 86400) + 86400) % 86400);
			phone_civil(shown, &y, &m, &d);
			if (phone_is_iphone(p)) {
				fmt_into(name, sizeof(name), "%08zu-PHOTO-%04d-%02d-%02d-%02d-%02d-%02d.jpg", i, y, m, d, s / 3600, s / 60 % 60, s % 60);
				buf_addf(&out, "%s%s%s<%s%s>%s", e->words, e->words[0] ? " " : "", mark, say[1], name, eol);
			} else {
				fmt_into(name, sizeof(name), "IMG-%04d%02d%02d-WA%04zu.jpg", y, m, d, i);
				buf_addf(&out, "%s%s %s%s%s%s", mark, name, say[1], e->words[0] ? "\n" : "", e->words, eol);
			}
			buf_reset(&photo);
			phone_photo(&photo, (uint32_t)i, 8 + (int)(i % 5), 6 + (int)(i % 3));
			fmt_into(path, sizeof(path), "%s/%s", dir, name);
			ok = phone_write(path, &photo);
		} else if (phone_is_iphone(p)) {
			buf_addf(&out, "%s%s%s%s%s", e->words, e->words[0] ? " " : "", mark, say[0], eol);
		} else {
			buf_addf(&out, "%s%s%s%s", say[0], e->words[0] ? "\n" : "", e->words, eol);
		}
	}
	fmt_into(path, sizeof(path), phone_is_iphone(p) ? "%s/_chat.txt" : "%s/WhatsApp Chat with %s.txt", dir, p->title);
	ok = ok && phone_write(path, &out);
	buf_release(&out);
	buf_release(&photo);
	return ok;
}

#endif
