#ifndef PEYK_SERVER_TLS_FILES_H
#define PEYK_SERVER_TLS_FILES_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/status.h"
#include "crypto/keys.h"
#include "server/options.h"

/*
 * The certificate of the TLS listener: the operator's own, or one that init
 * makes. Clients trust no authority; they compare its SHA-256 with what the
 * identity key signed (docs/protocol.md section 2).
 */

#define TLS_FILES_CERTIFICATE "server.crt"
#define TLS_FILES_KEY "server.key"

/* Ten years: nobody looks at the date, and replacing it is one command. */
#define TLS_FILES_DAYS 3650

/*
 * Makes a self-signed certificate in the data folder, unless there is one or
 * the options name another. *is_made tells. On failure problem holds a
 * sentence that says what to do.
 */
MUST_CHECK enum status tls_files_make(
    const struct options *options, bool *is_made, struct buf *problem);

/* What the listener needs. End with tls_files_clear(). */
struct tls_files {
	struct buf certificate; /* PEM, as buf_string() */
	struct buf key;         /* PEM; secret */
	const char *certificate_text, *key_text;
	struct sha256_digest fingerprint; /* of the certificate's DER */
};

/* STATUS_INVALID or what reading gave, with problem as above; STATUS_DENIED:
   everybody can read the key. */
MUST_CHECK enum status tls_files_load(
    const struct options *options, struct tls_files *out, struct buf *problem);

/*
 * The same without a key: for the certificate of a proxy that does TLS in front
 * of the server, which options->tls_certificate names.
 */
MUST_CHECK enum status tls_files_load_proxy(
    const struct options *options, struct tls_files *out, struct buf *problem);

/* No-op on a zeroed one. */
void tls_files_clear(struct tls_files *files);

#endif
