/*
 * job.c - a job's way from the queue to its end, which it has exactly once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool/pool.h"

#define SPARE_MAX	4096	/* jobs kept for the next ones */

void
mproc__jobs_add_first(struct mproc__jobs *list, struct mproc__job *job)
{
	job->in = list;
	job->prev = NULL;
	job->next = list->first;
	if (list->first != NULL)
		list->first->prev = job;
	else
		list->last = job;
	list->first = job;
	list->n++;
}

void
mproc__exp_del(struct mproc_pool *pool, struct mproc__job *job)
{
	if (!job->in_exp)
		return;
	if (job->exp_prev != NULL)
		job->exp_prev->exp_next = job->exp_next;
	else
		pool->exp_first = job->exp_next;
	if (job->exp_next != NULL)
		job->exp_next->exp_prev = job->exp_prev;
	else
		pool->exp_last = job->exp_prev;
	job->in_exp = false;
}

/* For the next one. */
static void
put_away(struct mproc_pool *pool, struct mproc__job *job)
{
	if (job->body != job->small)
		free(job->body);
	job->body = NULL;
	if (pool->n_spare == SPARE_MAX) {
		free(job);
		return;
	}
	job->next = pool->spare;
	pool->spare = job;
	pool->n_spare++;
}

void
mproc__job_free(struct mproc_pool *pool, struct mproc__job *job)
{
	struct mproc_msg *item;

	while (job->n_fds > 0)
		mproc__close(job->fds[--job->n_fds]);
	free(job->fds);
	free(job->text);
	while ((item = job->items) != NULL) {
		job->items = mproc__msg_next(item);
		mproc_msg_free(item);
	}
	mproc_msg_free(job->reply);
	job->plain = false;
	put_away(pool, job);
}

/* The one place where a job's end is counted. */
static void
count(struct mproc_pool *pool, const struct mproc__job *job, int code,
    bool by_handler)
{
	struct mproc_pool_stats *st = &pool->st;

	pool->ended++;
	if (job->f == NULL && job->sink == NULL && job->handler == NULL)
		st->abandoned++;
	if (code >= 0)
		st->done++;
	else if (code == -ECANCELED)
		st->canceled++;
	else if (!by_handler && code == -ETIMEDOUT)
		st->timed_out++;
	else if (!by_handler && code == -EPIPE)
		st->crashed++;
	else
		st->failed++;
}

void
mproc__job_too_long(const struct mproc__job *job, char *buf, size_t size)
{
	const struct mproc *p = job->worker->p;
	struct mproc__envelope env = { .command_len = 0 };

	(void)mproc__envelope_read(job->body, job->size, &env);
	(void)snprintf(buf, size, "c__%.*s in %s (pid %d) ran longer than "
	    "its timeout of %lld ms", (int)env.command_len, env.command,
	    p->name, (int)p->child.pid,
	    (long long)(job->timeout_ns / 1000000));
}

/* In nobody's hands any more: its result goes where it is wanted. */
void
mproc__job_end(struct mproc_pool *pool, struct mproc__job *job, int code,
    struct mproc_msg *reply, const char *text,
    const struct mproc_death *death)
{
	mproc__exp_del(pool, job);
	if (job->has_token)
		mproc__limiter_give(job->limiter);
	job->has_token = false;
	if (death != NULL && job->f != NULL)	/* without memory: none */
		job->f->death = mproc__death_dup(death);
	if (job->item_code < 0) {
		mproc_msg_free(reply);
		reply = NULL;
		code = job->item_code;
		text = "an item was refused";
	}
	count(pool, job, code, death == NULL && job->worker != NULL &&
	    job->verdict == 0);
	job->worker = NULL;
	if (job->handler != NULL) {
		job->code = code;
		job->reply = reply;
		job->text = text != NULL ? strdup(text) : NULL;
		job->ended = true;
		mproc__job_call(pool, job);
		return;
	}
	if (job->f != NULL)
		mproc__future_complete(job->f, code, reply, text);
	else if (job->sink != NULL)
		job->sink->put(job->sink, job, code, reply, text);
	else
		mproc_msg_free(reply);
	mproc__job_free(pool, job);
}

void
mproc__job_done(struct mproc_pool *pool, struct mproc__job *job,
    const struct mproc__frame *frame, const struct mproc__envelope *env)
{
	pool->ended++;
	pool->st.done++;
	job->sink->keep(job->sink, job, frame, env);
	job->worker = NULL;
	put_away(pool, job);
}

/* Was it the last that waited for a token of its limiter? */
static void
leave_limiter(struct mproc_pool *pool, struct mproc_limiter *limiter)
{
	struct mproc__job *o;

	for (o = pool->limited.first; o != NULL; o = o->next)
		if (o->limiter == limiter)
			return;
	mproc__limiter_leave(limiter, pool);
}

void
mproc__job_drop(struct mproc_pool *pool, struct mproc__job *job, int code,
    const char *text)
{
	bool limited = job->in == &pool->limited;

	mproc__jobs_del(job);
	pool->n_queued--;
	if (limited)
		leave_limiter(pool, job->limiter);
	mproc__job_end(pool, job, code, NULL, text, NULL);
}

static int
drop_all(struct mproc_pool *pool, struct mproc__jobs *list, int code,
    const char *text)
{
	int n = 0;

	for (; list->first != NULL; n++)
		mproc__job_drop(pool, list->first, code, text);
	return n;
}

int
mproc__pool_drop_queue(struct mproc_pool *pool, int code, const char *text)
{
	int i, n;

	n = drop_all(pool, &pool->limited, code, text);
	n += drop_all(pool, &pool->queue, code, text);
	for (i = 0; i < pool->opt.workers; i++)
		n += drop_all(pool, &pool->keyed[i], code, text);
	return n;
}

/* Back to where it came from, ahead of all others. */
void
mproc__job_requeue(struct mproc_pool *pool, struct mproc__job *job)
{
	if (job->has_token)
		mproc__limiter_give(job->limiter);
	job->has_token = false;
	job->worker = NULL;
	pool->n_queued++;
	if (job->key != 0)
		mproc__jobs_add_first(&pool->keyed[job->key %
		    (unsigned)pool->opt.workers], job);
	else
		mproc__jobs_add_first(&pool->queue, job);
}

/* A handler that runs can be asked; one that waits there is not begun. */
static int
tell(struct mproc__worker *w, struct mproc__job *job)
{
	uint64_t seq = job->seq;
	bool has_begun;

	if (mproc__worker_tell(w, job))
		return 0;
	/* its place is taken: then all that have not begun leave the worker */
	has_begun = seq <= mproc__worker_revoke(w);
	mproc__pool_schedule(w->pool);
	if (!has_begun || mproc__worker_tell(w, job))
		return 0;
	return mproc__err(-EAGAIN, "%s: too many jobs are being canceled",
	    w->p->name);
}

int
mproc__job_cancel(struct mproc_pool *pool, struct mproc__job *job,
    enum mproc_cancel how)
{
	struct mproc__worker *w = job->worker;

	if (job->ended)
		return -EALREADY;	/* its handler has the last word */
	job->plain = false;
	if (w == NULL) {
		mproc__job_drop(pool, job, -ECANCELED, "canceled");
		return 0;
	}
	if (how == MPROC_CANCEL_QUEUED)
		return mproc__err(-EBUSY, "the job is in a worker's hands");
	if (how == MPROC_CANCEL_COOP) {
		mproc__job_unwanted(job);
		return tell(w, job);
	}
	if (mproc__worker_is_thread(w))
		return mproc__err(-EOPNOTSUPP, "the job runs in this process");
	job->verdict = -ECANCELED;
	if (w->out.first == job) {
		mproc__worker_kill(w);
		return 0;
	}
	/*
	 * It waits there behind others, and need not cost a worker: it will
	 * not be begun.  Unless it was, just now: then the clock gets it.
	 */
	if (job->timeout_ns == 0)
		pool->n_timed++;
	job->timeout_ns = 1;
	(void)tell(w, job);
	return 0;
}

int64_t
mproc__jobs_expire(struct mproc_pool *pool, int64_t now)
{
	struct mproc__job *job;

	while ((job = pool->exp_first) != NULL && job->expires <= now) {
		if (job->worker != NULL)
			mproc__exp_del(pool, job);	/* in time */
		else
			mproc__job_drop(pool, job, -ETIMEDOUT,
			    "no worker began it in time");
	}
	return job != NULL ? job->expires : MPROC__NEVER;
}
