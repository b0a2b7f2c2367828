/* mapping_names.h: names as people compare them. Used for matching, globs and collisions. Results live in the arena. */
#ifndef MVCHAT_MAPPING_NAMES_H
#define MVCHAT_MAPPING_NAMES_H

#include "core/arena.h"

char *names_fold(const char *s, struct arena *a);    /* full case folding, NFC; ё becomes е */
char *names_person(const char *s, struct arena *a);  /* folded words in sorted order: «Ли Мария» = "мария ли" */
/* Names as they sound, for comparing Russian with Latin spellings: Latin letters and digits for sounds, whatever the scheme of
 * transliteration (Щербаков, Shcherbakov, Scherbakov; Юлия, Yulia, Julia); words sorted; no patronymics beside two other words. */
char *names_sound(const char *s, struct arena *a);
/* "i.petrov@x", "ivan.petrov", "ipetrov": the local part of an e-mail, or a handle. Does it fit a name of names_sound's form? */
enum local_fit { LOCAL_NO, LOCAL_INITIAL /* one initial and the surname */, LOCAL_FULL };
enum local_fit names_local_fits(const char *local, const char *sound, struct arena *a);
char *names_phone(const char *s, struct arena *a);   /* digits of an international number (a Russian 8… becomes 7…), or NULL */
bool names_glob(const char *pattern, const char *s, struct arena *a); /* fnmatch, without regard to case; '#' and '@' in front do not count */
/* At most max characters: cut at a whole cluster, ending in "~" and 6 hex digits of the whole name and id. max < 1: no limit. */
const char *names_fit(const char *s, const char *id, int64_t max, struct arena *a);

#endif
