/* test_lane.c: single steps of the lane's state machine, its refusals, and the verdict of reading back. What sequences of
 * steps can do is the subject of test_lane_model.c. */
#include "replay/lane.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const struct lane_limits limits = { .max_resends = 2, .max_blind = 2 };

struct leg { enum lane_event ev; enum lane_action action; enum lane_state state; };

static void walk(enum settle settle, const struct leg *legs, size_t n, struct lane *l)
{
	lane_init(l);
	for (size_t i = 0; i < n; i++) {
		enum lane_action got = lane_step(l, legs[i].ev, settle, &limits);
		if (got != legs[i].action || l->state != legs[i].state)
			fail_msg("leg %zu: action %d, state %s", i, (int)got, lane_state_name((enum lane_state)l->state));
	}
}
#define WALK(settle, l, ...) do { \
	static const struct leg legs_[] = { __VA_ARGS__ }; \
	walk(settle, legs_, countof(legs_), l); \
} while (0)

#define OP { LANE_EV_OP, LANE_DO_NOTHING, LANE_READY }
#define WRITE { LANE_EV_GRANTED, LANE_DO_INTENT, LANE_WRITING }
#define SEND { LANE_EV_COMMITTED, LANE_DO_SEND, LANE_FLYING }

static void test_paths(void **state)
{
	(void)state;
	struct lane l;
	WALK(SETTLE_LIST, &l, OP, WRITE, SEND, { LANE_EV_DONE, LANE_DO_DONE, LANE_NEXT }, OP, WRITE, SEND,
		{ LANE_EV_REJECTED, LANE_DO_REJECT, LANE_NEXT }, { LANE_EV_WAIT, LANE_DO_NOTHING, LANE_PARKED },
		{ LANE_EV_WAKE, LANE_DO_NOTHING, LANE_NEXT }, { LANE_EV_END, LANE_DO_NOTHING, LANE_ENDED },
		{ LANE_EV_HALT, LANE_DO_NOTHING, LANE_ENDED });
	/* not applied for certain: the intent is taken back and the order kept */
	WALK(SETTLE_LIST, &l, OP, WRITE, SEND, { LANE_EV_AGAIN, LANE_DO_FORGET, LANE_READY }, WRITE, SEND);
	/* ... but not when an earlier step was applied */
	WALK(SETTLE_LIST, &l, OP, WRITE, SEND, { LANE_EV_MORE, LANE_DO_NOTHING, LANE_READY },
		{ LANE_EV_GRANTED, LANE_DO_SEND, LANE_FLYING }, { LANE_EV_AGAIN, LANE_DO_NOTHING, LANE_READY },
		{ LANE_EV_HALT, LANE_DO_NOTHING, LANE_HALTED });
	assert_int_equal(l.row, LANE_ROW_INTENT);
	WALK(SETTLE_REPEAT, &l, OP, WRITE, SEND, { LANE_EV_MORE, LANE_DO_NOTHING, LANE_READY },
		{ LANE_EV_HALT, LANE_DO_FORGET, LANE_HALTED });
	assert_int_equal(l.row, LANE_ROW_NONE);
	/* unknown: settle, look, absent, once more; found at last */
	WALK(SETTLE_LIST, &l, OP, WRITE, SEND, { LANE_EV_UNKNOWN, LANE_DO_UNKNOWN, LANE_SETTLING },
		{ LANE_EV_SETTLED, LANE_DO_NOTHING, LANE_LOOK }, { LANE_EV_GRANTED, LANE_DO_LOOK, LANE_LOOKING },
		{ LANE_EV_MORE, LANE_DO_NOTHING, LANE_LOOK }, { LANE_EV_GRANTED, LANE_DO_LOOK, LANE_LOOKING },
		{ LANE_EV_ABSENT, LANE_DO_NOTHING, LANE_READY }, WRITE, SEND, { LANE_EV_UNKNOWN, LANE_DO_UNKNOWN, LANE_SETTLING },
		{ LANE_EV_SETTLED, LANE_DO_NOTHING, LANE_LOOK }, { LANE_EV_GRANTED, LANE_DO_LOOK, LANE_LOOKING },
		{ LANE_EV_FOUND, LANE_DO_DONE, LANE_NEXT });
	assert_int_equal(l.resends, 0); /* counted anew for the next op */
	/* found open at the start */
	WALK(SETTLE_LIST, &l, { LANE_EV_OPEN, LANE_DO_UNKNOWN, LANE_SETTLING }, { LANE_EV_HALT, LANE_DO_NOTHING, LANE_HALTED });
	WALK(SETTLE_STOP, &l, { LANE_EV_OPEN, LANE_DO_UNKNOWN, LANE_STOPPED });
	assert_int_equal(l.why, LANE_WHY_UNKNOWABLE);
	WALK(SETTLE_REPEAT, &l, { LANE_EV_OPEN, LANE_DO_UNKNOWN, LANE_SETTLING }, { LANE_EV_SETTLED, LANE_DO_NOTHING, LANE_READY },
		WRITE, SEND, { LANE_EV_DONE, LANE_DO_DONE, LANE_NEXT });
	WALK(SETTLE_LIST, &l, OP, WRITE, SEND, { LANE_EV_CLOSED, LANE_DO_FORGET, LANE_STOPPED });
	assert_int_equal(l.why, LANE_WHY_CLOSED);
	WALK(SETTLE_LIST, &l, OP, { LANE_EV_UNFIT, LANE_DO_REFUSE, LANE_NEXT });
	WALK(SETTLE_LIST, &l, { LANE_EV_OPEN, LANE_DO_UNKNOWN, LANE_SETTLING }, { LANE_EV_SETTLED, LANE_DO_NOTHING, LANE_LOOK },
		{ LANE_EV_GRANTED, LANE_DO_LOOK, LANE_LOOKING }, { LANE_EV_BLIND, LANE_DO_NOTHING, LANE_LOOK },
		{ LANE_EV_GRANTED, LANE_DO_LOOK, LANE_LOOKING }, { LANE_EV_BLIND, LANE_DO_NOTHING, LANE_STOPPED });
	assert_int_equal(l.why, LANE_WHY_BLIND);
	assert_int_equal(l.row, LANE_ROW_UNKNOWN);
}

static void test_tries_end(void **state)
{
	(void)state;
	struct lane l;
	lane_init(&l);
	lane_step(&l, LANE_EV_OPEN, SETTLE_REPEAT, &limits);
	int n = 0;
	while (lane_step(&l, LANE_EV_SETTLED, SETTLE_REPEAT, &limits), l.state == LANE_READY) {
		n++;
		lane_step(&l, LANE_EV_GRANTED, SETTLE_REPEAT, &limits);
		lane_step(&l, LANE_EV_COMMITTED, SETTLE_REPEAT, &limits);
		lane_step(&l, LANE_EV_UNKNOWN, SETTLE_REPEAT, &limits);
	}
	assert_int_equal(n, 2);
	assert_int_equal(l.state, LANE_STOPPED);
	assert_int_equal(l.why, LANE_WHY_TRIES);
}

/* In every state exactly these events are possible; any other dies. */
static void test_impossible_events_die(void **state)
{
	(void)state;
#define E(x) (1u << LANE_EV_##x)
	static const uint32_t possible[] = {
		[LANE_NEXT] = E(OP) | E(OPEN) | E(WAIT) | E(END) | E(HALT),
		[LANE_READY] = E(UNFIT) | E(GRANTED) | E(HALT),
		[LANE_WRITING] = E(COMMITTED),
		[LANE_FLYING] = E(DONE) | E(MORE) | E(REJECTED) | E(AGAIN) | E(UNKNOWN) | E(CLOSED),
		[LANE_SETTLING] = E(SETTLED) | E(HALT),
		[LANE_LOOK] = E(GRANTED) | E(HALT),
		[LANE_LOOKING] = E(FOUND) | E(ABSENT) | E(STRANGE) | E(BLIND) | E(MORE) | E(AGAIN),
		[LANE_PARKED] = E(WAKE) | E(HALT),
		[LANE_ENDED] = E(HALT), [LANE_STOPPED] = E(HALT), [LANE_HALTED] = E(HALT),
	};
	for (int s = LANE_NEXT; s <= LANE_HALTED; s++)
		for (int ev = LANE_EV_OP; ev <= LANE_EV_HALT; ev++) {
			struct lane l;
			lane_init(&l);
			l.state = (uint8_t)s;
			l.settle = SETTLE_LIST;
			pid_t pid = fork();
			if (pid == 0) {
				setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
				signal(SIGABRT, SIG_DFL);
				dup2(open("/dev/null", O_WRONLY), 2);
				lane_step(&l, (enum lane_event)ev, SETTLE_LIST, &limits);
				_exit(0);
			}
			int status;
			assert_int_equal(waitpid(pid, &status, 0), pid);
			if (WIFSIGNALED(status) == ((possible[s] >> ev) & 1))
				fail_msg("state %s, event %d", lane_state_name((enum lane_state)s), ev);
		}
}

static void test_look(void **state)
{
	(void)state;
	enum { SAME = 1, OTHER = 2, FOREIGN = 4, OWNED = 8, OLD = 16 };
	static const struct { int rows[5]; enum lane_event verdict; int adopt; } t[] = {
		{ { 0 }, LANE_EV_ABSENT, -1 },
		{ { SAME }, LANE_EV_FOUND, 0 },
		{ { FOREIGN, SAME, FOREIGN }, LANE_EV_FOUND, 1 },
		{ { SAME, FOREIGN, SAME }, LANE_EV_FOUND, 2 },        /* the oldest of equals */
		{ { SAME | OWNED, FOREIGN }, LANE_EV_ABSENT, -1 },    /* another op's */
		{ { FOREIGN, SAME | OLD }, LANE_EV_ABSENT, -1 },      /* the twin before the anchor */
		{ { OTHER | OLD }, LANE_EV_ABSENT, -1 },
		{ { OTHER | OWNED, SAME }, LANE_EV_FOUND, 1 },
		{ { OTHER }, LANE_EV_STRANGE, -1 },
		{ { SAME, OTHER }, LANE_EV_STRANGE, 0 },
		{ { SAME, FOREIGN | OLD, OTHER }, LANE_EV_FOUND, 0 }, /* what lies below the anchor is not looked at */
	};
	for (size_t i = 0; i < countof(t); i++) {
		struct lane_look k = { 0 };
		int adopt = -1;
		for (int r = 0; r < 5 && t[i].rows[r]; r++) {
			int f = t[i].rows[r];
			struct lane_row_seen seen = { .after_anchor = !(f & OLD), .owned = (f & OWNED) != 0,
				.match = f & SAME ? MATCH_SAME : f & OTHER ? MATCH_OTHER : MATCH_FOREIGN };
			if (lane_look_row(&k, &seen))
				adopt = r;
		}
		assert_int_equal(lane_look_verdict(&k), t[i].verdict);
		assert_int_equal(adopt, t[i].adopt);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(test_paths), cmocka_unit_test(test_tries_end),
		cmocka_unit_test(test_impossible_events_die), cmocka_unit_test(test_look) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
