check_scripts = \
	%D%/examples.sh \
	%D%/headers.sh \
	%D%/layers.sh \
	%D%/man.sh \
	%D%/readme.sh \
	%D%/symbols.sh \
	%D%/tree.sh \
	%D%/tutorial.sh

# The numbers in doc/wire-format.md.
check_PROGRAMS += tests/checks/wire_format_test
tests_checks_wire_format_test_SOURCES = %D%/wire_format_test.c
tests_checks_wire_format_test_LDADD = $(TEST_LDADD)

# For what compiles programs that run with the library as it was built.
AM_TESTS_ENVIRONMENT += MPROC_CFLAGS='$(MPROC_CFLAGS)'; export MPROC_CFLAGS;

TESTS += $(check_scripts)
EXTRA_DIST += $(check_scripts) %D%/count.sh %D%/installed.sh %D%/lib.sh

installcheck-local:
	top_srcdir='$(top_srcdir)' top_builddir='$(top_builddir)' \
		CC='$(CC) $(MPROC_CFLAGS)' CXX='$(CXX) $(MPROC_CFLAGS)' \
		LIBDIR='$(DESTDIR)$(libdir)' bash $(srcdir)/%D%/installed.sh
