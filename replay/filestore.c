/* filestore.c: see filestore.h. Called by replay/fetch.c (writing) and by the commands that read a spool (finding). Does not
 * download, does not judge what the bytes are. */
#include "replay/filestore.h"

#include "core/arena.h"
#include "core/buf.h"
#include "core/step.h"
#include "core/table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ID_MAX = 200, NAME_MAX_BYTES = 255, LINE_MAX_BYTES = 1024 };

struct held { int64_t size; uint8_t sha[DIGEST_BYTES]; };

struct filestore {
	char *dir;
	int fd;                /* index.tsv when writing, else -1 */
	struct arena arena;
	struct table by_id;    /* -> struct held */
};

static char *path_of(const struct filestore *s, const char *name)
{
	size_t n = strlen(s->dir) + strlen(name) + 2;
	char *p = xmalloc(n);
	snprintf(p, n, "%s/%s", s->dir, name);
	return p;
}

static void entry_of(const uint8_t sha[DIGEST_BYTES], char entry[FILESTORE_ENTRY])
{
	hex(sha, DIGEST_BYTES, entry + 3);
	entry[0] = entry[3];
	entry[1] = entry[4];
	entry[2] = '/';
}

static bool unhex(const char *s, uint8_t out[DIGEST_BYTES])
{
	for (size_t i = 0; i < DIGEST_HEX - 1; i++) {
		int v = s[i] >= '0' && s[i] <= '9' ? s[i] - '0' : s[i] >= 'a' && s[i] <= 'f' ? s[i] - 'a' + 10 : -1;
		if (v < 0)
			return false;
		out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] << 4 | v : v);
	}
	return true;
}

static bool is_there(const struct filestore *s, const struct held *h)
{
	char entry[FILESTORE_ENTRY];
	struct stat st;
	entry_of(h->sha, entry);
	char *p = path_of(s, entry);
	bool there = lstat(p, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == h->size;
	free(p);
	return there;
}

static void enter(struct filestore *s, const char *id, const struct held *h)
{
	struct held *kept = table_get(&s->by_id, id);
	if (!kept) {
		kept = arena_new(&s->arena, struct held);
		table_put(&s->by_id, arena_strdup(&s->arena, id), kept);
	}
	*kept = *h;
}

/* "id TAB sha TAB size TAB name"; anything else is a line of a process that died, or not ours: passed over. */
static void read_line(struct filestore *s, char *line)
{
	struct held h;
	char *sha = strchr(line, '\t'), *size = sha ? strchr(sha + 1, '\t') : NULL, *end;
	if (!size)
		return;
	*sha++ = '\0';
	*size++ = '\0';
	errno = 0;
	h.size = strtoll(size, &end, 10);
	if (errno || end == size || *end != '\t' || h.size < 0 || strlen(sha) != DIGEST_HEX - 1 || !unhex(sha, h.sha) || !filestore_may(line))
		return;
	if (is_there(s, &h))
		enter(s, line, &h);
}

/* *whole: how many bytes of the index are whole lines. */
static bool read_index(struct filestore *s, const char *path, int64_t *whole, struct err *e)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	FILE *f = fopen(path, "re");
	*whole = 0;
	if (!f)
		return errno == ENOENT || err_set(e, ERR_INTERNAL, "cannot read '%s':", path);
	while ((n = getline(&line, &cap, f)) > 0 && line[n - 1] == '\n') {
		*whole += n;
		line[n - 1] = '\0';
		if (n <= LINE_MAX_BYTES && strlen(line) == (size_t)n - 1)
			read_line(s, line);
	}
	bool ok = !ferror(f);
	free(line);
	fclose(f);
	return ok || err_set(e, ERR_INTERNAL, "cannot read '%s':", path);
}

static bool make_dir(const char *path, struct err *e)
{
	struct stat st;
	if (mkdir(path, 0700) == 0 || (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode)))
		return true;
	return err_set(e, ERR_INTERNAL, "cannot make the folder '%s':", path);
}

/* A torn last line is cut off before anything is appended to it. */
static bool begin_writing(struct filestore *s, const char *index, struct err *e)
{
	int64_t whole;
	char *part = path_of(s, "part");
	bool ok = make_dir(s->dir, e) && make_dir(part, e);
	free(part);
	if (!ok)
		return false;
	s->fd = open(index, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->fd < 0)
		return err_set(e, ERR_INTERNAL, "cannot write '%s':", index);
	if (flock(s->fd, LOCK_EX | LOCK_NB) != 0) {
		err_set(e, ERR_LOCKED, "another process is writing into '%s'", s->dir);
		return err_hint(e, "wait until it has ended");
	}
	if (!read_index(s, index, &whole, e))
		return false;
	return ftruncate(s->fd, (off_t)whole) == 0 || err_set(e, ERR_INTERNAL, "cannot write '%s':", index);
}

struct filestore *filestore_open(const char *dir, enum filestore_mode mode, struct err *e)
{
	struct filestore *s = xcalloc(1, sizeof(*s));
	int64_t whole;
	s->dir = xstrdup(dir);
	s->fd = -1;
	arena_init(&s->arena);
	table_init(&s->by_id);
	char *index = path_of(s, "index.tsv");
	bool ok = mode == FILESTORE_WRITE ? begin_writing(s, index, e) : read_index(s, index, &whole, e);
	free(index);
	if (!ok) {
		filestore_close(s);
		return NULL;
	}
	return s;
}

void filestore_close(struct filestore *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	table_release(&s->by_id);
	arena_release(&s->arena);
	free(s->dir);
	free(s);
}

size_t filestore_count(const struct filestore *s)
{
	return s->by_id.n;
}

bool filestore_find(const struct filestore *s, const char *id, char entry[FILESTORE_ENTRY], int64_t *size)
{
	const struct held *h = id ? table_get(&s->by_id, id) : NULL;
	if (!h)
		return false;
	entry_of(h->sha, entry);
	*size = h->size;
	return true;
}

bool filestore_may(const char *id)
{
	size_t n = strlen(id);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)id[i] < 0x20 || id[i] == 0x7f)
			return false;
	return n > 0 && n <= ID_MAX;
}

char *filestore_part(const struct filestore *s, const char *id, const char *suffix)
{
	/* By a digest: ids come from the archive and are no file names. */
	struct digest d;
	uint8_t sha[DIGEST_BYTES];
	char name[64], key[33];
	digest_init(&d);
	digest_add(&d, id, strlen(id));
	digest_end(&d, sha);
	hex(sha, 16, key);
	snprintf(name, sizeof(name), "part/%s%s", key, suffix);
	return path_of(s, name);
}

static bool hash_file(int fd, struct held *h)
{
	enum { CHUNK = 64 << 10 };
	char *b = xmalloc(CHUNK);
	struct digest d;
	ssize_t n;
	digest_init(&d);
	h->size = 0;
	while ((n = pread(fd, b, CHUNK, (off_t)h->size)) > 0) {
		digest_add(&d, b, (size_t)n);
		h->size += n;
	}
	digest_end(&d, h->sha);
	free(b);
	return n == 0;
}

static bool sync_folder(const char *path)
{
	char *dir = xstrdup(path);
	*strrchr(dir, '/') = '\0';
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd); /* a file system that cannot sync a folder has renamed it all the same */
		close(fd);
	}
	free(dir);
	return true;
}

static bool put_in_place(const struct filestore *s, const struct held *h, const char *part, struct err *e)
{
	char entry[FILESTORE_ENTRY];
	entry_of(h->sha, entry);
	if (is_there(s, h))
		return unlink(part) == 0 || err_set(e, ERR_INTERNAL, "cannot remove '%s':", part);
	char *path = path_of(s, entry), *dir = xstrdup(path);
	*strrchr(dir, '/') = '\0';
	bool ok = make_dir(dir, e) && (rename(part, path) == 0 || err_set(e, ERR_INTERNAL, "cannot rename '%s' to '%s':", part, path)) && sync_folder(path);
	free(dir);
	free(path);
	return ok;
}

bool filestore_add(struct filestore *s, const char *id, const char *part, const char *name, struct err *e)
{
	struct held h;
	if (s->fd < 0 || !filestore_may(id))
		return err_set(e, ERR_INTERNAL, "the file store cannot take '%s'", id);
	int fd = open(part, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	bool ok = fd >= 0 && hash_file(fd, &h) && fsync(fd) == 0;
	if (!ok)
		err_set(e, ERR_INTERNAL, "cannot read '%s' again:", part);
	if (fd >= 0)
		close(fd);
	if (!ok)
		return false;
	step("file-gathered");
	/* Entered first: an entry without its content does not count (is_there), so whoever dies in between finds the part whole. */
	char sha[DIGEST_HEX];
	struct buf b;
	hex(h.sha, DIGEST_BYTES, sha);
	buf_init(&b, LINE_MAX_BYTES);
	buf_addf(&b, "%s\t%s\t%lld\t", id, sha, (long long)h.size);
	for (size_t i = 0; i < NAME_MAX_BYTES && name[i]; i++)
		buf_addc(&b, (unsigned char)name[i] < 0x20 || name[i] == 0x7f ? ' ' : name[i]);
	buf_addc(&b, '\n');
	ok = !b.full && write(s->fd, b.p, b.len) == (ssize_t)b.len && fsync(s->fd) == 0;
	buf_release(&b);
	if (!ok)
		return err_set(e, ERR_INTERNAL, "cannot write the index of '%s':", s->dir);
	step("file-entered");
	if (!put_in_place(s, &h, part, e))
		return false;
	step("file-stored");
	enter(s, id, &h);
	return true;
}
