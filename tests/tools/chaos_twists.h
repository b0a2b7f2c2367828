/* chaos_twists.h: what changes while chaos.c has a run killed: the mapping, the archive, the clock; and what of a dump may then differ.
 * Header-only, as chaos_kit.h: chaos.c is one program. */
#ifndef MVCHAT_TESTS_CHAOS_TWISTS_H
#define MVCHAT_TESTS_CHAOS_TWISTS_H

#include "chaos_kit.h"

static const char *archive = "fixtures/slack/demo";

/* What changes between the run that is killed and the one that resumes. */
enum twist {
	AS_IT_WAS,
	OTHER_LABEL,   /* the mapping: who wrote when is said in other words */
	LATER_ARCHIVE, /* a newer export: nearly every message edited, an earlier one turned up */
	CLOCK_BACK,    /* the machine's clock goes back three days */
	TWO_AT_ONCE,   /* two processes are started */
	DISK_FULL,     /* the first run may write files up to so many KiB only */
	EDIT_DRIFT,    /* after a whole run the mapping says otherwise, and apply --edit-drift is killed */
	DELETE_REMOVED,/* after a whole run a newer export lacks messages, and apply --delete-removed is killed */
	N_TWIST
};

/* Replaces the first `from` in a file of the project. */
static bool change(const char *dir, const char *name, const char *from, const char *to)
{
	char *text = slurp(path_of(dir, name)), *at = text ? strstr(text, from) : NULL;
	struct buf b;
	buf_init(&b, 64 << 20);
	if (at) {
		buf_add(&b, text, (size_t)(at - text));
		buf_adds(&b, to);
		buf_adds(&b, at + strlen(from));
	}
	char *out = buf_detach(&b);
	bool ok = at && spit(path_of(dir, name), out);
	free(out);
	free(text);
	return ok;
}

/* The demo archive, exported again later: in every message each "\u0435" is "\u0451" now, and a day before the first has turned up. */
static void rewrite_texts(char *text)
{
	static const char key[] = "\"text\": \"";
	for (char *p = text; (p = strstr(p, key)) != NULL;)
		for (p += sizeof(key) - 1; *p && *p != '"'; p++) {
			if (*p == '\\' && p[1])
				p++;
			else if (!memcmp(p, "\xd0\xb5", 2))
				memcpy(p, "\xd1\x91", 2);
		}
}

static const char archived[] = "/проект-иней"; /* its chat is closed in the end, and what is closed takes no edits */

/* In every day the first message that stands between two others and has nothing to do with a thread is gone. */
static void drop_one(char *text)
{
	char *start = NULL, *before = NULL;
	int depth = 0, n = 0;
	bool quoted = false, threads = false;
	for (char *p = text; *p; p++) {
		if (quoted && *p == '\\' && p[1]) {
			p++;
		} else if (*p == '"') {
			quoted = !quoted;
			threads = threads || (quoted && !strncmp(p, "\"thread_ts\"", 11));
		} else if (!quoted && *p == '{' && depth++ == 0) {
			if (before) { /* it stands between the first and this one */
				memset(before, ' ', (size_t)(p - before));
				return;
			}
			start = p;
			threads = false;
		} else if (!quoted && *p == '}' && --depth == 0) {
			before = n++ && !threads ? start : NULL;
		}
	}
}

/* Copies an archive, with the days rewritten, but for those of `except`. */
static bool copy_archive(const char *from, const char *to, void (*rewrite)(char *), const char *except)
{
	DIR *d = opendir(from);
	bool ok = d && mkdir(to, 0700) == 0;
	for (struct dirent *en; ok && (en = readdir(d));) {
		char a[1400], b[1400];
		struct stat st;
		if (en->d_name[0] == '.')
			continue;
		fmt_into(a, sizeof(a), "%s/%s", from, en->d_name);
		fmt_into(b, sizeof(b), "%s/%s", to, en->d_name);
		ok = stat(a, &st) == 0;
		if (ok && S_ISDIR(st.st_mode)) {
			ok = copy_archive(a, b, rewrite, except);
		} else if (ok && strncmp(en->d_name, "20", 2) == 0 && !(except && strstr(from, except))) {
			char *text = slurp(a);
			rewrite(text);
			ok = spit(b, text);
			free(text);
		} else if (ok) {
			ok = link(a, b) == 0 || symlink(a, b) == 0;
		}
	}
	if (d)
		closedir(d);
	return ok;
}

static bool later_archive(void)
{
	char to[600], day[700], *abs = realpath(archive, NULL);
	fmt_into(to, sizeof(to), "%s/later", root);
	fmt_into(day, sizeof(day), "%s/general/2024-01-01.json", to);
	bool ok = abs && copy_archive(abs, to, rewrite_texts, archived) &&
		spit(day, "[{\"type\": \"message\", \"user\": \"U05SEV0001\", \"ts\": \"1704110400.000100\", \"text\": \"before all the others\"}]\n");
	free(abs);
	return ok;
}

static bool fewer_archive(void)
{
	char to[600], *abs = realpath(archive, NULL);
	fmt_into(to, sizeof(to), "%s/fewer", root);
	bool ok = abs && copy_archive(abs, to, drop_one, NULL);
	free(abs);
	return ok;
}

static bool twist_project(const char *dir, enum twist twist)
{
	char *abs, later[700];
	bool ok;
	switch (twist) {
	case OTHER_LABEL: case EDIT_DRIFT:
		return change(dir, "mvchat.yaml", "{name} \xc2\xb7 {date} {time}", "{date} {time} / {name}");
	case LATER_ARCHIVE: case DELETE_REMOVED:
		abs = realpath(archive, NULL);
		fmt_into(later, sizeof(later), "%s/%s", root, twist == LATER_ARCHIVE ? "later" : "fewer");
		ok = abs && change(dir, "mvchat.yaml", abs, later);
		free(abs);
		return ok;
	case CLOCK_BACK: case TWO_AT_ONCE: case DISK_FULL: case AS_IT_WAS: case N_TWIST:
		break;
	}
	return true;
}

static void blank_labels(char *s)
{
	static const char key[] = "\"label\":\"";
	char *to = s;
	while (*s) {
		if (strncmp(s, key, sizeof(key) - 1)) {
			*to++ = *s++;
			continue;
		}
		for (s += sizeof(key) - 1; *s && *s != '"'; s++)
			s += *s == '\\';
		*to++ = '@';
		s += *s == '"';
	}
	*to = '\0';
}

static int by_line(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static char *sorted(const char *text)
{
	char *copy = xstrdup(text), **v = NULL;
	size_t n = 0, cap = 0;
	struct buf b;
	for (char *line = strtok(copy, "\n"); line; line = strtok(NULL, "\n")) {
		if (n == cap) {
			cap = cap ? 2 * cap : 256;
			v = xrealloc(v, cap * sizeof(*v));
		}
		v[n++] = line;
	}
	if (n)
		qsort(v, n, sizeof(*v), by_line);
	buf_init(&b, 256 << 20);
	for (size_t i = 0; i < n; i++)
		buf_addf(&b, "%s\n", v[i]);
	free(v);
	free(copy);
	return buf_detach(&b);
}

static const char *three_days_ago(void)
{
	static char text[32];
	fmt_into(text, sizeof(text), "%lld", (long long)time(NULL) - 3 * 86400);
	return text;
}

#endif
