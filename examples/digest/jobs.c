/*
 * jobs.c - the files under way, of which there is a bounded number.
 *
 * A ring, numbered from the first job of all: first <= fresh <= end, and
 * end - first <= JOBS_MAX.  Jobs from fresh on were never taken; those in
 * again[] were taken for nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "jobs.h"

struct jobs {
	struct job	 ring[JOBS_MAX];
	uint64_t	 first, fresh, end;
	struct job	*again[JOBS_MAX];
	size_t		 n_again;
};

int
jobs_new(struct jobs **ret_jobs)
{
	struct jobs *j = calloc(1, sizeof(*j));

	if (j == NULL)
		return -ENOMEM;
	*ret_jobs = j;
	return 0;
}

struct jobs *
jobs_free(struct jobs *j)
{
	if (j == NULL)
		return NULL;
	while (!jobs_empty(j))
		jobs_drop(j);
	free(j);
	return NULL;
}

bool
jobs_full(const struct jobs *j)
{
	return j->end - j->first == JOBS_MAX;
}

bool
jobs_empty(const struct jobs *j)
{
	return j->end == j->first;
}

static struct job *
at(struct jobs *j, uint64_t id)
{
	return &j->ring[id % JOBS_MAX];
}

int
jobs_add(struct jobs *j, const char *name, uint64_t size, int error)
{
	struct job *job = at(j, j->end);

	*job = (struct job){ .name = strdup(name), .id = j->end,
	    .size = size, .error = error, .done = error != 0 };
	if (job->name == NULL)
		return -ENOMEM;
	j->end++;
	return 0;
}

struct job *
jobs_take(struct jobs *j)
{
	if (j->n_again > 0)
		return j->again[--j->n_again];
	while (j->fresh < j->end && at(j, j->fresh)->done)
		j->fresh++;
	return j->fresh < j->end ? at(j, j->fresh++) : NULL;
}

struct job *
jobs_find(struct jobs *j, uint64_t id)
{
	return id >= j->first && id < j->fresh ? at(j, id) : NULL;
}

void
jobs_again(struct jobs *j, struct job *job)
{
	j->again[j->n_again++] = job;
}

void
jobs_done(struct job *job, const void *sum, int error)
{
	job->done = true;
	job->error = error;
	if (error == 0)
		memcpy(job->sum, sum, sizeof(job->sum));
}

struct job *
jobs_first(struct jobs *j)
{
	struct job *job = at(j, j->first);

	return !jobs_empty(j) && job->done ? job : NULL;
}

void
jobs_drop(struct jobs *j)
{
	free(at(j, j->first)->name);
	j->first++;
	if (j->fresh < j->first)
		j->fresh = j->first;
}
