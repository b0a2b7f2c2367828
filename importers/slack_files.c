/* slack_files.c: a file object of a message to struct file: where its bytes are, what it is.
 *
 * Bytes may stand in the archive: `__uploads/<id>/<name>` (slackdump "mattermost", slack-advanced-exporter),
 * `<channel>/attachments/<id>-<name>` (slackdump "standard"), `<channel id>/<id>-<name>` (slackdump "dump"). Tokens never leave
 * this file in a record: addresses are pushed without them. Whoever downloads what is only linked sets sink.secret_url.
 */
#include "importers/slack.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { FILES_MAX = 1000, PREVIEW_MAX = 16 * 1024 };

/* A file object has forty keys and more; it is gone through once. */
enum key {
	K_DURATION_MS, K_FILE_ACCESS, K_FILETYPE, K_ID, K_IS_EXTERNAL, K_MIMETYPE, K_MODE, K_NAME, K_ORIGINAL_H, K_ORIGINAL_W, K_PERMALINK,
	K_PLAIN_TEXT, K_PREVIEW, K_SIZE, K_SUBTYPE, K_TITLE, K_URL_PRIVATE, K_URL_PRIVATE_DOWNLOAD, N_KEYS,
};
static const char *const key_names[N_KEYS] = {
	"duration_ms", "file_access", "filetype", "id", "is_external", "mimetype", "mode", "name", "original_h", "original_w", "permalink",
	"plain_text", "preview", "size", "subtype", "title", "url_private", "url_private_download",
};
struct fields { const struct jv *v[N_KEYS]; };

static void gather(const struct jv *v, struct fields *f)
{
	jv_each(v, c)
		for (size_t i = 0; i < N_KEYS; i++)
			if (key_names[i][0] == c->key[0] && streq(key_names[i], c->key)) {
				f->v[i] = c;
				break;
			}
}

static const char *word(const struct jv *v)
{
	return v && v->type == JV_STR && v->len ? v->s : NULL;
}

static const struct entry *first_with(struct source *s, const char *prefix)
{
	size_t i = vault_lower(s->v, prefix), n = strlen(prefix);
	if (i >= vault_count(s->v))
		return NULL;
	const struct entry *en = vault_entry_in(s->v, i, s->step);
	return strncmp(en->name, prefix, n) == 0 && en->name[n] ? en : NULL;
}

static const struct entry *in_archive(struct source *s, const char *id)
{
	char path[PATH_BUF];
	const struct entry *en;
	if (!slack_is_id(id, strlen(id)))
		return NULL;
	if (s->has_uploads) {
		const char *prefix = s->chan && s->chan->space ? s->chan->space->prefix : "";
		if (fmt_into(path, sizeof(path), "%s__uploads/%s/", prefix, id) && (en = first_with(s, path)))
			return en;
		if (*prefix && fmt_into(path, sizeof(path), "__uploads/%s/", id) && (en = first_with(s, path)))
			return en;
	}
	if (s->has_attachments && s->folder) {
		if (fmt_into(path, sizeof(path), "%s/attachments/%s-", s->folder, id) && (en = first_with(s, path)))
			return en;
	}
	if (s->dump && s->chan && fmt_into(path, sizeof(path), "%s/%s-", s->chan->id, id) && (en = first_with(s, path)))
		return en;
	return NULL;
}

/* Tools that do not look at the HTTP answer save Slack's sign-in page under the file's name. Asked only when sizes differ. */
static bool is_html(struct source *s, const struct entry *en)
{
	char head[512];
	struct vfile *f = vault_read(s->v, en, NULL);
	if (!f)
		return false;
	ptrdiff_t n = vfile_read(f, head, sizeof(head) - 1, NULL);
	vfile_close(f);
	if (n <= 0)
		return false;
	head[n] = '\0';
	const char *p = head + strspn(head, " \t\r\n");
	if ((unsigned char)p[0] == 0xEF && strlen(p) > 3)
		p += 3;
	return strncasecmp(p, "<!doctype html", 14) == 0 || strncasecmp(p, "<html", 5) == 0;
}

static enum file_kind kind_of(const struct fields *k, const char *mode, const char *mime)
{
	const char *sub = word(k->v[K_SUBTYPE]), *type = word(k->v[K_FILETYPE]);
	if (sub && streq(sub, "slack_audio"))
		return FILE_VOICE;
	if (sub && streq(sub, "slack_video"))
		return FILE_VIDEO;
	if (streq(mode, "snippet"))
		return FILE_SNIPPET;
	if (streq(mode, "quip") || streq(mode, "canvas") || streq(mode, "space") || streq(mime, "application/vnd.slack-docs"))
		return FILE_CANVAS;
	if (strncmp(mime, "image/", 6) == 0)
		return FILE_IMAGE;
	if (strncmp(mime, "audio/", 6) == 0)
		return FILE_AUDIO;
	if (strncmp(mime, "video/", 6) == 0)
		return FILE_VIDEO;
	if (!*mime && type) {
		static const struct { const char *type; enum file_kind kind; } by_type[] = {
			{ "jpg", FILE_IMAGE }, { "jpeg", FILE_IMAGE }, { "png", FILE_IMAGE }, { "gif", FILE_IMAGE }, { "webp", FILE_IMAGE }, { "heic", FILE_IMAGE },
			{ "mp3", FILE_AUDIO }, { "m4a", FILE_AUDIO }, { "wav", FILE_AUDIO }, { "ogg", FILE_AUDIO }, { "mp4", FILE_VIDEO }, { "mov", FILE_VIDEO },
			{ "webm", FILE_VIDEO }, { "quip", FILE_CANVAS },
		};
		for (size_t i = 0; i < countof(by_type); i++)
			if (streq(type, by_type[i].type))
				return by_type[i].kind;
	}
	return FILE_PLAIN;
}

static int small_int(const struct jv *v)
{
	int64_t n = jv_int(v, 0);
	return n < 0 || n > INT32_MAX ? 0 : (int)n;
}

static const char *clean(struct source *s, const struct jv *v, const char **token)
{
	return word(v) ? slack_untoken(s->step, slack_str(s->step, v), token) : NULL;
}

static void note_domain(struct source *s, const char *permalink)
{
	const char *p = permalink ? permalink : "";
	if (s->domain[0] || strncmp(p, "https://", 8) != 0)
		return;
	size_t n = strcspn(p + 8, "./");
	if (n && n < sizeof(s->domain) && strncmp(p + 8 + n, ".slack.com/", 11) == 0 && !(n == 5 && memcmp(p + 8, "files", 5) == 0)) {
		memcpy(s->domain, p + 8, n);
		s->domain[n] = '\0';
	}
}

static void place(struct source *s, struct file *f, const struct fields *k, const char *mode)
{
	const char *access = word(k->v[K_FILE_ACCESS]);
	bool gone = streq(mode, "tombstone") || streq(mode, "hidden_by_limit") ||
		    (access && (streq(access, "file_not_found") || streq(access, "access_denied")));
	bool external = streq(mode, "external") || streq(mode, "remote") || (k->v[K_IS_EXTERNAL] && k->v[K_IS_EXTERNAL]->type == JV_BOOL && k->v[K_IS_EXTERNAL]->b);
	const struct entry *en = f->id ? in_archive(s, f->id) : NULL;
	if (en) {
		bool differs = f->size > 0 && en->size >= 0 && en->size != f->size;
		if (differs && kind_of(k, mode, f->mime ? f->mime : "") != FILE_CANVAS && !(f->mime && strstr(f->mime, "html")) && is_html(s, en)) {
			slack_hazard(s, HAZARD_LOSS, "file-is-html", "%s is a web page where the file \"%.80s\" should be", en->name, f->name);
		} else {
			if (differs)
				slack_hazard(s, HAZARD_WARN, "file-size-differs", "%s has %lld bytes, the message says %lld", en->name,
					     (long long)en->size, (long long)f->size);
			f->entry = en->name;
			f->state = FILE_PRESENT;
			if (en->size >= 0)
				f->size = en->size;
			return;
		}
	}
	if (gone || (!f->url && !f->permalink)) {
		f->state = FILE_GONE;
		slack_hazard(s, HAZARD_LOSS, "file-gone", "%.80s (%s)", f->name, *mode ? mode : access ? access : "no address");
	} else if (external) {
		f->state = FILE_EXTERNAL;
		slack_hazard(s, HAZARD_NOTE, "file-external", "%.80s", f->name);
	} else {
		f->state = FILE_LINKED;
		slack_hazard(s, HAZARD_WARN, "file-linked", "%.80s is not in the archive, only its address", f->name);
	}
}

/* The address as it stands in the archive, for the one sink that asks: of the two the one that downloads, if it has a token. */
static void tell_secret(struct source *s, const struct file *f, const struct fields *k)
{
	static const enum key order[] = { K_URL_PRIVATE_DOWNLOAD, K_URL_PRIVATE };
	for (size_t i = 0; i < countof(order); i++) {
		const char *found = NULL, *raw = word(k->v[order[i]]) ? slack_str(s->step, k->v[order[i]]) : NULL;
		if (!raw || strncmp(raw, "http", 4) != 0)
			continue;
		slack_untoken(s->step, raw, &found);
		if (!found || streq(found, "text"))
			continue;
		if (!s->sink->secret_url(s->sink->ctx, s->chan ? s->chan->id : "", f, raw))
			s->stopped = true;
		return;
	}
}

void slack_file(struct source *s, const struct jv *v, struct files *files)
{
	if (!jv_is(v, JV_OBJ) || files->n >= FILES_MAX)
		return;
	ARENA_GROW(s->step, files->v, files->n, files->cap, 4);
	struct fields k = { { 0 } };
	gather(v, &k);
	struct file f = { .size = jv_int(k.v[K_SIZE], -1) };
	const char *mode = word(k.v[K_MODE]) ? word(k.v[K_MODE]) : "", *token = NULL;
	f.id = clean(s, k.v[K_ID], NULL);
	f.title = clean(s, k.v[K_TITLE], NULL);
	f.name = clean(s, k.v[K_NAME], NULL);
	f.mime = clean(s, k.v[K_MIMETYPE], NULL);
	f.permalink = clean(s, k.v[K_PERMALINK], &token);
	f.url = clean(s, k.v[K_URL_PRIVATE], &token);
	if (!f.url)
		f.url = clean(s, k.v[K_URL_PRIVATE_DOWNLOAD], &token);
	f.preview = clean(s, k.v[K_PREVIEW], NULL);
	if (!f.preview)
		f.preview = clean(s, k.v[K_PLAIN_TEXT], NULL);
	if (f.preview && strlen(f.preview) > PREVIEW_MAX)
		f.preview = NULL;
	if (!f.name)
		f.name = f.title ? f.title : f.id ? f.id : "file";
	if (f.size < 0)
		f.size = -1;
	if (token) {
		slack_hazard(s, HAZARD_WARN, "token-in-url", "an export token as \"%s\" in the address of a file", token);
		s->token_kind = streq(token, "token") ? "token" : "t";
	}
	note_domain(s, f.permalink);
	f.kind = kind_of(&k, mode, f.mime ? f.mime : "");
	f.width = small_int(k.v[K_ORIGINAL_W]);
	f.height = small_int(k.v[K_ORIGINAL_H]);
	f.duration_ms = small_int(k.v[K_DURATION_MS]);
	place(s, &f, &k, mode);
	if (f.state == FILE_LINKED && f.id && s->sink->secret_url)
		tell_secret(s, &f, &k);
	files->v[files->n++] = f;
}
