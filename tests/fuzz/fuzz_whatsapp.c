/* Any bytes as a WhatsApp transcript: no crash, no endless loop; what is pushed is valid UTF-8 with an id, a time and a known
 * conversation, and the same twice. The first byte chooses options and the file's name; the rest is the file. */
#include "importers/importer.h"

#include "core/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen { size_t n; uint64_t hash; };

static void text(struct seen *s, const char *p)
{
	if (!utf8_valid(p, strlen(p)))
		abort();
	s->hash = hash64(p, strlen(p), s->hash);
}

static bool user(void *ctx, const struct user *u)
{
	if (!*u->id || !*u->name)
		abort();
	text(ctx, u->id);
	text(ctx, u->name);
	return true;
}

static bool conv(void *ctx, const struct conv *c)
{
	if (!*c->id || !*c->name)
		abort();
	text(ctx, c->id);
	text(ctx, c->name);
	return true;
}

static bool msg(void *ctx, const char *conv_id, const struct msg *m)
{
	struct seen *s = ctx;
	if (!*conv_id || !*m->id || m->ts_us <= 0)
		abort();
	text(s, m->id);
	for (size_t i = 0; i < m->body.n_blocks; i++)
		for (size_t k = 0; k < m->body.blocks[i].n_spans; k++) {
			text(s, m->body.blocks[i].spans[k].text);
			text(s, m->body.blocks[i].spans[k].url);
		}
	for (size_t i = 0; i < m->n_files; i++) {
		if (!*m->files[i].name)
			abort();
		text(s, m->files[i].name);
	}
	s->n++;
	return true;
}

static bool bad(void *ctx, const struct err *e) { text(ctx, e->msg); return true; }
static bool hazard(void *ctx, enum hazard_level l, const char *n, const char *w, const char *t) { (void)l, (void)w; text(ctx, n); text(ctx, t); return true; }
static bool fact(void *ctx, const char *k, const char *v) { text(ctx, k); text(ctx, v); return true; }

static struct seen walk(struct source *s)
{
	struct seen seen = { 0, 0 };
	struct err e = ERR_INIT;
	struct arena step;
	struct sink sink = { .ctx = &seen, .user = user, .conv = conv, .msg = msg, .bad = bad, .hazard = hazard, .fact = fact };
	arena_init(&step);
	if (!importer_whatsapp.walk(s, &sink, &step, &e) && e.code == ERR_NONE)
		abort();
	arena_release(&step);
	return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "WhatsApp Chat with X.txt", "_chat.txt", "x.txt", "Чат WhatsApp с Y.txt" };
	static const char *const zones[] = { "zone=UTC", "zone=Europe/Berlin" };
	static const char *const orders[] = { NULL, "date-order=dmy", "date-order=mdy", "date-order=ymd" };
	char dir[] = "/tmp/mvchat-fuzz-XXXXXX", path[256];
	if (size < 2 || !mkdtemp(dir))
		return 0;
	fmt_into(path, sizeof(path), "%s/%s", dir, names[data[0] & 3]);
	FILE *f = fopen(path, "wb");
	if (!f)
		abort();
	fwrite(data + 1, 1, size - 1, f);
	fclose(f);
	struct err e = ERR_INIT;
	struct vault *v = vault_open(dir, NULL, NULL, &e);
	const char *options[3] = { zones[data[0] >> 2 & 1], orders[data[0] >> 3 & 3], NULL };
	struct source *s = v ? importer_whatsapp.open(v, options, &e) : NULL;
	if (v)
		importer_whatsapp.bid(v);
	if (s) {
		struct seen a = walk(s), b = walk(s);
		if (a.n != b.n || a.hash != b.hash)
			abort();
		importer_whatsapp.close(s);
	}
	vault_close(v);
	unlink(path);
	rmdir(dir);
	return 0;
}
