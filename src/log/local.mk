libmproc_la_SOURCES += \
	%D%/captures.c %D%/captures.h \
	%D%/emit.c \
	%D%/format.c \
	%D%/level.c \
	%D%/lines.c \
	%D%/log.h \
	%D%/record.c \
	%D%/registry.c %D%/registry.h \
	%D%/sink.c
