#include "rpc/pem.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

static int
no_passphrase(char *text, int size, int is_writing, void *arg)
{
	(void)text;
	(void)size;
	(void)is_writing;
	(void)arg;
	return -1;
}

X509 *
rpc_pem_certificate(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *certificate =
	    bio != NULL ? PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)
			: NULL;

	BIO_free(bio);
	ERR_clear_error();
	return certificate;
}

EVP_PKEY *
rpc_pem_key(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(
					  bio, NULL, no_passphrase, NULL)
				    : NULL;

	BIO_free(bio);
	ERR_clear_error();
	return key;
}

bool
rpc_pem_has_certificates(const char *pem)
{
	X509 *first = rpc_pem_certificate(pem);

	X509_free(first);
	return first != NULL;
}

bool
rpc_pem_is_pair(const char *certificate_chain, const char *private_key)
{
	X509 *certificate = rpc_pem_certificate(certificate_chain);
	EVP_PKEY *key = rpc_pem_key(private_key);
	bool is_pair = certificate != NULL && key != NULL &&
		       X509_check_private_key(certificate, key) == 1;

	X509_free(certificate);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return is_pair;
}
