#ifndef PEYK_BASE_UUID_H
#define PEYK_BASE_UUID_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

/*
 * UUIDs (RFC 9562) as text: 32 lower-case hex digits in groups of 8, 4, 4, 4
 * and 12, "0192f6d8-4b1c-7e3a-9f20-6c1d5a7b8e90". Of the bits inside nothing
 * is asked. Any thread.
 */
#define UUID_SIZE ((size_t)16)
#define UUID_TEXT_LENGTH ((size_t)36)
#define UUID_TEXT_SIZE (UUID_TEXT_LENGTH + 1) /* with the NUL */

void uuid_format(const uint8_t id[UUID_SIZE], char out[UUID_TEXT_SIZE]);

/*
 * Strict, so that one id has one text: STATUS_INVALID for every other form,
 * upper-case digits too.
 */
MUST_CHECK enum status uuid_parse(struct bytes text, uint8_t out[UUID_SIZE]);

#endif
