/* stage.h: the stages of a replay, each once: the single commands and `mvchat move` call the same functions.
 *
 * The project's parts a stage needs are open already (project.h); what a stage allocates lives in the project's arena. */
#ifndef MVCHAT_STAGE_H
#define MVCHAT_STAGE_H

#include "cli/hours.h"
#include "cli/report.h"

/* What a new mvchat.yaml shall say; NULL = the default. */
struct map_wish { const char *to, *url, *zone, *unmatched; };
enum archives_at { ARCHIVES_NAMED, ARCHIVES_OF_MAPPING }; /* as given on the command line, or as mvchat.yaml has them */
bool stage_survey(struct project *p, enum archives_at at, const struct map_wish *wish, const struct snapshot *snap, struct survey *out, struct err *e);

/* What people have changed in the mapping since it was last replayed (or drafted); m: the mapping as it is now. */
size_t stage_changes(struct project *p, const struct mapping *m, const struct mapping_change **out);
bool stage_accepted(struct project *p); /* was it ever replayed or drafted? */
/* From now on changes are counted from here. What cannot be written is told as a warning: nothing depends on it. */
void stage_accept(struct project *p, const struct mapping *m);

/* Where everything stands. snap NULL = without a look at the target (a session is then not needed either). */
bool stage_facts(struct project *p, const struct snapshot *snap, struct facts *f, struct err *e);
/* Asks the target's permissions for what the facts still need, before the first write. */
bool stage_allowed(struct project *p, const struct facts *f, struct err *e);
enum consent { CONSENT_ASK, CONSENT_GIVEN };
/* again: the command to type where nobody can be asked. */
bool stage_confirm(enum consent consent, const struct facts *f, const char *again, struct err *e);

struct stage_replay {
	const char *command;              /* "apply": what the ledger calls the run */
	int64_t max_ops, rate /* percent; 0 = 100 */, settle /* -1 = the traits' */, max_wait;
	int64_t small_first;              /* engine_args.small_first */
	int64_t window;                   /* engine_args.window_s */
	struct hours *quiet;              /* or NULL */
	void (*progress)(void *ctx, const struct engine_progress *p); /* NULL = progress_engine */
	void *ctx;
	/* results */
	struct engine_result result;
	struct facts after;
	int64_t open;                     /* writes still in doubt after the run, of whatever run */
	bool has_after;                   /* result and after are filled, also when the engine failed */
	int64_t run;                      /* the ledger's number, 0 = it did not begin */
};
/* Ties the ledger to the pair and replays. false: refused or failed; has_after tells whether there is an account. Either way
 * stage_replay_end writes the run's exit code down. */
bool stage_replay(struct project *p, const struct snapshot *snap, struct facts *before /* emptied when something is to be written */, struct stage_replay *s, struct err *e);
void stage_replay_end(struct project *p, const struct stage_replay *s, int code);
int stage_replay_code(const struct stage_replay *s); /* of one that returned true */

struct stage_verify {
	struct jw *w;                     /* findings go there as JSON; NULL = the first 50 are printed */
	struct report_verify *report;     /* or NULL: keeps them for a report */
	int64_t sample; uint64_t seed;    /* verify_args */
	bool keep_lost;                   /* fill lost, for verify_repair */
	const struct facts *known;        /* the account of the ledger as it stands, or NULL: it is made */
	/* results */
	struct verify_result result;
	struct facts facts;
	int64_t findings;
	bool left;                        /* something is left to do */
	bool complete;                    /* all was looked at, clean, and nothing is left to do */
	struct opkey *lost; size_t n_lost, cap_lost; /* the caller frees lost; ids live in the project's arena */
	char verdict[400];
};
bool stage_verify(struct project *p, struct stage_verify *v, struct err *e);

#endif
