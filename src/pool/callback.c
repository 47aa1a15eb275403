/*
 * callback.c - the user's functions, with the pool unlocked, one at a time.
 */
#include <stdlib.h>

#include "pool/pool.h"

bool
mproc__pool_in_callback(struct mproc_pool *pool)
{
	return (pool->calling &&
	    pthread_equal(pool->caller, pthread_self())) ||
	    mproc__pool_in_report(pool);
}

void
mproc__job_call(struct mproc_pool *pool, struct mproc__job *job)
{
	if (job->in_calls)
		return;
	job->in_calls = true;
	job->call_next = NULL;
	if (pool->calls == NULL)
		pool->calls_tail = &pool->calls;
	*pool->calls_tail = job;
	pool->calls_tail = &job->call_next;
}

/* Its items, in order; a refusal ends the job. */
static void
call_items(struct mproc_pool *pool, struct mproc__job *job)
{
	struct mproc_msg *item;
	size_t size;
	int r = 0;

	while ((item = job->items) != NULL) {
		job->items = mproc__msg_next(item);
		mproc__msg_set_next(item, NULL);
		size = mproc__msg_size(item);
		if (job->item_code == 0 && job->handler->item != NULL) {
			mproc__pool_unlock(pool);
			mproc__msg_lend(item);
			r = job->handler->item(item, job->arg);
			mproc__msg_unlend(item);
			mproc__pool_lock(pool);
		} else {
			mproc_msg_free(item);
		}
		if (job->worker != NULL && mproc__enter(job->worker->p) == 0) {
			mproc__item_taken(job->worker->p, size);
			mproc__leave(job->worker->p);
		}
		if (r >= 0 || job->item_code < 0)
			continue;
		job->item_code = r;
		if (job->worker != NULL)
			(void)mproc__worker_tell(job->worker, job);
	}
}

static void
call_end(struct mproc_pool *pool, struct mproc__job *job)
{
	const struct mproc_job_handler *h = job->handler;
	struct mproc_msg *reply = job->reply;
	int code = job->item_code < 0 ? job->item_code : job->code;

	job->reply = NULL;
	mproc__pool_unlock(pool);
	if (code >= 0 && h->finish != NULL) {
		if ((code = h->finish(&reply, job->arg)) > 0)
			code = 0;
	} else if (code < 0 && h->failed != NULL) {
		h->failed(code, job->text != NULL ? job->text : "", job->arg);
	}
	if (code < 0) {
		mproc_msg_free(reply);
		reply = NULL;
	}
	mproc__pool_lock(pool);
	if (job->f != NULL)
		mproc__future_complete(job->f, code, reply, job->text);
	else if (job->sink != NULL)
		job->sink->put(job->sink, job, code, reply, job->text);
	else
		mproc_msg_free(reply);
	mproc__job_free(pool, job);
}

static void
call_job(struct mproc_pool *pool)
{
	struct mproc__job *job = pool->calls;

	pool->calls = job->call_next;
	job->in_calls = false;
	call_items(pool, job);
	if (job->ended && !job->in_calls)
		call_end(pool, job);
}

static void
call_news(struct mproc_pool *pool)
{
	struct mproc__news *news = pool->news;

	pool->news = news->next;
	mproc__pool_unlock(pool);
	pool->opt.on_worker(news->event, &news->w, pool->opt.arg);
	free(news->death);
	free(news);
	mproc__pool_lock(pool);
}

static void
call_poison(struct mproc_pool *pool)
{
	struct mproc__poison *poison = pool->poison;

	pool->poison = poison->next;
	mproc__pool_unlock(pool);
	mproc__msg_lend(poison->msg);
	pool->opt.on_poison(poison->msg, poison->death, pool->opt.arg);
	mproc__msg_unlend(poison->msg);
	free(poison->death);
	free(poison);
	mproc__pool_lock(pool);
}

static bool
is_due(struct mproc_pool *pool)
{
	return pool->calls != NULL || pool->news != NULL ||
	    pool->poison != NULL || mproc__feed_due(pool);
}

void
mproc__pool_callbacks(struct mproc_pool *pool)
{
	if (pool->calling || !is_due(pool))
		return;
	do {
		pool->calling = true;
		pool->caller = pthread_self();
		if (pool->news != NULL)
			call_news(pool);
		else if (pool->poison != NULL)
			call_poison(pool);
		else if (pool->calls != NULL)
			call_job(pool);
		else
			mproc__feed_run(pool);
	} while (is_due(pool));
	pool->calling = false;
	mproc__pool_flush(pool);
	mproc__pool_flag(pool);
	if (pool->waiting > 0)
		pthread_cond_broadcast(&pool->cond);
}
