/*
 * values.c - a function's values on their way through a pool, in chunks.
 *
 * The array is divided among some slots, several for each worker; each has
 * one chunk of its part in the pool at a time.  How long a chunk takes nobody
 * knows beforehand.  So it may be large, and what a worker has not brought
 * back after some time is asked for, by the word that cancels calls: it
 * replies with what it has done, and the rest goes out again, to whoever has
 * time.  A cheap function never notices; of a slow one, what is done is known
 * soon, and a worker's death costs little.
 *
 * A slot whose part is done takes half of what another has not handed in.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include <mproc/function.h>

#include "pool/pool.h"

#define SLOTS		4		/* a worker */
/*
 * Fits the caches and a ring, several times: the worker's side and this one
 * work at once, and no buffer is so large that the allocator gives its pages
 * back.  With 1 MiB a map took 4 times as long.
 */
#define CHUNK_BYTES	(64 << 10)
#define ASK_MS		100		/* what ran so long is asked for */
#define GROWTH		4		/* of a chunk, against the last */

struct slot {
	size_t		 at, end;	/* its part; `len` of it in the pool */
	size_t		 len, limit;
	bool		 asked, came;
	uint64_t	 seen;		/* the job, running, at the last look */
	/* of the chunk that came: */
	int		 code;
	int64_t		 value;		/* a worker died there; -1 */
	bool		 unwanted;
	struct mproc_msg *reply;
	char		 text[256];
};

struct map {
	struct mproc__sink sink;
	struct mproc_pool *pool;
	const struct mproc_function *fn;
	const struct mproc_map_options *opt;
	const char	*in;
	char		*out;
	struct slot	*slots;
	size_t		 n_slots, n_out, n_came;
	size_t		 max;		/* values in a chunk */
	bool		 want_room;
	int64_t		 ask_ns, ask_at;
	int		 ending;	/* nothing is handed in any more: why */
	char		 end_text[256];
	int		 first;		/* code of the first, by position, ... */
	size_t		 first_at;	/* ... that failed */
	char		 text[400];
	struct mproc_progress progress;
	struct mproc__reporter reporter;
};

static void
put_chunk(struct mproc__sink *sink, const struct mproc__job *job, int code,
    struct mproc_msg *reply, const char *text)
{
	struct map *m = (struct map *)(void *)sink;
	struct slot *s = &m->slots[job->index];

	s->code = code;
	s->reply = reply;
	s->value = job->value;
	s->unwanted = job->unwanted;
	(void)strlcpy(s->text, text != NULL ? text : "", sizeof(s->text));
	s->came = true;
	m->n_came++;
	m->n_out--;
}

/* No more is handed in; what waits is taken back, what runs soon returns. */
static void
end_early(struct map *m, int code, const char *text)
{
	if (m->ending < 0)
		return;
	m->ending = code;
	m->want_room = false;
	(void)strlcpy(m->end_text, text, sizeof(m->end_text));
	mproc__sink_leave(m->pool, &m->sink, true);
}

/* Values that have no result: n from `at` on, with the lock held. */
static void
fail(struct map *m, size_t at, size_t n, int code, const char *why)
{
	const struct mproc_pool *before;
	char text[400], range[64];

	if (n == 1)
		(void)snprintf(range, sizeof(range), "value %zu", at);
	else
		(void)snprintf(range, sizeof(range), "values %zu to %zu", at,
		    at + n - 1);
	(void)snprintf(text, sizeof(text), "%s of %s: %s", m->fn->name,
	    range, why);
	m->progress.failed += n;
	/* what was canceled for another's sake is not what was wrong */
	if (m->first == 0 || (at < m->first_at && m->ending == 0)) {
		m->first = code;
		m->first_at = at;
		(void)strlcpy(m->text, text, sizeof(m->text));
	}
	if (m->opt->on_failed != NULL) {
		before = mproc__tell_begin(m->pool);
		m->opt->on_failed(at, n, code, text, m->opt->on_failed_arg);
		mproc__tell_end(m->pool, before);
	}
}

static void
fail_values(struct map *m, size_t at, size_t n, const int32_t *codes)
{
	char none[48];
	size_t i;
	int code;

	for (i = 0; i < n; i++) {
		if ((code = codes[i]) >= 0)
			continue;
		fail(m, at + i, 1, code > -4096 ? code : -EREMOTEIO,
		    mproc__code_words(code, none, sizeof(none)));
	}
}

/* All but those that failed; those keep what was there. */
static void
keep_values(struct map *m, size_t at, const struct mproc__chunk_done *done,
    const int32_t *codes)
{
	size_t size = m->fn->out_size, n = (size_t)done->count, i;
	const char *from = done->values.data;
	char *to = m->out + at * size;

	if (size == 0)
		return;
	if (codes == NULL) {
		memcpy(to, from, n * size);
		return;
	}
	for (i = 0; i < n; i++)
		if (codes[i] >= 0)
			memcpy(to + i * size, from + i * size, size);
}

/* Locked, and unlocks; returns how many values are done, or -EBADMSG. */
static int64_t
take_done(struct map *m, const struct slot *s)
{
	const struct mproc__chunk_done *done =
	    mproc_args(s->reply, mproc__chunk_done);
	int32_t *codes = NULL;
	size_t n;

	if (done == NULL || done->count < 1 ||
	    (n = (size_t)done->count) > s->len ||
	    done->values.size != n * m->fn->out_size ||
	    (done->codes.size != 0 && done->codes.size != n * sizeof(*codes)))
		return -EBADMSG;
	if (done->codes.size > 0) {
		if ((codes = malloc(done->codes.size)) == NULL)
			return -ENOMEM;
		memcpy(codes, done->codes.data, done->codes.size);
	}
	mproc__pool_unlock(m->pool);
	keep_values(m, s->at, done, codes);
	mproc__pool_lock(m->pool);
	if (codes != NULL)
		fail_values(m, s->at, n, codes);
	free(codes);
	return (int64_t)n;
}

/* A chunk without a reply: what of it is lost; the rest was not begun. */
static size_t
lose(struct map *m, const struct slot *s)
{
	size_t n = s->len;

	if (s->code == -ECANCELED && s->asked && !s->unwanted &&
	    m->ending == 0 && !m->pool->terminating)
		return 0;		/* asked for before it was begun */
	if (s->value >= (int64_t)s->at &&
	    (uint64_t)s->value - s->at < s->len)
		n = (size_t)s->value - s->at + 1;
	if (s->code == -ECANCELED)
		n = s->len;
	if (s->code == -ECANCELED && m->ending < 0 &&
	    m->ending != -ECANCELED)	/* that is why it was canceled */
		fail(m, s->at, n, m->ending, m->end_text);
	else
		fail(m, s->at, n, s->code, s->text);
	if (s->code == -ECANCELED)
		end_early(m, s->code, s->text);
	return n;
}

static void
take_chunk(struct map *m, struct slot *s)
{
	size_t failed = m->progress.failed, n;
	int64_t done = s->code;

	s->came = false;
	m->n_came--;
	if (done >= 0 && (done = take_done(m, s)) < 0) {
		s->code = (int)done;
		(void)strlcpy(s->text, done == -EBADMSG ?
		    "a reply of another shape" : "no memory",
		    sizeof(s->text));
	}
	if (s->code < 0) {
		n = lose(m, s);
	} else {
		n = (size_t)done;
		/* not larger at once: what comes back is sent twice */
		s->limit = n < m->max / GROWTH ? n * GROWTH : m->max;
		if (n < s->len && s->unwanted)
			end_early(m, -ECANCELED, "canceled");
	}
	s->reply = mproc_msg_free(s->reply);
	s->at += n;
	s->len = 0;
	s->asked = false;
	m->progress.done += n;
	if (m->progress.failed > failed && m->opt->stop_on_error)
		end_early(m, -ECANCELED, "not begun");
}

/* Half of what the slot with most to hand in has still. */
static void
steal(struct map *m, struct slot *s)
{
	struct slot *o, *from = NULL;
	size_t left, most = 0;

	for (o = m->slots; o < m->slots + m->n_slots; o++) {
		left = o->end - o->at - o->len;
		if (o->len == 0 && left > 0)
			left--;		/* that one it hands in itself */
		if (left > most) {
			most = left;
			from = o;
		}
	}
	if (from == NULL)
		return;
	s->end = from->end;
	s->at = from->end -= (most + 1) / 2;
	s->limit = from->limit;
}

static int
hand_in(struct map *m, struct slot *s)
{
	struct mproc__chunk_run run = { .first = (int64_t)s->at };
	size_t n = s->end - s->at;
	int r;

	s->len = n < s->limit ? n : s->limit;
	run.values = (struct mproc_bytes){ m->in + s->at * m->fn->in_size,
	    s->len * m->fn->in_size };
	m->n_out++;
	r = mproc__pool_submit(m->pool, &(struct mproc__item){
	    .schema = MPROC_SCHEMA(mproc__chunk_run), .args = &run },
	    m->opt->job, NULL, &m->sink, (uint64_t)(s - m->slots));
	if (r == 0)
		return 0;
	m->n_out--;
	s->len = 0;
	return r;
}

static bool
always(void *arg)
{
	(void)arg;
	return true;
}

/* All slots that have something, as far as there is room. */
static int
hand_in_all(struct map *m)
{
	struct slot *s;
	int r;

	for (s = m->slots; s < m->slots + m->n_slots; s++)
		if (s->at == s->end)
			steal(m, s);
	m->want_room = false;
	for (s = m->slots; s < m->slots + m->n_slots; s++) {
		if (s->len > 0 || s->at == s->end)
			continue;
		if ((r = mproc__pool_await_room(m->pool, always, NULL,
		    0)) < 0)
			return r;
		if (!mproc__pool_has_room(m->pool)) {
			m->want_room = true;
			return 0;
		}
		if ((r = hand_in(m, s)) < 0)
			return r;
	}
	return 0;
}

/*
 * What a worker has had at hand since the last look is asked for.  Should its
 * handler not have begun by now, it will not.
 */
static void
ask(struct map *m)
{
	struct mproc__worker *w;
	struct mproc__job *job;
	struct slot *s;

	m->ask_at = mproc__now_ns() + m->ask_ns;
	for (w = m->pool->all.first; w != NULL; w = w->next) {
		job = w->out.first;
		if (job == NULL || job->sink != &m->sink)
			continue;
		s = &m->slots[job->index];
		if (s->seen == job->id)
			s->asked = mproc__worker_tell(w, job);
		s->seen = job->id;
	}
}

static bool
has_news(void *arg)
{
	const struct map *m = arg;
	struct mproc_pool *pool = m->pool;

	if (m->n_came > 0 || !m->want_room)
		return m->n_came > 0 || m->n_out == 0;
	return mproc__pool_has_room(pool) || pool->no_go ||
	    pool->state != MPROC__POOL_RUNNING;
}

static int
wait(struct map *m)
{
	int r;

	r = mproc__pool_wait(m->pool, has_news, m,
	    mproc__report_at(&m->reporter, m->ask_at));
	if (mproc__has_passed(m->ask_at))
		ask(m);
	mproc__report(m->pool, &m->reporter, &m->progress, false);
	return r == -ETIMEDOUT ? 0 : r;
}

static void
take_all(struct map *m)
{
	struct slot *s;

	for (s = m->slots; s < m->slots + m->n_slots && m->n_came > 0; s++)
		if (s->came)
			take_chunk(m, s);
}

/* What was never handed in. */
static void
give_up(struct map *m)
{
	struct slot *s;

	for (s = m->slots; s < m->slots + m->n_slots; s++) {
		if (s->at == s->end)
			continue;
		fail(m, s->at, s->end - s->at, m->ending, m->end_text);
		m->progress.done += s->end - s->at;
		s->at = s->end;
	}
}

static void
run(struct map *m)
{
	int r = 0;

	for (;;) {
		take_all(m);
		if (r == 0 && m->ending == 0)
			r = hand_in_all(m);
		if (r < 0)
			end_early(m, r, mproc__err_code() == r ?
			    mproc__err_text() : strerrordesc_np(-r));
		if (m->n_out == 0 && m->n_came == 0 && !m->want_room)
			break;
		r = wait(m);
	}
	if (m->ending < 0)
		give_up(m);
	mproc__report(m->pool, &m->reporter, &m->progress, true);
}

static size_t
count_slots(const struct mproc_pool *pool, size_t n)
{
	size_t most = SLOTS * (size_t)pool->opt.workers;

	return n < most ? n : most;
}

/* Equal parts of the array. */
static void
divide(struct map *m, size_t n)
{
	size_t size = m->fn->in_size > m->fn->out_size ? m->fn->in_size :
	    m->fn->out_size, part = n / m->n_slots, more = n % m->n_slots;
	size_t at = 0, i;

	m->max = size < CHUNK_BYTES ? CHUNK_BYTES / size : 1;
	if (m->opt->chunk > 0 && m->opt->chunk < m->max)
		m->max = m->opt->chunk;
	for (i = 0; i < m->n_slots; i++) {
		m->slots[i].limit = m->max;
		m->slots[i].at = at;
		m->slots[i].end = at += part + (i < more);
	}
}

/* A job's limit is meant for a value, not for a chunk of many. */
static int64_t
ask_after(const struct map *m)
{
	int ms = m->opt->job != NULL && m->opt->job->timeout_ms != 0 ?
	    m->opt->job->timeout_ms : m->pool->opt.timeout_ms;

	return ms > 0 && ms < 4 * ASK_MS ? ms * 250000LL :
	    ASK_MS * 1000000LL;
}

int
mproc__map_values(struct mproc_pool *pool, const struct mproc_function *fn,
    const void *in, size_t n, const struct mproc_map_options *options,
    void *out)
{
	static const struct mproc_map_options none;
	struct map m = {
		.sink.put = put_chunk, .pool = pool, .fn = fn, .in = in,
		.out = out, .opt = options != NULL ? options : &none,
		.progress.total = n, .reporter.begun = mproc__now_ns()
	};
	struct slot *slots = NULL;
	int r;

	if ((r = mproc__pool_enter(pool)) < 0)
		return r;
	m.reporter.fn = m.opt->progress;
	m.reporter.arg = m.opt->progress_arg;
	if ((r = mproc__pool_may_wait(pool)) < 0 ||
	    (r = mproc__pool_await_room(pool, always, NULL, 0)) < 0)
		goto out;
	m.n_slots = count_slots(pool, n);
	if ((slots = calloc(m.n_slots, sizeof(*slots))) == NULL) {
		r = -ENOMEM;
		goto out;
	}
	m.slots = slots;
	divide(&m, n);
	m.ask_ns = ask_after(&m);
	m.ask_at = mproc__now_ns() + m.ask_ns;
	run(&m);
	r = m.first;
out:
	mproc__pool_leave(pool);
	free(slots);
	return r < 0 && m.first < 0 ? mproc__err(r, "%s", m.text) : r;
}
