/*
 * Waits under a rain of signals: none ends early, none lasts for ever.
 */
#include <sys/time.h>

#include <pthread.h>

#include "child.h"

static volatile sig_atomic_t alarms;

static void
count_alarm(int sig)
{
	(void)sig;
	alarms++;
}

/* SIGALRM every millisecond, to whoever waits; main() has set the handler */
static int
start_rain(void **state)
{
	const struct itimerval every_ms = { { 0, 1000 }, { 0, 1000 } };

	(void)state;
	alarms = 0;
	return setitimer(ITIMER_REAL, &every_ms, NULL);
}

static int
end_rain(void **state)
{
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };

	(void)state;
	return setitimer(ITIMER_REAL, &never, NULL);
}

/* Generous above: the machine may be busy; exact below. */
static void
check_lasted(int64_t begin, int ms)
{
	int64_t lasted = mproc__now_ns() - begin;

	assert_true(lasted >= ms * MS);
	assert_true(lasted < (ms + 2000) * MS);
	assert_true(alarms > 0);
}

static void
vk67_sigalrm_every_ms_select(void **state)
{
	int64_t begin = mproc__now_ns();
	fd_set set;
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	FD_ZERO(&set);
	FD_SET(p[0], &set);
	assert_int_equal(mproc_select(p[0] + 1, &set, NULL, NULL, 100), 0);
	assert_false(FD_ISSET(p[0], &set));
	check_lasted(begin, 100);
	close(p[0]);
	close(p[1]);
}

static void
vk67_sigalrm_every_ms_poll(void **state)
{
	struct pollfd pfd = { .events = POLLIN };
	int64_t begin = mproc__now_ns();
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	pfd.fd = p[0];
	assert_int_equal(mproc_poll(&pfd, 1, 100), 0);
	check_lasted(begin, 100);
	close(p[0]);
	close(p[1]);
}

static void
vk67_sigalrm_every_ms_event(void **state)
{
	struct mproc_event *ev;
	int64_t begin;

	(void)state;
	assert_int_equal(mproc_event_new(NULL, &ev), 0);
	begin = mproc__now_ns();
	assert_int_equal(mproc_event_wait(ev, 100), -ETIMEDOUT);
	check_lasted(begin, 100);
	mproc_event_free(ev);
}

static void
vk67_sigalrm_every_ms_event_fd(void **state)
{
	const struct mproc_event_options options = { .selectable = true };
	struct mproc_event *ev;
	int64_t begin;
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	assert_int_equal(mproc_event_new(&options, &ev), 0);
	begin = mproc__now_ns();
	assert_int_equal(mproc_event_wait_fd(ev, p[0], 100), -ETIMEDOUT);
	check_lasted(begin, 100);
	mproc_event_free(ev);
	close(p[0]);
	close(p[1]);
}

static void
vk67_sigalrm_every_ms_reserve(void **state)
{
	struct mproc_event_group *eg;
	int64_t begin, token;

	(void)state;
	assert_int_equal(mproc_event_group_new(1, NULL, &eg), 0);
	assert_int_equal(mproc_event_group_reserve(eg, &token), 0);
	begin = mproc__now_ns();
	assert_int_equal(mproc_event_group_reserve_wait(eg, 100, &token),
	    -ETIMEDOUT);
	check_lasted(begin, 100);
	mproc_event_group_free(eg);
}

static void
vk67_select_says_what_is_ready(void **state)
{
	fd_set rd, wr, ex;
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	FD_ZERO(&rd);
	FD_ZERO(&wr);
	FD_ZERO(&ex);
	FD_SET(p[0], &rd);
	FD_SET(p[1], &wr);
	FD_SET(p[0], &ex);
	assert_int_equal(mproc_select(p[1] + 1, &rd, &wr, &ex, -1), 1);
	assert_false(FD_ISSET(p[0], &rd));
	assert_true(FD_ISSET(p[1], &wr));
	assert_int_equal(write(p[1], "x", 1), 1);
	FD_SET(p[0], &rd);
	assert_int_equal(mproc_select(p[1] + 1, &rd, NULL, NULL, 0), 1);
	close(p[0]);
	close(p[1]);
	/* Closed: refused, and the set as it was */
	assert_int_equal(mproc_select(p[1] + 1, &rd, NULL, NULL, 0), -EBADF);
	assert_true(FD_ISSET(p[0], &rd));
	assert_int_equal(mproc_select(-1, NULL, NULL, NULL, 0), -EINVAL);
	assert_int_equal(mproc_select(FD_SETSIZE + 1, NULL, NULL, NULL, 0),
	    -EINVAL);
	assert_int_equal(mproc_select(0, NULL, NULL, NULL, 0), 0);
}

static void
vk67_poll_says_what_is_ready(void **state)
{
	struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLOUT } };
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	fds[0].fd = p[0];
	fds[1].fd = p[1];
	assert_int_equal(mproc_poll(fds, 2, -1), 1);
	assert_int_equal(fds[0].revents, 0);
	assert_int_equal(fds[1].revents, POLLOUT);
	assert_int_equal(mproc_poll(NULL, 0, 0), 0);
	assert_int_equal(mproc_poll(NULL, 1, 0), -EINVAL);
	assert_int_equal(mproc_poll(fds, SIZE_MAX, 0), -EINVAL);
	close(p[0]);
	close(p[1]);
}

#define RAIN(fn) cmocka_unit_test_setup_teardown(fn, start_rain, end_rain)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RAIN(vk67_sigalrm_every_ms_select),
		RAIN(vk67_sigalrm_every_ms_poll),
		RAIN(vk67_sigalrm_every_ms_event),
		RAIN(vk67_sigalrm_every_ms_event_fd),
		RAIN(vk67_sigalrm_every_ms_reserve),
		cmocka_unit_test(vk67_select_says_what_is_ready),
		cmocka_unit_test(vk67_poll_says_what_is_ready),
	};
	/* Without SA_RESTART; to the end, for the last one may come late. */
	struct sigaction sa = { .sa_handler = count_alarm };

	if (sigaction(SIGALRM, &sa, NULL) < 0)
		return 1;
	return TEST_RUN(tests);
}
