/* The vault with more entries than it keeps in memory: order, twins, finding and reading are as with few, and memory does not grow. */
#include "core/vault.h"

#include "core/buf.h"
#include "tests/tools/hostile.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/made_folder.h"

/* Every test takes away what it made, and nothing else is there. */
static int drop_empty_root(void **state)
{
	(void)state;
	return rmdir(root);
}

static uint64_t seed = 1;
static size_t below(size_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(seed >> 33) % n;
}

static void shuffle(size_t *v, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		const size_t k = below(i), t = v[k];
		v[k] = v[i - 1];
		v[i - 1] = t;
	}
}

static void finish(struct zip_maker *z, const char *name)
{
	struct buf b;
	buf_init(&b, 128u << 20);
	zip_end(z, &b);
	assert_false(b.full);
	hostile_write(at(name), &b);
	buf_release(&b);
}

static struct vault *open_ok(const char *name)
{
	struct err e = ERR_INIT;
	struct vault *v = vault_open(at(name), NULL, root, &e);
	if (!v)
		fail_msg("%s: %s (%s)", name, e.msg, e.where);
	return v;
}

static void assert_text(struct vault *v, const struct entry *en, const char *text)
{
	struct err e = ERR_INIT;
	assert_non_null(en);
	char *s = vault_slurp(v, en, 1 << 20, NULL, &e);
	if (!s)
		fail_msg("%s: %s", en->name, e.msg);
	assert_string_equal(s, text);
	free(s);
}

/* What the vault must show: names in order, with the number that the entry's bytes are. */
struct want { char name[64]; size_t number; };

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct want *)a)->name, ((const struct want *)b)->name);
}

static void check_all(struct vault *v, const struct want *want, size_t n)
{
	struct arena a;
	char text[32];
	size_t *order = malloc(n * sizeof(*order));
	assert_non_null(order);
	arena_init(&a);
	assert_int_equal(vault_count(v), n);
	for (size_t i = 0; i < n; i++) {
		arena_reset(&a);
		order[i] = i;
		assert_string_equal(vault_entry_in(v, i, &a)->name, want[i].name);
	}
	shuffle(order, n);
	for (size_t k = 0; k < n; k++) {
		const struct want *w = &want[order[k]];
		arena_reset(&a);
		const struct entry *en = vault_find_in(v, w->name, &a);
		assert_non_null(en);
		assert_int_equal(vault_lower(v, w->name), order[k]);
		if (k % 16)
			continue;
		snprintf(text, sizeof(text), "%zu", w->number);
		assert_text(v, en, text);
		const char *behind = arena_fmt(&a, "%s!", w->name); /* which no entry is called */
		assert_null(vault_find_in(v, behind, &a));
		const size_t next = vault_lower(v, behind);
		assert_true(next > order[k] && (next == n || strcmp(want[next].name, behind) > 0) && strcmp(want[next - 1].name, behind) < 0);
	}
	assert_int_equal(vault_lower(v, ""), 0);
	assert_int_equal(vault_lower(v, "\xf4\x8f\xbf\xbf"), n);
	arena_release(&a);
	free(order);
}

/* In any order, all in one folder that is taken away, every hundredth name three times, far from one another, and the name that the second
 * of them would be given is there already for every second. */
static void test_order_and_twins(void **state)
{
	(void)state;
	enum { NAMES = 60000, HUNDREDTHS = NAMES / 100, ALL = NAMES + 2 * HUNDREDTHS + HUNDREDTHS / 2 };
	struct want *want = calloc(ALL, sizeof(*want));
	size_t *order = calloc(NAMES, sizeof(*order)), n = 0;
	char name[80], text[32];
	struct zip_maker z;
	assert_true(want && order);
	for (size_t i = 0; i < NAMES; i++)
		order[i] = i;
	shuffle(order, NAMES);
	zip_begin(&z);
	for (size_t twin = 1; twin <= 4; twin++) /* 4: the name of a second twin, given by the archive */
		for (size_t k = 0; k < NAMES; k++) {
			const size_t i = order[k];
			if ((twin > 1 && i % 100) || (twin == 4 && i % 200))
				continue;
			char *shown = want[n].name;
			snprintf(shown, sizeof(want->name), "channel-%03zu/%zu.json", i % 777, i);
			snprintf(name, sizeof(name), "export/%s%s", shown, twin == 4 ? " (2)" : "");
			if (twin == 4 || twin == 3)
				strcat(shown, twin == 4 ? " (2)" : " (3)");
			if (twin == 2)
				strcat(shown, i % 200 ? " (2)" : " (2) (2)");
			want[n].number = n;
			snprintf(text, sizeof(text), "%zu", n++);
			zip_part(&z, (struct zip_part){ .name = name, .data = text, .len = strlen(text) });
		}
	assert_int_equal(n, ALL);
	finish(&z, "many.zip");
	qsort(want, n, sizeof(*want), by_name);
	struct vault *v = open_ok("many.zip");
	assert_string_equal(vault_top(v), "export");
	check_all(v, want, n);
	/* Entries that are kept are the same whoever asks, and outlive all the others. */
	const struct entry *first = vault_entry(v, 0), *last = vault_entry(v, n - 1);
	assert_ptr_equal(vault_find(v, want[0].name), first);
	assert_ptr_equal(vault_find(v, want[n - 1].name), last);
	assert_string_equal(first->name, want[0].name);
	bool found;
	struct vfile *f = vault_read_named(v, want[5].name, &found, NULL);
	assert_true(f && found);
	vfile_close(f);
	assert_null(vault_read_named(v, "absent", &found, NULL));
	assert_false(found);
	vault_close(v);
	unlink(at("many.zip"));
	free(want);
	free(order);
}

/* A zip of many within a zip: its entries stand in a folder, and the outer one's keep their names where they would collide. */
static void test_within(void **state)
{
	(void)state;
	enum { INNER = 40000 };
	struct want *want = calloc(INNER + 2, sizeof(*want));
	size_t n = 0;
	char name[40], text[32];
	struct zip_maker in, out;
	struct buf b;
	assert_non_null(want);
	zip_begin(&in);
	for (size_t i = INNER; i-- > 0; n++) {
		snprintf(name, sizeof(name), "%s%zu.txt", i ? "IMG-" : "", i);
		if (!i)
			strcpy(name, "_chat.txt");
		snprintf(text, sizeof(text), "%zu", n);
		snprintf(want[n].name, sizeof(want->name), "A.zip/%s", name);
		want[n].number = n;
		zip_part(&in, (struct zip_part){ .name = name, .data = text, .len = strlen(text) });
	}
	buf_init(&b, 64u << 20);
	zip_end(&in, &b);
	zip_begin(&out);
	zip_part(&out, (struct zip_part){ .name = "A.zip", .data = b.p, .len = b.len });
	zip_part(&out, (struct zip_part){ .name = "A.zip/IMG-7.txt", .data = "70000", .len = 5 });
	zip_part(&out, (struct zip_part){ .name = "note", .data = "80000", .len = 5 });
	buf_release(&b);
	finish(&out, "outer.zip");
	for (size_t i = 0; i < n; i++)
		if (strcmp(want[i].name, "A.zip/IMG-7.txt") == 0)
			strcpy(want[i].name, "A.zip/IMG-7.txt (2)");
	want[n++] = (struct want){ "A.zip/IMG-7.txt", 70000 };
	want[n++] = (struct want){ "note", 80000 };
	qsort(want, n, sizeof(*want), by_name);
	struct vault *v = open_ok("outer.zip");
	check_all(v, want, n);
	vault_close(v);
	unlink(at("outer.zip"));
	free(want);
}

/* Six digits that end there. */
static void number_name(char *end, size_t n)
{
	for (size_t i = 0; i < 6; i++, n /= 10)
		*--end = (char)('0' + n % 10);
}

/* Names as long as they may be, alike but for their ends; one byte more is refused, and so are too many of them. */
static void test_long_names(void **state)
{
	(void)state;
	enum { LONG = 16 * 1024, N = 600 };
	static char name[LONG + 2];
	struct zip_maker z;
	struct arena a;
	struct vault_limits l;
	struct err e = ERR_INIT;
	memset(name, 'x', LONG);
	name[100] = '/';
	zip_begin(&z);
	for (size_t i = 0; i < N; i++) {
		number_name(name + LONG, (i * 7919) % N);
		zip_part(&z, (struct zip_part){ .name = name, .data = name + LONG - 6, .len = 6 });
	}
	finish(&z, "long.zip");
	struct vault *v = open_ok("long.zip");
	arena_init(&a);
	assert_int_equal(vault_count(v), N);
	for (size_t i = N; i-- > 0;) {
		arena_reset(&a);
		number_name(name + LONG, i);
		assert_string_equal(vault_entry_in(v, i, &a)->name, name);
		assert_text(v, vault_find_in(v, name, &a), name + LONG - 6);
	}
	arena_release(&a);
	vault_close(v);
	vault_limits_default(&l);
	l.max_name_bytes = (int64_t)LONG * (N - 1);
	assert_null(vault_open(at("long.zip"), &l, root, &e));
	assert_int_equal(e.code, ERR_ARCHIVE);
	assert_non_null(strstr(e.msg, "names"));
	zip_begin(&z);
	name[LONG] = 'x';
	name[LONG + 1] = '\0';
	zip_part(&z, (struct zip_part){ .name = name, .data = "", .len = 0 });
	finish(&z, "long.zip");
	assert_null(vault_open(at("long.zip"), NULL, root, &e));
	assert_non_null(strstr(e.msg, "16 KiB"));
	unlink(at("long.zip"));
}

/* In a folder the names that are shown are not those on the disk: a top folder less, other bytes, and twins of them; with a zip beside. */
static void test_folder_names(void **state)
{
	(void)state;
	static const char *const files[] = { "d/top/sub/\xe2\xa5\xe1\xe2.txt", "d/top/sub/\xd1\x82\xd0\xb5\xd1\x81\xd1\x82.txt", "d/top/plain.json" };
	struct zip_maker z;
	mkdir(at("d"), 0700);
	mkdir(at("d/top"), 0700);
	mkdir(at("d/top/sub"), 0700);
	for (size_t i = 0; i < countof(files); i++)
		put(files[i], i == 0 ? "cp866" : i == 1 ? "utf8" : "plain");
	for (int with_zip = 0; with_zip < 2; with_zip++) {
		if (with_zip) {
			zip_begin(&z);
			zip_part(&z, (struct zip_part){ .name = "_chat.txt", .data = "inside", .len = 6 });
			finish(&z, "d/top/Chat.zip");
		}
		struct vault *v = open_ok("d");
		assert_string_equal(vault_top(v), "top");
		assert_int_equal(vault_count(v), 3 + (size_t)with_zip);
		assert_text(v, vault_find(v, "plain.json"), "plain");
		if (with_zip)
			assert_text(v, vault_find(v, "Chat.zip/_chat.txt"), "inside");
		/* Which of the twins is first, the folder's own order says. */
		const struct entry *one = vault_find(v, "sub/\xd1\x82\xd0\xb5\xd1\x81\xd1\x82.txt"), *two = vault_find(v, "sub/\xd1\x82\xd0\xb5\xd1\x81\xd1\x82.txt (2)");
		assert_true(one && two);
		assert_text(v, one, one->size == 5 ? "cp866" : "utf8");
		assert_text(v, two, one->size == 5 ? "utf8" : "cp866");
		vault_close(v);
	}
	unlink(at("d/top/Chat.zip"));
	for (size_t i = 0; i < countof(files); i++)
		unlink(at(files[i]));
	rmdir(at("d/top/sub"));
	rmdir(at("d/top"));
	rmdir(at("d"));
}

static void make_plain(const char *name, size_t n)
{
	struct zip_maker z;
	char entry[40];
	zip_begin(&z);
	for (size_t i = 0; i < n; i++) {
		snprintf(entry, sizeof(entry), "general/%zu.json", (i * 7919) % n);
		zip_part(&z, (struct zip_part){ .name = entry, .data = "", .len = 0 });
	}
	finish(&z, name);
}

/* No room for the private file, or no folder for it: the archive is not opened, and nothing stays behind. Few entries need neither. */
static void test_no_room(void **state)
{
	(void)state;
	struct rlimit had, low = { 0 };
	struct err e = ERR_INIT;
	make_plain("few.zip", 1000);
	make_plain("many.zip", 80000);
	struct vault *v = vault_open(at("few.zip"), NULL, "/nonexistent", &e);
	assert_non_null(v);
	assert_int_equal(vault_count(v), 1000);
	vault_close(v);
	assert_null(vault_open(at("many.zip"), NULL, "/nonexistent", &e));
	assert_int_equal(e.code, ERR_INTERNAL);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &had), 0);
	void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
	for (size_t mib = 0; mib < 12; mib++) { /* the runs of them take 5 MiB, and so do all of them sorted */
		low = (struct rlimit){ .rlim_cur = mib << 20, .rlim_max = had.rlim_max };
		err_clear(&e);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
		v = vault_open(at("many.zip"), NULL, root, &e);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &had), 0);
		assert_true(mib < 2 ? !v : mib > 10 ? v != NULL : true);
		assert_true(v || (e.code == ERR_INTERNAL && e.hint[0]));
		vault_close(v);
	}
	signal(SIGXFSZ, before);
	unlink(at("few.zip"));
	unlink(at("many.zip"));
}

/* KiB at most, of a process that makes the zip, or of one that opens it, walks over it and looks entries up. */
static long peak_of(size_t n, bool make)
{
	int told[2];
	assert_int_equal(pipe(told), 0);
	const pid_t pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		char name[64];
		struct arena a;
		if (make) {
			struct zip_maker z;
			zip_begin(&z);
			for (size_t i = 0; i < n; i++) { /* folders in no order, their files in order */
				snprintf(name, sizeof(name), "channel-%04zu/%zu.json", (i / 100 * 7919) % 10007, i);
				zip_part(&z, (struct zip_part){ .name = name, .data = "", .len = 0 });
			}
			zip_part(&z, (struct zip_part){ .name = "z/bzip2", .data = bzip2_hello, .len = sizeof(bzip2_hello) - 1, .method = 12, .says_size = 5,
				.crc = crc32_of("hello", 5) });
			finish(&z, "grow.zip");
			_exit(0);
		}
		arena_init(&a);
		uint8_t digest[DIGEST_BYTES];
		struct vault *v = vault_open(at("grow.zip"), NULL, root, NULL);
		bool ok = v && vault_count(v) == n + 1 && vault_digest(at("grow.zip"), digest, NULL);
		for (size_t i = 0; ok && i < n; i++) {
			arena_reset(&a);
			const struct entry *en = vault_entry_in(v, i, &a);
			ok = i % 64 || vault_find_in(v, en->name, &a);
		}
		char *hello = ok ? vault_slurp(v, vault_find(v, "z/bzip2"), 100, NULL, NULL) : NULL; /* by libzip */
		ok = hello && strcmp(hello, "hello") == 0;
		free(hello);
		vault_close(v);
		struct rusage r;
		ok = ok && getrusage(RUSAGE_SELF, &r) == 0 && write(told[1], &r.ru_maxrss, sizeof(r.ru_maxrss)) == sizeof(r.ru_maxrss);
		_exit(ok ? 0 : 1);
	}
	int status = -1;
	long peak = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_true(make || read(told[0], &peak, sizeof(peak)) == sizeof(peak));
	close(told[0]);
	close(told[1]);
	return peak;
}

static void test_memory(void **state)
{
	(void)state;
	enum { FEW = 60000, MANY = 240000 };
	long peak[2];
	for (size_t i = 0; i < 2; i++) {
		peak_of(i ? MANY : FEW, true);
		peak[i] = peak_of(i ? MANY : FEW, false);
		unlink(at("grow.zip"));
	}
#ifdef __SANITIZE_ADDRESS__
	(void)peak; /* what is freed is not given back */
#else
	if ((peak[1] - peak[0]) * 1024 > (MANY - FEW) * 6L) /* bytes an entry; all of them in memory took 86 */
		fail_msg("%d entries: %ld KiB, %d: %ld KiB", FEW, peak[0], MANY, peak[1]);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory), /* first: what the others leave behind would be in its processes, too */
		cmocka_unit_test(test_order_and_twins),
		cmocka_unit_test(test_within),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_folder_names),
		cmocka_unit_test(test_no_room),
	};
	return cmocka_run_group_tests(tests, make_root, drop_empty_root);
}
