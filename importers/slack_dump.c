/* slack_dump.c: slackdump's "dump" layout: one file a conversation, {"channel_id":…, "name":…, "messages":[…]}, replies nested in
 * their first message as slackdump_thread_replies.
 *
 * Called by the walk in slack.c for each such file. The top-level object may be of any size, so only its array of messages is let
 * through to the element reader; name and id are read in a pass of their own. Fields as rusq/slackdump writes them.
 */
#include "importers/slack.h"

#include <stdlib.h>
#include <string.h>

enum { DUMP_ELEMENT_MAX = 64 * 1024 * 1024 };

/* Lets through only the array that is the value of the top-level key "messages", so that a channel of any size is read
 * element by element. */
struct strain {
	void *f;
	char in[16 * 1024];
	size_t at, n, newlines;
	int depth;
	bool in_string, escaped, is_messages, colon, inside, done;
	char key[16];
	size_t key_n;
};

/* Takes one byte; true when it belongs to the array. */
static bool strain_byte(struct strain *t, char c)
{
	bool out = t->inside;
	if (t->in_string) {
		if (t->escaped) {
			t->escaped = false;
		} else if (c == '\\') {
			t->escaped = true;
		} else if (c == '"') {
			t->in_string = false;
		}
		if (t->in_string && t->depth == 1 && t->key_n < sizeof(t->key))
			t->key[t->key_n++] = c;
		return out;
	}
	if (c == '\n' && !out)
		t->newlines++;
	if (c == '"') {
		t->in_string = true;
		t->key_n = 0;
		t->colon = false;
	} else if (c == ':' && t->depth == 1) {
		t->colon = t->key_n == 8 && memcmp(t->key, "messages", 8) == 0;
	} else if (c == '[' || c == '{') {
		t->depth++;
		if (c == '[' && t->depth == 2 && t->colon)
			out = t->inside = true;
	} else if (c == ']' || c == '}') {
		t->depth--;
		if (t->inside && t->depth == 1) {
			t->inside = false;
			t->done = true;
		}
	} else if (c == ',' && t->depth == 1) {
		t->colon = false;
	}
	return out;
}

static ptrdiff_t strain_read(void *ctx, char *dst, size_t n, struct err *e)
{
	struct strain *t = ctx;
	size_t k = 0;
	while (k < n && !t->done) {
		if (t->at == t->n) {
			if (k)
				break; /* hand over what there is */
			ptrdiff_t got = vfile_read(t->f, t->in, sizeof(t->in), e);
			if (got <= 0)
				return got;
			t->at = 0;
			t->n = (size_t)got;
		}
		char c = t->in[t->at++];
		if (strain_byte(t, c))
			dst[k++] = c;
	}
	return (ptrdiff_t)k;
}

static bool each_dump_msg(struct source *s, const struct jv *v)
{
	const char *root = jv_str(jv_get(v, "ts"));
	if (!slack_msg(s, v))
		return false;
	jv_each(jv_get(v, "slackdump_thread_replies"), r) {
		const char *ts = jv_str(jv_get(r, "ts"));
		if (root && ts && streq(root, ts))
			continue; /* the root again */
		if (!slack_msg(s, r))
			return false;
	}
	return !s->stopped;
}

static bool each_dump_head(struct source *s, const struct jv *v)
{
	const char *id = s->folder, *name = jv_get_str(v, "name");
	if (!s->chan) {
		s->chan = table_get(&s->by_id, id);
		if (s->chan)
			return true;
		struct conv c = { .id = id, .name = name ? slack_str(s->step, jv_get(v, "name")) : id, .kind = id[0] == 'D' ? CONV_DM : CONV_PRIVATE };
		if (strncmp(c.name, "mpdm-", 5) == 0)
			c.kind = CONV_GROUP;
		s->chan = slack_add_chan(s, &s->spaces[0], id, c.name, c.kind);
		slack_hazard(s, HAZARD_WARN, "folder-without-channel", "%s stands in no list of conversations", id);
		if (!s->stopped && !s->sink->conv(s->sink->ctx, &c))
			s->stopped = true;
	}
	return !s->stopped;
}

bool slack_walk_dump_file(struct source *s, const struct entry *en, size_t index)
{
	static const char *const head_only[] = { "messages", NULL };
	struct err e = ERR_INIT;
	size_t n = strcspn(en->name, "-.");
	s->folder = arena_strndup(&s->names, en->name, n);
	s->chan = NULL;
	slack_conv_begin(s);
	s->entry_index = (uint32_t)index;
	s->in_file = s->off_day = 0;
	s->day = INT64_MIN;
	if (!slack_read(s, en, head_only, each_dump_head) || !s->chan)
		return !s->stopped;
	struct strain *t = xcalloc(1, sizeof(*t));
	t->f = vault_read(s->v, en, &e);
	if (t->f) {
		s->keep_profiles = true;
		slack_read_from(s, strain_read, t, slack_skip_day_keep, each_dump_msg, DUMP_ELEMENT_MAX, &t->newlines);
	}
	vfile_close(t->f);
	free(t);
	return slack_conv_end(s);
}
