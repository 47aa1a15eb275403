/*
 * shortio_test.c - every system call moves one byte, on both sides and both
 * channels: nothing is lost, mixed up or repeated.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process/process.h"
#include "victim.h"

#define HANG_MS	20000

static struct mproc *
started(enum mproc_launch how, int limit)
{
	struct mproc_options opt = {
		.launch = how, .args = MPROC_PACK(victim_start,
		    .point = POINTS, .limit = limit)
	};
	struct mproc *p;

	assert_int_equal(mproc_new(&victim_class, &opt, &p), 0);
	mproc__channel_limit_io(p->data, (size_t)limit);
	assert_int_equal(mproc_start_nowait(p), 0);
	mproc__channel_limit_io(p->control, (size_t)limit);
	assert_int_equal(mproc_wait_ready(p, HANG_MS), 0);
	return p;
}

static void
check_echo(struct mproc *p, int n, const char *data, size_t size, int fd)
{
	struct victim_echo args = { .n = n, .data = { data, size } };
	const struct victim_echoed *t;
	struct mproc_msg *reply;

	if (fd >= 0)
		args.fd = MPROC_FD(fd);
	assert_int_equal(mproc_call_typed(p, HANG_MS, &reply,
	    MPROC_SCHEMA(victim_echo), &args), 0);
	t = mproc_args(reply, victim_echoed);
	assert_non_null(t);
	assert_int_equal(t->n, n);
	assert_int_equal(t->data.size, size);
	assert_memory_equal(t->data.data, data, size);
	assert_int_equal(t->fd.present, fd >= 0);
	mproc_msg_free(reply);
}

/* Each message has its own descriptor: none may get its neighbour's. */
static void
check_fds(struct mproc *p, int n)
{
	struct mproc_future *f[16];
	const struct victim_echoed *t;
	int pipes[16][2], i;
	char byte;

	for (i = 0; i < n; i++) {
		assert_int_equal(pipe2(pipes[i], O_CLOEXEC), 0);
		byte = (char)('a' + i);
		assert_int_equal(write(pipes[i][1], &byte, 1), 1);
		assert_int_equal(mproc_ask(p, HANG_MS, &f[i], victim_echo,
		    .n = i, .fd = MPROC_FD(pipes[i][0])), 0);
	}
	for (i = 0; i < n; i++) {
		assert_int_equal(mproc_future_wait(f[i], HANG_MS), 0);
		assert_int_equal(mproc_future_result(f[i]), 0);
		t = mproc_args(mproc_future_reply(f[i]), victim_echoed);
		assert_non_null(t);
		assert_true(t->fd.present);
		assert_int_equal(read(t->fd.fd, &byte, 1), 1);
		assert_int_equal(byte, 'a' + i);
		mproc_future_free(f[i]);
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
}

static void
check_emits(struct mproc *p, int n)
{
	const struct victim_item *item;
	struct mproc_msg *msg;
	int i;

	assert_int_equal(mproc_send(p, victim_emit, .count = n, .size = 100),
	    0);
	for (i = 0; i < n; i++) {
		assert_int_equal(mproc_recv(p, HANG_MS, &msg), 1);
		item = mproc_args(msg, victim_item);
		assert_non_null(item);
		assert_int_equal(item->n, i);
		assert_int_equal(item->data.size, 100);
		mproc_msg_free(msg);
	}
}

static void
check_casts(struct mproc *p, int n)
{
	const struct victim_summed *t;
	struct mproc_msg *reply;
	int i;

	for (i = 1; i <= n; i++)
		assert_int_equal(mproc_send(p, victim_note, .n = i), 0);
	assert_int_equal(mproc_call(p, HANG_MS, &reply, victim_sum), 0);
	t = mproc_args(reply, victim_summed);
	assert_int_equal(t->count, n);
	assert_int_equal(t->sum, (int64_t)n * (n + 1) / 2);
	mproc_msg_free(reply);
}

struct variant {
	enum mproc_launch how;
	int	 limit;
};

static void
few_bytes_a_call(void **state)
{
	const struct variant *v = *state;
	static char data[2000];
	struct mproc *p;
	size_t size;

	if (v->how == MPROC_SPAWN && test_on_valgrind())
		skip();
	p = started(v->how, v->limit);
	for (size = 0; size < sizeof(data); size++)
		data[size] = (char)(size * 7);
	check_echo(p, 1, data, sizeof(data), -1);
	check_echo(p, 2, data, 0, 2);
	check_fds(p, 16);
	check_casts(p, 200);
	check_emits(p, 50);
	assert_int_equal(mproc_ping(p, HANG_MS), 0);
	assert_int_equal(mproc_call(p, HANG_MS, NULL, victim_act,
	    .point = POINTS), -EINVAL);
	assert_int_equal(mproc_stop(p), 0);
	assert_int_equal(mproc_death(p)->exit_code, 0);
	chaos_check_accounts(p);
	mproc_free(p);
}

static struct variant variants[] = {
	{ MPROC_FORK, 1 }, { MPROC_FORK, 3 }, { MPROC_FORK, 5 },
	{ MPROC_FORKSERVER, 1 }, { MPROC_SPAWN, 1 }, { MPROC_THREAD, 1 }
};

#define WITH(name_, i_)							\
	{ name_, few_bytes_a_call, NULL, NULL, &variants[i_] }

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH("a byte a call (fork)", 0),
		WITH("three bytes a call", 1),
		WITH("five bytes a call", 2),
		WITH("a byte a call (fork server)", 3),
		WITH("a byte a call (spawn)", 4),
		WITH("a byte a call (thread)", 5),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
