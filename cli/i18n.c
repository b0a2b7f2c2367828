#include "cli/i18n.h"

#include "core/base.h"
#include "core/err.h"

#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef MVCHAT_LOCALEDIR
#define MVCHAT_LOCALEDIR "/usr/local/share/locale"
#endif

static const char *chosen = "en";

static const char *from_environment(void)
{
	static const char *const names[] = { "MVCHAT_LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG" };
	for (size_t i = 0; i < countof(names); i++) {
		const char *v = getenv(names[i]);
		if (v && *v)
			return v;
	}
	return "";
}

/* The catalogue beside a binary that was not installed (build/MODE/locale), that of the tree it was installed or unpacked in
 * (bin/../share/locale), else where `make install` would have put it. */
static const char *catalogue_dir(void)
{
	static char path[PATH_MAX + 32];
	static const char *const beside[] = { "/locale", "/../share/locale" };
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);
	char *slash = NULL;
	if (n > 0) {
		path[n] = '\0';
		slash = strrchr(path, '/');
	}
	for (size_t i = 0; slash && i < countof(beside); i++) {
		fmt_into(slash, sizeof(path) - (size_t)(slash - path), "%s/ru/LC_MESSAGES/mvchat.mo", beside[i]);
		if (access(path, R_OK) == 0) {
			slash[strlen(beside[i])] = '\0';
			return path;
		}
	}
	/* Where /proc is not mounted: a package's place, when ours is empty. */
	return access(MVCHAT_LOCALEDIR "/ru/LC_MESSAGES/mvchat.mo", R_OK) != 0 && access("/usr/share/locale/ru/LC_MESSAGES/mvchat.mo", R_OK) == 0 ?
	       "/usr/share/locale" : MVCHAT_LOCALEDIR;
}

/* gettext's own entry "" is the catalogue's head. */
static const char *err_in_language(const char *english)
{
	return *english ? gettext(english) : english;
}

void i18n_init(const char *lang)
{
	if (!lang || !*lang)
		lang = from_environment();
	chosen = strncmp(lang, "ru", 2) == 0 ? "ru" : "en";
	setenv("LANGUAGE", chosen, 1);
	/* Any locale but "C" makes gettext look at LANGUAGE; this one is always there and changes nothing else we use. */
	setlocale(LC_MESSAGES, "C.UTF-8");
	bindtextdomain("mvchat", catalogue_dir());
	bind_textdomain_codeset("mvchat", "UTF-8");
	bind_textdomain_codeset("libc", "UTF-8"); /* what strerror says, where the system has it */
	textdomain("mvchat");
	err_speak(err_in_language);
}

bool i18n_catalogue(char *path, size_t n)
{
	int w = snprintf(path, n, "%s/ru/LC_MESSAGES/mvchat.mo", catalogue_dir());
	return w > 0 && (size_t)w < n && access(path, R_OK) == 0;
}

const char *i18n_lang(void)
{
	return chosen;
}

const char *i18n_n(const char *one, const char *many, int64_t n)
{
	/* Plural rules look at the last digits only; fold large numbers into range without changing them. */
	unsigned long u = n < 0 ? (unsigned long)-n : (unsigned long)n;
	return ngettext(one, many, u > 1000000 ? u % 1000000 + 1000000 : u);
}
