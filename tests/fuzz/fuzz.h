/*
 * fuzz.h - what the fuzz targets share.
 */
#ifndef MPROC_TESTS_FUZZ_H
#define MPROC_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* The entry that libFuzzer and replay.c call. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold for every input; the fuzzer stops where it does not. */
#define MUST(condition)	((condition) ? (void)0 : abort())

#endif
