// Calls a gRPC echo server: grpc_client PORT CERTIFICATE KEY AUTHORITY CONNECTIONS IN_FLIGHT SECONDS SERVER_PID RATE.
// Prints a line of JSON. RATE 0: as many calls as there is room for; else calls a second, begun at their times (open loop).
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
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

struct Call {
  bench::Echo::Stub *stub;
  grpc::CompletionQueue *queue;
  VectorSource request, response;
  grpc::Status status;
  std::unique_ptr<grpc::ClientContext> context;
  std::unique_ptr<grpc::ClientAsyncResponseReader<VectorSource>> reader;
  uint64_t began = 0;

  void begin(uint64_t when) {
    began = when;
    context = std::make_unique<grpc::ClientContext>();
    context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    reader = stub->AsyncUnary(context.get(), request, queue);
    reader->Finish(&response, &status, this);
  }
};

int main(int count, char **words) {
  if (count != 10) return 2;
  const int connections = atoi(words[5]), in_flight = atoi(words[6]), server = atoi(words[8]), rate = atoi(words[9]);
  const double seconds = atof(words[7]);
  grpc::SslCredentialsOptions tls;
  tls.pem_cert_chain = contents(words[2]);
  tls.pem_private_key = contents(words[3]);
  tls.pem_root_certs = contents(words[4]);
  std::vector<std::unique_ptr<bench::Echo::Stub>> stubs;
  for (int index = 0; index < connections; ++index) {
    grpc::ChannelArguments arguments;
    // A connection each.
    arguments.SetInt("bench.connection", index);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    auto channel =
        grpc::CreateCustomChannel(std::string("127.0.0.1:") + words[1], grpc::SslCredentials(tls), arguments);
    if (!channel->WaitForConnected(
            gpr_time_add(gpr_now(GPR_CLOCK_REALTIME), gpr_time_from_seconds(10, GPR_TIMESPAN))))
      return 3;
    stubs.push_back(bench::Echo::NewStub(channel));
  }
  grpc::CompletionQueue queue;
  std::vector<Call> calls(rate ? 4096 : connections * in_flight);
  std::vector<Call *> free;
  for (size_t index = 0; index < calls.size(); ++index) {
    calls[index].stub = stubs[index % connections].get();
    calls[index].queue = &queue;
    calls[index].request.set_url(std::string(300, 'x'));
    if (rate)
      free.push_back(&calls[index]);
    else
      calls[index].begin(monotonic_ns());
  }
  measurement measured;
  measure_begin(&measured, server, 1.0, seconds);
  uint64_t next = monotonic_ns();
  const uint64_t gap = rate ? 1000000000ull / rate : 0;
  void *tag;
  bool ok;
  while (measure_goes_on(&measured)) {
    if (rate) {
      uint64_t now = monotonic_ns();
      while (next <= now && !free.empty()) {
        free.back()->begin(next);
        free.pop_back();
        next += gap;
      }
      auto event = queue.AsyncNext(
          &tag, &ok,
          gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(next > now ? next - now : 0, GPR_TIMESPAN)));
      if (event != grpc::CompletionQueue::GOT_EVENT) continue;
    } else {
      queue.Next(&tag, &ok);
    }
    auto *call = static_cast<Call *>(tag);
    if (!call->status.ok()) return 4;
    measure_call(&measured, call->began);
    if (rate)
      free.push_back(call);
    else
      call->begin(monotonic_ns());
  }
  measure_print(&measured);
  fflush(stdout);
  _exit(0);
}
