/*
 * hasher.c - the class that reads files and computes their sums.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "digest.h"

#define BUFFER_SIZE	(256 * 1024)
#define REPORT_SIZE	(64 * BUFFER_SIZE)	/* between two progresses */

struct hasher {
	struct mproc_backend	 base;
	EVP_MD_CTX		*ctx;
	unsigned char		*buffer;
};

MPROC_COMMAND(hasher, file);

static int	hasher_pre_run(struct mproc_backend *);
static int	hasher_post_run(struct mproc_backend *);

static const struct mproc_handler hasher_handlers[] = {
	MPROC_HANDLER(hasher, file, "compute the sum of a file",
	    .reply = MPROC_SCHEMA(hasher_sum)),
};

const struct mproc_class hasher_class = MPROC_CLASS("Hasher", hasher,
    hasher_handlers, .pre_run = hasher_pre_run, .post_run = hasher_post_run);

static int
hasher_pre_run(struct mproc_backend *base)
{
	struct hasher *self = MPROC_SELF(hasher, base);

	self->ctx = EVP_MD_CTX_new();
	self->buffer = malloc(BUFFER_SIZE);
	if (self->ctx == NULL || self->buffer == NULL)
		return -ENOMEM;
	return 0;
}

static int
hasher_post_run(struct mproc_backend *base)
{
	struct hasher *self = MPROC_SELF(hasher, base);

	EVP_MD_CTX_free(self->ctx);
	free(self->buffer);
	return 0;
}

/* The progress bar should also move in a file of gigabytes. */
static int
hash_fd(struct hasher *self, int fd, struct mproc_request *req,
    unsigned char sum[DIGEST_SIZE], uint64_t *bytes)
{
	ssize_t n;
	int r;

	if (EVP_DigestInit_ex(self->ctx, EVP_sha256(), NULL) != 1)
		return -ENOMEM;
	while ((n = read(fd, self->buffer, BUFFER_SIZE)) > 0) {
		if (EVP_DigestUpdate(self->ctx, self->buffer, (size_t)n) != 1)
			return -EIO;
		*bytes += (uint64_t)n;
		if (*bytes < REPORT_SIZE)
			continue;
		r = mproc_yield(req, hasher_progress, .bytes = *bytes);
		if (r < 0)
			return r;
		*bytes = 0;
	}
	if (n < 0)
		return -errno;
	return EVP_DigestFinal_ex(self->ctx, sum, NULL) == 1 ? 0 : -EIO;
}

static int
c__file(struct hasher *self, const struct hasher_file *args,
    struct mproc_request *req)
{
	unsigned char sum[DIGEST_SIZE];
	uint64_t bytes = 0;
	int fd, r = -args->error;

	if (r == 0) {
		fd = open(args->name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		r = fd < 0 ? -errno : hash_fd(self, fd, req, sum, &bytes);
		if (fd >= 0)
			(void)close(fd); /* only read: nothing can be lost */
	}
	if (r < 0)
		return mproc_reply(req, hasher_sum, .name = args->name,
		    .error = -r, .bytes = bytes);
	return mproc_reply(req, hasher_sum, .name = args->name,
	    .digest = { sum, sizeof(sum) }, .bytes = bytes);
}
