/*
 * Error texts and names; doc/errors.md against the list.
 */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mproc/error.h>

#include "system/error.h"
#include "test.h"

static void
test_err_returns_code_and_keeps_errno(void **state)
{
	(void)state;
	errno = EXDEV;
	assert_int_equal(mproc__err(-EINVAL, "field %s: %d", "by", 7),
	    -EINVAL);
	assert_int_equal(errno, EXDEV);
	assert_string_equal(mproc__err_text(), "field by: 7");
}

static void
test_err_text_may_be_its_own_argument(void **state)
{
	(void)state;
	mproc__err(-EINVAL, "inner");
	mproc__err(-EINVAL, "outer: %s", mproc__err_text());
	assert_string_equal(mproc__err_text(), "outer: inner");
}

static void
test_err_text_is_bounded(void **state)
{
	char big[4096];

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	mproc__err(-EINVAL, "%s", big);
	assert_int_equal(strlen(mproc__err_text()), 511);
}

static void *
other_thread(void *arg)
{
	(void)arg;
	if (mproc__err_text()[0] != '\0')
		return NULL;
	mproc__err(-EPIPE, "theirs");
	return (void *)1;
}

static void
test_err_text_is_the_threads_own(void **state)
{
	pthread_t thread;
	void *was_empty;

	(void)state;
	mproc__err(-EINVAL, "mine");
	assert_int_equal(pthread_create(&thread, NULL, other_thread, NULL), 0);
	assert_int_equal(pthread_join(thread, &was_empty), 0);
	assert_non_null(was_empty);
	assert_string_equal(mproc__err_text(), "mine");
}

static void
test_every_code_has_name_and_text(void **state)
{
	(void)state;
#define CHECK(name, text)						\
	assert_string_equal(mproc_errname(-name), #name);		\
	assert_string_equal(mproc_strerror(-name), text);
	MPROC_ERRORS(CHECK)
#undef CHECK
}

static void
test_foreign_codes(void **state)
{
	(void)state;
	assert_string_equal(mproc_strerror(0), "success");
	assert_string_equal(mproc_strerror(12), "success");
	assert_string_equal(mproc_errname(0), "0");
	assert_string_equal(mproc_errname(-EDOM), "EDOM");
	assert_string_equal(mproc_strerror(-EDOM), strerrordesc_np(EDOM));
	assert_string_equal(mproc_strerror(-9999), "unknown error");
	assert_string_equal(mproc_errname(-9999), "E?");
	assert_string_equal(mproc_strerror(INT_MIN), "unknown error");
	assert_string_equal(mproc_errname(INT_MIN), "E?");
}

/* The next table row of `page` as code and text: 1, or 0 at the end */
static int
next_row(FILE *page, char *line, size_t size, char **ret_name,
    char **ret_text)
{
	char *bar;

	while (fgets(line, (int)size, page) != NULL) {
		if (strncmp(line, "| -E", 4) != 0)
			continue;
		*ret_name = line + 3;
		bar = strstr(line + 3, " | ");
		assert_non_null(bar);
		*bar = '\0';
		*ret_text = bar + 3;
		bar = strrchr(*ret_text, '|');
		assert_non_null(bar);
		bar[-1] = '\0';
		return 1;
	}
	return 0;
}

static void
test_doc_errors_md_is_the_list(void **state)
{
	const char *srcdir = getenv("top_srcdir");
	char path[4096], line[1024], *name, *text;
	FILE *page;

	(void)state;
	snprintf(path, sizeof(path), "%s/doc/errors.md",
	    srcdir != NULL ? srcdir : ".");
	page = fopen(path, "re");
	assert_non_null(page);
#define CHECK(code, sentence)						\
	assert_int_equal(next_row(page, line, sizeof(line), &name,	\
	    &text), 1);							\
	assert_string_equal(name, #code);				\
	assert_string_equal(text, sentence);
	MPROC_ERRORS(CHECK)
#undef CHECK
	assert_int_equal(next_row(page, line, sizeof(line), &name, &text), 0);
	fclose(page);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_err_returns_code_and_keeps_errno),
		cmocka_unit_test(test_err_text_may_be_its_own_argument),
		cmocka_unit_test(test_err_text_is_bounded),
		cmocka_unit_test(test_err_text_is_the_threads_own),
		cmocka_unit_test(test_every_code_has_name_and_text),
		cmocka_unit_test(test_foreign_codes),
		cmocka_unit_test(test_doc_errors_md_is_the_list),
	};

	return TEST_RUN(tests);
}
