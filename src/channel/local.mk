libmproc_la_SOURCES += \
	%D%/channel.h
