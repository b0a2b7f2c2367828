/* exit.h: the exit codes, in one table: the program, the man page and the tests read it from here. */
#ifndef MVCHAT_EXIT_H
#define MVCHAT_EXIT_H

#include "core/err.h"

#define EXIT_CODES(X) \
	X(0, DONE, N_("done"), N_("go on")) \
	X(1, INTERNAL, N_("internal failure: a bug, the disk, memory"), N_("run the same command again; if it stays, report it")) \
	X(2, USAGE, N_("command line or mapping syntax"), N_("correct what the message names")) \
	X(3, ARCHIVE, N_("archive unreadable or not recognised"), N_("check the file; 'mvchat inspect FILE' says more")) \
	X(4, MAPPING, N_("mapping incomplete under the chosen policy"), N_("decide what 'mvchat map' lists, then go on")) \
	X(5, TARGET, N_("the target refused us: permission or network"), N_("check the address, the tokens and the network, then run again")) \
	X(6, PARTIAL, N_("incomplete but safe: rejected, in doubt or stopped"), N_("read the report, then run again")) \
	X(7, DIFF, N_("a difference: plan not empty with --exit-code, verify found drift"), N_("look at it, then decide")) \
	X(8, LOCKED, N_("ledger locked, or of another source and target"), N_("wait for the other process, or choose another project folder"))

enum exit_code {
#define X(n, name, what, next) EX_##name = (n),
	EXIT_CODES(X)
#undef X
	EX_INTERRUPTED = 130,
	EX_TERMINATED = 143,
};

enum exit_code exit_of(enum err_code c);
const char *exit_meaning(enum exit_code c); /* translated */
const char *exit_remedy(enum exit_code c);  /* translated: the sentence that says what to do */

#endif
