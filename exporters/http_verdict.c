/* http_verdict.c: see http_verdict.h. Pure; knows no target and no method. */
#include "exporters/http_verdict.h"

#include <string.h>

enum verdict http_verdict(const struct http_resp *r)
{
	int s = r->status;
	if (s >= 200 && s < 300)
		return V_DONE;
	if (s >= 300 && s < 400)
		return V_REJECTED; /* a write is never repeated somewhere else (wire follows no redirect) */
	switch (s) {
	case 401:
	case 402:
		return V_FATAL;
	case 408:
		return V_UNKNOWN; /* the server, or a proxy before it, gave up waiting: how far it came is not said */
	case 429:
		return V_THROTTLED;
	case 503:
		/* RFC 9110 10.2.3: with Retry-After it is a refusal. Without, it may be a proxy that lost its server. */
		return r->retry_after_s >= 0 ? V_THROTTLED : V_UNKNOWN;
	default:
		return s >= 400 && s < 500 ? V_REJECTED : V_UNKNOWN;
	}
}

static const char *reason(int status)
{
	switch (status) {
	case 200: return "OK";
	case 201: return "Created";
	case 204: return "No Content";
	case 301: return "Moved Permanently";
	case 302: return "Found";
	case 307: return "Temporary Redirect";
	case 308: return "Permanent Redirect";
	case 400: return "Bad Request";
	case 401: return "Unauthorized";
	case 402: return "Payment Required";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 408: return "Request Timeout";
	case 409: return "Conflict";
	case 410: return "Gone";
	case 413: return "Content Too Large";
	case 422: return "Unprocessable Content";
	case 429: return "Too Many Requests";
	case 500: return "Internal Server Error";
	case 502: return "Bad Gateway";
	case 503: return "Service Unavailable";
	case 504: return "Gateway Timeout";
	default: return NULL;
	}
}

const char *http_words(const struct http_resp *r, struct arena *a)
{
	const char *w = reason(r->status);
	return w ? arena_fmt(a, "HTTP %d %s", r->status, w) : arena_fmt(a, "HTTP %d", r->status);
}

bool http_is_json(const struct http_resp *r)
{
	size_t i = 0;
	while (i < r->len && memchr(" \t\r\n", r->body[i], 4))
		i++;
	return i < r->len && (r->body[i] == '{' || r->body[i] == '[');
}

void http_escape(struct buf *out, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~')
			buf_addc(out, *s);
		else
			buf_addf(out, "%%%02X", c);
	}
}
