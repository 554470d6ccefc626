#ifndef PEYK_CRYPTO_CRYPTO_H
#define PEYK_CRYPTO_CRYPTO_H

#include "base/status.h"

/*
 * The start and end of this folder. It holds published algorithms only, from
 * OpenSSL and libsodium; nothing here is invented and nothing knows of
 * messages.
 *
 * Every function of the folder may be called in any thread after
 * crypto_init(). Each thread keeps a few OpenSSL contexts of its own, which
 * go when it ends. Results that are struct buf are appended to and keep their
 * content on failure. STATUS_NOMEM and STATUS_INTERNAL (OpenSSL or libsodium
 * failed) are possible wherever enum status is returned; the headers name the
 * other errors.
 *
 * Names do not begin with crypto_ as libsodium's all do.
 */

/*
 * Fetches the algorithms once, so that no call pays for it. May be called
 * again and in several threads: later calls do nothing.
 */
MUST_CHECK enum status crypto_init(void);

/*
 * Gives everything back, for leak checkers: when no other thread uses the
 * folder any more. crypto_init() may follow. No-op without crypto_init().
 */
void crypto_cleanup(void);

#endif
