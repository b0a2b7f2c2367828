/* whatsapp_db.c: the importer of WhatsApp's databases: opening them (whatsapp_db_find.c knows them), and turning what the schemas give into records.
 *
 * Promises importer.h. Reads ChatStorage.sqlite (iPhone backup, WhatsApp for Mac), msgstore.db of Android in its two generations, and
 * msgstore.db.crypt12, 14 and 15 with their key; alone, in a folder or in an archive, with the media beside it. What a text export
 * does not have comes from here: the messenger's own ids, exact times in UTC, numbers, replies, reactions, members.
 *
 * Options: "key=HEX", the bytes of the key or key file in hexadecimal, for encrypted backups; the caller reads it, wherever it is.
 *
 * Memory: people, chats, 32 bytes for each message that is quoted on an iPhone.
 */
#include "importers/whatsapp_db.h"

#include "core/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { QUOTE_CHARS = 160, RESTARTS_MAX = 2000, NOT_SAID_MAX = 200 };

/* ---- opening ---- */

static void wadb_close(struct source *s)
{
	struct wadb *w = (struct wadb *)s;
	if (!w)
		return;
	wa_match_free(s->match);
	buf_release(&s->norm);
	buf_release(&s->body);
	arena_release(&s->keep);
	memset(&w->key, 0, sizeof(w->key));
	free(w);
}

static bool take_key(struct wadb *w, const char *hexed, struct err *e)
{
	uint8_t bytes[WA_KEY_BYTES_MAX];
	const size_t n = strlen(hexed) / 2;
	bool ok = n <= sizeof(bytes) && strlen(hexed) == 2 * n;
	for (size_t i = 0; i < n && ok; i++) {
		unsigned x = 0;
		for (size_t k = 0; k < 2; k++) {
			const char c = hexed[2 * i + k];
			ok = ok && ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'));
			x = x << 4 | (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
		}
		bytes[i] = (uint8_t)x;
	}
	ok = ok ? wa_key_parse(bytes, n, &w->key, e) : err_set(e, ERR_USAGE, "the key is not understood");
	memset(bytes, 0, sizeof(bytes));
	return ok;
}

static struct source *wadb_open(struct vault *v, const char *const *options, struct err *e)
{
	const struct entry *en = wadb_find(v);
	if (!en) {
		err_set(e, ERR_ARCHIVE, "no database of WhatsApp in it");
		err_hint(e, "ChatStorage.sqlite, msgstore.db or msgstore.db.crypt15 is wanted");
		return NULL;
	}
	struct wadb *w = xcalloc(1, sizeof(*w));
	w->wa.v = v;
	w->en = en;
	arena_init(&w->wa.keep);
	buf_init(&w->wa.norm, WA_BODY_MAX + 64);
	buf_init(&w->wa.body, WA_BODY_MAX);
	for (size_t i = 0; options && options[i]; i++)
		if (str_begins(options[i], "key=") && !take_key(w, options[i] + 4, e)) {
			wadb_close(&w->wa);
			return NULL;
		}
	return &w->wa;
}

static const char *identity(const struct source *s)
{
	(void)s;
	return "whatsapp"; /* as of a text export: both belong into one migration */
}

/* The entry that stands beside the database under another name, or NULL. */
static const struct entry *beside(const struct wadb *w, const char *name)
{
	char path[1024];
	const char *base = path_base(w->en->name);
	return fmt_into(path, sizeof(path), "%.*s%s", (int)(base - w->en->name), w->en->name, name) ? vault_find(w->wa.v, path) : NULL;
}

static struct db *open_one(struct wadb *w, const struct entry *en, struct err *e)
{
	struct vault *v = w->wa.v;
	struct vault_span at, log;
	char name[300];
	bool logged = false;
	if (wa_crypt_named(en->name)) {
		if (!wa_crypt_open(v, en, &w->key, &at, e))
			return NULL;
	} else {
		if (!vault_open_at(v, en, &at, e))
			return NULL;
		const struct entry *wal = fmt_into(name, sizeof(name), "%s-wal", path_base(en->name)) ? beside(w, name) : NULL;
		logged = wal && wal->size > 0 && vault_open_at(v, wal, &log, e);
		const struct entry *journal = fmt_into(name, sizeof(name), "%s-journal", path_base(en->name)) ? beside(w, name) : NULL;
		if (journal && journal->size > 0)
			wa_hazard(&w->wa, HAZARD_WARN, "database-open", "\"%s\" lies beside it: the database was copied in the middle of a change; copy it with WhatsApp closed", name);
	}
	uint8_t writes = 0; /* sqlite.org/fileformat.html, 1.3: byte 18 is 2 where a write-ahead log is used */
	if (!wa_crypt_named(en->name) && vault_kind(v) == VAULT_FILE && pread(at.fd, &writes, 1, at.at + 18) == 1 && writes == 2)
		wa_hazard(&w->wa, HAZARD_WARN, "newest-missing", "the newest messages may be in \"%s-wal\" beside it: give the folder", path_base(en->name));
	struct db *d = db_open(&at, logged ? &log : NULL, vault_scratch(v), e);
	if (!d)
		err_where(e, "%s", en->name);
	return d;
}

static bool any_row(struct db *d, const char *sql)
{
	struct db_query *q = db_query(d, sql, NULL);
	const bool yes = q && db_next(q, NULL) == DB_ROW;
	db_end(q);
	return yes;
}

static bool open_databases(struct wadb *w, struct err *e)
{
	if (!(w->db = open_one(w, w->en, e)))
		return false;
	/* Versions in between have both tables, and messages in one of them. */
	const bool old = db_has_table(w->db, "messages") && db_has_column(w->db, "messages", "key_remote_jid");
	if (db_has_table(w->db, "ZWAMESSAGE"))
		w->schema = WADB_IOS;
	else if (db_has_table(w->db, "message") && db_has_table(w->db, "jid") && (!old || any_row(w->db, "SELECT 1 FROM message LIMIT 1") || !any_row(w->db, "SELECT 1 FROM messages LIMIT 1")))
		w->schema = WADB_ANDROID;
	else if (old)
		w->schema = WADB_ANDROID_OLD;
	else {
		err_set(e, ERR_ARCHIVE, "this database has no messages of WhatsApp");
		err_where(e, "%s", w->en->name);
		return err_hint(e, "ChatStorage.sqlite of an iPhone or a Mac and msgstore.db of Android are read");
	}
	static const char *const books[] = { "ContactsV2.sqlite", "wa.db", "wa.db.crypt15", "wa.db.crypt14", "wa.db.crypt12" };
	for (size_t i = 0; i < countof(books) && !w->names; i++) {
		const struct entry *en = beside(w, books[i]);
		struct err why = ERR_INIT;
		if (en && (i == 0) == (w->schema == WADB_IOS) && !(w->names = open_one(w, en, &why)))
			wa_hazard(&w->wa, HAZARD_WARN, "contacts-unreadable", "the address book \"%s\" beside it cannot be read: %s", books[i], why.msg);
	}
	return true;
}

const char *wadb_col(struct wadb *w, const char *table, const char *as, const char *column, const char *otherwise)
{
	return db_has_column(w->db, table, column) ? arena_fmt(&w->a, "%s.%s", as, column) : otherwise;
}

/* Behind a damaged page: one row further, then twice as far each time until something can be read again. */
static bool damaged(struct wadb *w, const struct err *e, int64_t *row)
{
	static const int64_t far = (int64_t)1 << 40;
	w->wa.line = (size_t)(*row > 0 ? *row : 0);
	if (!w->restarts++)
		wa_bad(&w->wa, "messages behind row %lld cannot be read: %s", (long long)*row, e->msg);
	const int64_t step = (int64_t)1 << (w->tries < 40 ? w->tries : 40);
	w->tries++;
	*row = *row < far - step ? *row + step : far;
	return *row < far && w->restarts < RESTARTS_MAX && !w->wa.stopped;
}

bool wadb_rows(struct wadb *w, const char *sql, int column, wadb_push_fn *push, void *ctx, struct err *e)
{
	struct err why = ERR_INIT;
	int64_t row = INT64_MIN;
	enum db_step step;
	struct db_query *q = db_query(w->db, sql, e);
	if (!q)
		return false;
	db_bind(q, 1, row);
	while (!w->wa.stopped && (step = db_next(q, &why)) != DB_END) {
		if (step == DB_ROW) {
			w->tries = 0;
			row = db_int(q, column);
			push(w, q, ctx);
			continue;
		}
		row = row < 0 ? 0 : row;
		if (!damaged(w, &why, &row))
			break;
		db_again(q);
		db_bind(q, 1, row);
	}
	db_end(q);
	return !w->wa.stopped;
}

/* ---- chats ---- */

struct wadb_chat *wadb_chat_row(const struct wadb *w, int64_t row)
{
	size_t lo = 0, hi = w->n_rows;
	while (lo < hi) {
		const size_t mid = lo + (hi - lo) / 2;
		if (w->rows[mid]->row < row)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < w->n_rows && w->rows[lo]->row == row ? w->rows[lo] : NULL;
}

static void keep_row(struct wadb *w, struct wadb_chat *c, int64_t row)
{
	if (w->n_rows == w->cap_rows) {
		w->cap_rows = w->cap_rows ? 2 * w->cap_rows : 64;
		w->rows = xrealloc(w->rows, w->cap_rows * sizeof(struct wadb_chat *));
	}
	size_t at = w->n_rows++;
	c->row = row;
	for (; at && w->rows[at - 1]->row > row; at--) /* they come in order but for hostile ones */
		w->rows[at] = w->rows[at - 1];
	w->rows[at] = c;
}

struct wadb_chat *wadb_chat(struct wadb *w, const char *jid, int64_t row)
{
	const char *server;
	if (!jid || !*jid)
		return NULL;
	jid = wadb_bare(&w->a, jid, &server);
	struct wadb_person *partner = NULL;
	const char *id;
	struct wadb_chat *c;
	const bool group = streq(server, "g.us");
	const bool skipped = str_ends(server, "broadcast") || streq(server, "newsletter") || streq(server, "status");
	if (group || skipped) {
		for (const char *p = jid; *p; p++)
			if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f || *p == '/')
				return NULL;
		id = arena_fmt(&w->a, "wa:group:%s", jid);
	} else {
		partner = wadb_person(w, jid);
		if (!partner)
			return NULL;
		id = arena_fmt(&w->a, "wa:chat:%s", partner->id + 3);
	}
	c = table_get(&w->chats, id);
	if (!c) {
		c = arena_new(&w->a, struct wadb_chat);
		*c = (struct wadb_chat){ .id = id, .jid = jid, .group = group, .partner = partner, .skipped = skipped };
		table_put(&w->chats, id, c);
	}
	if (row && !wadb_chat_row(w, row)) {
		if (c->row) { /* a number and its hidden id: two rows, one chat */
			struct wadb_chat *again = arena_new(&w->a, struct wadb_chat);
			*again = (struct wadb_chat){ .id = id, .skipped = c->skipped };
			again->row = row;
			again->partner = partner;
			keep_row(w, again, row);
			return c;
		}
		keep_row(w, c, row);
	}
	return c;
}

void wadb_member(struct wadb *w, struct wadb_chat *c, struct wadb_person *p)
{
	if (!p || !c)
		return;
	for (size_t i = 0; i < c->n_members; i++)
		if (c->members[i] == p)
			return;
	if (c->n_members == c->cap_members) {
		struct wadb_person **old = c->members;
		c->cap_members = c->cap_members ? 2 * c->cap_members : 8;
		c->members = arena_array(&w->a, c->cap_members, struct wadb_person *);
		if (c->n_members)
			memcpy(c->members, old, c->n_members * sizeof(*old));
	}
	c->members[c->n_members++] = p;
}

static bool push_chat(struct wadb *w, struct wadb_chat *c)
{
	struct source *s = &w->wa;
	const char **members = arena_array(&w->a, c->n_members + 2, const char *);
	size_t n = 0;
	c->pushed = true;
	if (!c->group && c->partner)
		wadb_member(w, c, (struct wadb_person *)c->partner);
	if (!c->group || !c->roster || c->with_me)
		wadb_member(w, c, w->me);
	for (size_t i = 0; i < c->n_members; i++) {
		wadb_push_person(w, c->members[i]);
		members[n++] = c->members[i]->id;
	}
	const char *name = c->name;
	if (!c->group && c->partner)
		name = c->partner->name ? c->partner->name : name ? name : c->partner->phone ? c->partner->phone : c->partner->id + 3;
	if (!name)
		name = c->jid;
	if (s->sink->copy && !s->stopped) {
		struct copy copy = { .conv_id = c->id, .label = s->entry, .owner = w->me->phone ? w->me->id : NULL, .ids = COPY_IDS_NATIVE, .clock = COPY_CLOCK_UTC };
		s->stopped = !s->sink->copy(s->sink->ctx, &copy);
	}
	struct conv conv = {
		.id = c->id, .name = name, .topic = c->topic, .kind = c->group ? CONV_PRIVATE : CONV_DM, .archived = c->archived, .created_us = c->created_us,
		.members = members, .n_members = n,
	};
	if (!s->stopped && !s->sink->conv(s->sink->ctx, &conv))
		s->stopped = true;
	return !s->stopped;
}

/* ---- messages ---- */

/* The messenger's own, when it is one; else made of what the notice says, so that a later copy gives it the same. */
static const char *message_id(struct wadb *w, const struct wadb_msg *m)
{
	const char *id = m->stanza;
	size_t n = 0;
	while (id && (unsigned char)id[n] > ' ' && (unsigned char)id[n] < 0x7f && id[n] != '/')
		n++;
	if (id && n && !id[n] && n <= 128)
		return id;
	const char *text = m->text ? m->text : m->note ? m->note : "", *who = m->author ? m->author->id : "";
	uint64_t h = hash64(text, strlen(text), (uint64_t)(m->ts_us / 1000000));
	h = hash64(who, strlen(who), h + (uint64_t)m->kind);
	return arena_fmt(w->wa.step, "n%016llx", (unsigned long long)h);
}

static const struct entry *look_for(struct wadb *w, const char *path)
{
	struct source *s = &w->wa;
	const char *base = path_base(w->en->name), *media = strstr(path, "Media/");
	const char *folder = arena_strndup(s->step, w->en->name, (size_t)(base - w->en->name));
	if (path[0] == '/' && media) /* Android, older versions: "/storage/emulated/0/WhatsApp/Media/…" */
		path = media;
	while (*path == '/')
		path++;
	/* Beside the database; "Message/" on iPhones; beside the folder "Databases"; the folder Media alone. */
	const char *up = folder;
	const size_t n = strlen(folder);
	if (n) {
		const char *p = arena_strndup(s->step, folder, n - 1);
		up = arena_strndup(s->step, folder, (size_t)(path_base(p) - p));
	}
	const struct { const char *folder, *below; } places[] = {
		{ folder, "Message/" }, { folder, "" }, { up, "" }, { up, "WhatsApp/" }, { "", "" }, { "", "WhatsApp/" }, { "", "Message/" },
	};
	const char *const ways[] = { path, str_begins(path, "Media/") ? path + 6 : path };
	for (size_t k = 0; k < countof(ways) - (ways[0] == ways[1]); k++)
		for (size_t i = 0; i < countof(places); i++) {
			const char *at = arena_fmt(s->step, "%s%s", places[i].folder, places[i].below);
			const struct entry *en = wa_media_find(s, at, ways[k], strlen(ways[k]));
			if (en)
				return en;
		}
	return NULL;
}

static void attach(struct wadb *w, const struct wadb_msg *m, struct file *f)
{
	static const struct { enum file_kind kind; const char *name; } words[] = {
		{ FILE_IMAGE, "image" }, { FILE_AUDIO, "audio" }, { FILE_VOICE, "voice message" }, { FILE_VIDEO, "video" }, { FILE_PLAIN, "document" },
	};
	struct source *s = &w->wa;
	const char *name = m->file.name ? m->file.name : m->file.path ? path_base(m->file.path) : NULL;
	*f = (struct file){ .state = FILE_GONE, .size = m->file.size > 0 ? m->file.size : -1 };
	for (size_t i = 0; i < countof(words) && (!name || !*name); i++)
		if (words[i].kind == m->file.kind)
			name = words[i].name;
	f->name = name && *name ? name : "media";
	wa_media_kind(f->name, f);
	f->kind = m->file.kind;
	if (m->file.mime)
		f->mime = arena_strndup(s->step, m->file.mime, strcspn(m->file.mime, "; "));
	f->title = m->file.title;
	f->width = m->file.width;
	f->height = m->file.height;
	f->duration_ms = m->file.duration_ms;
	const struct entry *en = m->file.path ? look_for(w, m->file.path) : NULL;
	if (!en) {
		wa_hazard(s, HAZARD_LOSS, m->file.path ? "media-missing" : "media-omitted",
		          m->file.path ? "the file \"%.120s\" is named and not there" : "this file is no longer on the phone (%.120s)", m->file.path ? m->file.path : f->name);
		return;
	}
	f->state = FILE_PRESENT;
	f->entry = en->name;
	f->size = en->size;
	wa_media_describe(s, f);
}

static void add_reactions(struct wadb *w, const struct wadb_msg *m, struct msg *out)
{
	struct source *s = &w->wa;
	struct react *v = arena_array(s->step, m->n_reacts, struct react);
	size_t n = 0;
	for (size_t i = 0; i < m->n_reacts; i++) {
		const struct wadb_react *r = &m->reacts[i];
		size_t k = 0;
		if (!r->emoji || !r->who || strlen(r->emoji) > 60)
			continue;
		while (k < n && !streq(v[k].emoji, r->emoji))
			k++;
		if (k == n) {
			v[n++] = (struct react){ .name = r->emoji, .emoji = r->emoji, .users = arena_array(s->step, m->n_reacts, const char *) };
		}
		const char **users = (const char **)(uintptr_t)v[k].users;
		size_t u = 0;
		while (u < v[k].n_users && !streq(users[u], r->who->id))
			u++;
		if (u < v[k].n_users)
			continue;
		wadb_push_person(w, (struct wadb_person *)(uintptr_t)r->who);
		users[v[k].n_users++] = r->who->id;
		v[k].count++;
	}
	out->reacts = v;
	out->n_reacts = n;
}

/* What a reply quotes: who, and the beginning of it, as a note in a quotation that leads to the message. */
static void add_quote(struct wadb *w, const struct wadb_msg *m, struct text_builder *b)
{
	struct source *s = &w->wa;
	const struct wadb_person *p = m->quote.who;
	const char *who = !p ? "" : p->name ? p->name : p->phone ? p->phone : p == w->me ? "" : p->id + 3;
	struct buf plain; /* as people read it: without signs of style, mentions by name */
	buf_init(&plain, 4 * QUOTE_CHARS + 64);
	if (m->quote.text) {
		const size_t len = strnlen(m->quote.text, 4 * QUOTE_CHARS);
		const struct text t = wa_text(s, &w->mentions, m->quote.text, m->quote.text[len] ? utf8_cut(m->quote.text, len) : len);
		text_plaintext(&t, &plain);
		buf_cut(&plain, utf8_cut(plain.p, plain.len));
	}
	const char *text = arena_strndup(s->step, plain.p, plain.len);
	buf_release(&plain);
	size_t n = 0, chars = 0;
	for (; text[n] && text[n] != '\n' && chars < QUOTE_CHARS; chars++) {
		uint32_t c;
		n += utf8_get(text + n, strlen(text + n), &c);
	}
	b->quote = 1;
	text_block(b, BLOCK_NOTE);
	text_span(b, SPAN_MSG, 0, *who ? who : "\xe2\x86\xa9", arena_fmt(s->step, "%s/%s", m->chat->id, m->quote.id), NULL);
	if (n)
		text_plain(b, 0, arena_fmt(s->step, ": %.*s%s", (int)n, text, text[n] ? "\xe2\x80\xa6" : ""), n + 2 + (text[n] ? 3 : 0));
	b->quote = 0;
}

static struct text body_of(struct wadb *w, const struct wadb_msg *m)
{
	struct source *s = &w->wa;
	struct text words = { .n_blocks = 0 };
	if (m->text)
		words = wa_text(s, &w->mentions, m->text, strlen(m->text) < WA_BODY_MAX ? strlen(m->text) : utf8_cut(m->text, WA_BODY_MAX));
	if (!m->quote.id && !m->note)
		return words;
	struct text_builder b;
	text_begin(&b, s->step);
	if (m->quote.id)
		add_quote(w, m, &b);
	if (m->note) {
		text_block(&b, BLOCK_NOTE);
		text_plain(&b, 0, m->note, strlen(m->note));
	}
	struct text head = text_end(&b), all = { arena_array(s->step, head.n_blocks + words.n_blocks, struct block), head.n_blocks + words.n_blocks };
	if (head.n_blocks)
		memcpy(all.blocks, head.blocks, head.n_blocks * sizeof(struct block));
	if (words.n_blocks)
		memcpy(all.blocks + head.n_blocks, words.blocks, words.n_blocks * sizeof(struct block));
	return all;
}

void wadb_push(struct wadb *w, const struct wadb_msg *m)
{
	struct source *s = &w->wa;
	struct file file;
	s->line = (size_t)m->row;
	struct wadb_chat *c = m->chat ? table_get(&w->chats, m->chat->id) : NULL;
	if (!c) {
		wa_bad(s, "a message of a conversation that is not in the database");
		arena_reset(s->step);
		return;
	}
	if (c->skipped) {
		w->skipped_status += str_begins(c->jid, "status@");
		w->skipped_channels += str_ends(c->jid, "@newsletter");
		w->skipped_lists += str_ends(c->jid, "@broadcast") && !str_begins(c->jid, "status@");
		arena_reset(s->step);
		return;
	}
	if (!c->pushed && !push_chat(w, c))
		return;
	if (m->author)
		wadb_push_person(w, (struct wadb_person *)(uintptr_t)m->author);
	struct msg out = {
		.id = message_id(w, m), .author = m->author ? m->author->id : NULL, .ts_us = m->ts_us, .grain_s = m->grain_s, .kind = m->kind, .subtype = m->subtype,
		.edited_us = m->edited_us, .flags = (m->unknown ? MSGF_UNKNOWN_KIND : 0u) | (m->forwarded ? MSGF_FORWARDED : 0u),
	};
	out.body = body_of(w, m);
	if (m->file.kind) {
		attach(w, m, &file);
		out.files = &file;
		out.n_files = 1;
	}
	if (m->n_reacts)
		add_reactions(w, m, &out);
	if (m->unknown)
		wa_hazard(s, HAZARD_NOTE, "kind-unknown", "a message of a kind that is not known (%.100s); its words are kept", m->unknown);
	else if (m->kind == MSG_TEXT && !m->text && !m->note && !m->file.kind)
		wa_hazard(s, HAZARD_LOSS, "message-empty", "a message without content: seen once, not yet delivered, or of a kind that is kept elsewhere");
	if (m->ts_us <= 0)
		wa_hazard(s, HAZARD_WARN, "time-unknown", "a message without a time");
	if (!s->n_msgs || m->ts_us < s->first_us)
		s->first_us = m->ts_us;
	if (!s->n_msgs || m->ts_us > s->last_us)
		s->last_us = m->ts_us;
	s->n_msgs++;
	c->n_msgs++;
	if (!s->stopped && !s->sink->msg(s->sink->ctx, c->id, &out))
		s->stopped = true;
	arena_reset(s->step);
}

/* ---- the walk ---- */

/* Files that belong to the phone and not to a chat are not missed; exports that lie beside the database are told. */
static void set_noise_aside(struct source *s)
{
	const char *own = s->entry;
	for (size_t i = 0; i < vault_count(s->v); i++) {
		const struct entry *en = vault_entry(s->v, i);
		const char *name = en->name, *base = path_base(name);
		if (!strchr(name, '/') || !strstr(name, "Media/") || str_ends(name, ".thumb") || str_ends(name, ".mmsthumb") || *base == '.' || strstr(name, "Media/Profile/") ||
		    strstr(name, "/.Statuses/") || strstr(name, "/.Links/") || strstr(name, "WhatsApp Profile Photos/"))
			wa_media_is_transcript(s, en);
		if (!strstr(name, "Media/") && (str_ends(name, ".zip") || str_ends(name, ".txt"))) {
			s->entry = name;
			wa_hazard(s, HAZARD_WARN, "export-beside", "only the database is read here: give a text export as an archive of its own, it is merged");
		}
	}
	s->entry = own;
}

/* People of the phone who can be mentioned: the text has "@79161234567". */
static void mentionable(struct wadb *w)
{
	for (size_t i = 0; i < w->people.n; i++) {
		const struct wadb_person *p = w->people.rows[i].value;
		struct wa_author *x = arena_new(&w->wa.names, struct wa_author);
		*x = (struct wa_author){ .name = p->name ? p->name : p->phone ? p->phone : p->id + 3, .id = p->id, .phone = p->phone };
		table_put(&w->mentions.by_name, p->phone ? p->phone + 1 : p->id, x);
		if (!p->phone && str_begins(p->id, "wa:lid:"))
			table_put(&w->mentions.by_name, p->id + 7, x);
	}
}

static void tell(struct wadb *w)
{
	struct source *s = &w->wa;
	size_t empty = 0, n = 0;
	char day[32];
	for (size_t i = 0; i < w->chats.n; i++) {
		const struct wadb_chat *c = w->chats.rows[i].value;
		empty += !c->n_msgs && !c->skipped;
		n += c->n_msgs > 0;
	}
	s->line = 0;
	wa_fact(s, "chats", "%zu", n);
	if (empty)
		wa_fact(s, "chats-empty", "%zu", empty);
	if (w->me->phone || w->me->name)
		wa_fact(s, "exported-by", "%s", w->me->name ? w->me->name : w->me->phone);
	else
		wa_hazard(s, HAZARD_NOTE, "owner-unknown", "the database does not say whose phone it is; say who \"%s\" is in the mapping", w->me->id);
	if (w->skipped_status)
		wa_hazard(s, HAZARD_NOTE, "status-not-read", "%zu status updates are left out: they are in no conversation", w->skipped_status);
	if (w->skipped_channels)
		wa_hazard(s, HAZARD_NOTE, "channel-not-read", "%zu messages of channels (newsletters) are left out", w->skipped_channels);
	if (w->skipped_lists)
		wa_hazard(s, HAZARD_NOTE, "broadcast-not-read", "%zu messages to broadcast lists are left out: each also stands in the chats it went to", w->skipped_lists);
	if (s->n_msgs) {
		clock_iso(s->first_us, day);
		wa_fact(s, "first-day", "%.10s", day);
		clock_iso(s->last_us, day);
		wa_fact(s, "last-day", "%.10s", day);
	}
}

static bool walk_open(struct wadb *w, struct err *e)
{
	static const char *const words[] = { [WADB_IOS] = "ChatStorage (iPhone, Mac)", [WADB_ANDROID] = "msgstore (Android)", [WADB_ANDROID_OLD] = "msgstore (Android, before 2022)" };
	struct source *s = &w->wa;
	wa_fact(s, "kind", "whatsapp-database");
	if (!open_databases(w, e))
		return false;
	wa_fact(s, "database", "%s", words[w->schema]);
	wa_fact(s, "zone", "UTC");
	bool ok = false;
	switch (w->schema) {
	case WADB_IOS:
		ok = wadb_ios_people(w, e);
		break;
	case WADB_ANDROID:
		ok = wadb_android_people(w, e);
		break;
	case WADB_ANDROID_OLD:
		ok = wadb_android_old_people(w, e);
		break;
	}
	if (!ok)
		return err_where(e, "%s", w->en->name);
	mentionable(w);
	switch (w->schema) {
	case WADB_IOS:
		ok = wadb_ios_messages(w, e);
		break;
	case WADB_ANDROID:
		ok = wadb_android_messages(w, e);
		break;
	case WADB_ANDROID_OLD:
		ok = wadb_android_old_messages(w, e);
		break;
	}
	if (ok && !s->stopped)
		tell(w);
	if (ok && !s->stopped && vault_kind(s->v) != VAULT_FILE)
		wa_media_unused(s);
	return ok && !s->stopped;
}

static bool wadb_walk(struct source *s, const struct sink *sink, struct arena *step, struct err *e)
{
	struct wadb *w = (struct wadb *)s;
	s->sink = sink;
	s->step = step;
	s->stopped = false;
	s->n_msgs = s->n_users = 0;
	s->first_us = s->last_us = 0;
	s->entry = w->en->name;
	s->line = 0;
	w->db = w->names = NULL;
	w->n_rows = 0;
	w->me = NULL;
	w->skipped_status = w->skipped_channels = w->skipped_lists = w->restarts = w->tries = 0;
	arena_init(&w->a);
	arena_init(&s->names);
	arena_init(&s->run);
	table_init(&s->people);
	table_init(&w->people);
	table_init(&w->chats);
	table_init(&w->by_jid);
	w->mentions = (struct wa_chat){ .en = w->en };
	table_init(&w->mentions.by_name);
	s->media = wa_media_new(s);
	set_noise_aside(s);
	bool ok = walk_open(w, e);
	wa_media_free(s->media);
	s->media = NULL;
	db_close(w->db);
	db_close(w->names);
	table_release(&w->mentions.by_name);
	table_release(&s->people);
	table_release(&w->people);
	table_release(&w->chats);
	table_release(&w->by_jid);
	free(w->rows);
	w->rows = NULL;
	w->n_rows = w->cap_rows = 0;
	arena_release(&s->names);
	arena_release(&s->run);
	arena_release(&w->a);
	s->sink = NULL;
	s->step = NULL;
	if (!ok && (!e || e->code == ERR_NONE))
		err_set(e, ERR_INTERNAL, "the walk was stopped by its reader");
	return ok;
}

const struct importer importer_whatsapp_db = {
	.name = "whatsapp-db",
	.summary = N_("WhatsApp database (ChatStorage.sqlite, msgstore.db, msgstore.db.crypt15)"),
	.bid = wadb_bid,
	.open = wadb_open,
	.identity = identity,
	.walk = wadb_walk,
	.close = wadb_close,
};
