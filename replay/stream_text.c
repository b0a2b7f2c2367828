/* stream_text.c: one message of the source in the words of the target: label, body, what we add ourselves.
 *
 * Called by stream.c and plan.c through stream_in.h. What we add (names of files that stay behind, reactions, place-holders)
 * is built as blocks of rich text and rendered by the exporter with the rest: no Markdown is written here. The only texts of
 * ours that people will read in their chats stand in the table below, in the mapping's language.
 */
#include "replay/stream_in.h"

#include "core/clock.h"
#include "core/utf8.h"

#include <stdio.h>
#include <string.h>

enum word { W_CONTINUES, W_CHARACTERS, W_DELETED, W_LOST_ROOT, W_LEFT_OUT, W_EMPTY, W_BROADCAST, W_NO_FILE, W_FILE_GONE, W_FILE_LARGE, W_SYSTEM, W_SHORTENED, N_WORD };
static const char *const words[N_WORD][2] = {
	[W_CONTINUES] = { "… (continues: ", "… (продолжение: ещё " },
	[W_CHARACTERS] = { " characters more)", " симв.)" },
	[W_DELETED] = { "(message deleted)", "(сообщение удалено)" },
	[W_LOST_ROOT] = { "(the first message of this thread is not in the archive)", "(первого сообщения этого треда нет в архиве)" },
	[W_LEFT_OUT] = { "(message left out)", "(сообщение не перенесено)" },
	[W_EMPTY] = { "(message without text)", "(сообщение без текста)" },
	[W_BROADCAST] = { "(also sent to the channel)", "(также отправлено в канал)" },
	[W_NO_FILE] = { "not in the export", "нет в выгрузке" },
	[W_FILE_GONE] = { "deleted", "удалён" },
	[W_FILE_LARGE] = { "could not be transferred", "не удалось перенести" },
	[W_SYSTEM] = { "System", "Система" },
	[W_SHORTENED] = { "(text shortened)", "(текст сокращён)" },
};
enum {
	NAMES_MAX = 20,       /* people named after one emoji; the rest is a number */
	CALL_MAX = 64 * 1024, /* bytes of a line about a call */
};

static const char *word(const struct stream *s, enum word w)
{
	return words[w][streq(s->cfg->locale, "ru")];
}

/* ---- label ---- */

/* n in so many digits and the character behind them; every message has a dozen, which is too many for printf. */
static char *digits(char *to, int n, int width, char behind)
{
	for (int i = width; i-- > 0; n /= 10)
		to[i] = (char)('0' + n % 10);
	to[width] = behind;
	return to + width + 1;
}

static void put_date(const struct stream *s, const struct zoned *z, char out[32])
{
	bool day_first = streq(s->cfg->locale, "ru");
	if (z->year < 0 || z->year > 9999)
		snprintf(out, 32, "%d-%02d-%02d", z->year, z->month, z->day);
	else if (day_first)
		digits(digits(digits(out, z->day, 2, '.'), z->month, 2, '.'), z->year, 4, '\0');
	else
		digits(digits(digits(out, z->year, 4, '-'), z->month, 2, '-'), z->day, 2, '\0');
}

static void local_time(const struct stream *s, int64_t ts_us, struct zoned *z)
{
	if (!zone_local(s->cfg->zone, ts_us, z) && !zone_local("UTC", ts_us, z))
		*z = (struct zoned){ 1970, 1, 1, 0, 0, 0, 0 };
}

const char *stream_when(const struct stream *s, int64_t ts_us, struct arena *a)
{
	struct zoned z;
	char date[32];
	local_time(s, ts_us, &z);
	put_date(s, &z, date);
	return arena_fmt(a, "%s %02d:%02d", date, z.hour, z.minute);
}

static void put_zone(const struct zoned *z, char out[32])
{
	int off = z->offset_s < 0 ? -z->offset_s : z->offset_s;
	if (off % 3600)
		snprintf(out, 32, "UTC%c%d:%02d", z->offset_s < 0 ? '-' : '+', off / 3600, off % 3600 / 60);
	else if (off)
		snprintf(out, 32, "UTC%c%d", z->offset_s < 0 ? '-' : '+', off / 3600);
	else
		snprintf(out, 32, "UTC");
}

static void format_label(const struct stream *s, int64_t ts_us, const char *name, struct buf *out, uint32_t *loss)
{
	struct zoned z;
	char date[32], time[32], zone[32];
	local_time(s, ts_us, &z);
	put_date(s, &z, date);
	digits(digits(time, z.hour, 2, ':'), z.minute, 2, '\0');
	zone[0] = '\0';
	if (strstr(s->cfg->label_format, "{zone}"))
		put_zone(&z, zone);
	const struct { const char *key, *value; uint32_t loss; } keys[] = {
		{ "{name}", name, s->tr.caps & CAP_AUTHOR ? 0 : LOSS_AUTHOR },
		{ "{date}", date, s->tr.caps & CAP_TIME ? 0 : LOSS_TIME },
		{ "{time}", time, s->tr.caps & CAP_TIME ? 0 : LOSS_TIME },
		{ "{zone}", zone, 0 },
	};
	for (const char *p = s->cfg->label_format; *p;) {
		size_t k = *p == '{' ? 0 : countof(keys);
		while (k < countof(keys) && strncmp(p, keys[k].key, strlen(keys[k].key)) != 0)
			k++;
		if (k == countof(keys)) {
			buf_addc(out, *p++);
			continue;
		}
		buf_adds(out, keys[k].value);
		*loss |= keys[k].loss;
		p += strlen(keys[k].key);
	}
}

/* Too long a label loses characters of the name, never of the time. */
static const char *make_label(struct stream *s, int64_t ts_us, const char *name, struct arena *a, uint32_t *loss)
{
	size_t max = s->tr.label_max > 0 ? (size_t)s->tr.label_max : SIZE_MAX / 2, n = strlen(name);
	struct buf b;
	buf_init(&b, 64 << 10);
	format_label(s, ts_us, name, &b, loss);
	if (b.len > max && n + max > b.len + strlen("…")) {
		size_t keep = utf8_cut_cluster(name, n, n + max - b.len - strlen("…"));
		buf_reset(&b);
		format_label(s, ts_us, arena_fmt(a, "%.*s…", (int)keep, name), &b, loss);
	}
	if (b.len > max)
		buf_cut(&b, utf8_cut_cluster(b.p, b.len, max));
	const char *label = arena_strdup(a, b.p);
	buf_release(&b);
	return label;
}

const char *stream_author_name(struct stream *s, const struct msg *m)
{
	if (m->author_name && *m->author_name)
		return m->author_name;
	struct someone *w = m->author ? stream_someone(s, m->author) : NULL;
	return w && w->name ? w->name : word(s, W_SYSTEM);
}

/* ---- what a renderer asks ---- */

struct asking {
	struct stream *s; const struct spot *here; struct arena *a; bool no_links;
	uint64_t links_off; const char *refs[LINKS_TOLD_APART]; int n_refs; /* those that lead somewhere, each once */
	const struct spool_meta *meta; enum ahead want; bool ahead, stays; /* where the others stand, when asked */
};

/* Links that have an address are numbered as they come, so that a text of the past can be written again (letter_args.links_off). */
static bool link_is_off(struct asking *q, const char *ref)
{
	int i = 0;
	while (i < q->n_refs && !streq(q->refs[i], ref))
		i++;
	if (i == LINKS_TOLD_APART)
		return false;
	if (i == q->n_refs)
		q->refs[q->n_refs++] = arena_strdup(q->a, ref);
	return q->links_off >> i & 1;
}

static const char *ask_user(void *ctx, const char *id)
{
	struct asking *q = ctx;
	return stream_someone(q->s, id)->name;
}

/* The name of a private place is told only inside it. */
static const char *ask_conv(void *ctx, const char *id)
{
	struct asking *q = ctx;
	const struct spot *sp = stream_spot(q->s, id);
	return sp && (sp->kind == CONV_PUBLIC || sp == q->here) ? sp->place.name : NULL;
}

/* a comes before b. */
static bool earlier(int64_t a_ts, const char *a, int64_t b_ts, const char *b)
{
	return a_ts != b_ts ? a_ts < b_ts : strcmp(a, b) < 0;
}

/* Is the message a link leads to certainly in the target when the one that links is posted? */
static bool goes_before(const struct stream *s, const struct spool_meta *to, const struct spool_meta *from)
{
	if (!s->threads || (!to->root && !from->root) || (to->root && from->root && streq(to->root, from->root)))
		return earlier(to->ts_us, to->id, from->ts_us, from->id);
	return !to->root && (streq(to->id, from->root) || earlier(to->ts_us, to->id, from->root_ts_us, from->root)); /* a thread begins after its root */
}

/* A link that leads nowhere now: will it? */
static void ask_ahead(struct asking *q, struct spot *sp, const char *id, int64_t ts, enum op_state state)
{
	struct spool_meta to;
	const char *rule;
	bool comes = stream_todo(state) && sp->place.action != PLACE_SKIP && (q->s->tr.caps & CAP_EDIT) &&
	             spool_msg(q->s->x.spool, sp->num, ts, id, q->a, NULL, &to, NULL) && stream_fate(q->s, sp, &to, &rule) != FATE_SKIP;
	q->stays |= !comes;
	q->ahead |= comes && !(q->want == AHEAD_OF_UNSENT && to.host == q->meta->host && goes_before(q->s, &to, q->meta));
}

static const char *ask_url(void *ctx, const char *ref)
{
	struct asking *q = ctx;
	struct stream *s = q->s;
	const char *slash = strchr(ref, '/');
	if (!slash || q->no_links || !s->x.exporter->message_url) {
		q->stays = true;
		return NULL;
	}
	struct spot *sp = stream_spot(s, arena_strndup(q->a, ref, (size_t)(slash - ref)));
	int64_t ts;
	struct ledger_row row;
	if (!sp || !spool_find(s->x.spool, sp->num, slash + 1, &ts)) {
		q->stays = true;
		return NULL;
	}
	struct opkey k = { stream_lconv(s, sp), ts, slash + 1, OP_POST, 0 };
	bool there = stream_row(s, &k, q->a, &row) && row.state == OP_DONE;
	const char *chat = there ? stream_stands_in(s, sp, &row, q->a) : NULL;
	if (!chat) {
		if (q->want)
			ask_ahead(q, sp, slash + 1, ts, row.state);
		return NULL;
	}
	if (link_is_off(q, ref))
		return NULL;
	return s->x.exporter->message_url(s->x.target, chat, row.target, q->a);
}

static const char *ask_date(void *ctx, int64_t unix_s)
{
	struct asking *q = ctx;
	struct zoned z;
	char date[32];
	if (unix_s > INT64_MAX / 1000000 || unix_s < INT64_MIN / 1000000)
		return NULL;
	local_time(q->s, unix_s * 1000000, &z);
	put_date(q->s, &z, date);
	return arena_fmt(q->a, "%s %02d:%02d", date, z.hour, z.minute);
}

static const char *ask_call(void *ctx, const struct span *call)
{
	struct asking *q = ctx;
	struct buf b;
	if (!streq(q->s->cfg->locale, "ru"))
		return NULL;
	buf_init(&b, CALL_MAX);
	text_call(call, TEXT_RUSSIAN, &b);
	const char *text = b.full ? NULL : arena_strndup(q->a, b.p, b.len);
	buf_release(&b);
	return text;
}

static const char *ask_live(void *ctx, const char *id)
{
	struct asking *q = ctx;
	const char *target = q->s->cfg->mentions == MENTION_LIVE ? stream_user_target(q->s, id, q->a) : NULL;
	return target ? arena_fmt(q->a, "<@%s>", target) : NULL; /* the form both Pachca and Slack read */
}

/* ---- body ---- */

static void note(struct text_builder *b, const char *s)
{
	text_block(b, BLOCK_NOTE);
	text_span(b, SPAN_TEXT, 0, s, NULL, NULL);
}

/* posted: a file that was fetched after its message had been sent is named as it was then. */
static void name_file(struct stream *s, struct text_builder *b, const struct file *f, bool posted)
{
	bool linked = f->state == FILE_LINKED || (posted && f->state == FILE_PRESENT && f->archive == SPOOL_FETCHED);
	const char *url = f->state == FILE_EXTERNAL ? f->url : linked ? f->permalink : NULL;
	text_block(b, BLOCK_NOTE);
	text_span(b, SPAN_TEXT, 0, "📎 ", NULL, NULL);
	if (url && *url)
		text_span(b, SPAN_LINK, 0, f->name, NULL, url);
	else
		text_span(b, SPAN_TEXT, 0, f->name, NULL, NULL);
	enum word why = f->state == FILE_GONE ? W_FILE_GONE : f->state == FILE_PRESENT && !linked ? W_FILE_LARGE : W_NO_FILE;
	if (f->state != FILE_EXTERNAL) {
		text_span(b, SPAN_TEXT, 0, " (", NULL, NULL);
		text_span(b, SPAN_TEXT, 0, word(s, why), NULL, NULL);
		text_span(b, SPAN_TEXT, 0, ")", NULL, NULL);
	}
	if (f->preview && *f->preview) {
		text_block(b, BLOCK_CODE);
		text_span(b, SPAN_TEXT, 0, f->preview, NULL, NULL);
	}
}

static void name_reactions(struct stream *s, struct text_builder *b, const struct msg *m, struct arena *a)
{
	text_block(b, BLOCK_NOTE);
	for (size_t i = 0; i < m->n_reacts; i++) {
		const struct react *r = &m->reacts[i];
		if (i)
			text_span(b, SPAN_TEXT, 0, " · ", NULL, NULL);
		text_span(b, SPAN_EMOJI, 0, r->emoji, r->name, NULL);
		size_t shown = 0;
		for (size_t k = 0; k < r->n_users && shown < NAMES_MAX; k++) {
			const char *name = stream_someone(s, r->users[k])->name;
			if (!name)
				continue;
			text_span(b, SPAN_TEXT, 0, shown++ ? ", " : " ", NULL, NULL);
			text_span(b, SPAN_TEXT, 0, name, NULL, NULL);
		}
		int64_t all = r->count > 0 ? r->count : 0;
		if (all < (int64_t)r->n_users)
			all = (int64_t)r->n_users;
		if (all > (int64_t)shown)
			text_span(b, SPAN_TEXT, 0, arena_fmt(a, shown ? " +%lld" : " %lld", (long long)all - (long long)shown), NULL, NULL);
	}
}

/* messages.mentions: text: a name among the words, without the sign of a mention. */
static struct text unmentioned(struct stream *s, const struct text *t, struct arena *a)
{
	struct text out = { arena_memdup(a, t->blocks, t->n_blocks * sizeof(*t->blocks)), t->n_blocks };
	for (size_t i = 0; i < out.n_blocks; i++) {
		struct block *k = &out.blocks[i];
		k->spans = arena_memdup(a, k->spans, k->n_spans * sizeof(*k->spans));
		for (size_t n = 0; n < k->n_spans; n++) {
			struct span *p = &k->spans[n];
			if (p->kind != SPAN_USER)
				continue;
			const char *name = stream_someone(s, p->ref)->name;
			p->text = name ? name : *p->text ? p->text : p->ref;
			p->kind = SPAN_TEXT;
			p->ref = "";
		}
	}
	return out;
}

static struct text italic(const struct text *t, struct arena *a)
{
	struct text out = { arena_memdup(a, t->blocks, t->n_blocks * sizeof(*t->blocks)), t->n_blocks };
	for (size_t i = 0; i < out.n_blocks; i++) {
		struct block *k = &out.blocks[i];
		k->spans = arena_memdup(a, k->spans, k->n_spans * sizeof(*k->spans));
		for (size_t j = 0; j < k->n_spans; j++)
			k->spans[j].style |= STYLE_ITALIC;
	}
	return out;
}

bool stream_uploadable(const struct stream *s, const struct file *f)
{
	return f->state == FILE_PRESENT && f->entry && (s->tr.caps & CAP_UPLOAD) && !(s->tr.file_max > 0 && f->size > s->tr.file_max);
}

/* Which files ride, which must be uploaded first, which are only named. */
static void sort_files(struct stream *s, const struct letter_args *x, struct arena *a, struct letter *out, bool *named)
{
	out->files = arena_array(a, x->msg->n_files + 1, struct op_file);
	out->file_no = arena_array(a, x->msg->n_files + 1, int);
	for (size_t i = 0; i < x->msg->n_files; i++) {
		const struct file *f = &x->msg->files[i];
		struct opkey k = { stream_lconv(s, x->sp), x->meta->ts_us, x->meta->id, OP_UPLOAD, (int)i };
		struct ledger_row row = { .state = OP_ABSENT };
		bool can = stream_uploadable(s, f);
		if (f->state == FILE_PRESENT)
			ledger_get(s->x.ledger, &k, a, &row);
		bool done = row.state == OP_DONE;
		bool todo = can && !done && !x->posted && row.state != OP_REJECTED;
		named[i] = !done && !todo;
		out->n_named += named[i];
		if (todo && !out->n_uploads++)
			out->upload = (int)i;
		if (named[i])
			continue;
		out->file_no[out->n_files] = (int)i;
		out->files[out->n_files++] = (struct op_file){
			.handle = done ? row.target : "", .by = done ? row.target2 : NULL, .name = f->name, .mime = f->mime, .kind = f->kind, .size = f->size, .width = f->width,
			.height = f->height, .duration_ms = f->duration_ms, .source = f,
		};
	}
}

/* A text whose blocks are those of three, one after the other. */
static struct text joined(struct arena *a, const struct text *x, const struct text *y, const struct text *z)
{
	struct text t = { arena_array(a, x->n_blocks + y->n_blocks + z->n_blocks + 1, struct block), 0 };
	const struct text *const all[] = { x, y, z };
	for (size_t i = 0; i < countof(all); i++) {
		if (all[i]->n_blocks)
			memcpy(t.blocks + t.n_blocks, all[i]->blocks, all[i]->n_blocks * sizeof(*t.blocks));
		t.n_blocks += all[i]->n_blocks;
	}
	return t;
}

/* A reply that does not stand under the message it answers says which that is: who wrote it and how it begins. */
enum { QUOTE_BYTES = 90 };

static void quote_words(struct text_builder *b, const struct text *t)
{
	size_t left = QUOTE_BYTES;
	for (size_t i = 0; i < t->n_blocks && left; i++)
		for (size_t k = 0; k < t->blocks[i].n_spans && left; k++) {
			const struct span *sp = &t->blocks[i].spans[k];
			bool named = sp->kind == SPAN_USER || sp->kind == SPAN_CONV || sp->kind == SPAN_EMOJI;
			size_t n = strlen(sp->text), cut = n <= left ? n : utf8_cut_cluster(sp->text, n, left);
			char *said = arena_strndup(b->a, sp->text, cut);
			for (char *p = said; *p; p++)
				if (*p == '\n' || *p == '\r' || *p == '\t')
					*p = ' ';
			if (cut < n)
				said = arena_fmt(b->a, "%s…", said);
			text_span(b, named ? sp->kind : SPAN_TEXT, 0, said, named ? sp->ref : NULL, NULL);
			left = cut < n || n + 1 >= left ? 0 : left - n;
			if (k + 1 == t->blocks[i].n_spans && i + 1 < t->n_blocks && left)
				text_span(b, SPAN_TEXT, 0, " ", NULL, NULL);
		}
}

static void add_quote(struct stream *s, const struct letter_args *x, struct text_builder *b)
{
	struct spool_meta root;
	struct msg m, clean;
	const char *rule;
	text_block(b, BLOCK_NOTE);
	text_span(b, SPAN_TEXT, 0, "↪ ", NULL, NULL);
	if (!spool_msg(s->x.spool, x->meta->conv, x->meta->quotes_ts_us, x->meta->quotes, b->a, &m, &root, NULL) || root.kind == MSG_LOST_ROOT ||
	    stream_fate(s, x->sp, &root, &rule) != FATE_SEND || !mapping_redact_msg(s->x.mapping, &m, b->a, &clean)) {
		text_span(b, SPAN_TEXT, 0, word(s, W_LEFT_OUT), NULL, NULL);
		return;
	}
	text_span(b, SPAN_TEXT, 0, stream_author_name(s, &m), NULL, NULL);
	text_span(b, SPAN_TEXT, 0, ": ", NULL, NULL);
	if (!text_is_empty(&clean.body))
		quote_words(b, &clean.body);
	else if (clean.n_files)
		text_span(b, SPAN_TEXT, 0, arena_fmt(b->a, "📎 %s", clean.files[0].name), NULL, NULL);
}

/* What stands in for the message's own words, or NULL. A text that could not be redacted is never shown, even where its
 * message must have one: its first part is in the target already, or replies hang on it. */
static const char *placeholder(struct stream *s, const struct letter_args *x, bool may_show)
{
	if (!may_show)
		return word(s, W_LEFT_OUT);
	if (spool_is_title(x->meta))
		return NULL;
	if (x->meta->kind == MSG_LOST_ROOT)
		return word(s, W_LOST_ROOT);
	if (x->meta->kind == MSG_DELETED)
		return word(s, W_DELETED);
	if (x->fate == FATE_PLACEHOLDER)
		return word(s, x->meta->empty ? W_EMPTY : W_LEFT_OUT);
	return NULL;
}

static void add_notes(struct stream *s, const struct letter_args *x, const bool *named, struct text_builder *b, struct letter *out)
{
	const struct msg *m = x->msg;
	for (size_t i = 0; i < m->n_files; i++) {
		if (!named[i])
			continue;
		name_file(s, b, &m->files[i], x->posted);
		out->loss |= LOSS_FILE;
	}
	for (size_t i = 0; i < m->n_files; i++) /* a card shows nobody what is in it until it is opened */
		if (m->files[i].title && *m->files[i].title && m->files[i].mime && streq(m->files[i].mime, "text/vcard"))
			note(b, arena_fmt(b->a, "👤 %s", m->files[i].title));
	if (m->flags & MSGF_BROADCAST) {
		note(b, word(s, W_BROADCAST));
		out->loss |= LOSS_BROADCAST;
	}
	if (m->n_reacts && s->cfg->reactions == REACTION_TEXT) {
		name_reactions(s, b, m, b->a);
		out->loss |= LOSS_REACTION;
	}
	if (m->edited_us)
		out->loss |= LOSS_EDITED;
}

struct whole { const struct text *head, *rest; };

/* Renders what is in *w, or its first `at` units and a note of what is missing. */
enum { AT_END = -1 };
static void render(struct stream *s, const struct letter_args *x, const struct whole *w, int64_t at, struct arena *a, struct letter *out)
{
	struct asking q = { .s = s, .here = stream_seat(s, x->sp, x->meta), .a = a, .no_links = x->no_links, .links_off = x->links_off,
	                    .meta = x->meta, .want = x->ahead };
	struct resolver r = { &q, ask_user, ask_conv, ask_url, ask_date, ask_call, ask_live };
	struct text rest = *w->rest, end = { 0 };
	if (at != AT_END) {
		size_t left;
		struct text_builder b;
		rest = stream_text_head(w->rest, (size_t)at, a, &left);
		text_begin(&b, a);
		note(&b, arena_fmt(a, "%s%zu%s", word(s, W_CONTINUES), left, word(s, W_CHARACTERS)));
		end = text_end(&b);
		out->loss |= LOSS_CUT;
	}
	struct text whole = joined(a, w->head, &rest, &end);
	s->x.exporter->render(s->x.target, &whole, &r, a, &out->parts, &out->n_parts, &out->loss);
	out->links = q.n_refs ? arena_memdup(a, q.refs, (size_t)q.n_refs * sizeof(*q.refs)) : NULL;
	out->n_links = q.n_refs;
	out->ahead = q.ahead;
	out->stays = q.stays;
}

/* As much of it as fits into the parts that are there. */
static void render_cut(struct stream *s, const struct letter_args *x, const struct whole *w, struct arena *a, struct letter *out)
{
	size_t lo = 0, hi = stream_text_size(w->rest);
	struct arena trial;
	arena_init(&trial);
	while (lo < hi) {
		struct letter l = *out;
		size_t mid = lo + (hi - lo + 1) / 2;
		arena_reset(&trial);
		render(s, x, w, (int64_t)mid, &trial, &l);
		if (l.n_parts <= (size_t)x->parts_max)
			lo = mid;
		else
			hi = mid - 1;
	}
	arena_release(&trial);
	render(s, x, w, (int64_t)lo, a, out);
}

/* In a chat into which several channels were merged, or rules sent it: who, and where. A reply stands under what it answers. */
static const char *author_of(struct stream *s, const struct letter_args *x, struct arena *a)
{
	const char *name = stream_author_name(s, x->msg);
	bool under = x->meta->root && x->meta->root[0] != '@', away = x->meta->host != x->meta->conv;
	bool merged = !x->meta->root && x->sp->place.into && stream_host(s, x->sp);
	return x->sp->name && !under && (away || merged) ? arena_fmt(a, "%s · #%s", name, x->sp->name) : name;
}

void stream_letter(struct stream *s, const struct letter_args *asked, struct arena *a, struct letter *out)
{
	struct letter_args clean = *asked;
	const struct letter_args *x = &clean;
	clean.sp = stream_home(s, asked->sp, asked->meta);
	struct msg redacted;
	struct mapping_hits hits;
	const char *stand_in = placeholder(s, x, mapping_redact_seen(s->x.mapping, x->msg, a, &redacted, &hits));
	clean.msg = &redacted;
	*out = (struct letter){ .label = "", .upload = -1, .hits = hits };
	struct text_builder head, tail;
	text_begin(&head, a);
	text_begin(&tail, a);
	struct text body = { 0 };
	bool title = spool_is_title(x->meta), anonymous = x->fate == FATE_PLACEHOLDER || x->meta->kind == MSG_LOST_ROOT;
	if (stand_in) {
		note(&tail, stand_in);
		if (x->fate == FATE_PLACEHOLDER || x->meta->kind == MSG_LOST_ROOT)
			out->loss |= LOSS_ROOT;
		if (x->want == LETTER_FILES)
			return;
	} else {
		bool *named = arena_array(a, x->msg->n_files + 1, bool);
		sort_files(s, x, a, out, named);
		if (x->want == LETTER_FILES || (out->upload >= 0 && x->want == LETTER_NEXT))
			return;
		body = x->msg->kind == MSG_ME ? italic(&x->msg->body, a) : x->msg->body;
		if (s->cfg->mentions == MENTION_TEXT && body.n_blocks)
			body = unmentioned(s, &body, a);
		add_notes(s, x, named, &tail, out);
	}
	const char *label = "";
	if (s->cfg->attribution != ATTRIBUTION_NONE && !title)
		label = make_label(s, x->meta->ts_us, anonymous ? word(s, W_SYSTEM) : author_of(s, x, a), a, &out->loss);
	if (s->cfg->attribution == ATTRIBUTION_LABEL && (s->tr.caps & CAP_LABEL)) {
		out->label = label;
		if (*label && !anonymous && x->msg && x->msg->author)
			out->avatar = stream_someone(s, x->msg->author)->avatar;
	} else if (*label) {
		text_block(&head, BLOCK_PARA);
		text_span(&head, SPAN_TEXT, STYLE_BOLD, label, NULL, NULL);
	}
	if (x->meta->quotes && !stand_in)
		add_quote(s, x, &head);
	const char *tags = stand_in ? NULL : stream_tags(s, x->sp, x->meta, asked->msg, a);
	if (tags) {
		text_block(&tail, BLOCK_PARA);
		text_span(&tail, SPAN_TEXT, 0, tags, NULL, NULL);
	}
	struct text h = text_end(&head), t = text_end(&tail);
	if (!out->n_files && text_is_empty(&body) && !t.n_blocks) {
		/* Nothing a reader would see: say so rather than be refused by the target. */
		struct text_builder b;
		text_begin(&b, a);
		note(&b, word(s, W_EMPTY));
		t = text_end(&b);
	}
	static const struct text nothing;
	struct text rest = joined(a, &body, &t, &nothing);
	struct whole w = { &h, &rest };
	uint32_t loss = out->loss;
	render(s, x, &w, AT_END, a, out);
	if (x->parts_max <= 0 || out->n_parts <= (size_t)x->parts_max)
		return;
	out->loss = loss;
	render_cut(s, x, &w, a, out);
}

void stream_post(struct stream *s, const struct letter *l, size_t part, struct op *op)
{
	op->label = l->label;
	op->avatar = op->key.kind == OP_POST ? l->avatar : NULL;
	op->body = part < l->n_parts ? l->parts[part] : word(s, W_SHORTENED);
	if (part + 1 == l->n_parts) {
		op->files = l->files;
		op->n_files = l->n_files;
	}
}
