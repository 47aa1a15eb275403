# Command-line tools; each is one bin_PROGRAMS entry linked with libmproc.la.
