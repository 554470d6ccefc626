#ifndef PEYK_CLIENT_SUGGEST_H
#define PEYK_CLIENT_SUGGEST_H

#include <stddef.h>

/*
 * What was meant by a mistyped word: the candidate that begins with it, or
 * else the one with the fewest letters left out, added, changed or swapped
 * (Damerau and Levenshtein, adjacent swaps only), if these are no more than a
 * third of the word's, rounded up. NULL if nothing is near. The first of
 * several equals. Words over 64 bytes resemble nothing.
 */
const char *suggest_nearest(
    const char *word, const char *const *candidates, size_t count);

#endif
