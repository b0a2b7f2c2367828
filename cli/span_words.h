/* span_words.h: what a span of generated words says, in the reader's language. */
#ifndef MVCHAT_SPAN_WORDS_H
#define MVCHAT_SPAN_WORDS_H

#include "core/buf.h"
#include "core/text.h"

void call_words(const struct span *call, struct buf *out); /* SPAN_CALL; appends plain text */

#endif
