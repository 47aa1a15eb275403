check_LTLIBRARIES += tests/process/libprobe.la
tests_process_libprobe_la_SOURCES = tests/process/probe.c \
	tests/process/probe.h
PROBE_LDADD = tests/process/libprobe.la $(TEST_LDADD)

check_PROGRAMS += tests/process/talk_test tests/process/life_test
tests_process_talk_test_SOURCES = tests/process/talk_test.c
tests_process_talk_test_LDADD = $(PROBE_LDADD)
tests_process_life_test_SOURCES = tests/process/life_test.c
tests_process_life_test_LDADD = $(PROBE_LDADD)
