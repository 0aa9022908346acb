// Watches a gRPC server: grpc_watch PORT CERTIFICATE KEY AUTHORITY CONNECTIONS STREAMS SECONDS SERVER_PID. As watch.c, but for its
// last two words.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "echo.grpc.pb.h"
#include "measure.h"

using terrane::v1::VectorSource;

static std::string contents(const char *path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

static std::mutex lock;
static measurement measured;
static std::atomic<int> opened{0};

class Watch final : public grpc::ClientReadReactor<VectorSource> {
 public:
  explicit Watch(bench::Echo::Stub *stub) {
    stub->async()->Watch(&context_, &request_, this);
    StartRead(&value_);
    StartCall();
  }

  void OnReadInitialMetadataDone(bool) override { opened++; }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    if (value_.url().size() >= 20) {
      uint64_t published = 0;
      for (int index = 0; index < 20; ++index) published = published * 10 + uint64_t(value_.url()[index] - '0');
      std::lock_guard<std::mutex> held(lock);
      measure_call(&measured, published);
    }
    StartRead(&value_);
  }

  void OnDone(const grpc::Status &) override {}

 private:
  grpc::ClientContext context_;
  VectorSource request_, value_;
};

int main(int count, char **words) {
  if (count != 9) return 2;
  const int connections = atoi(words[5]), streams = atoi(words[6]), server = atoi(words[8]);
  const double seconds = atof(words[7]);
  grpc::SslCredentialsOptions tls;
  tls.pem_cert_chain = contents(words[2]);
  tls.pem_private_key = contents(words[3]);
  tls.pem_root_certs = contents(words[4]);
  const long before = private_kib(server);
  std::vector<std::unique_ptr<bench::Echo::Stub>> stubs;
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (int index = 0; index < connections; ++index) {
    grpc::ChannelArguments arguments;
    arguments.SetInt("bench.connection", index);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    auto channel =
        grpc::CreateCustomChannel(std::string("127.0.0.1:") + words[1], grpc::SslCredentials(tls), arguments);
    if (!channel->WaitForConnected(
            gpr_time_add(gpr_now(GPR_CLOCK_REALTIME), gpr_time_from_seconds(20, GPR_TIMESPAN))))
      return 3;
    channels.push_back(channel);
    stubs.push_back(bench::Echo::NewStub(channel));
  }
  std::vector<std::unique_ptr<Watch>> watches;
  for (int index = 0; index < connections * streams; ++index)
    watches.push_back(std::make_unique<Watch>(stubs[index % connections].get()));
  for (int turn = 0; opened < connections * streams && turn < 6000; ++turn)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  if (opened < connections * streams) return 4;
  if (seconds <= 0) {
    sleep(2);
    const long after = private_kib(server);
    printf(
        "{\"before_kib\": %ld, \"after_kib\": %ld, \"bytes_each\": %.1f}\n", before, after,
        double(after - before) * 1024 / (double(connections) * (streams ? streams : 1)));
    fflush(stdout);
    _exit(0);
  }
  {
    std::lock_guard<std::mutex> held(lock);
    measure_begin(&measured, server, 1.0, seconds);
  }
  long most = 0;
  for (;;) {
    {
      std::lock_guard<std::mutex> held(lock);
      if (!measure_goes_on(&measured)) break;
    }
    most = std::max(most, private_kib(server));
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  printf("{\"most_kib\": %ld, \"measured\": ", most);
  measure_print(&measured);
  printf("}\n");
  fflush(stdout);
  _exit(0);
}
