/*
 * value_test.c - values: read in place, built, printed; bytes of any kind.
 */
#include <math.h>
#include <stdio.h>

#include "codec.h"

struct mproc__fdset test_fds;

static struct mproc_builder *
builder(void)
{
	struct mproc_builder *b = NULL;

	assert_int_equal(mproc_builder_new(&b), 0);
	return b;
}

/* {n: 3, list: [1, "two", [nil, true]], raw: <2 bytes>, big: 2^64-1} */
static struct mproc_builder *
example(struct mproc_value *ret)
{
	struct mproc_builder *b = builder();

	mproc_build_map(b, 4);
	mproc_build_key(b, "n");
	mproc_build_int(b, 3);
	mproc_build_key(b, "list");
	mproc_build_array(b, 3);
	mproc_build_double(b, 1.5);
	mproc_build_str(b, "two");
	mproc_build_array(b, 2);
	mproc_build_nil(b);
	mproc_build_bool(b, true);
	mproc_build_key(b, "raw");
	mproc_build_bytes(b, "\0\1", 2);
	mproc_build_key(b, "big");
	mproc_build_uint(b, UINT64_MAX);
	assert_int_equal(mproc_builder_value(b, ret), 0);
	return b;
}

static void
build_and_read(void **state)
{
	struct mproc_value v, list, x, key;
	struct mproc_builder *b = example(&v);
	struct mproc_bytes raw;
	const char *str;
	size_t len;
	uint64_t u;
	int64_t n;
	double d;
	bool yes;

	(void)state;
	assert_int_equal(mproc_value_type(v), MPROC_TYPE_MAP);
	assert_int_equal(mproc_value_count(v), 4);
	assert_int_equal(mproc_value_get(v, "n", &x), 0);
	assert_int_equal(mproc_value_int(x, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(mproc_value_get(v, "list", &list), 0);
	assert_int_equal(mproc_value_count(list), 3);
	assert_int_equal(mproc_value_at(list, 0, &x), 0);
	assert_int_equal(mproc_value_double(x, &d), 0);
	assert_true(d == 1.5);
	assert_int_equal(mproc_value_at(list, 1, &x), 0);
	assert_int_equal(mproc_value_str(x, &str, &len), 0);
	assert_int_equal(len, 3);
	assert_memory_equal(str, "two", 3);
	assert_int_equal(mproc_value_at(list, 2, &x), 0);
	assert_int_equal(mproc_value_at(x, 1, &x), 0);
	assert_int_equal(mproc_value_bool(x, &yes), 0);
	assert_true(yes);
	assert_int_equal(mproc_value_entry(v, 2, &key, &x), 0);
	assert_int_equal(mproc_value_str(key, &str, &len), 0);
	assert_memory_equal(str, "raw", 3);
	assert_int_equal(mproc_value_bytes(x, &raw), 0);
	assert_int_equal(raw.size, 2);
	assert_int_equal(mproc_value_get(v, "big", &x), 0);
	assert_int_equal(mproc_value_type(x), MPROC_TYPE_UINT64);
	assert_int_equal(mproc_value_uint(x, &u), 0);
	assert_true(u == UINT64_MAX);
	assert_null(mproc_builder_free(b));
	assert_null(mproc_builder_free(NULL));
}

static void
wrong_questions(void **state)
{
	struct mproc_value v, x, k;
	struct mproc_builder *b = example(&v);
	struct mproc_value_iter iter;
	struct mproc_value list, none = { .size = 0 };
	struct mproc_bytes raw;
	const char *str;
	size_t len;
	int64_t n;
	double d;
	bool yes;

	(void)state;
	mproc_value_get(v, "list", &list);
	assert_int_equal(mproc_value_get(v, "nothing", &x), -ENOENT);
	assert_int_equal(mproc_value_entry(v, 4, &k, &x), -ENOENT);
	assert_int_equal(mproc_value_at(list, 3, &x), -ENOENT);
	assert_int_equal(mproc_value_at(v, 0, &x), -EINVAL);
	assert_int_equal(mproc_value_entry(list, 0, &k, &x), -EINVAL);
	assert_int_equal(mproc_value_get(list, "n", &x), -EINVAL);
	assert_int_equal(mproc_value_get(v, "big", &x), 0);
	assert_int_equal(mproc_value_int(x, &n), -EINVAL);
	test_errmsg("expected int64, got uint64 (which does not fit)");
	assert_int_equal(mproc_value_double(x, &d), -EINVAL);
	assert_int_equal(mproc_value_bool(x, &yes), -EINVAL);
	assert_int_equal(mproc_value_str(x, &str, &len), -EINVAL);
	assert_int_equal(mproc_value_bytes(x, &raw), -EINVAL);
	assert_int_equal(mproc_value_begin(x, &iter), -EINVAL);
	assert_int_equal(mproc_value_count(x), -EINVAL);
	assert_int_equal(mproc_value_type(none), MPROC_TYPE_NIL);
	assert_int_equal(mproc_value_check(none), 0);
	assert_int_equal(mproc_value_int(none, &n), -EINVAL);
	mproc_builder_free(b);
}

/* Accessors on every prefix of a value: refused, never read beyond. */
static void
broken_bytes(void **state)
{
	struct mproc_value v, x, k, part;
	struct mproc_builder *b = example(&v);
	struct mproc_value_iter iter;
	uint8_t *exact;
	char text[8];
	size_t n;
	int r;

	(void)state;
	for (n = 1; n < v.size; n++) {
		exact = malloc(n);
		assert_non_null(exact);
		memcpy(exact, v.data, n);
		part = (struct mproc_value){ exact, n };
		assert_int_equal(mproc_value_check(part), -EBADMSG);
		assert_int_equal(mproc_value_print(part, text, 8), -EBADMSG);
		assert_int_equal(mproc_value_get(part, "none", &x), -EBADMSG);
		assert_int_equal(mproc_value_entry(part, 3, &k, &x),
		    -EBADMSG);
		assert_int_equal(mproc_value_begin(part, &iter), 0);
		while ((r = mproc_value_next(&iter, NULL, &x)) > 0)
			;
		assert_int_equal(r, -EBADMSG);
		free(exact);
	}
	assert_int_equal(mproc_value_type((struct mproc_value){ "\xc1", 1 }),
	    -EBADMSG);
	assert_int_equal(mproc_value_type((struct mproc_value){ "\xd9", 1 }),
	    -EBADMSG);
	assert_int_equal(mproc_value_check((struct mproc_value){ "\1\1", 2 }),
	    -EBADMSG);
	mproc_builder_free(b);
}

static void
value_is(struct mproc_value v, const char *want)
{
	char text[512];
	int n = mproc_value_print(v, text, sizeof(text));

	assert_string_equal(text, want);
	assert_int_equal(n, strlen(text));
}

static void
print(void **state)
{
	struct mproc_value v;
	struct mproc_builder *b = example(&v);
	static const double doubles[] = { 0.1, 1e300, -3, NAN, 1.0 / 3 };
	int i;

	(void)state;
	value_is(v, "{\"n\": 3, \"list\": [1.5, \"two\", [nil, true]], "
	    "\"raw\": <2 bytes>, \"big\": 18446744073709551615}");
	mproc_builder_reset(b);
	mproc_build_array(b, 5);
	for (i = 0; i < 5; i++)
		mproc_build_double(b, doubles[i]);
	mproc_builder_value(b, &v);
	value_is(v, "[0.1, 1e+300, -3.0, nan, 0.3333333333333333]");
	mproc_builder_reset(b);
	mproc_build_array(b, 20);
	for (i = 0; i < 20; i++)
		mproc_build_int(b, i);
	mproc_builder_value(b, &v);
	value_is(v, "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, "
	    "... 4 more]");
	mproc_builder_reset(b);
	for (i = 0; i < 20; i++)
		mproc_build_array(b, 1);
	mproc_build_nil(b);
	mproc_builder_value(b, &v);
	value_is(v, "[[[[[[[[[...]]]]]]]]]");
	mproc_builder_free(b);
}

static void
wrong_order(void **state)
{
	struct mproc_builder *b = builder();
	struct mproc_value v;

	(void)state;
	assert_int_equal(mproc_builder_value(b, &v), -EINVAL);
	mproc_build_map(b, 1);
	assert_int_equal(mproc_builder_value(b, &v), -EINVAL);
	assert_int_equal(mproc_build_int(b, 1), -EINVAL);
	assert_int_equal(mproc_build_key(b, "k"), -EINVAL);	/* sticks */
	assert_int_equal(mproc_builder_value(b, &v), -EINVAL);
	mproc_builder_reset(b);
	assert_int_equal(mproc_build_key(b, "k"), -EINVAL);
	mproc_builder_reset(b);
	assert_int_equal(mproc_build_int(b, 1), 0);
	assert_int_equal(mproc_build_int(b, 1), -EINVAL);
	mproc_builder_reset(b);
	assert_int_equal(mproc_build_str(b, NULL), -EINVAL);
	mproc_builder_reset(b);
	assert_int_equal(mproc_build_bytes(b, NULL, 1), -EINVAL);
	mproc_builder_reset(b);
	assert_int_equal(mproc_build_array(b, (size_t)1 << 40), -EMSGSIZE);
	mproc_builder_reset(b);
	assert_int_equal(mproc_build_strn(b, "", (size_t)1 << 32), -EMSGSIZE);
	assert_int_equal(mproc_build_nil(NULL), -EINVAL);
	assert_int_equal(mproc_builder_value(NULL, &v), -EINVAL);
	mproc_builder_reset(b);
	assert_int_equal(mproc_build_map(b, 0), 0);
	assert_int_equal(mproc_builder_value(b, &v), 0);
	assert_int_equal(v.size, 1);
	mproc_builder_free(b);
}

static void
nesting(void **state)
{
	struct mproc_builder *b = builder(), *c = builder();
	struct mproc_value v, part;
	int i;

	(void)state;
	for (i = 0; i < MPROC_VALUE_DEPTH; i++)
		assert_int_equal(mproc_build_array(b, 1), 0);
	assert_int_equal(mproc_build_array(b, 1), -EMSGSIZE);
	mproc_builder_reset(b);
	mproc_build_array(c, 1);
	mproc_build_int(c, 7);
	mproc_builder_value(c, &part);
	mproc_build_map(b, 2);
	assert_int_equal(mproc_build_value(b, (struct mproc_value){ "\5", 1 }),
	    0);				/* a key that is no text */
	assert_int_equal(mproc_build_value(b, part), 0);
	mproc_build_key(b, "nil");
	mproc_build_value(b, (struct mproc_value){ .size = 0 });
	assert_int_equal(mproc_builder_value(b, &v), 0);
	value_is(v, "{5: [7], \"nil\": nil}");
	mproc_builder_reset(b);
	for (i = 0; i < MPROC_VALUE_DEPTH; i++)
		mproc_build_array(b, 1);
	assert_int_equal(mproc_build_value(b, part), -EMSGSIZE);
	mproc_builder_reset(b);
	assert_int_equal(mproc_build_value(b,
	    (struct mproc_value){ "\1\1", 2 }), -EBADMSG);
	mproc_builder_free(b);
	mproc_builder_free(c);
}

static void
every_allocation_fails(void **state)
{
	struct mproc_builder *b;
	struct mproc_value v;
	unsigned n;
	int i, r;

	(void)state;
	for (n = 1;; n++) {
		b = NULL;
		test_fail_alloc(n);
		if ((r = mproc_builder_new(&b)) == 0) {
			mproc_build_array(b, 200);
			for (i = 0; i < 200; i++)
				mproc_build_str(b, "0123456789");
			r = mproc_builder_value(b, &v);
		}
		mproc_builder_free(b);
		if (!test_fail_done())
			break;
		assert_int_equal(r, -ENOMEM);
	}
	assert_int_equal(r, 0);
	assert_true(n > 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(build_and_read),
		cmocka_unit_test(wrong_questions),
		cmocka_unit_test(broken_bytes),
		cmocka_unit_test(print),
		cmocka_unit_test(wrong_order),
		cmocka_unit_test(nesting),
		cmocka_unit_test(every_allocation_fails),
	};

	return TEST_RUN(tests);
}
