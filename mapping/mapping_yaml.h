/* mapping_yaml.h: the nodes of mvchat.yaml as values with their places; shared by what reads it (mapping_config.c,
 * mapping_items.c). For nobody else. */
#ifndef MVCHAT_MAPPING_YAML_H
#define MVCHAT_MAPPING_YAML_H

#include "mapping/mapping_config.h"

#include <libfyaml.h>

struct reader {
	const char *file;
	struct arena *a;
	struct err *e;
	struct config *c;
	bool seen_archives, seen_target, seen_version;
};
/* Where a value goes: the one that fits the type of its key. */
struct target_of { const char *path; const char **text; bool *flag; struct string_list *list; int *choice; int64_t *number; };
extern const char *const config_values_gone[], *const config_values_bots[], *const config_values_date_order[], *const config_values_locale[];

const struct fy_mark *yaml_mark(struct fy_node *n);
/* Errors: false, with the place. */
bool yaml_place(struct reader *r, const struct fy_mark *m);
bool yaml_bad_type(struct reader *r, const char *path, const char *want, struct fy_node *n, const struct fy_mark *at);
bool yaml_bad_word(struct reader *r, const char *path, const char *got, const char *const *v, size_t n, const struct fy_mark *at);
bool yaml_secret(struct reader *r, const struct fy_mark *at);
/* The text of a scalar in the arena; NULL when it is no scalar, empty-valued or holds a NUL. */
const char *yaml_scalar(struct reader *r, struct fy_node *n);
bool yaml_list(struct reader *r, const struct config_key *k, struct fy_node *n, struct string_list *out, const struct fy_mark *at);
/* One value into the place that belongs to its path. Enum values are stored as their index in k->values. */
bool yaml_value(struct reader *r, const struct config_key *k, struct fy_node *n, const struct target_of *t, const struct fy_mark *at);
typedef bool (*yaml_pair_fn)(struct reader *r, void *ctx, const struct config_key *k, struct fy_node *v, const struct fy_mark *at);
/* Each pair of a mapping whose keys are "section" + key. */
bool yaml_pairs(struct reader *r, const char *section, struct fy_node *n, yaml_pair_fn fn, void *ctx);

/* A date written as 2024-03-31 that exists. */
bool config_day(const char *s, int *y, int *m, int *d);

/* ---- mapping_items.c ---- */
bool config_archives(struct reader *r, struct fy_node *n, const struct fy_mark *at);
bool config_aliases(struct reader *r, const struct config_key *k, struct fy_node *n, const struct fy_mark *at);
bool config_items(struct reader *r, const struct config_key *k, struct fy_node *v, const struct fy_mark *at);

#endif
