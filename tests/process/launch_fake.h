/*
 * launch_fake.h - a backend without messages, to test launching alone.
 *
 * It stands in for mproc__backend_main(): it takes commands as text on its
 * data end, answers in text, and ends when its control end does.
 */
#ifndef MPROC_TESTS_LAUNCH_FAKE_H
#define MPROC_TESTS_LAUNCH_FAKE_H

#include "process/boot.h"

#define FAKE_GRACE_MS	300
#define FAKE_WAIT_MS	20000	/* for anything that is to happen */

extern const struct mproc_class fake_class;
extern const enum mproc_launch fake_ways[3];	/* those with a process */
const char *fake_way_name(enum mproc_launch how);

/* valgrind runs programs, not /proc/self/exe, which is valgrind's. */
#define FOR_EACH_WAY(how_)						\
	for (int w_ = 0; w_ < 3; w_++)					\
		for (enum mproc_launch how_ = fake_ways[w_]; how_ != 0;	\
		    how_ = MPROC_AUTO)					\
			if (how_ != MPROC_SPAWN || !fake_valgrind())

struct fake {
	struct mproc__child child;
	int	data, control, log;
	char	answer[16384];
};

/* Launch with the defaults, but for what is set in `l` (may be NULL). */
int	fake_start(struct fake *, enum mproc_launch how,
	    const struct mproc__launch *l);
/* The same; the test fails if it does. */
void	fake_must_start(struct fake *, enum mproc_launch how,
	    const struct mproc__launch *l);
/* Send a command; its answer, or NULL when none comes. */
const char *fake_ask(struct fake *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Wait for its death and give all back. */
struct mproc__exit fake_wait(struct fake *);
/* End it in order, and check that it did. */
void	fake_end(struct fake *);
/* Close all but the child. */
void	fake_close(struct fake *);

/*
 * Run fn in a fork of the test and check that it ends with status 0; it
 * reports with CHECK(), not with assertions.
 */
void	fake_in_fork(void (*fn)(void));
#define CHECK(cond)	fake_check((cond), #cond, __FILE__, __LINE__)
void	fake_check(bool ok, const char *what, const char *file, int line);

/* The number of open descriptors. */
int	fake_fds(void);
bool	fake_valgrind(void);
/* ThreadSanitizer holds signals back while a handler spins. */
bool	fake_can_spin(void);

#endif
