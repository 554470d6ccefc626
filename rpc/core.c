#include "rpc/core.h"

#include <assert.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/byte_buffer_reader.h>
#include <grpc/support/log.h>
#include <openssl/crypto.h>

static void (*_Atomic log_function)(int level, const char *text);

static void
on_log(gpr_log_func_args *args)
{
	void (*log)(int level, const char *text) = atomic_load(&log_function);
	static const char fatal[] = "assertion failed";

	if (log != NULL)
		log((int)args->severity, args->message);
	else if (strncmp(args->message, fatal, sizeof(fatal) - 1) == 0)
		fprintf(stderr, "gRPC: %s:%d: %s\n", args->file, args->line,
		    args->message); /* it calls abort() next */
}

/* Whoever asks gRPC itself to talk gets gRPC's own way of talking. */
static void
take_over_log(void)
{
	if (atomic_load(&log_function) != NULL ||
	    (getenv("GRPC_VERBOSITY") == NULL && getenv("GRPC_TRACE") == NULL))
		gpr_set_log_function(on_log);
}

static atomic_uint users;
static atomic_bool is_orphan;

/*
 * gRPC's threads are not in a child, but its epoll descriptors are the
 * parent's: a child that went on would hang, and its parent would crash.
 */
static void
on_child(void)
{
	if (atomic_load(&users) > 0)
		atomic_store(&is_orphan, true);
}

static void
start_once(void)
{
	(void)pthread_atfork(NULL, NULL, on_child);
	/*
	 * OpenSSL's own exit handler takes its state away from threads that
	 * gRPC is still winding down when the process ends; the kernel frees
	 * it as well. Too late when the application has started OpenSSL.
	 */
	(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
	take_over_log();
}

void
rpc_log_set(void (*log)(int level, const char *text))
{
	atomic_store(&log_function, log);
}

void
rpc_core_start(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, start_once);
	if (atomic_load(&is_orphan)) {
		fprintf(stderr, "rpc: gRPC was in use before fork(), and "
				"cannot be used in the child\n");
		abort();
	}
	atomic_fetch_add(&users, 1);
	grpc_init();
}

void
rpc_core_stop(void)
{
	grpc_shutdown();
	atomic_fetch_sub(&users, 1);
}

/* ---- Arguments ---- */

static grpc_arg *
add_arg(struct rpc_args *args, const char *key, grpc_arg_type type)
{
	grpc_arg *arg = &args->entries[args->count++];

	assert(args->count <= RPC_ARGS_MAX);
	arg->type = type;
	arg->key = (char *)(uintptr_t)key;
	return arg;
}

void
rpc_args_add_number(struct rpc_args *args, const char *key, size_t value)
{
	add_arg(args, key, GRPC_ARG_INTEGER)->value.integer =
	    value < INT_MAX ? (int)value : INT_MAX;
}

void
rpc_args_add_text(struct rpc_args *args, const char *key, const char *text)
{
	add_arg(args, key, GRPC_ARG_STRING)->value.string =
	    (char *)(uintptr_t)text;
}

void
rpc_args_add_quota(struct rpc_args *args, const char *name, size_t max_bytes)
{
	grpc_arg *arg =
	    add_arg(args, GRPC_ARG_RESOURCE_QUOTA, GRPC_ARG_POINTER);

	args->quota = grpc_resource_quota_create(name);
	grpc_resource_quota_resize(args->quota, max_bytes);
	arg->value.pointer.p = args->quota;
	arg->value.pointer.vtable = grpc_resource_quota_arg_vtable();
}

grpc_channel_args
rpc_args_list(struct rpc_args *args)
{
	return (grpc_channel_args){
	    .num_args = args->count, .args = args->entries};
}

void
rpc_args_clear(struct rpc_args *args)
{
	if (args->quota != NULL)
		grpc_resource_quota_unref(args->quota);
	memset(args, 0, sizeof(*args));
}

/* ---- Slices and buffers ---- */

struct bytes
rpc_slice_bytes(const grpc_slice *slice)
{
	return bytes_make(
	    GRPC_SLICE_START_PTR(*slice), GRPC_SLICE_LENGTH(*slice));
}

/* Takes the slice over. */
static grpc_byte_buffer *
buffer_from_slice(grpc_slice slice)
{
	grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);

	grpc_slice_unref(slice);
	return buffer;
}

grpc_byte_buffer *
rpc_buffer_from_bytes(struct bytes bytes)
{
	grpc_slice slice = grpc_slice_malloc(bytes.size);

	if (bytes.size > 0)
		memcpy(GRPC_SLICE_START_PTR(slice), bytes.data, bytes.size);
	return buffer_from_slice(slice);
}

grpc_byte_buffer *
rpc_buffer_from_message(const ProtobufCMessage *message)
{
	grpc_slice slice =
	    grpc_slice_malloc(protobuf_c_message_get_packed_size(message));

	protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
	return buffer_from_slice(slice);
}

struct bytes
rpc_buffer_bytes(const grpc_byte_buffer *buffer)
{
	const grpc_slice_buffer *slices = &buffer->data.raw.slice_buffer;

	return slices->count > 0 ? rpc_slice_bytes(&slices->slices[0])
				 : bytes_empty();
}

const char *
rpc_compression_name(enum rpc_compression compression)
{
	switch (compression) {
	case RPC_COMPRESSION_DEFAULT:
		return NULL;
	case RPC_COMPRESSION_NONE:
		return "identity";
	case RPC_COMPRESSION_DEFLATE:
		return "deflate";
	case RPC_COMPRESSION_GZIP:
		return "gzip";
	}
	return NULL;
}

bool
rpc_buffer_to_slice(grpc_byte_buffer *buffer, grpc_slice *slice)
{
	grpc_byte_buffer_reader reader;
	grpc_slice first;

	if (!grpc_byte_buffer_reader_init(&reader, buffer))
		return false;
	if (!grpc_byte_buffer_reader_next(&reader, &first)) {
		*slice = grpc_empty_slice();
	} else if (GRPC_SLICE_LENGTH(first) ==
		   grpc_byte_buffer_length(buffer)) {
		*slice = first;
	} else {
		grpc_slice_unref(first);
		grpc_byte_buffer_reader_destroy(&reader);
		if (!grpc_byte_buffer_reader_init(&reader, buffer))
			return false;
		*slice = grpc_byte_buffer_reader_readall(&reader);
	}
	grpc_byte_buffer_reader_destroy(&reader);
	return true;
}

bool
rpc_metadata_find(
    const grpc_metadata_array *array, const char *key, struct bytes *value)
{
	for (size_t i = array->count; i > 0; i--) {
		const grpc_metadata *entry = &array->metadata[i - 1];

		if (grpc_slice_str_cmp(entry->key, key) == 0) {
			*value = rpc_slice_bytes(&entry->value);
			return true;
		}
	}
	return false;
}

enum status
rpc_metadata_list_add(
    struct rpc_metadata_list *list, const char *key, struct bytes value)
{
	return rpc_metadata_is_legal(key, value)
		   ? rpc_metadata_list_add_reserved(list, key, value)
		   : STATUS_INVALID;
}

enum status
rpc_metadata_list_add_reserved(
    struct rpc_metadata_list *list, const char *key, struct bytes value)
{
	grpc_metadata *grown;

	grown = reallocarray(list->entries, list->count + 1, sizeof(*grown));
	if (grown == NULL)
		return STATUS_NOMEM;
	list->entries = grown;
	memset(&grown[list->count], 0, sizeof(*grown));
	grown[list->count].key = grpc_slice_from_copied_string(key);
	grown[list->count].value =
	    grpc_slice_from_copied_buffer((const char *)value.data, value.size);
	list->count++;
	return STATUS_OK;
}

void
rpc_metadata_list_clear(struct rpc_metadata_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		grpc_slice_unref(list->entries[i].key);
		grpc_slice_unref(list->entries[i].value);
	}
	free(list->entries);
	memset(list, 0, sizeof(*list));
}
