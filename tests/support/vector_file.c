#include "tests/unit/unit.h"

#include "vector_file.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/text.h"

void
vector_file_check_take(const char *file, json_t *made)
{
	char path[1024];
	json_error_t error;
	json_t *committed;
	char *text;

	snprintf(path, sizeof(path), "%s/%s", PEYK_VECTORS, file);
	if (getenv("PEYK_WRITE_VECTORS") != NULL) {
		assert_int_equal(json_dump_file(made, path, JSON_INDENT(1)),
		    0);
		json_decref(made);
		return;
	}
	committed = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (committed == NULL)
		fail_msg("%s: %s", path, error.text);
	if (!json_equal(committed, made)) {
		text = json_dumps(made, JSON_INDENT(1));
		print_error("%s differs from what is made:\n%s\n", path,
		    text);
		free(text);
		fail();
	}
	json_decref(committed);
	json_decref(made);
}

void
vector_set_hex(json_t *object, const char *member, struct bytes bytes)
{
	struct buf hex;
	const char *string;

	buf_init(&hex, (size_t)1 << 20);
	assert_ok(text_encode(TEXT_ENCODING_HEX, bytes, &hex));
	assert_ok(buf_string(&hex, &string));
	vector_set_string(object, member, string);
	buf_clear(&hex);
}

void
vector_set_string(json_t *object, const char *member, const char *string)
{
	assert_int_equal(json_object_set_new(object, member,
	    json_string(string)), 0);
}

void
vector_set_integer(json_t *object, const char *member, uint64_t value)
{
	assert_int_equal(json_object_set_new(object, member,
	    json_integer((json_int_t)value)), 0);
}
