/*
 * new_test.c - a process that was not started: what is refused, what it
 * answers, what becomes of what was sent to it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

static void
vk5_new_and_free_leave_nothing(void **state)
{
	struct mproc *p;
	int i;

	(void)state;
	for (i = 0; i < 10; i++) {
		assert_int_equal(mproc_new(&probe_class, NULL, &p), 0);
		assert_string_equal(mproc_name(p), "Probe");
		assert_ptr_equal(mproc_class_of(p), &probe_class);
		assert_int_equal(mproc_status(p), MPROC_STATUS_NEW);
		assert_int_equal(mproc_pid(p), 0);
		assert_null(mproc_death(p));
		assert_null(mproc_free(p));
	}
	assert_null(mproc_free(NULL));
}

static void
vk5_bad_options_are_refused(void **state)
{
	static const struct {
		struct mproc_options opt;
		const char *named;
	} bad[] = {
		{ { .launch = 77 }, ".launch" },
		{ { .launch = (enum mproc_launch)-1 }, ".launch" },
		{ { .channel = 9 }, ".channel" },
		{ { .overflow = 9 }, ".overflow" },
		{ { .emit_overflow = 9 }, ".emit_overflow" },
		{ { .stop_mode = 9 }, ".stop_mode" },
		{ { .sigint = 9 }, ".sigint" },
		{ { .log_level = 99 }, ".log_level" },
		{ { .name = "" }, ".name" },
		{ { .name = "a name of sixty-four bytes, which is one more "
		    "than may be given ." }, ".name" },
		{ { .launch = MPROC_THREAD, .capture_output = true },
		    ".capture_output" },
	};
	const int closed[] = { 999, -1 };
	struct mproc *p = NULL;
	size_t i;

	(void)state;
	for (i = 0; i < TEST_COUNT(bad); i++) {
		assert_int_equal(mproc_new(&probe_class, &bad[i].opt, &p),
		    -EINVAL);
		assert_non_null(strstr(mproc_errmsg(NULL), bad[i].named));
	}
	assert_int_equal(mproc_new(&probe_class, &(struct mproc_options){
	    .keep_fds = closed }, &p), -EBADF);
	assert_int_equal(mproc_new(&probe_class, &(struct mproc_options){
	    .args = MPROC_PACK(probe_start, .fd = MPROC_FD(999)) }, &p),
	    -EBADF);
	assert_int_equal(mproc_new(NULL, NULL, &p), -EINVAL);
	assert_int_equal(mproc_new(&probe_class, NULL, NULL), -EINVAL);
	assert_null(p);
}

static int
nothing(struct mproc_backend *base, const void *args,
    struct mproc_request *req)
{
	(void)base;
	(void)args;
	(void)req;
	return 0;
}

static void
vk5_bad_classes_are_refused(void **state)
{
	static const struct mproc_handler twice[] = {
		{ "note", MPROC_SCHEMA(probe_note), nothing, "a", NULL,
		    false },
		{ "note", MPROC_SCHEMA(probe_note), nothing, "b", NULL,
		    false },
	};
	struct mproc_class *heap = malloc(sizeof(*heap));
	struct mproc_class cls = probe_class;
	struct mproc *p = NULL;

	(void)state;
	cls.version++;
	assert_int_equal(mproc_new(&cls, NULL, &p), -EPROTO);
	cls = probe_class;
	cls.handlers = twice;
	cls.n_handlers = 2;
	assert_int_equal(mproc_new(&cls, NULL, &p), -EEXIST);
	cls.name = NULL;
	assert_int_equal(mproc_new(&cls, NULL, &p), -EINVAL);
	assert_null(p);

	/* on the heap no other program could find it */
	assert_non_null(heap);
	*heap = probe_class;
	assert_int_equal(mproc_new(heap, &(struct mproc_options){
	    .launch = MPROC_FORKSERVER }, &p), 0);
	assert_int_equal(mproc_start(p), -EINVAL);
	assert_int_equal(mproc_status(p), MPROC_STATUS_NEW);
	mproc_free(p);
	free(heap);
}

static void
new_fails_without_memory_or_descriptors(void **state)
{
	static const char *const calls[] = { "socketpair", "dup3", "fcntl" };
	struct mproc_options opt = { .name = "short of everything",
		.args = MPROC_PACK(probe_start, .path = "/nowhere",
		    .fd = MPROC_FD(0)) };
	struct mproc *p = NULL;
	unsigned n, failed = 0;
	size_t i;
	int r;

	(void)state;
	for (n = 1;; n++) {
		test_fail_alloc(n);
		r = mproc_new(&probe_class, &opt, &p);
		if (!test_fail_done())
			break;
		assert_int_equal(r, -ENOMEM);
	}
	assert_int_equal(r, 0);
	mproc_free(p);
	for (i = 0; i < TEST_COUNT(calls); i++) {
		for (n = 1;; n++) {
			test_fail_sys(calls[i], n, EMFILE);
			r = mproc_new(&probe_class, &opt, &p);
			if (!test_fail_sys_done())
				break;
			/* fcntl(2) also asks whether it is open */
			if (r != -EBADF || strcmp(calls[i], "fcntl") != 0)
				assert_int_equal(r, -EMFILE);
			failed++;
		}
		assert_int_equal(r, 0);
		mproc_free(p);
	}
	assert_true(failed >= 2);
}

/* mproc_fd() makes its descriptors when it is first called, in any state. */
static void
the_descriptor_is_made_when_it_is_asked_for(void **state)
{
	struct mproc *p = fix_new(&probe_class, (struct mproc_options){
	    .name = "late", .launch = MPROC_FORK });
	int fds = test_open_fds(), fd;
	struct mproc_msg *msg;
	unsigned n;

	(void)state;
	test_fail_sys("timerfd_create", 1, EMFILE);
	assert_int_equal(mproc_fd(p), -EMFILE);
	assert_true(test_fail_sys_done());
	assert_int_equal(mproc_start(p), 0);
	test_fail_sys("epoll_create1", 1, EMFILE);
	assert_int_equal(mproc_fd(p), -EMFILE);
	assert_true(test_fail_sys_done());
	for (n = 1;; n++) {
		test_fail_sys("epoll_ctl", n, EMFILE);
		fd = mproc_fd(p);
		if (!test_fail_sys_done())
			break;
		assert_int_equal(fd, -EMFILE);
	}
	assert_true(n > 4 && fd >= 0);
	assert_int_equal(mproc_fd(p), fd);
	/* what came before it was there, and what comes, is seen */
	assert_int_equal(test_poll(fd, POLLIN, 0), 0);
	assert_int_equal(mproc_send(p, probe_emit, .count = 1), 0);
	assert_int_not_equal(test_poll(fd, POLLIN, SOON), 0);
	assert_int_equal(mproc_recv(p, SOON, &msg), 1);
	mproc_msg_free(msg);
	assert_int_equal(mproc_recv(p, 0, &msg), 0);
	assert_int_equal(mproc_stop(p), 0);
	assert_int_not_equal(test_poll(fd, POLLIN, 0), 0);
	assert_int_equal(mproc_fd(p), fd);
	assert_true(test_open_fds() > fds);
	mproc_free(p);
}

static void
what_a_new_one_answers(void **state)
{
	struct mproc *p = fix_new(&probe_class, (struct mproc_options){
	    .name = "fresh" });
	struct mproc_activity a;
	struct mproc_msg *msg;
	struct mproc_stats s;
	char text[8] = "x";

	(void)state;
	assert_int_equal(mproc_recv(p, -1, &msg), -ENOTCONN);
	assert_int_equal(mproc_recv(p, 0, &msg), 0);
	assert_int_equal(mproc_recv(p, 20, &msg), 0);
	assert_int_equal(mproc_recv(p, 0, NULL), -EINVAL);
	assert_int_equal(mproc_ping(p, 10), -ENOTCONN);
	assert_int_equal(mproc_wait_ready(p, 10), -ENOTCONN);
	assert_int_equal(mproc_wait_stop(p, 10), -ENOTCONN);
	assert_int_equal(mproc_request_stop(p), 0);
	assert_int_equal(mproc_stop(p), 0);
	assert_int_equal(mproc_kill(p), 0);
	assert_int_equal(mproc_stop_all(&p, 1), 0);
	assert_int_equal(mproc_stop_all(NULL, 0), 0);
	assert_int_equal(mproc_stop_all(NULL, 1), -EINVAL);
	assert_int_equal(mproc_death_print(p, text, sizeof(text)), 0);
	assert_string_equal(text, "");
	assert_int_equal(mproc_call(p, 20, &msg, probe_echo), -ETIMEDOUT);
	assert_int_equal(mproc_set_log_level(p, MPROC_DEBUG), 0);
	assert_int_equal(mproc_set_log_level(p, MPROC_OFF + 1), -EINVAL);
	assert_int_equal(mproc_set_going(p, true), 0);
	assert_int_equal(mproc_activity(p, &a), 0);
	assert_string_equal(a.command, "");
	assert_false(a.in_loop);
	assert_int_equal(mproc_activity(p, NULL), -EINVAL);
	assert_int_equal(mproc_stats(p, NULL), -EINVAL);
	assert_int_equal(mproc_stats(p, &s), 0);
	assert_int_equal(s.sent, 1);
	assert_int_equal(s.in_flight, 1);
	assert_int_equal(s.generation, 0);
	/* the requests to stop were for one that did not run: it starts */
	assert_int_equal(mproc_start(p), 0);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_echo), 0);
	fix_finish(p);
	assert_int_equal(mproc_start(NULL), -EINVAL);
	assert_int_equal(mproc_send(NULL, probe_note), -EINVAL);
	assert_int_equal(mproc_pid(NULL), 0);
}

/* The interface is a header: who includes it needs nothing else. */
static void
vk6_the_header_is_the_interface(void **state)
{
	char text[4096];
	struct mproc *p;
	int len;

	(void)state;
	assert_int_equal(mproc_class_check(&probe_class), 0);
	len = mproc_class_describe(&probe_class, text, sizeof(text));
	assert_in_range(len, 100, sizeof(text) - 1);
	assert_non_null(strstr(text, "note(n: int64)"));
	p = fix_plain();
	assert_int_equal(mproc_send(p, probe_note, .n = 1), 0);
	fix_finish(p);
}

/* Messages with descriptors, never delivered: nothing is left of them. */
static void
what_was_sent_is_freed(void **state)
{
	struct mproc_options opt = { .launch = MPROC_FORKSERVER };
	struct mproc *p = fix_new(&probe_class, opt);
	struct mproc_future *f;
	char byte;
	int fds[2], i;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	for (i = 0; i < 10; i++)
		assert_int_equal(mproc_send(p, probe_open,
		    .fd = MPROC_FD(fds[1])), 0);
	for (i = 0; i < 1000; i++)	/* more than the socket holds */
		assert_int_equal(mproc_send(p, probe_echo,
		    .data = { opt.args.args, 0 }, .text = "x"), 0);
	for (i = 0; i < 5; i++)
		assert_int_equal(mproc_send(p, probe_open,
		    .fd = MPROC_FD(fds[1])), 0);
	assert_int_equal(mproc_ask(p, -1, &f, probe_echo), 0);
	close(fds[1]);
	mproc_free(p);
	assert_int_equal(mproc_future_result(f), -ECANCELED);
	mproc_future_free(f);
	assert_int_equal(read(fds[0], &byte, 1), 0);	/* all are closed */
	close(fds[0]);
}

static void
too_many_kept_descriptors(void **state)
{
	int keep[251], i;
	struct mproc *p;

	(void)state;
	for (i = 0; i < 250; i++)
		assert_true((keep[i] = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC,
		    300)) >= 0);
	keep[i] = -1;
	p = fix_new(&probe_class, (struct mproc_options){
	    .keep_fds = keep });
	assert_int_equal(mproc_start(p), -E2BIG);
	assert_int_equal(mproc_status(p), MPROC_STATUS_NEW);
	mproc_free(p);
	while (i-- > 0)
		close(keep[i]);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vk5_new_and_free_leave_nothing),
		cmocka_unit_test(vk5_bad_options_are_refused),
		cmocka_unit_test(vk5_bad_classes_are_refused),
		cmocka_unit_test(vk6_the_header_is_the_interface),
		cmocka_unit_test(new_fails_without_memory_or_descriptors),
		cmocka_unit_test(
		    the_descriptor_is_made_when_it_is_asked_for),
		cmocka_unit_test(what_a_new_one_answers),
		cmocka_unit_test(what_was_sent_is_freed),
		cmocka_unit_test(too_many_kept_descriptors),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return FIX_RUN(tests);
}
