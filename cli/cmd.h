/* cmd.h: the commands, each in its own file, and what two of them share. */
#ifndef MVCHAT_CMD_H
#define MVCHAT_CMD_H

#include "cli/exit.h"
#include "cli/i18n.h"
#include "cli/out.h"
#include "cli/project.h"
#include "core/json.h"
#include "replay/plan.h"

#include <stdio.h>

extern const struct command cmd_move, cmd_inspect, cmd_fetch, cmd_map, cmd_plan, cmd_apply, cmd_verify, cmd_rollback, cmd_status, cmd_report, cmd_archive, cmd_doctor, cmd_sandbox;

/* Set by SIGINT/SIGTERM: the number of the signal; a second one ends the process at once. So does the first, unless the command
 * has said that it has something to finish and ends by itself (stop_polite). */
extern volatile int stop_signal, stop_polite;
/* A scratch file and then its folder, removed when a signal ends the process; NULL none. */
extern const char *volatile stop_remove[2];

/* The text form of the facts; which: a plan before, or an account after a run. */
/* cmd_rollback.c; ROLLBACK_SHOW: 'mvchat plan --rollback'. */
enum rollback_how { ROLLBACK_DO, ROLLBACK_SHOW };
int rollback_command(const struct args *a, enum rollback_how how);

enum facts_view { VIEW_PLAN, VIEW_ACCOUNT };
void facts_print(const struct facts *f, enum facts_view view);
void facts_json(const struct facts *f, struct jw *w);       /* one object; documented in docs/mvchat-report.5 */
void facts_json_to(const struct facts *f, struct jw *w, FILE *to); /* what is ready goes there meanwhile; the rest stays in w's buffer */
/* The one sentence a reader wants first; translated. */
const char *facts_verdict(const struct facts *f);
const char *kind_word(enum conv_kind k);                    /* translated */

#endif
