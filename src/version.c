/*
 * version.c - which version this is.
 */
#include <mproc/version.h>

const char *
mproc_version(void)
{
	return MPROC_VERSION;
}
