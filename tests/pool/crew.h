/*
 * crew.h - a second class for tests of pools: what the workers of others are
 * made to do, and more than a task does.
 */
#ifndef MPROC_TESTS_CREW_H
#define MPROC_TESTS_CREW_H

#include "task.h"

MPROC_MESSAGE(crew, start, (int64_t, factor), (struct mproc_fd, gate),
    (const char *, logger), (int, fail), (struct mproc_bytes, data));
/* a * b times the factor that came with the start; counts the calls */
MPROC_MESSAGE(crew, mul, (int64_t, a), (int64_t, b));
/* pid: of a worker that is a thread, the thread's id */
MPROC_MESSAGE(crew, number, (int64_t, n), (int, pid), (int64_t, calls),
    (int64_t, made));
MPROC_MESSAGE(crew, divide, (int64_t, a), (int64_t, b));
/* until the gate opens */
MPROC_MESSAGE(crew, wait, (int64_t, n));
MPROC_MESSAGE(crew, echo, (struct mproc_bytes, data));
MPROC_MESSAGE(crew, say, (const char *, logger), (int, level),
    (const char *, text), (int, times));
/* lines on standard output, each in two writes */
MPROC_MESSAGE(crew, print, (const char *, text), (int, times));
/* exit(3), with what that does in a worker */
MPROC_MESSAGE(crew, leave, (int, status));
/* answered by a timer, after the handler has returned */
MPROC_MESSAGE(crew, later, (int64_t, n), (int, ms));
/* how many descriptors the worker has */
MPROC_MESSAGE(crew, fds);
/* a child of the worker's that keeps the descriptor, then no end */
MPROC_MESSAGE(crew, breed, (struct mproc_fd, fd));
/* with whoever has the other end: send n, reply with what comes */
MPROC_MESSAGE(crew, talk, (int64_t, n), (struct mproc_fd, fd));
/* the signal's disposition: ignored, or not; the process group */
MPROC_MESSAGE(crew, signals, (int, sig));

extern const struct mproc_class crew_class;

/* Started, with task_launch() unless it says otherwise. */
struct mproc_pool *crew_pool(struct mproc_pool_options o);
/* The pid of the worker that is next. */
int crew_pid(struct mproc_pool *pool);
/* What a `number` says, which is freed; -1 if it is none. */
int64_t crew_number(struct mproc_msg *reply);

/* Workers wait in crew_wait() until the gate is opened. */
struct gate {
	int	 in, out;
};
void gate_make(struct gate *g);
void gate_open(struct gate *g);
void gate_free(struct gate *g);
/* A pool whose workers have the gate. */
struct mproc_pool *crew_gated(struct gate *g, struct mproc_pool_options o);

/* Until all are done, well; then they are freed. */
void crew_wait_all(struct mproc_future **f, int n);
/* So many bytes there and back. */
void crew_bounce(struct mproc_pool *pool, size_t size);
/* An .on_worker; its arg: which signal killed a worker, on whose wish. */
struct crew_fate {
	int	 killed, died;
};
void crew_on_worker(enum mproc_worker_event event,
    const struct mproc_worker *w, void *arg);

#endif
