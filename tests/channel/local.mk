check_PROGRAMS += \
	tests/channel/channel_test \
	tests/channel/fail_test \
	tests/channel/fds_test \
	tests/channel/queue_test \
	tests/channel/ring_hostile_test \
	tests/channel/ring_model_test \
	tests/channel/ring_open_test \
	tests/channel/ring_stress_test \
	tests/channel/ring_test

channel_pair = %D%/pair.c %D%/pair.h
tests_channel_channel_test_SOURCES = %D%/channel_test.c $(channel_pair)
tests_channel_channel_test_LDADD = $(TEST_LDADD)
tests_channel_fail_test_SOURCES = %D%/fail_test.c $(channel_pair)
tests_channel_fail_test_LDADD = $(TEST_LDADD)
tests_channel_fds_test_SOURCES = %D%/fds_test.c $(channel_pair)
tests_channel_fds_test_LDADD = $(TEST_LDADD)
tests_channel_queue_test_SOURCES = %D%/queue_test.c $(channel_pair)
tests_channel_queue_test_LDADD = $(TEST_LDADD)
tests_channel_ring_hostile_test_SOURCES = %D%/ring_hostile_test.c \
	$(channel_pair) tests/fuzz/ring_fuzz.c
tests_channel_ring_hostile_test_LDADD = $(TEST_LDADD)
tests_channel_ring_model_test_SOURCES = %D%/ring_model_test.c
tests_channel_ring_model_test_LDADD = $(TEST_LDADD)
tests_channel_ring_open_test_SOURCES = %D%/ring_open_test.c $(channel_pair)
tests_channel_ring_open_test_LDADD = $(TEST_LDADD)
tests_channel_ring_stress_test_SOURCES = %D%/ring_stress_test.c \
	$(channel_pair)
tests_channel_ring_stress_test_LDADD = $(TEST_LDADD)
tests_channel_ring_test_SOURCES = %D%/ring_test.c $(channel_pair)
tests_channel_ring_test_LDADD = $(TEST_LDADD)
