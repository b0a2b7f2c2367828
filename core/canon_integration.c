/* canon_integration.c: an app, bot or webhook as a canonical line. Apart from canon.c because nothing reads it back and no
 * fingerprint depends on it. */
#include "core/canon.h"

#include "core/json.h"

static void words(struct jw *w, const char *key, const char *const *v, size_t n)
{
	if (!n)
		return;
	jw_key(w, key);
	jw_arr(w);
	for (size_t i = 0; i < n; i++)
		jw_str(w, v[i]);
	jw_arr_end(w);
}

void canon_integration(const struct integration *in, struct buf *out)
{
	static const char *const kinds[] = { "", "app", "bot", "webhook", "workflow" }, *const states[] = { "unknown", "on", "off", "removed" };
	struct jw w;
	jw_init(&w, out);
	jw_obj(&w);
	jw_kstr(&w, "type", "integration");
	jw_kstr(&w, "id", in->id);
	jw_kstr(&w, "name", in->name);
	jw_kstr(&w, "kind", kinds[in->kind]);
	jw_kstr(&w, "state", states[in->state]);
	if (in->installer)
		jw_kstr(&w, "installer", in->installer);
	if (in->installer_name)
		jw_kstr(&w, "installer_name", in->installer_name);
	if (in->installed_us)
		jw_kint(&w, "installed_us", in->installed_us);
	if (in->changed_us)
		jw_kint(&w, "changed_us", in->changed_us);
	if (in->scopes)
		jw_kstr(&w, "scopes", in->scopes);
	words(&w, "authors", in->authors, in->n_authors);
	words(&w, "convs", in->convs, in->n_convs);
	jw_obj_end(&w);
}
