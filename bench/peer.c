/*
 * peer.c - the work of peer.h, over any transport.
 */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "peer.h"

#define UNSUPPORTED	77
#define SAMPLES		(1 << 20)
#define WARM_UP		200		/* round trips */
#define FAST_NS		2000		/* a trip below this is timed ... */
#define GROUP		16		/* ... in groups: the clock costs */
#define BURST		(64 << 10)	/* bytes between looks at the clock */

static const struct peer *peer;
static unsigned char *data;		/* the message that is sent */
static size_t data_size;

int
peer_fault(const char *what, int code)
{
	(void)fprintf(stderr, "%s: %s\n", what, strerror(-code));
	return code;
}

int
peer_processors(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ?
	    CPU_COUNT(&set) : 1;
}

void
peer_answer(int64_t taken, struct peer_answer *ret)
{
	*ret = (struct peer_answer){ .taken = taken, .pid = getpid() };
}

int
peer_feed(struct peer_stream *s, const unsigned char *bytes, size_t n)
{
	size_t step;
	int asked = 0;

	while (n > 0) {
		step = s->size - s->at;
		if (step > n)
			step = n;
		if (s->at == 0)
			s->ask = bytes[0];
		s->at += step;
		bytes += step;
		n -= step;
		if (s->at < s->size)
			break;
		s->at = 0;
		s->taken++;
		asked += s->ask == PEER_ASK;
	}
	return asked;
}

size_t
peer_size(const char *work, long param)
{
	return strcmp(work, "oneway") == 0 ? (size_t)param : PEER_MIN;
}

static int64_t
until(double seconds)
{
	return now_ns() + (int64_t)(seconds * 1e9);
}

static int
ask(int i)
{
	data[0] = PEER_ASK;
	return peer->send(i, data, data_size);
}

static int
trip(int i, struct peer_answer *ret)
{
	int r = ask(i);

	return r < 0 ? r : peer->recv(i, ret);
}

/* Trips until the time is over; fills us[] with n samples. */
static int
sample_trips(double *us, size_t *ret_n, double seconds)
{
	struct peer_answer answer;
	int64_t end, last, t = now_ns();
	int i, r, group;

	for (i = 0; i < WARM_UP; i++)
		if ((r = trip(0, &answer)) < 0)
			return r;
	group = now_ns() - t < WARM_UP * FAST_NS ? GROUP : 1;
	last = now_ns();
	end = until(seconds);
	while (last < end && *ret_n < SAMPLES) {
		for (i = 0; i < group; i++)
			if ((r = trip(0, &answer)) < 0)
				return r;
		t = now_ns();
		us[(*ret_n)++] = (double)(t - last) / 1e3 / group;
		last = t;
	}
	return 0;
}

static int
work_trip(long param, double seconds)
{
	double *us = calloc(SAMPLES, sizeof(*us)), sum = 0;
	size_t n = 0, i;
	int r;

	(void)param;
	if (us == NULL)
		return -ENOMEM;
	if ((r = peer->open(1, data_size)) == 0)
		r = sample_trips(us, &n, seconds);
	if (r == 0) {
		for (i = 0; i < n; i++)
			sum += us[i];
		printf("%.3f %.3f %.0f\n", percentile(us, n, 0.50),
		    percentile(us, n, 0.99), 1e6 * (double)n / sum);
	}
	free(us);
	return r;
}

static int
work_poll(long param, double seconds)
{
	int r = peer->poll != NULL ? peer->poll() : -EOPNOTSUPP;

	return r < 0 ? r : work_trip(param, seconds);
}

static int
work_oneway(long param, double seconds)
{
	size_t burst = 1 + BURST / data_size, i;
	struct peer_answer answer;
	int64_t n = 1, t, end;
	double rate;
	int r;

	if ((r = peer->open(1, data_size)) < 0 ||
	    (r = trip(0, &answer)) < 0)
		return r;
	data[0] = PEER_TAKE;
	t = now_ns();
	end = until(seconds);
	do {
		for (i = 0; i < burst; i++, n++)
			if ((r = peer->send(0, data, data_size)) < 0)
				return r;
	} while (now_ns() < end);
	if ((r = trip(0, &answer)) < 0)
		return r;
	rate = (double)n / ((double)(now_ns() - t) / 1e9);
	if (answer.taken != n + 1)
		return peer_fault("messages were lost", -EPROTO);
	printf("%.0f %.4f\n", rate, rate * (double)param / 1e9);
	return 0;
}

static int
work_fan(long backends, double seconds)
{
	struct peer_answer answer;
	int64_t t, end, n = -2;		/* two rounds to warm up */
	int i, r;

	if ((r = peer->open((int)backends, data_size)) < 0)
		return r;
	t = now_ns();
	end = until(seconds);
	do {
		for (i = 0; i < backends; i++)
			if ((r = ask(i)) < 0)
				return r;
		for (i = 0; i < backends; i++)
			if ((r = peer->recv(i, &answer)) < 0)
				return r;
		if (++n == 0)
			t = now_ns();
	} while (now_ns() < end || n < 1);
	printf("%.0f\n", (double)(n * backends) /
	    ((double)(now_ns() - t) / 1e9));
	return 0;
}

static int
work_start(long mib, double seconds)
{
	size_t size = (size_t)mib << 20;
	volatile char *ballast = malloc(size + 1);
	struct peer_answer answer;
	int64_t t, end;
	int n = 0, r = -ENOMEM;
	size_t i;

	if (ballast == NULL || peer->close == NULL) {
		free((void *)ballast);
		return peer->close == NULL ? -EOPNOTSUPP : -ENOMEM;
	}
	for (i = 0; i < size; i += 4096)
		ballast[i] = 1;
	t = now_ns();
	end = until(seconds);
	do {
		if ((r = peer->open(1, data_size)) < 0 ||
		    (r = trip(0, &answer)) < 0)
			break;
		peer->close();
		n++;
	} while (now_ns() < end || n < 3);
	if (r == 0)
		printf("%.1f\n", n / ((double)(now_ns() - t) / 1e9));
	free((void *)ballast);
	return r;
}

static int
work_memory(long backends, double seconds)
{
	struct peer_answer answer[PEER_MAX];
	double sum = 0;
	int i, r;

	(void)seconds;
	if ((r = peer->open((int)backends, data_size)) < 0)
		return r;
	for (i = 0; i < backends; i++)
		if ((r = trip(i, &answer[i])) < 0)
			return r;
	for (i = 0; i < backends; i++)
		sum += pss_kib((pid_t)answer[i].pid);
	printf("%.1f\n", sum / (double)backends);
	return 0;
}

static int
of_pool(enum peer_jobs jobs, long workers, double seconds)
{
	return peer->pool == NULL ? -EOPNOTSUPP :
	    work_jobs(peer->pool, jobs, workers, seconds);
}

static int
work_pool(long workers, double seconds)
{
	return of_pool(PEER_PUT, workers, seconds);
}

static int
work_futures(long workers, double seconds)
{
	return of_pool(PEER_FUTURES, workers, seconds);
}

static int
work_map(long workers, double seconds)
{
	return of_pool(PEER_MAP, workers, seconds);
}

static const struct peer_work common[] = {
	{ "trip", work_trip },
	{ "poll", work_poll },
	{ "oneway", work_oneway },
	{ "fan", work_fan },
	{ "start", work_start },
	{ "memory", work_memory },
	{ "pool", work_pool },
	{ "futures", work_futures },
	{ "map", work_map },
	{ NULL, NULL },
};

static const struct peer_work *
find(const struct peer_work *list, const char *name)
{
	for (; list != NULL && list->name != NULL; list++)
		if (strcmp(list->name, name) == 0)
			return list;
	return NULL;
}

int
peer_main(int argc, char **argv, const struct peer *transport)
{
	const char *variant = "", *name = argv[0];
	const struct peer_work *work;
	long param;
	int c, r;

	peer = transport;
	while ((c = getopt(argc, argv, "+v:")) != -1)
		if (c == 'v')
			variant = optarg;
	if (argc - optind != 3) {
		(void)fprintf(stderr, "usage: %s [-v variant] work param "
		    "seconds\n", name);
		return 2;
	}
	work = find(common, argv[optind]);
	if (work == NULL && (work = find(peer->more, argv[optind])) == NULL)
		return UNSUPPORTED;
	param = strtol(argv[optind + 1], NULL, 10);
	data_size = peer_size(work->name, param);
	if (param < 0 || data_size < PEER_MIN || ((work->run == work_fan ||
	    work->run == work_memory || work->run == work_pool ||
	    work->run == work_futures || work->run == work_map) && (param < 1 || param > PEER_MAX)))
		return 2;
	if ((data = calloc(1, data_size)) == NULL)
		return 1;
	if (peer->init == NULL || (r = peer->init(argc, argv, variant)) == 0)
		r = work->run(param, strtod(argv[optind + 2], NULL));
	(void)fflush(stdout);
	if (peer->close != NULL)
		peer->close();
	free(data);
	if (r == 0)
		return 0;
	(void)peer_fault(name, r);
	return r == -EOPNOTSUPP ? UNSUPPORTED : 1;
}
