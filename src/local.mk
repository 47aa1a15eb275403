lib_LTLIBRARIES = libmproc.la
libmproc_la_SOURCES = %D%/version.c
libmproc_la_LIBADD = $(MPROC_LIBS)
libmproc_la_LDFLAGS = $(AM_LDFLAGS) -version-info $(MPROC_LT_VERSION) \
	-Wl,--version-script=$(top_srcdir)/src/mproc.map \
	-Wl,-z,now
# -z now: else each new process looks its functions up anew, and writes to
# pages that it would share with the others.
EXTRA_libmproc_la_DEPENDENCIES = %D%/mproc.map
EXTRA_DIST += %D%/mproc.map

# The same objects with the private functions in reach, for the unit tests.
EXTRA_LTLIBRARIES = libmproc-internal.la
libmproc_internal_la_SOURCES = $(libmproc_la_SOURCES)
libmproc_internal_la_LIBADD = $(MPROC_LIBS)
CLEANFILES += libmproc-internal.la

include %D%/system/local.mk
include %D%/message/local.mk
include %D%/channel/local.mk
include %D%/sync/local.mk
include %D%/log/local.mk
include %D%/process/local.mk
include %D%/future/local.mk
include %D%/context/local.mk
include %D%/pool/local.mk
