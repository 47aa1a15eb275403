/*
 * wire_example_test.c - the bytes of the example in doc/wire-format.md are
 * those that the library writes.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "message/message.h"

#define HEADING		"## An example"
#define MAX		64	/* bytes; the example has 24 */

MPROC_MESSAGE(counter, add, (int64_t, by), (const char *, label));

/* An indented line begins with pairs of hex digits; words may follow. */
static size_t
read_line(const char *line, uint8_t *bytes, size_t n)
{
	while (*line == ' ' && n < MAX) {
		while (*line == ' ')
			line++;
		if (!isxdigit((unsigned char)line[0]) ||
		    !isxdigit((unsigned char)line[1]) ||
		    (line[2] != ' ' && line[2] != '\n'))
			break;
		bytes[n++] = (uint8_t)strtoul(line, NULL, 16);
		line += 2;
		if (strncmp(line, "  ", 2) == 0)
			break;		/* what follows is an explanation */
	}
	return n;
}

static size_t
read_example(uint8_t *bytes)
{
	const char *top = getenv("top_srcdir");
	char path[1024], line[256];
	bool inside = false;
	size_t n = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/doc/wire-format.md",
	    top != NULL ? top : ".");
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, "## ", 3) == 0)
			inside = strncmp(line, HEADING, strlen(HEADING)) == 0;
		else if (inside && strncmp(line, "    ", 4) == 0)
			n = read_line(line, bytes, n);
	}
	(void)fclose(f);
	return n;
}

static void
the_example_is_what_is_written(void **state)
{
	const struct counter_add args = { .by = 3, .label = "x" };
	struct mproc__fdset fds = { .n = 0 };
	uint8_t bytes[MAX];
	struct mproc__buf buf = { 0 };
	size_t n, body;

	(void)state;
	n = read_example(bytes);
	assert_int_equal(mproc__encode(&buf, MPROC__CALL, 7,
	    MPROC_SCHEMA(counter_add), &args, NULL, 1 << 20, &fds), 0);
	assert_in_range(n, 4, MAX);
	body = (size_t)bytes[0] | (size_t)bytes[1] << 8 |
	    (size_t)bytes[2] << 16 | (size_t)bytes[3] << 24;
	assert_int_equal(body, buf.len);
	assert_int_equal(n - 4, buf.len);
	assert_memory_equal(bytes + 4, buf.data, buf.len);
	mproc__buf_done(&buf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_is_what_is_written),
	};

	return TEST_RUN(tests);
}
