/*
 * encode_fast.c - the usual body from a struct, with stores alone.
 *
 * Room for all that has a bound (heads, keys, numbers) is kept from the first
 * byte on; only text and bytes look whether they fit before it.  So nothing
 * else looks at the end of the buffer, and stores may be wider than what they
 * store.  When something does not fit, room is made and all begins again.
 *
 * Descriptors, and all that can fail, are left to encode.c: whatever was
 * written here by then is behind the buffer's end.  Memory that is not there
 * is one of these: `failed` is then set.
 *
 * The bytes are those of msgpack-c's packers: the shortest form of each.
 */
#include <endian.h>
#include <string.h>

#include "message/message.h"
#include "message/write.h"

#define NUMBER_MAX	9	/* bytes of a number, and of a long head */
/* array, kind, id, command, map; {deadline: ns}; one store's overhang */
#define BODY_MAX	(1 + 1 + NUMBER_MAX + 2 + MPROC_COMMAND_MAX + 3 + \
			    10 + NUMBER_MAX + 64)
#define FIELD_MAX	(1 + MPROC_NAME_MAX + 1 + NUMBER_MAX)
#define ITEMS_SPARE	128	/* parts that are no values: as encode.c */

#define likely(x_)	__builtin_expect(!!(x_), 1)
#define unlikely(x_)	__builtin_expect(!!(x_), 0)

static inline void
store8(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
}

/* By the index of the highest byte that is not zero. */
static const struct {
	uint8_t	head, shift, size;	/* to the top of a word; of all */
} unsigned_form[8] = {
	{ 0xcc, 56, 2 }, { 0xcd, 48, 3 }, { 0xce, 32, 5 }, { 0xce, 32, 5 },
	{ 0xcf, 0, 9 }, { 0xcf, 0, 9 }, { 0xcf, 0, 9 }, { 0xcf, 0, 9 },
};

static inline uint8_t *
put_uint(uint8_t *p, uint64_t v)
{
	unsigned byte;

	if (likely(v < 0x80)) {
		*p = (uint8_t)v;
		return p + 1;
	}
	byte = (unsigned)(63 ^ __builtin_clzll(v)) / 8;
	*p = unsigned_form[byte].head;
	store8(p + 1, htobe64(v << unsigned_form[byte].shift));
	return p + unsigned_form[byte].size;
}

static inline uint8_t *
put_int(uint8_t *p, int64_t v)
{
	unsigned order, width;

	if (likely(v >= 0))
		return put_uint(p, (uint64_t)v);
	if (v >= -32) {
		*p = (uint8_t)v;
		return p + 1;
	}
	order = v >= INT8_MIN ? 0 : v >= INT16_MIN ? 1 : v >= INT32_MIN ? 2 :
	    3;
	width = 1U << order;
	*p = (uint8_t)(0xd0 + order);
	store8(p + 1, htobe64((uint64_t)v << (64 - 8 * width)));
	return p + 1 + width;
}

static inline uint8_t *
put_double(uint8_t *p, const void *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof(v));
	*p = 0xcb;
	store8(p + 1, htobe64(v));
	return p + 9;
}

/* The head of text (0xd9) or bytes (0xc4); text has a form of one byte. */
static inline uint8_t *
put_blob_head(uint8_t *p, uint8_t head, size_t n)
{
	uint32_t size = (uint32_t)n;

	if (head == 0xd9 && likely(n < 32)) {
		*p = (uint8_t)(0xa0 | n);
		return p + 1;
	}
	if (n < 0x100) {
		p[0] = head;
		p[1] = (uint8_t)n;
		return p + 2;
	}
	if (n < 0x10000) {
		p[0] = (uint8_t)(head + 1);
		p[1] = (uint8_t)(n >> 8);
		p[2] = (uint8_t)n;
		return p + 3;
	}
	size = htobe32(size);
	p[0] = (uint8_t)(head + 2);
	memcpy(p + 1, &size, sizeof(size));
	return p + 5;
}

/*
 * What is written to, and how far text may go: behind `limit` there is the
 * room that is kept for the rest.  `need` says what did not fit.
 */
struct out {
	const uint8_t	*limit;
	size_t		 need;
	uint32_t	 items;		/* that values may have */
	size_t		 apart_min;	/* bytes that stay where they are */
};

static inline bool
fits(struct out *out, const uint8_t *p, size_t n)
{
	if (likely((ptrdiff_t)n <= out->limit - p && (ptrdiff_t)n >= 0))
		return true;
	out->need = n + 1;
	return false;
}

/* Each of these returns what follows, or NULL. */
static inline uint8_t *
put_text(struct out *out, uint8_t *p, const char *text)
{
	size_t n = strlen(text);

	if (!fits(out, p, n))
		return NULL;
	p = put_blob_head(p, 0xd9, n);
	mproc__copy(p, text, n);
	return p + n;
}

static inline uint8_t *
put_bytes(struct out *out, uint8_t *p, const struct mproc_bytes *b)
{
	if ((b->data == NULL && b->size > 0) || mproc__is_room(b) ||
	    b->size >= out->apart_min || !fits(out, p, b->size))
		return NULL;
	p = put_blob_head(p, 0xc4, b->size);
	mproc__copy(p, b->data, b->size);
	return p + b->size;
}

static bool
is_value(const struct mproc_value *v, uint32_t *items)
{
	const uint8_t *at = v->data;
	uint32_t left = *items;

	if (mproc__scan(&at, at + v->size, MPROC_VALUE_DEPTH, &left) < 0)
		return false;
	*items = left;
	return at == (const uint8_t *)v->data + v->size;
}

static inline uint8_t *
put_value(struct out *out, uint8_t *p, const struct mproc_value *v)
{
	if (v->data == NULL || v->size == 0) {
		*p = 0xc0;
		return p + 1;
	}
	if (!fits(out, p, v->size) || !is_value(v, &out->items))
		return NULL;
	mproc__copy(p, v->data, v->size);
	return p + v->size;
}

/*
 * The key, where head and name stand side by side in the row, and the value.
 * NULL text and absent descriptors are left out, and not counted in *n.
 */
static inline uint8_t *
put_field(struct out *out, uint8_t *p, const struct mproc_field *f,
    const void *args, uint32_t *n)
{
	const void *at = (const char *)args + f->offset;
	uint8_t *q = p + (f->head - 0x9f);	/* 0xa0 + length */

	memcpy(p, f, 16);
	if (unlikely(q - p > 16))
		memcpy(p + 16, (const uint8_t *)f + 16, 16);
	switch (f->type) {
	case MPROC_TYPE_INT64:
		return put_int(q, *(const int64_t *)at);
	case MPROC_TYPE_STR:
		if (likely(*(const char *const *)at != NULL))
			return put_text(out, q, *(const char *const *)at);
		--*n;
		return p;
	case MPROC_TYPE_INT32:
		return put_int(q, *(const int32_t *)at);
	case MPROC_TYPE_UINT64:
		return put_uint(q, *(const uint64_t *)at);
	case MPROC_TYPE_BOOL:
		*q = *(const bool *)at ? 0xc3 : 0xc2;
		return q + 1;
	case MPROC_TYPE_DOUBLE:
		return put_double(q, at);
	case MPROC_TYPE_BYTES:
		return put_bytes(out, q, at);
	case MPROC_TYPE_VALUE:
		return put_value(out, q, at);
	case MPROC_TYPE_FD:
		--*n;
		return ((const struct mproc_fd *)at)->present ? NULL : p;
	}
	return NULL;
}

static inline uint8_t *
put_head(uint8_t *p, int kind, uint64_t id, const struct mproc_schema *s,
    bool has_meta)
{
	size_t n = mproc__command_len(s);

	if (unlikely(n > MPROC_COMMAND_MAX))
		return NULL;
	p[0] = (uint8_t)(0x94 + has_meta);
	p[1] = (uint8_t)kind;
	p = put_uint(p + 2, id);
	p = put_blob_head(p, 0xd9, n);
	mproc__copy(p, s->command, n);
	return p + n;
}

static uint8_t *
put_deadline(uint8_t *p, int64_t deadline_ns)
{
	static const char key[] = "\x81\xa8" "deadline";

	memcpy(p, key, sizeof(key) - 1);
	return put_int(p + sizeof(key) - 1, deadline_ns);
}

/* A map of more entries has a head of another size. */
#define MAP_SHORT	15

static inline uint8_t *
put_args(struct out *out, uint8_t *p, const struct mproc_schema *s,
    const void *args)
{
	const struct mproc_field *f = s->fields, *end = f + s->n_fields;
	uint32_t n = s->n_fields;
	uint8_t *head = p++;

	for (; f < end; f++) {
		p = put_field(out, p, f, args, &n);
		if (unlikely(p == NULL))
			return NULL;
	}
	*head = (uint8_t)(0x80 | n);
	return likely(n <= MAP_SHORT) ? p : NULL;
}

/*
 * Make room for `need` bytes more than were there and try again; else, or
 * when that was not the reason, take the other way.
 */
static __attribute__((noinline, cold)) int
otherwise(struct mproc__buf *buf, int kind, uint64_t id,
    const struct mproc_schema *s, const void *args,
    const struct mproc__meta *meta, size_t max, struct mproc__fdset *fds,
    size_t need)
{
	if (need > 0 && need - 1 <= max && need - 1 <= UINT32_MAX &&
	    !buf->failed &&
	    mproc__buf_reserve(buf, buf->cap - buf->len + need) != NULL)
		return mproc__encode(buf, kind, id, s, args, meta, max, fds);
	return mproc__encode_any(buf, kind, id, s, args, meta, max, fds);
}

int
mproc__encode(struct mproc__buf *buf, int kind, uint64_t id,
    const struct mproc_schema *s, const void *args,
    const struct mproc__meta *meta, size_t max, struct mproc__fdset *fds)
{
	size_t fixed = BODY_MAX + s->n_fields * (size_t)FIELD_MAX, size;
	bool has_meta = meta != NULL && meta->deadline_ns != 0;
	struct out out = {
		.items = MPROC__ITEMS_MAX - ITEMS_SPARE,
		.apart_min = buf->apart != NULL ? MPROC__APART_MIN : SIZE_MAX
	};
	uint8_t *p;

	if (unlikely(buf->cap - buf->len < fixed)) {
		out.need = fixed;
		goto otherwise;
	}
	out.limit = buf->data + buf->cap - fixed;
	p = put_head(buf->data + buf->len, kind, id, s, has_meta);
	if (unlikely(p == NULL) ||
	    unlikely((p = put_args(&out, p, s, args)) == NULL))
		goto otherwise;
	if (has_meta)
		p = put_deadline(p, meta->deadline_ns);
	size = (size_t)(p - buf->data) - buf->len;
	if (unlikely(size > max || buf->failed))
		goto otherwise;
	buf->len += size;
	if (fds != NULL)
		fds->n = 0;
	return 0;
otherwise:
	return otherwise(buf, kind, id, s, args, meta, max, fds, out.need);
}
