/*
 * walk.h - the files at and below a path, in a fixed order.
 *
 * The order is that of the whole names as bytes, as in
 * `find PATH -type f | LC_ALL=C sort`.  Below a directory only plain files
 * count, symbolic links are not followed; the path itself is taken as it is,
 * whatever it is.  Memory: the names of the directories on the way down.
 *
 *  1. walk_new(), then for each path:
 *  2. walk_begin(), and walk_next() until it returns 0.
 *  3. walk_free().
 */
#ifndef WALK_H
#define WALK_H

#include <stdint.h>

struct walk;

/*
 * @name   borrowed until the next call
 * @size   unit: bytes; 0 when unknown
 * @error  an errno value: this is a directory that cannot be read
 */
struct walk_file {
	const char	*name;
	uint64_t	 size;
	int		 error;
};

/* 0 and a new walk: walk_free(); -ENOMEM. */
int walk_new(struct walk **ret_walk);
/* NULL is fine.  Returns NULL. */
struct walk *walk_free(struct walk *w);
/* 0 or -ENOMEM. */
int walk_begin(struct walk *w, const char *path);
/* 1 and a file, 0 when there is no more, or -ENOMEM. */
int walk_next(struct walk *w, struct walk_file *ret_file);

#endif
