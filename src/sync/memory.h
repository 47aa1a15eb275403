/*
 * memory.h - a mapped memfd, and whether its descriptor is still ours.
 *
 * Layer: base, private to src/sync.
 */
#ifndef MPROC_SYNC_MEMORY_H
#define MPROC_SYNC_MEMORY_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

struct mproc__memory {
	void	*addr;		/* NULL: nothing to give back */
	size_t	 size;
	int	 fd;
	dev_t	 dev;		/* which memfd, see memory.c */
	ino_t	 ino;
	unsigned made_in;	/* fork generation */
};

/* A new one, zeroed.  0, or as mproc__memfd() and mproc__map_shared() */
int	mproc__memory_new(struct mproc__memory *m, const char *name,
	    size_t size);
/*
 * One that exists: fd is borrowed (duplicated); size 0 takes all of it.
 * -EBADMSG no memfd, or it can shrink; -EPERM writing is sealed off
 */
int	mproc__memory_dup(struct mproc__memory *m, int fd, size_t size,
	    bool readonly);
/* The descriptor, or -EBADF: closed in this process */
int	mproc__memory_fd(const struct mproc__memory *m);
/* Unmap, close.  Zeroed ones are fine. */
void	mproc__memory_done(struct mproc__memory *m);

#endif
