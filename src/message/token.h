/*
 * token.h - msgpack bytes, one head at a time, and the bounded scan.
 *
 * Layer: base, private to message.  Everything that reads bytes of foreign
 * origin reads them through here: no length is believed before it was
 * compared with the bytes that are left, nothing is allocated, nothing
 * recurses.
 */
#ifndef MPROC_MESSAGE_TOKEN_H
#define MPROC_MESSAGE_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <mproc/value.h>

/* msgpack extension types with a meaning of ours */
#define MPROC__EXT_FD		1	/* one byte: index in the frame's fds */
#define MPROC__EXT_BUFFER	2	/* reserved: refused */

/* Parts (scalars, containers, keys) that one body may have. */
#define MPROC__ITEMS_MAX	MPROC_VALUE_ITEMS

struct mproc__token {
	uint8_t		 type;		/* enum mproc_type as a value has */
	int8_t		 ext;		/* of MPROC_TYPE_EXT */
	uint32_t	 len;		/* bytes; elements; entries */
	union {
		bool		b;
		int64_t		i;	/* INT64 */
		uint64_t	u;	/* UINT64: above INT64_MAX */
		double		d;
	} v;
	const uint8_t	*payload;	/* of text, bytes, extensions */
};

/*
 * Read the head at p, and the payload of text, bytes and extensions.  Returns
 * what follows (for a container its first element), or NULL: the bytes are
 * truncated, or the head is the one that msgpack never uses.
 */
const uint8_t *mproc__token_any(const uint8_t *p, const uint8_t *end,
    struct mproc__token *ret);

/* What is in one byte, and short text: most of what comes, in line. */
static inline const uint8_t *
mproc__token(const uint8_t *p, const uint8_t *end, struct mproc__token *t)
{
	uint8_t head;

	if (p >= end)
		return NULL;
	head = *p++;
	if (head < 0x80 || head >= 0xe0) {
		t->type = MPROC_TYPE_INT64;
		t->v.i = (int8_t)head;
		return p;
	}
	if (head < 0xa0) {
		t->type = head < 0x90 ? MPROC_TYPE_MAP : MPROC_TYPE_ARRAY;
		t->len = head & 15;
		return p;
	}
	if ((head & 0xe0) == 0xa0 && (size_t)(end - p) >= (head & 31U)) {
		t->type = MPROC_TYPE_STR;
		t->len = head & 31;
		t->payload = p;
		return p + t->len;
	}
	return mproc__token_any(p - 1, end, t);
}

static inline uint64_t
mproc__load8(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t
mproc__load4(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Is there a NUL in less than 16 bytes?  Done before memchr(3) has begun. */
static inline bool
mproc__has_nul_short(const uint8_t *p, size_t n)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t a, b;
	size_t i;

	if (n >= 8) {
		a = mproc__load8(p);
		b = mproc__load8(p + n - 8);
	} else if (n >= 4) {
		a = mproc__load4(p) | (uint64_t)mproc__load4(p + n - 4) << 32;
		b = a;
	} else {
		for (i = 0; i < n; i++)
			if (p[i] == '\0')
				return true;
		return false;
	}
	return ((((a - ones) & ~a) | ((b - ones) & ~b)) & ones << 7) != 0;
}

/*
 * Walk over one whole value, at most `depth_max` containers deep.  *items
 * counts down over calls.  0 and *at behind it, or -EBADMSG, -EMSGSIZE with a
 * text.
 */
int	mproc__scan(const uint8_t **at, const uint8_t *end, int depth_max,
	    uint32_t *items);

/* What people call the type of a token: an extension of ours is "fd". */
const char *mproc__token_name(const struct mproc__token *);

/* Is the token this text? */
bool	mproc__token_is(const struct mproc__token *, const char *text);

/*
 * A number out of a token: 0, or -EINVAL when it is none or does not fit.
 */
int	mproc__token_int(const struct mproc__token *, int64_t *ret);
int	mproc__token_uint(const struct mproc__token *, uint64_t *ret);
int	mproc__token_double(const struct mproc__token *, double *ret);

/* One entry of a map of arguments: raw bytes of key and value. */
struct mproc__entry {
	const uint8_t		*start;	/* the key's head */
	struct mproc__token	 key;
	const uint8_t		*value;
	const uint8_t		*end;
};
/* Read the entry at p of bytes that were scanned before; NULL if broken. */
const uint8_t *mproc__entry(const uint8_t *p, const uint8_t *end,
    struct mproc__entry *ret);
/* The index of a descriptor's value, or -1 when the value is no fd. */
int	mproc__fd_index(const uint8_t *p, const uint8_t *end);

#endif
