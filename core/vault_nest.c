/* vault_nest.c: archives inside an archive: a zip (or folder, or tar) of exported zips, as people collect them.
 *
 * Called by vault_open. An inner zip becomes a folder of its own name: "Chat A.zip/_chat.txt", so that a place reads
 * "outer.zip: Chat A.zip/_chat.txt:12" and importers that know folders of exports need nothing more. Inner zips within inner zips are
 * opened once more and no further. All limits hold for the whole; an inner zip out of a packed archive is unpacked into a
 * private file first.
 *
 * What is no export stays a file: somebody's report.zip must reach the target as it is. So an inner zip is opened only where no export
 * lies already (its own folder and the root have none of the files that make one), and only if it holds such a file itself, or
 * everything around it is archives.
 */
#include "core/vault_int.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 2, INNER_MAX = 4096, BLOCK = 256 * 1024 };

static const char *const markers[] = { "_chat.txt", "users.json", "channels.json", "result.json", "ChatStorage.sqlite", "msgstore.db" };

static bool is_zip(const char *name)
{
	const size_t n = strlen(name);
	return n > 4 && (streq(name + n - 4, ".zip") || streq(name + n - 4, ".ZIP") || streq(name + n - 4, ".Zip"));
}

/* Does an export lie in this folder ("" or "a/b/")? stem: of what the folder was packed into, whose text would have its name. */
static bool is_export(struct vault *v, const char *folder, const char *stem, size_t stem_n)
{
	char *name = xmalloc(strlen(folder) + 40 + stem_n);
	const size_t room = strlen(folder) + 40 + stem_n;
	bool yes = false;
	for (size_t i = 0; i < countof(markers) && !yes; i++) {
		fmt_into(name, room, "%s%s", folder, markers[i]);
		yes = vault_has(v, name);
	}
	if (!yes && stem_n) {
		fmt_into(name, room, "%s%.*s.txt", folder, (int)stem_n, stem);
		yes = vault_has(v, name);
	}
	if (!yes) { /* "msgstore.db.crypt15", "msgstore-2024-01-01.1.db.crypt15" */
		fmt_into(name, room, "%smsgstore", folder);
		struct item it;
		const size_t k = vault_lower(v, name);
		if (k < vault_count(v)) {
			vault_list_get(v->list, k, &it);
			yes = strncmp(it.pub.name, name, strlen(name)) == 0;
		}
	}
	free(name);
	return yes;
}

static size_t stem_of(const char *path, const char **stem)
{
	*stem = path_base(path);
	return is_zip(*stem) ? strlen(*stem) - 4 : 0;
}

/* The whole of an entry as a file of its own, beginning at 0. */
static int whole_file(struct vault *v, const struct entry *en, int64_t *size, struct err *e)
{
	struct vault_span at;
	if (!vault_open_at(v, en, &at, e))
		return -1;
	*size = at.size;
	if (!at.at)
		return at.fd;
	int fd = vault_private_file(v->scratch, e);
	char *block = xmalloc(BLOCK);
	bool ok = fd >= 0;
	for (int64_t done = 0; ok && done < at.size;) {
		const size_t n = at.size - done < BLOCK ? (size_t)(at.size - done) : BLOCK;
		ok = vault_read_at(at.fd, block, n, at.at + done) ? vault_write_all(fd, block, n, e) : err_set(e, ERR_ARCHIVE, "cannot read:");
		done += (int64_t)n;
	}
	free(block);
	close(at.fd);
	if (!ok && fd >= 0)
		close(fd);
	return ok ? fd : -1;
}

static bool begins_as_zip(struct vault *v, const struct entry *en)
{
	char head[4];
	size_t n = 0;
	struct vfile *f = en->encrypted || en->size < 22 ? NULL : vault_read(v, en, NULL);
	for (ptrdiff_t k = 1; f && n < sizeof(head) && k > 0; n += k > 0 ? (size_t)k : 0)
		k = vfile_read(f, head + n, sizeof(head) - n, NULL);
	vfile_close(f);
	return n == sizeof(head) && !memcmp(head, "PK\3\4", sizeof(head));
}

/* FOUND_NO: this one stays a file. */
static enum found open_inner(struct vault *v, const struct entry *en, bool sure, int depth, struct vault **out, struct err *e)
{
	int64_t size = 0;
	const char *stem;
	*out = NULL;
	if (!begins_as_zip(v, en))
		return FOUND_NO;
	int fd = whole_file(v, en, &size, e);
	if (fd < 0)
		return FOUND_BROKEN;
	struct vault_limits limits = v->limits;
	limits.max_total_bytes -= v->total;
	limits.max_entries -= (int64_t)v->n;
	struct vault *in = vault_new(en->name, &limits, v->scratch);
	enum found f = vault_load_zip(in, fd, size, e);
	if (f != FOUND_YES)
		close(fd);
	const size_t stem_n = stem_of(en->name, &stem);
	if (f == FOUND_YES && !vault_settle(in, depth + 1, e))
		f = FOUND_BROKEN;
	if (f == FOUND_YES && !sure && !in->n_inners && !is_export(in, "", stem, stem_n))
		f = FOUND_NO;
	if (f != FOUND_YES) {
		if (f == FOUND_BROKEN) {
			char where[sizeof(e->where)];
			if (e && fmt_into(where, sizeof(where), "%s%s%s", en->name, *e->where ? ": " : "", e->where))
				err_where(e, "%s", where);
		}
		vault_close(in);
		return f;
	}
	*out = in;
	return FOUND_YES;
}

/* Keeps the inner archive, whose entries will be a folder; false + err beyond the limits. */
static bool take_in(struct vault *v, struct vault *in, struct err *e)
{
	v->inners = xrealloc(v->inners, (v->n_inners + 1) * sizeof(*v->inners));
	v->inners[v->n_inners++] = in;
	v->total += in->total;
	v->n += vault_count(in);
	if ((int64_t)v->n <= v->limits.max_entries && v->total <= v->limits.max_total_bytes)
		return true;
	return err_set(e, ERR_ARCHIVE, "refused: archives inside it are beyond the limits");
}

/* The entry of an archive inside, by its name as the outer one has it. */
static bool add_inner(struct vault_list *to, size_t number, struct vault *in, size_t rank, const char *folder, struct buf *name, struct err *e)
{
	struct item it;
	vault_list_get(in->list, rank, &it);
	buf_reset(name);
	buf_addf(name, "%s/%s", folder, it.pub.name);
	if (name->full)
		return vault_refuse(e, name->p, name->len, N_("a name of more than 16 KiB"));
	it.pub.name = name->p;
	it.pub.within = (uint16_t)(number + 1);
	it.raw = NULL;
	it.at.inner = rank;
	return vault_list_add(to, &it, e);
}

/* A list in which the opened archives (their ranks) are folders: what is not inside them comes first, so that it keeps its names
 * (by which a folder's files are opened, too). */
static bool merge(struct vault *v, const size_t *opened, struct err *e)
{
	struct vault_list *to = vault_list_new(v->scratch, v->limits.max_name_bytes);
	struct buf name;
	struct item it;
	size_t k = 0;
	bool ok = true;
	buf_init(&name, VAULT_NAME_MAX);
	for (size_t i = 0; ok && i < vault_count(v); i++) {
		if (k < v->n_inners && opened[k] == i) {
			k++;
			continue;
		}
		vault_list_get(v->list, i, &it);
		ok = vault_list_add(to, &it, e);
	}
	for (k = 0; ok && k < v->n_inners; k++) {
		vault_list_get(v->list, opened[k], &it);
		char *folder = xstrdup(it.pub.name);
		for (size_t i = 0; ok && i < vault_count(v->inners[k]); i++)
			ok = add_inner(to, k, v->inners[k], i, folder, &name, e);
		free(folder);
	}
	buf_release(&name);
	vault_list_free(v->list);
	v->list = to;
	v->n = ok ? v->n - v->n_inners : v->n;
	return ok;
}

/* Is there anything that may be opened? *only: nothing else is there. */
static bool any_zip(struct vault *v, bool *only)
{
	struct item it;
	size_t zips = 0;
	const size_t n = vault_count(v);
	for (size_t i = 0; i < n; i++) {
		vault_list_get(v->list, i, &it);
		zips += is_zip(it.pub.name);
	}
	*only = zips == n;
	return zips > 0;
}

/* In a folder where an export lies, a zip is what somebody sent. */
static bool is_beside_export(struct vault *v, const char *name)
{
	const char *slash = strrchr(name, '/');
	char *folder = xstrndup(name, slash ? (size_t)(slash + 1 - name) : 0);
	const bool yes = *folder && is_export(v, folder, "", 0);
	free(folder);
	return yes;
}

bool vault_nest(struct vault *v, int depth, struct err *e)
{
	const char *stem;
	const size_t n = vault_count(v), stem_n = stem_of(v->path, &stem);
	size_t *opened = NULL;
	struct arena a;
	bool ok = true, only;
	if (depth >= DEPTH_MAX || v->kind == VAULT_FILE || is_export(v, "", stem, stem_n) || !any_zip(v, &only))
		return true;
	arena_init(&a);
	for (size_t i = 0; i < n && ok && v->n_inners < INNER_MAX; i++) {
		struct vault *in;
		struct item it;
		vault_list_get(v->list, i, &it);
		if (!is_zip(it.pub.name))
			continue;
		const struct entry *en = vault_entry_in(v, i, &a);
		if (!is_beside_export(v, en->name)) {
			const enum found f = open_inner(v, en, only, depth, &in, e);
			ok = f != FOUND_BROKEN;
			if (f == FOUND_YES) {
				opened = xrealloc(opened, (v->n_inners + 1) * sizeof(*opened));
				opened[v->n_inners] = i;
				ok = take_in(v, in, e);
			}
		}
		arena_reset(&a);
	}
	arena_release(&a);
	if (ok && v->n_inners)
		ok = merge(v, opened, e);
	free(opened);
	return ok;
}
