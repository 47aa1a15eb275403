/*
 * ping_pong.c - two processes play, the main program carries the ball.
 *
 * Backends do not know each other: what one emits the main program receives
 * in its own select() loop and forwards to the other.
 */
#include <stdio.h>
#include <sys/select.h>

#include <mproc.h>

#define LAST	6

MPROC_MESSAGE(player, ball, (int, hits));	/* the same both ways */

struct player {
	struct mproc_backend	base;
};

MPROC_COMMAND(player, ball);

static const struct mproc_handler player_handlers[] = {
	MPROC_HANDLER(player, ball, "hit the ball back"),
};
static const struct mproc_class player_class =
    MPROC_CLASS("Player", player, player_handlers);

static int
c__ball(struct player *self, const struct player_ball *args,
    struct mproc_request *req)
{
	(void)req;
	return mproc_emit(&self->base, player_ball, .hits = args->hits + 1);
}

/* 1 goes on, 0 the game is over. */
static int
pass(struct mproc *from, struct mproc *to)
{
	const struct player_ball *ball;
	struct mproc_msg *msg;
	int r;

	if ((r = mproc_recv(from, 0, &msg)) <= 0)
		return r < 0 ? r : 1;	/* nothing: go on */
	if ((ball = mproc_args(msg, player_ball)) == NULL) {
		r = -EBADMSG;
	} else {
		printf("%s hits the ball: %d\n", mproc_name(from),
		    ball->hits);
		r = ball->hits == LAST ? 0 : 1;
		if (r > 0 && mproc_forward(to, msg, NULL) < 0)
			r = -EPIPE;
	}
	mproc_msg_free(msg);
	return r;
}

static int
play(struct mproc *a, struct mproc *b)
{
	int fa = mproc_fd(a), fb = mproc_fd(b), r;
	fd_set fds;

	do {
		FD_ZERO(&fds);
		FD_SET(fa, &fds);
		FD_SET(fb, &fds);
		r = mproc_select((fa > fb ? fa : fb) + 1, &fds, NULL, NULL,
		    2000);
		if (r <= 0)
			return r < 0 ? r : -ETIMEDOUT;
		r = FD_ISSET(fa, &fds) ? pass(a, b) : pass(b, a);
	} while (r > 0);
	return r;
}

int
main(int argc, char **argv)
{
	static const char *const names[] = { "left", "right" };
	struct mproc *p[2] = { NULL, NULL };
	int i, r;

	r = mproc_init(argc, argv);
	for (i = 0; i < 2 && r == 0; i++)
		if ((r = mproc_new(&player_class, &(struct mproc_options){
		    .name = names[i] }, &p[i])) == 0)
			r = mproc_start(p[i]);
	if (r < 0 || (r = mproc_send(p[0], player_ball, .hits = 0)) < 0 ||
	    (r = play(p[0], p[1])) < 0 || (r = mproc_stop_all(p, 2)) < 0)
		(void)fprintf(stderr, "ping_pong: %s: %s\n", mproc_errname(r),
		    mproc_errmsg(NULL));
	mproc_free(p[0]);
	mproc_free(p[1]);
	return r < 0 || fflush(stdout) != 0;
}
