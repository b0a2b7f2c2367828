/* whatsapp_classify.h: what a message's text is. Only importers/whatsapp_msg.c and whatsapp_classify.c include it. */
#ifndef MVCHAT_WHATSAPP_CLASSIFY_H
#define MVCHAT_WHATSAPP_CLASSIFY_H

#include "importers/whatsapp.h"

/* What a message's text turned out to be. */
struct wa_made {
	const char *text; size_t n;      /* the words: somebody's, or a notice's */
	bool generated;                  /* text is WhatsApp's */
	bool edited;
	enum wa_kind kind;
	bool unknown;                    /* generated, and the table does not know it */
	bool media;                      /* a file belongs to it */
	const char *file; size_t file_n; /* its name, or NULL */
	enum wa_kind omitted;            /* what was left out, when it was */
};

/* m: in: the text; out: all of it. author: or NULL; head_mark: a mark stands before the line. */
void wa_classify(struct source *s, struct wa_chat *c, const struct wa_author *author, bool head_mark, struct wa_made *m);

#endif
