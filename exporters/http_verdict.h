/* http_verdict.h: what an HTTP status means for a write, before a target's own error codes refine it.
 *
 * For every exporter that speaks HTTP. The rule behind it: only a complete, readable answer that says "no" proves that
 * nothing was applied; whatever may come from a proxy on the way, or from a server that broke down while working, proves
 * nothing (V_UNKNOWN).
 */
#ifndef MVCHAT_HTTP_VERDICT_H
#define MVCHAT_HTTP_VERDICT_H

#include "exporters/exporter.h"

/* V_DONE for any 2xx: the caller must still read the body and find in it what it needs. */
enum verdict http_verdict(const struct http_resp *r);
/* "HTTP 502 Bad Gateway": never a byte of the body. */
const char *http_words(const struct http_resp *r, struct arena *a);
/* Could the body be JSON? An HTML page (a proxy's, a login form's) with status 200 is not an answer. */
bool http_is_json(const struct http_resp *r);
/* Appends s percent-encoded for a path segment or a query value (RFC 3986: only unreserved characters stay). */
void http_escape(struct buf *out, const char *s);

#endif
