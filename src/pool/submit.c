/*
 * submit.c - jobs come in: checked, encoded, queued; and their futures.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool/pool.h"

#define COPY_MAX	((size_t)16 << 10)	/* bytes of a body */

/* What a future asks of its pool. */

static int
op_lock(void *owner)
{
	return mproc__pool_enter(owner);
}

static void
op_unlock(void *owner)
{
	mproc__pool_leave(owner);
}

static int
op_wait_for(void *owner, bool (*ready)(void *arg), void *arg,
    int64_t deadline)
{
	return mproc__pool_wait(owner, ready, arg, deadline);
}

static bool
is_done(void *arg)
{
	return ((struct mproc_future *)arg)->done;
}

static int
op_wait(void *owner, struct mproc_future *f, int64_t deadline)
{
	return mproc__pool_wait(owner, is_done, f, deadline);
}

static void
op_work(void *owner)
{
	mproc__pool_work(owner);
}

static int
op_fds(void *owner, struct pollfd ret[MPROC__FUTURE_POLLFDS])
{
	struct mproc_pool *pool = owner;

	pool->n_futures_fd++;
	mproc__pool_flush(pool);
	ret[0] = (struct pollfd){ pool->epfd, POLLIN, 0 };
	return 1;
}

/* Given up: nobody wants the result any more. */
static void
op_forget(void *owner, struct mproc_future *f)
{
	struct mproc_pool *pool = owner;
	struct mproc__job *job = f->job;

	if (job == NULL) {
		mproc__feed_forget(pool, f);
		return;
	}
	f->job = NULL;
	job->f = NULL;
	if (job->worker == NULL && job->in != NULL)
		mproc__job_drop(pool, job, -ECANCELED, "given up");
}

static int
op_cancel(void *owner, struct mproc_future *f, enum mproc_cancel how)
{
	if (f->job == NULL)
		return mproc__err(-EOPNOTSUPP, "a feed is no job");
	return mproc__job_cancel(owner, f->job, how);
}

static void
op_took(void *owner, struct mproc_future *f, size_t size)
{
	struct mproc__job *job = f->job;

	(void)owner;
	if (job == NULL || job->worker == NULL)
		return;
	if (mproc__enter(job->worker->p) == 0) {
		mproc__item_taken(job->worker->p, size);
		mproc__leave(job->worker->p);
	}
}

static const struct mproc__future_ops ops = {
	.lock = op_lock, .unlock = op_unlock, .wait = op_wait,
	.work = op_work, .fds = op_fds, .forget = op_forget,
	.wait_for = op_wait_for, .cancel = op_cancel, .took = op_took
};

int
mproc__pool_future(struct mproc_pool *pool, struct mproc_future **ret_f)
{
	struct mproc_future *f;

	if ((f = malloc(sizeof(*f))) == NULL)
		return -ENOMEM;
	mproc__future_init(f, &ops, pool);
	*ret_f = f;
	return 0;
}

int
mproc__pool_check_item(struct mproc_pool *pool, const struct mproc__item *it)
{
	int r = mproc__index_check(&pool->index, it->schema,
	    it->schema != NULL ? NULL : mproc_msg_command(it->msg));

	if (r == 0 && it->schema != NULL)
		pool->taken = mproc__schema_hash(it->schema);
	return r;
}

static int
check_state(struct mproc_pool *pool)
{
	if (pool->state == MPROC__POOL_NEW)
		return mproc__err(-ENOTCONN, "pool %s was not started",
		    pool->name);
	if (pool->state == MPROC__POOL_CLOSED)
		return mproc__err(-ESHUTDOWN, "pool %s was closed",
		    pool->name);
	if (pool->no_go)
		return mproc__err(-ECANCELED, "pool %s is on no-go",
		    pool->name);
	if ((pool->offload_off || (pool->broken &&
	    (pool->opt.no_respawn || mproc__now_ns() < pool->start_at))) &&
	    !pool->opt.fail_open)
		return mproc__err(-ECHILD, "pool %s has no workers%s%s",
		    pool->name, pool->start_text[0] != '\0' ? ": " : "",
		    pool->start_text);
	return 0;
}

static struct mproc__job *
job_new(struct mproc_pool *pool)
{
	struct mproc__job *job = pool->spare;

	if (job != NULL) {
		pool->spare = job->next;
		pool->n_spare--;
		__builtin_prefetch(pool->spare);	/* for the next one */
		if (job->plain)
			return job;
	} else if ((job = malloc(sizeof(*job))) == NULL) {
		return NULL;
	}
	mproc__zero(job, offsetof(struct mproc__job, small));
	job->expires = MPROC__NEVER;
	job->value = -1;
	return job;
}

static int
keep_fds(struct mproc__job *job, const struct mproc__fdset *fds)
{
	int i, fd;

	if (fds->n == 0)
		return 0;
	job->fds = calloc((size_t)fds->n, sizeof(*job->fds));
	if (job->fds == NULL)
		return -ENOMEM;
	for (i = 0; i < fds->n; i++) {
		if ((fd = mproc__dup(fds->fd[i])) < 0)
			return fd;
		job->fds[job->n_fds++] = fd;
	}
	return 0;
}

/* What was encoded is the job's: what is large is not copied. */
static int
keep_body(struct mproc_pool *pool, struct mproc__job *job)
{
	struct mproc__buf *buf = &pool->scratch;

	job->size = buf->len;
	if (buf->len > COPY_MAX) {
		job->body = buf->data;
		*buf = (struct mproc__buf){ .data = NULL };
		return 0;
	}
	job->body = buf->len <= sizeof(job->small) ? job->small :
	    malloc(buf->len);
	if (job->body == NULL)
		return -ENOMEM;
	mproc__copy(job->body, buf->data, buf->len);
	return 0;
}

static int
encode(struct mproc_pool *pool, struct mproc__job *job,
    const struct mproc__item *it)
{
	size_t max = pool->opt.process.max_message > 0 ?
	    (size_t)pool->opt.process.max_message : (size_t)256 << 20;
	struct mproc__buf *buf = &pool->scratch;
	struct mproc__fdset fds;
	int r;

	buf->len = 0;
	buf->failed = false;
	fds.n = 0;
	job->id = ++pool->last_id;
	if (it->schema != NULL)
		r = mproc__encode(buf, MPROC__CALL, job->id, it->schema,
		    it->args, NULL, max, &fds);
	else
		r = mproc__encode_msg(buf, MPROC__CALL, job->id, NULL,
		    it->msg, NULL, max, &fds);
	if (r < 0)
		mproc__buf_done(buf);	/* it may have become large */
	if (r < 0 || (r = keep_body(pool, job)) < 0)
		return r;
	return keep_fds(job, &fds);
}

static int
pick(int value, int otherwise)
{
	value = value == 0 ? otherwise : value;
	return value < 0 ? 0 : value;
}

static void
expire_in(struct mproc_pool *pool, struct mproc__job *job, int ms)
{
	struct mproc__job *at = pool->exp_last;

	job->expires = mproc__deadline(ms);
	while (at != NULL && at->expires > job->expires)
		at = at->exp_prev;
	job->exp_prev = at;
	job->exp_next = at != NULL ? at->exp_next : pool->exp_first;
	if (job->exp_next != NULL)
		job->exp_next->exp_prev = job;
	else
		pool->exp_last = job;
	if (at != NULL)
		at->exp_next = job;
	else
		pool->exp_first = job;
	job->in_exp = true;
	mproc__pool_time(pool, job->expires);
}

static int
check_options(const struct mproc_job *o)
{
	const char *bad = NULL;
	int value = 0;

	if (o == NULL)
		return 0;
	if ((value = o->timeout_ms) < -1)
		bad = "timeout_ms";
	else if ((value = o->expire_ms) < -1)
		bad = "expire_ms";
	else if ((value = o->retries) < -1)
		bad = "retries";
	return bad == NULL ? 0 : mproc__err(-EINVAL, "job options: .%s is "
	    "%d, should be -1 or more", bad, value);
}

static void
set_options(struct mproc_pool *pool, struct mproc__job *job,
    const struct mproc_job *o)
{
	static const struct mproc_job none;
	const struct mproc_pool_options *d = &pool->opt;
	int ms;

	if (o == NULL)
		o = &none;
	ms = pick(o->timeout_ms, d->timeout_ms);
	job->timeout_ns = ms * 1000000LL;
	job->retries = pick(o->retries, d->retries);
	job->limiter = o->limiter != NULL ? o->limiter : d->limiter;
	job->key = o->key;
	job->handler = o->handler;
	job->arg = o->arg;
	if ((ms = pick(o->expire_ms, d->expire_ms)) > 0)
		expire_in(pool, job, ms);
	job->plain = job->sink != NULL && job->sink->keep != NULL &&
	    ms == 0 && job->timeout_ns == 0 && job->limiter == NULL &&
	    job->handler == NULL && job->n_fds == 0;
}

int
mproc__pool_submit(struct mproc_pool *pool, const struct mproc__item *it,
    const struct mproc_job *options, struct mproc_future *f,
    struct mproc__sink *sink, uint64_t index)
{
	struct mproc__job *job;
	int r;

	if ((r = check_options(options)) < 0)
		return r;
	if ((job = job_new(pool)) == NULL)
		return -ENOMEM;
	if ((r = encode(pool, job, it)) < 0) {
		mproc__job_free(pool, job);
		return r;
	}
	job->sink = sink;
	job->index = index;
	if ((job->f = f) != NULL) {
		f->job = job;
		f->id = job->id;
	}
	set_options(pool, job, options);
	pool->st.submitted++;
	mproc__pool_give(pool, job);
	return 0;
}

static int
no_room(struct mproc_pool *pool, int wait_ms)
{
	bool full = !mproc__pool_has_room(pool);
	char time[40] = "has no room";

	if (wait_ms != 0)
		(void)snprintf(time, sizeof(time), "had no room for %d ms",
		    wait_ms);
	return mproc__err(wait_ms == 0 ? -EAGAIN : -ETIMEDOUT, "pool %s %s: "
	    "%s: %llu (%s)", pool->name, time,
	    full ? "jobs that wait" : "results that wait to be got",
	    full ? (unsigned long long)pool->n_queued :
	    (unsigned long long)pool->puts.open,
	    full ? ".queue_jobs" : ".window");
}

/* For a submit: 0, or why it is refused. */
int
mproc__pool_await_room(struct mproc_pool *pool, bool (*ready)(void *),
    void *arg, int wait_ms)
{
	int r;

	if ((r = check_state(pool)) < 0)
		return r;
	if (ready(arg))
		return 0;
	if (wait_ms == 0)
		mproc__pool_work(pool);
	else if ((r = mproc__pool_may_wait(pool)) < 0)
		return r;
	else
		(void)mproc__pool_wait(pool, ready, arg,
		    mproc__deadline(wait_ms));
	if ((r = check_state(pool)) < 0)
		return r;
	if (ready(arg))
		return 0;
	pool->want_room = true;
	mproc__pool_flag(pool);
	return no_room(pool, wait_ms);
}

/* There is room, or no more need to wait for it. */
static bool
has_room(void *arg)
{
	struct mproc_pool *pool = arg;

	return mproc__pool_has_room(pool) || pool->no_go ||
	    pool->state != MPROC__POOL_RUNNING;
}

/* will_wait: for the future, at once */
static int
submit(struct mproc_pool *pool, int wait_ms, const struct mproc_job *job,
    struct mproc_future **ret_f, const struct mproc__item *it,
    bool will_wait)
{
	struct mproc_future *f = NULL;
	int r;

	if ((r = mproc__pool_enter(pool)) < 0)
		return r;
	if ((will_wait && (r = mproc__pool_may_wait(pool)) < 0) ||
	    (r = mproc__pool_check(pool, it)) < 0 ||
	    (r = mproc__pool_await_room(pool, has_room, pool, wait_ms)) < 0)
		goto out;
	if (ret_f != NULL && (r = mproc__pool_future(pool, &f)) < 0)
		goto out;
	r = mproc__pool_submit(pool, it, job, f, NULL, 0);
	if (r == 0 && ret_f != NULL)
		*ret_f = f;
	else
		free(f);
out:
	mproc__pool_leave(pool);
	return r;
}

int
mproc_pool_submit_typed(struct mproc_pool *pool, int wait_ms,
    const struct mproc_job *job, struct mproc_future **ret_future,
    const struct mproc_schema *schema, const void *args)
{
	return submit(pool, wait_ms, job, ret_future,
	    &(struct mproc__item){ .schema = schema, .args = args }, false);
}

int
mproc_pool_submit_msg(struct mproc_pool *pool, int wait_ms,
    const struct mproc_job *job, struct mproc_future **ret_future,
    const struct mproc_msg *msg)
{
	if (msg == NULL)
		return mproc__err(-EINVAL, "no message given");
	return submit(pool, wait_ms, job, ret_future,
	    &(struct mproc__item){ .msg = msg }, false);
}

int
mproc_pool_call_typed(struct mproc_pool *pool, int timeout_ms,
    const struct mproc_job *job, struct mproc_msg **ret_reply,
    const struct mproc_schema *schema, const void *args)
{
	int64_t deadline = mproc__deadline(timeout_ms);
	struct mproc_future *f;
	int r;

	r = submit(pool, timeout_ms, job, &f,
	    &(struct mproc__item){ .schema = schema, .args = args }, true);
	if (r < 0)
		return r;
	r = mproc_future_wait(f, mproc__remaining_ms(deadline));
	if (r == 0 && (r = mproc_future_result(f)) < 0)
		mproc__err(r, "%s", mproc_future_errmsg(f));
	if (r >= 0 && ret_reply != NULL)
		*ret_reply = mproc_future_take(f);
	mproc_future_free(f);
	return r;
}
