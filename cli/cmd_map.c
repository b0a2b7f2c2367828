/* mvchat map: drafts or refreshes mvchat.yaml, users.csv and channels.csv; keeps every decision; lists what is open. */
#include "cli/cmd.h"

#include "core/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct opt opts[] = {
	{ "url", 0, "URL", N_("address of the target's API (default: the vendor's)") },
	{ "to", 0, "TARGET", N_("target for a new project (default: pachca)") },
	{ "unmatched", 0, "POLICY", N_("for a new project: people without an account: label, create, skip or fail") },
	{ "zone", 0, "ZONE", N_("for a new project: time zone of the times shown (default: Europe/Moscow in Russian, else UTC)") },
	{ "offline", 0, NULL, N_("do not ask the target; match people later") },
	{ "check", 0, NULL, N_("only check the mapping; write nothing (for CI)") },
	{ "explain", 0, "ID", N_("tell how one person or conversation is mapped, and why") },
	{ "cacert", 0, "FILE", N_("trust the certificates in FILE") },
	{ "proxy", 0, "URL", N_("use this proxy") },
	{ "timeout", 0, "SECONDS", N_("longest time for one request") },
	{ NULL, 0, NULL, NULL },
};

struct collected {
	struct arena *a;
	struct user *users; int64_t *user_msgs; size_t n_users, cap_users;
	struct conv *convs; struct conv_stats *stats; size_t n_convs, cap_convs;
};

static bool add_user(void *ctx, const struct user *u, int64_t n)
{
	struct collected *c = ctx;
	if (c->n_users == c->cap_users) {
		c->cap_users = c->cap_users ? 2 * c->cap_users : 256;
		c->users = xrealloc(c->users, c->cap_users * sizeof(*c->users));
		c->user_msgs = xrealloc(c->user_msgs, c->cap_users * sizeof(*c->user_msgs));
	}
	c->users[c->n_users] = *u;
	c->user_msgs[c->n_users++] = n;
	return true;
}

static bool add_conv(void *ctx, const struct spool_conv *s)
{
	struct collected *c = ctx;
	if (c->n_convs == c->cap_convs) {
		c->cap_convs = c->cap_convs ? 2 * c->cap_convs : 256;
		c->convs = xrealloc(c->convs, c->cap_convs * sizeof(*c->convs));
		c->stats = xrealloc(c->stats, c->cap_convs * sizeof(*c->stats));
	}
	c->convs[c->n_convs] = s->conv;
	c->stats[c->n_convs++] = (struct conv_stats){ s->n_msgs, s->first_us, s->last_us };
	return true;
}

static void print_result(const struct draft_result *r, bool json)
{
	if (json) {
		struct buf b;
		struct jw w;
		buf_init(&b, 64 << 20);
		jw_init(&w, &b);
		jw_obj(&w);
		jw_kint(&w, "schema", 1);
		jw_key(&w, "people"); jw_obj(&w);
		jw_kint(&w, "matched", (int64_t)r->n_people_matched); jw_kint(&w, "create", (int64_t)r->n_people_create);
		jw_kint(&w, "label", (int64_t)r->n_people_label); jw_kint(&w, "skip", (int64_t)r->n_people_skip);
		jw_kint(&w, "unresolved", (int64_t)r->n_people_unresolved); jw_obj_end(&w);
		jw_key(&w, "conversations"); jw_obj(&w);
		jw_kint(&w, "create", (int64_t)r->n_places_create); jw_kint(&w, "adopt", (int64_t)r->n_places_adopt);
		jw_kint(&w, "skip", (int64_t)r->n_places_skip); jw_kint(&w, "unresolved", (int64_t)r->n_places_unresolved); jw_obj_end(&w);
		jw_key(&w, "unresolved"); jw_arr(&w);
		for (size_t i = 0; i < r->n_unresolved; i++)
			jw_str(&w, r->unresolved[i]);
		jw_arr_end(&w);
		jw_obj_end(&w);
		puts(b.p);
		buf_release(&b);
		return;
	}
	out_title(_("Mapping"));
	out_row(16, _("people"), _("%s have an account · %s to be created · %s shown by name only · %s left out"), num((int64_t)r->n_people_matched),
	        num((int64_t)r->n_people_create), num((int64_t)r->n_people_label), num((int64_t)r->n_people_skip));
	out_row(16, _("conversations"), _("%s to be created · %s existing ones used · %s left out"), num((int64_t)r->n_places_create),
	        num((int64_t)r->n_places_adopt), num((int64_t)r->n_places_skip));
	out_row(16, _("rows"), _("%s new · %s kept · %s no longer in the archive"), num((int64_t)r->n_rows_new), num((int64_t)r->n_rows_kept),
	        num((int64_t)r->n_rows_stale));
	out_row(16, _("written"), "%s%s%s%s", r->wrote_yaml ? "mvchat.yaml " : "", r->wrote_users ? "users.csv " : "",
	        r->wrote_channels ? "channels.csv " : "", r->wrote_yaml || r->wrote_users || r->wrote_channels ? "" : _("nothing changed"));
	if (r->n_unresolved) {
		putchar('\n');
		out_title(_("Open questions"));
		for (size_t i = 0; i < r->n_unresolved && i < 50; i++)
			printf("  ? %s\n", safe(r->unresolved[i]));
		if (r->n_unresolved > 50)
			printf(_("  … and %s more (--json lists all)\n"), num((int64_t)r->n_unresolved - 50));
	}
	putchar('\n');
	if (r->n_unresolved)
		printf(i18n_n("%s question is open; decide it in the tables, then run 'mvchat plan'.\n",
		              "%s questions are open; decide them in the tables, then run 'mvchat plan'.\n", (int64_t)r->n_unresolved),
		       num((int64_t)r->n_unresolved));
	else
		printf("%s\n", _("Nothing is open. Look the tables over, then run 'mvchat plan'."));
}

static int run(const struct args *a)
{
	struct err e = ERR_INIT;
	struct project p;
	int code = EX_DONE;
	struct collected c = { 0 };
	project_init(&p, a);
	const char *yaml = arena_fmt(&p.arena, "%s/mvchat.yaml", p.dir);
	bool exists = access(yaml, F_OK) == 0;
	bool check = opt_given(a, "check"), explain = opt_given(a, "explain");
	if (exists && a->n_rest) {
		err_set(&e, ERR_USAGE, _("the project has a mapping already; archives are named in %s"), yaml);
		err_hint(&e, _("run 'mvchat map' without archives, or edit 'archives:' there"));
		goto fail;
	}
	if (!exists && (!a->n_rest || check || explain)) {
		err_set(&e, ERR_USAGE, _("there is no mvchat.yaml in '%s'"), p.dir);
		err_hint(&e, "mvchat map export.zip");
		goto fail;
	}
	if (exists) {
		if (!project_mapping(&p, &e))
			goto fail;
	} else {
		struct mapping_archive *ar = arena_array(&p.arena, (size_t)a->n_rest, struct mapping_archive);
		for (int i = 0; i < a->n_rest; i++)
			ar[i].path = a->rest[i];
		p.archives = ar;
		p.n_archives = (size_t)a->n_rest;
	}
	if (!project_spool(&p, &e))
		goto fail;
	const char *to = opt_value(a, "to") ? opt_value(a, "to") : "pachca";
	if (!opt_given(a, "offline") && !check && !explain && !project_session(&p, a, to, opt_value(a, "url"), TOKENS_OPTIONAL, &e))
		goto fail;
	struct snapshot snap = { 0 };
	if (p.session && !snapshot_read(p.session, &p.arena, &snap, &e))
		goto fail;
	if (!p.session && !opt_given(a, "offline") && !check && !explain)
		log_warn("map.offline", "%s", _("no token given: people are not compared with the target's accounts"));
	c.a = &p.arena;
	if (!spool_users(p.spool, &p.arena, add_user, &c, &e) || !spool_convs(p.spool, &p.arena, add_conv, &c, &e))
		goto fail;
	/* Paths in a new mvchat.yaml are as seen from the project folder. */
	struct mapping_archive *seen = arena_array(&p.arena, p.n_archives, struct mapping_archive);
	for (size_t i = 0; i < p.n_archives; i++) {
		seen[i] = p.archives[i];
		if (!exists && seen[i].path[0] != '/' && !streq(p.dir, ".")) {
			char *abs = realpath(seen[i].path, NULL);
			if (abs)
				seen[i].path = arena_strdup(&p.arena, abs);
			free(abs);
		}
	}
	struct survey s = {
		.archives = seen, .n_archives = p.n_archives,
		.users = c.users, .user_msgs = c.user_msgs, .n_users = c.n_users,
		.convs = c.convs, .conv_stats = c.stats, .n_convs = c.n_convs,
		.people = snap.people, .n_people = snap.n_people, .chats = snap.chats, .n_chats = snap.n_chats,
		.target = to, .target_url = opt_value(a, "url"), .zone = opt_value(a, "zone") ? opt_value(a, "zone") : streq(i18n_lang(), "ru") ? "Europe/Moscow" : NULL, .locale = i18n_lang(),
		.unmatched = opt_value(a, "unmatched"), .name_max = 255,
	};
	if (explain) {
		struct buf b;
		buf_init(&b, 1 << 20);
		bool ok = mapping_explain(p.mapping, &s, opt_value(a, "explain"), &b, &e);
		fputs(b.p, stdout);
		buf_release(&b);
		if (!ok)
			goto fail;
		goto out;
	}
	if (check) {
		printf("%s\n", _("The mapping is sound."));
		goto out;
	}
	struct draft_result r = { 0 };
	if (!mapping_draft(p.dir, &s, &p.arena, &r, &e))
		goto fail;
	print_result(&r, opt_given(a, "json"));
	goto out;
fail:
	code = out_fail(&e);
out:
	free(c.users);
	free(c.user_msgs);
	free(c.convs);
	free(c.stats);
	project_close(&p);
	return code;
}

const struct command cmd_map = {
	"map", "[ARCHIVE…]", N_("draft or refresh the mapping: people, channels, policies"),
	N_("In a new folder: reads the archives and writes mvchat.yaml, users.csv and channels.csv. Later: refreshes the tables and keeps every decision."),
	opts, run,
};
