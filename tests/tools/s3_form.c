/* s3_form.c: sends one file to an S3 store the way the exporter does: form and body are the exporter's, the request is wire's, only
 * the answer to POST /uploads (form fields and an address) is made here, signed as Amazon's documentation of browser-based uploads
 * says (AWS Signature Version 4, POST policy).
 *
 *   s3_form URL BUCKET ACCESS SECRET FOLDER ENTRY NAME MIME [key|signature|extra|expired]
 *
 * ENTRY is the file in FOLDER, NAME what it is called. Prints "VERDICT KEY" or "VERDICT REASON", where VERDICT is done, rejected,
 * unknown or throttled. The last word breaks the form in that way, which the store must notice. Called by tests/e2e/s3.sh. */
#include "core/clock.h"
#include "core/json.h"
#include "core/vault.h"
#include "exporters/exporter.h"
#include "replay/wire.h"

#include <nettle/base64.h>
#include <nettle/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void hmac(const void *key, size_t n_key, const char *text, uint8_t out[32])
{
	struct hmac_sha256_ctx c;
	hmac_sha256_set_key(&c, n_key, key);
	hmac_sha256_update(&c, strlen(text), (const uint8_t *)text);
	hmac_sha256_digest(&c, 32, out);
}

static const char *sign(const char *secret, const char *day, const char *policy, struct arena *a)
{
	uint8_t k[32];
	const char *first = arena_fmt(a, "AWS4%s", secret);
	char *hex_text = arena_alloc(a, 65);
	hmac(first, strlen(first), day, k);
	hmac(k, 32, "us-east-1", k);
	hmac(k, 32, "s3", k);
	hmac(k, 32, "aws4_request", k);
	hmac(k, 32, policy, k);
	for (size_t i = 0; i < 32; i++)
		snprintf(hex_text + 2 * i, 3, "%02x", k[i]);
	return hex_text;
}

static void condition(struct jw *w, const char *key, const char *value)
{
	jw_obj(w);
	jw_kstr(w, key, value);
	jw_obj_end(w);
}

/* What Pachca would answer to POST /uploads: its eight fields and the address. */
static const char *uploads_answer(const char *url, const char *bucket, const char *access, const char *secret, const char *broken, struct arena *a)
{
	time_t now = time(NULL), end = streq(broken, "expired") ? now - 600 : now + 3600;
	struct tm tm;
	char date[32], until[40];
	strftime(date, sizeof(date), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
	strftime(until, sizeof(until), "%Y-%m-%dT%H:%M:%S.000Z", gmtime_r(&end, &tm));
	const char *day = arena_strndup(a, date, 8);
	const char *credential = arena_fmt(a, "%s/%s/us-east-1/s3/aws4_request", access, day);
	struct buf b;
	struct jw w;
	buf_init(&b, 1 << 16);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_kstr(&w, "expiration", until);
	jw_key(&w, "conditions");
	jw_arr(&w);
	condition(&w, "bucket", bucket);
	condition(&w, "acl", "private");
	condition(&w, "Content-Disposition", "attachment");
	condition(&w, "x-amz-algorithm", "AWS4-HMAC-SHA256");
	condition(&w, "x-amz-credential", credential);
	condition(&w, "x-amz-date", date);
	jw_arr(&w);
	jw_str(&w, "starts-with");
	jw_str(&w, "$key");
	jw_str(&w, "attaches/files/1/");
	jw_arr_end(&w);
	jw_arr_end(&w);
	jw_obj_end(&w);
	char *policy = arena_alloc(a, BASE64_ENCODE_RAW_LENGTH(b.len) + 1);
	base64_encode_raw(policy, b.len, (const uint8_t *)b.p);
	policy[BASE64_ENCODE_RAW_LENGTH(b.len)] = '\0';
	char *signature = arena_strdup(a, sign(secret, day, policy, a));
	if (streq(broken, "signature"))
		signature[0] = signature[0] == '0' ? '1' : '0';
	buf_reset(&b);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_kstr(&w, "Content-Disposition", "attachment");
	jw_kstr(&w, "acl", "private");
	jw_kstr(&w, "policy", policy);
	jw_kstr(&w, "x-amz-credential", credential);
	jw_kstr(&w, "x-amz-algorithm", "AWS4-HMAC-SHA256");
	jw_kstr(&w, "x-amz-date", date);
	jw_kstr(&w, "x-amz-signature", signature);
	jw_kstr(&w, "key", streq(broken, "key") ? "elsewhere/${filename}" : "attaches/files/1/${filename}");
	if (streq(broken, "extra"))
		jw_kstr(&w, "x-amz-meta-more", "than the policy allows");
	jw_kstr(&w, "direct_url", arena_fmt(a, "%s/%s", url, bucket));
	jw_obj_end(&w);
	const char *out = arena_strdup(a, b.p);
	buf_release(&b);
	return out;
}

static struct vfile *open_file(void *ctx, const struct file *f, struct err *e)
{
	const struct entry *en = vault_find(ctx, f->entry);
	return en ? vault_read(ctx, en, e) : NULL;
}

static int fail(const struct err *e)
{
	fprintf(stderr, "s3_form: %s %s\n", e->msg, e->where);
	return 2;
}

int main(int argc, char **argv)
{
	static const char *const verdicts[] = { [V_DONE] = "done", [V_MORE] = "more", [V_REJECTED] = "rejected", [V_THROTTLED] = "throttled",
		[V_UNKNOWN] = "unknown", [V_LANE] = "closed", [V_FATAL] = "fatal" };
	struct err e = ERR_INIT;
	struct arena a;
	if (argc < 9) {
		fprintf(stderr, "usage: s3_form URL BUCKET ACCESS SECRET FOLDER ENTRY NAME MIME [key|signature|extra|expired]\n");
		return 2;
	}
	clock_init();
	arena_init(&a);
	struct vault *v = vault_open(argv[5], NULL, NULL, &e);
	const struct entry *en = v ? vault_find(v, argv[6]) : NULL;
	if (!en)
		return fail(&e);
	struct file file = { .id = "F1", .name = argv[7], .mime = argv[8], .entry = argv[6], .state = FILE_PRESENT, .kind = FILE_PLAIN, .size = en->size };
	struct op op = { .key = { 1, 1, "M1", OP_UPLOAD, 0 }, .label = "", .body = "", .file = &file, .name = argv[7] };
	const char *answer = uploads_answer(argv[1], argv[2], argv[3], argv[4], argc > 9 ? argv[9] : "", &a);
	struct target *t = exporter_pachca.configure(NULL, &a, &e);
	struct http_resp form = { 201, answer, strlen(answer), "application/json", -1 }, resp;
	struct outcome o = { 0 };
	exporter_pachca.parse(t, &op, &form, &a, &o);
	if (o.v != V_MORE)
		return fail(&e);
	op.step = 1;
	op.carry = o.carry;
	struct http_req req = { .method = "POST" };
	struct wire_config wc = { .base_url = argv[1], .open_file = open_file, .ctx = v };
	struct wire *w = wire_open(&wc, &e);
	if (!w || !exporter_pachca.build(t, &op, &a, &req, &e) || wire_call(w, &req, &a, &resp, &e) != WIRE_ANSWER)
		return fail(&e);
	o = (struct outcome){ 0 };
	exporter_pachca.parse(t, &op, &resp, &a, &o);
	printf("%s %s\n", verdicts[o.v], o.v == V_DONE ? o.id : o.why ? o.why : "-");
	wire_close(w);
	vault_close(v);
	arena_release(&a);
	return 0;
}
