/*
 * MPROC_SYNC_INDEX: the block that waits, and every way out of it.
 */
#include "child.h"

static const struct mproc_event_options selectable = { .selectable = true };

static struct mproc_event_group *
new_group(int n, const struct mproc_event_options *options)
{
	struct mproc_event_group *eg = NULL;

	assert_int_equal(mproc_event_group_new(n, options, &eg), 0);
	return eg;
}

static void
all_free(struct mproc_event_group *eg)
{
	int n_free, total;

	assert_int_equal(mproc_event_group_stat(eg, &n_free, &total), 0);
	assert_int_equal(n_free, total);
}

struct job {
	struct mproc_event_group *eg;
	int	index;
};

static int
child_sets(void *arg)
{
	struct job *job = arg;

	return mproc_event_group_set(job->eg, job->index) == 0 ? 0 : 1;
}

static void
vk66_waits_for_the_other_side(void **state)
{
	struct mproc_event_group *eg = new_group(2, NULL);
	struct job job = { .eg = eg };
	pid_t pid = -1;
	int r = 77;

	(void)state;
	MPROC_SYNC_INDEX(eg, sync, BOUND_MS, &r) {
		job.index = sync;
		assert_int_equal(r, -ECANCELED);
		pid = start_child(child_sets, &job);
	}
	assert_int_equal(r, 0);
	assert_int_equal(end_child(pid), 0);
	all_free(eg);
	mproc_event_group_free(eg);
}

static void
vk66_time_limit(void **state)
{
	struct mproc_event_group *eg = new_group(1, NULL);
	int64_t begin = mproc__now_ns();
	int r = 77;

	(void)state;
	MPROC_SYNC_INDEX(eg, sync, 20, &r)
		assert_int_equal(sync, 0);
	assert_int_equal(r, -ETIMEDOUT);
	assert_true(mproc__now_ns() - begin >= 20 * MS);
	all_free(eg);
	/* The result is nobody's business; the index is not used. */
	MPROC_SYNC_INDEX(eg, unused, 0, NULL) {
		begin = 0;
	}
	assert_true(begin == 0);
	all_free(eg);
	mproc_event_group_free(eg);
}

static int
leave_by_return(struct mproc_event_group *eg, int *result)
{
	MPROC_SYNC_INDEX(eg, sync, -1, result) {
		return sync + 5;
	}
	return -1;
}

/* None of these may wait: nobody would ever set the event. */
static void
vk66_leaving_early_does_not_wait(void **state)
{
	struct mproc_event_group *eg = new_group(1, NULL);
	int r = 77, after = 0;

	(void)state;
	MPROC_SYNC_INDEX(eg, sync, -1, &r) {
		if (sync == 0)
			break;
		after = 1;
	}
	assert_int_equal(r, -ECANCELED);
	assert_int_equal(after, 0);
	all_free(eg);
	assert_int_equal(leave_by_return(eg, &r), 5);
	assert_int_equal(r, -ECANCELED);
	all_free(eg);
	MPROC_SYNC_INDEX(eg, sync, -1, &r) {
		r = sync;
		goto out;
	}
	after = 1;
out:
	assert_int_equal(after, 0);
	all_free(eg);
	mproc_event_group_free(eg);
}

static void
vk66_continue_ends_the_block(void **state)
{
	struct mproc_event_group *eg = new_group(1, NULL);
	int n = 0, r = 77;

	(void)state;
	MPROC_SYNC_INDEX(eg, sync, -1, &r) {
		n++;
		assert_int_equal(mproc_event_group_set(eg, sync), 0);
		if (n > 0)
			continue;
		n = 100;
	}
	assert_int_equal(n, 1);
	assert_int_equal(r, 0);
	all_free(eg);
	mproc_event_group_free(eg);
}

static void
vk66_nested_and_not_enough(void **state)
{
	struct mproc_event_group *eg = new_group(2, NULL);
	int a = 77, b = 77, c = 77, runs = 0;

	(void)state;
	MPROC_SYNC_INDEX(eg, one, -1, &a) {
		MPROC_SYNC_INDEX(eg, two, -1, &b) {
			assert_int_not_equal(one, two);
			MPROC_SYNC_INDEX(eg, three, -1, &c)
				runs += three + 1;
			mproc_event_group_set(eg, two);
		}
		mproc_event_group_set(eg, one);
	}
	assert_int_equal(a, 0);
	assert_int_equal(b, 0);
	assert_int_equal(c, -EAGAIN);
	assert_int_equal(runs, 0);
	all_free(eg);
	MPROC_SYNC_INDEX(NULL, none, -1, &c)
		runs += none + 1;
	assert_int_equal(c, -EINVAL);
	assert_int_equal(runs, 0);
	mproc_event_group_free(eg);
}

static int
child_dies(void *arg)
{
	close(*(int *)arg);
	raise(SIGKILL);
	return 0;
}

static void
vk66_backend_dies_before_set(void **state)
{
	struct mproc_event_group *eg = new_group(2, &selectable);
	int64_t begin = mproc__now_ns();
	int lifeline[2], r = 77;
	pid_t pid = -1;

	(void)state;
	assert_int_equal(pipe(lifeline), 0);
	MPROC_SYNC_INDEX(eg, sync, -1, &r, .abort_fd = lifeline[0]) {
		assert_in_range(sync, 0, 1);
		pid = start_child(child_dies, &lifeline[0]);
		close(lifeline[1]);
	}
	assert_int_equal(r, -EPIPE);
	assert_true(mproc__now_ns() - begin < BOUND_MS / 2 * MS);
	assert_int_equal(end_child(pid), 128 + SIGKILL);
	close(lifeline[0]);
	all_free(eg);
	mproc_event_group_free(eg);
}

/* The same by a pidfd */
static int
child_waits_to_die(void *arg)
{
	(void)arg;
	while (pause() < 0)
		continue;
	return 1;
}

static void
vk66_backend_dies_seen_by_pidfd(void **state)
{
	struct mproc_event_group *eg = new_group(1, &selectable);
	int pidfd, r = 77;
	pid_t pid;

	(void)state;
	pid = start_child(child_waits_to_die, NULL);
	assert_int_equal(mproc__pidfd_open(pid, &pidfd), 0);
	MPROC_SYNC_INDEX(eg, sync, -1, &r, .abort_fd = pidfd) {
		assert_int_equal(sync, 0);
		mproc__pidfd_signal(pidfd, SIGKILL);
	}
	assert_int_equal(r, -EPIPE);
	close(pidfd);
	assert_int_equal(end_child(pid), 128 + SIGKILL);
	all_free(eg);
	mproc_event_group_free(eg);
}

static void
vk66_abort_fd_wants_a_selectable_group(void **state)
{
	struct mproc_event_group *eg = new_group(1, NULL);
	int r = 77, runs = 0;

	(void)state;
	MPROC_SYNC_INDEX(eg, sync, -1, &r, .abort_fd = 2)
		runs += sync + 1;
	assert_int_equal(r, -EOPNOTSUPP);
	assert_int_equal(runs, 0);
	all_free(eg);
	mproc_event_group_free(eg);
}

static void
vk66_aborted_by_code(void **state)
{
	struct mproc_event_group *eg = new_group(1, NULL);
	int r = 77;

	(void)state;
	MPROC_SYNC_INDEX(eg, sync, -1, &r)
		mproc_event_group_abort(eg, sync, -EREMOTEIO);
	assert_int_equal(r, -EREMOTEIO);
	all_free(eg);
	/* The next holder starts afresh. */
	MPROC_SYNC_INDEX(eg, sync, -1, &r)
		mproc_event_group_set(eg, sync);
	assert_int_equal(r, 0);
	mproc_event_group_free(eg);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vk66_waits_for_the_other_side),
		cmocka_unit_test(vk66_time_limit),
		cmocka_unit_test(vk66_leaving_early_does_not_wait),
		cmocka_unit_test(vk66_continue_ends_the_block),
		cmocka_unit_test(vk66_nested_and_not_enough),
		cmocka_unit_test(vk66_backend_dies_before_set),
		cmocka_unit_test(vk66_backend_dies_seen_by_pidfd),
		cmocka_unit_test(vk66_abort_fd_wants_a_selectable_group),
		cmocka_unit_test(vk66_aborted_by_code),
	};

	return TEST_RUN(tests);
}
