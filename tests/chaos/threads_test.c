/*
 * threads_test.c - one process, eight threads that do everything at once,
 * and kills and restarts in between.
 *
 * MPROC_CHAOS_SECONDS lets each run longer than its second.
 */
#include "test.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "hostile.h"
#include "victim.h"

#define THREADS	8
#define HANG_MS	10000

struct shared {
	struct mproc	*p;
	int64_t		 end;
	_Atomic int	 ok, failed, kills, stops;
	_Atomic int	 wrong;		/* codes that may not be */
	_Atomic int64_t	 longest;	/* ms, of one call */
};

static void
expect(struct shared *s, int r, const int *may)
{
	if (r >= 0) {
		s->ok++;
		return;
	}
	for (; *may != 0; may++)
		if (*may == r) {
			s->failed++;
			(void)poll(NULL, 0, 1);	/* do not starve others */
			return;
		}
	print_error("unexpected: %s %s\n", strerrorname_np(-r),
	    mproc_errmsg(NULL));
	s->wrong++;
}

static const int talk_may[] = {
	-EPIPE, -ESHUTDOWN, -ECANCELED, -EAGAIN, 0
};
static const int life_may[] = {
	-EALREADY, -EPIPE, -ENOTCONN, -ESHUTDOWN, -ETIMEDOUT, 0
};

/* A future that a thread waits for, and another that it gives up. */
static void
ask(struct shared *s, int64_t n)
{
	struct mproc_future *f[2] = { NULL, NULL };
	int r;

	r = mproc_ask(s->p, HANG_MS, &f[0], victim_echo, .n = n);
	expect(s, r, talk_may);
	if (r < 0)
		return;
	r = mproc_ask(s->p, HANG_MS, &f[1], victim_hold);
	expect(s, r, talk_may);
	expect(s, mproc_future_wait(f[0], HANG_MS), talk_may);
	r = mproc_future_result(f[0]);
	expect(s, r, talk_may);
	if (r == 0 && mproc_args(mproc_future_reply(f[0]),
	    victim_echoed)->n != n)
		s->wrong++;
	mproc_future_free(f[0]);
	mproc_future_free(f[1]);
}

static void
call(struct shared *s, int64_t n)
{
	struct mproc_msg *reply = NULL;
	int r;

	r = mproc_call(s->p, HANG_MS, &reply, victim_echo, .n = n);
	expect(s, r, talk_may);
	if (r == 0 && mproc_args(reply, victim_echoed)->n != n)
		s->wrong++;	/* another thread's */
	mproc_msg_free(reply);
}

static void
receive(struct shared *s)
{
	struct mproc_msg *msg;
	int r = mproc_recv(s->p, 1, &msg);

	expect(s, r, talk_may);
	if (r == 1)
		mproc_msg_free(msg);
}

static void
watch(struct shared *s)
{
	struct mproc_activity a;
	struct mproc_stats st;
	struct pollfd pfd = { mproc_fd(s->p), POLLIN, 0 };

	(void)poll(&pfd, 1, 1);
	expect(s, mproc_stats(s->p, &st), talk_may);
	expect(s, mproc_activity(s->p, &a), talk_may);
	(void)mproc_status(s->p);
	(void)mproc_pid(s->p);
	expect(s, mproc_ping(s->p, HANG_MS), life_may);
	expect(s, mproc_set_going(s->p, true), talk_may);
}

static void
live(struct shared *s, uint64_t *seed)
{
	switch (chaos_random(seed) % 8) {
	case 0:
		expect(s, mproc_kill(s->p), life_may);
		s->kills++;
		break;
	case 1:
		expect(s, mproc_stop(s->p), life_may);
		s->stops++;
		break;
	case 2:
		expect(s, mproc_request_stop(s->p), life_may);
		expect(s, mproc_wait_stop(s->p, HANG_MS), life_may);
		s->stops++;
		break;
	default:
		break;
	}
	expect(s, mproc_start(s->p), life_may);
	(void)poll(NULL, 0, (int)(chaos_random(seed) % 4));
}

static void
act(struct shared *s, int who, int64_t n, uint64_t *seed)
{
	switch (who) {
	case 0:
		live(s, seed);
		break;
	case 1:
		receive(s);
		break;
	case 2:
		watch(s);
		break;
	case 3:
		expect(s, mproc_send(s->p, victim_note, .n = n), talk_may);
		expect(s, mproc_flush(s->p, HANG_MS), life_may);
		/* not too many, or the others queue behind them */
		expect(s, mproc_call(s->p, HANG_MS, NULL, victim_emit,
		    .count = 3, .size = 10), talk_may);
		break;
	case 4:
	case 5:
		ask(s, n);
		break;
	default:
		call(s, n);
	}
}

struct one {
	struct shared	*s;
	int		 who;
};

static void *
work(void *arg)
{
	struct one *one = arg;
	struct shared *s = one->s;
	uint64_t seed = (uint64_t)one->who;
	int64_t n = (int64_t)one->who << 32, since;

	while ((since = test_now_ms()) < s->end) {
		act(s, one->who, n++, &seed);
		since = test_now_ms() - since;
		if (since > s->longest)
			s->longest = since;
		if (since > 1000)
			print_message("thread %d waited %lld ms\n",
			    one->who, (long long)since);
	}
	return NULL;
}

struct variant {
	enum mproc_launch how;
	enum mproc_overflow overflow;
};

static void
eight_threads(void **state)
{
	const struct variant *v = *state;
	struct shared s = { .end = test_now_ms() +
	    1000 * test_env("MPROC_CHAOS_SECONDS", 1) };
	struct one one[THREADS];
	pthread_t thread[THREADS];
	struct mproc_msg *msg;
	int i;

	assert_int_equal(mproc_new(&victim_class, &(struct mproc_options){
		.launch = v->how, .overflow = v->overflow,
		.emit_overflow = v->overflow, .mailbox_messages = 100,
		.inbox_messages = 10, .stop_grace_ms = 500 }, &s.p), 0);
	assert_int_equal(mproc_start(s.p), 0);
	for (i = 0; i < THREADS; i++) {
		one[i] = (struct one){ &s, i };
		assert_int_equal(pthread_create(&thread[i], NULL, work,
		    &one[i]), 0);
	}
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	print_message("%d calls worked, %d failed; %d kills, %d stops; "
	    "longest %d ms\n", s.ok, s.failed, s.kills, s.stops,
	    (int)s.longest);
	assert_int_equal(s.wrong, 0);
	assert_true(s.longest < HANG_MS);
	assert_true(s.ok > 20 && s.kills + s.stops > 0);
	assert_int_equal(mproc_stop(s.p), 0);
	while (mproc_recv(s.p, 0, &msg) == 1)
		mproc_msg_free(msg);
	chaos_check_accounts(s.p);
	mproc_free(s.p);
}

static struct variant variants[] = {
	{ MPROC_FORKSERVER, MPROC_BLOCK }, { MPROC_FORK, MPROC_REJECT },
	{ MPROC_FORKSERVER, MPROC_DROP_OLD },
	{ MPROC_FORKSERVER, MPROC_DROP_NEW }
};

#define WITH(name_, i_)							\
	{ name_, eight_threads, NULL, NULL, &variants[i_] }

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH("eight threads block", 0),
		WITH("eight threads are refused (fork)", 1),
		WITH("eight threads drop the old", 2),
		WITH("eight threads drop the new", 3),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
