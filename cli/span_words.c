/* span_words.c: the words of a call's line for pages we show ourselves (the HTML archive, the sandbox's page). In messages they come
 * from the mapping's locale (replay/stream_text.c). */
#include "cli/span_words.h"

#include "cli/i18n.h"

void call_words(const struct span *call, struct buf *out)
{
	long minutes, people;
	text_call(call, &minutes, &people);
	buf_adds(out, _("Call"));
	if (*call->text)
		buf_addf(out, ": %s", call->text);
	if (minutes)
		buf_addf(out, _(", %ld min"), minutes);
	if (people)
		buf_addf(out, i18n_n(", %ld participant", ", %ld participants", people), people);
}
