// The interoperability client on gRPC's C++ library: each case does what
// gRPC's doc/interop-test-descriptions.md asks for under its name.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "grpc/testing/test.grpc.pb.h"
#include "peer.h"

namespace
{

using grpc::ClientContext;
using grpc::Status;
using grpc::StatusCode;
namespace testing = grpc::testing;
using Stub = testing::TestService::Stub;

const std::vector<int> kRequestSizes = {27182, 8, 1828, 45904};
const std::vector<int> kResponseSizes = {31415, 9, 2653, 58979};

void
Expect(bool is_so, const std::string &what)
{
	if (is_so)
		return;
	std::fprintf(stderr, "expected %s\n", what.c_str());
	std::_Exit(1);
}

void
ExpectCode(const Status &status, StatusCode code)
{
	Expect(status.error_code() == code,
	    "code " + std::to_string(code) + ", got " +
		std::to_string(status.error_code()) + ": " +
		status.error_message());
}

template <class Response>
void
ExpectBody(const Response &response, int size)
{
	Expect(response.payload().body() ==
		   std::string(static_cast<size_t>(size), '\0'),
	    std::to_string(size) + " zeros");
}

template <class Request>
void
SetBody(Request *request, int size)
{
	request->mutable_payload()->set_body(
	    std::string(static_cast<size_t>(size), '\0'));
}

// No call takes so long.
void
Limit(ClientContext *context)
{
	context->set_deadline(
	    std::chrono::system_clock::now() + std::chrono::seconds(60));
}

// ---- Unary ----

void
Large(Stub *stub, ClientContext *context, testing::SimpleRequest request,
    StatusCode code)
{
	testing::SimpleResponse response;

	Limit(context);
	SetBody(&request, 271828);
	request.set_response_size(314159);
	ExpectCode(stub->UnaryCall(context, request, &response), code);
	if (code == StatusCode::OK)
		ExpectBody(response, 314159);
}

void
EmptyUnary(Stub *stub)
{
	ClientContext context;
	testing::Empty response;

	Limit(&context);
	ExpectCode(stub->EmptyCall(&context, testing::Empty(), &response),
	    StatusCode::OK);
}

void
LargeUnary(Stub *stub)
{
	ClientContext context;

	Large(stub, &context, testing::SimpleRequest(), StatusCode::OK);
}

void
UnaryStatus(Stub *stub, const std::string &text)
{
	ClientContext context;
	testing::SimpleRequest request;
	testing::SimpleResponse response;

	Limit(&context);
	request.mutable_response_status()->set_code(StatusCode::UNKNOWN);
	request.mutable_response_status()->set_message(text);
	Status status = stub->UnaryCall(&context, request, &response);
	ExpectCode(status, StatusCode::UNKNOWN);
	Expect(status.error_message() == text,
	    "\"" + text + "\", got \"" + status.error_message() + "\"");
}

void
StatusCodeAndMessage(Stub *stub)
{
	const std::string text = "test status message";
	ClientContext context;
	testing::StreamingOutputCallRequest request;
	testing::StreamingOutputCallResponse response;

	UnaryStatus(stub, text);
	Limit(&context);
	request.mutable_response_status()->set_code(StatusCode::UNKNOWN);
	request.mutable_response_status()->set_message(text);
	auto stream = stub->FullDuplexCall(&context);
	stream->Write(request);
	stream->WritesDone();
	Expect(!stream->Read(&response), "no response");
	Status status = stream->Finish();
	ExpectCode(status, StatusCode::UNKNOWN);
	Expect(status.error_message() == text, text);
}

void
SpecialStatusMessage(Stub *stub)
{
	UnaryStatus(stub, "\t\ntest with whitespace\r\nand Unicode BMP "
			  "\xe2\x98\xba and non-BMP \xf0\x9f\x98\x88\t\n");
}

void
UnimplementedMethod(Stub *stub)
{
	ClientContext context;
	testing::Empty response;

	Limit(&context);
	ExpectCode(
	    stub->UnimplementedCall(&context, testing::Empty(), &response),
	    StatusCode::UNIMPLEMENTED);
}

void
UnimplementedService(testing::UnimplementedService::Stub *stub)
{
	ClientContext context;
	testing::Empty response;

	Limit(&context);
	ExpectCode(
	    stub->UnimplementedCall(&context, testing::Empty(), &response),
	    StatusCode::UNIMPLEMENTED);
}

// ---- Streams ----

testing::StreamingOutputCallRequest
Ask(int body, int response)
{
	testing::StreamingOutputCallRequest request;

	SetBody(&request, body);
	request.add_response_parameters()->set_size(response);
	return request;
}

void
ClientStreaming(Stub *stub)
{
	ClientContext context;
	testing::StreamingInputCallRequest request;
	testing::StreamingInputCallResponse response;

	Limit(&context);
	auto writer = stub->StreamingInputCall(&context, &response);
	for (int size : kRequestSizes) {
		SetBody(&request, size);
		Expect(writer->Write(request), "to write");
	}
	writer->WritesDone();
	ExpectCode(writer->Finish(), StatusCode::OK);
	Expect(response.aggregated_payload_size() == 74922, "74922 bytes");
}

void
ServerStreaming(Stub *stub)
{
	ClientContext context;
	testing::StreamingOutputCallRequest request;
	testing::StreamingOutputCallResponse response;

	Limit(&context);
	for (int size : kResponseSizes)
		request.add_response_parameters()->set_size(size);
	auto reader = stub->StreamingOutputCall(&context, request);
	for (int size : kResponseSizes) {
		Expect(reader->Read(&response), "four responses");
		ExpectBody(response, size);
	}
	Expect(!reader->Read(&response), "no fifth response");
	ExpectCode(reader->Finish(), StatusCode::OK);
}

void
PingPong(Stub *stub)
{
	ClientContext context;
	testing::StreamingOutputCallResponse response;

	Limit(&context);
	auto stream = stub->FullDuplexCall(&context);
	for (size_t i = 0; i < kRequestSizes.size(); i++) {
		Expect(stream->Write(Ask(kRequestSizes[i], kResponseSizes[i])),
		    "to write");
		Expect(stream->Read(&response), "a response");
		ExpectBody(response, kResponseSizes[i]);
	}
	stream->WritesDone();
	Expect(!stream->Read(&response), "no fifth response");
	ExpectCode(stream->Finish(), StatusCode::OK);
}

void
EmptyStream(Stub *stub)
{
	ClientContext context;
	testing::StreamingOutputCallResponse response;

	Limit(&context);
	auto stream = stub->FullDuplexCall(&context);
	stream->WritesDone();
	Expect(!stream->Read(&response), "no response");
	ExpectCode(stream->Finish(), StatusCode::OK);
}

// Those that are given up follow a call that is answered: without a connection
// they would end before the server hears of them.

void
CancelAfterBegin(Stub *stub)
{
	ClientContext context;
	testing::StreamingInputCallResponse response;

	EmptyUnary(stub);
	Limit(&context);
	auto writer = stub->StreamingInputCall(&context, &response);
	context.TryCancel();
	ExpectCode(writer->Finish(), StatusCode::CANCELLED);
}

void
CancelAfterFirstResponse(Stub *stub)
{
	ClientContext context;
	testing::StreamingOutputCallResponse response;

	Limit(&context);
	auto stream = stub->FullDuplexCall(&context);
	stream->Write(Ask(27182, 31415));
	Expect(stream->Read(&response), "a response");
	ExpectBody(response, 31415);
	context.TryCancel();
	ExpectCode(stream->Finish(), StatusCode::CANCELLED);
}

void
TimeoutOnSleepingServer(Stub *stub)
{
	ClientContext context;
	testing::StreamingOutputCallRequest request;

	EmptyUnary(stub);
	context.set_deadline(
	    std::chrono::system_clock::now() + std::chrono::milliseconds(1));
	auto stream = stub->FullDuplexCall(&context);
	SetBody(&request, 27182);
	stream->Write(request);
	ExpectCode(stream->Finish(), StatusCode::DEADLINE_EXCEEDED);
}

// ---- Metadata ----

void
AddMetadata(ClientContext *context)
{
	context->AddMetadata(kEchoHeader, "test_initial_metadata_value");
	context->AddMetadata(kEchoTrailer, "\xab\xab\xab");
}

void
ExpectMetadata(const ClientContext &context)
{
	auto header = context.GetServerInitialMetadata().find(kEchoHeader);
	auto trailer = context.GetServerTrailingMetadata().find(kEchoTrailer);

	Expect(header != context.GetServerInitialMetadata().end() &&
		   header->second == "test_initial_metadata_value",
	    kEchoHeader);
	Expect(trailer != context.GetServerTrailingMetadata().end() &&
		   trailer->second == "\xab\xab\xab",
	    kEchoTrailer);
}

void
CustomMetadata(Stub *stub)
{
	ClientContext unary, duplex;
	testing::StreamingOutputCallResponse response;

	AddMetadata(&unary);
	Large(stub, &unary, testing::SimpleRequest(), StatusCode::OK);
	ExpectMetadata(unary);

	AddMetadata(&duplex);
	Limit(&duplex);
	auto stream = stub->FullDuplexCall(&duplex);
	stream->Write(Ask(271828, 314159));
	stream->WritesDone();
	Expect(stream->Read(&response), "a response");
	ExpectBody(response, 314159);
	Expect(!stream->Read(&response), "one response");
	ExpectCode(stream->Finish(), StatusCode::OK);
	ExpectMetadata(duplex);
}

// ---- Compression ----

// The cases have gzip; what else gRPC knows has to be understood as well.
void
ClientCompressedUnary(Stub *stub)
{
	ClientContext probe, plain;
	testing::SimpleRequest request;

	request.mutable_expect_compressed()->set_value(true);
	Large(stub, &probe, request, StatusCode::INVALID_ARGUMENT);
	for (auto algorithm : {GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE}) {
		ClientContext compressed;

		compressed.set_compression_algorithm(algorithm);
		Large(stub, &compressed, request, StatusCode::OK);
	}
	request.mutable_expect_compressed()->set_value(false);
	Large(stub, &plain, request, StatusCode::OK);
}

void
ServerCompressedUnary(Stub *stub)
{
	for (bool is_compressed : {true, false}) {
		ClientContext context;
		testing::SimpleRequest request;

		request.mutable_response_compressed()->set_value(is_compressed);
		Large(stub, &context, request, StatusCode::OK);
		Expect(WasCompressed(context.c_call()) == is_compressed,
		    is_compressed ? "a compressed response"
				  : "one that is not compressed");
	}
}

void
ClientCompressedStreaming(Stub *stub)
{
	ClientContext probe, context;
	testing::StreamingInputCallRequest request;
	testing::StreamingInputCallResponse response;

	Limit(&probe);
	request.mutable_expect_compressed()->set_value(true);
	SetBody(&request, 27182);
	auto writer = stub->StreamingInputCall(&probe, &response);
	writer->Write(request);
	writer->WritesDone();
	ExpectCode(writer->Finish(), StatusCode::INVALID_ARGUMENT);

	Limit(&context);
	context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
	writer = stub->StreamingInputCall(&context, &response);
	Expect(writer->Write(request), "to write");
	request.mutable_expect_compressed()->set_value(false);
	SetBody(&request, 45904);
	Expect(
	    writer->Write(request, grpc::WriteOptions().set_no_compression()),
	    "to write");
	writer->WritesDone();
	ExpectCode(writer->Finish(), StatusCode::OK);
	Expect(response.aggregated_payload_size() == 73086, "73086 bytes");
}

void
ServerCompressedStreaming(Stub *stub)
{
	ClientContext context;
	testing::StreamingOutputCallRequest request;
	testing::StreamingOutputCallResponse response;

	Limit(&context);
	for (bool is_compressed : {true, false}) {
		auto *parameters = request.add_response_parameters();

		parameters->set_size(is_compressed ? 31415 : 92653);
		parameters->mutable_compressed()->set_value(is_compressed);
	}
	auto reader = stub->StreamingOutputCall(&context, request);
	for (bool is_compressed : {true, false}) {
		Expect(reader->Read(&response), "two responses");
		ExpectBody(response, is_compressed ? 31415 : 92653);
		Expect(WasCompressed(context.c_call()) == is_compressed,
		    is_compressed ? "a compressed response"
				  : "one that is not compressed");
	}
	Expect(!reader->Read(&response), "no third response");
	ExpectCode(reader->Finish(), StatusCode::OK);
}

const std::map<std::string, void (*)(Stub *)> kCases = {
    {"empty_unary", EmptyUnary},
    {"large_unary", LargeUnary},
    {"client_streaming", ClientStreaming},
    {"server_streaming", ServerStreaming},
    {"ping_pong", PingPong},
    {"empty_stream", EmptyStream},
    {"custom_metadata", CustomMetadata},
    {"status_code_and_message", StatusCodeAndMessage},
    {"special_status_message", SpecialStatusMessage},
    {"unimplemented_method", UnimplementedMethod},
    {"cancel_after_begin", CancelAfterBegin},
    {"cancel_after_first_response", CancelAfterFirstResponse},
    {"timeout_on_sleeping_server", TimeoutOnSleepingServer},
    {"client_compressed_unary", ClientCompressedUnary},
    {"server_compressed_unary", ServerCompressedUnary},
    {"client_compressed_streaming", ClientCompressedStreaming},
    {"server_compressed_streaming", ServerCompressedStreaming},
};

} // namespace

int
RunClient(Options options)
{
	std::shared_ptr<grpc::ChannelCredentials> credentials =
	    grpc::InsecureChannelCredentials();
	grpc::ChannelArguments arguments;
	const std::string name = options["test_case"];

	if (options["use_tls"] == "true") {
		grpc::SslCredentialsOptions tls;

		tls.pem_root_certs = FileText(options["ca_file"]);
		credentials = grpc::SslCredentials(tls);
		arguments.SetSslTargetNameOverride(
		    options["server_host_override"]);
	}
	auto channel = grpc::CreateCustomChannel(
	    options["server_host"] + ":" + options["server_port"], credentials,
	    arguments);
	if (name == "unimplemented_service") {
		UnimplementedService(
		    testing::UnimplementedService::NewStub(channel).get());
	} else {
		Expect(kCases.count(name) == 1, "a case, got " + name);
		kCases.at(name)(testing::TestService::NewStub(channel).get());
	}
	std::printf("%s passed\n", name.c_str());
	return 0;
}
