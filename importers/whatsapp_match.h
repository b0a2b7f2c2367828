/* whatsapp_match.h: naming what WhatsApp wrote by itself.
 *
 * The table (whatsapp_table.c, made from whatsapp_strings.tsv) only gives a name to what structure has shown to be generated;
 * the one exception are place-holders that Android writes in a person's line without any mark ("<Media omitted>").
 */
#ifndef MVCHAT_WHATSAPP_MATCH_H
#define MVCHAT_WHATSAPP_MATCH_H

#include "core/buf.h"

enum wa_kind {
	WA_NONE, /* not in the table */
	WA_ADMIN, WA_ATTACHED, WA_BLOCKED, WA_BUSINESS, WA_CALL, WA_CALL_MISSED, WA_CONTACT, WA_CREATE, WA_DELETED, WA_DELETED_ME,
	WA_DESCRIPTION, WA_DISAPPEARING, WA_EDITED, WA_ENCRYPTION, WA_EXPORT_NAME, WA_ICON, WA_INVITE_LINK, WA_JOIN, WA_JOIN_REQUEST,
	WA_LEAVE, WA_LIVE_LOCATION, WA_LOCATION, WA_META_AI, WA_NUMBER, WA_OMITTED, WA_OMITTED_AUDIO, WA_OMITTED_CONTACT,
	WA_OMITTED_DOCUMENT, WA_OMITTED_GIF, WA_OMITTED_IMAGE, WA_OMITTED_PRODUCT, WA_OMITTED_STICKER, WA_OMITTED_VIDEO,
	WA_OMITTED_VIDEO_NOTE, WA_PIN, WA_POLL, WA_PRIVACY, WA_REMOVE, WA_SECURITY_CODE, WA_SETTINGS, WA_SUBJECT, WA_UNSUPPORTED,
	WA_VIEW_ONCE, WA_WAITING,
	WA_N_KINDS
};
enum wa_platform { WA_ANY, WA_ANDROID, WA_IOS };

struct wa_locale_set { uint64_t bits[2]; };
struct wa_string { const char *text; struct wa_locale_set locales; uint8_t kind, platform; };
struct wa_word { const char *text; uint32_t hours; }; /* a half or a part of the day, and the hours it may stand for */

extern const char *const wa_locales[];
extern const size_t wa_n_locales;
extern const struct wa_string wa_strings[];
extern const size_t wa_n_strings;
extern const struct wa_word wa_words[];
extern const size_t wa_n_words;

enum { WA_PHRASE_MAX = 600 }; /* longer texts are nothing that WhatsApp writes in one line */

const char *wa_kind_name(enum wa_kind k); /* "omitted.image", as in the table */
bool wa_is_omitted(enum wa_kind k);

/* The form the table is written in: marks of direction out, spaces and quotes made one kind, no full stop at the end, NFC. */
void wa_norm(const char *s, size_t n, struct buf *out);

struct wa_match;
struct wa_match *wa_match_new(void);
void wa_match_free(struct wa_match *m);

/* What the whole of a normalised text is; NULL when the table does not know it. `fixed`: only texts without place-holders.
 * Strings of the locales in `prefer` (may be NULL) win over others. arg, if given, gets the first place-holder's extent. */
enum wa_form { WA_FIXED, WA_TEMPLATES };
struct wa_arg { const char *s; size_t n; };
const struct wa_string *wa_match(const struct wa_match *m, enum wa_form form, const struct wa_locale_set *prefer, const char *norm, size_t n,
                                 struct wa_arg *arg);
/* False: a text that begins like s[0..n), not yet normalised, is no fixed one. Cheap; asked of every line. */
bool wa_may_be_fixed(const struct wa_match *m, const char *s, size_t n);
/* Whether a name, normalised, is the beginning of a notice up to a colon in its own words: "You removed" of "You removed: X". */
bool wa_is_notice_head(const char *norm, size_t n);
/* Like wa_match, for one kind only (WA_EXPORT_NAME, WA_LOCATION…). */
const struct wa_string *wa_match_kind(enum wa_kind kind, const char *norm, size_t n, struct wa_arg *arg);

#endif
