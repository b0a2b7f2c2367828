/* adopt.h: rebuilds a lost ledger from the target, so that the next apply sends nothing that is there already.
 *
 * Walks what the archives and the mapping say should be in the target, in the order of writing, and looks each thing up in what
 * is there, by our authorship and the fingerprint; what is found is written into the ledger as intent and done. Nothing is written
 * to the target. What is missing or ambiguous is not adopted and reported: the next apply sends it. docs/rollback.md.
 */
#ifndef MVCHAT_ADOPT_H
#define MVCHAT_ADOPT_H

#include "replay/session.h"
#include "replay/stream.h"

struct adopt_result {
	int64_t adopted[OP_DELETE + 1];   /* rows written, by kind */
	int64_t known;                    /* rows that were there before */
	int64_t missing[OP_DELETE + 1];   /* expected and not found */
	int64_t ambiguous;                /* chats: several are like the one expected */
	int64_t accounts;                 /* that were found to be ours by what they wrote: their tokens were not given */
	int64_t closed;                   /* chats we may not read: what of theirs is there cannot be told */
	int64_t strangers;                /* messages of our account that nothing expected says */
	int64_t renamed;                  /* messages found under a name that their author no longer has */
	bool stopped;
};
struct adopt_args {
	struct session *session; struct stream *stream; struct spool *spool; const struct mapping *mapping; struct ledger *ledger;
	int64_t run;
	int settle_s;                     /* -1 = the traits': how long a request of the lost ledger's time may still arrive */
	const volatile int *stop;
	/* Who was called otherwise before, and how, newest first (NULL-terminated). renamed: a message was found under such a name. */
	const struct former { const char *person; const char *const *names; } *former; size_t n_former;
	void (*renamed)(void *ctx, const char *person, const char *name);
	/* One call for each thing not adopted. key may be NULL. */
	void (*missing)(void *ctx, enum op_kind kind, const char *lane, const struct opkey *key, const char *why);
	void (*progress)(void *ctx, int64_t convs_done, int64_t convs_total);
	void *ctx;
};
bool adopt_run(const struct adopt_args *args, struct adopt_result *out, struct err *e);

#endif
