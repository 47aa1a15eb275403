libmproc_la_SOURCES += 
