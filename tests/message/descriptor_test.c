/*
 * descriptor_test.c - descriptors in message objects: who owns them, and that
 * none is left open.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "codec.h"

struct mproc__fdset test_fds;

static int
count_fds(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int
open_null(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void
descriptors_are_closed_or_taken(void **state)
{
	struct mproc__buf buf = { .data = NULL };
	const struct test_all *all;
	struct mproc_msg *m, *copy;
	struct mproc_fd field;
	int fd = open_null(), before = count_fds();

	(void)state;
	test_put(&buf, test_all, .fd = MPROC_FD(0));
	m = test_receive(&buf, &fd, 1);
	all = mproc_args(m, test_all);
	assert_int_equal(all->fd.fd, fd);
	assert_int_equal(mproc_msg_get(m, "fd", &field), 0);
	assert_int_equal(field.fd, fd);
	assert_int_equal(mproc_msg_dup(m, &copy), 0);
	assert_int_equal(count_fds(), before + 1);
	mproc_msg_free(copy);
	assert_int_equal(mproc_take_fd(m, all->fd), fd);
	assert_int_equal(mproc_take_fd(m, all->fd), -EBADF);
	assert_int_equal(mproc_take_fd(m, MPROC_FD(0)), -EBADF);
	assert_int_equal(mproc_take_fd(m, (struct mproc_fd){ .fd = fd }),
	    -ENOENT);
	assert_int_equal(mproc_msg_get(m, "fd", &field), -EBADF);
	assert_int_equal(mproc_msg_dup(m, &copy), 0);
	assert_int_equal(mproc_msg_get(copy, "fd", &field), -ENOENT);
	assert_int_equal(mproc_msg_count(copy), 7);
	mproc_msg_free(copy);
	mproc_msg_free(m);
	assert_int_equal(count_fds(), before);
	close(fd);
}

static void
descriptors_in_built_messages(void **state)
{
	struct mproc_msg *m = test_build("x"), *got;
	struct mproc_fd field;
	int fd = open_null(), i, before = count_fds();
	char name[8];

	(void)state;
	for (i = 0; i < 16; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		assert_int_equal(mproc_msg_set(m, name, MPROC_FD(fd)), 0);
	}
	assert_int_equal(count_fds(), before + 16);
	assert_int_equal(mproc_msg_set(m, "one more", MPROC_FD(fd)), -EINVAL);
	mproc_msg_set(m, "f3", 3);
	assert_int_equal(count_fds(), before + 15);
	assert_int_equal(mproc_msg_set(m, "f3", MPROC_FD(fd)), 0);
	mproc_msg_set(m, "f0", (struct mproc_fd){ .fd = 0 });
	assert_int_equal(mproc_msg_set(m, "f0", MPROC_FD(-1)), -EBADF);
	assert_int_equal(mproc_msg_get(m, "f1", &field), 0);
	assert_int_equal(mproc_take_fd(m, field), field.fd);
	close(field.fd);
	got = test_resend(m, NULL);		/* neither f0 nor f1 */
	assert_int_equal(mproc_msg_count(got), 14);
	assert_int_equal(mproc_msg_get(got, "f1", &field), -ENOENT);
	assert_int_equal(mproc_msg_get(got, "f3", &field), 0);
	assert_int_equal(mproc_msg_set(got, "f3", 1), 0);
	assert_int_equal(mproc_msg_set(got, "g", MPROC_FD(fd)), 0);
	mproc_msg_free(got);
	mproc_msg_free(m);
	assert_int_equal(count_fds(), before);
	close(fd);
}

static void
descriptors_must_match(void **state)
{
	struct mproc__buf buf = { .data = NULL };
	struct mproc_msg *m;
	int fds[2] = { 0, 1 };

	(void)state;
	test_put(&buf, test_all, .fd = MPROC_FD(0));
	assert_int_equal(mproc__msg_copy(buf.data, buf.len, NULL, 0, &m),
	    -EBADMSG);
	assert_int_equal(mproc__msg_copy(buf.data, buf.len, fds, 2, &m),
	    -EBADMSG);
	mproc__buf_done(&buf);
}

static void
descriptors_in_print(void **state)
{
	struct mproc_msg *m = test_build("x");
	struct mproc_value v;
	struct mproc_fd field;
	const char *name;
	char text[64], want[64];

	(void)state;
	mproc_msg_set(m, "f", MPROC_FD(0));
	mproc_msg_get(m, "f", &field);
	snprintf(want, sizeof(want), "<x: {f: <fd %d>}>", field.fd);
	mproc_msg_print(m, text, sizeof(text));
	assert_string_equal(text, want);
	assert_int_equal(mproc_msg_field(m, 0, &name, &v), 0);
	assert_int_equal(mproc_value_type(v), MPROC_TYPE_FD);
	assert_int_equal(mproc_value_print(v, text, sizeof(text)), 4);
	assert_int_equal(mproc_msg_get(m, "f", &v), -EINVAL);
	close(mproc_take_fd(m, field));
	mproc_msg_print(m, text, sizeof(text));
	assert_string_equal(text, "<x: {f: <fd taken>}>");
	mproc_msg_free(m);
}

/* What was duplicated is closed again when the next cannot be. */
static void
out_of_descriptors(void **state)
{
	struct mproc_msg *m = test_build("x"), *copy;
	int before = count_fds(), failed, r;
	unsigned n;

	(void)state;
	mproc_msg_set(m, "f", MPROC_FD(0));
	mproc_msg_set(m, "g", MPROC_FD(0));
	for (n = 1, failed = 0; n < 16; n++) {
		test_fail_sys("fcntl", n, EMFILE);
		r = mproc_msg_dup(m, &copy);
		if (!test_fail_sys_done())
			break;
		assert_true(r == -EMFILE || r == -EBADF);
		assert_int_equal(count_fds(), before + 2);
		failed++;
	}
	assert_int_equal(r, 0);
	assert_true(failed >= 2);
	mproc_msg_free(copy);
	test_fail_sys("fcntl", 1, EMFILE);
	assert_int_equal(mproc_msg_set(m, "h", MPROC_FD(0)), -EMFILE);
	test_fail_sys_done();
	assert_int_equal(mproc_msg_count(m), 2);
	mproc_msg_free(m);
	assert_int_equal(count_fds(), before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(descriptors_are_closed_or_taken),
		cmocka_unit_test(descriptors_in_built_messages),
		cmocka_unit_test(descriptors_must_match),
		cmocka_unit_test(descriptors_in_print),
		cmocka_unit_test(out_of_descriptors),
	};

	return TEST_RUN(tests);
}
