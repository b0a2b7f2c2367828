/* archive.h: everything that was read, kept readable without us: a folder of static pages, or canonical JSON lines.
 *
 * Neither asks the target nor the ledger. The folder appears whole or not at all (a process that dies leaves DIR.tmp, which the
 * next attempt clears away; after a power cut make it again). The same archives and options give the same bytes. */
#ifndef MVCHAT_CLI_ARCHIVE_H
#define MVCHAT_CLI_ARCHIVE_H

#include "mapping/mapping.h"
#include "replay/spool.h"

#include <stdio.h>

struct archive_args {
	struct spool *spool;
	const struct mapping *mapping;  /* names of people; NULL = as the source has them */
	bool as_mapped;                 /* leave out what the mapping leaves out */
	bool no_files;                  /* name the files, copy none */
	bool replace;                   /* an earlier archive of ours in dir may be replaced */
	const char *zone;               /* for the times that people read */
	const char *dir, *scratch;
	const char *fetched;     /* folder of files fetched since the export (replay/filestore.h), or NULL */
};
struct archive_result { int64_t convs, messages, left_out, pages, files, file_bytes, bad_files; };

/* bad_files > 0 is no failure: those files are named on their pages as unreadable. */
bool archive_html(const struct archive_args *x, struct archive_result *out, struct err *e);
/* users, conversations, messages; one record a line. What the spool made up (first messages that are lost) is not written. */
bool archive_jsonl(const struct archive_args *x, FILE *f, struct archive_result *out, struct err *e);

#endif
