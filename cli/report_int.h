/* report_int.h: what the report writers share. Nobody else includes it. */
#ifndef MVCHAT_REPORT_INT_H
#define MVCHAT_REPORT_INT_H

#include "cli/report.h"

/* ---- words (report_words.c); all translated, none escaped ---- */
enum tone { TONE_GOOD, TONE_OPEN /* something is left to do */, TONE_BAD };
const char *report_title(const struct report *r);
/* The sentence a reader wants first. out: the caller's; returns out. */
const char *report_verdict(const struct report *r, enum tone *tone, char *out, size_t size);
const char *report_tone(const struct report *r, enum tone tone); /* the same in a word or two, so that colour is not all */
const char *report_item(enum item i);              /* "Messages" */
const char *report_bucket(enum bucket b);          /* "Left out" */
const char *report_chat_action(const struct facts_chat *c);
const char *report_person_action(const struct facts_person *p);
/* A rule of the account as a sentence, or NULL when it is one the mapping made and speaks for itself. */
const char *report_rule(const char *rule);
/* The source conversation a finding's lane belongs to, or NULL: people. In a. */
const char *report_lane_conv(const char *lane, struct arena *a);

/* english with its blanks in the translation of the first of the known forms it fits, else as it is. */
const char *report_translate(const char *const *known, size_t n, const char *english, char *out, size_t size);

/* ---- a report's sections on paper (report_doc.c), whatever the paper is ---- */
enum cell { CELL_HEAD /* names the row */, CELL_TEXT, CELL_CODE /* an identifier or rule, not translated */, CELL_NUM, CELL_LINK /* a web address */ };
struct column { const char *head; enum cell kind; };
struct month { int year, month; int64_t n; };
struct paper {
	void *ctx;
	void (*open)(void *ctx, const struct report *r, const char *title);
	void (*verdict)(void *ctx, enum tone tone, const char *word, const char *text);
	void (*section)(void *ctx, const char *id, const char *title); /* ends the one before */
	void (*para)(void *ctx, const char *text);
	/* caption may not be NULL. A cell's text may be "". */
	void (*table)(void *ctx, const char *caption, const struct column *cols, size_t n);
	void (*row)(void *ctx);
	void (*cell)(void *ctx, const char *text);
	void (*bar)(void *ctx, int64_t n, int64_t of);                 /* after a CELL_NUM: the same as a picture */
	void (*table_end)(void *ctx);
	void (*list)(void *ctx);
	void (*item)(void *ctx, const char *text);
	void (*list_end)(void *ctx);
	void (*months)(void *ctx, const char *caption, const struct month *v, size_t n);
	void (*fold)(void *ctx, const char *summary, bool open);       /* what follows may be folded away ... */
	void (*fold_end)(void *ctx);                                   /* ... up to here */
	void (*sign)(void *ctx, const char *text, const char *const *who, size_t n);
	void (*close)(void *ctx);
};
void report_doc(const struct report *r, const struct paper *p);

/* ---- a taking back (report_rollback.c) ---- */
const char *report_rollback_verdict(const struct report_rollback *rb, enum tone *tone, char *out, size_t size);
void report_rollback_doc(const struct report_rollback *rb, const struct paper *p);
void report_rollback_print(const struct report_rollback *rb);
void report_rollback_json(const struct report_rollback *rb, struct jw *w);

/* The months as bars that fit a picture: consecutive months put together so that there are at most max bars. In a. */
struct span_bar { int year, month; int64_t n; };
struct span_bar *report_bars(const struct month *v, size_t n, size_t max, size_t *n_bars, int *step, struct arena *a);

/* ---- the writers ---- */
bool report_write_markdown(const struct report *r, FILE *f, struct err *e);
bool report_write_html(const struct report *r, FILE *f, struct err *e);
bool report_write_junit(const struct report *r, FILE *f, struct err *e);

#endif
