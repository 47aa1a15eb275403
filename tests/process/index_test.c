/*
 * index_test.c - a class's table is searched by bytes that a peer sent: what
 * is found is what a look at every row would find.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <mproc/backend.h>
#include <mproc/message.h>

#include "process/class.h"
#include "test.h"

#define ROWS	1000

MPROC_MESSAGE(index, row, (int64_t, by));

static struct mproc_handler rows[ROWS];
static struct mproc_schema schemas[ROWS];
static uint64_t hashes[ROWS];
static char names[ROWS][MPROC_COMMAND_MAX + 1];
static struct mproc_class class = { .name = "Index", .handlers = rows };

/* Of every length; long ones differ only in the middle. */
static void
make_class(size_t n)
{
	size_t i, len;

	for (i = 0; i < n; i++) {
		len = 4 + i % (MPROC_COMMAND_MAX - 3);
		memset(names[i], 'x', len);
		names[i][len] = '\0';
		names[i][len / 2] = (char)('a' + i % 26);
		names[i][len / 2 + 1] = (char)('a' + i / 26 % 26);
		names[i][len / 2 - 1] = (char)('a' + i / 676);
		schemas[i] = *MPROC_SCHEMA(index_row);
		schemas[i].command = names[i];
		schemas[i].hash = &hashes[i];
		hashes[i] = 0;
		rows[i] = (struct mproc_handler){
			.command = names[i], .schema = &schemas[i] };
	}
	class.n_handlers = n;
}

static int
look_at_all(const char *command, size_t len)
{
	size_t i;

	for (i = 0; i < class.n_handlers; i++)
		if (strlen(names[i]) == len &&
		    memcmp(names[i], command, len) == 0)
			return (int)i;
	return -1;
}

/* The bytes stand in a block of their own size. */
static void
check(const struct mproc__index *ix, const struct mproc__route **guess,
    const char *command, size_t len)
{
	const struct mproc__route *route;
	char *copy = malloc(len > 0 ? len : 1);
	int row = look_at_all(command, len);

	assert_non_null(copy);
	memcpy(copy, command, len);
	assert_int_equal(mproc__index_find(ix, copy, len), row);
	route = mproc__index_guess(ix, guess, copy, len);
	assert_int_equal(route != NULL ? route->row : -1, row);
	if (row >= 0)
		assert_ptr_equal(route->schema, rows[row].schema);
	free(copy);
}

static void
a_command_is_found_or_not(void **state)
{
	static const size_t sizes[] = { 0, 1, 2, 3, 10, 100, ROWS };
	const struct mproc__route *guess;
	struct mproc__index ix;
	char name[MPROC_COMMAND_MAX + 2];
	size_t i, j, len;

	(void)state;
	for (j = 0; j < TEST_COUNT(sizes); j++) {
		make_class(sizes[j]);
		guess = NULL;
		assert_int_equal(mproc__index_init(&ix, &class), 0);
		check(&ix, &guess, "", 0);
		check(&ix, &guess, "a", 1);
		for (i = 0; i < sizes[j]; i++) {
			len = strlen(names[i]);
			check(&ix, &guess, names[i], len);
			check(&ix, &guess, names[i], len - 1);
			check(&ix, &guess, names[i], len + 1);
			memcpy(name, names[i], len + 1);
			name[i % len] ^= 1;
			check(&ix, &guess, name, len);
			name[i % len] = '\0';
			check(&ix, &guess, name, len);
		}
		mproc__index_done(&ix);
	}
}

static void
a_message_is_taken_or_not(void **state)
{
	struct mproc_schema other;
	struct mproc__index ix;
	size_t i;

	(void)state;
	make_class(ROWS);
	assert_int_equal(mproc__index_init(&ix, &class), 0);
	for (i = 0; i < ROWS; i++) {
		other = schemas[i];	/* another .c file's */
		other.hash = NULL;
		assert_true(mproc__index_takes(&ix, &schemas[i]));
		assert_true(mproc__index_takes(&ix, &other));
		other.size += 8;
		assert_false(mproc__index_takes(&ix, &other));
	}
	assert_false(mproc__index_takes(&ix, MPROC_SCHEMA(index_row)));
	mproc__index_done(&ix);
	make_class(0);
	assert_int_equal(mproc__index_init(&ix, &class), 0);
	assert_false(mproc__index_takes(&ix, MPROC_SCHEMA(index_row)));
	mproc__index_done(&ix);
}

static void
no_memory_for_an_index(void **state)
{
	struct mproc__index ix;
	unsigned n;

	(void)state;
	make_class(10);
	for (n = 1; n <= 2; n++) {
		test_fail_alloc(n);
		assert_int_equal(mproc__index_init(&ix, &class), -ENOMEM);
		assert_true(test_fail_done());
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_is_found_or_not),
		cmocka_unit_test(a_message_is_taken_or_not),
		cmocka_unit_test(no_memory_for_an_index),
	};

	return TEST_RUN(tests);
}
