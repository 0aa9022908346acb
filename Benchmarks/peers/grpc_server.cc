// A gRPC C++ server that echoes and publishes: grpc_server callback|queue CERTIFICATE KEY AUTHORITY. Prints its port. Reads lines:
// `rate N` publishes N values a second from then on (callback only).
#include <grpcpp/grpcpp.h>

#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <unordered_set>

#include "echo.grpc.pb.h"

using terrane::v1::VectorSource;

static std::string contents(const char *path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class Watcher;

// One hot value and who watches it.
class Topic {
 public:
  void add(Watcher *watcher) {
    std::lock_guard<std::mutex> held(lock_);
    watchers_.insert(watcher);
  }

  void remove(Watcher *watcher) {
    std::lock_guard<std::mutex> held(lock_);
    watchers_.erase(watcher);
  }

  void set(int rate) { rate_ = rate; }

  // On a thread of its own.
  void run();

 private:
  std::mutex lock_;
  std::unordered_set<Watcher *> watchers_;
  std::atomic<int> rate_{0};
};

// The newest value that has not been written gives way to a newer one: what we do, done by hand.
class Watcher final : public grpc::ServerWriteReactor<VectorSource> {
 public:
  explicit Watcher(Topic *topic) : topic_(topic) {
    StartSendInitialMetadata();
    topic_->add(this);
  }

  void offer(const std::shared_ptr<const VectorSource> &value) {
    std::lock_guard<std::mutex> held(lock_);
    if (writing_) {
      next_ = value;
    } else {
      write(value);
    }
  }

  void OnWriteDone(bool ok) override {
    std::lock_guard<std::mutex> held(lock_);
    writing_ = nullptr;
    if (ok && next_) write(std::move(next_));
    next_ = nullptr;
  }

  void OnCancel() override {
    topic_->remove(this);
    Finish(grpc::Status::CANCELLED);
  }

  void OnDone() override { delete this; }

 private:
  void write(std::shared_ptr<const VectorSource> value) {
    writing_ = std::move(value);
    StartWrite(writing_.get());
  }

  Topic *topic_;
  std::mutex lock_;
  std::shared_ptr<const VectorSource> writing_, next_;
};

void Topic::run() {
  auto now = [] {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return uint64_t(time.tv_sec) * 1000000000ull + uint64_t(time.tv_nsec);
  };
  for (uint64_t next = now();;) {
    const uint64_t rate = uint64_t(rate_), at = now();
    if (rate == 0 || next > at) {
      std::this_thread::sleep_for(std::chrono::nanoseconds(rate == 0 ? 50000000 : std::min<uint64_t>(next - at, 200000000)));
      if (rate == 0) next = now();
      continue;
    }
    next += 1000000000ull / rate;
    char digits[32];
    std::snprintf(digits, sizeof digits, "%020llu", (unsigned long long)at);
    auto value = std::make_shared<VectorSource>();
    value->set_url(std::string(digits) + std::string(98, 'x'));
    std::lock_guard<std::mutex> held(lock_);
    for (Watcher *watcher : watchers_) watcher->offer(value);
  }
}

// The callback API: what gRPC recommends.
class CallbackEcho final : public bench::Echo::CallbackService {
 public:
  Topic topic;

  grpc::ServerWriteReactor<VectorSource> *Watch(grpc::CallbackServerContext *, const VectorSource *) override {
    return new Watcher(&topic);
  }

 private:
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
  std::thread publisher([&] { callback.topic.run(); });
  for (std::string line; std::getline(std::cin, line);)
    if (line.rfind("rate ", 0) == 0) callback.topic.set(std::atoi(line.c_str() + 5));
  std::_Exit(0);
}
