/*
 * envelope_fuzz.c - any body: it is refused, or it can be read in every way
 * that a message can be read.
 */
#include <string.h>

#include "agree.h"
#include "fuzz.h"
#include "message/message.h"

static void
read_fields(struct mproc_msg *msg)
{
	struct mproc_value value;
	char text[256];
	const char *name, *str;
	int64_t number;
	size_t i;

	for (i = 0; i < mproc_msg_count(msg) && i < 64; i++) {
		if (mproc_msg_field(msg, i, &name, &value) < 0)
			continue;
		MUST(strlen(name) <= 255);
		(void)mproc_msg_get_int(msg, name, &number);
		if (mproc_msg_get_str(msg, name, &str) == 0)
			MUST(str != NULL);
		MUST(mproc_value_print(value, text, sizeof(text)) >= 0);
		MUST(memchr(text, '\0', sizeof(text)) != NULL);
	}
	MUST(mproc_msg_print(msg, text, sizeof(text)) > 0);
	MUST(memchr(text, '\0', sizeof(text)) != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mproc__envelope envelope;
	struct mproc_msg *msg;
	char text[64];
	uint8_t *body;
	int code;

	/* Writable, and one byte longer, as the bytes of a frame are. */
	if ((body = malloc(size + 1)) == NULL)
		return 0;
	if (size > 0)
		memcpy(body, data, size);
	body[size] = 0;
	agree_envelope(body, size);
	if (mproc__envelope_read(body, size, &envelope) < 0)
		goto out;
	MUST(envelope.kind >= MPROC__CAST && envelope.kind <= MPROC__CREDIT);
	MUST(envelope.n_fds >= 0 && envelope.n_fds <= MPROC__FDS_MAX);
	MUST(envelope.args >= body &&
	    envelope.args + envelope.args_size <= body + size);
	if (envelope.kind == MPROC__ERROR &&
	    mproc__envelope_error(&envelope, &code, text, sizeof(text)) == 0)
		MUST(code < 0);
	if (mproc__msg_copy(body, size, NULL, 0, &msg) == 0) {
		read_fields(msg);
		mproc_msg_free(msg);
	}
	MUST(size == 0 || memcmp(body, data, size) == 0);
out:
	free(body);
	return 0;
}
