/* slack_blocks.c: Block Kit to struct text.
 *
 * rich_text is what people type; the other blocks come from apps. Nothing unknown is lost: its strings are kept as text and
 * its type is told through slack_seen.odd. Block text is not HTML-escaped (`text` is); mrkdwn objects inside blocks are.
 */
#include "importers/slack_text.h"

#include "importers/emoji.h"

#include <string.h>

enum { INDENT_MAX = 16, DEPTH_MAX = 8, ROWS_MAX = 1000 };

struct out {
	struct text_builder *b;
	const struct slack_seen *seen;
	size_t n; /* spans that a reader would see */
	int depth;
};

static void odd(const struct out *o, const char *name, const char *what)
{
	if (o->seen && o->seen->odd)
		o->seen->odd(o->seen->ctx, name, what ? what : "(no type)");
}

static const char *str_of(struct out *o, const struct jv *obj, const char *key)
{
	return slack_str(o->b->a, jv_get(obj, key));
}

static void span(struct out *o, enum span_kind kind, uint32_t style, const char *text, const char *ref, const char *url)
{
	text_span(o->b, kind, style, text, ref, url);
	o->n++;
}

static void words(struct out *o, uint32_t style, const char *s)
{
	if (*s)
		span(o, SPAN_TEXT, style, s, "", "");
}

static uint32_t style_bits(const struct jv *style)
{
	static const struct { const char *key; uint32_t bit; } styles[] = {
		{ "bold", STYLE_BOLD }, { "italic", STYLE_ITALIC }, { "strike", STYLE_STRIKE }, { "code", STYLE_CODE }, { "underline", STYLE_UNDERLINE },
	};
	uint32_t bits = 0;
	jv_each(style, v)
		for (size_t i = 0; i < countof(styles); i++)
			if (v->type == JV_BOOL && v->b && v->key && streq(v->key, styles[i].key))
				bits |= styles[i].bit;
	return bits;
}

/* ---- what any unknown thing may still say ---- */

static void salvage(struct out *o, const struct jv *v, int depth)
{
	static const char *const keys[] = { "text", "title", "alt_text", "fallback", "label", "description", "value" };
	if (depth > DEPTH_MAX)
		return;
	jv_each(v, c) {
		if (c->type == JV_STR && v->type == JV_OBJ) {
			for (size_t i = 0; i < countof(keys); i++) {
				if (streq(c->key, keys[i])) {
					words(o, 0, slack_str(o->b->a, c));
					words(o, 0, " ");
				}
			}
		} else if (c->type == JV_ARR || c->type == JV_OBJ) {
			salvage(o, c, depth + 1);
		}
	}
}

/* ---- inline elements of rich_text ---- */

static void emoji(struct out *o, const struct jv *el, uint32_t style)
{
	struct arena *a = o->b->a;
	const char *name = str_of(o, el, "name");
	const char *hex = jv_get_str(el, "unicode");
	int64_t tone = jv_get_int(el, "skin_tone", 0);
	char chars[EMOJI_MAX];
	if (tone >= 2 && tone <= 6 && !strstr(name, "::skin-tone-"))
		name = arena_fmt(a, "%s::skin-tone-%d", name, (int)tone);
	if (hex ? !emoji_from_hex(hex, strlen(hex), chars) : !emoji_chars(name, strlen(name), chars))
		chars[0] = '\0';
	if (*name || *chars)
		span(o, SPAN_EMOJI, style, *chars ? arena_strdup(a, chars) : "", name, "");
}

static void link_span(struct out *o, const struct jv *el, uint32_t style)
{
	const char *url = str_of(o, el, "url"), *text = str_of(o, el, "text");
	const char *msg = slack_permalink(o->b->a, url, strlen(url));
	if (streq(text, url))
		text = "";
	if (!*text && strncmp(url, "mailto:", 7) == 0)
		text = url + 7;
	if (msg)
		span(o, SPAN_MSG, style, text, msg, url);
	else if (*url)
		span(o, SPAN_LINK, style, text, "", url);
	else
		words(o, style, text);
}

static void date(struct out *o, const struct jv *el, uint32_t style)
{
	const char *fallback = str_of(o, el, "fallback");
	int64_t unix_s = jv_get_int(el, "timestamp", 0);
	span(o, SPAN_DATE, style, fallback, arena_fmt(o->b->a, "%lld", (long long)unix_s), str_of(o, el, "url"));
}

static void inline_element(struct out *o, const struct jv *el)
{
	const char *type = jv_get_str(el, "type");
	if (!type) {
		if (jv_is(el, JV_STR))
			words(o, 0, slack_str(o->b->a, el));
		else
			odd(o, "unknown-element", NULL);
		return;
	}
	uint32_t style = style_bits(jv_get(el, "style"));
	if (streq(type, "text")) {
		words(o, style, str_of(o, el, "text"));
	} else if (streq(type, "user")) {
		const char *id = str_of(o, el, "user_id");
		if (o->seen && o->seen->user && *id)
			o->seen->user(o->seen->ctx, id, "");
		span(o, SPAN_USER, style, "", id, "");
	} else if (streq(type, "link")) {
		link_span(o, el, style);
	} else if (streq(type, "emoji")) {
		emoji(o, el, style);
	} else if (streq(type, "channel")) {
		span(o, SPAN_CONV, style, "", str_of(o, el, "channel_id"), "");
	} else if (streq(type, "broadcast")) {
		const char *range = str_of(o, el, "range");
		span(o, SPAN_BROADCAST, style, "", *range ? range : "channel", "");
	} else if (streq(type, "usergroup")) {
		const char *id = str_of(o, el, "usergroup_id");
		const char *label = o->seen && o->seen->group_label ? o->seen->group_label(o->seen->ctx, id) : NULL;
		span(o, SPAN_GROUP, style, label ? label : "", id, "");
	} else if (streq(type, "date")) {
		date(o, el, style);
	} else if (streq(type, "color")) {
		words(o, style, str_of(o, el, "value"));
	} else if (streq(type, "team")) {
		words(o, style, str_of(o, el, "team_id"));
	} else if (streq(type, "canvas")) {
		words(o, style, arena_fmt(o->b->a, "[canvas %s]", str_of(o, el, "file_id")));
	} else {
		odd(o, "unknown-element", type);
		size_t before = o->n;
		salvage(o, el, 0);
		if (o->n == before && jv_get_str(el, "url"))
			link_span(o, el, style);
	}
}

static void inline_elements(struct out *o, const struct jv *elements)
{
	jv_each(elements, el)
		inline_element(o, el);
}

/* A section ends with "\n" where the next container begins: the block's own end says that already. */
static void trim_last_newline(struct out *o)
{
	if (!o->b->n)
		return;
	struct block *bl = &o->b->blocks[o->b->n - 1];
	if (!bl->n_spans)
		return;
	struct span *s = &bl->spans[bl->n_spans - 1];
	size_t n = strlen(s->text);
	if (s->kind == SPAN_TEXT && n && s->text[n - 1] == '\n')
		s->text = arena_strndup(o->b->a, s->text, n - 1);
}

static void rich_list(struct out *o, const struct jv *list)
{
	int64_t indent = jv_get_int(list, "indent", 0), offset = jv_get_int(list, "offset", 0);
	const char *style = jv_get_str(list, "style");
	bool ordered = style && streq(style, "ordered");
	int i = 0;
	indent = indent < 0 ? 0 : indent > INDENT_MAX ? INDENT_MAX : indent;
	offset = offset < 0 || offset > 1000000 ? 0 : offset;
	jv_each(jv_get(list, "elements"), item) {
		struct block *bl = text_block(o->b, BLOCK_ITEM);
		bl->indent = (int)indent;
		bl->ordinal = ordered ? (int)offset + ++i : 0;
		inline_elements(o, jv_get(item, "elements"));
		trim_last_newline(o);
	}
}

/* Inside a code block only text and links have a meaning; the rest becomes its words. */
static void rich_code(struct out *o, const struct jv *pre)
{
	struct block *bl = text_block(o->b, BLOCK_CODE);
	const char *lang = jv_get_str(pre, "language");
	bl->lang = lang ? slack_str(o->b->a, jv_get(pre, "language")) : NULL;
	jv_each(jv_get(pre, "elements"), el) {
		const char *type = jv_get_str(el, "type");
		if (type && streq(type, "link") && jv_get_str(el, "url"))
			span(o, SPAN_LINK, 0, str_of(o, el, "text"), "", str_of(o, el, "url"));
		else if (type && streq(type, "emoji"))
			words(o, 0, arena_fmt(o->b->a, ":%s:", str_of(o, el, "name")));
		else if (type && streq(type, "user"))
			words(o, 0, arena_fmt(o->b->a, "@%s", str_of(o, el, "user_id")));
		else if (jv_get_str(el, "text"))
			words(o, 0, str_of(o, el, "text"));
		else
			salvage(o, el, 0);
	}
	trim_last_newline(o);
}

static void rich_text(struct out *o, const struct jv *elements)
{
	int outer = o->b->quote;
	jv_each(elements, el) {
		const char *type = jv_get_str(el, "type");
		o->b->quote = outer + (jv_get_int(el, "border", 0) > 0 ? 1 : 0);
		if (type && streq(type, "rich_text_section")) {
			text_block(o->b, BLOCK_PARA);
			inline_elements(o, jv_get(el, "elements"));
			trim_last_newline(o);
		} else if (type && streq(type, "rich_text_list")) {
			rich_list(o, el);
		} else if (type && streq(type, "rich_text_preformatted")) {
			rich_code(o, el);
		} else if (type && streq(type, "rich_text_quote")) {
			o->b->quote = outer + 1;
			text_block(o->b, BLOCK_PARA);
			inline_elements(o, jv_get(el, "elements"));
			trim_last_newline(o);
		} else {
			odd(o, "unknown-element", type);
			text_block(o->b, BLOCK_PARA);
			if (jv_get(el, "elements"))
				inline_elements(o, jv_get(el, "elements"));
			else
				salvage(o, el, 0);
		}
	}
	o->b->quote = outer;
}

/* ---- the blocks of apps ---- */

/* Appends a text object: plain text to the last block, mrkdwn as paragraphs of its own (the empty one before it is dropped). */
static void text_object(struct out *o, const struct jv *v, uint32_t style)
{
	const char *type = jv_get_str(v, "type");
	const struct jv *t = jv_is(v, JV_STR) ? v : jv_get(v, "text");
	const char *s = slack_str(o->b->a, t);
	if (!*s)
		return;
	o->n++;
	bool mrkdwn = type ? streq(type, "mrkdwn") : jv_is(v, JV_STR);
	if (!mrkdwn) {
		text_span(o->b, SPAN_TEXT, style, s, "", "");
		return;
	}
	size_t first = o->b->n;
	slack_mrkdwn(o->b, s, strlen(s), o->seen);
	if (style)
		for (size_t i = first; i < o->b->n; i++)
			for (size_t k = 0; k < o->b->blocks[i].n_spans; k++)
				o->b->blocks[i].spans[k].style |= style;
}

void slack_text_object(struct text_builder *b, const struct jv *v, uint32_t style, const struct slack_seen *seen)
{
	struct out o = { b, seen, 0, 0 };
	text_object(&o, v, style);
}

/* Small print: mrkdwn brings its own paragraphs, which become notes. */
static void notes(struct out *o, const struct jv *elements)
{
	struct arena *a = o->b->a;
	size_t first = o->b->n;
	jv_each(elements, el) {
		const char *type = jv_get_str(el, "type");
		if (type && streq(type, "image")) {
			if (!*str_of(o, el, "alt_text"))
				continue;
			text_block(o->b, BLOCK_NOTE);
			words(o, 0, arena_fmt(a, "[%s]", str_of(o, el, "alt_text")));
		} else {
			text_block(o->b, BLOCK_NOTE);
			text_object(o, el, 0);
		}
	}
	for (size_t i = first; i < o->b->n; i++)
		if (o->b->blocks[i].kind == BLOCK_PARA)
			o->b->blocks[i].kind = BLOCK_NOTE;
}

static void buttons(struct out *o, const struct jv *elements)
{
	struct arena *a = o->b->a;
	bool first = true;
	jv_each(elements, el) {
		const char *label = slack_str(a, jv_at(el, "text.text"));
		if (!*label)
			label = slack_str(a, jv_at(el, "placeholder.text"));
		const char *url = str_of(o, el, "url");
		if (!*label)
			continue;
		if (first)
			text_block(o->b, BLOCK_NOTE);
		else
			words(o, 0, " ");
		first = false;
		if (*url)
			span(o, SPAN_LINK, 0, label, "", url);
		else
			words(o, 0, arena_fmt(a, "[%s]", label));
	}
}

static void picture(struct out *o, const struct jv *block, const char *url)
{
	const char *title = slack_str(o->b->a, jv_at(block, "title.text"));
	if (!*title)
		title = slack_str(o->b->a, jv_get(block, "title"));
	if (!*title)
		title = str_of(o, block, "alt_text");
	text_block(o->b, BLOCK_PARA);
	if (*url)
		span(o, SPAN_LINK, 0, title, "", url);
	else
		words(o, 0, title);
}

static void cell(struct out *o, const struct jv *v)
{
	const char *type = jv_get_str(v, "type");
	if (type && streq(type, "rich_text")) { /* a cell is one line: its sections follow each other */
		jv_each(jv_get(v, "elements"), el)
			inline_elements(o, jv_get(el, "elements"));
	} else {
		words(o, 0, jv_is(v, JV_STR) ? slack_str(o->b->a, v) : str_of(o, v, "text"));
	}
	text_span(o->b, SPAN_CELL, 0, "", "", "");
}

static void table(struct out *o, const struct jv *block)
{
	int n = 0;
	jv_each(jv_get(block, "rows"), row) {
		if (n == ROWS_MAX) {
			odd(o, "table-cut", "more than 1000 rows");
			break;
		}
		struct block *bl = text_block(o->b, BLOCK_ROW);
		bl->level = n++ == 0;
		jv_each(jv_is(row, JV_ARR) ? row : jv_get(row, "cells"), c)
			cell(o, c);
	}
}

static void call(struct out *o, const struct jv *block)
{
	const struct jv *c = jv_at(block, "call.v1");
	const char *name = str_of(o, c, "name"), *url = str_of(o, c, "join_url");
	text_block(o->b, BLOCK_PARA);
	span(o, SPAN_CALL, 0, name, "0/0", "");
	if (*url) {
		words(o, 0, " ");
		span(o, SPAN_LINK, 0, "", "", url);
	}
}

static void section(struct out *o, const struct jv *block)
{
	text_block(o->b, BLOCK_PARA);
	text_object(o, jv_get(block, "text"), 0);
	jv_each(jv_get(block, "fields"), f) {
		text_block(o->b, BLOCK_PARA);
		text_object(o, f, 0);
	}
	const struct jv *acc = jv_get(block, "accessory");
	const char *type = jv_get_str(acc, "type");
	if (type && streq(type, "button"))
		buttons(o, &(struct jv){ .type = JV_ARR, .first = &(struct jv){ .type = JV_OBJ, .first = acc->first, .n = acc->n }, .n = 1 });
}

static void one_block(struct out *o, const struct jv *block)
{
	const char *type = jv_get_str(block, "type");
	if (!type) {
		if (!jv_is(block, JV_NULL)) {
			odd(o, "unknown-block", NULL);
			text_block(o->b, BLOCK_PARA);
			salvage(o, block, 0);
		}
	} else if (streq(type, "rich_text")) {
		rich_text(o, jv_get(block, "elements"));
	} else if (streq(type, "section")) {
		section(o, block);
	} else if (streq(type, "header")) {
		text_block(o->b, BLOCK_HEADING)->level = 1;
		text_object(o, jv_get(block, "text"), 0);
	} else if (streq(type, "context")) {
		notes(o, jv_get(block, "elements"));
	} else if (streq(type, "divider")) {
		text_block(o->b, BLOCK_RULE);
	} else if (streq(type, "image")) {
		picture(o, block, str_of(o, block, "image_url"));
	} else if (streq(type, "video")) {
		const char *url = str_of(o, block, "title_url");
		picture(o, block, *url ? url : str_of(o, block, "video_url"));
		const char *about = slack_str(o->b->a, jv_at(block, "description.text"));
		if (*about) {
			text_block(o->b, BLOCK_NOTE);
			words(o, 0, about);
		}
	} else if (streq(type, "actions")) {
		buttons(o, jv_get(block, "elements"));
	} else if (streq(type, "call")) {
		call(o, block);
	} else if (streq(type, "input")) {
		text_block(o->b, BLOCK_NOTE);
		text_object(o, jv_get(block, "label"), 0);
	} else if (streq(type, "file")) {
		text_block(o->b, BLOCK_NOTE);
		words(o, 0, arena_fmt(o->b->a, "[file %s]", str_of(o, block, "external_id")));
	} else if (streq(type, "table")) {
		table(o, block);
	} else if (streq(type, "markdown")) {
		text_block(o->b, BLOCK_PARA);
		words(o, 0, str_of(o, block, "text"));
	} else if (streq(type, "context_actions")) {
		return; /* thumbs up and down of AI apps: nothing that was said */
	} else {
		odd(o, "unknown-block", type);
		text_block(o->b, BLOCK_PARA);
		salvage(o, block, 0);
	}
}

size_t slack_blocks(struct text_builder *b, const struct jv *blocks, const struct slack_seen *seen)
{
	struct out o = { b, seen, 0, 0 };
	jv_each(blocks, block)
		one_block(&o, block);
	return o.n;
}
