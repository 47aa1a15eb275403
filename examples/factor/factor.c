/*
 * factor.c - a pool in a select() loop that was there before: numbers come in
 * on stdin, their prime factors go out, in order, as factor(1) prints them.
 *
 * Nothing in the loop waits but select().  When the pool is full, stdin is
 * left alone until there is room.
 */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mproc.h>

MPROC_MESSAGE(factor, number, (uint64_t, n));
MPROC_MESSAGE(factor, line, (const char *, text));

struct factor {
	struct mproc_backend base;
};

/* Runs in a worker. */
MPROC_COMMAND(factor, number)
{
	uint64_t n = args->n, d = 2;
	char text[1000];
	size_t len;

	len = (size_t)snprintf(text, sizeof(text), "%" PRIu64 ":", n);
	while (n > 1) {
		if (d > n / d)
			d = n;		/* what is left is prime */
		for (; n % d == 0; n /= d)
			len += (size_t)snprintf(text + len,
			    sizeof(text) - len, " %" PRIu64, d);
		d += d == 2 ? 1 : 2;
	}
	return mproc_reply(req, factor_line, .text = text);
}

static const struct mproc_handler handlers[] = {
	MPROC_HANDLER(factor, number, "its prime factors",
	    .reply = MPROC_SCHEMA(factor_line)),
};
static const struct mproc_class factor_class =
    MPROC_CLASS("Factor", factor, handlers);

static char input[4096];	/* stdio would hide what it has read */
static size_t input_size;

/* False at the end of the input; its last line may lack the newline. */
static bool
read_lines(void)
{
	ssize_t n;

	n = read(STDIN_FILENO, input + input_size,
	    sizeof(input) - 1 - input_size);
	if (n > 0) {
		input_size += (size_t)n;
		return true;
	}
	if (n < 0)
		warn("stdin");
	if (input_size > 0 && input[input_size - 1] != '\n')
		input[input_size++] = '\n';
	return false;
}

/* Hand in each line that is complete.  False: the pool is full. */
static bool
put_lines(struct mproc_pool *pool)
{
	char *end;
	int r;

	while ((end = memchr(input, '\n', input_size)) != NULL) {
		r = mproc_pool_put(pool, 0, factor_number,
		    .n = strtoull(input, NULL, 10));
		if (r == -EAGAIN)
			return false;	/* its fd will tell of room */
		if (r < 0)
			errx(1, "%s", mproc_errmsg(NULL));
		input_size -= (size_t)(end + 1 - input);
		memmove(input, end + 1, input_size);
	}
	return true;
}

/* False when that was the last one. */
static bool
print_results(struct mproc_pool *pool)
{
	const struct factor_line *line;
	struct mproc_result result;
	int r;

	while ((r = mproc_pool_get(pool, 0, &result)) == 1) {
		line = mproc_args(result.reply, factor_line);
		printf("%s\n", line != NULL ? line->text : result.text);
		mproc_msg_free(result.reply);
	}
	return r == -EAGAIN;
}

int
main(int argc, char **argv)
{
	bool at_end = false, room = true, more = false;
	struct mproc_pool *pool;
	fd_set fds;

	if (mproc_init(argc, argv) < 0 || mproc_pool_new(&factor_class,
	    &(struct mproc_pool_options){ .ordered = true }, &pool) < 0 ||
	    mproc_pool_start(pool) < 0)
		errx(1, "%s", mproc_errmsg(NULL));
	while (!at_end || !room || more) {
		FD_ZERO(&fds);
		FD_SET(mproc_pool_fd(pool), &fds);
		if (room && !at_end)
			FD_SET(STDIN_FILENO, &fds);
		if (select(mproc_pool_fd(pool) + 1, &fds, NULL, NULL,
		    NULL) < 0)
			err(1, "select");
		if (FD_ISSET(STDIN_FILENO, &fds))
			at_end = !read_lines();
		mproc_pool_dispatch(pool, 0);
		room = put_lines(pool);
		more = print_results(pool);
	}
	mproc_pool_free(pool);
	return 0;
}
