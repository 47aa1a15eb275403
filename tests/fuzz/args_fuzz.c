/*
 * args_fuzz.c - any argument map against a message with a field of every
 * type: it is refused and nothing is changed, or what was read can be
 * written and read again and is the same.
 */
#include <string.h>

#include <mproc/message.h>

#include "agree.h"
#include "fuzz.h"
#include "message/message.h"

MPROC_MESSAGE(fuzz, all, (bool, b), (int, i), (int64_t, l), (uint64_t, u),
    (double, d), (const char *, s), (struct mproc_bytes, bytes),
    (struct mproc_value, value));

static bool
same_text(const char *a, const char *b)
{
	return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

static bool
same(const struct fuzz_all *a, const struct fuzz_all *b)
{
	return a->b == b->b && a->i == b->i && a->l == b->l && a->u == b->u &&
	    memcmp(&a->d, &b->d, sizeof(a->d)) == 0 && same_text(a->s, b->s) &&
	    a->bytes.size == b->bytes.size &&
	    (a->bytes.size == 0 ||
	    memcmp(a->bytes.data, b->bytes.data, a->bytes.size) == 0);
}

/* Write what was read, read it again. */
static void
round_trip(const struct fuzz_all *all)
{
	struct mproc__envelope envelope;
	struct mproc__fdset fds = { .n = 0 };
	struct mproc__poke poke;
	struct mproc__buf buf = { .data = NULL };
	struct fuzz_all again;

	MUST(mproc__encode(&buf, MPROC__CAST, 0, MPROC_SCHEMA(fuzz_all), all,
	    NULL, SIZE_MAX, &fds) == 0);
	MUST(mproc__buf_reserve(&buf, 1) != NULL);
	MUST(mproc__envelope_read(buf.data, buf.len, &envelope) == 0);
	MUST(mproc__envelope_is(&envelope, "all"));
	MUST(mproc__decode(MPROC_SCHEMA(fuzz_all), envelope.args,
	    envelope.args_size, NULL, 0, &again, &poke) == 0);
	MUST(same(all, &again));
	mproc__buf_done(&buf);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t head[] = { 0x94, 0x00, 0x00, 0xa3, 'a', 'l', 'l' };
	struct mproc__envelope envelope;
	struct mproc__poke poke;
	struct fuzz_all all;
	uint8_t *body, *before;
	size_t total = sizeof(head) + size;

	body = malloc(total + 1);
	before = malloc(total);
	MUST(body != NULL && before != NULL);
	memcpy(body, head, sizeof(head));
	if (size > 0)
		memcpy(body + sizeof(head), data, size);
	body[total] = 0;
	memcpy(before, body, total);
	agree(MPROC_SCHEMA(fuzz_all), body, total);
	if (mproc__envelope_read(body, total, &envelope) == 0 &&
	    mproc__decode(MPROC_SCHEMA(fuzz_all), envelope.args,
	    envelope.args_size, NULL, 0, &all, &poke) == 0) {
		round_trip(&all);
		mproc__poke_undo(&poke);
	}
	MUST(memcmp(before, body, total) == 0);
	free(body);
	free(before);
	return 0;
}
