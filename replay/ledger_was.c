/* ledger_was.c: what stands in the target while a second edit of the same part is not done: the first edit's text.
 *
 * The row of an edit is one row however often the source changes. When it is opened again, S_INTENT keeps what it said until then in
 * its second id, which edits have no other use for; DONE drops that. Called by ledger.c, ledger_read.c, stream, plan, verify and rollback; writes nothing.
 */
#include "replay/ledger.h"

#include "replay/ledger_db.h"

#include <stdlib.h>
#include <string.h>

bool ledger_was_read(const char *text, struct ledger_was *w)
{
	int64_t *const nums[] = { &w->src_fp, &w->body_fp, &w->loss, &w->sent_us, &w->run };
	if (!text || strncmp(text, "was ", 4) != 0)
		return false;
	text += 4;
	for (size_t i = 0; i < countof(nums); i++) {
		char *end;
		*nums[i] = strtoll(text, &end, 10);
		if (end == text || *end != ' ')
			return false;
		text = end + 1;
	}
	w->target = text;
	return *text != '\0';
}

struct ledger_there ledger_there(const struct ledger_row *post, const struct ledger_row *edit)
{
	/* An edit of before the message was deleted and posted again says nothing. */
	bool older = edit->run < post->run || (edit->run == post->run && edit->sent_us < post->sent_us);
	if (edit->state == OP_DONE)
		return (struct ledger_there){ edit->src_fp, edit->body_fp, edit->loss, edit->stale_mapping, true };
	if (edit->state != OP_ABSENT && edit->state != OP_GONE && edit->was.any && !older)
		return (struct ledger_there){ edit->was.src_fp, edit->was.body_fp, edit->was.loss, edit->was.stale_mapping, true };
	return (struct ledger_there){ post->src_fp, post->body_fp, post->loss, post->stale_mapping, false };
}
