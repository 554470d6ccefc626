#ifndef PEYK_E2EE_DIGITS_H
#define PEYK_E2EE_DIGITS_H

#include <stddef.h>
#include <stdint.h>

/*
 * Hashes as digits that people compare, for safety numbers. Private to e2ee.
 * Any thread.
 */

#define E2EE_DIGITS_GROUP_SIZE 5 /* bytes of hash, and digits */

/* Characters of groups of digits with a space between, without the NUL. */
#define E2EE_DIGITS_LENGTH(groups) \
	((groups) * E2EE_DIGITS_GROUP_SIZE + (groups) - 1)

/*
 * Writes them: of each 5 bytes, as a big-endian number, its last 5 digits.
 * hash: 5 bytes a group; out: E2EE_DIGITS_LENGTH(groups) and a NUL.
 */
void e2ee_digits_write(const uint8_t *hash, size_t groups, char *out);

#endif
