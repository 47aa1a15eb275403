libmproc_la_SOURCES += \
	%D%/callback.c \
	%D%/control.c \
	%D%/default.c \
	%D%/function.c \
	%D%/init.c \
	%D%/job.c \
	%D%/life.c \
	%D%/limiter.c \
	%D%/limits.c \
	%D%/map.c \
	%D%/pace.c \
	%D%/pool.c %D%/pool.h \
	%D%/progress.c \
	%D%/schedule.c \
	%D%/stream.c \
	%D%/submit.c \
	%D%/values.c \
	%D%/worker.c
