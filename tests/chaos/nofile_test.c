/*
 * nofile_test.c - too few descriptors: with RLIMIT_NOFILE from 8 to 64 each
 * call works, or says -EMFILE and why, and nothing leaks either way.
 */
#include "test.h"

#include <sys/resource.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "scenario.h"
#include "victim.h"

#define FROM	8
#define TO	64

static void
set_limit(rlim_t n)
{
	struct rlimit lim;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &lim), 0);
	lim.rlim_cur = n;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &lim), 0);
}

static bool
tells_why(const char *text)
{
	return strstr(text, "escriptor") != NULL;
}

/* One life with so few: did all of it work? */
static bool
one_life(enum mproc_launch how, rlim_t n, rlim_t enough)
{
	static const int codes[] = { -EMFILE, 0 };
	struct scenario s = { .how = how, .wait_ms = 10000 };
	int fds = test_open_fds();
	bool worked;

	set_limit(n);
	scenario_run(&s);
	if (s.code[STEP_NEW] < 0 && !tells_why(mproc_errmsg(NULL)))
		fail_msg("%d: new says: %s", (int)n, mproc_errmsg(NULL));
	set_limit(enough);
	worked = scenario_text(&s)[0] == '\0';
	if (scenario_unexpected(&s, codes) >= 0)
		fail_msg("%d descriptors: %s", (int)n, scenario_text(&s));
	scenario_end(&s);
	assert_int_equal(test_open_fds(), fds);
	return worked;
}

static void
few_descriptors(void **state)
{
	enum mproc_launch how = *(enum mproc_launch *)*state;
	struct rlimit old;
	int n, first = 0;

	if (test_on_valgrind())		/* it takes some for itself */
		skip();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	for (n = FROM; n <= TO; n++) {
		if (!one_life(how, (rlim_t)n, old.rlim_cur))
			assert_int_equal(first, 0);
		else if (first == 0)
			first = n;
	}
	print_message("works with %d descriptors\n", first);
	assert_in_range(first, FROM + 1, 48);
}

/* What start says when there is one too few, for each number of them. */
static void
start_says_why(void **state)
{
	struct mproc_options opt = { .launch = MPROC_FORK };
	struct rlimit old;
	struct mproc *p;
	int n, r, told = 0;

	(void)state;
	if (test_on_valgrind())
		skip();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(mproc_new(&victim_class, &opt, &p), 0);
	for (n = FROM; n <= TO; n++) {
		set_limit((rlim_t)n);
		r = mproc_start(p);
		set_limit(old.rlim_cur);
		if (r == 0)
			break;
		assert_int_equal(r, -EMFILE);
		assert_true(tells_why(mproc_errmsg(p)));
		told++;
	}
	assert_int_equal(r, 0);
	assert_true(told > 0);
	assert_int_equal(mproc_call(p, 10000, NULL, victim_echo), 0);
	assert_int_equal(mproc_stop(p), 0);
	chaos_check_accounts(p);
	mproc_free(p);
}

static enum mproc_launch ways[] = {
	MPROC_FORK, MPROC_FORKSERVER, MPROC_SPAWN, MPROC_THREAD
};

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		{ "few descriptors (fork)", few_descriptors, NULL, NULL,
		    &ways[0] },
		{ "few descriptors (fork server)", few_descriptors, NULL,
		    NULL, &ways[1] },
		{ "few descriptors (spawn)", few_descriptors, NULL, NULL,
		    &ways[2] },
		{ "few descriptors (thread)", few_descriptors, NULL, NULL,
		    &ways[3] },
		cmocka_unit_test(start_says_why),
	};

	if (scenario_init(argc, argv) < 0)
		return 1;
	return TEST_RUN(tests);
}
