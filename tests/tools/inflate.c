/* inflate ZIP: unpacks every entry of a zip with libzip and throws the bytes away: the least work that reading an archive can be
 * compared with. Prints "entries bytes wall_s cpu_s". */
#include "core/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <zip.h>

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
	static char buf[64 * 1024];
	struct timespec a, b;
	struct rusage r;
	int why = 0;
	clock_gettime(CLOCK_MONOTONIC, &a);
	zip_t *z = argc == 2 ? zip_open(argv[1], ZIP_RDONLY, &why) : NULL;
	if (!z) {
		fprintf(stderr, "usage: inflate ZIP\n");
		return 2;
	}
	const zip_int64_t n = zip_get_num_entries(z, 0);
	long long bytes = 0;
	for (zip_int64_t i = 0; i < n; i++) {
		zip_file_t *f = zip_fopen_index(z, (zip_uint64_t)i, 0);
		zip_int64_t got = -1;
		while (f && (got = zip_fread(f, buf, sizeof(buf))) > 0)
			bytes += got;
		if (got < 0) {
			fprintf(stderr, "entry %lld cannot be read\n", (long long)i);
			return 1;
		}
		zip_fclose(f);
	}
	zip_discard(z);
	clock_gettime(CLOCK_MONOTONIC, &b);
	getrusage(RUSAGE_SELF, &r);
	printf("%lld %lld %.3f %.3f\n", (long long)n, bytes, (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9,
	       seconds(r.ru_utime) + seconds(r.ru_stime));
	return 0;
}
