/*
 * msg_set.c - build a message object field by field.
 *
 * Once something was set, args live in msg->buf with a head of five bytes
 * (map of 32 bits), so that the count can be changed in place.  All that can
 * fail is done before the old field goes, so nothing is lost then.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "message/msg.h"
#include "message/write.h"

#define HEAD	5
#define KEY_MAX	255

static void
put_count(struct mproc_msg *msg)
{
	uint8_t *p = msg->args;

	p[0] = 0xdf;
	p[1] = (uint8_t)(msg->n >> 24);
	p[2] = (uint8_t)(msg->n >> 16);
	p[3] = (uint8_t)(msg->n >> 8);
	p[4] = (uint8_t)msg->n;
}

/* Point the message at its buffer, whose bytes may have moved. */
static void
adopt(struct mproc_msg *msg)
{
	msg->args = msg->buf.data;
	msg->args_size = msg->buf.len;
	msg->head = HEAD;
	msg->at = 0;
	msg->body_size = 0;
	put_count(msg);
}

/* Move raw args into the buffer, with room for the count. */
static int
own(struct mproc_msg *msg)
{
	struct mproc__buf *b = &msg->buf;

	mproc__msg_forget(msg);
	if (b->data != NULL)
		return 0;
	mproc__buf_append(b, "\xdf\0\0\0", HEAD);
	mproc__buf_append(b, msg->args + msg->head,
	    msg->args_size - msg->head);
	if (mproc__buf_reserve(b, 1) == NULL) {
		mproc__buf_done(b);
		return mproc__err(-ENOMEM, "message: no memory");
	}
	adopt(msg);
	return 0;
}

static void
drop_fd(struct mproc_msg *msg, int index)
{
	uint16_t bit = (uint16_t)(1 << index);

	if ((msg->taken & bit) == 0)
		mproc__close(msg->fds[index]);
	msg->used &= (uint16_t)~bit;
	msg->taken &= (uint16_t)~bit;
}

/* Remove the entries of that name; a peer may have sent two. */
static void
remove_entries(struct mproc_msg *msg, const char *name)
{
	struct mproc__entry e;
	size_t at, size;
	int index;

	while (mproc__msg_find(msg, name, &e) == 0) {
		if ((index = mproc__fd_index(e.value, e.end)) >= 0)
			drop_fd(msg, index);
		at = (size_t)(e.start - msg->args);
		size = (size_t)(e.end - e.start);
		memmove(msg->args + at, msg->args + at + size,
		    msg->args_size - at - size);
		msg->buf.len -= size;
		msg->n--;
		adopt(msg);
	}
}

static int
check_name(const struct mproc_msg *msg, const char *name)
{
	size_t len;

	if (msg == NULL || name == NULL)
		return mproc__err(-EINVAL, "no message, or no name");
	len = strnlen(name, KEY_MAX + 1);
	if (len == 0 || len > KEY_MAX)
		return mproc__err(-EINVAL, "command %s: the name of a field "
		    "has 1 to %d bytes", msg->command, KEY_MAX);
	return 0;
}

static int
unset(struct mproc_msg *msg, const char *name)
{
	int r;

	if ((r = check_name(msg, name)) < 0 || (r = own(msg)) < 0)
		return r;
	remove_entries(msg, name);
	return 0;
}

/* Replace the entries of that name by a packed one. */
static int
put_entry(struct mproc_msg *msg, const char *name,
    const struct mproc__buf *entry)
{
	struct mproc__buf *b = &msg->buf;
	int r;

	if ((r = own(msg)) < 0)
		return r;
	if (entry->len > UINT32_MAX - b->len)
		return mproc__err(-EMSGSIZE, "command %s: larger than 4 GiB",
		    msg->command);
	if (mproc__buf_reserve(b, entry->len + 1) == NULL) {
		b->failed = false;
		return mproc__err(-ENOMEM, "message: no memory");
	}
	adopt(msg);
	remove_entries(msg, name);
	mproc__buf_append(b, entry->data, entry->len);
	msg->n++;
	adopt(msg);
	return 0;
}

/*
 * The entry is packed on the side first: what `at` points to may be text or
 * bytes that were read from this very message.
 */
static int
set(struct mproc_msg *msg, const char *name, enum mproc_type type,
    const void *at, int fd_index)
{
	struct mproc__buf entry = { .data = NULL };
	struct mproc__writer w;
	int r;

	if ((r = check_name(msg, name)) < 0)
		return r;
	mproc__writer_begin(&w, &entry, UINT32_MAX);
	mproc__write_str(&w, name, strlen(name));
	if (type == MPROC_TYPE_FD)
		mproc__write_fd(&w, fd_index);
	else
		r = mproc__write_any(&w, type, at);
	if ((r = mproc__writer_end(&w, r)) == 0)
		r = put_entry(msg, name, &entry);
	mproc__buf_done(&entry);
	return r;
}

int
mproc_msg_set_bool(struct mproc_msg *msg, const char *name, bool v)
{
	return set(msg, name, MPROC_TYPE_BOOL, &v, 0);
}

int
mproc_msg_set_int(struct mproc_msg *msg, const char *name, int64_t v)
{
	return set(msg, name, MPROC_TYPE_INT64, &v, 0);
}

int
mproc_msg_set_uint(struct mproc_msg *msg, const char *name, uint64_t v)
{
	return set(msg, name, MPROC_TYPE_UINT64, &v, 0);
}

int
mproc_msg_set_double(struct mproc_msg *msg, const char *name, double v)
{
	return set(msg, name, MPROC_TYPE_DOUBLE, &v, 0);
}

int
mproc_msg_set_str(struct mproc_msg *msg, const char *name, const char *str)
{
	if (str == NULL)
		return unset(msg, name);
	return set(msg, name, MPROC_TYPE_STR, &str, 0);
}

int
mproc_msg_set_bytes(struct mproc_msg *msg, const char *name,
    struct mproc_bytes bytes)
{
	return set(msg, name, MPROC_TYPE_BYTES, &bytes, 0);
}

int
mproc_msg_set_value(struct mproc_msg *msg, const char *name,
    struct mproc_value value)
{
	if (value.data == NULL || value.size == 0)
		return unset(msg, name);
	return set(msg, name, MPROC_TYPE_VALUE, &value, 0);
}

/* Room for 16 descriptors, and the index of a free one. */
static int
fd_slot(struct mproc_msg *msg)
{
	int *fds, i;

	if (msg->used == UINT16_MAX)
		return mproc__err(-EINVAL, "command %s: more than %d "
		    "descriptors", msg->command, MPROC__FDS_MAX);
	if (!msg->fds_heap) {
		fds = calloc(MPROC__FDS_MAX, sizeof(*fds));
		if (fds == NULL)
			return mproc__err(-ENOMEM, "message: no memory");
		for (i = 0; i < MPROC__FDS_MAX; i++)
			if ((msg->used & (1 << i)) != 0)
				fds[i] = msg->fds[i];
		msg->fds = fds;
		msg->fds_heap = true;
	}
	return __builtin_ctz(~(unsigned)msg->used);
}

int
mproc_msg_set_fd(struct mproc_msg *msg, const char *name, struct mproc_fd fd)
{
	int slot, copy, r;

	if (!fd.present)
		return unset(msg, name);
	if ((r = check_name(msg, name)) < 0)
		return r;
	if ((slot = fd_slot(msg)) < 0)
		return slot;
	if ((copy = mproc__dup(fd.fd)) < 0)
		return mproc__err(copy, "command %s, field %s: descriptor %d "
		    "cannot be duplicated", msg->command, name, fd.fd);
	if ((r = set(msg, name, MPROC_TYPE_FD, NULL, slot)) < 0) {
		mproc__close(copy);
		return r;
	}
	msg->fds[slot] = copy;
	msg->used |= (uint16_t)(1 << slot);
	return 0;
}
