/* Promises: a key is read from a file, from standard input or from the environment, never from the command line, where everybody on the
 * machine can see it; it gets into no log and no message. What kind of key it is, is the importer's affair. Called by project.c. */
#include "cli/archive_key.h"

#include "cli/i18n.h"
#include "core/hash.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEY_MAX = 4096 };

/* Standard input can be read once, an archive is opened several times. */
static uint8_t from_stdin[KEY_MAX + 1];
static size_t stdin_bytes;
static bool stdin_read;

static ssize_t read_all(int fd, uint8_t *p, size_t n)
{
	size_t got = 0;
	while (got < n) {
		ssize_t k = read(fd, p + got, n - got);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -1;
		if (!k)
			break;
		got += (size_t)k;
	}
	return (ssize_t)got;
}

static ssize_t read_key(const char *path, uint8_t *p)
{
	if (streq(path, "-")) {
		const ssize_t n = stdin_read ? (ssize_t)stdin_bytes : read_all(STDIN_FILENO, from_stdin, sizeof(from_stdin));
		stdin_read = n >= 0;
		stdin_bytes = n > 0 ? (size_t)n : 0;
		memcpy(p, from_stdin, stdin_bytes);
		return n;
	}
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd < 0 ? -1 : read_all(fd, p, KEY_MAX + 1);
	if (fd >= 0)
		close(fd);
	return n;
}

bool archive_key(const char *path, char **out, struct err *e)
{
	uint8_t key[KEY_MAX + 1];
	const char *env = path ? NULL : getenv("MVCHAT_BACKUP_KEY");
	ssize_t n;
	*out = NULL;
	if (path) {
		n = read_key(path, key);
		if (n < 0)
			return err_set(e, ERR_USAGE, _("cannot read the key file '%s':"), path);
	} else {
		if (!env || !*env)
			return true;
		n = (ssize_t)strnlen(env, KEY_MAX + 1);
		memcpy(key, env, (size_t)n);
	}
	if (!n || n > KEY_MAX) {
		memset(key, 0, sizeof(key));
		return err_set(e, ERR_USAGE, n ? _("the key file '%s' is too large for a key") : _("the key file '%s' is empty"), path ? path : "MVCHAT_BACKUP_KEY");
	}
	char *s = xmalloc(4 + 2 * (size_t)n + 1);
	memcpy(s, "key=", 4);
	hex(key, (size_t)n, s + 4);
	memset(key, 0, sizeof(key));
	*out = s;
	return true;
}

void archive_key_free(char *option)
{
	if (option)
		memset(option, 0, strlen(option));
	free(option);
}
