/* whatsapp_reader.h: an exported transcript as lines of UTF-8, whatever it was saved as. */
#ifndef MVCHAT_WHATSAPP_READER_H
#define MVCHAT_WHATSAPP_READER_H

#include "core/vault.h"

enum wa_encoding { WA_UTF8, WA_UTF16LE, WA_UTF16BE, WA_CP1251 };
const char *wa_encoding_name(enum wa_encoding e);

struct wa_line {
	const char *p;      /* valid UTF-8 without NUL; good until the next line is asked for */
	size_t n;           /* without the line's end */
	size_t no;          /* 1-based */
	bool begins;        /* false: goes on a line that was too long for one piece */
	bool after_lf;      /* the line before ended in a bare LF */
	bool crlf;          /* this one ends in CRLF */
};

struct wa_reader;
/* Looks at the beginning for a mark of the encoding; force_1251 reads a file without one as windows-1251. NULL + err. */
struct wa_reader *wa_reader_open(struct vault *v, const struct entry *en, bool force_1251, struct err *e);
enum wa_read { WA_LINE, WA_END, WA_FAILED };
enum wa_read wa_reader_next(struct wa_reader *r, struct wa_line *line, struct err *e);
enum wa_encoding wa_reader_encoding(const struct wa_reader *r);
bool wa_reader_bom(const struct wa_reader *r);
/* Lines with bytes that are no UTF-8 (they became U+FFFD), and how many of the bytes above 127 read as windows-1251 would be
 * Russian letters and signs, out of how many. */
void wa_reader_broken(const struct wa_reader *r, size_t *lines, size_t *cyrillic, size_t *high);
void wa_reader_close(struct wa_reader *r);

#endif
