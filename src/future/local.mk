libmproc_la_SOURCES += \
	%D%/future.c \
	%D%/future_many.c \
	%D%/future.h
