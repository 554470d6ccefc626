#include "tests/unit/unit.h"

#include <pthread.h>

#include "crypto/crypto.h"
#include "crypto/hash.h"
#include "crypto/hpke.h"
#include "crypto/signature.h"

#define THREADS 4
#define ROUNDS 20

static struct encryption_key_pair recipient;
static struct signing_key_pair signer;

/* Seals, opens, signs and verifies as a worker does. */
static enum status
one_round(void)
{
	struct hpke_encapsulated_key encapsulated;
	struct signature signature;
	struct sha256_digest digest;
	struct buf sealed, opened;
	enum status st;

	buf_init(&sealed, 1000);
	buf_init_secret(&opened, 1000);
	if ((st = signature_sign(&signer.secret_key, "label",
	    BYTES_LITERAL("content"), &signature)) != STATUS_OK ||
	    (st = hpke_seal_once(&recipient.public_key, bytes_empty(),
	    bytes_empty(), BYTES_OF(signature.bytes), &encapsulated,
	    &sealed)) != STATUS_OK ||
	    (st = hpke_open_once(&recipient, &encapsulated, bytes_empty(),
	    bytes_empty(), buf_bytes(&sealed), &opened)) != STATUS_OK ||
	    (st = signature_import(buf_bytes(&opened),
	    &signature)) != STATUS_OK ||
	    (st = signature_verify(&signer.public_key, "label",
	    BYTES_LITERAL("content"), &signature)) != STATUS_OK ||
	    (st = hash_sha256(buf_bytes(&opened), &digest)) != STATUS_OK)
		goto out;
out:
	buf_clear(&sealed);
	buf_clear(&opened);
	return st;
}

static void *
run(void *argument)
{
	enum status *result = argument;

	*result = crypto_init();
	for (int i = 0; *result == STATUS_OK && i < ROUNDS; i++)
		*result = one_round();
	return NULL;
}

static void
run_threads(void)
{
	pthread_t threads[THREADS];
	enum status results[THREADS];

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run,
		    &results[i]), 0);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_ok(results[i]);
	}
}

static void
test_threads_share_nothing(void **state)
{
	(void)state;
	/* The first to come fetches the algorithms. */
	assert_ok(encryption_key_pair_generate(&recipient));
	assert_ok(signing_key_pair_generate(&signer));
	run_threads();
	crypto_cleanup();
}

static void
test_threads_init_again_after_cleanup(void **state)
{
	(void)state;
	crypto_cleanup();
	assert_ok(crypto_init());
	assert_ok(crypto_init());
	assert_ok(one_round());
	run_threads();
	assert_ok(one_round());
	crypto_cleanup();
	crypto_cleanup();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads_share_nothing),
		cmocka_unit_test(test_threads_init_again_after_cleanup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
