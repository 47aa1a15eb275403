/*
 * agree.h - the codec's short way against its long one, on any bytes.
 */
#ifndef MPROC_TESTS_FUZZ_AGREE_H
#define MPROC_TESTS_FUZZ_AGREE_H

#include <string.h>

#include "fuzz.h"
#include "message/message.h"

#define AGREE_MAX	512	/* bytes of a struct */

/*
 * What the short way takes, the long one takes, with the same result; the
 * body (one byte longer than size) is as it was then.
 */
static inline void
agree(const struct mproc_schema *s, uint8_t *body, size_t size)
{
	_Alignas(max_align_t) uint8_t a[AGREE_MAX] = { 0 }, b[AGREE_MAX];
	struct mproc__envelope short_env, env;
	struct mproc__poke short_poke, poke;
	uint32_t i;

	MUST(s->size <= AGREE_MAX);
	if (!mproc__envelope_head(body, size, &short_env) ||
	    !mproc__envelope_is(&short_env, s->command) ||
	    !mproc__decode_body(s, &short_env, a, &short_poke))
		return;
	mproc__poke_undo(&short_poke);
	MUST(mproc__envelope_read(body, size, &env) == 0);
	MUST(mproc__decode_any(s, env.args, env.args_size, NULL, 0, b,
	    &poke) == 0);
	mproc__poke_undo(&poke);
	MUST(memcmp(a, b, s->size) == 0);
	MUST(short_env.kind == env.kind && short_env.id == env.id);
	MUST(short_env.command == env.command &&
	    short_env.command_len == env.command_len);
	MUST(short_env.args == env.args &&
	    short_env.args_size == env.args_size);
	MUST(short_env.n_fds == 0 && env.n_fds == 0);
	MUST(short_env.meta.deadline_ns == env.meta.deadline_ns);
	MUST(short_poke.n == poke.n);
	for (i = 0; i < poke.n; i++)
		MUST(short_poke.poke[i].at == poke.poke[i].at);
}

#endif
