/* step.h: named durable steps, so that a test can kill the shipped binary at each of them.
 *
 * step("intent-commit") marks a point where the state of the world has just changed (or is about to). Inert, one branch,
 * unless the environment asks: MVCHAT_STEP_KILL=N raises SIGKILL at the N-th step of the process (1-based);
 * MVCHAT_STEP_COUNT=FILE appends "N name\n" for every step to FILE.
 */
#ifndef MVCHAT_STEP_H
#define MVCHAT_STEP_H

#include "core/base.h"

void step(const char *name);

#endif
