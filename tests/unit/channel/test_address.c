#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "channel/address.h"

#define FINGERPRINT \
	"66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925"

static void
test_address_takes_each_form(void **state)
{
	static const struct {
		const char *text;
		const char *target;
		const char *url;
	} cases[] = {
		{ "localhost", "localhost:8022", "peyk://localhost:8022" },
		{ "Chat.Example.ORG:443", "chat.example.org:443",
		    "peyk://chat.example.org:443" },
		{ "127.0.0.1:1", "127.0.0.1:1", "peyk://127.0.0.1:1" },
		{ "[::1]", "[::1]:8022", "peyk://[::1]:8022" },
		{ "[2001:DB8:0:0:0:0:0:1]:65535", "[2001:db8::1]:65535",
		    "peyk://[2001:db8::1]:65535" },
		{ "peyk://a_b-c.d:00022", "a_b-c.d:22",
		    "peyk://a_b-c.d:22" },
		{ "PEYK://x", "x:8022", "peyk://x:8022" },
		{ "peyk://x:1#" FINGERPRINT, "x:1",
		    "peyk://x:1#" FINGERPRINT },
		{ "peyk://[::1]#" FINGERPRINT, "[::1]:8022",
		    "peyk://[::1]:8022#" FINGERPRINT },
	};
	struct channel_address address, again;
	struct buf text;
	const char *string;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_ok(channel_address_parse(
		    bytes_from_string(cases[i].text), &address));
		buf_init(&text, CHANNEL_ADDRESS_MAX);
		assert_ok(channel_address_append_target(&address, &text));
		assert_ok(buf_string(&text, &string));
		assert_string_equal(string, cases[i].target);
		buf_reset(&text);
		assert_ok(channel_address_append_url(&address, &text));
		assert_ok(buf_string(&text, &string));
		assert_string_equal(string, cases[i].url);
		/* what is written is read as the same */
		assert_ok(channel_address_parse(buf_bytes(&text), &again));
		assert_memory_equal(&address, &again, sizeof(address));
		buf_clear(&text);
	}
}

static void
test_address_refuses_what_is_none(void **state)
{
	static const char *const cases[] = {
		"", ":", ":8022", "x:", "x:0", "x:65536", "x:99999",
		"x:123456", "x:-1", "x:+1", "x: 1", "x:1 ", " x", "x y",
		"x:80a", "x/", "x:1/", "peyk://", "peyk://x/", "peyk:x",
		"http://x", "peyk://user@x", "x#" FINGERPRINT, "peyk://x#",
		"peyk://x#66", "peyk://x#" FINGERPRINT "0",
		"peyk://x:1#6668zzadf862bd776c8fc18b8e9f8e20"
		"089714856ee233b3902a591d0d5f2925",
		"::1", "[::1", "[]", "[]:1", "[x]", "[::1]x", "[::1]1",
		"[fe80::1%eth0]", "[127.0.0.1]", "a..b", ".a", "a.", ".",
		"\xd8\xb3.ir", "peyk://peyk://x",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aa",
	};
	struct channel_address address;
	size_t i;

	(void)state;
	memset(&address, 0x5a, sizeof(address));
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (channel_address_parse(bytes_from_string(cases[i]),
		    &address) != STATUS_INVALID)
			fail_msg("\"%s\" was taken", cases[i]);
	assert_int_equal(address.port, 0x5a5a);
	assert_status(channel_address_parse(BYTES_LITERAL("x\0"), &address),
	    STATUS_INVALID);
	assert_status(channel_address_parse(BYTES_LITERAL("[::1\0]"),
	    &address), STATUS_INVALID);
}

static void
test_address_of_every_length(void **state)
{
	char text[CHANNEL_ADDRESS_MAX + 2];
	struct channel_address address;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(text); i++)
		text[i] = i % 60 == 59 ? '.' : 'a';
	for (i = 1; i <= sizeof(text); i++)
		assert_status(channel_address_parse(bytes_make(text, i),
		    &address), i > CHANNEL_HOST_MAX || i % 60 == 0 ?
		    STATUS_INVALID : STATUS_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_address_takes_each_form),
		cmocka_unit_test(test_address_refuses_what_is_none),
		cmocka_unit_test(test_address_of_every_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
