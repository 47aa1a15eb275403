/*
 * worker.c - one worker: an ordinary process, its jobs, its end.
 */
#include <sys/epoll.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "pool/pool.h"

#define ITEMS_DEFAULT	1024	/* of a stream, that nobody took yet */

static void
list_add(struct mproc__workers *list, struct mproc__worker *w, bool first)
{
	struct mproc__worker *before = first ? NULL : list->last;

	w->room = list;
	w->room_prev = before;
	w->room_next = before != NULL ? before->room_next : list->first;
	if (w->room_next != NULL)
		w->room_next->room_prev = w;
	else
		list->last = w;
	if (before != NULL)
		before->room_next = w;
	else
		list->first = w;
	list->n++;
}

static void
list_del(struct mproc__worker *w)
{
	struct mproc__workers *list = w->room;

	if (list == NULL)
		return;
	if (w->room_prev != NULL)
		w->room_prev->room_next = w->room_next;
	else
		list->first = w->room_next;
	if (w->room_next != NULL)
		w->room_next->room_prev = w->room_prev;
	else
		list->last = w->room_prev;
	list->n--;
	w->room = NULL;
}

static void
is_idle(struct mproc__worker *w)
{
	w->idle_since = mproc__now_ns();
	mproc__pool_time(w->pool, w->idle_since +
	    w->pool->opt.idle_ms * 1000000LL);
}

/* Put it into the list that it belongs to now; the local one has its own. */
void
mproc__worker_room(struct mproc__worker *w)
{
	static struct mproc__workers aside;	/* never looked into */
	struct mproc_pool *pool = w->pool;
	struct mproc__workers *to = NULL;

	if (w->state == MPROC__WORKER_READY &&
	    w->out.n < w->depth && w->revoked == 0)
		to = w->local ? &aside : w->out.n == 0 ? &pool->idle :
		    &pool->partial;
	if (w->local) {
		w->room = to;
		return;
	}
	/* those with jobs take turns, a run of jobs each */
	if (to == w->room && (to != &pool->partial ||
	    pool->partial.n == 1 || w->left < w->run))
		return;
	list_del(w);
	if (to == &pool->idle && pool->opt.idle_ms > 0)
		is_idle(w);
	if (to != NULL)
		list_add(to, w, to == &pool->idle && !pool->opt.fifo);
}

/* No more jobs for it; another may be started in its place. */
void
mproc__worker_close(struct mproc__worker *w)
{
	w->state = MPROC__WORKER_CLOSED;
	mproc__worker_active(w, false);
	mproc__worker_room(w);
}

int
mproc__worker_give(struct mproc__worker *w, struct mproc__job *job)
{
	struct mproc_pool *pool = w->pool;
	int r;

	r = mproc__batch_put(w->p, job->body, job->size, job->fds,
	    job->n_fds);
	if (r == -EPIPE || r == -ESHUTDOWN) {
		list_del(w);	/* its death will tell */
		w->room = NULL;
	}
	if (r < 0)
		return r;
	if (job->timeout_ns > 0) {
		pool->n_timed++;
		if (w->out.n == 0) {
			w->head_since = mproc__now_ns();
			mproc__pool_time(pool, w->head_since +
			    job->timeout_ns);
		}
	}
	mproc__exp_del(pool, job);
	job->worker = w;
	job->seq = ++w->seq;
	mproc__jobs_add(&w->out, job);
	mproc__pace_given(w);
	pool->n_out++;
	if (w->local)
		pool->st.local++;
	if (--w->left == 0)
		w->left = w->run;
	if (pool->opt.max_jobs > 0 && ++w->given >= pool->opt.max_jobs &&
	    !w->local)
		mproc__worker_close(w);
	mproc__worker_room(w);
	return 0;
}

/* Out of its worker's hands. */
void
mproc__worker_take_back(struct mproc__worker *w, struct mproc__job *job)
{
	struct mproc_pool *pool = w->pool;
	bool head = w->out.first == job;

	mproc__jobs_del(job);
	pool->n_out--;
	if (job->timeout_ns > 0)
		pool->n_timed--;
	if (head && w->out.first != NULL && pool->n_timed > 0) {
		w->head_since = mproc__now_ns();
		if (w->out.first->timeout_ns > 0)
			mproc__pool_time(pool, w->head_since +
			    w->out.first->timeout_ns);
	}
}

uint64_t
mproc__worker_revoke(struct mproc__worker *w)
{
	struct mproc_pool *pool = w->pool;
	uint64_t begun = mproc__batch_revoke(w->p);
	struct mproc__job *job, *prev;

	/* from the last, so that they keep their order */
	for (job = w->out.last; job != NULL && job->seq > begun; job = prev) {
		prev = job->prev;
		mproc__worker_take_back(w, job);
		w->revoked++;
		w->seq--;
		if (job->verdict != 0 || job->unwanted) {
			mproc__job_end(pool, job, job->verdict != 0 ?
			    job->verdict : -ECANCELED, NULL, "canceled", NULL);
			continue;
		}
		pool->st.taken_back++;
		mproc__job_requeue(pool, job);
	}
	if (w->revoked == 0)
		mproc__batch_restore(w->p);
	mproc__worker_room(w);
	return begun;
}

static struct mproc__job *
find_job(struct mproc__worker *w, uint64_t id)
{
	struct mproc__job *job;

	/* in order but for deferred ones */
	for (job = w->out.first; job != NULL; job = job->next)
		if (job->id == id)
			return job;
	return NULL;
}

bool
mproc__worker_tell(struct mproc__worker *w, const struct mproc__job *job)
{
	uint64_t other = mproc__canceled_call(w->p, job->id);

	if (other != 0 && other != job->id && find_job(w, other) != NULL)
		return false;
	return mproc__cancel_call(w->p, job->id);
}

void
mproc__worker_tell_all(struct mproc__worker *w)
{
	struct mproc__job *job;

	(void)mproc__worker_revoke(w);
	for (job = w->out.first; job != NULL; job = job->next)
		if (job->unwanted)
			(void)mproc__worker_tell(w, job);
}

/* Items that were not taken keep no room any more. */
static void
free_room(struct mproc__worker *w, struct mproc__job *job)
{
	struct mproc_msg *item;

	item = job->f != NULL ? job->f->items : NULL;
	for (; item != NULL; item = mproc__msg_next(item))
		mproc__item_taken(w->p, mproc__msg_size(item));
	for (item = job->items; item != NULL; item = mproc__msg_next(item))
		mproc__item_taken(w->p, mproc__msg_size(item));
}

static const char *
error_of(const struct mproc__envelope *env, int *ret_code, char *buf,
    size_t size)
{
	if (mproc__envelope_error(env, ret_code, buf, size) >= 0)
		return buf;
	*ret_code = -EBADMSG;
	return NULL;
}

/* What most answers are. */
static bool
is_usual(const struct mproc__job *job, const struct mproc__frame *frame,
    const struct mproc__envelope *env)
{
	return job != NULL && job->plain && job->sink != NULL &&
	    env->kind == MPROC__REPLY && env->n_fds == 0 &&
	    frame->size <= MPROC__KEEP_MAX;
}

static int
on_answer(void *arg, const struct mproc__frame *frame,
    const struct mproc__envelope *env, const int *fds, int n_fds)
{
	struct mproc__worker *w = arg;
	struct mproc__job *job = find_job(w, env->id);
	struct mproc_msg *reply = NULL;
	char text[512];
	const char *words = NULL;
	int code = 0, taken = 0;

	if (w->init_state == MPROC__INIT_BEGUN) {
		mproc__init_answer(w, env);
		return 0;
	}
	if (is_usual(job, frame, env)) {
		mproc__worker_take_back(w, job);
		w->done++;
		mproc__job_done(w->pool, job, frame, env);
		return 0;
	}
	if (job == NULL) {
		if (env->kind == MPROC__ERROR)
			mproc__pace_answer(w);
		return 0;
	}
	if (env->kind == MPROC__ERROR && job->verdict != 0 && w->killed)
		return 0;	/* its end is the worker's, when that is gone */
	if (job->verdict < 0 && mproc__worker_is_thread(w)) {
		code = job->verdict;	/* it was given up, and went on */
		words = "ran longer than its timeout";
	} else if (env->kind == MPROC__ERROR) {
		words = error_of(env, &code, text, sizeof(text));
	} else if (n_fds < env->n_fds) {
		code = -EMFILE;
		words = "descriptors of the reply were lost";
	} else if (job->f != NULL || job->sink != NULL ||
	    job->handler != NULL || n_fds > 0) {
		code = mproc__msg_of(env, frame->size, fds, n_fds, &reply);
		taken = code == 0 ? n_fds : 0;
	}
	free_room(w, job);
	mproc__worker_take_back(w, job);
	w->done++;
	mproc__job_end(w->pool, job, code, reply, words, NULL);
	return taken;
}

static void
on_item(void *arg, uint64_t id, struct mproc_msg *msg)
{
	struct mproc__worker *w = arg;
	struct mproc__job *job = find_job(w, id);

	if (job != NULL && job->handler != NULL &&
	    job->handler->item != NULL) {
		if (job->items == NULL)
			job->items = msg;
		else
			mproc__msg_set_next(job->items_tail, msg);
		job->items_tail = msg;
		mproc__job_call(w->pool, job);
	} else if (job != NULL && job->f != NULL) {
		mproc__future_item(job->f, msg);
		if (w->pool->waiting > 0)
			pthread_cond_broadcast(&w->pool->cond);
	} else {
		mproc__item_taken(w->p, mproc__msg_size(msg));
		mproc_msg_free(msg);
	}
}

const struct mproc__mate mproc__worker_mate = { on_answer, on_item };

static int
watch(struct mproc_pool *pool, struct mproc__worker *w)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = w };
	int fd = mproc_fd(w->p);

	if (fd < 0)
		return fd;
	if (epoll_ctl(pool->epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return mproc__fd_error(errno, "a pool's worker");
	return 0;
}

static int
free_slot(struct mproc_pool *pool)
{
	int i;

	for (i = 0; i < pool->opt.workers; i++)
		if (pool->slots[i] == NULL)
			return i;
	return -1;
}

static int
new_process(struct mproc_pool *pool, struct mproc__worker *w)
{
	struct mproc_options o = pool->opt.process;
	char name[64];

	(void)snprintf(name, sizeof(name), "%.50s-%u", pool->name, w->id);
	o.name = name;
	if (w->local) {
		o.launch = MPROC_THREAD;
		o.capture_output = false;
	}
	if (o.inbox_messages == 0)
		o.inbox_messages = ITEMS_DEFAULT;
	o.mailbox_messages = o.mailbox_bytes = -1;	/* prefetch bounds it */
	if (pool->log_level != MPROC_LEVEL_DEFAULT)
		o.log_level = pool->log_level;
	return mproc_new(pool->index.class, &o, &w->p);
}

int
mproc__worker_start(struct mproc_pool *pool, bool local,
    struct mproc__worker *replaces)
{
	struct mproc__worker *w;
	int r;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		return -ENOMEM;
	w->pool = pool;
	w->id = ++pool->last_worker;
	w->local = local;
	w->slot = -1;
	mproc__pace_set(w, pool->adapts ? 1 : (size_t)pool->opt.prefetch);
	w->stop_at = MPROC__NEVER;
	w->started = mproc__now_ns();
	if ((r = new_process(pool, w)) < 0)
		goto fail;
	w->p->mate = &mproc__worker_mate;
	w->p->mate_arg = w;
	w->p->captures = &pool->captures;
	if (pool->no_go)
		(void)mproc_set_going(w->p, false);
	if ((r = mproc_start_nowait(w->p)) < 0 || (r = watch(pool, w)) < 0)
		goto fail;
	w->prev = pool->all.last;
	if (w->prev != NULL)
		w->prev->next = w;
	else
		pool->all.first = w;
	pool->all.last = w;
	pool->all.n++;
	pool->n_starting++;
	w->replaces = replaces;
	mproc__worker_active(w, replaces == NULL);
	if (local)
		pool->local = w;
	else if ((w->slot = free_slot(pool)) >= 0)
		pool->slots[w->slot] = w;
	mproc__pool_time(pool, w->p->start_deadline);
	return 0;

fail:
	mproc_free(w->p);
	free(w);
	return r;
}

/* Active ones are those that count against the number wanted. */
void
mproc__worker_active(struct mproc__worker *w, bool active)
{
	if (w->active == active || w->local)
		return;
	w->active = active;
	if (active)
		w->pool->n_active++;
	else
		w->pool->n_active--;
}

bool
mproc__worker_is_thread(const struct mproc__worker *w)
{
	return w->p->opt.launch == MPROC_THREAD;
}

void
mproc__worker_kill(struct mproc__worker *w)
{
	if (w->state == MPROC__WORKER_READY ||
	    w->state == MPROC__WORKER_CLOSED) {
		w->pool->n_ready--;
		w->state = MPROC__WORKER_STOPPING;
	}
	w->killed = true;
	mproc__worker_active(w, false);
	mproc__worker_room(w);
	if (mproc__kill_nowait(w->p, SIGKILL) == -EOPNOTSUPP)
		(void)mproc_request_stop(w->p);
}

/* In order: it has no jobs. */
void
mproc__worker_stop(struct mproc__worker *w)
{
	int grace = w->p->opt.stop_grace_ms;

	if (w->state == MPROC__WORKER_STARTING) {
		w->pool->n_starting--;
	} else if (w->state == MPROC__WORKER_STOPPING) {
		return;
	} else {
		w->pool->n_ready--;
	}
	w->state = MPROC__WORKER_STOPPING;
	mproc__worker_active(w, false);
	mproc__worker_room(w);
	(void)mproc_request_stop(w->p);
	w->stop_at = grace < 0 ? MPROC__NEVER : mproc__deadline(grace);
	mproc__pool_time(w->pool, w->stop_at);
}

/* What an end of the process means for one of its jobs. */
static void
orphan(struct mproc__worker *w, struct mproc__job *job, uint64_t begun)
{
	const struct mproc_death *d = &w->p->death;
	struct mproc_pool *pool = w->pool;
	bool running = d->msg_id == job->id && d->command[0] != '\0';
	int code = job->verdict;
	char late[200];

	job->plain = false;
	if (running)
		job->value = d->value;
	if (code == 0 && job->unwanted)
		code = -ECANCELED;
	if (code == 0 && pool->terminating)
		code = -ECANCELED;
	if (code == 0 && !running && job->seq > begun) {
		mproc__job_requeue(pool, job);	/* it was not begun */
	} else if (code == 0 && job->retries > 0 && !pool->no_go) {
		job->retries--;
		pool->st.retried++;
		mproc__job_requeue(pool, job);
	} else {
		if (code == -ETIMEDOUT)
			mproc__job_too_long(job, late, sizeof(late));
		mproc__job_end(pool, job, code != 0 ? code : -EPIPE, NULL,
		    code == -ECANCELED ? "canceled" : code == -ETIMEDOUT ?
		    late : w->p->death_text, d);
	}
}

static void
poisoned(struct mproc__worker *w, const struct mproc__job *job)
{
	struct mproc_pool *pool = w->pool;
	struct mproc__poison *poison;

	if (job->verdict != 0 || job->retries > 0 || w->killed ||
	    w->p->death.msg_id != job->id)
		return;
	pool->st.poisoned++;
	if (pool->opt.on_poison == NULL ||
	    (poison = calloc(1, sizeof(*poison))) == NULL)
		return;
	if ((poison->death = mproc__death_dup(&w->p->death)) == NULL ||
	    mproc__msg_copy(job->body, job->size, NULL, 0,
	    &poison->msg) < 0) {
		free(poison->death);
		free(poison);
		return;
	}
	poison->next = pool->poison;
	pool->poison = poison;
}

static void
orphans(struct mproc__worker *w)
{
	uint64_t begun = mproc__batch_begun(w->p);
	struct mproc__job *job, *prev;

	/* from the last, so that the requeued ones keep their order */
	for (job = w->out.last; job != NULL; job = prev) {
		prev = job->prev;
		free_room(w, job);
		poisoned(w, job);
		mproc__worker_take_back(w, job);
		orphan(w, job, begun);
	}
}

/* Its process has ended: take it out of everything. */
void
mproc__worker_gone(struct mproc__worker *w)
{
	struct mproc_pool *pool = w->pool;
	struct mproc__worker *o;

	mproc__init_end(w);
	orphans(w);
	if (w->state == MPROC__WORKER_STARTING)
		pool->n_starting--;
	else if (w->state != MPROC__WORKER_STOPPING)
		pool->n_ready--;
	list_del(w);
	mproc__worker_active(w, false);
	for (o = pool->all.first; o != NULL; o = o->next) {
		if (o->replaces != w)
			continue;
		o->replaces = NULL;
		mproc__worker_active(o, true);
	}
	if (w->replaces != NULL)
		w->replaces->retiring = false;
	if (w->prev != NULL)
		w->prev->next = w->next;
	else
		pool->all.first = w->next;
	if (w->next != NULL)
		w->next->prev = w->prev;
	else
		pool->all.last = w->prev;
	pool->all.n--;
	if (w->slot >= 0)
		pool->slots[w->slot] = NULL;
	if (pool->local == w)
		pool->local = NULL;
	(void)epoll_ctl(pool->epfd, EPOLL_CTL_DEL, w->p->epfd, NULL);
	(void)epoll_ctl(pool->epfd, EPOLL_CTL_DEL, w->p->notify_fd, NULL);
	mproc__pool_flush(pool);	/* it may be in that list */
	w->next = pool->dead;
	pool->dead = w;
}
