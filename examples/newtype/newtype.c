/*
 * newtype.c - objects of types of one's own that live in other processes.
 *
 * What a manager with registered types is for in Python's multiprocessing
 * takes a class here: the object is its struct, its public methods are the
 * rows of its table.  Three objects:
 *  - one whose table has f and g;
 *  - one of the same struct with another table, which has g and a method
 *    that the first keeps to itself;
 *  - one that makes a series: each item comes as soon as it is there.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <mproc.h>

MPROC_MESSAGE(foo, f);
MPROC_MESSAGE(foo, g);
MPROC_MESSAGE(foo, secret);
MPROC_MESSAGE(foo, said, (const char *, text), (int, calls));

struct foo {
	struct mproc_backend	base;
	int			calls;	/* of this object, by any method */
};

static int
say(struct foo *self, struct mproc_request *req, const char *method)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "you called %s of %s", method,
	    mproc_backend_name(&self->base));
	return mproc_reply(req, foo_said, .text = text,
	    .calls = ++self->calls);
}

MPROC_COMMAND(foo, f) { return say(self, req, "f()"); }
MPROC_COMMAND(foo, g) { return say(self, req, "g()"); }
MPROC_COMMAND(foo, secret) { return say(self, req, "secret()"); }

static const struct mproc_handler usual[] = {
	MPROC_HANDLER(foo, f, "say so", .reply = MPROC_SCHEMA(foo_said)),
	MPROC_HANDLER(foo, g, "say so", .reply = MPROC_SCHEMA(foo_said)),
};
static const struct mproc_class foo_class = MPROC_CLASS("Foo", foo, usual);

static const struct mproc_handler unusual[] = {
	MPROC_HANDLER(foo, g, "say so", .reply = MPROC_SCHEMA(foo_said)),
	MPROC_HANDLER(foo, secret, "say so", .reply = MPROC_SCHEMA(foo_said)),
};
static const struct mproc_class bar_class = MPROC_CLASS("Bar", foo, unusual);

MPROC_MESSAGE(series, squares, (int, n));
MPROC_MESSAGE(series, item, (int, value));

struct series {
	struct mproc_backend	base;
};

MPROC_COMMAND(series, squares)
{
	int i, r;

	for (i = 0; i < args->n; i++)
		if ((r = mproc_emit(&self->base, series_item,
		    .value = i * i)) < 0)
			return r;
	mproc_quit(&self->base, 0);
	return 0;
}

static const struct mproc_handler series_handlers[] = {
	MPROC_HANDLER(series, squares, "emit squares, and end"),
};
static const struct mproc_class series_class =
    MPROC_CLASS("Series", series, series_handlers);

static struct mproc *
create(const struct mproc_class *cls, const char *name)
{
	struct mproc *p;

	if (mproc_new(cls, &(struct mproc_options){ .name = name }, &p) < 0 ||
	    mproc_start(p) < 0)
		errx(1, "%s: %s", name, mproc_errmsg(NULL));
	return p;
}

/* What came back, or why nothing did. */
static void
print(struct mproc *p, int r, struct mproc_msg *reply)
{
	const struct foo_said *said;

	if (r == -ENOSYS)
		printf("%s has no such method\n", mproc_name(p));
	else if (r < 0 || (said = mproc_args(reply, foo_said)) == NULL)
		errx(1, "%s: %s", mproc_name(p), mproc_errmsg(p));
	else
		printf("%s, call %d\n", said->text, said->calls);
	if (r == 0)
		mproc_msg_free(reply);
}

static void
call_each(struct mproc *p)
{
	struct mproc_msg *reply = NULL;
	int r;

	r = mproc_call(p, 1000, &reply, foo_f);
	print(p, r, reply);
	r = mproc_call(p, 1000, &reply, foo_g);
	print(p, r, reply);
	r = mproc_call(p, 1000, &reply, foo_secret);
	print(p, r, reply);
}

int
main(int argc, char **argv)
{
	struct mproc *foo, *bar, *series;
	struct mproc_msg *msg;
	int r;

	if (mproc_init(argc, argv) < 0)
		errx(1, "%s", mproc_errmsg(NULL));
	foo = create(&foo_class, "foo");
	bar = create(&bar_class, "bar");
	series = create(&series_class, "series");
	call_each(foo);
	call_each(bar);
	if (mproc_send(series, series_squares, .n = 10) < 0)
		errx(1, "%s", mproc_errmsg(series));
	printf("squares:");
	while ((r = mproc_recv(series, -1, &msg)) == 1) {
		printf(" %d", mproc_args(msg, series_item)->value);
		mproc_msg_free(msg);
	}
	printf(r == -EPIPE ? "\n" : ", then an error\n");
	mproc_free(series);
	mproc_free(bar);
	mproc_free(foo);
	return 0;
}
