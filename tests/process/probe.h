/*
 * probe.h - a class whose handlers do whatever a test wants a backend to do.
 */
#ifndef MPROC_TESTS_PROBE_H
#define MPROC_TESTS_PROBE_H

#include <mproc.h>

MPROC_MESSAGE(probe, echo, (int64_t, n), (const char *, text),
    (struct mproc_bytes, data));
MPROC_MESSAGE(probe, echoed, (int64_t, n), (const char *, text),
    (struct mproc_bytes, data), (int, pid));
MPROC_MESSAGE(probe, note, (int64_t, n));	/* a cast; sums up */
MPROC_MESSAGE(probe, sum);
MPROC_MESSAGE(probe, summed, (int64_t, sum), (int64_t, count),
    (bool, in_order));
MPROC_MESSAGE(probe, emit, (int64_t, count), (int64_t, size),
    (int64_t, first));
MPROC_MESSAGE(probe, item, (int64_t, n), (struct mproc_bytes, data));
MPROC_MESSAGE(probe, fail, (int, code), (const char *, text));
MPROC_MESSAGE(probe, die, (int, sig), (int, status));
MPROC_MESSAGE(probe, nap, (int, ms));	/* sleeps, as a slow handler */
MPROC_MESSAGE(probe, spin, (bool, going));	/* for ever, or while going */
MPROC_MESSAGE(probe, hold, (int64_t, n));	/* deferred */
MPROC_MESSAGE(probe, release, (bool, reversed));	/* answer what is held */
MPROC_MESSAGE(probe, held, (int64_t, n));
MPROC_MESSAGE(probe, twice);		/* replies twice: the second's code */
MPROC_MESSAGE(probe, relapse);		/* replies, then fails */
MPROC_MESSAGE(probe, wrong);		/* replies what its row does not name */
MPROC_MESSAGE(probe, silent);		/* no reply */
MPROC_MESSAGE(probe, open, (struct mproc_fd, fd), (bool, take));
MPROC_MESSAGE(probe, opened, (struct mproc_fd, fd), (const char *, text));
MPROC_MESSAGE(probe, say, (int, level), (const char *, text));
MPROC_MESSAGE(probe, print, (const char *, text));
MPROC_MESSAGE(probe, quit, (int, code));
MPROC_MESSAGE(probe, block, (int, sig));
MPROC_MESSAGE(probe, grandchild);	/* a child of its own that stays */
MPROC_MESSAGE(probe, started, (int, pid));
MPROC_MESSAGE(probe, poll);		/* mproc_poll_once in a handler */
MPROC_MESSAGE(probe, code, (int, code), (const char *, text));
MPROC_MESSAGE(probe, nosuch, (int, x));	/* no row takes it */
MPROC_MESSAGE(probe, timer, (int, ms), (int, count));
MPROC_MESSAGE(probe, tick, (int, n));
MPROC_MESSAGE(probe, watch, (struct mproc_fd, fd));
MPROC_MESSAGE(probe, watched, (int64_t, bytes));
MPROC_MESSAGE(probe, flood, (int64_t, size));	/* emits for ever */
MPROC_MESSAGE(probe, last, (const char *, text), (int, sig)); /* log, die */
MPROC_MESSAGE(probe, burst, (const char *, name), (int, count)); /* of logs */
MPROC_MESSAGE(probe, files);		/* what its descriptors are */
MPROC_MESSAGE(probe, listed, (const char *, text));
MPROC_MESSAGE(probe, mask);		/* signal state, as hex numbers */
MPROC_MESSAGE(probe, nest, (int, depth));	/* a child of its own */
MPROC_MESSAGE(probe, ruin, (const char *, how));	/* see os_ruin */
/* n: emits in pre_run; sig: die of it there; post: touched by post_run */
MPROC_MESSAGE(probe, start, (const char *, path), (int, fail),
    (int, delay_ms), (const char *, post), (struct mproc_fd, fd),
    (int, die), (int, sig), (int64_t, n));

extern const struct mproc_class probe_class;
/* The same with a hook for unknown commands: answers `code`. */
extern const struct mproc_class probe_unknown_class;
/*
 * With a loop of their own: one calls mproc_poll_once(); the other polls
 * mproc_backend_fd() and a timerfd that makes it emit `tick`.
 */
extern const struct mproc_class probe_poll_class;
extern const struct mproc_class probe_fd_class;

#endif
