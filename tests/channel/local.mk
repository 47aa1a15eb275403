check_PROGRAMS += \
	tests/channel/channel_test \
	tests/channel/fail_test \
	tests/channel/fds_test \
	tests/channel/queue_test \
	tests/channel/ring_model_test

channel_pair = %D%/pair.c %D%/pair.h
tests_channel_channel_test_SOURCES = %D%/channel_test.c $(channel_pair)
tests_channel_channel_test_LDADD = $(TEST_LDADD)
tests_channel_fail_test_SOURCES = %D%/fail_test.c $(channel_pair)
tests_channel_fail_test_LDADD = $(TEST_LDADD)
tests_channel_fds_test_SOURCES = %D%/fds_test.c $(channel_pair)
tests_channel_fds_test_LDADD = $(TEST_LDADD)
tests_channel_queue_test_SOURCES = %D%/queue_test.c $(channel_pair)
tests_channel_queue_test_LDADD = $(TEST_LDADD)
tests_channel_ring_model_test_SOURCES = %D%/ring_model_test.c
tests_channel_ring_model_test_LDADD = $(TEST_LDADD)
