/* test_whatsapp_db.c: WhatsApp's databases and backups: what is pushed, keys, damage, and databases made to do harm.
 *
 * Databases are made here from fixtures/whatsapp-db/NAME.sql; NAME.jsonl is what the importer pushes. MVCHAT_REGEN=1 writes the
 * expectations anew; whoever does that reads the difference.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/db.h"
#include "importers/whatsapp_crypt.h"
#include "importers/whatsapp_proto.h"
#include "tests/conform/jsonl_sink.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OUT_MAX = 4 * 1024 * 1024, FILE_MAX = 1 << 20 };

static char root[] = "/tmp/mvchat-wadb-XXXXXX";

static const char *at(const char *name)
{
	static char path[4][400];
	static int turn;
	turn = (turn + 1) % 4;
	fmt_into(path[turn], sizeof(path[turn]), "%s/%s", root, name);
	return path[turn];
}

static void folder(const char *name)
{
	char path[400];
	fmt_into(path, sizeof(path), "%s", at(name));
	for (char *p = path + strlen(root) + 1; *p; p++)
		if (*p == '/') {
			*p = '\0';
			mkdir(path, 0700);
			*p = '/';
		}
	mkdir(path, 0700);
}

static size_t slurp(const char *path, char *out, size_t cap)
{
	FILE *f = fopen(path, "rb");
	if (!f)
		return 0;
	const size_t n = fread(out, 1, cap - 1, f);
	out[n] = '\0';
	fclose(f);
	return n;
}

static void put(const char *name, const void *p, size_t n)
{
	FILE *f = fopen(at(name), "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void sql(const char *name, const char *text)
{
	sqlite3 *db;
	char *msg = NULL;
	remove(at(name));
	assert_int_equal(sqlite3_open(at(name), &db), SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, &msg) != SQLITE_OK)
		fail_msg("%s: %s", name, msg);
	sqlite3_close(db);
}

static void make(const char *name, const char *fixture)
{
	static char text[FILE_MAX];
	char path[200];
	fmt_into(path, sizeof(path), "fixtures/whatsapp-db/%s.sql", fixture);
	assert_true(slurp(path, text, sizeof(text)) > 100);
	sql(name, text);
}

/* The walk of an archive; the error's code. */
static enum err_code walk(const char *name, const char *key, struct jsonl *j, struct err *e)
{
	struct sink sink;
	struct arena step;
	char option[1024];
	const char *options[] = { option, NULL };
	*e = (struct err)ERR_INIT;
	jsonl_sink(j, &sink, OUT_MAX);
	fmt_into(option, sizeof(option), "key=%s", key ? key : "");
	struct vault *v = vault_open(at(name), NULL, root, e);
	assert_non_null(v);
	const struct importer *im = importer_choose(v, e);
	assert_ptr_equal(im, &importer_whatsapp_db);
	arena_init(&step);
	struct source *s = im->open(v, key ? options : NULL, e);
	if (s) {
		assert_string_equal(im->identity(s), "whatsapp");
		im->walk(s, &sink, &step, e);
		im->close(s);
	}
	arena_release(&step);
	vault_close(v);
	return e->code;
}

static void matches(const char *name, const char *key, const char *expected)
{
	static char want[FILE_MAX];
	struct jsonl j;
	struct err e;
	char path[200];
	if (walk(name, key, &j, &e))
		fail_msg("%s: %s", name, e.msg);
	fmt_into(path, sizeof(path), "fixtures/whatsapp-db/%s.jsonl", expected);
	if (getenv("MVCHAT_REGEN")) {
		FILE *f = fopen(path, "wb");
		fwrite(j.out.p, 1, j.out.len, f);
		fclose(f);
	}
	slurp(path, want, sizeof(want));
	const char *w = want, *g = j.out.p;
	for (int line = 1; *w || *g; line++) {
		const size_t a = strcspn(w, "\n"), b = strcspn(g, "\n");
		if (a != b || memcmp(w, g, a) != 0)
			fail_msg("%s, line %d\n  expected %.*s\n  got      %.*s", expected, line, (int)a, w, (int)b, g);
		w += a + (w[a] == '\n');
		g += b + (g[b] == '\n');
	}
	buf_release(&j.out);
}

/* 1 by 1, PNG. */
static const unsigned char png[] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13, 'I', 'H', 'D', 'R', 0, 0, 0, 1, 0, 0, 0, 1, 8, 6, 0, 0, 0, 0x1f, 0x15, 0xc4, 0x89 };

static void schemas(void **state)
{
	(void)state;
	folder("ios/Message/Media/120363041234567890@g.us/a/b");
	make("ios/ChatStorage.sqlite", "chatstorage");
	make("ios/ContactsV2.sqlite", "contactsv2");
	put("ios/Message/Media/120363041234567890@g.us/a/b/photo.png", png, sizeof(png));
	put("ios/Message/Media/120363041234567890@g.us/a/b/nobody.png", png, sizeof(png));
	matches("ios", NULL, "chatstorage");
	folder("and/Databases");
	folder("and/Media/WhatsApp Images");
	make("and/Databases/msgstore.db", "msgstore");
	make("and/Databases/wa.db", "wa");
	put("and/Media/WhatsApp Images/IMG-20240305-WA0001.png", png, sizeof(png));
	matches("and", NULL, "msgstore");
	folder("old/Media/WhatsApp Images");
	make("old/msgstore.db", "msgstore-old");
	put("old/Media/WhatsApp Images/IMG-20180106-WA0000.png", png, sizeof(png));
	matches("old", NULL, "msgstore-old");
}

static size_t messages_of(const char *name, const char *key)
{
	struct jsonl j;
	struct err e;
	if (walk(name, key, &j, &e))
		fail_msg("%s: %s", name, e.msg);
	buf_release(&j.out);
	return j.msgs;
}

/* A database that was copied with its -wal beside it: what stands only there is read, and nothing is written. */
static void write_ahead(void **state)
{
	sqlite3 *db;
	static char text[FILE_MAX];
	int on = 1;
	struct stat before, after;
	(void)state;
	folder("wal");
	make("wal/msgstore.db", "msgstore");
	assert_int_equal(sqlite3_open(at("wal/msgstore.db"), &db), SQLITE_OK);
	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, on, &on);
	assert_int_equal(sqlite3_exec(db, "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; INSERT INTO message (chat_row_id, from_me, key_id, sender_jid_row_id, status, "
		"timestamp, message_type, text_data) VALUES (1, 0, 'ONLYINWAL', 1, 0, 1709640000000, 0, 'новое')", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	size_t n = slurp(at("wal/msgstore.db-wal"), text, sizeof(text));
	assert_true(n > 32);
	assert_int_equal(stat(at("wal/msgstore.db"), &before), 0);
	assert_int_equal(messages_of("wal", NULL), 17);
	struct jsonl j;
	struct err e;
	assert_int_equal(walk("wal/msgstore.db", NULL, &j, &e), ERR_NONE); /* alone it lacks that one, which is told */
	assert_int_equal(j.msgs, 16);
	assert_non_null(strstr(j.out.p, "newest-missing"));
	buf_release(&j.out);
	assert_int_equal(stat(at("wal/msgstore.db"), &after), 0);
	assert_int_equal(before.st_mtime, after.st_mtime);
	assert_int_equal(slurp(at("wal/msgstore.db-wal"), text, sizeof(text)), n);
	remove(at("wal/msgstore.db-wal"));
	remove(at("wal/msgstore.db-shm"));
	assert_int_equal(messages_of("wal", NULL), 16); /* its header still says WAL */
}

/* ---- backups ---- */

static char tools[400]; /* beside this program: build/MODE/tools */

static void tool(const char *args)
{
	char cmd[1500];
	fmt_into(cmd, sizeof(cmd), "%s/wa_db %s", tools, args);
	FILE *p = popen(cmd, "r");
	assert_non_null(p);
	assert_int_equal(pclose(p), 0);
}

static void hex_of(const char *name, char *out)
{
	uint8_t p[400];
	FILE *f = fopen(at(name), "rb");
	assert_non_null(f);
	const size_t n = fread(p, 1, sizeof(p), f);
	fclose(f);
	hex(p, n, out);
}

static void is_refused(const char *name, const char *key, const char *says)
{
	struct jsonl j;
	struct err e;
	assert_int_equal(walk(name, key, &j, &e), ERR_ARCHIVE);
	if (!strstr(e.msg, says))
		fail_msg("%s: no '%s' in '%s'", name, says, e.msg);
	assert_int_equal(j.msgs, 0);
	buf_release(&j.out);
}

static void backups(void **state)
{
	static char k15[900], k14[900], bytes[FILE_MAX];
	char cmd[1200], name[64];
	(void)state;
	folder("b");
	make("plain.db", "msgstore");
	fmt_into(cmd, sizeof(cmd), "key 15 %s", at("k15"));
	tool(cmd);
	fmt_into(cmd, sizeof(cmd), "key 14 %s", at("k14"));
	tool(cmd);
	hex_of("k15", k15);
	hex_of("k14", k14);
	static const int kinds[] = { 15, 14, 12 };
	for (size_t i = 0; i < countof(kinds); i++) {
		const char *key = kinds[i] == 15 ? k15 : k14, *other = kinds[i] == 15 ? k14 : k15;
		fmt_into(name, sizeof(name), "b/msgstore.db.crypt%d", kinds[i]);
		fmt_into(cmd, sizeof(cmd), "seal %d %s %s", kinds[i], at("plain.db"), at(name));
		tool(cmd);
		assert_int_equal(messages_of(name, key), 16);
		is_refused(name, NULL, "a key is needed");
		is_refused(name, other, "another kind");
		const size_t n = slurp(at(name), bytes, sizeof(bytes));
		/* Any one byte changed, anywhere: never read as if nothing were. The checksum behind the tag is not looked at. */
		for (size_t k = 70; k < n - 37; k += n / 23) {
			struct jsonl j;
			struct err e;
			bytes[k] = (char)(bytes[k] ^ 1);
			fmt_into(name, sizeof(name), "b/changed.crypt%d", kinds[i]);
			put(name, bytes, n);
			bytes[k] = (char)(bytes[k] ^ 1);
			assert_int_equal(walk(name, key, &j, &e), ERR_ARCHIVE);
			assert_int_equal(j.msgs, 0);
			buf_release(&j.out);
		}
		put(name, bytes, n - n / 3);
		is_refused(name, key, "cut off or changed");
		put(name, bytes, 20);
		is_refused(name, key, "makes no sense");
		remove(at(name));
	}
	/* Backups in several files have no checksum. */
	setenv("WA_DB_NO_SUM", "1", 1);
	fmt_into(cmd, sizeof(cmd), "seal 15 %s %s", at("plain.db"), at("b/nosum.crypt15"));
	tool(cmd);
	unsetenv("WA_DB_NO_SUM");
	assert_int_equal(messages_of("b/nosum.crypt15", k15), 16);
	/* Another key of the right kind. */
	k15[0] = k15[0] == '3' ? '4' : '3';
	k15[1] = '1';
	is_refused("b/nosum.crypt15", k15, "does not open it");
	/* The folder: the newest kind, with the same key for the address book. */
	remove(at("b/nosum.crypt15"));
	hex_of("k15", k15);
	make("wa.plain", "wa");
	fmt_into(cmd, sizeof(cmd), "seal 15 %s %s", at("wa.plain"), at("b/wa.db.crypt15"));
	tool(cmd);
	struct jsonl j;
	struct err e;
	assert_int_equal(walk("b", k15, &j, &e), ERR_NONE);
	assert_non_null(strstr(j.out.p, "Иван Петров"));
	buf_release(&j.out);
}

static void keys(void **state)
{
	static const char digits[] = "000102030405060708090A0B0C0D0E0F 101112131415161718191a1b1c1d1e1f\r\n";
	struct wa_key k;
	struct err e = ERR_INIT;
	uint8_t out[32], file[59] = { 0xac, 0xed, 0, 5, 'u', 'r', 0, 2, '[', 'B' };
	(void)state;
	assert_true(wa_key_parse((const uint8_t *)digits, strlen(digits), &k, &e));
	assert_int_equal(k.kind, WA_CRYPT15);
	for (int i = 0; i < 32; i++)
		assert_int_equal(k.secret[i], i);
	/* HKDF-SHA256 of these bytes, no salt, info "backup encryption", 32 bytes; computed with another implementation (Python's hmac). */
	static const uint8_t derived[32] = { 0x4e, 0x54, 0xc0, 0x77, 0x7a, 0x72, 0x14, 0xdf, 0xdf, 0x0a, 0xf5, 0xb6, 0xe1, 0x53, 0xac, 0xfa, 0x2f, 0xbd, 0xac, 0x60, 0x3f, 0xea, 0x6f, 0xd1, 0x63, 0x0b, 0x82, 0x4e, 0x5c, 0x29, 0xee, 0xf5 };
	wa_crypt15_derive(k.secret, out);
	assert_memory_equal(out, derived, 32);
	file[26] = 32;
	file[58] = 7;
	assert_true(wa_key_parse(file, sizeof(file), &k, &e));
	assert_int_equal(k.kind, WA_CRYPT15);
	assert_int_equal(k.secret[31], 7);
	assert_false(wa_key_parse(file, 58, &k, &e));
	assert_int_equal(e.code, ERR_USAGE);
	assert_false(wa_key_parse((const uint8_t *)digits, 60, &k, &e));
	assert_false(wa_key_parse((const uint8_t *)"", 0, &k, &e));
}

static void proto(void **state)
{
	static const uint8_t good[] = { 0x08, 0x96, 0x01, 0x12, 0x02, 'h', 'i', 0x19, 1, 0, 0, 0, 0, 0, 0, 0, 0x25, 2, 0, 0, 0 };
	static const uint8_t bad[][3] = { { 0x08, 0xff, 0xff }, { 0x12, 5, 0 }, { 0x00, 1, 1 }, { 0x0b, 1, 1 }, { 0x19, 1, 1 } };
	struct wa_proto m = wa_proto(good, sizeof(good));
	struct wa_field f;
	(void)state;
	assert_true(wa_proto_next(&m, &f) && f.no == 1 && !f.is_bytes && f.value == 150);
	assert_true(wa_proto_next(&m, &f) && f.no == 2 && f.is_bytes && f.n == 2 && f.p[0] == 'h');
	assert_true(wa_proto_next(&m, &f) && f.no == 3 && f.value == 1);
	assert_true(wa_proto_next(&m, &f) && f.no == 4 && f.value == 2);
	assert_false(wa_proto_next(&m, &f));
	assert_false(m.bad);
	for (size_t i = 0; i < countof(bad); i++) {
		m = wa_proto(bad[i], 3);
		while (wa_proto_next(&m, &f))
			;
		assert_true(m.bad);
	}
}

/* ---- databases that are not what they should be ---- */

static bool holds(const char *p, size_t n, const char *text)
{
	for (size_t i = 0; i + strlen(text) <= n; i++)
		if (!memcmp(p + i, text, strlen(text)))
			return true;
	return false;
}

static void damaged(void **state)
{
	static char bytes[FILE_MAX];
	struct jsonl j;
	struct err e;
	(void)state;
	/* A thousand messages over many pages; some pages in the middle overwritten. */
	folder("dmg");
	make("dmg/msgstore.db", "msgstore");
	sqlite3 *db;
	assert_int_equal(sqlite3_open(at("dmg/msgstore.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 1099) INSERT INTO message (_id, chat_row_id, from_me, key_id, "
		"sender_jid_row_id, status, timestamp, message_type, text_data) SELECT i, 1, 0, 'K' || i, 1, 0, 1709640000000 + i * 1000, 0, 'сообщение номер ' || i || hex(zeroblob(60)) FROM n",
		NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(messages_of("dmg", NULL), 1016);
	const size_t n = slurp(at("dmg/msgstore.db"), bytes, sizeof(bytes));
	size_t hit = 0;
	for (size_t i = 0; i + 4096 <= n; i += 4096)
		if (bytes[i] == 13 && holds(bytes + i, 4096, "номер 5")) {
			memset(bytes + i, 0xff, 4096);
			hit++;
		}
	assert_true(hit > 0);
	put("dmg/msgstore.db", bytes, n);
	assert_int_equal(walk("dmg", NULL, &j, &e), ERR_NONE);
	assert_true(j.msgs > 800 && j.msgs < 1016);
	assert_true(j.bad > 0);
	assert_non_null(strstr(j.out.p, "K1099"));
	buf_release(&j.out);
	/* Cut off, and no database at all. */
	put("dmg/msgstore.db", bytes, 100);
	is_refused("dmg", NULL, "");
	memset(bytes, 'x', 8192);
	put("dmg/msgstore.db", bytes, 8192);
	is_refused("dmg", NULL, "no database");
	sql("dmg/msgstore.db", "CREATE TABLE t (a); INSERT INTO t VALUES (1)");
	is_refused("dmg", NULL, "no messages of WhatsApp");
}

static void hostile(void **state)
{
	struct jsonl j;
	struct err e;
	(void)state;
	folder("evil");
	/* Views in the place of tables, with a query that never ends. */
	make("evil/msgstore.db", "msgstore");
	sqlite3 *db;
	assert_int_equal(sqlite3_open(at("evil/msgstore.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "DROP TABLE message_media; CREATE VIEW message_media AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS message_row_id, "
		"'x' AS file_path FROM n; DROP TABLE message_add_on_reaction; CREATE TABLE message_add_on_reaction (message_add_on_row_id INTEGER, reaction TEXT);"
		"DROP TABLE message_quoted; CREATE TABLE message_quoted (message_row_id INTEGER, key_id TEXT, text_data TEXT, from_me INTEGER);"
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO message_quoted SELECT 2, 'k', 't', 0 FROM n;"
		"UPDATE message SET key_id = 'a' || char(10) || 'b' WHERE _id = 3; UPDATE message SET timestamp = 9223372036854775807 WHERE _id = 4;"
		"UPDATE message SET text_data = CAST(x'fffe41' AS TEXT) WHERE _id = 11; UPDATE jid SET raw_string = '../../etc@g.us' WHERE _id = 6", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(walk("evil", NULL, &j, &e), ERR_NONE);
	assert_true(j.msgs >= 16 && j.msgs < 2500);
	assert_null(strstr(j.out.p, "a\\nb"));
	assert_false(j.out.full);
	assert_non_null(strstr(j.out.p, "\xef\xbf\xbd"));
	buf_release(&j.out);
	/* A generated column and a table that are not ordinary ones. */
	sql("evil/msgstore.db", "CREATE VIRTUAL TABLE message USING fts5(text_data); CREATE TABLE jid (_id INTEGER, raw_string TEXT)");
	is_refused("evil", NULL, "no messages of WhatsApp");
}

/* A query of our own that gives no row and does not end is stopped. */
static void endless(void **state)
{
	struct err e = ERR_INIT;
	(void)state;
	sql("endless.db", "CREATE TABLE t (a); INSERT INTO t VALUES (1)");
	struct vault_span span = { .fd = open(at("endless.db"), O_RDONLY), .size = 8192 };
	struct db *d = db_open(&span, NULL, root, &e);
	assert_non_null(d);
	assert_true(db_has_table(d, "t") && !db_has_table(d, "u") && db_has_column(d, "t", "A") && !db_has_column(d, "t", "b"));
	struct db_query *q = db_query(d, "SELECT a FROM t", &e);
	assert_int_equal(db_next(q, &e), DB_ROW);
	assert_int_equal(db_int(q, 0), 1);
	assert_int_equal(db_next(q, &e), DB_END);
	db_end(q);
	q = db_query(d, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0", &e);
	assert_non_null(q);
	assert_int_equal(db_next(q, &e), DB_DAMAGED);
	assert_non_null(strstr(e.msg, "without an end"));
	db_end(q);
	q = db_query(d, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n", &e);
	enum db_step step;
	while ((step = db_next(q, &e)) == DB_ROW)
		;
	assert_int_equal(step, DB_DAMAGED);
	assert_non_null(strstr(e.msg, "more rows"));
	db_end(q);
	assert_null(db_query(d, "CREATE TABLE x (a)", &e));
	q = db_query(d, "ATTACH '/etc/passwd' AS z", &e);
	assert_int_equal(db_next(q, &e), DB_DAMAGED);
	db_end(q);
	db_close(d);
}

static int begin(void **state)
{
	(void)state;
	return mkdtemp(root) ? 0 : -1;
}

static int done(void **state)
{
	char cmd[200];
	(void)state;
	fmt_into(cmd, sizeof(cmd), "rm -rf '%s'", root);
	FILE *p = popen(cmd, "r");
	return p ? pclose(p) : -1;
}

int main(int argc, char **argv)
{
	char *self = argc ? argv[0] : NULL, *slash = self ? strstr(self, "/unit/") : NULL;
	if (!slash) {
		fprintf(stderr, "call it as build/MODE/unit/test_whatsapp_db\n");
		return 1;
	}
	fmt_into(tools, sizeof(tools), "%.*s/tools", (int)(slash - self), self);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(schemas), cmocka_unit_test(write_ahead), cmocka_unit_test(backups), cmocka_unit_test(keys), cmocka_unit_test(proto),
		cmocka_unit_test(damaged), cmocka_unit_test(hostile), cmocka_unit_test(endless),
	};
	return cmocka_run_group_tests(tests, begin, done);
}
