/*
 * map.c - a job for each message of an array.
 */
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "pool/pool.h"

static const struct mproc_map_options none;

struct map {
	struct mproc__sink sink;
	struct mproc_pool *pool;
	struct mproc_result *results;
	const struct mproc_map_options *opt;
	size_t		 n, handed, left;
	size_t		 failed, first;	/* of the failed, by position */
	bool		 stopped;
	struct mproc__reporter reporter;
};

static void
set_result(struct map *m, uint64_t index, int code, struct mproc_msg *reply,
    const char *text)
{
	struct mproc_result *r = &m->results[index];

	r->index = index;
	r->code = code;
	r->reply = reply;
	if (text != NULL)
		(void)strlcpy(r->text, text, sizeof(r->text));
	m->left--;
	if (code >= 0)
		return;
	/* what was canceled for another's sake is not what was wrong */
	if (m->failed++ == 0 || (index < m->first &&
	    !(m->stopped && code == -ECANCELED)))
		m->first = index;
}

static void
put_result(struct mproc__sink *sink, const struct mproc__job *job, int code,
    struct mproc_msg *reply, const char *text)
{
	set_result((struct map *)(void *)sink, job->index, code, reply, text);
}

static bool
has_room(void *arg)
{
	struct map *m = arg;

	return mproc__pool_has_room(m->pool) || m->pool->no_go ||
	    m->pool->state != MPROC__POOL_RUNNING ||
	    (m->opt->stop_on_error && m->failed > 0);
}

static bool
is_done(void *arg)
{
	struct map *m = arg;

	return m->left == 0 || (m->opt->stop_on_error && m->failed > 0);
}

static void
report(struct map *m, bool last)
{
	mproc__report(m->pool, &m->reporter, &(struct mproc_progress){
	    .done = m->handed - m->left, .failed = m->failed,
	    .total = m->n }, last);
}

static int
wait_for(struct map *m, bool (*ready)(void *))
{
	int r;

	do {
		r = mproc__pool_wait(m->pool, ready, m, mproc__report_at(
		    &m->reporter, MPROC__NEVER));
		report(m, false);
	} while (r == -ETIMEDOUT);
	return r;
}

static int
hand_in(struct map *m, const struct mproc_schema *schema, const char *in)
{
	struct mproc__item it = { .schema = schema };
	int r;

	for (; m->handed < m->n; m->handed++) {
		if (!has_room(m) && (r = wait_for(m, has_room)) < 0)
			return r;
		if (m->opt->stop_on_error && m->failed > 0)
			return 0;
		if ((r = mproc__pool_await_room(m->pool, has_room, m, 0)) < 0)
			return r;
		it.args = in + m->handed * schema->size;
		m->left++;
		r = mproc__pool_submit(m->pool, &it, m->opt->job, NULL,
		    &m->sink, m->handed);
		if (r < 0) {
			m->left--;
			return r;
		}
	}
	return 0;
}

/* What was not handed in ends like the rest of the canceled. */
static void
cancel_rest(struct map *m, int code)
{
	size_t i;

	m->stopped = true;
	mproc__sink_leave(m->pool, &m->sink, true);
	for (i = m->handed; i < m->n; i++) {
		m->left++;
		set_result(m, i, code, NULL, "not begun");
	}
}

static void
tell_failed(struct map *m, const struct mproc_map_options *opt)
{
	const struct mproc_pool *before;
	size_t i;

	if (opt->on_failed == NULL || m->failed == 0)
		return;
	before = mproc__tell_begin(m->pool);
	for (i = 0; i < m->n; i++)
		if (m->results[i].code < 0)
			opt->on_failed(i, 1, m->results[i].code,
			    m->results[i].text, opt->on_failed_arg);
	mproc__tell_end(m->pool, before);
}

static int
run(struct map *m, const struct mproc_schema *schema, const void *in)
{
	const struct mproc_map_options *opt;
	int r;

	r = hand_in(m, schema, in);
	if (r == 0)
		r = wait_for(m, is_done);
	if (r < 0 || (m->opt->stop_on_error && m->failed > 0))
		cancel_rest(m, r < 0 ? r : -ECANCELED);
	opt = m->opt;
	m->opt = &none;		/* nothing ends it early any more */
	r = wait_for(m, is_done);
	m->handed = m->n;
	tell_failed(m, opt);
	report(m, true);
	return r;
}

int
mproc_pool_map_typed(struct mproc_pool *pool,
    const struct mproc_schema *schema, const void *in, size_t n,
    const struct mproc_map_options *options, struct mproc_result *results)
{
	struct map m = {
		.sink.put = put_result, .pool = pool, .results = results,
		.opt = options != NULL ? options : &none, .n = n,
		.reporter.begun = mproc__now_ns()
	};
	int r;

	if (schema == NULL || (n > 0 && (in == NULL || results == NULL)))
		return mproc__err(-EINVAL, "no input or no place given");
	if ((r = mproc__pool_enter(pool)) < 0)
		return r;
	m.reporter.fn = m.opt->progress;
	m.reporter.arg = m.opt->progress_arg;
	memset(results, 0, n * sizeof(*results));
	if ((r = mproc__pool_may_wait(pool)) == 0 &&
	    (r = mproc__pool_check(pool,
	    &(struct mproc__item){ .schema = schema })) == 0 &&
	    (r = mproc__pool_await_room(pool, has_room, &m, -1)) == 0 &&
	    (r = run(&m, schema, in)) == 0 && m.failed > 0)
		r = mproc__err(results[m.first].code, "item %zu: %s", m.first,
		    results[m.first].text);
	mproc__pool_leave(pool);
	return r;
}

void
mproc_results_free(struct mproc_result *results, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		mproc_msg_free(results[i].reply);
		results[i].reply = NULL;
	}
}
