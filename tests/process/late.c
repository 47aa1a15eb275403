/*
 * late.c - a class in a library, which tests load early or late.
 */
#include <mproc/class.h>

extern const struct mproc_class late_class;
const struct mproc_class late_class = {
	.version = MPROC_CLASS_VERSION,
	.handler_size = sizeof(struct mproc_handler),
	.name = "Late",
	.size = sizeof(struct mproc_backend)
};
