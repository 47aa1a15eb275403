check_PROGRAMS += tests/log/log_test tests/log/record_test \
	tests/log/shared_test tests/log/sink_test
tests_log_log_test_SOURCES = tests/log/log_test.c tests/log/capture.h
tests_log_log_test_LDADD = $(TEST_LDADD)
tests_log_record_test_SOURCES = tests/log/record_test.c tests/log/capture.h
tests_log_record_test_LDADD = $(TEST_LDADD)
tests_log_shared_test_SOURCES = tests/log/shared_test.c tests/log/capture.h
tests_log_shared_test_LDADD = $(TEST_LDADD)
tests_log_sink_test_SOURCES = tests/log/sink_test.c tests/log/capture.h
tests_log_sink_test_LDADD = $(TEST_LDADD)
