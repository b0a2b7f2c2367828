/* completion.h: completions for shells, made from the option tables. */
#ifndef MVCHAT_COMPLETION_H
#define MVCHAT_COMPLETION_H

#include "core/err.h"

/* shell: bash, zsh or fish; the script goes to stdout. ERR_USAGE for another word. */
bool completion_print(const char *shell, struct err *e);

#endif
