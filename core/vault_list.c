/* vault_list.c: the entries of a vault, on the disk when they are many.
 *
 * A record is `struct fixed`, the name and a NUL, and for a folder's file that is spelled otherwise on the disk that name and a NUL. Records
 * that have been added wait in a pile; a full pile is sorted and written behind the others as a run. vault_list_sort merges the runs and
 * the last pile into `out`, in blocks of which the index knows the place and the beginning of the first name.
 *
 * Twins are found while merging, where they come one behind the other: the renamed ones go onto a new pile, and everything is merged
 * once more, since a made name may exist already.
 */
#include "core/vault_list.h"

#include "core/vault_int.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	PILE_BYTES = 2 * 1024 * 1024, /* sorted at once */
	STORE_BYTES = 2 * 1024 * 1024, /* kept in memory before a file is made */
	BLOCK_BYTES = 16 * 1024,
	SUFFIXES = 256,               /* what eight rounds of renaming may add to a name */
	HEAD_BYTES = 40,              /* of a block's first name */
	SLOTS = 8,                    /* blocks that are kept in memory */
	ROUNDS_MAX = 8,
};

struct fixed {
	int64_t size, packed, mtime_us;
	uint64_t at;                  /* as in struct item */
	uint32_t crc;
	uint32_t place;               /* among those added */
	uint32_t name_n, raw_n;       /* without the NULs; raw_n 0: as the name */
	uint16_t within;
	uint8_t encrypted, made;      /* made: the name is a twin's */
};
enum { RECORD_MAX = sizeof(struct fixed) + 2 * (VAULT_NAME_MAX + SUFFIXES + 1), WINDOW = RECORD_MAX + 4096 };

static struct fixed fixed_of(const char *r)
{
	struct fixed f;
	memcpy(&f, r, sizeof(f));
	return f;
}

static const char *name_of(const char *r)
{
	return r + sizeof(struct fixed);
}

static size_t length_of(const struct fixed *f)
{
	return sizeof(*f) + f->name_n + 1 + (f->raw_n ? (size_t)f->raw_n + 1 : 0);
}

/* By name; of equal ones, those the archive gave before those made here, then in the order of the archive. */
static int compare(const char *a, const char *b)
{
	const int c = strcmp(name_of(a), name_of(b));
	if (c)
		return c;
	const struct fixed x = fixed_of(a), y = fixed_of(b);
	return x.made != y.made ? x.made - y.made : (x.place > y.place) - (x.place < y.place);
}

static int by_record(const void *a, const void *b)
{
	return compare(*(const char *const *)a, *(const char *const *)b);
}

/* ---- bytes one behind the other: in memory, or the last of them there and the rest in a file ---- */

struct store {
	const char *scratch;
	char *mem;
	size_t n;       /* bytes in mem */
	int64_t base;   /* bytes in the file before them */
	int fd;
};

static bool store_flush(struct store *s, struct err *e)
{
	if (s->fd < 0 && (s->fd = vault_private_file(s->scratch, e)) < 0)
		return false;
	if (!vault_write_all(s->fd, s->mem, s->n, e))
		return false;
	s->base += (int64_t)s->n;
	s->n = 0;
	return true;
}

static bool store_add(struct store *s, const char *p, size_t n, struct err *e)
{
	if (!s->mem)
		s->mem = xmalloc(STORE_BYTES);
	if (n > STORE_BYTES - s->n && !store_flush(s, e))
		return false;
	memcpy(s->mem + s->n, p, n);
	s->n += n;
	return true;
}

/* No more will come: what is in a file is there whole, what is in memory takes no more than it needs. */
static bool store_end(struct store *s, struct err *e)
{
	if (s->fd >= 0 && !store_flush(s, e))
		return false;
	if (s->fd >= 0) {
		free(s->mem);
		s->mem = NULL;
	} else if (s->mem) {
		s->mem = xrealloc(s->mem, s->n ? s->n : 1);
	}
	return true;
}

/* Bytes [at, at + n) of a store that has ended; `room` is for those of a file. */
static const char *store_at(const struct store *s, int64_t at, size_t n, char *room)
{
	if (s->fd < 0)
		return s->mem + at;
	if (!vault_read_at(s->fd, room, n, at))
		die("a private file cannot be read back");
	return room;
}

static int64_t store_length(const struct store *s)
{
	return s->base + (int64_t)s->n;
}

static void store_drop(struct store *s)
{
	free(s->mem);
	if (s->fd >= 0)
		close(s->fd);
	*s = (struct store){ .scratch = s->scratch, .fd = -1 };
}

/* ---- what is to be sorted ---- */

struct pile {
	char *bytes;
	size_t used;
	const char **records; /* in bytes */
	size_t n, cap;
	bool in_order;
	struct store store;   /* runs, one behind the other */
	int64_t *ends;        /* of the runs */
	size_t n_runs;
	size_t all;           /* records */
};

static void pile_init(struct pile *p, const char *scratch)
{
	*p = (struct pile){ .in_order = true, .store = { .scratch = scratch, .fd = -1 } };
}

static void pile_drop(struct pile *p)
{
	free(p->bytes);
	free(p->records);
	free(p->ends);
	store_drop(&p->store);
}

static void pile_order(struct pile *p)
{
	if (!p->in_order)
		qsort(p->records, p->n, sizeof(*p->records), by_record);
	p->in_order = true;
}

static bool pile_run(struct pile *p, struct err *e)
{
	pile_order(p);
	for (size_t i = 0; i < p->n; i++) {
		const struct fixed f = fixed_of(p->records[i]);
		if (!store_add(&p->store, p->records[i], length_of(&f), e))
			return false;
	}
	p->ends = xrealloc(p->ends, (p->n_runs + 1) * sizeof(*p->ends));
	p->ends[p->n_runs++] = store_length(&p->store);
	p->n = p->used = 0;
	return true;
}

static bool pile_add(struct pile *p, const struct fixed *f, const char *name, const char *raw, struct err *e)
{
	const size_t n = length_of(f);
	if (!p->bytes)
		p->bytes = xmalloc(PILE_BYTES);
	if (n > PILE_BYTES - p->used && !pile_run(p, e))
		return false;
	if (p->n == p->cap) {
		p->cap = p->cap ? 2 * p->cap : 64;
		p->records = xrealloc(p->records, p->cap * sizeof(*p->records));
	}
	char *r = p->bytes + p->used, *w = r + sizeof(*f);
	memcpy(r, f, sizeof(*f));
	memcpy(w, name, f->name_n);
	w += f->name_n;
	*w++ = '\0';
	if (f->raw_n) {
		memcpy(w, raw, f->raw_n);
		w[f->raw_n] = '\0';
	}
	if (p->n && p->in_order)
		p->in_order = compare(p->records[p->n - 1], r) < 0;
	p->records[p->n++] = r;
	p->used += n;
	p->all++;
	return true;
}

/* ---- one sorted run, read from its beginning ---- */

struct run {
	const char *record;           /* the next one; NULL at the end */
	const char *const *records;   /* in memory: a pile's */
	size_t left;
	const struct store *store;    /* or of a store: not yet taken into the window [next, end) */
	int64_t next, end;
	char *window;
	const char *at;               /* behind `record` */
	size_t have;                  /* bytes from there on */
};

static void run_step(struct run *r)
{
	struct fixed f;
	if (r->records) {
		r->record = r->left ? *r->records : NULL;
		r->records += r->left != 0;
		r->left -= r->left != 0;
		return;
	}
	const bool whole = r->have >= sizeof(f) && (f = fixed_of(r->at), r->have >= length_of(&f));
	if (!whole && r->next < r->end) { /* what is left of the window is read again, with more behind it */
		const int64_t from = r->next - (int64_t)r->have;
		r->have = r->end - from < WINDOW ? (size_t)(r->end - from) : WINDOW;
		r->at = store_at(r->store, from, r->have, r->window);
		r->next = from + (int64_t)r->have;
	}
	r->record = r->have ? r->at : NULL;
	if (!r->record)
		return;
	f = fixed_of(r->record);
	r->at += length_of(&f);
	r->have -= length_of(&f);
}

static void run_of_store(struct run *r, const struct store *s, int64_t from, int64_t end)
{
	*r = (struct run){ .store = s, .next = from, .end = end, .window = s->fd >= 0 ? xmalloc(WINDOW) : NULL };
	run_step(r);
}

/* ---- several runs at once: the one with the least record is first ---- */

struct merge { struct run *runs, **heap; size_t n, n_runs; };

static bool before(const struct merge *m, size_t a, size_t b)
{
	return compare(m->heap[a]->record, m->heap[b]->record) < 0;
}

static void sift(struct merge *m, size_t i)
{
	for (size_t least;; i = least) {
		least = i;
		for (size_t k = 2 * i + 1; k <= 2 * i + 2 && k < m->n; k++)
			least = before(m, k, least) ? k : least;
		if (least == i)
			return;
		struct run *swap = m->heap[i];
		m->heap[i] = m->heap[least];
		m->heap[least] = swap;
	}
}

static void merge_begin(struct merge *m, struct pile *p, const struct store *sorted)
{
	*m = (struct merge){ .runs = xcalloc(p->n_runs + 2, sizeof(*m->runs)), .heap = xcalloc(p->n_runs + 2, sizeof(*m->heap)) };
	for (size_t i = 0; i < p->n_runs; i++)
		run_of_store(&m->runs[m->n_runs++], &p->store, i ? p->ends[i - 1] : 0, p->ends[i]);
	run_of_store(&m->runs[m->n_runs++], sorted, 0, store_length(sorted));
	pile_order(p);
	m->runs[m->n_runs] = (struct run){ .records = p->n ? p->records : NULL, .left = p->n };
	if (p->n)
		run_step(&m->runs[m->n_runs]);
	m->n_runs++;
	for (size_t i = 0; i < m->n_runs; i++)
		if (m->runs[i].record)
			m->heap[m->n++] = &m->runs[i];
	for (size_t i = m->n; i-- > 0;)
		sift(m, i);
}

static const char *merge_first(const struct merge *m)
{
	return m->n ? m->heap[0]->record : NULL;
}

/* On to the next: what merge_first gave is no more. */
static void merge_step(struct merge *m)
{
	run_step(m->heap[0]);
	if (!m->heap[0]->record)
		m->heap[0] = m->heap[--m->n];
	sift(m, 0);
}

static void merge_end(struct merge *m)
{
	for (size_t i = 0; i < m->n_runs; i++)
		free(m->runs[i].window);
	free(m->runs);
	free(m->heap);
}

/* ---- the list ---- */

struct block {
	int64_t at;
	uint32_t rank;         /* of its first record */
	char head[HEAD_BYTES]; /* its name, cut where there is no NUL */
};

struct slot {
	size_t block;
	const char *bytes;
	char *room;            /* for bytes of a file */
	size_t cap, n;
	size_t rank, at;       /* a record in it, to go on from */
	uint64_t used;
};

struct vault_list {
	const char *scratch;
	struct pile pile;
	char *least, *last;    /* names, in order */
	size_t slashes;        /* most in one name */
	int64_t name_bytes, names_max;
	size_t n;
	struct store out;
	struct block *blocks;
	size_t n_blocks, cap;
	struct slot slots[SLOTS];
	uint64_t clock;
};

struct vault_list *vault_list_new(const char *scratch, int64_t names_max)
{
	struct vault_list *l = xcalloc(1, sizeof(*l));
	l->names_max = names_max;
	l->scratch = scratch;
	l->out = (struct store){ .scratch = scratch, .fd = -1 };
	pile_init(&l->pile, scratch);
	return l;
}

void vault_list_free(struct vault_list *l)
{
	if (!l)
		return;
	pile_drop(&l->pile);
	store_drop(&l->out);
	for (size_t i = 0; i < SLOTS; i++)
		free(l->slots[i].room);
	free(l->least);
	free(l->last);
	free(l->blocks);
	free(l);
}

static void keep_ends(struct vault_list *l, const char *name, size_t n)
{
	size_t slashes = 0;
	for (const char *s = name; (s = strchr(s, '/')); s++)
		slashes++;
	l->slashes = slashes > l->slashes ? slashes : l->slashes;
	if (!l->least || strcmp(name, l->least) < 0) {
		free(l->least);
		l->least = xstrndup(name, n);
	}
	if (!l->last || strcmp(name, l->last) > 0) {
		free(l->last);
		l->last = xstrndup(name, n);
	}
}

bool vault_list_add(struct vault_list *l, const struct item *it, struct err *e)
{
	const char *name = it->pub.name, *raw = it->raw;
	const size_t n = strlen(name), raw_n = raw && !streq(raw, name) ? strlen(raw) : 0;
	struct fixed f = {
		.size = it->pub.size, .packed = it->pub.packed, .mtime_us = it->pub.mtime_us, .crc = it->crc, .place = (uint32_t)l->n,
		.name_n = (uint32_t)n, .raw_n = (uint32_t)raw_n, .within = it->pub.within, .encrypted = it->pub.encrypted,
	};
	_Static_assert(sizeof(it->at) == sizeof(f.at), "a record holds what an item does");
	memcpy(&f.at, &it->at, sizeof(f.at));
	if (n > VAULT_NAME_MAX || raw_n > VAULT_NAME_MAX)
		return vault_refuse(e, name, n, N_("a name of more than 16 KiB"));
	l->name_bytes += (int64_t)(n + raw_n);
	if (l->name_bytes > l->names_max || l->n == UINT32_MAX)
		return vault_refuse(e, name, n, N_("more bytes of names than the limit"));
	l->n++;
	keep_ends(l, name, n);
	return pile_add(&l->pile, &f, name, raw, e);
}

/* What all names begin with, the least and the last begin with. A folder may go while some name has a folder below it. */
size_t vault_list_top(const struct vault_list *l, const char **first)
{
	size_t top = 0, folders = 0;
	*first = l->least ? l->least : "";
	for (size_t i = 0; l->least && l->least[i] && l->least[i] == l->last[i]; i++)
		if (l->least[i] == '/' && ++folders < l->slashes)
			top = i + 1;
	return top;
}

/* ---- sorting ---- */

static bool put_out(struct vault_list *l, const char *record, size_t strip, struct err *e)
{
	struct fixed f = fixed_of(record);
	const char *name = name_of(record) + strip;
	f.name_n -= (uint32_t)strip;
	const size_t n = length_of(&f);
	const int64_t at = store_length(&l->out);
	if (!l->n_blocks || at - l->blocks[l->n_blocks - 1].at + (int64_t)n > BLOCK_BYTES) {
		if (l->n_blocks == l->cap) {
			l->cap = l->cap ? 2 * l->cap : 16;
			l->blocks = xrealloc(l->blocks, l->cap * sizeof(*l->blocks));
		}
		struct block *b = &l->blocks[l->n_blocks++];
		b->at = at;
		b->rank = (uint32_t)l->n;
		memset(b->head, 0, sizeof(b->head));
		memcpy(b->head, name, f.name_n < HEAD_BYTES ? f.name_n : HEAD_BYTES);
	}
	l->n++;
	return store_add(&l->out, (const char *)&f, sizeof(f), e) && store_add(&l->out, name, n - sizeof(f), e);
}

/* With another name, onto the pile of those; the first name stays known where it is what the disk has. */
static bool rename_twin(struct pile *again, const char *record, size_t strip, size_t number, struct buf *name, struct err *e)
{
	struct fixed f = fixed_of(record);
	const char *old = name_of(record), *raw = f.raw_n ? old + f.name_n + 1 : old;
	buf_reset(name);
	buf_addf(name, "%s (%zu)", old + strip, number);
	f.raw_n = f.raw_n ? f.raw_n : f.name_n;
	f.name_n = (uint32_t)name->len;
	f.made = 1;
	return pile_add(again, &f, name->p, raw, e);
}

/* One round: what is on the pile and what has been sorted, into `out`; twins onto `again`. */
static bool merge_all(struct vault_list *l, const struct store *sorted, size_t strip, struct pile *again, struct err *e)
{
	struct merge m;
	struct buf last, name;
	const char *r;
	size_t number = 0;
	bool ok = true;
	if (!store_end(&l->pile.store, e))
		return false;
	buf_init(&last, VAULT_NAME_MAX + SUFFIXES);
	buf_init(&name, VAULT_NAME_MAX + SUFFIXES);
	merge_begin(&m, &l->pile, sorted);
	l->n = l->n_blocks = 0;
	for (; ok && (r = merge_first(&m)); merge_step(&m)) {
		number = number && streq(last.p, name_of(r)) ? number + 1 : 1;
		if (number > 1) {
			ok = rename_twin(again, r, strip, number, &name, e);
		} else {
			buf_reset(&last);
			buf_adds(&last, name_of(r));
			ok = put_out(l, r, strip, e);
		}
	}
	merge_end(&m);
	buf_release(&last);
	buf_release(&name);
	return ok && store_end(&l->out, e);
}

bool vault_list_sort(struct vault_list *l, size_t strip, struct err *e)
{
	free(l->least);
	free(l->last);
	l->least = l->last = NULL;
	for (int round = 0;; round++, strip = 0) {
		struct store sorted = l->out;
		struct pile again;
		l->out = (struct store){ .scratch = l->scratch, .fd = -1 };
		pile_init(&again, l->scratch);
		bool ok = merge_all(l, &sorted, strip, &again, e);
		store_drop(&sorted);
		pile_drop(&l->pile);
		l->pile = again;
		if (ok && again.all && round == ROUNDS_MAX)
			ok = err_set(e, ERR_ARCHIVE, "the same names again and again");
		if (!ok || !again.all)
			return ok;
	}
}

/* ---- looking ---- */

size_t vault_list_count(const struct vault_list *l)
{
	return l->n;
}

static struct slot *slot_of(struct vault_list *l, size_t block)
{
	struct slot *oldest = &l->slots[0];
	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *s = &l->slots[i];
		if (s->bytes && s->block == block) {
			s->used = ++l->clock;
			return s;
		}
		oldest = s->used < oldest->used ? s : oldest;
	}
	const struct block *b = &l->blocks[block];
	const int64_t end = block + 1 < l->n_blocks ? b[1].at : store_length(&l->out);
	struct slot *s = oldest;
	s->n = (size_t)(end - b->at);
	if (l->out.fd >= 0 && s->cap < s->n) {
		free(s->room);
		s->room = xmalloc(s->n);
		s->cap = s->n;
	}
	s->bytes = store_at(&l->out, b->at, s->n, s->room);
	s->block = block;
	s->rank = b->rank;
	s->at = 0;
	s->used = ++l->clock;
	return s;
}

static void slot_step(struct slot *s)
{
	const struct fixed f = fixed_of(s->bytes + s->at);
	s->at += length_of(&f);
	s->rank++;
}

void vault_list_get(struct vault_list *l, size_t rank, struct item *out)
{
	size_t lo = 0, hi = l->n_blocks;
	if (rank >= l->n)
		die("vault_list_get: %zu of %zu", rank, l->n);
	while (hi - lo > 1) { /* the last block that begins at or before it */
		const size_t mid = lo + (hi - lo) / 2;
		if (l->blocks[mid].rank <= rank)
			lo = mid;
		else
			hi = mid;
	}
	struct slot *s = slot_of(l, lo);
	if (rank < s->rank) {
		s->rank = l->blocks[lo].rank;
		s->at = 0;
	}
	while (s->rank < rank)
		slot_step(s);
	const char *r = s->bytes + s->at;
	const struct fixed f = fixed_of(r);
	*out = (struct item){
		.pub = { .name = name_of(r), .size = f.size, .packed = f.packed, .mtime_us = f.mtime_us, .encrypted = f.encrypted, .within = f.within },
		.rank = rank, .crc = f.crc,
		.raw = f.raw_n ? name_of(r) + f.name_n + 1 : NULL,
	};
	memcpy(&out->at, &f.at, sizeof(f.at));
}

/* Does the block begin with a name before this one? */
static bool begins_before(struct vault_list *l, size_t block, const char *name)
{
	const char *head = l->blocks[block].head;
	const int c = strncmp(head, name, HEAD_BYTES);
	if (c || memchr(head, '\0', HEAD_BYTES))
		return c < 0;
	return strcmp(name_of(slot_of(l, block)->bytes), name) < 0;
}

size_t vault_list_lower(struct vault_list *l, const char *name)
{
	size_t lo = 0, hi = l->n_blocks;
	if (!l->n_blocks || !begins_before(l, 0, name))
		return 0;
	while (hi - lo > 1) { /* the last block that begins before it */
		const size_t mid = lo + (hi - lo) / 2;
		if (begins_before(l, mid, name))
			lo = mid;
		else
			hi = mid;
	}
	struct slot *s = slot_of(l, lo);
	s->rank = l->blocks[lo].rank;
	for (s->at = 0; s->at < s->n && strcmp(name_of(s->bytes + s->at), name) < 0;)
		slot_step(s);
	const size_t rank = s->rank;
	if (s->at == s->n) { /* no record is behind the last one */
		s->rank = l->blocks[lo].rank;
		s->at = 0;
	}
	return rank;
}
