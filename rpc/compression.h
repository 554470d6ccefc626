#ifndef RPC_COMPRESSION_H
#define RPC_COMPRESSION_H

/*
 * How the messages that are sent get compressed, each on its own.
 *
 * What the peer compresses is understood in each of these ways without being
 * asked for, and is bounded twice by the same limit: as it travels, and
 * unpacked.
 *
 * A secret and a text that someone else chose do not belong into one
 * compressed message: its length tells of the secret.
 */
enum rpc_compression {
	/* A call: as the channel or the server says. These: none. */
	RPC_COMPRESSION_DEFAULT = 0,
	RPC_COMPRESSION_NONE,
	RPC_COMPRESSION_DEFLATE,
	RPC_COMPRESSION_GZIP,
};

#endif
