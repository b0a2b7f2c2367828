/* Promises: what map, plan, apply and verify do is done here and nowhere else, so that `mvchat move` does the same. Called by the
 * cmd_*.c files. Prints only the question of stage_confirm and the findings of stage_verify. */
#include "cli/stage.h"

#include "cli/names_state.h"
#include "cli/progress.h"
#include "core/log.h"
#include "core/outfile.h"
#include "core/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- what is known when a mapping is drafted ---- */

/* Of tens of thousands of conversations only what a mapping asks about is kept: ids of members once each, and no topics or pins. */
struct collected {
	struct arena *a, list /* a record of spool_convs; reset behind each */;
	struct table ids;
	struct user *users; int64_t *user_msgs; size_t n_users, cap_users;
	struct conv *convs; struct conv_stats *stats; size_t n_convs, cap_convs;
};

static bool add_user(void *ctx, const struct user *u, int64_t n)
{
	struct collected *c = ctx;
	if (c->n_users == c->cap_users) {
		c->cap_users = c->cap_users ? 2 * c->cap_users : 256;
		c->users = xrealloc(c->users, c->cap_users * sizeof(*c->users));
		c->user_msgs = xrealloc(c->user_msgs, c->cap_users * sizeof(*c->user_msgs));
	}
	c->users[c->n_users] = *u;
	c->user_msgs[c->n_users++] = n;
	return true;
}

static const char *known_id(struct collected *c, const char *id)
{
	char *had = table_get(&c->ids, id);
	if (!had) {
		had = arena_strdup(c->a, id);
		table_put(&c->ids, had, had);
	}
	return had;
}

static bool add_conv(void *ctx, const struct spool_conv *s)
{
	struct collected *c = ctx;
	if (c->n_convs == c->cap_convs) {
		c->cap_convs = c->cap_convs ? 2 * c->cap_convs : 256;
		c->convs = xrealloc(c->convs, c->cap_convs * sizeof(*c->convs));
		c->stats = xrealloc(c->stats, c->cap_convs * sizeof(*c->stats));
	}
	const char **members = arena_array(c->a, s->conv.n_members, const char *);
	for (size_t i = 0; i < s->conv.n_members; i++)
		members[i] = known_id(c, s->conv.members[i]);
	c->convs[c->n_convs] = (struct conv){
		.id = arena_strdup(c->a, s->conv.id), .name = arena_strdup(c->a, s->conv.name), .space = s->conv.space ? arena_strdup(c->a, s->conv.space) : NULL,
		.creator = s->conv.creator ? known_id(c, s->conv.creator) : NULL,
		.kind = s->conv.kind, .archived = s->conv.archived, .general = s->conv.general, .shared = s->conv.shared, .created_us = s->conv.created_us,
		.members = members, .n_members = s->conv.n_members,
	};
	c->stats[c->n_convs++] = (struct conv_stats){ s->n_msgs, s->first_us, s->last_us };
	arena_reset(&c->list);
	return true;
}

static const void *keep(struct project *p, void *v, size_t n, size_t size)
{
	void *copy = NULL;
	if (n)
		copy = arena_memdup(&p->arena, v, n * size);
	free(v);
	return copy;
}

bool stage_survey(struct project *p, enum archives_at at, const struct map_wish *wish, const struct snapshot *snap, struct survey *out, struct err *e)
{
	struct collected c = { .a = &p->arena };
	const char *zone = wish->zone ? wish->zone : streq(i18n_lang(), "ru") ? "Europe/Moscow" : NULL;
	arena_init(&c.list);
	table_init(&c.ids);
	bool ok = spool_users(p->spool, &p->arena, add_user, &c, e) && spool_convs(p->spool, &c.list, add_conv, &c, e);
	table_release(&c.ids);
	arena_release(&c.list);
	/* Paths in a new mvchat.yaml are as seen from the project folder. */
	struct mapping_archive *seen = arena_array(&p->arena, p->n_archives, struct mapping_archive);
	for (size_t i = 0; i < p->n_archives; i++) {
		seen[i] = p->archives[i];
		if (at == ARCHIVES_OF_MAPPING)
			seen[i].path = mapping_config(p->mapping)->archives[i].path; /* as it is listed there */
		if (at == ARCHIVES_NAMED && seen[i].path[0] != '/' && !streq(p->dir, ".")) {
			char *abs = realpath(seen[i].path, NULL);
			if (abs)
				seen[i].path = arena_strdup(&p->arena, abs);
			free(abs);
		}
		if (seen[i].key_file && streq(seen[i].key_file, "-")) { /* not there the next time */
			seen[i].key_file = NULL;
		} else if (at == ARCHIVES_NAMED && seen[i].key_file && seen[i].key_file[0] != '/' && !streq(p->dir, ".")) {
			char *abs = realpath(seen[i].key_file, NULL);
			if (abs)
				seen[i].key_file = arena_strdup(&p->arena, abs);
			free(abs);
		}
	}
	*out = (struct survey){
		.archives = seen, .n_archives = p->n_archives, .n_users = c.n_users, .n_convs = c.n_convs,
		.users = keep(p, c.users, c.n_users, sizeof(*c.users)), .user_msgs = keep(p, c.user_msgs, c.n_users, sizeof(*c.user_msgs)),
		.convs = keep(p, c.convs, c.n_convs, sizeof(*c.convs)), .conv_stats = keep(p, c.stats, c.n_convs, sizeof(*c.stats)),
		.people = snap->people, .n_people = snap->n_people, .chats = snap->chats, .n_chats = snap->n_chats,
		.target = wish->to, .target_url = wish->url, .zone = zone, .locale = i18n_lang(), .unmatched = wish->unmatched, .name_max = 255,
	};
	return ok;
}

/* ---- what changed in the mapping ---- */

enum { STATE_MAX = 128 << 20 };

static const char *state_path(struct project *p)
{
	return arena_fmt(&p->arena, "%s/mapping.state", p->state);
}

bool stage_accepted(struct project *p)
{
	return access(state_path(p), F_OK) == 0;
}

size_t stage_changes(struct project *p, const struct mapping *m, const struct mapping_change **out)
{
	struct buf was, is;
	char block[16384];
	size_t n = 0;
	*out = NULL;
	FILE *f = fopen(state_path(p), "r");
	if (!f)
		return 0;
	buf_init(&was, STATE_MAX);
	buf_init(&is, STATE_MAX);
	for (size_t k; (k = fread(block, 1, sizeof(block), f)) > 0;)
		buf_add(&was, block, k);
	fclose(f);
	mapping_state(m, &is);
	if (was.len && !was.full && !is.full)
		n = mapping_changes(was.p, is.p, &p->arena, out);
	buf_release(&was);
	buf_release(&is);
	return n;
}

void stage_accept(struct project *p, const struct mapping *m)
{
	struct err e = ERR_INIT;
	struct outfile o;
	struct buf b;
	buf_init(&b, STATE_MAX);
	mapping_state(m, &b);
	bool ok = !b.full && project_state_dir(p, &e) && outfile_open(&o, state_path(p), 0600, &e);
	if (ok && fwrite(b.p, 1, b.len, o.f) != b.len) {
		outfile_abort(&o);
		ok = false;
	}
	if (!ok || !outfile_commit(&o, &e))
		log_warn("map.state", _("what the mapping said cannot be kept: %s"), e.msg);
	buf_release(&b);
}

/* One sentence among the plan's notes, the last one. */
static void note_changes(struct project *p, struct facts *f)
{
	const struct mapping_change *v;
	size_t n = stage_changes(p, p->mapping, &v), files[3] = { 0 };
	p->noted = n > 0;
	static const char *const names[3] = { "mvchat.yaml", "users.csv", "channels.csv" };
	if (!n)
		return;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < countof(names); k++)
			files[k] += streq(v[i].where, names[k]);
	const char **notes = arena_array(&p->arena, f->n_notes + 1, const char *);
	if (f->n_notes)
		memcpy(notes, f->notes, f->n_notes * sizeof(*notes));
	notes[f->n_notes++] = arena_fmt(&p->arena, "the mapping has changed since it was last replayed or drafted: mvchat.yaml %zu, users.csv %zu, channels.csv %zu ('mvchat map --check' lists what)",
	                                files[0], files[1], files[2]);
	f->notes = notes;
}

/* ---- where everything stands ---- */

bool stage_facts(struct project *p, const struct snapshot *snap, struct facts *f, struct err *e)
{
	uint8_t digest[DIGEST_BYTES];
	mapping_digest(p->mapping, digest);
	ledger_current_mapping(p->ledger, digest);
	if (!names_mark(p, e))
		return false;
	const char *name = mapping_config(p->mapping)->target;
	const struct exporter *ex = p->session ? p->session->ex : exporter_named(name);
	if (!ex)
		return err_set(e, ERR_USAGE, _("unknown target '%s'"), name);
	struct target *t = p->session ? p->session->target : ex->configure(NULL, &p->arena, e);
	struct traits tr;
	if (!t)
		return false;
	if (p->session)
		tr = p->session->traits;
	else
		ex->traits(t, &tr);
	if (!plan_wished(p->spool, p->mapping, ex, t, &tr, p->ledger, snap, p->wish, (size_t)p->examples, &p->facts, f, e))
		return false;
	note_changes(p, f);
	return true;
}

/* Which kinds of write the plan will need: asked of the target before the first one. */
static uint32_t kinds_needed(const struct facts *f, const struct mapping *m, const struct traits *t)
{
	const struct mapping_config *c = mapping_config(m);
	uint32_t k = 0;
	for (size_t i = 0; i < f->n_people; i++)
		if (f->people[i].action == PERSON_CREATE && f->people[i].state != OP_DONE)
			k |= 1u << OP_USER_CREATE;
	for (size_t i = 0; i < f->n_chats; i++) {
		const struct facts_chat *h = &f->chats[i];
		if (h->action == CHAT_SKIP || h->action == CHAT_REJECTED)
			continue;
		if (h->action == CHAT_CREATE)
			k |= 1u << OP_CHAT_CREATE;
		if (h->pending)
			k |= 1u << OP_POST;
		if (h->pending && h->threads)
			k |= 1u << OP_THREAD_OPEN;
		if (h->pending && h->files)
			k |= 1u << OP_UPLOAD;
		if (h->edits || h->links)
			k |= 1u << OP_EDIT;
		if (h->members)
			k |= 1u << OP_MEMBERS;
		if (h->deletes)
			k |= 1u << OP_DELETE;
		if (h->reopens)
			k |= 1u << (OP_UNDO_BIT + OP_ARCHIVE);
		if (h->archived && (t->caps & CAP_ARCHIVE))
			k |= 1u << OP_ARCHIVE;
	}
	if (!f->nothing_to_do && mapping_names_tags(m))
		k |= 1u << OP_TAG_BIT;
	if (c->pins && f->bucket[ITEM_PIN][BUCKET_PENDING])
		k |= 1u << OP_PIN;
	if (c->reactions == REACTION_NATIVE && f->bucket[ITEM_REACTION][BUCKET_PENDING])
		k |= 1u << OP_REACT;
	return k;
}

bool stage_allowed(struct project *p, const struct facts *f, struct err *e)
{
	struct session *s = p->session;
	char said[640];
	if (f->breach)
		return err_set(e, ERR_MAPPING, "%s", report_sentence(f->breach, said, sizeof(said)));
	return s->ex->may(s->target, kinds_needed(f, p->mapping, &s->traits), e);
}

bool stage_confirm(enum consent consent, const struct facts *f, const char *again, struct err *e)
{
	if (consent == CONSENT_GIVEN)
		return true;
	if (!isatty(STDIN_FILENO)) {
		err_set(e, ERR_USAGE, _("not asked and not told: this writes into the target"));
		return err_hint(e, "%s", again);
	}
	if (f->deletes)
		printf(_("%s messages that the source no longer has will be DELETED in the target.\n"), num(f->deletes));
	printf(_("Write %s messages into the target? [y/N] "), num(f->bucket[ITEM_MSG][BUCKET_PENDING]));
	if (out_yes())
		return true;
	err_set(e, ERR_PARTIAL, _("stopped before writing anything"));
	return err_hint(e, _("nothing was changed"));
}

/* ---- the replay ---- */

static void event(void *ctx, const char *ev, const char *lane, const char *what)
{
	(void)ctx;
	log_warn(ev, "%s%s%s", lane, *lane ? ": " : "", what);
}

/* Writes in doubt whose message, chat or person the archive or the mapping no longer has have no lane that could settle them. */
static int64_t open_ops(struct ledger *l)
{
	struct ledger_counts c;
	int64_t n = 0;
	ledger_count(l, &c);
	for (int k = 0; k <= OP_DELETE; k++)
		n += c.by_kind_state[k][OP_INTENT] + c.by_kind_state[k][OP_UNKNOWN];
	return n;
}

bool stage_replay(struct project *p, const struct snapshot *snap, struct facts *before, struct stage_replay *s, struct err *e)
{
	struct session *ses = p->session;
	uint8_t digest[DIGEST_BYTES];
	/* The ledger is tied to this pair only now that something may be written. */
	if (!ledger_bond(p->ledger, spool_source_id(p->spool, &p->arena), ses->target_id, e))
		return false;
	if (s->rate && s->rate != 100) {
		pool_rate(&ses->pool, &ses->traits, (double)s->rate / 100);
	}
	/* Chats of an earlier run with fewer bots. */
	for (size_t i = 0; ses->pool.n > 1 && i < before->n_chats; i++) {
		const struct facts_chat *h = &before->chats[i];
		if (h->action == CHAT_EXISTS && h->pending && h->target_id && !session_admit(ses, h->target_id, e))
			return false;
	}
	struct stream_args sa = { p->spool, p->mapping, ses->ex, ses->target, p->ledger, snap };
	struct stream *stream = stream_open(&sa, e);
	if (!stream)
		return false;
	stream_wish(stream, p->wish);
	mapping_digest(p->mapping, digest);
	s->run = ledger_run_begin(p->ledger, s->command, digest, e);
	if (!s->run || !names_begin(p, s->run, NULL, e)) {
		stream_close(stream);
		return false;
	}
	bool idle = before->nothing_to_do;
	stage_accept(p, p->mapping);
	struct engine_args ea = {
		.session = ses, .stream = stream, .ledger = p->ledger, .run = s->run,
		.total = before->bucket[ITEM_MSG][BUCKET_PENDING] + before->edits + before->drift_edits + before->links + before->deletes,
		.settle_s = (int)s->settle, .max_wait_s = s->max_wait, .max_ops = s->max_ops, .window_s = s->window,
		.closed_until = s->quiet ? hours_closed_until : NULL, .hours = s->quiet,
		.people_first = mapping_config(p->mapping)->mentions == MENTION_LIVE, .small_first = s->small_first, .stop = &stop_signal,
		.progress = s->progress ? s->progress : progress_engine, .event = event, .ctx = s->ctx,
	};
	/* Two accounts of a large archive and all its lanes at once are more than need be held. */
	if (!idle) {
		*before = (struct facts){ 0 };
		arena_reset(&p->facts);
	}
	stop_polite = 1; /* what is under way is finished and written down */
	bool ok = engine_run(&ea, &s->result, e);
	progress_clear();
	stream_close(stream);
	xtrim(); /* what a thousand lanes held lies in pieces between what stays */
	s->open = open_ops(p->ledger);
	if (ok && s->open > s->result.in_doubt && !s->result.stopped)
		log_warn("apply.in_doubt", _("%s writes of earlier runs are in doubt, and the archive or the mapping no longer has them; 'mvchat status' lists them"),
		         num(s->open - s->result.in_doubt));
	if (ok && idle && !s->result.requests && !s->open) { /* nothing was asked or written: the account holds, but for what is accepted now */
		s->after = *before;
		s->after.n_notes -= p->noted;
		s->has_after = true;
		return true;
	}
	struct err e2 = ERR_INIT;
	s->has_after = stage_facts(p, snap, &s->after, &e2);
	if (ok && !s->has_after)
		*e = e2;
	return ok && s->has_after;
}

void stage_replay_end(struct project *p, const struct stage_replay *s, int code)
{
	if (s->run)
		ledger_run_end(p->ledger, s->run, code);
}

int stage_replay_code(const struct stage_replay *s)
{
	const struct facts *f = &s->after;
	if (!f->adds_up)
		return EX_INTERNAL;
	if (stop_signal)
		return 128 + stop_signal;
	if (s->open || s->result.stopped || s->result.lanes_stopped || !f->nothing_to_do || f->refused || f->bucket[ITEM_MSG][BUCKET_REJECTED] ||
	    f->bucket[ITEM_MSG][BUCKET_DOUBT] || f->bucket[ITEM_USER][BUCKET_REJECTED] || f->bucket[ITEM_CONV][BUCKET_REJECTED])
		return EX_PARTIAL;
	return EX_DONE;
}

/* ---- reading back ---- */

struct found { struct stage_verify *out; struct project *p; struct stream *stream; struct arena one; };

static void finding(void *ctx, enum finding f, const char *lane, const struct opkey *k, const char *target, const char *url, const char *what)
{
	struct found *v = ctx;
	char line[SENTENCE_MAX];
	struct report_finding one = { f, lane, k ? k->id : NULL, target, url, what };
	v->out->findings++;
	if (v->out->report)
		report_found(v->out->report, &v->p->arena, &one);
	if (v->out->w)
		report_json_finding(&one, v->out->w);
	else if (v->out->findings <= 50)
		printf("  %s  %s %s  %s%s%s\n", report_finding_word(f), safe(lane), k ? safe(k->id) : target ? safe(target) : "",
		       what ? safe(report_sentence(what, line, sizeof(line))) : "", url ? "  " : "", url ? safe(url) : "");
}

static void lost(void *ctx, const struct opkey *k)
{
	struct found *f = ctx;
	struct stage_verify *v = f->out;
	GROW(v->lost, v->n_lost, v->cap_lost, 64);
	v->lost[v->n_lost] = *k;
	v->lost[v->n_lost++].id = arena_strdup(&f->p->arena, k->id);
}

static void tick(void *ctx, int64_t done, int64_t total)
{
	(void)ctx;
	progress_part("comparing", _("comparing"), done, total);
}

/* Answers live until the next question. */
static bool place_of(struct found *v, const char *source_conv, struct place *pl)
{
	struct spool_conv c;
	arena_reset(&v->one);
	if (!spool_conv(v->p->spool, source_conv, &v->one, &c))
		return false;
	mapping_place(v->p->mapping, &c.conv, &v->one, pl);
	return true;
}

static const char *chat_of(void *ctx, const char *source_conv)
{
	struct found *v = ctx;
	struct place pl;
	if (!place_of(v, source_conv, &pl) || pl.action != PLACE_ADOPT)
		return NULL;
	return pl.into ? stream_chat_target(v->stream, source_conv, &v->one) : pl.target_id;
}

static int public_of(void *ctx, const char *source_conv)
{
	struct place pl;
	return place_of(ctx, source_conv, &pl) && pl.action == PLACE_CREATE ? pl.is_public : -1;
}

static const char *const *members_of(void *ctx, const char *source_conv, size_t *n)
{
	struct found *v = ctx;
	const char *const *ids = NULL;
	arena_reset(&v->one);
	*n = stream_joiners(v->stream, source_conv, &v->one, &ids);
	if (*n && stream_joining(v->stream, source_conv, &v->one))
		*n = 0; /* who is still to join is not missing */
	return ids;
}

static void verdict(struct stage_verify *v)
{
	const struct verify_result *r = &v->result;
	const struct facts *f = &v->facts;
	int64_t wrong = r->messages[FIND_MISSING] + r->messages[FIND_ALTERED] + r->messages[FIND_MISPLACED] + r->messages[FIND_TWICE];
	if (r->clean && r->sampled)
		fmt_into(v->verdict, sizeof(v->verdict), _("What was looked at is in order: %s messages (sample %s)."), num(r->messages[FIND_MATCH]), num((int64_t)v->seed));
	else if (v->complete)
		fmt_into(v->verdict, sizeof(v->verdict), _("The replay is complete: all %s messages written are in the target, unchanged and in order."),
		         num(r->messages[FIND_MATCH]));
	else if (r->clean)
		fmt_into(v->verdict, sizeof(v->verdict), _("What was written is all there (%s messages), but the replay is not finished: %s messages are to do."),
		         num(r->messages[FIND_MATCH]), num(f->bucket[ITEM_MSG][BUCKET_PENDING] + f->bucket[ITEM_MSG][BUCKET_DOUBT]));
	else
		fmt_into(v->verdict, sizeof(v->verdict), _("The target differs from what was written: %s messages and %s other things (listed above)."), num(wrong),
		         num(verify_other_things(r)));
}

bool stage_verify(struct project *p, struct stage_verify *v, struct err *e)
{
	struct session *s = p->session;
	if (!ledger_bond(p->ledger, spool_source_id(p->spool, &p->arena), s->target_id, e) || (!v->known && !stage_facts(p, NULL, &v->facts, e)))
		return false;
	if (v->known)
		v->facts = *v->known;
	struct stream_args sa = { p->spool, p->mapping, s->ex, s->target, p->ledger, NULL };
	struct found found = { .out = v, .p = p, .stream = stream_open(&sa, e) };
	if (!found.stream)
		return false;
	arena_init(&found.one);
	struct verify_args va = { .session = s, .ledger = p->ledger, .finding = finding, .progress = tick, .chat_of = chat_of, .public_of = public_of,
	                          .members_of = members_of, .lost = v->keep_lost ? lost : NULL, .sample = v->sample, .seed = v->seed,
	                          .ctx = &found, .stop = &stop_signal };
	bool ok = verify_run(&va, &v->result, e);
	stream_close(found.stream);
	arena_release(&found.one);
	progress_clear();
	if (!ok)
		return false;
	const struct facts *f = &v->facts;
	v->left = !f->nothing_to_do || f->bucket[ITEM_MSG][BUCKET_PENDING] || f->bucket[ITEM_MSG][BUCKET_DOUBT];
	v->complete = v->result.clean && !v->left && !v->result.sampled;
	verdict(v);
	if (v->report) {
		v->report->result = v->result;
		v->report->complete = v->complete;
	}
	return true;
}
