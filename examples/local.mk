# Each example's local.mk adds its programs to noinst_PROGRAMS, linked with
# $(EXAMPLE_LDADD), and its check to TESTS.
EXAMPLE_LDADD = libmproc.la
