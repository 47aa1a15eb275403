/*
 * child.c - what a new process does before it is a backend, and how it ends.
 *
 * It may be the fork of a program with threads, whose locks may be held for
 * ever: up to mproc__backend_main() nothing here allocates, or takes a lock
 * other than those that fork(3) renews.
 */
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <fcntl.h>

#include "process/boot.h"
#include "process/page.h"

/*
 * A build for coverage, or with a leak checker, does its work at exit(3),
 * which a backend does not call.
 */
#ifdef MPROC_COVERAGE
extern void __gcov_dump(void);
extern void __gcov_reset(void);
#define HAVE_GCOV	true
#else
#define HAVE_GCOV	(__gcov_dump != NULL && __gcov_reset != NULL)
extern void __gcov_dump(void) __attribute__((weak));
extern void __gcov_reset(void) __attribute__((weak));
#endif
extern int __llvm_profile_write_file(void) __attribute__((weak));
extern void __lsan_do_leak_check(void) __attribute__((weak));

static bool check_leaks;

void
mproc__block_signals(sigset_t *ret_old)
{
	sigset_t all;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, ret_old);
}

void
mproc__unblock_signals(void)
{
	sigset_t none;

	(void)sigemptyset(&none);
	(void)pthread_sigmask(SIG_SETMASK, &none, NULL);
}

void
mproc__terminal_signals(sigset_t *ret_set)
{
	(void)sigemptyset(ret_set);
	(void)sigaddset(ret_set, SIGINT);
	(void)sigaddset(ret_set, SIGQUIT);
	(void)sigaddset(ret_set, SIGTSTP);
}

/*
 * What was typed at the terminal before this process had a group of its own
 * was for the program: ignoring a pending signal discards it.
 */
void
mproc__default_signals(uint64_t set)
{
	struct sigaction sa = { .sa_flags = 0 };
	sigset_t typed;
	int sig;

	mproc__terminal_signals(&typed);
	sa.sa_handler = SIG_IGN;
	for (sig = 1; sig <= SIGRTMAX; sig++)
		if (sigismember(&typed, sig) == 1)
			(void)sigaction(sig, &sa, NULL);
	sa.sa_handler = SIG_DFL;
	/* SIGKILL, SIGSTOP and the C library's own two refuse: fine. */
	for (sig = 1; sig <= SIGRTMAX; sig++)
		if ((set & MPROC__SIGNAL_BIT(sig)) != 0 ||
		    sigismember(&typed, sig) == 1)
			(void)sigaction(sig, &sa, NULL);
}

/* All of them, unless the frontend has said by now which will do. */
static void
reset_signals(const struct mproc__birth *b)
{
	struct sigaction sa = { .sa_flags = 0 };
	uint64_t set = b->page != NULL ? atomic_load(&b->page->signals) : 0;

	if (!b->is_clean)
		mproc__default_signals(set != 0 ? set : UINT64_MAX);
	if (b->sigint_default)
		return;
	sa.sa_handler = SIG_IGN;
	(void)sigaction(SIGINT, &sa, NULL);
}

static void
take_capture(const int capture[2])
{
	int i;

	for (i = 0; i < 2; i++)
		if (capture[i] >= 0)
			(void)dup2(capture[i], STDOUT_FILENO + i);
}

static void
close_others(const struct mproc__birth *b)
{
	int keep[MPROC__BOOT_FDS + 3 + MPROC__KEEP_MAX];
	int i, n = 0;

	for (i = 0; i <= STDERR_FILENO; i++)
		keep[n++] = i;
	for (i = 0; i < MPROC__BOOT_FDS; i++)
		keep[n++] = b->fd[i];
	for (i = 0; i < b->n_keep && i < MPROC__KEEP_MAX; i++)
		keep[n++] = b->keep[i];
	(void)mproc__close_all_but(keep, n);
}

/*
 * What the parent had not written yet is the parent's.  To look costs
 * nothing; to empty a stream would be a page that is not shared any more.
 */
void
mproc__forget_output(FILE *f)
{
	if (__fpending(f) > 0)
		__fpurge(f);
}

void
mproc__flush_output(FILE *f)
{
	if (__fpending(f) > 0)
		(void)fflush(f);
}

_Noreturn void
mproc__child_run(const struct mproc__birth *b)
{
	struct mproc__boot boot = { .class = b->class, .page = b->page };

	(void)setpgid(0, 0);
	mproc__forget_output(stdout);
	mproc__forget_output(stderr);
	/* syslog's lock is not among those that fork(3) renews. */
	if (!b->was_threaded && !b->is_clean)
		closelog();
	check_leaks = !b->was_threaded;
	take_capture(b->capture);
	close_others(b);
	mproc__title_set(b->name, b->class->name, b->name);
	reset_signals(b);
	mproc__term_init(b->fd[MPROC__BOOT_LOG], b->parent);
	/* without one the control channel still tells */
	if (mproc__pidfd_open(b->parent, &boot.parent_pidfd) < 0)
		boot.parent_pidfd = -1;
	memcpy(boot.fd, b->fd, sizeof(boot.fd));
	/* Before anyone would have told us; whose pidfd it is, is not known. */
	if (getppid() != b->parent)
		_exit(1);
	mproc__unblock_signals();
	mproc__backend_exit(mproc__backend_main(&boot));
}

void
mproc__restart_coverage(void)
{
	if (HAVE_GCOV)
		__gcov_reset();
}

static void
dump_coverage(void)
{
	if (HAVE_GCOV)
		__gcov_dump();
	if (__llvm_profile_write_file != NULL)
		(void)__llvm_profile_write_file();
}

static void
find_leaks(void)
{
	/* The stacks of threads that are gone would look like leaks. */
	if (check_leaks && __lsan_do_leak_check != NULL)
		__lsan_do_leak_check();
}

void
mproc__run_exit_hooks(void)
{
	dump_coverage();
	find_leaks();
}

_Noreturn void
mproc__backend_exit(int status)
{
	mproc__flush_output(stdout);
	mproc__flush_output(stderr);
	dump_coverage();
	/*
	 * A living parent kills what is left of the group and wants a status.
	 * Before the leak checker, too: that takes its time, with signals
	 * blocked, and the kernel's SIGKILL spares the group.
	 */
	mproc__term_leave_nobody();
	find_leaks();
	mproc__term_leave_nobody();
	mproc__backend_hang_up();
	_exit(status);
}
