/*
 * jail.c - give up all rights, for ever.
 */
#include <sys/prctl.h>

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "privsep.h"

int
enter_jail(void)
{
	char dir[] = "/tmp/privsep.XXXXXX";
	const struct passwd *pw;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (geteuid() != 0)
		return 0;		/* no more can be done */
	if ((pw = getpwnam("nobody")) == NULL)
		return -ENOENT;
	/* an empty root directory that nobody can add to: it is deleted */
	if (mkdtemp(dir) == NULL || chdir(dir) < 0 || rmdir(dir) < 0 ||
	    chroot(".") < 0 || setgroups(0, NULL) < 0 ||
	    setgid(pw->pw_gid) < 0 || setuid(pw->pw_uid) < 0)
		return -errno;
	return setuid(0) == 0 ? -EPERM : 0;	/* there is a way back? */
}
