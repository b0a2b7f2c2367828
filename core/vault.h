/* vault.h: one read-only view of whatever a person hands over: a folder, a zip, a tar.*, anything libarchive reads.
 *
 * Promises: names are UTF-8, relative, without "..", NUL or control characters; one common top folder is taken away
 * (vault_top tells it); "__MACOSX/", ".DS_Store" and folder entries do not appear. Zip: the central directory is the only
 * truth; name bytes that are valid UTF-8 are UTF-8 whatever the flag says, else CP866 or CP1251 where that gives Cyrillic, else CP437.
 * Links, devices, absolute names and names leading out are refused with an error that names them; so are archives beyond the
 * limits (a bomb). Nothing is ever written beside the archive; formats without random access (tar) are unpacked once into one
 * private file under `scratch` that has no name any more, so nothing stays behind however the program ends.
 *
 * Exports collected in a zip, a tar or a folder: the inner zips appear as folders of their names ("Chat A.zip/_chat.txt"), two deep; which
 * ones, vault_nest.c says.
 *
 * The top folder is taken away while everything lies in one folder and that folder has a folder in it; a folder that holds
 * files only stays, as its name may mean something ("general/2024-01-01.json"). A name that comes twice: the first entry has
 * it, the next ones are "NAME (2)", "NAME (3)"…
 */
#ifndef MVCHAT_VAULT_H
#define MVCHAT_VAULT_H

#include "core/arena.h"
#include "core/err.h"
#include "core/hash.h"

struct vault;
enum vault_kind { VAULT_DIR, VAULT_ZIP, VAULT_ARCHIVE, VAULT_FILE /* one bare file, e.g. a WhatsApp .txt */ };

struct vault_limits {
	int64_t max_entries;     /* default 2,000,000 */
	int64_t max_entry_bytes; /* default 64 GiB unpacked */
	int64_t max_total_bytes; /* default 2 TiB unpacked */
	int64_t max_name_bytes;  /* default 512 MiB: all names together */
	int64_t max_ratio;       /* default 1000: unpacked / packed of one entry beyond 1 MiB */
	int max_depth;           /* default 32 folders */
};
void vault_limits_default(struct vault_limits *l);

struct entry {
	const char *name;  /* as described above */
	int64_t size;      /* unpacked bytes; -1 unknown */
	int64_t packed;    /* bytes in the archive; = size for folders */
	int64_t mtime_us;  /* 0 unknown */
	bool encrypted;    /* reading it fails with a clear error */
	uint16_t within;   /* the vault's own */
};

/* limits NULL = defaults; scratch: existing folder for unpacking, NULL = $TMPDIR or /tmp. NULL + err (ERR_ARCHIVE) on failure. */
struct vault *vault_open(const char *path, const struct vault_limits *limits, const char *scratch, struct err *e);
void vault_close(struct vault *v); /* NULL is fine */
enum vault_kind vault_kind(const struct vault *v);
const char *vault_path(const struct vault *v);
const char *vault_top(const struct vault *v); /* the top folder taken away, or "" */
/* Entries, sorted by name, bytewise. An archive may have millions, so they are not held in memory: what walks over all of them has each
 * one made in an arena of its own, that it resets. The others make it once and keep it until the vault is closed, for who needs it so long. */
size_t vault_count(const struct vault *v);
const struct entry *vault_entry_in(struct vault *v, size_t i, struct arena *a);
const struct entry *vault_find_in(struct vault *v, const char *name, struct arena *a); /* NULL when absent */
const struct entry *vault_entry(struct vault *v, size_t i);
const struct entry *vault_find(struct vault *v, const char *name);
/* Index of the first entry whose name is >= prefix: for walking a folder. */
size_t vault_lower(struct vault *v, const char *prefix);

/* What is odd about the archive itself and does no harm here; for telling people. */
enum vault_oddity {
	VAULT_UNFLAGGED,   /* names that are UTF-8 without the zip's flag that says so */
	VAULT_GUESSED,     /* names in a code page that had to be guessed */
	VAULT_JUNK,        /* "__MACOSX/", ".DS_Store": left out */
	VAULT_ZIP64,       /* sizes or places of more than 32 bits */
	VAULT_DESCRIPTORS, /* sizes stand behind the bytes: written as a stream */
	VAULT_ENCRYPTED,   /* cannot be read */
	N_VAULT_ODDITY
};
size_t vault_oddity(const struct vault *v, enum vault_oddity o, const char **first); /* how many; the first one's name, maybe cut; else "" */

struct vfile;
/* The entry outlives the vfile. */
struct vfile *vault_read(struct vault *v, const struct entry *en, struct err *e);
/* The entry of that name, which the vfile keeps for itself: for readers of some files of many. NULL without err and !*found: absent. */
struct vfile *vault_read_named(struct vault *v, const char *name, bool *found, struct err *e);
ptrdiff_t vfile_read(void *vfile, char *dst, size_t n, struct err *e); /* a json_read_fn: bytes, 0 at the end, -1 + err (CRC is checked at the end) */
void vfile_close(struct vfile *f);
/* The whole entry, at most max bytes (else ERR_ARCHIVE); NUL-terminated; the caller frees. */
char *vault_slurp(struct vault *v, const struct entry *en, size_t max, size_t *len, struct err *e);
/* Bytes that can be read in any order, for what wants them so (a database): [at, at + size) of fd, which is the caller's to
 * close. A folder's file is opened as it is; what is packed is unpacked, and its checksum compared, into a private file (mode
 * 0600) under the vault's scratch that has no name any more. */
struct vault_span { int fd; int64_t at, size; };
int vault_private_file(const char *scratch, struct err *e); /* a new one, for other uses; -1 + err. scratch NULL = $TMPDIR or /tmp */
const char *vault_scratch(const struct vault *v);           /* as given to vault_open */
bool vault_open_at(struct vault *v, const struct entry *en, struct vault_span *out, struct err *e);

/* An entry that is sealed with AES-256-GCM (NIST SP 800-38D) and packed with zlib (RFC 1950), or not packed but a database. */
struct seal {
	uint8_t key[32], iv[16], tag[16];
	size_t iv_bytes;
	int64_t from, until; /* the sealed bytes within the entry */
};
enum unsealed {
	UNSEAL_DONE,
	UNSEAL_WRONG_KEY, /* what came out at the beginning is neither packed nor a database */
	UNSEAL_ALTERED,   /* it began well; the seal or the packing is broken: cut off or changed */
	UNSEAL_FAILED,    /* could not be read or written: e is filled */
};
/* Opens it into a private file like vault_open_at's, in constant memory. Only UNSEAL_DONE, after the tag has been compared, gives a
 * file; it may not be larger than the vault's limits allow (UNSEAL_FAILED). */
enum unsealed vault_unseal(struct vault *v, const struct vault_span *in, const struct seal *s, struct vault_span *out, struct err *e);

/* What identifies the content at this path, without opening it as a vault and in memory that does not grow with the number of
 * entries: SHA-256 over names, sizes and checksums (zip), names, sizes and times (folder, bare file), or all bytes (tar and what
 * else has no directory). Whatever a vault of it would show otherwise gives another digest. Whether the names are allowed and the
 * limits kept is vault_open's to say. */
bool vault_digest(const char *path, uint8_t out[DIGEST_BYTES], struct err *e);

/* Versions of the libraries behind it, for doctor. */
const char *vault_library_zip(void);
const char *vault_library_archive(void);

#endif
