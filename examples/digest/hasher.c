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
	uint64_t		 unreported;	/* bytes read */
};

MPROC_COMMAND(hasher, file);

static int	hasher_pre_run(struct mproc_backend *);
static int	hasher_post_run(struct mproc_backend *);

static const struct mproc_handler hasher_handlers[] = {
	MPROC_HANDLER(hasher, file, "emits a hasher_sum of the file"),
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

/* open(2) and read(2) may wait for ever, say for a FIFO: stop ends that. */
static int
interrupted(struct hasher *self)
{
	return errno == EINTR && mproc_going(&self->base) ? 0 : -errno;
}

static int
open_file(struct hasher *self, const char *name)
{
	int fd, r;

	do {
		fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		r = fd < 0 ? interrupted(self) : fd;
	} while (fd < 0 && r == 0);
	return r;
}

static uint64_t
take_unreported(struct hasher *self)
{
	uint64_t bytes = self->unreported;

	self->unreported = 0;
	return bytes;
}

/* The progress bar should also move in a file of gigabytes. */
static int
report(struct hasher *self)
{
	if (self->unreported < REPORT_SIZE)
		return 0;
	return mproc_emit(&self->base, hasher_progress,
	    .bytes = take_unreported(self));
}

static int
hash_fd(struct hasher *self, int fd, unsigned char sum[DIGEST_SIZE])
{
	ssize_t n;
	int r;

	if (EVP_DigestInit_ex(self->ctx, EVP_sha256(), NULL) != 1)
		return -ENOMEM;
	while ((n = read(fd, self->buffer, BUFFER_SIZE)) != 0) {
		if (n < 0 && (r = interrupted(self)) < 0)
			return r;
		if (n < 0)
			continue;
		if (EVP_DigestUpdate(self->ctx, self->buffer, (size_t)n) != 1)
			return -EIO;
		self->unreported += (uint64_t)n;
		if ((r = report(self)) < 0)
			return r;
		/* A long file: do not keep a stop or a ping waiting. */
		if (n == BUFFER_SIZE && !mproc_going(&self->base))
			return -ECANCELED;
	}
	return EVP_DigestFinal_ex(self->ctx, sum, NULL) == 1 ? 0 : -EIO;
}

static int
c__file(struct hasher *self, const struct hasher_file *args,
    struct mproc_request *req)
{
	unsigned char sum[DIGEST_SIZE];
	int fd, r;

	(void)req;
	if ((r = fd = open_file(self, args->name)) >= 0) {
		r = hash_fd(self, fd, sum);
		(void)close(fd);	/* only read: nothing can be lost */
	}
	if (!mproc_going(&self->base))
		return 0;		/* nobody waits for it any more */
	if (r < 0)
		return mproc_emit(&self->base, hasher_sum, .job = args->job,
		    .error = -r, .bytes = take_unreported(self));
	return mproc_emit(&self->base, hasher_sum, .job = args->job,
	    .digest = { sum, sizeof(sum) }, .bytes = take_unreported(self));
}
