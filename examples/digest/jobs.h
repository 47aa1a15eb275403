/*
 * jobs.h - the files under way, of which there is a bounded number.
 *
 * A job goes in at one end, is taken by whoever is free, done in any order,
 * and comes out at the other end in the order in which it went in.
 *
 *  1. jobs_new().
 *  2. jobs_add() while jobs_full() is false.
 *  3. jobs_take() to work on one: jobs_done(), or jobs_again() if that came
 *     to nothing.
 *  4. jobs_first() when it is done, then jobs_drop() that.
 *  5. jobs_free().
 */
#ifndef JOBS_H
#define JOBS_H

#include <stdbool.h>
#include <stdint.h>

#include "digest.h"

#define JOBS_MAX	8192

struct job {
	char		*name;
	uint64_t	 id;
	uint64_t	 size;		/* unit: bytes; a guess */
	int		 tries;		/* that ended with a dead process */
	int		 error;		/* an errno value, or 0 */
	bool		 done;
	unsigned char	 sum[DIGEST_SIZE];
};

struct jobs;

/* 0 and new jobs: jobs_free(); -ENOMEM. */
int jobs_new(struct jobs **ret_jobs);
/* NULL is fine.  Returns NULL. */
struct jobs *jobs_free(struct jobs *j);
bool jobs_full(const struct jobs *j);
bool jobs_empty(const struct jobs *j);
/* 0, or -ENOMEM.  name is copied.  With an error it is done already. */
int jobs_add(struct jobs *j, const char *name, uint64_t size, int error);
/* The next one to work on, or NULL.  Borrowed, until it is dropped. */
struct job *jobs_take(struct jobs *j);
/* The job of that number, or NULL when there is none under way. */
struct job *jobs_find(struct jobs *j, uint64_t id);
/* It was taken for nothing: it is the next to be taken. */
void jobs_again(struct jobs *j, struct job *job);
/* sum: DIGEST_SIZE bytes, NULL with an error. */
void jobs_done(struct job *job, const void *sum, int error);
/* The first one, if it is done, else NULL. */
struct job *jobs_first(struct jobs *j);
void jobs_drop(struct jobs *j);

#endif
