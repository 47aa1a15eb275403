/*
 * Processes in the context: messages, deaths, pings.
 */
#include "test.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mproc.h>

#include "help.h"
#include "../process/probe.h"

struct seen {
	struct mproc_context *ctx;
	int	messages, deaths, silences;
	int	stop_after;	/* messages */
	bool	disorder;
	int64_t	last;
	int	silent_ms;
	struct mproc_death death;
	struct mproc_msg *kept;
	struct mproc *p;
};

static struct mproc *
new_probe(const struct mproc_options *opt)
{
	struct mproc *p;

	if (mproc_new(&probe_class, opt, &p) < 0)
		fail_msg("mproc_new: %s", mproc_errmsg(NULL));
	return p;
}

static struct mproc *
started(struct mproc_context *ctx, mproc_message_fn *fn, void *arg)
{
	struct mproc *p = new_probe(NULL);

	if (mproc_start(p) < 0)
		fail_msg("mproc_start: %s", mproc_errmsg(NULL));
	assert_int_equal(mproc_context_add(ctx, p, fn, arg), 0);
	return p;
}

static void
on_item(struct mproc *p, struct mproc_msg *msg, void *arg)
{
	const struct probe_item *item = mproc_args(msg, probe_item);
	struct seen *s = arg;

	(void)p;
	if (item == NULL)
		return;
	if (item->n != s->last + 1)
		s->disorder = true;
	s->last = item->n;
	if (++s->messages == s->stop_after)
		mproc_context_stop(s->ctx);
}

static void
on_death(struct mproc *p, const struct mproc_death *death, void *arg)
{
	struct seen *s = arg;

	(void)p;
	s->deaths++;
	s->death = *death;
}

static const struct mproc_supervision deaths = { .on_death = on_death };

static void
supervise(struct mproc_context *ctx, struct mproc *p,
    struct mproc_supervision sup, void *arg)
{
	sup.arg = arg;
	assert_int_equal(mproc_context_supervise(ctx, p, &sup), 0);
}

/* Turn the loop until *n is at least this. */
static void
until(struct mproc_context *ctx, const int *n, int wanted)
{
	int64_t end = test_now_ms() + BOUND_MS;

	while (*n < wanted && test_now_ms() < end)
		assert_true(mproc_context_dispatch(ctx, 100) >= 0);
	assert_true(*n >= wanted);
}

static void
vk49_messages_of_several_processes(void **state)
{
	struct mproc_context *ctx = ctx_make();
	struct seen s[3] = { { .ctx = ctx } };
	struct mproc *p[3];
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		s[i].last = -1;
		p[i] = started(ctx, on_item, &s[i]);
		assert_int_equal(mproc_send(p[i], probe_emit, .count = 1000),
		    0);
	}
	for (i = 0; i < 3; i++) {
		until(ctx, &s[i].messages, 1000);
		assert_false(s[i].disorder);
	}
	assert_null(mproc_context_free(ctx));
	for (i = 0; i < 3; i++) {
		assert_int_equal(mproc_status(p[i]), MPROC_STATUS_DEAD);
		mproc_free(p[i]);
	}
}

/* One that floods does not keep the others waiting. */
static void
test_turns_are_fair(void **state)
{
	struct mproc_context *ctx = ctx_make();
	struct seen a = { .last = -1 }, b = { .last = -1 };
	struct mproc *p, *q;

	(void)state;
	p = started(ctx, on_item, &a);
	q = started(ctx, on_item, &b);
	/* the replies come after the items: all is here then */
	assert_int_equal(mproc_call(p, BOUND_MS, NULL, probe_emit,
	    .count = 1000), 0);
	assert_int_equal(mproc_call(q, BOUND_MS, NULL, probe_emit,
	    .count = 1), 0);
	assert_int_equal(mproc_context_dispatch(ctx, 0), 65);
	assert_int_equal(a.messages, 64);
	assert_int_equal(b.messages, 1);
	until(ctx, &a.messages, 1000);
	assert_null(mproc_context_free(ctx));
	mproc_free(p);
	mproc_free(q);
}

static void
on_keep(struct mproc *p, struct mproc_msg *msg, void *arg)
{
	struct seen *s = arg;

	(void)p;
	if (s->messages++ == 0)
		s->kept = mproc_msg_keep(msg);
	else
		mproc_msg_free(msg);	/* fine, too */
}

static void
test_kept_and_freed_messages(void **state)
{
	struct mproc_context *ctx = ctx_make();
	const struct probe_item *item;
	struct seen s = { 0 };
	struct mproc *p = started(ctx, on_keep, &s);

	(void)state;
	assert_int_equal(mproc_send(p, probe_emit, .count = 3, .first = 5),
	    0);
	until(ctx, &s.messages, 3);
	item = mproc_args(s.kept, probe_item);
	assert_non_null(item);
	assert_int_equal(item->n, 5);
	mproc_msg_free(s.kept);
	/* without a callback they are dropped, and counted as received */
	assert_int_equal(mproc_context_add(ctx, p, NULL, NULL), 0);
	assert_int_equal(mproc_call(p, BOUND_MS, NULL, probe_emit,
	    .count = 2), 0);
	assert_int_equal(mproc_context_dispatch(ctx, BOUND_MS), 2);
	assert_int_equal(s.messages, 3);
	assert_null(mproc_context_free(ctx));
	mproc_free(p);
}

static void
on_remove(struct mproc *p, struct mproc_msg *msg, void *arg)
{
	struct seen *s = arg;

	(void)msg;
	s->messages++;
	assert_int_equal(mproc_context_remove(s->ctx, p), 0);
	assert_int_equal(mproc_context_remove(s->ctx, p), -ENOENT);
	mproc_free(p);
}

static void
test_removed_and_freed_in_its_callback(void **state)
{
	struct mproc_context *ctx = ctx_make();
	struct seen s = { .ctx = ctx };
	struct mproc *p = started(ctx, on_remove, &s);

	(void)state;
	supervise(ctx, p, deaths, &s);
	assert_int_equal(mproc_call(p, BOUND_MS, NULL, probe_emit,
	    .count = 5), 0);
	until(ctx, &s.messages, 1);
	assert_int_equal(mproc_context_dispatch(ctx, 20), 0);
	assert_int_equal(s.messages, 1);
	assert_int_equal(s.deaths, 0);
	assert_null(mproc_context_free(ctx));
}

/* What was removed keeps what has come, and can be added again. */
static void
test_removed_and_added_again(void **state)
{
	struct mproc_context *ctx = ctx_make();
	struct seen s = { .last = -1 };
	struct mproc *p = started(ctx, on_item, &s);

	(void)state;
	assert_int_equal(mproc_context_remove(ctx, p), 0);
	assert_int_equal(mproc_call(p, BOUND_MS, NULL, probe_emit,
	    .count = 5), 0);
	assert_int_equal(mproc_context_dispatch(ctx, 0), 0);
	assert_int_equal(mproc_context_watch(ctx, mproc_fd(p), POLLIN,
	    nop_watch, NULL), 0);
	assert_int_equal(mproc_context_add(ctx, p, on_item, &s), -EEXIST);
	assert_int_equal(mproc_context_unwatch(ctx, mproc_fd(p)), 0);
	assert_int_equal(mproc_context_add(ctx, p, on_item, &s), 0);
	assert_int_equal(mproc_context_watch(ctx, mproc_fd(p), POLLIN,
	    nop_watch, NULL), -EEXIST);
	assert_int_equal(mproc_context_unwatch(ctx, mproc_fd(p)), -ENOENT);
	assert_int_equal(mproc_context_dispatch(ctx, 0), 5);
	assert_int_equal(mproc_context_remove(ctx, p), 0);
	mproc_free(p);
	assert_null(mproc_context_free(ctx));
}

static void
test_death_is_told_once_after_the_messages(void **state)
{
	struct mproc_context *ctx = ctx_make();
	struct seen s = { .last = -1 };
	struct mproc *p = started(ctx, on_item, &s);
	int fd = mproc_context_fd(ctx);

	(void)state;
	supervise(ctx, p, deaths, &s);
	assert_int_equal(mproc_send(p, probe_emit, .count = 200), 0);
	assert_int_equal(mproc_send(p, probe_die, .sig = SIGSEGV), 0);
	until(ctx, &s.deaths, 1);
	assert_int_equal(s.messages, 200);
	assert_false(s.disorder);
	assert_int_equal(s.death.signal, SIGSEGV);
	assert_string_equal(s.death.command, "die");
	/* then it is silent, however often it is added */
	assert_int_equal(mproc_context_add(ctx, p, on_item, &s), 0);
	assert_int_equal(mproc_context_dispatch(ctx, 0), 0);
	assert_int_equal(test_poll(fd, POLLIN, 50), 0);
	/* started anew elsewhere, added again */
	assert_int_equal(mproc_start(p), 0);
	assert_int_equal(mproc_context_add(ctx, p, on_item, &s), 0);
	s.last = -1;
	assert_int_equal(mproc_send(p, probe_emit, .count = 7), 0);
	until(ctx, &s.messages, 207);
	assert_int_equal(mproc_kill(p), 0);
	until(ctx, &s.deaths, 2);
	assert_int_equal(s.death.signal, SIGKILL);
	assert_null(mproc_context_free(ctx));
	mproc_free(p);
}

static void
on_death_restart(struct mproc *p, const struct mproc_death *death, void *arg)
{
	struct seen *s = arg;

	on_death(p, death, arg);
	if (s->deaths < 3)
		assert_int_equal(mproc_start(p), 0);
	if (s->deaths < 3)
		assert_int_equal(mproc_send(p, probe_die, .status = 3), 0);
}

static void
test_started_anew_in_on_death(void **state)
{
	struct mproc_context *ctx = ctx_make();
	struct seen s = { 0 };
	struct mproc *p = started(ctx, NULL, NULL);

	(void)state;
	supervise(ctx, p, (struct mproc_supervision){
	    .on_death = on_death_restart }, &s);
	assert_int_equal(mproc_send(p, probe_die, .status = 3), 0);
	until(ctx, &s.deaths, 3);
	assert_int_equal(s.death.exit_code, 3);
	assert_int_equal(mproc_context_dispatch(ctx, 30), 0);
	assert_null(mproc_context_free(ctx));
	assert_int_equal(s.deaths, 3);
	mproc_free(p);
}

static void
on_death_free(struct mproc *p, const struct mproc_death *death, void *arg)
{
	struct seen *s = arg;

	on_death(p, death, arg);
	assert_int_equal(mproc_context_remove(s->ctx, p), 0);
	mproc_free(p);
}

static void
test_freed_in_on_death(void **state)
{
	struct mproc_context *ctx = ctx_make();
	struct seen s = { .ctx = ctx };
	struct mproc *p = started(ctx, NULL, NULL);

	(void)state;
	supervise(ctx, p, (struct mproc_supervision){
	    .on_death = on_death_free }, &s);
	assert_int_equal(mproc_send(p, probe_die, .status = 0), 0);
	until(ctx, &s.deaths, 1);
	assert_int_equal(mproc_context_dispatch(ctx, 20), 0);
	assert_null(mproc_context_free(ctx));
}

static void
on_silence(struct mproc *p, int silent_ms, void *arg)
{
	struct seen *s = arg;

	assert_true(silent_ms >= 20);
	assert_true(silent_ms >= s->silent_ms);
	s->silent_ms = silent_ms;
	if (++s->silences == 3)
		assert_int_equal(mproc_kill(p), 0);
}

static void
test_pings(void **state)
{
	struct mproc_context *ctx = ctx_make();
	const struct mproc_supervision sup = {
		.ping_interval_ms = 10, .ping_timeout_ms = 2000,
		.on_ping_timeout = on_silence, .on_death = on_death
	};
	struct seen s = { .ctx = ctx };
	struct mproc *p = started(ctx, NULL, NULL);
	struct mproc_stats stats;
	int64_t end = test_now_ms() + BOUND_MS;

	(void)state;
	supervise(ctx, p, sup, &s);
	do {
		assert_true(mproc_context_dispatch(ctx, 10) >= 0);
		assert_int_equal(mproc_stats(p, &stats), 0);
	} while (stats.pings < 5 && test_now_ms() < end);
	assert_true(stats.pings >= 5);
	assert_int_equal(s.silences, 0);
	/* a hung one is told of, again and again, and may be killed */
	supervise(ctx, p, (struct mproc_supervision){
	    .ping_interval_ms = 20, .on_ping_timeout = on_silence,
	    .on_death = on_death }, &s);
	assert_int_equal(mproc_send(p, probe_spin, .going = false), 0);
	until(ctx, &s.deaths, 1);
	assert_int_equal(s.silences, 3);
	assert_int_equal(s.death.signal, SIGKILL);
	assert_string_equal(s.death.command, "spin");
	/* the next generation is pinged, too, without being added again */
	assert_int_equal(mproc_start(p), 0);
	s.silences = s.silent_ms = 0;
	assert_int_equal(mproc_send(p, probe_spin, .going = false), 0);
	until(ctx, &s.deaths, 2);
	assert_null(mproc_context_free(ctx));
	mproc_free(p);
}

static void
on_silence_remove(struct mproc *p, int silent_ms, void *arg)
{
	struct seen *s = arg;

	(void)silent_ms;
	s->silences++;
	assert_int_equal(mproc_context_remove(s->ctx, p), 0);
	assert_int_equal(mproc_kill(p), 0);
	mproc_free(p);
}

static void
test_freed_in_on_ping_timeout(void **state)
{
	struct mproc_context *ctx = ctx_make();
	struct seen s = { .ctx = ctx };
	struct mproc *p = started(ctx, NULL, NULL);

	(void)state;
	supervise(ctx, p, (struct mproc_supervision){
	    .ping_interval_ms = 5, .on_ping_timeout = on_silence_remove }, &s);
	assert_int_equal(mproc_send(p, probe_spin, .going = false), 0);
	until(ctx, &s.silences, 1);
	assert_int_equal(mproc_context_dispatch(ctx, 20), 0);
	assert_int_equal(s.silences, 1);
	assert_null(mproc_context_free(ctx));
}

static void
vk53_log_level_of_all(void **state)
{
	struct mproc_context *ctx = ctx_make();
	struct mproc *p = started(ctx, NULL, NULL), *q = new_probe(NULL);
	struct mproc_stats stats;

	(void)state;
	assert_int_equal(mproc_context_set_log_level(ctx, MPROC_DEBUG), 0);
	assert_int_equal(mproc_context_add(ctx, q, NULL, NULL), 0);
	assert_int_equal(mproc_start(q), 0);
	assert_int_equal(mproc_call(p, BOUND_MS, NULL, probe_say,
	    .level = MPROC_DEBUG, .text = "of p"), 0);
	assert_int_equal(mproc_call(q, BOUND_MS, NULL, probe_say,
	    .level = MPROC_DEBUG, .text = "of q"), 0);
	assert_null(mproc_context_free(ctx));
	assert_int_equal(mproc_stop(p), 0);
	assert_int_equal(mproc_stop(q), 0);
	assert_int_equal(mproc_stats(p, &stats), 0);
	assert_int_equal(stats.logs, 1);
	assert_int_equal(mproc_stats(q, &stats), 0);
	assert_int_equal(stats.logs, 1);
	mproc_free(p);
	mproc_free(q);
	mproc_log_reset();
}

static void
on_reply(struct mproc_future *f, void *arg)
{
	struct seen *s = arg;

	assert_int_equal(mproc_future_result(f), 0);
	mproc_future_free(f);
	if (++s->messages == s->stop_after)
		mproc_context_stop(s->ctx);
}

static void
ask(struct mproc *p, mproc_future_fn *fn, struct seen *s)
{
	struct mproc_future *f;

	assert_int_equal(mproc_ask(p, -1, &f, probe_silent), 0);
	assert_int_equal(mproc_future_on_done(f, fn, s), 0);
}

static void
vk29_futures_are_done_in_the_loop(void **state)
{
	struct seen s = { .ctx = ctx_make(), .stop_after = 5 };
	struct mproc *p = started(s.ctx, NULL, NULL);
	int i;

	(void)state;
	ask(p, on_reply, &s);
	until(s.ctx, &s.messages, 1);
	for (i = 0; i < 4; i++)
		ask(p, on_reply, &s);
	ctx_run(s.ctx);
	assert_int_equal(s.messages, 5);
	assert_null(mproc_context_free(s.ctx));
	mproc_free(p);
}

static void
on_reply_free(struct mproc_future *f, void *arg)
{
	struct seen *s = arg;

	mproc_future_free(f);
	s->messages++;
	s->p = mproc_free(s->p);
}

static void
vk29_freed_in_a_future_s_callback(void **state)
{
	struct seen s = { .ctx = ctx_make() };

	(void)state;
	s.p = started(s.ctx, NULL, NULL);
	ask(s.p, on_reply_free, &s);
	until(s.ctx, &s.messages, 1);
	assert_null(s.p);
	assert_int_equal(mproc_context_dispatch(s.ctx, 20), 0);
	assert_null(mproc_context_free(s.ctx));
}

static void
test_adding_without_memory(void **state)
{
	struct mproc_context *ctx;
	struct mproc *p = new_probe(NULL);
	unsigned n;
	int r;

	(void)state;
	assert_int_equal(mproc_context_new(NULL, NULL, &ctx), 0);
	assert_true(mproc_context_timer(ctx, 0, 0, nop, NULL) > 0);
	for (n = 1;; n++) {
		test_fail_alloc(n);
		r = mproc_context_add(ctx, p, NULL, NULL);
		if (!test_fail_done())
			break;
		assert_int_equal(r, -ENOMEM);
		assert_int_equal(mproc_context_remove(ctx, p), -ENOENT);
	}
	assert_int_equal(r, 0);
	assert_null(mproc_context_free(ctx));
	mproc_free(p);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(vk49_messages_of_several_processes),
		cmocka_unit_test(test_turns_are_fair),
		cmocka_unit_test(test_kept_and_freed_messages),
		cmocka_unit_test(test_removed_and_freed_in_its_callback),
		cmocka_unit_test(test_removed_and_added_again),
		cmocka_unit_test(test_death_is_told_once_after_the_messages),
		cmocka_unit_test(test_started_anew_in_on_death),
		cmocka_unit_test(test_freed_in_on_death),
		cmocka_unit_test(test_pings),
		cmocka_unit_test(test_freed_in_on_ping_timeout),
		cmocka_unit_test(vk53_log_level_of_all),
		cmocka_unit_test(vk29_futures_are_done_in_the_loop),
		cmocka_unit_test(vk29_freed_in_a_future_s_callback),
		cmocka_unit_test(test_adding_without_memory),
	};

	return TEST_RUN(tests);
}
