/*
 * codec_test.c - typed encode and decode: what is declared comes back, and
 * what does not fit the declaration is refused with a text that says why.
 */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "codec.h"

struct mproc__fdset test_fds;

/* Encode and decode one struct; the buffer holds what `ret` points to. */
static void
there_and_back(struct mproc__buf *buf, const struct test_all *in,
    struct test_all *ret)
{
	struct mproc__envelope env;
	struct mproc__poke poke;

	assert_int_equal(mproc__encode(buf, MPROC__CAST, 0,
	    MPROC_SCHEMA(test_all), in, NULL, SIZE_MAX, &test_fds), 0);
	test_open(buf, &env);
	assert_true(mproc__envelope_is(&env, "all"));
	assert_int_equal(mproc__decode(MPROC_SCHEMA(test_all), env.args,
	    env.args_size, test_fds.fd, test_fds.n, ret, &poke), 0);
}

static void
vk1_every_type_round_trips(void **state)
{
	static const uint8_t nested[] = { 0x93, 0x01, 0x92, 0x02, 0xc0, 0xa0 };
	struct mproc__buf buf = { .data = NULL };
	struct test_all out, in = {
		.b = true, .i = -7, .l = INT64_MIN, .u = UINT64_MAX, .d = 0.1,
		.s = "label", .raw = { "\0\xff", 2 }, .fd = MPROC_FD(0),
		.v = { nested, sizeof(nested) },
	};

	(void)state;
	there_and_back(&buf, &in, &out);
	assert_true(out.b);
	assert_int_equal(out.i, -7);
	assert_true(out.l == INT64_MIN && out.u == UINT64_MAX);
	assert_true(out.d == 0.1);
	assert_string_equal(out.s, "label");
	assert_int_equal(out.raw.size, 2);
	assert_memory_equal(out.raw.data, "\0\xff", 2);
	assert_true(out.fd.present);
	assert_int_equal(out.fd.fd, 0);
	assert_int_equal(out.v.size, sizeof(nested));
	assert_memory_equal(out.v.data, nested, sizeof(nested));
	mproc__buf_done(&buf);
}

static void
vk1_edges_round_trip(void **state)
{
	static const int64_t ints[] = { 0, 1, -1, 127, 128, -32, -33, -128,
	    -129, 255, 256, 32767, -32768, -32769, 65535, 65536, INT32_MAX,
	    INT32_MIN, (int64_t)INT32_MAX + 1, (int64_t)INT32_MIN - 1,
	    INT64_MAX, INT64_MIN };
	struct test_all out;
	size_t i;

	(void)state;
	for (i = 0; i < TEST_COUNT(ints); i++) {
		struct mproc__buf buf = { .data = NULL };
		struct test_all in = {
			.l = ints[i], .u = (uint64_t)ints[i],
			.d = (double)ints[i], .s = "", .raw = { "", 0 },
		};

		there_and_back(&buf, &in, &out);
		assert_true(out.l == in.l && out.u == in.u && out.d == in.d);
		assert_string_equal(out.s, "");
		assert_non_null(out.raw.data);
		assert_int_equal(out.raw.size, 0);
		assert_false(out.fd.present);
		assert_null(out.v.data);
		mproc__buf_done(&buf);
	}
}

static void
vk1_strange_doubles_round_trip(void **state)
{
	static const double doubles[] = { NAN, INFINITY, -INFINITY, -0.0,
	    5e-324, 1.7976931348623157e308, 0.1 };
	struct test_all out;
	size_t i;

	(void)state;
	for (i = 0; i < TEST_COUNT(doubles); i++) {
		struct mproc__buf buf = { .data = NULL };
		struct test_all in = { .d = doubles[i] };

		there_and_back(&buf, &in, &out);
		if (isnan(in.d))
			assert_true(isnan(out.d));
		else
			assert_memory_equal(&out.d, &in.d, sizeof(in.d));
		assert_null(out.s);
		mproc__buf_done(&buf);
	}
}

MPROC_MESSAGE(test, many, (int, f1), (int, f2), (int, f3), (int, f4),
    (int, f5), (int, f6), (int, f7), (int, f8), (int, f9), (int, f10),
    (int, f11), (int, f12), (int, f13), (int, f14), (int, f15), (int, f16),
    (int, f17), (int, f18), (int, f19), (int, f20), (int, f21), (int, f22),
    (int, f23), (int, f24), (int, f25), (int, f26), (int, f27), (int, f28),
    (int, f29), (int, f30), (int, f31),
    (const char *, a_name_of_31_bytes_is_the_limit));

static void
thirty_two_fields(void **state)
{
	struct mproc__buf buf = { .data = NULL };
	struct mproc__envelope env;
	struct mproc__poke poke;
	struct test_many out;

	(void)state;
	assert_int_equal(MPROC_SCHEMA(test_many)->n_fields, 32);
	assert_int_equal(mproc__schema_check(MPROC_SCHEMA(test_many)), 0);
	assert_int_equal(test_put(&buf, test_many, .f1 = 1, .f31 = -31,
	    .a_name_of_31_bytes_is_the_limit = "x"), 0);
	test_open(&buf, &env);
	assert_int_equal(mproc__decode(MPROC_SCHEMA(test_many), env.args,
	    env.args_size, NULL, 0, &out, &poke), 0);
	assert_int_equal(out.f1, 1);
	assert_int_equal(out.f2, 0);
	assert_int_equal(out.f31, -31);
	assert_string_equal(out.a_name_of_31_bytes_is_the_limit, "x");
	mproc__buf_done(&buf);
}

static void
an_empty_message(void **state)
{
	struct mproc__buf buf = { .data = NULL };
	struct mproc__envelope env;
	struct mproc__poke poke;
	struct test_empty out;

	(void)state;
	assert_int_equal(MPROC_SCHEMA(test_empty)->n_fields, 0);
	assert_int_equal(test_put(&buf, test_empty), 0);
	assert_int_equal(buf.len, 10);	/* 94 00 00 a5 e m p t y 80 */
	test_open(&buf, &env);
	assert_int_equal(mproc__decode(MPROC_SCHEMA(test_empty), env.args,
	    env.args_size, NULL, 0, &out, &poke), 0);
	mproc__buf_done(&buf);
}

/* Decode an args map given as bytes, against test_all. */
static int
decode(const void *bytes, size_t size, struct test_all *ret)
{
	uint8_t *args = test_body(bytes, size);
	uint8_t *before = test_body(bytes, size);
	int fds[1] = { 5 };
	struct mproc__poke poke;
	int r;

	r = mproc__decode(MPROC_SCHEMA(test_all), args, size, fds, 1, ret,
	    &poke);
	assert_true(r == 0 || poke.n == 0);
	mproc__poke_undo(&poke);
	assert_memory_equal(args, before, size + 1);
	free(args);
	free(before);
	return r;
}
#define DECODE(text_, ret_)	decode(text_, sizeof(text_) - 1, ret_)

static void
every_width_of_an_integer(void **state)
{
	static const struct { const char *bytes; size_t size; int64_t n; } t[] = {
		{ "\x81\xa1l\x05", 4, 5 }, { "\x81\xa1l\xe0", 4, -32 },
		{ "\x81\xa1l\xcc\xff", 5, 255 },
		{ "\x81\xa1l\xcd\x00\x01", 6, 1 },
		{ "\x81\xa1l\xce\xff\xff\xff\xff", 8, UINT32_MAX },
		{ "\x81\xa1l\xcf\0\0\0\0\0\0\0\x07", 12, 7 },
		{ "\x81\xa1l\xcf\x7f\xff\xff\xff\xff\xff\xff\xff", 12,
		    INT64_MAX },
		{ "\x81\xa1l\xd0\x80", 5, -128 },
		{ "\x81\xa1l\xd1\x80\x00", 6, -32768 },
		{ "\x81\xa1l\xd2\x80\0\0\0", 8, INT32_MIN },
		{ "\x81\xa1l\xd3\x80\0\0\0\0\0\0\0", 12, INT64_MIN },
		{ "\x81\xd9\x01l\x05", 5, 5 },		/* a long key */
		{ "\xde\x00\x01\xa1l\x05", 6, 5 },	/* a long map */
		{ "\xdf\0\0\0\x01\xa1l\x05", 8, 5 },
	};
	struct test_all out;
	size_t i;

	(void)state;
	for (i = 0; i < TEST_COUNT(t); i++) {
		assert_int_equal(decode(t[i].bytes, t[i].size, &out), 0);
		assert_true(out.l == t[i].n);
	}
}

static void
numbers_that_do_not_fit(void **state)
{
	struct test_all out;

	(void)state;
	assert_int_equal(DECODE("\x81\xa1i\xce\x80\0\0\0", &out), -EINVAL);
	test_errmsg("class test, command all, field i: expected int32, got "
	    "2147483648, which does not fit");
	assert_int_equal(DECODE("\x81\xa1l\xcf\x80\0\0\0\0\0\0\0", &out),
	    -EINVAL);
	test_errmsg("class test, command all, field l: expected int64, got "
	    "9223372036854775808, which does not fit");
	assert_int_equal(DECODE("\x81\xa1u\xff", &out), -EINVAL);
	test_errmsg("class test, command all, field u: expected uint64, got "
	    "-1, which does not fit");
	/* 2^53 is exact, 2^53 + 1 is not */
	assert_int_equal(DECODE("\x81\xa1" "d\xcf\0\x20\0\0\0\0\0\0", &out),
	    0);
	assert_true(out.d == 9007199254740992.0);
	assert_int_equal(DECODE("\x81\xa1" "d\xcf\0\x20\0\0\0\0\0\x01", &out),
	    -EINVAL);
	assert_int_equal(DECODE("\x81\xa1" "d\xd3\xff\xe0\0\0\0\0\0\0", &out),
	    0);
	assert_true(out.d == -9007199254740992.0);
	assert_int_equal(DECODE("\x81\xa1" "d\xca\x3f\x80\0\0", &out), 0);
	assert_true(out.d == 1.0);
}

static void
vk9_wrong_types_name_the_field(void **state)
{
	static const struct { const char *bytes; size_t size; const char *text; }
	t[] = {
		{ "\x81\xa1l\xa1x", 5, "l: expected int64, got str" },
		{ "\x81\xa1l\xcb\x3f\xf0\0\0\0\0\0\0", 12,
		    "l: expected int64, got double" },
		{ "\x81\xa1i\xc3", 4, "i: expected int32, got bool" },
		{ "\x81\xa1u\x90", 4, "u: expected uint64, got array" },
		{ "\x81\xa1" "d\x80", 4, "d: expected double, got map" },
		{ "\x81\xa1" "b\x01", 4, "b: expected bool, got int64" },
		{ "\x81\xa1s\xc4\x01x", 6, "s: expected str, got bytes" },
		{ "\x81\xa1s\x01", 4, "s: expected str, got int64" },
		{ "\x81\xa3raw\x01", 6, "raw: expected bytes, got int64" },
		{ "\x81\xa2" "fd\x01", 5, "fd: expected fd, got int64" },
		{ "\x81\xa2" "fd\xd4\x02\x00", 7,
		    "fd: expected fd, got extension" },
		{ "\x81\xa1v\xd4\x01\x00", 6, "v: expected value, got fd" },
		{ "\x81\xa1v\xd4\x02\x00", 6,
		    "v: expected value, got extension" },
		{ "\x81\xa1s\xa3" "a\0b", 7, "s: a NUL inside the text" },
		{ "\x82\xa1l\x01\xa1l\x02", 7, "l: there twice" },
		{ "\x81\xa1v\x91\xd4\x01\x00", 7,
		    "v: broken, or nested too deep" },
		{ "\x81\xa1l\xcd\x01", 5, "l: truncated" },
	};
	char text[128];
	struct test_all out;
	size_t i;

	(void)state;
	for (i = 0; i < TEST_COUNT(t); i++) {
		assert_int_equal(decode(t[i].bytes, t[i].size, &out),
		    -EINVAL);
		snprintf(text, sizeof(text),
		    "class test, command all, field %s", t[i].text);
		test_errmsg(text);
	}
}

static void
vk9_wrong_maps_are_refused(void **state)
{
	struct test_all out;

	(void)state;
	assert_int_equal(DECODE("\x81\xa3" "bye\x03", &out), -EINVAL);
	test_errmsg("class test, command all: unknown field \"bye\"");
	assert_int_equal(DECODE("\x81\x01\x03", &out), -EINVAL);
	test_errmsg("class test, command all: the name of a field is int64, "
	    "not text");
	assert_int_equal(DECODE("\x90", &out), -EINVAL);
	test_errmsg("class test, command all: the arguments are no map");
	assert_int_equal(DECODE("\x80\x00", &out), -EINVAL);
	test_errmsg("class test, command all: 1 bytes left over");
	assert_int_equal(DECODE("\x81\xa5x", &out), -EINVAL);
	test_errmsg("class test, command all: truncated");
	assert_int_equal(DECODE("\x82\xa1l\x01", &out), -EINVAL);
	assert_int_equal(DECODE("\x81\xa2" "fd\xd4\x01\x01", &out), -EBADF);
	test_errmsg("class test, command all, field fd: the descriptor did "
	    "not arrive");
}

static void
nil_is_absent_and_str_is_bytes(void **state)
{
	struct test_all out;

	(void)state;
	assert_int_equal(DECODE("\x89\xa1v\xc0\xa2" "fd\xc0\xa3raw\xc0\xa1s\xc0"
	    "\xa1" "d\xc0\xa1u\xc0\xa1l\xc0\xa1i\xc0\xa1" "b\xc0", &out), 0);
	assert_null(out.s);
	assert_null(out.v.data);
	assert_null(out.raw.data);
	assert_false(out.fd.present);
	assert_int_equal(DECODE("\x81\xa3raw\xa2xy", &out), 0);
	assert_int_equal(out.raw.size, 2);
	/* twice is twice, also when one is nil */
	assert_int_equal(DECODE("\x82\xa1l\xc0\xa1l\x02", &out), -EINVAL);
}

/* Text is terminated over the next key, and the body can be had back. */
static void
text_beside_text(void **state)
{
	struct mproc__buf buf = { .data = NULL };
	struct mproc__envelope env;
	struct mproc__poke poke;
	struct counter_pair out;
	uint8_t *copy;

	(void)state;
	assert_int_equal(test_put(&buf, counter_pair, .a = "one", .b = "two"),
	    0);
	test_open(&buf, &env);
	buf.data[buf.len] = 0x77;
	copy = test_body(buf.data, buf.len);
	copy[buf.len] = 0x77;
	assert_int_equal(mproc__decode(MPROC_SCHEMA(counter_pair), env.args,
	    env.args_size, NULL, 0, &out, &poke), 0);
	assert_string_equal(out.a, "one");
	assert_string_equal(out.b, "two");
	assert_int_equal(poke.n, 2);
	mproc__poke_undo(&poke);
	assert_memory_equal(buf.data, copy, buf.len + 1);
	mproc__poke_redo(&poke);
	assert_string_equal(out.a, "one");
	free(copy);
	mproc__buf_done(&buf);
}

static void
the_limit_of_a_message(void **state)
{
	struct mproc__buf buf = { .data = NULL };
	struct counter_add add = { .by = 1, .label = "0123456789" };
	size_t max;
	int r;

	(void)state;
	mproc__buf_append(&buf, "keep", 4);
	for (max = 0; max < 64; max++) {
		r = mproc__encode(&buf, MPROC__CAST, 0,
		    MPROC_SCHEMA(counter_add), &add, NULL, max, NULL);
		if (r == 0)
			break;
		assert_int_equal(r, -EMSGSIZE);
		assert_int_equal(buf.len, 4);
		assert_false(buf.failed);
	}
	assert_int_equal(buf.len, 4 + max);
	assert_memory_equal(buf.data, "keep\x94", 5);
	mproc__buf_done(&buf);
}

MPROC_MESSAGE(test, fds, (struct mproc_fd, f1), (struct mproc_fd, f2),
    (struct mproc_fd, f3), (struct mproc_fd, f4), (struct mproc_fd, f5),
    (struct mproc_fd, f6), (struct mproc_fd, f7), (struct mproc_fd, f8),
    (struct mproc_fd, f9), (struct mproc_fd, f10), (struct mproc_fd, f11),
    (struct mproc_fd, f12), (struct mproc_fd, f13), (struct mproc_fd, f14),
    (struct mproc_fd, f15), (struct mproc_fd, f16), (struct mproc_fd, f17));

static void
descriptors_that_cannot_be_sent(void **state)
{
	struct mproc__buf buf = { .data = NULL };
	struct test_fds many;
	struct mproc_fd *f = &many.f1;
	int i;

	(void)state;
	assert_int_equal(test_put(&buf, test_all, .fd = MPROC_FD(-1)),
	    -EBADF);
	test_errmsg("class test, command all, field fd: no such descriptor: "
	    "-1");
	assert_int_equal(test_put(&buf, test_all, .fd = MPROC_FD(9999)),
	    -EBADF);
	assert_int_equal(buf.len, 0);
	for (i = 0; i < 17; i++)
		f[i] = MPROC_FD(0);
	assert_int_equal(mproc__encode(&buf, MPROC__CAST, 0,
	    MPROC_SCHEMA(test_fds), &many, NULL, SIZE_MAX, &test_fds),
	    -EINVAL);
	f[16].present = false;
	assert_int_equal(mproc__encode(&buf, MPROC__CAST, 0,
	    MPROC_SCHEMA(test_fds), &many, NULL, SIZE_MAX, &test_fds), 0);
	assert_int_equal(test_fds.n, 16);
	/* a struct of zeros does not send standard input */
	buf.len = 0;
	assert_int_equal(test_put(&buf, test_all, .i = 1), 0);
	assert_int_equal(test_fds.n, 0);
	mproc__buf_done(&buf);
}

static void
values_that_cannot_be_sent(void **state)
{
	struct mproc__buf buf = { .data = NULL };
	uint8_t deep[31];

	(void)state;
	assert_int_equal(test_put(&buf, test_all, .v = { "\x92\x01", 2 }),
	    -EINVAL);
	assert_int_equal(test_put(&buf, test_all, .v = { "\x01\x01", 2 }),
	    -EINVAL);
	assert_int_equal(test_put(&buf, test_all, .v = { "\xd4\x01\0", 3 }),
	    -EINVAL);
	memset(deep, 0x91, sizeof(deep));
	deep[30] = 0xc0;
	assert_int_equal(test_put(&buf, test_all, .v = { deep, 31 }), 0);
	deep[30] = 0x90;
	assert_int_equal(test_put(&buf, test_all, .v = { deep, 31 }),
	    -EMSGSIZE);
	assert_int_equal(test_put(&buf, test_all, .raw = { NULL, 1 }),
	    -EINVAL);
	test_errmsg("class test, command all, field raw: bytes without data");
	mproc__buf_done(&buf);
}

static void
no_memory_leaves_the_buffer_usable(void **state)
{
	struct mproc__buf buf = { .data = NULL };
	int r;
	unsigned n;

	(void)state;
	for (n = 1;; n++) {
		test_fail_alloc(n);
		r = test_put(&buf, counter_add, .by = 1);
		if (!test_fail_done())
			break;
		assert_int_equal(r, -ENOMEM);
		assert_int_equal(buf.len, 0);
	}
	assert_int_equal(r, 0);
	assert_true(n > 1);
	mproc__buf_done(&buf);
}

static const struct mproc_field bad_rows[] = {
	{ 0xa1, "a", MPROC_TYPE_INT64, 0 },
	{ 0xa1, "a", MPROC_TYPE_INT64, 8 },
	{ 0xa2, "a", MPROC_TYPE_INT64, 0 },
	{ 0xa1, "a", MPROC_TYPE_ARRAY, 0 },
	{ 0xa1, "a", MPROC_TYPE_BYTES, 8 },
	{ 0xa0, "", MPROC_TYPE_BOOL, 0 },
};

static int
check_rows(const struct mproc_field *rows, uint32_t n)
{
	struct mproc_schema s = {
		.class_name = "test", .command = "bad", .size = 16,
		.fields = rows, .n_fields = n,
	};

	return mproc__schema_check(&s);
}

static void
schemas_as_data(void **state)
{
	static uint64_t hash;
	struct mproc_schema copy = *MPROC_SCHEMA(counter_add);
	struct mproc_schema s = { .class_name = "test", .command = "" };

	(void)state;
	copy.hash = &hash;
	assert_true(mproc__schema_hash(&copy) ==
	    mproc__schema_hash(MPROC_SCHEMA(counter_add)));
	assert_true(hash != 0);
	copy.hash = NULL;
	copy.class_name = "other";
	assert_true(mproc__schema_hash(&copy) !=
	    mproc__schema_hash(MPROC_SCHEMA(counter_add)));
	assert_int_equal(mproc__schema_check(MPROC_SCHEMA(test_all)), 0);
	assert_int_equal(mproc__schema_check(MPROC_SCHEMA(test_empty)), 0);
	assert_int_equal(mproc__schema_check(NULL), -EINVAL);
	assert_int_equal(mproc__schema_check(&s), -EINVAL);
	assert_int_equal(check_rows(bad_rows, 1), 0);
	assert_int_equal(check_rows(bad_rows, 2), -EINVAL);
	test_errmsg("class test, command bad, field a: there twice");
	assert_int_equal(check_rows(bad_rows + 2, 1), -EINVAL);
	assert_int_equal(check_rows(bad_rows + 3, 1), -EINVAL);
	assert_int_equal(check_rows(bad_rows + 4, 1), -EINVAL);
	assert_int_equal(check_rows(bad_rows + 5, 1), -EINVAL);
	assert_int_equal(check_rows(bad_rows, 33), -EINVAL);
	assert_string_equal(mproc_type_name(MPROC_TYPE_UINT64), "uint64");
	assert_string_equal(mproc_type_name((enum mproc_type)99), "?");
}

static const struct { int x; struct mproc_pack args; } options = {
	.x = 1, .args = MPROC_PACK(counter_add, .by = 9),
};

static int
sum(const struct mproc_schema *s, const void *args)
{
	return s == MPROC_SCHEMA(counter_add) ?
	    (int)((const struct counter_add *)args)->by : 1;
}

/* A call inside an argument of a call, and a pack in a static initialiser. */
static void
keyword_arguments(void **state)
{
#define test_sum(message_, ...)						\
	mproc__kwargs(message_, sum(MPROC_SCHEMA(message_), &mproc__kw)	\
	    __VA_OPT__(,) __VA_ARGS__)

	(void)state;
	assert_int_equal(test_sum(test_empty), 1);
	assert_int_equal(test_sum(counter_add, .by = 3), 3);
	assert_int_equal(test_sum(counter_add,
	    .by = test_sum(test_empty) + test_sum(counter_add, .by = 4)), 5);
	assert_ptr_equal(options.args.schema, MPROC_SCHEMA(counter_add));
	assert_int_equal(sum(options.args.schema, options.args.args), 9);
}

MPROC_MESSAGE(test, blob, (int, n), (struct mproc_bytes, data));

/*
 * Room is left for who asked for it: anybody else would send what memory
 * held before.  Large bytes stay where they are if the writer takes them.
 */
static void
room_in_a_message(void **state)
{
	static const uint8_t bytes[MPROC__APART_MIN];
	struct mproc__apart apart = { NULL, 0 };
	struct mproc__buf buf = { .data = NULL };
	struct test_blob blob = { .data = MPROC_ROOM(8) };

	(void)state;
	assert_int_equal(mproc__encode(&buf, MPROC__REPLY, 1,
	    MPROC_SCHEMA(test_blob), &blob, NULL, SIZE_MAX, NULL), -EINVAL);
	assert_int_equal(buf.len, 0);
	buf.takes_room = true;
	assert_int_equal(mproc__encode(&buf, MPROC__REPLY, 1,
	    MPROC_SCHEMA(test_blob), &blob, NULL, SIZE_MAX, NULL), 0);
	assert_int_equal(buf.hole + 8, buf.len);
	mproc__buf_done(&buf);

	buf.apart = &apart;
	blob.data = (struct mproc_bytes){ bytes, sizeof(bytes) };
	assert_int_equal(mproc__encode(&buf, MPROC__REPLY, 1,
	    MPROC_SCHEMA(test_blob), &blob, NULL, SIZE_MAX, NULL), 0);
	assert_ptr_equal(apart.data, bytes);
	assert_int_equal(apart.size, sizeof(bytes));
	assert_int_equal(buf.hole + sizeof(bytes), buf.len);
	mproc__buf_done(&buf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vk1_every_type_round_trips),
		cmocka_unit_test(vk1_edges_round_trip),
		cmocka_unit_test(vk1_strange_doubles_round_trip),
		cmocka_unit_test(thirty_two_fields),
		cmocka_unit_test(an_empty_message),
		cmocka_unit_test(every_width_of_an_integer),
		cmocka_unit_test(numbers_that_do_not_fit),
		cmocka_unit_test(vk9_wrong_types_name_the_field),
		cmocka_unit_test(vk9_wrong_maps_are_refused),
		cmocka_unit_test(nil_is_absent_and_str_is_bytes),
		cmocka_unit_test(text_beside_text),
		cmocka_unit_test(the_limit_of_a_message),
		cmocka_unit_test(descriptors_that_cannot_be_sent),
		cmocka_unit_test(values_that_cannot_be_sent),
		cmocka_unit_test(no_memory_leaves_the_buffer_usable),
		cmocka_unit_test(schemas_as_data),
		cmocka_unit_test(keyword_arguments),
		cmocka_unit_test(room_in_a_message),
	};

	return TEST_RUN(tests);
}
