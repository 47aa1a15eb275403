/*
 * synchronize.c - processes that share memory and wait for each other: a
 * lock, values in shared memory, a queue, an event, a limit on how many run
 * at a time, a join with a limit.
 *
 * Most programs need none of this: an object that one process owns, and
 * others call, needs no lock.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <mproc.h>

enum { TASKS = 6, ROUNDS = 2000, NUMBERS = 8, AT_ONCE = 2 };

/* In the memory that all share. */
struct shared {
	int64_t	total;		/* under the lock */
	int	running, most;	/* too */
	char	text[32];
	double	numbers[NUMBERS];
};

MPROC_MESSAGE(task, start, (struct mproc_fd, lock), (struct mproc_fd, memory));
MPROC_MESSAGE(task, count, (int, rounds));
MPROC_MESSAGE(task, produce, (int, n));
MPROC_MESSAGE(task, item, (int, n));
MPROC_MESSAGE(task, fill);
MPROC_MESSAGE(task, await);
MPROC_MESSAGE(task, run);

/* Made before the fork, so both processes know it under this name. */
static struct mproc_event *event;

struct task {
	struct mproc_backend	 base;
	struct mproc_lock	*lock;
	struct mproc_shm	*memory;
	struct shared		*shared;
};

/* Without the lock some would be lost. */
MPROC_COMMAND(task, count)
{
	int i, r = 0;

	for (i = 0; i < args->rounds && r == 0; i++)
		MPROC_LOCKED(self->lock, -1, &r)
			self->shared->total++;
	return r;
}

/* What is emitted is a queue: bounded, in order, with an end. */
MPROC_COMMAND(task, produce)
{
	int i, r;

	for (i = 0; i < args->n; i++)
		if ((r = mproc_emit(&self->base, task_item, .n = i)) < 0)
			return r;
	mproc_quit(&self->base, 0);
	return 0;
}

/* Values and arrays are plain memory; the reply says that they are there. */
MPROC_COMMAND(task, fill)
{
	int i;

	for (i = 0; i < NUMBERS; i++)
		self->shared->numbers[i] = i * 0.5;
	(void)snprintf(self->shared->text, sizeof(self->shared->text),
	    "filled by %s", mproc_backend_name(&self->base));
	return 0;
}

MPROC_COMMAND(task, await)
{
	return mproc_event_wait(event, 10000);
}

/* How many are in here at once? */
MPROC_COMMAND(task, run)
{
	struct shared *s = self->shared;
	int i;

	for (i = 0; i < 2; i++) {
		MPROC_LOCKED(self->lock, -1, NULL) {
			s->running += i == 0 ? 1 : -1;
			if (s->most < s->running)
				s->most = s->running;
		}
		if (i == 0 && mproc_poll(NULL, 0, 5) < 0)
			return -EIO;
	}
	return 0;
}

static int
pre_run(struct mproc_backend *base)
{
	const struct task_start *args = mproc_start_args(base, task_start);
	struct task *self = MPROC_SELF(task, base);
	int r;

	if ((r = mproc_lock_from_fd(args->lock.fd, &self->lock)) < 0 ||
	    (r = mproc_shm_from_fd(args->memory.fd, NULL, &self->memory)) < 0)
		return r;
	self->shared = mproc_shm_data(self->memory);
	return 0;
}

static int
post_run(struct mproc_backend *base)
{
	struct task *self = MPROC_SELF(task, base);

	mproc_shm_free(self->memory);
	mproc_lock_free(self->lock);
	return 0;
}

static const struct mproc_handler handlers[] = {
	MPROC_HANDLER(task, count, "add to the total"),
	MPROC_HANDLER(task, produce, "emit items, and end"),
	MPROC_HANDLER(task, fill, "write into the shared memory"),
	MPROC_HANDLER(task, await, "wait for the event"),
	MPROC_HANDLER(task, run, "be one of those that run"),
};
static const struct mproc_class task_class = MPROC_CLASS("Task", task,
    handlers, .pre_run = pre_run, .post_run = post_run);

static struct mproc_lock *lock;
static struct mproc_shm *memory;

/* What each process is made with: of a program that has the event. */
#define START	{							\
	.launch = MPROC_FORK,						\
	.args = MPROC_PACK(task_start,					\
	    .lock = MPROC_FD(mproc_lock_fd(lock)),			\
	    .memory = MPROC_FD(mproc_shm_fd(memory)))			\
}

static void
check(int r)
{
	if (r < 0)
		errx(1, "%s", mproc_errmsg(NULL));
}

static struct mproc *
create(void)
{
	struct mproc_options o = START;
	struct mproc *p;

	check(mproc_new(&task_class, &o, &p));
	check(mproc_start(p));
	return p;
}

/* Until each has answered; then they are freed. */
static void
collect(struct mproc_future **f, int n)
{
	check(mproc_future_wait_all(f, n, 10000));
	for (; n > 0; n--, f++) {
		check(mproc_future_result(*f));
		mproc_future_free(*f);
	}
}

static void
values(const struct shared *shared)
{
	struct mproc_future *f[TASKS];
	struct mproc *p[TASKS];
	int i;

	for (i = 0; i < TASKS; i++) {
		p[i] = create();
		check(mproc_ask(p[i], -1, &f[i], task_count,
		    .rounds = ROUNDS));
	}
	collect(f, TASKS);
	printf("value: %d processes counted to %lld\n", TASKS,
	    (long long)shared->total);
	check(mproc_call(p[0], 1000, NULL, task_fill));
	printf("memory: %s:", shared->text);
	for (i = 0; i < NUMBERS; i++)
		printf(" %g", shared->numbers[i]);
	printf("\n");
	/* all of them wait for one event */
	for (i = 0; i < TASKS; i++)
		check(mproc_ask(p[i], -1, &f[i], task_await));
	check(mproc_event_set(event));
	collect(f, TASKS);
	printf("event: all went on\n");
	check(mproc_event_clear(event));
	check(mproc_stop_all(p, TASKS));
	for (i = 0; i < TASKS; i++)
		mproc_free(p[i]);
}

static void
queue(void)
{
	struct mproc *p = create();
	struct mproc_msg *msg;

	check(mproc_send(p, task_produce, .n = NUMBERS));
	printf("queue:");
	while (mproc_recv(p, -1, &msg) == 1) {
		printf(" %d", mproc_args(msg, task_item)->n);
		mproc_msg_free(msg);
	}
	printf(", the end\n");
	mproc_free(p);
}

/* A semaphore in front of jobs: a limiter. */
static void
limit(const struct shared *shared)
{
	struct mproc_pool_options o = { .workers = TASKS, .process = START };
	struct mproc_future *f[TASKS];
	struct mproc_pool *pool;
	int i;

	check(mproc_limiter_new(AT_ONCE, &o.limiter));
	check(mproc_pool_new(&task_class, &o, &pool));
	check(mproc_pool_start(pool));
	for (i = 0; i < TASKS; i++)
		check(mproc_pool_submit(pool, -1, &f[i], task_run));
	collect(f, TASKS);
	printf("limit: %d ran, %s than %d at a time\n", TASKS,
	    shared->most <= AT_ONCE ? "never more" : "once more", AT_ONCE);
	mproc_pool_free(pool);
	mproc_limiter_free(o.limiter);
}

/* It ends when it has done what it was told; until then join gives up. */
static void
join(void)
{
	struct mproc *p = create();

	check(mproc_send(p, task_await));
	check(mproc_request_stop(p));
	if (mproc_wait_stop(p, 10) == -ETIMEDOUT)
		printf("join: not yet,");
	check(mproc_event_set(event));
	check(mproc_wait_stop(p, 10000));
	printf(" it ended\n");
	mproc_free(p);
}

/* No mproc_init() here: each process is a fork of this very one. */
int
main(void)
{
	const struct shared *shared;

	check(mproc_lock_new(NULL, &lock));
	check(mproc_shm_new(sizeof(*shared), NULL, &memory));
	check(mproc_event_new(NULL, &event));
	shared = mproc_shm_data(memory);
	values(shared);
	queue();
	limit(shared);
	join();
	mproc_event_free(event);
	mproc_shm_free(memory);
	mproc_lock_free(lock);
	return 0;
}
