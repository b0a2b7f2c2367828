/* The topics of `mvchat help`. Promises: everything that a table of the program knows (exit codes, formats, targets, losses, hazards of
 * the command line) is printed from that table; the rest is short and points to the page that says it all. */
#include "cli/topics.h"

#include "cli/exit.h"
#include "cli/i18n.h"
#include "core/utf8.h"
#include "exporters/exporter.h"
#include "importers/importer.h"

#include <stdio.h>
#include <string.h>

/* A term and what it means, the meaning folded under itself. */
static void entry(const char *term, const char *meaning)
{
	enum { LEFT = 24, RIGHT = 78 };
	size_t at = utf8_width(term) + 2;
	printf("  %s", term);
	if (at + 1 >= LEFT) {
		putchar('\n');
		at = 0;
	}
	printf("%*s", (int)(LEFT - at), "");
	at = LEFT;
	while (*meaning) {
		size_t n = strcspn(meaning, " ");
		char word[256];
		fmt_into(word, sizeof(word), "%.*s", (int)n, meaning);
		size_t w = utf8_width(word);
		if (at > LEFT && at + 1 + w > RIGHT) {
			printf("\n%*s", LEFT, "");
			at = LEFT;
		}
		printf("%s%s", at > LEFT ? " " : "", word);
		at += w + (at > LEFT ? 1 : 0);
		meaning += n + strspn(meaning + n, " ");
	}
	putchar('\n');
}

static void exit_codes(void)
{
	char n[8];
#define X(code, name, what, next) \
	fmt_into(n, sizeof(n), "%d", code); \
	entry(n, exit_meaning(EX_##name));
	EXIT_CODES(X)
#undef X
	entry("130, 143", _("stopped by Ctrl-C or a signal; the same command goes on"));
}

static void environment(void)
{
	entry("PACHCA_BOT_TOKEN", _("the bot's token: it writes the history (the mapping may name other variables, or 0600 files)"));
	entry("PACHCA_ADMIN_TOKEN", _("an administrator's personal token: it creates people"));
	entry("MVCHAT_BACKUP_KEY", _("the 64 digits of an encrypted backup, where no --key names a file"));
	entry("MVCHAT_LANG, LANG", _("language of messages; --lang comes first"));
	entry("NO_COLOR, TERM, COLUMNS", _("how the terminal is written to"));
	entry("HTTPS_PROXY, NO_PROXY", _("the way to the target and to the files of an export"));
	entry("TMPDIR", _("where inspect and archive keep their scratch database"));
}

static void files(void)
{
	entry("mvchat.yaml", _("the mapping: archives, target, policies, rules"));
	entry("users.csv, channels.csv", _("one row a person and a conversation: suggestion, reason, decision"));
	entry(".mvchat/ledger.db", _("what was written: keep it; without text and tokens; read it with sqlite3"));
	entry(".mvchat/spool.db", _("what was read: private, may be deleted, is made again"));
	entry(".mvchat/files/", _("files that fetch downloaded"));
}

static void mapping(void)
{
	puts(_("  mvchat map ARCHIVE drafts it, map refreshes it and keeps every decision; map --check\n  is for pipelines; map --explain NAME says how something is mapped and why."));
	entry("archives", _("which exports, their zones"));
	entry("target", _("which messenger, its address, where its tokens come from"));
	entry("people", _("how people are matched; what happens to the unmatched, deactivated, guests, bots, strangers"));
	entry("channels", _("names, privacy, direct conversations"));
	entry("history", _("where history goes in the target"));
	entry("messages", _("attribution, mentions, reactions, kinds that are left out"));
	entry("only", _("a pilot: people, channels, dates, the last days or messages"));
	entry("rules, redact", _("what is left out or replaced before anything leaves"));
	puts(_("  All keys: mvchat-mapping(5), docs/mapping.md; for editors: docs/mvchat-mapping.schema.json."));
}

static void formats(void)
{
	for (size_t i = 0; importers[i]; i++)
		entry(importers[i]->name, gettext(importers[i]->summary));
	puts(_("  How to get the fullest export: docs/slack.md, docs/whatsapp.md."));
}

static void targets(void)
{
	for (size_t i = 0; exporters[i]; i++)
		entry(exporters[i]->name, gettext(exporters[i]->summary));
	entry("sandbox", _("a local server that behaves like Pachca (mvchat sandbox, move --to sandbox)"));
	entry("html, jsonl", _("a folder to read, or JSON lines (mvchat archive)"));
}

static void losses(void)
{
	puts(_("  What a target cannot hold as it was, under the names that plan --fail-on loss:NAME takes:"));
	for (int i = 0; i < N_LOSS; i++)
		entry(loss_name((enum loss)(1u << i)), gettext(loss_sentence((enum loss)(1u << i))));
}

static void safety(void)
{
	entry(_("never twice"), _("each write is recorded before it is sent; an answer that never came is looked up, not guessed; run the same command again after anything"));
	entry(_("silence"), _("people join after the history is in; no invitations; mentions ping nobody"));
	entry(_("look first"), _("plan writes nothing and tells everything; move --to sandbox rehearses it"));
	entry(_("the way back"), _("rollback takes back what was written, unless somebody has changed or answered it"));
	entry(_("secrets"), _("tokens come from the environment or 0600 files and never reach a log, report or ledger"));
}

static const struct { const char *name, *summary; void (*print)(void); } topics[] = {
	{ "environment", N_("variables that are read"), environment },
	{ "exit-codes", N_("how a command ends, for scripts"), exit_codes },
	{ "files", N_("what a project folder holds"), files },
	{ "formats", N_("archives that are read"), formats },
	{ "losses", N_("what may not carry over"), losses },
	{ "mapping", N_("the file that decides who, where and what"), mapping },
	{ "safety", N_("what is promised"), safety },
	{ "targets", N_("messengers that are written to"), targets },
};

bool topic_print(const char *name)
{
	for (size_t i = 0; i < countof(topics); i++)
		if (streq(topics[i].name, name)) {
			printf("%s: %s\n\n", name, gettext(topics[i].summary));
			topics[i].print();
			return true;
		}
	return false;
}

void topic_list(void)
{
	for (size_t i = 0; i < countof(topics); i++)
		entry(topics[i].name, gettext(topics[i].summary));
}

const char *const *topic_names(void)
{
	static const char *names[countof(topics) + 1];
	for (size_t i = 0; i < countof(topics); i++)
		names[i] = topics[i].name;
	return names;
}
