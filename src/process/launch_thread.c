/*
 * launch_thread.c - MPROC_THREAD: a backend inside this process, for
 * debuggers.
 *
 * The box lives until both the thread and the frontend have let go of it, so
 * that a thread that never ends can be left alone.  The thread keeps a copy
 * of the log end beyond mproc__backend_main(): the flag is set first, then
 * the copy closed, and the hang-up makes the frontend look at the flag.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "process/boot.h"

struct mproc__thread_box {
	struct mproc__boot boot;
	int		 last_end;	/* closed when all is over */
	int		 status;
	_Atomic bool	 done;
	_Atomic int	 owners;
	char		 name[16];	/* a thread's, 15 bytes */
};

bool
mproc__box_done(const struct mproc__thread_box *box)
{
	return atomic_load_explicit(&box->done, memory_order_acquire);
}

int
mproc__box_status(const struct mproc__thread_box *box)
{
	return box->status;
}

void
mproc__box_put(struct mproc__thread_box *box)
{
	if (box != NULL && atomic_fetch_sub(&box->owners, 1) == 1)
		free(box);
}

static void *
run(void *arg)
{
	struct mproc__thread_box *box = arg;
	int last = box->last_end;

	(void)pthread_setname_np(pthread_self(), box->name);
	box->status = mproc__backend_main(&box->boot) & 0xff;
	atomic_store_explicit(&box->done, true, memory_order_release);
	mproc__box_put(box);
	mproc__hang_up(last);	/* a fork of the host may hold a copy */
	mproc__close(last);
	return NULL;
}

void
mproc__thread_signals(sigset_t *ret_old)
{
	static const int faults[] = {
		SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT
	};
	sigset_t mask;
	size_t i;

	(void)sigfillset(&mask);
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		(void)sigdelset(&mask, faults[i]);
	(void)pthread_sigmask(SIG_SETMASK, &mask, ret_old);
}

void
mproc__restore_signals(const sigset_t *old)
{
	(void)pthread_sigmask(SIG_SETMASK, old, NULL);
}

static int
new_box(const struct mproc__launch *l, struct mproc__thread_box **ret)
{
	struct mproc__thread_box *box;
	size_t len = strlen(l->name);
	int last;

	last = mproc__dup(l->fd[MPROC__BOOT_LOG]);
	if (last < 0) {
		(void)mproc__fd_error(last, "thread");	/* for its text */
		return last;
	}
	if ((box = calloc(1, sizeof(*box))) == NULL) {
		mproc__close(last);
		return mproc__err(-ENOMEM, "thread: no memory");
	}
	box->boot.class = l->class;
	box->boot.parent_pidfd = -1;
	box->boot.is_thread = true;
	memcpy(box->boot.fd, l->fd, sizeof(box->boot.fd));
	memcpy(box->name, l->name,
	    len < sizeof(box->name) ? len : sizeof(box->name) - 1);
	box->owners = 2;
	box->last_end = last;
	*ret = box;
	return 0;
}

int
mproc__launch_thread(const struct mproc__launch *l, struct mproc__child *ret)
{
	struct mproc__thread_box *box = NULL;
	pthread_t thread;
	sigset_t old;
	int r;

	if ((r = new_box(l, &box)) < 0)
		return r;
	mproc__thread_signals(&old);
	r = pthread_create(&thread, NULL, run, box);
	mproc__restore_signals(&old);
	if (r != 0) {
		mproc__close(box->last_end);
		free(box);
		return mproc__err(-r, "pthread_create: %s", strerror(r));
	}
	ret->thread = thread;
	ret->box = box;
	return 0;
}
