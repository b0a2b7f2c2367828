/* mapping_words.c: words of mvchat.yaml: the one that was probably meant, those that must never be repeated, and rules put into
 * words. Called by mapping_config.c, mapping_rows.c and mapping_decide.c. */
#include "mapping/mapping_rows.h"

#include <string.h>

enum { WORD_MAX = 40 };

/* Optimal string alignment distance: insert, delete, replace, swap of neighbours. */
static size_t distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b), d[3][WORD_MAX + 1];
	if (n > WORD_MAX || m > WORD_MAX)
		return SIZE_MAX;
	size_t *before = d[0], *prev = d[1], *row = d[2];
	for (size_t j = 0; j <= m; j++)
		prev[j] = before[j] = j;
	for (size_t i = 1; i <= n; i++) {
		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t best = prev[j - 1] + (a[i - 1] != b[j - 1]);
			if (prev[j] + 1 < best)
				best = prev[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
		size_t *t = before;
		before = prev;
		prev = row;
		row = t;
	}
	return prev[m];
}

const char *nearest_word(const char *word, const char *const *words, size_t n)
{
	const char *best = NULL;
	size_t least = strlen(word) / 3 + 1;
	for (size_t i = 0; i < n; i++) {
		size_t d = distance(word, words[i]);
		if (d < least || (d == least && !best)) {
			best = words[i];
			least = d;
		}
	}
	return best;
}

bool looks_like_token(const char *s)
{
	static const char *const heads[] = { "xoxb-", "xoxp-", "xoxa-", "xoxe-", "xoxs-", "xapp-", "Bearer ", "bearer " };
	for (size_t i = 0; i < countof(heads); i++)
		if (!strncmp(s, heads[i], strlen(heads[i])))
			return true;
	size_t n = 0, upper = 0, lower = 0, digit = 0, hexes = 0;
	for (; s[n]; n++) {
		char c = s[n];
		bool is_digit = c >= '0' && c <= '9';
		upper += c >= 'A' && c <= 'Z';
		lower += c >= 'a' && c <= 'z';
		digit += is_digit;
		hexes += is_digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
		if (!is_digit && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') && c != '_' && c != '-')
			return false;
	}
	return (n >= 20 && upper && lower && digit) || (n >= 32 && hexes == n && digit);
}

/* ---- rules in words ---- */

static const char *const whole[] = {
	N_("users.csv: decision match"), N_("users.csv: decision create"), N_("users.csv: decision create-suspended"), N_("users.csv: decision label"),
	N_("users.csv: decision skip"), N_("channels.csv: decision create"), N_("channels.csv: decision skip"), N_("default: create"),
	N_("only.channels: not listed"), N_("only.users: nobody listed is a member"), N_("only.tags: nobody with these tags is a member"),
	N_("only.tags: without these tags, so no account is used"), N_("only.users: not listed, so no account is used"),
	N_("people: skip"), N_("rules-limit"), N_("redaction-limit"), N_("empty"),
};
/* A key that goes on with something of the project's: how it begins, how it ends. */
static const struct { const char *begin, *end, *form; } forms[] = {
	{ "users.csv: decision match:", ", not found in the target yet", N_("users.csv: decision match:%s, not found in the target yet") },
	{ "users.csv: decision create", ", but no e-mail is known", N_("users.csv: decision create%s, but no e-mail is known") },
	{ "users.csv: suggestion match (", ")", N_("users.csv: suggestion match (%s)") },
	{ "channels.csv: decision adopt:", "", N_("channels.csv: decision adopt:%s") },
	{ "people.aliases: the same person as ", "", N_("people.aliases: the same person as %s") },
	{ "policy ", ", but no e-mail is known", N_("policy %s, but no e-mail is known") },
	{ "policy ", "", N_("policy %s") },
	{ "rules: ", "", N_("rules: %s") },
};

const char *words_of_rule(const char *why, struct arena *a)
{
	static const char maybe[] = ", but the person may have an account already (";
	const char *at = strstr(why, maybe);
	size_t n = strlen(why);
	for (size_t i = 0; i < countof(whole); i++)
		if (streq(why, whole[i]))
			return err_word(whole[i]);
	if (at && !strncmp(why, "policy ", 7) && why[n - 1] == ')') {
		const char *reason = at + strlen(maybe);
		return arena_fmt(a, err_word("policy %s, but the person may have an account already (%s)"), arena_strndup(a, why + 7, (size_t)(at - why - 7)),
		                 arena_strndup(a, reason, strlen(reason) - 1));
	}
	for (size_t i = 0; i < countof(forms); i++) {
		size_t b = strlen(forms[i].begin), e = strlen(forms[i].end);
		if (n < b + e || strncmp(why, forms[i].begin, b) != 0 || strcmp(why + n - e, forms[i].end) != 0)
			continue;
		const char *form = err_word(forms[i].form), *blank = strstr(form, "%s");
		if (!blank)
			break;
		return arena_fmt(a, "%.*s%.*s%s", (int)(blank - form), form, (int)(n - b - e), why + b, blank + 2);
	}
	return why;
}
