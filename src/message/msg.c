/*
 * msg.c - message objects: made, copied, lent, freed.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "message/msg.h"

struct mproc_msg *
mproc__msg_alloc(const char *command, size_t command_len, int n_fds,
    size_t args_size)
{
	size_t fds_size = (size_t)n_fds * sizeof(int);
	struct mproc_msg *msg;

	if (args_size > SIZE_MAX / 2)
		return NULL;
	msg = malloc(sizeof(*msg) + fds_size + command_len + 1 +
	    args_size + MPROC__MSG_BEHIND);
	if (msg == NULL)
		return NULL;
	mproc__zero(msg, offsetof(struct mproc_msg, inline_area));
	msg->fds = n_fds > 0 ? (int *)(void *)msg->tail : NULL;
	msg->command = (char *)msg->tail + fds_size;
	mproc__copy(msg->command, command, command_len);
	msg->command[command_len] = '\0';
	msg->args = (uint8_t *)msg->command + command_len + 1;
	msg->args_size = args_size;
	memset(msg->args + args_size, 0, MPROC__MSG_BEHIND);
	return msg;
}

int
mproc_msg_new(const char *command, struct mproc_msg **ret_msg)
{
	struct mproc_msg *msg;
	size_t len;

	len = command != NULL ? strnlen(command, MPROC_COMMAND_MAX + 1) : 0;
	if (len == 0 || len > MPROC_COMMAND_MAX || ret_msg == NULL)
		return mproc__err(-EINVAL, "a command has 1 to %d bytes",
		    MPROC_COMMAND_MAX);
	if ((msg = mproc__msg_alloc(command, len, 0, 1)) == NULL)
		return mproc__err(-ENOMEM, "message: no memory");
	msg->args[0] = 0x80;		/* a map of none */
	msg->head = 1;
	*ret_msg = msg;
	return 0;
}

/* n and the size of the head, from args. */
static void
read_map_head(struct mproc_msg *msg)
{
	struct mproc__token t = { .len = 0 };
	const uint8_t *p;

	p = mproc__token(msg->args, msg->args + msg->args_size, &t);
	msg->n = t.len;
	msg->head = (uint8_t)(p - msg->args);
}

int
mproc__msg_copy(const uint8_t *body, size_t size, const int *fds, int n_fds,
    struct mproc_msg **ret)
{
	struct mproc__envelope env;
	int r;

	/* the envelope is only read; its pointers are not const for decode */
	if ((r = mproc__envelope_read((uint8_t *)(uintptr_t)body, size,
	    &env)) < 0)
		return r;
	return mproc__msg_of(&env, size, fds, n_fds, ret);
}

int
mproc__msg_of(const struct mproc__envelope *env, size_t size, const int *fds,
    int n_fds, struct mproc_msg **ret)
{
	struct mproc_msg *msg;
	int i;

	if (env->n_fds != n_fds)
		return mproc__err(-EBADMSG, "message: %d descriptors came, "
		    "%d are named", n_fds, env->n_fds);
	msg = mproc__msg_alloc(env->command, env->command_len, n_fds,
	    env->args_size);
	if (msg == NULL)
		return mproc__err(-ENOMEM, "message: no memory");
	mproc__copy(msg->args, env->args, env->args_size);
	read_map_head(msg);
	if (n_fds > 0)
		memcpy(msg->fds, fds, (size_t)n_fds * sizeof(int));
	msg->used = (uint16_t)((1U << n_fds) - 1);
	for (i = 0; i < n_fds; i++)
		if (fds[i] < 0)
			msg->taken |= (uint16_t)(1 << i);
	msg->kind = (uint8_t)env->kind;
	msg->id = env->id;
	msg->body_size = size;
	*ret = msg;
	return 0;
}

static void
really_free(struct mproc_msg *msg)
{
	int left = msg->used & ~msg->taken, i, saved = errno;

	for (i = 0; left >> i != 0; i++)
		if ((left >> i & 1) != 0)
			mproc__close(msg->fds[i]);
	if (msg->views != NULL)
		mproc__views_free(msg);
	if (msg->fds_heap)
		free(msg->fds);
	if (msg->buf.data != NULL)
		mproc__buf_done(&msg->buf);
	free(msg->name);
	free(msg);
	errno = saved;
}

/*
 * The lender may be in another thread than the one that the callback gave the
 * message to: who of both comes second frees, so the flags change atomically.
 */
struct mproc_msg *
mproc_msg_free(struct mproc_msg *msg)
{
	uint8_t was;

	if (msg == NULL)
		return NULL;
	was = atomic_load(&msg->lent);
	do {
		if ((was & MPROC__LENT) == 0) {
			really_free(msg);
			return NULL;
		}
	} while (!atomic_compare_exchange_weak(&msg->lent, &was,
	    MPROC__LENT));
	return NULL;
}

struct mproc_msg *
mproc_msg_keep(struct mproc_msg *msg)
{
	uint8_t was;

	if (msg == NULL)
		return NULL;
	was = atomic_load(&msg->lent);
	while ((was & MPROC__LENT) != 0 &&
	    !atomic_compare_exchange_weak(&msg->lent, &was,
	    MPROC__LENT | MPROC__KEPT))
		;
	return msg;
}

void
mproc__msg_lend(struct mproc_msg *msg)
{
	atomic_store(&msg->lent, MPROC__LENT);
}

void
mproc__msg_unlend(struct mproc_msg *msg)
{
	if (atomic_exchange(&msg->lent, 0) == MPROC__LENT)
		really_free(msg);
}

static int
dup_fds(const struct mproc__fdset *fds, int *ret_fds)
{
	int i, fd;

	for (i = 0; i < fds->n; i++) {
		if ((fd = mproc__dup(fds->fd[i])) < 0) {
			while (i-- > 0)
				mproc__close(ret_fds[i]);
			return mproc__err(fd, "message: a descriptor cannot "
			    "be duplicated");
		}
		ret_fds[i] = fd;
	}
	return 0;
}

/* By way of the wire, which leaves out the descriptors that were taken. */
int
mproc_msg_dup(const struct mproc_msg *msg, struct mproc_msg **ret_msg)
{
	struct mproc__buf body = { .data = NULL };
	struct mproc__fdset fds;
	int copies[MPROC__FDS_MAX], i, r;

	if (msg == NULL || ret_msg == NULL)
		return mproc__err(-EINVAL, "no message");
	r = mproc__encode_msg(&body, msg->kind, msg->id, NULL, msg, NULL,
	    SIZE_MAX, &fds);
	if (r == 0 && (r = dup_fds(&fds, copies)) == 0) {
		r = mproc__msg_copy(body.data, body.len, copies, fds.n,
		    ret_msg);
		for (i = 0; r < 0 && i < fds.n; i++)
			mproc__close(copies[i]);
	}
	mproc__buf_done(&body);
	return r;
}

const char *
mproc_msg_command(const struct mproc_msg *msg)
{
	return msg != NULL ? msg->command : "";
}

bool
mproc_msg_is(const struct mproc_msg *msg, const char *command)
{
	return msg != NULL && command != NULL &&
	    strcmp(msg->command, command) == 0;
}

int
mproc__msg_kind(const struct mproc_msg *msg)
{
	return msg->kind;
}

uint64_t
mproc__msg_id(const struct mproc_msg *msg)
{
	return msg->id;
}

size_t
mproc__msg_size(const struct mproc_msg *msg)
{
	/* what was built here: as encode will make it, to a few bytes */
	return msg->body_size != 0 ? msg->body_size :
	    msg->args_size + strlen(msg->command) + 4;
}

struct mproc_msg *
mproc__msg_next(const struct mproc_msg *msg)
{
	return msg->next;
}

void
mproc__msg_set_next(struct mproc_msg *msg, struct mproc_msg *next)
{
	msg->next = next;
}

int
mproc_take_fd(struct mproc_msg *msg, struct mproc_fd field)
{
	int i;

	if (!field.present)
		return mproc__err(-ENOENT, "the descriptor is absent");
	for (i = 0; msg != NULL && i < MPROC__FDS_MAX; i++) {
		if ((msg->used & ~msg->taken & (1 << i)) == 0 ||
		    msg->fds[i] != field.fd)
			continue;
		msg->taken |= (uint16_t)(1 << i);
		return field.fd;
	}
	return mproc__err(-EBADF, "descriptor %d was taken, or is not of "
	    "this message", field.fd);
}

int
mproc__encode_msg(struct mproc__buf *buf, int kind, uint64_t id,
    const char *command, const struct mproc_msg *msg,
    const struct mproc__meta *meta, size_t max, struct mproc__fdset *fds)
{
	struct mproc__args a = {
		.entries = msg->args + msg->head,
		.size = msg->args_size - msg->head,
		.n = msg->n,
		.fds = msg->fds,
		.n_fds = __builtin_popcount(msg->used),
		.taken = msg->taken,
	};
	int r;

	mproc__msg_raw(msg);
	r = mproc__encode_args(buf, kind, id,
	    command != NULL ? command : msg->command, &a, meta, max, fds);
	mproc__msg_cooked(msg);
	return r;
}
