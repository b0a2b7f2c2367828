/* Promises: a project is opened the same way by every command, and nothing of it stays open after project_close. Called by the
 * cmd_*.c files. Does not print results; says on stderr (log_info) that a long reading is going on. */
#include "cli/project.h"

#include "cli/archive_key.h"
#include "cli/i18n.h"
#include "cli/out.h"
#include "cli/progress.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

void project_init(struct project *p, const struct args *a)
{
	const char *dir = a ? opt_value(a, "project") : NULL;
	project_at(p, dir && *dir ? dir : ".");
}

void project_at(struct project *p, const char *dir)
{
	*p = (struct project){ .dir = dir };
	arena_init(&p->arena);
	arena_init(&p->facts);
	size_t n = strlen(p->dir) + 16;
	p->state = xmalloc(n);
	snprintf(p->state, n, "%s/.mvchat", p->dir);
}

void project_close(struct project *p)
{
	session_close(p->session);
	ledger_close(p->ledger);
	spool_close(p->spool);
	filestore_close(p->fetched);
	mapping_free(p->mapping);
	vault_close(p->store);
	for (size_t i = 0; i < p->n_vaults; i++)
		vault_close(p->vaults[i]);
	free(p->vaults);
	free(p->state);
	arena_release(&p->arena);
	arena_release(&p->facts);
}

bool project_state_dir(struct project *p, struct err *e)
{
	struct stat st;
	if (mkdir(p->state, 0700) != 0 && errno != EEXIST) {
		err_set(e, ERR_INTERNAL, _("cannot make the folder '%s':"), p->state);
		return err_hint(e, _("check that the project folder exists and can be written"));
	}
	if (stat(p->state, &st) != 0 || !S_ISDIR(st.st_mode))
		return err_set(e, ERR_INTERNAL, _("'%s' is not a folder"), p->state);
	return true;
}

bool project_mapping(struct project *p, struct err *e)
{
	return project_mapping_as(p, DECIDED_ALL, e);
}

/* `move` makes a folder of its own, and the next command is easily typed without -C. NULL: nothing was forgotten. */
static const char *forgotten_folder(const struct project *p)
{
	static const char *const folders[][2] = { { "mvchat-move", "mvchat-move/mvchat.yaml" }, { "mvchat-rehearsal", "mvchat-rehearsal/mvchat.yaml" } };
	if (!streq(p->dir, ".") || access("mvchat.yaml", F_OK) == 0)
		return NULL;
	for (size_t i = 0; i < countof(folders); i++)
		if (access(folders[i][1], F_OK) == 0)
			return folders[i][0];
	return NULL;
}

bool project_mapping_as(struct project *p, enum decided need, struct err *e)
{
	const char *elsewhere = forgotten_folder(p);
	if (elsewhere) {
		err_set(e, ERR_MAPPING, _("there is no project in this folder"));
		return err_hint(e, _("the one that 'mvchat move' made: -C %s"), elsewhere);
	}
	switch (need) {
	case DECIDED_ALL: p->mapping = mapping_load(p->dir, e); break;
	case DECIDED_OR_NOT: p->mapping = mapping_load_open(p->dir, e); break;
	case DECIDED_DRAFT: p->mapping = mapping_load_draft(p->dir, e); break;
	}
	if (!p->mapping)
		return false;
	const struct mapping_config *c = mapping_config(p->mapping);
	struct mapping_archive *v = arena_array(&p->arena, c->n_archives, struct mapping_archive);
	for (size_t i = 0; i < c->n_archives; i++) {
		v[i] = c->archives[i];
		if (!v[i].date_order)
			v[i].date_order = p->date_order;
		if (p->key_file)
			v[i].key_file = p->key_file;
		else if (v[i].key_file && v[i].key_file[0] != '/' && !streq(p->dir, "."))
			v[i].key_file = arena_fmt(&p->arena, "%s/%s", p->dir, v[i].key_file);
		if (v[i].path[0] != '/' && !streq(p->dir, "."))
			v[i].path = arena_fmt(&p->arena, "%s/%s", p->dir, v[i].path);
	}
	p->archives = v;
	p->n_archives = c->n_archives;
	if (!p->n_archives) {
		err_set(e, ERR_MAPPING, _("mvchat.yaml names no archive"));
		return err_hint(e, _("put the export under 'archives:' in %s/mvchat.yaml"), p->dir);
	}
	return true;
}

struct opened { struct vault *vault; const struct importer *imp; struct source *src; };

static void opened_close(struct opened *o)
{
	if (o->src)
		o->imp->close(o->src);
	vault_close(o->vault);
	*o = (struct opened){ 0 };
}

static bool opened_open(struct opened *o, const struct mapping_archive *ar, const char *scratch, struct err *e)
{
	const char *path = ar->path, *format = ar->format;
	*o = (struct opened){ .vault = vault_open(path, NULL, scratch, e) };
	if (!o->vault)
		return false;
	o->imp = format ? importer_named(format) : importer_choose(o->vault, e);
	if (!o->imp && format) {
		err_set(e, ERR_USAGE, _("unknown archive format '%s'"), format);
		err_hint(e, _("leave the format out to have it recognised"));
	}
	if (o->imp) {
		char zone[128], order[32], *secret = NULL;
		const char *options[4] = { NULL };
		size_t n = 0;
		if (ar->zone && fmt_into(zone, sizeof(zone), "zone=%s", ar->zone))
			options[n++] = zone;
		if (ar->date_order && fmt_into(order, sizeof(order), "date-order=%s", ar->date_order))
			options[n++] = order;
		const bool have = archive_key(ar->key_file, &secret, e);
		options[n] = secret;
		o->src = have ? o->imp->open(o->vault, options, e) : NULL;
		archive_key_free(secret);
	}
	if (!o->src) {
		if (!e->where[0])
			err_where(e, "%s", path);
		opened_close(o);
		return false;
	}
	return true;
}

bool archive_walk(const struct mapping_archive *ar, const struct sink *sink, const char *scratch, struct err *e)
{
	struct opened o;
	if (!opened_open(&o, ar, scratch, e))
		return false;
	struct arena step;
	arena_init(&step);
	bool ok = o.imp->walk(o.src, sink, &step, e);
	arena_release(&step);
	opened_close(&o);
	return ok;
}

/* A sink between importer and spool that shows how far the reading is. */
struct reading { struct sink inner; int64_t n; };

static bool r_user(void *ctx, const struct user *u) { struct reading *r = ctx; return r->inner.user(r->inner.ctx, u); }
static bool r_conv(void *ctx, const struct conv *c) { struct reading *r = ctx; return r->inner.conv(r->inner.ctx, c); }
static bool r_msg(void *ctx, const char *conv, const struct msg *m)
{
	struct reading *r = ctx;
	if (++r->n % 4096 == 0)
		progress_count("reading", _("reading the archive"), r->n);
	return r->inner.msg(r->inner.ctx, conv, m);
}
static bool r_bad(void *ctx, const struct err *e) { struct reading *r = ctx; return r->inner.bad(r->inner.ctx, e); }
static bool r_hazard(void *ctx, enum hazard_level l, const char *name, const char *where, const char *what)
{
	struct reading *r = ctx;
	return r->inner.hazard(r->inner.ctx, l, name, where, what);
}
static bool r_fact(void *ctx, const char *k, const char *v) { struct reading *r = ctx; return r->inner.fact(r->inner.ctx, k, v); }

static bool r_integration(void *ctx, const struct integration *in) { struct reading *r = ctx; return r->inner.integration(r->inner.ctx, in); }
static bool r_copy(void *ctx, const struct copy *c) { struct reading *r = ctx; return !r->inner.copy || r->inner.copy(r->inner.ctx, c); }

/* What the archive holds and how it is read: a spool is good for both only. */
static bool archive_digest(const struct mapping_archive *ar, uint8_t out[DIGEST_BYTES], struct err *e)
{
	struct digest d;
	if (!vault_digest(ar->path, out, e))
		return false;
	if (!ar->zone && !ar->date_order)
		return true;
	const char *how[] = { ar->zone ? ar->zone : "", ar->date_order ? ar->date_order : "" };
	digest_init(&d);
	digest_add(&d, out, DIGEST_BYTES);
	for (size_t i = 0; i < countof(how); i++)
		digest_add(&d, how[i], strlen(how[i]) + 1);
	digest_end(&d, out);
	return true;
}

static bool read_one(struct spool *sp, const struct mapping_archive *ar, const char *scratch, int64_t *total, struct err *e)
{
	struct opened o;
	uint8_t digest[DIGEST_BYTES];
	/* First the digest, then what is read: an archive that is exchanged in between is read again next time. */
	if (!archive_digest(ar, digest, e) || !opened_open(&o, ar, scratch, e))
		return false;
	struct arena step;
	arena_init(&step);
	struct reading r = { .n = *total };
	bool ok = spool_archive_begin(sp, ar->path, o.imp->name, o.imp->identity(o.src), digest, e);
	if (ok) {
		spool_sink(sp, &r.inner);
		struct sink sink = { .ctx = &r, .user = r_user, .conv = r_conv, .msg = r_msg, .bad = r_bad, .hazard = r_hazard, .fact = r_fact,
		                     .integration = r_integration, .copy = r_copy };
		ok = o.imp->walk(o.src, &sink, &step, e);
	}
	*total = r.n;
	arena_release(&step);
	opened_close(&o);
	return ok;
}

bool archives_read(const char *spool_path, const struct mapping_archive *v, size_t n, const char *scratch, const struct spool_past *past,
                   struct spool **out, struct err *e)
{
	struct spool *sp = spool_open(spool_path, SPOOL_BUILD, e);
	if (!sp)
		return false;
	int64_t total = 0;
	bool ok = true;
	for (size_t i = 0; i < n && ok; i++)
		ok = read_one(sp, &v[i], scratch, &total, e);
	if (past)
		spool_set_past(sp, past);
	ok = ok && spool_finish(sp, e);
	progress_clear();
	spool_close(sp);
	if (!ok) {
		unlink(spool_path);
		return false;
	}
	*out = spool_open(spool_path, SPOOL_READ, e);
	return *out != NULL;
}

/* What the ledger has of a conversation, for copies of it that other phones have. */
static bool past_conv(void *ctx, const char *conv_id, bool (*put)(void *to, int64_t ts_us, const char *id), void *to)
{
	struct ledger *l = ctx;
	int64_t conv = ledger_conv(l, conv_id);
	struct ledger_row row;
	bool ok = true;
	if (conv <= 0)
		return true;
	struct ledger_walk *w = ledger_walk(l, conv);
	while (ok && ledger_walk_next(w, &row))
		if (row.key.ts_us && *row.key.id && (row.key.kind == OP_POST || row.key.kind == OP_UPLOAD))
			ok = put(to, row.key.ts_us, row.key.id);
	ledger_walk_end(w);
	return ok;
}

/* Without a ledger there is no past; one that cannot be read is told by whoever needs it. */
static bool read_with_past(struct project *p, const char *path, struct err *e)
{
	struct err ignored = ERR_INIT;
	struct ledger *l = p->ledger ? NULL : ledger_open(p->state, LEDGER_READ, &ignored);
	struct spool_past past = { .conv = past_conv, .ctx = p->ledger ? p->ledger : l };
	bool ok = archives_read(path, p->archives, p->n_archives, p->state, past.ctx ? &past : NULL, &p->spool, e);
	ledger_close(l);
	return ok;
}

bool date_order_given(const struct args *a, const char **out, struct err *e)
{
	*out = opt_value(a, "date-order");
	if (!*out || streq(*out, "dmy") || streq(*out, "mdy") || streq(*out, "ymd"))
		return true;
	err_set(e, ERR_USAGE, _("--date-order: dmy, mdy or ymd, not '%s'"), *out);
	return err_hint(e, _("dmy: the day first, mdy: the month first, ymd: the year first"));
}

/* The finished spool of just these archives, or NULL. */
static struct spool *spool_at_hand(const char *path, const uint8_t (*digests)[DIGEST_BYTES], size_t n)
{
	struct err ignored;
	struct spool *s = spool_open(path, SPOOL_READ, &ignored);
	if (s && !spool_matches(s, digests, n)) {
		spool_close(s);
		return NULL;
	}
	return s;
}

/* Two commands at once in one project: the second waits until the first has read the archive, and uses what it made. Also held
 * while a spool is only opened: a reader's look at one that is just being begun would make its builder fail. */
static int spool_lock(struct project *p, struct err *e)
{
	const char *path = arena_fmt(&p->arena, "%s/spool.lock", p->state);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	while (fd >= 0 && flock(fd, LOCK_EX) != 0)
		if (errno != EINTR) {
			close(fd);
			fd = -1;
		}
	if (fd < 0)
		err_set(e, ERR_INTERNAL, _("cannot lock '%s':"), path);
	return fd;
}

bool project_spool(struct project *p, struct err *e)
{
	if (!project_state_dir(p, e))
		return false;
	uint8_t (*digests)[DIGEST_BYTES] = xcalloc(p->n_archives, sizeof(*digests));
	bool ok = true;
	for (size_t i = 0; i < p->n_archives && ok; i++)
		ok = archive_digest(&p->archives[i], digests[i], e);
	const char *path = arena_fmt(&p->arena, "%s/spool.db", p->state);
	const uint8_t (*want)[DIGEST_BYTES] = (const uint8_t (*)[DIGEST_BYTES])digests;
	int fd = ok ? spool_lock(p, e) : -1;
	ok = fd >= 0;
	if (ok && !(p->spool = spool_at_hand(path, want, p->n_archives)))
		ok = read_with_past(p, path, e);
	if (fd >= 0)
		close(fd);
	free(digests);
	if (!ok)
		return false;
	p->fetched = filestore_open(arena_fmt(&p->arena, "%s/files", p->state), FILESTORE_READ, e);
	if (p->fetched && filestore_count(p->fetched))
		spool_fetched(p->spool, p->fetched);
	return p->fetched != NULL;
}

bool project_ledger(struct project *p, enum ledger_mode mode, struct err *e)
{
	if (!project_state_dir(p, e))
		return false;
	p->ledger = ledger_open(p->state, mode, e);
	if (p->ledger && mode != LEDGER_REBUILD && ledger_outdated(p->ledger))
		log_warn("ledger.outdated", "%s", _("more was written than this ledger knows of: 'mvchat verify --adopt' completes it from the target"));
	return p->ledger != NULL;
}

static struct vfile *open_fetched(struct project *p, const struct file *f, struct err *e)
{
	if (!p->store)
		p->store = vault_open(arena_fmt(&p->arena, "%s/files", p->state), NULL, p->state, e);
	bool found = false;
	struct vfile *v = p->store && f->entry ? vault_read_named(p->store, f->entry, &found, e) : NULL;
	if (!found && p->store)
		err_set(e, ERR_ARCHIVE, _("the fetched file '%s' is no longer there"), f->name);
	return v;
}

static struct vfile *open_file(void *ctx, const struct file *f, struct err *e)
{
	struct project *p = ctx;
	if (f->archive == SPOOL_FETCHED)
		return open_fetched(p, f, e);
	if (!p->vaults) {
		p->n_vaults = p->n_archives;
		p->vaults = xcalloc(p->n_vaults, sizeof(*p->vaults));
	}
	if (f->archive < 0 || (size_t)f->archive >= p->n_vaults || !f->entry) {
		err_set(e, ERR_ARCHIVE, _("the file '%s' is in no archive"), f->name);
		return NULL;
	}
	struct vault **v = &p->vaults[f->archive];
	if (!*v)
		*v = vault_open(p->archives[f->archive].path, NULL, p->state, e);
	bool found = false;
	struct vfile *out = *v ? vault_read_named(*v, f->entry, &found, e) : NULL;
	if (!found && *v)
		err_set(e, ERR_ARCHIVE, _("'%s' is no longer in the archive"), f->entry);
	return out;
}

/* Tokens of one kind: most often one; of bots, several that share the work. */
struct tokens_found { const char *v[BOTS_MAX + 1]; size_t n; };

static bool keep_tokens(struct project *p, const char *text, struct tokens_found *out, struct err *e)
{
	static const char between[] = ", \t\r\n";
	for (text += strspn(text, between); *text; text += strspn(text, between)) {
		size_t n = strcspn(text, between);
		if (out->n == BOTS_MAX)
			return err_set(e, ERR_USAGE, _("more than %d bot tokens"), (int)BOTS_MAX);
		out->v[out->n] = arena_strndup(&p->arena, text, n);
		log_secret(out->v[out->n++]);
		text += n;
	}
	return true;
}

/* From the variables named (several, separated by commas), each with one token or several. */
static bool tokens_env(struct project *p, const char *names, struct tokens_found *out, struct err *e)
{
	static const char between[] = ", \t";
	for (names += strspn(names, between); *names; names += strspn(names, between)) {
		size_t n = strcspn(names, between);
		const char *v = getenv(arena_strndup(&p->arena, names, n));
		names += n;
		if (v && !keep_tokens(p, v, out, e))
			return false;
	}
	return true;
}

/* From the environment or from a file only its owner can read, one a line. None at all is no error. */
static bool tokens(struct project *p, const char *env, const char *file, struct tokens_found *out, struct err *e)
{
	*out = (struct tokens_found){ 0 };
	if (env && !tokens_env(p, env, out, e))
		return false;
	if (out->n || !file)
		return true;
	const char *path = file[0] == '/' || streq(p->dir, ".") ? file : arena_fmt(&p->arena, "%s/%s", p->dir, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char text[8192];
	if (fd < 0 || fstat(fd, &st) != 0) {
		err_set(e, ERR_USAGE, _("cannot read the token file '%s':"), path);
		if (fd >= 0)
			close(fd);
		return false;
	}
	ssize_t n = (st.st_mode & 077) ? -1 : read(fd, text, sizeof(text) - 1);
	close(fd);
	if (st.st_mode & 077) {
		err_set(e, ERR_USAGE, _("others may read the token file '%s'"), path);
		return err_hint(e, "chmod 600 '%s'", path);
	}
	text[n > 0 ? n : 0] = '\0';
	if (!keep_tokens(p, text, out, e))
		return false;
	return out->n || err_set(e, ERR_USAGE, _("the token file '%s' is empty"), path);
}

/* Which bot the ledger knows as the one that made the chats. */
static const char *bond_of(struct project *p)
{
	struct err e = ERR_INIT;
	if (p->ledger)
		return ledger_bonded(p->ledger, &p->arena);
	struct ledger *l = p->state ? ledger_open(p->state, LEDGER_READ, &e) : NULL;
	const char *id = l ? ledger_bonded(l, &p->arena) : NULL;
	ledger_close(l);
	return id;
}

/* A folder that `move --to sandbox` made goes to its own sandbox on this machine and nowhere else: the sandbox's tokens are no
 * secrets, and a real one must not be shown to it. */
static bool rehearses(struct project *p, const struct mapping_config *c)
{
	static const char here[] = "http://127.0.0.1:";
	return c->target_url && !strncmp(c->target_url, here, sizeof(here) - 1) && access(arena_fmt(&p->arena, "%s/sandbox.db", p->state), F_OK) == 0 &&
	       (!c->admin_token_env || streq(c->admin_token_env, "PACHCA_ADMIN_TOKEN")) && !c->admin_token_file &&
	       (!c->bot_token_env || streq(c->bot_token_env, "PACHCA_BOT_TOKEN")) && !c->bot_token_file;
}

bool project_session(struct project *p, const struct args *a, const char *exporter, const char *url, enum tokens need, struct err *e)
{
	const struct mapping_config *c = p->mapping ? mapping_config(p->mapping) : NULL;
	const struct exporter *ex = exporter_named(c ? c->target : exporter);
	if (!ex) {
		err_set(e, ERR_USAGE, _("unknown target '%s'"), c ? c->target : exporter);
		return err_hint(e, _("known targets: pachca"));
	}
	err_clear(e);
	bool rehearsal = c && !opt_given(a, "url") && rehearses(p, c);
	if (rehearsal) {
		setenv("PACHCA_ADMIN_TOKEN", "sandbox-admin-token", 1);
		setenv("PACHCA_BOT_TOKEN", "sandbox-bot-token", 1);
	}
	struct tokens_found admins, bots;
	if (!tokens(p, c && c->admin_token_env ? c->admin_token_env : "PACHCA_ADMIN_TOKEN", c ? c->admin_token_file : NULL, &admins, e) ||
	    !tokens(p, c && c->bot_token_env ? c->bot_token_env : "PACHCA_BOT_TOKEN", c ? c->bot_token_file : NULL, &bots, e))
		return false;
	const char *admin = admins.v[0];
	if (admins.n > 1)
		return err_set(e, ERR_USAGE, _("more than one administrator's token: only bots can share the work"));
	if (!bots.n) {
		if (need == TOKENS_OPTIONAL)
			return true;
		err_set(e, ERR_TARGET, _("there is no bot token: the variable %s is not set"),
		        c && c->bot_token_env ? c->bot_token_env : "PACHCA_BOT_TOKEN");
		return err_hint(e, _("put the bot's token into that variable, or name a file with it in mvchat.yaml"));
	}
	int64_t timeout;
	if (!opt_number(a, "timeout", 1, 3600, 0, &timeout, e))
		return false;
	const char *options[] = { arena_fmt(&p->arena, "admin=%d", admin != NULL), NULL };
	struct session_args sa = {
		.ex = ex,
		.wire = {
			.base_url = opt_value(a, "url") ? opt_value(a, "url") : c ? c->target_url : url,
			.admin_token = admin, .bot_token = bots.v[0], .more_bot_tokens = bots.v + 1,
			.cacert = opt_value(a, "cacert"), .proxy = opt_value(a, "proxy"),
			.timeout_s = (int)timeout, .open_file = open_file, .ctx = p,
		},
		.options = options,
		.bond = bots.n > 1 ? bond_of(p) : NULL,
		.known = p->ledger ? ledger_bots(p->ledger, &p->arena) : NULL,
	};
	p->session = session_open(&sa, e);
	if (!p->session && rehearsal)
		err_hint(e, _("is the rehearsal's sandbox running? mvchat sandbox -C %s --store %s/sandbox.db --port %d"), p->dir, p->state,
		         atoi(c->target_url + sizeof("http://127.0.0.1:") - 1));
	return p->session != NULL;
}
