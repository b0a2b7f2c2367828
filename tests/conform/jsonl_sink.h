/* jsonl_sink.h: a sink that writes what an importer pushes as canonical JSON lines; for conformance tests and tools.
 *
 * Hazards, bad records and facts become lines of their own types ("hazard", "bad", "fact"), so that an expectation shows the
 * whole of what an importer says.
 */
#ifndef MVCHAT_TESTS_JSONL_SINK_H
#define MVCHAT_TESTS_JSONL_SINK_H

#include "core/canon.h"
#include "core/json.h"
#include "importers/importer.h"

struct jsonl { struct buf out; size_t users, convs, msgs, bad, hazards; };

static bool jsonl_user(void *ctx, const struct user *u)
{
	struct jsonl *j = ctx;
	j->users++;
	canon_user(u, &j->out);
	buf_addc(&j->out, '\n');
	return true;
}

static bool jsonl_conv(void *ctx, const struct conv *c)
{
	struct jsonl *j = ctx;
	j->convs++;
	canon_conv(c, &j->out);
	buf_addc(&j->out, '\n');
	return true;
}

static bool jsonl_msg(void *ctx, const char *conv_id, const struct msg *m)
{
	struct jsonl *j = ctx;
	j->msgs++;
	canon_msg(m, conv_id, &j->out);
	buf_addc(&j->out, '\n');
	return true;
}

static bool jsonl_bad(void *ctx, const struct err *e)
{
	struct jsonl *j = ctx;
	struct jw w;
	j->bad++;
	jw_init(&w, &j->out);
	jw_obj(&w);
	jw_kstr(&w, "type", "bad");
	jw_kstr(&w, "where", e->where);
	jw_kstr(&w, "msg", e->msg);
	jw_obj_end(&w);
	buf_addc(&j->out, '\n');
	return true;
}

static bool jsonl_hazard(void *ctx, enum hazard_level level, const char *name, const char *where, const char *what)
{
	static const char *const levels[] = { "note", "warn", "loss" };
	struct jsonl *j = ctx;
	struct jw w;
	j->hazards++;
	jw_init(&w, &j->out);
	jw_obj(&w);
	jw_kstr(&w, "type", "hazard");
	jw_kstr(&w, "level", levels[level]);
	jw_kstr(&w, "name", name);
	jw_kstr(&w, "where", where);
	jw_kstr(&w, "what", what);
	jw_obj_end(&w);
	buf_addc(&j->out, '\n');
	return true;
}

static bool jsonl_fact(void *ctx, const char *key, const char *value)
{
	struct jsonl *j = ctx;
	struct jw w;
	jw_init(&w, &j->out);
	jw_obj(&w);
	jw_kstr(&w, "type", "fact");
	jw_kstr(&w, key, value);
	jw_obj_end(&w);
	buf_addc(&j->out, '\n');
	return true;
}

static bool jsonl_integration(void *ctx, const struct integration *in)
{
	struct jsonl *j = ctx;
	canon_integration(in, &j->out);
	buf_addc(&j->out, '\n');
	return true;
}

static inline void jsonl_sink(struct jsonl *j, struct sink *sink, size_t max)
{
	*j = (struct jsonl){ 0 };
	buf_init(&j->out, max);
	*sink = (struct sink){ .ctx = j, .user = jsonl_user, .conv = jsonl_conv, .msg = jsonl_msg, .bad = jsonl_bad, .hazard = jsonl_hazard, .fact = jsonl_fact,
	                        .integration = jsonl_integration };
}

#endif
