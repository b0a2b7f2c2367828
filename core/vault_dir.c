/* vault_dir.c: a folder as a vault.
 *
 * Promises: no link is followed, at any level, now or when a file is read later (each part is opened below the one before
 * with O_NOFOLLOW); nothing but regular files is opened; a link, device, socket or pipe refuses the folder by name.
 */
#include "core/vault_int.h"

#include "core/utf8.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 64 }; /* folders deeper than any limit allows are not looked into for the digest: each costs an open file */

static bool cannot(struct err *e, const char *what, const char *path)
{
	err_set(e, ERR_ARCHIVE, "cannot %s:", what);
	return err_where(e, "%s", *path ? path : ".");
}

static bool is_noise(const char *name)
{
	return streq(name, "__MACOSX") || streq(name, ".DS_Store");
}

static void count_noise(struct vault *v, const struct buf *path, const char *name)
{
	buf_reset(&v->name);
	if (path->len) {
		utf8_repair(path->p, path->len, &v->name);
		buf_addc(&v->name, '/');
	}
	buf_adds(&v->name, name);
	vault_odd(v, VAULT_JUNK);
}

static bool take_file(struct vault *v, const struct buf *path, const struct stat *st, struct err *e)
{
	struct item *it;
	if (!vault_admit(v, path->p, path->len, &it, e))
		return false;
	if (!it)
		return true;
	it->raw = path->p;
	it->pub.mtime_us = (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000;
	return vault_take(v, it, st->st_size, st->st_size, e);
}

static bool walk(struct vault *v, int fd, struct buf *path, int depth, struct err *e);

static bool visit(struct vault *v, int dir, const char *name, struct buf *path, int depth, struct err *e)
{
	struct stat st;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return cannot(e, "look at", path->p);
	if (S_ISREG(st.st_mode))
		return take_file(v, path, &st, e);
	if (!S_ISDIR(st.st_mode))
		return vault_refuse(e, path->p, path->len, S_ISLNK(st.st_mode) ? N_("a link") : N_("a device, pipe or socket"));
	if (depth >= v->limits.max_depth)
		return vault_refuse(e, path->p, path->len, N_("folders too deep in one another"));
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 ? walk(v, fd, path, depth + 1, e) : cannot(e, "open the folder", path->p);
}

/* Takes fd over. Recursion is bounded by max_depth. */
static bool walk(struct vault *v, int fd, struct buf *path, int depth, struct err *e)
{
	DIR *d = fdopendir(fd);
	if (!d) {
		close(fd);
		return cannot(e, "read the folder", path->p);
	}
	const size_t here = path->len;
	bool ok = true;
	while (ok) {
		errno = 0;
		const struct dirent *de = readdir(d);
		if (!de) {
			ok = !errno || cannot(e, "read the folder", path->p);
			break;
		}
		if (streq(de->d_name, ".") || streq(de->d_name, ".."))
			continue;
		if (is_noise(de->d_name)) {
			count_noise(v, path, de->d_name);
			continue;
		}
		if (here)
			buf_addc(path, '/');
		buf_adds(path, de->d_name);
		ok = path->full ? vault_refuse(e, path->p, path->len, N_("a path too long"))
				: visit(v, dirfd(d), de->d_name, path, depth, e);
		buf_cut(path, here);
	}
	closedir(d);
	return ok;
}

bool vault_load_dir(struct vault *v, struct err *e)
{
	struct buf path;
	int fd = openat(v->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* closedir will close it; v->fd stays */
	if (fd < 0)
		return cannot(e, "open the folder", v->path);
	buf_init(&path, 64 * 1024);
	bool ok = walk(v, fd, &path, 0, e);
	buf_release(&path);
	return ok;
}

/* ---- knowing a folder again ---- */

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in a folder, sorted; the caller frees the list. NULL + err. Takes fd over. */
static char **names_in(int fd, struct arena *a, const struct buf *path, size_t *n, int *dir, struct err *e)
{
	DIR *d = fdopendir(fd);
	char **names = NULL;
	size_t cap = 0;
	*n = 0;
	if (!d) {
		close(fd);
		cannot(e, "read the folder", path->p);
		return NULL;
	}
	const struct dirent *de;
	while (errno = 0, (de = readdir(d))) {
		if (streq(de->d_name, ".") || streq(de->d_name, "..") || is_noise(de->d_name))
			continue;
		if (*n == cap) {
			cap = cap ? 2 * cap : 64;
			names = xrealloc(names, cap * sizeof(*names));
		}
		names[(*n)++] = arena_strdup(a, de->d_name);
	}
	const bool ok = !errno || cannot(e, "read the folder", path->p);
	*dir = ok ? fcntl(dirfd(d), F_DUPFD_CLOEXEC, 0) : -1;
	closedir(d);
	if (ok && *dir < 0)
		cannot(e, "open the folder", path->p);
	if (*dir < 0) {
		free(names);
		return NULL;
	}
	if (!names)
		names = xmalloc(sizeof(*names));
	qsort(names, *n, sizeof(*names), by_bytes);
	return names;
}

static bool digest_folder(int fd, struct buf *path, int depth, struct digest *d, struct err *e);

static bool digest_one(int dir, const char *name, struct buf *path, int depth, struct digest *d, struct err *e)
{
	struct stat st;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return cannot(e, "look at", path->p);
	if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX) {
		const int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		return fd >= 0 ? digest_folder(fd, path, depth + 1, d, e) : cannot(e, "open the folder", path->p);
	}
	const size_t n = strlen(name);
	int fd = -1;
	/* A zip inside may be opened as a folder: it counts with what it holds. */
	if (S_ISREG(st.st_mode) && n > 4 && (streq(name + n - 4, ".zip") || streq(name + n - 4, ".ZIP") || streq(name + n - 4, ".Zip")))
		fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	vault_file_digest(fd, path->p, &st, d);
	if (fd >= 0)
		close(fd);
	return true;
}

/* Takes fd over. */
static bool digest_folder(int fd, struct buf *path, int depth, struct digest *d, struct err *e)
{
	struct arena a;
	size_t n;
	int dir;
	const size_t here = path->len;
	arena_init(&a);
	char **names = names_in(fd, &a, path, &n, &dir, e);
	bool ok = names != NULL;
	for (size_t i = 0; ok && i < n; i++) {
		if (here)
			buf_addc(path, '/');
		buf_adds(path, names[i]);
		ok = path->full ? vault_refuse(e, path->p, path->len, N_("a path too long")) : digest_one(dir, names[i], path, depth, d, e);
		buf_cut(path, here);
	}
	if (names)
		close(dir);
	free(names);
	arena_release(&a);
	return ok;
}

bool vault_dir_digest(int root, struct digest *d, struct err *e)
{
	struct buf path;
	int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return cannot(e, "open the folder", "");
	buf_init(&path, 64 * 1024);
	const bool ok = digest_folder(fd, &path, 0, d, e);
	buf_release(&path);
	return ok;
}

static int open_beneath(int root, const char *raw, struct err *e)
{
	int at = root;
	char part[256];
	for (const char *s = raw;;) {
		size_t n = strcspn(s, "/");
		const bool last = s[n] == '\0';
		int fd = -1;
		errno = ENAMETOOLONG;
		if (n < sizeof(part)) {
			memcpy(part, s, n);
			part[n] = '\0';
			fd = openat(at, part, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | (last ? O_NONBLOCK : O_DIRECTORY));
		}
		int saved = errno;
		if (at != root)
			close(at);
		errno = saved;
		if (fd < 0) {
			cannot(e, "open", raw);
			return -1;
		}
		if (last) {
			struct stat st;
			if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
				return fd;
			close(fd);
			vault_refuse(e, raw, strlen(raw), N_("no longer a file"));
			return -1;
		}
		at = fd;
		s += n + 1;
	}
}

int vault_open_item(const struct vault *v, const struct item *it, struct err *e)
{
	const size_t room = strlen(v->top) + strlen(it->pub.name) + 2;
	if (it->raw || !*v->top)
		return open_beneath(v->fd, it->raw ? it->raw : it->pub.name, e);
	char *path = xmalloc(room);
	fmt_into(path, room, "%s/%s", v->top, it->pub.name);
	const int fd = open_beneath(v->fd, path, e);
	free(path);
	return fd;
}
