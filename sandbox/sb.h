/* sb.h: what the sandbox's files share; nobody outside sandbox/ includes it.
 *
 * One mutex guards everything: libmicrohttpd's thread holds it while a request is worked on, the owner's thread for the
 * timed things (late requests) and at closing. A request is one transaction. The store's errors end the process: a full
 * disk cannot be answered truthfully, and dying is safe.
 */
#ifndef MVCHAT_SB_H
#define MVCHAT_SB_H

#include "sandbox/sandbox.h"

#include "core/arena.h"
#include "core/buf.h"
#include "core/hash.h"
#include "core/json.h"

#include <microhttpd.h>
#include <pthread.h>
#include <sqlite3.h>

#define SB_BASE "/api/shared/v1"

enum {
	SB_BODY_MAX = 2 * 1024 * 1024,   /* a JSON body; 40,000 bytes of text escaped sixfold fit several times */
	SB_OUT_MAX = 64 * 1024 * 1024,   /* an answer; the largest is a page of chats with all their members */
	SB_FILE_KEEP = 8 * 1024 * 1024,  /* bytes of an upload that are stored; longer ones keep size and digest only */
	SB_FILE_MAX = 1024 * 1024 * 1024,
	SB_TEXT_MAX = 40000,             /* bytes of a message */
	SB_TOKENS = 64,
	SB_QUERY = 24,
	SB_ERRORS = 16,
	SB_UPLOAD_S = 3600               /* upload parameters expire */
};

enum sb_class { SBC_POST, SBC_READ, SBC_OTHER, SBC_BLOB, N_SBC };
struct sb_rate { double per_s, burst; int peak; /* in one second; 0 = no such rule */ };
enum sb_kind { SB_CHAT, SB_THREAD, SB_DM };

struct sb_bucket {                       /* one rate limit of one token (in one chat) */
	int64_t token, chat;
	double level;
	int64_t last, told;              /* us; told: when the client was told to come back */
	int64_t ring[30];                /* the last requests let through, for the limit on one second */
	unsigned at;
};

struct sb_token {
	int64_t id, user, created, used;
	char *token, *name;
	uint64_t scopes;
	bool bot;
	struct sb_bucket read, other;
	int64_t ignored, ignored_at, restricted_until;
};

struct sb_stats {
	int64_t requests, mutating, by_class[N_SBC], throttled, restricted, faults, refused, uploads;
};

/* ---- scripted faults ---- */
enum sb_action {
	SBF_NONE, SBF_DROP_BEFORE, SBF_DROP_AFTER, SBF_500_BEFORE, SBF_500_AFTER, SBF_LATE, SBF_HANG, SBF_HANG_AFTER, SBF_CUT_BODY,
	SBF_HTML_200, SBF_HTML_502, SBF_429, SBF_503, SBF_503_AFTER, SBF_LIST_LAG, SBF_FOREIGN, SBF_FOREIGN_AFTER, SBF_WRONG_ID,
	SBF_LAG_DROP, SBF_401, SBF_HUMAN, SBF_HUMAN_DROP, SBF_SLOW, N_SBF
};
struct sb_rule {
	char method[8], glob[120];
	enum { NTH_ONE, NTH_ALL, NTH_EVERY, NTH_GLOBAL } how;
	int64_t nth, seen;
	enum sb_action action;
	int64_t number;                  /* MS or SECONDS; -1 = none given */
	char text[400];
};
struct sb_faults { struct sb_rule *v; size_t n; };
extern const char *const sb_action_name[N_SBF];
/* Replaces the rules by those of the text; on a mistake nothing changes and err says the line. */
bool sb_faults_parse(struct sb_faults *f, const char *text, size_t n, struct err *e);
void sb_faults_release(struct sb_faults *f);
/* The rule that fires for this request, or NULL. Counts the request in every rule that fits it. */
const struct sb_rule *sb_faults_match(struct sb_faults *f, const char *method, const char *path, bool mutating, int64_t nth_mutating);

struct sb_stmt { const char *sql; sqlite3_stmt *st; bool used; };

struct sandbox {
	pthread_mutex_t lock;
	sqlite3 *db;
	struct sb_stmt stmts[512];
	uint16_t used[512]; size_t n_used;
	struct MHD_Daemon *daemon;
	int port, seats;
	bool tls;
	const struct sandbox_source *source; /* or NULL */
	bool limits, unpaid, stopping, scripted_clock;
	const volatile int *stop;
	FILE *log;
	int64_t now, last_header;        /* us */
	int64_t client;                  /* whose header that was */
	struct sb_token tokens[SB_TOKENS]; size_t n_tokens;
	struct sb_rate rates[N_SBC];
	struct sb_bucket **lanes; size_t n_lanes, cap_lanes;
	struct sb_stats stats;
	struct sb_faults faults;
	struct sb_req *hung, *late;      /* lists */
	uint8_t secret[32];              /* signs upload policies */
};

struct sb_kv { const char *key; const char *value; size_t len; };
struct sb_route;

struct sb_req {
	struct sandbox *s;
	struct sb_req *next;
	struct MHD_Connection *conn;     /* while it hangs */
	struct arena a;
	const char *method, *url, *path; /* path: below the base, or the whole one outside the API */
	bool api, mutating, too_large, hung, replay, cut;
	struct buf body, out;
	struct sb_kv query[SB_QUERY]; size_t n_query;
	const char *auth, *content_type, *lang, *host, *origin;
	const struct sb_route *route;
	int64_t arg[2];
	enum sb_class cls;
	struct sb_token *tok;
	const struct jv *json;
	const struct sb_rule *rule; struct sb_rule rule_copy;
	int64_t due, lag, took;          /* us: late; list-lag; slow */
	int64_t chat;                    /* where the request writes, for foreign and the log */
	/* answer */
	int status;
	struct jw w;
	struct buf errors; int n_errors;
	const char *type, *retry_after, *www_auth, *disposition, *csp;
	bool cacheable;
	/* upload form */
	struct MHD_PostProcessor *pp;
	struct sb_kv form[SB_QUERY]; size_t n_form;
	struct buf field;                /* of the field being read */
	const char *field_key;
	struct buf file; struct digest file_digest; bool digesting;
	const char *file_name; int64_t file_size;
	const char *form_error;
};

/* ---- store (sb_db.c) ---- types: i int64, s text (NULL = null), b bytes + size_t */
bool sb_db_open(struct sandbox *s, const char *path, struct err *e);
void sb_db_close(struct sandbox *s);
sqlite3_stmt *sb_q(struct sandbox *s, const char *sql, const char *types, ...);
bool sb_row(struct sandbox *s, sqlite3_stmt *st); /* next row? */
void sb_run(struct sandbox *s, const char *sql, const char *types, ...);
int64_t sb_int(struct sandbox *s, int64_t otherwise, const char *sql, const char *types, ...); /* first column of the first row */
char *sb_str(struct sandbox *s, struct arena *a, const char *sql, const char *types, ...);     /* or NULL */
void sb_rest(struct sandbox *s); /* resets every statement that was used */
static inline const char *sb_text(sqlite3_stmt *st, int col) { return (const char *)sqlite3_column_text(st, col); }
char *sb_fold(struct arena *a, const char *s); /* lower case by Unicode */

/* ---- the API: routing, answers, checks (sb_api.c) ---- */
enum sb_body { BODY_NONE, BODY_JSON, BODY_FORM };
struct sb_route {
	const char *method, *pattern;    /* ":" stands for a number */
	const char *scope;               /* NULL: any token; "" : no token */
	enum sb_class cls;
	enum sb_body body;
	const char *query;               /* allowed parameters, separated by spaces */
	void (*fn)(struct sb_req *r);
};
void sb_handle(struct sb_req *r);        /* the whole request, answer in r->status, r->out */
void sb_finish(struct sb_req *r);        /* errors to r->out */
bool sb_error(struct sb_req *r, int status, const char *key, const char *value, const char *code, const char *message); /* false */
bool sb_denied(struct sb_req *r, int status, const char *error, const char *description);                              /* false */
bool sb_missing(struct sb_req *r);       /* 404; false */
void sb_empty(struct sb_req *r);         /* 204 */
void sb_data(struct sb_req *r, int status); /* opens {"data": ; sb_data_end closes it */
void sb_data_end(struct sb_req *r);
void sb_knull(struct jw *w, const char *key, const char *value); /* key with a string or null */
void sb_ktime(struct jw *w, const char *key, int64_t us);
void sb_time(int64_t us, char out[40]);
void sb_write(struct jw *w, const struct jv *v, const char *without); /* a tree as JSON; a key left out of its objects */
extern const char *const sb_scopes[];
enum { N_SB_SCOPES = 53 };
uint64_t sb_scope_bit(const char *name); /* 0 = no such scope */

enum sb_type { FT_STR, FT_INT, FT_BOOL, FT_INTS, FT_STRS, FT_ARR, FT_OBJ };
enum sb_need { OPTIONAL, REQUIRED };
struct sb_field { const char *name; enum sb_type type; enum sb_need need; int max; };
/* Unknown fields, wrong types, nulls, missing ones: 400; too long: 422. False when something was wrong. */
bool sb_check(struct sb_req *r, const struct jv *obj, const char *where, const struct sb_field *f, size_t n);
#define SB_CHECK(r, obj, where, f) sb_check((r), (obj), (where), (f), countof(f))
const char *sb_query(const struct sb_req *r, const char *key); /* or NULL */
int64_t sb_query_int(struct sb_req *r, const char *key, int64_t otherwise, int64_t min, int64_t max);
int sb_query_enum(struct sb_req *r, const char *key, const char *const *words, int otherwise); /* -1 = error given */
bool sb_query_time(struct sb_req *r, const char *key, int64_t *us); /* true when given and valid */

/* Pages. Order and place come from the query; rows are (k, id); k = id where the order is by id. */
struct sb_page { int64_t limit, k, id; bool back, desc, has_cursor; int64_t n; int64_t *ids; int64_t *ks; bool more; const char *cursor; };
bool sb_page_open(struct sb_req *r, struct sb_page *p, bool desc, int64_t max, int64_t otherwise);
void sb_page_rows(struct sb_req *r, struct sb_page *p, sqlite3_stmt *st); /* reads (k, id) rows, at most limit + 1 were asked for */
void sb_page_meta(struct sb_req *r, const struct sb_page *p); /* writes "meta": … */
/* 200 with the page: each of its ids told by `one`, and the meta. */
void sb_page_answer(struct sb_req *r, const struct sb_page *p, void (*one)(struct sb_req *r, int64_t id));
/* Picks one of four SQL texts: forward/backward × ascending/descending. */
#define SB_PAGE_SQL(p, head, k, idc) \
	((p)->desc != (p)->back ? head " AND (" k "," idc ") < (?1,?2) ORDER BY " k " DESC, " idc " DESC LIMIT ?3" \
	                        : head " AND (" k "," idc ") > (?1,?2) ORDER BY " k " ASC, " idc " ASC LIMIT ?3")

/* ---- limits (sb_limits.c) ---- false: 429 or 403 has been written */
bool sb_limit(struct sb_req *r, enum sb_class cls, int64_t chat);
bool sb_not_restricted(struct sb_req *r);
void sb_throttle(struct sb_req *r, const char *retry_after); /* 429 in the vendor's shape */
void sb_limits_release(struct sandbox *s);
/* NULL: the vendor's. */
bool sb_limits_set(struct sandbox *s, const char *rates, struct err *e);

/* ---- people (sb_users.c) ---- */
struct sb_user_new {
	const char *email, *nickname, *first, *last, *phone, *department, *title, *role;
	bool suspended, confirmed, bot; int64_t inviter;
};
int64_t sb_user_add(struct sandbox *s, struct arena *a, const struct sb_user_new *u);
void sb_user_json(struct sb_req *r, int64_t id);
void sb_user_tag(struct sandbox *s, int64_t user, int64_t tag);
void sb_profile(struct sb_req *r);
void sb_token_info(struct sb_req *r);
void sb_users_create(struct sb_req *r);  void sb_users_list(struct sb_req *r);  void sb_users_get(struct sb_req *r);
void sb_users_update(struct sb_req *r);  void sb_users_delete(struct sb_req *r);
void sb_tags_create(struct sb_req *r);   void sb_tags_list(struct sb_req *r);   void sb_tags_get(struct sb_req *r);
void sb_tags_update(struct sb_req *r);   void sb_tags_delete(struct sb_req *r); void sb_tags_users(struct sb_req *r);
void sb_properties(struct sb_req *r);

/* ---- chats and members (sb_chats.c) ---- */
struct sb_chat {
	int64_t id, owner, thread, parent, n_notify;
	enum sb_kind kind;
	bool channel, is_public, archived;
	bool member, sees;               /* the token's user */
	char role[12];                   /* "owner", "admin", "editor", "member", or "" */
};
bool sb_chat_get(struct sandbox *s, int64_t id, int64_t user, struct sb_chat *c); /* false: no such chat */
int64_t sb_chat_add(struct sandbox *s, enum sb_kind kind, const char *name, int64_t owner, bool channel, bool is_public, int64_t parent);
enum sb_notice { SILENT, NOTIFY };
bool sb_member_add(struct sandbox *s, int64_t chat, int64_t user, enum sb_notice notice); /* false: was one already */
void sb_member_drop(struct sandbox *s, int64_t chat, int64_t user);
int64_t sb_notifications(struct sandbox *s, int64_t user); /* of one; -1 = of all */
void sb_chats_create(struct sb_req *r);  void sb_chats_list(struct sb_req *r);  void sb_chats_get(struct sb_req *r);
void sb_chats_update(struct sb_req *r);  void sb_chats_archive(struct sb_req *r); void sb_chats_unarchive(struct sb_req *r);
void sb_members_list(struct sb_req *r);  void sb_members_add(struct sb_req *r); void sb_members_remove(struct sb_req *r);
void sb_members_role(struct sb_req *r);  void sb_chats_leave(struct sb_req *r);
void sb_chat_tags_add(struct sb_req *r); void sb_chat_tags_remove(struct sb_req *r);

/* ---- messages, threads, reactions, pins (sb_messages.c, sb_marks.c) ---- */
int64_t sb_message_plain(struct sandbox *s, int64_t chat, int64_t user, const char *text, enum sb_notice notice); /* as a person */
bool sb_message_open(struct sb_req *r, int64_t id, bool writing, struct sb_chat *c); /* the message's chat, or 404/403 */
void sb_messages_create(struct sb_req *r); void sb_messages_list(struct sb_req *r); void sb_messages_get(struct sb_req *r);
void sb_messages_update(struct sb_req *r); void sb_messages_delete(struct sb_req *r);
void sb_readers(struct sb_req *r);
void sb_threads_open(struct sb_req *r);  void sb_threads_create(struct sb_req *r); void sb_threads_list(struct sb_req *r);
void sb_threads_get(struct sb_req *r);
void sb_reactions_add(struct sb_req *r); void sb_reactions_remove(struct sb_req *r); void sb_reactions_list(struct sb_req *r);
void sb_pin(struct sb_req *r);           void sb_unpin(struct sb_req *r);

/* ---- uploads (sb_uploads.c) ---- */
void sb_uploads_create(struct sb_req *r);
void sb_upload_store(struct sb_req *r);  /* the form post; the form has been read into r */
enum MHD_Result sb_upload_part(void *cls, enum MHD_ValueKind kind, const char *key, const char *filename, const char *type,
                               const char *encoding, const char *data, uint64_t off, size_t size);

/* ---- the rest ---- */
const char *sb_here(struct sb_req *r);   /* scheme, host and port of this server, as the client calls it */
void sb_control(struct sb_req *r);       /* /sandbox/… for tests (sb_control.c) */
void sb_ui(struct sb_req *r);            /* / and /sandbox/ui/… (sb_ui.c) */
enum sb_dumped { DUMP_LIVE, DUMP_DELETED_TOO };
bool sb_dump_db(sqlite3 *db, enum sb_dumped what, FILE *out, struct err *e);
void sb_foreign(struct sandbox *s, int64_t chat, const char *text);
extern const char *const sb_human_deeds[]; /* NULL at the end */
void sb_human(struct sandbox *s, int64_t chat, const char *deed); /* chat 0: where a bot wrote last */
struct sb_token *sb_token_add(struct sandbox *s, const char *token, const char *name, int64_t user, uint64_t scopes);
void sb_req_free(struct sb_req *r);
enum MHD_Result sb_http(void *cls, struct MHD_Connection *conn, const char *url, const char *method, const char *version,
                        const char *data, size_t *size, void **ctx);
void sb_http_done(void *cls, struct MHD_Connection *conn, void **ctx, enum MHD_RequestTerminationCode why);
void sb_tick(struct sandbox *s, bool all); /* late requests whose time has come (or all); the lock is held */

#endif
