/*
 * peer_mq.c - POSIX message queues, two for each backend.
 *
 * Fast settings: as many messages in a queue as the system lets anybody have
 * (/proc/sys/fs/mqueue/msg_max, 10 as a rule).  Messages above msgsize_max
 * (8 KiB as a rule) are refused by the system.
 */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "peer.h"

static struct { mqd_t to, from; pid_t pid; } end[PEER_MAX];
static int n_ends;
static size_t message_size;

static long
limit(const char *name)
{
	char path[64];
	long value = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/sys/fs/mqueue/%s", name);
	if ((f = fopen(path, "re")) == NULL)
		return 0;
	if (fscanf(f, "%ld", &value) != 1)	/* NOLINT: the kernel's own */
		value = 0;
	(void)fclose(f);
	return value;
}

static int
open_queue(size_t size, mqd_t *ret)
{
	struct mq_attr attr = { .mq_maxmsg = limit("msg_max"),
	    .mq_msgsize = (long)size };
	char name[64];

	(void)snprintf(name, sizeof(name), "/mproc-bench-%d", (int)getpid());
	*ret = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600,
	    &attr);
	if (*ret == (mqd_t)-1)
		return errno == ENOSYS || errno == EMFILE ? -EOPNOTSUPP :
		    -errno;
	(void)mq_unlink(name);
	return 0;
}

static _Noreturn void
backend(mqd_t in, mqd_t out, size_t size)
{
	struct peer_answer answer;
	char *data = malloc(size + 1);
	int64_t taken = 0;
	ssize_t n;

	while (data != NULL) {
		n = mq_receive(in, data, size, NULL);
		if (n < 1 || data[0] == PEER_STOP)
			break;
		taken++;
		if (data[0] != PEER_ASK)
			continue;
		peer_answer(taken, &answer);
		if (mq_send(out, (char *)&answer, sizeof(answer), 0) < 0)
			break;
	}
	_exit(0);
}

static int
open_all(int n, size_t size)
{
	int r;

	if ((long)size > limit("msgsize_max"))
		return -EOPNOTSUPP;
	message_size = size;
	for (; n_ends < n; n_ends++) {
		if ((r = open_queue(size, &end[n_ends].to)) < 0 ||
		    (r = open_queue(PEER_ANSWER, &end[n_ends].from)) < 0)
			return r;
		if ((end[n_ends].pid = fork()) < 0)
			return -errno;
		if (end[n_ends].pid == 0)
			backend(end[n_ends].to, end[n_ends].from, size);
	}
	return 0;
}

static int
send_one(int i, const void *data, size_t size)
{
	return mq_send(end[i].to, data, size, 0) < 0 ? -errno : 0;
}

static int
recv_one(int i, struct peer_answer *ret)
{
	return mq_receive(end[i].from, (char *)ret, sizeof(*ret), NULL) < 0 ?
	    -errno : 0;
}

static void
close_all(void)
{
	char *data = calloc(1, message_size + 1);

	while (data != NULL && n_ends > 0) {
		n_ends--;
		data[0] = PEER_STOP;
		(void)mq_send(end[n_ends].to, data, message_size, 0);
		(void)waitpid(end[n_ends].pid, NULL, 0);
		(void)mq_close(end[n_ends].to);
		(void)mq_close(end[n_ends].from);
	}
	free(data);
}

int
main(int argc, char **argv)
{
	static const struct peer mq = {
		.open = open_all, .send = send_one, .recv = recv_one,
		.close = close_all,
	};

	return peer_main(argc, argv, &mq);
}
