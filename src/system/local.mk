libmproc_la_SOURCES += \
	%D%/buf.c %D%/buf.h \
	%D%/clock.c \
	%D%/error.c %D%/error.h \
	%D%/fd.c \
	%D%/features.c \
	%D%/fdpass.c %D%/fdpass.h \
	%D%/fork.c \
	%D%/futex.c \
	%D%/memfd.c \
	%D%/native.c %D%/native.h \
	%D%/pidfd.c \
	%D%/strerror.c \
	%D%/system.h \
	%D%/write.c
