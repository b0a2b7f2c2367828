/* whatsapp_card.h: what a contact card says about whom it is of. */
#ifndef MVCHAT_WHATSAPP_CARD_H
#define MVCHAT_WHATSAPP_CARD_H

#include "core/buf.h"

/* "Name, phone, phone" of each card, "; " between them; out is left empty where there is no name. */
void wa_card_read(const char *p, size_t n, struct buf *out);

#endif
