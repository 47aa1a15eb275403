/*
 * differential_test.c - the codec against msgpack-c, and its short way
 * against its long one, on random values and on bytes that are nearly right.
 */
#include <msgpack.h>
#include <stdint.h>
#include <string.h>

#include "codec.h"
#include "random.h"

#define ROUNDS 4000

struct mproc__fdset test_fds;

static bool
is_text(const msgpack_object *o, const char *str)
{
	return o->type == MSGPACK_OBJECT_STR &&
	       o->via.str.size == strlen(str) &&
	       memcmp(o->via.str.ptr, str, o->via.str.size) == 0;
}

/* What msgpack-c read is the number, in msgpack-c's own terms. */
static bool
is_number(const msgpack_object *o, int64_t n)
{
	return n < 0 ? o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER &&
			   o->via.i64 == n
		     : o->type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
			   o->via.u64 == (uint64_t)n;
}

static bool
is_field(const msgpack_object *o, const struct mproc_field *f, const void *p)
{
	const struct mproc_bytes *bytes = p;

	switch (f->type) {
	case MPROC_TYPE_BOOL:
		return o->type == MSGPACK_OBJECT_BOOLEAN &&
		       o->via.boolean == *(const bool *)p;
	case MPROC_TYPE_INT32:
		return is_number(o, *(const int32_t *)p);
	case MPROC_TYPE_INT64:
		return is_number(o, *(const int64_t *)p);
	case MPROC_TYPE_UINT64:
		return o->type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
		       o->via.u64 == *(const uint64_t *)p;
	case MPROC_TYPE_DOUBLE:
		return o->type == MSGPACK_OBJECT_FLOAT64 &&
		       memcmp(&o->via.f64, p, 8) == 0;
	case MPROC_TYPE_STR:
		return is_text(o, *(const char *const *)p);
	case MPROC_TYPE_BYTES:
		return o->type == MSGPACK_OBJECT_BIN &&
		       o->via.bin.size == bytes->size &&
		       memcmp(o->via.bin.ptr, bytes->data, bytes->size) == 0;
	default:
		return bytes->data == NULL ? o->type == MSGPACK_OBJECT_NIL
					   : o->type == MSGPACK_OBJECT_ARRAY &&
						 o->via.array.size == 3;
	}
}

/* msgpack-c reads the body as what went in, and no more. */
static void
msgpack_c_reads(const struct mproc__buf *buf, const struct mproc_schema *s,
    const union random_args *args, uint64_t id, int64_t deadline)
{
	const msgpack_object_kv *kv;
	const msgpack_object *part;
	msgpack_unpacked u;
	size_t off = 0;
	uint32_t i, n = 0;

	msgpack_unpacked_init(&u);
	assert_int_equal(
	    msgpack_unpack_next(&u, (const char *)buf->data, buf->len, &off),
	    MSGPACK_UNPACK_SUCCESS);
	assert_int_equal(off, buf->len);
	part = u.data.via.array.ptr;
	assert_int_equal(u.data.via.array.size, deadline != 0 ? 5 : 4);
	assert_true(is_number(&part[0], MPROC__CALL));
	assert_true(part[1].via.u64 == id);
	assert_true(is_text(&part[2], s->command));
	kv = part[3].via.map.ptr;
	for (i = 0; i < s->n_fields; i++) {
		if (random_absent(&s->fields[i], args))
			continue;
		assert_true(is_text(&kv[n].key, s->fields[i].name));
		assert_true(is_field(
		    &kv[n].val, &s->fields[i], random_at(&s->fields[i], args)));
		n++;
	}
	assert_int_equal(part[3].via.map.size, n);
	if (deadline != 0)
		assert_true(is_number(&part[4].via.map.ptr[0].val, deadline));
	msgpack_unpacked_destroy(&u);
}

/* The next message, encoded; *args and the rest are what went in. */
static const struct mproc_schema *
encode(struct mproc__buf *buf, union random_args *args, uint64_t *id,
    struct mproc__meta *meta)
{
	const struct mproc_schema *s = random_schema();

	random_fill(s, args);
	*id = random_number();
	meta->deadline_ns =
	    random_below(2) != 0 ? (int64_t)(random_number() >> 1) : 0;
	buf->len = 0;
	assert_int_equal(
	    mproc__encode(buf, MPROC__CALL, *id, s, args, meta, SIZE_MAX, NULL),
	    0);
	return s;
}

static void
vk1_encode_agrees_with_msgpack_c(void **state)
{
	struct mproc__buf buf = { .data = NULL }, other = { .data = NULL };
	const struct mproc_schema *s;
	struct mproc__meta meta;
	union random_args args;
	uint64_t id;
	int i;

	(void)state;
	for (i = 0; i < ROUNDS; i++) {
		if (random_below(100) == 0)
			mproc__buf_done(&buf); /* and grow again */
		s = encode(&buf, &args, &id, &meta);
		msgpack_c_reads(&buf, s, &args, id, meta.deadline_ns);
		other.len = 0;
		assert_int_equal(mproc__encode_any(&other, MPROC__CALL, id, s,
				     &args, &meta, SIZE_MAX, NULL),
		    0);
		assert_int_equal(buf.len, other.len);
		assert_memory_equal(buf.data, other.data, buf.len);
		/* the limit is exact in both ways */
		buf.len = 0;
		assert_int_equal(mproc__encode(&buf, MPROC__CALL, id, s, &args,
				     &meta, other.len - 1, NULL),
		    -EMSGSIZE);
		assert_int_equal(buf.len, 0);
		assert_int_equal(mproc__encode(&buf, MPROC__CALL, id, s, &args,
				     &meta, other.len, NULL),
		    0);
	}
	mproc__buf_done(&buf);
	mproc__buf_done(&other);
}

/* One way of decoding: what it said, and what was there afterwards. */
struct reading {
	int r;
	struct mproc__envelope env;
	union random_args args;
	struct mproc__poke poke;
	uint8_t *body;
};

static void
read_fast(const struct mproc_schema *s, const uint8_t *bytes, size_t size,
    struct reading *in)
{
	in->body = test_body(bytes, size);
	memset(&in->args, 0xee, sizeof(in->args));
	in->r = mproc__envelope_head(in->body, size, &in->env) &&
			mproc__envelope_is(&in->env, s->command) &&
			mproc__decode_body(s, &in->env, &in->args, &in->poke)
		    ? 0
		    : -1;
}

static void
read_any(const struct mproc_schema *s, const uint8_t *bytes, size_t size,
    struct reading *in)
{
	in->body = test_body(bytes, size);
	memset(&in->args, 0xee, sizeof(in->args));
	in->r = mproc__envelope_any(in->body, size, &in->env);
	if (in->r == 0 && (in->env.kind > MPROC__CALL ||
			      !mproc__envelope_is(&in->env, s->command)))
		in->r = -ENOSYS;
	if (in->r == 0)
		in->r = mproc__decode_any(s, in->env.args, in->env.args_size,
		    NULL, 0, &in->args, &in->poke);
}

static void
same_envelopes(const struct mproc__envelope *a, const uint8_t *a_body,
    const struct mproc__envelope *b, const uint8_t *b_body)
{
	assert_int_equal(a->kind, b->kind);
	assert_true(a->id == b->id);
	assert_int_equal((const uint8_t *)a->command - a_body,
	    (const uint8_t *)b->command - b_body);
	assert_int_equal(a->command_len, b->command_len);
	assert_int_equal(a->args - a_body, b->args - b_body);
	assert_int_equal(a->args_size, b->args_size);
	assert_int_equal(a->n_fds, b->n_fds);
	assert_int_equal(a->has_meta, b->has_meta);
	assert_true(a->meta.deadline_ns == b->meta.deadline_ns);
}

/* The short way took it: then the long one does, and all is the same. */
static void
agree(const struct mproc_schema *s, const struct reading *fast,
    const struct reading *any, size_t size)
{
	uint32_t i;

	assert_int_equal(any->r, 0);
	assert_true(random_same(s, &fast->args, &any->args));
	assert_memory_equal(fast->body, any->body, size + 1);
	same_envelopes(&fast->env, fast->body, &any->env, any->body);
	assert_int_equal(fast->poke.n, any->poke.n);
	for (i = 0; i < fast->poke.n; i++) {
		assert_int_equal(fast->poke.poke[i].at - fast->body,
		    any->poke.poke[i].at - any->body);
		assert_int_equal(fast->poke.poke[i].was, any->poke.poke[i].was);
	}
	mproc__poke_undo(&fast->poke);
	mproc__poke_undo(&any->poke);
	assert_memory_equal(fast->body, any->body, size + 1);
}

/* The arguments alone, as a message object reads them. */
static void
read_args(const struct mproc_schema *s, const uint8_t *bytes, size_t size,
    const struct reading *any)
{
	struct mproc__envelope env;
	struct mproc__poke poke;
	uint8_t *body = test_body(bytes, size);
	union random_args args;
	int r;

	memset(&args, 0xee, sizeof(args));
	r = mproc__envelope_read(body, size, &env);
	if (r == 0)
		same_envelopes(&env, body, &any->env, any->body);
	if (r == 0 &&
	    (env.kind > MPROC__CALL || !mproc__envelope_is(&env, s->command)))
		r = -ENOSYS;
	if (r == 0)
		r = mproc__decode(
		    s, env.args, env.args_size, NULL, 0, &args, &poke);
	assert_int_equal(r, any->r);
	if (r == 0)
		assert_true(random_same(s, &args, &any->args));
	assert_memory_equal(body, any->body, size + 1);
	free(body);
}

/* Both ways; 1 when the short one took it. */
static int
read_both(const struct mproc_schema *s, const uint8_t *bytes, size_t size,
    const union random_args *expected)
{
	struct reading fast, any;
	int took;

	read_fast(s, bytes, size, &fast);
	read_any(s, bytes, size, &any);
	took = fast.r == 0;
	read_args(s, bytes, size, &any);
	if (expected != NULL)
		assert_int_equal(any.r, 0);
	if (expected != NULL)
		assert_true(random_same(s, &any.args, expected));
	if (took)
		agree(s, &fast, &any, size);
	free(fast.body);
	free(any.body);
	return took;
}

static void
what_is_encoded_takes_the_short_way(void **state)
{
	struct mproc__buf buf = { .data = NULL };
	const struct mproc_schema *s;
	struct mproc__meta meta;
	union random_args args;
	uint64_t id;
	int i;

	(void)state;
	for (i = 0; i < ROUNDS; i++) {
		s = encode(&buf, &args, &id, &meta);
		assert_int_equal(read_both(s, buf.data, buf.len, &args), 1);
	}
	mproc__buf_done(&buf);
}

/* Bytes that a peer could send: changed, cut off, longer, shifted. */
static size_t
damage(uint8_t *p, size_t size)
{
	static const uint8_t heads[] = { 0x00, 0x7f, 0x80, 0x90, 0xa0, 0xbf,
		0xc0, 0xc1, 0xc2, 0xc4, 0xc7, 0xca, 0xcb, 0xcc, 0xcf, 0xd0,
		0xd3, 0xd4, 0xd9, 0xdb, 0xdc, 0xde, 0xdf, 0xe0, 0xff };
	size_t n, from;

	for (n = 1 + random_below(3); n > 0; n--) {
		from = random_below(size);
		switch (random_below(6)) {
		case 0:
			p[from] = (uint8_t)random_bits();
			break;
		case 1:
			p[from] ^= (uint8_t)(1U << random_below(8));
			break;
		case 2:
		case 3:
			p[from] = heads[random_below(sizeof(heads))];
			break;
		case 4:
			size = from > 0 ? from : 1;
			break;
		default: /* there are 8 bytes behind */
			memmove(
			    p + from, p + random_below(size), random_below(8));
		}
	}
	return size;
}

static void
damaged_bytes_get_one_answer(void **state)
{
	struct mproc__buf buf = { .data = NULL };
	const struct mproc_schema *s;
	struct mproc__meta meta;
	union random_args args;
	uint64_t id;
	uint8_t *copy;
	size_t size;
	int i, j, took = 0;

	(void)state;
	for (i = 0; i < ROUNDS; i++) {
		s = encode(&buf, &args, &id, &meta);
		if (buf.len > 2000)
			continue;
		for (j = 0; j < 20; j++) {
			copy = malloc(buf.len + 8);
			assert_non_null(copy);
			memcpy(copy, buf.data, buf.len);
			memset(copy + buf.len, 0xa1, 8);
			size = damage(copy, buf.len);
			took += read_both(s, copy, size, NULL);
			free(copy);
		}
	}
	assert_true(took > 0); /* or it did not test much */
	mproc__buf_done(&buf);
}

/* In a form that msgpack-c's users might choose, not the shortest. */
static void
pack_number(msgpack_packer *pk, bool negative, uint64_t n)
{
	if (!negative && n <= INT64_MAX && random_below(4) == 0)
		msgpack_pack_fix_int64(pk, (int64_t)n);
	else if (!negative && n <= INT32_MAX && random_below(3) == 0)
		msgpack_pack_fix_int32(pk, (int32_t)n);
	else if (!negative && n <= INT16_MAX && random_below(3) == 0)
		msgpack_pack_fix_uint16(pk, (uint16_t)n);
	else if (!negative && random_below(2) == 0)
		msgpack_pack_fix_uint64(pk, n);
	else if (!negative)
		msgpack_pack_uint64(pk, n);
	else if ((int64_t)n >= INT16_MIN && random_below(2) == 0)
		msgpack_pack_fix_int16(pk, (int16_t)n);
	else if ((int64_t)n >= INT32_MIN && random_below(2) == 0)
		msgpack_pack_fix_int32(pk, (int32_t)n);
	else if (random_below(2) == 0)
		msgpack_pack_fix_int64(pk, (int64_t)n);
	else
		msgpack_pack_int64(pk, (int64_t)n);
}

static void
pack_text(msgpack_packer *pk, const char *str)
{
	msgpack_pack_str(pk, strlen(str));
	msgpack_pack_str_body(pk, str, strlen(str));
}

static void
pack_field(msgpack_packer *pk, const struct mproc_field *f, const void *p)
{
	const struct mproc_bytes *bytes = p;
	const int64_t *l = p;
	const int32_t *i = p;

	pack_text(pk, f->name);
	if (f->type == MPROC_TYPE_BOOL && *(const bool *)p)
		msgpack_pack_true(pk);
	else if (f->type == MPROC_TYPE_BOOL)
		msgpack_pack_false(pk);
	else if (f->type == MPROC_TYPE_INT32)
		pack_number(pk, *i < 0, (uint64_t)(int64_t)*i);
	else if (f->type == MPROC_TYPE_INT64)
		pack_number(pk, *l < 0, (uint64_t)*l);
	else if (f->type == MPROC_TYPE_UINT64)
		pack_number(pk, false, *(const uint64_t *)p);
	else if (f->type == MPROC_TYPE_DOUBLE)
		msgpack_pack_double(pk, *(const double *)p);
	else if (f->type == MPROC_TYPE_STR)
		pack_text(pk, *(const char *const *)p);
	else if (bytes->data == NULL)
		msgpack_pack_nil(pk);
	else if (f->type == MPROC_TYPE_BYTES && random_below(2) == 0)
		msgpack_pack_str(pk, bytes->size),
		    msgpack_pack_str_body(pk, bytes->data, bytes->size);
	else if (f->type == MPROC_TYPE_BYTES)
		msgpack_pack_bin(pk, bytes->size),
		    msgpack_pack_bin_body(pk, bytes->data, bytes->size);
	else
		msgpack_sbuffer_write(pk->data, bytes->data, bytes->size);
}

/* Numbers that are zero may be left out, or sent as nil. */
static void
pack(msgpack_sbuffer *buf, const struct mproc_schema *s,
    const union random_args *args, uint64_t id, bool shuffled)
{
	uint32_t order[MPROC_FIELDS_MAX], i, n = 0, to, was;
	msgpack_packer pk;

	msgpack_sbuffer_clear(buf);
	msgpack_packer_init(&pk, buf, msgpack_sbuffer_write);
	msgpack_pack_array(&pk, 4);
	msgpack_pack_int(&pk, MPROC__CAST);
	pack_number(&pk, false, id);
	pack_text(&pk, s->command);
	for (i = 0; i < s->n_fields; i++)
		if (!random_absent(&s->fields[i], args))
			order[n++] = i;
	for (i = 0; shuffled && i < n; i++) {
		to = i + (uint32_t)random_below(n - i);
		was = order[i];
		order[i] = order[to];
		order[to] = was;
	}
	msgpack_pack_map(&pk, n);
	for (i = 0; i < n; i++)
		pack_field(&pk, &s->fields[order[i]],
		    random_at(&s->fields[order[i]], args));
}

static void
vk1_what_msgpack_c_packs_is_read(void **state)
{
	const struct mproc_schema *s;
	msgpack_sbuffer buf;
	union random_args args;
	int i, took, fast[2] = { 0, 0 };
	bool shuffled;

	(void)state;
	msgpack_sbuffer_init(&buf);
	for (i = 0; i < ROUNDS; i++) {
		s = random_schema();
		random_fill(s, &args);
		shuffled = random_below(2) != 0;
		pack(&buf, s, &args, random_number(), shuffled);
		took = read_both(s, (const uint8_t *)buf.data, buf.size, &args);
		assert_true(shuffled || took);
		fast[shuffled] += took;
	}
	assert_true(fast[0] > fast[1]); /* both ways were taken */
	msgpack_sbuffer_destroy(&buf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vk1_encode_agrees_with_msgpack_c),
		cmocka_unit_test(what_is_encoded_takes_the_short_way),
		cmocka_unit_test(damaged_bytes_get_one_answer),
		cmocka_unit_test(vk1_what_msgpack_c_packs_is_read),
	};

	random_start();
	return TEST_RUN(tests);
}
