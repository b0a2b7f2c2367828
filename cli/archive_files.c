/* archive_files.c: the files of the archives, each content once: files/ab/<SHA-256, half of it>.<extension>.
 *
 * Promises: a file is there whole or not at all; names come from us, never from the archive, but for a harmless extension. What
 * a browser would run (HTML, SVG, …) is kept with ".txt" behind its name, so that a click shows it and does not start it.
 * Called by archive_conv.c. */
#include "cli/archive_int.h"

#include "cli/i18n.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HASH_BYTES = 16, CHUNK = 64 << 10 };

const char *file_extension(const char *name, char out[16])
{
	static const char *const active[] = { "html", "htm", "xhtml", "xht", "shtml", "shtm", "svg", "svgz", "xml", "xsl", "xslt", "mht", "mhtml",
		"rdf", "js", "mjs", "hta", "url", "lnk", "desktop", "webloc", NULL };
	const char *dot = strrchr(name, '.');
	char ext[9];
	size_t n = 0;
	for (const char *p = dot ? dot + 1 : ""; *p; p++) {
		char c = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
		if (n == sizeof(ext) - 1 || !((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) {
			n = 0;
			break;
		}
		ext[n++] = c;
	}
	ext[n] = '\0';
	if (!n) { /* without an extension a browser would guess from the content */
		snprintf(out, 16, ".bin");
		return out;
	}
	bool acts = false;
	for (size_t i = 0; active[i] && !acts; i++)
		acts = streq(ext, active[i]);
	snprintf(out, 16, ".%s%s", ext, acts ? ".txt" : "");
	return out;
}

static struct vfile *open_entry(struct site *s, const struct file *f)
{
	struct err why = ERR_INIT;
	bool fetched = f->archive == SPOOL_FETCHED && s->x->fetched;
	if ((!fetched && (f->archive < 0 || (size_t)f->archive >= s->n_archives)) || !f->entry)
		return NULL;
	struct vault **v = &s->vaults[fetched ? s->n_archives : (size_t)f->archive];
	if (!*v)
		*v = vault_open(fetched ? s->x->fetched : s->archives[f->archive], NULL, s->x->scratch, &why);
	bool found;
	return *v ? vault_read_named(*v, f->entry, &found, &why) : NULL;
}

static bool write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return false;
		p += w;
		n -= (size_t)w;
	}
	return true;
}

static enum file_copy copy(struct site *s, struct vfile *in, int out, uint8_t digest[DIGEST_BYTES], int64_t *size)
{
	static char chunk[CHUNK];
	struct err why = ERR_INIT;
	struct digest d;
	enum file_copy how = COPY_DONE;
	digest_init(&d);
	*size = 0;
	for (;;) {
		ptrdiff_t n = vfile_read(in, chunk, sizeof(chunk), &why);
		if (n < 0)
			how = COPY_UNREADABLE;
		if (n <= 0)
			break;
		digest_add(&d, chunk, (size_t)n);
		*size += n;
		if (!write_all(out, chunk, (size_t)n)) {
			err_set(s->e, ERR_INTERNAL, _("cannot write into '%s':"), s->x->dir);
			how = COPY_FAILED;
			break;
		}
	}
	digest_end(&d, digest);
	return how;
}

static enum file_copy fetch(struct site *s, const struct file *f, const char *ext, char path[PATH_BYTES])
{
	static const char tmp[] = "files/.part";
	struct vfile *in = open_entry(s, f);
	if (!in)
		return COPY_UNREADABLE;
	int fd = openat(s->root, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
	uint8_t digest[DIGEST_BYTES];
	int64_t size = 0;
	enum file_copy how = COPY_FAILED;
	if (fd < 0)
		err_set(s->e, ERR_INTERNAL, _("cannot write into '%s':"), s->x->dir);
	else
		how = copy(s, in, fd, digest, &size);
	vfile_close(in);
	if (fd >= 0 && close(fd) != 0 && how == COPY_DONE) {
		err_set(s->e, ERR_INTERNAL, _("cannot write into '%s':"), s->x->dir);
		how = COPY_FAILED;
	}
	if (how == COPY_DONE) {
		char name[2 * HASH_BYTES + 1], folder[16];
		struct stat st;
		hex(digest, HASH_BYTES, name);
		snprintf(folder, sizeof(folder), "files/%.2s", name);
		snprintf(path, PATH_BYTES, "%s/%s%s", folder, name, ext);
		mkdirat(s->root, folder, 0777);
		bool had = fstatat(s->root, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
		if (had) {
			unlinkat(s->root, tmp, 0);
			return COPY_DONE;
		}
		if (renameat(s->root, tmp, s->root, path) == 0) {
			s->out->files++;
			s->out->file_bytes += size;
			return COPY_DONE;
		}
		err_set(s->e, ERR_INTERNAL, _("cannot write into '%s':"), s->x->dir);
		how = COPY_FAILED;
	}
	unlinkat(s->root, tmp, 0);
	return how;
}

enum file_copy site_file(struct site *s, const struct file *f, char path[PATH_BYTES])
{
	char ext[16];
	file_extension(f->name, ext);
	const char *key = arena_fmt(&s->step, "%d %s %s", f->archive, ext, f->entry ? f->entry : "");
	const char *known = table_get(&s->copied, key);
	if (known) {
		fmt_into(path, PATH_BYTES, "%s", known);
		return *known ? COPY_DONE : COPY_UNREADABLE;
	}
	path[0] = '\0';
	enum file_copy how = fetch(s, f, ext, path);
	if (how == COPY_UNREADABLE)
		s->out->bad_files++;
	if (how != COPY_FAILED)
		table_put(&s->copied, arena_strdup(&s->run, key), arena_strdup(&s->run, how == COPY_DONE ? path : ""));
	return how;
}

void site_files_free(struct site *s)
{
	for (size_t i = 0; s->vaults && i <= s->n_archives; i++)
		vault_close(s->vaults[i]);
	free(s->vaults);
	table_release(&s->copied);
}
