#include "scenario.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"
#include "victim.h"

#define LARGE	300000

static const char *const names[STEPS] = {
	"new", "fd", "start", "send", "call with fd", "ask", "future fd", "wait",
	"wait any", "result", "untyped call", "emit", "recv", "large call",
	"failing call", "ping", "stop"
};

static char large[LARGE];
static int init_argc;
static char **init_argv;

int
scenario_init(int argc, char **argv)
{
	init_argc = argc;
	init_argv = argv;
	return mproc_init(argc, argv);
}

static int
new_process(struct scenario *s)
{
	static const int keep[] = { 0, -1 };
	struct mproc_options opt = {
		.launch = s->how, .name = "scenario",
		.start_timeout_ms = s->wait_ms < 500 ? 500 : s->wait_ms,
		.block_ms = s->wait_ms,
		.stop_grace_ms = s->wait_ms < 500 ? s->wait_ms : 500,
		.capture_output = s->how != MPROC_THREAD,
		.keep_fds = s->how != MPROC_THREAD ? keep : NULL,
		.args = MPROC_PACK(victim_start, .point = POINTS,
		    .pipe = MPROC_FD(STDERR_FILENO))
	};

	s->p = NULL;
	return mproc_new(&victim_class, &opt, &s->p);
}

static int
call_with_fd(struct scenario *s)
{
	struct mproc_msg *reply = NULL;
	const struct victim_echoed *t;
	int r;

	r = mproc_call(s->p, s->wait_ms, &reply, victim_echo, .n = 7,
	    .data = { large, 9000 }, .fd = MPROC_FD(STDERR_FILENO));
	if (r < 0)
		return r;
	if ((t = mproc_args(reply, victim_echoed)) == NULL) {
		r = -ENOMEM;	/* decoded at the first look */
	} else {
		assert_int_equal(t->n, 7);
		assert_int_equal(t->data.size, 9000);
		assert_true(t->fd.present);
	}
	mproc_msg_free(reply);
	return r;
}

static void
ask(struct scenario *s)
{
	struct mproc_future *f;
	int r;

	s->code[STEP_ASK] = mproc_ask(s->p, s->wait_ms, &f, victim_echo,
	    .n = 3);
	if (s->code[STEP_ASK] < 0)
		return;
	r = mproc_future_fd(f);
	s->code[STEP_FUTURE_FD] = r < 0 ? r : 0;
	s->code[STEP_WAIT] = mproc_future_wait(f, s->wait_ms + 5000);
	assert_int_equal(s->code[STEP_WAIT], 0);
	s->code[STEP_ANY] = mproc_future_wait_any(&f, 1, s->wait_ms);
	s->code[STEP_RESULT] = mproc_future_result(f);
	mproc_future_free(f);
}

/* Built, sent, received and sent on without its type. */
static int
call_untyped(struct scenario *s)
{
	struct mproc_msg *msg, *reply = NULL;
	int r;

	if ((r = mproc_msg_new("echo", &msg)) < 0)
		return r;
	if ((r = mproc_msg_set(msg, "n", 11)) == 0 &&
	    (r = mproc_call_msg(s->p, s->wait_ms, &reply, msg)) == 0)
		r = mproc_forward(s->p, msg, "note");
	mproc_msg_free(reply);
	mproc_msg_free(msg);
	return r;
}

/* An emit for which there is no memory is dropped, and counted. */
static int
receive(struct scenario *s)
{
	struct mproc_stats st;
	struct mproc_msg *msg;
	int i, r;

	assert_int_equal(mproc_stats(s->p, &st), 0);
	for (i = (int)st.emits_dropped; i < 3; i++) {
		r = mproc_recv(s->p, s->wait_ms, &msg);
		if (r != 1)
			return r == 0 ? -ETIMEDOUT : r;
		(void)mproc_args(msg, victim_item);
		mproc_msg_free(msg);
	}
	return 0;
}

static void
talk(struct scenario *s)
{
	int ms = s->wait_ms, r;

	s->code[STEP_SEND] = mproc_send(s->p, victim_note, .n = 1);
	s->code[STEP_CALL_FD] = call_with_fd(s);
	ask(s);
	s->code[STEP_MSG] = call_untyped(s);
	s->code[STEP_EMIT] = mproc_call(s->p, ms, NULL, victim_emit,
	    .count = 3, .size = 5000);
	if (s->code[STEP_EMIT] == 0)
		s->code[STEP_RECV] = receive(s);
	s->code[STEP_LARGE] = mproc_call(s->p, ms, NULL, victim_echo,
	    .data = { large, LARGE });
	r = mproc_call(s->p, ms, NULL, victim_act, .point = POINTS);
	s->code[STEP_FAIL] = r == -EINVAL ? 0 : r;
	s->code[STEP_PING] = mproc_ping(s->p, ms);
}

void
scenario_run(struct scenario *s)
{
	int r;

	memset(s->code, 0, sizeof(s->code));
	if ((s->code[STEP_NEW] = new_process(s)) < 0)
		return;
	r = mproc_fd(s->p);
	s->code[STEP_FD] = r < 0 ? r : 0;
	if ((s->code[STEP_START] = mproc_start(s->p)) < 0) {
		assert_true(mproc_status(s->p) == MPROC_STATUS_NEW ||
		    mproc_status(s->p) == MPROC_STATUS_DEAD);
		if (mproc_start(s->p) < 0)
			return;		/* it fails for ever */
	}
	talk(s);
	s->code[STEP_STOP] = mproc_stop(s->p);
}

void
scenario_end(struct scenario *s)
{
	struct mproc_msg *msg;
	int r, tries = 10;	/* half a second may be too short */

	if (s->p == NULL)
		return;
	/* A thread that cannot read cannot be stopped before now. */
	assert_int_equal(mproc_stop(s->p), 0);
	if (mproc_status(s->p) == MPROC_STATUS_DEAD)
		chaos_check_accounts(s->p);
	while (mproc_recv(s->p, 0, &msg) == 1)
		mproc_msg_free(msg);
	/* The fork server may be gone: that takes another one. */
	assert_int_equal(mproc_init(init_argc, init_argv), 0);
	do
		r = mproc_start(s->p);
	while (r == -ETIMEDOUT && --tries > 0);
	if (r != 0)
		fail_msg("restart: %s", mproc_errmsg(s->p));
	assert_int_equal(mproc_call(s->p, 10000, NULL, victim_echo), 0);
	assert_int_equal(mproc_stop(s->p), 0);
	chaos_check_accounts(s->p);
	s->p = mproc_free(s->p);
}

const char *
scenario_text(const struct scenario *s)
{
	static char text[512];
	size_t len = 0;
	int i;

	text[0] = '\0';
	for (i = 0; i < STEPS; i++)
		if (s->code[i] != 0)
			len += (size_t)snprintf(text + len,
			    sizeof(text) - len, "%s %s; ", names[i],
			    strerrorname_np(-s->code[i]));
	return text;
}

int
scenario_unexpected(const struct scenario *s, const int *codes)
{
	int i, j;

	for (i = 0; i < STEPS; i++) {
		for (j = 0; codes[j] != 0 && codes[j] != s->code[i]; j++)
			;
		if (s->code[i] != 0 && codes[j] == 0)
			return i;
	}
	return -1;
}
