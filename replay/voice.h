/* voice.h: what a messenger draws of a voice message: how long it is, and how loud from moment to moment. */
#ifndef MVCHAT_VOICE_H
#define MVCHAT_VOICE_H

#include "core/op.h"
#include "replay/wire.h"

enum {
	VOICE_BARS = 64,
	VOICE_LOUDEST = 31,
	VOICE_WAVE = VOICE_BARS * 3,         /* "31,31,…" with its NUL; Pachca takes 256 characters */
	VOICE_BYTES_MAX = 16 << 20,
	VOICE_SECONDS_MAX = 3600,
};
struct voice { int duration_ms; char wave[VOICE_WAVE]; };

/* The bytes of a whole Ogg Opus file. false: they are none, or beyond the bounds, or damaged. */
bool voice_read(const unsigned char *p, size_t n, struct voice *out);
/* Of the op's files those that are voice messages get waveform and duration; what cannot be read stays without. They live in a. */
void voice_fill(struct wire *w, struct op *op, struct arena *a);

#endif
