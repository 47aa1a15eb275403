check_LTLIBRARIES += tests/lib/libtest.la
tests_lib_libtest_la_SOURCES = \
	%D%/alloc_fail.c \
	%D%/leaks.c \
	%D%/sys_fail.c \
	%D%/test.c %D%/test.h

check_PROGRAMS += tests/lib/lib_test
tests_lib_lib_test_SOURCES = %D%/lib_test.c
tests_lib_lib_test_LDADD = $(TEST_LDADD)
