/*
 * benchmarks.c - how many a second of what processes do together: the table
 * that Python's multiprocessing has among its examples.
 *
 *	benchmarks [SECONDS]	for each line; default 0.05
 *
 * It tells the orders of magnitude on this machine.  To compare with other
 * libraries there is bench/, which measures in turns, and again and again.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <mproc.h>

enum { MANY = 100 };		/* between two looks at the clock */

MPROC_MESSAGE(mate, start, (struct mproc_fd, lock));
MPROC_MESSAGE(mate, take, (struct mproc_bytes, data));
MPROC_MESSAGE(mate, echo, (struct mproc_bytes, data));
MPROC_MESSAGE(mate, give);
MPROC_MESSAGE(mate, contend);
MPROC_MESSAGE(mate, answer);

struct mate {
	struct mproc_backend	 base;
	struct mproc_lock	*lock;
};

/* Made before the fork: one for each direction. */
static struct mproc_event *there, *back;
static struct mproc_lock *lock;
static double seconds = 0.05;

MPROC_COMMAND(mate, take) { return 0; }

MPROC_COMMAND(mate, echo)
{
	return mproc_reply(req, mate_echo, .data = args->data);
}

/* Emit, until there is something else to do. */
MPROC_COMMAND(mate, give)
{
	while (mproc_going(&self->base))
		if (mproc_emit(&self->base, mate_take) < 0)
			break;
	return 0;
}

/* Take the lock, until there is something else to do. */
MPROC_COMMAND(mate, contend)
{
	while (mproc_going(&self->base))
		MPROC_LOCKED(self->lock, -1, NULL)
			;
	return 0;
}

/* Answer each event with the other, until one comes no more. */
MPROC_COMMAND(mate, answer)
{
	while (mproc_event_wait(there, 1000) == 0) {
		(void)mproc_event_clear(there);
		(void)mproc_event_set(back);
	}
	return 0;
}

static int
pre_run(struct mproc_backend *base)
{
	return mproc_lock_from_fd(mproc_start_args(base, mate_start)->lock.fd,
	    &MPROC_SELF(mate, base)->lock);
}

static int
post_run(struct mproc_backend *base)
{
	mproc_lock_free(MPROC_SELF(mate, base)->lock);
	return 0;
}

static const struct mproc_handler handlers[] = {
	MPROC_HANDLER(mate, take, "do nothing"),
	MPROC_HANDLER(mate, echo, "reply with the same"),
	MPROC_HANDLER(mate, give, "emit"),
	MPROC_HANDLER(mate, contend, "lock and unlock"),
	MPROC_HANDLER(mate, answer, "set an event for an event"),
};
static const struct mproc_class mate_class = MPROC_CLASS("Mate", mate,
    handlers, .pre_run = pre_run, .post_run = post_run);

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
check(int r)
{
	if (r < 0)
		errx(1, "%s", mproc_errmsg(NULL));
}

static void
line(const char *what, long n, double since)
{
	printf("%-44s %12.0f /s\n", what,
	    (double)n / (now() - since));
}

static struct mproc *
create(enum mproc_channel_kind channel)
{
	struct mproc_options o = {
		.launch = MPROC_FORK, .channel = channel,
		.args = MPROC_PACK(mate_start,
		    .lock = MPROC_FD(mproc_lock_fd(lock)))
	};
	struct mproc *p;

	check(mproc_new(&mate_class, &o, &p));
	check(mproc_start(p));
	return p;
}

/* Messages of so many bytes, one way and there and back. */
static void
messages(struct mproc *p, const char *channel, size_t size)
{
	struct mproc_bytes data = { calloc(1, size), size };
	double since = now();
	long n;
	char what[64];
	int i;

	if (data.data == NULL)
		err(1, NULL);
	for (n = 0; now() - since < seconds; n += MANY)
		for (i = 0; i < MANY; i++)
			check(mproc_send(p, mate_take, .data = data));
	check(mproc_call(p, -1, NULL, mate_take));	/* all were taken */
	(void)snprintf(what, sizeof(what), "messages of %zu bytes, %s", size,
	    channel);
	line(what, n, since);
	since = now();
	for (n = 0; now() - since < seconds; n++)
		check(mproc_call(p, -1, NULL, mate_echo, .data = data));
	(void)snprintf(what, sizeof(what), "calls with %zu bytes, %s", size,
	    channel);
	line(what, n, since);
	free((void *)(uintptr_t)data.data);
}

static void
emits(struct mproc *p)
{
	struct mproc_msg *msg;
	double since = now();
	long n;

	check(mproc_send(p, mate_give));
	for (n = 0; now() - since < seconds; n++) {
		check(mproc_recv(p, -1, &msg));
		mproc_msg_free(msg);
	}
	line("emits, one by one", n, since);
	check(mproc_stop(p));
}

static void
locks(const char *what)
{
	double since = now();
	long n;
	int i;

	for (n = 0; now() - since < seconds; n += MANY)
		for (i = 0; i < MANY; i++)
			MPROC_LOCKED(lock, -1, NULL)
				;
	line(what, n, since);
}

static void
events(struct mproc *p)
{
	double since;
	long n;

	check(mproc_send(p, mate_answer));
	for (n = 0, since = now(); now() - since < seconds; n++) {
		check(mproc_event_set(there));
		check(mproc_event_wait(back, -1));
		check(mproc_event_clear(back));
	}
	line("events, there and back", n, since);
	check(mproc_event_abort(there, -ECANCELED));
}

static void
jobs(int prefetch)
{
	struct mproc_pool_options o = {
		.prefetch = prefetch, .queue_jobs = -1,
		.process = { .launch = MPROC_FORK, .args =
		    MPROC_PACK(mate_start,
		    .lock = MPROC_FD(mproc_lock_fd(lock))) }
	};
	struct mproc_pool *pool;
	struct mproc_result r;
	double since;
	long n;
	char what[64];
	int i;

	check(mproc_pool_new(&mate_class, &o, &pool));
	check(mproc_pool_start(pool));
	for (n = 0, since = now(); now() - since < seconds; n += MANY) {
		for (i = 0; i < MANY; i++)
			check(mproc_pool_put(pool, -1, mate_take));
		for (i = 0; i < MANY; i++) {
			check(mproc_pool_get(pool, -1, &r));
			mproc_msg_free(r.reply);
		}
	}
	(void)snprintf(what, sizeof(what), "jobs of a pool, %d at a time",
	    prefetch);
	line(what, n, since);
	mproc_pool_free(pool);
}

/* No mproc_init() here: each process is a fork of this very one. */
int
main(int argc, char **argv)
{
	struct mproc *p;

	if (argc > 1)
		seconds = strtod(argv[1], NULL);
	check(mproc_lock_new(NULL, &lock));
	check(mproc_event_new(NULL, &there));
	check(mproc_event_new(NULL, &back));
	p = create(MPROC_SOCKET);
	messages(p, "socket", 100);
	messages(p, "socket", 65536);
	emits(p);
	mproc_free(p);
	p = create(MPROC_RING);
	messages(p, "ring", 100);
	messages(p, "ring", 65536);
	events(p);
	locks("locks, alone");
	check(mproc_send(p, mate_contend));
	locks("locks, another process wants it");
	mproc_free(p);
	jobs(1);
	jobs(64);
	mproc_event_free(there);
	mproc_event_free(back);
	mproc_lock_free(lock);
	return 0;
}
