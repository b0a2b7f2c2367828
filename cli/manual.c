#include "cli/manual.h"

#include "cli/exit.h"
#include "cli/i18n.h"
#include "cli/opts.h"

#include <stdio.h>
#include <string.h>

/* In mdoc a line that begins with '.' or '\'' is a macro, and a backslash begins an escape. */
static void put(const char *s)
{
	if (*s == '.' || *s == '\'')
		fputs("\\&", stdout);
	for (const char *from = s; *s; s++) {
		if (*s == '\\')
			fputs("\\e", stdout);
		else if (*s == ' ' && s > from && s[-1] == '.' && s[1] >= 'A' && s[1] <= 'Z')
			putchar('\n'); /* mdoc wants each sentence on its own line */
		else if (!strncmp(s, "…", 3))
			fputs("...", stdout), s += 2;
		else
			putchar(*s);
	}
	putchar('\n');
}

static void options(const struct opt *o)
{
	puts(".Bl -tag -width Ds");
	for (; o->name; o++) {
		if (o->letter)
			printf(".It Fl %c , Fl -%s", o->letter, o->name);
		else
			printf(".It Fl -%s", o->name);
		if (o->arg)
			printf(" Ar %s", o->arg);
		putchar('\n');
		put(o->help);
	}
	puts(".El");
}

/* "[ARCHIVE…]" -> ".Op Ar ARCHIVE ..." */
static void usage(const char *u)
{
	bool optional = *u == '[';
	u += optional;
	int n = (int)strcspn(u, "]…"), many = strncmp(u + n, "…", 3) == 0;
	if (n)
		printf("%s%.*s%s\n", optional ? ".Op Ar " : ".Ar ", n, u, many ? " ..." : "");
}

void manual_print(void)
{
	puts(".\\\" Made from the program's own tables by `mvchat help --mdoc`; tests/checks/docs.sh keeps it in step.");
	puts(".Dd $Mdocdate$\n.Dt MVCHAT 1\n.Os\n.Sh NAME\n.Nm mvchat\n.Nd move a company's chats from one messenger to another\n.Sh SYNOPSIS");
	for (const struct command *const *c = commands; *c; c++) {
		printf(".Nm mvchat %s\n.Op Ar options\n", (*c)->name);
		usage((*c)->usage);
	}
	puts(".Sh DESCRIPTION\n.Nm\nreads export archives, maps people and channels through files that can be read, and replays everything into the\n"
	     "target's API in idempotent batches.\nA project is a folder with\n.Pa mvchat.yaml ,\n.Pa users.csv ,\n.Pa channels.csv\nand the state folder\n.Pa .mvchat/ .\n"
	     "Results go to standard output, everything else to standard error.");
	for (const struct command *const *c = commands; *c; c++) {
		printf(".Ss %s\n", (*c)->name);
		printf("%c%s.\n", (*c)->summary[0] >= 'a' && (*c)->summary[0] <= 'z' ? (*c)->summary[0] - 32 : (*c)->summary[0], (*c)->summary + 1);
		if ((*c)->detail)
			put((*c)->detail);
		if ((*c)->opts[0].name)
			options((*c)->opts);
	}
	puts(".Ss Common options");
	options(common_opts);
	puts(".Sh ENVIRONMENT\n.Bl -tag -width Ds\n"
	     ".It Ev PACHCA_BOT_TOKEN , Ev PACHCA_ADMIN_TOKEN\nThe tokens, unless the mapping names other variables or files.\n"
	     ".It Ev MVCHAT_BACKUP_KEY\nThe 64 digits that open an encrypted backup, where no key file is named.\n"
	     ".It Ev MVCHAT_LANG , Ev LANGUAGE , Ev LC_ALL , Ev LC_MESSAGES , Ev LANG\nLanguage of messages: Russian where the first one set begins with\n.Dq ru .\n"
	     ".It Ev NO_COLOR , Ev TERM , Ev COLUMNS\nAs usual.\n"
	     ".It Ev HTTPS_PROXY , Ev NO_PROXY\nAs in\n.Xr curl 1 .\n"
	     ".It Ev TMPDIR\nWhere\n.Cm inspect\nkeeps its scratch database.\n.El");
	puts(".Sh FILES\n.Bl -tag -width Ds\n.It Pa mvchat.yaml , users.csv , channels.csv\nThe mapping; see\n.Xr mvchat-mapping 5 .\n"
	     ".It Pa .mvchat/ledger.db\nThe record of everything written; see\n.Xr mvchat-ledger 5 .\nKeep it.\n"
	     ".It Pa .mvchat/spool.db\nEverything read, private text included; may be deleted at any time and is rebuilt at need.\n.El");
	puts(".Sh EXIT STATUS\n.Bl -tag -width Ds");
	static const struct { int code; const char *what, *next; } rows[] = {
#define X(n, name, what, next) { n, what, next },
		EXIT_CODES(X)
#undef X
	};
	for (size_t i = 0; i < countof(rows); i++)
		printf(".It %d\n%c%s; %s.\n", rows[i].code, rows[i].what[0] - 32, rows[i].what + 1, rows[i].next);
	puts(".It 130 , 143\nInterrupted or terminated; can be resumed with the same command.\n.El");
	puts(".Sh SEE ALSO\n.Xr mvchat-jsonl 5 ,\n.Xr mvchat-ledger 5 ,\n.Xr mvchat-mapping 5 ,\n.Xr mvchat-report 5");
}
