/* plan_caught.c: what each rule and replacement of the mapping catches, with examples when they were asked for. Called by plan_msg.c for
 * each message and by plan.c at the end; writes nothing. Of a rule's messages those are shown whose ids have the smallest hashes: a
 * sample from everywhere, the same in every run, for which hardly any text has to be read. */
#include "replay/plan_in.h"

const char *caught_name(enum caught c)
{
	static const char *const names[] = { [CAUGHT_LEFT_OUT] = "left-out", [CAUGHT_MOVED] = "moved", [CAUGHT_CHANGED] = "changed", [CAUGHT_TAGGED] = "tagged" };
	return names[c];
}

static struct facts_caught *samples_of(struct plan *p, const char *rule)
{
	struct facts_caught *c = table_get(&p->samples, rule);
	if (!c) {
		c = arena_new(p->a, struct facts_caught);
		c->rule = plan_copy(p, rule);
		c->examples = arena_array(p->a, p->examples + 1, struct facts_example);
		table_put(&p->samples, c->rule, c);
	}
	return c;
}

/* Where it belongs among those kept, smallest hash first; p->examples: nowhere. */
static size_t rank(const struct plan *p, const struct facts_caught *c, uint64_t order)
{
	size_t at = c->n_examples;
	while (at && c->examples[at - 1].order > order)
		at--;
	return at < p->examples ? at : p->examples;
}

/* Where nothing is pointed at, people by their names. */
static void name_people(struct plan *p, struct text *t)
{
	for (size_t i = 0; i < t->n_blocks; i++)
		for (size_t k = 0; k < t->blocks[i].n_spans; k++) {
			struct span *s = &t->blocks[i].spans[k];
			const char *name = s->kind == SPAN_USER ? stream_someone(p->s, s->ref)->name : NULL;
			s->text = name ? name : s->text;
		}
}

void plan_example(struct plan *p, const char *rule, enum sample_of what, size_t i, struct spool_walk *w, const struct spool_meta *m)
{
	struct facts_caught *c = samples_of(p, rule);
	uint64_t order = hash64(m->id, strlen(m->id), (uint64_t)p->sp->num);
	size_t at = rank(p, c, order);
	struct mapping_sample s;
	struct msg msg;
	struct arena a;
	if (at == p->examples)
		return;
	arena_init(&a);
	if (spool_walk_body(w, &a, &msg, NULL)) {
		struct facts_example x = { .conv = plan_copy(p, p->sp->id), .name = plan_copy(p, p->sp->name), .id = plan_copy(p, m->id),
		                           .author = plan_copy(p, stream_author_name(p->s, &msg)), .when = stream_when(p->s, m->ts_us, p->a),
		                           .before = "", .match = "", .after = "", .ts_us = m->ts_us, .order = order };
		if (what == SAMPLE_BEGINNING)
			name_people(p, &msg.body);
		if (mapping_sample(p->s->x.mapping, &msg, what, i, &a, &s))
			x.before = plan_copy(p, s.before), x.match = plan_copy(p, s.match), x.after = plan_copy(p, s.after);
		else
			x.withheld = true;
		c->n_examples += c->n_examples < p->examples;
		memmove(c->examples + at + 1, c->examples + at, (c->n_examples - at - 1) * sizeof(x));
		c->examples[at] = x;
	}
	arena_release(&a);
}

/* A limit of a pilot needs no examples: what it leaves is for later. */
void plan_example_left_out(struct plan *p, const char *rule, struct spool_walk *w, const struct spool_meta *m)
{
	const char *const *names;
	if (!strncmp(rule, "only.", 5))
		return;
	mapping_rules(p->s->x.mapping, &names);
	for (size_t i = 0; i < p->n_named; i++)
		if (streq(names[i], rule)) {
			plan_example(p, rule, SAMPLE_RULE, i, w, m);
			return;
		}
	plan_example(p, rule, SAMPLE_BEGINNING, 0, w, m);
}

void plan_example_moved(struct plan *p, struct spool_walk *w, const struct spool_meta *m)
{
	const char *const *names;
	size_t i;
	uint64_t tags = m->kind == MSG_LOST_ROOT ? 0 : mapping_tag_rules(p->s->x.mapping);
	tags = tags ? tags & stream_rule_hits(p->s, p->sp, m) : 0;
	mapping_rules(p->s->x.mapping, &names);
	for (i = 0; i < p->n_named && tags; i++)
		if (tags >> i & 1)
			plan_example(p, names[i], SAMPLE_RULE, i, w, m);
	if (!mapping_has_routes(p->s->x.mapping) || m->kind == MSG_LOST_ROOT || !stream_route_of(p->s, p->sp, m, &i))
		return;
	mapping_rules(p->s->x.mapping, &names);
	plan_example(p, names[i], SAMPLE_RULE, i, w, m);
}

void plan_changed(struct plan *p, const struct letter *l, struct spool_walk *w, const struct spool_meta *m)
{
	const char *const *names;
	for (size_t k = 0; k < countof(l->hits.bits); k++)
		for (uint64_t bits = l->hits.bits[k]; bits; bits &= bits - 1) {
			size_t i = k * 64;
			for (uint64_t low = bits & ~(bits - 1); low > 1; low >>= 1)
				i++;
			p->changed[i]++;
			mapping_replacements(p->s->x.mapping, &names);
			if (p->examples)
				plan_example(p, names[i], SAMPLE_REPLACEMENT, i, w, m);
		}
}

int64_t plan_left_out(const struct plan *p, const char *rule)
{
	for (size_t i = 0; i < p->rules.n; i++) {
		const struct facts_rule *r = p->rules.rows[i].value;
		if (r->item == ITEM_MSG && streq(r->rule, rule))
			return r->n;
	}
	return 0;
}

static int by_time(const void *x, const void *y)
{
	const struct facts_example *a = x, *b = y;
	int c = a->ts_us != b->ts_us ? (a->ts_us < b->ts_us ? -1 : 1) : strcmp(a->id, b->id);
	return c ? c : strcmp(a->conv, b->conv);
}

static void add(struct plan *p, const char *rule, enum caught how, int64_t n)
{
	const struct facts_caught *c = table_get(&p->samples, rule);
	struct facts_caught *out = &p->f->caught[p->f->n_caught++];
	*out = (struct facts_caught){ .rule = plan_copy(p, rule), .how = how, .n = n };
	if (!c || !c->n_examples)
		return;
	out->examples = c->examples;
	out->n_examples = c->n_examples;
	qsort(out->examples, out->n_examples, sizeof(*out->examples), by_time);
}

void plan_finish_caught(struct plan *p)
{
	struct facts *f = p->f;
	const char *const *names, *const *changes;
	size_t n = mapping_rules(p->s->x.mapping, &names), n_changes = mapping_replacements(p->s->x.mapping, &changes);
	f->caught = arena_array(p->a, n + n_changes + p->rules.n + 1, struct facts_caught);
	for (size_t i = 0; i < n; i++) {
		bool drops = mapping_rule_drops(p->s->x.mapping, i);
		if (mapping_tag_rules(p->s->x.mapping) >> i & 1)
			add(p, names[i], CAUGHT_TAGGED, spool_seats_tally(p->s->x.spool, i, TALLY_TAGGED));
		else
			add(p, names[i], drops ? CAUGHT_LEFT_OUT : CAUGHT_MOVED, drops ? plan_left_out(p, names[i]) : spool_seats_picked(p->s->x.spool, i));
	}
	for (size_t i = 0; i < n_changes; i++)
		add(p, changes[i], CAUGHT_CHANGED, p->changed[i]);
	for (size_t i = 0; p->examples && i < p->rules.n; i++) {
		const struct facts_rule *r = p->rules.rows[i].value;
		bool named = false;
		for (size_t k = 0; k < n && !named; k++)
			named = streq(names[k], r->rule);
		if (r->item == ITEM_MSG && !named && table_get(&p->samples, r->rule))
			add(p, r->rule, CAUGHT_LEFT_OUT, r->n);
	}
}
