# Fuzz targets: NAME_fuzz.c with LLVMFuzzerTestOneInput, its corpus in
# corpus/NAME/.  Linked with libFuzzer as tests/fuzz/NAME_fuzz (make fuzzers,
# after ./configure --enable-fuzzers CC=clang), and always with a main that
# replays the corpus for `make check`.

fuzzers = \
	tests/fuzz/args_fuzz \
	tests/fuzz/decode_fuzz \
	tests/fuzz/envelope_fuzz \
	tests/fuzz/frame_fuzz \
	tests/fuzz/ring_fuzz
FUZZ_LIBS = libmproc-internal.la

tests_fuzz_args_replay_SOURCES = %D%/agree.h %D%/args_fuzz.c %D%/fuzz.h \
	%D%/replay.c
tests_fuzz_args_replay_LDADD = $(FUZZ_LIBS)
tests_fuzz_args_fuzz_SOURCES = %D%/args_fuzz.c
tests_fuzz_args_fuzz_LDADD = $(FUZZ_LIBS)
tests_fuzz_args_fuzz_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)

tests_fuzz_decode_replay_SOURCES = %D%/agree.h %D%/decode_fuzz.c %D%/replay.c
tests_fuzz_decode_replay_LDADD = $(FUZZ_LIBS)
tests_fuzz_decode_fuzz_SOURCES = %D%/decode_fuzz.c
tests_fuzz_decode_fuzz_LDADD = $(FUZZ_LIBS)
tests_fuzz_decode_fuzz_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)

tests_fuzz_envelope_replay_SOURCES = %D%/envelope_fuzz.c %D%/replay.c
tests_fuzz_envelope_replay_LDADD = $(FUZZ_LIBS)
tests_fuzz_envelope_fuzz_SOURCES = %D%/envelope_fuzz.c
tests_fuzz_envelope_fuzz_LDADD = $(FUZZ_LIBS)
tests_fuzz_envelope_fuzz_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)

tests_fuzz_frame_replay_SOURCES = %D%/frame_fuzz.c %D%/replay.c
tests_fuzz_frame_replay_LDADD = $(FUZZ_LIBS)
tests_fuzz_frame_fuzz_SOURCES = %D%/frame_fuzz.c
tests_fuzz_frame_fuzz_LDADD = $(FUZZ_LIBS)
tests_fuzz_frame_fuzz_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)

tests_fuzz_ring_replay_SOURCES = %D%/ring_fuzz.c %D%/replay.c
tests_fuzz_ring_replay_LDADD = $(FUZZ_LIBS)
tests_fuzz_ring_fuzz_SOURCES = %D%/ring_fuzz.c
tests_fuzz_ring_fuzz_LDADD = $(FUZZ_LIBS)
tests_fuzz_ring_fuzz_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)

check_PROGRAMS += \
	tests/fuzz/args_replay \
	tests/fuzz/decode_replay \
	tests/fuzz/envelope_replay \
	tests/fuzz/frame_replay \
	tests/fuzz/ring_replay

if FUZZERS
EXTRA_PROGRAMS += $(fuzzers)
CLEANFILES += $(fuzzers)
fuzzers: $(fuzzers)
endif

EXTRA_DIST += %D%/corpus
