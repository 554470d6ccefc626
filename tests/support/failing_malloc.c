#include "failing_malloc.h"

#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static bool is_counting;
static bool has_failed;
static size_t left;

static bool
is_to_fail(void)
{
	if (!is_counting || has_failed)
		return false;
	if (left-- > 0)
		return false;
	has_failed = true;
	return true;
}

void
failing_malloc_start(size_t n)
{
	left = n;
	has_failed = false;
	is_counting = true;
}

bool
failing_malloc_stop(void)
{
	is_counting = false;
	return has_failed;
}

void *
__wrap_malloc(size_t size)
{
	return is_to_fail() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return is_to_fail() ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *memory, size_t size)
{
	return is_to_fail() ? NULL : __real_realloc(memory, size);
}
