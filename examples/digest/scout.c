/*
 * scout.c - the class that counts files and bytes ahead of the hashers.
 */
#include <errno.h>

#include "digest.h"
#include "walk.h"

#define TELL_EVERY	1000	/* files */

struct scout {
	struct mproc_backend	base;
	uint64_t		files, bytes;
};

MPROC_COMMAND(scout, path);

static const struct mproc_handler scout_handlers[] = {
	MPROC_HANDLER(scout, path, "count what is below the path"),
};

const struct mproc_class scout_class =
    MPROC_CLASS("Scout", scout, scout_handlers);

static int
tell(struct scout *self)
{
	return mproc_emit(&self->base, scout_found, .files = self->files,
	    .bytes = self->bytes);
}

static int
c__path(struct scout *self, const struct scout_path *args,
    struct mproc_request *req)
{
	struct walk_file file;
	struct walk *walk;
	int r;

	(void)req;
	if ((r = walk_new(&walk)) < 0)
		return r;
	r = walk_begin(walk, args->path);
	while (r == 0 && (r = walk_next(walk, &file)) > 0) {
		self->bytes += file.size;
		r = ++self->files % TELL_EVERY == 0 ? tell(self) : 0;
		if (!mproc_going(&self->base))
			r = -ECANCELED;
	}
	walk_free(walk);
	return r < 0 ? r : tell(self);
}
