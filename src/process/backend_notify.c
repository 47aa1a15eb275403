/*
 * backend_notify.c - notifications: a thread that handles them while the
 * other one is busy.
 *
 * It has nothing of the loop's: a buffer, a request and a scratch of its own,
 * and reads of the core only what does not change, and the status page.  A
 * class without urgent rows has no such thread.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process/backend.h"

struct mproc__notifier {
	struct mproc__core *core;
	pthread_t	 thread;
	void		*scratch;	/* decoded arguments */
	struct mproc_request req;
	uint8_t		 body[MPROC__NOTIFY_MAX + 1];	/* a NUL behind it */
};

static void
call(struct mproc__notifier *nt, int row)
{
	const struct mproc_handler *h = &nt->core->class->handlers[row];
	const char *text = nt->req.fail_text;
	char none[48];
	int r;

	/* like a cast: nobody waits for an answer */
	nt->req = (struct mproc_request){
		.core = nt->core, .row = row, .command = h->command,
		.answered = true, .urgent = true
	};
	r = h->entry(nt->core->base, nt->scratch, &nt->req);
	if (r >= 0)
		return;
	if (text[0] == '\0' || nt->req.fail_code != r)
		text = mproc__code_words(r, none, sizeof(none));
	mproc__core_log(nt->core, MPROC_WARNING, "c__%s failed: %s (%s)",
	    h->command, text, mproc_errname(r));
}

static void
handle(struct mproc__notifier *nt, size_t size)
{
	const struct mproc_class *cls = nt->core->class;
	struct mproc__envelope env;
	struct mproc__poke poke;
	int row;

	if (mproc__envelope_read(nt->body, size, &env) < 0 ||
	    (row = mproc__index_find(&nt->core->index, env.command,
	    env.command_len)) < 0 || !cls->handlers[row].urgent)
		return;		/* the frontend sends no such thing */
	if (mproc__decode(cls->handlers[row].schema, env.args, env.args_size,
	    NULL, 0, nt->scratch, &poke) < 0)
		mproc__core_log(nt->core, MPROC_WARNING, "refused: %s",
		    mproc__err_text());
	else
		call(nt, row);
}

static void *
serve(void *arg)
{
	struct mproc__notifier *nt = arg;
	struct pollfd pfd = { nt->core->notify_fd, POLLIN, 0 };
	ssize_t n;

	for (;;) {
		n = read(pfd.fd, nt->body, MPROC__NOTIFY_MAX);
		if (n > 0)
			handle(nt, (size_t)n);
		else if (n < 0 && errno == EAGAIN)
			(void)poll(&pfd, 1, -1);
		else if (n == 0 || errno != EINTR)
			return NULL;
	}
}

int
mproc__notifier_start(struct mproc__core *core)
{
	struct mproc__notifier *nt;
	sigset_t old;
	int r;

	if (core->notify_fd < 0)
		return 0;
	if ((nt = calloc(1, sizeof(*nt))) == NULL)
		return -ENOMEM;
	nt->core = core;
	if ((nt->scratch = calloc(1, core->scratch_size)) == NULL) {
		free(nt);
		return -ENOMEM;
	}
	mproc__thread_signals(&old);
	r = pthread_create(&nt->thread, NULL, serve, nt);
	mproc__restore_signals(&old);
	if (r != 0) {
		free(nt->scratch);
		free(nt);
		return mproc__err(-r, "pthread_create: %s", strerror(r));
	}
	core->notifier = nt;
	return 0;
}

void
mproc__notifier_stop(struct mproc__core *core)
{
	struct mproc__notifier *nt = core->notifier;

	if (nt == NULL)
		return;
	mproc__hang_up(core->notify_fd);	/* what has come is still read */
	(void)pthread_join(nt->thread, NULL);
	free(nt->scratch);
	free(nt);
	core->notifier = NULL;
}
