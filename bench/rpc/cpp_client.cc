/* The benchmark's load generator on gRPC's C++ completion queue, with one
   thread. */

#include <memory>
#include <optional>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "bench.grpc.pb.h"
#include "measure.h"

using bench::v1::Echo;
using bench::v1::Order;
using bench::v1::Payload;
using bench::v1::Tally;

namespace
{

struct measure figures;

uint8_t *
Body(Payload *payload)
{
	return reinterpret_cast<uint8_t *>(payload->mutable_body()->data());
}

/* What the queue gives back. */
class Tag
{
      public:
	virtual ~Tag() = default;
	virtual void Complete(bool ok) = 0;
};

/* One call after another, or one stream. */
class Slot : public Tag
{
      public:
	Slot(Echo::Stub *stub, grpc::CompletionQueue *queue)
	    : stub_(stub), queue_(queue)
	{
		request_.mutable_body()->resize(figures.size);
		measure_fill(Body(&request_), figures.size);
	}

	virtual void Start() = 0;

	void
	Cancel()
	{
		context_->TryCancel();
	}

      protected:
	void
	Number()
	{
		measure_number(Body(&request_), figures.size, number_);
	}

	void
	Check()
	{
		measure_check(&figures, reply_.body().data(),
		    reply_.body().size(), number_);
	}

	void
	RequireOk()
	{
		if (!status_.ok())
			measure_fail(status_.error_message().c_str());
	}

	Echo::Stub *stub_;
	grpc::CompletionQueue *queue_;
	std::optional<grpc::ClientContext> context_;
	Payload request_, reply_;
	grpc::Status status_;
	uint64_t number_ = 0, started_ns_ = 0;
	enum { STARTING, RUNNING, CLOSING, ENDING } step_ = STARTING;
};

class UnarySlot final : public Slot
{
	using Slot::Slot;

	void
	Start() override
	{
		started_ns_ = measure_now_ns();
		Number();
		reader_.reset(); /* it lives in the call */
		context_.emplace();
		reader_ = stub_->AsyncUnary(&*context_, request_, queue_);
		reader_->Finish(&reply_, &status_, this);
	}

	void
	Complete(bool) override
	{
		RequireOk();
		Check();
		measure_add(&figures, started_ns_);
		number_++;
		Start();
	}

	std::unique_ptr<grpc::ClientAsyncResponseReader<Payload>> reader_;
};

class DownloadSlot final : public Slot
{
	using Slot::Slot;

	void
	Start() override
	{
		Order order;

		order.set_count(figures.stream_length);
		order.set_size(static_cast<uint32_t>(figures.size));
		order.set_batch(figures.batch);
		number_ = 0;
		step_ = STARTING;
		reader_.reset();
		context_.emplace();
		reader_ = stub_->AsyncDownload(&*context_, order, queue_, this);
	}

	void
	Complete(bool ok) override
	{
		if (step_ == ENDING) {
			RequireOk();
			if (number_ != figures.stream_length)
				measure_fail("a stream has the wrong length");
			Start();
			return;
		}
		if (!ok) {
			step_ = ENDING;
			reader_->Finish(&status_, this);
			return;
		}
		if (step_ == RUNNING) {
			Check();
			measure_add(&figures, 0);
			number_++;
		}
		step_ = RUNNING;
		reader_->Read(&reply_, this);
	}

	std::unique_ptr<grpc::ClientAsyncReader<Payload>> reader_;
};

class UploadSlot final : public Slot
{
	using Slot::Slot;

	void
	Start() override
	{
		number_ = 0;
		step_ = STARTING;
		writer_.reset();
		context_.emplace();
		writer_ = stub_->AsyncUpload(&*context_, &tally_, queue_, this);
	}

	void
	Complete(bool) override
	{
		if (step_ == ENDING) {
			RequireOk();
			if (tally_.count() != figures.stream_length ||
			    tally_.bytes() !=
				figures.stream_length * figures.size)
				measure_fail("the tally is wrong");
			Start();
			return;
		}
		if (step_ == CLOSING) {
			step_ = ENDING;
			writer_->Finish(&status_, this);
			return;
		}
		if (step_ == RUNNING)
			measure_add(&figures, 0);
		step_ = RUNNING;
		if (number_ == figures.stream_length) {
			step_ = CLOSING;
			writer_->WritesDone(this);
			return;
		}
		grpc::WriteOptions options;
		if (measure_is_corked(number_, figures.batch))
			options.set_buffer_hint();
		Number();
		number_++;
		writer_->Write(request_, options, this);
	}

	Tally tally_;
	std::unique_ptr<grpc::ClientAsyncWriter<Payload>> writer_;
};

class PingPongSlot final : public Slot
{
	using Slot::Slot;

	void
	Start() override
	{
		number_ = 0;
		step_ = STARTING;
		stream_.reset();
		context_.emplace();
		stream_ = stub_->AsyncPingPong(&*context_, queue_, this);
	}

	/* The next follows when the last was sent and its answer is here. */
	void
	Ping()
	{
		step_ = RUNNING;
		if (number_ == figures.stream_length) {
			step_ = CLOSING;
			stream_->WritesDone(this);
			return;
		}
		pending_ = 2;
		started_ns_ = measure_now_ns();
		Number();
		stream_->Read(&reply_, &read_);
		stream_->Write(request_, this);
	}

	void
	HalfDone()
	{
		if (--pending_ > 0)
			return;
		number_++;
		Ping();
	}

	void
	Complete(bool ok) override
	{
		if (step_ == STARTING && ok) {
			Ping();
		} else if (step_ == RUNNING && ok) {
			HalfDone();
		} else if (step_ == CLOSING) {
			step_ = ENDING;
			stream_->Finish(&status_, this);
		} else {
			RequireOk();
			if (number_ != figures.stream_length)
				measure_fail("a stream has the wrong length");
			Start();
		}
	}

	/* The tag of what is read; the slot itself is that of the rest. */
	class Read final : public Tag
	{
	      public:
		explicit Read(PingPongSlot *slot) : slot_(slot)
		{
		}

		void
		Complete(bool ok) override
		{
			if (!ok)
				measure_fail("a stream ended early");
			slot_->Check();
			measure_add(&figures, slot_->started_ns_);
			slot_->HalfDone();
		}

	      private:
		PingPongSlot *slot_;
	};

	int pending_ = 0;
	Read read_{this};
	std::unique_ptr<grpc::ClientAsyncReaderWriter<Payload, Payload>>
	    stream_;
};

std::unique_ptr<Slot>
MakeSlot(Echo::Stub *stub, grpc::CompletionQueue *queue)
{
	switch (figures.kind) {
	case MEASURE_UNARY:
		return std::make_unique<UnarySlot>(stub, queue);
	case MEASURE_DOWNLOAD:
		return std::make_unique<DownloadSlot>(stub, queue);
	case MEASURE_UPLOAD:
		return std::make_unique<UploadSlot>(stub, queue);
	case MEASURE_PINGPONG:
		return std::make_unique<PingPongSlot>(stub, queue);
	}
	return nullptr;
}

std::unique_ptr<Echo::Stub>
Connect()
{
	grpc::ChannelArguments arguments;

	/* Otherwise all channels share one connection. */
	arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
	if (figures.is_same)
		arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
	return Echo::NewStub(grpc::CreateCustomChannel(
	    figures.target, grpc::InsecureChannelCredentials(), arguments));
}

} // namespace

int
main(int argc, char **argv)
{
	grpc::CompletionQueue queue;
	std::vector<std::unique_ptr<Echo::Stub>> stubs;
	std::vector<std::unique_ptr<Slot>> slots;
	void *tag;
	bool ok;

	measure_init(&figures, argc, argv);
	for (unsigned i = 0; i < figures.connections; i++)
		stubs.push_back(Connect());
	for (unsigned i = 0; i < figures.outstanding; i++) {
		slots.push_back(
		    MakeSlot(stubs[i % figures.connections].get(), &queue));
		slots.back()->Start();
	}
	while (!figures.is_over && queue.Next(&tag, &ok))
		static_cast<Tag *>(tag)->Complete(ok);
	measure_print(&figures);
	for (auto &slot : slots)
		slot->Cancel();
	queue.Shutdown();
	while (queue.Next(&tag, &ok))
		;
	return 0;
}
