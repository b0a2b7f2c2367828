/* replay_main.c: runs a fuzz target over files, without a fuzzer: `replay DIR|FILE...`. So a compiler without libFuzzer builds
 * every target, and `make test` replays the corpora. Dies where the target dies; prints how many files there were. */
#include "core/base.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 16 * 1024 * 1024 };

static size_t n_files;

static void run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *p = xmalloc(INPUT_MAX);
	if (!f)
		die("cannot read %s", path);
	size_t n = fread(p, 1, INPUT_MAX, f);
	fclose(f);
	uint8_t *exact = xmalloc(n); /* so that reading one byte too many is seen */
	if (n)
		memcpy(exact, p, n);
	free(p);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	n_files++;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct stat st;
		if (stat(argv[i], &st) != 0)
			die("cannot read %s", argv[i]);
		if (!S_ISDIR(st.st_mode)) {
			run_file(argv[i]);
			continue;
		}
		struct dirent **list;
		int n = scandir(argv[i], &list, NULL, alphasort);
		for (int k = 0; k < n; k++) {
			char path[4096];
			if (list[k]->d_name[0] != '.' && fmt_into(path, sizeof(path), "%s/%s", argv[i], list[k]->d_name))
				run_file(path);
			free(list[k]);
		}
		if (n >= 0)
			free(list);
	}
	printf("%s 1 - %zu inputs replayed\n1..1\n", n_files ? "ok" : "not ok", n_files);
	return n_files ? 0 : 1;
}
