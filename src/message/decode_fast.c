/*
 * decode_fast.c - the usual message in one pass: checked, and stored in the
 * schema's struct, while it is read.
 *
 * What is usual: fields in the order of the schema, some left out; no
 * descriptors; no metadata but the deadline.  Numbers and text may have any
 * width.  Everything else, and all that is wrong, is left to the two steps
 * of envelope.c and decode.c, which find out what it is and say so.  So what
 * is taken here must be taken there, with the same result; what is refused
 * here costs only time.
 *
 * A number of up to 8 bytes is one load: of the 8 bytes from it on where
 * those are in the body, else of the 8 bytes up to its end.
 */
#include <endian.h>
#include <string.h>

#include "message/message.h"
#include "message/token.h"

/*
 * Parts that one value may have here: as many fields of so many as there can
 * be stay below the scan's limit for a body.
 */
#define ITEMS_MAX	(MPROC__ITEMS_MAX / MPROC_FIELDS_MAX - 1)
#define NUL_INLINE	64	/* above it memchr(3) is faster */

#define likely(x_)	__builtin_expect(!!(x_), 1)
#define unlikely(x_)	__builtin_expect(!!(x_), 0)

/* The bytes that are read, and how far back one may look. */
struct in {
	const uint8_t	*start, *end;
};

typedef uint64_t pair __attribute__((vector_size(16)));
typedef uint8_t octets __attribute__((vector_size(16)));

/* The first n (1 to 8) of 8 bytes. */
static inline uint64_t
first(uint64_t bytes, size_t n)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return bytes << (64 - 8 * n);
#else
	return bytes >> (64 - 8 * n);
#endif
}

static bool
is_long_key(const struct in *in, const uint8_t *p, const struct mproc_field *f,
    size_t n)
{
	return in->end - p > (ptrdiff_t)n && memcmp(p, f, n) == 0;
}

/* Is the row's key, of n bytes, at p, and at least one byte behind it? */
static inline bool
is_key(const struct in *in, const uint8_t *p, const struct mproc_field *f,
    size_t n)
{
	if (likely(n <= 8) && likely(p < in->end - 8))
		return first(mproc__load8(p) ^ mproc__load8(f), n) == 0;
	return is_long_key(in, p, f, n);
}

/*
 * The number behind the head at p, widened by its sign or without.  0, or
 * -1: it is another head, or truncated.
 */
static inline int
widen(const struct in *in, const uint8_t *p, unsigned width, uint64_t *v)
{
	unsigned shift = 64 - 8 * width;
	bool is_signed = *p >= 0xd0;
	uint64_t top = 0;

	if (likely(in->end - p > 8)) {
		top = be64toh(mproc__load8(p + 1));
	} else {
		if (in->end - p <= (ptrdiff_t)width)
			return -1;
		if (likely(p - in->start >= 7))
			top = mproc__load8(p + 1 + width - 8);
		else
			memcpy((uint8_t *)&top + 8 - width, p + 1, width);
		top = be64toh(top) << shift;
	}
	*v = is_signed ? (uint64_t)((int64_t)top >> shift) : top >> shift;
	return 0;
}

/* The integer at p (< end) in any width, what follows it, or NULL. */
static inline const uint8_t *
read_int64(const struct in *in, const uint8_t *p, int64_t *ret)
{
	uint8_t head = *p;
	uint64_t v;
	unsigned width;

	if (likely(head < 0x80 || head >= 0xe0)) {
		*ret = head < 0x80 ? head : head - 256;
		return p + 1;
	}
	width = 1U << (head & 3);
	if (unlikely((uint8_t)(head - 0xcc) > 7) ||
	    unlikely(widen(in, p, width, &v) < 0))
		return NULL;
	*ret = (int64_t)v;
	/* an unsigned one may be too large */
	return likely(head != 0xcf || *ret >= 0) ? p + 1 + width : NULL;
}

static inline const uint8_t *
read_uint64(const struct in *in, const uint8_t *p, uint64_t *ret)
{
	int64_t v;

	if (*p == 0xcf && in->end - p > 8) {
		*ret = be64toh(mproc__load8(p + 1));
		return p + 9;
	}
	if ((p = read_int64(in, p, &v)) == NULL || v < 0)
		return NULL;
	*ret = (uint64_t)v;
	return p;
}

static inline bool
has_nul(const uint8_t *p, size_t n)
{
	octets v, found = { 0 };
	pair both;
	size_t i;

	if (n < 16)
		return mproc__has_nul_short(p, n);
	if (unlikely(n > NUL_INLINE))
		return memchr(p, '\0', n) != NULL;
	for (i = 0; i + 16 < n; i += 16) {
		memcpy(&v, p + i, 16);
		found |= (octets)(v == 0);
	}
	memcpy(&v, p + n - 16, 16);
	found |= (octets)(v == 0);
	both = (pair)found;
	return (both[0] | both[1]) != 0;
}

/*
 * The head of text, or of bytes, at p (< end): its payload and length, which
 * are in the body; NULL if it is another, or truncated.
 */
static inline const uint8_t *
read_blob(const struct in *in, const uint8_t *p, bool bytes, uint32_t *len)
{
	size_t left = (size_t)(in->end - p), width;
	uint8_t head = *p;

	if (likely((head & 0xe0) == 0xa0)) {
		*len = head & 31;
		return likely(left > *len) ? p + 1 : NULL;
	}
	if (head == 0xd9 || (bytes && head == 0xc4)) {
		*len = left > 1 ? p[1] : 0;
		return likely(left > *len + 1U) ? p + 2 : NULL;
	}
	if (head == 0xda || head == 0xdb)
		width = head == 0xda ? 2 : 4;
	else if (bytes && (head == 0xc5 || head == 0xc6))
		width = head == 0xc5 ? 2 : 4;
	else
		return NULL;
	if (left <= width)
		return NULL;
	*len = width == 2 ? (uint32_t)p[1] << 8 | p[2] :
	    be32toh(mproc__load4(p + 1));
	return left - 1 - width >= *len ? p + 1 + width : NULL;
}

/* An absent field reads as zero. */
static void
zero(const struct mproc_field *f, char *ret)
{
	void *at = ret + f->offset;

	switch (f->type) {
	case MPROC_TYPE_BOOL:
		memset(at, 0, sizeof(bool));
		break;
	case MPROC_TYPE_INT32:
		memset(at, 0, sizeof(int32_t));
		break;
	case MPROC_TYPE_BYTES:
		memset(at, 0, sizeof(struct mproc_bytes));
		break;
	case MPROC_TYPE_VALUE:
		memset(at, 0, sizeof(struct mproc_value));
		break;
	default:	/* INT64, UINT64, DOUBLE, STR, FD */
		memset(at, 0, sizeof(uint64_t));
	}
}
_Static_assert(sizeof(struct mproc_fd) == sizeof(uint64_t) &&
    sizeof(const char *) <= sizeof(uint64_t), "zero() knows these sizes");

static inline const uint8_t *
read_text(const struct in *in, const uint8_t *p, void *at,
    struct mproc__poke *poke)
{
	uint32_t len;

	p = read_blob(in, p, false, &len);
	if (unlikely(p == NULL) || unlikely(has_nul(p, len)))
		return NULL;
	memcpy(at, &p, sizeof(p));
	p += len;
	poke->poke[poke->n++].at = (uint8_t *)(uintptr_t)p;
	return p;
}

static inline const uint8_t *
read_bytes(const struct in *in, const uint8_t *p, void *at)
{
	struct mproc_bytes bytes;
	uint32_t len;

	if ((p = read_blob(in, p, true, &len)) == NULL)
		return NULL;
	bytes = (struct mproc_bytes){ .data = p, .size = len };
	memcpy(at, &bytes, sizeof(bytes));
	return p + len;
}

static const uint8_t *
read_value(const uint8_t *p, const uint8_t *end, void *at)
{
	struct mproc_value value = { .data = p };
	uint32_t items = ITEMS_MAX;
	struct mproc__token t;
	const uint8_t *next;

	if ((next = mproc__token(p, end, &t)) == NULL ||
	    t.type == MPROC_TYPE_EXT || t.type == MPROC_TYPE_NIL)
		return NULL;
	if (t.type == MPROC_TYPE_ARRAY || t.type == MPROC_TYPE_MAP) {
		next = p;
		if (mproc__scan(&next, end, MPROC_VALUE_DEPTH, &items) < 0)
			return NULL;
	}
	value.size = (size_t)(next - p);
	memcpy(at, &value, sizeof(value));
	return next;
}

static inline const uint8_t *
read_rest(const struct in *in, const uint8_t *p, uint8_t type, void *at)
{
	uint64_t v;
	bool b;

	switch (type) {
	case MPROC_TYPE_BOOL:
		if ((*p & 0xfe) != 0xc2)
			return NULL;
		b = *p == 0xc3;
		memcpy(at, &b, sizeof(b));
		return p + 1;
	case MPROC_TYPE_DOUBLE:
		if (*p != 0xcb || in->end - p < 9)
			return NULL;
		v = be64toh(mproc__load8(p + 1));
		memcpy(at, &v, sizeof(v));
		return p + 9;
	case MPROC_TYPE_BYTES:
		return read_bytes(in, p, at);
	case MPROC_TYPE_VALUE:
		return read_value(p, in->end, at);
	default:
		return NULL;
	}
}

/* The value at p (< end) of a field; what follows, or NULL. */
static inline const uint8_t *
read_field(const struct in *in, const uint8_t *p, uint8_t type, void *at,
    struct mproc__poke *poke)
{
	int64_t v;
	int32_t v32;
	uint64_t u;

	switch (type) {
	case MPROC_TYPE_INT64:
		if (unlikely((p = read_int64(in, p, &v)) == NULL))
			return NULL;
		memcpy(at, &v, sizeof(v));
		return p;
	case MPROC_TYPE_STR:
		return read_text(in, p, at, poke);
	case MPROC_TYPE_INT32:
		if ((p = read_int64(in, p, &v)) == NULL || v != (int32_t)v)
			return NULL;
		v32 = (int32_t)v;
		memcpy(at, &v32, sizeof(v32));
		return p;
	case MPROC_TYPE_UINT64:
		if ((p = read_uint64(in, p, &u)) == NULL)
			return NULL;
		memcpy(at, &u, sizeof(u));
		return p;
	default:
		return read_rest(in, p, type, at);
	}
}

/* The head of the map at p; what follows, or NULL. */
static inline const uint8_t *
read_map(const struct in *in, const uint8_t *p, uint32_t *n)
{
	if (likely(p < in->end) && likely((*p & 0xf0) == 0x80)) {
		*n = *p & 15;
		return p + 1;
	}
	if (in->end - p < 3 || *p != 0xde)
		return NULL;
	*n = (uint32_t)p[1] << 8 | p[2];
	return p + 3;
}

/* The map of arguments at p; what follows, or NULL. */
static inline const uint8_t *
read_args(const struct in *in, const struct mproc_schema *s,
    const uint8_t *p, char *ret, struct mproc__poke *poke)
{
	const struct mproc_field *f = s->fields, *end = f + s->n_fields;
	const uint8_t *value;
	uint32_t n;
	size_t key;

	poke->n = 0;
	if ((p = read_map(in, p, &n)) == NULL)
		return NULL;
	for (; f < end; f++) {
		key = f->head - 0x9fU;	/* 0xa0 + length */
		if (unlikely(!is_key(in, p, f, key))) {
			zero(f, ret);
			continue;
		}
		n--;
		value = p + key;
		p = read_field(in, value, f->type, ret + f->offset, poke);
		if (likely(p != NULL))
			continue;
		if (*value != 0xc0)
			return NULL;
		zero(f, ret);	/* nil */
		p = value + 1;
	}
	return n == 0 ? p : NULL;
}

/* Nothing but a deadline: {deadline: ns}. */
static const uint8_t *
read_meta(const struct in *in, const uint8_t *p, struct mproc__meta *meta)
{
	static const char key[] = "\x81\xa8" "deadline";

	if (in->end - p < (ptrdiff_t)sizeof(key) ||
	    memcmp(p, key, sizeof(key) - 1) != 0)
		return NULL;
	p = read_int64(in, p + sizeof(key) - 1, &meta->deadline_ns);
	return p != NULL && meta->deadline_ns >= 0 ? p : NULL;
}

/* All has been read: text gets its terminators. */
static inline void
terminate(struct mproc__poke *poke)
{
	uint32_t i;

	for (i = 0; i < poke->n; i++) {
		poke->poke[i].was = *poke->poke[i].at;
		*poke->poke[i].at = '\0';
	}
}

bool
mproc__decode_fast(const struct mproc_schema *s, uint8_t *args, size_t size,
    size_t behind, void *ret, struct mproc__poke *poke)
{
	/* zeros are no key, and what runs into them does not end in time */
	struct in in = { .start = args, .end = args + size + behind };

	if (read_args(&in, s, args, ret, poke) != args + size)
		return false;
	terminate(poke);
	return true;
}

/* All of mproc__decode_body() but the ends of texts. */
static inline bool
read_body(const struct mproc_schema *s, struct mproc__envelope *env,
    void *ret, struct mproc__poke *poke)
{
	struct in in = {
		/* four heads at least stand before the command */
		.start = (const uint8_t *)env->command - 4,
		.end = env->args + env->args_size,
	};
	const uint8_t *p;

	if ((p = read_args(&in, s, env->args, ret, poke)) == NULL)
		return false;
	env->args_size = (size_t)(p - env->args);
	if (env->has_meta &&
	    unlikely((p = read_meta(&in, p, &env->meta)) == NULL))
		return false;
	return likely(p == in.end);
}

bool
mproc__decode_body(const struct mproc_schema *s, struct mproc__envelope *env,
    void *ret, struct mproc__poke *poke)
{
	if (!read_body(s, env, ret, poke))
		return false;
	terminate(poke);
	return true;
}

/* How long the text is: to the first end behind it that was noted. */
static size_t
text_size(const char *text, const struct mproc__poke *poke)
{
	uintptr_t from = (uintptr_t)text, at, size = 0;
	bool found = false;
	uint32_t i;

	for (i = 0; i < poke->n; i++) {
		at = (uintptr_t)poke->poke[i].at;
		if (at >= from && (!found || at - from < size)) {
			size = at - from;
			found = true;
		}
	}
	return size;
}

bool
mproc__decode_apart(const struct mproc_schema *s, struct mproc__envelope *env,
    void *ret, struct mproc__buf *side)
{
	struct mproc__poke poke;
	const char **text;
	size_t need = 0, at;
	uint32_t i;

	if (!read_body(s, env, ret, &poke))
		return false;
	for (i = 0; i < s->n_fields; i++) {
		text = (const char **)(void *)((char *)ret +
		    s->fields[i].offset);
		if (s->fields[i].type == MPROC_TYPE_STR && *text != NULL)
			need += text_size(*text, &poke) + 1;
	}
	side->len = 0;
	if (need > 0 && mproc__buf_reserve(side, need) == NULL) {
		side->failed = false;
		return false;
	}
	for (i = 0; i < s->n_fields; i++) {
		text = (const char **)(void *)((char *)ret +
		    s->fields[i].offset);
		if (s->fields[i].type != MPROC_TYPE_STR || *text == NULL)
			continue;
		at = side->len;
		mproc__buf_append(side, *text, text_size(*text, &poke));
		mproc__buf_append(side, "", 1);
		*text = (const char *)side->data + at;
	}
	return true;
}

/* What stands before the arguments, of a kind up to `max`. */
static inline bool
read_head(uint8_t *body, size_t size, uint8_t max,
    struct mproc__envelope *ret)
{
	struct in in = { .start = body, .end = body + size };
	const uint8_t *p;
	uint32_t len;

	/* the shortest: head, kind, id, a command, no arguments */
	if (size < 6 || (body[0] & 0xfe) != 0x94 || body[1] > max)
		return false;
	p = read_uint64(&in, body + 2, &ret->id);
	if (p == NULL || p == in.end ||
	    (p = read_blob(&in, p, false, &len)) == NULL ||
	    len > MPROC_COMMAND_MAX)
		return false;
	ret->kind = body[1];
	ret->command = (const char *)p;
	ret->command_len = (uint8_t)len;
	ret->args = body + (p - body) + len;
	ret->args_size = size - (size_t)(ret->args - body);
	ret->n_fds = 0;
	ret->has_meta = body[0] == 0x95;
	ret->meta.deadline_ns = 0;
	return true;
}

bool
mproc__envelope_head(uint8_t *body, size_t size, struct mproc__envelope *ret)
{
	return read_head(body, size, MPROC__CALL, ret);
}

/* How long numbers, nil and truth values are, from 0xc0 on; 0 what is not. */
static const uint8_t scalar_size[32] = {
	[0x00] = 1, [0x02] = 1, [0x03] = 1, [0x0a] = 5, [0x0b] = 9,
	[0x0c] = 2, [0x0d] = 3, [0x0e] = 5, [0x0f] = 9,
	[0x10] = 2, [0x11] = 3, [0x12] = 5, [0x13] = 9,
};

/* Over a number, text or bytes at p; NULL if it is another, or truncated. */
static inline const uint8_t *
skip_plain(const struct in *in, const uint8_t *p)
{
	uint8_t head;
	uint32_t n;

	if (unlikely(p >= in->end))
		return NULL;
	head = *p;
	if (head < 0x80 || head >= 0xe0)
		return p + 1;
	n = head >= 0xc0 ? scalar_size[head - 0xc0] : 0;
	if (n > 0)
		return likely((size_t)(in->end - p) >= n) ? p + n : NULL;
	if ((p = read_blob(in, p, true, &n)) == NULL)
		return NULL;
	return p + n;
}

bool
mproc__envelope_fast(uint8_t *body, size_t size, struct mproc__envelope *ret)
{
	struct in in = { .start = body, .end = body + size };
	const uint8_t *p;
	unsigned n, len;

	if (unlikely(!read_head(body, size, MPROC__CREDIT, ret)) ||
	    ret->has_meta || ret->args == in.end ||
	    (*ret->args & 0xf0) != 0x80 ||
	    has_nul((const uint8_t *)ret->command, ret->command_len))
		return false;
	p = ret->args + 1;
	for (n = *ret->args & 15; n > 0; n--) {
		if (unlikely(p >= in.end) || unlikely((*p & 0xe0) != 0xa0))
			return false;
		len = *p++ & 31;
		if (unlikely((size_t)(in.end - p) <= len) ||
		    unlikely(has_nul(p, len)) ||
		    unlikely((p = skip_plain(&in, p + len)) == NULL))
			return false;
	}
	return p == in.end;
}
