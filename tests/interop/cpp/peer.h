#ifndef PEYK_TESTS_INTEROP_CPP_PEER_H
#define PEYK_TESTS_INTEROP_CPP_PEER_H

// What both sides of the C++ peer share.

#include <cstdint>
#include <map>
#include <string>

#include <grpc/grpc.h>

constexpr char kEchoHeader[] = "x-grpc-test-echo-initial";
constexpr char kEchoTrailer[] = "x-grpc-test-echo-trailing-bin";

// Not in a header of gRPC, but in its library, for these very cases.
uint32_t grpc_call_test_only_get_message_flags(grpc_call *call);

// Whether the last message that a call received was compressed: a flag that
// gRPC's core sets for tests (GRPC_WRITE_INTERNAL_TEST_ONLY_WAS_COMPRESSED).
inline bool
WasCompressed(grpc_call *call)
{
	return grpc_call_test_only_get_message_flags(call) & 0x40000000u;
}

// --name=value, by name.
using Options = std::map<std::string, std::string>;

std::string FileText(const std::string &path);

int RunServer(Options options);
int RunClient(Options options);

#endif
