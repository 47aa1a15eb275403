/*
 * wire_format_test.c - what doc/wire-format.md says in numbers is so: the
 * bytes of its example, and where the words of the status page are.
 */
#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "message/message.h"
#include "process/page.h"

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

static FILE *
open_document(void)
{
	const char *top = getenv("top_srcdir");
	char path[1024];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/doc/wire-format.md",
	    top != NULL ? top : ".");
	f = fopen(path, "re");
	assert_non_null(f);
	return f;
}

static size_t
read_example(uint8_t *bytes)
{
	FILE *f = open_document();
	bool inside = false;
	char line[1024];
	size_t n = 0;

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

/* Is there a line that begins so? */
static bool
says(const char *start)
{
	FILE *f = open_document();
	bool found = false;
	char line[1024];

	while (!found && fgets(line, sizeof(line), f) != NULL)
		found = strncmp(line, start, strlen(start)) == 0;
	(void)fclose(f);
	return found;
}

static void
the_status_page_is_laid_out_so(void **state)
{
#define WORD(name)	{ #name, offsetof(struct mproc__page, name),	\
	sizeof(((struct mproc__page *)0)->name) }
	static const struct {
		const char *name;
		size_t	    offset, size;
	} words[] = {
		WORD(handled), WORD(failed), WORD(expired),
		WORD(dropped_stop), WORD(done_bytes), WORD(emitted),
		WORD(emitted_bytes), WORD(emits_dropped), WORD(logs_dropped),
		WORD(msg_id), WORD(since_ns), WORD(row),
		WORD(backend_waiting), WORD(taken), WORD(taken_bytes),
		WORD(wake_done), WORD(wake_bytes), WORD(control_sent),
		WORD(no_go), WORD(log_level), WORD(look_us),
		WORD(signals), WORD(deferred), WORD(value), WORD(idle),
		WORD(claim)
	};
#undef WORD
	char start[128];
	size_t i;

	(void)state;
	for (i = 0; i < TEST_COUNT(words); i++) {
		(void)snprintf(start, sizeof(start), "| %zu | %zu | `%s` |",
		    words[i].offset, words[i].size, words[i].name);
		if (!says(start))
			fail_msg("wire-format.md has no row %s", start);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_is_what_is_written),
		cmocka_unit_test(the_status_page_is_laid_out_so),
	};

	return TEST_RUN(tests);
}
