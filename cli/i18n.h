/* i18n.h: user-facing text. English in the source, Russian in po/ru.po. */
#ifndef MVCHAT_I18N_H
#define MVCHAT_I18N_H

#include "core/base.h"

#include <libintl.h>
#include <stdint.h>

#define _(s) gettext(s)

/* Chooses the language: --lang, else MVCHAT_LANG, LANGUAGE, LC_ALL, LC_MESSAGES, LANG. Only messages change: numbers and
 * dates we write ourselves. lang NULL = from the environment. */
void i18n_init(const char *lang);
bool i18n_catalogue(char *path, size_t n); /* where the Russian texts are; are they there? */
const char *i18n_lang(void); /* "ru" or "en" */
/* ngettext for 64-bit counts. */
const char *i18n_n(const char *one, const char *many, int64_t n) __attribute__((format_arg(1), format_arg(2)));

#endif
