/* whatsapp_crypt.c: keys and headers of encrypted backups; vault_unseal.c does the decrypting.
 *
 * Promises: what is wrong is told apart: no key, a key of another kind, a key of another phone, a file that was cut off or changed. Key
 * bytes go into no message. Called by whatsapp_db.c.
 *
 * Layout of a backup, all kinds: header, AES-256-GCM of a zlib stream of the database, tag of 16 bytes, then
 *   crypt12: MD5 of everything before (16 bytes) and four characters, of which the last two are the end of the phone's number;
 *   crypt14, crypt15: the MD5; backups in several files have none.
 */
#include "importers/whatsapp_crypt.h"

#include "importers/whatsapp_proto.h"

#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <string.h>
#include <unistd.h>

enum { KEY_FILE_BYTES = 158, KEY_JAVA_BYTES = 27, ROOT_FILE_BYTES = KEY_JAVA_BYTES + 32, HEAD12 = 67, TAG = 16, SUM = 16, NUMBER = 4 };

/* ---- keys ---- */

static int nibble(uint8_t c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* 64 hexadecimal digits, as WhatsApp shows them: in groups, over several lines. */
static bool hex_key(const uint8_t *p, size_t n, uint8_t out[32])
{
	size_t k = 0;
	for (size_t i = 0; i < n; i++) {
		const int v = nibble(p[i]);
		if (v < 0 && !memchr(" \t\r\n-:", p[i], 6))
			return false;
		if (v < 0)
			continue;
		if (k == 64)
			return false;
		out[k / 2] = (uint8_t)(k % 2 ? out[k / 2] | v : v << 4);
		k++;
	}
	return k == 64;
}

/* A serialised Java byte[] (Java Object Serialization Specification, 6.4.2): magic, version, class descriptor, length, bytes. */
static bool java_bytes(const uint8_t *p, size_t n, size_t content)
{
	static const uint8_t head[] = { 0xac, 0xed, 0x00, 0x05, 0x75, 0x72, 0x00, 0x02, '[', 'B' };
	return n == KEY_JAVA_BYTES + content && !memcmp(p, head, sizeof(head)) && p[23] == 0 && p[24] == 0 && p[25] == content >> 8 && p[26] == (content & 255);
}

bool wa_key_parse(const uint8_t *p, size_t n, struct wa_key *out, struct err *e)
{
	*out = (struct wa_key){ .kind = WA_CRYPT_NONE };
	if (hex_key(p, n, out->secret)) {
		out->kind = WA_CRYPT15;
	} else if (n == 32) {
		out->kind = WA_CRYPT15;
		memcpy(out->secret, p, 32);
	} else if (java_bytes(p, n, ROOT_FILE_BYTES - KEY_JAVA_BYTES)) {
		out->kind = WA_CRYPT15;
		memcpy(out->secret, p + KEY_JAVA_BYTES, 32);
	} else if (java_bytes(p, n, KEY_FILE_BYTES - KEY_JAVA_BYTES)) {
		/* cipher version 2, key version 1, server salt 32, Google id 16, a hash 32, an IV 16, the key 32 */
		const uint8_t *d = p + KEY_JAVA_BYTES;
		out->kind = WA_CRYPT14;
		out->version = d[2];
		memcpy(out->salt, d + 3, 32);
		memcpy(out->google_id, d + 35, 16);
		memcpy(out->secret, d + 99, 32);
	} else {
		err_set(e, ERR_USAGE, "this is no key of WhatsApp: %zu bytes that are neither 64 hexadecimal digits nor a key file", n);
		return err_hint(e, "give the 64 digits WhatsApp showed, the file encrypted_backup.key, or the phone's file \"key\" (158 bytes)");
	}
	return true;
}

void wa_crypt15_derive(const uint8_t root[32], uint8_t out[32])
{
	/* HKDF (RFC 5869) with SHA-256, no salt, info "backup encryption", one block. */
	static const uint8_t zero[32], info[] = "backup encryption\x01";
	struct hmac_sha256_ctx h;
	uint8_t middle[32];
	hmac_sha256_set_key(&h, sizeof(zero), zero);
	hmac_sha256_update(&h, 32, root);
	hmac_sha256_digest(&h, sizeof(middle), middle);
	hmac_sha256_set_key(&h, sizeof(middle), middle);
	hmac_sha256_update(&h, sizeof(info) - 1, info);
	hmac_sha256_digest(&h, 32, out);
}

/* ---- headers ---- */

enum wa_crypt_kind wa_crypt_named(const char *name)
{
	const size_t n = strlen(name);
	static const struct { const char *end; enum wa_crypt_kind kind; } kinds[] = { { ".crypt12", WA_CRYPT12 }, { ".crypt14", WA_CRYPT14 }, { ".crypt15", WA_CRYPT15 } };
	for (size_t i = 0; i < countof(kinds); i++)
		if (n > 8 && streq(name + n - 8, kinds[i].end))
			return kinds[i].kind;
	return WA_CRYPT_NONE;
}

static bool no_header(struct err *e)
{
	err_set(e, ERR_ARCHIVE, "this is no backup of WhatsApp that is understood: its header makes no sense");
	return err_hint(e, "crypt12, crypt14 and crypt15 are read; copy the file from the phone again");
}

static bool take_iv(struct wa_crypt *c, const struct wa_field *f)
{
	if (!f->is_bytes || f->n < 12 || f->n > sizeof(c->iv))
		return false;
	memcpy(c->iv, f->p, f->n);
	c->iv_bytes = f->n;
	return true;
}

/* backup_prefix.proto: 2 = crypt14 {2 key version, 3 salt, 4 Google id, 5 IV}, 3 = crypt15 {1 IV}, 4 = about the app and the phone. */
static bool take_prefix(struct wa_crypt *c, const uint8_t *p, size_t n)
{
	struct wa_proto m = wa_proto(p, n);
	struct wa_field f, x;
	while (wa_proto_next(&m, &f)) {
		if (f.no == 2 && f.is_bytes && c->kind != WA_CRYPT15) {
			struct wa_field salt, google, version;
			if (!wa_proto_bytes(f.p, f.n, 5, &x) || !take_iv(c, &x))
				continue;
			c->kind = WA_CRYPT14;
			c->salted = wa_proto_bytes(f.p, f.n, 3, &salt) && salt.n == 32 && wa_proto_bytes(f.p, f.n, 4, &google) && google.n == 16;
			if (c->salted) {
				memcpy(c->salt, salt.p, 32);
				memcpy(c->google_id, google.p, 16);
				c->version = wa_proto_bytes(f.p, f.n, 2, &version) && version.n == 1 ? version.p[0] : 0;
			}
		} else if (f.no == 3 && f.is_bytes && wa_proto_bytes(f.p, f.n, 1, &x) && take_iv(c, &x)) {
			c->kind = WA_CRYPT15;
			c->salted = false;
		} else if (f.no == 4 && f.is_bytes) {
			struct wa_proto about = wa_proto(f.p, f.n);
			while (wa_proto_next(&about, &x))
				if (x.is_bytes && x.n == 2 && x.p[0] >= '0' && x.p[0] <= '9' && x.p[1] >= '0' && x.p[1] <= '9')
					memcpy(c->number_ends, x.p, 2);
		}
	}
	return !m.bad && c->kind != WA_CRYPT_NONE;
}

bool wa_crypt_parse(const uint8_t *p, size_t n, struct wa_crypt *out, struct err *e)
{
	*out = (struct wa_crypt){ .kind = WA_CRYPT_NONE };
	if (n >= HEAD12 && p[0] == 0 && p[1] == 1 && p[2] >= 1 && p[2] <= 3) {
		/* crypt12: cipher version 2, key version 1, server salt 32, Google id 16, IV 16 */
		out->kind = WA_CRYPT12;
		out->salted = true;
		out->version = p[2];
		memcpy(out->salt, p + 3, 32);
		memcpy(out->google_id, p + 35, 16);
		memcpy(out->iv, p + 51, 16);
		out->iv_bytes = 16;
		out->header_bytes = HEAD12;
		return true;
	}
	if (n < 4)
		return no_header(e);
	/* The header's length, then the header. No field of it begins with a byte below 8, so that a second byte of the length is told
	 * from the first of the header. The byte 1 stands there with shorter headers, too. */
	size_t bytes = p[0], at = 1;
	if (p[1] < 8) {
		bytes = p[0] & 0x80 ? (size_t)(p[0] & 0x7f) | (size_t)p[1] << 7 : bytes;
		at = 2;
	}
	if (!bytes || bytes > n - at || !take_prefix(out, p + at, bytes))
		return no_header(e);
	out->header_bytes = at + bytes;
	return true;
}

/* ---- opening ---- */

static bool needs(struct err *e, const struct wa_crypt *c, const char *why)
{
	char ends[48] = "";
	if (*c->number_ends)
		fmt_into(ends, sizeof(ends), " of the number that ends in %s", c->number_ends);
	err_set(e, ERR_ARCHIVE, "%s: this is a crypt%d backup%s", why, (int)c->kind, ends);
	if (c->kind == WA_CRYPT15)
		return err_hint(e, "its key has 64 digits (WhatsApp, Settings, Chats, Chat backup, End-to-end encrypted backup), or is the file encrypted_backup.key: --key FILE, or key_file in mvchat.yaml");
	return err_hint(e, "its key is the file \"key\" (158 bytes) of the same phone: --key FILE, or key_file in mvchat.yaml");
}

static bool fits(const struct wa_crypt *c, const struct wa_key *k, struct err *e)
{
	if (k->kind == WA_CRYPT_NONE)
		return needs(e, c, "a key is needed");
	if ((c->kind == WA_CRYPT15) != (k->kind == WA_CRYPT15))
		return needs(e, c, "the key is of another kind");
	if (c->salted && (!memeql_sec(c->salt, k->salt, sizeof(c->salt)) || !memeql_sec(c->google_id, k->google_id, sizeof(c->google_id))))
		return needs(e, c, "the key is of another phone, or of another time WhatsApp was installed");
	return true;
}

static bool read_at(const struct vault_span *in, uint8_t *dst, size_t n, int64_t at)
{
	size_t got = 0;
	while (got < n) {
		const ssize_t k = pread(in->fd, dst + got, n - got, in->at + at + (int64_t)got);
		if (k <= 0)
			return false;
		got += (size_t)k;
	}
	return true;
}

static enum unsealed attempt(struct vault *v, const struct vault_span *in, struct seal *s, int64_t tail, struct vault_span *out, struct err *e)
{
	s->until = in->size - tail - TAG;
	if (s->until <= s->from || !read_at(in, s->tag, TAG, s->until))
		return UNSEAL_ALTERED;
	return vault_unseal(v, in, s, out, e);
}

static bool open_span(struct vault *v, const struct vault_span *in, const struct wa_key *key, struct vault_span *out, struct err *e)
{
	uint8_t head[WA_CRYPT_HEAD_MAX];
	const size_t n = in->size < WA_CRYPT_HEAD_MAX ? (size_t)in->size : WA_CRYPT_HEAD_MAX;
	struct wa_crypt c;
	struct seal s = { .iv_bytes = 0 };
	if (!read_at(in, head, n, 0))
		return err_set(e, ERR_ARCHIVE, "the backup cannot be read:");
	if (!wa_crypt_parse(head, n, &c, e) || !fits(&c, key, e))
		return false;
	if (c.kind == WA_CRYPT15)
		wa_crypt15_derive(key->secret, s.key);
	else
		memcpy(s.key, key->secret, sizeof(s.key));
	memcpy(s.iv, c.iv, sizeof(s.iv));
	s.iv_bytes = c.iv_bytes;
	s.from = (int64_t)c.header_bytes;
	enum unsealed u = attempt(v, in, &s, c.kind == WA_CRYPT12 ? SUM + NUMBER : SUM, out, e);
	if (u == UNSEAL_ALTERED) /* of several files: without the checksum */
		u = attempt(v, in, &s, c.kind == WA_CRYPT12 ? NUMBER : 0, out, e);
	memset(&s, 0, sizeof(s));
	switch (u) {
	case UNSEAL_DONE:
		return true;
	case UNSEAL_WRONG_KEY:
		return needs(e, &c, "the key does not open it");
	case UNSEAL_ALTERED:
		err_set(e, ERR_ARCHIVE, "the key is right, but the backup was cut off or changed: its seal is broken");
		return err_hint(e, "copy the file from the phone again, whole");
	case UNSEAL_FAILED:
		break;
	}
	return false;
}

bool wa_crypt_open(struct vault *v, const struct entry *en, const struct wa_key *key, struct vault_span *out, struct err *e)
{
	struct vault_span in;
	*out = (struct vault_span){ .fd = -1 };
	if (!vault_open_at(v, en, &in, e))
		return false;
	const bool ok = open_span(v, &in, key, out, e);
	close(in.fd);
	return ok || err_where(e, "%s", en->name);
}
