/*
 * member.c - processes in the context: their messages and deaths.
 *
 * A dead process's descriptor stays readable, so after its death was told it
 * is taken out of the set's interest until it is started anew; who starts it
 * inside on_death need not say so, who does it elsewhere adds it again.
 */
#include <sys/epoll.h>

#include <stdlib.h>

#include "context/context.h"
#include "message/message.h"
#include "process/process.h"

#define A_ROUND	64	/* messages of one process, then the next one's */

void
mproc__member_peek(const struct mproc__member *m, struct mproc__peek *ret)
{
	struct mproc *p = m->p;

	*ret = (struct mproc__peek){ .status = MPROC_STATUS_DEAD };
	if (mproc__enter(p) < 0)
		return;
	ret->status = p->status;
	ret->generation = p->total.generation;
	ret->ready = p->ready && p->start_code >= 0;
	ret->grace_ms = p->opt.stop_grace_ms;
	mproc__leave(p);
}

void
mproc__member_signal(struct mproc__member *m, int sig)
{
	struct mproc *p = m->p;

	if (mproc__enter(p) < 0)
		return;
	if (p->status != MPROC_STATUS_NEW && p->status != MPROC_STATUS_DEAD)
		(void)mproc__signal(p, sig);
	mproc__leave(p);
}

bool
mproc__member_lives(struct mproc__member *m)
{
	struct mproc__peek peek;

	mproc__member_peek(m, &peek);
	if (peek.status == MPROC_STATUS_NEW)
		return false;
	return peek.status != MPROC_STATUS_DEAD || !m->ended;
}

static bool
is_quiet(const struct mproc__member *m)
{
	return m->source.gone || mproc__context_is_quiet(m->ctx);
}

/*
 * A new generation.  In the middle of the end it keeps its place on the
 * ladder, or an on_death that starts it anew each time would have no end.
 */
static void
lives_again(struct mproc__member *m)
{
	m->ended = false;
	if (m->rung != MPROC__RUNG_NONE)
		(void)mproc__request_stop(m->p);
}

void
mproc__member_resume(struct mproc__member *m)
{
	struct mproc__peek peek;

	if (!m->ended)
		return;
	mproc__member_peek(m, &peek);
	if (peek.status == MPROC_STATUS_NEW || peek.generation == m->told)
		return;
	lives_again(m);
	(void)mproc__source_change(m->ctx, &m->source, EPOLLIN);
}

static void
deliver(struct mproc__member *m, struct mproc_msg *msg)
{
	m->ctx->calls++;
	if (m->on_message == NULL || is_quiet(m)) {
		mproc_msg_free(msg);
		return;
	}
	mproc__msg_lend(msg);
	m->on_message(m->p, msg, m->arg);
	mproc__msg_unlend(msg);
}

/*
 * After the callback it may be gone, or live again.  A generation that
 * failed to start inside the callback was told there, by mproc_start().
 */
static void
tell_death(struct mproc__member *m)
{
	const struct mproc_death *death = mproc_death(m->p);
	bool own = m->sup.on_death != NULL;
	mproc_death_fn *fn = own ? m->sup.on_death : m->ctx->app.on_death;
	struct mproc__peek peek;

	if (m->source.gone || m->ended || death == NULL)
		return;
	mproc__member_peek(m, &peek);
	m->ended = true;
	m->told = peek.generation;
	if (fn != NULL && !is_quiet(m)) {
		m->ctx->calls++;
		fn(m->p, death, own ? m->sup.arg : m->ctx->arg);
		if (m->source.gone)
			return;
		mproc__member_peek(m, &peek);
	}
	if (peek.generation != m->told && peek.ready) {
		lives_again(m);
		return;
	}
	m->told = peek.generation;
	(void)mproc__source_change(m->ctx, &m->source, 0);
}

void
mproc__member_drain(struct mproc__member *m)
{
	struct mproc_msg *msg;
	int i, r;

	/* the callback of a future, in there, may remove it, too */
	for (i = 0; i < A_ROUND && !m->source.gone; i++) {
		if ((r = mproc_recv(m->p, 0, &msg)) > 0) {
			deliver(m, msg);
			continue;
		}
		if (r == -EPIPE)
			tell_death(m);
		return;
	}
}

static void
on_ready(struct mproc_context *ctx, struct mproc__source *s, uint32_t events)
{
	(void)ctx;
	(void)events;
	mproc__member_drain((struct mproc__member *)(void *)s);
}

struct mproc__member *
mproc__member_of(struct mproc_context *ctx, const struct mproc *p)
{
	struct mproc__member *m;

	for (m = ctx->first; m != NULL && m->p != p; m = m->next)
		;
	return m;
}

static void
link_last(struct mproc_context *ctx, struct mproc__member *m)
{
	m->prev = ctx->last;
	if (ctx->last != NULL)
		ctx->last->next = m;
	else
		ctx->first = m;
	ctx->last = m;
}

static void
unlink_member(struct mproc_context *ctx, struct mproc__member *m)
{
	if (m->prev != NULL)
		m->prev->next = m->next;
	else
		ctx->first = m->next;
	if (m->next != NULL)
		m->next->prev = m->prev;
	else
		ctx->last = m->prev;
}

void
mproc__member_leave(struct mproc__member *m)
{
	struct mproc_context *ctx = m->ctx;

	atomic_store(&m->p->context, NULL);
	mproc__timer_start(ctx, &m->ping, MPROC__NEVER);
	mproc__timer_unreserve(ctx);
	unlink_member(ctx, m);
	mproc__source_remove(ctx, &m->source);
}

static void
bury(struct mproc__source *s)
{
	mproc__release(((struct mproc__member *)(void *)s)->p);
}

/*
 * The process is being freed.  In a callback, which may be its own and still
 * has its death, the memory outlives the round.  Another thread may not do
 * that while the context runs, and is not helped.
 */
static bool
on_free(struct mproc *p)
{
	struct mproc_context *ctx = atomic_load(&p->context);
	struct mproc__member *m;
	bool later;

	if (atomic_load(&ctx->busy) &&
	    !pthread_equal(atomic_load(&ctx->owner), pthread_self()))
		return false;
	if ((m = mproc__member_of(ctx, p)) == NULL)
		return false;
	if ((later = ctx->in_round))
		m->source.bury = bury;
	mproc__member_leave(m);
	return later;
}

static int
new_member(struct mproc_context *ctx, struct mproc *p,
    struct mproc__member **ret_m)
{
	struct mproc__member *m;
	int fd, r;

	if ((fd = mproc_fd(p)) < 0)
		return fd;
	if ((r = mproc__timer_reserve(ctx)) < 0)
		return r;
	if ((m = calloc(1, sizeof(*m))) == NULL) {
		mproc__timer_unreserve(ctx);
		return mproc__err(-ENOMEM, "no memory to add a process");
	}
	m->ctx = ctx;
	m->p = p;
	m->source.ready = on_ready;
	m->ping.expire = mproc__member_ping_expire;
	if ((r = mproc__source_add(ctx, &m->source, fd, EPOLLIN)) < 0) {
		mproc__timer_unreserve(ctx);
		free(m);
		return r;
	}
	link_last(ctx, m);
	p->on_free = on_free;
	atomic_store(&p->context, ctx);
	*ret_m = m;
	return 0;
}

int
mproc_context_add(struct mproc_context *ctx, struct mproc *p,
    mproc_message_fn *on_message, void *arg)
{
	struct mproc__member *m;
	int r;

	if ((r = mproc__context_enter_live(ctx)) < 0)
		return r;
	if (p == NULL)
		return mproc__err(-EINVAL, "no process given");
	if ((m = mproc__member_of(ctx, p)) == NULL) {
		if ((r = new_member(ctx, p, &m)) < 0)
			return r;
		if (ctx->level != MPROC_LEVEL_DEFAULT)
			(void)mproc_set_log_level(p, ctx->level);
	}
	m->on_message = on_message;
	m->arg = arg;
	mproc__member_resume(m);
	return 0;
}

struct mproc_context *
mproc_context_of(const struct mproc *p)
{
	return p != NULL ? atomic_load(&p->context) : NULL;
}

int
mproc_context_remove(struct mproc_context *ctx, struct mproc *p)
{
	struct mproc__member *m;
	int r;

	if ((r = mproc__context_enter(ctx)) < 0)
		return r;
	if ((m = mproc__member_of(ctx, p)) == NULL)
		return mproc__err(-ENOENT, "the process is not in context %s",
		    ctx->name);
	mproc__member_leave(m);
	return 0;
}

int
mproc_context_supervise(struct mproc_context *ctx, struct mproc *p,
    const struct mproc_supervision *supervision)
{
	struct mproc_supervision sup = { 0 };
	struct mproc__member *m;
	int r;

	if ((r = mproc__context_enter(ctx)) < 0)
		return r;
	if (supervision != NULL)
		sup = *supervision;
	if (sup.ping_interval_ms < 0 || sup.ping_timeout_ms < 0 ||
	    (sup.ping_interval_ms > 0 && sup.on_ping_timeout == NULL))
		return mproc__err(-EINVAL, "a negative time, or a ping "
		    "interval without on_ping_timeout");
	if ((m = mproc__member_of(ctx, p)) == NULL)
		return mproc__err(-ENOENT, "the process is not in context %s",
		    ctx->name);
	if (sup.ping_timeout_ms == 0)
		sup.ping_timeout_ms = sup.ping_interval_ms;
	m->sup = sup;
	mproc__member_ping_reset(m);
	return 0;
}
