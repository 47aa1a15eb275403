libmproc_la_SOURCES += \
	%D%/message.h
