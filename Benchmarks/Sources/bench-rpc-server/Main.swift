internal import Foundation
internal import FramedRPC
internal import Glibc
internal import Synchronization
internal import TerraneMessages

/// A server that echoes and publishes, with everything a server in earnest has: client certificates, an authorizer, deadlines, credit,
/// limits, counters. `bench-rpc-server CERTIFICATE KEY AUTHORITY`; prints its port. Reads lines: `rate N` publishes N values a second
/// from then on, `drain SECONDS` drains and ends; so does the end of its standard input, at once.
@main
struct Main {
  private struct Echo: RPCService {
    static let unary = MethodDescriptor(name: "bench.Echo/Unary", role: "reader")
    static let task = MethodDescriptor(name: "bench.Echo/Task", role: "reader")
    static let watch = MethodDescriptor(name: "bench.Echo/Watch", stream: .latest, role: "reader")
    let publisher: Publisher

    func register(with router: inout RPCRouter) {
      router.unarySync(Self.unary, VectorSource.self, VectorSource.self) { request, _ in request }
      router.unary(Self.task, VectorSource.self, VectorSource.self) { request, _ in request }
      router.latest(Self.watch, VectorSource.self, VectorSource.self) { _, _, stream in
        stream.begin(epoch: 1)
        publisher.topic.add(stream)
      }
    }
  }

  /// One hot value.
  private final class Publisher: Sendable {
    let topic = LatestTopic<VectorSource>()
    private let rate = Atomic(0)

    func set(_ rate: Int) { self.rate.store(rate, ordering: .relaxed) }

    /// On a thread of its own: never returns.
    func run() {
      var seq: UInt64 = 0
      var next = Self.now
      while true {
        let rate = UInt64(rate.load(ordering: .relaxed))
        let now = Self.now
        if rate == 0 || next > now {
          var wait = timespec(tv_sec: 0, tv_nsec: rate == 0 ? 50_000_000 : Int(min(next - now, 200_000_000)))
          nanosleep(&wait, nil)
          if rate == 0 { next = Self.now }
          continue
        }
        next += 1_000_000_000 / rate
        seq += 1
        let text = String(now)
        let url = String(repeating: "0", count: 20 - text.count) + text + String(repeating: "x", count: 98)
        topic.publish(key: "hot", seq: seq, message: EncodedMessage(VectorSource(url: url)))
      }
    }

    private static var now: UInt64 {
      var time = timespec()
      clock_gettime(CLOCK_MONOTONIC, &time)
      return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
  }

  /// As a server's table of principals is: a look-up a call.
  private struct Principals: Authorizer {
    let known = ["framedrpc://conformance/client": "reader"]

    func authorize(_ principal: Principal, _ method: MethodDescriptor) throws(RPCError) {
      guard known[principal.uri] == method.role else { throw RPCError(.permissionDenied, "not a reader") }
    }
  }

  static func main() async throws {
    let words = CommandLine.arguments
    guard words.count == 4 else { return }
    var configuration = ServerConfiguration(
      port: 0, tls: .server(certificateChainPath: words[1], privateKeyPath: words[2], authorityPath: words[3]))
    configuration.limits.maxStreams = 100_000
    let publisher = Publisher()
    let server = try RPCServer(
      configuration: configuration, router: RPCRouter([Echo(publisher: publisher)]), authorizer: Principals())
    print(try await server.start().port)
    fflush(nil)
    Thread.detachNewThread { publisher.run() }
    while let line = readLine() {
      let words = line.split(separator: " ")
      guard words.count == 2, let number = Int(words[1]) else { continue }
      if words[0] == "rate" { publisher.set(number) }
      if words[0] == "drain" {
        await server.drain(grace: .seconds(number))
        print("drained")
        return
      }
    }
    await server.shutdown()
  }
}
