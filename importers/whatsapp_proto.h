/* whatsapp_proto.h: reading protobuf messages without their descriptions (protobuf.dev, "Encoding"). */
#ifndef MVCHAT_WHATSAPP_PROTO_H
#define MVCHAT_WHATSAPP_PROTO_H

#include "core/base.h"

struct wa_proto { const uint8_t *p, *end; bool bad; };
struct wa_field { uint32_t no; bool is_bytes; uint64_t value; const uint8_t *p; size_t n; };

struct wa_proto wa_proto(const uint8_t *p, size_t n);
/* The next field; false at the end, or (and then m->bad) where the bytes make no sense. */
bool wa_proto_next(struct wa_proto *m, struct wa_field *out);
/* The first field of bytes with this number: false when there is none. */
bool wa_proto_bytes(const uint8_t *p, size_t n, uint32_t no, struct wa_field *out);

#endif
