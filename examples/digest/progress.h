/*
 * progress.h - a progress bar on stderr.
 *
 * Zeroed it draws nothing, so that nobody else has to ask if there is one.
 * Whatever else goes to a terminal is written after progress_clear().
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool		on;		/* public: draw it */
	uint64_t	files, bytes;	/* public: done */
	uint64_t	all_files, all_bytes;	/* public: 0 when unknown */
	double		start;		/* private, as is the rest; seconds */
	double		last;
	bool		drawn;
};

/* The time is counted from here. */
void progress_start(struct progress *p);
/* Has it been so long since this was last true? */
bool progress_due(struct progress *p, int every_ms);
void progress_draw(struct progress *p);
void progress_clear(struct progress *p);

#endif
