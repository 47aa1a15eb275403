/*
 * class.h (private) - finding a class's rows.
 *
 * Layer: core, process.
 */
#ifndef MPROC_PROCESS_CLASS_H
#define MPROC_PROCESS_CLASS_H

#include <mproc/class.h>

/*
 * Open addressing over the rows, by their commands and by what their
 * messages contain (mproc__schema_hash()); a quarter full, so that most are
 * found at the first look.
 */
struct mproc__route {
	uint64_t	 first, last;	/* 8 bytes of the command each */
	const struct mproc_schema *schema;	/* the row's */
	uint16_t	 len;		/* 0: empty */
	uint16_t	 row;
};
struct mproc__index {
	const struct mproc_class *class;
	struct mproc__route *slot;
	uint64_t	*message;	/* 0: empty */
	uint32_t	 shift, mask;
};
int	mproc__index_init(struct mproc__index *, const struct mproc_class *);
void	mproc__index_done(struct mproc__index *);
/* The row of a command (not terminated), or NULL; or -1. */
const struct mproc__route *mproc__index_route(
	    const struct mproc__index *, const char *command, size_t len);
int	mproc__index_find(const struct mproc__index *, const char *command,
	    size_t len);
/* Does a row take this message, with this content? */
bool	mproc__index_takes(const struct mproc__index *,
	    const struct mproc_schema *);
/* One number for the whole table, to see that both sides have the same. */
uint64_t mproc__class_hash(const struct mproc_class *);

#endif
