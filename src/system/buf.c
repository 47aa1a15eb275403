/*
 * buf.c - a growable byte buffer.
 *
 * Invariant: len <= cap; data is NULL exactly while cap is 0.
 */
#include <stdlib.h>
#include <string.h>

#include "system/buf.h"

#define FIRST_CAP 256

static bool
grow(struct mproc__buf *b, size_t need)
{
	size_t cap = b->cap != 0 ? b->cap : FIRST_CAP;
	uint8_t *data;

	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	data = realloc(b->lent ? NULL : b->data, cap);
	if (data == NULL)
		return false;
	if (b->lent && b->data != NULL)
		memcpy(data, b->data, b->len);
	b->lent = false;
	b->data = data;
	b->cap = cap;
	return true;
}

uint8_t *
mproc__buf_reserve(struct mproc__buf *b, size_t n)
{
	if (b->failed)
		return NULL;
	if (n > SIZE_MAX - b->len ||
	    ((b->data == NULL || b->cap - b->len < n) &&
	    !grow(b, b->len + n))) {
		b->failed = true;
		return NULL;
	}
	return b->data + b->len;
}

void
mproc__buf_append(struct mproc__buf *b, const void *bytes, size_t n)
{
	uint8_t *to;

	if (n == 0 || (to = mproc__buf_reserve(b, n)) == NULL)
		return;
	memcpy(to, bytes, n);
	b->len += n;
}

void
mproc__buf_done(struct mproc__buf *b)
{
	if (!b->lent)
		free(b->data);
	*b = (struct mproc__buf){ .data = NULL };
}
