/* vault_other.c: entries of a zip that are packed neither by deflate nor not at all (bzip2, LZMA, zstd…): through libzip.
 *
 * Called by vault_inflate.c. libzip reads the whole directory of what it opens and keeps 430 bytes for each entry, so it is not shown the
 * archive but a zip of this one entry: its local header and packed bytes as they stand in the file, and behind them a directory of one
 * record, made here. What it costs does not depend on what else the archive holds, and libzip unpacks and compares the checksum.
 *
 * The made directory is Zip64 throughout (PKWARE APPNOTE.TXT 6.3.10, 4.3.12 to 4.3.16, 4.5.3), so that entries of any size are told alike.
 */
#include "core/vault_int.h"

#include <stdlib.h>
#include <string.h>
#include <zip.h>

enum {
	FLAGS_AT = 6, FLAGS_KEPT = 1 << 1 | 1 << 2, /* how it was packed; LZMA says there whether its end is marked */
	RECORD_BYTES = 46, NAME_BYTES = 1, EXTRA_BYTES = 4 + 16, END64_BYTES = 56, LOCATOR_BYTES = 20, END_BYTES = 22,
	TAIL_BYTES = RECORD_BYTES + NAME_BYTES + EXTRA_BYTES + END64_BYTES + LOCATOR_BYTES + END_BYTES,
};

struct other {
	const struct vault *v;
	int64_t begins, bytes;  /* the local header and what belongs to it, in the file */
	uint8_t tail[TAIL_BYTES];
	int64_t at;             /* where libzip reads: first those bytes, then the tail */
	zip_error_t error;
	zip_t *zip;
	zip_file_t *file;
};

static uint8_t *put(uint8_t *p, size_t bytes, uint64_t v)
{
	for (; bytes; bytes--, v >>= 8)
		*p++ = (uint8_t)v;
	return p;
}

static void make_tail(struct other *o, const struct item *it, uint32_t flags)
{
	enum { WIDE = 45 }; /* version needed: 4.5, for Zip64 */
	const uint64_t directory = (uint64_t)o->bytes, length = RECORD_BYTES + NAME_BYTES + EXTRA_BYTES;
	uint8_t *p = put(o->tail, 4, 0x02014b50);
	p = put(put(put(put(p, 2, WIDE), 2, WIDE), 2, flags), 2, it->at.zip.method);
	p = put(put(p, 4, 0), 4, it->crc);
	p = put(put(p, 4, UINT32_MAX), 4, UINT32_MAX); /* both sizes: in the extra field */
	p = put(put(put(p, 2, NAME_BYTES), 2, EXTRA_BYTES), 2, 0);
	p = put(put(put(put(p, 2, 0), 2, 0), 4, 0), 4, 0); /* disk, attributes; it begins at 0 */
	p = put(p, NAME_BYTES, 'x');
	p = put(put(put(put(p, 2, 1), 2, 16), 8, (uint64_t)it->pub.size), 8, (uint64_t)it->pub.packed);
	p = put(put(put(put(put(put(p, 4, 0x06064b50), 8, END64_BYTES - 12), 2, WIDE), 2, WIDE), 4, 0), 4, 0);
	p = put(put(put(put(p, 8, 1), 8, 1), 8, length), 8, directory);
	p = put(put(put(put(p, 4, 0x07064b50), 4, 0), 8, directory + length), 4, 1);
	p = put(put(put(put(put(p, 4, 0x06054b50), 2, 0), 2, 0), 2, UINT16_MAX), 2, UINT16_MAX);
	p = put(put(put(p, 4, UINT32_MAX), 4, UINT32_MAX), 2, 0);
	if (p != o->tail + TAIL_BYTES)
		die("a directory of %td bytes", p - o->tail);
}

/* ---- what libzip reads ---- */

static zip_int64_t give(struct other *o, char *dst, zip_uint64_t n)
{
	const int64_t all = o->bytes + TAIL_BYTES;
	size_t done = 0;
	if (n > (zip_uint64_t)(all - o->at))
		n = (zip_uint64_t)(all - o->at);
	if (o->at < o->bytes && n) {
		done = (int64_t)n < o->bytes - o->at ? (size_t)n : (size_t)(o->bytes - o->at);
		if (!vault_read_at(o->v->fd, dst, done, o->begins + o->at)) {
			zip_error_set(&o->error, ZIP_ER_READ, 0);
			return -1;
		}
	}
	if (done < n)
		memcpy(dst + done, o->tail + (o->at + (int64_t)done - o->bytes), (size_t)n - done);
	o->at += (int64_t)n;
	return (zip_int64_t)n;
}

static zip_int64_t serve(void *ctx, void *data, zip_uint64_t n, zip_source_cmd_t cmd)
{
	struct other *o = ctx;
	const int64_t all = o->bytes + TAIL_BYTES;
	if (cmd == ZIP_SOURCE_OPEN) {
		o->at = 0;
	} else if (cmd == ZIP_SOURCE_READ) {
		return give(o, data, n);
	} else if (cmd == ZIP_SOURCE_SEEK) {
		o->at = zip_source_seek_compute_offset((zip_uint64_t)o->at, (zip_uint64_t)all, data, n, &o->error);
		if (o->at < 0) {
			o->at = 0;
			return -1;
		}
	} else if (cmd == ZIP_SOURCE_TELL) {
		return o->at;
	} else if (cmd == ZIP_SOURCE_STAT) {
		zip_stat_t *st = data;
		zip_stat_init(st);
		st->valid = ZIP_STAT_SIZE;
		st->size = (zip_uint64_t)all;
		return sizeof(*st);
	} else if (cmd == ZIP_SOURCE_ERROR) {
		return zip_error_to_data(&o->error, data, n);
	} else if (cmd == ZIP_SOURCE_SUPPORTS) {
		return zip_source_make_command_bitmap(ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR,
			ZIP_SOURCE_FREE, ZIP_SOURCE_SEEK, ZIP_SOURCE_TELL, ZIP_SOURCE_SUPPORTS, -1);
	} else if (cmd != ZIP_SOURCE_CLOSE && cmd != ZIP_SOURCE_FREE) {
		zip_error_set(&o->error, ZIP_ER_OPNOTSUPP, 0);
		return -1;
	}
	return 0;
}

/* ---- what vault_inflate.c calls ---- */

void vault_other_close(struct other *o)
{
	if (!o)
		return;
	if (o->file)
		zip_fclose(o->file);
	if (o->zip)
		zip_discard(o->zip);
	zip_error_fini(&o->error);
	free(o);
}

static bool open_zip(struct other *o, zip_error_t *why)
{
	zip_source_t *src = zip_source_function_create(serve, o, why);
	o->zip = src ? zip_open_from_source(src, ZIP_RDONLY, why) : NULL;
	if (src && !o->zip)
		zip_source_free(src);
	return o->zip != NULL;
}

struct other *vault_other_open(const struct vault *v, const struct item *it, int64_t begins, int64_t header, struct err *e)
{
	struct other *o = xcalloc(1, sizeof(*o));
	uint8_t flags[2];
	zip_error_t why;
	*o = (struct other){ .v = v, .begins = begins, .bytes = header + it->pub.packed };
	zip_error_init(&o->error);
	zip_error_init(&why);
	if (vault_read_at(v->fd, flags, sizeof(flags), begins + FLAGS_AT)) {
		make_tail(o, it, vault_le16(flags) & FLAGS_KEPT);
		if (open_zip(o, &why))
			o->file = zip_fopen_index(o->zip, 0, 0);
	}
	if (!o->file) {
		err_set(e, ERR_ARCHIVE, "cannot unpack this entry: %s", o->zip ? zip_strerror(o->zip) : zip_error_strerror(&why));
		err_where(e, "%s", it->pub.name);
		vault_other_close(o);
		o = NULL;
	}
	zip_error_fini(&why);
	return o;
}

ptrdiff_t vault_other_read(struct other *o, char *dst, size_t n)
{
	return (ptrdiff_t)zip_fread(o->file, dst, n);
}

const char *vault_other_why(struct other *o)
{
	return zip_file_strerror(o->file);
}

const char *vault_library_zip(void)
{
	return zip_libzip_version();
}
