/* slack_text.h: Slack's two forms of text, mrkdwn and blocks, into struct text. Pure; private to the Slack importer.
 *
 * Facts about the formats: Slack's "Formatting text" and "Block Kit" references, and what public exports hold. Strings that
 * are handed in must live as long as the builder's arena.
 */
#ifndef MVCHAT_SLACK_TEXT_H
#define MVCHAT_SLACK_TEXT_H

#include "core/json.h"
#include "core/text.h"

/* What the parsers meet on the way and somebody else must know. Any function may be NULL. */
struct slack_seen {
	void *ctx;
	void (*user)(void *ctx, const char *id, const char *label);  /* label "" where the source has none */
	void (*group)(void *ctx, const char *id, const char *label); /* a user group with its label */
	const char *(*group_label)(void *ctx, const char *id);       /* a label seen before, or NULL */
	void (*odd)(void *ctx, const char *name, const char *what);  /* hazard name and the word it is about */
};

/* Appends mrkdwn s[0..n) in the builder's current quotation. Entities are decoded after the tokens are cut. */
void slack_mrkdwn(struct text_builder *b, const char *s, size_t n, const struct slack_seen *seen);
/* Appends an array of Block Kit blocks; unknown ones as the text they hold. Returns the number of spans' worth of content:
 * 0 when there was nothing a reader would see. */
size_t slack_blocks(struct text_builder *b, const struct jv *blocks, const struct slack_seen *seen);
/* A Block Kit text object ({type: mrkdwn | plain_text, text}) or a bare string as spans of the last block or as blocks. */
void slack_text_object(struct text_builder *b, const struct jv *v, uint32_t style, const struct slack_seen *seen);

/* "C…/1234567890.123456" when url is a permalink to a Slack message, else NULL. */
const char *slack_permalink(struct arena *a, const char *url, size_t n);
/* &amp; &lt; &gt; to characters; NULs and C0 controls other than tab and newline are taken out. */
char *slack_decode(struct arena *a, const char *s, size_t n);
/* s itself when clean, else a copy without export tokens (xox…) and, if it is an address, without its t=/token= query.
 * *found (may be NULL) is set to "t", "token" or "text" when there was one, and left alone otherwise. */
bool slack_token_in(const char *s, size_t n); /* does a token begin in s[0..n)? s is NUL-terminated, there or later */
const char *slack_untoken(struct arena *a, const char *s, const char **found);
/* A string value without NULs, or "" / NULL (jv_get_str) as the name says. */
const char *slack_str(struct arena *a, const struct jv *v);

#endif
