#include "tests/fuzz/fuzz.h"

#include <openssl/ui.h>
#include <string.h>

#include "base/text.h"
#include "crypto/certificate.h"
#include "crypto/crypto.h"

#define PEM_MAX ((size_t)1 << 20)
#define PEM_BEGIN "-----BEGIN CERTIFICATE-----\n"
#define PEM_END "-----END CERTIFICATE-----\n"
#define PEM_LINE 64

/* A certificate is no reason to ask anybody for a password. */
static int
refuse_to_ask(UI *ui)
{
	FUZZ_CHECK(ui == NULL);
	return 0;
}

static void
init(void)
{
	UI_METHOD *method = UI_create_method("none");

	FUZZ_CHECK(crypto_init() == STATUS_OK);
	FUZZ_CHECK(method != NULL);
	FUZZ_CHECK(UI_method_set_opener(method, refuse_to_ask) == 0);
	UI_set_default_method(method);
}

/* Only the first certificate counts, and nothing around it. */
static void
check(struct bytes pem)
{
	struct sha256_digest first, second;
	struct buf more;
	enum status st = certificate_fingerprint(pem, &first);

	FUZZ_CHECK(st == STATUS_OK || st == STATUS_INVALID);
	if (st != STATUS_OK)
		return;
	buf_init(&more, PEM_MAX);
	FUZZ_CHECK(buf_append_string(&more, "Issuer: somebody\n") ==
	    STATUS_OK);
	FUZZ_CHECK(buf_append(&more, pem) == STATUS_OK);
	FUZZ_CHECK(buf_append_string(&more, "\n" PEM_BEGIN) == STATUS_OK);
	FUZZ_CHECK(certificate_fingerprint(buf_bytes(&more), &second) ==
	    STATUS_OK);
	FUZZ_CHECK(memcmp(&first, &second, sizeof(first)) == 0);
	buf_clear(&more);
}

/* As PEM, which no mutation of bytes survives. */
static void
check_der(struct bytes der)
{
	struct buf text, pem;

	buf_init(&text, PEM_MAX);
	buf_init(&pem, PEM_MAX);
	FUZZ_CHECK(text_encode(TEXT_ENCODING_BASE64, der, &text) ==
	    STATUS_OK);
	FUZZ_CHECK(buf_append_string(&pem, PEM_BEGIN) == STATUS_OK);
	for (size_t at = 0; at < text.size; at += PEM_LINE) {
		size_t size = text.size - at;

		FUZZ_CHECK(buf_append(&pem, bytes_make(text.data + at,
		    size < PEM_LINE ? size : PEM_LINE)) == STATUS_OK);
		FUZZ_CHECK(buf_append_string(&pem, "\n") == STATUS_OK);
	}
	FUZZ_CHECK(buf_append_string(&pem, PEM_END) == STATUS_OK);
	check(buf_bytes(&pem));
	buf_clear(&text);
	buf_clear(&pem);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_ready;
	struct bytes rest;

	if (!is_ready)
		init();
	is_ready = true;
	if (size == 0 || size > PEM_MAX / 4)
		return 0;
	rest = size == 1 ? bytes_empty() : bytes_make(data + 1, size - 1);
	if (data[0] % 2 == FUZZ_LAYER_ENVELOPE)
		check(rest);
	else
		check_der(rest);
	return 0;
}
