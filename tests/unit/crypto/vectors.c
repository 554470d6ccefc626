#include "tests/unit/crypto/vectors.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "tests/unit/unit.h"

json_t *
vectors_load(const char *file)
{
	char path[1024];
	json_error_t error;
	json_t *json;

	snprintf(path, sizeof(path), "%s/%s", PEYK_VECTORS, file);
	json = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (json == NULL)
		fail_msg("%s: %s", path, error.text);
	return json;
}

const char *
vectors_string(const json_t *object, const char *member)
{
	const char *string = json_string_value(json_object_get(object,
	    member));

	if (string == NULL)
		fail_msg("no string %s", member);
	return string;
}

long long
vectors_integer(const json_t *object, const char *member)
{
	const json_t *value = json_object_get(object, member);

	if (!json_is_integer(value))
		fail_msg("no integer %s", member);
	return json_integer_value(value);
}

json_t *
vectors_array(const json_t *object, const char *member)
{
	json_t *array = json_object_get(object, member);

	if (!json_is_array(array))
		fail_msg("no array %s", member);
	return array;
}

struct bytes
vectors_hex(const json_t *object, const char *member, struct buf *out)
{
	buf_init(out, (size_t)1 << 20);
	assert_ok(text_decode(TEXT_ENCODING_HEX,
	    bytes_from_string(vectors_string(object, member)), out));
	return buf_bytes(out);
}

void
vectors_hex_into(const json_t *object, const char *member, void *out,
    size_t size)
{
	struct buf decoded;
	struct bytes bytes = vectors_hex(object, member, &decoded);

	assert_int_equal(bytes.size, size);
	memcpy(out, bytes.data, size);
	buf_clear(&decoded);
}
