#include "failing_malloc.h"

#include <malloc.h>
#include <stddef.h>
#include <string.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void __wrap_free(void *memory);

static bool is_counting;
static bool has_failed;
static size_t left;
static const char *watched;
static size_t unwiped;

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

void
failing_malloc_watch(const char *marker)
{
	watched = marker;
	unwiped = 0;
}

size_t
failing_malloc_stop_watching(void)
{
	watched = NULL;
	return unwiped;
}

void
__wrap_free(void *memory)
{
	if (watched != NULL && memory != NULL &&
	    memmem(memory, malloc_usable_size(memory), watched,
	    strlen(watched)) != NULL)
		unwiped++;
	__real_free(memory);
}
