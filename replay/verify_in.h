/* verify_in.h: what verify.c (messages, lane by lane) and verify_chats.c (people and chats) share. Nobody else includes it. */
#ifndef MVCHAT_VERIFY_IN_H
#define MVCHAT_VERIFY_IN_H

#include "core/table.h"
#include "replay/verify.h"

struct chat { const char *id, *conv; int64_t num; uint64_t name_fp; bool created, seen; struct chat *also; /* another conversation in it */ };

struct verify {
	const struct verify_args *args;
	struct verify_result *out;
	const struct exporter *ex;
	struct arena arena;      /* chats and people */
	struct arena step;       /* one row */
	struct table chats;      /* target chat id -> struct chat */
	struct table users;      /* target user id -> a non-NULL value, verify_unseen until it is listed */
	bool edits, deletes;     /* has the ledger any? */
	struct other_file *others; /* newest first; told at the end, if the target turns out to keep what OP_UPLOAD left */
	int64_t lanes, lanes_done;
	struct lane_ref { int64_t num; const char *name; uint64_t rank; } *refs; size_t n_refs, cap_refs;
	int64_t lane_budget;     /* messages still to look at in this lane; sampling only */
	struct err *err;
	bool failed;
};

extern char verify_unseen[];

static inline bool verify_stopping(const struct verify *v)
{
	return v->args->stop && *v->args->stop;
}

void verify_tell(struct verify *v, enum finding f, const char *lane, const struct opkey *k, const char *chat, const char *target, const char *what);
/* People we created, chats, who is in them: asked for when all lanes have told what to expect. false: reading failed. */
bool verify_people(struct verify *v);
bool verify_chats(struct verify *v);

#endif
