libmproc_la_SOURCES += \
	%D%/launch.h
