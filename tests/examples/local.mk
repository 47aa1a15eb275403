# The examples do what their .expected files say; digest does what
# sha256sum(1) does, also when it is interrupted or its processes die.
EXTRA_PROGRAMS += tests/examples/pty
check_SCRIPTS += tests/examples/pty$(EXEEXT)
CLEANFILES += tests/examples/pty$(EXEEXT)
tests_examples_pty_SOURCES = %D%/pty.c

TESTS += %D%/run.sh
EXTRA_DIST += %D%/run.sh %D%/digest_test.sh %D%/report.sh
if HAVE_CRYPTO
TESTS += %D%/digest_test.sh
endif
