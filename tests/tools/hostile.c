/* hostile DIR: writes the archives of hostile.h into the folder DIR. */
#include "tests/tools/hostile.h"

int main(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: hostile DIR\n", stderr);
		return 2;
	}
	for (size_t i = 0; i < countof(hostile); i++) {
		struct buf b;
		char path[4096];
		buf_init(&b, 64u << 20);
		hostile[i].make(&b);
		if (!fmt_into(path, sizeof(path), "%s/%s", argv[1], hostile[i].file))
			die("path too long");
		hostile_write(path, &b);
		buf_release(&b);
	}
	return 0;
}
