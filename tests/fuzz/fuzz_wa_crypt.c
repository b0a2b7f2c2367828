/* Any bytes as a backup's header, as a key and as a protobuf message. Byte 0 chooses. Properties:
 *  - nothing is read outside the bytes (the sanitisers see to it), every walk ends;
 *  - a header that is understood lies within the bytes, and has an IV;
 *  - a key that is understood has a kind. */
#include "importers/whatsapp_crypt.h"
#include "importers/whatsapp_proto.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) do { if (!(x)) die("property does not hold: %s", #x); } while (0)

static void walk(const uint8_t *p, size_t n, int depth)
{
	struct wa_proto m = wa_proto(p, n);
	struct wa_field f;
	size_t bytes = 0;
	while (wa_proto_next(&m, &f)) {
		CHECK(f.no);
		bytes += f.n + 1;
		CHECK(bytes <= n);
		if (f.n)
			CHECK(f.p >= p && f.p + f.n <= p + n);
		if (f.is_bytes && depth < 8)
			walk(f.p, f.n, depth + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	if (!size)
		return 0;
	/* A block of its own, so that one byte too far is seen. */
	const size_t n = size - 1;
	uint8_t *p = xmalloc(n ? n : 1);
	memcpy(p, data + 1, n);
	if (data[0] % 3 == 0) {
		struct wa_crypt c;
		if (wa_crypt_parse(p, n, &c, &e))
			CHECK(c.kind != WA_CRYPT_NONE && c.header_bytes <= n && c.iv_bytes >= 12 && c.iv_bytes <= 16 && strlen(c.number_ends) <= 2);
		else
			CHECK(e.code == ERR_ARCHIVE && e.hint[0]);
	} else if (data[0] % 3 == 1) {
		struct wa_key k;
		if (wa_key_parse(p, n, &k, &e))
			CHECK(k.kind == WA_CRYPT14 || k.kind == WA_CRYPT15);
		else
			CHECK(e.code == ERR_USAGE && k.kind == WA_CRYPT_NONE);
	} else {
		walk(p, n, 0);
	}
	free(p);
	return 0;
}
