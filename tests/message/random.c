/*
 * random.c - random messages.
 */
#include <stdio.h>
#include <time.h>

#include "random.h"

static uint64_t seed;
static char long_text[70000];
static const uint8_t any_value[] = { 0x93, 0xc0, 0x81, 0xa1, 'k', 0xcd, 1, 2,
	0xcb, 0, 0, 0, 0, 0, 0, 0, 0 };

void
random_start(void)
{
	const char *again = getenv("MPROC_TEST_SEED");

	memset(long_text, 'x', sizeof(long_text) - 1);
	seed = again != NULL ? (uint64_t)strtoull(again, NULL, 0)
			     : (uint64_t)time(NULL) << 20 | (uint64_t)getpid();
	printf("MPROC_TEST_SEED=%llu\n", (unsigned long long)seed);
}

/* xorshift64*: Marsaglia 2003, Vigna 2016 */
uint64_t
random_bits(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return seed * UINT64_C(0x2545f4914f6cdd1d);
}

uint64_t
random_below(uint64_t n)
{
	return random_bits() % n;
}

/* Numbers of all widths, and their edges. */
uint64_t
random_number(void)
{
	uint64_t n = UINT64_C(1) << random_below(64);

	switch (random_below(4)) {
	case 0:
		return n - random_below(3) + 1;
	case 1:
		return -n + random_below(3) - 1;
	case 2:
		return random_below(300) - 150;
	default:
		return random_bits() >> random_below(64);
	}
}

static size_t
length(void)
{
	static const size_t edges[] = { 0, 1, 7, 8, 15, 16, 31, 32, 33, 63, 64,
		65, 127, 255, 256, 257, 65535, 65536 };

	if (random_below(8) != 0)
		return random_below(40);
	return edges[random_below(random_below(20) != 0 ? 13 : 18)];
}

/* From the end, where the terminator is. */
static const char *
text(void)
{
	return long_text + sizeof(long_text) - 1 - length();
}

static void
fill_field(uint8_t type, void *at)
{
	static const double doubles[] = { 0.0, -0.5, 1e300, 1e-300 };

	switch (type) {
	case MPROC_TYPE_BOOL:
		*(bool *)at = random_below(2);
		break;
	case MPROC_TYPE_INT32:
		*(int32_t *)at = (int32_t)random_number();
		break;
	case MPROC_TYPE_INT64:
	case MPROC_TYPE_UINT64:
		*(uint64_t *)at = random_number();
		break;
	case MPROC_TYPE_DOUBLE:
		*(double *)at = doubles[random_below(4)];
		break;
	case MPROC_TYPE_STR:
		*(const char **)at = random_below(6) != 0 ? text() : NULL;
		break;
	case MPROC_TYPE_BYTES:
		*(struct mproc_bytes *)at =
		    (struct mproc_bytes){ long_text, length() };
		break;
	case MPROC_TYPE_VALUE:
		if (random_below(2) != 0)
			*(struct mproc_value *)at =
			    (struct mproc_value){ any_value,
				    sizeof(any_value) };
		break;
	}
}

void
random_fill(const struct mproc_schema *s, union random_args *args)
{
	uint32_t i;

	memset(args, 0, sizeof(*args));
	for (i = 0; i < s->n_fields; i++)
		fill_field(
		    s->fields[i].type, args->bytes + s->fields[i].offset);
}

const void *
random_at(const struct mproc_field *f, const union random_args *args)
{
	return args->bytes + f->offset;
}

static bool
same_field(const struct mproc_field *f, const void *a, const void *b)
{
	const struct mproc_bytes *x = a, *y = b; /* values, too */
	const char *s, *t;

	switch (f->type) {
	case MPROC_TYPE_BOOL:
		return *(const bool *)a == *(const bool *)b;
	case MPROC_TYPE_INT32:
		return *(const int32_t *)a == *(const int32_t *)b;
	case MPROC_TYPE_STR:
		s = *(const char *const *)a;
		t = *(const char *const *)b;
		return (s == NULL) == (t == NULL) &&
		       (s == NULL || strcmp(s, t) == 0);
	case MPROC_TYPE_BYTES:
	case MPROC_TYPE_VALUE:
		return x->size == y->size &&
		       (x->size == 0 || memcmp(x->data, y->data, x->size) == 0);
	case MPROC_TYPE_FD:
		return ((const struct mproc_fd *)a)->present ==
		       ((const struct mproc_fd *)b)->present;
	default:
		return memcmp(a, b, 8) == 0;
	}
}

bool
random_same(const struct mproc_schema *s, const union random_args *a,
    const union random_args *b)
{
	uint32_t i;

	for (i = 0; i < s->n_fields; i++)
		if (!same_field(&s->fields[i], random_at(&s->fields[i], a),
			random_at(&s->fields[i], b)))
			return false;
	return true;
}

bool
random_absent(const struct mproc_field *f, const union random_args *args)
{
	return f->type == MPROC_TYPE_FD ||
	       (f->type == MPROC_TYPE_STR &&
		   *(const char *const *)random_at(f, args) == NULL);
}

const struct mproc_schema *
random_schema(void)
{
	const struct mproc_schema *schemas[] = {
		MPROC_SCHEMA(test_all),
		MPROC_SCHEMA(test_names),
		MPROC_SCHEMA(test_many),
		MPROC_SCHEMA(counter_add),
		MPROC_SCHEMA(
		    test_a_command_that_is_longer_than_thirty_one_bytes),
	};

	return schemas[random_below(TEST_COUNT(schemas))];
}
