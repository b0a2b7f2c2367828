/* loss.c: the words for what did not carry over. loss_name goes into JSON and tests and never changes; loss_sentence is
 * English for people (reports pass it through gettext). */
#include "exporters/exporter.h"

static const struct { const char *name, *sentence; } losses[N_LOSS] = {
	{ "author-as-label", "the author is shown as a label: the target does not let anyone write as somebody else" },
	{ "time-as-text", "the original time is shown as text: the target sets its own" },
	{ "style-as-text", "lists, quotes, headings, tables or underline are written as plain characters" },
	{ "mention-muted", "a mention is written so that it notifies nobody" },
	{ "reaction-as-text", "reactions are written as text under the message" },
	{ "file-named-only", "a file without its bytes in the archive: its name is in the text" },
	{ "emoji-as-name", "a custom emoji is written as :name:" },
	{ "split", "the message was too long for the target and continues in the next one" },
	{ "broadcast-as-note", "\"also sent to the channel\" is written as a note" },
	{ "root-placeholder", "the thread's first message is not in the archive; a place-holder stands for it" },
	{ "link-left", "a link to another message still points to the old messenger" },
	{ "edit-details", "when the message was edited, and by whom, is not shown" },
	{ "pin", "the message was pinned and is not pinned in the target" },
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
