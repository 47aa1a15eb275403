/*
 * talk_test.c - casts, calls, emits, replies: what goes between a frontend
 * and a running backend, in every placement.
 *
 * Each test runs once a placement; the number of it is in the state.
 */
#include "test.h"

#include <sys/select.h>
#include <sys/time.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mproc.h>

#include "fixture.h"

static void
vk2_call_gets_a_typed_reply(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	static const char bytes[] = "a\0b";
	const struct probe_echoed *t;
	struct mproc_msg *reply;

	assert_int_equal(mproc_call(p, SOON, &reply, probe_echo,
	    .n = INT64_MIN, .text = "", .data = { bytes, 3 }), 0);
	assert_string_equal(mproc_msg_command(reply), "echoed");
	assert_null(mproc_args(reply, probe_held));
	t = mproc_args(reply, probe_echoed);
	assert_non_null(t);
	assert_true(t->n == INT64_MIN);
	assert_string_equal(t->text, "");
	assert_int_equal(t->data.size, 3);
	assert_memory_equal(t->data.data, bytes, 3);
	if (*(enum mproc_launch *)*state != MPROC_THREAD)
		assert_int_equal(t->pid, mproc_pid(p));
	mproc_msg_free(reply);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_echo), 0);
	fix_finish(p);
}

static void
vk7_commands_are_handled_in_order(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	int64_t i, n = 100000, count;

	for (i = 1; i <= n; i++)
		assert_int_equal(mproc_send(p, probe_note, .n = i), 0);
	assert_int_equal(fix_summed(p, &count), n * (n + 1) / 2);
	assert_int_equal(count, n);
	fix_finish(p);
}

static void
vk8_unknown_command(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });

	assert_int_equal(mproc_send(p, probe_nosuch, .x = 1), -ENOSYS);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_nosuch), -ENOSYS);
	assert_non_null(strstr(mproc_errmsg(p), "nosuch"));
	assert_int_equal(mproc_call(p, SOON, NULL, probe_echo), 0);
	fix_finish(p);
}

static void
vk8_on_unknown_sees_it(void **state)
{
	struct mproc_options opt = { .launch = *(enum mproc_launch *)*state };
	const struct probe_code *t;
	struct mproc_msg *reply;
	struct mproc *p;

	assert_int_equal(mproc_new(&probe_unknown_class, &opt, &p), 0);
	assert_int_equal(mproc_start(p), 0);
	assert_int_equal(mproc_send(p, probe_nosuch, .x = 1), 0);
	assert_int_equal(mproc_call(p, SOON, &reply, probe_nosuch), 0);
	t = mproc_args(reply, probe_code);
	assert_non_null(t);
	assert_int_equal(t->code, 2);
	assert_string_equal(t->text, "nosuch");
	mproc_msg_free(reply);
	fix_finish(p);
}

/* Another message under a name that the class has. */
MPROC_MESSAGE(other, echo, (double, n));

static void
vk9_wrong_parameters_are_refused(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	struct mproc_msg *msg, *reply;

	assert_int_equal(mproc_send(p, other_echo, .n = 1), -EINVAL);
	/* untyped, so that only the backend can see it */
	assert_int_equal(mproc_msg_new("echo", &msg), 0);
	assert_int_equal(mproc_msg_set(msg, "n", "text"), 0);
	assert_int_equal(mproc_call_msg(p, SOON, &reply, msg), -EINVAL);
	assert_non_null(strstr(mproc_errmsg(p), "echo"));
	assert_non_null(strstr(mproc_errmsg(p), "n"));
	assert_non_null(strstr(mproc_errmsg(p), "int64"));
	mproc_msg_free(msg);
	assert_int_equal(mproc_msg_new("echo", &msg), 0);
	assert_int_equal(mproc_msg_set(msg, "extra", 1), 0);
	assert_int_equal(mproc_call_msg(p, SOON, &reply, msg), -EINVAL);
	assert_non_null(strstr(mproc_errmsg(p), "extra"));
	mproc_msg_free(msg);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_echo), 0);
	fix_finish(p);
}

static void
vk10_a_failing_handler_answers(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });

	assert_int_equal(mproc_call(p, SOON, NULL, probe_fail,
	    .code = -EDOM, .text = "boom"), -EDOM);
	assert_string_equal(mproc_errmsg(p), "boom");
	assert_int_equal(mproc_call(p, SOON, NULL, probe_fail, .code = -5),
	    -5);
	/* no errno: the number is in the text */
	assert_int_equal(mproc_call(p, SOON, NULL, probe_fail,
	    .code = -123456), -EREMOTEIO);
	assert_string_equal(mproc_errmsg(p), "no errno (code -123456)");
	assert_int_equal(mproc_call(p, SOON, NULL, probe_fail,
	    .code = -123456, .text = "boom"), -EREMOTEIO);
	assert_string_equal(mproc_errmsg(p), "boom (code -123456)");
	assert_int_equal(mproc_call(p, SOON, NULL, probe_echo), 0);
	fix_finish(p);
}

static void
vk13_the_fd_works_with_select(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	int fd = mproc_fd(p), i;
	struct mproc_msg *msg;
	fd_set set;
	struct timeval tv = { SOON / 1000, 0 };

	assert_true(fd >= 0);
	assert_int_equal(mproc_recv(p, 0, &msg), 0);
	assert_int_equal(test_poll(fd, POLLIN, 0), 0);
	assert_int_equal(mproc_send(p, probe_emit, .count = 3), 0);
	FD_ZERO(&set);
	FD_SET(fd, &set);
	assert_int_equal(select(fd + 1, &set, NULL, NULL, &tv), 1);
	/* level-triggered: readable to the last message, then silent */
	for (i = 0; i < 3; i++) {
		assert_int_not_equal(test_poll(fd, POLLIN, SOON), 0);
		if (mproc_recv(p, 0, &msg) == 0)
			assert_int_equal(mproc_recv(p, SOON, &msg), 1);
		mproc_msg_free(msg);
	}
	while (test_poll(fd, POLLIN, 0) != 0)
		assert_int_equal(mproc_recv(p, 0, &msg), 0);
	assert_int_equal(test_poll(fd, POLLIN, 50), 0);
	fix_finish(p);
}

static void
the_fd_tells_of_what_a_call_took_in(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	int fd = mproc_fd(p);
	struct mproc_msg *msg;

	/* the emits come before the reply, so the call buffers them */
	assert_int_equal(mproc_call(p, SOON, NULL, probe_emit, .count = 2),
	    0);
	assert_int_not_equal(test_poll(fd, POLLIN, 0), 0);
	assert_int_equal(mproc_recv(p, 0, &msg), 1);
	mproc_msg_free(msg);
	assert_int_not_equal(test_poll(fd, POLLIN, 0), 0);
	assert_int_equal(mproc_recv(p, 0, &msg), 1);
	mproc_msg_free(msg);
	assert_int_equal(mproc_recv(p, 0, &msg), 0);
	assert_int_equal(test_poll(fd, POLLIN, 0), 0);
	fix_finish(p);
}

static void
a_timed_out_call_leaves_the_fd_silent(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	int fd = mproc_fd(p);
	struct mproc_future *f;
	struct mproc_msg *msg;
	struct mproc_stats s;

	assert_int_equal(mproc_ask(p, 100, &f, probe_echo), 0);
	assert_int_equal(mproc_future_wait(f, SOON), 0);
	mproc_future_free(f);
	while (test_poll(fd, POLLIN, 0) != 0)
		assert_int_equal(mproc_recv(p, 0, &msg), 0);
	/* its deadline is over and done with */
	assert_int_equal(test_poll(fd, POLLIN, 200), 0);

	/* a call that expires wakes the fd, and its late reply is dropped */
	assert_int_equal(mproc_ask(p, 50, &f, probe_nap, .ms = 300), 0);
	assert_int_not_equal(test_poll(fd, POLLIN, SOON), 0);
	while (!mproc_future_done(f))
		(void)test_poll(fd, POLLIN, SOON);
	assert_int_equal(mproc_future_result(f), -ETIMEDOUT);
	mproc_future_free(f);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_echo), 0);
	assert_int_equal(mproc_stats(p, &s), 0);
	/* a backend that came too late to begin has not begun */
	assert_int_equal(s.late + s.expired, 1);
	fix_finish(p);
}

static void
vk29_replies_in_reverse_order(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	struct mproc_future *f[100];
	const struct probe_held *t;
	int i;

	for (i = 0; i < 100; i++)
		assert_int_equal(mproc_ask(p, SOON, &f[i], probe_hold,
		    .n = i), 0);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_release,
	    .reversed = true), 0);
	assert_int_equal(mproc_future_wait_all(f, 100, SOON), 0);
	for (i = 0; i < 100; i++) {
		assert_int_equal(mproc_future_result(f[i]), 0);
		t = mproc_args(mproc_future_reply(f[i]), probe_held);
		assert_non_null(t);
		assert_int_equal(t->n, i);
		mproc_future_free(f[i]);
	}
	fix_finish(p);
}

/* Each call has one of a few words for it, and none loses its own. */
static void
a_call_is_asked_to_end_or_that_is_refused(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	struct mproc_future *f[100];
	int i, r, refused = 0;

	for (i = 0; i < 100; i++)
		assert_int_equal(mproc_ask(p, SOON, &f[i], probe_hold,
		    .n = i), 0);
	for (i = 0; i < 100; i++) {
		r = mproc_future_cancel_as(f[i], MPROC_CANCEL_COOP);
		assert_true(r == 0 || r == -EAGAIN);
		refused += r < 0;
		/* once more is no other's business */
		assert_int_equal(mproc_future_cancel_as(f[i],
		    MPROC_CANCEL_COOP), r);
	}
	assert_int_equal(refused, 100 - 64);
	/* held or not begun: they end, and others may be asked then */
	assert_int_equal(mproc_call(p, SOON, NULL, probe_release), 0);
	assert_int_equal(mproc_future_wait_all(f, 100, SOON), 0);
	for (i = 0; i < 100; i++)
		mproc_future_free(f[i]);
	assert_int_equal(mproc_ask(p, SOON, &f[0], probe_hold, .n = 1), 0);
	assert_int_equal(mproc_future_cancel_as(f[0], MPROC_CANCEL_COOP), 0);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_release), 0);
	assert_int_equal(mproc_future_wait(f[0], SOON), 0);
	mproc_future_free(f[0]);
	fix_finish(p);
}

static void
a_deferred_call_is_cancelled_by_stop(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	struct mproc_future *f;

	assert_int_equal(mproc_ask(p, SOON, &f, probe_hold, .n = 1), 0);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_echo), 0);
	assert_int_equal(mproc_stop(p), 0);
	assert_int_equal(mproc_future_result(f), -ECANCELED);
	mproc_future_free(f);
	fix_finish(p);
}

static void
a_future_has_an_fd(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	struct mproc_future *f[2];
	int fd, i;

	assert_int_equal(mproc_ask(p, SOON, &f[0], probe_hold, .n = 1), 0);
	assert_int_equal(mproc_ask(p, SOON, &f[1], probe_echo), 0);
	assert_int_equal(mproc_future_wait_any(f, 2, SOON), 1);
	fd = mproc_future_fd(f[0]);
	assert_true(fd >= 0);
	assert_int_equal(mproc_future_fd(f[0]), fd);
	/* what others are sent does not keep it awake */
	assert_int_equal(mproc_call(p, SOON, NULL, probe_emit, .count = 5),
	    0);
	for (i = 0; i < 10 && test_poll(fd, POLLIN, 0) != 0; i++)
		assert_false(mproc_future_done(f[0]));
	assert_int_equal(test_poll(fd, POLLIN, 50), 0);
	assert_int_equal(mproc_send(p, probe_release), 0);
	while (!mproc_future_done(f[0]))
		assert_int_not_equal(test_poll(fd, POLLIN, SOON), 0);
	assert_int_not_equal(test_poll(fd, POLLIN, 0), 0);
	assert_int_equal(mproc_future_cancel(f[0]), -EALREADY);
	mproc_future_free(f[0]);
	mproc_future_free(f[1]);
	fix_finish(p);
}

static void
futures_end_when_their_process_is_freed(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .stop_mode = MPROC_NOW });
	struct mproc_future *f[3];

	assert_int_equal(mproc_ask(p, -1, &f[0], probe_hold), 0);
	assert_int_equal(mproc_ask(p, -1, &f[1], probe_hold), 0);
	assert_int_equal(mproc_ask(p, -1, &f[2], probe_hold), 0);
	assert_int_equal(mproc_future_cancel(f[0]), 0);
	assert_int_equal(mproc_future_result(f[0]), -ECANCELED);
	mproc_future_free(f[2]);
	mproc_free(p);
	assert_true(mproc_future_done(f[1]));
	assert_true(mproc_future_result(f[1]) < 0);
	mproc_future_free(f[0]);
	mproc_future_free(f[1]);
}

static void
replies_are_checked(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	const struct probe_code *c;
	struct mproc_msg *msg;

	assert_int_equal(mproc_call(p, SOON, NULL, probe_twice), 0);
	assert_int_equal(mproc_recv(p, SOON, &msg), 1);
	c = mproc_args(msg, probe_code);
	assert_non_null(c);
	assert_int_equal(c->code, -EALREADY);
	mproc_msg_free(msg);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_wrong), -EINVAL);
	assert_string_equal(mproc_errmsg(p),
	    "class Probe, command wrong replies echoed, not held");
	assert_int_equal(mproc_call(p, SOON, &msg, probe_silent), 0);
	assert_int_equal(mproc_msg_count(msg), 0);
	mproc_msg_free(msg);
	assert_int_equal(mproc_call(p, SOON, &msg, probe_poll), 0);
	c = mproc_args(msg, probe_code);
	assert_int_equal(c->code, -EDEADLK);
	mproc_msg_free(msg);
	/* to a cast a reply does nothing */
	assert_int_equal(mproc_send(p, probe_echo, .n = 1), 0);
	assert_int_equal(mproc_call(p, SOON, NULL, probe_silent), 0);
	assert_int_equal(mproc_recv(p, 0, &msg), 0);
	fix_finish(p);
}

static void
expired_calls_are_not_handled(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	struct mproc_future *f;
	struct mproc_stats s;
	int64_t count;

	assert_int_equal(mproc_send(p, probe_nap, .ms = 200), 0);
	assert_int_equal(mproc_ask(p, 20, &f, probe_echo), 0);
	assert_int_equal(mproc_future_wait(f, SOON), 0);
	assert_int_equal(mproc_future_result(f), -ETIMEDOUT);
	mproc_future_free(f);
	(void)fix_summed(p, &count);
	assert_int_equal(mproc_stats(p, &s), 0);
	assert_int_equal(s.expired, 1);
	assert_int_equal(s.late, 0);
	fix_finish(p);
}

static void
untyped_messages_pass(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	struct mproc_msg *msg, *reply, *item;
	int64_t n = 0;

	assert_int_equal(mproc_msg_new("echo", &msg), 0);
	assert_int_equal(mproc_msg_set(msg, "n", 42), 0);
	assert_int_equal(mproc_call_msg(p, SOON, &reply, msg), 0);
	assert_int_equal(mproc_msg_get(reply, "n", &n), 0);
	assert_int_equal(n, 42);
	mproc_msg_free(reply);
	mproc_msg_free(msg);
	/* what came is sent on, under another name */
	assert_int_equal(mproc_send(p, probe_emit, .count = 1, .first = 7),
	    0);
	assert_int_equal(mproc_recv(p, SOON, &item), 1);
	assert_int_equal(mproc_msg_new("note", &msg), 0);
	assert_int_equal(mproc_msg_set(msg, "n", 7), 0);
	assert_int_equal(mproc_forward(p, msg, "note"), 0);
	assert_int_equal(mproc_forward(p, msg, "nosuch"), -ENOSYS);
	mproc_msg_free(msg);
	mproc_msg_free(item);
	assert_int_equal(fix_summed(p, &n), 7);
	fix_finish(p);
}

static void
a_large_payload_goes_both_ways(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .max_message = 40 << 20 });
	size_t size = 32 << 20;
	const struct probe_echoed *t;
	struct mproc_msg *reply;
	char *data = malloc(size);
	size_t i;

	for (i = 0; i < size; i++)
		data[i] = (char)(i * 7 >> 3);
	assert_int_equal(mproc_call(p, 4 * SOON, &reply, probe_echo,
	    .data = { data, size }), 0);
	t = mproc_args(reply, probe_echoed);
	assert_non_null(t);
	assert_int_equal(t->data.size, size);
	assert_memory_equal(t->data.data, data, size);
	mproc_msg_free(reply);
	free(data);
	data = calloc(1, 41 << 20);
	assert_int_equal(mproc_send(p, probe_echo, .data = { data,
	    41 << 20 }), -EMSGSIZE);
	free(data);
	fix_finish(p);
}

static void
vk35_a_timer_fires(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	const struct probe_tick *t;
	struct mproc_msg *msg;
	int i;

	assert_int_equal(mproc_send(p, probe_timer, .ms = 5, .count = 4), 0);
	for (i = 1; i <= 4; i++) {
		assert_int_equal(mproc_recv(p, SOON, &msg), 1);
		t = mproc_args(msg, probe_tick);
		assert_int_equal(t->n, i);
		mproc_msg_free(msg);
	}
	assert_int_equal(mproc_recv(p, 50, &msg), 0);
	fix_finish(p);
}

static void
ping_overtakes_messages(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	struct mproc_stats s;
	int i;

	for (i = 0; i < 100; i++)
		assert_int_equal(mproc_send(p, probe_nap, .ms = 10), 0);
	assert_int_equal(mproc_ping(p, SOON), 0);
	assert_int_equal(mproc_stats(p, &s), 0);
	assert_true(s.in_flight > 0);
	assert_true(s.ping_us >= 0);
	assert_int_equal(s.pings, 1);
	fix_finish(p);
}

static void
going_answers_pings(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	struct mproc_future *f;

	assert_int_equal(mproc_ask(p, SOON, &f, probe_spin, .going = true),
	    0);
	assert_int_equal(mproc_ping(p, SOON), 0);
	assert_false(mproc_future_done(f));
	assert_int_equal(mproc_set_going(p, false), 0);
	assert_int_equal(mproc_future_wait(f, SOON), 0);
	assert_int_equal(mproc_future_result(f), 0);
	mproc_future_free(f);
	fix_finish(p);
}

/* Many threads on one frontend. */
struct crowd {
	struct mproc *p;
	int	 id, bad;
};

static void *
crowd_member(void *arg)
{
	const struct probe_echoed *t;
	struct crowd *c = arg;
	struct mproc_msg *reply;
	int i;

	for (i = 0; i < 300; i++) {
		if (mproc_call(c->p, SOON, &reply, probe_echo,
		    .n = c->id * 1000 + i) < 0) {
			c->bad++;
			continue;
		}
		t = mproc_args(reply, probe_echoed);
		if (t == NULL || t->n != c->id * 1000 + i)
			c->bad++;
		mproc_msg_free(reply);
		if (mproc_send(c->p, probe_emit, .count = 1) < 0)
			c->bad++;
	}
	return NULL;
}

static void *
crowd_receiver(void *arg)
{
	struct crowd *c = arg;
	struct mproc_msg *msg;
	int i;

	for (i = 0; i < 8 * 300; i++) {
		if (mproc_recv(c->p, SOON, &msg) != 1) {
			c->bad++;
			continue;
		}
		mproc_msg_free(msg);
	}
	return NULL;
}

static void
many_threads_share_a_frontend(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	struct crowd crowd[9];
	pthread_t thread[9];
	int i;

	for (i = 0; i < 9; i++) {
		crowd[i] = (struct crowd){ .p = p, .id = i };
		assert_int_equal(pthread_create(&thread[i], NULL,
		    i < 8 ? crowd_member : crowd_receiver, &crowd[i]), 0);
	}
	for (i = 0; i < 9; i++) {
		pthread_join(thread[i], NULL);
		assert_int_equal(crowd[i].bad, 0);
	}
	fix_finish(p);
}

/* A blocked receiver must not keep another thread's output back. */
static void
output_goes_on_while_another_thread_receives(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){ .name = 0 });
	static char data[1 << 20];
	struct crowd c = { .p = p };
	struct mproc_msg *msg;
	pthread_t thread;
	int i;

	assert_int_equal(pthread_create(&thread, NULL, crowd_receiver, &c),
	    0);
	for (i = 0; i < 40; i++)
		assert_int_equal(mproc_send(p, probe_echo,
		    .data = { data, sizeof(data) }), 0);
	assert_int_equal(mproc_send(p, probe_emit, .count = 8 * 300), 0);
	pthread_join(thread, NULL);
	assert_int_equal(c.bad, 0);
	assert_int_equal(mproc_recv(p, 0, &msg), 0);
	fix_finish(p);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIX_ALL(vk2_call_gets_a_typed_reply),
		FIX_ALL(vk7_commands_are_handled_in_order),
		FIX_ALL(vk8_unknown_command),
		FIX_ALL(vk8_on_unknown_sees_it),
		FIX_ALL(vk9_wrong_parameters_are_refused),
		FIX_ALL(vk10_a_failing_handler_answers),
		FIX_ALL(vk13_the_fd_works_with_select),
		FIX_ALL(the_fd_tells_of_what_a_call_took_in),
		FIX_ALL(a_timed_out_call_leaves_the_fd_silent),
		FIX_ALL(vk29_replies_in_reverse_order),
		FIX_ALL(a_call_is_asked_to_end_or_that_is_refused),
		FIX_ALL(a_deferred_call_is_cancelled_by_stop),
		FIX_ALL(a_future_has_an_fd),
		FIX_ALL(futures_end_when_their_process_is_freed),
		FIX_ALL(replies_are_checked),
		FIX_ALL(expired_calls_are_not_handled),
		FIX_ALL(untyped_messages_pass),
		FIX_ALL(a_large_payload_goes_both_ways),
		FIX_ALL(vk35_a_timer_fires),
		FIX_ALL(ping_overtakes_messages),
		FIX_ALL(going_answers_pings),
		FIX_ALL(many_threads_share_a_frontend),
		FIX_ALL(output_goes_on_while_another_thread_receives),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return FIX_RUN(tests);
}
