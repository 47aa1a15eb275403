#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "os.h"

const char *
os_files(char *buf, size_t size)
{
	char path[64], link[256];
	size_t len = 0;
	ssize_t n;
	int fd;

	buf[0] = '\0';
	for (fd = 0; fd < 1024 && len + 300 < size; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if ((n = readlink(path, link, sizeof(link) - 1)) < 0)
			continue;
		link[n] = '\0';
		len += (size_t)snprintf(buf + len, size - len, "%d=%s\n", fd,
		    link);
	}
	return buf;
}

const char *
os_signals(char *buf, size_t size)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[128];

	buf[0] = '\0';
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "Sig", 3) == 0)
			strncat(buf, line, size - strlen(buf) - 1);
	if (f != NULL)
		fclose(f);
	return buf;
}

int
os_timer(int ms)
{
	struct itimerspec at = {
		.it_value.tv_nsec = ms * 1000000L,
		.it_interval.tv_nsec = ms * 1000000L
	};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	(void)timerfd_settime(fd, 0, &at, NULL);
	return fd;
}

/* Bytes that are no frame, on every stream that it has. */
static void
write_garbage(void)
{
	static const char bytes[64] = "\xff\xff\xff\xff garbage";
	socklen_t size = sizeof(int);
	int fd, type;

	for (fd = 3; fd < 256; fd++)
		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
		    type == SOCK_STREAM)
			(void)send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
}

void
os_ruin(const char *how)
{
	volatile char *none;
	int fd;

	if (strcmp(how, "touch") == 0) {
		none = mmap(NULL, 4096, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		*none = 1;
	} else if (strcmp(how, "abort") == 0) {
		abort();
	} else if (strcmp(how, "mute") == 0) {
		for (fd = 3; fd < 256; fd++)
			close(fd);
		for (;;)
			pause();
	} else if (strcmp(how, "garbage") == 0) {
		write_garbage();
		for (;;)
			pause();
	}
}
