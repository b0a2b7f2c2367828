/* whatsapp_header.h: the date and time at the beginning of an exported line, and what its three date fields mean.
 *
 * A header's *shape* is everything in it but the digits and the half of the day: "[N.N.Y, N:N:N]", "N/N/N, N:N M -". One shape is
 * locked for a file; a line of another shape is text. The shape says nothing about which of two fields is the month: that is
 * decided over the whole file, from evidence.
 */
#ifndef MVCHAT_WHATSAPP_HEADER_H
#define MVCHAT_WHATSAPP_HEADER_H

#include "core/base.h"

enum { WA_SHAPE_MAX = 48, WA_HEADER_MAX = 120 };

struct wa_head {
	char shape[WA_SHAPE_MAX];
	uint8_t shape_n;
	bool bracket;
	bool mark;          /* a mark of direction stands before it: on iPhones the line carries media */
	bool era;           /* a Japanese era's year stands first */
	bool seconds;
	bool native;        /* digits of another script than ASCII */
	uint16_t date[3];   /* in the order they stand */
	uint8_t width[3];   /* digits of each */
	uint8_t hour, minute, second;
	uint32_t hours;     /* hours the word for the half or part of the day allows; 0 = 24-hour clock */
	uint8_t len;        /* bytes up to the author */
};

/* Whether s[0..n) begins with a header. *near: it would, but for a word that is not known. */
enum wa_head_is { WA_HEAD_NO, WA_HEAD_YES, WA_HEAD_NEAR };
enum wa_head_is wa_head_parse(const char *s, size_t n, struct wa_head *h);
/* The same answer, sooner where the header has the shape of `head`, as nearly all of a file have, and most so where the numbers
 * are as long as in the header before. All but `head`, which is the caller's to set, begins as zeros. */
enum { WA_LIKE_MAX = 32 };
struct wa_like {
	struct wa_head head;
	uint8_t len;                            /* of the header remembered; 0 = none is */
	uint8_t nums, at[6], width[6];          /* its numbers */
	char after[6];
	unsigned char sign[WA_LIKE_MAX];        /* what stands between them */
	unsigned char digit[WA_LIKE_MAX], none[WA_LIKE_MAX]; /* 0xff where a digit stands; behind the header */
};
enum wa_head_is wa_head_parse_like(const char *s, size_t n, struct wa_like *like, struct wa_head *h);
bool wa_same_shape(const struct wa_head *a, const struct wa_head *b);
void wa_shape_text(const struct wa_head *h, char *out, size_t cap); /* "[N.N.Y, N:N:N]" */

/* A mark of direction or a byte order mark at s: its length, or 0. */
size_t wa_mark(const char *s, size_t n);

/* ---- readings ---- */

enum wa_order { WA_DMY, WA_MDY, WA_YMD, WA_N_ORDERS };
enum { WA_DAY_NONE = INT32_MIN };
const char *wa_order_name(enum wa_order o); /* "dmy" */
/* Days since 1970 under a reading; WA_DAY_NONE where it gives no possible date (2009..2050). Buddhist, Persian and Japanese
 * years are recognised by their size, two-digit Buddhist ones too. */
int32_t wa_day(const struct wa_head *h, enum wa_order o);
int32_t wa_day_of(int year, int month, int day); /* proleptic Gregorian */
void wa_day_split(int32_t day, int *year, int *month, int *mday);
int32_t wa_second_of_day(const struct wa_head *h); /* 24 h; -1 when the word and the hour contradict */

#endif
