/* gen_whatsapp.c: writes exports as WhatsApp would.
 *
 *   gen_whatsapp --locales DIR    for every locale an export of Android and of an iPhone, and what each line means beside it
 *   gen_whatsapp --bulk BYTES     a Russian chat from Android of that size, on stdout; for benchmarks
 *   gen_whatsapp --phones DIR     a trade chat as three phones export it, each in a folder of its own; for `make demo-whatsapp`
 *   gen_whatsapp --copies N DIR [P]  a chat of N messages as P phones export it (2, or 3); for benchmarks of merging
 */
#include "tests/conform/whatsapp_gen.h"
#include "tests/conform/whatsapp_phones.h"

#include "importers/whatsapp_match.h"

#include <errno.h>
#include <sys/stat.h>

static bool write_chat(const char *dir, const char *locale, enum gen_phone phone, struct gen *g)
{
	static struct gen_chat c;
	char path[512];
	gen_locale(g, locale, phone, &c);
	fmt_into(path, sizeof(path), "%s/%s-%s.txt", dir, locale, phone == GEN_IPHONE ? "iphone" : "android");
	FILE *f = fopen(path, "wb");
	bool ok = f && fwrite(c.text.p, 1, c.text.len, f) == c.text.len;
	ok = f && fclose(f) == 0 && ok;
	fmt_into(path, sizeof(path), "%s/%s-%s.meant", dir, locale, phone == GEN_IPHONE ? "iphone" : "android");
	f = ok ? fopen(path, "wb") : NULL;
	for (size_t i = 0; f && i < c.n; i++) {
		const struct gen_meant *m = &c.meant[i];
		fprintf(f, "%lld\t%s\t%s\t%s\t", (long long)m->at_s, m->author ? m->author : "-", m->kind ? m->kind : "-", m->edited ? "edited" : "-");
		for (const char *p = m->words; *p; p++)
			fputs(*p == '\n' ? "\\n" : (char[]){ *p, '\0' }, f);
		putc('\n', f);
	}
	ok = f && fclose(f) == 0;
	buf_release(&c.text);
	return ok;
}

/* A small generator of its own, so that the same bytes come everywhere. */
static uint32_t next(uint32_t *state, uint32_t n)
{
	*state = *state * 1664525u + 1013904223u;
	return (*state >> 8) % n;
}

static void bulk(size_t bytes)
{
	static const char *const words[] = { "заказ", "склад", "отгрузка", "сегодня", "машина", "придёт", "завтра", "к", "обеду", "счёт", "акт", "подписан",
		"нужно", "уточнить", "цену", "коллеги", "спасибо", "договорились", "проверь", "почту", "фото", "документы", "кабель", "щит", "автомат" };
	static const char *const who[] = { "Иван Петров", "Мария Кузнецова", "Склад Север", "+7 916 123-45-67", "Пётр" };
	uint32_t seed = 7;
	int64_t at = 1640995200; /* 1 January 2022 */
	for (size_t done = 0; done < bytes;) {
		int y, m, d;
		at += 5 + next(&seed, 240);
		gen_civil(at, &y, &m, &d);
		int n = printf("%02d.%02d.%04d, %02d:%02d - %s: ", d, m, y, (int)(at / 3600 % 24), (int)(at / 60 % 60), who[next(&seed, countof(who))]);
		uint32_t kind = next(&seed, 100);
		if (kind < 6)
			n += printf("<Без медиафайлов>");
		else if (kind < 8)
			n += printf("\xe2\x80\x8eIMG-%04d%02d%02d-WA%04u.jpg (файл добавлен)", y, m, d, next(&seed, 10000));
		else
			for (uint32_t k = 3 + next(&seed, 30); k; k--)
				n += printf("%s%s", words[next(&seed, countof(words))], k > 1 ? next(&seed, 40) ? " " : "\n" : "");
		putchar('\n');
		done += (size_t)(n > 0 ? n + 1 : 1);
	}
}

/* ---- a trade chat on three phones ---- */

/* Minutes after the message before; who; what. "photo:" and a caption; "+": somebody is added; "~": edited later, "-": deleted later. */
static const struct { int gap, who; const char *text; } trade[] = {
	{ 0, 0, "+" }, { 2, 0, "Коллеги, доброе утро. Здесь отгрузки по заказам северных объектов" }, { 3, 1, "Доброе утро!" }, { 1, 2, "Принято" },
	{ 40, 1, "Заказ № 48213: кабель ВВГнг 3х2,5, 12 бухт. Отгрузка во вторник?" }, { 4, 2, "На складе 9 бухт, остальное придёт в понедельник" },
	{ 2, 0, "*Вторник держим.* Машину закажу на 10:00" }, { 1, 1, "ок" }, { 1, 2, "ок" }, { 95, 2, "photo:бухты на приёмке" }, { 1, 2, "photo:" },
	{ 2, 0, "Вижу, спасибо. Бирки перевесьте, пожалуйста" }, { 240, 3, "Счёт 1107 оплачен, платёжку отправила на почту" }, { 3, 1, "Спасибо, Ольга" },
	{ 900, 2, "Приехали остальные 3 бухты, все 12 на месте" }, { 2, 2, "photo:паллета собрана" }, { 5, 0, "Отлично. @Мария проверьте адрес выгрузки" },
	{ 7, 1, "~Адрес: Мурманск, Портовый проезд 12|Адрес: Мурманск, Портовый проезд 14, ворота 3" }, { 1, 0, "ок" }, { 1300, 2, "Машина подъехала, грузим" },
	{ 25, 2, "photo:" }, { 1, 2, "photo:пломба 0048213" }, { 10, 2, "Погрузили, водитель Алексей, +7 921 555-01-02" }, { 3, 0, "Принято. Ждём на месте в среду к обеду" },
	{ 60, 3, "-ошиблась чатом" }, { 1380, 1, "Водитель звонил: перевал закрыт до 15:00" }, { 2, 0, "Понял, предупрежу объект" }, { 190, 1, "Поехал" },
	{ 400, 4, "Добрый вечер, я на объекте, встречу" }, { 120, 4, "Выгрузили, пересчитал: 12 бухт, повреждений нет" }, { 2, 4, "photo:акт подписан" }, { 1, 4, "photo:" },
	{ 5, 1, "Алексей, спасибо!" }, { 1, 0, "Всем спасибо, 48213 закрыт" }, { 1, 2, "👍" }, { 1, 3, "👍" },
	{ 2500, 1, "Заказ № 48290: щит ЩРн-24, 6 шт, автоматы С16 — 60 шт" }, { 6, 2, "Щиты есть, автоматов 40. Остаток заказал у поставщика" },
	{ 3, 0, "~Когда будут?|Когда будут автоматы?" }, { 8, 2, "Обещают 5 апреля" }, { 1, 0, "ок" }, { 1, 1, "ок" }, { 4300, 2, "Автоматы приехали" }, { 1, 2, "photo:" },
	{ 3, 1, "Отгружаем завтра первой машиной" }, { 900, 2, "photo:погрузка 48290" }, { 30, 4, "Принял на объекте, всё сходится" }, { 2, 0, "48290 закрыт. Спасибо!" },
};

static int64_t moscow(int64_t at) { (void)at; return 3 * 3600; }
static int64_t ekaterinburg(int64_t at) { (void)at; return 5 * 3600; }
static int64_t late_clock(int64_t at) { (void)at; return 3 * 3600 - 130; }
static bool ivan_has(size_t i, size_t n) { (void)n; return i < 25 || i >= 29; }
static bool maria_has(size_t i, size_t n) { (void)n; return i < 38; }
static bool alex_has(size_t i, size_t n) { (void)n; return i >= 6; }
static bool ivan_holds(size_t i) { return i != 10 && i != 30; }
static bool maria_holds(size_t i) { return i != 15; }
static bool alex_holds(size_t i) { return i % 2 == 0 || i > 40; }

static bool trade_chat(const char *dir)
{
	static const char title[] = "Отгрузки Север";
	const struct phone phones[] = {
		{ PHONE_RU_ANDROID, title, { "Иван Соколов", "Мария Снабжение", "+7 921 444-10-20", "Ольга Бухгалтерия", "+7 921 555-01-02" }, moscow, ivan_has, ivan_holds, 0 },
		{ PHONE_RU_IPHONE, title, { "Иван (начальник)", "Мария К.", "Пётр Склад", "Оля", "Алексей Объект" }, ekaterinburg, maria_has, maria_holds, 0 },
		{ PHONE_EN_IPHONE, title, { "Ivan Boss", "+7 912 000-33-44", "~ Petr", "Olga", "Alex" }, late_clock, alex_has, alex_holds, 0 },
	};
	static const char *const folders[] = { "ivan", "maria", "alexey" };
	struct phone_history h = { .v = calloc(countof(trade), sizeof(*h.v)), .n = countof(trade) };
	int64_t at = 1710918000; /* 20 March 2024, 10:00 in Moscow */
	bool ok = true;
	for (size_t i = 0; i < countof(trade); i++) {
		struct phone_event *e = &h.v[i];
		const char *t = trade[i].text, *bar = strchr(t, '|');
		at += trade[i].gap * 60 + (int)(i * 37 % 50);
		*e = (struct phone_event){ .at_s = at, .who = trade[i].who, .whom = 1, .changed_s = at + 600 };
		e->kind = streq(t, "+") ? PHONE_ADDED : strncmp(t, "photo:", 6) == 0 ? PHONE_PHOTO : PHONE_SAID;
		e->deleted = *t == '-';
		if (e->kind != PHONE_ADDED)
			snprintf(e->words, sizeof(e->words), "%.*s", bar ? (int)(bar - t - 1) : PHONE_WORDS - 1, t + (e->kind == PHONE_PHOTO ? 6 : *t == '-' || *t == '~'));
		if (bar)
			fmt_into(e->edited, sizeof(e->edited), "%s", bar + 1);
	}
	for (size_t i = 0; ok && i < countof(phones); i++) {
		char path[600];
		fmt_into(path, sizeof(path), "%s/%s", dir, folders[i]);
		ok = mkdir(path, 0777) == 0 || errno == EEXIST;
		fmt_into(path, sizeof(path), "%s/%s/WhatsApp Chat - %s", dir, folders[i], title);
		ok = ok && phone_export(&phones[i], &h, path);
	}
	phone_history_free(&h);
	return ok;
}

static bool nearly_all(size_t i, size_t n) { (void)n; return i % 50 != 7; }
static bool nearly_all_others(size_t i, size_t n) { (void)n; return i % 50 != 9; }
static bool from_third(size_t i, size_t n) { return i >= n / 3 && i % 50 != 11; }
static bool none(size_t i) { (void)i; return false; }

/* A million messages with the pauses of the usual history would last for eighty years, and years are written with two digits. */
static void shorten_pauses(struct phone_history *h)
{
	enum { LONG_S = 300, MANY = 200000, AS_MANY = 100000 };
	int64_t was = h->n ? h->v[0].at_s : 0, at = was;
	for (size_t i = 1; h->n > MANY && i < h->n; i++) {
		struct phone_event *e = &h->v[i];
		int64_t gap = e->at_s - was, change = e->changed_s - e->at_s;
		was = e->at_s;
		at += gap > LONG_S ? LONG_S + (gap - LONG_S) / (int64_t)(h->n / AS_MANY) : gap;
		e->at_s = at;
		e->changed_s = e->changed_s ? at + change : 0;
	}
}

static bool copies(size_t n, const char *dir, size_t n_phones)
{
	const struct phone phones[] = {
		{ PHONE_RU_ANDROID, "Склад", { "Иван", "Мария", "+7 916 123-45-67", "Ольга", "Пётр" }, moscow, nearly_all, none, 0 },
		{ PHONE_RU_IPHONE, "Склад", { "Ваня", "Маша", "Сергей", "Оля", "Петя" }, ekaterinburg, nearly_all_others, none, 0 },
		{ PHONE_EN_IPHONE, "Склад", { "Ivan Boss", "+7 912 000-33-44", "~ Sergey", "Olga", "Peter" }, late_clock, from_third, none, 0 },
	};
	struct phone_history h;
	char path[600];
	bool ok = true;
	phone_history(&h, 5, n, 1500000000);
	shorten_pauses(&h);
	for (size_t i = 0; ok && i < n_phones && i < countof(phones); i++) {
		fmt_into(path, sizeof(path), "%s/%zu", dir, i + 1);
		ok = phone_export(&phones[i], &h, path);
	}
	phone_history_free(&h);
	return ok;
}

int main(int argc, char **argv)
{
	struct gen g;
	if (argc == 3 && streq(argv[1], "--phones"))
		return ((mkdir(argv[2], 0777) == 0 || errno == EEXIST) && trade_chat(argv[2])) ? 0 : 1;
	if ((argc == 4 || argc == 5) && streq(argv[1], "--copies"))
		return ((mkdir(argv[3], 0777) == 0 || errno == EEXIST) && copies(strtoul(argv[2], NULL, 10), argv[3], argc == 5 ? strtoul(argv[4], NULL, 10) : 2)) ? 0 : 1;
	if (argc == 3 && streq(argv[1], "--bulk")) {
		bulk(strtoul(argv[2], NULL, 10));
		return ferror(stdout) ? 1 : 0;
	}
	if (argc != 3 || !streq(argv[1], "--locales")) {
		fprintf(stderr, "usage: gen_whatsapp --locales DIR | --bulk BYTES | --phones DIR | --copies N DIR [PHONES]\n");
		return 2;
	}
	if ((mkdir(argv[2], 0777) != 0 && errno != EEXIST) || !gen_read(&g, "importers/whatsapp_strings.tsv")) {
		fprintf(stderr, "cannot write to %s, or importers/whatsapp_strings.tsv is not here\n", argv[2]);
		return 1;
	}
	for (size_t i = 0; i < wa_n_locales; i++)
		if (!write_chat(argv[2], wa_locales[i], GEN_ANDROID, &g) || !write_chat(argv[2], wa_locales[i], GEN_IPHONE, &g)) {
			fprintf(stderr, "cannot write to %s\n", argv[2]);
			return 1;
		}
	arena_release(&g.a);
	return 0;
}
