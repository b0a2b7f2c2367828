/* vault.c: the view itself: names, limits, order, finding, reading.
 *
 * Promises what vault.h says. The forms are read by vault_dir.c, vault_zip.c and vault_unpack.c, all of which pass each name
 * through vault_admit, so that no name reaches a caller unchecked. Nothing here or there writes a file under a name taken from
 * an archive.
 *
 * Two rules that are ours:
 *  - Top folder: while everything lies in one folder that has a folder in it, that folder is taken away ("export/users.json",
 *    "export/general/2024-01-01.json"). A folder that holds files only stays: its name may mean something, such as the channel
 *    its day files belong to.
 *  - The same name twice: the first entry has it; the next ones are "NAME (2)", "NAME (3)"…, so that nothing is hidden and
 *    nothing hides what came first.
 */
#include "core/vault.h"

#include "core/utf8.h"
#include "core/vault_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_BYTES_MAX = 16 * 1024, RATIO_FROM = 1024 * 1024 };

static const char danger_hint[] = "this may be made to do harm: get a fresh export, or unpack it yourself and look";

void vault_limits_default(struct vault_limits *l)
{
	*l = (struct vault_limits){
		.max_entries = 2000000,
		.max_entry_bytes = (int64_t)64 << 30,
		.max_total_bytes = (int64_t)2 << 40,
		.max_ratio = 1000,
		.max_depth = 32,
	};
}

/* ---- names ---- */

bool vault_refuse(struct err *e, const char *name, size_t n, const char *why)
{
	err_set(e, ERR_ARCHIVE, "refused: %s", err_word(why));
	err_where(e, "%.*s", (int)(n < 200 ? n : 200), name);
	return err_hint(e, "%s", danger_hint);
}

/* Code pages of names without the UTF-8 flag: 437 is what the zip format says (APPNOTE.TXT, D.1); Russian Windows writes its OEM
 * page, 866, and programs that do not care its ANSI page, 1251. */
enum page { PAGE_437, PAGE_866, PAGE_1251 };
static const char *const page_names[] = { [PAGE_437] = "CP437", [PAGE_866] = "CP866", [PAGE_1251] = "CP1251" };

/* The Cyrillic letter, 0 to 31 without ё; 32: a sign that Russian names have («», №, dashes); -1: neither. */
static int cyrillic_at(unsigned char c, enum page page)
{
	if (page == PAGE_866)
		return c >= 0x80 && c <= 0x9f ? c - 0x80 : c >= 0xa0 && c <= 0xaf ? c - 0xa0 : c >= 0xe0 && c <= 0xef ? c - 0xe0 + 16
		     : c == 0xf0 || c == 0xf1 ? 5 : c == 0xfc ? 32 : -1;
	return c >= 0xc0 ? (c - 0xc0) % 32 : c == 0xa8 || c == 0xb8 ? 5 : c == 0xb9 || c == 0xab || c == 0xbb || c == 0x96 || c == 0x97 ? 32 : -1;
}

/* How Russian the name is in that page, -1: not at all. In 437 the same bytes are Latin letters with marks, Greek, signs and
 * frames; a Cyrillic name has more Cyrillic letters side by side than beside Latin ones: "M\x81ller" is German. */
static int how_russian(const char *s, size_t n, enum page page)
{
	static const unsigned char often[33] = { /* а to я, per thousand letters of Russian text */
		80, 16, 45, 17, 30, 85, 9, 16, 74, 12, 35, 44, 32, 67, 110, 28, 47, 55, 63, 26, 3, 10, 5, 15, 7, 4, 1, 19, 17, 3, 6, 20, 0 };
	size_t together = 0, beside_latin = 0, letters = 0;
	int sum = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i], before = i ? (unsigned char)s[i - 1] : 0;
		unsigned low = (c | 0x20u), low_before = (before | 0x20u);
		bool latin = low >= 'a' && low <= 'z' && c < 0x80;
		bool latin_before = low_before >= 'a' && low_before <= 'z' && before < 0x80;
		bool high = c >= 0x80;
		int letter = high ? cyrillic_at(c, page) : 32;
		if (letter < 0)
			return -1;
		letters += high && letter < 32;
		sum = sum < 1000000 ? sum + often[letter] : sum;
		together += high && before >= 0x80;
		beside_latin += (high && latin_before) || (latin && before >= 0x80);
	}
	/* One lone byte says nothing: only 866 has signs there that stand alone (the numero sign). */
	return together < beside_latin || (page == PAGE_1251 && letters < 2) ? -1 : sum;
}

static enum page page_of(const char *s, size_t n)
{
	const int dos = how_russian(s, n, PAGE_866), windows = how_russian(s, n, PAGE_1251);
	return windows > dos ? PAGE_1251 : dos >= 0 ? PAGE_866 : PAGE_437;
}

/* The name as UTF-8 in v->name. Slack writes UTF-8 without the flag that says so: what is valid UTF-8 is UTF-8. */
static bool decode(struct vault *v, const char *raw, size_t n, struct err *e)
{
	buf_reset(&v->name);
	v->guessed = false;
	if (utf8_valid(raw, n)) {
		buf_add(&v->name, raw, n);
	} else {
		const enum page page = page_of(raw, n);
		v->guessed = true;
		iconv_t *cd = &v->pages[page];
		if (*cd == (iconv_t)-1)
			*cd = iconv_open("UTF-8", page_names[page]);
		if (*cd == (iconv_t)-1) {
			utf8_repair(raw, n, &v->name);
			return true;
		}
		char in[256], out[3 * sizeof(in)];
		for (size_t i = 0; i < n;) {
			size_t k = n - i < sizeof(in) ? n - i : sizeof(in), left = sizeof(out), todo = k;
			char *from = in, *to = out;
			memcpy(in, raw + i, k);
			if (iconv(*cd, &from, &todo, &to, &left) == (size_t)-1 && !left)
				die("iconv: no room for %zu bytes", k);
			buf_add(&v->name, out, sizeof(out) - left);
			if (todo) { /* a byte without meaning there; both tables are complete, so this is for other iconvs */
				buf_adds(&v->name, "\xef\xbf\xbd");
				iconv(*cd, NULL, NULL, NULL, NULL);
				todo--;
			}
			i += k - todo;
		}
	}
	if (v->name.full)
		return vault_refuse(e, raw, n, N_("a name of more than 16 KiB"));
	return true;
}

static bool has_control(const char *s, size_t n)
{
	uint32_t c;
	for (size_t i = 0; i < n; i += utf8_get(s + i, n - i, &c)) /* valid UTF-8: never 0 */
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f || (s[i] == '\xc2' && (unsigned char)s[i + 1] < 0xa0))
			return true;
	return false;
}

static bool is_word(const char *s, size_t n, const char *word)
{
	return strlen(word) == n && !memcmp(s, word, n);
}

enum verdict { NAME_GOOD, NAME_LEFT_OUT, NAME_REFUSED };

/* Brings v->name into its form, in place: no empty or "." parts. */
static enum verdict shape(struct vault *v, struct err *e)
{
	char *s = v->name.p;
	const size_t n = v->name.len;
	for (size_t i = 0; v->backslashes && i < n; i++)
		if (s[i] == '\\')
			s[i] = '/';
	const char *why = NULL;
	if (!n)
		return NAME_LEFT_OUT;
	if (has_control(s, n))
		why = N_("a name with control characters");
	else if (s[0] == '/' || (n >= 3 && s[1] == ':' && (s[2] == '/' || s[2] == '\\')))
		why = N_("an absolute name");
	bool junk = false;
	int parts = 0;
	size_t w = 0;
	for (size_t i = 0; i < n && !why;) {
		size_t k = strcspn(s + i, "/");
		if (is_word(s + i, k, "..")) {
			why = N_("a name that leads out of the archive");
		} else if (k && !is_word(s + i, k, ".")) {
			junk = junk || is_word(s + i, k, "__MACOSX") || is_word(s + i, k, ".DS_Store");
			if (w)
				s[w++] = '/';
			memmove(s + w, s + i, k);
			w += k;
			parts++;
		}
		i += k + 1;
	}
	if (!why && parts > v->limits.max_depth + 1)
		why = N_("folders too deep in one another");
	if (why) {
		vault_refuse(e, s, n, why);
		return NAME_REFUSED;
	}
	bool folder = s[n - 1] == '/';
	buf_cut(&v->name, w);
	if (junk && !folder)
		vault_odd(v, VAULT_JUNK);
	return junk || folder || !w ? NAME_LEFT_OUT : NAME_GOOD;
}

/* Names stand one behind the other: a million of them need no padding. */
static const char *keep_name(struct vault *v, const char *name, size_t n)
{
	enum { ROOM = 64 * 1024 };
	if (v->room_left < n + 1) {
		v->room_left = n + 1 > ROOM ? n + 1 : ROOM;
		v->room = arena_alloc(&v->names, v->room_left);
	}
	char *p = v->room;
	memcpy(p, name, n);
	p[n] = '\0';
	v->room += n + 1;
	v->room_left -= n + 1;
	return p;
}

void vault_odd(struct vault *v, enum vault_oddity o)
{
	char *first = v->odd[o].first;
	const size_t size = sizeof(v->odd[o].first);
	if (v->odd[o].n++ && strncmp(v->name.p, first, size - 1) >= 0)
		return;
	const size_t n = v->name.len < size ? v->name.len : utf8_cut(v->name.p, size - 1);
	memcpy(first, v->name.p, n);
	first[n] = '\0';
}

size_t vault_oddity(const struct vault *v, enum vault_oddity o, const char **first)
{
	*first = v->odd[o].first;
	return v->odd[o].n;
}

bool vault_admit(struct vault *v, const char *raw, size_t n, struct item **out, struct err *e)
{
	*out = NULL;
	if (n && memchr(raw, '\0', n))
		return vault_refuse(e, raw, strlen(raw), N_("a name with a NUL in it"));
	if (!decode(v, raw, n, e))
		return false;
	switch (shape(v, e)) {
	case NAME_REFUSED:
		return false;
	case NAME_LEFT_OUT:
		return true;
	case NAME_GOOD:
		break;
	}
	if (v->guessed)
		vault_odd(v, VAULT_GUESSED);
	if ((int64_t)v->n >= v->limits.max_entries) {
		err_set(e, ERR_ARCHIVE, "more than %lld entries", (long long)v->limits.max_entries);
		return err_hint(e, "%s", danger_hint);
	}
	if (v->n == v->cap) {
		v->cap = v->cap ? 2 * v->cap : 256;
		v->items = xrealloc(v->items, v->cap * sizeof(*v->items));
	}
	*out = &v->items[v->n++];
	**out = (struct item){ .pub = { .name = keep_name(v, v->name.p, v->name.len) } };
	return true;
}

bool vault_count_bytes(struct vault *v, struct item *it, int64_t size, int64_t packed, struct err *e)
{
	const char *name = it->pub.name;
	const char *why = NULL;
	if (size < 0 || packed < 0 || size > v->limits.max_entry_bytes)
		why = N_("an entry larger than the limit");
	else if (size > RATIO_FROM && packed < size / v->limits.max_ratio)
		why = N_("an entry packed too well to be true");
	else if (v->total > v->limits.max_total_bytes - size)
		why = N_("more bytes in all than the limit");
	if (why)
		return vault_refuse(e, name, strlen(name), why);
	v->total += size;
	it->pub.size = size;
	it->pub.packed = packed;
	return true;
}

/* ---- order ---- */

static int by_name(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	return strcmp(x->pub.name, y->pub.name);
}

/* Entries in order of name; among equal names, those the archive gave before those made here, then by place in the archive
 * (qsort keeps no order among equals). Only for archives that have twins. */
struct slot { const char *name; struct item *it; int64_t place; bool made; };

static int by_name_then_place(const void *a, const void *b)
{
	const struct slot *x = a, *y = b;
	int c = strcmp(x->name, y->name);
	if (c)
		return c;
	return x->made != y->made ? x->made - y->made : (x->place > y->place) - (x->place < y->place);
}

/* One round: gives every entry whose name an earlier entry has a new name; false when there was none. */
static bool rename_twins(struct vault *v, struct slot *slots)
{
	bool any = false;
	qsort(slots, v->n, sizeof(*slots), by_name_then_place);
	for (size_t i = 0; i < v->n;) {
		const char *name = slots[i].name;
		size_t end = i + 1;
		for (; end < v->n && streq(name, slots[end].name); end++) {
			slots[end].name = arena_fmt(&v->names, "%s (%zu)", name, end - i + 1);
			slots[end].made = any = true;
		}
		i = end;
	}
	return any;
}

static int64_t place_of(const struct vault *v, const struct item *it)
{
	if (it->pub.within)
		return it - v->items;
	switch (v->kind) {
	case VAULT_ZIP: return it->sum.zip.index;
	case VAULT_ARCHIVE: return it->at.offset;
	case VAULT_DIR:
	case VAULT_FILE: break;
	}
	return it - v->items; /* no place tells more there than the order of the names as they are stored, which is not kept */
}

static bool part_twins(struct vault *v, struct err *e)
{
	bool ok = true;
	struct slot *slots = xmalloc(v->n * sizeof(*slots));
	for (size_t i = 0; i < v->n; i++)
		slots[i] = (struct slot){ v->items[i].pub.name, &v->items[i], place_of(v, &v->items[i]), false };
	/* A made name may exist already: then it gets one more suffix. */
	for (int round = 0; ok && rename_twins(v, slots); round++)
		ok = round < 8 || err_set(e, ERR_ARCHIVE, "the same names again and again");
	for (size_t i = 0; i < v->n; i++)
		slots[i].it->pub.name = slots[i].name;
	free(slots);
	return ok;
}

enum order { ORDER_NONE, ORDER_TWINS, ORDER_STRICT };

static enum order order_of(const struct vault *v)
{
	enum order found = ORDER_STRICT;
	for (size_t i = 1; i < v->n; i++) {
		const int c = by_name(&v->items[i - 1], &v->items[i]);
		if (c > 0)
			return ORDER_NONE;
		if (!c)
			found = ORDER_TWINS;
	}
	return found;
}

/* Sorting wants memory of its own; many archives are in order, and hardly any has twins. */
static bool sort_items(struct vault *v, struct err *e)
{
	enum order now = order_of(v);
	if (now == ORDER_NONE) {
		qsort(v->items, v->n, sizeof(*v->items), by_name);
		now = order_of(v);
	}
	if (now == ORDER_STRICT)
		return true;
	const bool ok = part_twins(v, e);
	qsort(v->items, v->n, sizeof(*v->items), by_name);
	return ok;
}

/* Length of the first folder all entries share and may lose (with its '/'), or 0; see the rule at the top. */
static size_t common_folder(const struct vault *v)
{
	size_t k = v->n ? strcspn(v->items[0].pub.name, "/") : 0;
	bool deeper = false;
	for (size_t i = 0; i < v->n; i++) {
		const char *name = v->items[i].pub.name;
		if (strncmp(name, v->items[0].pub.name, k) || name[k] != '/')
			return 0;
		deeper = deeper || strchr(name + k + 1, '/');
	}
	return deeper ? k + 1 : 0;
}

static void take_top(struct vault *v)
{
	size_t k, all = 0;
	const char *first = v->n ? v->items[0].pub.name : "";
	while ((k = common_folder(v))) {
		all += k;
		for (size_t i = 0; i < v->n; i++)
			v->items[i].pub.name += k;
	}
	v->top = xstrndup(first, all ? all - 1 : 0);
}

/* ---- opening ---- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static bool load_bare(struct vault *v, int fd, const struct stat *st, struct err *e)
{
	struct item *it;
	const char *name = base_name(v->path);
	v->kind = VAULT_FILE;
	v->fd = fd;
	if (!vault_admit(v, name, strlen(name), &it, e))
		return false;
	if (!it)
		return err_set(e, ERR_ARCHIVE, "'%s' is nothing to read", v->path);
	it->pub.mtime_us = (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000;
	return vault_count_bytes(v, it, st->st_size, st->st_size, e);
}

static bool load_file(struct vault *v, int fd, const struct stat *st, const char *scratch, struct err *e)
{
	enum found f = vault_load_zip(v, fd, st->st_size, e);
	if (f == FOUND_NO)
		f = vault_load_archive(v, fd, scratch, e);
	if (f == FOUND_NO)
		return load_bare(v, fd, st, e);
	if (v->fd != fd) /* a zip keeps it */
		close(fd);
	return f == FOUND_YES;
}

struct vault *vault_new(const char *path, const struct vault_limits *limits, const char *scratch)
{
	struct vault *v = xcalloc(1, sizeof(*v));
	v->path = xstrdup(path);
	v->scratch = scratch ? xstrdup(scratch) : NULL;
	v->fd = -1;
	for (size_t i = 0; i < countof(v->pages); i++)
		v->pages[i] = (iconv_t)-1;
	arena_init(&v->names);
	buf_init(&v->name, NAME_BYTES_MAX);
	if (limits)
		v->limits = *limits;
	else
		vault_limits_default(&v->limits);
	if (v->limits.max_ratio < 1)
		v->limits.max_ratio = 1;
	return v;
}

bool vault_settle(struct vault *v, int depth, struct err *e)
{
	if (!sort_items(v, e))
		return false;
	take_top(v);
	if (!vault_nest(v, depth, e))
		return false;
	if (v->n_inners) { /* new names, and maybe one folder around them all */
		if (!sort_items(v, e))
			return false;
		if (!*v->top) {
			free(v->top);
			take_top(v);
		}
	}
	return true;
}

struct vault *vault_open(const char *path, const struct vault_limits *limits, const char *scratch, struct err *e)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* not waiting for the writer of a named pipe */
	if (fd < 0 || fstat(fd, &st) != 0) {
		err_set(e, ERR_ARCHIVE, "cannot open '%s':", path);
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	struct vault *v = vault_new(path, limits, scratch);
	bool ok;
	if (S_ISDIR(st.st_mode)) {
		v->kind = VAULT_DIR;
		v->fd = fd;
		ok = vault_load_dir(v, e);
	} else if (S_ISREG(st.st_mode)) {
		ok = load_file(v, fd, &st, scratch, e);
	} else {
		close(fd);
		ok = err_set(e, ERR_ARCHIVE, "'%s' is neither a file nor a folder", path);
	}
	if (!ok || !vault_settle(v, 0, e)) {
		vault_close(v);
		return NULL;
	}
	if (v->n && v->n < v->cap)
		v->items = xrealloc(v->items, v->n * sizeof(*v->items));
	return v;
}

void vault_close(struct vault *v)
{
	if (!v)
		return;
	vault_zip_discard(v);
	for (size_t i = 0; i < v->n_inners; i++)
		vault_close(v->inners[i]);
	free(v->inners);
	if (v->fd >= 0)
		close(v->fd);
	for (size_t i = 0; i < countof(v->pages); i++)
		if (v->pages[i] != (iconv_t)-1)
			iconv_close(v->pages[i]);
	arena_release(&v->names);
	buf_release(&v->name);
	free(v->items);
	free(v->path);
	free(v->scratch);
	free(v->top);
	free(v);
}

/* ---- looking ---- */

enum vault_kind vault_kind(const struct vault *v)
{
	return v->kind;
}

const char *vault_path(const struct vault *v)
{
	return v->path;
}

const char *vault_top(const struct vault *v)
{
	return v->top;
}

size_t vault_count(const struct vault *v)
{
	return v->n;
}

const struct entry *vault_entry(const struct vault *v, size_t i)
{
	if (i >= v->n)
		die("vault_entry: %zu of %zu", i, v->n);
	return &v->items[i].pub;
}

size_t vault_lower(const struct vault *v, const char *prefix)
{
	size_t lo = 0, hi = v->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (strcmp(v->items[mid].pub.name, prefix) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct entry *vault_find(const struct vault *v, const char *name)
{
	size_t i = vault_lower(v, name);
	return i < v->n && streq(v->items[i].pub.name, name) ? &v->items[i].pub : NULL;
}

/* ---- reading ---- */

struct vfile {
	const struct vault *v;
	const struct item *it;
	struct zip_bytes *zip;
	int fd;       /* own (folder), or the vault's */
	int64_t got;  /* bytes given out */
	bool failed;
};

struct vfile *vault_read(struct vault *v, const struct entry *en, struct err *e)
{
	const struct item *it = (const struct item *)en;
	struct vfile f = { .v = v, .it = it, .fd = -1 };
	if (en->within)
		return vault_read(v->inners[en->within - 1], &it->at.inner->pub, e);
	if (en->encrypted) {
		err_set(e, ERR_ARCHIVE, "this entry is encrypted");
		err_where(e, "%s", en->name);
		err_hint(e, "unpack the archive with its password and give the folder instead");
		return NULL;
	}
	switch (v->kind) {
	case VAULT_ZIP:
		f.zip = vault_zip_open(v, it, e);
		if (!f.zip)
			return NULL;
		break;
	case VAULT_DIR:
		f.fd = vault_open_beneath(v->fd, it->at.raw, e);
		if (f.fd < 0)
			return NULL;
		break;
	case VAULT_ARCHIVE:
	case VAULT_FILE:
		f.fd = v->fd;
		break;
	}
	struct vfile *out = xmalloc(sizeof(*out));
	*out = f;
	return out;
}

static ptrdiff_t read_plain(struct vfile *f, char *dst, size_t n, struct err *e)
{
	const int64_t base = f->v->kind == VAULT_ARCHIVE ? f->it->at.offset : 0;
	if (f->v->kind == VAULT_ARCHIVE && (int64_t)n > f->it->pub.size - f->got)
		n = (size_t)(f->it->pub.size - f->got); /* the next entry's bytes follow */
	ssize_t got;
	do
		got = n ? pread(f->fd, dst, n, base + f->got) : 0;
	while (got < 0 && errno == EINTR);
	if (got < 0) {
		err_set(e, ERR_ARCHIVE, "cannot read:");
		err_where(e, "%s", f->it->pub.name);
	}
	return got;
}

ptrdiff_t vfile_read(void *vfile, char *dst, size_t n, struct err *e)
{
	struct vfile *f = vfile;
	const struct entry *en = &f->it->pub;
	if (f->failed) {
		err_set(e, ERR_ARCHIVE, "this entry could not be read");
		err_where(e, "%s", en->name);
		return -1;
	}
	if (!n)
		return 0;
	ptrdiff_t got = f->zip ? vault_zip_read(f->zip, dst, n, e) : read_plain(f, dst, n, e);
	if (got > 0)
		f->got += got;
	if (got >= 0 && (f->got > en->size || (!got && f->got < en->size))) {
		if (f->v->kind == VAULT_ZIP)
			err_set(e, ERR_ARCHIVE, "the entry has %s bytes than the archive says", got ? "more" : "fewer");
		else
			err_set(e, ERR_ARCHIVE, "the file has changed while it was being read");
		err_where(e, "%s", en->name);
		got = -1;
	}
	f->failed = got < 0;
	return got;
}

void vfile_close(struct vfile *f)
{
	if (!f)
		return;
	if (f->zip)
		vault_zip_close(f->zip);
	if (f->fd >= 0 && f->fd != f->v->fd)
		close(f->fd);
	free(f);
}

char *vault_slurp(struct vault *v, const struct entry *en, size_t max, size_t *len, struct err *e)
{
	if (en->size < 0 || (uint64_t)en->size > max) {
		err_set(e, ERR_ARCHIVE, "the entry has more than %zu bytes", max);
		err_where(e, "%s", en->name);
		return NULL;
	}
	struct vfile *f = vault_read(v, en, e);
	if (!f)
		return NULL;
	size_t size = (size_t)en->size, got = 0;
	char *p = xmalloc(size + 1), over;
	for (;;) {
		/* One byte more than there should be is asked for, so that the end (and the checksum) is reached. */
		ptrdiff_t k = got < size ? vfile_read(f, p + got, size - got, e) : vfile_read(f, &over, 1, e);
		if (k <= 0) {
			vfile_close(f);
			if (k < 0) {
				free(p);
				return NULL;
			}
			p[got] = '\0';
			if (len)
				*len = got;
			return p;
		}
		got += (size_t)k;
	}
}
