#ifndef PEYK_BASE_JOINING_H
#define PEYK_BASE_JOINING_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The Joining_Type of Unicode, as far as RFC 5892 appendix A.1 asks for it;
 * utf8proc does not know it.
 */

/* Joining_Type L or D: joins with the letter after it. */
bool joining_is_forward(int32_t code_point);

/* Joining_Type R or D: joins with the letter before it. */
bool joining_is_backward(int32_t code_point);

/* Joining_Type T, of the characters that a name may contain: marks. */
bool joining_is_transparent(int32_t code_point);

#endif
