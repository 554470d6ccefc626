#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "base/name.h"
#include "base/text.h"

/* Another spelling of the same text is a name too, and the same one. */
static void
check_same(struct bytes name, struct bytes other)
{
	bool is_same = false;

	FUZZ_CHECK(name_check(other) == NAME_PROBLEM_NONE);
	FUZZ_CHECK(name_is_same(name, other, &is_same) == STATUS_OK);
	FUZZ_CHECK(is_same);
}

/* The canonical form is a valid name, in NFC, and its own canonical form. */
static void
check_canonical(struct bytes name)
{
	struct buf canonical, again, composed;

	buf_init(&canonical, NAME_CANONICAL_SIZE_MAX);
	buf_init(&again, NAME_CANONICAL_SIZE_MAX);
	buf_init(&composed, 3 * NAME_SIZE_MAX);
	FUZZ_CHECK(name.size <= NAME_SIZE_MAX);
	FUZZ_CHECK(name_append_canonical(name, &canonical) == STATUS_OK);
	check_same(name, buf_bytes(&canonical));
	FUZZ_CHECK(name_append_canonical(buf_bytes(&canonical), &again) ==
	    STATUS_OK);
	FUZZ_CHECK(bytes_equal(buf_bytes(&again), buf_bytes(&canonical)));
	FUZZ_CHECK(text_nfc(buf_bytes(&canonical), &composed) == STATUS_OK);
	FUZZ_CHECK(bytes_equal(buf_bytes(&composed), buf_bytes(&canonical)));
	buf_reset(&composed);
	FUZZ_CHECK(text_nfc(name, &composed) == STATUS_OK);
	check_same(name, buf_bytes(&composed));
	buf_clear(&canonical);
	buf_clear(&again);
	buf_clear(&composed);
}

static uint8_t
hex_value(uint8_t digit)
{
	FUZZ_CHECK((digit >= '0' && digit <= '9') ||
	    (digit >= 'A' && digit <= 'F'));
	return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'A' + 10);
}

/* Undoes the encoding: so no two names have the same component. */
static void
check_path_is_reversible(struct bytes name, struct bytes path)
{
	size_t at = 0;

	for (size_t i = 0; i < path.size; at++) {
		uint8_t byte = path.data[i++];

		if (byte == '%' && i < path.size && path.data[i] == '%') {
			/* Two bytes, and 16 of a hash. */
			FUZZ_CHECK(path.size == i + 1 + 32);
			FUZZ_CHECK(at < name.size || name.size == 0);
			return;
		}
		if (byte == '%') {
			FUZZ_CHECK(i + 2 <= path.size);
			byte = (uint8_t)(hex_value(path.data[i]) << 4 |
			    hex_value(path.data[i + 1]));
			i += 2;
		}
		FUZZ_CHECK(at < name.size && byte == name.data[at]);
	}
	FUZZ_CHECK(at == name.size);
}

/* For any bytes: one component of a path, and none that means another. */
static void
check_path(struct bytes name)
{
	struct buf path;

	buf_init(&path, NAME_PATH_SIZE_MAX);
	FUZZ_CHECK(name_append_path(name, &path) == STATUS_OK);
	FUZZ_CHECK(path.size > 0);
	FUZZ_CHECK(path.data[0] != '.' && path.data[0] != '-');
	FUZZ_CHECK(memchr(path.data, '/', path.size) == NULL);
	FUZZ_CHECK(memchr(path.data, '\0', path.size) == NULL);
	FUZZ_CHECK(text_is_utf8(buf_bytes(&path)));
	check_path_is_reversible(name, buf_bytes(&path));
	buf_clear(&path);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes name = size == 0 ? bytes_empty() : bytes_make(data, size);
	enum name_problem problem = name_check(name);
	struct buf canonical;

	FUZZ_CHECK((problem == NAME_PROBLEM_NONE) ==
	    (name_problem_text(problem)[0] == '\0'));
	if (problem == NAME_PROBLEM_NONE) {
		check_canonical(name);
	} else {
		buf_init(&canonical, NAME_CANONICAL_SIZE_MAX);
		FUZZ_CHECK(name_append_canonical(name, &canonical) ==
		    STATUS_INVALID);
		FUZZ_CHECK(canonical.size == 0);
		buf_clear(&canonical);
	}
	check_path(name);
	return 0;
}
