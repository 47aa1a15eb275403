/*
 * life.c - how many workers there are, when one is replaced, and what is done
 * when time has passed.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/string.h>

#include "pool/pool.h"

#define MS		1000000LL
#define BACKOFF_NS	(10 * MS)	/* doubled with each failed start */
#define BACKOFF_MAX	(5000 * MS)
#define RSS_NS		(50 * MS)
#define PINGS		3		/* unanswered in a row */

void
mproc__worker_info(struct mproc__worker *w, struct mproc_worker *ret)
{
	*ret = (struct mproc_worker){
		.id = w->id,
		.pid = (int)w->p->child.pid,
		.jobs = w->done,
		.age_ms = (mproc__now_ns() - w->started) / MS,
		.text = ""
	};
}

/* A failed start: what the process knows of it. */
static int
start_error(struct mproc__worker *w, const char **ret_text)
{
	struct mproc *p = w->p;

	*ret_text = p->start_text;
	if (p->start_code < 0)
		return p->start_code;
	*ret_text = p->death_text;
	if (w->killed && mproc__now_ns() >= p->start_deadline) {
		*ret_text = "it was not ready in time";
		return -ETIMEDOUT;
	}
	return -EPIPE;
}

void
mproc__pool_news(struct mproc_pool *pool, struct mproc__worker *w,
    enum mproc_worker_event event)
{
	const char *text = "";
	struct mproc__news *news;

	if (pool->opt.on_worker == NULL ||
	    (news = calloc(1, sizeof(*news))) == NULL)
		return;
	news->event = event;
	mproc__worker_info(w, &news->w);
	if (event == MPROC_WORKER_FAILED)
		news->w.code = start_error(w, &text);
	(void)strlcpy(news->text, text, sizeof(news->text));
	news->w.text = news->text;
	if (w->p->status == MPROC_STATUS_DEAD &&
	    (news->death = mproc__death_dup(&w->p->death)) == NULL) {
		free(news);
		return;
	}
	news->w.death = news->death;
	if (pool->news == NULL)
		pool->news_tail = &pool->news;
	*pool->news_tail = news;
	pool->news_tail = &news->next;
}

static void
is_ready(struct mproc__worker *w)
{
	struct mproc_pool *pool = w->pool;
	struct mproc__worker *old = w->replaces;

	pool->n_starting--;
	pool->n_ready++;
	pool->st.started++;
	if (!w->local && (pool->fails > 0 || pool->broken)) {
		pool->fails = 0;
		pool->broken = false;
		mproc__pool_staff(pool);	/* those that failed, again */
	}
	w->state = MPROC__WORKER_READY;
	w->ping_at = mproc__now_ns();
	mproc__pace_begin(w);
	if (pool->opt.ping_ms > 0 || pool->opt.max_age_ms > 0 ||
	    pool->opt.idle_ms > 0)
		mproc__pool_time(pool, 0);
	mproc__worker_room(w);
	mproc__pool_news(pool, w, MPROC_WORKER_READY);
	if (old != NULL) {
		w->replaces = NULL;
		mproc__worker_active(w, true);
		mproc__worker_close(old);
		mproc__worker_check(old);
	}
}

/* Nobody is there to do them any more. */
static void
give_up(struct mproc_pool *pool)
{
	char text[300];

	pool->broken = true;
	if (pool->opt.fail_open)
		return;
	(void)snprintf(text, sizeof(text), "pool %s has no workers: %s",
	    pool->name, pool->start_text);
	(void)mproc__pool_drop_queue(pool, -ECHILD, text);
	mproc__feeds_end(pool, -ECHILD);
}

static void
start_failed(struct mproc_pool *pool, int code, const char *text)
{
	int64_t wait = BACKOFF_NS << (pool->fails < 9 ? pool->fails : 9);

	pool->fails++;
	pool->st.start_failures++;
	pool->start_code = code;
	(void)strlcpy(pool->start_text, text, sizeof(pool->start_text));
	pool->start_at = mproc__now_ns() +
	    (wait < BACKOFF_MAX ? wait : BACKOFF_MAX);
	mproc__pool_time(pool, pool->start_at);
	if (pool->fails >= (unsigned)pool->opt.max_fails &&
	    pool->n_active == 0)
		give_up(pool);
}

static void
has_ended(struct mproc__worker *w)
{
	const struct mproc_death *d = &w->p->death;
	struct mproc_pool *pool = w->pool;
	bool stopping = w->state == MPROC__WORKER_STOPPING, late;
	const char *text;
	int code;

	if (w->state == MPROC__WORKER_STARTING && !pool->terminating) {
		mproc__pool_news(pool, w, MPROC_WORKER_FAILED);
		code = start_error(w, &text);
		late = w->late;		/* then it was told */
		mproc__worker_gone(w);
		if (!late)
			start_failed(pool, code, text);
		return;
	}
	if (w->killed) {
		pool->st.killed++;
		mproc__pool_news(pool, w, MPROC_WORKER_KILLED);
	} else if (stopping || (d->known && d->exit_code == 0)) {
		pool->st.retired++;
		mproc__pool_news(pool, w, MPROC_WORKER_RETIRED);
	} else {
		pool->st.died++;
		mproc__pool_news(pool, w, MPROC_WORKER_DIED);
	}
	if ((!stopping || w->killed) && !pool->terminating)
		(void)strlcpy(pool->start_text, w->p->death_text,
		    sizeof(pool->start_text));
	mproc__worker_gone(w);
	if (pool->opt.no_respawn && pool->all.n == 0 &&
	    pool->state == MPROC__POOL_RUNNING)
		give_up(pool);
}

void
mproc__worker_work(struct mproc__worker *w)
{
	struct mproc *p = w->p;
	uint64_t done = w->done;

	if (mproc__enter(p) < 0)
		return;
	mproc__work(p);
	mproc__leave(p);
	if (p->status == MPROC_STATUS_DEAD) {
		has_ended(w);
		mproc__inits_work(w->pool);
		mproc__pool_staff(w->pool);
		return;
	}
	if (w->state == MPROC__WORKER_STARTING && p->ready && !w->killed &&
	    mproc__worker_init(w)) {
		is_ready(w);
		mproc__inits_work(w->pool);
	}
	mproc__pace_learn(w, w->done - done);
	mproc__worker_room(w);
	if (w->done != done)
		mproc__worker_check(w);
}

static int64_t
rss_of(pid_t pid)
{
	char path[64], buf[128], *rss, *end;
	ssize_t n;
	long pages;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return 0;
	n = read(fd, buf, sizeof(buf) - 1);
	mproc__close(fd);
	if (n <= 0)
		return 0;
	buf[n] = '\0';
	if ((rss = strchr(buf, ' ')) == NULL)	/* its size comes first */
		return 0;
	pages = strtol(rss, &end, 10);
	return end == rss ? 0 : (int64_t)pages * sysconf(_SC_PAGESIZE);
}

static bool
is_due(struct mproc__worker *w)
{
	const struct mproc_pool_options *o = &w->pool->opt;
	int64_t now;
	struct mproc_worker info;

	if (o->max_age_ms <= 0 && o->max_rss <= 0 && o->retire == NULL)
		return false;
	now = mproc__now_ns();
	if (o->max_age_ms > 0 && now - w->started >= o->max_age_ms * MS)
		return true;
	if (o->max_rss > 0 && (now >= w->rss_at || w->out.n == 0)) {
		w->rss_at = now + RSS_NS;
		if (rss_of(w->p->child.pid) > o->max_rss)
			return true;
	}
	if (o->retire == NULL)
		return false;
	mproc__worker_info(w, &info);
	return o->retire(&info, o->arg);
}

/* After jobs: is it to be replaced, or has it nothing left to do? */
void
mproc__worker_check(struct mproc__worker *w)
{
	struct mproc_pool *pool = w->pool;
	int r;

	if (w->state == MPROC__WORKER_READY && !w->retiring && !w->local &&
	    pool->state == MPROC__POOL_RUNNING && is_due(w)) {
		w->retiring = true;
		/* it goes on until the other is ready */
		r = mproc__worker_start(pool, false, w);
		if (r < 0) {
			w->retiring = false;
			start_failed(pool, r, mproc__err_text());
		}
	}
	if (w->state == MPROC__WORKER_CLOSED && w->out.n == 0)
		mproc__worker_stop(w);
}

/* Is another one wanted? */
static bool
is_wanted(struct mproc_pool *pool)
{
	size_t waiting = pool->n_queued - pool->limited.n;

	if (pool->n_active >= (unsigned)pool->opt.workers || pool->terminating)
		return false;
	if (pool->opt.no_respawn &&
	    pool->last_worker >= (unsigned)pool->opt.workers)
		return false;
	if (pool->state == MPROC__POOL_RUNNING && !pool->broken &&
	    pool->n_active < (unsigned)pool->opt.min_workers)
		return true;
	return pool->state != MPROC__POOL_NEW && waiting > pool->n_starting &&
	    !mproc__pool_is_local(pool);
}

void
mproc__pool_staff(struct mproc_pool *pool)
{
	int r;

	if (mproc__pool_is_local(pool) && pool->local == NULL &&
	    pool->n_queued > 0 &&
	    (r = mproc__worker_start(pool, true, NULL)) < 0)
		(void)mproc__pool_drop_queue(pool, r, "no thread for it");
	while (is_wanted(pool)) {
		if (pool->fails > 0 && mproc__now_ns() < pool->start_at) {
			mproc__pool_time(pool, pool->start_at);
			return;
		}
		r = mproc__worker_start(pool, false, NULL);
		if (r < 0)
			start_failed(pool, r, mproc__err_text());
	}
}

static void
start_late(struct mproc__worker *w)
{
	mproc__worker_kill(w);
	if (!mproc__worker_is_thread(w))
		return;		/* its death tells */
	/* nobody knows when this one ends, so it has failed now */
	w->late = true;
	start_failed(w->pool, -ETIMEDOUT, "it was not ready in time");
}

/* Closed: when nothing is left to do the workers go. */
void
mproc__pool_wind_up(struct mproc_pool *pool)
{
	struct mproc__worker *w, *next;

	if (pool->n_queued > 0 || pool->feeds != NULL)
		return;
	for (w = pool->all.first; w != NULL; w = next) {
		next = w->next;
		if (w->out.n == 0)
			mproc__worker_stop(w);
	}
}

/* Its head ran too long. */
static void
too_long(struct mproc__worker *w, struct mproc__job *job)
{
	char late[200];

	if (job->verdict == 0)
		job->verdict = -ETIMEDOUT;
	if (!mproc__worker_is_thread(w)) {
		mproc__worker_kill(w);
		return;
	}
	/* a thread cannot be killed: its answer will find nobody */
	job->value = (int64_t)mproc__page_get(&w->p->page->value) - 1;
	(void)mproc__worker_tell(w, job);
	mproc__job_too_long(job, late, sizeof(late));
	job->timeout_ns = 0;
	w->pool->n_timed--;
	if (job->f != NULL) {
		job->f->job = NULL;
		mproc__future_complete(job->f, job->verdict, NULL, late);
		job->f = NULL;
	}
}

static int64_t
ladder(struct mproc__worker *w, int64_t now)
{
	if (w->stop_at > now)
		return w->stop_at;
	(void)mproc__kill_nowait(w->p, w->rung == 0 ? SIGTERM : SIGKILL);
	if (w->rung++ == 0)
		(void)mproc__kill_nowait(w->p, SIGCONT);
	else
		w->killed = true;
	w->stop_at = w->rung > 1 ? MPROC__NEVER : now +
	    w->p->opt.stop_grace_ms * MS;
	return w->stop_at;
}

static int64_t
ping(struct mproc__worker *w, int64_t now)
{
	int64_t every = w->pool->opt.ping_ms * MS, pong;

	if (now < w->ping_at)
		return w->ping_at;
	pong = mproc__ping_state(w->p);
	if (pong == 0)
		pong = w->started;
	if (now - pong > PINGS * every + every &&
	    now - w->started > PINGS * every) {
		mproc__worker_kill(w);
		return MPROC__NEVER;
	}
	(void)mproc__ping_start(w->p);
	w->ping_at = now + every;
	return w->ping_at;
}

static int64_t
ready_timers(struct mproc__worker *w, int64_t now)
{
	const struct mproc_pool_options *o = &w->pool->opt;
	struct mproc__job *head = w->out.first;
	int64_t at, next = MPROC__NEVER;

	if (head != NULL && head->timeout_ns > 0) {
		next = w->head_since + head->timeout_ns;
		if (now >= next) {
			too_long(w, head);
			return MPROC__NEVER;
		}
	}
	next = mproc__min_deadline(next, mproc__pace_check(w, now));
	if (o->ping_ms > 0)
		next = mproc__min_deadline(next, ping(w, now));
	if (o->max_age_ms > 0 && !w->retiring) {
		at = w->started + o->max_age_ms * MS;
		if (now < at)
			next = mproc__min_deadline(next, at);
		else if (w->state == MPROC__WORKER_READY)
			mproc__worker_check(w);
	}
	if (o->idle_ms > 0 && w->room == &w->pool->idle &&
	    w->pool->n_active > (unsigned)o->min_workers) {
		at = w->idle_since + o->idle_ms * MS;
		if (now >= at)
			mproc__worker_stop(w);
		else
			next = mproc__min_deadline(next, at);
	}
	return next;
}

int64_t
mproc__pool_timers(struct mproc_pool *pool, int64_t now)
{
	struct mproc__worker *w, *before;
	int64_t next = mproc__jobs_expire(pool, now);

	/* from the last: those that are stopped for idleness are the young */
	for (w = pool->all.last; w != NULL; w = before) {
		before = w->prev;
		if (w->state == MPROC__WORKER_STARTING) {
			if (now >= w->p->start_deadline && !w->killed)
				start_late(w);
			else if (!w->killed)
				next = mproc__min_deadline(next,
				    w->p->start_deadline);
		} else if (w->state == MPROC__WORKER_STOPPING) {
			next = mproc__min_deadline(next, ladder(w, now));
		} else {
			next = mproc__min_deadline(next,
			    ready_timers(w, now));
		}
	}
	if (pool->fails > 0 && now >= pool->start_at)
		mproc__pool_staff(pool);
	else if (pool->fails > 0 && is_wanted(pool))
		next = mproc__min_deadline(next, pool->start_at);
	return next;
}
