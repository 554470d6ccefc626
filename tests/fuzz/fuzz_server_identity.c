#include "tests/fuzz/fuzz.h"

#include <ctype.h>
#include <string.h>

#include "base/text.h"
#include "crypto/crypto.h"
#include "server/server_identity.h"
#include "tests/fuzz/scratch_file.h"

#define TEXT_MAX 4096

static void
append_line(struct buf *out, const char *label, struct bytes value)
{
	FUZZ_CHECK(buf_append_string(out, label) == STATUS_OK);
	FUZZ_CHECK(text_encode(TEXT_ENCODING_HEX, value, out) == STATUS_OK);
	FUZZ_CHECK(buf_append_u8(out, '\n') == STATUS_OK);
}

/* What loads is the one file of its keys, but for the case of digits. */
static void
check_only_form(const struct server_identity *identity, struct bytes content)
{
	struct signing_seed seed;
	struct buf again;

	buf_init(&again, TEXT_MAX);
	signing_seed_of(&identity->key.secret_key, &seed);
	FUZZ_CHECK(buf_append_string(&again, "peyk server identity 1\n") ==
	    STATUS_OK);
	append_line(&again, "signing-seed ", BYTES_OF(seed.bytes));
	append_line(&again, "wrap-key ", BYTES_OF(identity->wrap_key.bytes));
	append_line(&again, "public-key ",
	    BYTES_OF(identity->key.public_key.bytes));
	FUZZ_CHECK(again.size == content.size);
	for (size_t i = 0; i < content.size; i++)
		FUZZ_CHECK(again.data[i] == (uint8_t)tolower(content.data[i]));
	buf_clear(&again);
}

/* The last line for a seed, which no mutation finds. */
static void
append_public_key(struct buf *content)
{
	static const char label[] = "signing-seed ";
	struct signing_key_pair pair;
	struct signing_seed seed;
	struct buf decoded;
	const uint8_t *at = content->size == 0 ? NULL :
	    memmem(content->data, content->size, label, sizeof(label) - 1);
	size_t left;

	if (at == NULL)
		return;
	at += sizeof(label) - 1;
	left = content->size - (size_t)(at - content->data);
	if (left < 2 * sizeof(seed.bytes))
		return;
	buf_init(&decoded, sizeof(seed.bytes));
	if (text_decode(TEXT_ENCODING_HEX, bytes_make(at,
	    2 * sizeof(seed.bytes)), &decoded) == STATUS_OK) {
		memcpy(seed.bytes, decoded.data, sizeof(seed.bytes));
		FUZZ_CHECK(signing_key_pair_from_seed(&seed, &pair) ==
		    STATUS_OK);
		append_line(content, "public-key ",
		    BYTES_OF(pair.public_key.bytes));
	}
	buf_clear(&decoded);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct server_identity *identity = NULL;
	struct buf content, problem;
	enum status st;

	FUZZ_CHECK(crypto_init() == STATUS_OK);
	if (size == 0 || size > TEXT_MAX / 2)
		return 0;
	buf_init(&content, TEXT_MAX);
	buf_init(&problem, TEXT_MAX);
	FUZZ_CHECK(buf_append(&content, bytes_make(data + 1, size - 1)) ==
	    STATUS_OK);
	if (data[0] % 2 != FUZZ_LAYER_ENVELOPE)
		append_public_key(&content);
	st = server_identity_load(scratch_file_write(buf_bytes(&content)),
	    &identity, &problem);
	FUZZ_CHECK(st == STATUS_OK || st == STATUS_INVALID);
	FUZZ_CHECK((st == STATUS_OK) == (identity != NULL));
	FUZZ_CHECK((st == STATUS_OK) == (problem.size == 0));
	if (identity != NULL)
		check_only_form(identity, buf_bytes(&content));
	server_identity_free(identity);
	buf_clear(&content);
	buf_clear(&problem);
	return 0;
}
