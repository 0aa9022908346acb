// A gRPC C++ server that echoes: grpc_server callback|queue CERTIFICATE KEY AUTHORITY. Prints its port.
#include <grpcpp/grpcpp.h>

#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>

#include "echo.grpc.pb.h"

using terrane::v1::VectorSource;

static std::string contents(const char *path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The callback API: what gRPC recommends.
class CallbackEcho final : public bench::Echo::CallbackService {
  grpc::ServerUnaryReactor *Unary(
      grpc::CallbackServerContext *context, const VectorSource *request, VectorSource *response) override {
    *response = *request;
    auto *reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

// The completion queue API: what gRPC's own benchmarks use.
class QueuedCall {
 public:
  QueuedCall(bench::Echo::AsyncService *service, grpc::ServerCompletionQueue *queue)
      : service_(service), queue_(queue), writer_(&context_) {
    service_->RequestUnary(&context_, &request_, &writer_, queue_, queue_, this);
  }

  void proceed(bool ok) {
    if (!ok || answered_) {
      delete this;
      return;
    }
    new QueuedCall(service_, queue_);
    answered_ = true;
    response_ = request_;
    writer_.Finish(response_, grpc::Status::OK, this);
  }

 private:
  bench::Echo::AsyncService *service_;
  grpc::ServerCompletionQueue *queue_;
  grpc::ServerContext context_;
  VectorSource request_, response_;
  grpc::ServerAsyncResponseWriter<VectorSource> writer_;
  bool answered_ = false;
};

int main(int count, char **words) {
  if (count != 5) return 2;
  const bool queued = std::string(words[1]) == "queue";
  grpc::SslServerCredentialsOptions tls(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  tls.pem_key_cert_pairs.push_back({contents(words[3]), contents(words[2])});
  tls.pem_root_certs = contents(words[4]);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(tls), &port);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 100000);
  CallbackEcho callback;
  bench::Echo::AsyncService async;
  std::unique_ptr<grpc::ServerCompletionQueue> queue;
  if (queued) {
    builder.RegisterService(&async);
    queue = builder.AddCompletionQueue();
  } else {
    builder.RegisterService(&callback);
  }
  auto server = builder.BuildAndStart();
  std::cout << port << std::endl;
  std::thread worker;
  if (queued) {
    for (int index = 0; index < 1024; ++index) new QueuedCall(&async, queue.get());
    worker = std::thread([&] {
      void *tag;
      bool ok;
      while (queue->Next(&tag, &ok)) static_cast<QueuedCall *>(tag)->proceed(ok);
    });
  }
  std::string line;
  std::getline(std::cin, line);
  std::_Exit(0);
}
