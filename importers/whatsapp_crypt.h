/* whatsapp_crypt.h: WhatsApp's encrypted backups: msgstore.db.crypt15, .crypt14 and .crypt12.
 *
 * Facts of the formats: github.com/ElDavoo/wa-crypt-tools (its proto folder and the layout of its key and database classes) and
 * the project's own tests of what those describe. Only facts were taken.
 */
#ifndef MVCHAT_WHATSAPP_CRYPT_H
#define MVCHAT_WHATSAPP_CRYPT_H

#include "core/vault.h"

enum wa_crypt_kind { WA_CRYPT_NONE, WA_CRYPT12 = 12, WA_CRYPT14 = 14, WA_CRYPT15 = 15 };

/* What a person was given: 64 hexadecimal digits, "encrypted_backup.key" (both crypt15), or the phone's file "key" (crypt12, 14). */
struct wa_key {
	enum wa_crypt_kind kind; /* WA_CRYPT15: a root key; WA_CRYPT14: a phone's file, for crypt12 and crypt14; NONE: no key */
	uint8_t secret[32];
	uint8_t salt[32], google_id[16], version; /* of a phone's file */
};
enum { WA_KEY_BYTES_MAX = 4096 };
bool wa_key_parse(const uint8_t *p, size_t n, struct wa_key *out, struct err *e);

/* The header of a backup, from its first bytes. */
struct wa_crypt {
	enum wa_crypt_kind kind;
	uint8_t iv[16]; size_t iv_bytes;
	bool salted;             /* salt, google_id and version are told */
	uint8_t salt[32], google_id[16], version;
	size_t header_bytes;
	char number_ends[3];     /* last two digits of the phone's number, or "" */
};
enum { WA_CRYPT_HEAD_MAX = 4096 };
bool wa_crypt_parse(const uint8_t *p, size_t n, struct wa_crypt *out, struct err *e);
enum wa_crypt_kind wa_crypt_named(const char *name); /* by the end of its name */

/* Opens the backup into a private file; false + err (ERR_ARCHIVE) that says which key is needed, or what is wrong. */
bool wa_crypt_open(struct vault *v, const struct entry *en, const struct wa_key *key, struct vault_span *out, struct err *e);

/* Derives the key a backup is encrypted with from a crypt15 root key. */
void wa_crypt15_derive(const uint8_t root[32], uint8_t out[32]);

#endif
