/* registry.c: the sources there are, and which of them an archive belongs to. A new source is one line here. */
#include "importers/importer.h"

#include "core/buf.h"

const struct importer *const importers[] = { &importer_slack, &importer_whatsapp, &importer_whatsapp_db, NULL };

enum { NAMES_MAX = 300 };

const struct importer *importer_named(const char *name)
{
	for (size_t i = 0; importers[i]; i++)
		if (streq(importers[i]->name, name))
			return importers[i];
	return NULL;
}

const struct importer *importer_choose(struct vault *v, struct err *e)
{
	const struct importer *best = NULL, *second = NULL;
	int top = 0;
	struct buf known;
	buf_init(&known, NAMES_MAX);
	for (size_t i = 0; importers[i]; i++) {
		int n = importers[i]->bid(v);
		buf_addf(&known, "%s%s", i ? "; " : "", err_word(importers[i]->summary));
		if (n > top) {
			best = importers[i];
			second = NULL;
			top = n;
		} else if (n && n == top) {
			second = importers[i];
		}
	}
	if (second) {
		err_set(e, ERR_ARCHIVE, "%s could be of \"%s\" or of \"%s\"", vault_path(v), best->name, second->name);
		err_hint(e, "name the format with --from %s or --from %s", best->name, second->name);
		best = NULL;
	} else if (!best) {
		err_set(e, ERR_ARCHIVE, "%s is no archive of a known kind", vault_path(v));
		err_hint(e, "known: %s", known.p);
	}
	buf_release(&known);
	return best;
}
