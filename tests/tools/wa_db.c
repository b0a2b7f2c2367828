/* wa_db.c: makes databases and backups of WhatsApp for tests, none of which may be had from outside.
 *
 *   wa_db make OUT <SQL          a database (with "PRAGMA journal_mode=WAL" in it its -wal stays beside it)
 *   wa_db key 15|14 OUT          a key: 64 digits; a phone's key file. Always the same bytes.
 *   wa_db seal 15|14|12 IN OUT   the backup of a database, opened by that key
 *
 * The layouts are those importers/whatsapp_crypt.c names its sources for; this is their other direction.
 */
#include "core/base.h"

#include <nettle/gcm.h>
#include <nettle/hmac.h>
#include <nettle/md5.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static void secret(uint8_t *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(seed * 31 + i * 7 + 3);
}

static int fail(const char *what)
{
	fprintf(stderr, "wa_db: %s\n", what);
	return 1;
}

static uint8_t *slurp(FILE *f, size_t *n)
{
	size_t cap = 1 << 16;
	uint8_t *p = xmalloc(cap + 1);
	*n = 0;
	for (size_t k; (k = fread(p + *n, 1, cap - *n, f)) > 0;) {
		*n += k;
		if (*n == cap)
			p = xrealloc(p, (cap *= 2) + 1);
	}
	p[*n] = 0;
	return p;
}

static int make(const char *out)
{
	sqlite3 *db;
	size_t n;
	char *sql = (char *)slurp(stdin, &n), *msg = NULL;
	int off = 0;
	remove(out);
	if (sqlite3_open(out, &db) != SQLITE_OK)
		return fail(sqlite3_errmsg(db));
	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, &off);
	if (sqlite3_exec(db, sql, NULL, NULL, &msg) != SQLITE_OK)
		return fail(msg);
	free(sql);
	if (strstr(out, "keep-wal"))
		_exit(0); /* as if the program that writes it were killed: nothing is moved out of the -wal */
	sqlite3_close(db);
	return 0;
}

static int key(int kind, const char *out)
{
	uint8_t root[32], file[158] = { 0xac, 0xed, 0, 5, 'u', 'r', 0, 2, '[', 'B', 0xac, 0xf3, 0x17, 0xf8, 6, 8, 'T', 0xe0, 2, 0, 0, 'x', 'p', 0, 0, 0, 131 };
	FILE *f = fopen(out, "wb");
	if (!f)
		return fail("cannot write the key");
	secret(root, 32, 15);
	if (kind == 15) {
		for (size_t i = 0; i < 32; i++)
			fprintf(f, "%02x%s", root[i], i == 31 ? "\n" : i % 8 == 7 ? " " : "");
	} else {
		file[28] = 1;
		file[29] = 2;
		secret(file + 30, 32, 1);
		secret(file + 62, 16, 2);
		secret(file + 126, 32, 3);
		fwrite(file, 1, sizeof(file), f);
	}
	return fclose(f);
}

static size_t field(uint8_t *p, unsigned no, const uint8_t *v, size_t n)
{
	p[0] = (uint8_t)(no << 3 | 2);
	p[1] = (uint8_t)n;
	memcpy(p + 2, v, n);
	return n + 2;
}

static int seal(int kind, const char *in, const char *out)
{
	uint8_t salt[32], google[16], iv[16], k[32], head[256], inner[128], tag[16], sum[16];
	static const uint8_t one[] = { 0, 1 }, version[] = { 2 }, about[] = { 0x0a, 4, '2', '.', '2', '4', 0x12, 2, '6', '7' };
	size_t n, h = 0, m = 0;
	FILE *f = fopen(in, "rb");
	if (!f)
		return fail("cannot read the database");
	uint8_t *plain = slurp(f, &n);
	fclose(f);
	uLongf packed = compressBound((uLong)n);
	uint8_t *z = xmalloc(packed);
	if (compress(z, &packed, plain, (uLong)n) != Z_OK)
		return fail("cannot pack");
	secret(salt, 32, 1);
	secret(google, 16, 2);
	secret(iv, 16, 4);
	secret(k, 32, kind == 15 ? 15 : 3);
	if (kind == 12) {
		memcpy(head, one, 2);
		head[2] = 2;
		memcpy(head + 3, salt, 32);
		memcpy(head + 35, google, 16);
		memcpy(head + 51, iv, 16);
		h = 67;
	} else {
		head[h++] = 0;
		head[h++] = 1;
		head[h++] = 0x08; /* the kind of key */
		head[h++] = kind == 15;
		if (kind == 15) {
			static const uint8_t zero[32];
			struct hmac_sha256_ctx c;
			uint8_t middle[32];
			hmac_sha256_set_key(&c, 32, zero);
			hmac_sha256_update(&c, 32, k);
			hmac_sha256_digest(&c, 32, middle);
			hmac_sha256_set_key(&c, 32, middle);
			hmac_sha256_update(&c, 18, (const uint8_t *)"backup encryption\x01");
			hmac_sha256_digest(&c, 32, k);
			m = field(inner, 1, iv, 16);
			h += field(head + h, 3, inner, m);
		} else {
			m = field(inner, 1, one, 2);
			m += field(inner + m, 2, version, 1);
			m += field(inner + m, 3, salt, 32);
			m += field(inner + m, 4, google, 16);
			m += field(inner + m, 5, iv, 16);
			h += field(head + h, 2, inner, m);
		}
		h += field(head + h, 4, about, sizeof(about));
		head[0] = (uint8_t)(h - 2);
	}
	struct gcm_aes256_ctx g;
	gcm_aes256_set_key(&g, k);
	gcm_aes256_set_iv(&g, 16, iv);
	gcm_aes256_encrypt(&g, packed, z, z);
	gcm_aes256_digest(&g, 16, tag);
	struct md5_ctx c;
	md5_init(&c);
	md5_update(&c, h, head);
	md5_update(&c, packed, z);
	md5_update(&c, 16, tag);
	md5_digest(&c, 16, sum);
	if (!(f = fopen(out, "wb")))
		return fail("cannot write the backup");
	fwrite(head, 1, h, f);
	fwrite(z, 1, packed, f);
	fwrite(tag, 1, 16, f);
	if (!getenv("WA_DB_NO_SUM"))
		fwrite(sum, 1, 16, f);
	if (kind == 12)
		fwrite("--67", 1, 4, f);
	free(plain);
	free(z);
	return fclose(f);
}

int main(int argc, char **argv)
{
	const int kind = argc > 2 ? atoi(argv[2]) : 0;
	if (argc == 3 && streq(argv[1], "make"))
		return make(argv[2]);
	if (argc == 4 && streq(argv[1], "key"))
		return key(kind, argv[3]);
	if (argc == 5 && streq(argv[1], "seal"))
		return seal(kind, argv[3], argv[4]);
	return fail("make OUT <SQL | key 15|14 OUT | seal 15|14|12 IN OUT");
}
