#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "client/message_json.h"
#include "client/message_json_read.h"
#include "gen/peyk/v1/e2ee.pb-c.h"
#include "gen/peyk/v1/messenger.pb-c.h"
#include "gen/peyk/v1/payload.pb-c.h"
#include "wire/limits.h"

/* The first byte of an input chooses one; the rest is JSON. */
static const ProtobufCMessageDescriptor *const types[] = {
    &peyk__v1__sealed_response__descriptor,
    &peyk__v1__server_info__descriptor,
    &peyk__v1__response_content__descriptor,
    &peyk__v1__sign_up_request__descriptor,
    &peyk__v1__get_public_key_response__descriptor,
    &peyk__v1__send_request__descriptor,
    &peyk__v1__poll_request__descriptor,
    &peyk__v1__message_content__descriptor,
};

#define TYPE_COUNT (sizeof(types) / sizeof(types[0]))

/* What was read can be written, and says the same when it is read again. */
static void
check_round_trip(
    const ProtobufCMessageDescriptor *type, const struct buf *bytes)
{
	struct message_json_problem problem;
	json_t *written = NULL;
	struct buf again;
	enum status st = message_json_decode(type, buf_bytes(bytes), &written);

	/* Many small messages take more memory than their bytes allow for. */
	if (st == STATUS_INVALID)
		return;
	FUZZ_CHECK(st == STATUS_OK);
	buf_init(&again, WIRE_BODY_MAX);
	FUZZ_CHECK(
	    message_json_encode(type, written, &again, &problem) == STATUS_OK);
	FUZZ_CHECK(bytes_equal(buf_bytes(bytes), buf_bytes(&again)));
	buf_clear(&again);
	json_decref(written);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct message_json_problem problem = {0};
	const ProtobufCMessageDescriptor *type;
	json_t *object = NULL;
	struct buf bytes;
	enum status st;

	if (size == 0)
		return 0;
	type = types[data[0] % TYPE_COUNT];
	buf_init(&bytes, WIRE_BODY_MAX);
	st = message_json_parse(
	    bytes_make(data + 1, size - 1), &object, &problem);
	if (st == STATUS_OK)
		st = message_json_encode(type, object, &bytes, &problem);
	FUZZ_CHECK(st == STATUS_OK || st == STATUS_INVALID);
	FUZZ_CHECK(
	    (st == STATUS_INVALID) == (strncmp(problem.text, "$", 1) == 0));
	if (st == STATUS_OK)
		check_round_trip(type, &bytes);
	else
		FUZZ_CHECK(bytes.size == 0);
	buf_clear(&bytes);
	json_decref(object);
	return 0;
}
