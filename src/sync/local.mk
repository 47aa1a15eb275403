libmproc_la_SOURCES += \
	%D%/event.c %D%/event.h \
	%D%/group.c \
	%D%/lock.c \
	%D%/memory.c %D%/memory.h \
	%D%/ring.c \
	%D%/scope.c \
	%D%/share.c %D%/share.h \
	%D%/shm.c \
	%D%/wait.c
