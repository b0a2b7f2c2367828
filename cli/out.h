/* out.h: what commands print: results on stdout, people's text filtered for the terminal, numbers and times for readers. */
#ifndef MVCHAT_OUT_H
#define MVCHAT_OUT_H

#include "cli/opts.h"
#include "core/buf.h"

/* Foreign text made safe for a terminal or a report. Up to 8 results stay valid at a time; each at most 4 KiB. */
const char *safe(const char *s);
/* 1234567 -> "1 234 567" (ru, with no-break spaces) or "1,234,567" (en). Same lifetime as safe(). */
const char *num(int64_t n);
const char *day(int64_t wall_us);          /* "2024-03-12", "–" for 0 */
const char *span_of(double seconds);       /* "2 h 05 min", "45 s" */

void out_title(const char *s);             /* a heading; bold on a terminal that wants it */
/* lead, then text broken between words at the terminal's width and indented under itself; elsewhere one line. */
void out_wrapped(const char *lead, const char *text);
void out_rest(size_t indent, const char *text); /* the same, where a lead of so many columns has been printed */
/* "  label ........ value" lines; width counts columns of the label. */
void out_row(int width, const char *label, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Pads s to columns (not bytes) on stdout. */
void out_pad(const char *s, int columns);
void out_right(const char *s, int columns); /* the same, against the right edge */
bool out_yes(void);                        /* after a question on stdout: did the answer on stdin begin with y or д? */
void out_errline(const struct err *e);     /* "mvchat: error: place: message" + remedy, on stderr */
int out_fail(const struct err *e);         /* out_errline, and the exit code */

#endif
