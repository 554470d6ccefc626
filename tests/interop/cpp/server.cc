// The interoperability server on gRPC's C++ library.

#include <cstdio>
#include <memory>

#include <grpcpp/grpcpp.h>

#include "grpc/testing/test.grpc.pb.h"
#include "peer.h"

namespace
{

using grpc::ServerContext;
using grpc::Status;
using grpc::StatusCode;
namespace testing = grpc::testing;

// Echoes metadata. The headers go out with the first message.
void
EchoMetadata(ServerContext *context)
{
	const auto &metadata = context->client_metadata();
	auto header = metadata.find(kEchoHeader);
	auto trailer = metadata.find(kEchoTrailer);

	if (header != metadata.end())
		context->AddInitialMetadata(kEchoHeader,
		    {header->second.data(), header->second.size()});
	if (trailer != metadata.end())
		context->AddTrailingMetadata(kEchoTrailer,
		    {trailer->second.data(), trailer->second.size()});
}

template <class Request>
bool
IsAsExpected(ServerContext *context, const Request &request)
{
	return !request.has_expect_compressed() ||
	       request.expect_compressed().value() ==
		   WasCompressed(context->c_call());
}

Status
NotAsExpected()
{
	return Status(StatusCode::INVALID_ARGUMENT,
	    "compressed, or not, against expectation");
}

template <class Request>
Status
EndOf(const Request &request)
{
	return Status(static_cast<StatusCode>(request.response_status().code()),
	    request.response_status().message());
}

class TestService final : public testing::TestService::Service
{
	Status
	EmptyCall(
	    ServerContext *, const testing::Empty *, testing::Empty *) override
	{
		return Status::OK;
	}

	Status
	UnaryCall(ServerContext *context, const testing::SimpleRequest *request,
	    testing::SimpleResponse *response) override
	{
		EchoMetadata(context);
		if (!IsAsExpected(context, *request))
			return NotAsExpected();
		context->set_compression_algorithm(
		    request->response_compressed().value()
			? GRPC_COMPRESS_GZIP
			: GRPC_COMPRESS_NONE);
		response->mutable_payload()->mutable_body()->resize(
		    static_cast<size_t>(request->response_size()));
		return EndOf(*request);
	}

	template <class Stream>
	void
	Answer(
	    Stream *stream, const testing::StreamingOutputCallRequest &request)
	{
		for (const auto &parameters : request.response_parameters()) {
			testing::StreamingOutputCallResponse response;
			grpc::WriteOptions options;

			if (!parameters.compressed().value())
				options.set_no_compression();
			response.mutable_payload()->mutable_body()->resize(
			    static_cast<size_t>(parameters.size()));
			stream->Write(response, options);
		}
	}

	Status
	StreamingOutputCall(ServerContext *context,
	    const testing::StreamingOutputCallRequest *request,
	    grpc::ServerWriter<testing::StreamingOutputCallResponse> *writer)
	    override
	{
		context->set_compression_algorithm(GRPC_COMPRESS_GZIP);
		Answer(writer, *request);
		return EndOf(*request);
	}

	Status
	StreamingInputCall(ServerContext *context,
	    grpc::ServerReader<testing::StreamingInputCallRequest> *reader,
	    testing::StreamingInputCallResponse *response) override
	{
		testing::StreamingInputCallRequest request;
		size_t total = 0;

		while (reader->Read(&request)) {
			if (!IsAsExpected(context, request))
				return NotAsExpected();
			total += request.payload().body().size();
		}
		response->set_aggregated_payload_size(
		    static_cast<int32_t>(total));
		return Status::OK;
	}

	Status
	FullDuplexCall(ServerContext *context,
	    grpc::ServerReaderWriter<testing::StreamingOutputCallResponse,
		testing::StreamingOutputCallRequest> *stream) override
	{
		testing::StreamingOutputCallRequest request;

		EchoMetadata(context);
		context->set_compression_algorithm(GRPC_COMPRESS_GZIP);
		while (stream->Read(&request)) {
			if (request.has_response_status())
				return EndOf(request);
			Answer(stream, request);
		}
		return Status::OK;
	}
};

} // namespace

int
RunServer(Options options)
{
	std::shared_ptr<grpc::ServerCredentials> credentials =
	    grpc::InsecureServerCredentials();
	grpc::ServerBuilder builder;
	TestService service;
	int port = 0;

	if (options["use_tls"] == "true") {
		grpc::SslServerCredentialsOptions tls;

		tls.pem_key_cert_pairs = {{FileText(options["tls_key_file"]),
		    FileText(options["tls_cert_file"])}};
		credentials = grpc::SslServerCredentials(tls);
	}
	builder.AddListeningPort("127.0.0.1:0", credentials, &port);
	builder.RegisterService(&service);
	std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
	std::printf("%d\n", port);
	std::fflush(stdout);
	while (std::getchar() != EOF)
		;
	server->Shutdown();
	return port == 0;
}
