import FramedCore
import FramedMessages
import FramedRPC
import Foundation
import Logging
#if !THREAD_SANITIZER
  import Synchronization
#endif

/// Methods for tests; request and response are `framedrpc.v1.Header`: a name and bytes of any size.
enum EchoMethods {
  static let echo = MethodDescriptor(name: "framedrpc.test.Echo/Echo")
  static let echoSync = MethodDescriptor(name: "framedrpc.test.Echo/EchoSync")
  /// Waits until it is cancelled.
  static let hang = MethodDescriptor(name: "framedrpc.test.Echo/Hang")
  /// Answers with an error described by the request.
  static let fail = MethodDescriptor(name: "framedrpc.test.Echo/Fail")
  /// Answers with what the context says.
  static let whoami = MethodDescriptor(name: "framedrpc.test.Echo/WhoAmI")
  static let watch = MethodDescriptor(name: "framedrpc.test.Echo/Watch", stream: .latest, keyField: "key")
  /// As many messages as the key says, with the request's value.
  static let export = MethodDescriptor(name: "framedrpc.test.Echo/Export", stream: .block)
  static let events = MethodDescriptor(name: "framedrpc.test.Echo/Events", stream: .queue, queueSize: 8)
  /// A snapshot whose one value another thread offers, before the handler's own ends it.
  static let watchFromTwo = MethodDescriptor(name: "framedrpc.test.Echo/WatchFromTwo", stream: .latest, keyField: "key")
}

/// Serves ``EchoMethods`` and remembers what happened to its calls.
final class EchoService: RPCService, Sendable {
  let running = Watched(0)
  let mostRunning = Watched(0)
  let cancelled = Watched<[StatusCode]>([])
  let streams = Watched<[(ServerCallContext, LatestStream<Header>)]>([])
  let streamEnds = Watched<[StreamEnd]>([])
  let exported = Watched(0)
  let exportEnds = Watched<[RPCError]>([])
  let queues = Watched<[QueueStream<Header>]>([])

  func register(with router: inout RPCRouter) {
    router.unary(EchoMethods.echo, Header.self, Header.self) { request, _ in
      await Task.yield()
      return request
    }
    router.unarySync(EchoMethods.echoSync, Header.self, Header.self) { request, _ in request }
    router.unary(EchoMethods.hang, Header.self, Header.self) { [self] request, context in
      running.update { $0 += 1 }
      mostRunning.update { $0 = max($0, running.current) }
      context.onCancel { [self] code in cancelled.update { $0.append(code) } }
      defer { running.update { $0 -= 1 } }
      try await Task.sleep(for: .seconds(60))
      return request
    }
    router.unarySync(EchoMethods.fail, Header.self, Header.self) { request, _ in
      throw RPCError(
        StatusCode(rawValue: Int32(request.key) ?? 2) ?? .unknown, String(decoding: request.value, as: UTF8.self),
        details: [ErrorDetail(typeURL: "type.googleapis.com/test", value: [1, 2, 3])],
        trailers: [MetadataEntry(key: "k", text: "v")], retryAfter: .milliseconds(250))
    }
    router.unarySync(EchoMethods.whoami, Header.self, Header.self) { _, context in
      var lines = [context.principal.uri, context.traceparent ?? "-", "\(context.requestID?.count ?? 0)"]
      lines += context.metadata.map { "\($0.key)=\(String(decoding: $0.value, as: UTF8.self))" }
      lines.append("\((context.timeRemaining ?? .zero) > .zero)")
      return Header(key: "whoami", value: Array(lines.joined(separator: "\n").utf8))
    }
    router.latest(EchoMethods.watch, Header.self, Header.self) { [self] _, context, stream in
      stream.onEnd { [self] end in streamEnds.update { $0.append(end) } }
      streams.update { $0.append((context, stream)) }
    }
    router.block(EchoMethods.export, Header.self, Header.self) { [self] request, _, stream in
      do {
        for index in 0..<(Int(request.key) ?? 0) {
          try await stream.send(Header(key: "\(index)", value: request.value))
          exported.update { $0 += 1 }
        }
      } catch let error as RPCError {
        exportEnds.update { $0.append(error) }
        throw error
      }
    }
    router.queue(EchoMethods.events, Header.self, Header.self) { [self] _, _, stream in
      queues.update { $0.append(stream) }
    }
    router.latest(EchoMethods.watchFromTwo, Header.self, Header.self) { request, _, stream in
      stream.begin(epoch: 1)
      stream.beginSnapshot()
      let offered = DispatchSemaphore(value: 0)
      Thread.detachNewThread {
        stream.send(key: request.key, seq: 9, message: request)
        offered.signal()
      }
      // The loop's own thread stands still: what it says next is said after the value, and may not overtake it.
      offered.wait()
      stream.bookmark(safeSeq: 9)
      stream.finish()
    }
  }
}

/// A value tests wait on.
final class Watched<Value: Sendable>: Sendable {
  private let value: Mutex<Value>

  init(_ value: Value) { self.value = Mutex(value) }

  var current: Value { value.withLock { $0 } }

  func update(_ change: (inout sending Value) -> Void) {
    value.withLock { change(&$0) }
  }

  /// Until `condition` holds; throws after ten seconds.
  @discardableResult
  func wait(within limit: Duration = .seconds(10), _ condition: (Value) -> Bool) async throws -> Value {
    try await eventually(within: limit) { condition(current) }
    return current
  }
}

struct TimedOut: Error {}

/// Looks again and again until `condition` holds; throws after ten seconds.
func eventually(within limit: Duration = .seconds(10), _ condition: () -> Bool) async throws {
  let end = ContinuousClock.now + limit
  while !condition() {
    guard ContinuousClock.now < end else { throw TimedOut() }
    try await Task.sleep(for: .milliseconds(2))
  }
}

/// A server with ``EchoService`` on a free port, for the length of `body`.
func withServer<Result>(
  limits: ServerLimits = ServerLimits(), tls: TLSConfiguration? = nil, authorizer: any Authorizer = AllowAll(),
  _ body: (RPCServer, EchoService, ListeningAddress) async throws -> Result
) async throws -> Result {
  let credentials = try TestCredentials.shared.get()
  let service = EchoService()
  var configuration = ServerConfiguration(port: 0, tls: tls ?? credentials.server)
  configuration.limits = limits
  var logger = Logger(label: "test")
  logger.logLevel = .critical
  let server = try RPCServer(
    configuration: configuration, router: RPCRouter([service]), authorizer: authorizer, logger: logger)
  let address = try await server.start()
  do {
    let result = try await body(server, service, address)
    await server.shutdown()
    return result
  } catch {
    await server.shutdown()
    throw error
  }
}

func connect(
  _ address: ListeningAddress, tls: TLSConfiguration? = nil, change: (inout ClientConfiguration) -> Void = { _ in }
) async throws -> RPCClient {
  let credentials = try TestCredentials.shared.get()
  var configuration = ClientConfiguration(host: address.host, port: address.port, tls: tls ?? credentials.client)
  change(&configuration)
  return try await RPCClient.connect(configuration)
}

/// `count` bytes that are not all alike.
func bytes(_ count: Int, seed: UInt8 = 0) -> [UInt8] {
  var bytes = (0..<min(count, 1_021)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ Int(seed)) }
  while bytes.count < count { bytes += bytes.prefix(count - bytes.count) }
  return bytes
}
