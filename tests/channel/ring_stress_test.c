/*
 * Two sides of a ring at full speed, in threads and in processes that are
 * killed anywhere.
 */
#include <sys/mman.h>
#include <sys/wait.h>

#include <pthread.h>
#include <signal.h>

#include "pair.h"

#define KILLS	300

struct end {
	struct mproc__channel *ch;
	uint64_t last, sent, got;
	uint32_t seed;
	int	 fd;		/* sent along now and then, or -1 */
	const char *wrong;
};

static uint32_t
some(struct end *e, uint32_t below)
{
	e->seed = e->seed * 1103515245 + 12345;
	return (e->seed >> 8) % below;
}

static size_t
size_of(uint64_t seed)
{
	return seed % 5000 == 4999 ? 20000 : 1 + (size_t)(seed * 7 % 90);
}

static bool
has_fd(const struct end *e, uint64_t seed)
{
	return e->fd >= 0 && seed % 50 == 7;
}

/* One message, unless many wait; false: the other side is gone. */
static bool
send_one(struct end *e)
{
	size_t size = size_of(e->sent);
	struct mproc__buf *buf;
	int r;

	if (mproc__channel_queued(e->ch) > 100)
		return true;
	buf = mproc__channel_begin(e->ch);
	if (mproc__buf_reserve(buf, size) == NULL)
		return false;
	bytes_make(buf->data + buf->len, size, e->sent);
	buf->len += size;
	r = mproc__channel_commit(e->ch, &e->fd, has_fd(e, e->sent), false,
	    e->sent, true);
	if (r < 0 && r != -EPIPE)
		e->wrong = "commit";
	e->sent += r >= 0;
	return r >= 0;
}

/* All whole frames; false: that was the last. */
static bool
receive(struct end *e, bool quick)
{
	struct mproc__frame frame;
	int r, n;

	r = quick ? mproc__channel_pull(e->ch) : mproc__channel_fill(e->ch);
	while ((n = mproc__channel_next(e->ch, &frame)) == 1) {
		if (frame.size != size_of(e->got) ||
		    !bytes_are(frame.data, frame.size, e->got) ||
		    frame.n_fds != has_fd(e, e->got))
			e->wrong = "another frame";
		e->got++;
	}
	if (n < 0 || (r < 0 && r != -EPIPE))
		e->wrong = "fill";
	return r != -EPIPE && e->wrong == NULL;
}

/* Asleep until something comes: the writer's room, or bytes. */
static bool
rest(struct end *e)
{
	struct pollfd pfd = { mproc__channel_fd(e->ch), POLLIN, 0 };
	int ms = mproc__channel_blocked(e->ch) ? 1 : 20000;

	if (some(e, 3) == 0)
		mproc__channel_hush(e->ch);
	if (mproc__channel_listen(e->ch))
		return true;
	if (poll(&pfd, 1, ms) == 0 && ms > 1) {
		e->wrong = "slept for ever";
		return false;
	}
	if (some(e, 4) == 0)
		(void)mproc__channel_hear(e->ch);
	return true;
}

static bool
is_done(const struct end *e)
{
	return e->got >= e->last && e->sent >= e->last &&
	    mproc__channel_queued(e->ch) == 0 &&
	    !mproc__channel_blocked(e->ch);
}

static bool
turn(struct end *e)
{
	int i, n = 1 + (int)some(e, 40);

	for (i = 0; i < n && e->sent < e->last; i++)
		if (!send_one(e))
			return false;
	if (!receive(e, some(e, 2)) || mproc__channel_flush(e->ch) < 0)
		return false;
	if (is_done(e) || (e->sent < e->last &&
	    mproc__channel_queued(e->ch) < 100))
		return true;
	return rest(e);
}

static void *
run(void *arg)
{
	struct end *e = arg;

	while (!is_done(e) && turn(e))
		continue;
	return NULL;
}

static void
a_million_both_ways(void **state)
{
	const uint64_t last = test_on_valgrind() ? 20000 : 1000000;
	struct pair p = pair_new(0);
	struct end a = { .ch = p.a, .last = last, .seed = 1, .fd = -1 };
	struct end b = { .ch = p.b, .last = last, .seed = 2, .fd = -1 };
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, run, &a), 0);
	run(&b);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_null(a.wrong);
	assert_null(b.wrong);
	assert_int_equal(a.got, last);
	assert_int_equal(b.got, last);
	pair_free(&p);
}

/* One message there and one back: each sleeps for each. */
static void *
echo(void *arg)
{
	struct end *e = arg;
	const uint64_t first = e->seed;

	while (!is_done(e)) {
		if (e->sent < e->got + first && e->sent < e->last &&
		    !send_one(e))
			break;
		if (!receive(e, false) || mproc__channel_flush(e->ch) < 0)
			break;
		if (!is_done(e) && e->sent == e->got + first && !rest(e))
			break;
	}
	return NULL;
}

static void
a_hundred_thousand_round_trips(void **state)
{
	const uint64_t last = test_on_valgrind() ? 2000 : 100000;
	struct pair p = pair_new(0);
	struct end a = { .ch = p.a, .last = last, .seed = 1, .fd = -1 };
	struct end b = { .ch = p.b, .last = last, .seed = 0, .fd = -1 };
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, echo, &a), 0);
	echo(&b);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_null(a.wrong);
	assert_null(b.wrong);
	assert_int_equal(a.got, last);
	assert_int_equal(b.got, last);
	pair_free(&p);
}

static int
child(struct pair *p, uint32_t seed, int fd)
{
	struct end e = { .ch = p->b, .last = UINT64_MAX, .seed = seed,
		.fd = fd };

	mproc__close(mproc__channel_fd(p->a));
	if (mproc__channel_join(p->b) < 0)
		return 1;
	run(&e);
	return e.wrong != NULL;
}

/* Killed after it has sent so many, wherever it is by then */
static void
kill_one(uint32_t seed, int fd)
{
	struct pair p;
	struct end e = { .last = UINT64_MAX, .seed = seed, .fd = fd };
	uint64_t enough = seed % 7 == 0 ? 0 : seed * 13 % 3000;
	int status;
	pid_t pid;

	assert_int_equal(pair_socket(NULL), 0);
	p = pair_new(0);
	assert_int_equal(mproc__channel_share(p.a, seed % 2 ? 4096 : 65536),
	    0);
	if ((pid = fork()) == 0)
		_exit(child(&p, seed + 1, fd));
	assert_true(pid > 0);
	mproc__channel_free(p.b);
	e.ch = p.a;
	while (e.got < enough && turn(&e))
		continue;
	assert_int_equal(kill(pid, SIGKILL), 0);
	while (receive(&e, false))
		(void)rest(&e);
	assert_null(e.wrong);
	assert_int_equal(mproc__channel_fill(p.a), -EPIPE);
	assert_true(e.got >= enough);
	(void)send_one(&e);
	assert_int_equal(mproc__channel_flush(p.a), -EPIPE);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	mproc__channel_free(p.a);
}

static void
killed_anywhere(void **state)
{
	const uint32_t n = test_on_valgrind() ? 10 : KILLS;
	int fd = mproc__dup(0);
	uint32_t i;

	(void)state;
	for (i = 0; i < n; i++)
		kill_one(i, fd);
	mproc__close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RING_ONLY(a_million_both_ways),
		RING_ONLY(a_hundred_thousand_round_trips),
		cmocka_unit_test(killed_anywhere),
	};

	return TEST_RUN(tests);
}
