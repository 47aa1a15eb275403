/*
 * late.c - a class in a library, which launch_test loads early or late.
 */
#include <mproc/class.h>

extern const struct mproc_class late_class;
const struct mproc_class late_class = { .name = "Late" };
