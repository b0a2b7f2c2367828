/* whatsapp_header.c: parsing the date and time of a line, in every script and order met.
 *
 * Promises: looks at no more than WA_HEADER_MAX bytes; accepts digits of all scripts WhatsApp writes, marks of direction
 * anywhere, every kind of space; refuses a line with a word it does not know rather than guess (and says so). It does not
 * decide which field is the month. Shapes: exports of all platforms since 2013 and the patterns of CLDR 48 for 82 locales.
 */
#include "importers/whatsapp_header.h"

#include "core/utf8.h"
#include "importers/whatsapp_match.h"

#include <string.h>

enum { NUMBERS_MAX = 6, YEAR_FIRST = 2009, YEAR_LAST = 2050 };

size_t wa_mark(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	if (n < 2 || p[0] < 0xd8)
		return 0;
	if (p[0] == 0xd8)
		return p[1] == 0x9c ? 2 : 0;
	if (n < 3)
		return 0;
	if (p[0] == 0xe2 && p[1] == 0x80)
		return p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xaa && p[2] <= 0xae) ? 3 : 0;
	if (p[0] == 0xe2 && p[1] == 0x81)
		return p[2] >= 0xa6 && p[2] <= 0xa9 ? 3 : 0;
	return p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf ? 3 : 0;
}

/* Zeros of the decimal digits of the scripts (Unicode, general category Nd) that a phone may be set to. */
static int native_digit(uint32_t c)
{
	static const uint32_t zeros[] = { 0x0660, 0x06f0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66, 0x0e50, 0x0ed0, 0x0f20,
		0x1040, 0x17e0, 0x1810, 0xff10 };
	for (size_t i = 0; i < countof(zeros); i++)
		if (c >= zeros[i] && c <= zeros[i] + 9)
			return (int)(c - zeros[i]);
	return -1;
}

/* The digit at s, or -1; *k = its length. */
static inline int digit(const char *s, size_t n, size_t *k)
{
	if (!n)
		return -1;
	if (*s >= '0' && *s <= '9') {
		*k = 1;
		return *s - '0';
	}
	if ((unsigned char)*s < 0xd9)
		return -1;
	uint32_t c;
	*k = utf8_get(s, n, &c);
	return *k ? native_digit(c) : -1;
}

static inline size_t space(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	if (!n)
		return 0;
	if (p[0] == ' ')
		return 1;
	if (p[0] == 0xc2 && n > 1 && p[1] == 0xa0)
		return 2;
	if (p[0] == 0xe2 && n > 2 && p[1] == 0x80 && (p[2] == 0xaf || p[2] == 0x89 || p[2] == 0x87))
		return 3;
	return 0;
}

/* Whether word stands at s, any space for a space and marks passed over. Returns its length in s, or 0. */
static size_t word_at(const char *s, size_t n, const char *word)
{
	size_t i = 0;
	while (*word) {
		size_t k = i < n ? wa_mark(s + i, n - i) : 0;
		if (k) {
			i += k;
			continue;
		}
		if (*word == ' ') {
			k = space(s + i, n - i);
			if (!k)
				return 0;
			i += k;
		} else if (i < n && s[i] == *word) {
			i++;
		} else {
			return 0;
		}
		word++;
	}
	return i;
}

/* A letter that would go on with a word. Scripts without spaces set the digit right behind it. */
static bool goes_on(const char *s, size_t n)
{
	unsigned char c = n ? (unsigned char)*s : ' ';
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= 0xc3 && !wa_mark(s, n) && !space(s, n) && c < 0xe2);
}

/* The word for a half or a part of the day at s. */
static size_t day_word(const char *s, size_t n, uint32_t *hours)
{
	size_t best = 0;
	const unsigned char low = (unsigned char)*s | 0x20;
	if (n >= 2 && (low == 'a' || low == 'p') && (s[1] | 0x20) == 'm' && !goes_on(s + 2, n - 2)) { /* nearly all of them */
		*hours = low == 'a' ? 0xfff : 0xfff000;
		return 2;
	}
	for (size_t i = 0; i < wa_n_words; i++) {
		if (wa_words[i].text[0] != *s)
			continue;
		size_t k = word_at(s, n, wa_words[i].text);
		if (k > best && !goes_on(s + k, n - k)) {
			best = k;
			*hours = wa_words[i].hours;
		}
	}
	return best;
}

/* Words of dates that are no half of a day (CLDR 48 date patterns and era names). */
static size_t filler(const char *s, size_t n, bool *era)
{
	static const char *const words[] = { "klo", "kl.", "\xc3\xa0", "\xc3\xa0s", "um", "a las", "\xd0\xb3.", "\xd0\xb3", "\xd1\x87.", "\xd1\x87", "h", "min", "s",
		"BE", "AD", "CE", "\xe0\xb8\x9e.\xe0\xb8\xa8.", "\xe0\xb8\x84.\xe0\xb8\xa8.", "\xe5\xb9\xb4", "\xe6\x9c\x88", "\xe6\x97\xa5", "\xe6\x97\xb6", "\xe6\x99\x82",
		"\xe5\x88\x86", "\xe7\xa7\x92", "\xeb\x85\x84", "\xec\x9b\x94", "\xec\x9d\xbc", "\xec\x8b\x9c", "\xeb\xb6\x84", "\xec\xb4\x88" };
	static const char *const eras[] = { "R", "\xe4\xbb\xa4\xe5\x92\x8c" }; /* Reiwa: year 1 is 2019 */
	size_t best = 0;
	for (size_t i = 0; i < countof(words); i++) {
		size_t k = words[i][0] == *s ? word_at(s, n, words[i]) : 0;
		if (k > best && !goes_on(s + k, n - k))
			best = k;
	}
	for (size_t i = 0; i < countof(eras) && !best; i++) {
		best = word_at(s, n, eras[i]);
		*era |= best > 0;
	}
	return best;
}

/* ---- the parser ---- */

struct scan {
	const char *s;
	size_t n, i;
	struct wa_head *h;
	uint16_t num[NUMBERS_MAX];
	uint8_t width[NUMBERS_MAX];
	char after[NUMBERS_MAX]; /* the first sign behind each number that is no space */
	int nums;
	bool unknown;            /* a word that is not known was passed over */
};

static inline void emit(struct scan *t, char c)
{
	struct wa_head *h = t->h;
	if (c == ' ' && h->shape_n && h->shape[h->shape_n - 1] == ' ')
		return;
	if (h->shape_n < WA_SHAPE_MAX)
		h->shape[h->shape_n++] = c;
}

static inline void sign(struct scan *t, char c)
{
	if (t->nums && !t->after[t->nums - 1] && c != ' ')
		t->after[t->nums - 1] = c;
	emit(t, c);
}

static bool number(struct scan *t, int d, size_t k)
{
	unsigned v = 0;
	uint8_t width = 0;
	if (t->nums == NUMBERS_MAX)
		return false;
	while (d >= 0) {
		if (++width > 4)
			return false;
		v = v * 10 + (unsigned)d;
		t->i += k;
		t->h->native |= k > 1;
		d = digit(t->s + t->i, t->n - t->i, &k);
	}
	if (width == 3)
		return false;
	t->num[t->nums] = (uint16_t)v;
	t->width[t->nums] = width;
	t->nums++;
	emit(t, width == 4 ? 'Y' : 'N');
	return true;
}

static bool word(struct scan *t)
{
	uint32_t hours = 0;
	const char *s = t->s + t->i;
	size_t n = t->n - t->i, k = t->nums ? day_word(s, n, &hours) : 0;
	if (k) {
		if (t->h->hours)
			return false;
		t->h->hours = hours;
		sign(t, 'M');
		t->i += k;
		if (t->i < t->n && t->s[t->i] == '.')
			t->i++; /* "p.m." and "p.m" are one */
		return true;
	}
	k = filler(s, n, &t->h->era);
	if (k) {
		sign(t, s[0]);
		for (size_t j = 1; j < k; j++)
			emit(t, s[j]);
		t->i += k;
		return true;
	}
	/* Letters of an unknown word, up to the next sign that a header has. */
	size_t i = 0;
	while (i < n && i < 40 && !space(s + i, n - i) && !strchr("0123456789[]:,/-", s[i]))
		i++;
	if (!i || t->nums < 3 || t->unknown)
		return false;
	t->unknown = true;
	t->i += i;
	return true;
}

/* Whether the header ends here: "]", " - ", ":" (old iPhones) or ";" behind the seconds. */
static bool ends(struct scan *t)
{
	const char *s = t->s + t->i;
	size_t n = t->n - t->i;
	if (t->h->bracket) {
		if (*s != ']')
			return false;
		emit(t, ']');
		t->i++;
		t->i += space(t->s + t->i, t->n - t->i);
		return true;
	}
	if (t->nums < 5)
		return false;
	if (*s == '-' || (n > 2 && !memcmp(s, "\xe2\x80\x93", 3))) {
		size_t k = *s == '-' ? 1 : 3, gap = space(s + k, n - k);
		if (!t->i || !(gap || n == k) || t->h->shape[t->h->shape_n - 1] != ' ')
			return false;
		emit(t, '-');
		t->i += k + gap;
		return true;
	}
	if (*s == ',' && space(s + 1, n - 1)) { /* Korean: "2024. 1. 31. <half> 3:04, Name : " */
		emit(t, ',');
		t->i += 1 + space(s + 1, n - 1);
		return true;
	}
	if ((*s == ':' || *s == ';') && (t->nums == 6 || t->h->hours) && n > 1 && s[1] == ' ') {
		emit(t, *s);
		t->i += 2;
		return true;
	}
	return false;
}

static bool settle(struct scan *t)
{
	struct wa_head *h = t->h;
	int time_at = 3, date_at = 0, n_time = t->nums - 3;
	if (t->nums < 5)
		return false;
	if (t->after[0] == ':') { /* time first: Vietnamese */
		n_time = t->after[1] == ':' ? 3 : 2;
		time_at = 0;
		date_at = n_time;
	}
	if (t->nums - n_time != 3)
		return false;
	h->seconds = n_time == 3;
	unsigned hour = t->num[time_at], minute = t->num[time_at + 1], second = h->seconds ? t->num[time_at + 2] : 0;
	if (hour > 24 || minute > 59 || second > 60 || t->width[time_at] > 2 || t->width[time_at + 1] != 2 || (h->seconds && t->width[time_at + 2] != 2))
		return false;
	if (h->hours && (hour > 12))
		return false;
	h->hour = (uint8_t)hour;
	h->minute = (uint8_t)minute;
	h->second = (uint8_t)second;
	int years = 0;
	for (int i = 0; i < 3; i++) {
		h->date[i] = t->num[date_at + i];
		h->width[i] = t->width[date_at + i];
		years += h->width[i] == 4;
		if (!h->date[i] && h->width[i] < 2)
			return false;
	}
	char sep = t->after[date_at];
	if (years > 1 || h->width[1] == 4 || !sep || sep == ':' || sep == ',' || t->after[date_at + 1] == ':')
		return false;
	return true;
}

enum wa_head_is wa_head_parse(const char *s, size_t n, struct wa_head *h)
{
	struct scan t = { .s = s, .n = n < WA_HEADER_MAX ? n : WA_HEADER_MAX, .h = h };
	unsigned char c = n ? (unsigned char)*s : 0;
	/* What most lines that are no headers begin with. */
	if (!c || ((c < '0' || c > '9') && c != '[' && c < 0xd8 && c != 'R'))
		return WA_HEAD_NO;
	h->shape_n = 0;
	h->bracket = h->mark = h->era = h->native = false;
	h->hours = 0;
	for (size_t k; (k = wa_mark(s + t.i, t.n - t.i)); t.i += k)
		h->mark |= (unsigned char)s[t.i] == 0xe2;
	if (t.i < t.n && s[t.i] == '[') {
		h->bracket = true;
		emit(&t, '[');
		t.i++;
	}
	for (;;) {
		size_t k = 0;
		if (t.i >= t.n)
			return WA_HEAD_NO;
		c = (unsigned char)s[t.i];
		int d = digit(s + t.i, t.n - t.i, &k);
		if (d >= 0) {
			if (!number(&t, d, k))
				return WA_HEAD_NO;
			continue;
		}
		if (!t.nums && c != 'R' && c < 0xe2)
			return WA_HEAD_NO;
		if ((k = space(s + t.i, t.n - t.i))) {
			emit(&t, ' ');
			t.i += k;
		} else if ((k = wa_mark(s + t.i, t.n - t.i))) {
			t.i += k;
		} else if (t.nums >= 5 && ends(&t)) {
			break;
		} else if (c == '/' || c == '.' || c == '-' || c == ':' || c == ',') {
			sign(&t, (char)c);
			t.i++;
		} else if (c == 0xd8 && t.i + 1 < t.n && (unsigned char)s[t.i + 1] == 0x8c) { /* the Arabic comma */
			sign(&t, ',');
			t.i += 2;
		} else if (!word(&t)) {
			return WA_HEAD_NO;
		}
	}
	if (!settle(&t))
		return WA_HEAD_NO;
	h->len = (uint8_t)t.i;
	return t.unknown ? WA_HEAD_NEAR : WA_HEAD_YES;
}

/* ---- the same shape again ---- */

/* A number of ASCII digits at t, with at least one more byte behind it: one or two digits, or four. */
static bool number_like(struct scan *t, char shape)
{
	const char *s = t->s + t->i;
	const size_t left = t->n - t->i, most = shape == 'Y' ? 4 : 2;
	unsigned v = 0;
	size_t k = 0;
	for (; k < most && k < left && s[k] >= '0' && s[k] <= '9'; k++)
		v = v * 10 + (unsigned)(s[k] - '0');
	if (!k || (shape == 'Y' && k < most) || k == left || (s[k] >= '0' && s[k] <= '9') || (unsigned char)s[k] >= 0x80 || t->nums == NUMBERS_MAX)
		return false;
	t->num[t->nums] = (uint16_t)v;
	t->width[t->nums++] = (uint8_t)k;
	t->i += k;
	return true;
}

/* Whether t is a header of just this shape, written with ASCII digits and plain spaces: then the parser, which sees the same signs,
 * would do the same. Shapes with words in them, and rare ends, are left to it. */
static bool scan_like(struct scan *t, const struct wa_head *like)
{
	for (size_t k = 0; k < like->shape_n; k++) {
		const char c = like->shape[k];
		const bool last = k + 1 == like->shape_n;
		if (c == 'N' || c == 'Y') {
			if (!number_like(t, c))
				return false;
			continue;
		}
		if (t->n - t->i < 2 || t->s[t->i] != c)
			return false;
		const unsigned char then = (unsigned char)t->s[++t->i];
		switch (c) {
		case '[':
			break;
		case ' ':
			if (then == ' ')
				return false;
			break;
		case ']':
			if (!last || !like->bracket || t->nums < 5 || then >= 0x80)
				return false;
			t->i += then == ' ';
			return true;
		case '-':
			if (last && !like->bracket && t->nums >= 5 && k && like->shape[k - 1] == ' ' && then == ' ') {
				t->i++;
				return true;
			}
			/* fallthrough */
		case '.': case '/': case ':': case ',':
			if (last || (c == ':' ? then == ' ' : t->nums >= 5))
				return false;
			if (t->nums && !t->after[t->nums - 1])
				t->after[t->nums - 1] = c;
			break;
		default:
			return false;
		}
	}
	return false;
}

/* Remembers a header that scan_like has taken, when it ends in a blank, so that what follows it does not matter. */
static void remember(struct wa_like *like, const struct scan *t)
{
	like->len = 0;
	if (t->i > WA_LIKE_MAX || t->s[t->i - 1] != ' ')
		return;
	int num = -1;
	for (size_t i = 0; i < WA_LIKE_MAX; i++) {
		const bool in = i < t->i, digit = in && t->s[i] >= '0' && t->s[i] <= '9';
		if (digit && !(i && like->digit[i - 1]))
			like->at[++num] = (uint8_t)i;
		like->sign[i] = in ? (unsigned char)t->s[i] : 0;
		like->digit[i] = digit ? 0xff : 0;
		like->none[i] = in ? 0 : 0xff;
	}
	_Static_assert(sizeof(like->width) == sizeof(t->width) && sizeof(like->after) == sizeof(t->after), "as many numbers");
	memcpy(like->width, t->width, sizeof(like->width));
	memcpy(like->after, t->after, sizeof(like->after));
	like->nums = (uint8_t)t->nums;
	like->len = (uint8_t)t->i;
}

/* Sixteen bytes at once, with the vectors that gcc and clang have for any machine. */
typedef unsigned char bytes __attribute__((vector_size(16)));

static bytes bytes_at(const void *p)
{
	bytes v;
	memcpy(&v, p, sizeof(v));
	return v;
}

/* Does s differ from the header remembered in nothing but its digits? */
static bool differs_in_digits(const struct wa_like *like, const char *s)
{
	bytes bad = { 0 };
	for (size_t i = 0; i < WA_LIKE_MAX; i += sizeof(bytes)) {
		const bytes v = bytes_at(s + i), digit = bytes_at(like->digit + i);
		const bytes ok = (digit & (bytes)((v - '0') < 10)) | (~digit & (bytes)(v == bytes_at(like->sign + i)));
		bad |= ~(ok | bytes_at(like->none + i));
	}
	uint64_t half[2];
	memcpy(half, &bad, sizeof(half));
	return !(half[0] | half[1]);
}

static bool scan_again(struct scan *t, const struct wa_like *like)
{
	if (!like->len || t->n < WA_LIKE_MAX || !differs_in_digits(like, t->s))
		return false;
	for (int k = 0; k < like->nums; k++) {
		const char *s = t->s + like->at[k];
		unsigned v = 0;
		for (int i = 0; i < like->width[k]; i++)
			v = v * 10 + (unsigned)(s[i] - '0');
		t->num[k] = (uint16_t)v;
	}
	memcpy(t->width, like->width, sizeof(t->width));
	memcpy(t->after, like->after, sizeof(t->after));
	t->nums = like->nums;
	t->i = like->len;
	return true;
}

enum wa_head_is wa_head_parse_like(const char *s, size_t n, struct wa_like *like, struct wa_head *h)
{
	if (!n || ((*s < '0' || *s > '9') && *s != '['))
		return wa_head_parse(s, n, h);
	struct scan t = { .s = s, .n = n < WA_HEADER_MAX ? n : WA_HEADER_MAX, .h = h };
	if (!scan_again(&t, like)) {
		if (!scan_like(&t, &like->head))
			return wa_head_parse(s, n, h);
		if (t.n >= WA_LIKE_MAX)
			remember(like, &t);
	}
	h->shape_n = like->head.shape_n;
	h->bracket = like->head.bracket;
	h->mark = h->era = h->native = false;
	h->hours = 0;
	h->len = (uint8_t)t.i;
	memcpy(h->shape, like->head.shape, sizeof(h->shape));
	return settle(&t) ? WA_HEAD_YES : WA_HEAD_NO;
}

bool wa_same_shape(const struct wa_head *a, const struct wa_head *b)
{
	return a->shape_n == b->shape_n && !memcmp(a->shape, b->shape, a->shape_n);
}

void wa_shape_text(const struct wa_head *h, char *out, size_t cap)
{
	fmt_into(out, cap, "%.*s", (int)h->shape_n, h->shape);
}

/* ---- dates ---- */

const char *wa_order_name(enum wa_order o)
{
	static const char *const names[WA_N_ORDERS] = { "dmy", "mdy", "ymd" };
	return names[o < WA_N_ORDERS ? o : WA_DMY];
}

/* Howard Hinnant's algorithm for the proleptic Gregorian calendar. */
int32_t wa_day_of(int year, int month, int day)
{
	int y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
	int doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1, doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
	return era * 146097 + doe - 719468;
}

void wa_day_split(int32_t day, int *year, int *month, int *mday)
{
	int32_t z = day + 719468, era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
	int32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	*mday = doy - (153 * mp + 2) / 5 + 1;
	*month = mp < 10 ? mp + 3 : mp - 9;
	*year = yoe + era * 400 + (*month <= 2);
}

static int month_days(int year, int month)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	return month == 2 && !(year % 4) && (year % 100 || !(year % 400)) ? 29 : days[month - 1];
}

/* The Persian calendar by the 33-year rule, which holds for 1178..1633 (M. Heydari-Malayeri, "A concise review of the Iranian
 * calendar"). 1 Farvardin 1400 is 21 March 2021. */
static bool persian_leap(int y)
{
	int r = y % 33;
	return r == 1 || r == 5 || r == 9 || r == 13 || r == 17 || r == 22 || r == 26 || r == 30;
}

static int32_t persian_day(int y, int m, int d)
{
	int length = m <= 6 ? 31 : m <= 11 ? 30 : persian_leap(y) ? 30 : 29;
	if (d > length)
		return WA_DAY_NONE;
	int32_t day = wa_day_of(2021, 3, 21);
	for (int k = 1400; k < y; k++)
		day += persian_leap(k) ? 366 : 365;
	for (int k = y; k < 1400; k++)
		day -= persian_leap(k) ? 366 : 365;
	return day + (m <= 7 ? 31 * (m - 1) : 186 + 30 * (m - 7)) + d - 1;
}

int32_t wa_day(const struct wa_head *h, enum wa_order o)
{
	static const uint8_t at[WA_N_ORDERS][3] = { { 2, 1, 0 }, { 2, 0, 1 }, { 0, 1, 2 } }; /* year, month, day */
	const uint8_t *f = at[o];
	int y = h->date[f[0]], m = h->date[f[1]], d = h->date[f[2]], width = h->width[f[0]];
	if (m < 1 || m > 12 || d < 1 || d > 31 || h->width[f[1]] > 2 || h->width[f[2]] > 2)
		return WA_DAY_NONE;
	if (h->era && o == WA_YMD)
		y += 2018;
	else if (width == 2 && !h->era)
		/* Two digits of a Buddhist year (2552 is 2009): read as 20yy it would lie beyond any export. */
		y += y >= 52 ? 2500 - 543 : 2000;
	else if (width != 4)
		return WA_DAY_NONE;
	/* Two digits of a year stand first in Korean ("26. 3. 9.") and Nepali only, and nobody pads day and month then (CLDR 48). */
	if (o == WA_YMD && width == 2 && !h->era) {
		const char *shape = h->shape + h->bracket;
		if (!h->native && memcmp(shape, "N. N. N", 7))
			return WA_DAY_NONE;
		if ((h->width[1] == 2 && h->date[1] < 10) || (h->width[2] == 2 && h->date[2] < 10))
			return WA_DAY_NONE;
	}
	if (y >= 1387 && y <= 1429)
		return persian_day(y, m, d);
	if (y >= YEAR_FIRST + 543 && y <= YEAR_LAST + 543)
		y -= 543;
	if (y < YEAR_FIRST || y > YEAR_LAST || d > month_days(y, m))
		return WA_DAY_NONE;
	return wa_day_of(y, m, d);
}

int32_t wa_second_of_day(const struct wa_head *h)
{
	int hour = h->hour;
	if (h->hours) {
		int low = hour % 12, high = low + 12;
		bool may_low = h->hours >> low & 1, may_high = h->hours >> high & 1;
		if (may_low == may_high) {
			/* A part of the day next to its usual hours ("3 in the morning" where night is meant): its half decides. */
			int before = 0, after = 0;
			for (int i = 0; i < 12; i++) {
				before += (h->hours >> i & 1) != 0;
				after += (h->hours >> (i + 12) & 1) != 0;
			}
			if (before == after)
				return -1;
			may_high = after > before;
		}
		hour = may_high ? high : low;
	}
	return hour % 24 * 3600 + h->minute * 60 + h->second;
}
