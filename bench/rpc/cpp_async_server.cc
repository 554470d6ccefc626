/* The benchmark's server on gRPC's C++ completion queues: one for each thread.
   cpp_async_server [--threads N] */

#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <unistd.h>

#include <grpcpp/grpcpp.h>

#include "bench.grpc.pb.h"
#include "measure.h"

using bench::v1::Echo;
using bench::v1::Order;
using bench::v1::Payload;
using bench::v1::Tally;

namespace
{

/* Calls of one method that a queue accepts at once; they are used again. */
constexpr int kSlots = 128;

/* One call at a time: waits for it, serves it, waits for the next. */
class Slot
{
      public:
	Slot(Echo::AsyncService *service, grpc::ServerCompletionQueue *queue)
	    : service_(service), queue_(queue)
	{
	}
	virtual ~Slot() = default;

	void
	Complete(bool ok)
	{
		if (is_last_) {
			Wait();
		} else if (has_arrived_) {
			Step(ok);
		} else if (ok) {
			has_arrived_ = true;
			Arrived();
		}
	}

	void
	Wait()
	{
		is_last_ = has_arrived_ = false;
		Request();
	}

      protected:
	virtual void Request() = 0;
	virtual void Arrived() = 0;
	virtual void Step(bool ok) = 0;

	Echo::AsyncService *service_;
	grpc::ServerCompletionQueue *queue_;
	std::optional<grpc::ServerContext> context_;
	bool is_last_ = false; /* the completion of Finish() comes next */

      private:
	bool has_arrived_ = false;
};

class UnarySlot final : public Slot
{
	using Slot::Slot;

	void
	Request() override
	{
		writer_.reset();
		context_.emplace();
		writer_.emplace(&*context_);
		service_->RequestUnary(
		    &*context_, &request_, &*writer_, queue_, queue_, this);
	}

	void
	Arrived() override
	{
		reply_.mutable_body()->swap(*request_.mutable_body());
		is_last_ = true;
		writer_->Finish(reply_, grpc::Status::OK, this);
	}

	void
	Step(bool) override
	{
	}

	Payload request_, reply_;
	std::optional<grpc::ServerAsyncResponseWriter<Payload>> writer_;
};

class DownloadSlot final : public Slot
{
	using Slot::Slot;

	void
	Request() override
	{
		writer_.reset();
		context_.emplace();
		writer_.emplace(&*context_);
		service_->RequestDownload(
		    &*context_, &order_, &*writer_, queue_, queue_, this);
	}

	void
	Arrived() override
	{
		sent_ = 0;
		payload_.mutable_body()->resize(order_.size());
		measure_fill(Body(), order_.size());
		Step(true);
	}

	void
	Step(bool ok) override
	{
		if (!ok || sent_ == order_.count()) {
			is_last_ = true;
			writer_->Finish(grpc::Status::OK, this);
			return;
		}
		grpc::WriteOptions options;
		if (measure_is_corked(sent_, order_.batch()))
			options.set_buffer_hint();
		measure_number(Body(), order_.size(), sent_++);
		writer_->Write(payload_, options, this);
	}

	uint8_t *
	Body()
	{
		return reinterpret_cast<uint8_t *>(
		    payload_.mutable_body()->data());
	}

	Order order_;
	Payload payload_;
	uint64_t sent_ = 0;
	std::optional<grpc::ServerAsyncWriter<Payload>> writer_;
};

class UploadSlot final : public Slot
{
	using Slot::Slot;

	void
	Request() override
	{
		reader_.reset();
		context_.emplace();
		reader_.emplace(&*context_);
		service_->RequestUpload(
		    &*context_, &*reader_, queue_, queue_, this);
	}

	void
	Arrived() override
	{
		tally_.Clear();
		reader_->Read(&payload_, this);
	}

	void
	Step(bool ok) override
	{
		if (!ok) {
			is_last_ = true;
			reader_->Finish(tally_, grpc::Status::OK, this);
			return;
		}
		tally_.set_count(tally_.count() + 1);
		tally_.set_bytes(tally_.bytes() + payload_.body().size());
		reader_->Read(&payload_, this);
	}

	Payload payload_;
	Tally tally_;
	std::optional<grpc::ServerAsyncReader<Tally, Payload>> reader_;
};

class PingPongSlot final : public Slot
{
	using Slot::Slot;

	void
	Request() override
	{
		stream_.reset();
		context_.emplace();
		stream_.emplace(&*context_);
		service_->RequestPingPong(
		    &*context_, &*stream_, queue_, queue_, this);
	}

	void
	Arrived() override
	{
		is_reading_ = true;
		stream_->Read(&payload_, this);
	}

	void
	Step(bool ok) override
	{
		if (!ok) {
			is_last_ = true;
			stream_->Finish(grpc::Status::OK, this);
		} else if (is_reading_) {
			is_reading_ = false;
			stream_->Write(payload_, this);
		} else {
			Arrived();
		}
	}

	bool is_reading_ = false;
	Payload payload_;
	std::optional<grpc::ServerAsyncReaderWriter<Payload, Payload>> stream_;
};

template <class Kind>
void
AddSlots(Echo::AsyncService *service, grpc::ServerCompletionQueue *queue,
    std::vector<std::unique_ptr<Slot>> *slots)
{
	for (int i = 0; i < kSlots; i++) {
		slots->push_back(std::make_unique<Kind>(service, queue));
		slots->back()->Wait();
	}
}

void
Run(Echo::AsyncService *service, grpc::ServerCompletionQueue *queue)
{
	std::vector<std::unique_ptr<Slot>> slots;
	void *tag;
	bool ok;

	AddSlots<UnarySlot>(service, queue, &slots);
	AddSlots<DownloadSlot>(service, queue, &slots);
	AddSlots<UploadSlot>(service, queue, &slots);
	AddSlots<PingPongSlot>(service, queue, &slots);
	while (queue->Next(&tag, &ok))
		static_cast<Slot *>(tag)->Complete(ok);
}

} // namespace

int
main(int argc, char **argv)
{
	unsigned thread_count = measure_server_threads(argc, argv);
	std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues;
	std::vector<std::thread> threads;
	Echo::AsyncService service;
	grpc::ServerBuilder builder;
	int port = 0;

	builder.AddListeningPort(
	    "127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
	builder.RegisterService(&service);
	for (unsigned i = 0; i < thread_count; i++)
		queues.push_back(builder.AddCompletionQueue());
	auto server = builder.BuildAndStart();
	if (server == nullptr)
		measure_fail("the server does not start");
	for (auto &queue : queues)
		threads.emplace_back(Run, &service, queue.get());
	measure_serve(port);
	/* gRPC allows no slot to wait again while it shuts down. */
	_exit(0);
}
