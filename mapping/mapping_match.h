/* mapping_match.h: which account of the target is which person of the source. Suggests with a confidence and a reason; what is
 * ambiguous is told, never picked. */
#ifndef MVCHAT_MAPPING_MATCH_H
#define MVCHAT_MAPPING_MATCH_H

#include "mapping/mapping.h"

enum { CONFIDENCE_EMAIL = 100, CONFIDENCE_PHONE = 90, CONFIDENCE_NAME = 60, CONFIDENCE_SOUND = 50, CONFIDENCE_LOCAL = 45,
	CONFIDENCE_INITIAL = 30 };
struct match {
	const char *target_id;  /* or NULL */
	int confidence;         /* 0 = nothing found; below 90 it is a question */
	const char *reason;     /* a phrase; "" when nothing is worth saying */
	bool asks;              /* somebody has to look */
};
struct matcher;
struct matcher *match_open(const struct survey *s, const char *locale, struct arena *a); /* locale: of the reasons */
void match_close(struct matcher *mt);
/* email: the source's, or what people filled in; or NULL. */
struct match match_person(const struct matcher *mt, const struct user *u, const char *email, struct arena *a);
const struct target_person *match_by_id(const struct matcher *mt, const char *id);
const struct target_person *match_by_email(const struct matcher *mt, const char *email, struct arena *a);

#endif
