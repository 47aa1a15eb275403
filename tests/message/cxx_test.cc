/*
 * cxx_test.cc - messages from C++17: declared, filled with keyword arguments,
 * read back as a struct and field by field.
 */
#include <cstdio>
#include <cstring>

#include <mproc/message.h>

MPROC_MESSAGE(counter, add, (int64_t, by), (const char *, label),
    (struct mproc_fd, fd));
MPROC_MESSAGE(counter, reset);

static int failures;

#define CHECK(condition)						\
	do {								\
		if (!(condition)) {					\
			std::printf("%d: %s\n", __LINE__, #condition);	\
			failures++;					\
		}							\
	} while (0)

static int
sum(const struct mproc_schema *schema, const void *args)
{
	const struct counter_add *add =
	    static_cast<const struct counter_add *>(args);

	if (schema != MPROC_SCHEMA(counter_add))
		return 1;
	return static_cast<int>(add->by) +
	    (add->label != nullptr ? static_cast<int>(strlen(add->label)) : 0);
}
#define SUM(message_, ...)						\
	mproc__kwargs(message_, sum(MPROC_SCHEMA(message_), &mproc__kw)	\
	    __VA_OPT__(,) __VA_ARGS__)

static void
keyword_arguments()
{
	struct mproc_pack pack = MPROC_PACK(counter_add, .by = 4,
	    .label = "abc");

	CHECK(SUM(counter_reset) == 1);
	CHECK(SUM(counter_add, .by = 3) == 3);
	CHECK(SUM(counter_add, .by = SUM(counter_reset), .label = "x") == 2);
	CHECK(sum(pack.schema, pack.args) == 7);
	CHECK(MPROC_SCHEMA(counter_add)->n_fields == 3);
	CHECK(MPROC_SCHEMA(counter_reset)->n_fields == 0);
}

static void
untyped()
{
	struct mproc_msg *m = nullptr;
	const struct counter_add *add;
	const char *label = nullptr;
	int64_t by = 0;
	bool b = false;

	CHECK(mproc_msg_new("add", &m) == 0);
	CHECK(mproc_msg_set(m, "by", int64_t{-5}) == 0);
	CHECK(mproc_msg_set(m, "label", "text") == 0);
	CHECK(mproc_msg_set(m, "fd", MPROC_FD(0)) == 0);
	CHECK(mproc_msg_get(m, "by", &by) == 0 && by == -5);
	CHECK(mproc_msg_get(m, "label", &label) == 0);
	CHECK(label != nullptr && strcmp(label, "text") == 0);
	CHECK(mproc_msg_get(m, "by", &b) < 0);
	add = mproc_args(m, counter_add);
	CHECK(add != nullptr && add->by == -5 && add->fd.present);
	CHECK(mproc_msg_set(m, "flag", true) == 0);
	CHECK(mproc_msg_get(m, "flag", &b) == 0 && b);
	CHECK(mproc_args(m, counter_add) == nullptr);
	mproc_msg_free(m);
}

int
main()
{
	keyword_arguments();
	untyped();
	return failures != 0;
}
