/*
 * alloc_test.c - every allocation fails: once, and from then on; in the
 * frontend, in the backend, and in both (as a thread).
 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"
#include "victim.h"

#define HANG_MS	10000

struct variant {
	enum mproc_launch how;
	bool	 persistent;
};

/* A single failure is told as it is; a backend may die of one, too. */
static const int once[] = { -ENOMEM, -EPIPE, 0 };
/*
 * Where nothing can be allocated nothing can be read either, so that time
 * passes; and stop ends what did not start in time.
 */
static const int ever[] = { -ENOMEM, -EPIPE, -ETIMEDOUT, 0 };

static bool
one_failure(const struct variant *v, unsigned n)
{
	struct scenario s = {
		.how = v->how, .wait_ms = v->persistent ? 40 : HANG_MS
	};
	int64_t since = test_now_ms();
	int fds = test_open_fds(), step;
	unsigned live = test_alloc_live();
	bool failed;

	if (v->persistent)
		test_fail_alloc_from(n);
	else
		test_fail_alloc(n);
	scenario_run(&s);
	failed = test_fail_done();
	if (getenv("CHAOS_TELL") != NULL)
		print_message("%u: %s\n", n, scenario_text(&s));
	step = scenario_unexpected(&s, v->persistent ? ever : once);
	if (step >= 0 || (!failed && !v->persistent &&
	    scenario_text(&s)[0] != '\0'))
		fail_msg("allocation %u: %s(%s)", n, scenario_text(&s),
		    mproc_errmsg(NULL));
	scenario_end(&s);
	if (test_now_ms() - since >= HANG_MS)
		fail_msg("allocation %u took %lld ms: %s", n,
		    (long long)(test_now_ms() - since), scenario_text(&s));
	if (v->how != MPROC_THREAD || test_alloc_live() > live)
		assert_int_equal(test_alloc_live(), live);
	assert_int_equal(test_open_fds(), fds);
	return failed;
}

static void
fails_in_the_frontend(void **state)
{
	const struct variant *v = *state;
	unsigned n = 1;

	if (v->how == MPROC_SPAWN && test_on_valgrind())
		skip();
	/* The first time allocates what stays, such as loggers. */
	while (one_failure(v, 1000000))
		;
	while (one_failure(v, n))
		n++;
	print_message("%u allocations\n", n - 1);
	assert_true(n > 10);
}

/* Tell the backend what to fail; did anything fail since the last time? */
static int
arm(struct mproc *p, unsigned n, bool on, bool *ret_any)
{
	const struct victim_failed *t;
	struct mproc_msg *reply;
	int r;

	if ((r = mproc_call(p, on || n == 0 ? 200 : HANG_MS, &reply,
	    victim_fail_alloc, .n = n, .on = on)) < 0)
		return r;
	t = mproc_args(reply, victim_failed);
	assert_non_null(t);
	*ret_any = t->any;
	mproc_msg_free(reply);
	return 0;
}

static void
check_code(int r, bool on)
{
	/* It cannot read what it has no memory for. */
	if (on && r == -ETIMEDOUT)
		return;
	if (r != 0 && r != -ENOMEM && r != -EPIPE)
		fail_msg("%s", mproc_errmsg(NULL));
}

static void
talk(struct mproc *p, bool on)
{
	static const char data[100000];
	int ms = on ? 50 : HANG_MS;
	struct mproc_future *f = NULL;
	struct mproc_msg *msg;

	(void)mproc_send(p, victim_note, .n = 1);
	check_code(mproc_call(p, ms, NULL, victim_echo,
	    .data = { data, 5000 }), on);
	check_code(mproc_ask(p, -1, &f, victim_hold), on);
	check_code(mproc_call(p, ms, NULL, victim_emit, .count = 2,
	    .size = 70000), on);
	check_code(mproc_call(p, ms, NULL, victim_echo, .n = 1,
	    .data = { data, sizeof(data) }, .fd = MPROC_FD(2)), on);
	while (mproc_recv(p, 0, &msg) == 1)
		mproc_msg_free(msg);
	mproc_future_free(f);
}

/*
 * The backend may answer -ENOMEM, or die, or, while there is no memory at
 * all, be stuck; the next one is as good as new.
 */
static void
fails_in_the_backend(void **state)
{
	bool on = *(bool *)*state, any = true;
	unsigned n, deaths = 0;
	int64_t since;
	struct mproc *p;

	assert_int_equal(mproc_new(&victim_class, &(struct mproc_options){
		.launch = MPROC_FORKSERVER, .stop_grace_ms = 100 }, &p), 0);
	for (n = 1; any; n++) {
		since = test_now_ms();
		assert_int_equal(mproc_start(p), 0);
		assert_int_equal(arm(p, n, on, &any), 0);
		talk(p, on);
		any = true;
		if (arm(p, 0, false, &any) < 0) {
			deaths++;
			assert_int_equal(mproc_kill(p), 0);
		}
		assert_int_equal(mproc_stop(p), 0);
		chaos_check_accounts(p);
		assert_true(test_now_ms() - since < HANG_MS);
	}
	print_message("%u allocations, %u deaths\n", n - 2, deaths);
	mproc_free(p);
}

static struct variant variants[] = {
	{ MPROC_FORK, false }, { MPROC_FORK, true },
	{ MPROC_FORKSERVER, false }, { MPROC_SPAWN, false },
	{ MPROC_THREAD, false }, { MPROC_THREAD, true }
};
static bool single = false, persistent = true;

#define FRONT(name_, i_)						\
	{ name_, fails_in_the_frontend, NULL, NULL, &variants[i_] }

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FRONT("an allocation fails (fork)", 0),
		FRONT("allocations fail (fork)", 1),
		FRONT("an allocation fails (fork server)", 2),
		FRONT("an allocation fails (spawn)", 3),
		FRONT("an allocation fails (thread)", 4),
		FRONT("allocations fail (thread)", 5),
		{ "an allocation fails in the backend", fails_in_the_backend,
		    NULL, NULL, &single },
		{ "allocations fail in the backend", fails_in_the_backend,
		    NULL, NULL, &persistent },
	};

	if (scenario_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
