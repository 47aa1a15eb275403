# Users write <mproc.h> and <mproc/NAME.h>.
mprocdir = $(includedir)/mproc
include_HEADERS = %D%/mproc.h
mproc_HEADERS = \
	%D%/mproc/backend.h \
	%D%/mproc/class.h \
	%D%/mproc/context.h \
	%D%/mproc/error.h \
	%D%/mproc/function.h \
	%D%/mproc/future.h \
	%D%/mproc/limiter.h \
	%D%/mproc/log.h \
	%D%/mproc/message.h \
	%D%/mproc/message_generic.h \
	%D%/mproc/pool.h \
	%D%/mproc/process.h \
	%D%/mproc/schema.h \
	%D%/mproc/shm.h \
	%D%/mproc/sync.h \
	%D%/mproc/value.h
nodist_mproc_HEADERS = %D%/mproc/version.h
public_headers = $(include_HEADERS) $(mproc_HEADERS) $(nodist_mproc_HEADERS)
