/* archive_folder.c: a folder that appears whole or not at all.
 *
 * Promises: everything is written to DIR.tmp and renamed at the end; only a folder that holds our mark, made before anything
 * else, is ever removed, and no link is followed while doing so. What was there before stays until the new one is complete: it
 * is DIR.old for the moment between two renames. Called by archive_site.c. */
#include "cli/archive_int.h"

#include "cli/i18n.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 8 };

static bool is_dots(const char *name)
{
	return streq(name, ".") || streq(name, "..");
}

enum had { HAD_NOTHING, HAD_EMPTY, HAD_OURS, HAD_FOREIGN };

static enum had look(const char *path)
{
	struct stat st;
	if (lstat(path, &st) != 0)
		return errno == ENOENT ? HAD_NOTHING : HAD_FOREIGN;
	if (!S_ISDIR(st.st_mode))
		return HAD_FOREIGN;
	DIR *d = opendir(path);
	if (!d)
		return HAD_FOREIGN;
	bool empty = true, ours = fstatat(dirfd(d), ARCHIVE_MARK, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
	for (const struct dirent *de; empty && (de = readdir(d));)
		empty = is_dots(de->d_name);
	closedir(d);
	return empty ? HAD_EMPTY : ours ? HAD_OURS : HAD_FOREIGN;
}

/* Takes fd over. The mark goes last, so that a removal that dies can be taken up again. */
static bool clear(int fd, int depth)
{
	DIR *d = fdopendir(fd);
	if (!d) {
		close(fd);
		return false;
	}
	bool ok = depth < DEPTH_MAX;
	for (const struct dirent *de; ok && (de = readdir(d));) {
		if (is_dots(de->d_name) || (!depth && streq(de->d_name, ARCHIVE_MARK)))
			continue;
		if (unlinkat(dirfd(d), de->d_name, 0) == 0)
			continue;
		int sub = openat(dirfd(d), de->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		ok = sub >= 0 && clear(sub, depth + 1) && unlinkat(dirfd(d), de->d_name, AT_REMOVEDIR) == 0;
	}
	if (ok && !depth)
		ok = unlinkat(dirfd(d), ARCHIVE_MARK, 0) == 0 || errno == ENOENT;
	closedir(d);
	return ok;
}

static bool remove_ours(const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || !clear(fd, 0) || rmdir(path) != 0)
		return err_set(e, ERR_INTERNAL, _("cannot remove '%s':"), path);
	return true;
}

static bool make_way(const char *path, struct err *e)
{
	switch (look(path)) {
	case HAD_NOTHING:
		return true;
	case HAD_EMPTY:
	case HAD_OURS:
		return remove_ours(path, e);
	case HAD_FOREIGN:
		break;
	}
	err_set(e, ERR_USAGE, _("'%s' is in the way and is not ours"), path);
	return err_hint(e, _("move it away, or choose another folder with -o"));
}

static char *beside(const char *dir, const char *ending)
{
	size_t n = strlen(dir) + strlen(ending) + 1;
	char *s = xmalloc(n);
	fmt_into(s, n, "%s%s", dir, ending);
	return s;
}

void folder_free(struct folder *f)
{
	if (f->fd >= 0)
		close(f->fd);
	free(f->dir);
	free(f->tmp);
	free(f->old);
	*f = (struct folder){ .fd = -1 };
}

static bool begin(struct folder *f, bool replace, struct err *e)
{
	switch (look(f->dir)) {
	case HAD_NOTHING:
	case HAD_EMPTY:
		break;
	case HAD_OURS:
		if (!replace) {
			err_set(e, ERR_USAGE, _("there is an archive in '%s' already"), f->dir);
			return err_hint(e, _("--force replaces it; or choose another folder with -o"));
		}
		break;
	case HAD_FOREIGN:
		err_set(e, ERR_USAGE, _("'%s' is there already and is not an archive of ours"), f->dir);
		return err_hint(e, _("choose another folder with -o"));
	}
	if (!make_way(f->tmp, e))
		return false;
	if (mkdir(f->tmp, 0777) != 0)
		return err_set(e, ERR_INTERNAL, _("cannot make the folder '%s':"), f->tmp);
	f->fd = open(f->tmp, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int mark = f->fd < 0 ? -1 : openat(f->fd, ARCHIVE_MARK, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	static const char text[] = "mvchat archive 1\n";
	bool ok = mark >= 0 && write(mark, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1;
	if (mark >= 0)
		ok = close(mark) == 0 && ok;
	return ok || err_set(e, ERR_INTERNAL, _("cannot write into '%s':"), f->tmp);
}

bool folder_begin(struct folder *f, const char *dir, bool replace, struct err *e)
{
	*f = (struct folder){ .dir = xstrdup(dir), .fd = -1 };
	for (size_t n = strlen(f->dir); n > 1 && f->dir[n - 1] == '/'; n--)
		f->dir[n - 1] = '\0';
	f->tmp = beside(f->dir, ".tmp");
	f->old = beside(f->dir, ".old");
	return begin(f, replace, e);
}

bool folder_commit(struct folder *f, struct err *e)
{
	bool had = look(f->dir) == HAD_OURS;
	if (had && (!make_way(f->old, e) || (rename(f->dir, f->old) != 0 && !err_set(e, ERR_INTERNAL, _("cannot rename '%s' to '%s':"), f->dir, f->old))))
		return false;
	if (rename(f->tmp, f->dir) != 0) { /* over an empty folder, or over nothing */
		err_set(e, ERR_INTERNAL, _("cannot rename '%s' to '%s':"), f->tmp, f->dir);
		if (had)
			rename(f->old, f->dir);
		return false;
	}
	return look(f->old) != HAD_OURS || remove_ours(f->old, e);
}

void folder_abort(struct folder *f)
{
	struct err ignored = ERR_INIT;
	if (f->fd >= 0)
		remove_ours(f->tmp, &ignored);
}
