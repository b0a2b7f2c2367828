/* sandbox.c: the sandbox's life: opening the store, its first people and tokens, the server, the end.
 * Called by `mvchat sandbox` only. Requests are in sb_http.c and behind it. */
#include "sandbox/sandbox.h"

#include "sandbox/sb.h"

#include "core/clock.h"
#include "core/outfile.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

static bool read_file(const char *path, const char *what, struct buf *out, struct err *e)
{
	FILE *f = fopen(path, "rb");
	char part[4096];
	size_t n;
	if (!f) {
		err_set(e, ERR_USAGE, "cannot read the %s:", what);
		return err_where(e, "%s", path);
	}
	while ((n = fread(part, 1, sizeof part, f)) > 0)
		buf_add(out, part, n);
	bool ok = !ferror(f) && !out->full;
	fclose(f);
	if (!ok) {
		err_set(e, ERR_USAGE, "the %s cannot be read or is too long", what);
		return err_where(e, "%s", path);
	}
	return true;
}

static bool secret(struct sandbox *s, struct err *e)
{
	sqlite3_stmt *st = sb_q(s, "SELECT value FROM meta WHERE key='secret'", "");
	bool known = sb_row(s, st) && sqlite3_column_bytes(st, 0) == sizeof s->secret;
	if (known) {
		memcpy(s->secret, sqlite3_column_blob(st, 0), sizeof s->secret);
		sb_rest(s);
		return true;
	}
	sb_rest(s);
	FILE *f = fopen("/dev/urandom", "rb");
	size_t n = f ? fread(s->secret, 1, sizeof s->secret, f) : 0;
	if (f)
		fclose(f);
	if (n != sizeof s->secret)
		return err_set(e, ERR_INTERNAL, "cannot read /dev/urandom:");
	sb_run(s, "INSERT OR REPLACE INTO meta(key,value) VALUES('secret',?1)", "b", (const void *)s->secret, sizeof s->secret);
	sb_rest(s);
	return true;
}

struct sb_token *sb_token_add(struct sandbox *s, const char *token, const char *name, int64_t user, uint64_t scopes)
{
	if (s->n_tokens == SB_TOKENS)
		return NULL;
	sb_run(s, "INSERT INTO tokens(token,name,user,scopes,created) VALUES(?1,?2,?3,?4,?5)", "ssiii", token, name, user, (int64_t)scopes,
	       s->now);
	struct sb_token *t = &s->tokens[s->n_tokens++];
	*t = (struct sb_token){ .id = sqlite3_last_insert_rowid(s->db), .user = user, .created = s->now, .scopes = scopes };
	t->token = xstrdup(token);
	t->name = xstrdup(name);
	t->bot = sb_int(s, 0, "SELECT bot FROM users WHERE id=?1", "i", user) != 0;
	return t;
}

static void load_tokens(struct sandbox *s)
{
	sqlite3_stmt *st = sb_q(s, "SELECT id,token,name,user,scopes,created,(SELECT bot FROM users WHERE users.id=user) FROM tokens "
	                           "WHERE id>2 ORDER BY id", "");
	while (s->n_tokens < SB_TOKENS && sb_row(s, st)) {
		struct sb_token *t = &s->tokens[s->n_tokens++];
		*t = (struct sb_token){ .id = sqlite3_column_int64(st, 0), .user = sqlite3_column_int64(st, 3),
			.scopes = (uint64_t)sqlite3_column_int64(st, 4), .created = sqlite3_column_int64(st, 5),
			.bot = sqlite3_column_int(st, 6) != 0 };
		t->token = xstrdup(sb_text(st, 1));
		t->name = xstrdup(sb_text(st, 2) ? sb_text(st, 2) : "");
	}
	sb_rest(s);
}

/* User 1 is the administrator, user 2 the bot; their tokens are what the command line says today. */
static bool seed(struct sandbox *s, const struct sandbox_args *args, struct err *e)
{
	const char *admin = args->admin_token ? args->admin_token : "sandbox-admin-token";
	const char *bot = args->bot_token ? args->bot_token : "sandbox-bot-token";
	if (!*admin || !*bot || streq(admin, bot))
		return err_set(e, ERR_USAGE, "the administrator's and the bot's token must differ and not be empty");
	if (!secret(s, e))
		return false;
	sb_run(s, "BEGIN IMMEDIATE", "");
	if (!sb_int(s, 0, "SELECT 1 FROM users WHERE id=1", "")) {
		struct arena a;
		arena_init(&a);
		sb_user_add(s, &a, &(struct sb_user_new){ .email = "admin@sandbox.local", .nickname = "admin", .first = "Администратор",
		                   .role = "admin", .confirmed = true });
		sb_user_add(s, &a, &(struct sb_user_new){ .nickname = "import", .first = "Импорт", .bot = true, .confirmed = true });
		arena_release(&a);
	}
	sb_run(s, "DELETE FROM tokens WHERE id<=2 OR token IN (?1,?2)", "ss", admin, bot);
	sb_run(s, "DELETE FROM sqlite_sequence WHERE name='tokens' AND seq<=2", "");
	/* Self-management of a bot is not among a personal token's scopes (the vendor's page on authorisation). */
	const uint64_t all = (UINT64_C(1) << N_SB_SCOPES) - 1;
	const uint64_t own = sb_scope_bit("bot_self:webhook:write") | sb_scope_bit("bot_self:write");
	struct { int64_t id; const char *token, *name; uint64_t scopes; } two[] = {
		{ 1, admin, "Администратор", all & ~own }, { 2, bot, "Импорт", all } };
	for (size_t i = 0; i < 2; i++) {
		sb_run(s, "INSERT INTO tokens(id,token,name,user,scopes,created) VALUES(?1,?2,?3,?1,?4,?5)", "issii", two[i].id, two[i].token,
		       two[i].name, (int64_t)two[i].scopes, s->now);
		struct sb_token *t = &s->tokens[s->n_tokens++];
		*t = (struct sb_token){ .id = two[i].id, .user = two[i].id, .scopes = two[i].scopes, .created = s->now, .bot = i == 1 };
		t->token = xstrdup(two[i].token);
		t->name = xstrdup(two[i].name);
	}
	sb_run(s, "COMMIT", "");
	sb_rest(s);
	load_tokens(s);
	return true;
}

/* Each further token is a bot's of its own; those of an earlier start are still there. */
static bool more_bots(struct sandbox *s, const char *const *tokens, struct err *e)
{
	struct arena a;
	arena_init(&a);
	for (size_t i = 0; tokens && tokens[i]; i++) {
		bool known = false;
		for (size_t k = 0; k < s->n_tokens && !known; k++)
			known = streq(s->tokens[k].token, tokens[i]);
		if (known)
			continue;
		const char *name = arena_fmt(&a, "Импорт %zu", i + 2);
		int64_t user = sb_user_add(s, &a, &(struct sb_user_new){ .first = name, .bot = true, .confirmed = true });
		if (!sb_token_add(s, tokens[i], name, user, (UINT64_C(1) << N_SB_SCOPES) - 1)) {
			arena_release(&a);
			return err_set(e, ERR_USAGE, "too many tokens");
		}
	}
	sb_rest(s);
	arena_release(&a);
	return true;
}

static bool write_port(const char *path, int port, struct err *e)
{
	struct outfile o;
	if (!outfile_open(&o, path, 0644, e))
		return false;
	fprintf(o.f, "%d\n", port);
	return outfile_commit(&o, e);
}

static bool serve(struct sandbox *s, const struct sandbox_args *args, struct err *e)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)args->port) };
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (args->port < 0 || args->port > 65535)
		return err_set(e, ERR_USAGE, "%d is no port", args->port);
	struct buf cert, key;
	buf_init(&cert, 1 << 20);
	buf_init(&key, 1 << 20);
	s->tls = args->tls_cert && args->tls_key;
	if ((args->tls_cert != NULL) != (args->tls_key != NULL))
		return err_set(e, ERR_USAGE, "for https both a certificate and its key are needed");
	if (s->tls && (!read_file(args->tls_cert, "certificate", &cert, e) || !read_file(args->tls_key, "key", &key, e))) {
		buf_release(&cert);
		buf_release(&key);
		return false;
	}
	struct MHD_OptionItem secure[] = { { MHD_OPTION_HTTPS_MEM_CERT, 0, cert.p }, { MHD_OPTION_HTTPS_MEM_KEY, 0, key.p }, { MHD_OPTION_END, 0, NULL } };
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_SUPPRESS_DATE_NO_CLOCK | (s->tls ? MHD_USE_TLS : 0u);
	s->daemon = MHD_start_daemon(flags, 0, NULL, NULL, sb_http, s,
	                             MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&at, MHD_OPTION_NOTIFY_COMPLETED, sb_http_done, s,
	                             MHD_OPTION_CONNECTION_LIMIT, 1000u, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)65536,
	                             MHD_OPTION_ARRAY, s->tls ? secure : &secure[2], MHD_OPTION_END);
	buf_release(&cert); /* the library has taken what it needs */
	buf_release(&key);
	if (!s->daemon && s->tls)
		return err_set(e, ERR_USAGE, "https cannot be served with this certificate and key");
	if (!s->daemon) {
		err_set(e, ERR_INTERNAL, "cannot listen on 127.0.0.1:%d:", args->port);
		return err_hint(e, "choose another --port, or 0 for any free one");
	}
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT);
	s->port = info && info->port ? info->port : args->port;
	return true;
}

struct sandbox *sandbox_start(const struct sandbox_args *args, struct err *e)
{
	struct sandbox *s = xcalloc(1, sizeof *s);
	struct buf script;
	pthread_mutex_init(&s->lock, NULL);
	buf_init(&script, 1 << 20);
	s->now = clock_wall_us();
	s->limits = args->limits;
	s->seats = args->seats;
	s->source = args->source;
	s->stop = args->stop;
	bool ok = sb_limits_set(s, args->rates, e) && sb_db_open(s, args->store, e) && seed(s, args, e) && more_bots(s, args->more_bots, e);
	if (ok) { /* a client on a virtual clock may have left the store ahead of the real time; the server's own never goes back */
		int64_t last = sb_int(s, 0, "SELECT created FROM messages ORDER BY id DESC LIMIT 1", "");
		s->now = last > s->now ? last : s->now;
	}
	if (ok && args->faults)
		ok = read_file(args->faults, "fault script", &script, e) && sb_faults_parse(&s->faults, script.p, script.len, e);
	if (ok && args->log && !(s->log = fopen(args->log, "a"))) {
		ok = err_set(e, ERR_USAGE, "cannot write the request log:");
		err_where(e, "%s", args->log);
	}
	/* The thread that serves must find the port set: it waits for the lock. */
	pthread_mutex_lock(&s->lock);
	ok = ok && serve(s, args, e);
	pthread_mutex_unlock(&s->lock);
	ok = ok && (!args->port_file || write_port(args->port_file, s->port, e));
	buf_release(&script);
	if (!ok) {
		sandbox_close(s);
		return NULL;
	}
	return s;
}

int sandbox_port(const struct sandbox *s)
{
	return s->port;
}

bool sandbox_wait(struct sandbox *s, struct err *e)
{
	(void)e;
	while (!s->stop || !*s->stop) {
		poll(NULL, 0, 50); /* a signal ends it early */
		pthread_mutex_lock(&s->lock);
		sb_tick(s, false);
		pthread_mutex_unlock(&s->lock);
	}
	return true;
}

void sandbox_close(struct sandbox *s)
{
	if (!s)
		return;
	if (s->daemon) {
		pthread_mutex_lock(&s->lock);
		s->stopping = true;
		/* A suspended connection must be resumed before the end, and is then closed without an answer. */
		for (struct sb_req *r = s->hung; r; r = r->next)
			MHD_resume_connection(r->conn);
		pthread_mutex_unlock(&s->lock);
		MHD_stop_daemon(s->daemon);
	}
	if (s->db) {
		sb_tick(s, true); /* what was still under way arrives */
		sb_db_close(s);
	}
	while (s->late) {
		struct sb_req *next = s->late->next;
		sb_req_free(s->late);
		s->late = next;
	}
	if (s->log)
		fclose(s->log);
	sb_limits_release(s);
	sb_faults_release(&s->faults);
	for (size_t i = 0; i < s->n_tokens; i++) {
		free(s->tokens[i].token);
		free(s->tokens[i].name);
	}
	pthread_mutex_destroy(&s->lock);
	free(s);
}

const char *sandbox_library(void)
{
	return MHD_get_version();
}
