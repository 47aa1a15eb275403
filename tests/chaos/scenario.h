/*
 * scenario.h - a whole life of a process, in which something fails: every
 * step goes on as well as it can, and nothing may hang, leak or crash.
 */
#ifndef MPROC_TESTS_SCENARIO_H
#define MPROC_TESTS_SCENARIO_H

#include <mproc.h>

enum step {
	STEP_NEW, STEP_FD, STEP_START, STEP_SEND, STEP_CALL_FD, STEP_ASK,
	STEP_FUTURE_FD, STEP_WAIT, STEP_ANY, STEP_RESULT, STEP_MSG, STEP_EMIT,
	STEP_RECV, STEP_LARGE, STEP_FAIL, STEP_PING, STEP_STOP, STEPS
};

struct scenario {
	enum mproc_launch how;
	int	 wait_ms;	/* of each step */
	int	 code[STEPS];	/* what they gave; 0 those not reached */
	struct mproc *p;
};

/* mproc_init(), at the top of main. */
int scenario_init(int argc, char **argv);
/* All steps but the freeing; the failing is the caller's business. */
void scenario_run(struct scenario *);
/*
 * Nothing fails any more: the accounts add up, the process can be started
 * again and works; then it is freed.
 */
void scenario_end(struct scenario *);
/* "start -12, send -32", for messages; "" if nothing failed. */
const char *scenario_text(const struct scenario *);
/* Only these codes (ended by 0) came; the step that fails otherwise, or -1 */
int scenario_unexpected(const struct scenario *, const int *codes);

#endif
