/* vault_at.c: an entry's bytes for reading in any order, and the private files they are unpacked into.
 *
 * Called by vault_unpack.c, vault_unseal.c and by whoever opens a database out of an archive. A private file has mode 0600 and loses its
 * name before the first byte is written: nobody else can open it and nothing stays behind however the program ends.
 */
#include "core/vault_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 256 * 1024 };

int vault_private_file(const char *scratch, struct err *e)
{
	const char *dir = scratch ? scratch : getenv("TMPDIR");
	size_t room = (dir ? strlen(dir) : 4) + 32;
	char *name = xmalloc(room);
	fmt_into(name, room, "%s/mvchat-unpack-XXXXXX", dir && *dir ? dir : "/tmp");
	int fd = mkstemp(name); /* mode 0600 */
	if (fd < 0)
		err_set(e, ERR_INTERNAL, "cannot unpack into '%s':", name);
	else
		unlink(name);
	free(name);
	if (fd >= 0)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

bool vault_write_all(int fd, const char *p, size_t n, struct err *e)
{
	while (n) {
		ssize_t k = write(fd, p, n);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0) {
			err_set(e, ERR_INTERNAL, "cannot unpack the archive:");
			return err_hint(e, "TMPDIR says where: choose a place with more room");
		}
		p += k;
		n -= (size_t)k;
	}
	return true;
}

const char *vault_scratch(const struct vault *v)
{
	return v->scratch;
}

static bool unpack(struct vault *v, const struct item *it, struct vault_span *out, struct err *e)
{
	struct vfile *f = vault_read_item(v, it, e);
	if (!f)
		return false;
	bool ok = (out->fd = vault_private_file(v->scratch, e)) >= 0;
	char *block = xmalloc(BLOCK);
	while (ok) {
		const ptrdiff_t n = vfile_read(f, block, BLOCK, e);
		if (n <= 0) {
			ok = !n;
			break;
		}
		ok = vault_write_all(out->fd, block, (size_t)n, e);
		out->size += n;
	}
	free(block);
	vfile_close(f);
	if (!ok && out->fd >= 0)
		close(out->fd);
	return ok;
}

static bool open_item(struct vault *v, const struct item *it, struct vault_span *out, struct err *e)
{
	const struct entry *en = &it->pub;
	struct stat st;
	if (en->within) {
		struct vault *in = v->inners[en->within - 1];
		struct item inner;
		vault_list_get(in->list, it->at.inner, &inner);
		inner.pub.name = en->name;
		return open_item(in, &inner, out, e);
	}
	switch (v->kind) {
	case VAULT_ZIP:
		return unpack(v, it, out, e);
	case VAULT_DIR:
		out->fd = vault_open_item(v, it, e);
		if (out->fd >= 0)
			out->size = fstat(out->fd, &st) == 0 ? st.st_size : 0;
		return out->fd >= 0;
	case VAULT_ARCHIVE:
	case VAULT_FILE:
		if (en->encrypted) {
			err_set(e, ERR_ARCHIVE, "this entry is encrypted");
			return err_where(e, "%s", en->name);
		}
		out->fd = fcntl(v->fd, F_DUPFD_CLOEXEC, 0);
		out->at = v->kind == VAULT_ARCHIVE ? it->at.offset : 0;
		out->size = en->size;
		return out->fd >= 0 || err_set(e, ERR_INTERNAL, "cannot open '%s' again:", en->name);
	}
	return false;
}

bool vault_open_at(struct vault *v, const struct entry *en, struct vault_span *out, struct err *e)
{
	*out = (struct vault_span){ .fd = -1 };
	return open_item(v, (const struct item *)en, out, e);
}
