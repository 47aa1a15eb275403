/*
 * hostile_test.c - a frontend whose backend is malicious.
 *
 * Whatever the backend does: the frontend lives, its calls return in bounded
 * time, its memory is bounded, every future ends, the accounts add up, a
 * breach of protocol is told as one, and a sibling does not notice.
 *
 * All that is random comes from a seed; that of the last round is printed, and
 * MPROC_CHAOS_SEED replays it (TEST_FILTER picks the test).
 * MPROC_CHAOS_SECONDS lets the mixture run longer.
 */
#include "test.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hostile.h"
#include "victim.h"

#define HANG_MS		10000
#define ROUND_MS	60	/* of talking to it */
#define MEMORY		(48L << 20)	/* that the frontend may grow */

struct hostility_spec {
	enum hostility	 how;
	const char	*name;
	bool		 breach;	/* it is always found out */
	bool		 honest;	/* it never is one */
};

static const struct hostility_spec specs[] = {
	{ RANDOM_BYTES, "random bytes", true, false },
	{ RANDOM_CONTROL_BYTES, "random bytes on control", true, false },
	{ RANDOM_FRAMES, "random frames", false, false },
	{ HUGE_LENGTHS, "huge lengths", true, false },
	{ EMIT_FLOOD, "emits beyond the inbox", true, false },
	{ UNKNOWN_REPLIES, "unknown reply ids", false, true },
	{ DOUBLE_REPLIES, "duplicate replies", false, true },
	{ BAD_CONTROL, "bad control frames", true, false },
	{ CREDIT_FLOOD, "a flood of credits", false, true },
	{ GARBAGE_LOGS, "garbage for log records", true, false },
	{ LOG_FLOOD, "a flood of log records", false, true },
	{ STRANGE_FDS, "unexpected descriptors", true, false },
	{ MISSING_FDS, "descriptors that do not come", false, false },
	{ SCRIBBLED_PAGE, "a scribbled status page", false, false },
	{ CLOSED_ENDS, "closed ends", true, false },
	{ CLOSED_LOG, "a closed log lane", true, false },
	{ SHUT_DATA, "data shut for reading", true, false },
	{ SHUT_CONTROL, "control shut for reading", true, false },
	{ ESCAPED_FLOOD, "an escaped grandchild's flood", false, true },
	{ DEAF, "nothing is read", false, true },
	{ MIXED, "all of it", false, false },
};
_Static_assert(TEST_COUNT(specs) == HOSTILITIES, "each has a test");

/* Of the round that runs; said at the end, however the test ends. */
static uint64_t current_seed;

static int
tell_seed(void **state)
{
	(void)state;
	print_message("the last round: MPROC_CHAOS_SEED=%llu\n",
	    (unsigned long long)current_seed);
	return 0;
}

static long
rss(void)
{
	long size = 0, pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f != NULL) {
		if (fscanf(f, "%ld %ld", &size, &pages) != 2)
			pages = 0;
		(void)fclose(f);
	}
	return pages * sysconf(_SC_PAGESIZE);
}

static struct mproc *
start_hostile(int how, uint64_t seed)
{
	struct mproc_options opt = {
		.channel = MPROC_SOCKET,	/* it writes there */
		.launch = MPROC_FORKSERVER, .stop_grace_ms = 20,
		.overflow = MPROC_REJECT, .max_message = 1 << 20,
		.inbox_messages = 1000, .inbox_bytes = 1 << 20,
		.mailbox_messages = 1000, .mailbox_bytes = 1 << 20,
		.args = MPROC_PACK(hostile_start, .how = how, .seed = seed)
	};
	struct mproc *p;
	int r;

	assert_int_equal(mproc_new(&hostile_class, &opt, &p), 0);
	/* It may be found out before it is heard that it is ready. */
	if ((r = mproc_start(p)) != 0)
		assert_int_equal(r, -EPIPE);
	return p;
}

/* What an unsuspecting program does with it; -EPIPE when it is dead. */
static int
talk(struct mproc *p, int i)
{
	struct mproc_activity a;
	struct mproc_msg *msg;
	struct mproc_stats s;
	int r;

	(void)mproc_send(p, hostile_poke, .n = i);
	r = mproc_call(p, 5, &msg, hostile_poke, .n = i);
	if (r == 0)
		mproc_msg_free(msg);
	(void)mproc_ping(p, 2);
	assert_int_equal(mproc_stats(p, &s), 0);
	assert_int_equal(mproc_activity(p, &a), 0);
	assert_true(strnlen(a.command, sizeof(a.command)) <
	    sizeof(a.command));
	while ((r = mproc_recv(p, 0, &msg)) == 1)
		mproc_msg_free(msg);
	return r;
}

static void
check_sibling(struct mproc *sibling, int *slow)
{
	int64_t since = test_now_ms();

	assert_int_equal(mproc_call(sibling, HANG_MS, NULL, victim_echo), 0);
	if (test_now_ms() - since > 100)
		(*slow)++;
}

static void
check_end(struct mproc *p, const struct hostility_spec *spec)
{
	char text[512];
	bool breach;

	assert_non_null(mproc_death(p));
	(void)mproc_death_print(p, text, sizeof(text));
	breach = strstr(text, "breach of protocol") != NULL;
	if (spec->breach != breach && (spec->breach || spec->honest))
		fail_msg("%s: %s", spec->name, text);
	chaos_check_accounts(p);
}

static void
one_round(const struct hostility_spec *spec, uint64_t seed,
    struct mproc *sibling, int *slow)
{
	struct mproc *p = start_hostile((int)spec->how, seed);
	struct mproc_future *f = NULL;
	int64_t since = test_now_ms(), ms = ROUND_MS;
	int i;

	(void)mproc_ask(p, -1, &f, hostile_poke, .n = 1);
	/* Who closed its ends is given a second to end. */
	if (spec->how >= CLOSED_ENDS && spec->how <= SHUT_CONTROL)
		ms = HANG_MS;
	for (i = 0; test_now_ms() - since < ms; i++) {
		if (talk(p, i) == -EPIPE)
			break;
		if (i % 4 == 0)
			check_sibling(sibling, slow);
	}
	since = test_now_ms();
	assert_int_equal(mproc_stop(p), 0);
	assert_true(test_now_ms() - since < HANG_MS);
	if (f != NULL)
		assert_true(mproc_future_done(f));
	mproc_future_free(f);
	check_end(p, spec);
	mproc_free(p);
}

static uint64_t
first_seed(void)
{
	long seed = test_env("MPROC_CHAOS_SEED", 0);

	return seed != 0 ? (uint64_t)seed : (uint64_t)time(NULL) ^
	    (uint64_t)getpid() << 20;
}

static void
hostile(void **state)
{
	const struct hostility_spec *spec = *state;
	bool mixed = spec->how == MIXED;
	long ms = mixed ? 1000 * test_env("MPROC_CHAOS_SECONDS", 2) : 200;
	int64_t end = test_now_ms() + ms;
	uint64_t seed = first_seed();
	struct mproc *sibling;
	int n = 0, slow = 0;
	long before;

	assert_int_equal(mproc_new(&victim_class, &(struct mproc_options){
		.launch = MPROC_FORKSERVER }, &sibling), 0);
	assert_int_equal(mproc_start(sibling), 0);
	before = rss();
	do {
		current_seed = seed;
		one_round(spec, seed, sibling, &slow);
		(void)chaos_random(&seed);
		n++;
	} while (test_now_ms() < end && test_env("MPROC_CHAOS_SEED", 0) == 0);
	print_message("%d rounds, %ld KiB more\n", n, (rss() - before) >> 10);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	assert_true(rss() - before < MEMORY);
#endif
	assert_true(slow <= 1 + n);
	assert_int_equal(mproc_stop(sibling), 0);
	chaos_check_accounts(sibling);
	mproc_free(sibling);
}

int
main(int argc, char **argv)
{
	struct CMUnitTest tests[HOSTILITIES];
	size_t i;

	for (i = 0; i < HOSTILITIES; i++)
		tests[i] = (struct CMUnitTest){
			.name = specs[i].name, .test_func = hostile,
			.teardown_func = tell_seed,
			.initial_state = (void *)(uintptr_t)&specs[i]
		};
	if (mproc_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
