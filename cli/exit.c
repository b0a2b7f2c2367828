#include "cli/exit.h"

#include "cli/i18n.h"

enum exit_code exit_of(enum err_code c)
{
	switch (c) {
	case ERR_NONE: return EX_DONE;
	case ERR_INTERNAL: return EX_INTERNAL;
	case ERR_USAGE: return EX_USAGE;
	case ERR_ARCHIVE: return EX_ARCHIVE;
	case ERR_MAPPING: return EX_MAPPING;
	case ERR_TARGET: return EX_TARGET;
	case ERR_PARTIAL: return EX_PARTIAL;
	case ERR_DIFF: return EX_DIFF;
	case ERR_LOCKED: return EX_LOCKED;
	case ERR_RECORD: return EX_ARCHIVE;
	}
	return EX_INTERNAL;
}

static const struct row { int code; const char *meaning, *remedy; } rows[] = {
#define X(n, name, what, next) { n, what, next },
	EXIT_CODES(X)
#undef X
	{ EX_INTERRUPTED, N_("interrupted; can be resumed"), N_("run the same command to go on") },
	{ EX_TERMINATED, N_("terminated; can be resumed"), N_("run the same command to go on") },
};

static const struct row *row_of(enum exit_code c)
{
	for (size_t i = 0; i < countof(rows); i++)
		if (rows[i].code == (int)c)
			return &rows[i];
	return &rows[1];
}

const char *exit_meaning(enum exit_code c)
{
	return _(row_of(c)->meaning);
}

const char *exit_remedy(enum exit_code c)
{
	return _(row_of(c)->remedy);
}
