/* importer.h: the contract of a source.
 *
 * An importer is pure: it takes a vault and pushes records; it opens no path or socket, reads no clock, locale or environment.
 * Same bytes in, same records out. The rules, tested for every importer on every fixture (tests/conform):
 *  1. Records come in file order, any order: sorting, merging, threading and lost roots are the spool's job. Users and
 *     conversations come before the messages that name them where the archive allows; authors found only in messages may
 *     come later (again): the spool keeps the best name_source.
 *  2. Two exports of one chat give the same ids for the same messages.
 *  3. What is pushed is borrowed from the step arena, which the importer resets between records; the sink copies.
 *  4. What is unusable goes to sink.bad with its place and is counted; nothing is dropped in silence.
 */
#ifndef MVCHAT_IMPORTER_H
#define MVCHAT_IMPORTER_H

#include "core/err.h"
#include "core/model.h"
#include "core/vault.h"

struct source; /* private to each importer */

/* Things worth telling a person about an archive; inspect shows each kind with its count and first place. */
enum hazard_level { HAZARD_NOTE, HAZARD_WARN, HAZARD_LOSS };

/* One device's copy of a chat that other devices may hold copies of, too: what other messengers keep on a server, WhatsApp keeps on
 * each phone. The spool puts the copies of one chat together, whatever they are called (replay/spool_merge.c). */
enum copy_ids {
	COPY_IDS_MADE,   /* message ids are computed by the importer: another device's may differ */
	COPY_IDS_NATIVE, /* the messenger's own: an equal id is an equal message, on every device */
};
enum copy_clock {
	COPY_CLOCK_LOCAL, /* times were written in the device's zone and read with the zone that was given: they may be off */
	COPY_CLOCK_UTC,   /* times are instants */
};
struct copy {
	const char *conv_id;
	const char *label;  /* for people: where it stands ("WhatsApp Chat with X.txt"); may be "" */
	const char *owner;  /* user id of the person whose device it is, or NULL */
	enum copy_ids ids;
	enum copy_clock clock;
	const char *zone;   /* COPY_CLOCK_LOCAL: the zone the times were read with; else NULL */
};

struct sink { /* given by the caller; every call copies what it needs; false = stop the walk */
	void *ctx;
	bool (*user)(void *ctx, const struct user *);
	bool (*conv)(void *ctx, const struct conv *);
	bool (*msg)(void *ctx, const char *conv_id, const struct msg *);
	bool (*bad)(void *ctx, const struct err *);              /* one unusable record (ERR_RECORD): msg, where */
	/* A counted oddity: `name` is a stable word ("orphan-reply"), where the place, what a sentence. */
	bool (*hazard)(void *ctx, enum hazard_level, const char *name, const char *where, const char *what);
	/* Facts about the archive as a whole, key -> value ("workspace", "first-day", "token-kind"…). */
	bool (*fact)(void *ctx, const char *key, const char *value);
	/* Optional, NULL in every sink but fetch's: an address that carries the export's own token, for a file that is only
	 * linked. It is told before the message; never stored, printed or logged. id is never NULL. */
	bool (*secret_url)(void *ctx, const char *conv_id, const struct file *f, const char *url);
	/* Optional: an app, bot or webhook, each once, after the last message. How often it posted is in the messages. */
	bool (*integration)(void *ctx, const struct integration *);
	/* Optional, NULL where nobody merges: what is pushed from now on for c->conv_id (its conv() and msg() calls) is a copy of
	 * its own, apart from what other copies, of this archive too, push under the same id. Told before the conversation. */
	bool (*copy)(void *ctx, const struct copy *c);
};

struct importer {
	const char *name;    /* "slack" */
	const char *summary; /* "Slack export (workspace, Grid, slackdump)" */
	/* Confidence 0..100 that this is ours; reads at most 64 KiB. A recognised but unsupported form bids too, and open says
	 * what to do. */
	int (*bid)(struct vault *v);
	/* options: "key=value" strings from the mapping (NULL-terminated), may be NULL. */
	struct source *(*open)(struct vault *v, const char *const *options, struct err *e);
	/* Identity of what is inside (workspace id or the like), the same in every export of it: for the ledger's bond. */
	const char *(*identity)(const struct source *s);
	bool (*walk)(struct source *s, const struct sink *sink, struct arena *step, struct err *e);
	void (*close)(struct source *s);
};

extern const struct importer importer_slack, importer_whatsapp, importer_whatsapp_db;
extern const struct importer *const importers[]; /* NULL-terminated; importers/registry.c */
/* The best bidder; NULL + err (ERR_ARCHIVE) naming the known formats when nobody bids, or when two bid the same. */
const struct importer *importer_choose(struct vault *v, struct err *e);
const struct importer *importer_named(const char *name);

#endif
