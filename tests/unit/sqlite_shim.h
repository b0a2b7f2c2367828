/* sqlite_shim.h: a VFS below SQLite that hands everything on to the real one, and tells a test what is written and synced. Included by one
 * .c of a program. The hooks are set before shim_install. */
#include "core/base.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct shim_file { sqlite3_file base; sqlite3_file *real; char path[300]; void *own; sqlite3_io_methods methods; };
static struct shim_hooks {
	void (*opened)(struct shim_file *f, bool there); /* there: it was there before */
	void (*write)(struct shim_file *f, const void *data, int n, sqlite3_int64 at); /* before it is done */
	void (*truncate)(struct shim_file *f, sqlite3_int64 n);                        /* before it is done */
	void (*sync)(struct shim_file *f);                                             /* before it is done */
	void (*synced)(struct shim_file *f);
	int sector; /* a disk with sectors of this size that promises nothing: no atomic writes, no safe overwriting; 0 = as the real one */
} shim_hooks;
static sqlite3_vfs shim, *unix_vfs;

#define SELF(f) ((struct shim_file *)(void *)(f))
#define REAL(f) (SELF(f)->real)
static int sh_close(sqlite3_file *f) { int rc = REAL(f)->pMethods->xClose(REAL(f)); free(REAL(f)); return rc; }
static int sh_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at) { return REAL(f)->pMethods->xRead(REAL(f), p, n, at); }
static int sh_size(sqlite3_file *f, sqlite3_int64 *n) { return REAL(f)->pMethods->xFileSize(REAL(f), n); }
static int sh_lock(sqlite3_file *f, int n) { return REAL(f)->pMethods->xLock(REAL(f), n); }
static int sh_unlock(sqlite3_file *f, int n) { return REAL(f)->pMethods->xUnlock(REAL(f), n); }
static int sh_reserved(sqlite3_file *f, int *n) { return REAL(f)->pMethods->xCheckReservedLock(REAL(f), n); }
static int sh_control(sqlite3_file *f, int op, void *p) { return REAL(f)->pMethods->xFileControl(REAL(f), op, p); }
static int sh_sector(sqlite3_file *f) { return shim_hooks.sector ? shim_hooks.sector : REAL(f)->pMethods->xSectorSize(REAL(f)); }
static int sh_traits(sqlite3_file *f) { return shim_hooks.sector ? 0 : REAL(f)->pMethods->xDeviceCharacteristics(REAL(f)); }
static int sh_map(sqlite3_file *f, int a, int b, int c, void volatile **p) { return REAL(f)->pMethods->xShmMap(REAL(f), a, b, c, p); }
static int sh_shmlock(sqlite3_file *f, int a, int b, int c) { return REAL(f)->pMethods->xShmLock(REAL(f), a, b, c); }
static void sh_barrier(sqlite3_file *f) { REAL(f)->pMethods->xShmBarrier(REAL(f)); }
static int sh_unmap(sqlite3_file *f, int n) { return REAL(f)->pMethods->xShmUnmap(REAL(f), n); }

static int sh_write(sqlite3_file *f, const void *data, int n, sqlite3_int64 at)
{
	if (shim_hooks.write)
		shim_hooks.write(SELF(f), data, n, at);
	return REAL(f)->pMethods->xWrite(REAL(f), data, n, at);
}

static int sh_truncate(sqlite3_file *f, sqlite3_int64 n)
{
	if (shim_hooks.truncate)
		shim_hooks.truncate(SELF(f), n);
	return REAL(f)->pMethods->xTruncate(REAL(f), n);
}

static int sh_sync(sqlite3_file *f, int flags)
{
	if (shim_hooks.sync)
		shim_hooks.sync(SELF(f));
	int rc = REAL(f)->pMethods->xSync(REAL(f), flags);
	if (shim_hooks.synced)
		shim_hooks.synced(SELF(f));
	return rc;
}

static int sh_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out)
{
	(void)v;
	struct shim_file *s = SELF(f);
	bool there = name && access(name, F_OK) == 0;
	s->real = xcalloc(1, (size_t)unix_vfs->szOsFile);
	snprintf(s->path, sizeof(s->path), "%s", name ? name : "");
	int rc = unix_vfs->xOpen(unix_vfs, name, s->real, flags, out);
	if (shim_hooks.opened)
		shim_hooks.opened(s, there);
	s->methods = (sqlite3_io_methods){ 2, sh_close, sh_read, sh_write, sh_truncate, sh_sync, sh_size, sh_lock, sh_unlock, sh_reserved,
		sh_control, sh_sector, sh_traits, sh_map, sh_shmlock, sh_barrier, sh_unmap, NULL, NULL };
	s->base.pMethods = rc == SQLITE_OK ? &s->methods : NULL;
	if (rc != SQLITE_OK)
		free(s->real);
	return rc;
}

/* From now on all databases of this process lie on it. */
static void shim_install(struct shim_hooks hooks)
{
	shim_hooks = hooks;
	unix_vfs = sqlite3_vfs_find(NULL);
	shim = *unix_vfs;
	shim.zName = "power";
	shim.szOsFile = sizeof(struct shim_file);
	shim.xOpen = sh_open;
	sqlite3_vfs_register(&shim, 1);
}
