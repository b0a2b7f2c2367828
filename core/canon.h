/* canon.h: records as canonical JSON lines, the form the spool keeps and `--dump`, `--to jsonl` and goldens show.
 *
 * One object per line; `type` first ("user", "conv", "msg"); keys absent where the value is the default. The format is
 * documented in docs/mvchat-jsonl.5; fields are only ever added. Reading back what was written gives an equal record.
 */
#ifndef MVCHAT_CANON_H
#define MVCHAT_CANON_H

#include "core/model.h"
#include "core/err.h"

void canon_user(const struct user *u, struct buf *out);
/* {"type":"integration",…}: what --dump prints; nothing reads it back. */
void canon_integration(const struct integration *in, struct buf *out);
void canon_conv(const struct conv *c, struct buf *out);
/* conv_id may be NULL: the key is then left out (the spool knows it). */
void canon_msg(const struct msg *m, const char *conv_id, struct buf *out);
bool canon_read_user(const char *s, size_t n, struct arena *a, struct user *out, struct err *e);
bool canon_read_conv(const char *s, size_t n, struct arena *a, struct conv *out, struct err *e);
bool canon_read_msg(const char *s, size_t n, struct arena *a, struct msg *out, const char **conv_id, struct err *e);
/* Change detection: a hash over what a reader would call the content (text, kind, author, files, reactions, edited). */
uint64_t canon_msg_fp(const struct msg *m);

const char *conv_kind_name(enum conv_kind k);  /* "public", "private", "group", "dm" */
const char *msg_kind_name(enum msg_kind k);    /* "text", "me", "bot", "join", … */
const char *file_state_name(enum file_state s);
const char *file_kind_name(enum file_kind k);

#endif
