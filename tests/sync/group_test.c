/*
 * Event groups: handing out, giving back, by index and by token, in many
 * threads and processes.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>

#include "child.h"

#define THREADS 8

static const struct mproc_event_options selectable = { .selectable = true };

static struct mproc_event_group *
new_group(int n)
{
	struct mproc_event_group *eg = NULL;

	assert_int_equal(mproc_event_group_new(n, NULL, &eg), 0);
	return eg;
}

static void
check_free(struct mproc_event_group *eg, int free_wanted, int total_wanted)
{
	int n_free = -1, total = -1;

	assert_int_equal(mproc_event_group_stat(eg, &n_free, &total), 0);
	assert_int_equal(n_free, free_wanted);
	assert_int_equal(total, total_wanted);
}

static void
vk55_group_of_n(void **state)
{
	struct mproc_event_group *eg = NULL;

	(void)state;
	assert_int_equal(mproc_event_group_new(0, NULL, &eg), -EINVAL);
	assert_int_equal(mproc_event_group_new(-1, NULL, &eg), -EINVAL);
	assert_int_equal(mproc_event_group_new(MPROC_EVENT_GROUP_MAX + 1,
	    NULL, &eg), -EINVAL);
	assert_int_equal(mproc_event_group_new(1, NULL, NULL), -EINVAL);
	assert_null(eg);
	eg = new_group(MPROC_EVENT_GROUP_MAX);
	check_free(eg, MPROC_EVENT_GROUP_MAX, MPROC_EVENT_GROUP_MAX);
	assert_null(mproc_event_group_free(eg));
	assert_null(mproc_event_group_free(NULL));
}

static int
child_sets_by_index(void *arg)
{
	struct mproc_event_group *eg = arg;

	return mproc_event_group_set(eg, 1) == 0 &&
	    mproc_event_group_set(eg, 2) == -EINVAL ? 0 : 1;
}

static void
vk56_set_by_index_from_a_child(void **state)
{
	struct mproc_event_group *eg = new_group(2);
	struct mproc_event *ev;

	(void)state;
	assert_int_equal(mproc_event_group_from_index(eg, 1, &ev), 0);
	assert_int_equal(end_child(start_child(child_sets_by_index, eg)), 0);
	assert_true(mproc_event_is_set(ev));	/* also while free */
	assert_int_equal(mproc_event_group_set(eg, -1), -EINVAL);
	assert_int_equal(mproc_event_group_set(NULL, 0), -EINVAL);
	mproc_event_group_free(eg);
}

static void
vk56_stale_token_sets_nothing(void **state)
{
	struct mproc_event_group *eg = new_group(1);
	int64_t old, token;

	(void)state;
	assert_int_equal(mproc_event_group_reserve(eg, &old), 0);
	assert_int_equal(mproc_event_group_release(eg, old), 0);
	assert_int_equal(mproc_event_group_set(eg, old), -ESTALE);
	assert_int_equal(mproc_event_group_reserve(eg, &token), 0);
	assert_true(old != token);
	assert_true(token > 0);
	assert_int_equal(mproc_token_index(token), mproc_token_index(old));
	assert_int_equal(mproc_event_group_set(eg, old), -ESTALE);
	assert_int_equal(mproc_event_group_abort(eg, old, -EPIPE), -ESTALE);
	assert_int_equal(mproc_event_group_wait(eg, old, -1, -1), -ESTALE);
	assert_int_equal(mproc_event_group_wait(eg, token, -1, 0),
	    -ETIMEDOUT);
	assert_int_equal(mproc_event_group_set(eg, token), 0);
	assert_int_equal(mproc_event_group_wait(eg, token, -1, -1), 0);
	mproc_event_group_free(eg);
}

/* Reserved events come cleared, the one free longest first. */
static void
vk57_reserve_clears_and_takes_turns(void **state)
{
	struct mproc_event_group *eg = new_group(3);
	struct mproc_event *ev;
	int64_t token;
	int i;

	(void)state;
	for (i = 0; i < 7; i++) {
		assert_int_equal(mproc_event_group_set(eg, i % 3), 0);
		assert_int_equal(mproc_event_group_reserve(eg, &token), 0);
		assert_int_equal(mproc_token_index(token), i % 3);
		assert_int_equal(mproc_event_group_from_index(eg, token, &ev),
		    0);
		assert_false(mproc_event_is_set(ev));
		assert_int_equal(mproc_event_group_release(eg, token), 0);
	}
	assert_int_equal(mproc_event_group_reserve(eg, NULL), -EINVAL);
	assert_int_equal(mproc_event_group_reserve(NULL, &token), -EINVAL);
	mproc_event_group_free(eg);
}

struct race {
	struct mproc_event_group *eg;
	_Atomic int holders[4];
	_Atomic int wrong;
	int	rounds;
};

static void *
thread_reserves(void *arg)
{
	struct race *race = arg;
	int64_t token;
	int i, index;

	for (i = 0; i < race->rounds; i++) {
		if (mproc_event_group_reserve_wait(race->eg, BOUND_MS,
		    &token) != 0) {
			atomic_fetch_add(&race->wrong, 1);
			continue;
		}
		index = mproc_token_index(token);
		if (atomic_fetch_add(&race->holders[index], 1) != 0)
			atomic_fetch_add(&race->wrong, 1);
		atomic_fetch_sub(&race->holders[index], 1);
		if (mproc_event_group_release(race->eg, token) != 0)
			atomic_fetch_add(&race->wrong, 1);
	}
	return NULL;
}

static void
vk57_reserve_is_exclusive(void **state)
{
	struct race race = {
		.eg = new_group(4),
		.rounds = (int)test_count("MPROC_TEST_ROUNDS", 2000)
	};
	pthread_t threads[THREADS];
	int i;

	(void)state;
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
		    thread_reserves, &race), 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(race.wrong, 0);
	check_free(race.eg, 4, 4);
	mproc_event_group_free(race.eg);
}

static int
child_reserves(void *arg)
{
	thread_reserves(arg);
	return ((struct race *)arg)->wrong == 0 ? 0 : 1;
}

/* The same among processes; only the shared memory knows of the others. */
static void
vk57_reserve_among_processes(void **state)
{
	struct race race = { .eg = new_group(2), .rounds = 500 };
	pid_t pids[4];
	int i;

	(void)state;
	for (i = 0; i < 4; i++)
		pids[i] = start_child(child_reserves, &race);
	for (i = 0; i < 4; i++)
		assert_int_equal(end_child(pids[i]), 0);
	check_free(race.eg, 2, 2);
	mproc_event_group_free(race.eg);
}

static void *
thread_waits_for_one(void *arg)
{
	int64_t token;
	int r = mproc_event_group_reserve_wait(arg, BOUND_MS, &token);

	return (void *)(intptr_t)r;
}

static void
vk58_not_enough_events(void **state)
{
	struct mproc_event_group *eg = new_group(2);
	int64_t a, b, begin, c = -7;
	pthread_t thread;
	void *result;

	(void)state;
	assert_int_equal(mproc_event_group_reserve(eg, &a), 0);
	assert_int_equal(mproc_event_group_reserve(eg, &b), 0);
	assert_int_equal(mproc_event_group_reserve(eg, &c), -EAGAIN);
	assert_non_null(strstr(mproc__err_text(), "not enough events"));
	assert_int_equal(c, -7);
	assert_int_equal(mproc_event_group_reserve_wait(eg, 0, &c),
	    -ETIMEDOUT);
	begin = mproc__now_ns();
	assert_int_equal(mproc_event_group_reserve_wait(eg, 20, &c),
	    -ETIMEDOUT);
	assert_true(mproc__now_ns() - begin >= 20 * MS);
	assert_int_equal(mproc_event_group_reserve_wait(NULL, 0, &c),
	    -EINVAL);
	assert_int_equal(pthread_create(&thread, NULL, thread_waits_for_one,
	    eg), 0);
	assert_int_equal(mproc_event_group_release(eg, b), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_int_equal((intptr_t)result, 0);
	mproc_event_group_free(eg);
}

static void
vk59_double_release_is_refused(void **state)
{
	struct mproc_event_group *eg = new_group(2), *other = new_group(2);
	int64_t token, theirs;

	(void)state;
	assert_int_equal(mproc_event_group_reserve(eg, &token), 0);
	assert_int_equal(mproc_event_group_reserve(other, &theirs), 0);
	assert_int_equal(mproc_event_group_release(eg, theirs), -ESTALE);
	check_free(eg, 1, 2);
	assert_int_equal(mproc_event_group_release(eg, token), 0);
	assert_int_equal(mproc_event_group_release(eg, token), -ESTALE);
	assert_int_equal(mproc_event_group_release(NULL, token), -EINVAL);
	check_free(eg, 2, 2);
	mproc_event_group_free(eg);
	mproc_event_group_free(other);
}

static void
vk60_release_by_index(void **state)
{
	struct mproc_event_group *eg = new_group(2);
	int64_t token;
	int index;

	(void)state;
	assert_int_equal(mproc_event_group_reserve(eg, &token), 0);
	index = mproc_token_index(token);
	assert_int_equal(mproc_event_group_release_index(eg, 2), -EINVAL);
	assert_int_equal(mproc_event_group_release_index(eg, -1), -EINVAL);
	assert_int_equal(mproc_event_group_release_index(eg, 1 - index),
	    -ESTALE);
	assert_int_equal(mproc_event_group_release_index(eg, index), 0);
	assert_int_equal(mproc_event_group_release_index(eg, index), -ESTALE);
	check_free(eg, 2, 2);
	mproc_event_group_free(eg);
}

static void
vk62_index_and_event_are_one(void **state)
{
	struct mproc_event_group *eg = new_group(3), *other = new_group(3);
	struct mproc_event *ev, *same;
	int64_t found, token;
	int index;

	(void)state;
	assert_int_equal(mproc_event_group_reserve(eg, &token), 0);
	index = mproc_token_index(token);
	assert_int_equal(mproc_event_group_from_index(eg, token, &ev), 0);
	assert_int_equal(mproc_event_group_from_index(eg, index, &same), 0);
	assert_ptr_equal(ev, same);
	assert_int_equal(mproc_event_group_as_index(eg, ev), index);
	assert_int_equal(mproc_event_group_as_index(other, ev), -EINVAL);
	assert_int_equal(mproc_event_group_as_index(eg, NULL), -EINVAL);
	assert_int_equal(mproc_event_group_from_index(eg, 3, &ev), -EINVAL);
	assert_int_equal(mproc_event_group_from_index(eg, 0, NULL), -EINVAL);
	assert_int_equal(mproc_event_group_token(eg, index, &found), 0);
	assert_true(found == token);
	assert_int_equal(mproc_event_group_token(eg, index + 1, &found),
	    -ESTALE);
	assert_int_equal(mproc_event_group_token(eg, 3, &found), -EINVAL);
	assert_int_equal(mproc_event_group_token(eg, 0, NULL), -EINVAL);
	assert_null(mproc_event_free(ev));	/* left to its group */
	assert_int_equal(mproc_event_set(ev), 0);
	mproc_event_group_free(eg);
	mproc_event_group_free(other);
}

static void
vk63_print_and_stat(void **state)
{
	struct mproc_event_group *eg = new_group(2);
	char text[64];
	int64_t token;

	(void)state;
	assert_int_equal(mproc_event_group_print(eg, text, sizeof(text)),
	    (int)strlen("<EventGroup: f0 f1 >"));
	assert_string_equal(text, "<EventGroup: f0 f1 >");
	assert_int_equal(mproc_event_group_reserve(eg, &token), 0);
	assert_int_equal(mproc_event_group_reserve(eg, &token), 0);
	assert_int_equal(mproc_event_group_release(eg, 0), 0);
	mproc_event_group_print(eg, text, sizeof(text));
	assert_string_equal(text, "<EventGroup: f0 R1 >");
	assert_int_equal(mproc_event_group_print(eg, text, 15), 20);
	assert_string_equal(text, "<EventGroup: f");
	assert_int_equal(mproc_event_group_print(eg, NULL, 0), 20);
	assert_int_equal(mproc_event_group_print(eg, NULL, 9), -EINVAL);
	assert_int_equal(mproc_event_group_print(NULL, text, 9), -EINVAL);
	assert_int_equal(mproc_event_group_stat(NULL, NULL, NULL), -EINVAL);
	assert_int_equal(mproc_event_group_stat(eg, NULL, NULL), 0);
	mproc_event_group_free(eg);
}

struct by_message {
	struct mproc_event_group *eg;
	int	pipe[2];
};

static int
child_sets_what_it_is_told(void *arg)
{
	struct by_message *m = arg;
	int index;

	if (read(m->pipe[0], &index, sizeof(index)) != sizeof(index))
		return 1;
	return mproc_event_group_set(m->eg, index) == 0 ? 0 : 2;
}

static void
vk64_an_index_travels_in_a_message(void **state)
{
	struct by_message m = { .eg = new_group(5) };
	int64_t token;
	int index;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(m.pipe), 0);
	pid = start_child(child_sets_what_it_is_told, &m);
	assert_int_equal(mproc_event_group_reserve(m.eg, &token), 0);
	index = mproc_token_index(token);
	assert_int_equal(write(m.pipe[1], &index, sizeof(index)),
	    sizeof(index));
	assert_int_equal(mproc_event_group_wait(m.eg, token, -1, BOUND_MS),
	    0);
	assert_int_equal(mproc_event_group_release(m.eg, token), 0);
	assert_int_equal(end_child(pid), 0);
	close(m.pipe[0]);
	close(m.pipe[1]);
	mproc_event_group_free(m.eg);
}

static int
child_sets_seven(void *arg)
{
	return mproc_event_group_set(arg, 7) == 0 ? 0 : 1;
}

static void
vk65_ten_events_in_one_poll(void **state)
{
	struct mproc_event_group *eg;
	struct mproc_event *ev;
	struct pollfd fds[10];
	pid_t pid;
	int i;

	(void)state;
	assert_int_equal(mproc_event_group_new(10, &selectable, &eg), 0);
	for (i = 0; i < 10; i++) {
		assert_int_equal(mproc_event_group_from_index(eg, i, &ev), 0);
		fds[i] = (struct pollfd){ .fd = mproc_event_fd(ev),
		    .events = POLLIN };
	}
	pid = start_child(child_sets_seven, eg);
	assert_int_equal(mproc_poll(fds, 10, BOUND_MS), 1);
	assert_int_equal(fds[7].revents, POLLIN);
	assert_int_equal(end_child(pid), 0);
	mproc_event_group_free(eg);
}

static void
test_reserving_silences_the_descriptor(void **state)
{
	struct mproc_event_group *eg;
	struct mproc_event *ev;
	int64_t token;

	(void)state;
	assert_int_equal(mproc_event_group_new(1, &selectable, &eg), 0);
	assert_int_equal(mproc_event_group_set(eg, 0), 0);
	assert_int_equal(mproc_event_group_from_index(eg, 0, &ev), 0);
	assert_int_equal(test_poll(mproc_event_fd(ev), POLLIN, 0), POLLIN);
	assert_int_equal(mproc_event_group_reserve(eg, &token), 0);
	assert_int_equal(test_poll(mproc_event_fd(ev), POLLIN, 0), 0);
	mproc_event_group_free(eg);
}

static void *
thread_waits_by_token(void *arg)
{
	struct mproc_event_group *eg = arg;
	int64_t token;

	if (mproc_event_group_token(eg, 0, &token) != 0)
		return (void *)1;
	return (void *)(intptr_t)mproc_event_group_wait(eg, token, -1,
	    BOUND_MS);
}

static void
test_abort_all_reaches_holders_only(void **state)
{
	struct mproc_event_group *eg = new_group(3);
	pthread_t thread;
	int64_t token;
	void *result;

	(void)state;
	assert_int_equal(mproc_event_group_reserve(eg, &token), 0);
	assert_int_equal(pthread_create(&thread, NULL, thread_waits_by_token,
	    eg), 0);
	assert_int_equal(mproc_event_group_abort(eg, MPROC_EVENT_ALL, -EPIPE),
	    0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_int_equal((intptr_t)result, -EPIPE);
	assert_int_equal(mproc_event_group_wait(eg, 1, -1, 0), -ETIMEDOUT);
	assert_int_equal(mproc_event_group_release(eg, token), 0);
	assert_int_equal(mproc_event_group_abort(eg, 1, -ECANCELED), 0);
	assert_int_equal(mproc_event_group_wait(eg, 1, -1, 0), -ECANCELED);
	assert_int_equal(mproc_event_group_abort(eg, 3, -EPIPE), -EINVAL);
	assert_int_equal(mproc_event_group_abort(eg, 1, 0), -EINVAL);
	assert_int_equal(mproc_event_group_abort(NULL, 1, -EPIPE), -EINVAL);
	assert_int_equal(mproc_event_group_wait(eg, 3, -1, 0), -EINVAL);
	mproc_event_group_free(eg);
}

static void
test_release_ends_a_wait_by_token(void **state)
{
	struct mproc_event_group *eg = new_group(1);
	pthread_t thread;
	int64_t token;
	void *result;
	int n = 0;

	(void)state;
	assert_int_equal(mproc_event_group_reserve(eg, &token), 0);
	assert_int_equal(pthread_create(&thread, NULL, thread_waits_by_token,
	    eg), 0);
	/* It may ask for the token before or after: both must end. */
	do {
		assert_int_equal(mproc_event_group_release(eg, token), 0);
		assert_int_equal(mproc_event_group_reserve(eg, &token), 0);
	} while (pthread_tryjoin_np(thread, &result) != 0 && ++n < 100000000);
	assert_true((intptr_t)result == -ESTALE || (intptr_t)result == 1);
	mproc_event_group_free(eg);
}

/* A holder that is killed leaves its event reserved; anybody may free it. */
static int
child_reserves_and_hangs(void *arg)
{
	int64_t token;

	if (mproc_event_group_reserve(arg, &token) != 0)
		return 1;
	while (pause() < 0)
		continue;
	return 2;
}

static void
test_event_of_a_dead_holder_can_be_freed(void **state)
{
	struct mproc_event_group *eg = new_group(1);
	int64_t begin = mproc__now_ns(), token;
	pid_t pid;

	(void)state;
	pid = start_child(child_reserves_and_hangs, eg);
	while (mproc_event_group_token(eg, 0, &token) != 0)
		assert_true(mproc__now_ns() - begin < BOUND_MS * MS);
	assert_int_equal(kill_child(pid), 128 + SIGKILL);
	check_free(eg, 0, 1);
	assert_int_equal(mproc_event_group_release(eg, token), 0);
	check_free(eg, 1, 1);
	mproc_event_group_free(eg);
}

static void
test_group_by_descriptors(void **state)
{
	struct mproc_event_group *eg, *same;
	struct mproc_event *ev = NULL;
	int64_t token;
	int fds[4];

	(void)state;
	assert_int_equal(mproc_event_group_new(3, &selectable, &eg), 0);
	assert_int_equal(mproc_event_group_fds(eg, fds, 4), 4);
	assert_int_equal(mproc_event_group_fds(NULL, fds, 4), -EINVAL);
	assert_int_equal(mproc_event_group_from_fds(fds, 3, &same), -EINVAL);
	assert_int_equal(mproc_event_from_fds(fds, 4, &ev), -EINVAL);
	assert_null(ev);
	assert_int_equal(mproc_event_group_from_fds(fds, 4, &same), 0);
	assert_int_equal(mproc_event_group_reserve(eg, &token), 0);
	check_free(same, 2, 3);
	assert_int_equal(mproc_event_group_set(same, token), 0);
	assert_int_equal(mproc_event_group_wait(eg, token, -1, 0), 0);
	assert_int_equal(mproc_event_group_release(same, token), 0);
	check_free(eg, 3, 3);
	mproc_event_group_free(eg);
	mproc_event_group_free(same);
}

static void
test_no_memory(void **state)
{
	struct mproc_event_group *eg = NULL, *made = new_group(1);
	int fd, r;

	(void)state;
	test_fail_alloc(1);
	r = mproc_event_group_new(2, &selectable, &eg);
	assert_true(test_fail_done());
	assert_int_equal(r, -ENOMEM);
	assert_int_equal(mproc_event_group_fds(made, &fd, 1), 1);
	test_fail_alloc(1);
	r = mproc_event_group_from_fds(&fd, 1, &eg);
	assert_true(test_fail_done());
	assert_int_equal(r, -ENOMEM);
	assert_null(eg);
	mproc_event_group_free(made);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vk55_group_of_n),
		cmocka_unit_test(vk56_set_by_index_from_a_child),
		cmocka_unit_test(vk56_stale_token_sets_nothing),
		cmocka_unit_test(vk57_reserve_clears_and_takes_turns),
		cmocka_unit_test(vk57_reserve_is_exclusive),
		cmocka_unit_test(vk57_reserve_among_processes),
		cmocka_unit_test(vk58_not_enough_events),
		cmocka_unit_test(vk59_double_release_is_refused),
		cmocka_unit_test(vk60_release_by_index),
		cmocka_unit_test(vk62_index_and_event_are_one),
		cmocka_unit_test(vk63_print_and_stat),
		cmocka_unit_test(vk64_an_index_travels_in_a_message),
		cmocka_unit_test(vk65_ten_events_in_one_poll),
		cmocka_unit_test(test_reserving_silences_the_descriptor),
		cmocka_unit_test(test_abort_all_reaches_holders_only),
		cmocka_unit_test(test_release_ends_a_wait_by_token),
		cmocka_unit_test(test_event_of_a_dead_holder_can_be_freed),
		cmocka_unit_test(test_group_by_descriptors),
		cmocka_unit_test(test_no_memory),
	};

	return TEST_RUN(tests);
}
