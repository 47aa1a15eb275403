libmproc_la_SOURCES += \
	%D%/channel.c %D%/channel.h \
	%D%/channel_in.c \
	%D%/channel_out.c \
	%D%/channel_put.c \
	%D%/channel_ring.c \
	%D%/in_fds.c \
	%D%/parts.h \
	%D%/queue.c \
	%D%/ring.c %D%/ring.h
