/*
 * shm1.c - a frame in shared memory, made before the process starts.
 *
 * The frame travels once, as a descriptor in the start arguments; after that
 * only short messages do.  There is no name for the memory, so nothing can
 * be left behind, however the processes end.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>

#include <mproc.h>

enum { WIDTH = 640, HEIGHT = 480 };

MPROC_MESSAGE(viewer, start, (struct mproc_fd, frame));
MPROC_MESSAGE(viewer, look);
MPROC_MESSAGE(viewer, seen, (double, mean));

struct viewer {
	struct mproc_backend	 base;
	struct mproc_shm	*frame;
};

MPROC_COMMAND(viewer, look)
{
	const unsigned char *pixel = mproc_shm_data(self->frame);
	size_t i, n = mproc_shm_size(self->frame);
	double sum = 0;

	for (i = 0; i < n; i++)
		sum += pixel[i];
	return mproc_reply(req, viewer_seen, .mean = sum / (double)n);
}

static const struct mproc_handler viewer_handlers[] = {
	MPROC_HANDLER(viewer, look, "how bright is the frame?",
	    .reply = MPROC_SCHEMA(viewer_seen)),
};

/* What goes wrong here fails mproc_start(). */
static int
open_frame(struct mproc_backend *base)
{
	struct viewer *self = MPROC_SELF(viewer, base);
	const struct viewer_start *args = mproc_start_args(base, viewer_start);

	if (args == NULL || !args->frame.present)
		return -EINVAL;
	return mproc_shm_from_fd(args->frame.fd, NULL, &self->frame);
}

static int
close_frame(struct mproc_backend *base)
{
	mproc_shm_free(MPROC_SELF(viewer, base)->frame);
	return 0;
}

static const struct mproc_class viewer_class = MPROC_CLASS("Viewer", viewer,
    viewer_handlers, .pre_run = open_frame, .post_run = close_frame);

/* Paint a frame; nobody reads it before the call, nor writes during it. */
static void
show(struct mproc *p, struct mproc_shm *frame, int brightness)
{
	const struct viewer_seen *seen;
	struct mproc_msg *reply;

	memset(mproc_shm_data(frame), brightness, mproc_shm_size(frame));
	if (mproc_call(p, 1000, &reply, viewer_look) < 0 ||
	    (seen = mproc_args(reply, viewer_seen)) == NULL)
		errx(1, "%s", mproc_errmsg(p));
	printf("painted %d, seen %.1f\n", brightness, seen->mean);
	mproc_msg_free(reply);
}

int
main(int argc, char **argv)
{
	struct mproc_shm *frame;
	struct mproc *p;

	if (mproc_init(argc, argv) < 0 ||
	    mproc_shm_new(WIDTH * HEIGHT, NULL, &frame) < 0 ||
	    mproc_new(&viewer_class, &(struct mproc_options){
	    .args = MPROC_PACK(viewer_start,
	    .frame = MPROC_FD(mproc_shm_fd(frame))) }, &p) < 0 ||
	    mproc_start(p) < 0)
		errx(1, "%s", mproc_errmsg(NULL));
	show(p, frame, 0);
	show(p, frame, 200);
	mproc_free(p);
	mproc_shm_free(frame);
	return 0;
}
