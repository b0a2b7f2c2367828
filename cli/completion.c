/* Promises: every command, option and known value of the tables is in the script, and nothing else; what is made does not depend
 * on the language. Called by `mvchat help --completion`. Values that only a project knows (ids, digests) are not completed. */
#include "cli/completion.h"

#include "cli/i18n.h"
#include "cli/report.h"
#include "core/buf.h"

#include <stdio.h>
#include <string.h>

/* What may follow an option. */
enum follows { FOLLOWS_NOTHING, FOLLOWS_TEXT, FOLLOWS_FILE, FOLLOWS_DIR, FOLLOWS_WORDS };

/* Words of options that take one of a few; cmd NULL = of every command. */
static const struct { const char *cmd, *opt, *words; } few[] = {
	{ NULL, "lang", "ru en" }, { NULL, "log-format", "text json" }, { NULL, "progress", "auto always never plain json" },
	{ "map", "unmatched", "label create create-suspended skip fail" },
};

static enum follows follows(const struct command *c, const struct opt *o, struct buf *words)
{
	buf_reset(words);
	if (!o->arg)
		return FOLLOWS_NOTHING;
	for (size_t i = 0; i < countof(few); i++)
		if (streq(few[i].opt, o->name) && (!few[i].cmd || (c && streq(few[i].cmd, c->name))))
			buf_adds(words, few[i].words);
	if (c && streq(o->name, "to"))
		for (const struct exporter *const *x = exporters; *x; x++)
			buf_addf(words, "%s%s", words->len ? " " : "", (*x)->name);
	if (c && streq(o->name, "to") && streq(c->name, "move"))
		buf_adds(words, " sandbox");
	if (c && streq(o->name, "format") && streq(c->name, "report"))
		for (const struct report_format *const *f = report_formats; *f; f++)
			buf_addf(words, "%s%s", words->len ? " " : "", (*f)->name);
	if (c && streq(o->name, "format") && streq(c->name, "inspect"))
		for (const struct importer *const *x = importers; *x; x++)
			buf_addf(words, "%s%s", words->len ? " " : "", (*x)->name);
	if (words->len)
		return FOLLOWS_WORDS;
	if (streq(o->arg, "DIR"))
		return FOLLOWS_DIR;
	return streq(o->arg, "FILE") || streq(o->arg, "FILES") ? FOLLOWS_FILE : FOLLOWS_TEXT;
}

static bool takes_files(const struct command *c)
{
	return strstr(c->usage, "ARCHIVE") != NULL || strstr(c->usage, "FILE") != NULL;
}

/* ---- bash ---- */

static void bash_cases(const struct command *c, const struct opt *o, struct buf *words)
{
	for (; o->name; o++) {
		enum follows f = follows(c, o, words);
		const char *cmd = c ? c->name : "*";
		if (f == FOLLOWS_NOTHING)
			continue;
		printf("\t%s:--%s", cmd, o->name);
		if (o->letter)
			printf(" | %s:-%c", cmd, o->letter);
		putchar(')');
		switch (f) {
		case FOLLOWS_WORDS: printf(" mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$cur\")\n", words->p); break;
		case FOLLOWS_FILE: printf(" compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\");"); break;
		case FOLLOWS_DIR: printf(" compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$cur\");"); break;
		case FOLLOWS_TEXT: case FOLLOWS_NOTHING: break;
		}
		printf(" return ;;\n");
	}
}

static void bash_words(const struct opt *o)
{
	for (; o->name; o++)
		printf(" --%s", o->name);
}

static void bash(struct buf *words)
{
	puts("# bash completion for mvchat(1); made by 'mvchat help --completion bash'\n"
	     "_mvchat() {\n"
	     "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} cmd=${COMP_WORDS[1]} options files=\n"
	     "\tCOMPREPLY=()\n"
	     "\tif [ \"$COMP_CWORD\" -eq 1 ] || { [ \"$COMP_CWORD\" -eq 2 ] && [ \"$cmd\" = help ]; }; then");
	printf("\t\tmapfile -t COMPREPLY < <(compgen -W '");
	for (const struct command *const *c = commands; *c; c++)
		printf("%s ", (*c)->name);
	puts("help --version' -- \"$cur\")\n\t\treturn\n\tfi\n\tcase $cmd:$prev in");
	for (const struct command *const *c = commands; *c; c++)
		bash_cases(*c, (*c)->opts, words);
	bash_cases(NULL, common_opts, words);
	puts("\tesac\n\tcase $cmd in");
	for (const struct command *const *c = commands; *c; c++) {
		printf("\t%s) options='", (*c)->name);
		bash_words((*c)->opts);
		printf("'%s ;;\n", takes_files(*c) ? " files=1" : "");
	}
	puts("\t*) return ;;\n\tesac\n\tif [[ $cur == -* || -z $files ]]; then");
	printf("\t\tmapfile -t COMPREPLY < <(compgen -W \"$options");
	bash_words(common_opts);
	puts("\" -- \"$cur\")\n\telse\n\t\tcompopt -o filenames\n\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n\tfi\n}\ncomplete -F _mvchat mvchat");
}

/* ---- zsh ---- */

/* Inside single quotes, and inside the brackets and colons of _arguments. */
static void zsh_text(const char *s, const char *special)
{
	for (; *s; s++)
		if (*s == '\'')
			fputs("'\\''", stdout);
		else if (strchr(special, *s))
			printf("\\%c", *s);
		else
			putchar(*s);
}

static void zsh_opts(const struct command *c, const struct opt *o, struct buf *words)
{
	for (; o->name; o++) {
		enum follows f = follows(c, o, words);
		const char *eq = f == FOLLOWS_NOTHING ? "" : "=";
		if (o->letter)
			printf("\t\t\t'(-%c --%s)'{-%c%s,--%s%s}'[", o->letter, o->name, o->letter, f == FOLLOWS_NOTHING ? "" : "+", o->name, eq);
		else
			printf("\t\t\t'--%s%s[", o->name, eq);
		zsh_text(o->help, "[]:\\");
		putchar(']');
		switch (f) {
		case FOLLOWS_NOTHING: break;
		case FOLLOWS_WORDS: printf(":%s:(%s)", o->arg, words->p); break;
		case FOLLOWS_FILE: printf(":%s:_files", o->arg); break;
		case FOLLOWS_DIR: printf(":%s:_files -/", o->arg); break;
		case FOLLOWS_TEXT: printf(":%s: ", o->arg); break;
		}
		puts("' \\");
	}
}

static void zsh(struct buf *words)
{
	puts("#compdef mvchat\n# made by 'mvchat help --completion zsh'\n_mvchat() {\n\tlocal -a commands\n\tcommands=(");
	for (const struct command *const *c = commands; *c; c++) {
		printf("\t\t'%s:", (*c)->name);
		zsh_text((*c)->summary, ":\\");
		puts("'");
	}
	puts("\t\t'help:tell about a command'\n\t)\n\tif (( CURRENT == 2 )) || { (( CURRENT == 3 )) && [[ $words[2] == help ]]; }; then\n"
	     "\t\t_describe command commands\n\t\treturn\n\tfi\n\tlocal command=$words[2]\n\tshift words\n\t(( CURRENT-- ))\n\tcase $command in");
	for (const struct command *const *c = commands; *c; c++) {
		printf("\t%s)\n\t\t_arguments -s \\\n", (*c)->name);
		zsh_opts(*c, (*c)->opts, words);
		zsh_opts(NULL, common_opts, words);
		printf("\t\t\t%s ;;\n", takes_files(*c) ? "'*:archive:_files'" : "'*: : '");
	}
	puts("\tesac\n}\n_mvchat \"$@\"");
}

/* ---- fish ---- */

static void fish_text(const char *s)
{
	putchar('\'');
	for (; *s; s++)
		if (*s == '\'' || *s == '\\')
			printf("\\%c", *s);
		else
			putchar(*s);
	putchar('\'');
}

static void fish_opts(const struct command *c, const struct opt *o, struct buf *words)
{
	for (; o->name; o++) {
		enum follows f = follows(c, o, words);
		printf("complete -c mvchat -n '");
		if (c)
			printf("__fish_seen_subcommand_from %s", c->name);
		else
			printf("not __fish_use_subcommand");
		printf("' -l %s", o->name);
		if (o->letter)
			printf(" -s %c", o->letter);
		switch (f) {
		case FOLLOWS_NOTHING: break;
		case FOLLOWS_TEXT: printf(" -x"); break;
		case FOLLOWS_WORDS: printf(" -x -a '%s'", words->p); break;
		case FOLLOWS_FILE: printf(" -r -F"); break;
		case FOLLOWS_DIR: printf(" -x -a '(__fish_complete_directories)'"); break;
		}
		printf(" -d ");
		fish_text(o->help);
		putchar('\n');
	}
}

static void fish(struct buf *words)
{
	puts("# fish completion for mvchat(1); made by 'mvchat help --completion fish'\ncomplete -c mvchat -f");
	for (const struct command *const *c = commands; *c; c++) {
		printf("complete -c mvchat -n __fish_use_subcommand -a %s -d ", (*c)->name);
		fish_text((*c)->summary);
		putchar('\n');
	}
	puts("complete -c mvchat -n __fish_use_subcommand -a help -d 'tell about a command'");
	printf("complete -c mvchat -n '__fish_seen_subcommand_from help' -a '");
	for (const struct command *const *c = commands; *c; c++)
		printf("%s%s", c == commands ? "" : " ", (*c)->name);
	puts("'");
	for (const struct command *const *c = commands; *c; c++) {
		if (takes_files(*c))
			printf("complete -c mvchat -n '__fish_seen_subcommand_from %s' -F\n", (*c)->name);
		fish_opts(*c, (*c)->opts, words);
	}
	fish_opts(NULL, common_opts, words);
}

bool completion_print(const char *shell, struct err *e)
{
	static const struct { const char *name; void (*print)(struct buf *words); } shells[] = { { "bash", bash }, { "zsh", zsh }, { "fish", fish } };
	for (size_t i = 0; i < countof(shells); i++) {
		if (!streq(shells[i].name, shell))
			continue;
		struct buf words;
		buf_init(&words, 4096);
		shells[i].print(&words);
		buf_release(&words);
		return true;
	}
	err_set(e, ERR_USAGE, _("--completion: '%s' is none of bash, zsh, fish"), shell);
	return err_hint(e, "mvchat help --completion bash");
}
