/* ledger_mark.c: is the ledger the newest one of this project, or a copy of an earlier day that somebody put back?
 *
 * An old copy lacks what was written since, and everything it lacks would be written a second time: the one case that settling
 * cannot find out, because it trusts that what is not in the ledger was not sent. So a second file, ledger.db-mark, counts the
 * intents that were committed, and is looked at when the ledger is opened for writing:
 *
 *   ledger behind the mark, or of another identity, or with intents and no mark at all  →  outdated: nothing may be written
 *   ledger ahead of the mark (we died between the two, or the power went)               →  in order
 *   mark of UNFINISHED intents                                                          →  being rebuilt, and that has not ended well
 *
 * It also says which account the ledger belonged to: when the ledger is gone, another account would find nothing of its own in the
 * target and write everything a second time, so it is refused (ledger_bond).
 *
 * Promises: the mark is never ahead of a ledger that was not exchanged, because it is raised after the commit and before the
 * requests of that commit leave; raising it is one write of a few bytes and no sync. `verify --adopt` is the way back: it fills
 * the ledger from the target and then sets the mark anew.
 * Does not notice a whole state folder put back, mark and all: docs/replay.md says so.
 * Called by ledger.c and ledger_open.c. */
#include "replay/ledger.h"

#include "replay/ledger_db.h"
#include "core/hash.h"
#include "core/log.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define MARK_NAME "ledger.db-mark"
#define MARK_MAGIC "mvchat mark 2\n" /* with its NUL and one more: 16 bytes */
#define MARK_MAGIC_1 "mvchat mark 1\n" /* has no bond */
enum { MARK_BYTES = 512 /* one sector: never torn */, MARK_BYTES_1 = 40, BOND_AT = 40 };
#define UNFINISHED INT64_MAX /* intents of a mark: whatever the ledger says, it lacks what the target holds */

struct mark { int64_t ident, intents; char bond[LEDGER_BOND_MAX]; /* the target's half; "" = not known */ };

/* magic, ident, intents, XXH3 of these and of the bond, the bond; in the byte order of this machine: the file never leaves it. */
static void encode(unsigned char out[MARK_BYTES], const struct mark *m)
{
	memset(out, 0, MARK_BYTES);
	memcpy(out, MARK_MAGIC, sizeof(MARK_MAGIC) - 1);
	memcpy(out + 16, &m->ident, 8);
	memcpy(out + 24, &m->intents, 8);
	memcpy(out + BOND_AT, m->bond, strlen(m->bond));
	uint64_t sum = hash64(out + BOND_AT, MARK_BYTES - BOND_AT, hash64(out, 32, 0));
	memcpy(out + 32, &sum, 8);
}

static bool decode(const unsigned char *in, size_t n, struct mark *m)
{
	unsigned char again[MARK_BYTES];
	bool first = n == MARK_BYTES_1 && memcmp(in, MARK_MAGIC_1, sizeof(MARK_MAGIC_1) - 1) == 0;
	*m = (struct mark){ 0 };
	if (!first && n != MARK_BYTES)
		return false;
	memcpy(&m->ident, in + 16, 8);
	memcpy(&m->intents, in + 24, 8);
	if (first) {
		uint64_t sum = hash64(in, 32, 0);
		return memcmp(in + 32, &sum, 8) == 0;
	}
	memcpy(m->bond, in + BOND_AT, sizeof(m->bond) - 1);
	encode(again, m);
	return memcmp(in, again, MARK_BYTES) == 0;
}

static void encode_ledger(unsigned char out[MARK_BYTES], const struct ledger *l, int64_t intents)
{
	struct mark m = { l->ident, intents, "" };
	memcpy(m.bond, l->bond[0] ? l->bond : l->marked_bond, sizeof(m.bond));
	encode(out, &m);
}

enum ledger_age ledger_mark_read(struct ledger *l, const char *dir)
{
	char path[4096];
	unsigned char b[MARK_BYTES + 1];
	struct mark m;
	int fd = fmt_into(path, sizeof(path), "%s/" MARK_NAME, dir) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t n = fd >= 0 ? pread(fd, b, sizeof(b), 0) : -1;
	bool there = n > 0 && decode(b, (size_t)n, &m);
	if (fd >= 0)
		close(fd);
	if (there && m.intents > 0)
		memcpy(l->marked_bond, m.bond, sizeof(m.bond));
	if (!there)
		return l->intents > 0 ? LEDGER_UNPROVEN : LEDGER_NEWEST;
	if (m.intents == UNFINISHED)
		return LEDGER_UNFINISHED;
	if (m.ident != l->ident)
		return m.intents > 0 ? l->intents > 0 ? LEDGER_EXCHANGED : LEDGER_LOST : l->intents > 0 ? LEDGER_UNPROVEN : LEDGER_NEWEST;
	return m.intents > l->intents ? LEDGER_BEHIND : LEDGER_NEWEST;
}

bool ledger_mark_open(struct ledger *l, const char *dir, struct err *e)
{
	char path[4096];
	if (!fmt_into(path, sizeof(path), "%s/" MARK_NAME, dir))
		return err_set(e, ERR_USAGE, "the name of the state folder is too long");
	l->mark_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (l->mark_fd < 0)
		return err_set(e, ERR_INTERNAL, "cannot open %s:", path);
	return true;
}

static bool write_mark(struct ledger *l, const char *dir, int64_t intents, struct err *e)
{
	unsigned char b[MARK_BYTES];
	encode_ledger(b, l, intents);
	/* Synced once: a mark that the power cut took away would look like a ledger that was carried here. */
	if (pwrite(l->mark_fd, b, sizeof(b), 0) != (ssize_t)sizeof(b) || fsync(l->mark_fd) != 0)
		return err_set(e, ERR_INTERNAL, "cannot write %s:", dir);
	int d = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d >= 0) {
		fsync(d);
		close(d);
	}
	return true;
}

bool ledger_mark_set(struct ledger *l, const char *dir, struct err *e)
{
	if (!write_mark(l, dir, l->intents, e))
		return false;
	l->marked = l->intents;
	return true;
}

bool ledger_mark_shut(struct ledger *l, const char *dir, struct err *e)
{
	return write_mark(l, dir, UNFINISHED, e);
}

void ledger_mark_raise(struct ledger *l)
{
	unsigned char b[MARK_BYTES];
	if (l->mark_fd < 0 || l->outdated || l->marked == l->intents)
		return;
	encode_ledger(b, l, l->intents);
	if (pwrite(l->mark_fd, b, sizeof(b), 0) != (ssize_t)sizeof(b))
		log_warn("ledger.mark", "the mark beside the ledger cannot be written: an old copy put back would not be noticed");
	l->marked = l->intents;
}

bool ledger_mark_belongs(const struct ledger *l, const char *target_id, struct err *e)
{
	if (!l->marked_bond[0] || streq(l->marked_bond, target_id))
		return true;
	err_set(e, ERR_LOCKED, "the ledger that is gone belonged to %s, not to %s: what that account wrote would not be known again, and be written a second time",
	        l->marked_bond, target_id);
	return err_hint(e, "give the token of the bot that made the chats; or, for another target, use a new project folder");
}

bool ledger_outdated(const struct ledger *l)
{
	return l->outdated;
}

bool ledger_refused(enum ledger_age age, struct err *e)
{
	switch (age) {
	case LEDGER_NEWEST:
		return true;
	case LEDGER_LOST:
		err_set(e, ERR_LOCKED, "the ledger of this project is gone: what it held is in the target and would be written a second time");
		break;
	case LEDGER_BEHIND:
		err_set(e, ERR_LOCKED, "the ledger is an older copy: more was written since, and would be written a second time");
		break;
	case LEDGER_EXCHANGED:
		err_set(e, ERR_LOCKED, "the ledger is not the one this project has written with");
		break;
	case LEDGER_UNPROVEN:
		err_set(e, ERR_LOCKED, "the ledger came here without its mark (ledger.db-mark): whether it is the newest cannot be told");
		break;
	case LEDGER_UNFINISHED:
		err_set(e, ERR_LOCKED, "rebuilding the ledger has not ended well: what it lacks would be written a second time");
		err_hint(e, "clear up what it told, then run it again (or take the ledger as it is, with --accept): mvchat verify --adopt");
		return false;
	}
	return err_hint(e, "compare it with the target and complete it: mvchat verify --adopt");
}
