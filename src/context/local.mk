libmproc_la_SOURCES += \
	%D%/context.c %D%/context.h \
	%D%/life.c \
	%D%/loop.c \
	%D%/member.c \
	%D%/ping.c \
	%D%/set.c \
	%D%/signal.c \
	%D%/thread.c \
	%D%/timer.c \
	%D%/uv.c
