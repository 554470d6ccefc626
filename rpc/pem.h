#ifndef RPC_PEM_H
#define RPC_PEM_H

/*
 * Certificates and keys as texts, for the files of this folder: gRPC takes
 * what is none and fails each connection instead. Keys with a passphrase are
 * not asked for one on the terminal. Any thread.
 */

#include <stdbool.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

/* The first one; the caller's. NULL: there is none, or no memory. */
X509 *rpc_pem_certificate(const char *pem);
EVP_PKEY *rpc_pem_key(const char *pem);

/* Whether at least one certificate can be read. */
bool rpc_pem_has_certificates(const char *pem);

/* Whether the key is that of the first certificate. */
bool rpc_pem_is_pair(const char *certificate_chain, const char *private_key);

#endif
