/* scan_whatsapp FILE: how fast the first stage of reading a transcript is, without anything behind it; for benchmarks.
 *
 *   lines   the least there could be: the file read and its line ends found
 *   parse   lines of valid UTF-8, headers parsed into dates and times, authors split off
 * Prints "lines MB/s parse MB/s" of processor time, the best of three.
 */
#include "importers/whatsapp_header.h"
#include "importers/whatsapp_reader.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static double cpu(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double scan_lines(const char *path, size_t *bytes)
{
	static char chunk[256 * 1024];
	FILE *f = fopen(path, "rb");
	double from = cpu();
	size_t n, lines = 0;
	*bytes = 0;
	while (f && (n = fread(chunk, 1, sizeof(chunk), f)) > 0) {
		*bytes += n;
		for (const char *p = chunk; (p = memchr(p, '\n', (size_t)(chunk + n - p))); p++)
			lines++;
	}
	double t = cpu() - from;
	if (f)
		fclose(f);
	return lines ? t : -1;
}

static double parse(const char *path)
{
	struct err e = ERR_INIT;
	struct vault *v = vault_open(path, NULL, NULL, &e);
	struct wa_reader *r = v && vault_count(v) ? wa_reader_open(v, vault_entry(v, 0), false, &e) : NULL;
	struct wa_line l;
	struct wa_head h;
	size_t headers = 0, authors = 0;
	double from = cpu();
	while (r && wa_reader_next(r, &l, &e) == WA_LINE)
		if (l.begins && wa_head_parse(l.p, l.n, &h) == WA_HEAD_YES) {
			headers += wa_day(&h, WA_DMY) != WA_DAY_NONE;
			authors += memchr(l.p + h.len, ':', l.n - h.len) != NULL;
		}
	double t = cpu() - from;
	wa_reader_close(r);
	vault_close(v);
	return headers && authors ? t : -1;
}

int main(int argc, char **argv)
{
	double lines = 1e9, parsed = 1e9;
	size_t bytes = 0;
	if (argc != 2) {
		fprintf(stderr, "usage: scan_whatsapp FILE\n");
		return 2;
	}
	for (int i = 0; i < 3; i++) {
		double a = scan_lines(argv[1], &bytes), b = parse(argv[1]);
		if (a < 0 || b < 0) {
			fprintf(stderr, "cannot read %s\n", argv[1]);
			return 1;
		}
		lines = a < lines ? a : lines;
		parsed = b < parsed ? b : parsed;
	}
	printf("%.0f %.0f\n", (double)bytes / lines / 1e6, (double)bytes / parsed / 1e6);
	return 0;
}
