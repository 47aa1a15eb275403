/*
 * class.h (private) - finding a class's rows.
 *
 * Layer: core, process.
 */
#ifndef MPROC_PROCESS_CLASS_H
#define MPROC_PROCESS_CLASS_H

#include <string.h>

#include <mproc/class.h>

#include "message/message.h"

/*
 * Open addressing over the rows, by their commands and by what their
 * messages contain (mproc__schema_hash()); a quarter full, so that most are
 * found at the first look.
 */
struct mproc__route {			/* two a cache line */
	_Alignas(32) uint64_t first;	/* 8 bytes of the command, */
	uint64_t	 last;		/* and its last 8 */
	const struct mproc_schema *schema;	/* the row's */
	uint16_t	 len;		/* 0: empty */
	uint16_t	 row;
};
struct mproc__index {
	const struct mproc_class *class;
	struct mproc__route *slot;
	uint64_t	*message;	/* 0: empty */
	uint32_t	 shift, mask;
	bool		 has_urgent;
};
int	mproc__index_init(struct mproc__index *, const struct mproc_class *);
void	mproc__index_done(struct mproc__index *);
/* The row of a command (not terminated), or NULL; or -1. */
const struct mproc__route *mproc__index_route(
	    const struct mproc__index *, const char *command, size_t len);
int	mproc__index_find(const struct mproc__index *, const char *command,
	    size_t len);
static inline uint64_t
mproc__load(const char *p, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, p, n);
	return v;
}

/*
 * The first and the last 8 bytes of a command: all of it up to 16, and
 * enough to tell most of those apart that are longer.
 */
static inline void
mproc__command_ends(const char *s, size_t n, uint64_t *first, uint64_t *last)
{
	if (n >= 8) {
		*first = mproc__load(s, 8);
		*last = mproc__load(s + n - 8, 8);
	} else if (n >= 4) {
		*first = mproc__load(s, 4);
		*last = mproc__load(s + n - 4, 4);
	} else {
		*first = n > 0 ? (uint8_t)s[0] | (uint64_t)(uint8_t)s[n / 2]
		    << 8 : 0;
		*last = n > 0 ? (uint8_t)s[n - 1] : 0;
	}
}

/* Is it the command whose ends these are? */
static inline bool
mproc__route_is(const struct mproc__index *ix,
    const struct mproc__route *route, const char *command, size_t len,
    uint64_t first, uint64_t last)
{
	return route->first == first && route->last == last &&
	    route->len == len && (len <= 16 || memcmp(command,
	    ix->class->handlers[route->row].command, len) == 0);
}

/*
 * The same as mproc__index_route(), for commands that come in runs: *last,
 * NULL at first, is the guess; while it is right the processor need not wait
 * for the lookup.
 */
static inline const struct mproc__route *
mproc__index_guess(const struct mproc__index *ix,
    const struct mproc__route **last, const char *command, size_t len)
{
	uint64_t head, tail;

	mproc__command_ends(command, len, &head, &tail);
	if (*last == NULL ||
	    !mproc__route_is(ix, *last, command, len, head, tail))
		*last = mproc__index_route(ix, command, len);
	return *last;
}

/* Does a row take this message, with this content? */
bool	mproc__index_takes(const struct mproc__index *,
	    const struct mproc_schema *);
/*
 * May the class be sent this?  `schema` is of a typed message; or it is NULL,
 * and this is its `command`.  0, -ENOSYS, or -EINVAL: another message, or a
 * notification.
 */
int	mproc__index_check(const struct mproc__index *,
	    const struct mproc_schema *, const char *command);
/* May it be sent this notification?  0, -ENOSYS, -EINVAL. */
int	mproc__index_check_urgent(const struct mproc__index *,
	    const struct mproc_schema *);
/* One number for the whole table, to see that both sides have the same. */
uint64_t mproc__class_hash(const struct mproc_class *);

#endif
