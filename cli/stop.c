/* stop.c: what a signal has to know of the running command: whether that ends by itself, and what scratch it leaves. See cmd.h; the
 * handler is main.c's. */
#include "cli/cmd.h"

volatile int stop_polite;
const char *volatile stop_remove[2];
