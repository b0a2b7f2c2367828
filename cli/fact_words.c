/* fact_words.c: what importers tell of an archive as facts (inspect), in the reader's language: the keys, and the sentences among the
 * values. In JSON they stay as they are: keys are for programs. A value that is no known sentence is a name or number and is shown as
 * it is. Called by inspect. */
#include "cli/report_int.h"

#include "cli/i18n.h"

static const char *const keys[] = {
	N_("kind"), N_("zone"), N_("chat"), N_("date-order"), N_("header"), N_("language"), N_("first-day"), N_("last-day"), N_("exported-by"),
	N_("chats"), N_("chats-empty"), N_("database"), N_("same-person"), N_("merged"), N_("team"), N_("workspace"), N_("token-kind"),
	N_("integration_logs"), N_("files-in-archive"),
};

static const char *const forms[] = {
	N_("%s = %s (%s = %s); messages that agree: %s, some do not"),
	N_("%s = %s (%s = %s); messages that agree: %s"),
	N_("%s: %s messages are the same, %s only here (%s); clock put %s at first, changed later (%s); %s files come from here"),
	N_("%s: %s messages are the same, %s only here (%s); clock put %s; %s files come from here"),
	N_("%s: %s messages are the same, %s only here (%s); the same clock; %s files come from here"),
	N_("%s: %s; line %s has a field that can be no month in the other reading (%s such lines)"),
	N_("%s: %s; the media file named in line %s bears the date (%s such names)"),
	N_("%s: %s; the history runs forwards; read otherwise it would jump back %s times"),
	N_("%s: %s; read otherwise it would go on after the archive was made"),
	N_("%s: %s; dates with dots: no locale writes the month first with them"),
	N_("%s: %s; as asked for; nothing in the chat proves it"),
	N_("%s: %s; both readings give the same dates"),
	N_("%s: %s; the year stands first"),
	N_("%s: two people, from an iPhone"),
	N_("%s: two people, from Android"),
	N_("%s: group, from an iPhone"),
	N_("%s: group, from Android"),
	N_("%s: not known"),
};

const char *fact_name(const char *key)
{
	for (size_t i = 0; i < countof(keys); i++)
		if (streq(keys[i], key))
			return _(keys[i]);
	return key;
}

const char *fact_sentence(const char *english, char *out, size_t size)
{
	return report_translate(forms, countof(forms), english, out, size);
}
