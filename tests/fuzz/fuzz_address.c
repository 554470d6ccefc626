#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "channel/address.h"

/* What is read is written in one form, which is read as the same. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct channel_address address, again;
	struct buf text;

	buf_init(&text, CHANNEL_ADDRESS_MAX);
	if (channel_address_parse(bytes_make(data, size), &address) ==
	    STATUS_OK) {
		FUZZ_CHECK(address.port != 0);
		FUZZ_CHECK(strlen(address.host) > 0);
		FUZZ_CHECK(channel_address_append_url(&address, &text) ==
		    STATUS_OK);
		FUZZ_CHECK(channel_address_parse(buf_bytes(&text), &again) ==
		    STATUS_OK);
		FUZZ_CHECK(memcmp(&address, &again, sizeof(again)) == 0);
	}
	buf_clear(&text);
	return 0;
}
