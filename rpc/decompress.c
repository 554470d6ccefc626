#include "rpc/decompress.h"

#include <limits.h>
#include <stdlib.h>

#include <grpc/byte_buffer_reader.h>
#include <grpc/compression.h>
#include <zlib.h>

#include "rpc/core.h"

/* zlib's window, and which of its formats is expected. */
#define WINDOW_DEFLATE 15
#define WINDOW_GZIP (15 + 16)

/* Messages shrink about so much: less than this is grown into. */
#define EXPECTED_RATIO 4
#define OUTPUT_MIN ((size_t)1024)

/* Longer ones gRPC would not have, either; zlib counts in unsigned. */
#define OUTPUT_MAX ((size_t)INT_MAX)

static grpc_compression_algorithm
algorithm_of(const grpc_byte_buffer *buffer)
{
	return buffer->data.raw.compression;
}

bool
rpc_buffer_is_compressed(const grpc_byte_buffer *buffer)
{
	return algorithm_of(buffer) != GRPC_COMPRESS_NONE;
}

/*
 * gRPC exports this function for its tests and declares it nowhere. Where it
 * is missing, messages that are compressed in an unknown way do not parse.
 */
extern uint32_t message_flags(grpc_call *core) __asm__(
    "_Z37grpc_call_test_only_get_message_flagsP9grpc_call")
    __attribute__((weak));

/* gRPC's GRPC_WRITE_INTERNAL_COMPRESS: as the frame has it. */
#define FLAG_COMPRESSED 0x80000000u

bool
rpc_call_has_compressed_flag(grpc_call *core)
{
	return message_flags != NULL &&
	       (message_flags(core) & FLAG_COMPRESSED) != 0;
}

struct output {
	uint8_t *data;
	size_t size, room;
	size_t room_max;
};

/* Makes room for at least one byte, unless that is past the limit. */
static enum status
grow(struct output *output)
{
	size_t room = output->room * 2;
	uint8_t *grown;

	if (output->room == output->room_max)
		return STATUS_TOO_LARGE;
	if (room > output->room_max)
		room = output->room_max;
	if ((grown = realloc(output->data, room)) == NULL)
		return STATUS_NOMEM;
	output->data = grown;
	output->room = room;
	return STATUS_OK;
}

/* As far as the input and the room go. */
static enum status
inflate_step(z_stream *stream, struct output *output, bool *is_end)
{
	enum status st;
	int result;

	if (output->size == output->room && (st = grow(output)) != STATUS_OK)
		return st;
	stream->next_out = output->data + output->size;
	stream->avail_out = (uInt)(output->room - output->size);
	result = inflate(stream, Z_NO_FLUSH);
	output->size = output->room - stream->avail_out;
	switch (result) {
	case Z_STREAM_END:
		*is_end = true;
		return STATUS_OK;
	case Z_OK:
	case Z_BUF_ERROR:
		return STATUS_OK;
	case Z_MEM_ERROR:
		return STATUS_NOMEM;
	default:
		return STATUS_INVALID;
	}
}

static enum status
inflate_all(
    z_stream *stream, grpc_byte_buffer_reader *reader, struct output *output)
{
	grpc_slice piece;
	bool is_end = false;
	enum status st = STATUS_OK;

	while (
	    st == STATUS_OK && grpc_byte_buffer_reader_next(reader, &piece)) {
		stream->next_in = GRPC_SLICE_START_PTR(piece);
		stream->avail_in = (uInt)GRPC_SLICE_LENGTH(piece);
		while (st == STATUS_OK && stream->avail_in > 0)
			/* Nothing may follow the end. */
			st = is_end ? STATUS_INVALID
				    : inflate_step(stream, output, &is_end);
		grpc_slice_unref(piece);
	}
	/* What zlib has taken and not yet given back. */
	while (st == STATUS_OK && !is_end) {
		size_t before = output->size;

		st = inflate_step(stream, output, &is_end);
		if (st == STATUS_OK && !is_end && output->size == before)
			st = STATUS_INVALID; /* it ends too soon */
	}
	return st;
}

static enum status
decompress(grpc_byte_buffer *buffer, size_t max_bytes, grpc_slice *content)
{
	size_t expected = grpc_byte_buffer_length(buffer) * EXPECTED_RATIO;
	struct output output = {0};
	grpc_byte_buffer_reader reader;
	z_stream stream = {0};
	enum status st;

	if (max_bytes > OUTPUT_MAX)
		max_bytes = OUTPUT_MAX;
	/* One byte more than allowed tells of more. */
	output.room_max = max_bytes + 1;
	output.room = expected > OUTPUT_MIN ? expected : OUTPUT_MIN;
	if (output.room > output.room_max)
		output.room = output.room_max;
	if ((output.data = malloc(output.room)) == NULL)
		return STATUS_NOMEM;
	if (inflateInit2(&stream, algorithm_of(buffer) == GRPC_COMPRESS_GZIP
				      ? WINDOW_GZIP
				      : WINDOW_DEFLATE) != Z_OK) {
		free(output.data);
		return STATUS_NOMEM;
	}
	if (!grpc_byte_buffer_reader_init(&reader, buffer)) {
		st = STATUS_INVALID;
		goto out;
	}
	st = inflate_all(&stream, &reader, &output);
	grpc_byte_buffer_reader_destroy(&reader);
	if (st == STATUS_OK && output.size > max_bytes)
		st = STATUS_TOO_LARGE;
	if (st != STATUS_OK)
		goto out;
	*content = grpc_slice_new(output.data, output.size, free);
	output.data = NULL;
out:
	inflateEnd(&stream);
	free(output.data);
	return st;
}

enum status
rpc_buffer_take_content(
    grpc_byte_buffer *buffer, size_t max_bytes, grpc_slice *content)
{
	/* Some implementations leave an empty message as it is. */
	if (rpc_buffer_is_compressed(buffer) &&
	    grpc_byte_buffer_length(buffer) > 0)
		return decompress(buffer, max_bytes, content);
	return rpc_buffer_to_slice(buffer, content) ? STATUS_OK
						    : STATUS_INVALID;
}
