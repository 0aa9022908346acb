import FramedCore
import FramedMessages
import FramedRPC
import Logging
#if !THREAD_SANITIZER
  import Synchronization
#endif
import Testing

@Suite struct HealthTests {
  /// Health that the test switches.
  final class Switch: HealthSource {
    private struct State {
      var serving = true
      var subscribers: [@Sendable () -> Void] = []
    }
    private final class Token: Sendable {}
    private let state = Mutex(State())

    func isServing(_ service: String) -> Bool? { service == "" ? state.withLock { $0.serving } : nil }
    func subscribe(_ changed: @escaping @Sendable () -> Void) -> any AnyObject & Sendable {
      state.withLock { $0.subscribers.append(changed) }
      return Token()
    }
    func set(_ serving: Bool) {
      let subscribers = state.withLock { state in
        state.serving = serving
        return state.subscribers
      }
      for subscriber in subscribers { subscriber() }
    }
  }

  @Test func checkAndWatchFollowTheSource() async throws {
    let source = Switch()
    let credentials = try TestCredentials.shared.get()
    let server = try RPCServer(
      configuration: ServerConfiguration(port: 0, tls: credentials.server),
      router: RPCRouter([HealthService(source: source)]))
    let client = try await connect(try await server.start())
    let healthy: HealthCheckResponse = try await client.unary(HealthMethods.check, HealthCheckRequest())
    #expect(healthy.status == .serving)
    let unknown = await #expect(throws: RPCError.self) {
      let _: HealthCheckResponse = try await client.unary(HealthMethods.check, HealthCheckRequest(service: "x"))
    }
    #expect(unknown?.code == .notFound)

    let watch: WatchStream<HealthCheckResponse> = client.stream(HealthMethods.watch, HealthCheckRequest())
    var iterator = watch.makeAsyncIterator()
    let first = try #require(try await iterator.next())
    #expect(first.message?.status == .serving)
    #expect(first.snapshot)
    #expect(try await iterator.next()?.isBookmark == true)
    source.set(false)
    let second = try #require(try await iterator.next())
    #expect(second.message?.status == .notServing)

    // Resumed where it was, it has nothing to say until something changes.
    let resumed: WatchStream<HealthCheckResponse> = client.stream(
      HealthMethods.watch, HealthCheckRequest(),
      options: CallOptions(resume: Resume(epoch: second.epoch, afterSeq: second.safeSeq ?? 0)))
    var events = resumed.makeAsyncIterator()
    source.set(true)
    var event = try #require(try await events.next())
    while event.message == nil { event = try #require(try await events.next()) }
    #expect(event.message?.status == .serving)
    #expect(!event.snapshot)
    await client.close()
    await server.shutdown()
  }
}
