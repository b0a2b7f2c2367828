/* vault_digest.c: what identifies an archive, so that what was read from it need not be read again.
 *
 * Every command asks this of every archive before anything else, so it takes constant memory and opens no vault: of a zip with a
 * million entries the directory is walked once, of a folder the names are, and only what has no directory (tar.*, …) is read whole.
 * A folder's files, and a bare file, are known by size and time of change, as reading all of a backup in every command would take
 * minutes; a zip's entries by their checksums.
 *
 * Does not say whether the archive is good: vault_open does, when there is something to read.
 */
#include "core/vault_int.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 256 * 1024 };

void vault_digest_number(struct digest *d, uint64_t v)
{
	uint8_t b[8];
	for (int i = 0; i < 8; i++)
		b[i] = (uint8_t)(v >> 8 * i);
	digest_add(d, b, sizeof(b));
}

static void add_kind(struct digest *d, const char *kind)
{
	digest_add(d, kind, strlen(kind) + 1);
}

void vault_file_digest(int fd, const char *name, const struct stat *st, struct digest *d)
{
	digest_add(d, name, strlen(name) + 1);
	vault_digest_number(d, (uint64_t)(st->st_mode & S_IFMT));
	vault_digest_number(d, (uint64_t)st->st_size);
	vault_digest_number(d, (uint64_t)((int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000));
	if (fd >= 0) /* whatever is wrong with it is vault_open's to tell */
		vault_digest_number(d, (uint64_t)vault_zip_digest(fd, st->st_size, d, NULL));
}

static bool whole_digest(int fd, int64_t size, struct digest *d, struct err *e)
{
	char *block = xmalloc(BLOCK);
	bool ok = true;
	for (int64_t at = 0; ok && at < size;) {
		const size_t n = size - at < BLOCK ? (size_t)(size - at) : BLOCK;
		ok = vault_read_at(fd, block, n, at) || err_set(e, ERR_ARCHIVE, "cannot read:");
		digest_add(d, block, ok ? n : 0);
		at += (int64_t)n;
	}
	free(block);
	return ok;
}

static bool file_digest(int fd, const char *path, const struct stat *st, struct digest *d, struct err *e)
{
	add_kind(d, "zip");
	const enum found f = vault_zip_digest(fd, st->st_size, d, e);
	if (f != FOUND_NO)
		return f == FOUND_YES;
	if (vault_is_archive(fd)) {
		add_kind(d, "archive");
		return whole_digest(fd, st->st_size, d, e);
	}
	const char *slash = strrchr(path, '/');
	add_kind(d, "file");
	vault_file_digest(-1, slash ? slash + 1 : path, st, d);
	return true;
}

bool vault_digest(const char *path, uint8_t out[DIGEST_BYTES], struct err *e)
{
	struct stat st;
	struct digest d;
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0) {
		err_set(e, ERR_ARCHIVE, "cannot open '%s':", path);
		if (fd >= 0)
			close(fd);
		return false;
	}
	digest_init(&d);
	bool ok;
	if (S_ISDIR(st.st_mode)) {
		add_kind(&d, "folder");
		ok = vault_dir_digest(fd, &d, e);
	} else if (S_ISREG(st.st_mode)) {
		ok = file_digest(fd, path, &st, &d, e);
	} else {
		ok = err_set(e, ERR_ARCHIVE, "'%s' is neither a file nor a folder", path);
	}
	close(fd);
	digest_end(&d, out);
	return ok;
}
