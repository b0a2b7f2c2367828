/* made_folder.h: a folder of a test's own, for what it makes: `root`, made before and taken away after, with all that is in it. */
#ifndef MVCHAT_TEST_MADE_FOLDER_H
#define MVCHAT_TEST_MADE_FOLDER_H

#include "core/base.h"
#include "core/buf.h"
#include "tests/tools/hostile.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static char root[64];
static char path_buf[512];

/* The path of a name in it, until the next call. */
static UNUSED const char *at(const char *name)
{
	assert_true(fmt_into(path_buf, sizeof(path_buf), "%s/%s", root, name));
	return path_buf;
}

static UNUSED int make_root(void **state)
{
	(void)state;
	strcpy(root, "/tmp/mvchat-made-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static UNUSED void remove_tree(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *de;
	while (d && (de = readdir(d)))
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, "..") && unlinkat(fd, de->d_name, 0) != 0)
			remove_tree(fd, de->d_name);
	if (d)
		closedir(d);
	unlinkat(parent, name, AT_REMOVEDIR);
}

static UNUSED int drop_root(void **state)
{
	(void)state;
	remove_tree(AT_FDCWD, root);
	return 0;
}

static UNUSED void put(const char *name, const char *data)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	buf_adds(&b, data);
	hostile_write(at(name), &b);
	buf_release(&b);
}

#endif
