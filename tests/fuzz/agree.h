/*
 * agree.h - the codec's short way against its long one, on any bytes.
 */
#ifndef MPROC_TESTS_FUZZ_AGREE_H
#define MPROC_TESTS_FUZZ_AGREE_H

#include <string.h>

#include "fuzz.h"
#include "message/message.h"

#define AGREE_MAX	512	/* bytes of a struct */

static inline void
same_envelopes(const struct mproc__envelope *a,
    const struct mproc__envelope *b)
{
	MUST(a->kind == b->kind && a->id == b->id);
	MUST(a->command == b->command && a->command_len == b->command_len);
	MUST(a->args == b->args && a->args_size == b->args_size);
	MUST(a->has_meta == b->has_meta && a->n_fds == b->n_fds);
	MUST(a->meta.deadline_ns == b->meta.deadline_ns);
}

static inline void
agree_envelope(uint8_t *body, size_t size)
{
	struct mproc__envelope fast, any;

	if (!mproc__envelope_fast(body, size, &fast))
		return;
	MUST(mproc__envelope_any(body, size, &any) == 0);
	same_envelopes(&fast, &any);
}

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
	same_envelopes(&short_env, &env);
	MUST(env.n_fds == 0);
	MUST(short_poke.n == poke.n);
	for (i = 0; i < poke.n; i++)
		MUST(short_poke.poke[i].at == poke.poke[i].at);
}

#endif
