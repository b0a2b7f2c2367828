/* vault_unpack.c: tar.* and the other archives libarchive reads, as a vault.
 *
 * These forms cannot be read in any order, so all entries are unpacked once, one behind the other, into one scratch file that
 * has lost its name before the first byte is written: nothing is left behind however the program ends, nobody else can open
 * it, and no name from the archive ever touches the file system. Limits are enforced while unpacking.
 *
 * Promises: only regular entries are taken; links (hard ones too) and devices refuse the archive by name; libarchive never
 * runs other programs (only the built-in filters are asked for) and never takes plain text for an archive (no mtree, no raw).
 */
#include "core/vault_int.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 256 * 1024, RATIO_FROM = 1024 * 1024 };

static struct archive *reader_new(void)
{
	struct archive *a = archive_read_new();
	if (!a)
		die("out of memory (archive reader)");
	archive_read_support_filter_gzip(a);
	archive_read_support_filter_bzip2(a);
	archive_read_support_filter_xz(a);
	archive_read_support_filter_lzma(a);
	archive_read_support_filter_zstd(a);
	archive_read_support_filter_compress(a);
	archive_read_support_format_tar(a);
	archive_read_support_format_gnutar(a);
	archive_read_support_format_cpio(a);
	archive_read_support_format_7zip(a);
	archive_read_support_format_rar(a);
	archive_read_support_format_rar5(a);
	archive_read_support_format_cab(a);
	return a;
}

static bool broken(struct archive *a, const char *name, struct err *e)
{
	const char *why = archive_error_string(a);
	err_set(e, ERR_ARCHIVE, "the archive is damaged or cut off: %s", why ? why : "unreadable");
	err_where(e, "%s", name);
	return err_hint(e, "download or copy it again");
}

/* One entry's bytes behind those that are there; *size is its own. */
static bool pour(struct vault *v, struct archive *a, const char *name, char *block, int64_t *size, struct err *e)
{
	*size = 0;
	for (;;) {
		size_t n = 0;
		while (n < BLOCK) {
			la_ssize_t k = archive_read_data(a, block + n, BLOCK - n);
			if (k == ARCHIVE_RETRY)
				continue;
			if (k < 0)
				return broken(a, name, e);
			if (!k)
				break;
			n += (size_t)k;
		}
		if (!n)
			return true;
		*size += (int64_t)n;
		const int64_t all = v->total + *size, packed = archive_filter_bytes(a, -1);
		const char *why = NULL;
		if (*size > v->limits.max_entry_bytes)
			why = "an entry larger than the limit";
		else if (all > v->limits.max_total_bytes)
			why = "more bytes in all than the limit";
		else if (all > RATIO_FROM && packed < all / v->limits.max_ratio)
			why = "packed too well to be true";
		if (why)
			return vault_refuse(e, name, strlen(name), why);
		if (!vault_write_all(v->fd, block, n, e))
			return false;
	}
}

/* In the C locale libarchive can give a name that is stored as UTF-8 only as such, and one stored as bytes only as bytes. */
static const char *name_of(struct archive_entry *en)
{
	const char *name = archive_entry_pathname_utf8(en);
	if (!name)
		name = archive_entry_pathname(en);
	return name ? name : "";
}

static bool take_entry(struct vault *v, struct archive *a, struct archive_entry *en, char *block, struct err *e)
{
	struct item *it;
	const char *name = name_of(en);
	const size_t n = strlen(name);
	if (!vault_admit(v, name, n, &it, e))
		return false;
	if (archive_entry_hardlink(en) || archive_entry_symlink(en) || archive_entry_filetype(en) == AE_IFLNK)
		return vault_refuse(e, name, n, N_("a link"));
	if (archive_entry_filetype(en) == AE_IFDIR)
		return true; /* also one whose name has no final '/' */
	if (archive_entry_filetype(en) != AE_IFREG)
		return vault_refuse(e, name, n, "a device, pipe or socket");
	if (!it)
		return true;
	it->pub.mtime_us = archive_entry_mtime_is_set(en) && llabs((long long)archive_entry_mtime(en)) < INT64_MAX / 2000000
		? (int64_t)archive_entry_mtime(en) * 1000000 + archive_entry_mtime_nsec(en) / 1000 : 0;
	if (archive_entry_is_data_encrypted(en)) {
		it->pub.encrypted = true;
		return vault_take_sealed(v, it, e);
	}
	off_t begins = lseek(v->fd, 0, SEEK_CUR);
	if (begins < 0)
		return err_set(e, ERR_INTERNAL, "cannot unpack the archive:");
	it->at.offset = begins;
	int64_t size;
	if (!pour(v, a, name, block, &size, e))
		return false;
	/* The ratio has been looked at already, and over the whole archive: solid archives have none for one entry. */
	return vault_take(v, it, size, size, e);
}

/* The reader at the first header and what reading that gave, or NULL: no archive. */
static struct archive *begin(int fd, struct archive_entry **en, int *r)
{
	struct archive *a = reader_new();
	if (lseek(fd, 0, SEEK_SET) >= 0 && archive_read_open_fd(a, fd, 64 * 1024) == ARCHIVE_OK) {
		while ((*r = archive_read_next_header(a, en)) == ARCHIVE_RETRY)
			;
		/* Without a format it is no archive; a format with no entry at all counts only where it cannot be an accident. */
		if (archive_format(a) && (*r == ARCHIVE_OK || *r == ARCHIVE_WARN || (*r == ARCHIVE_EOF && archive_filter_count(a) > 1)))
			return a;
	}
	archive_read_free(a);
	return NULL;
}

bool vault_is_archive(int fd)
{
	struct archive_entry *en;
	int r;
	struct archive *a = begin(fd, &en, &r);
	if (a)
		archive_read_free(a);
	return a != NULL;
}

enum found vault_load_archive(struct vault *v, int fd, const char *scratch, struct err *e)
{
	struct archive_entry *en;
	enum found out = FOUND_NO;
	int r;
	struct archive *a = begin(fd, &en, &r);
	if (a) {
		char *block = xmalloc(BLOCK);
		v->kind = VAULT_ARCHIVE;
		v->fd = vault_private_file(scratch, e);
		out = v->fd >= 0 ? FOUND_YES : FOUND_BROKEN;
		while (out == FOUND_YES && r != ARCHIVE_EOF) {
			if (r == ARCHIVE_FATAL || r == ARCHIVE_FAILED) {
				broken(a, "", e);
				out = FOUND_BROKEN;
			} else if (r != ARCHIVE_RETRY && !take_entry(v, a, en, block, e)) {
				out = FOUND_BROKEN;
			} else {
				r = archive_read_next_header(a, &en);
			}
		}
		free(block);
		archive_read_free(a);
	}
	return out;
}

const char *vault_library_archive(void)
{
	return archive_version_string();
}
