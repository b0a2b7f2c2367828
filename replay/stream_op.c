/* stream_op.c: one op, made of what it is about.
 *
 * Promises: an op made twice of the same things is the same, with the same fingerprints, so that the ledger can tell whether it was sent
 * as it is. Called by the files of stream_step.h, which decide which op it is. Asks the ledger for ids of the target only.
 */
#include "replay/stream_step.h"

#include "core/hash.h"

#include <string.h>

struct op *stream_op_begin(struct stream_op *out, const struct opkey *k, const struct goal *g, enum op_state state, struct arena *a)
{
	*out = (struct stream_op){ .state = state, .visible = k->kind != OP_UPLOAD };
	out->op.key = *k;
	out->op.key.id = arena_strdup(a, k->id);
	out->op.label = out->op.body = "";
	if (g) {
		out->op.chat = arena_strdup(a, g->chat);
		out->op.thread = arena_strdup(a, g->thread);
	}
	return &out->op;
}

void stream_op_user(struct stream *s, const char *id, const struct opkey *k, enum op_state state, struct arena *a, struct stream_op *out)
{
	struct user u;
	struct person p;
	struct op *op = stream_op_begin(out, k, NULL, state, a);
	if (!spool_user(s->x.spool, id, a, &u))
		die("stream: the user %s has left the spool", id);
	mapping_person(s->x.mapping, &u, a, &p);
	const char *space = strchr(p.name, ' ');
	op->name = arena_strdup(a, p.name);
	op->email = arena_strdup(a, p.email);
	op->first = p.first ? arena_strdup(a, p.first) : space && space > p.name ? arena_strndup(a, p.name, (size_t)(space - p.name)) : op->name;
	op->last = p.last ? arena_strdup(a, p.last) : !p.first && space && space > p.name ? arena_strdup(a, space + strspn(space, " ")) : NULL;
	op->phone = arena_strdup(a, p.phone);
	op->title = arena_strdup(a, p.title);
	op->role = arena_strdup(a, p.role);
	op->suspended = p.suspended;
	op->invite = s->cfg->invite && !p.suspended;
	/* An account of ours that a rollback has taken back is given its access again rather than made a second time. */
	struct ledger_row taken;
	struct opkey undo = { 0, 0, id, OP_DELETE, opkey_undo_part(OP_USER_CREATE, 0) };
	if (stream_row(s, &undo, a, &taken) && taken.state == OP_DONE)
		op->account = taken.target;
	out->src_fp = hash64s(id);
	out->body_fp = hash64s(op->email ? op->email : "");
}

void stream_op_chat(struct stream *s, const struct spot *sp, const struct opkey *k, enum op_state state, struct arena *a, struct stream_op *out)
{
	struct op *op = stream_op_begin(out, k, NULL, state, a);
	op->name = s->x.exporter->chat_name(sp->place.name, a);
	op->is_public = sp->place.is_public;
	out->src_fp = hash64s(sp->id);
	out->body_fp = hash64s(op->name);
}

bool stream_op_upload(struct stream *s, const struct msg *m, const struct opkey *k, const struct goal *g, enum op_state state, struct arena *a,
                      uint64_t fp, struct stream_op *out)
{
	if (k->part < 0 || (size_t)k->part >= m->n_files)
		return false;
	struct op *op = stream_op_begin(out, k, g, state, a);
	op->file = &m->files[k->part];
	op->alone = m->n_files == 1;
	op->name = mapping_redact(s->x.mapping, op->file->name, a);
	if (!op->name || !*op->name)
		op->name = "file";
	out->src_fp = fp;
	return true;
}

void stream_op_post(struct stream *s, const struct letter *l, const struct opkey *k, const struct goal *g, enum op_state state,
                    struct arena *a, uint64_t fp, struct stream_op *out)
{
	struct op *op = stream_op_begin(out, k, g, state, a);
	stream_post(s, l, (size_t)k->part, op);
	out->src_fp = fp;
	out->body_fp = s->x.exporter->fingerprint(op);
	/* Every part but the last says that more follow: a message is complete when a part without this bit is DONE. */
	out->loss = (l->loss & ~(uint32_t)LOSS_SPLIT) | ((size_t)k->part + 1 < l->n_parts ? LOSS_SPLIT : 0);
}

void stream_op_edit(struct stream *s, const struct letter *l, const struct opkey *k, const struct goal *g, enum op_state state, const char *target,
                    struct arena *a, uint64_t fp, struct stream_op *out)
{
	stream_op_post(s, l, k, g, state, a, fp, out);
	out->op.target_id = target;
	out->loss = l->loss & ~(uint32_t)LOSS_SPLIT; /* the posts say how many parts there are */
}

void stream_op_undo(const struct goal *g, const struct opkey *k, enum op_kind undoes, const char *target, enum op_state state, uint64_t fp,
                    struct arena *a, struct stream_op *out)
{
	struct op *op = stream_op_begin(out, k, g, state, a);
	op->undoes = undoes;
	op->target_id = target;
	out->src_fp = fp;
}

void stream_op_react(const struct goal *g, const struct react *r, const struct opkey *k, const char *target, enum op_state state,
                     uint64_t fp, struct arena *a, struct stream_op *out)
{
	struct op *op = stream_op_begin(out, k, g, state, a);
	op->target_id = target;
	op->emoji = arena_strdup(a, r->emoji);
	op->emoji_name = arena_strdup(a, r->name);
	out->src_fp = fp;
}

const char *stream_post_target(struct stream *s, const struct opkey *of, int part, struct arena *a, struct ledger_row *row)
{
	struct opkey k = *of;
	k.kind = OP_POST;
	k.part = part;
	return stream_row(s, &k, a, row) && row->state == OP_DONE ? row->target : NULL;
}

static void keep_file(const struct file **f, struct arena *a)
{
	if (!*f)
		return;
	struct file *own = arena_memdup(a, *f, sizeof(*own));
	const char **texts[] = { &own->id, &own->name, &own->title, &own->mime, &own->url, &own->permalink, &own->preview, &own->entry };
	for (size_t i = 0; i < countof(texts); i++)
		*texts[i] = arena_strdup(a, *texts[i]);
	*f = own;
}

void stream_op_keep(struct op *op, struct arena *a)
{
	const char **texts[] = { &op->key.id, &op->chat, &op->thread, &op->target_id, &op->name, &op->label, &op->avatar, &op->body };
	for (size_t i = 0; i < countof(texts); i++)
		*texts[i] = arena_strdup(a, *texts[i]);
	keep_file(&op->file, a);
	struct op_file *files = arena_memdup(a, op->files, op->n_files * sizeof(*files));
	for (size_t i = 0; i < op->n_files; i++) {
		files[i].handle = arena_strdup(a, files[i].handle);
		files[i].by = arena_strdup(a, files[i].by);
		files[i].name = arena_strdup(a, files[i].name);
		files[i].mime = arena_strdup(a, files[i].mime);
		files[i].waveform = arena_strdup(a, files[i].waveform);
		keep_file(&files[i].source, a);
	}
	op->files = op->n_files ? files : NULL;
}
