#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "client/tool_reply.h"
#include "gen/peyk/v1/messenger.pb-c.h"
#include "wire/limits.h"
#include "wire/unpack.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tool_reply reply = {0};
	enum status st = tool_reply_read(bytes_make(data, size), &reply);

	FUZZ_CHECK(st == STATUS_OK || st == STATUS_NOT_FOUND);
	FUZZ_CHECK((st == STATUS_OK) ==
		   (reply.has_status || reply.envelope_count > 0));
	FUZZ_CHECK(reply.envelope_count <= TOOL_REPLY_ENVELOPES_MAX);
	FUZZ_CHECK(memchr(reply.code, '\0', sizeof(reply.code)) != NULL);
	FUZZ_CHECK(memchr(reply.message, '\0', sizeof(reply.message)) != NULL);
	for (size_t i = 0; i < reply.envelope_count; i++)
		FUZZ_CHECK(reply.envelopes[i].size > 0 &&
			   reply.envelopes[i].size <= WIRE_ENVELOPE_MAX);
	tool_reply_clear(&reply);
	return 0;
}
