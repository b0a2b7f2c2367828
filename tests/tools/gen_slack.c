/* gen_slack.c: a Slack export of any size, for benches and soak tests.
 *
 *   gen_slack --messages N --channels K --threads PCT --users U --seed S --media GIB --days N OUT.zip
 *   gen_slack --shape one|small|thread|files|mixed --messages N [--channels K, with files] --users U --seed S --days N OUT.zip
 *
 * Shapes: one channel with everything; channels of 20; one thread with everything; a small file with every message; channels of
 * which each has so much less than the one before that half of all is in a few.
 *
 * Same arguments, same bytes. Looks like an official export: users.json, channels.json, integration_logs.json, one folder per
 * channel, day files named by Pacific date, about 1.7 KB of JSON a message with the parts real messages have (user_profile,
 * blocks, reactions, files, previews; Russian and English). Streams through libarchive's zip writer: memory holds one day file.
 * --media adds so many GiB of files in __uploads as slackdump does, all zeros: where the file system knows holes they take no room.
 * --days adds so many day files without a message, from 2030 on, in all channels: an archive with a directory of any size.
 */
#include "core/buf.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum shape { SHAPE_EVEN, SHAPE_ONE, SHAPE_SMALL, SHAPE_THREAD, SHAPE_FILES, SHAPE_MIXED, N_SHAPE };
static const char *const shape_names[N_SHAPE] = { "even", "one", "small", "thread", "files", "mixed" };
struct opts { long messages, channels, threads, users, media, days; uint64_t seed; enum shape shape; const char *out; };

static long file_no; /* of SHAPE_FILES: the last one named */

enum { FILE_SIZE = 1000 };
static uint64_t state;
static uint64_t rnd(void) /* splitmix64 */
{
	uint64_t z = (state += 0x9E3779B97F4A7C15u);
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return z ^ (z >> 31);
}
static long below(long n) { return (long)(rnd() % (uint64_t)n); }

static const char *const words_ru[] = { "заказ", "клиент", "договор", "счёт", "отгрузка", "завтра", "сегодня", "нужно", "проверить", "готово", "спасибо",
	"коллеги", "встреча", "после", "обеда", "пожалуйста", "посмотрите", "ошибка", "исправил", "сервер", "база", "отчёт", "склад", "до", "пятницы",
	"на", "в", "и", "не", "уже", "когда", "будет", "релиз", "давайте", "обсудим", "вопрос", "по", "задаче", "согласен", "сделаю" };
static const char *const words_en[] = { "deploy", "release", "review", "please", "done", "thanks", "the", "server", "restart", "ticket", "customer", "today",
	"tomorrow", "meeting", "after", "lunch", "fixed", "bug", "in", "branch", "master", "build", "failed", "again", "looks", "good", "to", "me", "and",
	"we", "should", "check", "logs", "database", "report", "on", "it", "is", "ready", "now" };
static const char *const first_names[] = { "Анна", "Иван", "Мария", "Пётр", "Ольга", "Сергей", "Елена", "Дмитрий", "Kate", "John" };
static const char *const last_names[] = { "Смирнова", "Иванов", "Кузнецова", "Попов", "Соколова", "Лебедев", "Козлова", "Новиков", "Brown", "Miller" };
static const char *const reactions[] = { "+1", "heart", "tada", "eyes", "white_check_mark", "joy", "fire", "+1::skin-tone-3", "partyparrot" };

static void name_of(long u, char *out, size_t n)
{
	snprintf(out, n, "%s %s", first_names[u % 10], last_names[(u / 10) % 10]);
}

static void user_id(long u, char out[16]) { snprintf(out, 16, "U%09lX", 0x10000000UL + (unsigned long)u * 7919); }
static void chan_id(long c, char out[16]) { snprintf(out, 16, "C%09lX", 0x20000000UL + (unsigned long)c * 104729); }

static void put_words(struct buf *b, long n)
{
	bool ru = below(3) != 0;
	for (long i = 0; i < n; i++)
		buf_addf(b, "%s%s", i ? " " : "", ru ? words_ru[below(40)] : words_en[below(40)]);
}

static void put_entry(struct archive *a, const char *path, const struct buf *b)
{
	struct archive_entry *en = archive_entry_new();
	archive_entry_set_pathname(en, path);
	archive_entry_set_size(en, (la_int64_t)b->len);
	archive_entry_set_filetype(en, AE_IFREG);
	archive_entry_set_perm(en, 0644);
	archive_entry_set_mtime(en, 1704067200, 0);
	if (archive_write_header(a, en) != ARCHIVE_OK || archive_write_data(a, b->p, b->len) != (la_ssize_t)b->len)
		die("cannot write %s: %s", path, archive_error_string(a));
	archive_entry_free(en);
}

/* One GiB each, not packed. */
static void put_media(struct archive *a, long gib)
{
	enum { PIECE = 1 << 20, PIECES = 1024 };
	static char zeros[PIECE];
	char path[64];
	archive_write_zip_set_compression_store(a);
	for (long i = 0; i < gib; i++) {
		struct archive_entry *en = archive_entry_new();
		snprintf(path, sizeof(path), "__uploads/F%09lX/video-%ld.mp4", 0x30000000UL + (unsigned long)i, i);
		archive_entry_set_pathname(en, path);
		archive_entry_set_size(en, (la_int64_t)PIECE * PIECES);
		archive_entry_set_filetype(en, AE_IFREG);
		archive_entry_set_perm(en, 0644);
		archive_entry_set_mtime(en, 1704067200, 0);
		bool ok = archive_write_header(a, en) == ARCHIVE_OK;
		for (int k = 0; ok && k < PIECES; k++)
			ok = archive_write_data(a, zeros, PIECE) == PIECE;
		if (!ok)
			die("cannot write %s: %s", path, archive_error_string(a));
		archive_entry_free(en);
	}
}

/* What is only zeros becomes a hole. */
struct out { int fd; off_t at; };

static la_ssize_t out_write(struct archive *a, void *ctx, const void *p, size_t n)
{
	struct out *o = ctx;
	const char *s = p;
	(void)a;
	if (n < 4096 || s[0] || memcmp(s, s + 1, n - 1) != 0)
		for (size_t done = 0; done < n;) {
			ssize_t w = pwrite(o->fd, s + done, n - done, o->at + (off_t)done);
			if (w <= 0)
				return -1;
			done += (size_t)w;
		}
	o->at += (off_t)n;
	return (la_ssize_t)n;
}

static int out_close(struct archive *a, void *ctx)
{
	struct out *o = ctx;
	(void)a;
	return ftruncate(o->fd, o->at) == 0 && close(o->fd) == 0 ? ARCHIVE_OK : ARCHIVE_FATAL;
}

static void users_json(const struct opts *o, struct archive *a, struct buf *b)
{
	char id[16], name[100];
	buf_reset(b);
	buf_adds(b, "[");
	for (long u = 0; u < o->users; u++) {
		user_id(u, id);
		name_of(u, name, sizeof(name));
		buf_addf(b, "%s{\"id\":\"%s\",\"team_id\":\"T0GENERATE\",\"name\":\"user%ld\",\"deleted\":%s,\"real_name\":\"%s\",\"tz\":\"Europe\\/Moscow\","
			    "\"profile\":{\"real_name\":\"%s\",\"display_name\":\"\",\"first_name\":\"%s\",\"last_name\":\"%s\",\"email\":\"user%ld@example.com\","
			    "\"avatar_hash\":\"g%08lx\",\"team\":\"T0GENERATE\"},\"is_admin\":%s,\"is_bot\":false,\"updated\":1700000000}\n",
			 u ? "," : "", id, u, u % 25 == 24 ? "true" : "false", name, name, first_names[u % 10], last_names[(u / 10) % 10], u, u,
			 u ? "false" : "true");
	}
	buf_adds(b, "]");
	put_entry(a, "users.json", b);
}

static void channels_json(const struct opts *o, struct archive *a, struct buf *b)
{
	char id[16], uid[16];
	buf_reset(b);
	buf_adds(b, "[");
	for (long c = 0; c < o->channels; c++) {
		chan_id(c, id);
		user_id(c % o->users, uid);
		buf_addf(b, "%s{\"id\":\"%s\",\"name\":\"channel-%04ld\",\"created\":1500000000,\"creator\":\"%s\",\"is_archived\":%s,\"is_general\":%s,\"members\":[",
			 c ? ",\n" : "", id, c, uid, c % 20 == 19 ? "true" : "false", c ? "false" : "true");
		for (long i = 0, n = o->users < 40 ? o->users : 40; i < n; i++) {
			user_id((c * 13 + i) % o->users, uid);
			buf_addf(b, "%s\"%s\"", i ? "," : "", uid);
		}
		buf_adds(b, "],\"topic\":{\"value\":\"\",\"creator\":\"\",\"last_set\":0},\"purpose\":{\"value\":\"\",\"creator\":\"\",\"last_set\":0}}");
	}
	buf_adds(b, "]");
	put_entry(a, "channels.json", b);
}

/* First day of US daylight saving by month and day is near enough the second Sunday of March to the first of November. */
static long pacific_offset(long t)
{
	long day = t / 86400, year_day = day % 365;
	(void)day;
	return year_day > 70 && year_day < 308 ? -7 * 3600 : -8 * 3600;
}

static void day_name(long t, char out[24])
{
	long z = (t + pacific_offset(t)) / 86400 + 719468, era = z / 146097, doe = z - era * 146097;
	long yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	long m = mp < 10 ? mp + 3 : mp - 9;
	snprintf(out, 24, "%04ld-%02ld-%02ld", (yoe + era * 400 + (m <= 2)) % 10000, m % 100, (doy - (153 * mp + 2) / 5 + 1) % 100);
}

struct thread { long sec, micro, user, left; };

static void put_blocks(struct buf *b, const char *text, const char *mention)
{
	buf_addf(b, "\"blocks\":[{\"type\":\"rich_text\",\"block_id\":\"%05lx\",\"elements\":[{\"type\":\"rich_text_section\",\"elements\":[", below(0xFFFFF));
	if (mention)
		buf_addf(b, "{\"type\":\"user\",\"user_id\":\"%s\"},{\"type\":\"text\",\"text\":\" \"},", mention);
	if (below(10) == 0)
		buf_adds(b, "{\"type\":\"emoji\",\"name\":\"+1\",\"unicode\":\"1f44d\"},{\"type\":\"text\",\"text\":\"важно: \",\"style\":{\"bold\":true}},");
	buf_addf(b, "{\"type\":\"text\",\"text\":\"%s\"}]}]}],", text);
}

static void put_preview(struct buf *b)
{
	buf_addf(b,
		 "\"attachments\":[{\"from_url\":\"https:\\/\\/example.com\\/page\\/%ld\",\"original_url\":\"https:\\/\\/example.com\\/page\\/%ld\",\"id\":1,"
		 "\"service_icon\":\"https:\\/\\/example.com\\/favicon.ico\",\"service_name\":\"Example\",\"title\":\"A page about something\",",
		 below(10000), below(10000));
	for (int i = 0; i < 6; i++) {
		buf_adds(b, i ? "" : "\"text\":\"");
		put_words(b, 20);
		buf_adds(b, " ");
	}
	buf_adds(b, "\",\"fallback\":\"Example: A page about something\",\"thumb_url\":\"https:\\/\\/example.com\\/thumb.png\",\"thumb_width\":400,"
		    "\"thumb_height\":300,\"title_link\":\"https:\\/\\/example.com\\/page\"}],");
}

static void put_files(const struct opts *o, struct buf *b, const char *uid, long sec)
{
	long f = o->shape == SHAPE_FILES ? ++file_no : below(0x7FFFFFFF);
	buf_addf(b,
		 "\"files\":[{\"id\":\"F%09lX\",\"created\":%ld,\"timestamp\":%ld,\"name\":\"фото-%ld.png\",\"title\":\"фото-%ld.png\",\"mimetype\":\"image\\/png\","
		 "\"filetype\":\"png\",\"pretty_type\":\"PNG\",\"user\":\"%s\",\"user_team\":\"T0GENERATE\",\"editable\":false,\"size\":%ld,\"mode\":\"hosted\","
		 "\"is_external\":false,\"external_type\":\"\",\"is_public\":true,\"public_url_shared\":false,\"display_as_bot\":false,\"username\":\"\","
		 "\"url_private\":\"https:\\/\\/files.slack.com\\/files-pri\\/T0GENERATE-F%09lX\\/photo.png?t=xoxe-1111111111-2222222222-generated\","
		 "\"url_private_download\":\"https:\\/\\/files.slack.com\\/files-pri\\/T0GENERATE-F%09lX\\/download\\/photo.png?t=xoxe-1111111111-2222222222-generated\",",
		 f, sec, sec, f % 1000, f % 1000, uid, o->shape == SHAPE_FILES ? (long)FILE_SIZE : 20000 + below(900000), f, f);
	static const int sizes[] = { 64, 80, 360, 480, 160, 720, 800, 960, 1024 };
	for (size_t i = 0; i < countof(sizes); i++)
		buf_addf(b, "\"thumb_%d\":\"https:\\/\\/files.slack.com\\/files-tmb\\/T0GENERATE-F%09lX-abcdef0123\\/photo_%d.png?t=xoxe-1111111111-2222222222-generated\",",
			 sizes[i], f, sizes[i]);
	buf_addf(b, "\"original_w\":1280,\"original_h\":960,\"permalink\":\"https:\\/\\/generated.slack.com\\/files\\/%s\\/F%09lX\\/photo.png\",\"is_starred\":false,"
		    "\"has_rich_preview\":false,\"file_access\":\"visible\"}],\"upload\":false,",
		 uid, f);
}

static void put_reactions(const struct opts *o, struct buf *b)
{
	char uid[16];
	long n = 1 + below(3);
	buf_adds(b, "\"reactions\":[");
	for (long i = 0; i < n; i++) {
		long k = 1 + below(4), first = below(o->users);
		buf_addf(b, "%s{\"name\":\"%s\",\"users\":[", i ? "," : "", reactions[(first + i) % 9]);
		for (long j = 0; j < k; j++) {
			user_id((first + j) % o->users, uid);
			buf_addf(b, "%s\"%s\"", j ? "," : "", uid);
		}
		buf_addf(b, "],\"count\":%ld}", k);
	}
	buf_adds(b, "],");
}

static void put_msg(const struct opts *o, struct buf *b, struct buf *text, long sec, long micro, struct thread *t)
{
	char uid[16], mention[16], name[100], parent[16];
	long u = below(o->users);
	bool mentions = below(8) == 0;
	user_id(u, uid);
	user_id(below(o->users), mention);
	name_of(u, name, sizeof(name));
	buf_reset(text);
	put_words(text, 3 + below(below(10) == 0 ? 90 : 27));
	buf_addf(b, "{\"client_msg_id\":\"%08lx-1111-4222-8333-%012lx\",\"type\":\"message\",\"text\":\"", below(0x7FFFFFFF), below(0x7FFFFFFF));
	if (mentions)
		buf_addf(b, "<@%s> ", mention);
	buf_addf(b, "%s\",\"user\":\"%s\",\"ts\":\"%ld.%06ld\",", text->p, uid, sec, micro);
	put_blocks(b, text->p, mentions ? mention : NULL);
	buf_addf(b, "\"team\":\"T0GENERATE\",\"user_team\":\"T0GENERATE\",\"source_team\":\"T0GENERATE\",\"user_profile\":{\"avatar_hash\":\"g%08lx\","
		    "\"image_72\":\"https:\\/\\/secure.gravatar.com\\/avatar\\/%016llx.jpg?s=72&d=https%%3A%%2F%%2Fa.slack-edge.com%%2Fdf10d%%2Fimg%%2Favatars%%2Fava_0009-72.png\","
		    "\"first_name\":\"%s\",\"real_name\":\"%s\",\"display_name\":\"\",\"team\":\"T0GENERATE\",\"name\":\"user%ld\",\"is_restricted\":false,"
		    "\"is_ultra_restricted\":false},",
		 u, (unsigned long long)(0x123456789abcdefULL ^ (uint64_t)u), first_names[u % 10], name, u);
	if (t && t->left >= 0) { /* a reply */
		user_id(t->user, parent);
		buf_addf(b, "\"thread_ts\":\"%ld.%06ld\",\"parent_user_id\":\"%s\",", t->sec, t->micro, parent);
	} else if (t) {
		*t = (struct thread){ sec, micro, u, o->shape == SHAPE_THREAD ? o->messages : 1 + below(6) };
		buf_addf(b, "\"thread_ts\":\"%ld.%06ld\",\"reply_count\":%ld,\"reply_users_count\":2,\"latest_reply\":\"%ld.000000\",\"reply_users\":[\"%s\",\"%s\"],"
			    "\"replies\":[{\"user\":\"%s\",\"ts\":\"%ld.000000\"}],\"is_locked\":false,\"subscribed\":false,",
			 sec, micro, t->left, sec + 600, uid, mention, mention, sec + 600);
	}
	if (below(5) == 0)
		put_reactions(o, b);
	if (o->shape == SHAPE_FILES || below(9) == 0)
		put_files(o, b, uid, sec);
	if (below(7) == 0)
		put_preview(b);
	if (below(20) == 0)
		buf_addf(b, "\"edited\":{\"user\":\"%s\",\"ts\":\"%ld.000000\"},", uid, sec + 60);
	buf_cut(b, b->len - 1);
	buf_adds(b, "}");
}

static void one_channel(const struct opts *o, struct archive *a, struct buf *b, struct buf *text, long c, long n)
{
	enum { OPEN = 8 };
	struct thread open[OPEN] = { { 0 } };
	char day[24] = "", now[24], path[64];
	long sec = 1546300800 + below(86400), micro = 0, step = n ? 5L * 365 * 86400 / n : 1, at = 0;
	bool first = true;
	buf_reset(b);
	for (long i = 0; i < n; i++) {
		/* Bursts: most messages follow the last one within minutes, so that day files hold several. */
		long gap = below(12) ? below(120) : below(24 * step < 2 ? 2 : 24 * step);
		if (gap == 0 && i)
			micro += 100 + below(900);
		else
			micro = 100 * below(9000);
		sec += gap;
		day_name(sec, now);
		if (strcmp(day, now) != 0) {
			if (*day) {
				buf_adds(b, "\n]");
				snprintf(path, sizeof(path), "channel-%04ld/%s.json", c, day);
				put_entry(a, path, b);
				buf_reset(b);
			}
			strcpy(day, now);
			buf_adds(b, "[\n");
			first = true;
		}
		struct thread *t = NULL, root = { .left = -1 };
		if (o->shape == SHAPE_THREAD || below(100) < o->threads) {
			t = &open[o->shape == SHAPE_THREAD ? 0 : at++ % OPEN];
			if (t->left <= 0)
				t = &root;
		}
		buf_adds(b, first ? "" : ",\n");
		first = false;
		put_msg(o, b, text, sec, micro, t);
		if (t == &root)
			open[o->shape == SHAPE_THREAD ? 0 : (at - 1) % OPEN] = root;
		else if (t)
			t->left--;
	}
	if (*day) {
		buf_adds(b, "\n]");
		snprintf(path, sizeof(path), "channel-%04ld/%s.json", c, day);
		put_entry(a, path, b);
	}
}

static void empty_days(const struct opts *o, struct archive *a, struct buf *b, long c)
{
	const long n = o->days / o->channels + (c < o->days % o->channels);
	char day[24], path[64];
	buf_reset(b);
	buf_adds(b, "[]");
	for (long i = 0; i < n; i++) {
		day_name(1893499200 + i * 86400, day);
		snprintf(path, sizeof(path), "channel-%04ld/%s.json", c, day);
		put_entry(a, path, b);
	}
}

/* How many messages channel c has. */
static long size_of(const struct opts *o, long c)
{
	double sum = 0;
	if (o->shape != SHAPE_MIXED)
		return o->messages / o->channels + (c < o->messages % o->channels);
	for (long i = 0; i < o->channels; i++)
		sum += 1.0 / (double)(i + 1);
	return (long)((double)o->messages / (double)(c + 1) / sum);
}

static void set_shape(struct opts *o)
{
	static const long threads[N_SHAPE] = { [SHAPE_MIXED] = 10, [SHAPE_THREAD] = 100 };
	o->threads = threads[o->shape];
	o->channels = o->shape == SHAPE_SMALL ? o->messages / 20 : o->shape == SHAPE_FILES ? o->channels : o->shape == SHAPE_MIXED ? 200 : 1;
}

static void uploads(struct archive *a, struct buf *b)
{
	char path[80];
	for (long f = 1; f <= file_no; f++) {
		buf_reset(b);
		while (b->len < FILE_SIZE)
			buf_addf(b, "%ld,", f);
		buf_cut(b, FILE_SIZE);
		snprintf(path, sizeof(path), "__uploads/F%09lX/photo.png", (unsigned long)f);
		put_entry(a, path, b);
	}
}

static long number(const char *s)
{
	char *end;
	long n = strtol(s, &end, 10);
	if (*end || n < 0)
		die("not a number: %s", s);
	return n;
}

int main(int argc, char **argv)
{
	struct opts o = { .messages = 10000, .channels = 20, .threads = 10, .users = 100, .seed = 1 };
	for (int i = 1; i < argc; i++) {
		bool more = i + 1 < argc;
		if (more && streq(argv[i], "--messages"))
			o.messages = number(argv[++i]);
		else if (more && streq(argv[i], "--channels"))
			o.channels = number(argv[++i]);
		else if (more && streq(argv[i], "--threads"))
			o.threads = number(argv[++i]);
		else if (more && streq(argv[i], "--users"))
			o.users = number(argv[++i]);
		else if (more && streq(argv[i], "--seed"))
			o.seed = (uint64_t)number(argv[++i]);
		else if (more && streq(argv[i], "--media"))
			o.media = number(argv[++i]);
		else if (more && streq(argv[i], "--days"))
			o.days = number(argv[++i]);
		else if (more && streq(argv[i], "--shape")) {
			for (i++; o.shape < N_SHAPE && !streq(argv[i], shape_names[o.shape]); o.shape++)
				;
			if (o.shape == N_SHAPE)
				die("no such shape: %s", argv[i]);
		} else if (argv[i][0] != '-' && !o.out)
			o.out = argv[i];
		else
			o.out = NULL, i = argc;
	}
	if (o.shape != SHAPE_EVEN)
		set_shape(&o);
	if (!o.out || !o.channels || !o.users) {
		fprintf(stderr, "usage: gen_slack [--messages N] [--channels K] [--threads PCT] [--users U] [--seed S] [--media GIB] [--days N] OUT.zip\n");
		return 2;
	}
	state = o.seed;
	struct archive *a = archive_write_new();
	struct out out = { .fd = open(o.out, O_WRONLY | O_CREAT | O_TRUNC, 0644) };
	if (archive_write_set_format_zip(a) != ARCHIVE_OK || archive_write_set_options(a, "zip:compression-level=3") != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(a, 64 << 10) != ARCHIVE_OK || out.fd < 0 ||
	    archive_write_open(a, &out, NULL, out_write, out_close) != ARCHIVE_OK)
		die("cannot write %s: %s", o.out, archive_error_string(a));
	struct buf b, text;
	buf_init(&b, (size_t)1 << 30);
	buf_init(&text, 1 << 20);
	channels_json(&o, a, &b);
	users_json(&o, a, &b);
	buf_reset(&b);
	buf_adds(&b, "[]");
	put_entry(a, "integration_logs.json", &b);
	for (long c = 0; c < o.channels; c++) {
		one_channel(&o, a, &b, &text, c, size_of(&o, c));
		empty_days(&o, a, &b, c);
	}
	uploads(a, &b);
	put_media(a, o.media);
	if (b.full || archive_write_close(a) != ARCHIVE_OK)
		die("cannot finish %s: %s", o.out, archive_error_string(a));
	archive_write_free(a);
	buf_release(&b);
	buf_release(&text);
	return 0;
}
