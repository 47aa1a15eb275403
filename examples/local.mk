# Examples: small whole programs, built by `make`, run by `make check`
# (tests/examples).  They include public headers only.
EXAMPLE_LDADD = libmproc.la

noinst_PROGRAMS += \
	examples/base64/base64 \
	examples/benchmarks/benchmarks \
	examples/broken/broken \
	examples/collatz/collatz \
	examples/counter/counter \
	examples/division/division \
	examples/factor/factor \
	examples/futures/futures \
	examples/main1/main1 \
	examples/mersenne/mersenne \
	examples/newtype/newtype \
	examples/parts/parts \
	examples/ping/ping \
	examples/ping2/ping2 \
	examples/ping_pong/ping_pong \
	examples/primes/primes \
	examples/privsep/privsep \
	examples/scan/scan \
	examples/shm1/shm1 \
	examples/shm2/shm2 \
	examples/synchronize/synchronize \
	examples/thumbs/thumbs \
	examples/wc/wc \
	examples/webserver/webserver \
	examples/words/words

examples_base64_base64_SOURCES = %D%/base64/base64.c
examples_base64_base64_LDADD = $(EXAMPLE_LDADD)
examples_benchmarks_benchmarks_SOURCES = %D%/benchmarks/benchmarks.c
examples_benchmarks_benchmarks_LDADD = $(EXAMPLE_LDADD)
examples_broken_broken_SOURCES = %D%/broken/broken.c
examples_broken_broken_LDADD = $(EXAMPLE_LDADD)
examples_collatz_collatz_SOURCES = %D%/collatz/collatz.c
examples_collatz_collatz_LDADD = $(EXAMPLE_LDADD)
examples_counter_counter_SOURCES = %D%/counter/counter.c
examples_counter_counter_LDADD = $(EXAMPLE_LDADD)
examples_division_division_SOURCES = %D%/division/division.c
examples_division_division_LDADD = $(EXAMPLE_LDADD)
examples_factor_factor_SOURCES = %D%/factor/factor.c
examples_factor_factor_LDADD = $(EXAMPLE_LDADD)
examples_futures_futures_SOURCES = %D%/futures/futures.c
examples_futures_futures_LDADD = $(EXAMPLE_LDADD)
examples_main1_main1_SOURCES = \
	%D%/main1/main1.c %D%/main1/main1.h \
	%D%/main1/server.c %D%/main1/worker.c
examples_main1_main1_LDADD = $(EXAMPLE_LDADD)
examples_mersenne_mersenne_SOURCES = %D%/mersenne/mersenne.c
examples_mersenne_mersenne_LDADD = $(EXAMPLE_LDADD)
examples_newtype_newtype_SOURCES = %D%/newtype/newtype.c
examples_newtype_newtype_LDADD = $(EXAMPLE_LDADD)
examples_parts_parts_SOURCES = %D%/parts/parts.c
examples_parts_parts_LDADD = $(EXAMPLE_LDADD)
examples_ping_ping_SOURCES = %D%/ping/ping.c
examples_ping_ping_LDADD = $(EXAMPLE_LDADD)
examples_ping2_ping2_SOURCES = %D%/ping2/ping2.c
examples_ping2_ping2_LDADD = $(EXAMPLE_LDADD)
examples_ping_pong_ping_pong_SOURCES = %D%/ping_pong/ping_pong.c
examples_ping_pong_ping_pong_LDADD = $(EXAMPLE_LDADD)
examples_primes_primes_SOURCES = %D%/primes/primes.c
examples_primes_primes_LDADD = $(EXAMPLE_LDADD)
examples_privsep_privsep_SOURCES = \
	%D%/privsep/jail.c %D%/privsep/parser.c \
	%D%/privsep/privsep.c %D%/privsep/privsep.h
examples_privsep_privsep_LDADD = $(EXAMPLE_LDADD)
examples_scan_scan_SOURCES = %D%/scan/scan.c
examples_scan_scan_LDADD = $(EXAMPLE_LDADD)
examples_shm1_shm1_SOURCES = %D%/shm1/shm1.c
examples_shm1_shm1_LDADD = $(EXAMPLE_LDADD)
examples_shm2_shm2_SOURCES = %D%/shm2/shm2.c
examples_shm2_shm2_LDADD = $(EXAMPLE_LDADD)
examples_synchronize_synchronize_SOURCES = %D%/synchronize/synchronize.c
examples_synchronize_synchronize_LDADD = $(EXAMPLE_LDADD)
examples_thumbs_thumbs_SOURCES = %D%/thumbs/thumbs.c
examples_thumbs_thumbs_LDADD = $(EXAMPLE_LDADD)
examples_wc_wc_SOURCES = %D%/wc/wc.c
examples_wc_wc_LDADD = $(EXAMPLE_LDADD)
examples_webserver_webserver_SOURCES = %D%/webserver/webserver.c
examples_webserver_webserver_LDADD = $(EXAMPLE_LDADD)
examples_words_words_SOURCES = %D%/words/words.c
examples_words_words_LDADD = $(EXAMPLE_LDADD)

# The main one, which needs libcrypto.
digest_sources = \
	%D%/digest/digest.h \
	%D%/digest/hasher.c \
	%D%/digest/main.c \
	%D%/digest/names.c %D%/digest/names.h \
	%D%/digest/progress.c %D%/digest/progress.h \
	%D%/digest/scout.c \
	%D%/digest/walk.c %D%/digest/walk.h
if HAVE_CRYPTO
noinst_PROGRAMS += examples/digest/digest
examples_digest_digest_SOURCES = $(digest_sources)
examples_digest_digest_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS)
examples_digest_digest_LDADD = $(EXAMPLE_LDADD) $(CRYPTO_LIBS)
endif

EXTRA_DIST += \
	$(digest_sources) \
	%D%/README.md \
	%D%/base64/base64.expected \
	%D%/base64/base64.sh \
	%D%/benchmarks/benchmarks.expected \
	%D%/benchmarks/benchmarks.sh \
	%D%/broken/broken.expected \
	%D%/collatz/collatz.expected \
	%D%/counter/counter.expected \
	%D%/digest/demo.sh \
	%D%/division/division.expected \
	%D%/factor/factor.expected \
	%D%/factor/factor.sh \
	%D%/futures/futures.expected \
	%D%/main1/main1.expected \
	%D%/mersenne/mersenne.expected \
	%D%/newtype/newtype.expected \
	%D%/parts/parts.expected \
	%D%/parts/parts.sh \
	%D%/ping/ping.expected \
	%D%/ping2/ping2.expected \
	%D%/ping_pong/ping_pong.expected \
	%D%/primes/primes.expected \
	%D%/privsep/privsep.expected \
	%D%/privsep/privsep.sh \
	%D%/scan/scan.expected \
	%D%/scan/scan.sh \
	%D%/shm1/shm1.expected \
	%D%/shm2/shm2.expected \
	%D%/synchronize/synchronize.expected \
	%D%/thumbs/thumbs.expected \
	%D%/thumbs/thumbs.sh \
	%D%/wc/wc.expected \
	%D%/wc/wc.sh \
	%D%/webserver/webserver.expected \
	%D%/words/words.expected \
	%D%/words/words.sh
