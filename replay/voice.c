/* voice.c: see voice.h. Called by the engine just before a message with files is written, so that an archive's thousands of voice
 * messages cost nothing until one is sent. The same bytes always give the same wave; nothing of it goes into ledgers or
 * fingerprints, so a message that went as plain sound once is not a changed one now.
 *
 * The bytes are anybody's: only one Opus stream alone is decoded (RFC 3533, 4 and RFC 7845, 3: chains and mixes have several
 * pages marked as a beginning, and finding one's way in them takes time that no bound holds), no more of it than a few seconds
 * per bar of the picture.
 */
#include "replay/voice.h"

#include <opusfile.h>
#include <stdlib.h>
#include <string.h>

enum {
	RATE = 48000,                    /* Opus always decodes to it */
	BAR_FRAMES = 5 * RATE,           /* of one bar no more is listened to */
	BLOCK_FRAMES = 5760,             /* 120 ms, the longest packet */
	QUIET = 2048,                    /* of 32,767: whoever is never louder than this is not made to look loud */
	ERRORS_MAX = 100,                /* lost packets */
};

static bool one_stream(const unsigned char *p, size_t n)
{
	size_t begun = 0;
	for (const unsigned char *q = p, *end = p + n; end - q >= 27 && (q = memchr(q, 'O', (size_t)(end - q) - 26)) != NULL; q++)
		if (!memcmp(q, "OggS", 4) && (q[5] & 2) && begun++)
			return false;
	return begun == 1 && !memcmp(p, "OggS", 4);
}

/* The loudest moment within at most `frames` from where the decoder stands; -1: it cannot be decoded. */
static int loudest(OggOpusFile *f, int64_t frames)
{
	opus_int16 pcm[2 * BLOCK_FRAMES];
	int peak = 0, errors = 0;
	while (frames > 0) {
		const int want = frames < BLOCK_FRAMES ? (int)frames : BLOCK_FRAMES;
		const int got = op_read_stereo(f, pcm, 2 * want);
		if (got == OP_HOLE && errors++ < ERRORS_MAX)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		for (int i = 0; i < 2 * got; i++) {
			const int v = pcm[i] < 0 ? -pcm[i] : pcm[i];
			peak = v > peak ? v : peak;
		}
		frames -= got;
	}
	return peak;
}

static bool listen(OggOpusFile *f, int64_t total, int peaks[VOICE_BARS])
{
	const bool whole = total / VOICE_BARS < BAR_FRAMES;
	op_set_dither_enabled(f, 0);
	for (int i = 0; i < VOICE_BARS; i++) {
		const int64_t from = total * i / VOICE_BARS, frames = total * (i + 1) / VOICE_BARS - from;
		if (!whole && op_pcm_seek(f, from) != 0)
			return false;
		peaks[i] = loudest(f, whole ? frames : BAR_FRAMES);
		if (peaks[i] < 0)
			return false;
	}
	return true;
}

static void draw(const int peaks[VOICE_BARS], char wave[VOICE_WAVE])
{
	int top = QUIET;
	size_t n = 0;
	for (int i = 0; i < VOICE_BARS; i++)
		top = peaks[i] > top ? peaks[i] : top;
	for (int i = 0; i < VOICE_BARS; i++) {
		const int v = (peaks[i] * VOICE_LOUDEST + top / 2) / top;
		if (i)
			wave[n++] = ',';
		if (v >= 10)
			wave[n++] = (char)('0' + v / 10);
		wave[n++] = (char)('0' + v % 10);
	}
	wave[n] = '\0';
}

bool voice_read(const unsigned char *p, size_t n, struct voice *out)
{
	int peaks[VOICE_BARS];
	if (n > VOICE_BYTES_MAX || !one_stream(p, n))
		return false;
	OggOpusFile *f = op_open_memory(p, n, NULL);
	if (!f)
		return false;
	const int64_t total = op_pcm_total(f, -1);
	const bool ok = op_link_count(f) == 1 && total >= RATE / 1000 && total <= (int64_t)VOICE_SECONDS_MAX * RATE && listen(f, total, peaks);
	op_free(f);
	if (!ok)
		return false;
	out->duration_ms = (int)(total / (RATE / 1000));
	draw(peaks, out->wave);
	return true;
}

static unsigned char *slurp(struct wire *w, const struct file *file, size_t *len)
{
	if (file->size <= 0 || file->size > VOICE_BYTES_MAX)
		return NULL;
	struct err e = ERR_INIT;
	struct vfile *f = wire_file(w, file, &e);
	if (!f)
		return NULL;
	const size_t cap = (size_t)file->size + 1; /* one more: its end, where the checksum is compared, must have been seen */
	char *p = xmalloc(cap);
	ptrdiff_t got = 1;
	*len = 0;
	while (*len < cap && (got = vfile_read(f, p + *len, cap - *len, &e)) > 0)
		*len += (size_t)got;
	vfile_close(f);
	if (got == 0 && *len == (size_t)file->size)
		return (unsigned char *)p;
	free(p);
	return NULL;
}

void voice_fill(struct wire *w, struct op *op, struct arena *a)
{
	for (size_t i = 0; i < op->n_files; i++) {
		if (op->files[i].kind != FILE_VOICE || !op->files[i].source || op->files[i].waveform)
			continue;
		struct voice v;
		size_t n;
		unsigned char *p = slurp(w, op->files[i].source, &n);
		if (p && voice_read(p, n, &v)) {
			struct op_file *own = arena_memdup(a, op->files, op->n_files * sizeof(*own));
			own[i].waveform = arena_strdup(a, v.wave);
			own[i].duration_ms = v.duration_ms;
			op->files = own;
		}
		free(p);
	}
}
