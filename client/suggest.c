#include "client/suggest.h"

#include <stdint.h>
#include <string.h>

#define SUGGEST_WORD_MAX 64

static size_t
smallest(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

/* Three rows of the usual table suffice: a swap looks two rows back. */
static size_t
distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
	size_t rows[3][SUGGEST_WORD_MAX + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2], *spare;

	for (size_t j = 0; j <= b_size; j++)
		above[j] = j;
	for (size_t i = 1; i <= a_size; i++) {
		row[0] = i;
		for (size_t j = 1; j <= b_size; j++) {
			row[j] = smallest(above[j] + 1, row[j - 1] + 1,
			    above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		spare = before;
		before = above;
		above = row;
		row = spare;
	}
	return above[b_size];
}

const char *
suggest_nearest(const char *word, const char *const *candidates, size_t count)
{
	size_t size = strlen(word), least = SIZE_MAX;
	const char *nearest = NULL;

	if (size == 0 || size > SUGGEST_WORD_MAX)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		size_t other = strlen(candidates[i]), changes;

		if (strncmp(word, candidates[i], size) == 0)
			return candidates[i];
		if (other > SUGGEST_WORD_MAX)
			continue;
		changes = distance(word, size, candidates[i], other);
		if (changes < least && changes <= (size + 2) / 3) {
			least = changes;
			nearest = candidates[i];
		}
	}
	return nearest;
}
