/* verify.h: reads the target back and compares it with the ledger: match, missing, altered, foreign, out of order. */
#ifndef MVCHAT_VERIFY_H
#define MVCHAT_VERIFY_H

#include "replay/ledger.h"
#include "replay/session.h"

enum finding { FIND_MATCH, FIND_MISSING, FIND_ALTERED, FIND_FOREIGN, FIND_MISPLACED, FIND_TWICE, N_FINDING };
struct verify_result {
	int64_t messages[N_FINDING];      /* FOREIGN: other people's, not counted against us */
	int64_t users_ok, users_missing, chats_ok, chats_missing, members_missing, privacy_wrong, archived_wrong;
	int64_t lists;                    /* requests made */
	bool clean;                       /* nothing missing, altered, misplaced, twice */
};
struct verify_args {
	struct session *session; struct ledger *ledger;
	/* one row per finding other than MATCH and FOREIGN; url may be NULL */
	void (*finding)(void *ctx, enum finding f, const char *lane, const struct opkey *k, const char *target, const char *url, const char *what);
	void (*progress)(void *ctx, int64_t lanes_done, int64_t lanes_total);
	void *ctx;
	const volatile int *stop;
};
bool verify_run(const struct verify_args *args, struct verify_result *out, struct err *e);

#endif
