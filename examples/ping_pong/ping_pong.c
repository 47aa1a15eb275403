/*
 * ping_pong.c - two processes play, the main program carries the ball.
 *
 * Backends do not know each other: what one emits the main program receives
 * in its own poll() loop and forwards to the other.
 */
#include <err.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>

#include <mproc.h>

#define LAST	6

MPROC_MESSAGE(player, ball, (int, hits));	/* the same both ways */

struct player {
	struct mproc_backend	base;
};

MPROC_COMMAND(player, ball)
{
	return mproc_emit(&self->base, player_ball, .hits = args->hits + 1);
}

static const struct mproc_handler player_handlers[] = {
	MPROC_HANDLER(player, ball, "hit the ball back"),
};
static const struct mproc_class player_class =
    MPROC_CLASS("Player", player, player_handlers);

/* What has come from one goes to the other; false: the game is over. */
static bool
pass(struct mproc *from, struct mproc *to)
{
	const struct player_ball *ball;
	struct mproc_msg *msg;
	bool going = true;
	int r;

	while (going && (r = mproc_recv(from, 0, &msg)) != 0) {
		if (r < 0 || (ball = mproc_args(msg, player_ball)) == NULL)
			errx(1, "%s", mproc_errmsg(from));
		printf("%s hits the ball: %d\n", mproc_name(from),
		    ball->hits);
		going = ball->hits < LAST;
		if (going && mproc_forward(to, msg, NULL) < 0)
			errx(1, "%s", mproc_errmsg(to));
		mproc_msg_free(msg);
	}
	return going;
}

int
main(int argc, char **argv)
{
	static const char *const names[] = { "left", "right" };
	struct pollfd fds[2];
	struct mproc *p[2];
	int i;

	if (mproc_init(argc, argv) < 0)
		errx(1, "%s", mproc_errmsg(NULL));
	for (i = 0; i < 2; i++) {
		if (mproc_new(&player_class, &(struct mproc_options){
		    .name = names[i] }, &p[i]) < 0 || mproc_start(p[i]) < 0)
			errx(1, "%s", mproc_errmsg(NULL));
		fds[i] = (struct pollfd){ mproc_fd(p[i]), POLLIN, 0 };
	}
	if (mproc_send(p[0], player_ball, .hits = 0) < 0)
		errx(1, "%s", mproc_errmsg(p[0]));
	while (pass(p[0], p[1]) && pass(p[1], p[0]))
		if (mproc_poll(fds, 2, 2000) <= 0)
			errx(1, "the ball is lost");
	if (mproc_stop_all(p, 2) < 0)
		warnx("%s", mproc_errmsg(NULL));
	mproc_free(p[0]);
	mproc_free(p[1]);
	return 0;
}
