/*
 * os.h - what a backend of the tests can tell of the process that it is, and
 * ways to ruin it.
 */
#ifndef MPROC_TESTS_OS_H
#define MPROC_TESTS_OS_H

#include <stddef.h>

/* Its descriptors, a line each: NUMBER=WHAT.  Returns buf, as all here. */
const char *os_files(char *buf, size_t size);
/* The masks of its signals, as /proc/self/status has them. */
const char *os_signals(char *buf, size_t size);
/* A timerfd that is readable every so often. */
int os_timer(int ms);
/*
 * End as the word says, or live on in a state that has to be ended:
 * "touch" what is not there, "abort", go "mute" (close all), write "garbage".
 * Returns for other words.
 */
void os_ruin(const char *how);

#endif
