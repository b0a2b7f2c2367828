/* loss.c: the words for what did not carry over. loss_name goes into JSON and tests and never changes; loss_sentence is
 * English for people (reports pass it through gettext). */
#include "exporters/exporter.h"

static const struct { const char *name, *sentence; } losses[N_LOSS] = {
	{ "author-as-label", N_("the author is shown as a label: the target does not let anyone write as somebody else") },
	{ "time-as-text", N_("the original time is shown as text: the target sets its own") },
	{ "style-as-text", N_("lists, quotes, headings, tables or underline are written as plain characters") },
	{ "mention-muted", N_("a mention is written so that it notifies nobody") },
	{ "reaction-as-text", N_("reactions are written as text under the message") },
	{ "file-named-only", N_("a file without its bytes in the archive: its name is in the text") },
	{ "emoji-as-name", N_("a custom emoji is written as :name:") },
	{ "split", N_("the message was too long for the target and continues in the next one") },
	{ "broadcast-as-note", N_("\"also sent to the channel\" is written as a note") },
	{ "root-placeholder", N_("the thread's first message is not in the archive; a place-holder stands for it") },
	{ "link-left", N_("a link to another message still points to the old messenger") },
	{ "edit-details", N_("when the message was edited, and by whom, is not shown") },
	{ "pin", N_("the message was pinned and is not pinned in the target") },
	{ "text-cut", N_("the text became longer than the messages it stands in, and others stand behind them: it ends with a note of how much is missing") },
};

static size_t bit_index(enum loss bit)
{
	size_t i = 0;
	while (i < N_LOSS && (uint32_t)bit != 1u << i)
		i++;
	if (i == N_LOSS)
		die("loss: %u is not one bit", (unsigned)bit);
	return i;
}

const char *loss_name(enum loss bit)
{
	return losses[bit_index(bit)].name;
}

const char *loss_sentence(enum loss bit)
{
	return losses[bit_index(bit)].sentence;
}
