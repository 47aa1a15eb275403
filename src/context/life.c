/*
 * life.c - the start, in order, and the end, in reverse order.
 *
 * What happens in which state (- nothing):
 *
 *               NEW        STARTING     RUNNING    STOPPING    ENDED
 * run, ...      STARTING   -EDEADLK     goes on    goes on     -ESHUTDOWN
 * start fails   (never)    STOPPING     (never)    (never)     (never)
 * stop          ENDED, at  STOPPING,    STOPPING   -           -
 *               the run    when done
 * all ended     (never)    (never)      -          ENDED       -
 *
 * The end asks the process that was added last to stop, waits for its death,
 * and goes on to the one before: what depends on a process ends before that.
 * Meanwhile the loop turns on, so that last messages are delivered and no
 * process waits for another for longer than the ladder.  The waiting in order
 * ends after the longest grace; then all the rest are asked.  So the bound is
 * three graces and a second, whatever the number of processes.
 *
 * Restart policies (never, on failure, always; backoff, burst limit,
 * escalation) will be members of struct mproc_supervision and act where
 * member.c tells a death, by starting the member's next generation without
 * waiting; the order of the members is what rest-for-one needs.
 */
#include <signal.h>
#include <stdio.h>

#include <mproc/error.h>

#include "context/context.h"
#include "process/process.h"

#define GIVE_UP_MS	1000	/* SIGKILL works at once, or not at all */

#define debug(ctx_, ...) do {						\
	if (mproc_log_enabled((ctx_)->name, MPROC_DEBUG))		\
		mproc_log_debug(mproc_context_logger(ctx_), __VA_ARGS__); \
} while (0)

static int64_t
after_ms(int64_t from, int ms)
{
	return ms < 0 || from == MPROC__NEVER ? MPROC__NEVER :
	    from + ms * 1000000LL;
}

/* The end: nobody is called after close. */
static void
end(struct mproc_context *ctx)
{
	while (ctx->first != NULL)
		mproc__member_leave(ctx->first);
	mproc__context_signals_done(ctx);
	mproc__posts_done(ctx);
	mproc__timer_stop(ctx, &ctx->ladder);
	ctx->state = MPROC__CONTEXT_ENDED;
	debug(ctx, "ended");
	if (ctx->hooked && ctx->app.close != NULL)
		ctx->app.close(ctx, ctx->arg);
	mproc__context_kick(ctx);	/* the descriptor tells the end */
}

static void
on_ladder(struct mproc_context *ctx, struct mproc__timer *t)
{
	(void)ctx;
	(void)t;	/* it has woken the round, whose end looks further */
}

/*
 * What it had was freed with it, perhaps: nothing of the program's is called
 * from here on but close.
 */
static void
quieten(struct mproc_context *ctx)
{
	if (ctx->quiet)
		return;
	ctx->quiet = true;
	mproc__watches_remove(ctx);
	mproc__user_timers_remove(ctx);
	mproc__context_signals_done(ctx);
	mproc__uv_pause(ctx);
}

static void
begin_stop(struct mproc_context *ctx)
{
	int64_t now = mproc__now_ns();
	struct mproc__member *m;
	struct mproc__peek peek;

	debug(ctx, "stopping");
	ctx->ladder.expire = on_ladder;
	ctx->state = MPROC__CONTEXT_STOPPING;
	ctx->order_end = now;
	for (m = ctx->first; m != NULL; m = m->next) {
		mproc__member_resume(m);
		mproc__member_peek(m, &peek);
		if (after_ms(now, peek.grace_ms) > ctx->order_end)
			ctx->order_end = after_ms(now, peek.grace_ms);
	}
}

static void
ask(struct mproc__member *m, int64_t now)
{
	struct mproc__peek peek;

	mproc__member_peek(m, &peek);
	(void)mproc__request_stop(m->p);
	m->rung = MPROC__RUNG_ASKED;
	m->rung_end = after_ms(now, peek.grace_ms);
}

/* One rung up; only what is not asked yet is not on the ladder. */
static void
climb(struct mproc__member *m, int64_t now)
{
	struct mproc__peek peek;
	char text[96];

	mproc__member_peek(m, &peek);
	switch (m->rung) {
	case MPROC__RUNG_ASKED:
		m->rung = MPROC__RUNG_TERM;
		m->rung_end = after_ms(now, peek.grace_ms);
		mproc__member_signal(m, SIGTERM);
		mproc__member_signal(m, SIGCONT);
		break;
	case MPROC__RUNG_TERM:
		m->rung = MPROC__RUNG_KILL;
		m->rung_end = after_ms(now, GIVE_UP_MS);
		mproc__member_signal(m, SIGKILL);
		break;
	case MPROC__RUNG_KILL:
		m->rung = MPROC__RUNG_GIVEN_UP;
		m->rung_end = MPROC__NEVER;
		(void)snprintf(text, sizeof(text), "%s does not end",
		    mproc_name(m->p));
		mproc__context_set_result(m->ctx, -ETIMEDOUT, text);
		debug(m->ctx, "%s does not end", mproc_name(m->p));
		break;
	case MPROC__RUNG_NONE:
	case MPROC__RUNG_GIVEN_UP:
		break;
	}
}

static void
kill_all(struct mproc_context *ctx, int64_t now)
{
	struct mproc__member *m;

	ctx->kill_next = false;
	for (m = ctx->last; m != NULL; m = m->prev) {
		if (!mproc__member_lives(m) || m->rung >= MPROC__RUNG_KILL)
			continue;
		m->rung = MPROC__RUNG_TERM;
		climb(m, now);
	}
}

/* From the last to the first; true if one is left. */
static bool
stop_members(struct mproc_context *ctx, int64_t now)
{
	bool all = now >= ctx->order_end, left = false;
	int64_t next = all ? MPROC__NEVER : ctx->order_end;
	struct mproc__member *m;

	for (m = ctx->last; m != NULL; m = m->prev) {
		if (m->rung == MPROC__RUNG_GIVEN_UP ||
		    !mproc__member_lives(m))
			continue;
		if (m->rung == MPROC__RUNG_NONE && (all || !left))
			ask(m, now);
		else if (m->rung != MPROC__RUNG_NONE && now >= m->rung_end)
			climb(m, now);
		if (m->rung == MPROC__RUNG_GIVEN_UP)
			continue;
		left = true;
		if (m->rung != MPROC__RUNG_NONE)
			next = mproc__min_deadline(next, m->rung_end);
	}
	mproc__timer_start(ctx, &ctx->ladder, next);
	return left;
}

void
mproc__context_advance(struct mproc_context *ctx)
{
	int64_t now;

	if (ctx->state == MPROC__CONTEXT_RUNNING &&
	    !mproc_context_going(ctx))
		begin_stop(ctx);
	if (ctx->state != MPROC__CONTEXT_STOPPING)
		return;
	if (mproc__context_is_quiet(ctx))
		quieten(ctx);
	now = mproc__now_ns();
	if (ctx->kill_next)
		kill_all(ctx, now);
	if (!stop_members(ctx, now))
		end(ctx);
}

/* Those that nobody has started, in order. */
static int
start_members(struct mproc_context *ctx)
{
	struct mproc__member *m, *next;
	struct mproc__peek peek;
	int r;

	for (m = ctx->first; m != NULL; m = next) {
		mproc__context_signals_run(ctx);
		if (!mproc_context_going(ctx))
			return 0;
		next = ctx->first;	/* if a callback has removed it */
		if (m->source.gone)
			continue;
		mproc__member_peek(m, &peek);
		if (peek.status == MPROC_STATUS_NEW) {
			if ((r = mproc_start(m->p)) < 0)
				return r;
			debug(ctx, "started %s", mproc_name(m->p));
		}
		if (!m->source.gone)
			next = m->next;
	}
	return 0;
}

static int
start_all(struct mproc_context *ctx)
{
	const struct mproc_app *app = &ctx->app;
	int r = 0;

	mproc__err_forget();
	if (app->stop_on_signals)
		r = mproc_context_stop_on_signals(ctx);
	if (r >= 0 && app->start_processes != NULL) {
		ctx->hooked = true;
		r = app->start_processes(ctx, ctx->arg);
	}
	if (r >= 0)
		r = start_members(ctx);
	if (r >= 0 && app->start_threads != NULL && mproc_context_going(ctx))
		r = app->start_threads(ctx, ctx->arg);
	return r < 0 ? r : 0;
}

int
mproc__context_start(struct mproc_context *ctx)
{
	int r;

	if (!mproc_context_going(ctx)) {
		end(ctx);
		return 0;
	}
	ctx->state = MPROC__CONTEXT_STARTING;
	ctx->in_round = true;
	r = start_all(ctx);
	ctx->in_round = false;
	mproc__sources_bury(ctx);
	ctx->state = MPROC__CONTEXT_RUNNING;
	if (r == 0)
		return 0;
	mproc__context_set_result(ctx, r, mproc__err_code() == r ?
	    mproc__err_text() : mproc_strerror(r));
	debug(ctx, "the start failed: %s", mproc_errname(r));
	(void)mproc_context_stop(ctx);
	return mproc__context_loop_until_end(ctx);
}
