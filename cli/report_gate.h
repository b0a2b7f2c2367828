/* report_gate.h: plan --fail-on: which findings a pipeline does not accept. */
#ifndef MVCHAT_REPORT_GATE_H
#define MVCHAT_REPORT_GATE_H

#include "cli/cmd.h"

/* list: conditions separated by commas ("loss:reactions,unresolved"); NULL = none. ERR_USAGE names the unknown one. */
bool gate_known(const char *list, struct err *e);
/* Calls each for every condition that is met, with how many items it concerns; returns how many conditions that are. */
int gate_met(const char *list, const struct facts *f, void (*each)(void *ctx, const char *condition, int64_t n), void *ctx);

#endif
