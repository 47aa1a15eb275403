/*
 * base64.c - what base64(1) does, by as many processes as there are
 * processors: stdin is read in blocks, and the blocks' texts are written in
 * their order.
 *
 * A stream reads its source only some blocks ahead of who takes the results,
 * so a pipe without end needs no more memory than a short one.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>

#include <mproc.h>

enum {
	LINE = 57,		/* bytes; as text 76, and a newline */
	LINES = 1000,		/* in a block */
	GROUPS = LINE * LINES / 3
};

MPROC_MESSAGE(base64, block, (struct mproc_bytes, data));
MPROC_MESSAGE(base64, text, (struct mproc_bytes, text));

struct base64 {
	struct mproc_backend base;
	char	 text[GROUPS * 4 + LINES];
};

/* Three bytes or less to four characters. */
static char *
put_group(char *at, const unsigned char *in, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned bits = (unsigned)in[0] << 16;

	bits |= n > 1 ? (unsigned)in[1] << 8 : 0;
	bits |= n > 2 ? in[2] : 0;
	*at++ = digits[bits >> 18];
	*at++ = digits[bits >> 12 & 63];
	*at++ = n > 1 ? digits[bits >> 6 & 63] : '=';
	*at++ = n > 2 ? digits[bits & 63] : '=';
	return at;
}

/* Runs in a worker. */
MPROC_COMMAND(base64, block)
{
	const unsigned char *in = args->data.data;
	size_t n = args->data.size, i;
	char *at = self->text;

	for (i = 0; i < n; i += 3) {
		at = put_group(at, in + i, n - i);
		if ((i + 3) % LINE == 0 || i + 3 >= n)
			*at++ = '\n';
	}
	return mproc_reply(req, base64_text,
	    .text = { self->text, (size_t)(at - self->text) });
}

static const struct mproc_handler handlers[] = {
	MPROC_HANDLER(base64, block, "its text",
	    .reply = MPROC_SCHEMA(base64_text)),
};
static const struct mproc_class base64_class =
    MPROC_CLASS("Base64", base64, handlers);

/* The source: the pool calls it when it has room for a block. */
static int
next_block(void *arg, struct mproc_msg **ret_msg)
{
	static char data[LINE * LINES];
	struct mproc_bytes block = { data, 0 };
	int r;

	if ((block.size = fread(data, 1, sizeof(data), arg)) == 0)
		return ferror((FILE *)arg) ? -EIO : 0;
	if ((r = mproc_msg_new("block", ret_msg)) < 0)
		return r;
	if ((r = mproc_msg_set(*ret_msg, "data", block)) < 0)
		*ret_msg = mproc_msg_free(*ret_msg);
	return r < 0 ? r : 1;
}

static int
write_texts(struct mproc_stream *stream)
{
	const struct base64_text *text;
	struct mproc_result result;
	int r;

	while ((r = mproc_stream_next(stream, -1, &result)) == 1) {
		text = mproc_args(result.reply, base64_text);
		if (text == NULL)
			warnx("block %llu: %s",
			    (unsigned long long)result.index, result.text);
		else if (fwrite(text->text.data, 1, text->text.size,
		    stdout) < text->text.size)
			err(1, "stdout");
		mproc_msg_free(result.reply);
		if (text == NULL)
			return -EIO;
	}
	return r;
}

int
main(int argc, char **argv)
{
	MPROC_SCOPED_POOL struct mproc_pool *pool = NULL;
	struct mproc_stream *stream;
	int r;

	if (mproc_init(argc, argv) < 0 ||
	    mproc_pool_new(&base64_class, NULL, &pool) < 0 ||
	    mproc_pool_start(pool) < 0 ||
	    mproc_pool_stream(pool, next_block, stdin, NULL, &stream) < 0) {
		warnx("%s", mproc_errmsg(NULL));
		return 1;		/* the pool ends with its scope */
	}
	if ((r = write_texts(stream)) < 0)
		warnx("stdin: %s", mproc_strerror(r));
	mproc_stream_free(stream);
	return r < 0;
}
