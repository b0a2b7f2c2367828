/* sb_uploads.c: files in three steps: signed form parameters, the form post to storage, the key in a message.
 * The storage behaves like S3's POST object (order of fields, policy, signature, expiry, ${filename}): the vendor's page on
 * uploads, and Ceph's gateway for the answers in XML. Called by the router; the form's parts come from sb_http.c. */
#include "sandbox/sb.h"

#include "core/utf8.h"

#include <nettle/base64.h>
#include <nettle/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const signed_fields[] = { "Content-Disposition", "acl", "x-amz-credential", "x-amz-algorithm", "x-amz-date" };

static const char *sign(struct sb_req *r, const char *policy)
{
	struct hmac_sha256_ctx h;
	uint8_t mac[DIGEST_BYTES];
	char *out = arena_zalloc(&r->a, DIGEST_HEX);
	hmac_sha256_set_key(&h, sizeof r->s->secret, r->s->secret);
	hmac_sha256_update(&h, strlen(policy), (const uint8_t *)policy);
	hmac_sha256_digest(&h, sizeof mac, mac);
	hex(mac, sizeof mac, out);
	return out;
}

void sb_uploads_create(struct sb_req *r)
{
	struct sandbox *s = r->s;
	struct jw *w = &r->w;
	int64_t n = sb_int(s, 0, "INSERT INTO meta(key,value) VALUES('uploads',1) ON CONFLICT(key) DO UPDATE SET value=value+1 RETURNING value", "");
	/* A key nobody can guess from another one, and the same in a run repeated with the same store secret. */
	const char *unique = sign(r, arena_fmt(&r->a, "slot %lld", (long long)n));
	const char *prefix = arena_fmt(&r->a, "attaches/files/%lld/%.8s-%.4s-%.4s-%.4s-%.12s", (long long)n, unique, unique + 8, unique + 12,
	                               unique + 16, unique + 20);
	time_t now = (time_t)(s->now / 1000000);
	struct tm tm;
	char stamp[32] = "", day[16] = "", until[40];
	if (gmtime_r(&now, &tm)) {
		strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
		strftime(day, sizeof day, "%Y%m%d", &tm);
	}
	sb_time(s->now + SB_UPLOAD_S * INT64_C(1000000), until);
	const char *value[countof(signed_fields)] = { "attachment", "private", arena_fmt(&r->a, "sandbox/%s/local/s3/aws4_request", day),
		"AWS4-HMAC-SHA256", stamp };
	struct buf policy;
	struct jw pw;
	buf_init(&policy, 4096);
	jw_init(&pw, &policy);
	jw_obj(&pw);
	jw_kstr(&pw, "expiration", until);
	jw_kint(&pw, "until_us", s->now + SB_UPLOAD_S * INT64_C(1000000));
	jw_key(&pw, "conditions");
	jw_arr(&pw);
	jw_arr(&pw);
	jw_str(&pw, "starts-with");
	jw_str(&pw, "$key");
	jw_str(&pw, prefix);
	jw_arr_end(&pw);
	for (size_t i = 0; i < countof(signed_fields); i++) {
		jw_obj(&pw);
		jw_kstr(&pw, signed_fields[i], value[i]);
		jw_obj_end(&pw);
	}
	jw_arr_end(&pw);
	jw_obj_end(&pw);
	char *coded = arena_zalloc(&r->a, BASE64_ENCODE_RAW_LENGTH(policy.len) + 1);
	base64_encode_raw(coded, policy.len, (const uint8_t *)policy.p);
	buf_release(&policy);
	r->status = 201; /* the spec: the parameters themselves, without data */
	jw_obj(w);
	jw_kstr(w, signed_fields[0], value[0]);
	jw_kstr(w, signed_fields[1], value[1]);
	jw_kstr(w, "policy", coded);
	for (size_t i = 2; i < countof(signed_fields); i++)
		jw_kstr(w, signed_fields[i], value[i]);
	jw_kstr(w, "x-amz-signature", sign(r, coded));
	jw_kstr(w, "key", arena_fmt(&r->a, "%s/${filename}", prefix));
	jw_kstr(w, "direct_url", arena_fmt(&r->a, "%s" SB_BASE "/direct_url", sb_here(r)));
	jw_obj_end(w);
}

/* ---- the form ---- */

static void field_end(struct sb_req *r)
{
	if (!r->field_key)
		return;
	if (r->n_form == countof(r->form)) {
		r->form_error = "too many fields";
	} else {
		r->form[r->n_form++] = (struct sb_kv){ r->field_key, arena_strndup(&r->a, r->field.p, r->field.len), r->field.len };
		if (r->field.full)
			r->form_error = "a field is too long";
	}
	r->field_key = NULL;
	buf_reset(&r->field);
}

enum MHD_Result sb_upload_part(void *cls, enum MHD_ValueKind kind, const char *key, const char *filename, const char *type,
                               const char *encoding, const char *data, uint64_t off, size_t size)
{
	struct sb_req *r = cls;
	(void)kind, (void)type, (void)encoding;
	if (r->form_error || !key)
		return MHD_YES;
	bool file = streq(key, "file");
	if (off == 0 && !(file && r->digesting && size)) {
		field_end(r);
		if (r->digesting) {
			r->form_error = "file must be the last field"; /* the vendor's page on uploads */
			return MHD_YES;
		}
		if (file) {
			r->file_name = arena_strdup(&r->a, filename ? filename : "");
			digest_init(&r->file_digest);
			r->digesting = true;
		} else {
			r->field_key = arena_strdup(&r->a, key);
		}
	}
	if (file) {
		r->file_size += (int64_t)size;
		if (r->file_size > SB_FILE_MAX)
			r->form_error = "EntityTooLarge";
		digest_add(&r->file_digest, data, size);
		buf_add(&r->file, data, size);
	} else {
		buf_add(&r->field, data, size);
	}
	return MHD_YES;
}

static void storage_error(struct sb_req *r, int status, const char *code, const char *message)
{
	r->status = status;
	r->type = "application/xml";
	buf_reset(&r->out);
	buf_addf(&r->out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>%s</Code><Message>%s</Message></Error>", code, message);
}

static const char *form(const struct sb_req *r, const char *key)
{
	for (size_t i = 0; i < r->n_form; i++)
		if (streq(r->form[i].key, key))
			return r->form[i].value;
	return NULL;
}

/* The policy as it was signed; NULL + answer when it is not ours, is over, or does not allow this form. */
static bool policy_allows(struct sb_req *r)
{
	const char *policy = form(r, "policy"), *signature = form(r, "x-amz-signature");
	if (!streq(sign(r, policy), signature)) {
		storage_error(r, 403, "SignatureDoesNotMatch", "The signature does not fit the policy");
		return false;
	}
	size_t len = strlen(policy), n = BASE64_DECODE_LENGTH(len);
	uint8_t *plain = arena_alloc(&r->a, n + 1);
	struct base64_decode_ctx ctx;
	base64_decode_init(&ctx);
	const struct jv *p = base64_decode_update(&ctx, &n, plain, len, policy) ? jv_parse(&r->a, (char *)plain, n, NULL) : NULL;
	if (!p || jv_get_int(p, "until_us", 0) < r->s->now) {
		storage_error(r, 403, "AccessDenied", "Policy expired");
		return false;
	}
	const struct jv *conditions = jv_get(p, "conditions");
	jv_each(conditions, c) {
		const char *name = c->type == JV_OBJ && c->first ? c->first->key : "key";
		const char *want = jv_str(c->type == JV_OBJ ? c->first : c->first ? c->first->next->next : NULL), *got = form(r, name);
		bool fine = want && got && (c->type == JV_OBJ ? streq(want, got) : strncmp(got, want, strlen(want)) == 0);
		if (!fine) {
			storage_error(r, 403, "AccessDenied", "Invalid according to Policy");
			return false;
		}
	}
	return true;
}

void sb_upload_store(struct sb_req *r)
{
	static const char *const need[] = { "Content-Disposition", "acl", "policy", "x-amz-credential", "x-amz-algorithm", "x-amz-date",
		"x-amz-signature", "key" };
	uint8_t sum[DIGEST_BYTES];
	char sha[DIGEST_HEX];
	field_end(r);
	bool file = r->digesting;
	if (file) {
		digest_end(&r->file_digest, sum);
		hex(sum, sizeof sum, sha);
		r->digesting = false;
	}
	if (r->form_error) {
		storage_error(r, 400, streq(r->form_error, "EntityTooLarge") ? "EntityTooLarge" : "InvalidArgument", r->form_error);
		return;
	}
	if (!file) {
		storage_error(r, 400, "InvalidArgument", "POST requires exactly one file upload, as multipart/form-data");
		return;
	}
	for (size_t i = 0; i < countof(need); i++)
		if (!form(r, need[i])) {
			storage_error(r, 403, "AccessDenied", "A field of the policy is missing");
			return;
		}
	for (size_t i = 0; i < r->n_form; i++) {
		bool known = false;
		for (size_t k = 0; k < countof(need); k++)
			known |= streq(need[k], r->form[i].key);
		if (!known) {
			storage_error(r, 403, "AccessDenied", "Extra input fields");
			return;
		}
	}
	if (!policy_allows(r))
		return;
	const char *key = form(r, "key"), *mark = strstr(key, "${filename}");
	if (mark)
		key = arena_fmt(&r->a, "%.*s%s%s", (int)(mark - key), key, r->file_name, mark + 11);
	if (!utf8_valid(key, strlen(key)) || strlen(key) > 1024) {
		storage_error(r, 400, "KeyTooLongError", "The key is too long or no UTF-8");
		return;
	}
	bool whole = r->file_size <= SB_FILE_KEEP && !r->file.full;
	sb_run(r->s, "INSERT OR REPLACE INTO uploads(key,size,sha256,bytes,created) VALUES(?1,?2,?3,?4,?5)", "sisbi", key, r->file_size, sha,
	       whole ? (const void *)r->file.p : NULL, whole ? r->file.len : (size_t)0, r->s->now);
	r->s->stats.uploads++;
	sb_empty(r);
}
