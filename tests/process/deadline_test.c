/*
 * deadline_test.c - time that is bounded by somebody else: deadlines that go
 * down a chain of calls, replies that come too late, pings that many messages
 * are before.
 *
 * MPROC_CHAOS_CALLS (50000) says how many replies are let come late.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"

/* ------------------------------------------------------------- the chain */

#define HOPS	3
#define NAP_MS	20

MPROC_MESSAGE(chain, grow, (int, hops));
/* Replies what each hop had left, its own last; or waits as long as it has. */
MPROC_MESSAGE(chain, hop, (int, hops), (bool, wait));
MPROC_MESSAGE(chain, left, (struct mproc_bytes, ms));

struct chain {
	struct mproc_backend base;
	struct mproc *next;
};

MPROC_COMMAND(chain, grow);
MPROC_COMMAND(chain, hop);

static const struct mproc_handler chain_handlers[] = {
	MPROC_HANDLER(chain, grow, "start the next one, and so on"),
	MPROC_HANDLER(chain, hop, "call the next one with the time left",
	    .reply = MPROC_SCHEMA(chain_left)),
};

static int
end_chain(struct mproc_backend *base)
{
	mproc_free(MPROC_SELF(chain, base)->next);
	return 0;
}

static const struct mproc_class chain_class = MPROC_CLASS("Chain", chain,
    chain_handlers, .post_run = end_chain);

static int
c__grow(struct chain *self, const struct chain_grow *args,
    struct mproc_request *req)
{
	int r;

	if (args->hops == 0)
		return 0;
	if ((r = mproc_new(&chain_class, NULL, &self->next)) < 0 ||
	    (r = mproc_start(self->next)) < 0 ||
	    (r = mproc_call(self->next, SOON, NULL, chain_grow,
	    .hops = args->hops - 1)) < 0)
		return mproc_fail(req, r, "%s", mproc_errmsg(NULL));
	return 0;
}

static int
call_next(struct chain *self, const struct chain_hop *args,
    struct mproc_request *req, int ms[HOPS + 1])
{
	const struct chain_left *left;
	struct mproc_msg *reply;
	int r;

	(void)poll(NULL, 0, NAP_MS);	/* its share of the time */
	r = mproc_call(self->next, mproc_request_remaining_ms(req), &reply,
	    chain_hop, .hops = args->hops - 1, .wait = args->wait);
	if (r < 0)
		return mproc_fail(req, r, "%s", mproc_errmsg(NULL));
	left = mproc_args(reply, chain_left);
	memcpy(ms, left->ms.data, (size_t)args->hops * sizeof(int));
	mproc_msg_free(reply);
	return 0;
}

static int
c__hop(struct chain *self, const struct chain_hop *args,
    struct mproc_request *req)
{
	int ms[HOPS + 1], r;

	if (args->hops > HOPS)
		return -EINVAL;
	ms[args->hops] = mproc_request_remaining_ms(req);
	if (args->hops > 0 && (r = call_next(self, args, req, ms)) < 0)
		return r;
	if (args->hops == 0 && args->wait) {
		while (mproc_request_remaining_ms(req) > 0)
			(void)poll(NULL, 0, 1);
		/* whoever did not look in time hears the same from us */
		return -ETIMEDOUT;
	}
	return mproc_reply(req, chain_left,
	    .ms = { ms, (size_t)(args->hops + 1) * sizeof(int) });
}

static struct mproc *
start_chain(void **state)
{
	struct mproc *p = fix_new(&chain_class, (struct mproc_options){
	    .launch = fix_placement(state) });

	assert_int_equal(mproc_start(p), 0);
	if (mproc_call(p, SOON, NULL, chain_grow, .hops = HOPS) < 0)
		fail_msg("grow: %s", mproc_errmsg(p));
	return p;
}

static void
ask17_each_hop_has_what_is_left(void **state)
{
	struct mproc *p = start_chain(state);
	struct mproc_msg *reply;
	int ms[HOPS + 1], i;

	assert_int_equal(mproc_call(p, SOON, &reply, chain_hop,
	    .hops = HOPS), 0);
	assert_int_equal(mproc_args(reply, chain_left)->ms.size, sizeof(ms));
	memcpy(ms, mproc_args(reply, chain_left)->ms.data, sizeof(ms));
	mproc_msg_free(reply);
	assert_in_range(ms[HOPS], 1, SOON);
	for (i = HOPS; i > 0; i--)
		assert_in_range(ms[i - 1], 1, ms[i] - NAP_MS + 1);
	fix_finish(p);
}

/* The last one waits for ever, if it is let: nobody waits longer than asked. */
static void
ask17_a_chain_ends_with_its_first_deadline(void **state)
{
	struct mproc *p = start_chain(state);
	int64_t since = test_now_ms();
	int ms = 200 * test_slow();

	assert_int_equal(mproc_call(p, ms, NULL, chain_hop, .hops = HOPS,
	    .wait = true), -ETIMEDOUT);
	assert_in_range(test_now_ms() - since, ms, ms + SOON / 4);
	/* none of them is busy with it any more */
	assert_int_equal(mproc_call(p, SOON, NULL, chain_hop, .hops = HOPS),
	    0);
	assert_in_range(test_now_ms() - since, ms, ms + SOON / 2);
	fix_finish(p);
}

static void
no_deadline_is_none(void **state)
{
	struct mproc *p = start_chain(state);
	struct mproc_msg *reply;
	int ms;

	assert_int_equal(mproc_call(p, -1, &reply, chain_hop), 0);
	memcpy(&ms, mproc_args(reply, chain_left)->ms.data, sizeof(ms));
	mproc_msg_free(reply);
	assert_int_equal(ms, -1);
	fix_finish(p);
}

/* ----------------------------------------------------------- late replies */

#define BATCH	500		/* the probe holds so many */

/* Its own reply or none: how many came in time. */
static int
collect(struct mproc_future **f, int64_t first)
{
	const struct probe_held *t;
	int i, r, in_time = 0;

	assert_int_equal(mproc_future_wait_all(f, BATCH, SOON), 0);
	for (i = 0; i < BATCH; i++) {
		if ((r = mproc_future_result(f[i])) == 0) {
			t = mproc_args(mproc_future_reply(f[i]), probe_held);
			assert_non_null(t);
			assert_int_equal(t->n, first + i);
			in_time++;
		} else {
			assert_int_equal(r, -ETIMEDOUT);
		}
		mproc_future_free(f[i]);
	}
	return in_time;
}

static void
ask_half(struct mproc *p, struct mproc_future **f, int64_t n, int ms)
{
	int i;

	for (i = 0; i < BATCH / 2; i++)
		assert_int_equal(mproc_ask(p, ms, &f[i], probe_hold,
		    .n = n + i), 0);
}

/*
 * The first half has little time, and is answered as it runs out, or only
 * with the second, which has enough: so all replies come at once.
 */
static void
ask18_no_late_reply_is_anothers(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "late" });
	int64_t n, calls = test_count("MPROC_CHAOS_CALLS", 50000);
	struct mproc_future *f[BATCH];
	struct mproc_stats s;
	uint64_t in_time = 0;
	unsigned seed = 1;

	for (n = 0; n < calls; n += BATCH) {
		ask_half(p, f, n, 1 + rand_r(&seed) % 4);
		(void)poll(NULL, 0, rand_r(&seed) % 5);
		if (rand_r(&seed) % 2 == 0)
			assert_int_equal(mproc_send(p, probe_release), 0);
		ask_half(p, f + BATCH / 2, n + BATCH / 2, SOON);
		assert_int_equal(mproc_send(p, probe_release,
		    .reversed = rand_r(&seed) % 2 == 0), 0);
		in_time += (uint64_t)collect(f, n);
	}
	assert_int_equal(mproc_call(p, SOON, NULL, probe_echo), 0);
	assert_int_equal(mproc_stats(p, &s), 0);
	print_message("%llu of %lld in time, %llu late, %llu expired\n",
	    (unsigned long long)in_time, (long long)n,
	    (unsigned long long)s.late, (unsigned long long)s.expired);
	assert_in_range(in_time, (uint64_t)n / 2, n);
	assert_in_range(s.late, 0, (uint64_t)n - in_time);
	assert_int_equal(s.late + s.expired + in_time, n);
	fix_finish(p);
}

/* ------------------------------------------------------------------ pings */

#define PINGS	20
#define NAPS	500		/* of a millisecond: while they last, the */
#define NOTES	20000		/* mailbox is full, whoever has the processor */

static int
by_value(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void
ask21_pings_pass_a_full_mailbox(void **state)
{
	struct mproc *p = fix_start(state, (struct mproc_options){
	    .name = "full" });
	struct mproc_stats s = { .in_flight = 1 };
	int64_t us[PINGS];
	int i, n = 0;

	for (i = 0; i < NAPS; i++)
		assert_int_equal(mproc_send(p, probe_nap, .ms = 1), 0);
	for (i = 1; i <= NOTES; i++)
		assert_int_equal(mproc_send(p, probe_note, .n = i), 0);
	while (n < PINGS) {
		assert_int_equal(mproc_ping(p, SOON), 0);
		assert_int_equal(mproc_stats(p, &s), 0);
		if (s.in_flight < NOTES)
			break;
		us[n++] = s.ping_us;	/* the notes were before it */
	}
	assert_true(n > 0);
	qsort(us, (size_t)n, sizeof(us[0]), by_value);
	printf("%d pings past %d messages: median %lld us, longest %lld us\n",
	    n, NOTES, (long long)us[n / 2], (long long)us[n - 1]);
	fix_finish(p);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIX_ONE(ask17_each_hop_has_what_is_left, 0, "forkserver"),
		FIX_ONE(ask17_each_hop_has_what_is_left, 1, "fork"),
		FIX_ONE(ask17_a_chain_ends_with_its_first_deadline, 0,
		    "forkserver"),
		FIX_ONE(ask17_a_chain_ends_with_its_first_deadline, 1,
		    "fork"),
		FIX_ONE(no_deadline_is_none, 0, "forkserver"),
		FIX_ONE(ask18_no_late_reply_is_anothers, 0, "forkserver"),
		FIX_ONE(ask18_no_late_reply_is_anothers, 3, "thread"),
		FIX_ALL(ask21_pings_pass_a_full_mailbox),
	};

	if (mproc_init(argc, argv) < 0)
		return 1;
	return FIX_RUN(tests);
}
