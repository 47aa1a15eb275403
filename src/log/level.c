/*
 * level.c - the levels' names.
 */
#include <string.h>
#include <strings.h>

#include "log/log.h"

static const char *const names[] = {
	[MPROC_LEVEL_DEFAULT] = "DEFAULT",
	[MPROC_DEBUG] = "DEBUG",
	[MPROC_INFO] = "INFO",
	[MPROC_WARNING] = "WARNING",
	[MPROC_ERROR] = "ERROR",
	[MPROC_CRITICAL] = "CRITICAL",
	[MPROC_OFF] = "OFF",
};

const char *
mproc_level_name(enum mproc_level level)
{
	if ((unsigned)level > MPROC_OFF)
		return "?";
	return names[level];
}

int
mproc_level_parse(const char *name, enum mproc_level *ret_level)
{
	int i;

	if (name == NULL || ret_level == NULL)
		return mproc__err(-EINVAL, "level: NULL");
	for (i = MPROC_LEVEL_DEFAULT; i <= MPROC_OFF; i++) {
		if (strcasecmp(name, names[i]) == 0) {
			*ret_level = (enum mproc_level)i;
			return 0;
		}
	}
	return mproc__err(-EINVAL, "level \"%.32s\": not one of DEBUG, INFO, "
	    "WARNING, ERROR, CRITICAL, OFF, DEFAULT", name);
}
