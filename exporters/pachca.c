/* pachca.c: Pachca (api.pachca.com) as a target: what it can do, who we are there, what we may, and whether a row that was
 * read back is what an op made. Requests and answers are in the other pachca_*.c files. Pure: no I/O.
 */
#include "exporters/pachca.h"

#include "core/hash.h"
#include "core/utf8.h"
#include "exporters/http_verdict.h"
#include "exporters/markdown.h"

#include <string.h>

#define DEFAULT_URL "https://api.pachca.com/api/shared/v1"
#define DEFAULT_SITE "https://app.pachca.com"

/* ---- configuration ---- */

/* How many bots there are: 1 to BOTS_MAX. */
static bool read_bots(const char *s, size_t *others)
{
	size_t n = 0;
	for (; *s >= '0' && *s <= '9' && n < 1000; s++)
		n = n * 10 + (size_t)(*s - '0');
	if (*s || n < 1 || n > BOTS_MAX)
		return false;
	*others = n - 1;
	return true;
}

static struct target *configure(const char *const *options, struct arena *a, struct err *e)
{
	struct target *t = arena_new(a, struct target);
	t->url = DEFAULT_URL;
	t->has_admin = true;
	size_t n_options = 0;
	while (options && options[n_options])
		n_options++;
	t->known = arena_array(a, n_options + 1, const char *);
	for (; options && *options; options++) {
		const char *o = *options;
		if (!strncmp(o, "url=", 4) && o[4]) {
			size_t n = strlen(o + 4);
			while (n && o[4 + n - 1] == '/')
				n--;
			t->url = arena_strndup(a, o + 4, n);
		} else if (streq(o, "admin=0")) {
			t->has_admin = false;
		} else if (streq(o, "admin=1")) {
			t->has_admin = true;
		} else if (!strncmp(o, "bots=", 5) && read_bots(o + 5, &t->n_others)) {
			continue;
		} else if (!strncmp(o, "bond=", 5)) {
			t->bond = arena_strdup(a, o + 5);
		} else if (!strncmp(o, "known=", 6)) {
			t->known[t->n_known++] = arena_strdup(a, o + 6);
		} else {
			err_set(e, ERR_USAGE, "pachca: unknown option '%s'", o);
			err_hint(e, "known: url=ADDRESS, admin=0, admin=1, bots=N, bond=IDENTITY, known=ID");
			return NULL;
		}
	}
	return t;
}

/* The vendor's limits are approximate and per token: messages about 4/s per chat with bursts of 30/s for 5 s, reading messages
 * about 10/s, everything else about 50/s (documentation, "Limits"). */
static void traits(const struct target *t, struct traits *out)
{
	*out = (struct traits){
		.caps = CAP_LABEL | CAP_THREAD | CAP_EDIT | CAP_DELETE | CAP_REACT_SELF | CAP_PIN | CAP_UPLOAD | CAP_LIST | CAP_ARCHIVE |
		        CAP_MEMBERS | CAP_THREAD_LANES | CAP_DM_AS_CHAT | (t->has_admin ? (uint32_t)CAP_USER_CREATE : 0u),
		.text_max = PACHCA_TEXT_MAX,
		.name_max = PACHCA_NAME_MAX,
		.label_max = PACHCA_LABEL_MAX,
		.file_max = INT32_MAX, /* `size` is an int32 */
		.members_max = 100,    /* our choice: the spec has no number */
		.reactions_max = 20,   /* different emoji of one user on one message */
		.settle_s = 30,
		.rate = {
			[REQ_POST] = { .per_scope = true, .per_s = 4, .burst = 150, .peak_per_s = 30 },
			[REQ_READ] = { .per_s = 10, .burst = 10, .peak_per_s = 10 },
			[REQ_OTHER] = { .per_s = 50, .burst = 50, .peak_per_s = 50 },
			[REQ_BLOB] = { .per_s = 0 }, /* no limit */
		},
		.bots = 1 + (int)t->n_others,
		.settle = {
			[OP_USER_CREATE] = SETTLE_LIST, [OP_CHAT_CREATE] = SETTLE_LIST, [OP_POST] = SETTLE_LIST,
			/* The rest has no second effect: a thread is made once per message, a reaction once per user (spec); adding a
			 * member, pinning and archiving again are taken to be harmless (docs/pachca.md). */
			[OP_UPLOAD] = SETTLE_REPEAT, [OP_THREAD_OPEN] = SETTLE_REPEAT, [OP_REACT] = SETTLE_REPEAT, [OP_PIN] = SETTLE_REPEAT,
			[OP_MEMBERS] = SETTLE_REPEAT, [OP_ARCHIVE] = SETTLE_REPEAT, [OP_EDIT] = SETTLE_REPEAT, [OP_DELETE] = SETTLE_REPEAT,
		},
		.settle_list = {
			[OP_USER_CREATE] = LIST_USERS_FIND, [OP_CHAT_CREATE] = LIST_CHATS, [OP_POST] = LIST_MESSAGES,
			[OP_THREAD_OPEN] = LIST_MESSAGES, [OP_EDIT] = LIST_MESSAGES, [OP_DELETE] = LIST_MESSAGES,
			[OP_MEMBERS] = LIST_MEMBERS, [OP_REACT] = LIST_REACTIONS, [OP_ARCHIVE] = LIST_CHATS,
		},
	};
}

/* ---- greeting ---- */

/* The first bot, the administrator, then for each further bot: its token, its profile, and whether the first one's company
 * knows it. */
enum { HELLO_BOT_TOKEN, HELLO_BOT_PROFILE, HELLO_ADMIN_TOKEN, HELLO_ADMIN_PROFILE, HELLO_OTHER_TOKEN, HELLO_OTHER_PROFILE, HELLO_OTHER_KNOWN };

/* What request number i asks; *other: of which further bot. -1: there is no such request. */
static int hello_what(const struct target *t, int i, size_t *other)
{
	int first = t->has_admin ? HELLO_OTHER_TOKEN : HELLO_ADMIN_TOKEN;
	*other = 0;
	if (i < 0 || i < first)
		return i;
	*other = (size_t)(i - first) / 3;
	return *other < t->n_others ? HELLO_OTHER_TOKEN + (i - first) % 3 : -1;
}

static bool hello_build(const struct target *t, int i, struct arena *a, struct http_req *out)
{
	size_t k;
	int what = hello_what(t, i, &k);
	if (what < 0)
		return false;
	*out = (struct http_req){ .method = "GET", .rate = REQ_OTHER, .scope = "", .auth = AUTH_BOT, .path = "/profile" };
	if (what == HELLO_BOT_TOKEN || what == HELLO_ADMIN_TOKEN || what == HELLO_OTHER_TOKEN)
		out->path = "/oauth/token/info";
	if (what == HELLO_ADMIN_TOKEN || what == HELLO_ADMIN_PROFILE)
		out->auth = AUTH_ADMIN;
	if (what == HELLO_OTHER_TOKEN || what == HELLO_OTHER_PROFILE)
		out->bot = (int)k + 1;
	if (what == HELLO_OTHER_KNOWN) {
		out->auth = t->has_admin ? AUTH_ADMIN : AUTH_BOT;
		out->path = arena_fmt(a, "/users/%s", t->others[k].user_id ? t->others[k].user_id : "0");
	}
	return true;
}

static bool refused(const struct target *t, const char *whose, bool profile, const struct http_resp *r, struct arena *a, struct err *e)
{
	struct pachca_error pe;
	pachca_read_error(r, NULL, a, &pe);
	if (r->status == 401) {
		err_set(e, ERR_TARGET, "Pachca does not accept the %s: %s", whose, pe.why);
		return err_hint(e, "check that the token is complete, was not revoked, and belongs to this Pachca workspace");
	}
	if (r->status == 403 && profile) {
		err_set(e, ERR_TARGET, "the %s lacks the permission profile:read: %s", whose, pe.why);
		return err_hint(e, "without it nobody can tell whether the token belongs to a bot; add it in Pachca (Automations → Integrations → API)");
	}
	if (r->status == 404) {
		err_set(e, ERR_TARGET, "there is no Pachca API at %s", t->url);
		return err_hint(e, "the address ends in /api/shared/v1");
	}
	err_set(e, ERR_TARGET, "Pachca did not tell us about the %s: %s", whose, pe.why);
	return err_hint(e, "nothing has been written; try again in a few minutes");
}

static bool read_token(struct pachca_account *who, const struct jv *data, struct arena *a)
{
	const struct jv *list = jv_get(data, "scopes");
	who->user_id = pachca_id(jv_get(data, "user_id"), a);
	if (!who->user_id || !jv_is(list, JV_ARR))
		return false;
	const char **scopes = arena_array(a, list->n ? list->n : 1, const char *);
	who->n_scopes = 0;
	jv_each(list, it)
		if (jv_str(it))
			scopes[who->n_scopes++] = arena_strdup(a, jv_str(it));
	who->scopes = scopes;
	who->asked = true;
	return true;
}

/* Is the bot behind a further token one of the first one's company, and another one than those before it? */
static bool hello_known(const struct target *t, size_t k, const struct http_resp *r, const struct jv *data, const char *whose, struct arena *a,
                        struct err *e)
{
	const char *id = t->others[k].user_id, *seen = pachca_id(jv_get(data, "id"), a);
	bool twice = t->bot.user_id && streq(t->bot.user_id, id);
	for (size_t i = 0; i < k && !twice; i++)
		twice = streq(t->others[i].user_id, id);
	if (twice) {
		err_set(e, ERR_TARGET, "the %s belongs to a bot (%s) that another of the tokens belongs to", whose, id);
		return err_hint(e, "limits are shared by the tokens of one bot: make a bot of its own for each token");
	}
	if (r->status == 404 || (seen && !streq(seen, id))) {
		err_set(e, ERR_TARGET, "the %s belongs to a bot (%s) that the first bot's company does not have", whose, id);
		return err_hint(e, "all bots must belong to the workspace that the history goes to");
	}
	return seen != NULL;
}

static bool hello_parse(struct target *t, int i, const struct http_resp *r, struct arena *a, struct err *e)
{
	size_t k;
	int what = hello_what(t, i, &k);
	bool other = what >= HELLO_OTHER_TOKEN, bot = other || what < HELLO_ADMIN_TOKEN;
	bool profile = what == HELLO_BOT_PROFILE || what == HELLO_ADMIN_PROFILE || what == HELLO_OTHER_PROFILE;
	struct pachca_account *who = other ? &t->others[k] : bot ? &t->bot : &t->admin;
	const char *whose = other ? arena_fmt(a, err_word(N_("bot token number %zu")), k + 2) : err_word(bot ? N_("bot token") : N_("administrator's token"));
	if (what == HELLO_ADMIN_PROFILE && r->status == 403)
		return true; /* token/info has told all that is needed; the profile would only confirm it */
	if (http_verdict(r) != V_DONE && !(what == HELLO_OTHER_KNOWN && r->status == 404))
		return refused(t, whose, profile, r, a, e);
	const struct jv *data = http_is_json(r) ? jv_get(jv_parse(a, r->body, r->len, NULL), "data") : NULL;
	if (what == HELLO_OTHER_KNOWN) {
		struct err why = ERR_INIT;
		if (hello_known(t, k, r, data, whose, a, &why))
			return true;
		if (why.code) {
			*e = why;
			return false;
		}
	} else if (!profile) {
		if (read_token(who, data, a)) {
			if (other)
				t->other_ids[k] = who->user_id;
			return true;
		}
	} else if (jv_is(jv_get(data, "bot"), JV_BOOL)) {
		const char *id = pachca_id(jv_get(data, "id"), a);
		if (!id || !who->user_id || !streq(id, who->user_id))
			return err_set(e, ERR_TARGET, "Pachca names two owners of the %s", whose);
		if (jv_get_bool(data, "bot") == bot)
			return true;
		if (bot) {
			err_set(e, ERR_TARGET, "the %s belongs to a person: every message would be shown as written by that person", whose);
			return err_hint(e, "create a bot in Pachca (Automations → Integrations) and use its access token (the bot's page, API)");
		}
		err_set(e, ERR_TARGET, "the administrator's token belongs to a bot, and bots cannot create people");
		return err_hint(e, "use the personal access token of an administrator, or none if nobody is to be created");
	}
	err_set(e, ERR_TARGET, "the answer of %s is not Pachca's", t->url);
	return err_hint(e, "a proxy may have answered instead, or the address is wrong (it ends in /api/shared/v1)");
}

static const char *identity_of(const struct target *t, const struct pachca_account *bot, struct arena *a)
{
	return arena_fmt(a, "pachca %s bot %s", t->url, bot->user_id ? bot->user_id : "?");
}

/* The order in which tokens are given means nothing: the bot that the ledger is tied to owns the chats. */
static int first_bot(struct target *t)
{
	struct arena a;
	int first = 0;
	arena_init(&a);
	for (size_t i = 0; t->bond && !first && i < t->n_others; i++)
		if (streq(t->bond, identity_of(t, &t->others[i], &a)))
			first = (int)i + 1;
	arena_release(&a);
	if (first) {
		struct pachca_account was = t->bot;
		t->bot = t->others[first - 1];
		t->others[first - 1] = was;
		t->other_ids[first - 1] = was.user_id;
	}
	return first;
}

static size_t other_bots(const struct target *t, const char *const **ids)
{
	*ids = t->other_ids;
	return t->n_others;
}

static void also_ours(struct target *t, const char *author, struct arena *a)
{
	const char **v = arena_array(a, t->n_known + 1, const char *);
	for (size_t i = 0; i < t->n_known; i++)
		v[i] = t->known[i];
	v[t->n_known++] = arena_strdup(a, author);
	t->known = v;
}

static const char *identity(const struct target *t, struct arena *a)
{
	return identity_of(t, &t->bot, a);
}

/* ---- permissions ---- */

/* What each op needs, from `x-requirements.scope` of the methods that do it and that settle it. */
static const struct { int bit; enum auth who; const char *scope; } needs[] = {
	{ OP_USER_CREATE, AUTH_ADMIN, "users:create" },
	{ OP_CHAT_CREATE, AUTH_BOT, "chats:create" },
	{ OP_POST, AUTH_BOT, "messages:create" },
	{ OP_POST, AUTH_BOT, "messages:read" },
	{ OP_EDIT, AUTH_BOT, "messages:update" },
	{ OP_DELETE, AUTH_BOT, "messages:delete" },
	{ OP_THREAD_OPEN, AUTH_BOT, "threads:create" },
	{ OP_UPLOAD, AUTH_BOT, "uploads:write" },
	{ OP_REACT, AUTH_BOT, "reactions:write" },
	{ OP_PIN, AUTH_BOT, "pins:write" },
	{ OP_MEMBERS, AUTH_BOT, "chat_members:write" },
	{ OP_MEMBERS, AUTH_BOT, "chat_members:read" },
	{ OP_ARCHIVE, AUTH_BOT, "chats:archive" },
	{ OP_UNDO_BIT + OP_POST, AUTH_BOT, "messages:delete" },
	{ OP_UNDO_BIT + OP_POST, AUTH_BOT, "messages:read" },
	{ OP_UNDO_BIT + OP_POST, AUTH_BOT, "reactions:read" },
	{ OP_UNDO_BIT + OP_REACT, AUTH_BOT, "reactions:write" },
	{ OP_UNDO_BIT + OP_PIN, AUTH_BOT, "pins:write" },
	{ OP_UNDO_BIT + OP_MEMBERS, AUTH_BOT, "chat_members:write" },
	{ OP_UNDO_BIT + OP_ARCHIVE, AUTH_BOT, "chats:archive" },
	{ OP_UNDO_BIT + OP_CHAT_CREATE, AUTH_BOT, "chats:update" },
	{ OP_UNDO_BIT + OP_CHAT_CREATE, AUTH_BOT, "chats:archive" },
	{ OP_UNDO_BIT + OP_USER_CREATE, AUTH_ADMIN, "users:update" },
	{ OP_UNDO_BIT + OP_DELETE, AUTH_ADMIN, "users:delete" }, /* accounts are to be deleted, not suspended */
};

static bool holds(const struct pachca_account *who, const char *scope)
{
	for (size_t i = 0; i < who->n_scopes; i++)
		if (streq(who->scopes[i], scope))
			return true;
	return false;
}

static void lacking(const struct target *t, enum auth who, const char *scope, struct buf *out)
{
	if (holds(who == AUTH_ADMIN ? &t->admin : &t->bot, scope))
		return;
	if (out->len)
		buf_adds(out, ", ");
	buf_adds(out, scope);
}

static bool may(const struct target *t, uint32_t op_kinds, struct err *e)
{
	struct buf bot, admin;
	buf_init(&bot, 1024);
	buf_init(&admin, 1024);
	/* Everything begins with reading who and what is there. */
	lacking(t, AUTH_BOT, "chats:read", &bot);
	lacking(t, t->has_admin ? AUTH_ADMIN : AUTH_BOT, "users:read", t->has_admin ? &admin : &bot);
	if (op_kinds & 1u << OP_TAG_BIT)
		lacking(t, t->has_admin ? AUTH_ADMIN : AUTH_BOT, "group_tags:read", t->has_admin ? &admin : &bot);
	for (size_t i = 0; i < countof(needs); i++)
		if (op_kinds & 1u << needs[i].bit)
			lacking(t, needs[i].who, needs[i].scope, needs[i].who == AUTH_ADMIN ? &admin : &bot);
	bool ok = !bot.len && !admin.len;
	for (size_t i = 0; ok && i < t->n_others; i++) { /* what any of them may be asked to carry */
		static const struct { enum op_kind kind; const char *scope; } shared[] = { { OP_POST, "messages:create" }, { OP_UPLOAD, "uploads:write" } };
		for (size_t s = 0; s < countof(shared); s++) {
			if (!(op_kinds & 1u << shared[s].kind) || holds(&t->others[i], shared[s].scope))
				continue;
			err_set(e, ERR_TARGET, "the token of the bot %s lacks %s", t->others[i].user_id, shared[s].scope);
			err_hint(e, "add the permission in Pachca (Automations → Integrations → API) or leave that token out; nothing has been written");
			buf_release(&bot);
			buf_release(&admin);
			return false;
		}
	}
	if (!ok) {
		const char *third = t->has_admin ? "the administrator's token lacks " : "an administrator's token is missing for ";
		err_set(e, ERR_TARGET, "%s%s%s%s%s", bot.len ? "the bot token lacks " : "", bot.p, bot.len && admin.len ? " and " : "",
		        admin.len ? third : "", admin.p);
		err_hint(e, "add these permissions in Pachca (bot: Automations → Integrations → API; administrator: Automations → API); nothing has been written");
	}
	buf_release(&bot);
	buf_release(&admin);
	return ok;
}

/* ---- comparing ---- */

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* A letter of a nickname, or punctuation that could be one: how many bytes, 0 if none. */
static size_t nick_char(const char *s)
{
	unsigned char c = (unsigned char)*s;
	uint32_t cp = 0;
	if (c < 0x80)
		return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == '-';
	size_t k = utf8_get(s, strnlen(s, 4), &cp);
	return k && cp >= 0xc0 && cp < 0x2000 ? k : 0;
}

/* The part of an e-mail address from its '@' on: a letter before, a dot with something behind it after. */
static bool in_email(char before, const char *nick, const char *end)
{
	bool letter = (before >= '0' && before <= '9') || (before >= 'a' && before <= 'z') || (before >= 'A' && before <= 'Z');
	const char *dot = memchr(nick, '.', (size_t)(end - nick));
	return letter && dot && dot + 1 < end;
}

/* A live mention at s ("@nick" or "<@12>") with the nickname's letters behind it: its length, or 0. Pachca stores <@12> as @nick
 * (spec, Message.content), so what was sent and what is read back differ by that. What was muted has U+2060 behind its '@'. */
static size_t mention(const char *s, char before)
{
	const char *p = s;
	if (p[0] == '<' && p[1] == '@' && p[2] >= '0' && p[2] <= '9') {
		p += 2 + strspn(p + 2, "0123456789");
		if (*p++ != '>')
			return 0;
	} else if (p[0] == '@' && nick_char(p + 1)) {
		p++;
	} else {
		return 0;
	}
	for (size_t k; (k = nick_char(p)); p += k)
		;
	return *s == '@' && in_email(before, s + 1, p) ? 0 : (size_t)(p - s);
}

/* What storage may do to a text without changing it: line ends, blank edges of the whole and of its lines, and the names in
 * live mentions. For comparing only. */
static void canon(const char *body, struct buf *out)
{
	size_t start = out->len;
	for (const char *p = body; *p; p++) {
		char c = *p;
		size_t run = 0; /* nothing of which anything is made; blanks at a line's end are taken off again */
		if (out->len > start)
			while (p[run] && p[run] != '@' && p[run] != '<' && p[run] != '\r' && p[run] != '\n')
				run++;
		if (run > 1) {
			buf_add(out, p, run);
			p += run - 1;
			continue;
		}
		size_t m = c == '@' || c == '<' ? mention(p, p > body ? p[-1] : ' ') : 0;
		if (m) {
			buf_addc(out, '@');
			p += m - 1;
			continue;
		}
		if (c == '\r') {
			if (p[1] == '\n')
				continue;
			c = '\n';
		}
		if (c == '\n')
			while (out->len > start && (out->p[out->len - 1] == ' ' || out->p[out->len - 1] == '\t'))
				buf_cut(out, out->len - 1);
		if (out->len == start && blank(c))
			continue;
		buf_addc(out, c);
	}
	while (out->len > start && blank(out->p[out->len - 1]))
		buf_cut(out, out->len - 1);
}

/* Goes on from the hash of what came before, so that texts cannot run into one another. */
static uint64_t mix(uint64_t h, const char *s)
{
	struct buf b;
	buf_init(&b, PACHCA_BODY_MAX);
	canon(s, &b);
	h = hash64(b.p, b.len, h);
	buf_release(&b);
	return h;
}

static uint64_t fingerprint(const struct op *op)
{
	struct arena a;
	arena_init(&a);
	a.chunk = 512; /* mostly nothing is made anew */
	uint64_t h = 1;
	if (op->key.kind == OP_POST || op->key.kind == OP_EDIT) {
		h = mix(h, pachca_content(op, &a));
		h = mix(h, pachca_label(op, &a));
		for (size_t i = 0; i < op->n_files; i++)
			h = mix(h, pachca_file_name(op->files[i].name, &a));
	} else {
		h = mix(h, op->name ? op->name : "");
		h = mix(h, op->email ? op->email : "");
		h = mix(h, op->emoji ? op->emoji : "");
		for (size_t i = 0; i < op->n_ids; i++)
			h = mix(h, op->ids[i]);
	}
	arena_release(&a);
	return h;
}

static uint64_t fingerprint_seen(const struct seen *s)
{
	uint64_t h = mix(1, s->body);
	h = mix(h, s->name);
	for (size_t i = 0; i < s->n_files; i++)
		h = mix(h, s->file_names[i]);
	return h;
}

static bool same_email(const char *a, const char *b)
{
	for (;; a++, b++) {
		char x = *a >= 'A' && *a <= 'Z' ? (char)(*a + 32) : *a, y = *b >= 'A' && *b <= 'Z' ? (char)(*b + 32) : *b;
		if (x != y)
			return false;
		if (!x)
			return true;
	}
}

static bool same_text(const char *a, const char *b)
{
	return mix(0, a) == mix(0, b);
}

/* Any bot that has ever written for this ledger is "us": which of them wrote a message is of no matter to what it is. */
static bool is_ours(const struct target *t, const char *author)
{
	bool ours = t->bot.user_id && author && streq(author, t->bot.user_id);
	for (size_t i = 0; !ours && author && i < t->n_others; i++)
		ours = t->others[i].user_id && streq(author, t->others[i].user_id);
	for (size_t i = 0; !ours && author && i < t->n_known; i++)
		ours = streq(author, t->known[i]);
	return ours;
}

static enum match match(const struct target *t, const struct op *op, const struct seen *s, struct arena *a)
{
	(void)a;
	bool ours = is_ours(t, s->author);
	switch (op->key.kind) {
	case OP_USER_CREATE: /* rows are people: nobody's author */
		if (op->account && s->suspended != op->suspended)
			return MATCH_FOREIGN; /* its access has not been given back yet */
		return op->email && *op->email && *s->body && same_email(op->email, s->body) ? MATCH_SAME : MATCH_FOREIGN;
	case OP_MEMBERS:     /* a role and a tag are not told by who is in the chat: asked again */
		if (op->as || op->n_tags)
			return MATCH_FOREIGN;
		/* row by row: this one is among those who were to join */
		for (size_t i = 0; i < op->n_ids; i++)
			if (streq(op->ids[i], s->id))
				return MATCH_SAME;
		return MATCH_FOREIGN;
	case OP_CHAT_CREATE:
		if (!ours || s->personal)
			return MATCH_FOREIGN;
		/* Never take a public chat for a private one of the same name. */
		return same_text(op->name ? op->name : "", s->name) && s->is_public == op->is_public && s->is_channel == op->is_channel
		               ? MATCH_SAME : MATCH_OTHER;
	case OP_POST:
		return !ours ? MATCH_FOREIGN : fingerprint(op) == fingerprint_seen(s) ? MATCH_SAME : MATCH_OTHER;
	case OP_EDIT:
		if (!ours)
			return MATCH_FOREIGN;
		return op->target_id && streq(op->target_id, s->id) && fingerprint(op) == fingerprint_seen(s) ? MATCH_SAME : MATCH_OTHER;
	case OP_THREAD_OPEN:
		if (!ours)
			return MATCH_FOREIGN;
		return op->target_id && streq(op->target_id, s->id) && s->thread ? MATCH_SAME : MATCH_OTHER;
	case OP_REACT:
		return !ours ? MATCH_FOREIGN : op->emoji && streq(op->emoji, s->name) ? MATCH_SAME : MATCH_OTHER;
	case OP_ARCHIVE:
		if (!op->chat || !streq(op->chat, s->id))
			return MATCH_FOREIGN;
		return s->archived ? MATCH_SAME : MATCH_OTHER;
	case OP_UPLOAD:
	case OP_PIN:
	case OP_DELETE:
		break; /* no list shows them */
	}
	return MATCH_OTHER;
}

static int id_cmp(const char *a, const char *b)
{
	if (!pachca_is_id(a) || !pachca_is_id(b))
		return strcmp(a, b);
	a += strspn(a, "0");
	b += strspn(b, "0");
	size_t x = strlen(a), y = strlen(b);
	return x != y ? (x < y ? -1 : 1) : strcmp(a, b);
}

/* ---- text, names, addresses ---- */

static void render(const struct target *t, const struct text *body, const struct resolver *r, struct arena *a, const char *const **parts,
                   size_t *n_parts, uint32_t *loss)
{
	(void)t;
	md_render(&md_pachca, body, r, PACHCA_TEXT_MAX, a, parts, n_parts, loss);
}

static const char *chat_name(const char *wanted, struct arena *a)
{
	struct buf b;
	buf_init(&b, 64 * 1024);
	size_t n = strlen(wanted), chars = 0;
	uint32_t c = 0;
	for (size_t i = 0, k; i < n; i += k) {
		k = utf8_get(wanted + i, n - i, &c);
		if (!k) {
			k = 1;
			continue;
		}
		bool space = c <= 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0x2028 || c == 0x2029;
		if (space && (!b.len || b.p[b.len - 1] == ' '))
			continue;
		if ((c >= 0x200e && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff)
			continue; /* direction marks could make one chat look like another */
		if (space)
			buf_addc(&b, ' ');
		else
			buf_add(&b, wanted + i, k);
		if (++chars == PACHCA_NAME_MAX) {
			/* do not leave half of a composed character */
			size_t next = i + k < n ? utf8_get(wanted + i + k, n - i - k, &c) : 0;
			if (next && c >= 0x300 && c <= 0x36f)
				buf_cut(&b, utf8_cut_cluster(b.p, b.len, b.len - 1));
			break;
		}
	}
	while (b.len && b.p[b.len - 1] == ' ')
		buf_cut(&b, b.len - 1);
	if (!b.len)
		buf_adds(&b, "chat");
	return pachca_keep(&b, a, NULL);
}

/* Where people look at chats. For another address (the sandbox) the site is taken to be at its root. */
static const char *chat_url(const struct target *t, const char *chat, struct arena *a)
{
	if (!pachca_is_id(chat))
		return NULL;
	if (streq(t->url, DEFAULT_URL))
		return arena_fmt(a, "%s/chats/%s", DEFAULT_SITE, chat);
	const char *host = strstr(t->url, "://");
	if (!host)
		return NULL;
	return arena_fmt(a, "%.*s/chats/%s", (int)(host + 3 - t->url + (ptrdiff_t)strcspn(host + 3, "/")), t->url, chat);
}

/* The form is the one of Message.url in the spec. */
static const char *message_url(const struct target *t, const char *chat, const char *msg, struct arena *a)
{
	const char *url = pachca_is_id(msg) ? chat_url(t, chat, a) : NULL;
	return url ? arena_fmt(a, "%s?message=%s", url, msg) : NULL;
}

const struct exporter exporter_pachca = {
	.name = "pachca",
	.summary = N_("Pachca: chats, threads, people and files through its API"),
	.default_url = DEFAULT_URL,
	.configure = configure,
	.traits = traits,
	.hello_build = hello_build,
	.hello_parse = hello_parse,
	.may = may,
	.first_bot = first_bot,
	.other_bots = other_bots,
	.also_ours = also_ours,
	.identity = identity,
	.build = pachca_build,
	.parse = pachca_parse,
	.list_build = pachca_list_build,
	.list_parse = pachca_list_parse,
	.id_cmp = id_cmp,
	.match = match,
	.render = render,
	.canon = canon,
	.fingerprint = fingerprint,
	.fingerprint_seen = fingerprint_seen,
	.chat_name = chat_name,
	.message_url = message_url,
	.chat_url = chat_url,
};
