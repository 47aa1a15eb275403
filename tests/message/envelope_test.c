/*
 * envelope_test.c - bodies of foreign origin: the bounded scan, the shape of
 * an envelope, and the same bytes in the eyes of msgpack-c.
 */
#include <msgpack.h>
#include <stdio.h>

#include "codec.h"
#include "message/token.h"

struct mproc__fdset test_fds;

static int
read_body(const void *bytes, size_t size, struct mproc__envelope *ret)
{
	static uint8_t *last;
	uint8_t *body;

	free(last);
	last = NULL;
	if (bytes == NULL)
		return 0;
	body = last = test_body(bytes, size);
	return mproc__envelope_read(body, size, ret);
}
#define READ(text_, ret_)	read_body(text_, sizeof(text_) - 1, ret_)

static int
forget(void **state)
{
	(void)state;
	return read_body(NULL, 0, NULL);
}

static void
the_parts_of_an_envelope(void **state)
{
	struct mproc__meta meta = { .deadline_ns = INT64_MAX };
	struct mproc__buf buf = { .data = NULL };
	struct counter_add add = { .by = 3 };
	struct mproc__envelope env;

	(void)state;
	assert_int_equal(mproc__encode(&buf, MPROC__CALL, UINT64_MAX,
	    MPROC_SCHEMA(counter_add), &add, &meta, SIZE_MAX, NULL), 0);
	test_open(&buf, &env);
	assert_int_equal(env.kind, MPROC__CALL);
	assert_true(env.id == UINT64_MAX);
	assert_true(mproc__envelope_is(&env, "add"));
	assert_false(mproc__envelope_is(&env, "ad"));
	assert_false(mproc__envelope_is(&env, "addx"));
	assert_int_equal(env.args_size, 5);
	assert_memory_equal(env.args, "\x81\xa2" "by\x03", 5);
	assert_int_equal(env.n_fds, 0);
	assert_true(env.meta.deadline_ns == INT64_MAX);
	mproc__buf_done(&buf);
}

static void
unknown_metadata_is_skipped(void **state)
{
	struct mproc__envelope env;

	(void)state;
	assert_int_equal(READ("\x95\x00\x00\xa1x\x80\x82\xa1y\x93\x01\x02\x03"
	    "\xa8" "deadline\x09", &env), 0);
	assert_true(env.meta.deadline_ns == 9);
	assert_int_equal(READ("\x95\x00\x00\xa1x\x80\x81\xa8" "deadline\xff",
	    &env), -EBADMSG);
	assert_int_equal(READ("\x95\x00\x00\xa1x\x80\x81\xa8" "deadline\xa0",
	    &env), -EBADMSG);
	assert_int_equal(READ("\x95\x00\x00\xa1x\x80\x81\x01\x01", &env),
	    -EBADMSG);
	assert_int_equal(READ("\x95\x00\x00\xa1x\x80\x01", &env), -EBADMSG);
}

static const struct {
	const char *bytes;
	size_t size;
	const char *text;
} wrong[] = {
	{ "\x01", 1, "message: the body is no array" },
	{ "\x93\x00\x00\xa1x", 5,
	    "message: the body has not 4 or 5 parts" },
	{ "\x94\xa0\x00\xa1x\x80", 6,
	    "message: the kind is no integer" },
	{ "\x94\x06\x00\xa1x\x80", 6, "message: unknown kind" },
	{ "\x94\xff\x00\xa1x\x80", 6, "message: unknown kind" },
	{ "\x94\x00\xff\xa1x\x80", 6,
	    "message: the id is no unsigned integer" },
	{ "\x94\x00\x00\x01\x80", 5,
	    "message: the command is no text" },
	{ "\x94\x00\x00\xa1\x00\x80", 6, "message: the command is too "
	    "long, or has a NUL inside" },
	{ "\x94\x00\x00\xa1x\x90", 6,
	    "message: the arguments are no map" },
	{ "\x94\x00\x00\xa1x\x81\x01\x01", 8,
	    "message: the name of an argument is no text" },
	{ "\x94\x00\x00\xa1x\x80\x00", 7,
	    "message: 1 bytes left over" },
	{ "\x94\x00\x00\xa1x\x81\xa1y\xc1", 9,
	    "msgpack: truncated, or the reserved head 0xc1" },
	{ "\x94\x00\x00\xa1x\x81\xa1y\xd4\x02\x00", 11,
	    "msgpack: extension 2 has no place inside a value" },
	{ "\x94\x00\x00\xa1x\x81\xa1y\x91\xd4\x01\x00", 12,
	    "msgpack: extension 1 has no place inside a value" },
	{ "\x94\x00\x00\xa1x\x81\xa1y\xd4\x01\x10", 11, "message: a "
	    "descriptor's index is too large, or there twice" },
	{ "\x94\x00\x00\xa1x\x81\xa1y\xd4\x01\x01", 11,
	    "message: the descriptors' indices have a gap" },
	{ "\x94\x00\x00\xa1x\x82\xa1y\xd4\x01\x00\xa1z\xd4\x01\x00",
	    16, "message: a descriptor's index is too large, or there "
	    "twice" },
	{ "\x94\x00\x00\xa1x\x81\xa2y\x00\x01", 10, "message: the "
	    "name of an argument is too long, or has a NUL inside" },
	{ "\x94\x00\x00\xa1x\x83\xa1y", 8,
	    "message: more arguments than bytes" },
};

static void
vk41_wrong_shapes_are_refused(void **state)
{
	struct mproc__envelope env;
	size_t i;

	(void)state;
	assert_int_equal(read_body("", 0, &env), -EBADMSG);
	for (i = 0; i < TEST_COUNT(wrong); i++) {
		assert_int_equal(read_body(wrong[i].bytes, wrong[i].size, &env),
		    -EBADMSG);
		test_errmsg(wrong[i].text);
	}
}

static void
descriptors_in_any_order(void **state)
{
	struct mproc__envelope env;

	(void)state;
	assert_int_equal(READ("\x94\x00\x00\xa1x\x82\xa1y\xd4\x01\x01\xa1z"
	    "\xc7\x01\x01\x00", &env), 0);
	assert_int_equal(env.n_fds, 2);
	assert_int_equal(READ("\x94\x00\x00\xa1x\x82\xa1y\xc9\0\0\0\x01\x01"
	    "\x00\xa1z\xc8\0\x01\x01\x01", &env), 0);
	assert_int_equal(env.n_fds, 2);
}

/* Five bytes that ask for 2^32 parts: refused at the head, at any depth. */
static void
vk41_five_bytes_ask_for_gigabytes(void **state)
{
	static const char *const heads[] = {
		"\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff",
		"\xdb\xff\xff\xff\xff", "\xc6\xff\xff\xff\xff",
		"\xc9\xff\xff\xff\xff", "\xdd\x80\x00\x00\x00",
		"\xdf\x80\x00\x00\x00", "\xdd\x00\x00\x00\x02",
	};
	struct mproc__envelope env;
	uint8_t body[64];
	size_t i, n;

	(void)state;
	for (i = 0; i < TEST_COUNT(heads); i++) {
		test_fail_alloc(0);
		assert_true(mproc__envelope_read((uint8_t *)(uintptr_t)
		    heads[i], 5, &env) < 0);
		memcpy(body, "\x94\x00\x00\xa1x\x81\xa1y\x93\x01\x92", 11);
		n = 11;
		memcpy(body + n, heads[i], 5);
		assert_int_equal(mproc__envelope_read(body, n + 5, &env),
		    -EBADMSG);
		assert_int_equal(test_alloc_count(), 0);
	}
}

static void
depth_and_count_are_bounded(void **state)
{
	struct mproc__envelope env;
	const size_t many = MPROC_VALUE_ITEMS + 16;
	uint8_t *body = calloc(1, many + 64);
	static const uint8_t head[] = { 0x94, 0, 0, 0xa1, 'x', 0x81, 0xa1, 'y' };

	(void)state;
	assert_non_null(body);
	memcpy(body, head, sizeof(head));
	memset(body + 8, 0x91, 30);
	assert_int_equal(mproc__envelope_read(body, 39, &env), 0);
	memset(body + 8, 0x91, 31);
	assert_int_equal(mproc__envelope_read(body, 40, &env), -EMSGSIZE);
	memset(body + 8, 0x91, many);	/* no stack grows with it */
	assert_int_equal(mproc__envelope_read(body, many, &env), -EMSGSIZE);
	memset(body + 8, 0, many);
	body[8] = 0xdd;
	body[9] = 1;		/* 2^24 elements */
	assert_int_equal(mproc__envelope_read(body, 13 + (1 << 24), &env),
	    -EMSGSIZE);
	body[9] = 0;
	body[10] = body[11] = body[12] = 0xff;
	assert_int_equal(mproc__envelope_read(body, 13 + (1 << 24) - 1,
	    &env), 0);
	free(body);
}

/* Every prefix of a message with everything in it is refused, read to its
 * last byte and not beyond (a byte behind it is poisoned by the sanitizer). */
static void
vk41_truncated_at_every_byte(void **state)
{
	static const uint8_t value[] = { 0x82, 0xa1, 'k', 0x93, 0xca, 0, 0, 0,
	    0, 0xd6, 5, 1, 2, 3, 4, 0xc4, 1, 7, 0x01, 0xde, 0, 0 };
	struct mproc__meta meta = { .deadline_ns = 1 };
	struct test_all in = { .s = "text", .raw = { "raw", 3 },
	    .fd = MPROC_FD(0), .v = { value, sizeof(value) }, .d = 0.5 };
	struct mproc__buf buf = { .data = NULL };
	struct mproc__envelope env;
	uint8_t *exact;
	size_t n;

	(void)state;
	assert_int_equal(mproc__encode(&buf, MPROC__CALL, 7,
	    MPROC_SCHEMA(test_all), &in, &meta, SIZE_MAX, &test_fds), 0);
	for (n = 0; n <= buf.len; n++) {
		exact = malloc(n > 0 ? n : 1);
		assert_non_null(exact);
		memcpy(exact, buf.data, n);
		assert_int_equal(mproc__envelope_read(exact, n, &env),
		    n == buf.len ? 0 : -EBADMSG);
		free(exact);
	}
	mproc__buf_done(&buf);
}

static void
errors_as_envelopes(void **state)
{
	struct mproc__buf buf = { .data = NULL };
	struct mproc__envelope env;
	char text[64], small[4];
	int code;

	(void)state;
	assert_int_equal(mproc__encode_error(&buf, 5, "add", -EDOM, "no such"),
	    0);
	test_open(&buf, &env);
	assert_int_equal(env.kind, MPROC__ERROR);
	assert_int_equal(env.id, 5);
	assert_int_equal(mproc__envelope_error(&env, &code, text,
	    sizeof(text)), 0);
	assert_int_equal(code, -EDOM);
	assert_string_equal(text, "no such");
	assert_int_equal(mproc__envelope_error(&env, &code, small, 4), 0);
	assert_string_equal(small, "no ");
	mproc__buf_done(&buf);
	assert_int_equal(mproc__encode_error(&buf, 0, NULL, 22, NULL), 0);
	test_open(&buf, &env);
	assert_int_equal(mproc__envelope_error(&env, &code, text,
	    sizeof(text)), 0);
	assert_int_equal(code, -22);
	assert_string_equal(text, "");
	mproc__buf_done(&buf);
	/* a code that is no errno, none at all, and what is no code */
	assert_int_equal(mproc__encode_error(&buf, 0, NULL, -123456, NULL), 0);
	test_open(&buf, &env);
	assert_int_equal(mproc__envelope_error(&env, &code, text,
	    sizeof(text)), 0);
	assert_int_equal(code, -EREMOTEIO);
	assert_string_equal(text, "no errno (code -123456)");
	mproc__buf_done(&buf);
	assert_int_equal(mproc__encode_error(&buf, 0, NULL, -123456, "bad"),
	    0);
	test_open(&buf, &env);
	assert_int_equal(mproc__envelope_error(&env, &code, text,
	    sizeof(text)), 0);
	assert_string_equal(text, "bad (code -123456)");
	assert_int_equal(mproc__envelope_error(&env, &code, small, 4), 0);
	assert_string_equal(small, "bad");
	assert_int_equal(mproc__envelope_error(&env, &code, NULL, 0), 0);
	assert_int_equal(code, -EREMOTEIO);
	mproc__buf_done(&buf);
	assert_int_equal(READ("\x94\x03\x00\xa1x\x81\xa4" "code\x00", &env),
	    0);
	mproc__envelope_error(&env, &code, text, sizeof(text));
	assert_int_equal(code, -EREMOTEIO);
	assert_int_equal(READ("\x94\x03\x00\xa1x\x80", &env), 0);
	mproc__envelope_error(&env, &code, text, sizeof(text));
	assert_int_equal(code, -EREMOTEIO);
	env.args_size = 0;
	assert_int_equal(mproc__envelope_error(&env, &code, text,
	    sizeof(text)), -EBADMSG);
	assert_int_equal(READ("\x94\x03\x00\xa1x\x81\xa4" "code\xa0", &env),
	    0);
	assert_int_equal(mproc__envelope_error(&env, &code, text,
	    sizeof(text)), -EBADMSG);
}

/* A number out of a small generator, the same in every run. */
static uint32_t
dice(uint32_t sides)
{
	static uint64_t x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)(x >> 32) % sides;
}

static void
same_bytes(const void *p, size_t n, const void *q, size_t m)
{
	assert_int_equal(n, m);
	assert_memory_equal(p, q, n);
}

static void
same_scalar(struct mproc_value v, const msgpack_object *o)
{
	struct mproc_bytes bytes = { .size = 0 };
	const char *str = NULL;
	size_t len = 0;
	uint64_t u = 0;
	int64_t l = 0;
	double d = 0;
	bool b = false;

	if (o->type == MSGPACK_OBJECT_NIL) {
		assert_int_equal(mproc_value_type(v), MPROC_TYPE_NIL);
	} else if (o->type == MSGPACK_OBJECT_BOOLEAN) {
		assert_int_equal(mproc_value_bool(v, &b), 0);
		assert_int_equal(b, o->via.boolean);
	} else if (o->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
		assert_int_equal(mproc_value_uint(v, &u), 0);
		assert_true(u == o->via.u64);
	} else if (o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
		assert_int_equal(mproc_value_int(v, &l), 0);
		assert_true(l == o->via.i64);
	} else if (o->type == MSGPACK_OBJECT_STR) {
		assert_int_equal(mproc_value_str(v, &str, &len), 0);
		same_bytes(str, len, o->via.str.ptr, o->via.str.size);
	} else if (o->type == MSGPACK_OBJECT_BIN) {
		assert_int_equal(mproc_value_bytes(v, &bytes), 0);
		same_bytes(bytes.data, bytes.size, o->via.bin.ptr,
		    o->via.bin.size);
	} else if (o->type == MSGPACK_OBJECT_EXT) {
		assert_int_equal(mproc_value_type(v), MPROC_TYPE_EXT);
	} else {
		assert_int_equal(mproc_value_double(v, &d), 0);
		assert_memory_equal(&d, &o->via.f64, sizeof(d));
	}
}

/* Compare a value as our accessors read it with msgpack-c's object. */
static void
same(struct mproc_value v, const msgpack_object *o)
{
	struct mproc_value_iter iter;
	struct mproc_value key, value;
	bool map = o->type == MSGPACK_OBJECT_MAP;
	size_t i = 0;

	if (!map && o->type != MSGPACK_OBJECT_ARRAY) {
		same_scalar(v, o);
		return;
	}
	assert_int_equal(mproc_value_begin(v, &iter), 0);
	assert_int_equal(iter.map, map);
	for (; mproc_value_next(&iter, &key, &value) > 0; i++) {
		if (map)
			same(key, &o->via.map.ptr[i].key);
		same(value, map ? &o->via.map.ptr[i].val :
		    &o->via.array.ptr[i]);
	}
	assert_int_equal(i, map ? o->via.map.size : o->via.array.size);
}

/* Random bytes with a liking for heads and small lengths. */
static size_t
random_value(uint8_t *bytes, size_t max)
{
	size_t n = 1 + dice((uint32_t)max), i;

	for (i = 0; i < n; i++) {
		switch (dice(5)) {
		case 0:
			bytes[i] = (uint8_t)(0xc0 + dice(0x20));
			break;
		case 1:
			bytes[i] = (uint8_t)(0x80 + dice(4));
			break;
		case 2:
			bytes[i] = (uint8_t)(0x90 + dice(4));
			break;
		case 3:
			bytes[i] = (uint8_t)dice(3);
			break;
		default:
			bytes[i] = (uint8_t)dice(256);
		}
	}
	return n;
}

static void
what_the_scan_takes_msgpack_c_takes(void **state)
{
	uint8_t bytes[48];
	msgpack_unpacked u;
	struct mproc_value v = { .data = bytes };
	uint32_t items;
	const uint8_t *p;
	size_t off;
	int i, taken = 0, r;

	(void)state;
	msgpack_unpacked_init(&u);
	for (i = 0; i < 200000; i++) {
		size_t n = random_value(bytes, sizeof(bytes));

		p = bytes;
		items = MPROC__ITEMS_MAX;
		if (mproc__scan(&p, bytes + n, MPROC_VALUE_DEPTH, &items) < 0)
			continue;
		taken++;
		off = 0;
		r = msgpack_unpack_next(&u, (const char *)bytes, n, &off);
		assert_true(r == MSGPACK_UNPACK_SUCCESS ||
		    r == MSGPACK_UNPACK_EXTRA_BYTES);
		assert_int_equal(off, p - bytes);
		v.size = off;
		assert_int_equal(mproc_value_check(v), 0);
		same(v, &u.data);
	}
	msgpack_unpacked_destroy(&u);
	assert_true(taken > 20000);
}

/* And what msgpack-c packs, the scan takes. */
static void
what_msgpack_c_packs_the_scan_takes(void **state)
{
	msgpack_sbuffer sbuf;
	msgpack_packer pk;
	struct mproc_value v;
	int i, j;

	(void)state;
	for (i = 0; i < 2000; i++) {
		msgpack_sbuffer_init(&sbuf);
		msgpack_packer_init(&pk, &sbuf, msgpack_sbuffer_write);
		msgpack_pack_array(&pk, 5);
		msgpack_pack_int64(&pk, (int64_t)((uint64_t)dice(UINT32_MAX)
		    << dice(33)));
		msgpack_pack_double(&pk, (double)dice(1000) / 7);
		msgpack_pack_str_with_body(&pk, "0123456789", dice(11));
		msgpack_pack_map(&pk, (size_t)(j = (int)dice(3)));
		for (; j > 0; j--) {
			msgpack_pack_int(&pk, j);
			msgpack_pack_nil(&pk);
		}
		msgpack_pack_timestamp(&pk, &(msgpack_timestamp){
		    .tv_sec = dice(UINT32_MAX), .tv_nsec = dice(1000) });
		v.data = sbuf.data;
		v.size = sbuf.size;
		assert_int_equal(mproc_value_check(v), 0);
		assert_int_equal(mproc_value_count(v), 5);
		msgpack_sbuffer_destroy(&sbuf);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_parts_of_an_envelope),
		cmocka_unit_test_teardown(unknown_metadata_is_skipped, forget),
		cmocka_unit_test_teardown(vk41_wrong_shapes_are_refused,
		    forget),
		cmocka_unit_test_teardown(descriptors_in_any_order, forget),
		cmocka_unit_test(vk41_five_bytes_ask_for_gigabytes),
		cmocka_unit_test(depth_and_count_are_bounded),
		cmocka_unit_test(vk41_truncated_at_every_byte),
		cmocka_unit_test_teardown(errors_as_envelopes, forget),
		cmocka_unit_test(what_the_scan_takes_msgpack_c_takes),
		cmocka_unit_test(what_msgpack_c_packs_the_scan_takes),
	};

	return TEST_RUN(tests);
}
