/* vault_zip.c: a zip as a vault.
 *
 * The central directory is read here (PKWARE APPNOTE.TXT 6.3.10, 4.3.12 ff.), because libzip gives names as C strings, so that
 * what stands behind a NUL is lost, and DOS times turned through the local time zone. libzip reads the entries' bytes, and
 * must agree on their number, size and checksum; where it does not, the zip is treated as damaged.
 *
 * Promises: names and numbers are as the directory says, local headers count for nothing; bytes before the zip (a
 * self-extractor) are fine; links and devices by their Unix mode, entries that overlap, and sizes beyond the limits are refused.
 */
#include "core/vault_int.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

enum {
	END_BYTES = 22, COMMENT_MAX = 65535, LOCATOR_BYTES = 20, END64_BYTES = 56,
	RECORD_BYTES = 46, RECORD_MAX = RECORD_BYTES + 3 * 65535, WINDOW = 512 * 1024,
	FLAG_ENCRYPTED = 1 << 0, FLAG_ENCRYPTED_DIR = 1 << 13,
	HOST_UNIX = 3, HOST_DARWIN = 19,
};

static uint32_t le16(const uint8_t *p)
{
	return (uint32_t)(p[0] | p[1] << 8);
}

static uint32_t le32(const uint8_t *p)
{
	return le16(p) | le16(p + 2) << 16;
}

static uint64_t le64(const uint8_t *p)
{
	return le32(p) | (uint64_t)le32(p + 4) << 32;
}

static bool read_at(int fd, uint8_t *p, size_t n, int64_t at)
{
	while (n) {
		ssize_t k = pread(fd, p, n, at);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return false;
		p += k;
		at += k;
		n -= (size_t)k;
	}
	return true;
}

static enum found damaged(struct err *e, const char *what)
{
	err_set(e, ERR_ARCHIVE, "the zip is damaged or cut off: %s", what);
	err_hint(e, "download or copy it again; `unzip -t FILE` tells more");
	return FOUND_BROKEN;
}

/* ---- where the directory is ---- */

struct directory {
	int64_t at, bytes;  /* in the file */
	uint64_t count;
	int64_t prefix;     /* bytes before the zip itself */
};

/* Zip64 (4.3.14, 4.3.15): 20 bytes before the end record stands a locator; the record it means stands right before it (its
 * own offset is of no use when something was put before the zip). */
static bool read_end64(int fd, int64_t end, struct directory *d, int64_t *behind)
{
	uint8_t loc[LOCATOR_BYTES], rec[END64_BYTES];
	if (end < LOCATOR_BYTES + END64_BYTES || !read_at(fd, loc, sizeof(loc), end - LOCATOR_BYTES) || le32(loc) != 0x07064b50)
		return false;
	const uint64_t told = le64(loc + 8);
	int64_t at = end - LOCATOR_BYTES - END64_BYTES;
	if (!read_at(fd, rec, sizeof(rec), at) || le32(rec) != 0x06064b50) {
		if (told > (uint64_t)at || !read_at(fd, rec, sizeof(rec), at = (int64_t)told) || le32(rec) != 0x06064b50)
			return false;
	}
	const uint64_t bytes = le64(rec + 40), start = le64(rec + 48);
	if (bytes > (uint64_t)at || start > (uint64_t)at)
		return false;
	d->count = le64(rec + 32);
	d->bytes = (int64_t)bytes;
	d->at = (int64_t)start;
	*behind = at;
	return true;
}

static enum found find_directory(int fd, int64_t size, struct directory *d, struct err *e)
{
	uint8_t head[4] = { 0 };
	const bool begins_as_zip = size >= 4 && read_at(fd, head, sizeof(head), 0) && (le32(head) == 0x04034b50 || le32(head) == 0x08074b50);
	const size_t n = size < END_BYTES + COMMENT_MAX ? (size_t)size : END_BYTES + COMMENT_MAX;
	uint8_t *tail = xmalloc(n);
	int64_t end = -1;
	if (n >= END_BYTES && read_at(fd, tail, n, size - (int64_t)n)) {
		/* The last end record whose comment reaches exactly to the end of the file; failing that, the last one. */
		for (size_t i = n - END_BYTES + 1; i-- > 0;) {
			if (tail[i] != 'P' || le32(tail + i) != 0x06054b50)
				continue;
			const bool exact = i + END_BYTES + le16(tail + i + 20) == n;
			if (!exact && (end >= 0 || !begins_as_zip))
				continue; /* what does not begin as a zip may end with one in it: a tar whose last member is a zip */
			end = size - (int64_t)n + (int64_t)i;
			d->count = le16(tail + i + 10);
			d->bytes = le32(tail + i + 12);
			d->at = le32(tail + i + 16);
			if (exact)
				break;
		}
	}
	free(tail);
	if (end < 0)
		return begins_as_zip ? damaged(e, "its directory at the end is missing") : FOUND_NO;
	int64_t behind = end; /* what the directory must end at */
	if (d->count == 0xffff || d->bytes == 0xffffffff || d->at == 0xffffffff)
		read_end64(fd, end, d, &behind); /* where there is none, the numbers mean themselves */
	d->prefix = behind - d->bytes - d->at;
	if (d->bytes > behind || d->prefix < 0)
		return begins_as_zip ? damaged(e, "its directory is not where it should be") : FOUND_NO;
	d->at += d->prefix;
	uint8_t sign[4];
	if (d->bytes && (d->bytes < RECORD_BYTES || !read_at(fd, sign, sizeof(sign), d->at) || le32(sign) != 0x02014b50))
		return begins_as_zip ? damaged(e, "its directory is not where it should be") : FOUND_NO;
	return FOUND_YES;
}

/* ---- walking the directory ---- */

struct record {
	const uint8_t *name;
	size_t name_len;
	uint64_t size, packed;
	uint32_t crc, flags, dos, mode; /* mode: Unix, 0 unknown */
};

struct window {
	int fd;
	int64_t next, end; /* not yet read: [next, end) */
	uint8_t *p;
	size_t off, len;
};

/* The bytes of one whole record, or NULL at the end or where the directory makes no sense. */
static const uint8_t *record_bytes(struct window *w)
{
	if (w->len - w->off < RECORD_MAX && w->next < w->end) {
		memmove(w->p, w->p + w->off, w->len - w->off);
		w->len -= w->off;
		w->off = 0;
		int64_t left = w->end - w->next;
		size_t n = left < (int64_t)(WINDOW - w->len) ? (size_t)left : WINDOW - w->len;
		if (!read_at(w->fd, w->p + w->len, n, w->next))
			return NULL;
		w->next += (int64_t)n;
		w->len += n;
	}
	const uint8_t *r = w->p + w->off;
	size_t have = w->len - w->off;
	if (have < RECORD_BYTES || le32(r) != 0x02014b50)
		return NULL;
	size_t whole = RECORD_BYTES + le16(r + 28) + le16(r + 30) + le16(r + 32);
	if (have < whole)
		return NULL;
	w->off += whole;
	return r;
}

/* Sizes of 4 GiB and more stand in the extra field 1 (4.5.3), in this order, those that did not fit only. */
static bool parse_record(const uint8_t *r, struct record *out)
{
	const uint32_t host = le16(r + 4) >> 8;
	*out = (struct record){
		.name = r + RECORD_BYTES, .name_len = le16(r + 28), .size = le32(r + 24), .packed = le32(r + 20), .crc = le32(r + 16),
		.flags = le16(r + 8), .dos = le16(r + 12) | le16(r + 14) << 16,
		.mode = host == HOST_UNIX || host == HOST_DARWIN ? le32(r + 38) >> 16 : 0,
	};
	const uint8_t *x = r + RECORD_BYTES + out->name_len, *end = x + le16(r + 30);
	while (end - x >= 4) {
		const size_t len = le16(x + 2);
		const uint8_t *v = x + 4, *stop = v + len;
		if (len > (size_t)(end - v))
			break; /* padding and the like: harmless */
		if (le16(x) == 1) {
			if (out->size == 0xffffffff) {
				if (stop - v < 8)
					return false;
				out->size = le64(v);
				v += 8;
			}
			if (out->packed == 0xffffffff) {
				if (stop - v < 8)
					return false;
				out->packed = le64(v);
			}
			break;
		}
		x = stop;
	}
	return true;
}

/* DOS date and time (4.4.6) as if it were UTC: zips do not say in which zone they were made. */
static int64_t dos_us(uint32_t dos)
{
	int64_t y = 1980 + (dos >> 25), m = dos >> 21 & 15, d = dos >> 16 & 31;
	if (m < 1 || m > 12 || d < 1)
		return 0;
	y -= m <= 2;
	int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	int64_t days = y * 365 + y / 4 - y / 100 + y / 400 + doy - 719468;
	return ((days * 24 + (dos >> 11 & 31)) * 60 + (dos >> 5 & 63)) * 60 * 1000000 + (int64_t)(dos & 31) * 2 * 1000000;
}

static bool take_record(struct vault *v, const struct record *r, uint64_t index, struct err *e)
{
	struct item *it;
	const char *name = (const char *)r->name;
	const uint32_t type = r->mode & 0170000;
	if (!vault_admit(v, name, r->name_len, &it, e))
		return false;
	if (!it)
		return true;
	if (type && type != 0100000 && type != 0040000)
		return vault_refuse(e, name, r->name_len, type == 0120000 ? "a link" : "a device, pipe or socket");
	it->at.index = (int64_t)index;
	it->sum = r->crc;
	it->pub.mtime_us = dos_us(r->dos);
	it->pub.encrypted = r->flags & (FLAG_ENCRYPTED | FLAG_ENCRYPTED_DIR);
	if (r->size > INT64_MAX || r->packed > INT64_MAX)
		return vault_refuse(e, name, r->name_len, "an entry with an impossible size");
	return vault_count_bytes(v, it, (int64_t)r->size, (int64_t)r->packed, e);
}

enum pass { PASS_LOOK, PASS_TAKE };

/* Old Windows tools separate folders by '\', against 4.4.17.1. Such a zip has no '/' at all. */
static bool walk_directory(struct vault *v, struct window *w, const struct directory *d, enum pass pass, uint64_t *n,
		struct err *e)
{
	uint64_t packed = 0;
	bool slash = false, backslash = false;
	const uint8_t *bytes;
	w->next = d->at;
	w->end = d->at + d->bytes;
	w->off = w->len = 0;
	for (*n = 0; (bytes = record_bytes(w)); ++*n) {
		struct record r;
		if (!parse_record(bytes, &r)) {
			damaged(e, "a directory record makes no sense");
			return false;
		}
		if (pass == PASS_LOOK) {
			if ((int64_t)(*n / 2) > v->limits.max_entries) { /* folders are not entries: twice the limit leaves room */
				err_set(e, ERR_ARCHIVE, "more than %lld entries", (long long)v->limits.max_entries);
				return false;
			}
			slash = slash || (r.name_len && memchr(r.name, '/', r.name_len));
			backslash = backslash || (r.name_len && memchr(r.name, '\\', r.name_len));
			continue;
		}
		packed += r.packed <= INT64_MAX ? r.packed : 0;
		if (packed > (uint64_t)d->at)
			return vault_refuse(e, (const char *)r.name, r.name_len, "entries that share their bytes");
		if (!take_record(v, &r, *n, e))
			return false;
	}
	if (pass == PASS_LOOK)
		v->backslashes = backslash && !slash;
	if (w->off != w->len || w->next != w->end) {
		damaged(e, "its directory breaks off");
		return false;
	}
	return true;
}

/* ---- libzip ---- */

static bool open_zip(struct vault *v, int fd, const struct directory *d, int64_t size, uint64_t n, struct err *e)
{
	zip_error_t ze;
	zip_source_t *src = NULL;
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	FILE *f = own >= 0 ? fdopen(own, "rb") : NULL;
	if (!f) {
		err_set(e, ERR_INTERNAL, "cannot read '%s':", v->path);
		if (own >= 0)
			close(own);
		return false;
	}
	zip_error_init(&ze);
	src = zip_source_filep_create(f, (zip_uint64_t)d->prefix, d->prefix ? size - d->prefix : -1, &ze);
	if (!src)
		fclose(f);
	else
		v->zip = zip_open_from_source(src, ZIP_RDONLY, &ze);
	if (!v->zip) {
		if (src)
			zip_source_free(src);
		err_set(e, ERR_ARCHIVE, "the zip cannot be read: %s", zip_error_strerror(&ze));
		err_hint(e, "download or copy it again; `unzip -t FILE` tells more");
		zip_error_fini(&ze);
		return false;
	}
	zip_error_fini(&ze);
	if (zip_get_num_entries(v->zip, 0) != (zip_int64_t)n) {
		damaged(e, "its parts do not agree on the number of entries");
		return false;
	}
	return true;
}

enum found vault_load_zip(struct vault *v, int fd, int64_t size, struct err *e)
{
	struct directory d = { 0 };
	enum found f = find_directory(fd, size, &d, e);
	if (f != FOUND_YES)
		return f;
	v->kind = VAULT_ZIP;
	struct window w = { .fd = fd, .p = xmalloc(WINDOW) };
	uint64_t n = 0;
	bool ok = walk_directory(v, &w, &d, PASS_LOOK, &n, e) && walk_directory(v, &w, &d, PASS_TAKE, &n, e);
	free(w.p);
	if (ok && n != d.count && !(d.count <= 0xffff && (n & 0xffff) == d.count)) {
		damaged(e, "its directory has another number of entries than it says");
		ok = false;
	}
	return ok && open_zip(v, fd, &d, size, n, e) ? FOUND_YES : FOUND_BROKEN;
}

static void zip_failed(struct zip *zip, const struct item *it, struct err *e)
{
	err_set(e, ERR_ARCHIVE, "cannot unpack this entry: %s", zip_strerror(zip));
	err_where(e, "%s", it->pub.name);
}

struct zip_file *vault_zip_open(struct vault *v, const struct item *it, struct err *e)
{
	zip_stat_t st;
	const zip_uint64_t want = ZIP_STAT_SIZE | ZIP_STAT_CRC;
	if (zip_stat_index(v->zip, (zip_uint64_t)it->at.index, 0, &st) != 0) {
		zip_failed(v->zip, it, e);
		return NULL;
	}
	if ((st.valid & want) != want || st.size != (zip_uint64_t)it->pub.size || st.crc != it->sum) {
		damaged(e, "its parts do not agree on this entry");
		err_where(e, "%s", it->pub.name);
		return NULL;
	}
	struct zip_file *f = zip_fopen_index(v->zip, (zip_uint64_t)it->at.index, 0);
	if (!f)
		zip_failed(v->zip, it, e);
	return f;
}

ptrdiff_t vault_zip_read(struct zip_file *f, const struct item *it, char *dst, size_t n, struct err *e)
{
	zip_int64_t got = zip_fread(f, dst, n);
	if (got < 0) {
		err_set(e, ERR_ARCHIVE, "this entry is damaged: %s", zip_file_strerror(f));
		err_where(e, "%s", it->pub.name);
		return -1;
	}
	return (ptrdiff_t)got;
}

void vault_zip_close(struct zip_file *f)
{
	zip_fclose(f);
}

void vault_zip_discard(struct vault *v)
{
	if (v->zip)
		zip_discard(v->zip);
	v->zip = NULL;
}

const char *vault_library_zip(void)
{
	return zip_libzip_version();
}
