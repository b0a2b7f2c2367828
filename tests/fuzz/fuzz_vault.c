/* Any bytes as an archive: it is refused with words, or it has names that are safe and in order, and entries that give what
 * was promised or an error. The archives of tests/tools/hostile.h are the corpus that matters (`hostile DIR`). */
#include "core/utf8.h"
#include "core/vault.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) do { if (!(x)) die("property does not hold: %s", #x); } while (0)

static void check_name(const char *name)
{
	CHECK(*name && *name != '/' && utf8_valid(name, strlen(name)));
	for (const char *s = name; *s;) {
		const size_t n = strcspn(s, "/");
		CHECK(n && !(n == 1 && s[0] == '.') && !(n == 2 && s[0] == '.' && s[1] == '.'));
		s += n;
		CHECK(!(*s && !s[1]));
		s += *s != '\0';
	}
	for (const char *s = name; *s; s++)
		CHECK((unsigned char)*s >= 0x20 && *s != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[] = "/tmp/mvchat-fuzz-vault-XXXXXX";
	struct vault_limits l;
	struct err e = ERR_INIT;
	char name[sizeof(path)];
	memcpy(name, path, sizeof(path));
	int fd = mkstemp(name);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		die("cannot write %s", name);
	close(fd);
	vault_limits_default(&l);
	l.max_entries = 1000;
	l.max_entry_bytes = 1 << 20;
	l.max_total_bytes = 8 << 20;
	uint8_t digest[DIGEST_BYTES];
	const bool known = vault_digest(name, digest, &e);
	CHECK(known || (e.code == ERR_ARCHIVE && e.msg[0]));
	err_clear(&e);
	struct vault *v = vault_open(name, &l, "/tmp", &e);
	CHECK(known || !v);
	if (!v) {
		CHECK(e.code == ERR_ARCHIVE && e.msg[0]);
	} else {
		int64_t total = 0;
		CHECK(vault_count(v) <= 1000);
		for (size_t i = 0; i < vault_count(v); i++) {
			const struct entry *en = vault_entry(v, i);
			size_t n = 0;
			check_name(en->name);
			CHECK(en->size >= 0 && (i == 0 || strcmp(vault_entry(v, i - 1)->name, en->name) < 0));
			CHECK(vault_find(v, en->name) == en && vault_lower(v, en->name) == i);
			total += en->size;
			char *s = vault_slurp(v, en, 1 << 20, &n, &e);
			CHECK(s ? (int64_t)n == en->size && !en->encrypted : e.code == ERR_ARCHIVE && e.msg[0]);
			free(s);
		}
		CHECK(total <= l.max_total_bytes);
		vault_close(v);
	}
	unlink(name);
	return 0;
}
