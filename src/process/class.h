/*
 * class.h (private) - finding a class's rows.
 *
 * Layer: core, process.
 */
#ifndef MPROC_PROCESS_CLASS_H
#define MPROC_PROCESS_CLASS_H

#include <mproc/class.h>

/* Open addressing over the rows' commands; at most half full. */
struct mproc__index {
	const struct mproc_class *class;
	uint16_t	*slot;		/* row + 1, 0 empty */
	uint32_t	 mask;
};
int	mproc__index_init(struct mproc__index *, const struct mproc_class *);
void	mproc__index_done(struct mproc__index *);
/* The row of a command (not terminated), or -1. */
int	mproc__index_find(const struct mproc__index *, const char *command,
	    size_t len);
/* One number for the whole table, to see that both sides have the same. */
uint64_t mproc__class_hash(const struct mproc_class *);

#endif
