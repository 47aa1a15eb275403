/*
 * random.h - random messages: of random shape, with random numbers and text.
 *
 * All comes from a seed, which random_start() prints; MPROC_TEST_SEED in the
 * environment gives it again.
 */
#ifndef MPROC_TESTS_MESSAGE_RANDOM_H
#define MPROC_TESTS_MESSAGE_RANDOM_H

#include "codec.h"

/* Names of every length that a comparison of keys treats in its own way. */
MPROC_MESSAGE(test, names, (int64_t, a), (int, bc), (uint64_t, names07),
    (const char *, names_of8), (bool, names_of__9), (double, names_of___of15),
    (int64_t, names_of____of16), (const char *, names_of_____of17__),
    (struct mproc_bytes, names_of_twenty_four_by),
    (int, names_of_thirty_one_bytes_longx));
MPROC_MESSAGE(test, many, (int, a1), (int, a2), (int, a3), (int, a4), (int, a5),
    (int, a6), (int, a7), (int, a8), (const char *, a9), (const char *, a10),
    (const char *, a11), (const char *, a12), (const char *, a13),
    (const char *, a14), (int64_t, a15), (uint64_t, a16), (bool, a17),
    (const char *, a18));
MPROC_MESSAGE(test, a_command_that_is_longer_than_thirty_one_bytes,
    (const char *, text), (int64_t, number));

/* Big enough for each of the structs, and as well aligned. */
union random_args {
	struct test_all all;
	struct test_names names;
	struct test_many many;
	struct test_a_command_that_is_longer_than_thirty_one_bytes longer;
	uint8_t bytes[512];
};

void random_start(void);
uint64_t random_bits(void);
uint64_t random_below(uint64_t n);
uint64_t random_number(void); /* of all widths, and their edges */

const struct mproc_schema *random_schema(void);
void random_fill(const struct mproc_schema *, union random_args *);
bool random_same(const struct mproc_schema *, const union random_args *,
    const union random_args *);

/* A field of it, and whether it is left out on the wire. */
const void *random_at(const struct mproc_field *, const union random_args *);
bool random_absent(const struct mproc_field *, const union random_args *);

#endif
