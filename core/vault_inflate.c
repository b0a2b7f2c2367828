/* vault_inflate.c: the bytes of a zip's entries.
 *
 * Called by vault.c through vault_int.h. What nearly every entry is, stored or deflated, is read here straight from the file:
 * small entries whole, by libdeflate (2.3 times as fast as zlib), large ones in a stream by zlib, in constant memory. Other
 * methods are libzip's (vault_other.c).
 *
 * Promises: the directory's size and CRC-32 are what counts. All bytes up to the first wrong one are given out, then comes the
 * error: an entry that libdeflate will not take is read again by zlib, which says where and why. From the local header only
 * its own length is taken; nothing outside [prefix, directory) is read.
 */
#include "core/vault_int.h"

#include <libdeflate.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
	METHOD_STORED = 0, METHOD_DEFLATED = 8,
	LOCAL_BYTES = 30,
	LOCAL_GUESS = 512,              /* most local headers with their name and extra fields fit; else they are read again */
	WHOLE_MAX = 4 * 1024 * 1024,    /* unpacked and packed bytes of an entry that is unpacked at once */
	SPARE_MAX = 48 * 1024,          /* buffers larger than this are not kept for the next entry */
	WINDOW = 64 * 1024,
};

/* An entry being inflated by zlib. */
struct flow {
	z_stream z;
	bool ended;
	uint8_t in[WINDOW];
};

struct zip_bytes {
	struct vault *v;
	const struct item *it;
	struct whole *whole;            /* all is there */
	size_t at;                      /* in whole->out */
	struct flow *flow;              /* deflated; NULL and no other form: stored */
	struct other *other;            /* through libzip */
	int64_t next, left;             /* packed bytes not yet read from the file */
	uint32_t crc;                   /* of what has been given out; not for `other` */
};

/* ---- errors ---- */

static bool bad_entry(const struct item *it, const char *what, struct err *e)
{
	err_set(e, ERR_ARCHIVE, "this entry is damaged: %s", what);
	return err_where(e, "%s", it->pub.name);
}

/* ---- where an entry's bytes are ---- */

static int64_t header_at(const struct vault *v, const struct item *it)
{
	return v->zip_prefix + ((int64_t)it->at.zip.offset_high << 32 | it->at.zip.offset_low);
}

/* Length of the local header (4.3.7) whose first 30 bytes are h, or 0 when it is none or the entry would reach into the directory. */
static int64_t header_length(const struct vault *v, const struct item *it, const uint8_t *h)
{
	if (vault_le32(h) != 0x04034b50)
		return 0;
	const int64_t n = LOCAL_BYTES + (int64_t)vault_le16(h + 26) + (int64_t)vault_le16(h + 28);
	const int64_t room = v->zip_end - header_at(v, it);
	return room >= n && room - n >= it->pub.packed ? n : 0;
}

static const char no_header[] = "it is not where the directory says";

static bool find_bytes(const struct vault *v, const struct item *it, int64_t *at, struct err *e)
{
	uint8_t h[LOCAL_BYTES];
	const int64_t begins = header_at(v, it);
	int64_t n = 0;
	if (begins <= v->zip_end - LOCAL_BYTES && vault_read_at(v->fd, h, sizeof(h), begins))
		n = header_length(v, it, h);
	*at = begins + n;
	return n || bad_entry(it, no_header, e);
}

/* ---- small entries, whole ---- */

struct unpacker { struct libdeflate_decompressor *inflater; uint8_t *in; size_t cap; };

struct unpacker *unpacker_new(void)
{
	struct unpacker *u = xcalloc(1, sizeof(*u));
	u->inflater = libdeflate_alloc_decompressor();
	if (!u->inflater)
		die("out of memory (inflating)");
	return u;
}

void unpacker_free(struct unpacker *u)
{
	if (!u)
		return;
	libdeflate_free_decompressor(u->inflater);
	free(u->in);
	free(u);
}

void whole_free(struct whole *w)
{
	free(w->out);
	free(w);
}

struct whole *whole_take(struct vault *v)
{
	struct whole *w = v->spare;
	if (!w)
		return xcalloc(1, sizeof(*w));
	v->spare = w->next;
	w->next = NULL;
	return w;
}

void whole_give_back(struct vault *v, struct whole *w)
{
	if (w->cap > SPARE_MAX) {
		whole_free(w);
		return;
	}
	w->next = v->spare;
	v->spare = w;
}

/* Room for n bytes; what was there is not needed any more. */
static uint8_t *at_least(uint8_t **p, size_t *cap, size_t n)
{
	if (*cap < n || !*cap) {
		free(*p);
		*cap = n < 4096 ? 4096 : n + n / 8;
		*p = xmalloc(*cap);
	}
	return *p;
}

bool whole_fits(const struct item *it)
{
	return (it->at.zip.method == METHOD_STORED || it->at.zip.method == METHOD_DEFLATED) && it->pub.size <= WHOLE_MAX && it->pub.packed <= WHOLE_MAX;
}

bool whole_fill(struct whole *w, struct unpacker *u, const struct vault *v, const struct item *it)
{
	const int64_t begins = header_at(v, it);
	const size_t packed = (size_t)it->pub.packed;
	size_t n = LOCAL_GUESS + packed;
	if (begins > v->zip_end - LOCAL_BYTES)
		return false;
	if ((int64_t)n > v->zip_end - begins)
		n = (size_t)(v->zip_end - begins);
	uint8_t *in = at_least(&u->in, &u->cap, n);
	if (!vault_read_at(v->fd, in, n, begins))
		return false;
	const int64_t header = header_length(v, it, in);
	if (!header)
		return false;
	const uint8_t *data = in + header;
	if ((size_t)header + packed > n) {
		if (!vault_read_at(v->fd, in, packed, begins + header))
			return false;
		data = in;
	}
	w->n = (size_t)it->pub.size;
	uint8_t *out = at_least(&w->out, &w->cap, w->n);
	if (it->at.zip.method == METHOD_STORED) {
		if (packed != w->n)
			return false;
		memcpy(out, data, packed);
	} else {
		size_t used; /* what stands behind the end of the deflated bytes is let be, as everybody does */
		if (libdeflate_deflate_decompress_ex(u->inflater, data, packed, out, w->n, &used, NULL) != LIBDEFLATE_SUCCESS)
			return false;
	}
	w->crc_wrong = libdeflate_crc32(0, out, w->n) != it->crc;
	return true;
}

static ptrdiff_t whole_read(struct zip_bytes *f, char *dst, size_t n, struct err *e)
{
	const struct whole *w = f->whole;
	if (f->at == w->n && w->crc_wrong)
		return bad_entry(f->it, "its checksum is wrong", e), -1;
	if (n > w->n - f->at)
		n = w->n - f->at;
	memcpy(dst, w->out + f->at, n);
	f->at += n;
	return (ptrdiff_t)n;
}

/* ---- large entries, in a stream ---- */

static ptrdiff_t next_packed(struct zip_bytes *f, uint8_t *dst, size_t n, struct err *e)
{
	if ((int64_t)n > f->left)
		n = (size_t)f->left;
	if (!vault_read_at(f->v->fd, dst, n, f->next))
		return bad_entry(f->it, "it cannot be read", e), -1;
	f->next += (int64_t)n;
	f->left -= (int64_t)n;
	return (ptrdiff_t)n;
}

static ptrdiff_t at_end(struct zip_bytes *f, struct err *e)
{
	if (f->crc == f->it->crc)
		return 0;
	return bad_entry(f->it, "its checksum is wrong", e), -1;
}

static ptrdiff_t stored_read(struct zip_bytes *f, char *dst, size_t n, struct err *e)
{
	ptrdiff_t got = next_packed(f, (uint8_t *)dst, n, e);
	if (!got)
		return at_end(f, e);
	if (got > 0)
		f->crc = libdeflate_crc32(f->crc, dst, (size_t)got);
	return got;
}

static ptrdiff_t flow_read(struct zip_bytes *f, char *dst, size_t n, struct err *e)
{
	struct flow *w = f->flow;
	if (n > INT_MAX)
		n = INT_MAX;
	w->z.next_out = (Bytef *)dst;
	w->z.avail_out = (uInt)n;
	while (w->z.avail_out == n && !w->ended) {
		if (!w->z.avail_in) {
			ptrdiff_t got = next_packed(f, w->in, sizeof(w->in), e);
			if (got < 0)
				return -1;
			w->z.next_in = w->in;
			w->z.avail_in = (uInt)got;
		}
		switch (inflate(&w->z, Z_NO_FLUSH)) {
		case Z_OK:
			break;
		case Z_STREAM_END:
			w->ended = true;
			break;
		case Z_MEM_ERROR:
			die("out of memory (inflating)");
		case Z_BUF_ERROR: /* no progress is possible: the packed bytes have ended too early */
			return bad_entry(f->it, "its packed bytes end too early", e), -1;
		default:
			return bad_entry(f->it, w->z.msg ? w->z.msg : "its packed bytes make no sense", e), -1;
		}
	}
	n -= w->z.avail_out;
	if (!n)
		return at_end(f, e);
	f->crc = libdeflate_crc32(f->crc, dst, n);
	return (ptrdiff_t)n;
}

static struct flow *flow_new(void)
{
	struct flow *w = xmalloc(sizeof(*w));
	memset(&w->z, 0, sizeof(w->z));
	w->ended = false;
	if (inflateInit2(&w->z, -MAX_WBITS) != Z_OK) /* raw: a zip has its own frame */
		die("out of memory (inflating)");
	return w;
}

static ptrdiff_t other_read(struct zip_bytes *f, char *dst, size_t n, struct err *e)
{
	const ptrdiff_t got = vault_other_read(f->other, dst, n);
	return got >= 0 ? got : (bad_entry(f->it, vault_other_why(f->other), e), -1);
}

/* ---- what vault.c calls ---- */

struct zip_bytes *vault_zip_open(struct vault *v, const struct item *it, struct err *e)
{
	struct zip_bytes f = { .v = v, .it = it, .left = it->pub.packed };
	const bool deflated = it->at.zip.method == METHOD_DEFLATED;
	f.whole = vault_ahead_take(v, it);
	if (!f.whole && whole_fits(it)) {
		f.whole = whole_take(v);
		if (!v->unpacker)
			v->unpacker = unpacker_new();
		if (!whole_fill(f.whole, v->unpacker, v, it)) {
			whole_give_back(v, f.whole);
			f.whole = NULL;
		}
	}
	if (f.whole) {
		f.at = 0;
	} else if (deflated || it->at.zip.method == METHOD_STORED) {
		if (!find_bytes(v, it, &f.next, e))
			return NULL;
		f.flow = deflated ? flow_new() : NULL;
	} else {
		if (!find_bytes(v, it, &f.next, e))
			return NULL;
		f.other = vault_other_open(v, it, header_at(v, it), f.next - header_at(v, it), e);
		if (!f.other)
			return NULL;
	}
	struct zip_bytes *out = xmalloc(sizeof(*out));
	*out = f;
	return out;
}

ptrdiff_t vault_zip_read(struct zip_bytes *f, char *dst, size_t n, struct err *e)
{
	return f->whole ? whole_read(f, dst, n, e) : f->flow ? flow_read(f, dst, n, e) : f->other ? other_read(f, dst, n, e) : stored_read(f, dst, n, e);
}

void vault_zip_close(struct zip_bytes *f)
{
	if (f->whole)
		whole_give_back(f->v, f->whole);
	if (f->flow) {
		inflateEnd(&f->flow->z);
		free(f->flow);
	}
	vault_other_close(f->other);
	free(f);
}

void vault_zip_discard(struct vault *v)
{
	vault_ahead_close(v);
	for (struct whole *w = v->spare, *next; w; w = next) {
		next = w->next;
		whole_free(w);
	}
	v->spare = NULL;
	unpacker_free(v->unpacker);
	v->unpacker = NULL;
}
