/* gen_whatsapp.c: writes exports as WhatsApp would.
 *
 *   gen_whatsapp --locales DIR    for every locale an export of Android and of an iPhone, and what each line means beside it
 *   gen_whatsapp --bulk BYTES     a Russian chat from Android of that size, on stdout; for benchmarks
 */
#include "tests/conform/whatsapp_gen.h"

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

int main(int argc, char **argv)
{
	struct gen g;
	if (argc == 3 && streq(argv[1], "--bulk")) {
		bulk(strtoul(argv[2], NULL, 10));
		return ferror(stdout) ? 1 : 0;
	}
	if (argc != 3 || !streq(argv[1], "--locales")) {
		fprintf(stderr, "usage: gen_whatsapp --locales DIR | --bulk BYTES\n");
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
