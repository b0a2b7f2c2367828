/* sb_ui.c: the page on / and what it reads. */
#include "sandbox/sb.h"

void sb_ui(struct sb_req *r)
{
	sb_missing(r);
}
