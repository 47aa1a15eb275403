/*
 * hotpath_libc.c - the C library's part of the hot paths, the same
 * everywhere: the real one picks its code by the processor, and changes with
 * its version.  Eight bytes at a time where that is simple, as the real one
 * is not slow either; never for anything but counting.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ARENA	((size_t)64 << 20)
#define CLASSES	64		/* of 64 bytes each */

/* Eight bytes, wherever they are and whatever else is there. */
typedef uint64_t any_word __attribute__((may_alias, aligned(1)));

struct block {
	struct block	*next;
	size_t		 size;	/* with this head, a multiple of 64 */
};

static _Alignas(64) uint8_t arena[ARENA];
static size_t used;
static struct block *unused[CLASSES + 1];

/* the real names of parameters are reserved words */
/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */

void *
memcpy(void *restrict to, const void *restrict from, size_t n)
{
	const uint8_t *p = from;
	uint8_t *q = to;

	for (; n >= 8; n -= 8, p += 8, q += 8)
		*(any_word *)q = *(const any_word *)p;
	while (n-- > 0)
		*q++ = *p++;
	return to;
}

void *
memmove(void *to, const void *from, size_t n)
{
	const uint8_t *p = from;
	uint8_t *q = to;

	if (q <= p || q >= p + n)
		return memcpy(to, from, n);
	while (n-- > 0)
		q[n] = p[n];
	return to;
}

void *
memset(void *to, int c, size_t n)
{
	uint64_t v = (uint8_t)c * UINT64_C(0x0101010101010101);
	uint8_t *q = to;

	for (; n >= 8; n -= 8, q += 8)
		*(any_word *)q = v;
	while (n-- > 0)
		*q++ = (uint8_t)c;
	return to;
}

int
memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *p = a, *q = b;

	for (; n > 0; n--, p++, q++)
		if (*p != *q)
			return *p < *q ? -1 : 1;
	return 0;
}

void *
memchr(const void *s, int c, size_t n)
{
	const uint8_t *p = s;

	for (; n > 0; n--, p++)
		if (*p == (uint8_t)c)
			return (void *)(uintptr_t)p;
	return NULL;
}

size_t
strlen(const char *s)
{
	size_t n = 0;

	while (s[n] != '\0')
		n++;
	return n;
}

int
strcmp(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b)
		a++, b++;
	return (uint8_t)*a - (uint8_t)*b;
}

/* A block that was freed is used again by the next of its size. */
void *
malloc(size_t bytes)
{
	size_t size = (bytes + sizeof(struct block) + 63) & ~(size_t)63;
	struct block *b;

	if (bytes > ARENA || size > ARENA - used) {
		errno = ENOMEM;
		return NULL;
	}
	if (size / 64 <= CLASSES && unused[size / 64] != NULL) {
		b = unused[size / 64];
		unused[size / 64] = b->next;
		return b + 1;
	}
	b = (struct block *)(void *)(arena + used);
	used += size;
	b->size = size;
	return b + 1;
}

void
free(void *p)
{
	struct block *b;

	if (p == NULL)
		return;
	b = (struct block *)p - 1;
	if (b->size / 64 > CLASSES)
		return;
	b->next = unused[b->size / 64];
	unused[b->size / 64] = b;
}

void *
calloc(size_t n, size_t size)
{
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(n, size, &bytes) ||
	    (p = malloc(bytes + 1)) == NULL)
		return NULL;
	return memset(p, 0, bytes);
}

void *
realloc(void *p, size_t n)
{
	void *q = malloc(n);
	size_t had;

	if (p == NULL || q == NULL)
		return q;
	had = ((struct block *)p - 1)->size - sizeof(struct block);
	memcpy(q, p, n < had ? n : had);
	free(p);
	return q;
}

void *
aligned_alloc(size_t align, size_t n)
{
	uintptr_t at = (uintptr_t)malloc(n + align);

	return at != 0 ? (void *)((at + align - 1) & ~(align - 1)) : NULL;
}

int
clock_gettime(clockid_t clock, struct timespec *ret)
{
	(void)clock;
	*ret = (struct timespec){ .tv_sec = 1000 };
	return 0;
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
