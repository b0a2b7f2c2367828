/* whatsapp_proto.c: protobuf fields, one after the other, over bytes that are not trusted.
 *
 * Promises: never reads outside p[0..n); a wrong length, an unending number or an unknown wire type ends the walk with `bad`.
 * Called by whatsapp_crypt.c (backup headers) and whatsapp_db_ios.c (replies, reactions). Groups (wire types 3 and 4) are not read.
 */
#include "importers/whatsapp_proto.h"

#include <string.h>

struct wa_proto wa_proto(const uint8_t *p, size_t n)
{
	return (struct wa_proto){ .p = p, .end = p + n };
}

static bool varint(struct wa_proto *m, uint64_t *out)
{
	*out = 0;
	for (unsigned shift = 0; shift < 64 && m->p < m->end; shift += 7) {
		const uint8_t b = *m->p++;
		*out |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return true;
	}
	m->bad = true;
	return false;
}

bool wa_proto_next(struct wa_proto *m, struct wa_field *out)
{
	uint64_t key, n;
	*out = (struct wa_field){ .no = 0 };
	if (m->bad || m->p == m->end || !varint(m, &key))
		return false;
	out->no = (uint32_t)(key >> 3);
	m->bad = !out->no || key >> 32;
	switch (key & 7) {
	case 0:
		return !m->bad && varint(m, &out->value);
	case 1:
		n = 8;
		break;
	case 2:
		if (!varint(m, &n))
			return false;
		out->is_bytes = true;
		break;
	case 5:
		n = 4;
		break;
	default: /* a number out of the file, no enum */
		m->bad = true;
		return false;
	}
	if (m->bad || n > (uint64_t)(m->end - m->p)) {
		m->bad = true;
		return false;
	}
	out->p = m->p;
	out->n = (size_t)n;
	if (!out->is_bytes)
		for (size_t i = out->n; i-- > 0;)
			out->value = out->value << 8 | m->p[i];
	m->p += n;
	return true;
}

bool wa_proto_bytes(const uint8_t *p, size_t n, uint32_t no, struct wa_field *out)
{
	struct wa_proto m = wa_proto(p, n);
	while (wa_proto_next(&m, out))
		if (out->no == no && out->is_bytes)
			return true;
	return false;
}
