/*
 * reserve_test.c - payloads that are built where they are sent from, and
 * small messages that wait for each other.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

#define MIB	((size_t)1 << 20)

struct blob {
	struct mproc_backend base;
	int64_t	n, bad;
	uint64_t bytes;
};

MPROC_MESSAGE(blob, put, (int, n), (const char *, text),
    (struct mproc_bytes, data), (const char *, tail));
MPROC_MESSAGE(blob, two, (struct mproc_bytes, a), (struct mproc_bytes, b));
MPROC_MESSAGE(blob, count);
MPROC_MESSAGE(blob, counted, (int64_t, n), (int64_t, bad),
    (uint64_t, bytes));
MPROC_MESSAGE(blob, die);

/* Every byte is the number of the message. */
MPROC_COMMAND(blob, put)
{
	const uint8_t *data = args->data.data;
	size_t i;

	for (i = 0; i < args->data.size; i++)
		self->bad += data[i] != (uint8_t)args->n;
	self->bad += strcmp(args->text, "text") != 0 ||
	    strcmp(args->tail, "tail") != 0 || args->n != self->n % 1000;
	self->n++;
	self->bytes += args->data.size;
	return 0;
}

MPROC_COMMAND(blob, two)
{
	self->n++;
	return 0;
}

MPROC_COMMAND(blob, count)
{
	return mproc_reply(req, blob_counted, .n = self->n, .bad = self->bad,
	    .bytes = self->bytes);
}

MPROC_COMMAND(blob, die)
{
	_exit(7);
}

static const struct mproc_handler blob_handlers[] = {
	MPROC_HANDLER(blob, put, "check a payload"),
	MPROC_HANDLER(blob, two, "has two"),
	MPROC_HANDLER(blob, count, "replies what came"),
	MPROC_HANDLER(blob, die, "ends the process"),
};
static const struct mproc_class blob_class =
    MPROC_CLASS("Blob", blob, blob_handlers);

static struct mproc *
start(void **state, struct mproc_options opt)
{
	struct mproc *p;

	opt.launch = fix_placement(state);
	p = fix_new(&blob_class, opt);
	if (mproc_start(p) < 0)
		fail_msg("%s", mproc_errmsg(p));
	return p;
}

static void
reserve_one(struct mproc *p, int n, size_t size)
{
	void *at;

	assert_int_equal(mproc_reserve(p, &at, blob_put, .n = n % 1000,
	    .text = "text", .data = MPROC_ROOM(size), .tail = "tail"), 0);
	memset(at, n % 1000, size);
	assert_int_equal(mproc_commit(p), 0);
}

static void
expect(struct mproc *p, int64_t n, uint64_t bytes)
{
	const struct blob_counted *c;
	struct mproc_msg *reply;

	assert_int_equal(mproc_call(p, SOON, &reply, blob_count), 0);
	assert_non_null(c = mproc_args(reply, blob_counted));
	assert_int_equal(c->n, n);
	assert_int_equal(c->bad, 0);
	assert_int_equal(c->bytes, bytes);
	mproc_msg_free(reply);
}

static void
payloads_of_all_sizes(void **state, enum mproc_channel_kind channel)
{
	static const size_t sizes[] = {
		0, 1, 31, 255, 256, 4000, 65535, 65536, 300000, 5 * MIB
	};
	struct mproc *p = start(state, (struct mproc_options){
	    .channel = channel, .ring_bytes = 65536 });
	uint64_t bytes = 0;
	int i;

	for (i = 0; i < 60; i++) {
		reserve_one(p, i, sizes[i % 10]);
		bytes += sizes[i % 10];
		if (i % 7 == 0)
			expect(p, i + 1, bytes);
	}
	expect(p, 60, bytes);
	fix_finish(p);
}

static void
a_ring_takes_payloads_in_place(void **state)
{
	payloads_of_all_sizes(state, MPROC_RING);
}

static void
a_socket_takes_them_too(void **state)
{
	payloads_of_all_sizes(state, MPROC_SOCKET);
}

static void
what_is_refused(void **state)
{
	struct mproc *p = start(state, (struct mproc_options){ .name = "r" });
	void *at;

	assert_int_equal(mproc_commit(p), -EINVAL);
	assert_int_equal(mproc_unreserve(p), -EINVAL);
	assert_int_equal(mproc_reserve(p, &at, blob_put, .n = 1), -EINVAL);
	assert_int_equal(mproc_reserve(p, &at, blob_two,
	    .a = MPROC_ROOM(3), .b = MPROC_ROOM(4)), -EINVAL);
	assert_int_equal(mproc_send(p, blob_two, .a = MPROC_ROOM(3)),
	    -EINVAL);
	assert_int_equal(mproc_call(p, SOON, NULL, blob_two,
	    .a = MPROC_ROOM(3)), -EINVAL);
	assert_int_equal(mproc_reserve(p, &at, blob_put,
	    .data = MPROC_ROOM((size_t)1 << 40)), -EMSGSIZE);
	assert_int_equal(mproc_reserve(p, NULL, blob_put), -EINVAL);
	/* one at a time */
	assert_int_equal(mproc_reserve(p, &at, blob_put, .text = "text",
	    .tail = "tail", .data = MPROC_ROOM(8)), 0);
	assert_int_equal(mproc_send(p, blob_two), -EBUSY);
	assert_int_equal(mproc_reserve(p, &at, blob_put,
	    .data = MPROC_ROOM(8)), -EBUSY);
	assert_int_equal(mproc_ping(p, SOON), 0);
	assert_int_equal(mproc_unreserve(p), 0);
	assert_int_equal(mproc_unreserve(p), -EINVAL);
	reserve_one(p, 0, 100);
	expect(p, 1, 100);
	fix_finish(p);
}

/* The room stays writable, and commit says what has become of it. */
static void
a_death_in_between(void **state)
{
	struct mproc *p = start(state, (struct mproc_options){
	    .channel = MPROC_RING });
	void *at;

	assert_int_equal(mproc_send(p, blob_die), 0);
	while (mproc_reserve(p, &at, blob_put, .data = MPROC_ROOM(MIB)) != 0)
		fail_msg("dead too soon");	/* nobody has looked */
	(void)fix_dead(p);
	memset(at, 1, MIB);
	assert_int_equal(mproc_commit(p), -EPIPE);
	assert_int_equal(mproc_start(p), 0);
	reserve_one(p, 0, MIB);
	expect(p, 1, MIB);
	/* freed with one open */
	assert_int_equal(mproc_reserve(p, &at, blob_put,
	    .data = MPROC_ROOM(10)), 0);
	assert_null(mproc_free(p));
}

/* Others wait for their turn. */
struct other {
	struct mproc *p;
	int	 result;
};

static void *
send_other(void *arg)
{
	struct other *o = arg;

	o->result = mproc_send(o->p, blob_put, .n = 1, .text = "text",
	    .tail = "tail", .data = { "\1\1", 2 });
	return NULL;
}

static void
another_thread_waits(void **state)
{
	struct mproc *p = start(state, (struct mproc_options){ .name = "o" });
	struct other o = { .p = p, .result = 1 };
	pthread_t thread;
	void *at;

	assert_int_equal(mproc_reserve(p, &at, blob_put, .n = 0,
	    .text = "text", .tail = "tail", .data = MPROC_ROOM(9)), 0);
	assert_int_equal(pthread_create(&thread, NULL, send_other, &o), 0);
	(void)poll(NULL, 0, 10);	/* it is mostly waiting by now */
	memset(at, 0, 9);
	assert_int_equal(mproc_commit(p), 0);
	pthread_join(thread, NULL);
	assert_int_equal(o.result, 0);
	expect(p, 2, 11);
	fix_finish(p);
}

/* .batch: all arrive, in order, with nobody calling but for the last. */
static void
batched_messages_arrive(void **state)
{
	struct mproc *p = start(state, (struct mproc_options){
	    .channel = MPROC_SOCKET, .batch = true });
	int i, round, n = 0;
	uint8_t byte;

	for (round = 0; round < 20; round++) {
		for (i = 0; i < 500; i++, n++) {
			byte = (uint8_t)(n % 1000);
			assert_int_equal(mproc_send(p, blob_put,
			    .n = n % 1000, .text = "text", .tail = "tail",
			    .data = { &byte, 1 }), 0);
		}
		if (round % 2 == 0)
			assert_int_equal(mproc_flush(p, SOON), 0);
		else
			expect(p, n, (uint64_t)n);
	}
	expect(p, n, (uint64_t)n);
	fix_finish(p);
}

/* What waits makes the descriptor readable, until it has been written. */
static void
what_waits_is_told(void **state)
{
	struct mproc *p = start(state, (struct mproc_options){
	    .channel = MPROC_SOCKET, .batch = true });
	int fd = mproc_fd(p), i, n = 0, round;
	struct mproc_stats s;
	struct mproc_msg *msg;

	for (round = 0; round < 50; round++) {
		for (i = 0; i < 10; i++, n++)
			assert_int_equal(mproc_send(p, blob_put,
			    .n = n % 1000, .text = "text", .tail = "tail"),
			    0);
		do {	/* as an event loop does */
			while (test_poll(fd, POLLIN, 0) != 0)
				assert_int_equal(mproc_recv(p, 0, &msg), 0);
			assert_int_equal(mproc_stats(p, &s), 0);
		} while (s.handled < (uint64_t)n);
	}
	expect(p, n, 0);
	fix_finish(p);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIX_ALL(a_ring_takes_payloads_in_place),
		FIX_ALL(a_socket_takes_them_too),
		FIX_ALL(what_is_refused),
		FIX_PROCESSES(a_death_in_between),
		FIX_ALL(another_thread_waits),
		FIX_ALL(batched_messages_arrive),
		FIX_ALL(what_waits_is_told),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return FIX_RUN(tests);
}
