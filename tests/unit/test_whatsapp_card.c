/* test_whatsapp_card.c: contact cards as phones of different ages write them, and any bytes. */
#include "importers/whatsapp_card.h"

#include "core/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void cards(void **state)
{
	static const struct { const char *card, *says; } cases[] = {
		{ "BEGIN:VCARD\nVERSION:3.0\nFN:Иван Петров\nTEL:+79161112233\nEND:VCARD\n", "Иван Петров, +79161112233" },
		/* iPhone: groups, WhatsApp's own parameter, two numbers and one of them twice */
		{ "BEGIN:VCARD\r\nVERSION:3.0\r\nN:Петров;Иван;;;\r\nFN:Иван Петров\r\nitem1.TEL;waid=79161112233:+7 916 111-22-33\r\nitem1.X-ABLabel:Мобильный\r\n"
		  "item2.TEL;type=WORK:+7 495 000 00 00\r\nTEL:+7 495 000 00 00\r\nEND:VCARD\r\n", "Иван Петров, +7 916 111-22-33, +7 495 000 00 00" },
		/* 2.1: quoted-printable with soft line breaks, in the middle of a character, too */
		{ "BEGIN:VCARD\r\nVERSION:2.1\r\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=D0=9F;=D0=98;;;\r\n"
		  "FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=D0=98=D0=B2=D0=B0=D0=\r\n=BD=20=D0=9F=\r\n=D0=B5=D1=82=D1=80=D0=BE=D0=B2\r\nTEL;CELL:89161112233\r\nEND:VCARD\r\n",
		  "Иван Петров, 89161112233" },
		{ "BEGIN:VCARD\nVERSION:2.1\nfn;quoted-printable:=d0=98=d0=b2\ntel;cell;pref:123\nEND:VCARD\n", "Ив, 123" },
		/* no FN: the parts of N */
		{ "BEGIN:VCARD\nVERSION:2.1\nN;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:=D0=9F=D0=B5;=D0=98=D0=B2;=D0=A1=D0=B5;;\nEND:VCARD\n", "Ив Се Пе" },
		/* folded, escaped */
		{ "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:ООО «Ре\r\n  дуктор»\\, склад\\; ворота 3\r\nTEL;VALUE=uri:tel:+7-916-111-22-33\r\nEND:VCARD\r\n",
		  "ООО «Ре дуктор», склад; ворота 3, +7-916-111-22-33" },
		/* a photograph between */
		{ "BEGIN:VCARD\nFN:Ann\nPHOTO;BASE64:FN=:TEL\n FN:evil\n\nTEL:112\nEND:VCARD\n", "Ann, 112" },
		/* several in one file */
		{ "BEGIN:VCARD\nFN:Ann\nTEL:111\nEND:VCARD\nBEGIN:VCARD\nFN:Bob\nEND:VCARD\nBEGIN:VCARD\nTEL:5555\nEND:VCARD\n", "Ann, 111; Bob" },
		/* cut off; no phone at all; words where a phone should be */
		{ "\xef\xbb\xbf" "BEGIN:VCARD\nFN:Ann\nTEL:11122", "Ann, 11122" },
		{ "BEGIN:VCARD\nFN:Ann\nTEL:call me\nTEL:1\nEND:VCARD\n", "Ann" },
		/* not UTF-8, not a card */
		{ "BEGIN:VCARD\nFN;ENCODING=QUOTED-PRINTABLE:=FF=FE\nTEL:112\nEND:VCARD\n", "" },
		{ "BEGIN:VCARD\nFN:\xc8\xe2\xe0\xed\nN:;Ann;;;\nEND:VCARD\n", "Ann" },
		{ "", "" }, { "FN", "" }, { ":\n:\n", "" }, { "FN;ENCODING=QUOTED-PRINTABLE:=", "" },
	};
	struct buf b;
	(void)state;
	buf_init(&b, 1 << 16);
	for (size_t i = 0; i < countof(cases); i++) {
		wa_card_read(cases[i].card, strlen(cases[i].card), &b);
		const char *said = b.len ? b.p : "";
		if (strcmp(said, cases[i].says))
			fail_msg("%zu: '%s', expected '%s'", i, said, cases[i].says);
	}
	buf_release(&b);
}

/* What it says is bounded and UTF-8, whatever the bytes and wherever they end (exactly there: the sanitizer watches). */
static void any_bytes(void **state)
{
	static const char *const pieces[] = { "BEGIN:VCARD\r\n", "FN:", "N:", "item1.TEL;a=b:", "TEL:", ";", ":", "=\n", "=D0", "=98", "\n", "\r\n ", "\\", "\\n", "END:VCARD\n",
		";ENCODING=QUOTED-PRINTABLE", "Ив", "\xd0", "\xff", "+7916", "ааааааааааааааааааааааааааааааааааааааааааааа", "FN;QUOTED-PRINTABLE:" };
	uint32_t r = 7;
	struct buf b;
	size_t said = 0;
	(void)state;
	buf_init(&b, 1 << 16);
	for (int i = 0; i < 20000; i++) {
		char s[3000];
		size_t n = 0, k = 1 + (size_t)i % 60;
		while (k--) {
			r = r * 1664525u + 1013904223u;
			const char *p = pieces[(r >> 10) % countof(pieces)];
			const size_t len = strlen(p);
			memcpy(s + n, p, len);
			n += len;
		}
		n -= (r >> 8) % 3 < n ? (r >> 8) % 3 : 0;
		char *exact = malloc(n ? n : 1);
		assert_non_null(exact);
		memcpy(exact, s, n);
		wa_card_read(exact, n, &b);
		free(exact);
		assert_false(b.full);
		assert_true(b.len <= 10 * (1000 + 5 * 42) && (!b.len || utf8_valid(b.p, b.len)));
		said += b.len > 0;
	}
	assert_true(said > 1000);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(cards), cmocka_unit_test(any_bytes) };
	return cmocka_run_group_tests_name("whatsapp_card", tests, NULL, NULL);
}
