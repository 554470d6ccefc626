/* The benchmark's server on gRPC's C++ call backs; gRPC has the threads. */

#include <chrono>

#include <grpcpp/grpcpp.h>

#include "bench.grpc.pb.h"
#include "measure.h"

using bench::v1::Echo;
using bench::v1::Order;
using bench::v1::Payload;
using bench::v1::Tally;

namespace
{

class Downloader final : public grpc::ServerWriteReactor<Payload>
{
      public:
	explicit Downloader(const Order *order) : order_(order)
	{
		payload_.mutable_body()->resize(order->size());
		measure_fill(Body(), order->size());
		OnWriteDone(true);
	}

	void
	OnWriteDone(bool ok) override
	{
		if (!ok || sent_ == order_->count()) {
			Finish(grpc::Status::OK);
			return;
		}
		grpc::WriteOptions options;
		if (measure_is_corked(sent_, order_->batch()))
			options.set_buffer_hint();
		measure_number(Body(), order_->size(), sent_++);
		StartWrite(&payload_, options);
	}

	void
	OnDone() override
	{
		delete this;
	}

      private:
	uint8_t *
	Body()
	{
		return reinterpret_cast<uint8_t *>(
		    payload_.mutable_body()->data());
	}

	const Order *order_;
	Payload payload_;
	uint64_t sent_ = 0;
};

class Uploader final : public grpc::ServerReadReactor<Payload>
{
      public:
	explicit Uploader(Tally *tally) : tally_(tally)
	{
		StartRead(&payload_);
	}

	void
	OnReadDone(bool ok) override
	{
		if (!ok) {
			Finish(grpc::Status::OK);
			return;
		}
		tally_->set_count(tally_->count() + 1);
		tally_->set_bytes(tally_->bytes() + payload_.body().size());
		StartRead(&payload_);
	}

	void
	OnDone() override
	{
		delete this;
	}

      private:
	Payload payload_;
	Tally *tally_;
};

class PingPonger final : public grpc::ServerBidiReactor<Payload, Payload>
{
      public:
	PingPonger()
	{
		StartRead(&payload_);
	}

	void
	OnReadDone(bool ok) override
	{
		if (ok)
			StartWrite(&payload_);
		else
			Finish(grpc::Status::OK);
	}

	void
	OnWriteDone(bool ok) override
	{
		if (ok)
			StartRead(&payload_);
		else
			Finish(grpc::Status::OK);
	}

	void
	OnDone() override
	{
		delete this;
	}

      private:
	Payload payload_;
};

class Service final : public Echo::CallbackService
{
	grpc::ServerUnaryReactor *
	Unary(grpc::CallbackServerContext *context, const Payload *request,
	    Payload *reply) override
	{
		grpc::ServerUnaryReactor *reactor = context->DefaultReactor();

		reply->set_body(request->body());
		reactor->Finish(grpc::Status::OK);
		return reactor;
	}

	grpc::ServerWriteReactor<Payload> *
	Download(grpc::CallbackServerContext *, const Order *order) override
	{
		return new Downloader(order);
	}

	grpc::ServerReadReactor<Payload> *
	Upload(grpc::CallbackServerContext *, Tally *tally) override
	{
		return new Uploader(tally);
	}

	grpc::ServerBidiReactor<Payload, Payload> *
	PingPong(grpc::CallbackServerContext *) override
	{
		return new PingPonger;
	}
};

} // namespace

int
main()
{
	Service service;
	grpc::ServerBuilder builder;
	int port = 0;

	builder.AddListeningPort(
	    "127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
	builder.RegisterService(&service);
	auto server = builder.BuildAndStart();
	if (server == nullptr)
		measure_fail("the server does not start");
	measure_serve(port);
	server->Shutdown(std::chrono::system_clock::now());
	return 0;
}
