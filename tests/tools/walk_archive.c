/* walk_archive.c: what an importer makes of an archive, for developers.
 *
 *   walk_archive ARCHIVE          canonical JSON lines on stdout
 *   walk_archive --null ARCHIVE   counts and messages per second of the walk alone
 */
#include "tests/conform/jsonl_sink.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

struct count { struct jsonl j; size_t bytes; };

static bool null_user(void *ctx, const struct user *u) { (void)u; ((struct count *)ctx)->j.users++; return true; }
static bool null_conv(void *ctx, const struct conv *c) { (void)c; ((struct count *)ctx)->j.convs++; return true; }
static bool null_msg(void *ctx, const char *id, const struct msg *m) { (void)id; (void)m; ((struct count *)ctx)->j.msgs++; return true; }
static bool null_bad(void *ctx, const struct err *e) { (void)e; ((struct count *)ctx)->j.bad++; return true; }
static bool null_fact(void *ctx, const char *k, const char *v) { (void)ctx; printf("%s: %s\n", k, v); return true; }
static bool null_hazard(void *ctx, enum hazard_level l, const char *n, const char *w, const char *t)
{
	(void)l, (void)n, (void)w, (void)t;
	((struct count *)ctx)->j.hazards++;
	return true;
}

/* Writes as the buffer fills, so that archives of any size can be looked at. */
static bool flush_msg(void *ctx, const char *conv_id, const struct msg *m)
{
	struct jsonl *j = ctx;
	bool ok = jsonl_msg(ctx, conv_id, m);
	fwrite(j->out.p, 1, j->out.len, stdout);
	buf_reset(&j->out);
	return ok;
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	bool quiet = argc == 3 && strcmp(argv[1], "--null") == 0;
	if (argc != 2 && !quiet) {
		fprintf(stderr, "usage: walk_archive [--null] ARCHIVE\n");
		return 2;
	}
	struct vault *v = vault_open(argv[argc - 1], NULL, NULL, &e);
	const struct importer *im = v ? importer_choose(v, &e) : NULL;
	struct source *s = im ? im->open(v, NULL, &e) : NULL;
	if (!s) {
		fprintf(stderr, "%s %s\n%s\n", e.msg, e.where, e.hint);
		vault_close(v);
		return 3;
	}
	struct count n = { .bytes = 0 };
	struct sink sink;
	struct arena step;
	struct timespec a, b;
	arena_init(&step);
	jsonl_sink(&n.j, &sink, (size_t)1 << 30);
	if (quiet)
		sink = (struct sink){ .ctx = &n, .user = null_user, .conv = null_conv, .msg = null_msg, .bad = null_bad, .hazard = null_hazard, .fact = null_fact };
	else
		sink.msg = flush_msg;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	bool ok = im->walk(s, &sink, &step, &e);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	double t = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
	if (quiet)
		printf("%s %s: %zu users, %zu conversations, %zu messages, %zu bad, %zu hazards; %.3f s CPU, %.0f messages/s\n", im->name, im->identity(s),
		       n.j.users, n.j.convs, n.j.msgs, n.j.bad, n.j.hazards, t, (double)n.j.msgs / (t > 0 ? t : 1));
	else
		fwrite(n.j.out.p, 1, n.j.out.len, stdout);
	buf_release(&n.j.out);
	arena_release(&step);
	im->close(s);
	vault_close(v);
	if (!ok)
		fprintf(stderr, "%s %s\n", e.msg, e.where);
	return ok ? 0 : 1;
}
