/* manual.h: the man page mvchat(1) as mdoc, made from the option tables and the exit codes: `mvchat help --mdoc`. */
#ifndef MVCHAT_MANUAL_H
#define MVCHAT_MANUAL_H

void manual_print(void); /* on stdout, in English */

#endif
