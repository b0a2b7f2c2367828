/* whatsapp_media.c: the files beside a transcript: finding the one a message names, and what its first bytes tell.
 *
 * Promises: a name is found by its exact bytes, then in NFC, in NFC without case, and by its digits where only one file has them
 * (phones and zip programs change the rest of a name); never by likeness. What is named and missing, and what is there and not
 * named, is told on both sides. Reads at most 256 KiB of an image and 16 MiB of a voice note.
 */
#include "importers/whatsapp.h"

#include "core/utf8.h"
#include "importers/whatsapp_card.h"

#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <uninorm.h>

enum { HEAD_BYTES = 256 * 1024, VOICE_MAX = 16 * 1024 * 1024, DIGITS_MIN = 8 };

struct item { const struct entry *en; bool used, transcript; };

struct wa_media {
	struct arena a;
	struct item *items;
	size_t n;
	struct table exact, folded, digits;
	struct item several; /* what several files share finds none */
};

static char *fold(struct arena *a, const char *s)
{
	size_t len = 0;
	uint8_t *p = u8_casefold((const uint8_t *)s, strlen(s), NULL, UNINORM_NFC, NULL, &len);
	char *out = p ? arena_strndup(a, (const char *)p, len) : arena_strdup(a, s);
	free(p);
	return out;
}

/* "folder/" and the digits of the name; NULL when there are too few to mean one file. */
static char *digits_of(struct arena *a, const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t folder = slash ? (size_t)(slash + 1 - path) : 0, n = folder;
	char *out = arena_alloc(a, strlen(path) + 1);
	memcpy(out, path, folder);
	for (const char *p = path + folder; *p; p++)
		if (*p >= '0' && *p <= '9')
			out[n++] = *p;
	out[n] = '\0';
	return n - folder >= DIGITS_MIN ? out : NULL;
}

struct wa_media *wa_media_new(struct source *s)
{
	struct wa_media *m = xcalloc(1, sizeof(*m));
	arena_init(&m->a);
	table_init(&m->exact);
	table_init(&m->folded);
	table_init(&m->digits);
	m->n = vault_count(s->v);
	m->items = arena_array(&m->a, m->n ? m->n : 1, struct item);
	for (size_t i = 0; i < m->n; i++) {
		const struct entry *en = vault_entry(s->v, i);
		m->items[i].en = en;
		table_put(&m->exact, en->name, &m->items[i]);
		char *folded = fold(&m->a, en->name), *key = digits_of(&m->a, en->name);
		table_put(&m->folded, folded, table_get(&m->folded, folded) ? &m->several : &m->items[i]);
		if (key)
			table_put(&m->digits, key, table_get(&m->digits, key) ? &m->several : &m->items[i]);
	}
	return m;
}

void wa_media_free(struct wa_media *m)
{
	if (!m)
		return;
	table_release(&m->exact);
	table_release(&m->folded);
	table_release(&m->digits);
	arena_release(&m->a);
	free(m);
}

const struct entry *wa_media_find(struct source *s, const char *folder, const char *name, size_t n)
{
	struct wa_media *m = s->media;
	const char *path = arena_fmt(s->step, "%s%.*s", folder, (int)n, name);
	struct item *it = table_get(&m->exact, path);
	if (!it)
		it = table_get(&m->folded, fold(s->step, path));
	if (!it || it == &m->several) {
		char *key = digits_of(s->step, path);
		it = key ? table_get(&m->digits, key) : NULL;
	}
	if (!it || it == &m->several || it->transcript)
		return NULL;
	it->used = true;
	return it->en;
}

void wa_media_is_transcript(struct source *s, const struct entry *en)
{
	struct item *it = table_get(&s->media->exact, en->name);
	if (it)
		it->transcript = true;
}

void wa_media_unused(struct source *s)
{
	for (size_t i = 0; i < s->media->n && !s->stopped; i++) {
		const struct item *it = &s->media->items[i];
		if (it->used || it->transcript)
			continue;
		s->entry = it->en->name;
		s->line = 0;
		wa_hazard(s, HAZARD_WARN, "media-not-named", "a file that no message names; it is left out");
	}
}

/* ---- kinds ---- */

static bool ends_with(const char *name, const char *ext)
{
	size_t n = strlen(name), k = strlen(ext);
	if (n <= k || name[n - k - 1] != '.')
		return false;
	for (size_t i = 0; i < k; i++) {
		char c = name[n - k + i];
		if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != ext[i])
			return false;
	}
	return true;
}

static bool is_voice_name(const char *name)
{
	return strncmp(name, "PTT-", 4) == 0 || (strstr(name, "-AUDIO-") && ends_with(name, "opus"));
}

void wa_media_kind(const char *name, struct file *f)
{
	static const struct { const char *ext, *mime; enum file_kind kind; } kinds[] = {
		{ "jpg", "image/jpeg", FILE_IMAGE }, { "jpeg", "image/jpeg", FILE_IMAGE }, { "png", "image/png", FILE_IMAGE },
		{ "webp", "image/webp", FILE_IMAGE }, { "gif", "image/gif", FILE_IMAGE }, { "heic", "image/heic", FILE_IMAGE },
		{ "mp4", "video/mp4", FILE_VIDEO }, { "3gp", "video/3gpp", FILE_VIDEO }, { "mov", "video/quicktime", FILE_VIDEO },
		{ "opus", "audio/ogg", FILE_VOICE }, { "ogg", "audio/ogg", FILE_AUDIO }, { "mp3", "audio/mpeg", FILE_AUDIO },
		{ "m4a", "audio/mp4", FILE_AUDIO }, { "aac", "audio/aac", FILE_AUDIO }, { "amr", "audio/amr", FILE_VOICE },
		{ "wav", "audio/wav", FILE_AUDIO }, { "vcf", "text/vcard", FILE_PLAIN }, { "pdf", "application/pdf", FILE_PLAIN },
		{ "docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", FILE_PLAIN },
		{ "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", FILE_PLAIN },
	};
	f->kind = FILE_PLAIN;
	for (size_t i = 0; i < countof(kinds); i++)
		if (ends_with(name, kinds[i].ext)) {
			f->mime = kinds[i].mime;
			f->kind = kinds[i].kind;
		}
	if (f->kind == FILE_AUDIO && is_voice_name(name))
		f->kind = FILE_VOICE;
}

/* ---- what the bytes tell ---- */

static unsigned be16(const unsigned char *p) { return (unsigned)p[0] << 8 | p[1]; }
static unsigned le16(const unsigned char *p) { return (unsigned)p[1] << 8 | p[0]; }
static unsigned le24(const unsigned char *p) { return (unsigned)p[2] << 16 | le16(p); }

static void size_of(struct file *f, unsigned w, unsigned h)
{
	if (w && h && w < 100000 && h < 100000) {
		f->width = (int)w;
		f->height = (int)h;
	}
}

/* ITU T.81, B.1.1: markers; SOF0..SOF15 (without DHT, JPG and DAC) hold the size. */
static void jpeg_size(const unsigned char *p, size_t n, struct file *f)
{
	for (size_t i = 2; i + 9 < n;) {
		if (p[i] != 0xff)
			return;
		unsigned char m = p[i + 1];
		if (m == 0xff) {
			i++;
			continue;
		}
		if (m >= 0xc0 && m <= 0xcf && m != 0xc4 && m != 0xc8 && m != 0xcc) {
			size_of(f, be16(p + i + 7), be16(p + i + 5));
			return;
		}
		if (m == 0xda || m == 0xd9)
			return;
		i += m == 0x01 || (m >= 0xd0 && m <= 0xd8) ? 2 : 2 + be16(p + i + 2);
	}
}

static void image_size(const unsigned char *p, size_t n, struct file *f)
{
	if (n >= 24 && !memcmp(p, "\x89PNG\r\n\x1a\n", 8)) { /* PNG, 11.2.2: IHDR comes first */
		if (!p[16] && !p[20])
			size_of(f, (unsigned)p[17] << 16 | be16(p + 18), (unsigned)p[21] << 16 | be16(p + 22));
	} else if (n >= 4 && p[0] == 0xff && p[1] == 0xd8) {
		jpeg_size(p, n, f);
	} else if (n >= 10 && !memcmp(p, "GIF8", 4)) {
		size_of(f, le16(p + 6), le16(p + 8));
	} else if (n >= 30 && !memcmp(p, "RIFF", 4) && !memcmp(p + 8, "WEBP", 4)) { /* RFC 9649 */
		if (!memcmp(p + 12, "VP8X", 4))
			size_of(f, le24(p + 24) + 1, le24(p + 27) + 1);
		else if (!memcmp(p + 12, "VP8L", 4) && p[20] == 0x2f)
			size_of(f, (le16(p + 21) & 0x3fff) + 1, ((le16(p + 23) << 2 | p[22] >> 6) & 0x3fff) + 1);
		else if (!memcmp(p + 12, "VP8 ", 4))
			size_of(f, le16(p + 26) & 0x3fff, le16(p + 28) & 0x3fff);
	}
}

/* RFC 3533 (Ogg pages), RFC 7845 (Opus: 48 kHz whatever was recorded, less the pre-skip): the last page's position. */
static void opus_length(const unsigned char *first, const unsigned char *p, size_t n, struct file *f)
{
	if (n < 64 || memcmp(first, "OggS", 4) || memcmp(first + 28, "OpusHead", 8))
		return;
	uint64_t skip = le16(first + 28 + 10), at = 0;
	for (size_t i = n - 27; i > 0; i--)
		if (p[i] == 'O' && !memcmp(p + i, "OggS", 4)) {
			for (size_t k = 8; k-- > 0;)
				at = at << 8 | p[i + 6 + k];
			break;
		}
	if (at > skip && (at - skip) / 48 < 24u * 3600 * 1000)
		f->duration_ms = (int)((at - skip) / 48);
}

/* The beginning of an image or a card; of a voice note, which is read through, the end, with its first 64 bytes in `first`. */
static size_t read_part(struct vfile *v, char *p, size_t cap, bool through, unsigned char first[64])
{
	size_t n = 0;
	bool begun = false;
	for (ptrdiff_t got; (n < cap || through) && (got = vfile_read(v, p + n, cap - n, NULL)) > 0;) {
		n += (size_t)got;
		if (!begun && n >= 64) {
			memcpy(first, p, 64);
			begun = true;
		}
		if (through && n == cap) { /* a page of Ogg has at most 65,307 bytes */
			n = cap / 2;
			memmove(p, p + cap - n, n);
		}
	}
	return n;
}

static void card_title(struct source *s, const char *p, size_t n, struct file *f)
{
	wa_card_read(p, n, &s->norm);
	if (s->norm.len && !s->norm.full)
		f->title = arena_strndup(s->step, s->norm.p, s->norm.len);
}

void wa_media_describe(struct source *s, struct file *f)
{
	const struct entry *en = f->entry ? vault_find(s->v, f->entry) : NULL;
	bool voice = f->kind == FILE_VOICE, card = f->mime && streq(f->mime, "text/vcard");
	if (!en || en->size <= 0 || en->encrypted || !(f->kind == FILE_IMAGE || voice || card) || (voice && en->size > VOICE_MAX))
		return;
	struct vfile *v = vault_read(s->v, en, NULL);
	if (!v)
		return;
	unsigned char first[64] = { 0 };
	char *p = xmalloc(HEAD_BYTES);
	size_t n = read_part(v, p, HEAD_BYTES, voice, first);
	vfile_close(v);
	if (voice)
		opus_length(first, (const unsigned char *)p, n, f);
	else if (card)
		card_title(s, p, n, f);
	else
		image_size((const unsigned char *)p, n, f);
	free(p);
}
