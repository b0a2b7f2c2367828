/* sb_faults.c: the fault script: reading it, and deciding which rule fires. What a rule does is in sb_http.c.
 * Language: docs/sandbox.md. Called under the lock. */
#include "sandbox/sb.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

const char *const sb_action_name[N_SBF] = {
	[SBF_NONE] = "none", [SBF_DROP_BEFORE] = "drop-before", [SBF_DROP_AFTER] = "drop-after", [SBF_500_BEFORE] = "500-before",
	[SBF_500_AFTER] = "500-after", [SBF_LATE] = "late", [SBF_HANG] = "hang", [SBF_HANG_AFTER] = "hang-after",
	[SBF_CUT_BODY] = "cut-body", [SBF_HTML_200] = "html-200", [SBF_HTML_502] = "html-502", [SBF_429] = "429", [SBF_503] = "503",
	[SBF_503_AFTER] = "503-after", [SBF_LIST_LAG] = "list-lag", [SBF_FOREIGN] = "foreign", [SBF_FOREIGN_AFTER] = "foreign-after",
	[SBF_WRONG_ID] = "wrong-id", [SBF_LAG_DROP] = "lag-drop", [SBF_401] = "401",
	[SBF_HUMAN] = "human", [SBF_HUMAN_DROP] = "human-drop", [SBF_SLOW] = "slow",
};

static bool number(const char *s, int64_t *out)
{
	size_t n = strspn(s, "0123456789");
	if (n == 0 || n > 12 || s[n])
		return false;
	*out = strtoll(s, NULL, 10);
	return true;
}

static char *word(char **p)
{
	*p += strspn(*p, " \t");
	char *w = *p;
	*p += strcspn(*p, " \t");
	if (**p)
		*(*p)++ = 0;
	return w;
}

static bool rule(char *line, struct sb_rule *r, struct err *e)
{
	*r = (struct sb_rule){ .number = -1, .how = NTH_ONE };
	char *method = word(&line), *glob = word(&line), *nth = word(&line), *action = word(&line);
	if (!*action)
		return err_set(e, ERR_USAGE, "a fault is METHOD PATHGLOB NTH ACTION [ARG]");
	if (!fmt_into(r->method, sizeof r->method, "%s", method) || !fmt_into(r->glob, sizeof r->glob, "%s", glob))
		return err_set(e, ERR_USAGE, "method or path is too long");
	if (streq(nth, "*"))
		r->how = NTH_ALL;
	else if (strncmp(nth, "every:", 6) == 0)
		r->how = NTH_EVERY;
	else if (*nth == '#')
		r->how = NTH_GLOBAL;
	const char *digits = r->how == NTH_EVERY ? nth + 6 : r->how == NTH_GLOBAL ? nth + 1 : nth;
	if (r->how != NTH_ALL && (!number(digits, &r->nth) || r->nth < 1))
		return err_set(e, ERR_USAGE, "'%s' says no number of a request (N, *, every:K or #N)", nth);
	for (int a = SBF_NONE + 1; a < N_SBF; a++)
		if (streq(sb_action_name[a], action))
			r->action = (enum sb_action)a;
	if (r->action == SBF_NONE)
		return err_set(e, ERR_USAGE, "unknown fault '%s'", action);
	line += strspn(line, " \t");
	fmt_into(r->text, sizeof r->text, "%s", line);
	if (r->action == SBF_LATE || r->action == SBF_LIST_LAG || r->action == SBF_LAG_DROP || r->action == SBF_SLOW) {
		if (!number(line, &r->number))
			return err_set(e, ERR_USAGE, "%s needs milliseconds", action);
	} else if (r->action == SBF_429 || r->action == SBF_503) {
		if (*line && !number(line, &r->number) && !streq(line, "date") && !streq(line, "none") && !streq(line, "garbage") &&
		    !streq(line, "past"))
			return err_set(e, ERR_USAGE, "'%s' is no Retry-After (SECONDS, date, none, garbage, past)", line);
	} else if (r->action == SBF_FOREIGN || r->action == SBF_FOREIGN_AFTER) {
		if (!*line)
			fmt_into(r->text, sizeof r->text, "Всем привет!");
	} else if (r->action == SBF_HUMAN || r->action == SBF_HUMAN_DROP) {
		size_t i = 0;
		while (sb_human_deeds[i] && !streq(sb_human_deeds[i], line))
			i++;
		if (!sb_human_deeds[i])
			return err_set(e, ERR_USAGE, "'%s' is nothing a person does (edit, delete, react, archive, unarchive, edit-oldest, react-oldest, write)", line);
	} else if (*line) {
		return err_set(e, ERR_USAGE, "%s takes no argument", action);
	}
	return true;
}

bool sb_faults_parse(struct sb_faults *f, const char *text, size_t n, struct err *e)
{
	struct sb_faults fresh = { NULL, 0 };
	char *copy = xstrndup(text, n);
	int number_of = 0;
	for (char *p = copy, *next; p; p = next) {
		number_of++;
		next = strchr(p, '\n');
		if (next)
			*next++ = 0;
		p[strcspn(p, "\r")] = 0;
		p += strspn(p, " \t");
		if (!*p || *p == '#')
			continue;
		fresh.v = xrealloc(fresh.v, (fresh.n + 1) * sizeof *fresh.v);
		if (!rule(p, &fresh.v[fresh.n], e)) {
			err_where(e, "line %d", number_of);
			free(fresh.v);
			free(copy);
			return false;
		}
		fresh.n++;
	}
	free(copy);
	free(f->v);
	*f = fresh;
	return true;
}

void sb_faults_release(struct sb_faults *f)
{
	free(f->v);
	f->v = NULL;
	f->n = 0;
}

const struct sb_rule *sb_faults_match(struct sb_faults *f, const char *method, const char *path, bool mutating, int64_t nth_mutating)
{
	const struct sb_rule *hit = NULL;
	for (size_t i = 0; i < f->n; i++) {
		struct sb_rule *r = &f->v[i];
		if ((!streq(r->method, "*") && !streq(r->method, method)) || fnmatch(r->glob, path, 0) != 0)
			continue;
		r->seen++;
		bool fires = false;
		switch (r->how) {
		case NTH_ONE: fires = r->seen == r->nth; break;
		case NTH_ALL: fires = true; break;
		case NTH_EVERY: fires = r->seen % r->nth == 0; break;
		case NTH_GLOBAL: fires = mutating && nth_mutating == r->nth; break;
		}
		if (fires && !hit)
			hit = r;
	}
	return hit;
}
