/*
 * message_test.c - message objects: built, received, read as a struct and
 * field by field, printed, copied, forwarded, lent; and with no memory.
 */
#include <stdio.h>

#include "codec.h"

struct mproc__fdset test_fds;

static void
vk1_untyped_round_trips(void **state)
{
	static const uint8_t list[] = { 0x93, 1, 0x92, 2, 0xc3, 0xa1, 'x' };
	struct mproc_msg *m = test_build("all"), *got;
	const struct test_all *all;
	const bool yes = true;

	(void)state;
	assert_int_equal(mproc_msg_set(m, "b", yes), 0);
	assert_int_equal(mproc_msg_set(m, "i", -7), 0);
	assert_int_equal(mproc_msg_set(m, "l", (int64_t)INT64_MIN), 0);
	assert_int_equal(mproc_msg_set(m, "u", (uint64_t)UINT64_MAX), 0);
	assert_int_equal(mproc_msg_set(m, "d", 0.5), 0);
	assert_int_equal(mproc_msg_set(m, "s", ""), 0);
	assert_int_equal(mproc_msg_set(m, "raw",
	    ((struct mproc_bytes){ .size = 0 })), 0);
	assert_int_equal(mproc_msg_set(m, "fd", MPROC_FD(0)), 0);
	assert_int_equal(mproc_msg_set(m, "v",
	    ((struct mproc_value){ list, sizeof(list) })), 0);
	assert_int_equal(mproc_msg_count(m), 9);
	got = test_resend(m, NULL);
	assert_int_equal(mproc__msg_kind(got), MPROC__CALL);
	assert_int_equal(mproc__msg_id(got), 9);
	all = mproc_args(got, test_all);
	assert_non_null(all);
	assert_true(all->b && all->i == -7 && all->l == INT64_MIN &&
	    all->u == UINT64_MAX && all->d == 0.5);
	assert_string_equal(all->s, "");
	assert_non_null(all->raw.data);
	assert_int_equal(all->raw.size, 0);
	assert_true(all->fd.present);
	assert_memory_equal(all->v.data, list, sizeof(list));
	mproc_msg_free(m);
	assert_null(mproc_msg_free(got));
	assert_null(mproc_msg_free(NULL));
}

static void
vk2_the_command(void **state)
{
	struct mproc_msg *m = test_build("pong");
	struct mproc__buf buf = { .data = NULL };
	char name[MPROC_COMMAND_MAX + 2];

	(void)state;
	assert_string_equal(mproc_msg_command(m), "pong");
	assert_true(mproc_msg_is(m, "pong"));
	assert_false(mproc_msg_is(m, "pon"));
	assert_false(mproc_msg_is(NULL, "pong"));
	mproc_msg_free(m);
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(mproc_msg_new(name, &m), -EINVAL);
	assert_int_equal(mproc_msg_new("", &m), -EINVAL);
	assert_int_equal(mproc_msg_new(NULL, &m), -EINVAL);
	name[sizeof(name) - 2] = '\0';
	m = test_build(name);
	assert_string_equal(mproc_msg_command(m), name);
	name[sizeof(name) - 2] = 'x';
	assert_int_equal(mproc__encode_msg(&buf, MPROC__CAST, 0, name, m,
	    NULL, SIZE_MAX, NULL), -EINVAL);
	mproc_msg_free(m);
}

static void
vk3_absent_wrong_and_present_differ(void **state)
{
	struct mproc_msg *m = test_build("add");
	int64_t n = 7;
	int i = 7;
	const char *s = "unchanged";
	struct mproc_fd fd;
	bool b;

	(void)state;
	mproc_msg_set(m, "n", 3);
	mproc_msg_set(m, "who", "x");
	assert_int_equal(mproc_msg_get(m, "n", &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(mproc_msg_get(m, "m", &n), -ENOENT);
	assert_int_equal(mproc_msg_get(m, "who", &n), -EINVAL);
	test_errmsg("command add, field who: expected int64, got str");
	assert_int_equal(n, 3);
	assert_int_equal(mproc_msg_get(m, "n", &s), -EINVAL);
	test_errmsg("command add, field n: expected str, got int64");
	assert_string_equal(s, "unchanged");
	assert_int_equal(mproc_msg_get(m, "n", &b), -EINVAL);
	assert_int_equal(mproc_msg_get(m, "n", &fd), -EINVAL);
	mproc_msg_set(m, "n", (int64_t)INT32_MAX + 1);
	assert_int_equal(mproc_msg_get(m, "n", &i), -EINVAL);
	assert_int_equal(i, 7);
	assert_int_equal(mproc_msg_int_or(m, "m", 5), 5);
	assert_int_equal(mproc_msg_int_or(m, "who", 5), 5);
	assert_true(mproc_msg_int_or(m, "n", 5) == (int64_t)INT32_MAX + 1);
	assert_true(mproc_msg_uint_or(m, "m", 6) == 6);
	assert_true(mproc_msg_double_or(m, "m", 0.5) == 0.5);
	assert_true(mproc_msg_bool_or(m, "m", true));
	assert_string_equal(mproc_msg_str_or(m, "who", "?"), "x");
	assert_string_equal(mproc_msg_str_or(m, "n", "?"), "?");
	mproc_msg_free(m);
}

static void
vk3_every_getter(void **state)
{
	static const uint8_t nul[] = { 0xa3, 'a', 0, 'b' };
	struct mproc_msg *m = test_build("x");
	struct mproc_bytes bytes;
	struct mproc_value v;
	const char *s;
	int32_t i = 0;

	(void)state;
	mproc_msg_set(m, "raw", ((struct mproc_bytes){ "ab", 2 }));
	mproc_msg_set(m, "s", "text");
	mproc_msg_set(m, "n", INT32_MIN);
	mproc_msg_set(m, "nul", ((struct mproc_value){ nul, 4 }));
	mproc_msg_set(m, "nil", ((struct mproc_value){ "\xc0", 1 }));
	assert_int_equal(mproc_msg_get(m, "raw", &bytes), 0);
	assert_int_equal(bytes.size, 2);
	assert_int_equal(mproc_msg_get(m, "s", &bytes), 0);
	assert_memory_equal(bytes.data, "text", 4);
	assert_int_equal(mproc_msg_get(m, "n", &bytes), -EINVAL);
	assert_int_equal(mproc_msg_get(m, "n", &i), 0);
	assert_int_equal(i, INT32_MIN);
	assert_int_equal(mproc_msg_get(m, "n", &v), 0);
	assert_int_equal(mproc_value_type(v), MPROC_TYPE_INT64);
	assert_int_equal(mproc_msg_get(m, "nul", &s), -EINVAL);
	test_errmsg("command x, field nul: a NUL inside the text");
	assert_int_equal(mproc_msg_get(m, "nul", &bytes), 0);
	assert_int_equal(mproc_msg_get(m, "nil", &v), -ENOENT);
	assert_int_equal(mproc_msg_get((struct mproc_msg *)NULL, "n", &i),
	    -EINVAL);
	assert_int_equal(mproc_msg_get(m, NULL, &i), -EINVAL);
	mproc_msg_free(m);
}

/* Every integer type of C goes in and comes out. */
static void
every_integer_type(void **state)
{
	struct mproc_msg *m = test_build("x");
	long l = 0;
	long long ll = 0;
	unsigned long ul = 0;
	unsigned long long ull = 0;
	double d = 0;

	(void)state;
	assert_int_equal(mproc_msg_set(m, "n", (char)1), 0);
	assert_int_equal(mproc_msg_set(m, "n", (short)2), 0);
	assert_int_equal(mproc_msg_set(m, "n", 3U), 0);
	assert_int_equal(mproc_msg_set(m, "n", 4L), 0);
	assert_int_equal(mproc_msg_set(m, "n", 5ULL), 0);
	assert_int_equal(mproc_msg_get(m, "n", &l), 0);
	assert_int_equal(mproc_msg_get(m, "n", &ll), 0);
	assert_int_equal(mproc_msg_get(m, "n", &ul), 0);
	assert_int_equal(mproc_msg_get(m, "n", &ull), 0);
	assert_int_equal(mproc_msg_get(m, "n", &d), 0);
	assert_true(l == 5 && ll == 5 && ul == 5 && ull == 5 && d == 5.0);
	mproc_msg_free(m);
}

static void
print_is(const struct mproc_msg *m, const char *want)
{
	char text[512];
	int n = mproc_msg_print(m, text, sizeof(text));

	assert_string_equal(text, want);
	assert_int_equal(n, strlen(text));
}

static void
vk4_print(void **state)
{
	static const uint8_t v[] = { 0x83, 0xa1, 'a', 0x92, 1, 0xc0, 0xa1,
	    'b', 0x80, 5, 0xd6, 7, 0, 0, 0, 0 };
	struct mproc_msg *m = test_build("ping");
	char text[16];

	(void)state;
	print_is(NULL, "<no message>");
	print_is(m, "<ping: {}>");
	mproc_msg_set(m, "n", 3);
	mproc_msg_set(m, "who", "x");
	print_is(m, "<ping: {n: 3, who: \"x\"}>");
	assert_int_equal(mproc_msg_print(m, text, sizeof(text)), 24);
	assert_string_equal(text, "<ping: {n: 3, w");
	assert_int_equal(mproc_msg_print(m, NULL, 0), 24);
	assert_int_equal(mproc_msg_print(m, text, 1), 24);
	assert_string_equal(text, "");
	mproc_msg_set(m, "who", "a\"\x1b\n\\\xc3\xa4\xff\xc2\x85");
	mproc_msg_set(m, "n", 1.0);
	mproc_msg_set(m, "v", ((struct mproc_value){ v, sizeof(v) }));
	mproc_msg_set(m, "raw", ((struct mproc_bytes){ v, 3 }));
	print_is(m, "<ping: {who: \"a\\\"\\x1b\\n\\\\\xc3\xa4\\xff\\xc2\\x85\", "
	    "n: 1.0, v: {\"a\": [1, nil], \"b\": {}, 5: <extension 7, 4 bytes>"
	    "}, raw: <3 bytes>}>");
	mproc_msg_free(m);
}

static void
vk4_print_of_a_huge_message(void **state)
{
	const size_t size = 64 << 20;
	struct mproc_msg *m = test_build("big");
	char *big = malloc(size), text[1024], name[16];
	int i;

	(void)state;
	assert_non_null(big);
	memset(big, 'y', size - 1);
	big[size - 1] = '\0';
	assert_int_equal(mproc_msg_set(m, "text", big), 0);
	memset(big, 0x93, size);
	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		mproc_msg_set(m, name, i);
	}
	assert_true(mproc_msg_print(m, text, sizeof(text)) < 1024);
	assert_non_null(strstr(text, "yyy\"...(67108863 bytes)"));
	assert_non_null(strstr(text, "f62: 62, ... 137 more}>"));
	mproc_msg_free(m);
	free(big);
}

static void
set_replaces(void **state)
{
	struct mproc_msg *m = test_build("x");
	const char *s;

	(void)state;
	mproc_msg_set(m, "a", 1);
	mproc_msg_set(m, "b", "text");
	mproc_msg_set(m, "a", "longer than before");
	assert_int_equal(mproc_msg_count(m), 2);
	print_is(m, "<x: {b: \"text\", a: \"longer than before\"}>");
	/* a value read from the message itself */
	assert_int_equal(mproc_msg_get(m, "b", &s), 0);
	assert_int_equal(mproc_msg_set(m, "a", s), 0);
	print_is(m, "<x: {b: \"text\", a: \"text\"}>");
	mproc_msg_set(m, "b", (const char *)NULL);
	mproc_msg_set(m, "nothing", ((struct mproc_value){ .size = 0 }));
	print_is(m, "<x: {a: \"text\"}>");
	assert_int_equal(mproc_msg_set(m, "", 1), -EINVAL);
	assert_int_equal(mproc_msg_set(m, NULL, 1), -EINVAL);
	assert_int_equal(mproc_msg_set(NULL, "a", 1), -EINVAL);
	assert_int_equal(mproc_msg_set(m, "r",
	    ((struct mproc_bytes){ NULL, 1 })), -EINVAL);
	assert_int_equal(mproc_msg_set(m, "v",
	    ((struct mproc_value){ "\xc1", 1 })), -EBADMSG);
	print_is(m, "<x: {a: \"text\"}>");
	mproc_msg_free(m);
}

/* Text stays terminated and the message stays whole, whatever is read. */
static void
many_ways_to_read_at_once(void **state)
{
	struct mproc__buf buf = { .data = NULL };
	const struct counter_pair *pair, *again;
	struct mproc_msg *m, *copy;
	const char *a, *b;

	(void)state;
	test_put(&buf, counter_pair, .a = "one", .b = "two");
	m = test_receive(&buf, NULL, 0);
	test_fail_alloc(0);
	pair = mproc_args(m, counter_pair);
	assert_int_equal(test_alloc_count(), 0);
	assert_non_null(pair);
	assert_int_equal(mproc_msg_get(m, "a", &a), 0);
	assert_int_equal(mproc_msg_get(m, "b", &b), 0);
	assert_ptr_equal(a, pair->a);
	assert_ptr_equal(b, pair->b);
	print_is(m, "<pair: {a: \"one\", b: \"two\"}>");
	copy = test_resend(m, "pair");
	again = mproc_args(m, counter_pair);
	assert_ptr_equal(again, pair);
	assert_string_equal(pair->a, "one");
	assert_string_equal(pair->b, "two");
	again = mproc_args(copy, counter_pair);
	assert_non_null(again);
	assert_string_equal(again->a, "one");
	mproc_msg_free(copy);
	assert_int_equal(mproc_msg_dup(m, &copy), 0);
	print_is(copy, "<pair: {a: \"one\", b: \"two\"}>");
	assert_true(mproc__msg_size(copy) == mproc__msg_size(m));
	mproc_msg_free(copy);
	mproc_msg_free(m);
}

/* Another .c file has another schema of the same message. */
static void
schemas_compare_by_content(void **state)
{
	static uint64_t hash;
	struct mproc_schema other = *MPROC_SCHEMA(counter_pair);
	struct mproc__buf buf = { .data = NULL };
	const struct counter_pair *pair;
	struct mproc_msg *m;

	(void)state;
	other.hash = &hash;
	test_put(&buf, counter_pair, .a = "one", .b = "two");
	m = test_receive(&buf, NULL, 0);
	pair = mproc_args(m, counter_pair);
	assert_ptr_equal(mproc_args_typed(m, &other), pair);
	other.class_name = "other";		/* another struct */
	hash = 0;
	assert_non_null(mproc_args_typed(m, &other));
	assert_ptr_not_equal(mproc_args_typed(m, &other), pair);
	assert_string_equal(pair->a, "one");
	assert_null(mproc_args(m, counter_add));
	test_errmsg("the message is pair, not add");
	assert_null(mproc_args((struct mproc_msg *)NULL, counter_add));
	mproc_msg_free(m);
}

static void
refused_args_leave_nothing(void **state)
{
	struct mproc_msg *m = test_build("add");
	const char *s;
	int i;

	(void)state;
	mproc_msg_set(m, "by", "text");
	assert_int_equal(mproc_msg_get(m, "by", &s), 0);
	for (i = 0; i < 1000; i++)
		assert_null(mproc_args(m, counter_add));
	test_errmsg("class counter, command add, field by: expected int64, "
	    "got str");
	assert_string_equal(s, "text");
	mproc_msg_free(m);
}

static void
many_texts(void **state)
{
	struct mproc_msg *m = test_build("x");
	const char *s[40], *again;
	char name[16], text[16];
	int i;

	(void)state;
	for (i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		snprintf(text, sizeof(text), "text %d", i);
		assert_int_equal(mproc_msg_set(m, name, text), 0);
	}
	for (i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		assert_int_equal(mproc_msg_get(m, name, &s[i]), 0);
	}
	for (i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		snprintf(text, sizeof(text), "text %d", i);
		assert_string_equal(s[i], text);
		assert_int_equal(mproc_msg_get(m, name, &again), 0);
		assert_ptr_equal(again, s[i]);
	}
	assert_int_equal(mproc_msg_set(m, "f3", 3), 0);
	assert_string_equal(mproc_msg_str_or(m, "f39", ""), "text 39");
	mproc_msg_free(m);
}

static void
fields_in_order(void **state)
{
	struct mproc_msg *m = test_build("x");
	struct mproc_value v;
	const char *name;
	int64_t n;
	char want[8];
	size_t i;

	(void)state;
	for (i = 0; i < 10; i++) {
		snprintf(want, sizeof(want), "f%zu", i);
		mproc_msg_set(m, want, i);
	}
	for (i = 0; i < 10; i++) {
		snprintf(want, sizeof(want), "f%zu", i);
		assert_int_equal(mproc_msg_field(m, i, &name, &v), 0);
		assert_string_equal(name, want);
		assert_int_equal(mproc_value_int(v, &n), 0);
		assert_int_equal(n, i);
	}
	assert_int_equal(mproc_msg_field(m, 10, &name, &v), -ENOENT);
	assert_int_equal(mproc_msg_field(m, 3, &name, &v), 0);
	assert_string_equal(name, "f3");
	mproc_msg_set(m, "f3", "moved");
	assert_int_equal(mproc_msg_field(m, 9, &name, &v), 0);
	assert_string_equal(name, "f3");
	mproc_msg_free(m);
}

static void
lending(void **state)
{
	struct mproc_msg *m;

	(void)state;
	m = test_build("x");			/* not touched by the callback */
	mproc__msg_lend(m);
	mproc__msg_unlend(m);
	m = test_build("x");			/* freed by it: once all the same */
	mproc__msg_lend(m);
	mproc_msg_free(m);
	assert_true(mproc_msg_is(m, "x"));
	mproc__msg_unlend(m);
	m = test_build("x");			/* kept */
	mproc__msg_lend(m);
	assert_ptr_equal(mproc_msg_keep(m), m);
	mproc__msg_unlend(m);
	assert_true(mproc_msg_is(m, "x"));
	mproc_msg_free(m);
	m = test_build("x");			/* kept, and freed before the end */
	mproc__msg_lend(m);
	mproc_msg_keep(m);
	mproc_msg_free(m);
	mproc__msg_unlend(m);
	m = test_build("x");			/* keeping one's own */
	assert_ptr_equal(mproc_msg_keep(m), m);
	mproc__msg_set_next(m, m);
	assert_ptr_equal(mproc__msg_next(m), m);
	mproc_msg_free(m);
}

static int
all_that_allocates(void)
{
	struct mproc_msg *m = NULL, *copy = NULL;
	struct mproc__buf buf = { .data = NULL };
	struct mproc_value v;
	char name[8], big[400];
	const char *s;
	int i, r;

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	if ((r = mproc_msg_new("pair", &m)) < 0 ||
	    (r = mproc_msg_set(m, "a", big)) < 0 ||
	    (r = mproc_msg_set(m, "fd", MPROC_FD(0))) < 0 ||
	    (r = mproc_msg_dup(m, &copy)) < 0 ||
	    (r = mproc_msg_set(copy, "fd", 1)) < 0 ||
	    (r = mproc_msg_set(m, "fd", (const char *)NULL)) < 0 ||
	    (r = mproc__encode_msg(&buf, 0, 0, NULL, m, NULL, SIZE_MAX,
	    NULL)) < 0 || (r = mproc_msg_field(m, 0, &s, &v)) < 0)
		goto out;
	for (i = 0; i < 40 && r == 0; i++) {
		snprintf(name, sizeof(name), "f%d", i % 20);
		r = i < 20 ? mproc_msg_set(copy, name, "text") :
		    mproc_msg_get(copy, name, &s);
	}
	if (r == 0 && (mproc_msg_get(m, "a", &s) < 0 ||
	    mproc_args(m, counter_pair) == NULL))
		r = strstr(mproc__err_text(), "no memory") != NULL ?
		    -ENOMEM : -EINVAL;
out:
	mproc__buf_done(&buf);
	mproc_msg_free(copy);
	mproc_msg_free(m);
	return r;
}

static void
every_allocation_fails(void **state)
{
	unsigned n;
	int r;

	(void)state;
	for (n = 1;; n++) {
		test_fail_alloc(n);
		r = all_that_allocates();
		if (!test_fail_done())
			break;
		assert_int_equal(r, -ENOMEM);
	}
	assert_int_equal(r, 0);
	assert_true(n > 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vk1_untyped_round_trips),
		cmocka_unit_test(vk2_the_command),
		cmocka_unit_test(vk3_absent_wrong_and_present_differ),
		cmocka_unit_test(vk3_every_getter),
		cmocka_unit_test(every_integer_type),
		cmocka_unit_test(vk4_print),
		cmocka_unit_test(vk4_print_of_a_huge_message),
		cmocka_unit_test(set_replaces),
		cmocka_unit_test(many_ways_to_read_at_once),
		cmocka_unit_test(schemas_compare_by_content),
		cmocka_unit_test(refused_args_leave_nothing),
		cmocka_unit_test(many_texts),
		cmocka_unit_test(fields_in_order),
		cmocka_unit_test(lending),
		cmocka_unit_test(every_allocation_fails),
	};

	return TEST_RUN(tests);
}
