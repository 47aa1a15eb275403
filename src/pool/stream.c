/*
 * stream.c - results in place of futures: put and get, sources that feed, and
 * streams of a source's results.
 *
 * A result's memory is there before its job is, so none is lost for want of
 * it.  In an ordered stream result i lies in ring[i % ring_size], and no two
 * that are open share a place: the ring has more places than are open.
 */
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "pool/pool.h"

#define WINDOW		131072
#define RING_MIN	64
#define IDLE_MAX	4096	/* results that are used again */

bool
mproc__stream_has(const struct mproc_stream *s)
{
	if (!s->ordered)
		return s->first != NULL;
	return s->ring_size > 0 &&
	    s->ring[s->next_out & (s->ring_size - 1)] != NULL;
}

/* That of the job, in its place. */
static struct mproc__result *
new_result(struct mproc_stream *s, const struct mproc__job *job)
{
	struct mproc__result *res = s->spare;

	s->came++;
	s->spare = res->next;
	res->next = NULL;
	res->index = job->index;
	if (s->ordered) {
		s->ring[job->index & (s->ring_size - 1)] = res;
		return res;
	}
	if (s->last != NULL)
		s->last->next = res;
	else
		s->first = res;
	s->last = res;
	return res;
}

static void
keep_reply(struct mproc__sink *sink, const struct mproc__job *job,
    const struct mproc__frame *frame, const struct mproc__envelope *env)
{
	struct mproc__result *res;

	res = new_result((struct mproc_stream *)(void *)sink, job);
	res->id = env->id;
	res->code = 0;
	res->has_text = false;
	res->kept = (uint8_t)frame->size;
	res->command = (uint8_t)((const uint8_t *)env->command - frame->data);
	res->command_len = env->command_len;
	res->args = (uint8_t)(env->args - frame->data);
	res->args_size = (uint8_t)env->args_size;
	mproc__copy(res->bytes, frame->data, frame->size);
}

static void
put_result(struct mproc__sink *sink, const struct mproc__job *job, int code,
    struct mproc_msg *reply, const char *text)
{
	struct mproc_stream *s = (struct mproc_stream *)(void *)sink;
	struct mproc__result *res = new_result(s, job);

	s->failed += code < 0;
	res->kept = 0;
	res->code = code;
	res->reply = reply;
	res->has_text = text != NULL;
	if (text != NULL)
		(void)strlcpy(res->text, text, sizeof(res->text));
}

void
mproc__stream_init(struct mproc_stream *s, struct mproc_pool *pool,
    bool ordered, int64_t window)
{
	*s = (struct mproc_stream){
		.sink = { .put = put_result, .keep = keep_reply },
		.pool = pool, .ordered = ordered,
		.window = window != 0 ? window : WINDOW
	};
}

static int
open_kept(struct mproc__result *res, struct mproc_msg **ret)
{
	struct mproc__envelope env = {
		.kind = MPROC__REPLY, .id = res->id,
		.command = (const char *)res->bytes + res->command,
		.command_len = res->command_len,
		.args = res->bytes + res->args, .args_size = res->args_size,
	};

	return mproc__msg_of(&env, res->kept, NULL, 0, ret);
}

/* The next one goes to *ret: 1, 0 there is none, or -ENOMEM, and it stays. */
static int
take(struct mproc_stream *s, struct mproc_result *ret)
{
	struct mproc__result *res, **place;
	struct mproc_msg *reply;
	int r;

	if (!mproc__stream_has(s))
		return 0;
	place = s->ordered ? &s->ring[s->next_out & (s->ring_size - 1)] :
	    &s->first;
	res = *place;
	reply = res->reply;
	if (res->kept > 0 && (r = open_kept(res, &reply)) < 0)
		return r;
	ret->index = res->index;
	ret->reply = reply;
	ret->code = res->code;
	ret->text[0] = '\0';
	if (res->has_text)
		memcpy(ret->text, res->text, sizeof(ret->text));
	*place = res->next;	/* NULL in a ring */
	__builtin_prefetch(res->next);
	if (s->ordered)
		s->next_out++;
	else if (s->first == NULL)
		s->last = NULL;
	s->open--;
	if (s->n_idle < IDLE_MAX) {
		s->n_idle++;
		res->next = s->spare;
		s->spare = res;
	} else {
		free(res);
	}
	return 1;
}

static void
result_free(struct mproc__result *res)
{
	if (res->kept == 0)
		mproc_msg_free(res->reply);
	free(res);
}

void
mproc__stream_done(struct mproc_stream *s)
{
	struct mproc__result *res;
	size_t i;

	/* those that run will answer nobody: there may be holes */
	for (i = 0; i < s->ring_size; i++) {
		if ((res = s->ring[i]) == NULL)
			continue;
		result_free(res);
	}
	while ((res = s->first) != NULL) {
		s->first = res->next;
		result_free(res);
	}
	while ((res = s->spare) != NULL) {
		s->spare = res->next;
		free(res);
	}
	s->n_idle = 0;
	free(s->ring);
	s->ring = NULL;
	s->ring_size = 0;
}

static int
grow_ring(struct mproc_stream *s)
{
	size_t n = s->ring_size > 0 ? 2 * s->ring_size : RING_MIN;
	struct mproc__result **ring;
	uint64_t i;

	if ((ring = calloc(n, sizeof(struct mproc__result *))) == NULL)
		return -ENOMEM;
	for (i = s->next_out; s->ring_size > 0 && i < s->next_in; i++)
		ring[i & (n - 1)] = s->ring[i & (s->ring_size - 1)];
	free(s->ring);
	s->ring = ring;
	s->ring_size = n;
	return 0;
}

/* A place for one more result. */
static int
make_place(struct mproc_stream *s)
{
	struct mproc__result *res;
	int r;

	if (s->ordered && s->next_in - s->next_out + 1 >= s->ring_size &&
	    (r = grow_ring(s)) < 0)
		return r;
	if (s->n_idle > 0) {
		s->n_idle--;
		return 0;
	}
	if ((res = malloc(sizeof(*res))) == NULL)
		return -ENOMEM;
	res->next = s->spare;
	s->spare = res;
	return 0;
}

/* After all results were got another run begins, for who reports it. */
static void
new_run(struct mproc_stream *s)
{
	if (s->reporter.fn == NULL || s->open > 0 || s->feeding > 0)
		return;
	s->reporter.begun = mproc__now_ns();
	s->reporter.next = 0;
	s->first_in = s->next_in;
	s->came = s->failed = 0;
}

static int
put_item(struct mproc_stream *s, const struct mproc__item *it,
    const struct mproc_job *job)
{
	int r;

	if ((r = make_place(s)) < 0)
		return r;
	new_run(s);
	s->open++;
	r = mproc__pool_submit(s->pool, it, job, NULL, &s->sink,
	    s->next_in++);
	if (r == 0)
		return 0;
	s->open--;
	s->next_in--;
	s->n_idle++;
	return r;
}

static bool
has_window(const struct mproc_stream *s)
{
	return s->window < 0 || s->open < (uint64_t)s->window;
}

static bool
may_put(void *arg)
{
	struct mproc_pool *pool = arg;

	return (mproc__pool_has_room(pool) && has_window(&pool->puts)) ||
	    pool->no_go || pool->state != MPROC__POOL_RUNNING;
}

static int
put(struct mproc_pool *pool, int wait_ms, const struct mproc_job *job,
    const struct mproc__item *it)
{
	int r;

	if ((r = mproc__pool_enter(pool)) < 0)
		return r;
	if ((r = mproc__pool_check(pool, it)) == 0 &&
	    (r = mproc__pool_await_room(pool, may_put, pool, wait_ms)) == 0)
		r = put_item(&pool->puts, it, job);
	mproc__pool_leave(pool);
	return r;
}

int
mproc_pool_put_typed(struct mproc_pool *pool, int wait_ms,
    const struct mproc_job *job, const struct mproc_schema *schema,
    const void *args)
{
	return put(pool, wait_ms, job,
	    &(struct mproc__item){ .schema = schema, .args = args });
}

int
mproc_pool_put_msg(struct mproc_pool *pool, int wait_ms,
    const struct mproc_job *job, const struct mproc_msg *msg)
{
	if (msg == NULL)
		return mproc__err(-EINVAL, "no message given");
	return put(pool, wait_ms, job, &(struct mproc__item){ .msg = msg });
}

static bool
may_get(void *arg)
{
	struct mproc_stream *s = arg;

	return mproc__stream_has(s) || (s->open == 0 && s->feeding == 0);
}

/* 1 a result, 0 there is none to come, -ETIMEDOUT. */
static int
get(struct mproc_stream *s, int timeout_ms, struct mproc_result *ret)
{
	int64_t deadline;
	int r = 0, n;

	if (!may_get(s)) {
		deadline = mproc__deadline(timeout_ms);
		r = s == &s->pool->puts ?
		    mproc__puts_wait(s->pool, may_get, s, deadline) :
		    mproc__pool_wait(s->pool, may_get, s, deadline);
	}
	n = take(s, ret);
	return n != 0 ? n : r;
}

int
mproc_pool_get(struct mproc_pool *pool, int timeout_ms,
    struct mproc_result *ret_result)
{
	int r;

	if (ret_result == NULL)
		return mproc__err(-EINVAL, "no place for the result");
	if ((r = mproc__pool_enter(pool)) < 0)
		return r;
	r = get(&pool->puts, timeout_ms, ret_result);
	if (r == 0)
		r = mproc__err(-ENODATA, "pool %s: %s", pool->name,
		    pool->puts.next_in > 0 ? "every result was got" :
		    pool->state == MPROC__POOL_NEW ?
		    "nothing was put: it was not started" :
		    "nothing was put");
	else if (r == -ETIMEDOUT && timeout_ms == 0)
		r = -EAGAIN;
	else if (r == 1 && pool->puts.reporter.fn != NULL)
		mproc__puts_report(pool, pool->puts.open == 0 &&
		    pool->puts.feeding == 0);
	mproc__pool_leave(pool);
	return r;
}

static bool
is_due(struct mproc_pool *pool, const struct mproc__feed *feed)
{
	return !feed->running && mproc__pool_has_room(pool) &&
	    has_window(feed->stream);
}

static struct mproc__feed *
due_feed(struct mproc_pool *pool)
{
	struct mproc__feed *feed = pool->feeds;

	if (pool->no_go || pool->state == MPROC__POOL_NEW ||
	    pool->terminating)
		return NULL;
	while (feed != NULL && !is_due(pool, feed))
		feed = feed->next;
	return feed;
}

bool
mproc__feed_due(struct mproc_pool *pool)
{
	return pool->feeds != NULL && due_feed(pool) != NULL;
}

static void
feed_del(struct mproc_pool *pool, struct mproc__feed *feed)
{
	struct mproc__feed **at;

	for (at = &pool->feeds; *at != feed; at = &(*at)->next)
		;
	*at = feed->next;
	feed->next = NULL;
}

static void
feed_end(struct mproc_pool *pool, struct mproc__feed *feed, int code)
{
	feed_del(pool, feed);
	feed->stream->feeding--;
	feed->stream->feed_code = code;
	if (feed->f != NULL)
		mproc__future_complete(feed->f, code, NULL, NULL);
	free(feed);
	if (pool->waiting > 0)
		pthread_cond_broadcast(&pool->cond);
}

/* One message of the one whose turn it is; unlocks for it. */
void
mproc__feed_run(struct mproc_pool *pool)
{
	struct mproc__feed *feed = due_feed(pool), **at;
	struct mproc_msg *msg = NULL;
	struct mproc__item it = { .schema = NULL };
	int r;

	feed_del(pool, feed);	/* to the end: it is the others' turn */
	for (at = &pool->feeds; *at != NULL; at = &(*at)->next)
		;
	*at = feed;
	feed->running = true;
	mproc__pool_unlock(pool);
	r = feed->fn(feed->arg, &msg);
	mproc__pool_lock(pool);
	feed->running = false;
	if (feed->code < 0)
		r = feed->code;		/* ended meanwhile */
	it.msg = msg;
	if (r > 0 && (r = mproc__pool_check(pool, &it)) == 0 &&
	    (r = put_item(feed->stream, &it, feed->job)) == 0)
		r = 1;
	mproc_msg_free(msg);
	if (r <= 0)
		feed_end(pool, feed, r);
}

void
mproc__feeds_end(struct mproc_pool *pool, int code)
{
	struct mproc__feed *feed, *next;

	for (feed = pool->feeds; feed != NULL; feed = next) {
		next = feed->next;
		feed->code = code;
		if (!feed->running)
			feed_end(pool, feed, code);
	}
}

void
mproc__feed_forget(struct mproc_pool *pool, struct mproc_future *f)
{
	struct mproc__feed *feed;

	for (feed = pool->feeds; feed != NULL; feed = feed->next)
		if (feed->f == f)
			feed->f = NULL;
}

static int
feed_new(struct mproc_stream *s, mproc_feed_fn *next, void *arg,
    const struct mproc_job *job, struct mproc_future *f)
{
	struct mproc__feed *feed, **at;

	if ((feed = calloc(1, sizeof(*feed))) == NULL)
		return -ENOMEM;
	feed->fn = next;
	feed->arg = arg;
	feed->job = job;
	feed->f = f;
	feed->stream = s;
	new_run(s);
	s->feeding++;
	for (at = &s->pool->feeds; *at != NULL; at = &(*at)->next)
		;
	*at = feed;
	return 0;
}

int
mproc_pool_feed(struct mproc_pool *pool, mproc_feed_fn *next, void *arg,
    struct mproc_future **ret_future)
{
	struct mproc_future *f = NULL;
	int r;

	if (next == NULL)
		return mproc__err(-EINVAL, "no source given");
	if ((r = mproc__pool_enter(pool)) < 0)
		return r;
	if (pool->state != MPROC__POOL_RUNNING)
		r = mproc__err(pool->state == MPROC__POOL_NEW ? -ENOTCONN :
		    -ESHUTDOWN, "pool %s is not running", pool->name);
	else if (ret_future != NULL)
		r = mproc__pool_future(pool, &f);
	if (r == 0 && (r = feed_new(&pool->puts, next, arg, NULL, f)) < 0)
		free(f);
	else if (r == 0 && ret_future != NULL)
		*ret_future = f;
	mproc__pool_leave(pool);
	return r;
}

int
mproc_pool_stream(struct mproc_pool *pool, mproc_feed_fn *next, void *arg,
    const struct mproc_stream_options *options,
    struct mproc_stream **ret_stream)
{
	static const struct mproc_stream_options none;
	const struct mproc_stream_options *o = options != NULL ? options :
	    &none;
	struct mproc_stream *s;
	int r;

	if (next == NULL || ret_stream == NULL)
		return mproc__err(-EINVAL, "no source or no place given");
	if ((r = mproc__pool_enter(pool)) < 0)
		return r;
	r = -ENOMEM;
	if ((s = malloc(sizeof(*s))) == NULL)
		goto out;
	mproc__stream_init(s, pool, !o->unordered, o->window != 0 ?
	    o->window : 2LL * pool->opt.workers * pool->opt.prefetch);
	if (o->job != NULL)
		s->job = *o->job;
	if (pool->state != MPROC__POOL_RUNNING)
		r = mproc__err(pool->state == MPROC__POOL_NEW ? -ENOTCONN :
		    -ESHUTDOWN, "pool %s is not running", pool->name);
	else
		r = feed_new(s, next, arg, &s->job, NULL);
	if (r < 0) {
		free(s);
		goto out;
	}
	s->next = pool->streams;
	pool->streams = s;
	*ret_stream = s;
out:
	mproc__pool_leave(pool);
	return r;
}

int
mproc_stream_next(struct mproc_stream *s, int timeout_ms,
    struct mproc_result *ret_result)
{
	int r;

	if (s == NULL || ret_result == NULL)
		return mproc__err(-EINVAL, "no stream or no place given");
	if ((r = mproc__pool_enter(s->pool)) < 0)
		return r;
	if ((r = get(s, timeout_ms, ret_result)) == 0)
		r = s->feed_code;
	mproc__pool_leave(s->pool);
	return r;
}

void
mproc__sink_leave(struct mproc_pool *pool, struct mproc__sink *sink,
    bool cancel)
{
	struct mproc__jobs *lists[2] = { &pool->limited, &pool->queue };
	struct mproc__worker *w;
	struct mproc__job *job, *next;
	bool any;
	int i;

	for (i = 0; i < pool->opt.workers + 2; i++) {
		job = (i < 2 ? lists[i] : &pool->keyed[i - 2])->first;
		for (; job != NULL; job = next) {
			next = job->next;
			if (job->sink == sink)
				mproc__job_drop(pool, job, -ECANCELED,
				    "canceled");
		}
	}
	for (w = pool->all.first; w != NULL; w = w->next) {
		any = false;
		for (job = w->out.first; job != NULL; job = job->next) {
			if (job->sink != sink)
				continue;
			if (cancel)
				mproc__job_unwanted(job);
			else
				job->sink = NULL;
			any = cancel;
		}
		if (any)
			mproc__worker_tell_all(w);
	}
	if (cancel)		/* others may have to be given again */
		mproc__pool_schedule(pool);
	for (job = pool->calls; job != NULL && !cancel; job = job->call_next)
		if (job->sink == sink)
			job->sink = NULL;
}

static bool
is_fed(void *arg)
{
	return ((struct mproc_stream *)arg)->feeding == 0;
}

struct mproc_stream *
mproc_stream_free(struct mproc_stream *s)
{
	struct mproc_pool *pool;
	struct mproc__feed *feed, *next;
	struct mproc_stream **at;

	if (s == NULL || mproc__pool_enter(s->pool) < 0)
		return NULL;
	pool = s->pool;
	for (feed = pool->feeds; feed != NULL; feed = next) {
		next = feed->next;
		if (feed->stream != s)
			continue;
		feed->code = -ECANCELED;
		if (!feed->running)
			feed_end(pool, feed, -ECANCELED);
	}
	(void)mproc__pool_wait(pool, is_fed, s, MPROC__NEVER);
	mproc__sink_leave(pool, &s->sink, false);
	for (at = &pool->streams; *at != s; at = &(*at)->next)
		;
	*at = s->next;
	mproc__stream_done(s);
	free(s);
	mproc__pool_leave(pool);
	return NULL;
}
