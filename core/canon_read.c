/* canon_read.c: records back out of their JSON lines (the format: canon.c).
 *
 * Promises: what is read back equals what was written, field by field; unknown keys are ignored, so that a newer program's lines can be
 * read; strings read back point into the arena (no further copies). Called by the spool and the jsonl source.
 */
#include "core/canon.h"

#include "core/canon_int.h"
#include "core/json.h"

#include <limits.h>
#include <string.h>

/* Which of the names v is, or `otherwise`. Names start at the first one that is set. */
static int pick(const struct jv *v, const struct canon_names *names, int otherwise)
{
	const char *s = jv_str(v);
	for (size_t i = 0; s && i < names->n; i++)
		if (names->v[i] && streq(names->v[i], s))
			return (int)i;
	return otherwise;
}

/* A string; a number counts as its digits. NULL for all else. */
static const char *words(const struct jv *v)
{
	return v && (v->type == JV_STR || v->type == JV_NUM) ? v->s : NULL;
}

static const char *words_or_empty(const struct jv *v)
{
	const char *s = words(v);
	return s ? s : "";
}

static int number(const struct jv *v)
{
	int64_t i = jv_int(v, 0);
	return i > INT_MAX ? INT_MAX : i < INT_MIN ? INT_MIN : (int)i;
}

static bool truth(const struct jv *v)
{
	return v->type == JV_BOOL && v->b;
}

static uint32_t read_flags(const struct jv *v, const struct canon_names *names)
{
	uint32_t flags = 0;
	jv_each(v, it) {
		int bit = pick(it, names, -1);
		if (bit >= 0)
			flags |= 1u << bit;
	}
	return flags;
}

/* An array of strings; what is none is left out. */
static const char *const *read_strings(const struct jv *v, struct arena *a, size_t *n)
{
	*n = 0;
	if (!v || v->type != JV_ARR || !v->n)
		return NULL;
	const char **out = arena_array(a, v->n, const char *);
	jv_each(v, it)
		if (words(it))
			out[(*n)++] = it->s;
	return out;
}

static void read_span(const struct jv *v, struct span *out)
{
	*out = (struct span){ SPAN_TEXT, 0, "", "", "" };
	if (v->type != JV_OBJ) {
		out->text = words_or_empty(v);
		return;
	}
	jv_each(v, k) {
		if (streq(k->key, "k"))
			out->kind = (enum span_kind)pick(k, &canon_span_kinds, SPAN_TEXT);
		else if (streq(k->key, "t"))
			out->text = words_or_empty(k);
		else if (streq(k->key, "r"))
			out->ref = words_or_empty(k);
		else if (streq(k->key, "u"))
			out->url = words_or_empty(k);
		else if (streq(k->key, "st")) {
			const char *st = words_or_empty(k);
			out->style = 0;
			for (size_t i = 0; CANON_STYLES[i]; i++)
				if (strchr(st, CANON_STYLES[i]))
					out->style |= 1u << i;
		}
	}
}

static void read_spans(const struct jv *v, struct arena *a, struct block *out)
{
	const bool list = v->type == JV_ARR;
	size_t n = list ? v->n : 1;
	out->spans = n ? arena_array(a, n, struct span) : NULL;
	out->n_spans = n;
	if (!list) {
		read_span(v, &out->spans[0]);
		return;
	}
	size_t i = 0;
	jv_each(v, it)
		read_span(it, &out->spans[i++]);
}

static void read_block(const struct jv *v, struct arena *a, struct block *out)
{
	if (v->type != JV_OBJ) {
		read_spans(v, a, out);
		return;
	}
	jv_each(v, k) {
		if (streq(k->key, "k"))
			out->kind = (enum block_kind)pick(k, &canon_block_kinds, BLOCK_PARA);
		else if (streq(k->key, "s"))
			read_spans(k, a, out);
		else if (streq(k->key, "q"))
			out->quote = number(k);
		else if (streq(k->key, "in"))
			out->indent = number(k);
		else if (streq(k->key, "no"))
			out->ordinal = number(k);
		else if (streq(k->key, "lv"))
			out->level = number(k);
		else if (streq(k->key, "lang"))
			out->lang = words(k);
	}
}

static struct text read_body(const struct jv *v, struct arena *a)
{
	struct text t = { NULL, 0 };
	if (v->type == JV_NULL)
		return t;
	const bool list = v->type == JV_ARR;
	t.n_blocks = list ? v->n : 1;
	if (!t.n_blocks)
		return t;
	t.blocks = arena_array(a, t.n_blocks, struct block);
	if (!list) {
		read_block(v, a, &t.blocks[0]);
		return t;
	}
	size_t i = 0;
	jv_each(v, it)
		read_block(it, a, &t.blocks[i++]);
	return t;
}

static void read_file(const struct jv *v, struct file *f)
{
	*f = (struct file){ .name = "file", .state = FILE_GONE, .kind = FILE_PLAIN, .size = -1 };
	if (v->type != JV_OBJ)
		return;
	jv_each(v, k) {
		if (streq(k->key, "id"))
			f->id = words(k);
		else if (streq(k->key, "name"))
			f->name = *words_or_empty(k) ? k->s : "file";
		else if (streq(k->key, "title"))
			f->title = words(k);
		else if (streq(k->key, "mime"))
			f->mime = words(k);
		else if (streq(k->key, "url"))
			f->url = words(k);
		else if (streq(k->key, "link"))
			f->permalink = words(k);
		else if (streq(k->key, "preview"))
			f->preview = words(k);
		else if (streq(k->key, "entry"))
			f->entry = words(k);
		else if (streq(k->key, "state"))
			f->state = (enum file_state)pick(k, &canon_file_states, FILE_GONE);
		else if (streq(k->key, "kind"))
			f->kind = (enum file_kind)pick(k, &canon_file_kinds, FILE_PLAIN);
		else if (streq(k->key, "size"))
			f->size = jv_int(k, -1);
		else if (streq(k->key, "w"))
			f->width = number(k);
		else if (streq(k->key, "h"))
			f->height = number(k);
		else if (streq(k->key, "ms"))
			f->duration_ms = number(k);
		else if (streq(k->key, "arc"))
			f->archive = number(k);
	}
}

static void read_react(const struct jv *v, struct arena *a, struct react *r)
{
	bool counted = false;
	*r = (struct react){ .name = "", .emoji = "" };
	if (v->type != JV_OBJ)
		return;
	jv_each(v, k) {
		if (streq(k->key, "name"))
			r->name = words_or_empty(k);
		else if (streq(k->key, "emoji"))
			r->emoji = words_or_empty(k);
		else if (streq(k->key, "by"))
			r->users = read_strings(k, a, &r->n_users);
		else if (streq(k->key, "n")) {
			r->count = number(k);
			counted = true;
		}
	}
	if (!counted)
		r->count = r->n_users > INT_MAX ? INT_MAX : (int)r->n_users;
}

/* The object on the line, which must be of this type and have an id. */
static const struct jv *read_line(const char *s, size_t n, const char *type, struct arena *a, struct err *e)
{
	const struct jv *v = jv_parse(a, s, n, e);
	if (!v)
		return NULL;
	const char *t = jv_get_str(v, "type");
	const char *id = words(jv_get(v, "id"));
	if (v->type != JV_OBJ || !t || !streq(t, type))
		err_set(e, ERR_RECORD, "not a record of type \"%s\"", type);
	else if (!id || !*id)
		err_set(e, ERR_RECORD, "a record of type \"%s\" without id", type);
	else
		return v;
	return NULL;
}

static bool no_such_kind(const struct jv *k, struct err *e)
{
	return err_set(e, ERR_RECORD, "unknown kind '%s'", words_or_empty(k));
}

bool canon_read_user(const char *s, size_t n, struct arena *a, struct user *out, struct err *e)
{
	const struct jv *v = read_line(s, n, "user", a, e);
	if (!v)
		return false;
	*out = (struct user){ .name_source = NAME_LISTED };
	jv_each(v, k) {
		if (streq(k->key, "id"))
			out->id = words(k);
		else if (streq(k->key, "alias"))
			out->alias = words(k);
		else if (streq(k->key, "handle"))
			out->handle = words(k);
		else if (streq(k->key, "name"))
			out->name = words(k);
		else if (streq(k->key, "first"))
			out->first = words(k);
		else if (streq(k->key, "last"))
			out->last = words(k);
		else if (streq(k->key, "email"))
			out->email = words(k);
		else if (streq(k->key, "phone"))
			out->phone = words(k);
		else if (streq(k->key, "title"))
			out->title = words(k);
		else if (streq(k->key, "zone"))
			out->zone = words(k);
		else if (streq(k->key, "avatar"))
			out->avatar_url = words(k);
		else if (streq(k->key, "via"))
			out->name_source = (enum name_source)pick(k, &canon_name_sources, NAME_PLACEHOLDER);
		else if (streq(k->key, "flags"))
			out->flags = read_flags(k, &canon_user_flags);
	}
	if (!out->name || !*out->name) /* the model never has an empty name */
		out->name = out->handle && *out->handle ? out->handle : out->id;
	return true;
}

static void read_pins(const struct jv *v, struct arena *a, struct conv *out)
{
	struct pin *pins = v->n ? arena_array(a, v->n, struct pin) : NULL;
	out->n_pins = 0;
	jv_each(v, it) {
		struct pin p = { words(jv_get(it, "msg")), words(jv_get(it, "by")), jv_get_int(it, "at", 0) };
		if (p.msg_id)
			pins[out->n_pins++] = p;
	}
	out->pins = pins;
}

bool canon_read_conv(const char *s, size_t n, struct arena *a, struct conv *out, struct err *e)
{
	const struct jv *v = read_line(s, n, "conv", a, e);
	if (!v)
		return false;
	int kind = 0;
	*out = (struct conv){ 0 };
	jv_each(v, k) {
		if (streq(k->key, "id"))
			out->id = words(k);
		else if (streq(k->key, "name"))
			out->name = words(k);
		else if (streq(k->key, "kind")) {
			kind = pick(k, &canon_conv_kinds, 0);
			if (!kind)
				return no_such_kind(k, e);
		} else if (streq(k->key, "topic"))
			out->topic = words(k);
		else if (streq(k->key, "purpose"))
			out->purpose = words(k);
		else if (streq(k->key, "space"))
			out->space = words(k);
		else if (streq(k->key, "creator"))
			out->creator = words(k);
		else if (streq(k->key, "archived"))
			out->archived = truth(k);
		else if (streq(k->key, "general"))
			out->general = truth(k);
		else if (streq(k->key, "shared"))
			out->shared = truth(k);
		else if (streq(k->key, "created"))
			out->created_us = jv_int(k, 0);
		else if (streq(k->key, "members"))
			out->members = read_strings(k, a, &out->n_members);
		else if (streq(k->key, "pins") && k->type == JV_ARR)
			read_pins(k, a, out);
	}
	if (!kind)
		return err_set(e, ERR_RECORD, "a conversation without kind");
	out->kind = (enum conv_kind)kind;
	if (!out->name)
		out->name = out->id;
	return true;
}

static void read_files(const struct jv *v, struct arena *a, struct msg *out)
{
	struct file *files = v->n ? arena_array(a, v->n, struct file) : NULL;
	out->n_files = 0;
	jv_each(v, it)
		read_file(it, &files[out->n_files++]);
	out->files = files;
}

static void read_reacts(const struct jv *v, struct arena *a, struct msg *out)
{
	struct react *reacts = v->n ? arena_array(a, v->n, struct react) : NULL;
	out->n_reacts = 0;
	jv_each(v, it)
		read_react(it, a, &reacts[out->n_reacts++]);
	out->reacts = reacts;
}

bool canon_read_msg(const char *s, size_t n, struct arena *a, struct msg *out, const char **conv_id, struct err *e)
{
	const struct jv *v = read_line(s, n, "msg", a, e);
	if (!v)
		return false;
	*out = (struct msg){ .kind = MSG_TEXT };
	if (conv_id)
		*conv_id = NULL;
	jv_each(v, k) {
		if (streq(k->key, "id"))
			out->id = words(k);
		else if (streq(k->key, "by"))
			out->author = words(k);
		else if (streq(k->key, "at"))
			out->ts_us = jv_int(k, 0);
		else if (streq(k->key, "body"))
			out->body = read_body(k, a);
		else if (streq(k->key, "re"))
			out->parent = words(k);
		else if (streq(k->key, "re_at"))
			out->parent_ts_us = jv_int(k, 0);
		else if (streq(k->key, "as"))
			out->author_name = words(k);
		else if (streq(k->key, "conv") && conv_id)
			*conv_id = words(k);
		else if (streq(k->key, "grain")) {
			int g = number(k);
			out->grain_s = g > 0 ? (uint32_t)g : 0;
		} else if (streq(k->key, "kind")) {
			int kind = pick(k, &canon_msg_kinds, 0);
			if (!kind)
				return no_such_kind(k, e);
			out->kind = (enum msg_kind)kind;
		} else if (streq(k->key, "sub"))
			out->subtype = words(k);
		else if (streq(k->key, "files") && k->type == JV_ARR)
			read_files(k, a, out);
		else if (streq(k->key, "reacts") && k->type == JV_ARR)
			read_reacts(k, a, out);
		else if (streq(k->key, "edited"))
			out->edited_us = jv_int(k, 0);
		else if (streq(k->key, "flags"))
			out->flags = read_flags(k, &canon_msg_flags);
	}
	if (out->parent && streq(out->parent, out->id))
		out->parent = NULL;
	return true;
}
