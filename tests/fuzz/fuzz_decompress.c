/* rpc/decompress.h. The first byte chooses the format and the pieces. */

#include "rpc/decompress.h"

#include <grpc/compression.h>

#include "tests/fuzz/fuzz.h"

#define CONTENT_MAX ((size_t)4096)
#define SLICES_MAX 64

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	grpc_slice slices[SLICES_MAX], content;
	grpc_byte_buffer *buffer;
	size_t count = 0, piece;
	bool is_gzip;

	if (size == 0)
		return 0;
	is_gzip = (data[0] & 1) != 0;
	piece = data[0] / 2 + 1u;
	data++;
	size--;
	while (size > 0 && count < SLICES_MAX) {
		size_t part =
		    size < piece || count == SLICES_MAX - 1 ? size : piece;

		slices[count++] =
		    grpc_slice_from_copied_buffer((const char *)data, part);
		data += part;
		size -= part;
	}
	buffer = grpc_raw_compressed_byte_buffer_create(slices, count,
	    is_gzip ? GRPC_COMPRESS_GZIP : GRPC_COMPRESS_DEFLATE);
	while (count > 0)
		grpc_slice_unref(slices[--count]);
	if (rpc_buffer_take_content(buffer, CONTENT_MAX, &content) ==
	    STATUS_OK) {
		FUZZ_CHECK(GRPC_SLICE_LENGTH(content) <= CONTENT_MAX);
		grpc_slice_unref(content);
	}
	grpc_byte_buffer_destroy(buffer);
	return 0;
}
