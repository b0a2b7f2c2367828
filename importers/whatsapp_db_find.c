/* whatsapp_db_find.c: is there a database of WhatsApp in an archive, and which of several is read? Called by the importer's bid and open
 * (whatsapp_db.c). Judges names, heads and tables; reads no messages. */
#include "importers/whatsapp_db.h"

#include <string.h>

/* The name an iPhone backup that was not unpacked gives it: the SHA-1 of domain and path (of WhatsApp, of WhatsApp Business). */
static bool backup_name(const char *base)
{
	return streq(base, "7c7fba66680ef796b916b067077cc246adacf01d") || streq(base, "724bd3b98b18518b455a87c1f3ac3a0d189c4466");
}

static bool is_database(struct vault *v, const struct entry *en)
{
	static const char magic[] = "SQLite format 3";
	char head[sizeof(magic)];
	if (en->size < 512 || en->encrypted)
		return false;
	struct vfile *f = vault_read(v, en, NULL);
	size_t n = 0;
	for (ptrdiff_t k = 1; f && n < sizeof(head) && k > 0; n += k > 0 ? (size_t)k : 0)
		k = vfile_read(f, head + n, sizeof(head) - n, NULL);
	vfile_close(f);
	return n == sizeof(head) && !memcmp(head, magic, sizeof(head));
}

/* How likely the messages are in this entry; the best of an archive is read. */
static int rank(const char *name)
{
	const char *base = path_base(name);
	if (streq(base, "ChatStorage.sqlite") || streq(base, "msgstore.db") || backup_name(base))
		return 5;
	if (!str_begins(base, "msgstore"))
		return 0;
	if (wa_crypt_named(base))
		return str_ends(base, ".crypt15") ? 4 : str_ends(base, ".crypt14") ? 3 : 2;
	return str_ends(base, ".db") ? 1 : 0; /* "msgstore-2024-01-01.1.db": an older copy */
}

const struct entry *wadb_find(struct vault *v)
{
	const struct entry *best = NULL;
	size_t at = 0;
	int top = 0;
	struct arena a;
	arena_init(&a);
	for (size_t i = 0; i < vault_count(v); i++) {
		arena_reset(&a);
		const struct entry *en = vault_entry_in(v, i, &a);
		int n = rank(en->name);
		if (n && !wa_crypt_named(en->name) && !is_database(v, en))
			n = n == 5 ? 1 : 0; /* refused later, with what it is */
		/* Of equals the last: the newest of "msgstore-YYYY-MM-DD.1.db.crypt15". */
		if (n && n >= top) {
			at = i;
			top = n;
		}
	}
	arena_release(&a);
	if (top)
		best = vault_entry(v, at);
	if (!best && vault_kind(v) == VAULT_FILE && vault_count(v) == 1) { /* renamed */
		const struct entry *en = vault_entry(v, 0);
		if (wa_crypt_named(en->name) || is_database(v, en))
			best = en;
	}
	return best;
}

static bool whatsapp_tables(struct vault *v, const struct entry *en)
{
	struct vault_span at;
	if (!vault_open_at(v, en, &at, NULL))
		return false;
	struct db *d = db_open(&at, NULL, vault_scratch(v), NULL);
	const bool yes = d && (db_has_table(d, "ZWAMESSAGE") || (db_has_table(d, "message") && db_has_table(d, "jid")) ||
			(db_has_table(d, "messages") && db_has_column(d, "messages", "key_remote_jid")));
	db_close(d);
	return yes;
}

int wadb_bid(struct vault *v)
{
	const struct entry *en = wadb_find(v);
	if (!en)
		return 0;
	if (rank(en->name) || wa_crypt_named(en->name))
		return 98;
	return whatsapp_tables(v, en) ? 97 : 0;
}
