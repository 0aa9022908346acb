import FramedRPC

@main
struct BenchLoad {
  static func main() async throws {
    let job = try Job.ofArguments()
    switch job.mode {
    case .path: try await PathRun(job).run()
    case .creates: try await CreatesRun(job).run()
    case .watch: try await WatchRun(job).run()
    }
  }
}

extension Job {
  func connect() async throws -> RPCClient {
    try await RPCClient.connect(
      ClientConfiguration(
        host: host, port: port,
        tls: .client(
          certificateChainPath: credentials + "/client.pem", privateKeyPath: credentials + "/client.key",
          authorityPath: credentials + "/ca.pem")))
  }
}
