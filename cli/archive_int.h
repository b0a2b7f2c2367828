/* archive_int.h: what the files of the HTML archive share. Nobody else includes it. */
#ifndef MVCHAT_ARCHIVE_INT_H
#define MVCHAT_ARCHIVE_INT_H

#include "cli/archive.h"
#include "core/clock.h"
#include "core/table.h"
#include "core/vault.h"

#define ARCHIVE_MARK ".mvchat-archive" /* makes a folder ours: only such a folder is ever removed */

enum {
	PAGE_MESSAGES = 500, /* on one page, replies included */
	LONG_THREAD = 200,   /* replies; a thread with more has pages of its own */
	MONTHS_MAX = 600,    /* listed per conversation: 50 years */
	PATH_BYTES = 160,
};

/* ---- a file being written; errors are kept and told by sheet_close ---- */
struct sheet { int fd; struct buf b; bool bad; const char *name; };
bool sheet_open(struct sheet *s, int root, const char *path, struct err *e); /* path: literal or longer-lived than the sheet */
void sheet_flush(struct sheet *s);   /* writes what has gathered; sheet_full says when that is worth it */
static inline bool sheet_full(const struct sheet *s) { return s->b.len >= 256 << 10; }
bool sheet_close(struct sheet *s, struct err *e);

/* ---- where everything stands ---- */
struct spot_key { int64_t ts; const char *id; };            /* the first message of a page */
struct long_thread { struct spot_key root; struct spot_key *starts; size_t n, cap; };
struct month_at { int year, month; size_t page; };           /* the first page that shows it */
struct shelf {                                                /* a conversation in the archive */
	struct spool_conv c;                                       /* of c.conv: id, name, topic, kind, archived */
	bool left_out;                                             /* --as-mapped */
	struct spot_key *pages; size_t n_pages, cap_pages;
	struct long_thread *threads; size_t n_threads, cap_threads;
	struct month_at *months; size_t n_months, cap_months;
	const char **pins; size_t n_pins;                          /* sorted */
	int64_t n_shown;
	int64_t shard_first, shard_last;                           /* of its texts; first > last: none */
};
struct author { const char *name; uint32_t flags; size_t num; };

struct site {
	const struct archive_args *x;
	struct archive_result *out;
	struct err *e;
	int root;                                                  /* the folder being written */
	struct arena run, step;                                    /* step: one message */
	struct table authors, shelves;                             /* by id */
	struct author **people; size_t n_people, cap_people;       /* by author.num */
	struct shelf **v; size_t n, cap;                           /* in order of the spool's numbers */
	int64_t total;                                             /* messages to write */
	/* files */
	const char *const *archives; size_t n_archives;
	struct vault **vaults;      /* one more than archives: the last is of fetched files */
	struct table copied;                                       /* "archive entry" + extension -> path in the folder */
	/* search */
	struct buf shard; int64_t n_shards; const struct shelf *shard_conv; char shard_page[PATH_BYTES];
	struct buf text;
};

/* ---- pages of a conversation (archive_plan.c) ---- */
enum fate_of { SHOW, SHOW_STUB /* left out, but its thread is not */, SHOW_NOT };
enum fate_of site_fate(struct site *s, const struct shelf *h, const struct spool_meta *m);
bool site_plan(struct site *s);
void site_plan_free(struct site *s);
/* The address of a message from a page of any conversation ("../12/3.html#m…"), in the step arena; NULL: it is not here.
 * at: when it was written; h: where. */
const char *site_find(struct site *s, const char *conv, const char *id, int64_t *at, struct shelf **h);
size_t shelf_page(const struct shelf *h, int64_t ts, const char *id);
const struct long_thread *shelf_thread(const struct shelf *h, int64_t ts, const char *id); /* NULL: not a long one */
void site_anchor(const char *id, struct buf *out);           /* 'm' + the id, made of letters an address may hold */

/* ---- words (archive_text.c) ---- */
void html(struct buf *b, const char *s);                      /* escaped, for text and for attributes in double quotes */
void htmlf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3); /* our own format and markup; foreign text goes through html() */
bool web_address(const char *url);                            /* http, https, mailto */
void site_text(struct site *s, const struct text *t, struct buf *b);
void site_local(struct site *s, int64_t ts_us, struct zoned *z);
const char *site_conv_sign(const struct conv *c);             /* "#" or "" */
const char *site_author(struct site *s, const struct msg *m, size_t *num); /* num: SIZE_MAX when the name is the message's own */

/* ---- a page's frame (archive_frame.c) ---- */
void frame_begin(struct site *s, struct buf *b, const char *up, const char *title, const char *script); /* up: "" or "../../" */
void frame_end(struct buf *b);
bool frame_assets(struct site *s);
bool frame_index(struct site *s);
bool frame_people(struct site *s);
bool frame_search(struct site *s);

/* ---- conversations (archive_conv.c) ---- */
bool site_conv(struct site *s, struct shelf *h);

/* ---- files (archive_files.c) ---- */
/* Copies once; path: from the folder. False + NULL error text: the archive could not give it (counted). */
enum file_copy { COPY_DONE, COPY_UNREADABLE, COPY_FAILED /* our disk: s->e */ };
enum file_copy site_file(struct site *s, const struct file *f, char path[PATH_BYTES]);
void site_files_free(struct site *s);
const char *file_extension(const char *name, char out[16]);   /* ".png" or ".html.txt", or ".bin" */

/* ---- search (archive_search.c) ---- */
bool search_add(struct site *s, struct shelf *h, const char *page, const struct msg *m);
bool search_end(struct site *s);

/* ---- the folder (archive_folder.c) ---- */
struct folder { char *dir, *tmp, *old; int fd; };
bool folder_begin(struct folder *f, const char *dir, bool replace, struct err *e);
bool folder_commit(struct folder *f, struct err *e);
void folder_abort(struct folder *f);                          /* removes what was written */
void folder_free(struct folder *f);

#endif
