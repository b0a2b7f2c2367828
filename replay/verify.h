/* verify.h: reads the target back and compares it with the ledger: match, missing, altered, foreign, out of order. */
#ifndef MVCHAT_VERIFY_H
#define MVCHAT_VERIFY_H

#include "replay/ledger.h"
#include "replay/session.h"

enum finding { FIND_MATCH, FIND_MISSING, FIND_ALTERED, FIND_FOREIGN, FIND_MISPLACED, FIND_TWICE, N_FINDING };
struct verify_result {
	int64_t messages[N_FINDING];      /* FOREIGN: other people's, not counted against us */
	int64_t users_ok, users_missing, chats_ok, chats_missing;
	int64_t members_missing;          /* people, their roles, and tags */
	int64_t privacy_wrong, archived_wrong, names_wrong; /* chats */
	int64_t files_ok, files_other;    /* the very file that was uploaded, or another one of its name; only where the target tells which */
	int64_t lists;                    /* requests made */
	bool clean;                       /* nothing missing, altered, misplaced, twice, and nothing wrong with people and chats */
	int64_t reactions_ok, reactions_missing; /* those we made */
	bool sampled;                     /* args.sample left something out */
	bool stopped;                     /* by args.stop: the counts cover a part only, and clean is false */
};
struct verify_args {
	struct session *session; struct ledger *ledger;
	/* one row per finding other than MATCH and FOREIGN; url may be NULL. k: the source's message, or NULL where the finding
	 * is about a person or a chat (f is then MISSING or ALTERED), or about a message that the ledger has in another chat. */
	void (*finding)(void *ctx, enum finding f, const char *lane, const struct opkey *k, const char *target, const char *url, const char *what);
	void (*progress)(void *ctx, int64_t lanes_done, int64_t lanes_total);
	/* Optional, about a source conversation: the target chat it was adopted into (NULL: it was not; chats that were created
	 * are in the ledger); should it be public (1), private (0), or is that not known (-1); target ids of the people who
	 * should be in it (asked only where members were added; none, when some are still to join). */
	const char *(*chat_of)(void *ctx, const char *source_conv);
	int (*public_of)(void *ctx, const char *source_conv);
	const char *const *(*members_of)(void *ctx, const char *source_conv, size_t *n);
	/* Optional: a message that is missing at the very end of its lane, so that writing it again keeps the order (verify_repair). */
	void (*lost)(void *ctx, const struct opkey *k);
	int64_t sample;    /* look at about so many messages, of lanes chosen by seed, each from its beginning; 0 = all */
	uint64_t seed;
	void *ctx; /* for all of these */
	const volatile int *stop;
};
/* Puts lost messages back to "to do": their rows become GONE and the next apply sends them. What cannot be sent again without
 * leaving its thread behind is left (*refused). Inside no transaction; true: it is on disk. */
bool verify_repair(struct ledger *l, const struct opkey *lost, size_t n, int64_t *repaired, int64_t *refused, struct err *e);
/* What is wrong with people, chats, reactions and files, as one number. */
int64_t verify_other_things(const struct verify_result *r);
bool verify_run(const struct verify_args *args, struct verify_result *out, struct err *e);

#endif
