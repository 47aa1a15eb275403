/*
 * peer_mproc_growth.c - what a message costs as tables, contexts and backlogs
 * grow, and what an idle process costs.
 */
#include <sys/resource.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "peer_mproc.h"

#define HANDLERS	1000
#define WINDOW		16	/* messages on the way to one of many */
#define WARM_UP		1000	/* of them, before the clock starts */
#define PROBES		1000	/* messages on top of a backlog */

/* ---------------------------------------------------------------- handlers */

struct many {
	struct mproc_backend base;
	int64_t	taken;
};

MPROC_MESSAGE(many, put, (struct mproc_bytes, data));
MPROC_MESSAGE(many, count);
MPROC_MESSAGE(many, counted, (int64_t, n));
MPROC_COMMAND(many, put);
MPROC_COMMAND(many, count);

static const struct mproc_handler many_rows[] = {
	MPROC_HANDLER(many, put, "take"),
	MPROC_HANDLER(many, count, "how many were taken",
	    .reply = MPROC_SCHEMA(many_counted)),
};

/* Rows that differ from `put` in the command only, and `count` behind them. */
static struct mproc_handler handlers[HANDLERS + 1];
static struct mproc_schema schemas[HANDLERS];
static uint64_t hashes[HANDLERS];
static char names[HANDLERS][16];
static struct mproc_class many_class = MPROC_CLASS("Many", many, many_rows);
static long n_handlers;

static int
c__put(struct many *self, const struct many_put *args,
    struct mproc_request *req)
{
	(void)args;
	(void)req;
	self->taken++;
	return 0;
}

static int
c__count(struct many *self, const struct many_count *args,
    struct mproc_request *req)
{
	(void)args;
	return mproc_reply(req, many_counted, .n = self->taken);
}

void
prepare_handlers(void)
{
	int i;

	for (i = 0; i < HANDLERS; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "put_%d", i);
		schemas[i] = *MPROC_SCHEMA(many_put);
		schemas[i].command = names[i];
		schemas[i].hash = &hashes[i];
	}
}

/* All commands in turn until the time is over. */
static int
put_many(struct mproc *p, double seconds, double *ret_ns)
{
	static const char data[PEER_MIN];
	const struct many_put args = { .data = { data, sizeof(data) } };
	int64_t t = now_ns(), end = t + (int64_t)(seconds * 1e9), n = 0;
	const struct many_counted *counted;
	struct mproc_msg *reply;
	int i, r;

	do {
		for (i = 0; i < HANDLERS; i++, n++)
			if ((r = mproc_send_typed(p, &schemas[n % n_handlers],
			    &args)) < 0)
				return mproc_fault("mproc_send", r);
	} while (now_ns() < end);
	if ((r = mproc_call(p, SOON, &reply, many_count)) < 0)
		return mproc_fault("mproc_call", r);
	*ret_ns = (double)(now_ns() - t) / (double)n;
	counted = mproc_args(reply, many_counted);
	if (counted == NULL || counted->n != n)
		r = peer_fault("messages were lost", -EPROTO);
	mproc_msg_free(reply);
	return r;
}

/*
 * The class takes its size here, after mproc_init(): a fork server would not
 * know, so this one is forked.
 */
int
grow_handlers(long n, double seconds)
{
	struct mproc *p;
	double ns = 0;
	int i, r;

	if (n < 1 || n > HANDLERS)
		return -EINVAL;
	n_handlers = n;
	for (i = 0; i < n; i++) {
		handlers[i] = many_rows[0];
		handlers[i].command = names[i];
		handlers[i].schema = &schemas[i];
	}
	handlers[n] = many_rows[1];
	many_class.handlers = handlers;
	many_class.n_handlers = (size_t)n + 1;
	options.launch = MPROC_FORK;
	if ((r = start_one(&many_class, &p)) < 0)
		return r;
	if ((r = put_many(p, seconds, &ns)) == 0)
		printf("%.1f\n", ns);
	mproc_free(p);
	return r;
}

/* --------------------------------------------------------------- processes */

static int64_t bounced;
static int bounce_fault;

static void
on_answer(struct mproc *p, struct mproc_msg *msg, void *arg)
{
	static const char data[PEER_MIN];

	(void)msg;
	(void)arg;
	bounced++;
	if (bounce_fault == 0)
		bounce_fault = mproc_send(p, work_bounce,
		    .data = { data, sizeof(data) });
}

static int
dispatch_until(struct mproc_context *ctx, int64_t end, int64_t n)
{
	int r;

	do {
		if ((r = mproc_context_dispatch(ctx, -1)) < 0)
			return mproc_fault("mproc_context_dispatch", r);
	} while ((now_ns() < end || bounced < n) && bounce_fault == 0);
	return bounce_fault;
}

/* Messages go round between the context and one process; others idle. */
static int
bounce(struct mproc_context *ctx, struct mproc *p, double seconds)
{
	int64_t t;
	int i, r;

	for (i = 0; i < WINDOW; i++)
		on_answer(p, NULL, NULL);
	if ((r = dispatch_until(ctx, 0, WARM_UP)) < 0)
		return r;
	bounced = 0;
	t = now_ns();
	r = dispatch_until(ctx, t + (int64_t)(seconds * 1e9), 1);
	if (r == 0)
		printf("%.1f\n", (double)(now_ns() - t) / (double)bounced);
	return r;
}

static int
start_many(struct mproc_context *ctx, struct mproc **list, long n)
{
	long i;
	int r;

	for (i = 0; i < n; i++) {
		if ((r = start_one(&work_class, &list[i])) < 0)
			return r;
		if ((r = mproc_context_add(ctx, list[i], on_answer,
		    NULL)) < 0)
			return mproc_fault("mproc_context_add", r);
	}
	return 0;
}

static void
allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

int
grow_processes(long n, double seconds)
{
	struct mproc **list = calloc((size_t)n + 1, sizeof(struct mproc *));
	struct mproc_context *ctx = NULL;
	long i;
	int r;

	allow_descriptors();
	if (list == NULL || n < 1) {
		free(list);
		return -EINVAL;
	}
	if ((r = mproc_context_new(NULL, NULL, &ctx)) < 0)
		(void)mproc_fault("mproc_context_new", r);
	else if ((r = start_many(ctx, list, n)) == 0)
		r = bounce(ctx, list[n - 1], seconds);
	for (i = 0; i < n && list[i] != NULL; i++)
		;
	(void)mproc_stop_all(list, (int)i);
	mproc_context_free(ctx);
	while (i-- > 0)
		mproc_free(list[i]);
	free(list);
	return r;
}

/* ----------------------------------------------------------------- backlog */

static int
put_some(struct mproc *p, long n)
{
	static const char data[PEER_MIN];
	long i;
	int r;

	for (i = 0; i < n; i++)
		if ((r = mproc_send(p, work_put,
		    .data = { data, sizeof(data) })) < 0)
			return mproc_fault("mproc_send", r);
	return 0;
}

/*
 * While the backend waits in a handler, n messages pile up; then the probes
 * are timed, and how long it takes until all are handled.
 */
static int
pile_up(struct mproc *p, long n, double *probe_ns, double *all_ns)
{
	int64_t t, u;
	int fds[2], r;

	if (pipe(fds) < 0)
		return -errno;
	r = mproc_send(p, work_hold, .until = MPROC_FD(fds[0]));
	close(fds[0]);
	t = now_ns();
	if (r == 0)
		r = put_some(p, n);
	u = now_ns();
	if (r == 0)
		r = put_some(p, PROBES);
	*probe_ns = (double)(now_ns() - u) / PROBES;
	close(fds[1]);
	if (r == 0)
		r = ask_one(p, NULL);
	*all_ns = (double)(now_ns() - t) / (double)(n + PROBES);
	return r;
}

int
grow_backlog(long n, double seconds)
{
	int64_t end = now_ns() + (int64_t)(seconds * 1e9);
	double probe[1024], all[1024];
	size_t k = 0;
	struct mproc *p;
	int r;

	options.mailbox_messages = -1;
	options.mailbox_bytes = -1;
	if ((r = start_one(&work_class, &p)) < 0)
		return r;
	do {
		r = pile_up(p, n, &probe[k], &all[k]);
		k++;
	} while (r == 0 && k < 1024 && (k < 2 || now_ns() < end));
	if (r == 0)
		printf("%.1f %.1f\n", percentile(probe, k, 0.5),
		    percentile(all, k, 0.5));
	mproc_free(p);
	return r;
}

/* -------------------------------------------------------------------- idle */

/* How often a process gave up the processor by itself. */
static long
sleeps_of(pid_t pid)
{
	static const char key[] = "voluntary_ctxt_switches:";
	char path[64], line[128];
	long n = -1;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if ((f = fopen(path, "re")) == NULL)
		return -1;
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, key, sizeof(key) - 1) == 0)
			n = strtol(line + sizeof(key) - 1, NULL, 10);
	(void)fclose(f);
	return n;
}

/* Wait for so long as a program would; returns how often it woke up. */
static int
watch(struct mproc *p, double seconds)
{
	struct pollfd pfd = { .fd = mproc_fd(p), .events = POLLIN };
	int64_t end = now_ns() + (int64_t)(seconds * 1e9), left;
	struct mproc_msg *msg;
	int woken = 0;

	while ((left = end - now_ns()) > 0)
		if (poll(&pfd, 1, (int)(left / 1000000) + 1) > 0) {
			woken++;
			if (mproc_recv(p, 0, &msg) == 1)
				mproc_msg_free(msg);
		}
	return woken;
}

int
stay_idle(long param, double seconds)
{
	struct mproc *p;
	long before;
	int r, woken;

	(void)param;
	if ((r = start_one(&work_class, &p)) < 0)
		return r;
	if ((r = ask_one(p, NULL)) == 0) {
		(void)watch(p, 0.1);		/* let it come to rest */
		before = sleeps_of(mproc_pid(p));
		woken = watch(p, seconds);
		printf("%ld %d\n", sleeps_of(mproc_pid(p)) - before, woken);
	}
	mproc_free(p);
	return r;
}
