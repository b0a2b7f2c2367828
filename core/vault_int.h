/* vault_int.h: what the parts of the vault share. Only core/vault*.c include it. */
#ifndef MVCHAT_VAULT_INT_H
#define MVCHAT_VAULT_INT_H

#include "core/arena.h"
#include "core/buf.h"
#include "core/vault.h"
#include "core/vault_list.h"

#include <iconv.h>
#include <sys/stat.h>

/* One entry as it is handed out: a copy of what vault_list.c holds. `pub` is first: callers hold pointers to it. */
struct item {
	struct entry pub;
	size_t rank;             /* among the entries of its archive */
	const char *raw;         /* folder: the path below it as the file system spells it; NULL: as the name with the top folder before it */
	union {
		int64_t offset;  /* unpacked archive: where its bytes begin */
		uint64_t inner;  /* pub.within: the rank in that inner archive */
		struct { uint32_t offset_low; uint16_t offset_high, method; } zip; /* of the local header; header_at */
	} at;
	uint32_t crc;            /* zip: of the unpacked bytes */
};

struct vault {
	enum vault_kind kind;
	char *path, *top;
	char *scratch;           /* where private files are made, or NULL: $TMPDIR or /tmp */
	struct vault_limits limits;
	struct vault_list *list; /* of the entries */
	struct kept *kept;       /* vault.c: those that were handed out for good */
	size_t n;                /* entries taken in */
	struct item item;        /* the entry being looked at */
	int64_t total;           /* unpacked bytes of all entries */
	int fd;                  /* the folder, the zip, the bare file, or the unpacked bytes */
	int64_t zip_prefix;      /* bytes before the zip itself */
	int64_t zip_end;         /* in the file: where the directory begins and no entry's bytes may be any more */
	bool guessed;            /* the name being looked at was in no UTF-8 */
	bool backslashes;        /* '\\' separates folders in this zip */
	struct whole *spare;     /* a list: buffers that closed entries have left for the next ones */
	struct vault **inners;   /* archives within; pub.within - 1 is an index into them */
	size_t n_inners;
	struct unpacker *unpacker;
	struct ahead *ahead;     /* vault_ahead.c's */
	struct buf name;         /* the name being looked at */
	struct { size_t n; char first[200]; } odd[N_VAULT_ODDITY]; /* first: in order of names, maybe cut */
	iconv_t pages[3];        /* by enum page of vault.c; opened when first needed */
};

/* Looks at an entry: decodes and checks the name, counts it against the limits. true with *out = NULL: an entry that is left
 * out (a folder, "__MACOSX", ".DS_Store"). The caller fills the rest of *out, which is good until the next one is looked at, and then
 * takes it in: with its bytes counted, or without. */
bool vault_admit(struct vault *v, const char *raw, size_t n, struct item **out, struct err *e);
bool vault_take(struct vault *v, struct item *it, int64_t size, int64_t packed, struct err *e);
bool vault_take_sealed(struct vault *v, const struct item *it, struct err *e); /* of an encrypted entry nothing is known */
void vault_odd(struct vault *v, enum vault_oddity o); /* about v->name */
bool vault_refuse(struct err *e, const char *name, size_t n, const char *why);

enum found { FOUND_YES, FOUND_NO, FOUND_BROKEN /* and e is filled */ };

/* vault.c, for archives within: an empty vault; names sorted, archives within opened, the top folder taken away. */
struct vault *vault_new(const char *path, const struct vault_limits *limits, const char *scratch);
bool vault_settle(struct vault *v, int depth, struct err *e);
bool vault_has(struct vault *v, const char *name);
struct vfile *vault_read_item(struct vault *v, const struct item *it, struct err *e); /* it: copied, but for its name */
/* vault_nest.c: depth: how many archives this one lies in */
bool vault_nest(struct vault *v, int depth, struct err *e);

/* vault_dir.c */
bool vault_load_dir(struct vault *v, struct err *e);
int vault_open_item(const struct vault *v, const struct item *it, struct err *e); /* an open regular file, or -1 */
/* Names, sizes and times of everything below, in the order of names; memory for the names of one folder at a time. */
bool vault_dir_digest(int root, struct digest *d, struct err *e);

/* vault_zip.c: on FOUND_YES the vault owns fd. */
enum found vault_load_zip(struct vault *v, int fd, int64_t size, struct err *e);
enum found vault_zip_digest(int fd, int64_t size, struct digest *d, struct err *e); /* the directory, in constant memory */
bool vault_read_at(int fd, void *dst, size_t n, int64_t at); /* all n bytes */

static inline uint32_t vault_le16(const uint8_t *p)
{
	return (uint32_t)(p[0] | p[1] << 8);
}

static inline uint32_t vault_le32(const uint8_t *p)
{
	return vault_le16(p) | vault_le16(p + 2) << 16;
}

/* vault_inflate.c: the bytes of a zip's entry */
struct zip_bytes;
struct zip_bytes *vault_zip_open(struct vault *v, const struct item *it, struct err *e);
ptrdiff_t vault_zip_read(struct zip_bytes *f, char *dst, size_t n, struct err *e);
void vault_zip_close(struct zip_bytes *f);
void vault_zip_discard(struct vault *v);

/* vault_other.c: the entry whose local header of that many bytes begins there; NULL + err. It is no longer than the vault. */
struct other;
struct other *vault_other_open(const struct vault *v, const struct item *it, int64_t begins, int64_t header, struct err *e);
ptrdiff_t vault_other_read(struct other *o, char *dst, size_t n); /* -1: vault_other_why says what is wrong */
const char *vault_other_why(struct other *o);
void vault_other_close(struct other *o); /* NULL is fine */

/* A small entry, unpacked. */
struct whole {
	struct whole *next;      /* among the spare ones */
	uint8_t *out;
	size_t cap, n;           /* bytes in `out` */
	bool crc_wrong;
};
bool whole_fits(const struct item *it);
struct whole *whole_take(struct vault *v);
void whole_give_back(struct vault *v, struct whole *w);
void whole_free(struct whole *w);
/* What unpacking needs besides: one for each thread that does it. */
struct unpacker;
struct unpacker *unpacker_new(void);
void unpacker_free(struct unpacker *u); /* NULL is fine */
/* Reads and unpacks all of it. Touches nothing of the vault but its file, so that a worker may do it. false: something is wrong;
 * whoever reads the entry as a stream finds out what. */
bool whole_fill(struct whole *w, struct unpacker *u, const struct vault *v, const struct item *it);

/* vault_ahead.c: the entry, if it has been unpacked already, else NULL; and what is likely to be read next is begun with. */
struct whole *vault_ahead_take(struct vault *v, const struct item *it);
void vault_ahead_close(struct vault *v); /* before anything of the vault goes */

/* vault_at.c */
bool vault_write_all(int fd, const char *p, size_t n, struct err *e);

/* vault_digest.c */
void vault_digest_number(struct digest *d, uint64_t n);
/* One file of a folder or for itself. fd: of what may be opened as a zip, and counts with its directory; else -1. */
void vault_file_digest(int fd, const char *name, const struct stat *st, struct digest *d);

/* vault_unpack.c */
bool vault_is_archive(int fd); /* something that libarchive unpacks, by its first header; moves the file's offset */
enum found vault_load_archive(struct vault *v, int fd, const char *scratch, struct err *e);

#endif
