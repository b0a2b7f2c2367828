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

enum { RATIO_FROM = 1024 * 1024 };

static const char danger_hint[] = "this may be made to do harm: get a fresh export, or unpack it yourself and look";

void vault_limits_default(struct vault_limits *l)
{
	*l = (struct vault_limits){
		.max_entries = 2000000,
		.max_entry_bytes = (int64_t)64 << 30,
		.max_total_bytes = (int64_t)2 << 40,
		.max_name_bytes = (int64_t)512 << 20,
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
	v->item = (struct item){ .pub = { .name = v->name.p } };
	*out = &v->item;
	return true;
}

bool vault_take_sealed(struct vault *v, const struct item *it, struct err *e)
{
	v->n++;
	return vault_list_add(v->list, it, e);
}

bool vault_take(struct vault *v, struct item *it, int64_t size, int64_t packed, struct err *e)
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
	v->n++;
	return vault_list_add(v->list, it, e);
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
	return vault_take(v, it, st->st_size, st->st_size, e);
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
	buf_init(&v->name, VAULT_NAME_MAX);
	if (limits)
		v->limits = *limits;
	else
		vault_limits_default(&v->limits);
	if (v->limits.max_ratio < 1)
		v->limits.max_ratio = 1;
	v->list = vault_list_new(v->scratch, v->limits.max_name_bytes);
	return v;
}

/* Sorts the entries; takes the top folder away, unless that has been done. */
static bool settle_list(struct vault *v, struct err *e)
{
	const char *first;
	const size_t top = v->top && *v->top ? 0 : vault_list_top(v->list, &first);
	if (top || !v->top) {
		free(v->top);
		v->top = xstrndup(first, top ? top - 1 : 0);
	}
	return vault_list_sort(v->list, top, e);
}

bool vault_settle(struct vault *v, int depth, struct err *e)
{
	/* Archives inside give new names, and maybe one folder around them all. */
	return settle_list(v, e) && vault_nest(v, depth, e) && (!v->n_inners || settle_list(v, e));
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
	return v;
}

/* Entries that live as long as the vault, by their rank. */
enum { KEPT_PAGE = 256 };
struct kept { struct arena a; struct item ***pages; size_t n_pages; };

static void kept_free(struct kept *k)
{
	if (!k)
		return;
	arena_release(&k->a);
	free(k->pages);
	free(k);
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
	vault_list_free(v->list);
	kept_free(v->kept);
	buf_release(&v->name);
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
	return vault_list_count(v->list);
}

static struct item *make(struct vault *v, size_t i, struct arena *a)
{
	struct item *it = arena_new(a, struct item);
	vault_list_get(v->list, i, it);
	it->pub.name = arena_strdup(a, it->pub.name);
	it->raw = arena_strdup(a, it->raw);
	return it;
}

const struct entry *vault_entry_in(struct vault *v, size_t i, struct arena *a)
{
	if (i >= vault_count(v))
		die("vault_entry: %zu of %zu", i, vault_count(v));
	return &make(v, i, a)->pub;
}

const struct entry *vault_entry(struct vault *v, size_t i)
{
	struct kept *k = v->kept;
	if (i >= vault_count(v))
		die("vault_entry: %zu of %zu", i, vault_count(v));
	if (!k) {
		k = v->kept = xcalloc(1, sizeof(*k));
		arena_init(&k->a);
		k->n_pages = vault_count(v) / KEPT_PAGE + 1;
		k->pages = xcalloc(k->n_pages, sizeof(*k->pages));
	}
	struct item ***page = &k->pages[i / KEPT_PAGE];
	if (!*page)
		*page = arena_array(&k->a, KEPT_PAGE, struct item *);
	struct item **it = &(*page)[i % KEPT_PAGE];
	if (!*it)
		*it = make(v, i, &k->a);
	return &(*it)->pub;
}

size_t vault_lower(struct vault *v, const char *prefix)
{
	return vault_list_lower(v->list, prefix);
}

static const size_t nowhere = SIZE_MAX;

static size_t rank_of(struct vault *v, const char *name)
{
	struct item it;
	const size_t i = vault_lower(v, name);
	if (i == vault_count(v))
		return nowhere;
	vault_list_get(v->list, i, &it);
	return streq(it.pub.name, name) ? i : nowhere;
}

bool vault_has(struct vault *v, const char *name)
{
	return rank_of(v, name) != nowhere;
}

const struct entry *vault_find_in(struct vault *v, const char *name, struct arena *a)
{
	const size_t i = rank_of(v, name);
	return i == nowhere ? NULL : vault_entry_in(v, i, a);
}

const struct entry *vault_find(struct vault *v, const char *name)
{
	const size_t i = rank_of(v, name);
	return i == nowhere ? NULL : vault_entry(v, i);
}

/* ---- reading ---- */

struct vfile {
	const struct vault *v;
	struct item it;
	struct zip_bytes *zip;
	int fd;       /* own (folder), or the vault's */
	int64_t got;  /* bytes given out */
	bool failed;
	char *name;   /* own, or NULL: the entry's */
};

static bool is_open(struct vfile *f, struct vault *v, struct err *e)
{
	switch (v->kind) {
	case VAULT_ZIP:
		f->zip = vault_zip_open(v, &f->it, e);
		return f->zip != NULL;
	case VAULT_DIR:
		f->fd = vault_open_item(v, &f->it, e);
		return f->fd >= 0;
	case VAULT_ARCHIVE:
	case VAULT_FILE:
		f->fd = v->fd;
		break;
	}
	return true;
}

struct vfile *vault_read_item(struct vault *v, const struct item *it, struct err *e)
{
	const struct entry *en = &it->pub;
	if (en->within) {
		struct vault *in = v->inners[en->within - 1];
		struct item inner;
		vault_list_get(in->list, it->at.inner, &inner);
		inner.pub.name = en->name;
		return vault_read_item(in, &inner, e);
	}
	if (en->encrypted) {
		err_set(e, ERR_ARCHIVE, "this entry is encrypted");
		err_where(e, "%s", en->name);
		err_hint(e, "unpack the archive with its password and give the folder instead");
		return NULL;
	}
	struct vfile *f = xmalloc(sizeof(*f));
	*f = (struct vfile){ .v = v, .it = *it, .fd = -1 };
	const bool ok = is_open(f, v, e);
	f->it.raw = NULL; /* it was the list's, perhaps */
	if (ok)
		return f;
	free(f);
	return NULL;
}

struct vfile *vault_read(struct vault *v, const struct entry *en, struct err *e)
{
	return vault_read_item(v, (const struct item *)en, e);
}

struct vfile *vault_read_named(struct vault *v, const char *name, bool *found, struct err *e)
{
	struct item it;
	const size_t i = rank_of(v, name);
	*found = i != nowhere;
	if (!*found)
		return NULL;
	vault_list_get(v->list, i, &it);
	char *own = xstrdup(name);
	it.pub.name = own;
	struct vfile *f = vault_read_item(v, &it, e);
	if (f)
		f->name = own;
	else
		free(own);
	return f;
}

static ptrdiff_t read_plain(struct vfile *f, char *dst, size_t n, struct err *e)
{
	const int64_t base = f->v->kind == VAULT_ARCHIVE ? f->it.at.offset : 0;
	if (f->v->kind == VAULT_ARCHIVE && (int64_t)n > f->it.pub.size - f->got)
		n = (size_t)(f->it.pub.size - f->got); /* the next entry's bytes follow */
	ssize_t got;
	do
		got = n ? pread(f->fd, dst, n, base + f->got) : 0;
	while (got < 0 && errno == EINTR);
	if (got < 0) {
		err_set(e, ERR_ARCHIVE, "cannot read:");
		err_where(e, "%s", f->it.pub.name);
	}
	return got;
}

ptrdiff_t vfile_read(void *vfile, char *dst, size_t n, struct err *e)
{
	struct vfile *f = vfile;
	const struct entry *en = &f->it.pub;
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
	free(f->name);
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
