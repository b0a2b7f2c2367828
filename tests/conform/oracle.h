/* oracle.h: is a tree of ours what jansson reads from the same text? Used by the fuzz target and by test_json.c. Dies where not. */
#ifndef MVCHAT_TESTS_ORACLE_H
#define MVCHAT_TESTS_ORACLE_H

#include "core/json.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define ORACLE(x) do { if (!(x)) die("not as jansson has it: %s", #x); } while (0)

static void oracle_same(const struct jv *ours, json_t *theirs)
{
	const char *key;
	json_t *value;
	const struct jv *it;
	switch (json_typeof(theirs)) {
	case JSON_OBJECT: /* of equal keys the last one counts, for both */
		ORACLE(ours->type == JV_OBJ);
		jv_each(ours, c)
			ORACLE(json_object_get(theirs, c->key));
		json_object_foreach(theirs, key, value) {
			it = jv_get(ours, key);
			ORACLE(it);
			oracle_same(it, value);
		}
		break;
	case JSON_ARRAY:
		ORACLE(ours->type == JV_ARR && ours->n == json_array_size(theirs));
		it = ours->first;
		for (size_t i = 0; i < json_array_size(theirs); i++, it = it->next)
			oracle_same(it, json_array_get(theirs, i));
		break;
	case JSON_STRING:
		ORACLE(ours->type == JV_STR && ours->len == json_string_length(theirs) && !memcmp(ours->s, json_string_value(theirs), ours->len));
		break;
	case JSON_INTEGER:
		errno = 0;
		ORACLE(ours->type == JV_NUM && strtoll(ours->s, NULL, 10) == json_integer_value(theirs) && errno == 0 &&
		       jv_int(ours, -1) == json_integer_value(theirs));
		break;
	case JSON_REAL: {
		const double gap = strtod(ours->s, NULL) - json_real_value(theirs);
		ORACLE(ours->type == JV_NUM && !(gap < 0) && !(gap > 0));
		break;
	}
	case JSON_TRUE:
	case JSON_FALSE:
		ORACLE(ours->type == JV_BOOL && ours->b == json_is_true(theirs));
		break;
	case JSON_NULL:
		ORACLE(ours->type == JV_NULL);
		break;
	}
}

#endif
