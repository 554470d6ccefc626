#ifndef PEYK_BASE_BYTES_H
#define PEYK_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Borrowed bytes, passed by value. Whoever made them keeps the memory alive
 * and unchanged for as long as they are used: as an argument, for the call.
 * Empty bytes may have data == NULL.
 */
struct bytes {
	const uint8_t *data;
	size_t size;
};

/* The bytes of an array (not of a pointer: that does not compile). C only. */
#define BYTES_OF(array) \
	bytes_make((array), sizeof(array) + 0 * sizeof(char \
	    [1 - 2 * __builtin_types_compatible_p(__typeof__(array), \
	    __typeof__(&(array)[0]))]))

/* The bytes of a string literal, without its NUL. */
#define BYTES_LITERAL(literal) bytes_make("" literal, sizeof(literal) - 1)

/* `size` bytes at `data`. */
static inline struct bytes
bytes_make(const void *data, size_t size)
{
	struct bytes bytes = { (const uint8_t *)data, size };

	return bytes;
}

/* No bytes at all. */
static inline struct bytes
bytes_empty(void)
{
	return bytes_make(NULL, 0);
}

/* The bytes of a string, without its NUL. NULL gives empty bytes. */
struct bytes bytes_from_string(const char *string);

/* Not in constant time: for what is public. Secrets: secret_equal(). */
bool bytes_equal(struct bytes a, struct bytes b);

/* As memcmp(), then the shorter first: an order for sorting. */
int bytes_compare(struct bytes a, struct bytes b);

/* Fixed-width big-endian integers. */
void bytes_put_u64be(uint8_t out[8], uint64_t value);
uint64_t bytes_get_u64be(const uint8_t in[8]);
void bytes_put_u32be(uint8_t out[4], uint32_t value);
uint32_t bytes_get_u32be(const uint8_t in[4]);

#endif
