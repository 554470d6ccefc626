/* rpc/descriptor_index.h */

#include "rpc/descriptor_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "gen/google/protobuf/descriptor.pb-c.h"
#include "golden/bare.grpc-c.h"
#include "golden/trial.grpc-c.h"
#include "tests/support/failing_malloc.h"
#include "tests/unit/unit.h"

#define METHOD_OPTIONS "google.protobuf.MethodOptions"

static const struct rpc_descriptors *const golden[] = {
    &golden_trial_descriptors, &golden_bare_descriptors};

static struct rpc_descriptor_index *
new_index(const struct rpc_descriptors *const *descriptors, size_t count)
{
	struct rpc_descriptor_index *index = NULL;

	assert_ok(rpc_descriptor_index_new(descriptors, count, &index));
	return index;
}

static enum status
try_bytes(struct bytes bytes)
{
	const struct rpc_descriptors set = {bytes.data, bytes.size};
	const struct rpc_descriptors *const sets[] = {&set};
	struct rpc_descriptor_index *index = NULL;
	enum status st = rpc_descriptor_index_new(sets, 1, &index);

	rpc_descriptor_index_free(index);
	return st;
}

/* The file that defines a symbol, by the name that it gives itself. */
static void
assert_defined_in(const struct rpc_descriptor_index *index, const char *symbol,
    const char *file_name)
{
	size_t found = SIZE_MAX, expected = SIZE_MAX;

	assert_ok(rpc_descriptor_index_file(index, file_name, &expected));
	if (rpc_descriptor_index_symbol(index, symbol, &found) != STATUS_OK)
		fail_msg("%s is not there", symbol);
	assert_int_equal(found, expected);
}

static void
test_descriptor_index_finds_every_kind(void **state)
{
	static const struct {
		const char *symbol, *file;
	} expected[] = {
	    {"golden.v1.Trial", "golden/trial.proto"},
	    {"golden.v1.Trial.Echo", "golden/trial.proto"},
	    {"golden.v1.Empty", "golden/trial.proto"},
	    {"golden.v1.EchoRequest", "golden/trial.proto"},
	    {"golden.v1.EchoRequest.text", "golden/trial.proto"},
	    {"golden.v1.Vaulted.Receipt", "golden/trial.proto"},
	    {"golden.v1.Vaulted.Receipt.text", "golden/trial.proto"},
	    {"golden.v1.How", "golden/trial.proto"},
	    {"golden.v1.HOW_NOW", "golden/trial.proto"},
	    {"golden.shapes_v2.Shape.Kind", "golden/shapes.proto"},
	    {"golden.shapes_v2.Shape.KIND_ROUND", "golden/shapes.proto"},
	    {"golden.shapes_v2.Shape.form", "golden/shapes.proto"},
	    {"golden.shapes_v2.Shape.CornersEntry", "golden/shapes.proto"},
	    {"golden.shapes_v2.Shape.CornersEntry.key", "golden/shapes.proto"},
	    {"golden.options.Scope.contents", "golden/options.proto"},
	    {"google.protobuf.FieldOptions.CType",
		"google/protobuf/descriptor.proto"},
	    /* Without a package. */
	    {"Ping", "golden/bare.proto"},
	    {"Ping.id", "golden/bare.proto"},
	    {"Bare", "golden/bare.proto"},
	    {"Bare.Ping_Pong", "golden/bare.proto"},
	};
	struct rpc_descriptor_index *index = new_index(golden, 2);

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_defined_in(index, expected[i].symbol, expected[i].file);
	rpc_descriptor_index_free(index);
}

static void
test_descriptor_index_finds_nothing_else(void **state)
{
	static const char *const unknown[] = {"", ".", "golden", "golden.v1",
	    ".golden.v1.Trial", "golden.v1.Trial.", "golden.v1.trial",
	    "golden.v1.How.HOW_NOW", "golden.v1.Trial/Echo", "Echo",
	    "golden/trial.proto", "~", "golden.v1.EchoRequest.text.text"};
	struct rpc_descriptor_index *index = new_index(golden, 2);
	size_t file;

	(void)state;
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		assert_status(
		    rpc_descriptor_index_symbol(index, unknown[i], &file),
		    STATUS_NOT_FOUND);
	assert_status(rpc_descriptor_index_file(index, "trial.proto", &file),
	    STATUS_NOT_FOUND);
	assert_status(
	    rpc_descriptor_index_file(index, "", &file), STATUS_NOT_FOUND);
	rpc_descriptor_index_free(index);

	index = new_index(NULL, 0);
	assert_status(rpc_descriptor_index_symbol(index, "Ping", &file),
	    STATUS_NOT_FOUND);
	assert_status(
	    rpc_descriptor_index_file(index, "Ping", &file), STATUS_NOT_FOUND);
	assert_status(
	    rpc_descriptor_index_extension(index, METHOD_OPTIONS, 54321, &file),
	    STATUS_NOT_FOUND);
	rpc_descriptor_index_free(index);
}

static void
test_descriptor_index_extensions(void **state)
{
	struct rpc_descriptor_index *index = new_index(golden, 2);
	const int32_t *numbers = NULL;
	size_t count = 0, file;

	(void)state;
	assert_ok(rpc_descriptor_index_numbers(
	    index, METHOD_OPTIONS, &numbers, &count));
	assert_int_equal(count, 1);
	assert_int_equal(numbers[0], 54321);
	assert_ok(rpc_descriptor_index_numbers(
	    index, "golden.v1.EchoRequest", &numbers, &count));
	assert_int_equal(count, 0);
	assert_status(rpc_descriptor_index_numbers(
			  index, "golden.v1.Trial", &numbers, &count),
	    STATUS_NOT_FOUND);
	assert_status(rpc_descriptor_index_numbers(
			  index, "golden.v1.Nothing", &numbers, &count),
	    STATUS_NOT_FOUND);
	assert_ok(rpc_descriptor_index_extension(
	    index, METHOD_OPTIONS, 54321, &file));
	for (int i = -1; i <= 1; i += 2)
		assert_status(rpc_descriptor_index_extension(
				  index, METHOD_OPTIONS, 54321 + i, &file),
		    STATUS_NOT_FOUND);
	assert_status(rpc_descriptor_index_extension(
			  index, "golden.v1.EchoRequest", 54321, &file),
	    STATUS_NOT_FOUND);
	rpc_descriptor_index_free(index);
}

static bool
begins_with_name(struct bytes file, const char *name)
{
	size_t size = strlen(name);

	/* Field 1 with a short length, as protoc writes it. */
	return file.size > size + 2 && file.data[0] == 0x0a &&
	       file.data[1] == size && memcmp(file.data + 2, name, size) == 0;
}

static void
test_descriptor_index_closure(void **state)
{
	static const char *const names[] = {"golden/trial.proto",
	    "golden/options.proto", "golden/shapes.proto",
	    "google/protobuf/descriptor.proto"};
	/* Twice the same: each file counts once. */
	const struct rpc_descriptors *const twice[] = {
	    &golden_trial_descriptors, &golden_bare_descriptors,
	    &golden_trial_descriptors};
	struct rpc_descriptor_index *index = new_index(twice, 3);
	struct bytes *files = NULL;
	size_t count = 0, file;

	(void)state;
	assert_ok(rpc_descriptor_index_file(index, names[0], &file));
	assert_ok(rpc_descriptor_index_closure(index, file, &files, &count));
	assert_int_equal(count, 4);
	for (size_t i = 0; i < count; i++)
		assert_true(begins_with_name(files[i], names[i]));
	free(files);
	assert_ok(rpc_descriptor_index_file(index, "golden/bare.proto", &file));
	assert_ok(rpc_descriptor_index_closure(index, file, &files, &count));
	assert_int_equal(count, 1);
	free(files);
	rpc_descriptor_index_free(index);
}

/* ---- What is malformed ---- */

/* Whatever is cut off the end: refused, or a file less. */
static void
test_descriptor_index_truncated(void **state)
{
	struct bytes bare = bytes_make(
	    golden_bare_descriptors.data, golden_bare_descriptors.size);

	(void)state;
	for (size_t size = 1; size < bare.size; size++)
		assert_status(
		    try_bytes(bytes_make(bare.data, size)), STATUS_INVALID);
	assert_ok(try_bytes(bytes_make(bare.data, 0)));
	assert_ok(try_bytes(bare));
}

static enum status
try_file(const Google__Protobuf__FileDescriptorProto *file)
{
	Google__Protobuf__FileDescriptorProto *files[] = {
	    (Google__Protobuf__FileDescriptorProto *)(uintptr_t)file};
	Google__Protobuf__FileDescriptorSet set =
	    GOOGLE__PROTOBUF__FILE_DESCRIPTOR_SET__INIT;
	uint8_t *packed;
	size_t size;
	enum status st;

	set.file = files;
	set.n_file = 1;
	size = google__protobuf__file_descriptor_set__get_packed_size(&set);
	packed = malloc(size);
	assert_non_null(packed);
	google__protobuf__file_descriptor_set__pack(&set, packed);
	st = try_bytes(bytes_make(packed, size));
	free(packed);
	return st;
}

static void
test_descriptor_index_refuses(void **state)
{
	Google__Protobuf__DescriptorProto message =
	    GOOGLE__PROTOBUF__DESCRIPTOR_PROTO__INIT;
	Google__Protobuf__DescriptorProto *messages[] = {&message};
	Google__Protobuf__FieldDescriptorProto field =
	    GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__INIT;
	Google__Protobuf__FieldDescriptorProto *fields[] = {&field};
	Google__Protobuf__FileDescriptorProto file =
	    GOOGLE__PROTOBUF__FILE_DESCRIPTOR_PROTO__INIT;
	char *imports[] = {"a.proto"};

	(void)state;
	/* A file without a name; one that imports itself, which is silly and
	   harms nobody; one that imports what is not there. */
	assert_status(try_file(&file), STATUS_INVALID);
	file.name = "a.proto";
	assert_ok(try_file(&file));
	file.dependency = imports;
	file.n_dependency = 1;
	assert_ok(try_file(&file));
	imports[0] = "b.proto";
	assert_status(try_file(&file), STATUS_INVALID);
	file.n_dependency = 0;
	/* A message without a name, a field, an extension of nothing. */
	file.message_type = messages;
	file.n_message_type = 1;
	assert_status(try_file(&file), STATUS_INVALID);
	message.name = "";
	assert_status(try_file(&file), STATUS_INVALID);
	message.name = "M";
	message.field = fields;
	message.n_field = 1;
	assert_status(try_file(&file), STATUS_INVALID);
	field.name = "f";
	assert_ok(try_file(&file));
	message.n_field = 0;
	message.extension = fields;
	message.n_extension = 1;
	assert_status(try_file(&file), STATUS_INVALID);
	field.extendee = ".";
	assert_status(try_file(&file), STATUS_INVALID);
	field.extendee = ".M";
	assert_ok(try_file(&file));
	/* Not a file at all; a field of another type; one that is not known. */
	assert_status(
	    try_bytes(BYTES_LITERAL("\x0a\x02\xff\xff")), STATUS_INVALID);
	assert_status(try_bytes(BYTES_LITERAL("\x08\x01")), STATUS_INVALID);
	assert_ok(try_bytes(BYTES_LITERAL("\x10\x01")));
}

/* Messages in messages, `depth` of them, as a file in a set. */
static void
append_nested(struct buf *out, size_t depth)
{
	struct buf inner;

	buf_init(&inner, 1 << 20);
	for (size_t i = 0; i < depth; i++) {
		uint8_t *data;
		size_t size, length;

		/* nested_type, or message_type for the last; then the name. */
		buf_reset(out);
		assert_ok(buf_append(out, BYTES_LITERAL("\x0a\x01M")));
		if (i > 0) {
			assert_ok(buf_append_u8(out, 0x1a));
			for (length = inner.size; length >= 0x80; length >>= 7)
				assert_ok(buf_append_u8(
				    out, (uint8_t)(length | 0x80)));
			assert_ok(buf_append_u8(out, (uint8_t)length));
			assert_ok(buf_append(out, buf_bytes(&inner)));
		}
		buf_reset(&inner);
		assert_ok(buf_append(&inner, buf_bytes(out)));
		buf_take(out, &data, &size);
		free(data);
	}
	buf_reset(out);
	for (int layer = 0; layer < 2; layer++) {
		size_t length = inner.size;

		/* message_type after the file's name; then the set's file. */
		if (layer == 0)
			assert_ok(buf_append(out, BYTES_LITERAL("\x0a\x01"
								"f")));
		assert_ok(buf_append_u8(out, layer == 0 ? 0x22 : 0x0a));
		for (; length >= 0x80; length >>= 7)
			assert_ok(buf_append_u8(out, (uint8_t)(length | 0x80)));
		assert_ok(buf_append_u8(out, (uint8_t)length));
		assert_ok(buf_append(out, buf_bytes(&inner)));
		buf_reset(&inner);
		assert_ok(buf_append(&inner, buf_bytes(out)));
		if (layer == 0)
			buf_reset(out);
	}
	buf_clear(&inner);
}

static void
test_descriptor_index_nesting(void **state)
{
	struct buf packed;

	(void)state;
	buf_init(&packed, 1 << 20);
	append_nested(&packed, 90);
	assert_ok(try_bytes(buf_bytes(&packed)));
	append_nested(&packed, 2000);
	assert_status(try_bytes(buf_bytes(&packed)), STATUS_INVALID);
	buf_clear(&packed);
}

/* Our own allocations; protobuf-c's are the library's. */
static void
test_descriptor_index_without_memory(void **state)
{
	struct rpc_descriptor_index *index = NULL;
	enum status st;
	size_t failed = 0;

	(void)state;
	for (size_t n = 0;; n++) {
		failing_malloc_start(n);
		st = rpc_descriptor_index_new(golden + 1, 1, &index);
		if (!failing_malloc_stop())
			break;
		assert_status(st, STATUS_NOMEM);
		failed++;
	}
	assert_ok(st);
	assert_true(failed >= 8);
	rpc_descriptor_index_free(index);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_descriptor_index_finds_every_kind),
	    cmocka_unit_test(test_descriptor_index_finds_nothing_else),
	    cmocka_unit_test(test_descriptor_index_extensions),
	    cmocka_unit_test(test_descriptor_index_closure),
	    cmocka_unit_test(test_descriptor_index_truncated),
	    cmocka_unit_test(test_descriptor_index_refuses),
	    cmocka_unit_test(test_descriptor_index_nesting),
	    cmocka_unit_test(test_descriptor_index_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
