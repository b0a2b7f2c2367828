/* plan_count.c: the sums, sentences and requests that the plan adds up, see plan_in.h. Called by the other parts of the plan;
 * decides nothing. */
#include "replay/plan_in.h"

enum { RULES_MAX = 500, SENTENCES_MAX = 1000, WHY_MAX = 80 };

const char *item_name(enum item i)
{
	static const char *const names[N_ITEM] = { "users", "channels", "messages", "threads", "files", "reactions", "pins" };
	return names[i];
}

const char *bucket_name(enum bucket b)
{
	static const char *const names[N_BUCKET] = { "sent", "merged", "text", "skipped", "rejected", "doubt", "pending" };
	return names[b];
}

void plan_say(struct plan *p, struct sentences *s, const char *text)
{
	if (s->n >= SENTENCES_MAX) {
		s->left_out++;
		return;
	}
	if (s->n + 1 >= s->cap) {
		s->cap = s->cap ? 2 * s->cap : 16;
		const char **v = arena_array(p->a, s->cap, const char *);
		if (s->n)
			memcpy(v, s->v, s->n * sizeof(*v));
		s->v = v;
	}
	s->v[s->n++] = text;
}

void plan_say_end(struct plan *p, struct sentences *s, const char ***v, size_t *n)
{
	if (s->left_out) {
		size_t left = s->left_out;
		s->n--; /* the last one makes room */
		s->v[s->n++] = arena_fmt(p->a, "… and %zu more", left + 1);
	}
	*v = s->v;
	*n = s->n;
}

/* A reason as a word that can be counted: the code before the colon of "code: message". */
const char *plan_reason(struct arena *a, const char *why)
{
	if (!why || !*why)
		return "refused";
	size_t n = strcspn(why, ":");
	return arena_strndup(a, why, n < WHY_MAX ? n : WHY_MAX);
}

void plan_count(struct plan *p, enum item item, enum bucket b, const char *rule, int64_t n)
{
	if (!n)
		return;
	p->f->bucket[item][b] += n;
	if (!rule)
		return;
	char key[160];
	if (!fmt_into(key, sizeof(key), "%d %d %s", (int)item, (int)b, rule) || p->rules.n >= RULES_MAX)
		rule = "other", fmt_into(key, sizeof(key), "%d %d other", (int)item, (int)b);
	struct facts_rule *r = table_get(&p->rules, key);
	if (!r) {
		r = arena_new(p->a, struct facts_rule);
		*r = (struct facts_rule){ item, arena_strdup(p->a, rule), 0 };
		table_put(&p->rules, arena_strdup(p->a, key), r);
	}
	r->n += n;
}

void plan_digest_num(struct plan *p, int64_t v)
{
	uint8_t b[8];
	for (int i = 0; i < 8; i++)
		b[i] = (uint8_t)((uint64_t)v >> (8 * i));
	digest_add(&p->digest, b, sizeof(b));
}

void plan_digest_str(struct plan *p, const char *s)
{
	digest_add(&p->digest, s, strlen(s) + 1);
}

/* Which limit a write falls under (the exporter says it for each request; a kind always has the same). An upload is a
 * request for a place and one that brings the bytes. */
void plan_call(struct plan *p, enum op_kind kind, int64_t ts_us, const char *id, int part, uint64_t body_fp)
{
	bool post = kind == OP_POST || kind == OP_EDIT || (kind == OP_DELETE && part < opkey_undo_part(OP_USER_CREATE, 0));
	p->ops++;
	p->f->calls[post ? REQ_POST : REQ_OTHER]++;
	if (kind == OP_UPLOAD)
		p->f->calls[REQ_BLOB]++;
	p->uploads += kind == OP_UPLOAD;
	p->people_calls += kind == OP_USER_CREATE;
	plan_digest_str(p, p->sp ? p->sp->id : "");
	plan_digest_num(p, ts_us);
	plan_digest_str(p, id);
	plan_digest_num(p, (int64_t)kind);
	plan_digest_num(p, part);
	plan_digest_num(p, (int64_t)body_fp);
}

void plan_count_loss(struct plan *p, uint32_t loss)
{
	for (int i = 0; i < N_LOSS; i++)
		p->f->loss[i] += loss >> i & 1;
}

enum op_state plan_state(struct plan *p, int64_t conv, int64_t ts, const char *id, enum op_kind kind, const char **target, const char **why)
{
	struct ledger_row row = { .state = OP_ABSENT };
	struct opkey k = { conv, ts, id, kind, 0 };
	bool found = ledger_get(p->s->x.ledger, &k, &p->one, &row);
	if (target)
		*target = found && row.state != OP_GONE ? row.target : NULL;
	if (why)
		*why = found ? row.why : NULL;
	return found && row.state != OP_GONE ? row.state : OP_ABSENT; /* what was taken back is to be written again */
}
