#include "rpc/metadata.h"

#include <string.h>

#include <grpc/grpc.h>
#include <grpc/slice.h>

bool
rpc_metadata_is_legal(const char *key, struct bytes value)
{
	grpc_slice name, content;

	if (key == NULL)
		return false;
	/* Static slices borrow: nothing is allocated. */
	name = grpc_slice_from_static_string(key);
	content = grpc_slice_from_static_buffer(
	    value.data != NULL ? (const void *)value.data : "", value.size);
	if (!grpc_header_key_is_legal(name))
		return false;
	/* gRPC's own, but for the one that applications may set. */
	if (strncmp(key, "grpc-", 5) == 0 &&
	    strcmp(key, "grpc-status-details-bin") != 0)
		return false;
	return grpc_is_binary_header(name) ||
	       grpc_header_nonbin_value_is_legal(content);
}
