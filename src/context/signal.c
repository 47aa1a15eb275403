/*
 * signal.c - signals as callbacks.
 *
 * The handler may run in any thread, at any time, also while another thread
 * gives a slot back.  It therefore announces itself in `handlers`; who frees
 * a slot makes it invisible first and then waits until no handler is under
 * way, so that a kick never goes to a descriptor that has been closed.
 *
 * The table belongs to one process: after a fork the child's first use
 * forgets what it inherited, and the handler leaves foreign slots alone.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "context/context.h"

#define SLOTS	64

static struct slot {
	_Atomic int	 signo;		/* 0: free */
	_Atomic int	 fd;
	_Atomic pid_t	 pid;
	_Atomic bool	 pending;
	struct mproc_context *ctx;
} slots[SLOTS];

static _Atomic int handlers;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the next */
static unsigned table_generation;
static struct action {
	int		 users;
	struct sigaction old;
} actions[NSIG];

static void
handler(int signo)
{
	const uint64_t one = 1;
	int i, saved = errno;

	atomic_fetch_add(&handlers, 1);
	for (i = 0; i < SLOTS; i++) {
		if (atomic_load(&slots[i].signo) != signo ||
		    atomic_load(&slots[i].pid) != getpid())
			continue;
		atomic_store(&slots[i].pending, true);
		(void)!write(atomic_load(&slots[i].fd), &one, sizeof(one));
	}
	atomic_fetch_sub(&handlers, 1);
	errno = saved;
}

/* Locked. */
static void
own_table(void)
{
	int i;

	if (table_generation == mproc__fork_generation())
		return;
	table_generation = mproc__fork_generation();
	for (i = 0; i < SLOTS; i++)
		atomic_store(&slots[i].signo, 0);
	atomic_store(&handlers, 0);
	memset(actions, 0, sizeof(actions));
}

static bool
can_wait(int signo)
{
	switch (signo) {
	case SIGSEGV: case SIGBUS: case SIGFPE: case SIGILL:
	case SIGKILL: case SIGSTOP:
		return false;
	default:
		return signo > 0 && signo < NSIG;
	}
}

/* Locked. */
static int
install(int signo)
{
	struct sigaction sa = {
		.sa_handler = handler, .sa_flags = SA_RESTART | SA_ONSTACK
	};

	if (actions[signo].users == 0 &&
	    sigaction(signo, &sa, &actions[signo].old) < 0)
		return mproc__err(-errno, "signal %d cannot be caught",
		    signo);
	actions[signo].users++;
	return 0;
}

/* Locked. */
static void
uninstall(int signo)
{
	if (--actions[signo].users == 0)
		(void)sigaction(signo, &actions[signo].old, NULL);
}

static int
take_slot(struct mproc_context *ctx, int signo)
{
	int i, r;

	pthread_mutex_lock(&lock);
	own_table();
	for (i = 0; i < SLOTS && atomic_load(&slots[i].signo) != 0; i++)
		;
	if (i == SLOTS) {
		pthread_mutex_unlock(&lock);
		return mproc__err(-EMFILE, "more than %d signals and contexts",
		    SLOTS);
	}
	slots[i].ctx = ctx;
	atomic_store(&slots[i].pending, false);
	atomic_store(&slots[i].fd, ctx->kick.fd);
	atomic_store(&slots[i].pid, getpid());
	atomic_store(&slots[i].signo, signo);	/* visible from here on */
	if ((r = install(signo)) < 0)
		atomic_store(&slots[i].signo, 0);
	pthread_mutex_unlock(&lock);
	return r;
}

static struct slot *
slot_of(const struct mproc_context *ctx, int signo)
{
	int i;

	for (i = 0; i < SLOTS; i++)
		if (atomic_load(&slots[i].signo) == signo &&
		    slots[i].ctx == ctx)
			return &slots[i];
	return NULL;
}

static void
give_slot(const struct mproc_context *ctx, int signo)
{
	struct slot *slot;

	pthread_mutex_lock(&lock);
	if ((slot = slot_of(ctx, signo)) != NULL) {
		uninstall(signo);
		atomic_store(&slot->signo, 0);
		while (atomic_load(&handlers) > 0)
			sched_yield();
	}
	pthread_mutex_unlock(&lock);
}

static struct mproc__signal_use **
use_of(struct mproc_context *ctx, int signo)
{
	struct mproc__signal_use **at;

	for (at = &ctx->signals; *at != NULL; at = &(*at)->next)
		if ((*at)->signo == signo)
			return at;
	return NULL;
}

int
mproc_context_signal(struct mproc_context *ctx, int signo,
    mproc_context_signal_fn *fn, void *arg)
{
	struct mproc__signal_use *use, **at;
	int r;

	if ((r = mproc__context_enter_live(ctx)) < 0)
		return r;
	if (fn == NULL || !can_wait(signo))
		return mproc__err(-EINVAL, "no function, or %d is no signal "
		    "that can be handled later", signo);
	if ((at = use_of(ctx, signo)) != NULL) {
		use = *at;
	} else {
		if ((use = malloc(sizeof(*use))) == NULL)
			return mproc__err(-ENOMEM, "no memory for a signal");
		if ((r = take_slot(ctx, signo)) < 0) {
			free(use);
			return r;
		}
		use->signo = signo;
		use->next = ctx->signals;
		ctx->signals = use;
	}
	use->fn = fn;
	use->arg = arg;
	return 0;
}

int
mproc_context_unsignal(struct mproc_context *ctx, int signo)
{
	struct mproc__signal_use **at, *use;
	int r;

	if ((r = mproc__context_enter(ctx)) < 0)
		return r;
	if ((at = use_of(ctx, signo)) == NULL)
		return mproc__err(-ENOENT, "signal %d is not asked for",
		    signo);
	use = *at;
	*at = use->next;
	give_slot(ctx, signo);
	free(use);
	return 0;
}

void
mproc__context_signals_run(struct mproc_context *ctx)
{
	struct mproc__signal_use **at;
	struct slot *slot;
	int signo;

	if (ctx->signals == NULL)
		return;
	for (signo = 1; signo < NSIG; signo++) {
		if ((at = use_of(ctx, signo)) == NULL)
			continue;
		pthread_mutex_lock(&lock);
		slot = slot_of(ctx, signo);
		pthread_mutex_unlock(&lock);
		if (slot == NULL || !atomic_exchange(&slot->pending, false) ||
		    mproc__context_is_quiet(ctx))
			continue;
		ctx->calls++;
		(*at)->fn(ctx, signo, (*at)->arg);
	}
}

void
mproc__context_signals_done(struct mproc_context *ctx)
{
	struct mproc__signal_use *use;

	while ((use = ctx->signals) != NULL) {
		ctx->signals = use->next;
		give_slot(ctx, use->signo);
		free(use);
	}
}

/* The first: stop in order.  Those after it: kill what has not stopped. */
static void
on_stop_signal(struct mproc_context *ctx, int signo, void *arg)
{
	(void)arg;
	if (mproc_context_going(ctx)) {
		atomic_store(&ctx->stop_signal, signo);
		(void)mproc_context_stop(ctx);
	} else {
		ctx->kill_next = true;
	}
}

int
mproc_context_stop_on_signals(struct mproc_context *ctx)
{
	bool had;
	int r;

	if ((r = mproc__context_enter_live(ctx)) < 0)
		return r;
	had = use_of(ctx, SIGINT) != NULL;
	if ((r = mproc_context_signal(ctx, SIGINT, on_stop_signal, NULL)) < 0)
		return r;
	r = mproc_context_signal(ctx, SIGTERM, on_stop_signal, NULL);
	if (r < 0 && !had)
		(void)mproc_context_unsignal(ctx, SIGINT);
	return r;
}

int
mproc_context_stop_signal(const struct mproc_context *ctx)
{
	return ctx != NULL ? atomic_load(&ctx->stop_signal) : 0;
}

/* A program's own handlers are not for the context's thread; faults are. */
void
mproc__context_mask(sigset_t *ret_old)
{
	static const int faults[] = {
		SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS,
		SIGPROF
	};
	sigset_t all;
	size_t i;

	sigfillset(&all);
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(&all, faults[i]);
	(void)pthread_sigmask(SIG_BLOCK, &all, ret_old);
}

void
mproc__context_unmask(const sigset_t *old)
{
	(void)pthread_sigmask(SIG_SETMASK, old, NULL);
}
