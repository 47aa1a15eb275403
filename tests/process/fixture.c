#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "system/system.h"

enum mproc_launch fix_placements[4] = {
	MPROC_FORKSERVER, MPROC_FORK, MPROC_SPAWN, MPROC_THREAD
};

int
fix_run(const struct CMUnitTest *tests, size_t n)
{
	struct CMUnitTest *some;
	size_t i, kept = 0;
	int r;

	if (!test_on_valgrind())
		return test_run(tests, n);
	if ((some = calloc(n, sizeof(*some))) == NULL)
		return EXIT_FAILURE;
	for (i = 0; i < n; i++)
		if (tests[i].initial_state != &fix_placements[2])
			some[kept++] = tests[i];
	printf("valgrind: %zu tests of MPROC_SPAWN left out\n", n - kept);
	r = test_run(some, kept);
	free(some);
	return r;
}

struct mproc *
fix_new(const struct mproc_class *cls, struct mproc_options opt)
{
	struct mproc *p;

	if (mproc_new(cls, &opt, &p) < 0)
		fail_msg("mproc_new: %s", mproc_errmsg(NULL));
	return p;
}

struct mproc *
fix_start(void **state, struct mproc_options opt)
{
	struct mproc *p;

	opt.launch = fix_placement(state);
	p = fix_new(&probe_class, opt);
	if (mproc_start(p) < 0)
		fail_msg("mproc_start: %s", mproc_errmsg(p));
	return p;
}

struct mproc *
fix_plain(void)
{
	void *state = &fix_placements[0];

	return fix_start(&state, (struct mproc_options){ .name = NULL });
}

void
fix_law(struct mproc *p, struct mproc_stats *ret_stats)
{
	struct mproc_stats s;

	assert_int_equal(mproc_stats(p, &s), 0);
	assert_int_equal(s.in_flight, 0);
	assert_int_equal(s.dropped, s.dropped_overflow + s.dropped_stop +
	    s.dropped_dead);
	assert_int_equal(s.sent, s.handled + s.failed + s.dropped +
	    s.expired);
	if (ret_stats != NULL)
		*ret_stats = s;
}

void
fix_finish(struct mproc *p)
{
	if (mproc_stop(p) != 0)
		fail_msg("mproc_stop: %s", mproc_errmsg(p));
	fix_law(p, NULL);
	mproc_free(p);
}

int64_t
fix_summed(struct mproc *p, int64_t *ret_count)
{
	const struct probe_summed *t;
	struct mproc_msg *reply;
	int64_t sum;

	assert_int_equal(mproc_call(p, SOON, &reply, probe_sum), 0);
	t = mproc_args(reply, probe_summed);
	assert_non_null(t);
	assert_true(t->in_order);
	sum = t->sum;
	*ret_count = t->count;
	mproc_msg_free(reply);
	return sum;
}

bool
fix_until(bool (*condition)(void *), void *arg)
{
	int64_t end = test_now_ms() + SOON;

	while (!condition(arg)) {
		if (test_now_ms() >= end)
			return false;
		(void)poll(NULL, 0, 1);
	}
	return true;
}

void
fix_runs(struct mproc *p, const char *command)
{
	int64_t end = test_now_ms() + SOON;
	struct mproc_activity a;

	for (;;) {
		assert_int_equal(mproc_activity(p, &a), 0);
		if (strcmp(a.command, command) == 0)
			return;
		if (test_now_ms() >= end)
			fail_msg("it runs \"%s\", not %s", a.command, command);
		(void)poll(NULL, 0, 1);
	}
}

const struct mproc_death *
fix_dead(struct mproc *p)
{
	const struct mproc_death *d;

	assert_int_equal(mproc_wait_stop(p, SOON), 0);
	assert_int_equal(mproc_status(p), MPROC_STATUS_DEAD);
	d = mproc_death(p);
	assert_non_null(d);
	return d;
}

int64_t
fix_receive_all(struct mproc *p, int64_t *ret_last)
{
	const struct probe_item *t;
	struct mproc_msg *msg;
	int64_t n = 0;
	int r;

	while ((r = mproc_recv(p, SOON, &msg)) == 1) {
		t = mproc_args(msg, probe_item);
		assert_non_null(t);
		*ret_last = t->n;
		mproc_msg_free(msg);
		n++;
	}
	assert_int_equal(r, -EPIPE);
	return n;
}

const char *
fix_path(void)
{
	static char path[4][64];
	static int n;
	char *at = path[++n % 4];

	snprintf(at, sizeof(path[0]), "/tmp/mproc-test-%d-%d", getpid(), n);
	(void)unlink(at);
	return at;
}

bool
fix_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

long
fix_proc_number(pid_t pid, const char *field)
{
	char path[64], line[256];
	size_t len = strlen(field);
	long n = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if ((f = fopen(path, "re")) == NULL)
		return -1;
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, field, len) == 0 && line[len] == ':')
			n = strtol(line + len + 1, NULL, 10);
	fclose(f);
	return n;
}

bool
fix_gone(pid_t pid, int ms)
{
	int pidfd, revents;

	if (mproc__pidfd_open(pid, &pidfd) < 0)
		return true;
	revents = test_poll(pidfd, POLLIN, ms);
	close(pidfd);
	return revents != 0;
}

_Noreturn void
fix_check_failed(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: in a fork: not true: %s (%s)\n", file, line,
	    what, mproc_errmsg(NULL));
	_exit(70);
}

void
fix_in_fork(void (*fn)(void))
{
	int status = 0;
	pid_t pid;

	fflush(NULL);
	assert_true((pid = fork()) >= 0);
	if (pid == 0) {
		(void)alarm(60);	/* it would hang the parent */
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("the fork ended with status 0x%x", status);
}
