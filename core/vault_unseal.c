/* vault_unseal.c: opens an entry that is sealed with AES-256-GCM and packed with zlib into a private file.
 *
 * Called by importers whose archives hold such backups. Constant memory: two blocks. Nothing of what was opened is given to
 * the caller before the tag over all of it has been compared; the file it went into until then has no name and goes with it.
 */
#include "core/vault_int.h"

#include <errno.h>
#include <nettle/gcm.h>
#include <nettle/memops.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { BLOCK = 64 * 1024, RATIO_FROM = 1024 * 1024 };

enum form { FORM_UNKNOWN, FORM_PACKED, FORM_BARE, FORM_OVER /* the packed stream has ended; what follows is padding */ };

struct opening {
	struct vault *v;
	struct err *e;
	int fd;
	int64_t size, read;
	enum form form;
	z_stream z;
	uint8_t in[BLOCK], plain[BLOCK], out[BLOCK];
};

/* RFC 1950, 2.2: method 8, and the two bytes as a number are a multiple of 31. */
static enum form form_of(const uint8_t *p, size_t n)
{
	static const char database[] = "SQLite format 3";
	if (n >= sizeof(database) && !memcmp(p, database, sizeof(database)))
		return FORM_BARE;
	return n >= 2 && (p[0] & 15) == 8 && p[0] >> 4 <= 7 && (p[0] << 8 | p[1]) % 31 == 0 ? FORM_PACKED : FORM_UNKNOWN;
}

static enum unsealed put(struct opening *o, const uint8_t *p, size_t n)
{
	o->size += (int64_t)n;
	if (o->size > o->v->limits.max_entry_bytes || (o->size > RATIO_FROM && o->read < o->size / o->v->limits.max_ratio)) {
		err_set(o->e, ERR_ARCHIVE, "refused: what is sealed in it is larger than the limit");
		return UNSEAL_FAILED;
	}
	return vault_write_all(o->fd, (const char *)p, n, o->e) ? UNSEAL_DONE : UNSEAL_FAILED;
}

static enum unsealed unpack(struct opening *o, size_t n)
{
	o->z.next_in = o->plain;
	o->z.avail_in = (uInt)n;
	while (o->form == FORM_PACKED) {
		o->z.next_out = o->out;
		o->z.avail_out = BLOCK;
		const int r = inflate(&o->z, Z_NO_FLUSH);
		if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
			return UNSEAL_ALTERED;
		const size_t got = BLOCK - o->z.avail_out;
		const enum unsealed u = got ? put(o, o->out, got) : UNSEAL_DONE;
		if (u != UNSEAL_DONE)
			return u;
		if (r == Z_STREAM_END)
			o->form = FORM_OVER;
		else if (!got || (!o->z.avail_in && o->z.avail_out))
			break;
	}
	return UNSEAL_DONE;
}

static ptrdiff_t read_some(const struct vault_span *in, void *dst, size_t n, int64_t at)
{
	ssize_t k;
	do
		k = pread(in->fd, dst, n, in->at + at);
	while (k < 0 && errno == EINTR);
	return k;
}

static enum unsealed run(struct opening *o, const struct vault_span *in, const struct seal *s)
{
	struct gcm_aes256_ctx gcm;
	uint8_t tag[GCM_DIGEST_SIZE];
	enum unsealed u = UNSEAL_DONE;
	gcm_aes256_set_key(&gcm, s->key);
	gcm_aes256_set_iv(&gcm, s->iv_bytes, s->iv);
	for (int64_t at = s->from; at < s->until && u == UNSEAL_DONE;) {
		const size_t want = s->until - at < BLOCK ? (size_t)(s->until - at) : BLOCK;
		size_t n = 0;
		while (n < want) { /* gcm wants whole blocks of 16 but for the last */
			const ptrdiff_t k = read_some(in, o->in + n, want - n, at + (int64_t)n);
			if (k <= 0)
				return k ? (err_set(o->e, ERR_ARCHIVE, "cannot read the backup:"), UNSEAL_FAILED) : UNSEAL_ALTERED;
			n += (size_t)k;
		}
		gcm_aes256_decrypt(&gcm, n, o->plain, o->in);
		at += (int64_t)n;
		o->read += (int64_t)n;
		if (o->form == FORM_UNKNOWN && (o->form = form_of(o->plain, n)) == FORM_UNKNOWN)
			u = UNSEAL_WRONG_KEY;
		else if (o->form == FORM_BARE)
			u = put(o, o->plain, n);
		else
			u = unpack(o, n);
	}
	if (u == UNSEAL_DONE) {
		gcm_aes256_digest(&gcm, sizeof(tag), tag);
		u = !memeql_sec(tag, s->tag, sizeof(tag)) || o->form == FORM_PACKED ? UNSEAL_ALTERED : o->form == FORM_UNKNOWN ? UNSEAL_WRONG_KEY : UNSEAL_DONE;
	}
	memset(&gcm, 0, sizeof(gcm));
	return u;
}

enum unsealed vault_unseal(struct vault *v, const struct vault_span *in, const struct seal *s, struct vault_span *out, struct err *e)
{
	struct opening *o = xcalloc(1, sizeof(*o));
	enum unsealed u = UNSEAL_FAILED;
	*out = (struct vault_span){ .fd = -1 };
	o->v = v;
	o->e = e;
	o->fd = vault_private_file(v->scratch, e);
	if (s->from < 0 || s->until > in->size || s->from > s->until || s->iv_bytes > sizeof(s->iv) || !s->iv_bytes) {
		u = UNSEAL_ALTERED;
	} else if (o->fd >= 0) {
		if (inflateInit(&o->z) != Z_OK)
			die("out of memory (inflate)");
		u = run(o, in, s);
		inflateEnd(&o->z);
	}
	if (u == UNSEAL_DONE)
		*out = (struct vault_span){ .fd = o->fd, .size = o->size };
	else if (o->fd >= 0)
		close(o->fd);
	free(o);
	return u;
}
