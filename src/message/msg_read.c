/*
 * msg_read.c - read a message object: as a struct, field by field, in order.
 *
 * Text is terminated in place, see msg.h.  A view's memory comes from the
 * message's inline area while that lasts, so that reading a small message
 * allocates nothing, and a larger one once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "message/msg.h"

#define TEXT_POKES	8	/* texts that one view of mproc_msg_get holds */
#define ROUND(n)	(((n) + alignof(max_align_t) - 1) & \
			    ~(alignof(max_align_t) - 1))

void
mproc__msg_raw(const struct mproc_msg *msg)
{
	const struct mproc__view *v;
	uint32_t i;

	for (v = msg->views; v != NULL; v = v->next)
		for (i = 0; i < v->n_pokes; i++)
			msg->args[v->pokes[i] >> 8] = (uint8_t)v->pokes[i];
}

void
mproc__msg_cooked(const struct mproc_msg *msg)
{
	const struct mproc__view *v;
	uint32_t i;

	for (v = msg->views; v != NULL; v = v->next)
		for (i = 0; i < v->n_pokes; i++)
			msg->args[v->pokes[i] >> 8] = '\0';
}

static bool
is_inline(const struct mproc_msg *msg, const struct mproc__view *v)
{
	const uint8_t *p = (const uint8_t *)v;

	return p >= msg->inline_area && p < msg->inline_area +
	    sizeof(msg->inline_area);
}

/* A new view with room for data and pokes, not yet in the list; NULL. */
static inline struct mproc__view *
view_new(struct mproc_msg *msg, size_t data, uint32_t pokes)
{
	size_t head = ROUND(sizeof(struct mproc__view));
	size_t size = ROUND(head + ROUND(data) + pokes * sizeof(uint64_t));
	struct mproc__view *v;
	uint8_t *at;

	if (size <= sizeof(msg->inline_area) - msg->inline_used) {
		at = msg->inline_area + msg->inline_used;
		msg->inline_used += size;
	} else if ((at = malloc(size)) == NULL) {
		return NULL;
	}
	v = (struct mproc__view *)(void *)at;
	*v = (struct mproc__view){
		.data = at + head,
		.max_pokes = pokes,
		.pokes = (uint64_t *)(void *)(at + head + ROUND(data)),
	};
	return v;
}

/* Give back the newest, which is not in the list. */
static void
view_free(struct mproc_msg *msg, struct mproc__view *v)
{
	if (is_inline(msg, v))
		msg->inline_used = (size_t)((uint8_t *)v - msg->inline_area);
	else
		free(v);
}

void
mproc__views_free(struct mproc_msg *msg)
{
	struct mproc__view *v, *next;

	for (v = msg->views; v != NULL; v = next) {
		next = v->next;
		if (!is_inline(msg, v))
			free(v);
	}
	msg->views = NULL;
	msg->inline_used = 0;
}

void
mproc__msg_forget(struct mproc_msg *msg)
{
	mproc__msg_raw(msg);
	mproc__views_free(msg);
}

static uint32_t
text_fields(const struct mproc_schema *s)
{
	uint32_t i, n = 0;

	for (i = 0; i < s->n_fields; i++)
		n += s->fields[i].type == MPROC_TYPE_STR;
	return n;
}

/* The raw args into a new view; NULL with a text. */
static struct mproc__view *
decode_view(struct mproc_msg *msg, const struct mproc_schema *s)
{
	struct mproc__poke poke;
	struct mproc__view *v;
	uint32_t i;

	if ((v = view_new(msg, s->size, text_fields(s))) == NULL) {
		mproc__err(-ENOMEM, "message: no memory");
		return NULL;
	}
	if (!mproc__decode_fast(s, msg->args, msg->args_size,
	    msg->buf.data == NULL ? MPROC__MSG_BEHIND : 0, v->data, &poke) &&
	    mproc__decode_any(s, msg->args, msg->args_size, msg->fds,
	    msg->fds != NULL ? MPROC__FDS_MAX : 0, v->data, &poke) < 0) {
		view_free(msg, v);
		return NULL;
	}
	for (i = 0; i < poke.n; i++)
		v->pokes[i] = (uint64_t)(poke.poke[i].at - msg->args) << 8 |
		    poke.poke[i].was;
	v->n_pokes = poke.n;
	v->hash = mproc__schema_hash(s);
	mproc__poke_undo(&poke);
	return v;
}

const void *
mproc_args_typed(const struct mproc_msg *cmsg, const struct mproc_schema *s)
{
	/* what is decoded once is kept with it: no change that one can see */
	struct mproc_msg *msg = (struct mproc_msg *)cmsg;
	struct mproc__view *v;
	uint64_t hash;

	if (msg == NULL || s == NULL || strcmp(msg->command, s->command) != 0) {
		mproc__err(-EINVAL, "the message is %s, not %s",
		    msg != NULL ? msg->command : "absent",
		    s != NULL ? s->command : "declared");
		return NULL;
	}
	hash = mproc__schema_hash(s);
	for (v = msg->views; v != NULL; v = v->next)
		if (v->hash == hash)
			return v->data;
	mproc__msg_raw(msg);
	if ((v = decode_view(msg, s)) != NULL) {
		v->next = msg->views;
		msg->views = v;
	}
	mproc__msg_cooked(msg);
	return v != NULL ? v->data : NULL;
}

int
mproc__msg_find(const struct mproc_msg *msg, const char *name,
    struct mproc__entry *ret)
{
	const uint8_t *p = msg->args + msg->head;
	const uint8_t *end = msg->args + msg->args_size;
	uint32_t i;

	for (i = 0; i < msg->n && (p = mproc__entry(p, end, ret)) != NULL; i++)
		if (mproc__token_is(&ret->key, name))
			return 0;
	return -ENOENT;
}

/* The raw value of a field that is there and not nil. */
static int
get(const struct mproc_msg *msg, const char *name, struct mproc_value *ret)
{
	struct mproc__entry e;
	int r;

	if (msg == NULL || name == NULL)
		return mproc__err(-EINVAL, "no message, or no name");
	mproc__msg_raw(msg);
	r = mproc__msg_find(msg, name, &e);
	mproc__msg_cooked(msg);
	if (r < 0 || *e.value == 0xc0)
		return -ENOENT;
	ret->data = e.value;
	ret->size = (size_t)(e.end - e.value);
	return 0;
}

static int
refuse(const struct mproc_msg *msg, const char *name, enum mproc_type want,
    struct mproc_value v)
{
	struct mproc__token t = { .type = MPROC_TYPE_NIL };
	const uint8_t *p = v.data;
	bool number = want >= MPROC_TYPE_INT32 && want <= MPROC_TYPE_DOUBLE;

	mproc__token(p, p + v.size, &t);
	return mproc__err(-EINVAL, "command %s, field %s: expected %s, got "
	    "%s%s", msg->command, name, mproc_type_name(want),
	    mproc__token_name(&t), number && (t.type == MPROC_TYPE_INT64 ||
	    t.type == MPROC_TYPE_UINT64) ? " (which does not fit)" : "");
}

#define GETTER(get_, read_, type_, code_)				\
	int								\
	get_(const struct mproc_msg *msg, const char *name, type_ *ret)	\
	{								\
		struct mproc_value v;					\
		int r;							\
									\
		if ((r = get(msg, name, &v)) < 0)			\
			return r;					\
		if (read_(v, ret) < 0)					\
			return refuse(msg, name, code_, v);		\
		return 0;						\
	}
GETTER(mproc_msg_get_bool, mproc_value_bool, bool, MPROC_TYPE_BOOL)
GETTER(mproc_msg_get_int, mproc_value_int, int64_t, MPROC_TYPE_INT64)
GETTER(mproc_msg_get_uint, mproc_value_uint, uint64_t, MPROC_TYPE_UINT64)
GETTER(mproc_msg_get_double, mproc_value_double, double, MPROC_TYPE_DOUBLE)
GETTER(mproc_msg_get_bytes, mproc_value_bytes, struct mproc_bytes,
    MPROC_TYPE_BYTES)

int
mproc_msg_get_int32(const struct mproc_msg *msg, const char *name,
    int32_t *ret_int)
{
	struct mproc_value v;
	int64_t n;
	int r;

	if ((r = get(msg, name, &v)) < 0)
		return r;
	if (mproc_value_int(v, &n) < 0 || n < INT32_MIN || n > INT32_MAX)
		return refuse(msg, name, MPROC_TYPE_INT32, v);
	*ret_int = (int32_t)n;
	return 0;
}

int
mproc_msg_get_value(const struct mproc_msg *msg, const char *name,
    struct mproc_value *ret_value)
{
	struct mproc_value v;
	int r;

	if ((r = get(msg, name, &v)) < 0)
		return r;
	if (mproc_value_type(v) == MPROC_TYPE_FD)
		return refuse(msg, name, MPROC_TYPE_VALUE, v);
	*ret_value = v;
	return 0;
}

int
mproc_msg_get_fd(const struct mproc_msg *msg, const char *name,
    struct mproc_fd *ret_fd)
{
	struct mproc_value v;
	const uint8_t *p;
	int r, i;

	if ((r = get(msg, name, &v)) < 0)
		return r;
	p = v.data;
	if ((i = mproc__fd_index(p, p + v.size)) < 0)
		return refuse(msg, name, MPROC_TYPE_FD, v);
	if ((msg->taken & (1 << i)) != 0)
		return mproc__err(-EBADF, "command %s, field %s: the "
		    "descriptor was taken", msg->command, name);
	ret_fd->fd = msg->fds[i];
	ret_fd->present = true;
	return 0;
}

/* Terminate the text that ends at `end`, unless it is. */
static int
terminate(struct mproc_msg *msg, const char *end)
{
	uint64_t at = (uint64_t)((const uint8_t *)end - msg->args);
	struct mproc__view *v, *room = NULL;
	uint32_t i;

	for (v = msg->views; v != NULL; v = v->next) {
		for (i = 0; i < v->n_pokes; i++)
			if (v->pokes[i] >> 8 == at)
				return 0;
		if (v->hash == 0 && v->n_pokes < v->max_pokes)
			room = v;
	}
	if (room == NULL) {
		if ((room = view_new(msg, 0, TEXT_POKES)) == NULL)
			return mproc__err(-ENOMEM, "message: no memory");
		room->next = msg->views;
		msg->views = room;
	}
	room->pokes[room->n_pokes++] = at << 8 | msg->args[at];
	msg->args[at] = '\0';
	return 0;
}

int
mproc_msg_get_str(struct mproc_msg *msg, const char *name,
    const char **ret_str)
{
	struct mproc_value v;
	const char *str;
	size_t len;
	int r;

	if ((r = get(msg, name, &v)) < 0)
		return r;
	if (mproc_value_str(v, &str, &len) < 0)
		return refuse(msg, name, MPROC_TYPE_STR, v);
	if (memchr(str, '\0', len) != NULL)
		return mproc__err(-EINVAL, "command %s, field %s: a NUL "
		    "inside the text", msg->command, name);
	if ((r = terminate(msg, str + len)) < 0)
		return r;
	*ret_str = str;
	return 0;
}

#define OR(name_, get_, type_)						\
	type_								\
	name_(const struct mproc_msg *msg, const char *name,		\
	    type_ otherwise)						\
	{								\
		type_ v = otherwise;					\
									\
		(void)get_(msg, name, &v);				\
		return v;						\
	}
OR(mproc_msg_int_or, mproc_msg_get_int, int64_t)
OR(mproc_msg_uint_or, mproc_msg_get_uint, uint64_t)
OR(mproc_msg_double_or, mproc_msg_get_double, double)
OR(mproc_msg_bool_or, mproc_msg_get_bool, bool)

const char *
mproc_msg_str_or(struct mproc_msg *msg, const char *name,
    const char *otherwise)
{
	const char *str = otherwise;

	(void)mproc_msg_get_str(msg, name, &str);
	return str;
}

size_t
mproc_msg_count(const struct mproc_msg *msg)
{
	return msg != NULL ? msg->n : 0;
}

/* Entry i of raw args, from where the last one was if that helps. */
static int
seek(struct mproc_msg *msg, uint32_t i, struct mproc__entry *e)
{
	const uint8_t *end = msg->args + msg->args_size;
	const uint8_t *p;

	if (msg->at == 0 || i < msg->at_i) {
		msg->at_i = 0;
		msg->at = msg->head;
	}
	p = msg->args + msg->at;
	for (;;) {
		if ((p = mproc__entry(p, end, e)) == NULL)
			return -ENOENT;
		if (msg->at_i == i)
			return 0;
		msg->at_i++;
		msg->at = (size_t)(p - msg->args);
	}
}

int
mproc_msg_field(struct mproc_msg *msg, size_t i, const char **ret_name,
    struct mproc_value *ret_value)
{
	struct mproc__entry e;
	int r;

	if (msg == NULL || i >= msg->n)
		return -ENOENT;
	if (msg->name == NULL && (msg->name = malloc(256)) == NULL)
		return mproc__err(-ENOMEM, "message: no memory");
	mproc__msg_raw(msg);
	r = seek(msg, (uint32_t)i, &e);
	mproc__msg_cooked(msg);
	if (r < 0)
		return r;
	memcpy(msg->name, e.key.payload, e.key.len);
	msg->name[e.key.len] = '\0';
	*ret_name = msg->name;
	ret_value->data = e.value;
	ret_value->size = (size_t)(e.end - e.value);
	return 0;
}
