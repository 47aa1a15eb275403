libmproc_la_SOURCES += \
	%D%/event.c %D%/event.h \
	%D%/group.c \
	%D%/scope.c \
	%D%/share.c %D%/share.h \
	%D%/wait.c
