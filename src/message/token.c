/*
 * token.c - msgpack heads, and the bounded scan.
 *
 * Invariant of the scan: left[0..depth] say how many parts each open
 * container still wants; none above 0 is 0 between two rounds.  Every part
 * is at least one byte, so a container that wants more parts than there are
 * bytes is refused at its head.
 */
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "message/token.h"
#include "system/error.h"

#define DEPTH_MAX	32
#define EXACT_MAX	(INT64_C(1) << 53)	/* doubles are exact up to it */

/* The heads 0xc0 to 0xdf: what they are, and the bytes of their number. */
enum form {
	NIL, NEVER, FALSE_, TRUE_, BIN, EXT, FLOAT, UINT, INT, FIXEXT, STR,
	ARRAY, MAP
};
static const struct { uint8_t form, width; } heads[32] = {
	{ NIL, 0 }, { NEVER, 0 }, { FALSE_, 0 }, { TRUE_, 0 },
	{ BIN, 1 }, { BIN, 2 }, { BIN, 4 }, { EXT, 1 },
	{ EXT, 2 }, { EXT, 4 }, { FLOAT, 4 }, { FLOAT, 8 },
	{ UINT, 1 }, { UINT, 2 }, { UINT, 4 }, { UINT, 8 },
	{ INT, 1 }, { INT, 2 }, { INT, 4 }, { INT, 8 },
	{ FIXEXT, 0 }, { FIXEXT, 0 }, { FIXEXT, 0 }, { FIXEXT, 0 },
	{ FIXEXT, 0 }, { STR, 1 }, { STR, 2 }, { STR, 4 },
	{ ARRAY, 2 }, { ARRAY, 4 }, { MAP, 2 }, { MAP, 4 },
};

static uint64_t
big_endian(const uint8_t *p, unsigned width)
{
	uint16_t n16;
	uint32_t n32;
	uint64_t n64;

	switch (width) {
	case 1:
		return *p;
	case 2:
		memcpy(&n16, p, sizeof(n16));
		return be16toh(n16);
	case 4:
		memcpy(&n32, p, sizeof(n32));
		return be32toh(n32);
	case 8:
		memcpy(&n64, p, sizeof(n64));
		return be64toh(n64);
	}
	return 0;
}

static void
set_uint(struct mproc__token *t, uint64_t n)
{
	if (n > INT64_MAX) {
		t->type = MPROC_TYPE_UINT64;
		t->v.u = n;
	} else {
		t->type = MPROC_TYPE_INT64;
		t->v.i = (int64_t)n;
	}
}

static void
set_int(struct mproc__token *t, uint64_t n, unsigned width)
{
	unsigned shift = 64 - 8 * width;

	/* to the top and back: the sign comes along (gcc, clang: arithmetic) */
	t->type = MPROC_TYPE_INT64;
	t->v.i = (int64_t)(n << shift) >> shift;
}

static void
set_float(struct mproc__token *t, uint64_t n, unsigned width)
{
	uint32_t bits = (uint32_t)n;
	float f;

	t->type = MPROC_TYPE_DOUBLE;
	if (width == 8) {
		memcpy(&t->v.d, &n, sizeof(n));
	} else {
		memcpy(&f, &bits, sizeof(f));
		t->v.d = (double)f;
	}
}

static const uint8_t *
payload(const uint8_t *p, const uint8_t *end, enum mproc_type type,
    uint32_t len, struct mproc__token *t)
{
	if (type == MPROC_TYPE_EXT) {
		if (p == end)
			return NULL;
		t->ext = (int8_t)*p++;
	}
	if ((size_t)(end - p) < len)
		return NULL;
	t->type = (uint8_t)type;
	t->len = len;
	t->payload = p;
	return p + len;
}

static const uint8_t *
container(const uint8_t *p, enum mproc_type type, uint32_t len,
    struct mproc__token *t)
{
	t->type = (uint8_t)type;
	t->len = len;
	return p;
}

/* A head of 0xc0 to 0xdf; p is behind it. */
static const uint8_t *
long_form(uint8_t head, const uint8_t *p, const uint8_t *end,
    struct mproc__token *t)
{
	unsigned width = heads[head & 31].width;
	uint64_t n;

	if ((size_t)(end - p) < width)
		return NULL;
	n = big_endian(p, width);
	p += width;
	switch ((enum form)heads[head & 31].form) {
	case NIL:
		t->type = MPROC_TYPE_NIL;
		return p;
	case FALSE_:
	case TRUE_:
		t->type = MPROC_TYPE_BOOL;
		t->v.b = head == 0xc3;
		return p;
	case BIN:
		return payload(p, end, MPROC_TYPE_BYTES, (uint32_t)n, t);
	case STR:
		return payload(p, end, MPROC_TYPE_STR, (uint32_t)n, t);
	case EXT:
		return payload(p, end, MPROC_TYPE_EXT, (uint32_t)n, t);
	case FIXEXT:
		return payload(p, end, MPROC_TYPE_EXT, 1U << (head - 0xd4), t);
	case FLOAT:
		return set_float(t, n, width), p;
	case UINT:
		return set_uint(t, n), p;
	case INT:
		return set_int(t, n, width), p;
	case ARRAY:
		return container(p, MPROC_TYPE_ARRAY, (uint32_t)n, t);
	case MAP:
		return container(p, MPROC_TYPE_MAP, (uint32_t)n, t);
	case NEVER:
		break;
	}
	return NULL;
}

/* All but small integers, which mproc__token() takes itself. */
const uint8_t *
mproc__token_any(const uint8_t *p, const uint8_t *end, struct mproc__token *t)
{
	uint8_t head;

	if (p >= end)
		return NULL;
	head = *p++;
	if (head < 0x90)
		return container(p, MPROC_TYPE_MAP, head & 15, t);
	if (head < 0xa0)
		return container(p, MPROC_TYPE_ARRAY, head & 15, t);
	if (head < 0xc0)
		return payload(p, end, MPROC_TYPE_STR, head & 31, t);
	return long_form(head, p, end, t);
}

/* The parts that follow the head t; -EBADMSG, -EMSGSIZE. */
static int64_t
parts(const struct mproc__token *t, size_t bytes_left, bool deep)
{
	uint64_t n = t->len;

	if (t->type == MPROC_TYPE_EXT && (t->ext == MPROC__EXT_FD ||
	    t->ext == MPROC__EXT_BUFFER))
		return mproc__err(-EBADMSG, "msgpack: extension %d has no "
		    "place inside a value", t->ext);
	if (t->type != MPROC_TYPE_ARRAY && t->type != MPROC_TYPE_MAP)
		return 0;
	if (t->type == MPROC_TYPE_MAP)
		n *= 2;
	if (n > bytes_left)
		return mproc__err(-EBADMSG, "msgpack: %s of %u in %zu bytes",
		    mproc__token_name(t), t->len, bytes_left);
	if (deep)
		return mproc__err(-EMSGSIZE, "msgpack: nested too deep");
	return (int64_t)n;
}

int
mproc__scan(const uint8_t **at, const uint8_t *end, int depth_max,
    uint32_t *items)
{
	uint64_t left[DEPTH_MAX + 1];	/* zeroing it would cost most of all */
	const uint8_t *p = *at;
	struct mproc__token t;
	int depth = 0;
	int64_t n;

	left[0] = 1;
	while (left[0] > 0 || depth > 0) {
		if (*items == 0)
			return mproc__err(-EMSGSIZE, "msgpack: more than %d "
			    "parts", MPROC__ITEMS_MAX);
		--*items;
		if ((p = mproc__token(p, end, &t)) == NULL)
			return mproc__err(-EBADMSG, "msgpack: truncated, or "
			    "the reserved head 0xc1");
		if ((n = parts(&t, (size_t)(end - p), depth >= depth_max)) < 0)
			return (int)n;
		left[depth]--;
		if (n > 0)
			left[++depth] = (uint64_t)n;
		while (depth > 0 && left[depth] == 0)
			depth--;
	}
	*at = p;
	return 0;
}

const char *
mproc__token_name(const struct mproc__token *t)
{
	if (t->type == MPROC_TYPE_EXT && t->ext == MPROC__EXT_FD)
		return mproc_type_name(MPROC_TYPE_FD);
	return mproc_type_name((enum mproc_type)t->type);
}

bool
mproc__token_is(const struct mproc__token *t, const char *text)
{
	size_t len = strlen(text);

	return t->type == MPROC_TYPE_STR && t->len == len &&
	    memcmp(t->payload, text, len) == 0;
}

int
mproc__token_int(const struct mproc__token *t, int64_t *ret)
{
	if (t->type != MPROC_TYPE_INT64)
		return -EINVAL;
	*ret = t->v.i;
	return 0;
}

int
mproc__token_uint(const struct mproc__token *t, uint64_t *ret)
{
	if (t->type == MPROC_TYPE_UINT64)
		*ret = t->v.u;
	else if (t->type == MPROC_TYPE_INT64 && t->v.i >= 0)
		*ret = (uint64_t)t->v.i;
	else
		return -EINVAL;
	return 0;
}

int
mproc__token_double(const struct mproc__token *t, double *ret)
{
	if (t->type == MPROC_TYPE_DOUBLE)
		*ret = t->v.d;
	else if (t->type == MPROC_TYPE_INT64 && t->v.i >= -EXACT_MAX &&
	    t->v.i <= EXACT_MAX)
		*ret = (double)t->v.i;
	else
		return -EINVAL;
	return 0;
}

const uint8_t *
mproc__entry(const uint8_t *p, const uint8_t *end, struct mproc__entry *ret)
{
	uint32_t items = MPROC__ITEMS_MAX;
	struct mproc__token t;
	const uint8_t *next;

	ret->start = p;
	if ((p = mproc__token(p, end, &ret->key)) == NULL ||
	    ret->key.type != MPROC_TYPE_STR)
		return NULL;
	ret->value = p;
	if ((next = mproc__token(p, end, &t)) == NULL)
		return NULL;
	if (t.type == MPROC_TYPE_ARRAY || t.type == MPROC_TYPE_MAP) {
		next = p;
		if (mproc__scan(&next, end, MPROC_VALUE_DEPTH, &items) < 0)
			return NULL;
	}
	ret->end = next;
	return next;
}

int
mproc__fd_index(const uint8_t *p, const uint8_t *end)
{
	struct mproc__token t = { .payload = NULL };

	if (mproc__token(p, end, &t) == NULL || t.type != MPROC_TYPE_EXT ||
	    t.ext != MPROC__EXT_FD || t.len != 1)
		return -1;
	return t.payload[0];
}
