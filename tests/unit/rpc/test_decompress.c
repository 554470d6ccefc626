/* rpc/decompress.h */

#include "rpc/decompress.h"

#include <stdlib.h>
#include <string.h>

#include <grpc/compression.h>
#include <grpc/grpc.h>
#include <zlib.h>

#include "rpc/core.h"
#include "tests/unit/unit.h"

#define WINDOW_DEFLATE 15
#define WINDOW_GZIP 31

/* Compresses; `*out` is to be freed. */
static size_t
squeeze(int window, const void *data, size_t size, uint8_t **out)
{
	z_stream stream = {0};
	size_t room = size + size / 100 + 64;

	*out = malloc(room);
	assert_non_null(*out);
	assert_int_equal(deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED,
			     window, 8, Z_DEFAULT_STRATEGY),
	    Z_OK);
	stream.next_in = (Bytef *)(uintptr_t)data;
	stream.avail_in = (uInt)size;
	stream.next_out = *out;
	stream.avail_out = (uInt)room;
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	room -= stream.avail_out;
	deflateEnd(&stream);
	return room;
}

/* A buffer of slices of `piece` bytes each. */
static grpc_byte_buffer *
buffer_of(grpc_compression_algorithm algorithm, const uint8_t *data,
    size_t size, size_t piece)
{
	size_t count = (size + piece - 1) / piece;
	grpc_slice *slices = calloc(count + 1, sizeof(*slices));
	grpc_byte_buffer *buffer;

	assert_non_null(slices);
	for (size_t i = 0; i < count; i++) {
		size_t from = i * piece;

		slices[i] =
		    grpc_slice_from_copied_buffer((const char *)data + from,
			size - from < piece ? size - from : piece);
	}
	buffer =
	    grpc_raw_compressed_byte_buffer_create(slices, count, algorithm);
	for (size_t i = 0; i < count; i++)
		grpc_slice_unref(slices[i]);
	free(slices);
	return buffer;
}

static enum status
take(grpc_compression_algorithm algorithm, const uint8_t *data, size_t size,
    size_t piece, size_t max_bytes, grpc_slice *content)
{
	grpc_byte_buffer *buffer = buffer_of(algorithm, data, size, piece);
	enum status st = rpc_buffer_take_content(buffer, max_bytes, content);

	assert_int_equal(
	    rpc_buffer_is_compressed(buffer), algorithm != GRPC_COMPRESS_NONE);
	grpc_byte_buffer_destroy(buffer);
	return st;
}

static void
fill(uint8_t *data, size_t size, bool is_random)
{
	uint32_t x = 1;

	for (size_t i = 0; i < size; i++) {
		x = x * 1664525 + 1013904223;
		data[i] = is_random ? (uint8_t)(x >> 24) : 0;
	}
}

static void
test_decompress_gives_back_what_was_compressed(void **state)
{
	static const size_t sizes[] = {1, 100, 1024, 5000, 300000};
	static const size_t pieces[] = {1, 7, 1000000};

	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		bool is_gzip = (kind & 1) != 0;
		uint8_t data[300000];

		fill(data, sizeof(data), (kind & 2) != 0);
		for (size_t i = 0; i < 5; i++) {
			uint8_t *packed;
			size_t size =
			    squeeze(is_gzip ? WINDOW_GZIP : WINDOW_DEFLATE,
				data, sizes[i], &packed);

			for (size_t k = 0; k < 3; k++) {
				grpc_slice content;

				/* Exactly at the limit. */
				assert_ok(take(is_gzip ? GRPC_COMPRESS_GZIP
						       : GRPC_COMPRESS_DEFLATE,
				    packed, size, pieces[k], sizes[i],
				    &content));
				assert_int_equal(
				    GRPC_SLICE_LENGTH(content), sizes[i]);
				assert_memory_equal(
				    GRPC_SLICE_START_PTR(content), data,
				    sizes[i]);
				grpc_slice_unref(content);
			}
			free(packed);
		}
	}
}

static void
test_decompress_needs_no_limit(void **state)
{
	uint8_t data[10000] = {0};
	uint8_t *packed;
	size_t size = squeeze(WINDOW_GZIP, data, sizeof(data), &packed);
	grpc_slice content;

	(void)state;
	assert_ok(
	    take(GRPC_COMPRESS_GZIP, packed, size, size, SIZE_MAX, &content));
	assert_int_equal(GRPC_SLICE_LENGTH(content), sizeof(data));
	grpc_slice_unref(content);
	free(packed);
}

static void
test_decompress_keeps_to_the_limit(void **state)
{
	uint8_t data[10000] = {0};
	uint8_t *packed;
	size_t size = squeeze(WINDOW_GZIP, data, sizeof(data), &packed);
	grpc_slice content;

	(void)state;
	for (size_t max = 0; max < sizeof(data); max += 1111)
		assert_status(
		    take(GRPC_COMPRESS_GZIP, packed, size, 10, max, &content),
		    STATUS_TOO_LARGE);
	assert_status(take(GRPC_COMPRESS_GZIP, packed, size, size,
			  sizeof(data) - 1, &content),
	    STATUS_TOO_LARGE);
	free(packed);
}

static void
test_decompress_refuses_what_is_broken(void **state)
{
	uint8_t data[3000];
	uint8_t *packed;
	grpc_slice content;
	size_t size;

	(void)state;
	fill(data, sizeof(data), true);
	size = squeeze(WINDOW_GZIP, data, sizeof(data), &packed);
	/* The other format. */
	assert_status(take(GRPC_COMPRESS_DEFLATE, packed, size, size,
			  sizeof(data), &content),
	    STATUS_INVALID);
	/* Cut off, anywhere. */
	for (size_t cut = 1; cut < size; cut += 97)
		assert_status(take(GRPC_COMPRESS_GZIP, packed, cut, 100,
				  sizeof(data), &content),
		    STATUS_INVALID);
	assert_status(take(GRPC_COMPRESS_GZIP, packed, size - 1, 100,
			  sizeof(data), &content),
	    STATUS_INVALID);
	/* The checksum. */
	packed[size - 5] ^= 1;
	assert_status(
	    take(GRPC_COMPRESS_GZIP, packed, size, 100, sizeof(data), &content),
	    STATUS_INVALID);
	packed[size - 5] ^= 1;
	/* Something follows. */
	packed = realloc(packed, size + 1);
	assert_non_null(packed);
	packed[size] = 0;
	assert_status(take(GRPC_COMPRESS_GZIP, packed, size + 1, 100,
			  sizeof(data), &content),
	    STATUS_INVALID);
	free(packed);
}

static void
test_decompress_leaves_what_is_not_compressed(void **state)
{
	grpc_slice content;

	(void)state;
	/* No limit of ours: gRPC has looked at it. */
	assert_ok(take(
	    GRPC_COMPRESS_NONE, (const uint8_t *)"salam", 5, 2, 1, &content));
	assert_int_equal(GRPC_SLICE_LENGTH(content), 5);
	assert_memory_equal(GRPC_SLICE_START_PTR(content), "salam", 5);
	grpc_slice_unref(content);
	/* Nothing, said to be compressed. */
	assert_ok(take(GRPC_COMPRESS_GZIP, NULL, 0, 1, 10, &content));
	assert_int_equal(GRPC_SLICE_LENGTH(content), 0);
	grpc_slice_unref(content);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_decompress_gives_back_what_was_compressed),
	    cmocka_unit_test(test_decompress_needs_no_limit),
	    cmocka_unit_test(test_decompress_keeps_to_the_limit),
	    cmocka_unit_test(test_decompress_refuses_what_is_broken),
	    cmocka_unit_test(test_decompress_leaves_what_is_not_compressed),
	};
	int failed;

	grpc_init();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	grpc_shutdown();
	return failed;
}
