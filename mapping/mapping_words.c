/* mapping_words.c: words of mvchat.yaml: the one that was probably meant, and those that must never be repeated. Called by
 * mapping_config.c and mapping.c. */
#include "mapping/mapping_config.h"

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
