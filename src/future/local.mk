libmproc_la_SOURCES += \
	%D%/future.c \
	%D%/future.h
