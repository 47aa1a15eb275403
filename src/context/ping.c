/*
 * ping.c - the watchdog: is the backend's loop alive?
 *
 * At most one ping of ours is out.  Any pong that came after it was sent
 * will do, whoever asked for it.  A process that does not run is not pinged,
 * but looked at again each interval: it may have been started anew.
 */
#include "context/context.h"
#include "process/process.h"

#define MS	1000000LL

static void
forget(struct mproc__member *m, int64_t now)
{
	m->ping_sent = 0;
	m->ping_next = now + m->sup.ping_interval_ms * MS;
}

void
mproc__member_ping_reset(struct mproc__member *m)
{
	forget(m, mproc__now_ns());
	mproc__timer_start(m->ctx, &m->ping, m->sup.ping_interval_ms > 0 ?
	    m->ping_next : MPROC__NEVER);
}

static void
send_ping(struct mproc__member *m, int64_t now)
{
	forget(m, now);
	if (mproc__ping_start(m->p) < 0)
		return;
	m->ping_sent = now;
	m->ping_warn = now + m->sup.ping_timeout_ms * MS;
}

static void
tell_silence(struct mproc__member *m, int64_t now)
{
	m->ping_warn = now + m->sup.ping_timeout_ms * MS;
	if (mproc__context_is_quiet(m->ctx))
		return;
	m->ctx->calls++;
	m->sup.on_ping_timeout(m->p, (int)((now - m->ping_sent) / MS),
	    m->sup.arg);
}

/* A process that runs. */
static void
look(struct mproc__member *m, int64_t now)
{
	if (m->ping_sent != 0 && mproc__ping_state(m->p) >= m->ping_sent)
		m->ping_sent = 0;
	if (m->ping_sent == 0 && now >= m->ping_next)
		send_ping(m, now);
	else if (m->ping_sent != 0 && now >= m->ping_warn)
		tell_silence(m, now);
}

static void
again(struct mproc__member *m)
{
	int64_t due = m->ping_next;

	if (m->sup.ping_interval_ms == 0)
		return;		/* the callback has ended it */
	if (m->ping_sent != 0)
		due = m->ping_next > m->ctx->round_ns ?
		    mproc__min_deadline(due, m->ping_warn) : m->ping_warn;
	mproc__timer_start(m->ctx, &m->ping, due);
}

void
mproc__member_ping_expire(struct mproc_context *ctx, struct mproc__timer *t)
{
	struct mproc__member *m = (struct mproc__member *)(void *)
	    ((char *)t - offsetof(struct mproc__member, ping));
	struct mproc__peek peek;
	int64_t now;

	(void)ctx;
	mproc__member_resume(m);
	mproc__member_drain(m);		/* takes in the pong, too */
	if (m->source.gone)
		return;
	now = mproc__now_ns();
	mproc__member_peek(m, &peek);
	if (peek.generation != m->ping_generation) {
		m->ping_generation = peek.generation;
		forget(m, now);
	}
	if (peek.status == MPROC_STATUS_RUNNING)
		look(m, now);
	else
		forget(m, now);
	if (!m->source.gone)
		again(m);
}
