#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "channel/server_info.h"
#include "people.h"
#include "wire/signed.h"

static struct people people;

static void
check(struct bytes response)
{
	const struct channel_sealing_key *key;
	struct channel_server_info info;

	if (channel_server_info_verify_bytes(response, &info) != STATUS_OK)
		return;
	FUZZ_CHECK(info.sealing_key_count <= WIRE_SEALING_KEYS_MAX);
	FUZZ_CHECK(info.text_bytes > 0 && info.text_bytes <= WIRE_TEXT_MAX);
	FUZZ_CHECK(strlen(info.version) <= WIRE_VERSION_MAX);
	key = channel_server_info_sealing_key(&info, PEOPLE_NOW_MS);
	FUZZ_CHECK(key == NULL || channel_sealing_key_is_in_force(key,
	    PEOPLE_NOW_MS));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf packed;

	if (people.sender.name == NULL)
		people_init(&people);
	if (size == 0 || size > WIRE_SERVER_INFO_MAX)
		return 0;
	if (data[0] % 2 == FUZZ_LAYER_ENVELOPE) {
		check(bytes_make(data + 1, size - 1));
		return 0;
	}
	/* The content; the response has the layout of SignedMessage. */
	buf_init(&packed, WIRE_SERVER_INFO_MAX + WIRE_SIGNED_OVERHEAD);
	FUZZ_CHECK(wire_signed_make(&people.server.secret_key,
	    WIRE_LABEL_SERVER_INFO, bytes_make(data + 1, size - 1),
	    &packed) == STATUS_OK);
	check(buf_bytes(&packed));
	buf_clear(&packed);
	return 0;
}
