check_PROGRAMS += tests/system/system_test tests/system/pidfd_test \
	tests/system/error_test
tests_system_system_test_SOURCES = tests/system/system_test.c
tests_system_system_test_LDADD = $(TEST_LDADD)
tests_system_pidfd_test_SOURCES = tests/system/pidfd_test.c
tests_system_pidfd_test_LDADD = $(TEST_LDADD)
tests_system_error_test_SOURCES = tests/system/error_test.c
tests_system_error_test_LDADD = $(TEST_LDADD)
