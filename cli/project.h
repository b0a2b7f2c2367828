/* project.h: a project folder as the commands use it: mapping, archives, spool, ledger, a session with the target.
 *
 * Everything is opened on demand and closed by project_close. State lives in DIR/.mvchat (0700). */
#ifndef MVCHAT_PROJECT_H
#define MVCHAT_PROJECT_H

#include "cli/opts.h"
#include "importers/importer.h"
#include "mapping/mapping.h"
#include "replay/filestore.h"
#include "replay/ledger.h"
#include "replay/session.h"
#include "replay/spool.h"

struct project {
	const char *dir;
	const char *date_order;      /* --date-order, or NULL: for archives whose mapping says nothing */
	const char *key_file;        /* --key, or NULL: likewise */
	char *state;                 /* DIR/.mvchat */
	struct arena arena;          /* the run's */
	struct arena facts;          /* what stage_facts has counted */
	bool noted;                  /* ... and its last note says what has changed in the mapping */
	uint32_t wish;               /* enum stream_wish: what apply is asked to do besides */
	int64_t examples;            /* of each rule in the plan: private text */
	struct mapping *mapping;
	struct spool *spool;
	struct filestore *fetched;   /* files fetched since the export; open with the spool */
	struct vault *store;         /* their bytes; opened when one is streamed */
	struct ledger *ledger;
	struct session *session;
	struct vault **vaults; size_t n_vaults;   /* by archive index; opened when a file is streamed */
	const struct mapping_archive *archives; size_t n_archives; /* paths made relative to here */
};

void project_init(struct project *p, const struct args *a);
void project_at(struct project *p, const char *dir);        /* the same for a folder; dir is borrowed */
void project_close(struct project *p);
bool project_state_dir(struct project *p, struct err *e);  /* makes DIR/.mvchat, 0700 */
/* people.unmatched: fail, and somebody is undecided: refused, or not; or tables are missing, even, that are about to be drafted. */
enum decided { DECIDED_ALL, DECIDED_OR_NOT, DECIDED_DRAFT };
bool project_mapping_as(struct project *p, enum decided need, struct err *e);
bool project_mapping(struct project *p, struct err *e);     /* loads mvchat.yaml and the tables; sets archives */
/* The spool of these archives: reused when nothing changed, else read anew (progress on stderr). */
bool project_spool(struct project *p, struct err *e);
bool project_ledger(struct project *p, enum ledger_mode mode, struct err *e);
/* Greets the target the mapping names (or, for a first draft, the exporter and url given). need_tokens false: *no_session is
 * set instead of an error when there is no token at all. */
enum tokens { TOKENS_NEEDED, TOKENS_OPTIONAL };
bool project_session(struct project *p, const struct args *a, const char *exporter, const char *url, enum tokens need, struct err *e);

/* Reads one archive into a sink: opens, recognises (when ar->format is NULL), walks. */
bool archive_walk(const struct mapping_archive *ar, const struct sink *sink, const char *scratch, struct err *e);
/* --date-order as given, checked; *out NULL when it was not. */
bool date_order_given(const struct args *a, const char **out, struct err *e);
/* Builds a spool from archives at `path`. past: what was written before, or NULL. */
bool archives_read(const char *spool_path, const struct mapping_archive *v, size_t n, const char *scratch, const struct spool_past *past,
                   struct spool **out, struct err *e);

#endif
