/* The vault against honest and hostile archives, all made here. */
#include "core/vault.h"

#include "core/buf.h"
#include "tests/tools/hostile.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "tests/unit/made_folder.h"

static struct vault *open_ok(const char *path)
{
	struct err e = ERR_INIT;
	struct vault *v = vault_open(path, NULL, root, &e);
	if (!v)
		fail_msg("%s: %s (%s)", path, e.msg, e.where);
	return v;
}

static void refused(const char *path, const struct vault_limits *l, const char *words)
{
	struct err e = ERR_INIT;
	struct vault *v = vault_open(path, l, root, &e);
	if (v)
		fail_msg("%s was accepted", path);
	assert_int_equal(e.code, ERR_ARCHIVE);
	if (!strstr(e.msg, words))
		fail_msg("%s: '%s' lacks '%s'", path, e.msg, words);
}

static void assert_holds(struct vault *v, const char *name, const char *text)
{
	struct err e = ERR_INIT;
	size_t n = 0;
	const struct entry *en = vault_find(v, name);
	if (!en)
		fail_msg("no entry '%s'", name);
	char *s = vault_slurp(v, en, 1 << 20, &n, &e);
	if (!s)
		fail_msg("%s: %s", name, e.msg);
	assert_string_equal(s, text);
	assert_int_equal(n, strlen(text));
	assert_int_equal(en->size, n);
	free(s);
}

static size_t files_in_root(void)
{
	DIR *d = opendir(root);
	size_t n = 0;
	const struct dirent *de;
	while ((de = readdir(d)))
		n += de->d_name[0] != '.';
	closedir(d);
	return n;
}

static void test_hostile(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(hostile); i++) {
		const struct hostile *h = &hostile[i];
		struct buf b;
		struct err e = ERR_INIT;
		buf_init(&b, 64u << 20);
		h->make(&b);
		hostile_write(at(h->file), &b);
		buf_release(&b);
		switch (h->fate) {
		case FATE_REFUSED:
			refused(at(h->file), NULL, h->words);
			break;
		case FATE_UNREADABLE: {
			struct vault *v = open_ok(at(h->file));
			const struct entry *en = vault_find(v, h->entry);
			if (!en)
				fail_msg("%s: no '%s'", h->file, h->entry);
			if (vault_slurp(v, en, 1 << 20, NULL, &e))
				fail_msg("%s was readable", h->file);
			assert_int_equal(e.code, ERR_ARCHIVE);
			assert_string_equal(e.where, h->entry);
			if (!strstr(e.msg, h->words))
				fail_msg("%s: '%s' lacks '%s'", h->file, e.msg, h->words);
			assert_holds(v, "users.json", "[]");
			vault_close(v);
			break;
		}
		case FATE_READ: {
			struct vault *v = open_ok(at(h->file));
			assert_holds(v, h->entry, "hello");
			vault_close(v);
			break;
		}
		case FATE_EMPTY: {
			struct vault *v = open_ok(at(h->file));
			assert_int_equal(vault_count(v), 0);
			assert_string_equal(vault_top(v), "");
			assert_null(vault_find(v, ""));
			vault_close(v);
			break;
		}
		}
		unlink(at(h->file));
		assert_int_equal(files_in_root(), 0); /* nothing beside it, nothing left in scratch */
	}
}

static void test_twins(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 1 << 20);
	h_twins(&b);
	hostile_write(at("t.zip"), &b);
	buf_release(&b);
	struct vault *v = open_ok(at("t.zip"));
	assert_int_equal(vault_count(v), 3);
	assert_holds(v, "x", "hello");           /* the first keeps the name */
	assert_holds(v, "x (2)", "third");       /* a name the archive gave is kept */
	assert_holds(v, "x (2) (2)", "second");  /* so the made one moves on */
	vault_close(v);
	unlink(at("t.zip"));
}

/* Every cut of a zip is an error or a readable subset, and never a crash. */
static void test_cut(void **state)
{
	(void)state;
	struct zip_maker z;
	struct buf b;
	char data[3000], name[32];
	zip_begin(&z);
	for (int i = 0; i < 12; i++) {
		memset(data, 'a' + i, sizeof(data));
		snprintf(name, sizeof(name), "channel-%d/x.json", i);
		zip_part(&z, (struct zip_part){ .name = name, .data = data, .len = sizeof(data) });
	}
	buf_init(&b, 1 << 20);
	zip_end(&z, &b);
	const size_t all = b.len;
	size_t opened = 0;
	for (size_t cut = all; cut > 0; cut -= cut > all - 300 ? 1 : cut > 1024 ? 1024 : cut) {
		struct err e = ERR_INIT;
		buf_cut(&b, cut);
		hostile_write(at("cut.zip"), &b);
		struct vault *v = vault_open(at("cut.zip"), NULL, root, &e);
		if (!v) {
			assert_int_equal(e.code, ERR_ARCHIVE);
			assert_true(e.msg[0] && e.hint[0]);
			continue;
		}
		opened++;
		for (size_t i = 0; i < vault_count(v); i++)
			free(vault_slurp(v, vault_entry(v, i), 1 << 20, NULL, &e));
		vault_close(v);
	}
	assert_int_equal(opened, 1); /* the whole one */
	buf_release(&b);
	unlink(at("cut.zip"));
}

/* Any one byte of a zip may be wrong. */
static void test_flipped(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 1 << 20);
	h_end64(&b);
	for (size_t i = 0; i < b.len; i++) {
		for (int bit = 0; bit < 8; bit++) {
			struct err e = ERR_INIT;
			b.p[i] = (char)(b.p[i] ^ 1 << bit);
			hostile_write(at("flip.zip"), &b);
			struct vault *v = vault_open(at("flip.zip"), NULL, root, &e);
			for (size_t k = 0; v && k < vault_count(v); k++) {
				size_t n;
				char *s = vault_slurp(v, vault_entry(v, k), 1 << 20, &n, &e);
				if (s && vault_kind(v) == VAULT_ZIP) /* what can be read is right: the checksum says so */
					assert_true((n == 2 && !memcmp(s, "[]", 2)) || (n == 5 && !memcmp(s, "hello", 5)));
				free(s);
			}
			assert_true(v || e.msg[0]);
			vault_close(v);
			b.p[i] = (char)(b.p[i] ^ 1 << bit);
		}
	}
	buf_release(&b);
	unlink(at("flip.zip"));
}

static void test_top(void **state)
{
	(void)state;
	static const struct { const char *names[4]; const char *top, *find; } cases[] = {
		{ { "export/users.json", "export/general/2024-01-01.json" }, "export", "users.json" },
		{ { "export/general/a", "export/random/a" }, "export", "general/a" },
		{ { "a/b/users.json", "a/b/general/x" }, "a/b", "users.json" },
		{ { "general/2024-01-01.json", "general/2024-01-02.json" }, "", "general/2024-01-01.json" },
		{ { "users.json", "general/x" }, "", "users.json" },
		{ { "a/x", "b/y" }, "", "a/x" },
		{ { "a/x", "ab/c/y" }, "", "a/x" },
		{ { "./export//users.json", "export/./d/x" }, "export", "d/x" },
		{ { "x" }, "", "x" },
	};
	for (size_t i = 0; i < countof(cases); i++) {
		struct zip_maker z;
		struct buf b;
		zip_begin(&z);
		for (size_t k = 0; k < 4 && cases[i].names[k]; k++)
			zip_part(&z, (struct zip_part){ .name = cases[i].names[k], .data = "1", .len = 1 });
		buf_init(&b, 1 << 20);
		zip_end(&z, &b);
		hostile_write(at("top.zip"), &b);
		buf_release(&b);
		struct vault *v = open_ok(at("top.zip"));
		assert_string_equal(vault_top(v), cases[i].top);
		assert_holds(v, cases[i].find, "1");
		for (size_t k = 1; k < vault_count(v); k++)
			assert_true(strcmp(vault_entry(v, k - 1)->name, vault_entry(v, k)->name) < 0);
		vault_close(v);
	}
	unlink(at("top.zip"));
}

static void test_limits(void **state)
{
	(void)state;
	struct zip_maker z;
	struct buf b;
	struct vault_limits l;
	zip_begin(&z);
	zip_part(&z, (struct zip_part){ .name = "a/b/c/x", .data = "12345", .len = 5 });
	zip_part(&z, (struct zip_part){ .name = "a/b/c/y", .data = "12345", .len = 5 });
	buf_init(&b, 1 << 20);
	zip_end(&z, &b);
	hostile_write(at("l.zip"), &b);
	vault_limits_default(&l);
	l.max_entries = 1;
	refused(at("l.zip"), &l, "more than 1 entries");
	vault_limits_default(&l);
	l.max_entry_bytes = 4;
	refused(at("l.zip"), &l, "larger than the limit");
	vault_limits_default(&l);
	l.max_total_bytes = 9;
	refused(at("l.zip"), &l, "in all");
	vault_limits_default(&l);
	l.max_depth = 2;
	refused(at("l.zip"), &l, "too deep");
	l.max_depth = 3;
	struct vault *v = vault_open(at("l.zip"), &l, root, NULL);
	assert_non_null(v);
	vault_close(v);
	buf_reset(&b);
	tar_part(&b, "x", '0', "", "12345");
	tar_part(&b, "y", '0', "", "12345");
	tar_end(&b);
	hostile_write(at("l.tar"), &b);
	vault_limits_default(&l);
	l.max_entry_bytes = 4;
	refused(at("l.tar"), &l, "larger than the limit");
	vault_limits_default(&l);
	l.max_total_bytes = 9;
	refused(at("l.tar"), &l, "in all");
	buf_release(&b);
	unlink(at("l.zip"));
	unlink(at("l.tar"));
}

static void test_folder(void **state)
{
	(void)state;
	mkdir(at("f"), 0700);
	struct vault *v = open_ok(at("f"));
	assert_int_equal(vault_kind(v), VAULT_DIR);
	assert_int_equal(vault_count(v), 0);
	vault_close(v);

	mkdir(at("f/general"), 0700);
	mkdir(at("f/__MACOSX"), 0700);
	put("f/users.json", "[]");
	put("f/general/2024-01-01.json", "[1]");
	put("f/general/.DS_Store", "junk");
	put("f/__MACOSX/x", "junk");
	put("f/\xae\xe2\xe7\xf1\xe2.txt", "cp866");
	v = open_ok(at("f"));
	assert_int_equal(vault_count(v), 3);
	assert_holds(v, "users.json", "[]");
	assert_holds(v, "general/2024-01-01.json", "[1]");
	assert_holds(v, "\xd0\xbe\xd1\x82\xd1\x87\xd1\x91\xd1\x82.txt", "cp866");
	assert_int_equal(vault_lower(v, "general/"), 0);
	assert_int_equal(vault_lower(v, "zzz"), 2); /* bytes, not letters: Cyrillic comes after */
	uint8_t d1[DIGEST_BYTES], d2[DIGEST_BYTES];
	assert_true(vault_digest(at("f"), d1, NULL));

	/* A file that grows behind our back is told, not read as if nothing had happened. */
	const struct entry *en = vault_find(v, "users.json");
	put("f/users.json", "[1,2]");
	struct err e = ERR_INIT;
	assert_null(vault_slurp(v, en, 100, NULL, &e));
	assert_non_null(strstr(e.msg, "changed"));

	/* Nor is a link that has taken a file's place followed. */
	unlink(at("f/users.json"));
	assert_int_equal(symlink("/etc/passwd", at("f/users.json")), 0);
	assert_null(vault_slurp(v, en, 1 << 20, NULL, &e));
	vault_close(v);
	refused(at("f"), NULL, "a link");
	unlink(at("f/users.json"));
	assert_int_equal(mkfifo(at("f/pipe"), 0600), 0);
	refused(at("f"), NULL, "pipe");
	unlink(at("f/pipe"));
	v = open_ok(at("f"));
	assert_true(vault_digest(at("f"), d2, NULL));
	assert_memory_not_equal(d1, d2, DIGEST_BYTES);
	vault_close(v);
	remove_tree(AT_FDCWD, at("f"));
}

static void test_bare(void **state)
{
	(void)state;
	put("chat.txt", "12.03.2024, 14:05 - A: hi\n");
	struct vault *v = open_ok(at("chat.txt"));
	assert_int_equal(vault_kind(v), VAULT_FILE);
	assert_int_equal(vault_count(v), 1);
	assert_holds(v, "chat.txt", "12.03.2024, 14:05 - A: hi\n");
	struct err e = ERR_INIT;
	assert_null(vault_slurp(v, vault_entry(v, 0), 5, NULL, &e));
	assert_int_equal(e.code, ERR_ARCHIVE);
	vault_close(v);
	put("none", "");
	v = open_ok(at("none"));
	assert_int_equal(vault_entry(v, 0)->size, 0);
	assert_holds(v, "none", "");
	vault_close(v);
	/* Text that looks like a format libarchive knows is still text. */
	put("m.txt", "#mtree\n./x type=file\n");
	v = open_ok(at("m.txt"));
	assert_int_equal(vault_kind(v), VAULT_FILE);
	vault_close(v);
	refused(at("absent"), NULL, "cannot open");
	unlink(at("chat.txt"));
	unlink(at("none"));
	unlink(at("m.txt"));
	assert_int_equal(mkfifo(at("p"), 0600), 0);
	refused(at("p"), NULL, "neither a file nor a folder"); /* and does not wait for a writer */
	unlink(at("p"));
}

/* A tar whose last member is a zip ends with a zip's last record; it is a tar. */
static void test_tar_of_zip(void **state)
{
	(void)state;
	struct buf b, inner;
	buf_init(&b, 1 << 20);
	buf_init(&inner, 1 << 20);
	h_empty(&inner);
	assert_int_equal(inner.len, 22);
	tar_part(&b, "a.txt", '0', "", "hello");
	tar_part(&b, "z.zip", '0', "", "PK");
	tar_end(&b);
	memcpy(b.p + b.len - 1024 - 512, inner.p, inner.len);
	hostile_write(at("z.tar"), &b);
	struct vault *v = open_ok(at("z.tar"));
	assert_int_equal(vault_kind(v), VAULT_ARCHIVE);
	assert_int_equal(vault_count(v), 2);
	assert_holds(v, "a.txt", "hello");
	vault_close(v);
	buf_release(&b);
	buf_release(&inner);
	unlink(at("z.tar"));
}

/* Two entries read by turns, in pieces of odd sizes. */
static void test_interleaved(void **state)
{
	(void)state;
	struct zip_maker z;
	struct buf b;
	static char x[200000], y[100000];
	for (size_t i = 0; i < sizeof(x); i++)
		x[i] = (char)('a' + i % 23);
	memset(y, 'y', sizeof(y));
	zip_begin(&z);
	zip_part(&z, (struct zip_part){ .name = "x", .data = x, .len = sizeof(x) });
	zip_part(&z, (struct zip_part){ .name = "y", .data = y, .len = sizeof(y) });
	buf_init(&b, 1 << 20);
	zip_end(&z, &b);
	hostile_write(at("i.zip"), &b);
	buf_release(&b);
	struct vault *v = open_ok(at("i.zip"));
	struct err e = ERR_INIT;
	struct vfile *fx = vault_read(v, vault_find(v, "x"), &e), *fy = vault_read(v, vault_find(v, "y"), &e);
	assert_non_null(fx);
	assert_non_null(fy);
	static char got_x[sizeof(x)], got_y[sizeof(y)];
	size_t nx = 0, ny = 0;
	for (ptrdiff_t k = 1, m = 1; k > 0 || m > 0;) {
		k = vfile_read(fx, got_x + nx, sizeof(x) - nx < 777 ? sizeof(x) - nx + (nx == sizeof(x)) : 777, &e);
		m = vfile_read(fy, got_y + ny, sizeof(y) - ny < 333 ? sizeof(y) - ny + (ny == sizeof(y)) : 333, &e);
		assert_true(k >= 0 && m >= 0);
		nx += (size_t)k;
		ny += (size_t)m;
	}
	assert_int_equal(nx, sizeof(x));
	assert_int_equal(ny, sizeof(y));
	assert_memory_equal(x, got_x, sizeof(x));
	assert_memory_equal(y, got_y, sizeof(y));
	vfile_close(fx);
	vfile_close(fy);
	vault_close(v);
	unlink(at("i.zip"));
}

/* Bytes that deflate to about half: neither too well nor not at all. */
static void noise(char *p, size_t n)
{
	uint32_t x = 12345;
	for (size_t i = 0; i < n; i++) {
		x = x * 1103515245 + 12345;
		p[i] = (char)('a' + (x >> 16 & 15));
	}
}

static struct zip_part deflated(const char *name, const char *data, size_t n, char *room, size_t cap)
{
	z_stream z = { 0 };
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)data;
	z.avail_in = (uInt)n;
	z.next_out = (Bytef *)room;
	z.avail_out = (uInt)cap;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	const size_t packed = z.total_out;
	deflateEnd(&z);
	return (struct zip_part){ .name = name, .data = room, .len = packed, .method = 8, .says_size = n, .crc = crc32_of(data, n) };
}

/* Every way an entry's bytes can be read: whole and in a stream, stored and deflated, through libzip. */
static void test_ways(void **state)
{
	(void)state;
	enum { BIG = 5 << 20, SMALL = 70000 };
	char *data = malloc(BIG), *room = malloc(4 * BIG);
	struct zip_maker z;
	struct buf b;
	assert_true(data && room);
	noise(data, BIG);
	zip_begin(&z);
	zip_part(&z, (struct zip_part){ .name = "stored-big", .data = data, .len = BIG });
	zip_part(&z, (struct zip_part){ .name = "stored", .data = data, .len = SMALL, .local_extra = 60000 });
	zip_part(&z, deflated("deflated-big", data, BIG, room, BIG));
	zip_part(&z, deflated("deflated", data, SMALL, room + BIG, BIG));
	struct zip_part p = deflated("deflated-behind-extra", data, SMALL, room + BIG, BIG);
	p.local_extra = 513;
	zip_part(&z, p);
	zip_part(&z, (struct zip_part){ .name = "bzip2", .data = bzip2_hello, .len = sizeof(bzip2_hello) - 1, .method = 12, .says_size = 5, .crc = crc32_of("hello", 5) });
	buf_init(&b, 64 << 20);
	zip_end(&z, &b);
	hostile_write(at("ways.zip"), &b);
	buf_release(&b);
	struct vault *v = open_ok(at("ways.zip"));
	static const struct { const char *name; size_t n; } entries[] = {
		{ "stored-big", BIG }, { "stored", SMALL }, { "deflated-big", BIG }, { "deflated", SMALL }, { "deflated-behind-extra", SMALL },
	};
	for (size_t round = 0; round < 2; round++) {
		for (size_t i = 0; i < countof(entries); i++) {
			struct err e = ERR_INIT;
			size_t n = 0;
			char *s = vault_slurp(v, vault_find(v, entries[i].name), BIG, &n, &e);
			if (!s)
				fail_msg("%s: %s", entries[i].name, e.msg);
			assert_int_equal(n, entries[i].n);
			assert_memory_equal(s, data, n);
			free(s);
		}
		assert_holds(v, "bzip2", "hello");
	}
	vault_close(v);
	unlink(at("ways.zip"));
	free(data);
	free(room);
}

/* What is damaged in the middle is given out up to there, and the error comes behind it, whatever the entry's size. */
static void test_damaged_inside(void **state)
{
	(void)state;
	enum { BIG = 5 << 20, SMALL = 200000 };
	char *data = malloc(BIG), *room = malloc(BIG);
	assert_true(data && room);
	noise(data, BIG);
	for (int i = 0; i < 6; i++) {
		const size_t n = i & 1 ? BIG : SMALL;
		struct zip_maker z;
		struct buf b;
		struct err e = ERR_INIT;
		struct zip_part p = i < 4 ? deflated("x", data, n, room, BIG) : (struct zip_part){ .name = "x", .data = data, .len = n };
		if (i < 2)
			memset(room + p.len / 2, 0xff, 64);
		else
			p.wrong_crc = true;
		zip_begin(&z);
		zip_part(&z, p);
		buf_init(&b, 64 << 20);
		zip_end(&z, &b);
		hostile_write(at("half.zip"), &b);
		buf_release(&b);
		struct vault *v = open_ok(at("half.zip"));
		struct vfile *f = vault_read(v, vault_find(v, "x"), &e);
		assert_non_null(f);
		char piece[5000];
		size_t got = 0;
		ptrdiff_t k;
		while ((k = vfile_read(f, piece, sizeof(piece), &e)) > 0) {
			if (i >= 2)
				assert_memory_equal(piece, data + got, (size_t)k);
			got += (size_t)k;
		}
		assert_int_equal(k, -1);
		assert_int_equal(e.code, ERR_ARCHIVE);
		assert_string_equal(e.where, "x");
		if (i >= 2) {
			assert_non_null(strstr(e.msg, "its checksum is wrong"));
			assert_int_equal(got, n);
		} else {
			assert_true(got > n / 3);
		}
		assert_int_equal(vfile_read(f, piece, sizeof(piece), &e), -1); /* and stays wrong */
		vfile_close(f);
		vault_close(v);
	}
	unlink(at("half.zip"));
	free(data);
	free(room);
}

/* What libzip unpacks ends with an error, too, where checksum, size or bytes are wrong; two of them can be read by turns, and bytes may
 * stand before the zip. */
static void test_other_method(void **state)
{
	(void)state;
	static const char *const words[] = { "", "CRC", "", "", "" };
	for (size_t i = 0; i < countof(words); i++) {
		struct zip_maker z;
		struct buf b, file;
		struct err e = ERR_INIT;
		char bytes[sizeof(bzip2_hello)];
		memcpy(bytes, bzip2_hello, sizeof(bytes));
		if (i == 3)
			memset(bytes + 20, 0, 8);
		struct zip_part p = { .name = "sub/x", .data = bytes, .len = sizeof(bytes) - 1, .method = 12, .says_size = i == 2 ? 4 : i == 4 ? 6 : 5,
			.crc = crc32_of("hello", 5), .wrong_crc = i == 1, .local_extra = i };
		zip_begin(&z);
		zip_part(&z, p);
		p.name = "sub/y";
		zip_part(&z, p);
		buf_init(&b, 1 << 20);
		buf_init(&file, 1 << 20);
		zip_end(&z, &b);
		buf_adds(&file, i == 0 ? "something that unpacks itself" : "");
		buf_add(&file, b.p, b.len);
		hostile_write(at("bz.zip"), &file);
		buf_release(&b);
		buf_release(&file);
		struct vault *v = open_ok(at("bz.zip"));
		if (i == 0) {
			char one[3] = "", two[3] = "";
			struct vfile *f = vault_read(v, vault_find(v, "sub/x"), &e), *g = vault_read(v, vault_find(v, "sub/y"), &e);
			assert_true(f && g);
			for (size_t k = 0; k < 5; k += 2) {
				assert_int_equal(vfile_read(f, one, 2, &e), k < 4 ? 2 : 1);
				assert_int_equal(vfile_read(g, two, 2, &e), k < 4 ? 2 : 1);
				assert_memory_equal(one, "hello" + k, k < 4 ? 2 : 1);
				assert_string_equal(one, two);
			}
			assert_int_equal(vfile_read(f, one, 2, &e), 0);
			vfile_close(g);
			vfile_close(f);
		} else {
			assert_null(vault_slurp(v, vault_find(v, "sub/y"), 100, NULL, &e));
			assert_int_equal(e.code, ERR_ARCHIVE);
			assert_string_equal(e.where, "sub/y");
			assert_non_null(strstr(e.msg, words[i]));
		}
		vault_close(v);
	}
	unlink(at("bz.zip"));
}

/* The directory may lie about where an entry is, or how long; no byte outside the entries' part of the file is given out. */
static void test_wrong_place(void **state)
{
	(void)state;
	static const struct { int64_t away; size_t len; uint32_t method; } cases[] = {
		{ 1, 5, 0 }, { 40, 5, 0 }, { 1 << 20, 5, 0 }, { 0xf0000000, 5, 0 }, { 1, 5, 8 }, { 1 << 20, 5, 8 }, { 1, 5, 12 },
	};
	for (size_t i = 0; i < countof(cases); i++) {
		struct zip_maker z;
		struct buf b;
		struct err e = ERR_INIT;
		zip_begin(&z);
		zip_part(&z, (struct zip_part){ .name = "x", .data = "hello", .len = 5, .method = cases[i].method, .away = cases[i].away });
		buf_init(&b, 1 << 20);
		zip_end(&z, &b);
		hostile_write(at("away.zip"), &b);
		buf_release(&b);
		struct vault *v = vault_open(at("away.zip"), NULL, root, &e);
		if (v) {
			assert_null(vault_slurp(v, vault_find(v, "x"), 100, NULL, &e));
			assert_string_equal(e.where, "x");
			vault_close(v);
		}
		assert_int_equal(e.code, ERR_ARCHIVE);
	}
	unlink(at("away.zip"));
}

/* A long row of documents, as importers read it: some damaged, some read again, some left out, media in between. Enough of
 * them that the next ones are unpacked ahead. */
static void test_row(void **state)
{
	(void)state;
	enum { N = 700, LONGEST = 9000 };
	static char data[LONGEST], room[2 * LONGEST], names[N][32];
	struct zip_maker z;
	struct buf b;
	noise(data, sizeof(data));
	zip_begin(&z);
	for (int i = 0; i < N; i++) {
		const size_t n = (size_t)(i * 131 % LONGEST);
		snprintf(names[i], sizeof(names[i]), i % 50 == 49 ? "c%02d/photo%03d.jpg" : "c%02d/%03d.json", i / 100, i);
		struct zip_part p = i % 3 ? deflated(names[i], data, n, room, sizeof(room)) : (struct zip_part){ .name = names[i], .data = data, .len = n };
		p.wrong_crc = i % 40 == 7;
		zip_part(&z, p);
	}
	buf_init(&b, 64 << 20);
	zip_end(&z, &b);
	hostile_write(at("row.zip"), &b);
	buf_release(&b);
	for (int way = 0; way < 4; way++) {
		struct vault *v = open_ok(at("row.zip"));
		struct vfile *held = NULL; /* an entry kept open all along */
		for (int i = 0; i < N; i++) {
			struct err e = ERR_INIT;
			const int k = way == 3 ? N - 1 - i : i;
			const size_t want = (size_t)(k * 131 % LONGEST);
			size_t n = 0;
			if ((way == 1 && k % 7 == 3) || (way == 2 && k > 300 && k < 500))
				continue;
			for (int again = 0; again < (way == 2 && k % 5 == 0 ? 2 : 1); again++) {
				char *s = vault_slurp(v, vault_find(v, names[k]), LONGEST, &n, &e);
				if (k % 40 == 7) {
					assert_null(s);
					assert_string_equal(e.where, names[k]);
					continue;
				}
				if (!s)
					fail_msg("%s: %s", names[k], e.msg);
				assert_int_equal(n, want);
				assert_memory_equal(s, data, n);
				free(s);
			}
			if (k == 60 && way != 1)
				held = vault_read(v, vault_find(v, names[k]), &e);
		}
		if (held) {
			static char got[LONGEST];
			const size_t want = 60 * 131 % LONGEST;
			assert_int_equal(vfile_read(held, got, sizeof(got), NULL), want);
			assert_memory_equal(got, data, want);
			vfile_close(held);
		}
		vault_close(v);
	}
	struct vault *v = open_ok(at("row.zip")); /* and closed in the middle */
	for (int i = 0; i < 100; i++)
		free(vault_slurp(v, vault_find(v, names[i]), LONGEST, NULL, NULL));
	vault_close(v);
	unlink(at("row.zip"));
}

static void test_close_null(void **state)
{
	(void)state;
	vault_close(NULL);
	vfile_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_twins),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_top),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_folder),
		cmocka_unit_test(test_bare),
		cmocka_unit_test(test_tar_of_zip),
		cmocka_unit_test(test_interleaved),
		cmocka_unit_test(test_ways),
		cmocka_unit_test(test_damaged_inside),
		cmocka_unit_test(test_other_method),
		cmocka_unit_test(test_wrong_place),
		cmocka_unit_test(test_row),
		cmocka_unit_test(test_close_null),
	};
	return cmocka_run_group_tests(tests, make_root, drop_root);
}
