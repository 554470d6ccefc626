/*
 * Every allocation of every operation fails once, our own and OpenSSL's: the
 * operation must say so, leave its results alone, leak nothing, and work the
 * next time. The linker sends our allocations here (--wrap).
 */
#include "tests/unit/unit.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "base/text.h"
#include "crypto/certificate.h"
#include "crypto/crypto.h"
#include "crypto/fernet.h"
#include "crypto/hash.h"
#include "crypto/hpke.h"
#include "crypto/signature.h"

/* More than any operation needs. */
#define ALLOCATIONS_MAX 20000

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

/* The allocation from now that fails; 0 for none. */
static unsigned long fail_in;

static bool
is_to_fail(void)
{
	return fail_in > 0 && --fail_in == 0;
}

void *
__wrap_malloc(size_t size)
{
	return is_to_fail() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return is_to_fail() ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *memory, size_t size)
{
	return is_to_fail() ? NULL : __real_realloc(memory, size);
}

static void *
openssl_malloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return size == 0 || is_to_fail() ? NULL : __real_malloc(size);
}

static void *
openssl_realloc(void *memory, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	if (size == 0) {
		free(memory);
		return NULL;
	}
	return is_to_fail() ? NULL : __real_realloc(memory, size);
}

static void
openssl_free(void *memory, const char *file, int line)
{
	(void)file;
	(void)line;
	free(memory);
}

static struct encryption_key_pair recipient;
static struct signing_key_pair signer;
static const struct fernet_key fernet_key = { .bytes = { 1 } };

/* An operation appends to out; a failed one leaves it alone. */
typedef enum status operation(struct buf *out);

static enum status
run_hpke(struct buf *out)
{
	struct hpke_encapsulated_key encapsulated;
	struct buf sealed;
	enum status st;

	buf_init(&sealed, 1000);
	if ((st = hpke_seal_once(&recipient.public_key,
	    BYTES_LITERAL("info"), BYTES_LITERAL("aad"),
	    BYTES_LITERAL("text"), &encapsulated, &sealed)) != STATUS_OK ||
	    (st = hpke_open_once(&recipient, &encapsulated,
	    BYTES_LITERAL("info"), BYTES_LITERAL("aad"), buf_bytes(&sealed),
	    out)) != STATUS_OK)
		goto out;
out:
	buf_clear(&sealed);
	return st;
}

static enum status
run_fernet(struct buf *out)
{
	struct buf token;
	enum status st;

	buf_init(&token, 1000);
	if ((st = fernet_seal(&fernet_key, 1, BYTES_LITERAL("text"),
	    &token)) == STATUS_OK)
		st = fernet_open(&fernet_key, buf_bytes(&token), out);
	buf_clear(&token);
	return st;
}

static enum status
run_signature(struct buf *out)
{
	static const uint8_t content[5000];
	struct signature signature;
	enum status st;

	if ((st = signature_sign(&signer.secret_key, "label",
	    BYTES_OF(content), &signature)) != STATUS_OK ||
	    (st = signature_verify(&signer.public_key, "label",
	    BYTES_OF(content), &signature)) != STATUS_OK)
		return st;
	return buf_append_string(out, "text");
}

static enum status
run_hash(struct buf *out)
{
	struct hash_stream *stream = NULL;
	struct sha256_digest digest;
	enum status st;

	if ((st = hash_stream_new(&stream)) != STATUS_OK ||
	    (st = hash_stream_update(stream,
	    BYTES_LITERAL("text"))) != STATUS_OK ||
	    (st = hash_stream_finish(stream, &digest)) != STATUS_OK ||
	    (st = hash_sha256(BYTES_LITERAL("text"), &digest)) != STATUS_OK)
		goto out;
	st = buf_append_string(out, "text");
out:
	hash_stream_free(stream);
	return st;
}

static enum status
run_certificate(struct buf *out)
{
	const char *const names[] = { "localhost", "127.0.0.1" };
	const struct certificate_request request = {
		.common_name = "peykd",
		.names = names,
		.name_count = 2,
		.not_before_s = 1700000000,
		.days = 10,
	};
	struct sha256_digest digest;
	struct buf certificate, key;
	enum status st;

	buf_init(&certificate, 10000);
	buf_init_secret(&key, 10000);
	if ((st = certificate_make(&request, &certificate,
	    &key)) != STATUS_OK)
		assert_true(certificate.size == 0 && key.size == 0);
	else if ((st = certificate_fingerprint(buf_bytes(&certificate),
	    &digest)) == STATUS_OK)
		st = buf_append_string(out, "text");
	/* OpenSSL does not always say why it could not read a PEM. */
	if (st == STATUS_INVALID)
		st = STATUS_NOMEM;
	buf_clear(&certificate);
	buf_clear(&key);
	return st;
}

static enum status
run_names(struct buf *out)
{
	bool same = false;
	enum status st;

	if ((st = name_is_same(BYTES_LITERAL("Client"),
	    BYTES_LITERAL("client"), &same)) != STATUS_OK)
		return st;
	assert_true(same);
	return text_sanitize(BYTES_LITERAL("text"), TEXT_LINES_JOIN, out);
}

static void
fail_each_allocation(operation *run)
{
	unsigned long n;
	enum status st = STATUS_NOMEM;
	struct buf out;

	for (n = 1; st != STATUS_OK; n++) {
		assert_true(n < ALLOCATIONS_MAX);
		/* So that this thread has to make its contexts anew. */
		crypto_cleanup();
		assert_ok(crypto_init());
		buf_init(&out, 100);
		fail_in = n;
		st = run(&out);
		/* Some failures do not matter to OpenSSL. */
		if (st == STATUS_OK && fail_in == 0)
			st = STATUS_NOMEM;
		else if (st != STATUS_OK) {
			assert_true(st == STATUS_NOMEM ||
			    st == STATUS_INTERNAL);
			assert_int_equal(out.size, 0);
		}
		fail_in = 0;
		buf_clear(&out);
	}
	print_message("%lu allocations\n", n - 2);
	assert_true(n > 2);
	buf_init(&out, 100);
	assert_ok(run(&out));
	assert_bytes(buf_bytes(&out), BYTES_LITERAL("text"));
	buf_clear(&out);
}

static void
test_nomem_hpke(void **state)
{
	(void)state;
	fail_each_allocation(run_hpke);
}

static void
test_nomem_fernet(void **state)
{
	(void)state;
	fail_each_allocation(run_fernet);
}

static void
test_nomem_signature(void **state)
{
	(void)state;
	fail_each_allocation(run_signature);
}

static void
test_nomem_hash(void **state)
{
	(void)state;
	fail_each_allocation(run_hash);
}

static void
test_nomem_certificate(void **state)
{
	(void)state;
	fail_each_allocation(run_certificate);
}

static void
test_nomem_names(void **state)
{
	(void)state;
	fail_each_allocation(run_names);
}

static void
test_nomem_init(void **state)
{
	enum status st = STATUS_NOMEM;

	(void)state;
	for (unsigned long n = 1; st != STATUS_OK; n++) {
		assert_true(n < ALLOCATIONS_MAX);
		crypto_cleanup();
		fail_in = n;
		st = crypto_init();
		if (st == STATUS_OK && fail_in == 0)
			st = STATUS_NOMEM;
		fail_in = 0;
	}
	assert_ok(crypto_init());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nomem_hpke),
		cmocka_unit_test(test_nomem_fernet),
		cmocka_unit_test(test_nomem_signature),
		cmocka_unit_test(test_nomem_hash),
		cmocka_unit_test(test_nomem_certificate),
		cmocka_unit_test(test_nomem_names),
		cmocka_unit_test(test_nomem_init),
	};
	int failed;

	/* Before anything else of OpenSSL. */
	if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc,
	    openssl_free) != 1)
		return 1;
	if (crypto_init() != STATUS_OK ||
	    encryption_key_pair_generate(&recipient) != STATUS_OK ||
	    signing_key_pair_generate(&signer) != STATUS_OK)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	crypto_cleanup();
	return failed;
}
