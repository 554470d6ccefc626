#ifndef PEYK_E2EE_SAFETY_NUMBER_H
#define PEYK_E2EE_SAFETY_NUMBER_H

#include "base/status.h"
#include "wire/identity.h"

/*
 * What two people compare, by voice or on paper, to know that each has the
 * other's true keys (docs/protocol.md section 8).
 */

/* 12 groups of 5 digits with a space between. */
#define E2EE_SAFETY_NUMBER_LENGTH (12 * 5 + 11)

/*
 * The number of two verified identities, with its NUL; the same whichever
 * comes first. Takes some 10,400 hashes (a few milliseconds).
 */
MUST_CHECK enum status e2ee_safety_number(const struct identity *a,
    const struct identity *b, char out[E2EE_SAFETY_NUMBER_LENGTH + 1]);

#endif
