/* vault_zip.c: a zip as a vault.
 *
 * The central directory is read here (PKWARE APPNOTE.TXT 6.3.10, 4.3.12 ff.), because libzip gives names as C strings, so that
 * what stands behind a NUL is lost, and DOS times turned through the local time zone; it also keeps 430 bytes for each entry.
 * The entries' bytes are vault_inflate.c's.
 *
 * Promises: names and numbers are as the directory says, local headers count for nothing; bytes before the zip (a
 * self-extractor) are fine; links and devices by their Unix mode, entries that overlap, and sizes beyond the limits are refused.
 *
 * vault_zip_digest walks the same directory in constant memory, for vault_digest.c.
 */
#include "core/vault_int.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	END_BYTES = 22, COMMENT_MAX = 65535, LOCATOR_BYTES = 20, END64_BYTES = 56,
	RECORD_BYTES = 46, RECORD_MAX = RECORD_BYTES + 3 * 65535, WINDOW = 512 * 1024,
	FLAG_ENCRYPTED = 1 << 0, FLAG_DESCRIPTOR = 1 << 3, FLAG_UTF8 = 1 << 11, FLAG_ENCRYPTED_DIR = 1 << 13,
	HOST_UNIX = 3, HOST_DARWIN = 19,
};

static uint64_t le64(const uint8_t *p)
{
	return vault_le32(p) | (uint64_t)vault_le32(p + 4) << 32;
}

bool vault_read_at(int fd, void *dst, size_t n, int64_t at)
{
	char *p = dst;
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
	err_set(e, ERR_ARCHIVE, "the zip is damaged or cut off: %s", err_word(what));
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
	if (end < LOCATOR_BYTES + END64_BYTES || !vault_read_at(fd, loc, sizeof(loc), end - LOCATOR_BYTES) || vault_le32(loc) != 0x07064b50)
		return false;
	const uint64_t told = le64(loc + 8);
	int64_t at = end - LOCATOR_BYTES - END64_BYTES;
	if (!vault_read_at(fd, rec, sizeof(rec), at) || vault_le32(rec) != 0x06064b50) {
		if (told > (uint64_t)at || !vault_read_at(fd, rec, sizeof(rec), at = (int64_t)told) || vault_le32(rec) != 0x06064b50)
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
	const bool begins_as_zip = size >= 4 && vault_read_at(fd, head, sizeof(head), 0) && (vault_le32(head) == 0x04034b50 || vault_le32(head) == 0x08074b50);
	const size_t n = size < END_BYTES + COMMENT_MAX ? (size_t)size : END_BYTES + COMMENT_MAX;
	uint8_t *tail = xmalloc(n);
	int64_t end = -1;
	if (n >= END_BYTES && vault_read_at(fd, tail, n, size - (int64_t)n)) {
		/* The last end record whose comment reaches exactly to the end of the file; failing that, the last one. */
		for (size_t i = n - END_BYTES + 1; i-- > 0;) {
			if (tail[i] != 'P' || vault_le32(tail + i) != 0x06054b50)
				continue;
			const bool exact = i + END_BYTES + vault_le16(tail + i + 20) == n;
			if (!exact && (end >= 0 || !begins_as_zip))
				continue; /* what does not begin as a zip may end with one in it: a tar whose last member is a zip */
			end = size - (int64_t)n + (int64_t)i;
			d->count = vault_le16(tail + i + 10);
			d->bytes = vault_le32(tail + i + 12);
			d->at = vault_le32(tail + i + 16);
			if (exact)
				break;
		}
	}
	free(tail);
	if (end < 0)
		return begins_as_zip ? damaged(e, N_("its directory at the end is missing")) : FOUND_NO;
	int64_t behind = end; /* what the directory must end at */
	if (d->count == 0xffff || d->bytes == 0xffffffff || d->at == 0xffffffff)
		read_end64(fd, end, d, &behind); /* where there is none, the numbers mean themselves */
	d->prefix = behind - d->bytes - d->at;
	if (d->bytes > behind || d->prefix < 0)
		return begins_as_zip ? damaged(e, N_("its directory is not where it should be")) : FOUND_NO;
	d->at += d->prefix;
	uint8_t sign[4];
	if (d->bytes && (d->bytes < RECORD_BYTES || !vault_read_at(fd, sign, sizeof(sign), d->at) || vault_le32(sign) != 0x02014b50))
		return begins_as_zip ? damaged(e, N_("its directory is not where it should be")) : FOUND_NO;
	return FOUND_YES;
}

/* ---- walking the directory ---- */

struct record {
	const uint8_t *name;
	size_t name_len;
	uint64_t size, packed, offset; /* offset: of the local header, from the start of the zip */
	uint32_t crc, method, flags, dos, mode; /* mode: Unix, 0 unknown */
	bool wide;             /* a number did not fit into 32 bits, or was written as if */
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
		if (!vault_read_at(w->fd, w->p + w->len, n, w->next))
			return NULL;
		w->next += (int64_t)n;
		w->len += n;
	}
	const uint8_t *r = w->p + w->off;
	size_t have = w->len - w->off;
	if (have < RECORD_BYTES || vault_le32(r) != 0x02014b50)
		return NULL;
	size_t whole = RECORD_BYTES + vault_le16(r + 28) + vault_le16(r + 30) + vault_le16(r + 32);
	if (have < whole)
		return NULL;
	w->off += whole;
	return r;
}

/* Sizes and places of 4 GiB and more stand in the extra field 1 (4.5.3), in this order, those that did not fit only. */
static bool parse_record(const uint8_t *r, struct record *out)
{
	const uint32_t host = vault_le16(r + 4) >> 8;
	*out = (struct record){
		.name = r + RECORD_BYTES, .name_len = vault_le16(r + 28), .size = vault_le32(r + 24), .packed = vault_le32(r + 20), .crc = vault_le32(r + 16),
		.offset = vault_le32(r + 42), .method = vault_le16(r + 10), .flags = vault_le16(r + 8), .dos = vault_le16(r + 12) | vault_le16(r + 14) << 16,
		.mode = host == HOST_UNIX || host == HOST_DARWIN ? vault_le32(r + 38) >> 16 : 0,
	};
	const uint8_t *x = r + RECORD_BYTES + out->name_len, *end = x + vault_le16(r + 30);
	while (end - x >= 4) {
		const size_t len = vault_le16(x + 2);
		const uint8_t *v = x + 4, *stop = v + len;
		if (len > (size_t)(end - v))
			break; /* padding and the like: harmless */
		if (vault_le16(x) == 1) {
			uint64_t *const wide[] = { &out->size, &out->packed, &out->offset };
			for (size_t i = 0; i < countof(wide); i++) {
				if (*wide[i] != 0xffffffff)
					continue;
				if (stop - v < 8)
					return false;
				*wide[i] = le64(v);
				out->wide = true;
				v += 8;
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

static bool take_record(struct vault *v, const struct record *r, struct err *e)
{
	struct item *it;
	const char *name = (const char *)r->name;
	const uint32_t type = r->mode & 0170000;
	if (!vault_admit(v, name, r->name_len, &it, e))
		return false;
	if (!it)
		return true;
	for (size_t i = 0; !v->guessed && !(r->flags & FLAG_UTF8) && i < r->name_len; i++)
		if (r->name[i] >= 0x80) {
			vault_odd(v, VAULT_UNFLAGGED);
			break;
		}
	if (r->flags & FLAG_DESCRIPTOR)
		vault_odd(v, VAULT_DESCRIPTORS);
	if (r->wide)
		vault_odd(v, VAULT_ZIP64);
	if (r->flags & (FLAG_ENCRYPTED | FLAG_ENCRYPTED_DIR))
		vault_odd(v, VAULT_ENCRYPTED);
	if (type && type != 0100000 && type != 0040000)
		return vault_refuse(e, name, r->name_len, type == 0120000 ? N_("a link") : N_("a device, pipe or socket"));
	if (r->offset >> 48)
		return vault_refuse(e, name, r->name_len, "an entry in an impossible place");
	it->at.zip.offset_low = (uint32_t)r->offset;
	it->at.zip.offset_high = (uint16_t)(r->offset >> 32);
	it->at.zip.method = (uint16_t)r->method;
	it->crc = r->crc;
	it->pub.mtime_us = dos_us(r->dos);
	it->pub.encrypted = r->flags & (FLAG_ENCRYPTED | FLAG_ENCRYPTED_DIR);
	if (r->size > INT64_MAX || r->packed > INT64_MAX)
		return vault_refuse(e, name, r->name_len, "an entry with an impossible size");
	return vault_take(v, it, (int64_t)r->size, (int64_t)r->packed, e);
}

static const char a_record[] = N_("a directory record makes no sense"), breaks_off[] = N_("its directory breaks off");
static const char other_number[] = N_("its directory has another number of entries than it says");

/* The record at the end has 16 bits for the number; who writes more entries without Zip64 leaves the rest out. */
static bool is_count(const struct directory *d, uint64_t n)
{
	return n == d->count || (d->count <= 0xffff && (n & 0xffff) == d->count);
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
			damaged(e, a_record);
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
		if (!take_record(v, &r, e))
			return false;
	}
	if (pass == PASS_LOOK)
		v->backslashes = backslash && !slash;
	if (w->off != w->len || w->next != w->end) {
		damaged(e, breaks_off);
		return false;
	}
	return true;
}

/* ---- knowing a zip again ---- */

/* What a reader of the vault could tell apart: names as they are stored, sizes, checksums, what is encrypted and what is no file. Not
 * the places of the bytes, times, comments and entries for folders, which differ when the same is packed once more. */
static void digest_record(struct digest *d, const struct record *r)
{
	const uint32_t marks = (r->flags & (FLAG_ENCRYPTED | FLAG_ENCRYPTED_DIR)) << 16 | (r->mode & 0170000);
	const size_t n = r->name_len;
	if (n && !r->size && (r->name[n - 1] == '/' || r->name[n - 1] == '\\') && (!marks || marks == 0040000))
		return;
	vault_digest_number(d, n);
	digest_add(d, r->name, n);
	vault_digest_number(d, r->size);
	vault_digest_number(d, r->crc);
	vault_digest_number(d, marks == 0100000 ? 0 : marks);
}

enum found vault_zip_digest(int fd, int64_t size, struct digest *d, struct err *e)
{
	struct directory dir = { 0 };
	const enum found f = find_directory(fd, size, &dir, e);
	if (f != FOUND_YES)
		return f;
	struct window w = { .fd = fd, .p = xmalloc(WINDOW), .next = dir.at, .end = dir.at + dir.bytes };
	const uint8_t *bytes;
	uint64_t n = 0;
	bool ok = true;
	for (; ok && (bytes = record_bytes(&w)); n++) {
		struct record r;
		ok = parse_record(bytes, &r);
		if (ok)
			digest_record(d, &r);
	}
	free(w.p);
	if (!ok)
		return damaged(e, a_record);
	if (w.off != w.len || w.next != w.end)
		return damaged(e, breaks_off);
	return is_count(&dir, n) ? FOUND_YES : damaged(e, other_number);
}

/* ---- the whole ---- */

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
	if (ok && !is_count(&d, n)) {
		damaged(e, other_number);
		ok = false;
	}
	if (!ok)
		return FOUND_BROKEN;
	v->fd = fd;
	v->zip_prefix = d.prefix;
	v->zip_end = d.at;
	return FOUND_YES;
}
