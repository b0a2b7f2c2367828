/* See report_xml.h. Together with the tests the only place that uses libxml2's writer. */
#include "cli/report_xml.h"

#include "cli/i18n.h"
#include "core/utf8.h"

#include <libxml/xmlwriter.h>
#include <stdarg.h>
#include <string.h>

enum { TEXT_MAX = 64 << 10 };

static void check(struct xw *w, int rc)
{
	w->bad = w->bad || rc < 0;
}

static const xmlChar *x(const char *s)
{
	return (const xmlChar *)s;
}

/* XML 1.0, production 2 (Char): no controls but tab and line ends, no U+FFFE, no U+FFFF. */
static bool is_xml(uint32_t c)
{
	return c == 0x9 || c == 0xa || c == 0xd || (c >= 0x20 && c != 0xfffe && c != 0xffff);
}

static const xmlChar *clean(struct xw *w, const char *s)
{
	size_t n = strlen(s);
	uint32_t c;
	buf_reset(&w->text);
	for (size_t i = 0; i < n;) {
		size_t k = utf8_get(s + i, n - i, &c);
		if (k && is_xml(c))
			buf_add(&w->text, s + i, k);
		else
			buf_adds(&w->text, "\xef\xbf\xbd");
		i += k ? k : 1;
	}
	return x(w->text.p);
}

bool xw_open(struct xw *w, FILE *f, struct err *e)
{
	*w = (struct xw){ 0 };
	xmlOutputBufferPtr out = xmlOutputBufferCreateFile(f, NULL);
	w->writer = out ? xmlNewTextWriter(out) : NULL;
	if (!w->writer) {
		if (out)
			xmlOutputBufferClose(out);
		return err_set(e, ERR_INTERNAL, _("cannot write the report:"));
	}
	buf_init(&w->text, TEXT_MAX);
	return true;
}

bool xw_close(struct xw *w, struct err *e)
{
	check(w, xmlTextWriterEndDocument(w->writer));
	check(w, xmlTextWriterFlush(w->writer));
	xmlFreeTextWriter(w->writer);
	w->writer = NULL;
	buf_release(&w->text);
	return !w->bad || err_set(e, ERR_INTERNAL, _("cannot write the report:"));
}

void xw_start(struct xw *w, const char *name)
{
	check(w, xmlTextWriterStartElement(w->writer, x(name)));
}

void xw_attr(struct xw *w, const char *name, const char *value)
{
	check(w, xmlTextWriterWriteAttribute(w->writer, x(name), clean(w, value)));
}

void xw_attrf(struct xw *w, const char *name, const char *fmt, ...)
{
	char value[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	xw_attr(w, name, value);
}

void xw_text(struct xw *w, const char *s)
{
	check(w, xmlTextWriterWriteString(w->writer, clean(w, s)));
}

void xw_raw(struct xw *w, const char *s)
{
	check(w, xmlTextWriterWriteRaw(w->writer, x(s)));
}

void xw_end(struct xw *w)
{
	check(w, xmlTextWriterFullEndElement(w->writer));
}

void xw_void(struct xw *w)
{
	check(w, xmlTextWriterEndElement(w->writer));
}

void xw_element(struct xw *w, const char *name, const char *text)
{
	xw_start(w, name);
	xw_text(w, text);
	xw_end(w);
}
