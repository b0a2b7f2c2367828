/* slack_attach.c: attachments, huddles and calls.
 *
 * Policy (docs/slack.md): link previews are dropped, the target makes its own; forwarded and quoted messages are kept as
 * quotes; an app's attachments are its message and are kept as text. Key names as public exports have them.
 */
#include "importers/slack.h"

#include <string.h>

enum { ATTACHMENTS_MAX = 100, FIELDS_MAX = 100 };

static const char *str_of(struct source *s, const struct jv *v, const char *key)
{
	return slack_str(s->step, jv_get(v, key));
}

static void add(struct text_builder *b, uint32_t style, const char *text)
{
	if (*text)
		text_span(b, SPAN_TEXT, style, text, "", "");
}

/* mrkdwn paragraphs; true when there was something */
static bool mrkdwn(struct source *s, struct text_builder *b, const char *text)
{
	if (*text)
		slack_mrkdwn(b, text, strlen(text), &s->seen);
	return *text != '\0';
}

/* A line that may hold <links> and entities but no styles of its own, in one style. */
static bool line(struct source *s, struct text_builder *b, enum block_kind kind, uint32_t style, const char *text)
{
	if (!*text)
		return false;
	size_t first = b->n;
	slack_mrkdwn(b, text, strlen(text), &s->seen);
	for (size_t i = first; i < b->n; i++) {
		if (b->blocks[i].kind == BLOCK_PARA)
			b->blocks[i].kind = kind;
		for (size_t k = 0; k < b->blocks[i].n_spans; k++)
			b->blocks[i].spans[k].style |= style;
	}
	return true;
}

static void files_of(struct source *s, const struct jv *v, struct files *files)
{
	jv_each(jv_get(v, "files"), f)
		slack_file(s, f, files);
}

/* A forwarded message, or a link to a message with its text: author, then the text, all one quotation deeper. */
static void quoted(struct source *s, struct text_builder *b, const struct jv *att, struct files *files)
{
	const char *author = str_of(s, att, "author_name"), *from = str_of(s, att, "from_url"), *id = str_of(s, att, "author_id");
	if (!*author)
		author = str_of(s, att, "author_subname");
	if (slack_is_id(id, strlen(id)))
		slack_found(s, id, NAME_MENTION, author, 0);
	b->quote++;
	const char *ref = slack_permalink(s->step, from, strlen(from));
	if (*author || ref) {
		text_block(b, BLOCK_NOTE);
		if (ref)
			text_span(b, SPAN_MSG, 0, author, ref, from);
		else
			add(b, STYLE_BOLD, author);
	}
	size_t wrote = 0;
	jv_each(jv_get(att, "message_blocks"), m)
		wrote += slack_blocks(b, jv_at(m, "message.blocks"), &s->seen);
	if (!wrote)
		wrote = mrkdwn(s, b, str_of(s, att, "text"));
	if (!wrote && !jv_get(att, "files"))
		mrkdwn(s, b, str_of(s, att, "fallback"));
	b->quote--;
	files_of(s, att, files);
}

static bool fields(struct source *s, struct text_builder *b, const struct jv *list)
{
	bool wrote = false;
	int n = 0;
	jv_each(list, f) {
		const char *title = str_of(s, f, "title"), *value = str_of(s, f, "value");
		if (n++ == FIELDS_MAX)
			break;
		wrote |= line(s, b, BLOCK_PARA, STYLE_BOLD, title);
		wrote |= mrkdwn(s, b, value);
	}
	return wrote;
}

/* What an app wrote. */
static void card(struct source *s, struct text_builder *b, const struct jv *att, struct files *files)
{
	const char *title = str_of(s, att, "title"), *link = str_of(s, att, "title_link"), *image = str_of(s, att, "image_url");
	bool wrote = mrkdwn(s, b, str_of(s, att, "pretext"));
	wrote |= line(s, b, BLOCK_NOTE, 0, str_of(s, att, "author_name"));
	if (*title && *link) {
		text_block(b, BLOCK_PARA);
		text_span(b, SPAN_LINK, STYLE_BOLD, slack_decode(s->step, title, strlen(title)), "", link);
		wrote = true;
	} else {
		wrote |= line(s, b, BLOCK_PARA, STYLE_BOLD, title);
	}
	if (jv_get(att, "blocks"))
		wrote |= slack_blocks(b, jv_get(att, "blocks"), &s->seen) > 0;
	wrote |= mrkdwn(s, b, str_of(s, att, "text"));
	wrote |= fields(s, b, jv_get(att, "fields"));
	if (strncmp(image, "http", 4) == 0) {
		text_block(b, BLOCK_PARA);
		text_span(b, SPAN_LINK, 0, "", "", image);
		wrote = true;
	}
	if (!wrote) {
		const char *fallback = str_of(s, att, "fallback");
		if (!streq(fallback, "[no preview available]"))
			mrkdwn(s, b, fallback);
	}
	line(s, b, BLOCK_NOTE, 0, str_of(s, att, "footer"));
	files_of(s, att, files);
}

static bool is_unfurl(const struct jv *att, bool from_bot, bool wrote_text)
{
	if (jv_get_bool(att, "is_app_unfurl"))
		return true;
	bool address = jv_get_str(att, "from_url") || jv_get_str(att, "original_url");
	/* An app's message with no text but an attachment is that attachment. */
	return address && (!from_bot || wrote_text);
}

uint32_t slack_attachments(struct source *s, struct text_builder *b, const struct jv *attachments, bool from_bot, bool wrote_text, struct files *files)
{
	uint32_t flags = 0;
	int n = 0;
	jv_each(attachments, att) {
		if (att->type != JV_OBJ || n++ >= ATTACHMENTS_MAX)
			continue;
		if (jv_get_bool(att, "is_share") || jv_get_bool(att, "is_msg_unfurl")) {
			if (jv_get_bool(att, "is_share")) {
				flags |= MSGF_FORWARDED;
				slack_hazard(s, HAZARD_NOTE, "forwarded", "a forwarded message, kept as a quote");
			}
			quoted(s, b, att, files);
		} else if (is_unfurl(att, from_bot, wrote_text)) {
			slack_hazard(s, HAZARD_NOTE, "unfurl-dropped", "a link preview");
		} else {
			card(s, b, att, files);
		}
	}
	return flags;
}

bool slack_room(struct source *s, struct text_builder *b, const struct jv *room)
{
	if (!jv_is(room, JV_OBJ))
		return false;
	const char *name = str_of(s, room, "name");
	int64_t start = jv_get_int(room, "date_start", 0), end = jv_get_int(room, "date_end", 0);
	size_t people = jv_count(jv_get(room, "participant_history"));
	if (!people)
		people = jv_count(jv_get(room, "participants"));
	const int64_t minutes = start > 0 && end > start && end - start < 7 * 86400 ? (end - start + 59) / 60 : 0;
	text_block(b, BLOCK_PARA);
	text_span(b, SPAN_CALL, 0, name, arena_fmt(s->step, "%lld/%zu", (long long)minutes, people), "");
	return true;
}
