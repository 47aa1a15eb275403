#include "hostile.h"

#include <sys/socket.h>

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log/log.h"
#include "process/backend.h"

#define BODY_MAX	4096
#define BATCH		64

struct hostile {
	struct mproc_backend base;
	uint64_t seed;
	int	 data, control, log;
	bool	 gone;
	struct mproc__buf buf;
};

MPROC_COMMAND(hostile, poke);

static const struct mproc_handler hostile_handlers[] = {
	MPROC_HANDLER(hostile, poke, "is never handled"),
};

static int
c__poke(struct hostile *self, const struct hostile_poke *args,
    struct mproc_request *req)
{
	(void)self;
	return mproc_reply(req, hostile_poked, .n = args->n);
}

uint64_t
chaos_random(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15U;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return z ^ (z >> 31);
}

static unsigned
below(struct hostile *self, unsigned n)
{
	return (unsigned)(chaos_random(&self->seed) % n);
}

static void
randomize(struct hostile *self, void *data, size_t size)
{
	uint8_t *byte = data;
	size_t i;

	for (i = 0; i < size; i++)
		byte[i] = (uint8_t)below(self, 256);
}

/* Write all, however long the frontend takes; it may never do. */
static void
put_all(struct hostile *self, int fd, const void *data, size_t size)
{
	struct pollfd pfd = { fd, POLLOUT, 0 };
	const char *at = data;
	ssize_t n;

	while (size > 0 && !self->gone) {
		n = send(fd, at, size, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n >= 0) {
			at += n;
			size -= (size_t)n;
		} else if (errno == EAGAIN) {
			(void)poll(&pfd, 1, 100);
		} else if (errno != EINTR) {
			self->gone = true;
		}
	}
}

static void
put_frame(struct hostile *self, int fd, const void *body, size_t size)
{
	uint32_t len = htole32((uint32_t)size);

	put_all(self, fd, &len, sizeof(len));
	put_all(self, fd, body, size);
}

/* n descriptors with one byte or more of data. */
static void
put_fds(struct hostile *self, int fd, const void *data, size_t size, int n)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(253 * sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec iov = { (void *)(uintptr_t)data, size };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int))
	};
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
	struct pollfd pfd = { fd, POLLOUT, 0 };
	int i, null = open("/dev/null", O_RDONLY | O_CLOEXEC), *fds;

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
	fds = (int *)(void *)CMSG_DATA(head);
	for (i = 0; i < n; i++)
		fds[i] = null;
	while (sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		if (errno != EAGAIN && errno != EINTR &&
		    errno != ETOOMANYREFS) {
			self->gone = true;
			break;
		}
		(void)poll(&pfd, 1, 10);
	}
	close(null);
}

/* A well-formed body of any kind; emits are the most frequent. */
static void
make_body(struct hostile *self, int kind, uint64_t id)
{
	static const char bytes[BODY_MAX];
	struct hostile_poked poked = { .n = (int64_t)self->seed };
	struct mproc__fdset fds = { .n = 0 };

	self->buf.len = 0;
	if (kind == MPROC__ERROR)
		(void)mproc__encode_error(&self->buf, id, "poke",
		    -(int)below(self, 200), bytes);
	else
		(void)mproc__encode(&self->buf, kind, id,
		    MPROC_SCHEMA(hostile_poked), &poked, NULL, BODY_MAX,
		    &fds);
}

static void
mutate(struct hostile *self)
{
	unsigned i, n = 1 + below(self, 4);

	for (i = 0; i < n && self->buf.len > 0; i++)
		self->buf.data[below(self, (unsigned)self->buf.len)] =
		    (uint8_t)below(self, 256);
	if (below(self, 4) == 0)
		self->buf.len = 1 + below(self, (unsigned)self->buf.len);
}

static void
random_bytes(struct hostile *self, int fd)
{
	uint8_t bytes[256];

	randomize(self, bytes, sizeof(bytes));
	put_all(self, fd, bytes, 1 + below(self, sizeof(bytes)));
}

static void
random_frame(struct hostile *self, bool damaged)
{
	int fd = below(self, 8) == 0 ? self->control : self->data;
	int kind = (int)below(self, 4);

	if (fd == self->control)
		kind = MPROC__CREDIT;
	make_body(self, kind, below(self, 64));
	if (damaged)
		mutate(self);
	put_frame(self, fd, self->buf.data, self->buf.len);
}

static void
huge_length(struct hostile *self)
{
	uint8_t head[5] = { 0xff, 0xff, 0xff, 0x7f, 0x95 };

	put_all(self, below(self, 2) ? self->data : self->control, head,
	    sizeof(head));
}

static void
flood(struct hostile *self, int kind)
{
	int i;

	for (i = 0; i < BATCH; i++) {
		/* a cast with an id is an item of a call's result */
		make_body(self, kind, kind == MPROC__CAST ? 0 :
		    chaos_random(&self->seed));
		put_frame(self, kind == MPROC__CREDIT ? self->control :
		    self->data, self->buf.data, self->buf.len);
	}
}

/* Answer each call three times. */
static void
double_replies(struct hostile *self)
{
	struct mproc__channel *ch = self->base.core->data;
	struct mproc__envelope env;
	struct mproc__frame frame;
	struct pollfd pfd = { self->data, POLLIN, 0 };
	int i;

	(void)poll(&pfd, 1, 10);
	if (mproc__channel_fill(ch) == -EPIPE)
		self->gone = true;
	while (mproc__channel_next(ch, &frame) > 0) {
		if (mproc__envelope_read(frame.data, frame.size, &env) < 0)
			continue;
		for (i = 0; i < 3; i++) {
			make_body(self, i == 1 ? MPROC__ERROR : MPROC__REPLY,
			    env.id);
			put_frame(self, self->data, self->buf.data,
			    self->buf.len);
		}
	}
}

static void
bad_control(struct hostile *self)
{
	static const char ready[] =
	    "\x94\x04\x00\xa5ready\x81\xa4" "code\xc0";

	if (below(self, 2)) {
		put_frame(self, self->control, ready, sizeof(ready) - 1);
		return;
	}
	make_body(self, (int)below(self, 4), 1);
	put_frame(self, self->control, self->buf.data, self->buf.len);
}

static void
log_datagram(struct hostile *self, bool garbage)
{
	uint8_t bytes[2048];
	struct mproc_log_record rec = {
		.level = MPROC_CRITICAL, .name = "hostile",
		.process = "hostile", .pid = getpid(), .tid = getpid(),
		.text = "flood", .text_len = 5
	};
	int n = mproc__log_encode(&rec, bytes, sizeof(bytes));

	if (garbage)
		randomize(self, bytes, (size_t)(n = 1 + (int)below(self,
		    sizeof(bytes))));
	put_all(self, self->log, bytes, (size_t)n);
}

static void
strange_fds(struct hostile *self)
{
	int n = 1 + (int)below(self, 253);

	make_body(self, MPROC__REPLY, 1);
	switch (below(self, 3)) {
	case 0:		/* that the frame does not name */
		put_frame(self, self->data, self->buf.data, self->buf.len);
		put_fds(self, self->data, "\1", 1, n);
		put_all(self, self->data, "\0\0\0\xc0", 4);
		break;
	case 1:		/* inside of a length word */
		put_fds(self, self->data, "\4", 1, n);
		put_all(self, self->data, "\0\0\0\x95\0\0\0", 7);
		break;
	default:
		put_fds(self, self->control, "\1\0\0\0\xc0", 5, n);
	}
}

/* An emit that names descriptors which do not come. */
static void
missing_fds(struct hostile *self)
{
	static const char body[] =
	    "\x94\x00\x00\xa5poked\x82\xa1" "a\xd4\x01\x00\xa1" "b\xd4\x01\x01";

	put_frame(self, self->data, body, sizeof(body) - 1);
}

static void
scribble(struct hostile *self)
{
	uint8_t *page = (uint8_t *)self->base.core->page;
	int i;

	for (i = 0; i < 64; i++)
		page[below(self, MPROC__PAGE_SIZE)] =
		    (uint8_t)below(self, 256);
	if (below(self, 16) == 0)
		randomize(self, page, sizeof(struct mproc__page));
	if (below(self, 16) == 0)
		memset(page, below(self, 2) ? 0xff : 0, MPROC__PAGE_SIZE);
	make_body(self, MPROC__CAST, 0);
	put_frame(self, self->data, self->buf.data, self->buf.len);
	flood(self, MPROC__CREDIT);
}

/* The process ends, but who has its channels does not stop. */
static void
escaped_flood(struct hostile *self)
{
	if (fork() != 0)
		_exit(0);
	(void)setsid();
	(void)alarm(60);
	while (!self->gone) {
		flood(self, MPROC__REPLY);
		log_datagram(self, false);
	}
	_exit(0);
}

/* Beside the data channel. */
static void
misbehave_aside(struct hostile *self, int how)
{
	switch (how) {
	case BAD_CONTROL:
		bad_control(self);
		break;
	case CREDIT_FLOOD:
		flood(self, MPROC__CREDIT);
		break;
	case GARBAGE_LOGS:
	case LOG_FLOOD:
		log_datagram(self, how == GARBAGE_LOGS);
		break;
	case STRANGE_FDS:
		strange_fds(self);
		break;
	case MISSING_FDS:
		missing_fds(self);
		break;
	case SCRIBBLED_PAGE:
		scribble(self);
		break;
	case ESCAPED_FLOOD:
		escaped_flood(self);
		break;
	default:
		(void)poll(NULL, 0, 100);
	}
}

static void
misbehave(struct hostile *self, int how)
{
	switch (how) {
	case RANDOM_BYTES:
		random_bytes(self, self->data);
		break;
	case RANDOM_CONTROL_BYTES:
		random_bytes(self, self->control);
		break;
	case RANDOM_FRAMES:
		random_frame(self, below(self, 64) == 0);
		break;
	case HUGE_LENGTHS:
		huge_length(self);
		break;
	case EMIT_FLOOD:
		flood(self, MPROC__CAST);
		break;
	case UNKNOWN_REPLIES:
		flood(self, MPROC__REPLY);
		break;
	case DOUBLE_REPLIES:
		double_replies(self);
		break;
	default:
		misbehave_aside(self, how);
	}
}

static void
close_ends(struct hostile *self, int how)
{
	if (how == CLOSED_ENDS) {
		close(self->data);
		close(self->control);
	}
	if (how == CLOSED_ENDS || how == CLOSED_LOG)
		close(self->log);
	if (how == SHUT_DATA)
		(void)shutdown(self->data, SHUT_RD);
	if (how == SHUT_CONTROL)
		(void)shutdown(self->control, SHUT_RD);
}

static int
run(struct mproc_backend *base)
{
	const struct hostile_start *start = mproc_start_args(base,
	    hostile_start);
	struct hostile *self = MPROC_SELF(hostile, base);
	int how;

	if (start == NULL)
		return -EINVAL;
	self->seed = start->seed;
	self->data = mproc__channel_fd(base->core->data);
	self->control = mproc__channel_fd(base->core->control);
	self->log = base->core->boot.fd[MPROC__BOOT_LOG];
	close_ends(self, start->how);
	while (!self->gone) {
		how = start->how;
		if (how == MIXED)
			how = (int)below(self, SCRIBBLED_PAGE + 1);
		misbehave(self, how);
	}
	_exit(0);
}

const struct mproc_class hostile_class = MPROC_CLASS("Hostile", hostile,
    hostile_handlers, .run = run);
