/* report_xml.h: a thin skin over libxml2's text writer for the HTML and JUnit reports: well-formed whatever it is given.
 * Errors are kept; xw_close tells. */
#ifndef MVCHAT_REPORT_XML_H
#define MVCHAT_REPORT_XML_H

#include "core/buf.h"
#include "core/err.h"

#include <stdio.h>

struct xw { void *writer; struct buf text; bool bad; };

bool xw_open(struct xw *w, FILE *f, struct err *e);      /* f stays the caller's */
bool xw_close(struct xw *w, struct err *e);              /* flushes; false + err when anything failed */
void xw_start(struct xw *w, const char *name);
void xw_attr(struct xw *w, const char *name, const char *value);
void xw_attrf(struct xw *w, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);
void xw_text(struct xw *w, const char *s);               /* what XML cannot hold becomes U+FFFD */
void xw_raw(struct xw *w, const char *s);                /* our own markup only */
void xw_end(struct xw *w);                               /* always with an end tag: HTML needs it */
void xw_void(struct xw *w);                              /* ends an element that HTML closes itself (meta, rect) */
void xw_element(struct xw *w, const char *name, const char *text); /* start, text, end */

#endif
