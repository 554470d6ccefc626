#include "tests/fuzz/words.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

/* The next line, as a string; NULL at an empty one and at the end. */
static char *
take_line(char **next, const char *end)
{
	char *line = *next, *stop;

	if (line >= end)
		return NULL;
	stop = memchr(line, '\n', (size_t)(end - line));
	if (stop == NULL)
		stop = (char *)(uintptr_t)end; /* there is a NUL */
	*stop = '\0';
	*next = stop + 1;
	return stop == line ? NULL : line;
}

void
words_init(struct words *words, const char *program, struct bytes input)
{
	size_t count = 0, taken;
	char *next, *line;
	const char *end;

	*words = (struct words){0};
	words->memory = malloc(input.size + 1);
	FUZZ_CHECK(words->memory != NULL);
	if (input.size > 0)
		memcpy(words->memory, input.data, input.size);
	words->memory[input.size] = '\0';
	next = words->memory;
	end = next + input.size;
	if (program != NULL)
		words->argv[words->argc++] = (char *)(uintptr_t)program;
	while ((line = take_line(&next, end)) != NULL)
		if (words->argc < WORDS_MAX)
			words->argv[words->argc++] = line;
	while ((line = take_line(&next, end)) != NULL)
		if (count < WORDS_MAX)
			words->environment[count++] = line;
	taken = next >= end ? input.size : (size_t)(next - words->memory);
	words->config = taken == input.size ? bytes_empty() :
	    bytes_make(input.data + taken, input.size - taken);
}

void
words_clear(struct words *words)
{
	free(words->memory);
	*words = (struct words){0};
}
