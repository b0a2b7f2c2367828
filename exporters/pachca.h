/* pachca.h: what the files of the Pachca exporter share. Nobody else includes it.
 *
 * pachca.c: configuration, greeting, permissions, comparing · pachca_op.c: writes · pachca_upload.c: files ·
 * pachca_list.c: reading back · pachca_error.c: the vendor's error bodies.
 * The contract is the vendor's OpenAPI file; where a comment says "spec", that is meant.
 */
#ifndef MVCHAT_PACHCA_H
#define MVCHAT_PACHCA_H

#include "core/json.h"
#include "exporters/exporter.h"

enum {
	PACHCA_TEXT_MAX = 40000,  /* bytes; stated for incoming webhooks, assumed for messages */
	PACHCA_NAME_MAX = 255,    /* characters (spec: maxLength) */
	PACHCA_WAVEFORM_MAX = 256,
	PACHCA_LABEL_MAX = 255,   /* characters in the spec; we count bytes, which is never more */
	PACHCA_AVATAR_MAX = 255,  /* characters (spec: maxLength of display_avatar_url) */
	PACHCA_BODY_MAX = 8 << 20,
};

struct pachca_account { /* one token: whose it is and what it may do */
	bool asked;             /* token/info has been read */
	const char *user_id;
	const char *const *scopes; size_t n_scopes;
};

struct target {
	const char *url;        /* base address without a trailing '/' */
	bool has_admin;
	struct pachca_account bot, admin;
	struct pachca_account others[BOTS_MAX - 1]; size_t n_others; /* bots behind the first */
	const char *other_ids[BOTS_MAX - 1];
	const char *bond;       /* the identity the ledger is tied to, or NULL */
	const char **known; size_t n_known; /* accounts that have written for us, whether or not their tokens are here */
};

/* ---- pachca_error.c ---- */
struct pachca_error {
	const char *why;        /* "code: message (key); …", or the HTTP status in words; never a field's value */
	bool scope;             /* the token lacks a permission */
	bool email_taken, already, absent, rate, payment, licenses, deleted;
	bool restricted;        /* the token is shut for having ignored the limits */
};
/* our_text: what we sent (or NULL); it must not come back in why. */
void pachca_read_error(const struct http_resp *r, const char *our_text, struct arena *a, struct pachca_error *out);
/* An id from an answer (a whole number > 0, or its digits in a string) as a string, else NULL. */
const char *pachca_id(const struct jv *v, struct arena *a);
bool pachca_is_id(const char *s); /* 1..18 digits, no sign */
/* Puts the bytes into the arena and releases the buffer; NULL when it was too small. */
const char *pachca_keep(struct buf *b, struct arena *a, size_t *len);

/* ---- pachca_op.c ---- */
bool pachca_build(const struct target *t, const struct op *op, struct arena *a, struct http_req *out, struct err *e);
void pachca_parse(const struct target *t, const struct op *op, const struct http_resp *r, struct arena *a, struct outcome *out);
/* What a POST or EDIT really writes: never blank when there are files; the label cut to what fits. */
const char *pachca_content(const struct op *op, struct arena *a);
const char *pachca_label(const struct op *op, struct arena *a);

/* ---- pachca_undo.c ---- */
enum op_kind pachca_undoes(const struct op *op);
bool pachca_undo_build(const struct target *t, const struct op *op, const char *scope, struct arena *a, struct http_req *out, struct err *e);
void pachca_undo_done(const struct op *op, const struct http_resp *r, struct arena *a, struct outcome *out);
/* true: the refusal says that there is nothing left to take back. */
bool pachca_undo_refused(const struct op *op, const struct http_resp *r, const struct pachca_error *pe, struct arena *a, struct outcome *out);
/* PUT /users/ID: with or without access. */
bool pachca_access_build(const char *user, bool suspended, struct arena *a, struct http_req *out, struct err *e);

/* ---- pachca_upload.c ---- */
bool pachca_upload_build(const struct op *op, struct arena *a, struct http_req *out, struct err *e);
void pachca_upload_parse(const struct op *op, const struct http_resp *r, struct arena *a, struct outcome *out);
/* The name people see: the source's, with an extension that the key of the upload has too. Depends on the name alone. */
const char *pachca_file_name(const char *name, struct arena *a);
/* The name in the storage's key: ASCII, the same extension. */
const char *pachca_key_name(const char *name, struct arena *a);

/* ---- pachca_list.c ---- */
bool pachca_list_build(const struct target *t, enum list_kind kind, const char *scope, enum list_order order, const char *cursor,
                       struct arena *a, struct http_req *out, struct err *e);
bool pachca_list_parse(const struct target *t, enum list_kind kind, const struct http_resp *r, struct arena *a, struct page *out, struct err *e);

#endif
