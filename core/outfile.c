#include "core/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* "a/b" -> "a/" and "b"; without a slash the folder is "". */
static size_t dir_len(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? (size_t)(slash - path) + 1 : 0;
}

bool outfile_open(struct outfile *o, const char *path, mode_t mode, struct err *e)
{
	size_t d = dir_len(path), n = strlen(path);
	*o = (struct outfile){ .path = xstrdup(path), .tmp = xmalloc(n + 8) };
	snprintf(o->tmp, n + 8, "%.*s.%s.tmp", (int)d, path, path + d);
	unlink(o->tmp);
	int fd = open(o->tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd >= 0)
		o->f = fdopen(fd, "w");
	if (!o->f) {
		err_set(e, ERR_INTERNAL, "cannot write '%s':", o->tmp);
		if (fd >= 0)
			close(fd);
		outfile_abort(o);
		return false;
	}
	return true;
}

static void sync_dir(const char *path)
{
	char *dir = xstrndup(path, dir_len(path));
	int fd = open(*dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd); /* a file system that cannot sync a folder has renamed it all the same */
		close(fd);
	}
	free(dir);
}

bool outfile_commit(struct outfile *o, struct err *e)
{
	bool ok = !ferror(o->f) && fflush(o->f) == 0 && fsync(fileno(o->f)) == 0;
	int saved = errno;
	ok = fclose(o->f) == 0 && ok;
	o->f = NULL;
	if (!ok) {
		errno = saved ? saved : errno;
		err_set(e, ERR_INTERNAL, "cannot write '%s':", o->tmp);
		outfile_abort(o);
		return false;
	}
	if (rename(o->tmp, o->path) != 0) {
		err_set(e, ERR_INTERNAL, "cannot rename '%s' to '%s':", o->tmp, o->path);
		outfile_abort(o);
		return false;
	}
	sync_dir(o->path);
	free(o->tmp);
	free(o->path);
	*o = (struct outfile){ 0 };
	return true;
}

void outfile_abort(struct outfile *o)
{
	if (o->f)
		fclose(o->f);
	if (o->tmp)
		unlink(o->tmp);
	free(o->tmp);
	free(o->path);
	*o = (struct outfile){ 0 };
}
