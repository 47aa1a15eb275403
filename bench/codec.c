/*
 * codec.c - what a small message costs before and behind the transport:
 *
 *	codec encode ROWS SECONDS	arguments into bytes, ns
 *	codec decode ROWS SECONDS	bytes scanned, taken apart, the row of
 *					the command found among ROWS, the
 *					fields checked, the handler called, ns
 *
 * The messages name all the commands in turn.  These are private functions,
 * so this program is linked with the library's objects.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mproc.h>

#include "../tools/mproc-bench/measure.h"
#include "message/message.h"
#include "process/class.h"

#define ROWS		1000
#define BODY		64		/* bytes that a body may take */
#define ROUND		1000		/* messages between looks at the clock */

struct codec {
	struct mproc_backend base;
	int64_t	total;
};

MPROC_MESSAGE(codec, add, (int64_t, by), (struct mproc_bytes, label));
MPROC_COMMAND(codec, add);

static const struct mproc_handler codec_rows[] = {
	MPROC_HANDLER(codec, add, "add to the total"),
};
static struct mproc_class codec_class =
    MPROC_CLASS("Codec", codec, codec_rows);

static struct mproc_handler rows[ROWS];
static struct mproc_schema schemas[ROWS];
static uint64_t hashes[ROWS];
static char names[ROWS][16];
static uint8_t bodies[ROWS][BODY];
static size_t sizes[ROWS];
static long n_rows;

static int
c__add(struct codec *self, const struct codec_add *args,
    struct mproc_request *req)
{
	(void)req;
	self->total += args->by;
	return 0;
}

static void
make_rows(void)
{
	long i;

	for (i = 0; i < n_rows; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "add_%ld", i);
		schemas[i] = *MPROC_SCHEMA(codec_add);
		schemas[i].command = names[i];
		schemas[i].hash = &hashes[i];
		rows[i] = codec_rows[0];
		rows[i].command = names[i];
		rows[i].schema = &schemas[i];
	}
	codec_class.handlers = rows;
	codec_class.n_handlers = (size_t)n_rows;
}

/* One message of each row into buf, then it is empty again. */
static void
encode(struct mproc__buf *buf, long n)
{
	static const char label[] = "a few apples";
	struct codec_add args = { .label = { label, sizeof(label) - 1 } };
	long i, row = 0;

	for (i = 0; i < n; i++) {
		args.by = i;
		buf->len = 0;
		if (mproc__encode(buf, MPROC__CAST, 0, &schemas[row], &args,
		    NULL, 1 << 20, NULL) < 0)
			errx(1, "encode: %s", mproc_errmsg(NULL));
		if (sizes[row] == 0 && buf->len <= BODY) {
			memcpy(bodies[row], buf->data, buf->len);
			sizes[row] = buf->len;
		}
		if (++row == n_rows)
			row = 0;
	}
}

static void
decode(struct mproc__index *index, struct codec *self, long n)
{
	const struct mproc__route *route, *last = NULL;
	struct mproc__envelope e;
	struct mproc__poke poke;
	struct codec_add args;
	long i, from = 0;

	for (i = 0; i < n; i++) {
		if (!mproc__envelope_head(bodies[from], sizes[from], &e) ||
		    (route = mproc__index_guess(index, &last, e.command,
		    e.command_len)) == NULL ||
		    !mproc__decode_body(route->schema, &e, &args, &poke) ||
		    rows[route->row].entry(&self->base, &args, NULL) < 0)
			errx(1, "decode: %s", mproc_errmsg(NULL));
		if (++from == n_rows)
			from = 0;
	}
}

int
main(int argc, char **argv)
{
	struct mproc__buf buf = { .data = NULL };
	struct codec self = { .total = 0 };
	struct mproc__index index;
	int64_t t, end, n = 0;

	if (argc != 4)
		errx(2, "usage: codec encode|decode rows seconds");
	n_rows = strtol(argv[2], NULL, 10);
	if (n_rows < 1 || n_rows > ROWS)
		errx(2, "1 to %d rows", ROWS);
	make_rows();
	if (mproc__index_init(&index, &codec_class) < 0)
		errx(1, "%s", mproc_errmsg(NULL));
	encode(&buf, ROWS);
	t = now_ns();
	end = t + (int64_t)(strtod(argv[3], NULL) * 1e9);
	do {
		if (strcmp(argv[1], "encode") == 0)
			encode(&buf, ROUND);
		else
			decode(&index, &self, ROUND);
		n += ROUND;
	} while (now_ns() < end);
	printf("%.2f\n", (double)(now_ns() - t) / (double)n);
	mproc__index_done(&index);
	mproc__buf_done(&buf);
	return self.total < 0;
}
