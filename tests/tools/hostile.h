/* hostile.h: archives that no honest program makes, written byte by byte, so that every field can lie.
 *
 * The table `hostile` at the end lists them with what must become of each; tests/unit/test_vault.c goes through it, and the
 * tool `hostile DIR` writes them to files for tests that need files. Header-only: both are single programs.
 */
#ifndef MVCHAT_TESTS_HOSTILE_H
#define MVCHAT_TESTS_HOSTILE_H

#include "core/buf.h"

#include <stdio.h>
#include <string.h>

/* ---- zip ---- */

struct zip_part {
	const char *name;
	size_t name_len;        /* 0: strlen(name) */
	const char *data;
	size_t len;
	uint32_t flags, method; /* general purpose bits; 0 = stored, 8 = deflated (data is what stands in the file) */
	uint32_t mode;          /* Unix mode, 0 = made on DOS */
	uint64_t says_size;     /* what the directory says instead of len; 0 = the truth */
	bool wrong_crc, zip64, descriptor;
	const char *local_name; /* another name in the local header */
	uint32_t crc;           /* of the unpacked bytes where they are not `data`; 0 = of data */
	size_t local_extra;     /* bytes of extra field in the local header */
	int64_t away;           /* the directory's place of it is wrong by so much */
};

/* What `printf hello | bzip2 -9` writes. */
static const char bzip2_hello[] = "\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\x19\x31\x65\x3d\x00\x00\x00\x81\x00\x02\x44\xa0\x00\x21"
	"\x9a\x68\x33\x4d\x07\x33\x8b\xb9\x22\x9c\x28\x48\x0c\x98\xb2\x9e\x80";

struct zip_maker { struct buf body, dir; size_t n; bool zip64; };

static uint32_t crc32_of(const char *p, size_t n)
{
	uint32_t c = 0xffffffffu;
	for (size_t i = 0; i < n; i++) {
		c ^= (unsigned char)p[i];
		for (int k = 0; k < 8; k++)
			c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
	}
	return ~c;
}

static void le(struct buf *b, size_t bytes, uint64_t v)
{
	for (size_t i = 0; i < bytes; i++)
		buf_addc(b, (char)(v >> 8 * i & 0xff));
}

static void zip_begin(struct zip_maker *z)
{
	*z = (struct zip_maker){ .n = 0 };
	buf_init(&z->body, 64u << 20);
	buf_init(&z->dir, 64u << 20);
}

static void zip_part(struct zip_maker *z, struct zip_part p)
{
	const size_t name_len = p.name_len ? p.name_len : strlen(p.name);
	const char *local = p.local_name ? p.local_name : p.name;
	const size_t local_len = p.local_name ? strlen(local) : name_len;
	const uint32_t crc = (p.crc ? p.crc : crc32_of(p.data, p.len)) ^ (p.wrong_crc ? 1u : 0u), flags = p.flags | (p.descriptor ? 8u : 0u);
	const uint64_t size = p.says_size ? p.says_size : p.len, at = z->body.len;
	le(&z->body, 4, 0x04034b50);
	le(&z->body, 2, 20), le(&z->body, 2, flags), le(&z->body, 2, p.method), le(&z->body, 4, 0x5a6f8000);
	le(&z->body, 4, p.descriptor ? 0 : crc), le(&z->body, 4, p.descriptor ? 0 : p.len), le(&z->body, 4, p.descriptor ? 0 : size);
	le(&z->body, 2, local_len), le(&z->body, 2, p.local_extra);
	buf_add(&z->body, local, local_len);
	for (size_t i = 0; i < p.local_extra; i++)
		buf_addc(&z->body, 0);
	buf_add(&z->body, p.data, p.len);
	if (p.descriptor)
		le(&z->body, 4, 0x08074b50), le(&z->body, 4, crc), le(&z->body, 4, p.len), le(&z->body, 4, size);
	le(&z->dir, 4, 0x02014b50);
	le(&z->dir, 2, p.mode ? 3 << 8 | 20 : 20), le(&z->dir, 2, 20), le(&z->dir, 2, flags), le(&z->dir, 2, p.method);
	le(&z->dir, 4, 0x5a6f8000), le(&z->dir, 4, crc);
	le(&z->dir, 4, p.zip64 ? 0xffffffff : p.len), le(&z->dir, 4, p.zip64 ? 0xffffffff : size);
	le(&z->dir, 2, name_len), le(&z->dir, 2, p.zip64 ? 20 : 0), le(&z->dir, 2, 0), le(&z->dir, 2, 0), le(&z->dir, 2, 0);
	le(&z->dir, 4, (uint64_t)p.mode << 16), le(&z->dir, 4, at + (uint64_t)p.away);
	buf_add(&z->dir, p.name, name_len);
	if (p.zip64)
		le(&z->dir, 2, 1), le(&z->dir, 2, 16), le(&z->dir, 8, size), le(&z->dir, 8, p.len);
	z->n++;
}

static void zip_end(struct zip_maker *z, struct buf *out)
{
	const uint64_t at = z->body.len, bytes = z->dir.len;
	buf_add(out, z->body.p, z->body.len);
	buf_add(out, z->dir.p, z->dir.len);
	if (z->zip64) {
		const uint64_t end64 = at + bytes;
		le(out, 4, 0x06064b50), le(out, 8, 44), le(out, 2, 45), le(out, 2, 45), le(out, 4, 0), le(out, 4, 0);
		le(out, 8, z->n), le(out, 8, z->n), le(out, 8, bytes), le(out, 8, at);
		le(out, 4, 0x07064b50), le(out, 4, 0), le(out, 8, end64), le(out, 4, 1);
	}
	le(out, 4, 0x06054b50), le(out, 2, 0), le(out, 2, 0);
	le(out, 2, z->zip64 ? 0xffff : z->n), le(out, 2, z->zip64 ? 0xffff : z->n);
	le(out, 4, z->zip64 ? 0xffffffff : bytes), le(out, 4, z->zip64 ? 0xffffffff : at), le(out, 2, 0);
	buf_release(&z->body);
	buf_release(&z->dir);
}

static void zip_of_one(struct buf *out, struct zip_part p)
{
	struct zip_maker z;
	zip_begin(&z);
	zip_part(&z, (struct zip_part){ .name = "users.json", .data = "[]", .len = 2 });
	zip_part(&z, p);
	zip_end(&z, out);
}

/* ---- tar ---- */

static void tar_part(struct buf *out, const char *name, char type, const char *link, const char *data)
{
	char h[512] = { 0 };
	const size_t n = strlen(data);
	unsigned sum = 0;
	snprintf(h, 100, "%s", name);
	memcpy(h + 100, "0000644", 7);
	memcpy(h + 108, "0000000", 7);
	memcpy(h + 116, "0000000", 7);
	snprintf(h + 124, 12, "%011o", (unsigned)n);
	memcpy(h + 136, "14000000000", 11);
	memset(h + 148, ' ', 8);
	h[156] = type;
	snprintf(h + 157, 100, "%s", link);
	memcpy(h + 257, "ustar\0" "00", 8);
	for (size_t i = 0; i < sizeof(h); i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	h[155] = ' ';
	buf_add(out, h, sizeof(h));
	buf_add(out, data, n);
	static const char zeros[512];
	buf_add(out, zeros, (512 - n % 512) % 512);
}

static void tar_end(struct buf *out)
{
	static const char zeros[1024];
	buf_add(out, zeros, sizeof(zeros));
}

static void tar_of_one(struct buf *out, const char *name, char type, const char *link, const char *data)
{
	tar_part(out, "users.json", '0', "", "[]");
	tar_part(out, name, type, link, data);
	tar_end(out);
}

/* ---- the table ---- */

#define PART(...) zip_of_one(out, (struct zip_part){ __VA_ARGS__ })
#define DATA(s) .data = s, .len = sizeof(s) - 1

static void h_slip(struct buf *out) { PART(.name = "../../etc/cron.d/x", DATA("x")); }
static void h_slip_inside(struct buf *out) { PART(.name = "a/../../x", DATA("x")); }
static void h_absolute(struct buf *out) { PART(.name = "/etc/passwd", DATA("x")); }
static void h_drive(struct buf *out) { PART(.name = "C:/x", DATA("x")); }
static void h_nul(struct buf *out) { PART(.name = "a.json\0.exe", .name_len = 11, DATA("x")); }
static void h_control(struct buf *out) { PART(.name = "a\x1b[31m.json", DATA("x")); }
static void h_c1(struct buf *out) { PART(.name = "a\xc2\x9b" "31m.json", DATA("x")); }
static void h_newline(struct buf *out) { PART(.name = "a\n.json", DATA("x")); }
static void h_link(struct buf *out) { PART(.name = "link", .mode = 0120777, DATA("/etc/passwd")); }
static void h_device(struct buf *out) { PART(.name = "tty", .mode = 0020666, DATA("")); }
static void h_ratio(struct buf *out) { PART(.name = "zeros", .method = 8, .says_size = 2000u << 20, DATA("\x03")); }
static void h_four_gib(struct buf *out) { PART(.name = "big", .method = 8, .says_size = 0xfffffffe, DATA("\x03")); }
static void h_exabytes(struct buf *out) { PART(.name = "big", .method = 8, .zip64 = true, .says_size = (uint64_t)1 << 60, DATA("\x03")); }
static void h_minus(struct buf *out) { PART(.name = "big", .zip64 = true, .says_size = UINT64_MAX, DATA("x")); }
static void h_encrypted(struct buf *out) { PART(.name = "secret", .flags = 1, DATA("0123456789ab?")); }
static void h_crc(struct buf *out) { PART(.name = "x", .wrong_crc = true, DATA("hello")); }
static void h_more(struct buf *out) { PART(.name = "x", .says_size = 3, DATA("hello")); }
static void h_fewer(struct buf *out) { PART(.name = "x", .says_size = 30, DATA("hello")); }
static void h_garbled(struct buf *out) { PART(.name = "x", .method = 8, .says_size = 5, DATA("hello")); }
static void h_method(struct buf *out) { PART(.name = "x", .method = 97, DATA("hello")); }
static void h_local(struct buf *out) { PART(.name = "x", .local_name = "y", DATA("hello")); }
static void h_zip64(struct buf *out) { PART(.name = "x", .zip64 = true, DATA("hello")); }
static void h_descriptor(struct buf *out) { PART(.name = "x", .descriptor = true, DATA("hello")); }
static void h_utf8(struct buf *out) { PART(.name = "\xd0\xbe\xd1\x82\xd1\x87\xd1\x91\xd1\x82.txt", DATA("hello")); }
static void h_cp866(struct buf *out) { PART(.name = "\xae\xe2\xe7\xf1\xe2.txt", DATA("hello")); }
static void h_cp1251(struct buf *out) { PART(.name = "\xee\xf2\xf7\xb8\xf2.txt", DATA("hello")); }
static void h_cp1251_low(struct buf *out) { PART(.name = "\xef\xeb\xe0\xed.txt", DATA("hello")); }
static void h_cp866_high(struct buf *out) { PART(.name = "\xe1\xe2\xe0.txt", DATA("hello")); }
static void h_cp437(struct buf *out) { PART(.name = "M\x81ller.txt", DATA("hello")); }
static void h_backslash(struct buf *out) { PART(.name = "general\\2024-01-01.json", DATA("hello")); }
static void h_backslip(struct buf *out) { PART(.name = "..\\x", DATA("hello")); }
static void h_junk(struct buf *out)
{
	struct zip_maker z;
	zip_begin(&z);
	zip_part(&z, (struct zip_part){ .name = "export/", .data = "", .mode = 0040755 });
	zip_part(&z, (struct zip_part){ .name = "export/x", DATA("hello") });
	zip_part(&z, (struct zip_part){ .name = "export/d/y", DATA("hello") });
	zip_part(&z, (struct zip_part){ .name = "__MACOSX/export/._x", DATA("junk") });
	zip_part(&z, (struct zip_part){ .name = "export/.DS_Store", DATA("junk") });
	zip_end(&z, out);
}
static void h_end64(struct buf *out)
{
	struct zip_maker z;
	zip_begin(&z);
	z.zip64 = true;
	zip_part(&z, (struct zip_part){ .name = "users.json", DATA("[]") });
	zip_part(&z, (struct zip_part){ .name = "x", DATA("hello") });
	zip_end(&z, out);
}
static void h_before(struct buf *out)
{
	buf_adds(out, "MZ this program cannot be run\n");
	h_utf8(out);
}
static void h_before64(struct buf *out)
{
	buf_adds(out, "MZ this program cannot be run\n");
	h_end64(out);
}
static void h_empty(struct buf *out)
{
	struct zip_maker z;
	zip_begin(&z);
	zip_end(&z, out);
}
static void h_twins(struct buf *out)
{
	struct zip_maker z;
	zip_begin(&z);
	zip_part(&z, (struct zip_part){ .name = "x", DATA("hello") });
	zip_part(&z, (struct zip_part){ .name = "./x", DATA("second") });
	zip_part(&z, (struct zip_part){ .name = "x (2)", DATA("third") });
	zip_end(&z, out);
}
static void h_shared(struct buf *out)
{
	/* Two directory records over the same bytes, which is how small zips hold petabytes. */
	struct zip_maker z;
	zip_begin(&z);
	zip_part(&z, (struct zip_part){ .name = "a", DATA("0123456789012345678901234567890123456789") });
	const size_t body = z.body.len;
	for (int i = 0; i < 3; i++) {
		zip_part(&z, (struct zip_part){ .name = "b", DATA("0123456789012345678901234567890123456789") });
		buf_cut(&z.body, body);
	}
	zip_end(&z, out);
}
static void h_tar(struct buf *out) { tar_of_one(out, "./x", '0', "", "hello"); }
static void h_tar_slip(struct buf *out) { tar_of_one(out, "../x", '0', "", "hello"); }
static void h_tar_absolute(struct buf *out) { tar_of_one(out, "/tmp/x", '0', "", "hello"); }
static void h_tar_link(struct buf *out) { tar_of_one(out, "x", '2', "/etc/passwd", ""); }
static void h_tar_hard(struct buf *out) { tar_of_one(out, "x", '1', "users.json", ""); }
static void h_tar_device(struct buf *out) { tar_of_one(out, "x", '3', "", ""); }
static void h_tar_pipe(struct buf *out) { tar_of_one(out, "x", '6', "", ""); }

#undef PART
#undef DATA

enum hostile_fate { FATE_REFUSED, FATE_UNREADABLE /* opens; reading `entry` fails */, FATE_READ /* entry holds "hello" */, FATE_EMPTY };

static const struct hostile {
	const char *file;
	void (*make)(struct buf *out);
	enum hostile_fate fate;
	const char *words; /* in the error */
	const char *entry;
} hostile[] = {
	{ "slip.zip", h_slip, FATE_REFUSED, "leads out", NULL },
	{ "slip-inside.zip", h_slip_inside, FATE_REFUSED, "leads out", NULL },
	{ "slip-backslash.zip", h_backslip, FATE_REFUSED, "leads out", NULL },
	{ "absolute.zip", h_absolute, FATE_REFUSED, "absolute", NULL },
	{ "drive.zip", h_drive, FATE_REFUSED, "absolute", NULL },
	{ "nul.zip", h_nul, FATE_REFUSED, "NUL", NULL },
	{ "escape.zip", h_control, FATE_REFUSED, "control", NULL },
	{ "c1.zip", h_c1, FATE_REFUSED, "control", NULL },
	{ "newline.zip", h_newline, FATE_REFUSED, "control", NULL },
	{ "link.zip", h_link, FATE_REFUSED, "a link", NULL },
	{ "device.zip", h_device, FATE_REFUSED, "device", NULL },
	{ "ratio.zip", h_ratio, FATE_REFUSED, "too well", NULL },
	{ "4gib.zip", h_four_gib, FATE_REFUSED, "too well", NULL },
	{ "exabytes.zip", h_exabytes, FATE_REFUSED, "larger than the limit", NULL },
	{ "minus.zip", h_minus, FATE_REFUSED, "impossible", NULL },
	{ "shared.zip", h_shared, FATE_REFUSED, "share their bytes", NULL },
	{ "encrypted.zip", h_encrypted, FATE_UNREADABLE, "encrypted", "secret" },
	{ "crc.zip", h_crc, FATE_UNREADABLE, "damaged", "x" },
	{ "more.zip", h_more, FATE_UNREADABLE, "", "x" },
	{ "fewer.zip", h_fewer, FATE_UNREADABLE, "", "x" },
	{ "garbled.zip", h_garbled, FATE_UNREADABLE, "", "x" },
	{ "method.zip", h_method, FATE_UNREADABLE, "", "x" },
	{ "local-name.zip", h_local, FATE_READ, NULL, "x" },
	{ "zip64-size.zip", h_zip64, FATE_READ, NULL, "x" },
	{ "zip64-end.zip", h_end64, FATE_READ, NULL, "x" },
	{ "descriptor.zip", h_descriptor, FATE_READ, NULL, "x" },
	{ "before.zip", h_before, FATE_READ, NULL, "\xd0\xbe\xd1\x82\xd1\x87\xd1\x91\xd1\x82.txt" },
	{ "before64.zip", h_before64, FATE_READ, NULL, "x" },
	{ "utf8-unflagged.zip", h_utf8, FATE_READ, NULL, "\xd0\xbe\xd1\x82\xd1\x87\xd1\x91\xd1\x82.txt" },
	{ "cp866.zip", h_cp866, FATE_READ, NULL, "\xd0\xbe\xd1\x82\xd1\x87\xd1\x91\xd1\x82.txt" },
	{ "cp1251.zip", h_cp1251, FATE_READ, NULL, "\xd0\xbe\xd1\x82\xd1\x87\xd1\x91\xd1\x82.txt" },
	{ "cp1251-low.zip", h_cp1251_low, FATE_READ, NULL, "план.txt" },
	{ "cp866-high.zip", h_cp866_high, FATE_READ, NULL, "стр.txt" },
	{ "cp437.zip", h_cp437, FATE_READ, NULL, "M\xc3\xbcller.txt" },
	{ "backslash.zip", h_backslash, FATE_READ, NULL, "general/2024-01-01.json" },
	{ "junk.zip", h_junk, FATE_READ, NULL, "d/y" },
	{ "twins.zip", h_twins, FATE_READ, NULL, "x" },
	{ "empty.zip", h_empty, FATE_EMPTY, NULL, NULL },
	{ "plain.tar", h_tar, FATE_READ, NULL, "x" },
	{ "slip.tar", h_tar_slip, FATE_REFUSED, "leads out", NULL },
	{ "absolute.tar", h_tar_absolute, FATE_REFUSED, "absolute", NULL },
	{ "link.tar", h_tar_link, FATE_REFUSED, "a link", NULL },
	{ "hardlink.tar", h_tar_hard, FATE_REFUSED, "a link", NULL },
	{ "device.tar", h_tar_device, FATE_REFUSED, "device", NULL },
	{ "pipe.tar", h_tar_pipe, FATE_REFUSED, "device", NULL },
};

static UNUSED void hostile_write(const char *path, const struct buf *b)
{
	FILE *f = fopen(path, "wb");
	if (!f || fwrite(b->p, 1, b->len, f) != b->len || fclose(f) != 0)
		die("cannot write %s", path);
}

#endif
