#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "base/text.h"
#include "crypto/crypto.h"
#include "crypto/fernet.h"
#include "crypto/kdf.h"

#define NOW_S 1767225600 /* 2026-01-01 */
#define TTL_S 3600

/* Where a token's time and iv stand: behind its version. */
#define TIME_AT 1
#define IV_AT 9

static struct fernet_key key;

/* What opens is the one token of its time, iv and plaintext. */
static void
check_only_form(struct bytes token, struct bytes plaintext)
{
	struct fernet_iv iv;
	struct buf raw, again;

	buf_init(&raw, FERNET_TOKEN_MAX);
	buf_init(&again, FERNET_TOKEN_MAX);
	FUZZ_CHECK(text_decode(TEXT_ENCODING_BASE64URL_PADDED, token, &raw) ==
	    STATUS_OK);
	memcpy(iv.bytes, raw.data + IV_AT, sizeof(iv.bytes));
	FUZZ_CHECK(fernet_seal_with_iv(&key,
	    bytes_get_u64be(raw.data + TIME_AT), &iv, plaintext, &again) ==
	    STATUS_OK);
	FUZZ_CHECK(bytes_equal(buf_bytes(&again), token));
	buf_clear(&raw);
	buf_clear(&again);
}

static void
check_age(struct bytes token, struct bytes plaintext)
{
	enum status st;
	struct buf fresh, raw;
	uint64_t made_s;
	bool is_fresh;

	buf_init(&raw, FERNET_TOKEN_MAX);
	buf_init(&fresh, FERNET_PLAINTEXT_MAX);
	FUZZ_CHECK(text_decode(TEXT_ENCODING_BASE64URL_PADDED, token, &raw) ==
	    STATUS_OK);
	made_s = bytes_get_u64be(raw.data + TIME_AT);
	is_fresh = made_s >= NOW_S - TTL_S &&
	    made_s <= NOW_S + FERNET_CLOCK_SKEW_S;
	st = fernet_open_fresh(&key, token, NOW_S, TTL_S, &fresh);
	FUZZ_CHECK(st == (is_fresh ? STATUS_OK : STATUS_STALE));
	FUZZ_CHECK(bytes_equal(buf_bytes(&fresh),
	    is_fresh ? plaintext : bytes_empty()));
	buf_clear(&raw);
	buf_clear(&fresh);
}

static void
check(struct bytes token)
{
	struct buf plaintext;
	enum status st;

	buf_init(&plaintext, FERNET_PLAINTEXT_MAX);
	st = fernet_open(&key, token, &plaintext);
	FUZZ_CHECK(st == STATUS_OK || st == STATUS_FORGED);
	if (st == STATUS_OK) {
		check_only_form(token, buf_bytes(&plaintext));
		check_age(token, buf_bytes(&plaintext));
	} else {
		FUZZ_CHECK(plaintext.size == 0);
		st = fernet_open_fresh(&key, token, NOW_S, TTL_S, &plaintext);
		/* Its age is looked at before the padding. */
		FUZZ_CHECK(st == STATUS_FORGED || st == STATUS_STALE);
		FUZZ_CHECK(plaintext.size == 0);
	}
	buf_clear(&plaintext);
}

/* Everything but the authentication, which is made here. */
static void
check_unsigned(struct bytes head)
{
	struct sha256_digest mac;
	struct buf raw, token;

	buf_init(&raw, FERNET_TOKEN_MAX);
	buf_init(&token, FERNET_TOKEN_MAX);
	FUZZ_CHECK(kdf_hmac(bytes_make(key.bytes, 16), &head, 1, &mac) ==
	    STATUS_OK);
	FUZZ_CHECK(buf_append(&raw, head) == STATUS_OK);
	FUZZ_CHECK(buf_append(&raw, BYTES_OF(mac.bytes)) == STATUS_OK);
	FUZZ_CHECK(text_encode(TEXT_ENCODING_BASE64URL_PADDED,
	    buf_bytes(&raw), &token) == STATUS_OK);
	check(buf_bytes(&token));
	buf_clear(&raw);
	buf_clear(&token);
}

/* Seals, opens, and finds one changed character, wherever it is. */
static void
check_plaintext(struct bytes plaintext)
{
	struct fernet_iv iv = {{0x1f}};
	struct buf token, opened;
	size_t at;

	buf_init(&token, FERNET_TOKEN_MAX);
	buf_init(&opened, FERNET_PLAINTEXT_MAX);
	FUZZ_CHECK(fernet_seal_with_iv(&key, NOW_S, &iv, plaintext, &token) ==
	    STATUS_OK);
	FUZZ_CHECK(fernet_open(&key, buf_bytes(&token), &opened) ==
	    STATUS_OK);
	FUZZ_CHECK(bytes_equal(buf_bytes(&opened), plaintext));
	buf_reset(&opened);
	at = plaintext.size < 2 ? 0 :
	    (size_t)(plaintext.data[0] << 8 | plaintext.data[1]) % token.size;
	token.data[at] = token.data[at] == 'A' ? 'B' : 'A';
	FUZZ_CHECK(fernet_open(&key, buf_bytes(&token), &opened) ==
	    STATUS_FORGED);
	buf_clear(&token);
	buf_clear(&opened);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes rest;

	if (key.bytes[0] == 0) {
		FUZZ_CHECK(crypto_init() == STATUS_OK);
		memset(key.bytes, 0x61, sizeof(key.bytes));
	}
	if (size == 0 || size > FERNET_PLAINTEXT_MAX / 2)
		return 0;
	rest = size == 1 ? bytes_empty() : bytes_make(data + 1, size - 1);
	switch ((enum fuzz_layer)(data[0] % FUZZ_LAYER_COUNT)) {
	case FUZZ_LAYER_ENVELOPE:
		check(rest);
		break;
	case FUZZ_LAYER_PLAINTEXT:
		check_plaintext(rest);
		break;
	case FUZZ_LAYER_CONTENT:
	case FUZZ_LAYER_COUNT:
		check_unsigned(rest);
		break;
	}
	return 0;
}
