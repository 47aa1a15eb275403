/*
 * init.c - calls that a worker does before its first job.
 *
 * They are encoded once and all handed over when the worker's process is
 * ready; the worker is, when it has answered the last.  All have one id: no
 * job's, and their answers come in order or are not told apart.
 */
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "pool/pool.h"

#define INIT_ID		UINT64_MAX

static void
init_free(struct mproc__init *init)
{
	while (init->fds.n > 0)
		mproc__close(init->fds.fd[--init->fds.n]);
	mproc__buf_done(&init->body);
	free(init);
}

void
mproc__inits_free(struct mproc_pool *pool)
{
	struct mproc__init *init;

	while ((init = pool->inits) != NULL) {
		pool->inits = init->next;
		init_free(init);
	}
}

static int
encode(struct mproc__init *init, const struct mproc_schema *schema,
    const void *args)
{
	struct mproc__fdset fds = { .n = 0 };
	int i, fd, r;

	r = mproc__encode(&init->body, MPROC__CALL, INIT_ID, schema, args,
	    NULL, SIZE_MAX, &fds);
	for (i = 0; i < fds.n && r >= 0; i++) {
		if ((fd = mproc__dup(fds.fd[i])) < 0)
			return mproc__fd_error(fd, "a pool's call");
		init->fds.fd[init->fds.n++] = fd;
	}
	return r;
}

/* At the end of the list, unless it is there. */
static int
add(struct mproc_pool *pool, struct mproc__init *init)
{
	struct mproc__init **at;

	for (at = &pool->inits; *at != NULL; at = &(*at)->next)
		if (init->fds.n == 0 && (*at)->fds.n == 0 &&
		    (*at)->body.len == init->body.len &&
		    memcmp((*at)->body.data, init->body.data,
		    init->body.len) == 0)
			return mproc__err(-EEXIST, "pool %s does that call "
			    "already", pool->name);
	*at = init;
	pool->n_inits++;
	return 0;
}

int
mproc_pool_add_init_typed(struct mproc_pool *pool,
    const struct mproc_schema *schema, const void *args)
{
	struct mproc__init *init;
	int r;

	if (schema == NULL)
		return mproc__err(-EINVAL, "no message given");
	if ((r = mproc__pool_enter(pool)) < 0)
		return r;
	if (pool->state != MPROC__POOL_NEW)
		r = mproc__err(-EALREADY, "pool %s is started", pool->name);
	else if ((r = mproc__pool_check(pool,
	    &(struct mproc__item){ .schema = schema })) == 0 &&
	    (init = calloc(1, sizeof(*init))) == NULL)
		r = -ENOMEM;
	else if (r == 0 && ((r = encode(init, schema, args)) < 0 ||
	    (r = add(pool, init)) < 0))
		init_free(init);
	mproc__pool_leave(pool);
	return r;
}

static void
hand_over(struct mproc__worker *w)
{
	struct mproc_pool *pool = w->pool;
	struct mproc__init *init;

	w->inits = pool->n_inits;
	pool->n_initing++;
	w->p->start_deadline = mproc__deadline(w->p->opt.start_timeout_ms);
	mproc__pool_time(pool, w->p->start_deadline);
	for (init = pool->inits; init != NULL; init = init->next) {
		if (mproc__batch_put(w->p, init->body.data, init->body.len,
		    init->fds.fd, init->fds.n) < 0)
			return;		/* its death will tell */
		w->seq++;
	}
	mproc__batch_flush(w->p);
}

bool
mproc__worker_init(struct mproc__worker *w)
{
	struct mproc_pool *pool = w->pool;

	if (w->p->start_code < 0) {
		if (w->init_state != MPROC__INIT_NONE)
			mproc__worker_kill(w);	/* else it ends by itself */
		return false;
	}
	if (pool->inits == NULL || w->init_state == MPROC__INIT_DONE)
		return true;
	if (w->init_state == MPROC__INIT_BEGUN)
		return false;
	if (pool->opt.init_in_turn && pool->n_initing > 0) {
		w->p->start_deadline = MPROC__NEVER;	/* not its fault */
		return false;
	}
	w->init_state = MPROC__INIT_BEGUN;
	hand_over(w);
	return false;
}

void
mproc__init_end(struct mproc__worker *w)
{
	if (w->init_state != MPROC__INIT_BEGUN)
		return;
	w->init_state = MPROC__INIT_DONE;
	w->pool->n_initing--;
}

void
mproc__init_answer(struct mproc__worker *w, const struct mproc__envelope *env)
{
	char text[sizeof(w->p->start_text)];
	int code = 0;

	/* a thread that is told to stop may still answer, and is late */
	if (env->kind == MPROC__ERROR && !w->killed &&
	    !w->pool->opt.init_may_fail) {
		if (mproc__envelope_error(env, &code, text,
		    sizeof(text)) < 0)
			code = -EBADMSG;
		w->p->start_code = code;
		(void)strlcpy(w->p->start_text, code == -EBADMSG ? "" : text,
		    sizeof(w->p->start_text));
	}
	if (--w->inits == 0)
		mproc__init_end(w);
}

/* It is the next one's turn. */
void
mproc__inits_work(struct mproc_pool *pool)
{
	struct mproc__worker *w;

	if (pool->inits == NULL || !pool->opt.init_in_turn)
		return;
	for (w = pool->all.first; w != NULL && pool->n_initing == 0;
	    w = w->next)
		if (w->state == MPROC__WORKER_STARTING && w->p->ready &&
		    !w->killed)
			(void)mproc__worker_init(w);
}
