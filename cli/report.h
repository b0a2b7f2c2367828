/* report.h: one account, written down in several ways: text, Markdown, HTML, JUnit XML, JSON.
 *
 * A command fills struct report from what it knows (facts always; a run's or a verification's result when there was one) and
 * hands it to a writer. A file appears whole or not at all. No report holds the text of a message; every word that came from
 * an archive or a server is filtered (safe()) and escaped.
 */
#ifndef MVCHAT_REPORT_H
#define MVCHAT_REPORT_H

#include "cli/cmd.h"
#include "replay/engine.h"
#include "replay/verify.h"

#include <stdio.h>

enum report_kind { REPORT_PLAN, REPORT_RUN, REPORT_VERIFY, REPORT_ACCOUNT /* where things stand: mvchat report */, REPORT_ROLLBACK };

struct report_finding { enum finding finding; const char *lane, *source, *target, *url, *what; }; /* all but lane may be NULL */
enum { REPORT_FINDINGS_MAX = 10000 }; /* kept with their details; all are counted */

struct report_verify {
	struct verify_result result;
	struct report_finding *v; size_t n, cap;
	int64_t left_out;          /* findings beyond REPORT_FINDINGS_MAX */
	bool complete;             /* clean, and nothing is left to do */
};
/* For verify_args.finding: keeps one, copied into a. */
void report_found(struct report_verify *rv, struct arena *a, const struct report_finding *f);

/* What a rollback took back, or would. Words (word, sentence, why) are translated already. */
enum { REPORT_KINDS = 8, REPORT_REASONS = 16 };
struct report_kept { const char *why, *what, *lane, *source, *target, *url; }; /* all but why and lane may be NULL */
struct report_left { const char *name, *target; };
struct report_rollback {
	bool preview, complete;
	const char *scope;         /* a sentence */
	struct { const char *word, *json; int64_t was, left; } kinds[REPORT_KINDS]; size_t n_kinds; /* messages first */
	struct { const char *sentence, *json; int64_t n; bool fine; /* a choice or a stated limit */ } why[REPORT_REASONS]; size_t n_why;
	struct report_kept *v; size_t n, cap;
	int64_t left_out;          /* of v: beyond REPORT_FINDINGS_MAX */
	struct report_left *chats; size_t n_chats, cap_chats; /* emptied, renamed, archived */
	int64_t files_left;
};
void report_stays(struct report_rollback *rb, struct arena *a, const struct report_kept *k);
void report_chat_left(struct report_rollback *rb, struct arena *a, const char *name, const char *target);

struct report {
	enum report_kind kind;
	const struct facts *facts;
	struct spool *spool;                 /* archives, months, oddities; NULL = leave these out */
	const struct engine_result *run;     /* or NULL */
	const struct report_verify *verify;  /* or NULL */
	const struct report_rollback *rollback; /* or NULL; then the report is about nothing else */
	const char *target;                  /* exporter's name */
	const char *target_where;            /* whom we greeted, else the configured address; or NULL */
	bool offline;                        /* the target was not asked */
	uint8_t mapping_digest[DIGEST_BYTES];
	int64_t runs, last_done_us;          /* from the ledger */
	int64_t now_us;
};
/* Everything that does not depend on the command. p: mapping, spool and ledger are open; session if the target was asked. */
void report_init(struct report *r, enum report_kind kind, struct project *p, const struct facts *f);

struct report_format {
	const char *name, *extension;        /* "html", ".html" */
	bool (*write)(const struct report *r, FILE *f, struct err *e);
};
extern const struct report_format *const report_formats[]; /* NULL-terminated */
const struct report_format *report_format_named(const char *name);     /* by name or extension without the dot; NULL unknown */
const struct report_format *report_format_of(const char *path, struct err *e); /* by extension; NULL + err (ERR_USAGE) */

/* path NULL = standard output. */
bool report_write(const struct report *r, const struct report_format *fmt, const char *path, struct err *e);
/* --report: file names separated by commas. report_check before the work, so that a typing error costs nothing;
 * report_save after it (says on stderr what it wrote). list NULL = nothing to do. */
bool report_check(const char *list, struct err *e);
bool report_save(const struct report *r, const char *list, struct err *e);

/* What verify found, in a word; translated. */
const char *report_finding_word(enum finding f);
/* A sentence that plan or verify made (English), in the reader's language where its form is known. Returns out; never longer. */
const char *report_sentence(const char *english, char *out, size_t size);
/* The same for what an importer says of an archive. */
const char *hazard_sentence(const char *english, char *out, size_t size);
/* Facts of an archive: the key's name; the value, put into the reader's language where it is a known sentence. */
const char *fact_name(const char *key);
const char *fact_sentence(const char *english, char *out, size_t size);
enum { SENTENCE_MAX = 1024 };

/* Parts of the JSON form that the commands' --json shares. */
void report_json_run(const struct engine_result *r, struct jw *w);
void report_json_finding(const struct report_finding *f, struct jw *w);
void report_json_verify(const struct verify_result *r, bool complete, struct jw *w); /* inside an open object */

#endif
