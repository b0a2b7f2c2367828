/* canon.c: records as JSON lines, and what a reader would call their content as a number.
 *
 * Promises: equal records make equal lines. Called by the spool, `--dump` and the jsonl target. It does not write line ends and knows no
 * files. Reading is in canon_read.c.
 *
 * The format. A key is absent where its value is the default (NULL, 0, false, empty, the kind in brackets). Times are UTC
 * microseconds; ids and names are strings (numbers are accepted when read).
 *
 *  user  type "user", id, alias, handle, name, first, last, email, phone, title, zone, avatar
 *        via   how the name became known: ["listed"], "bot", "profile", "mention", "placeholder"
 *        flags array of "bot", "gone", "guest", "stranger", "system", "admin", "owner", "invited"
 *  conv  type "conv", id, name, kind "public" "private" "group" "dm", topic, purpose, space, creator, archived, general, shared,
 *        created, members (array of user ids), pins (array of {msg, by, at})
 *  msg   type "msg", conv (left out where it is known), id
 *        by    author              as     name shown instead of the author's
 *        re    parent's id         re_at  when the parent was written
 *        at    when written        grain  how coarse that is, in seconds
 *        kind  ["text"], "me", "bot", "join", "leave", "topic", "rename", "archive", "pin", "call", "deleted", "lost-root",
 *              "app", "system"
 *        sub   the source's own word for the kind
 *        body  see below; absent: nothing
 *        files array of {id, name, title, mime, url, link, preview, entry, state "present" "linked" "external" "gone",
 *              kind ["file"] "image" "audio" "voice" "video" "canvas" "snippet", size, w, h, ms (duration), arc (archive)}
 *        reacts array of {name, emoji, by (array of user ids), n (absent: as many as `by` has)}
 *        edited when
 *        flags array of "broadcast", "unknown-kind", "fallback-text", "forwarded"
 *
 *  body  a string (one paragraph of plain text), or an array of blocks
 *  block a string (a paragraph of plain text), an array of spans (a paragraph), or an object
 *        k "heading" "item" "code" "rule" "row" "note" ["para"], q quote depth, in indent, no ordinal, lv level, lang,
 *        s a string or an array of spans
 *  span  a string (plain text), or an object: k "link" "user" "conv" "group" "all" "emoji" "date" "msg" "cell" ["text"],
 *        st style: letters of "biscu" (bold, italic, strike, code, underline), t text, r reference, u address
 */
#include "core/canon.h"

#include "core/canon_int.h"
#include "core/hash.h"
#include "core/json.h"

#include <string.h>

/* ---- names ---- */

static const char *const conv_kinds[] = { [CONV_PUBLIC] = "public", [CONV_PRIVATE] = "private", [CONV_GROUP] = "group", [CONV_DM] = "dm" };
static const char *const msg_kinds[] = {
	[MSG_TEXT] = "text", [MSG_ME] = "me", [MSG_BOT] = "bot", [MSG_JOIN] = "join", [MSG_LEAVE] = "leave",
	[MSG_TOPIC] = "topic", [MSG_RENAME] = "rename", [MSG_ARCHIVE] = "archive", [MSG_PIN] = "pin", [MSG_CALL] = "call",
	[MSG_DELETED] = "deleted", [MSG_LOST_ROOT] = "lost-root", [MSG_APP] = "app", [MSG_SYSTEM] = "system",
};
static const char *const file_states[] = {
	[FILE_PRESENT] = "present", [FILE_LINKED] = "linked", [FILE_EXTERNAL] = "external", [FILE_GONE] = "gone",
};
static const char *const file_kinds[] = {
	[FILE_PLAIN] = "file", [FILE_IMAGE] = "image", [FILE_AUDIO] = "audio", [FILE_VOICE] = "voice", [FILE_VIDEO] = "video",
	[FILE_CANVAS] = "canvas", [FILE_SNIPPET] = "snippet",
};
static const char *const name_sources[] = {
	[NAME_LISTED] = "listed", [NAME_BOT] = "bot", [NAME_PROFILE] = "profile", [NAME_MENTION] = "mention",
	[NAME_PLACEHOLDER] = "placeholder",
};
static const char *const block_kinds[] = {
	[BLOCK_PARA] = "para", [BLOCK_HEADING] = "heading", [BLOCK_ITEM] = "item", [BLOCK_CODE] = "code", [BLOCK_RULE] = "rule",
	[BLOCK_ROW] = "row", [BLOCK_NOTE] = "note",
};
static const char *const span_kinds[] = {
	[SPAN_TEXT] = "text", [SPAN_LINK] = "link", [SPAN_USER] = "user", [SPAN_CONV] = "conv", [SPAN_GROUP] = "group",
	[SPAN_BROADCAST] = "all", [SPAN_EMOJI] = "emoji", [SPAN_DATE] = "date", [SPAN_MSG] = "msg", [SPAN_CELL] = "cell",
	[SPAN_CALL] = "call",
};
/* Names of bits, lowest first. */
static const char *const user_flags[] = { "bot", "gone", "guest", "stranger", "system", "admin", "owner", "invited" };
static const char *const msg_flags[] = { "broadcast", "unknown-kind", "fallback-text", "forwarded" };

#define NAMES(x) const struct canon_names canon_##x = { x, countof(x) }
NAMES(conv_kinds);
NAMES(msg_kinds);
NAMES(file_states);
NAMES(file_kinds);
NAMES(name_sources);
NAMES(block_kinds);
NAMES(span_kinds);
NAMES(user_flags);
NAMES(msg_flags);

const char *conv_kind_name(enum conv_kind k)
{
	return canon_name(&canon_conv_kinds, (size_t)k);
}

const char *msg_kind_name(enum msg_kind k)
{
	return canon_name(&canon_msg_kinds, (size_t)k);
}

const char *file_state_name(enum file_state s)
{
	return canon_name(&canon_file_states, (size_t)s);
}

const char *file_kind_name(enum file_kind k)
{
	return canon_name(&canon_file_kinds, (size_t)k);
}

/* ---- writing ---- */

static void put_int(struct jw *w, const char *key, int64_t v)
{
	if (v)
		jw_kint(w, key, v);
}

static void put_true(struct jw *w, const char *key, bool v)
{
	if (v)
		jw_kbool(w, key, true);
}

static void put_flags(struct jw *w, uint32_t flags, const struct canon_names *names)
{
	if (!flags)
		return;
	jw_key(w, "flags");
	jw_arr(w);
	for (size_t i = 0; i < names->n; i++)
		if (flags & 1u << i)
			jw_str(w, names->v[i]);
	jw_arr_end(w);
}

static void put_strings(struct jw *w, const char *key, const char *const *s, size_t n)
{
	if (!n)
		return;
	jw_key(w, key);
	jw_arr(w);
	for (size_t i = 0; i < n; i++)
		jw_str(w, s[i]);
	jw_arr_end(w);
}

static void put_filled(struct jw *w, const char *key, const char *s)
{
	if (*s)
		jw_kstr(w, key, s);
}

static bool is_bare_span(const struct span *s)
{
	return s->kind == SPAN_TEXT && !s->style && !*s->ref && !*s->url;
}

static bool is_para(const struct block *k)
{
	return k->kind == BLOCK_PARA && !k->quote && !k->indent && !k->ordinal && !k->level && !k->lang;
}

static void put_span(struct jw *w, const struct span *s)
{
	if (is_bare_span(s)) {
		jw_str(w, s->text);
		return;
	}
	jw_obj(w);
	if (s->kind != SPAN_TEXT)
		jw_kstr(w, "k", canon_name(&canon_span_kinds, (size_t)s->kind));
	if (s->style) {
		char st[sizeof(CANON_STYLES)];
		size_t n = 0;
		for (size_t i = 0; CANON_STYLES[i]; i++)
			if (s->style & 1u << i)
				st[n++] = CANON_STYLES[i];
		jw_key(w, "st");
		jw_strn(w, st, n);
	}
	put_filled(w, "t", s->text);
	put_filled(w, "r", s->ref);
	put_filled(w, "u", s->url);
	jw_obj_end(w);
}

static void put_spans(struct jw *w, const struct block *k)
{
	if (k->n_spans == 1 && is_bare_span(&k->spans[0])) {
		jw_str(w, k->spans[0].text);
		return;
	}
	jw_arr(w);
	for (size_t i = 0; i < k->n_spans; i++)
		put_span(w, &k->spans[i]);
	jw_arr_end(w);
}

static void put_block(struct jw *w, const struct block *k)
{
	if (is_para(k)) {
		put_spans(w, k);
		return;
	}
	jw_obj(w);
	if (k->kind != BLOCK_PARA)
		jw_kstr(w, "k", canon_name(&canon_block_kinds, (size_t)k->kind));
	put_int(w, "q", k->quote);
	put_int(w, "in", k->indent);
	put_int(w, "no", k->ordinal);
	put_int(w, "lv", k->level);
	jw_kstr(w, "lang", k->lang);
	if (k->n_spans) {
		jw_key(w, "s");
		put_spans(w, k);
	}
	jw_obj_end(w);
}

static void put_body(struct jw *w, const struct text *t)
{
	if (!t->n_blocks)
		return;
	jw_key(w, "body");
	const struct block *k = &t->blocks[0];
	if (t->n_blocks == 1 && is_para(k) && k->n_spans == 1 && is_bare_span(&k->spans[0])) {
		jw_str(w, k->spans[0].text);
		return;
	}
	jw_arr(w);
	for (size_t i = 0; i < t->n_blocks; i++)
		put_block(w, &t->blocks[i]);
	jw_arr_end(w);
}

static void put_file(struct jw *w, const struct file *f)
{
	jw_obj(w);
	jw_kstr(w, "id", f->id);
	jw_kstr(w, "name", f->name);
	jw_kstr(w, "title", f->title);
	jw_kstr(w, "mime", f->mime);
	jw_kstr(w, "url", f->url);
	jw_kstr(w, "link", f->permalink);
	jw_kstr(w, "preview", f->preview);
	jw_kstr(w, "entry", f->entry);
	jw_kstr(w, "state", file_state_name(f->state));
	if (f->kind != FILE_PLAIN)
		jw_kstr(w, "kind", file_kind_name(f->kind));
	if (f->size >= 0)
		jw_kint(w, "size", f->size);
	put_int(w, "w", f->width);
	put_int(w, "h", f->height);
	put_int(w, "ms", f->duration_ms);
	put_int(w, "arc", f->archive);
	jw_obj_end(w);
}

static void put_react(struct jw *w, const struct react *r)
{
	jw_obj(w);
	jw_kstr(w, "name", r->name);
	put_filled(w, "emoji", r->emoji);
	put_strings(w, "by", r->users, r->n_users);
	if (r->count < 0 || (size_t)r->count != r->n_users)
		jw_kint(w, "n", r->count);
	jw_obj_end(w);
}

void canon_user(const struct user *u, struct buf *out)
{
	struct jw w;
	jw_init(&w, out);
	jw_obj(&w);
	jw_kstr(&w, "type", "user");
	jw_kstr(&w, "id", u->id);
	jw_kstr(&w, "alias", u->alias);
	jw_kstr(&w, "handle", u->handle);
	jw_kstr(&w, "name", u->name);
	jw_kstr(&w, "first", u->first);
	jw_kstr(&w, "last", u->last);
	jw_kstr(&w, "email", u->email);
	jw_kstr(&w, "phone", u->phone);
	jw_kstr(&w, "title", u->title);
	jw_kstr(&w, "zone", u->zone);
	jw_kstr(&w, "avatar", u->avatar_url);
	if (u->name_source != NAME_LISTED)
		jw_kstr(&w, "via", canon_name(&canon_name_sources, (size_t)u->name_source));
	put_flags(&w, u->flags, &canon_user_flags);
	jw_obj_end(&w);
}

void canon_conv(const struct conv *c, struct buf *out)
{
	struct jw w;
	jw_init(&w, out);
	jw_obj(&w);
	jw_kstr(&w, "type", "conv");
	jw_kstr(&w, "id", c->id);
	jw_kstr(&w, "name", c->name);
	jw_kstr(&w, "kind", conv_kind_name(c->kind));
	jw_kstr(&w, "topic", c->topic);
	jw_kstr(&w, "purpose", c->purpose);
	jw_kstr(&w, "space", c->space);
	jw_kstr(&w, "creator", c->creator);
	put_true(&w, "archived", c->archived);
	put_true(&w, "general", c->general);
	put_true(&w, "shared", c->shared);
	put_int(&w, "created", c->created_us);
	put_strings(&w, "members", c->members, c->n_members);
	if (c->n_pins) {
		jw_key(&w, "pins");
		jw_arr(&w);
		for (size_t i = 0; i < c->n_pins; i++) {
			jw_obj(&w);
			jw_kstr(&w, "msg", c->pins[i].msg_id);
			jw_kstr(&w, "by", c->pins[i].user);
			put_int(&w, "at", c->pins[i].at_us);
			jw_obj_end(&w);
		}
		jw_arr_end(&w);
	}
	jw_obj_end(&w);
}

void canon_msg(const struct msg *m, const char *conv_id, struct buf *out)
{
	struct jw w;
	jw_init(&w, out);
	jw_obj(&w);
	jw_kstr(&w, "type", "msg");
	jw_kstr(&w, "conv", conv_id);
	jw_kstr(&w, "id", m->id);
	jw_kstr(&w, "by", m->author);
	jw_kstr(&w, "as", m->author_name);
	jw_kstr(&w, "re", m->parent);
	put_int(&w, "re_at", m->parent_ts_us);
	put_int(&w, "at", m->ts_us);
	put_int(&w, "grain", m->grain_s);
	if (m->kind != MSG_TEXT)
		jw_kstr(&w, "kind", msg_kind_name(m->kind));
	jw_kstr(&w, "sub", m->subtype);
	put_body(&w, &m->body);
	if (m->n_files) {
		jw_key(&w, "files");
		jw_arr(&w);
		for (size_t i = 0; i < m->n_files; i++)
			put_file(&w, &m->files[i]);
		jw_arr_end(&w);
	}
	if (m->n_reacts) {
		jw_key(&w, "reacts");
		jw_arr(&w);
		for (size_t i = 0; i < m->n_reacts; i++)
			put_react(&w, &m->reacts[i]);
		jw_arr_end(&w);
	}
	put_int(&w, "edited", m->edited_us);
	put_flags(&w, m->flags, &canon_msg_flags);
	jw_obj_end(&w);
}

/* ---- change detection ---- */

static uint64_t mix_s(uint64_t h, const char *s)
{
	return hash64(s ? s : "", s ? strlen(s) + 1 : 0, h); /* the final NUL tells "" from NULL */
}

static uint64_t mix_i(uint64_t h, int64_t v)
{
	return hash64(&v, sizeof(v), h);
}

/* Labels of mentions are left out: they follow the names people have when the export is made. So are a file's addresses and
 * whether its bytes are in this archive. Neither is a change of the message. */
uint64_t canon_msg_fp(const struct msg *m)
{
	uint64_t h = mix_i(0, (int64_t)m->kind);
	h = mix_s(h, m->author);
	h = mix_s(h, m->author_name);
	h = mix_i(h, m->edited_us);
	for (size_t i = 0; i < m->body.n_blocks; i++) {
		const struct block *k = &m->body.blocks[i];
		const int64_t head[] = { (int64_t)k->kind, k->quote, k->indent, k->ordinal, k->level };
		h = hash64(head, sizeof(head), h);
		for (size_t j = 0; j < k->n_spans; j++) {
			const struct span *s = &k->spans[j];
			const bool by_ref = *s->ref && s->kind != SPAN_TEXT && s->kind != SPAN_LINK;
			h = mix_i(h, (int64_t)s->kind << 32 | s->style);
			h = mix_s(h, by_ref ? s->ref : s->text);
			h = mix_s(h, by_ref ? "" : s->url);
		}
	}
	h = mix_i(h, (int64_t)m->n_files);
	for (size_t i = 0; i < m->n_files; i++)
		h = m->files[i].id ? mix_s(h, m->files[i].id) : mix_i(mix_s(h, m->files[i].name), m->files[i].size);
	h = mix_i(h, (int64_t)m->n_reacts);
	for (size_t i = 0; i < m->n_reacts; i++) {
		h = mix_i(mix_s(h, m->reacts[i].name), m->reacts[i].count);
		for (size_t j = 0; j < m->reacts[i].n_users; j++)
			h = mix_s(h, m->reacts[i].users[j]);
	}
	return h;
}
