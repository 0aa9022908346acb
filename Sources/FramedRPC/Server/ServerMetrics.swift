internal import FramedCore
internal import Synchronization

/// What a server counts beside its methods: connections, handshakes, peers that broke the protocol. Make one, give it to the
/// server's configuration, and ask ``write(_:into:)`` for the whole.
public final class ServerMetrics: Sendable {
  private struct Counts {
    var accepted: UInt64 = 0
    var closed: UInt64 = 0
    var failedHandshakes: UInt64 = 0
    var turnedAway: UInt64 = 0
    var unknownMethods: UInt64 = 0
    var violations: [GoawayCode: UInt64] = [:]
  }
  private let counts = Mutex(Counts())

  public init() {}

  func accepted() { counts.withLock { $0.accepted += 1 } }
  func closed() { counts.withLock { $0.closed += 1 } }
  func turnedAway() { counts.withLock { $0.turnedAway += 1 } }
  func handshakeFailed() { counts.withLock { $0.failedHandshakes += 1 } }
  func unknownMethod() { counts.withLock { $0.unknownMethods += 1 } }
  func violated(_ code: GoawayCode) { counts.withLock { $0.violations[code, default: 0] += 1 } }

  /// Everything, as the families of OpenMetrics text.
  ///
  /// - Parameter router: of the server; its methods count their own calls.
  public func write(_ router: RPCRouter, into text: inout OpenMetricsText) {
    let methods = router.methods.values.sorted { $0.descriptor.name < $1.descriptor.name }
      .map { (name: $0.descriptor.name, isStream: $0.descriptor.stream != .none, counts: $0.counters.current) }
    text.family("framedrpc_server_calls", .counter, "Calls that have ended, by method and status code.") { family in
      for method in methods {
        for (code, count) in method.counts.ended.enumerated() where count > 0 || code == 0 {
          let name = StatusCode(rawValue: Int32(code))?.name ?? "UNKNOWN"
          family.sample([("method", method.name), ("code", name)], Double(count))
        }
      }
    }
    text.family("framedrpc_server_calls_in_flight", .gauge, "Calls whose handler has begun and not ended.") { family in
      for method in methods { family.sample([("method", method.name)], Double(method.counts.inFlight)) }
    }
    text.family("framedrpc_server_call_seconds", .histogram, "Time of unary calls in the server.") { family in
      for method in methods where !method.isStream {
        family.histogram(
          [("method", method.name)], bounds: MethodCounters.bounds, counts: method.counts.buckets,
          sum: Double(method.counts.nanoseconds) / 1e9)
      }
    }
    let counts = counts.withLock { $0 }
    text.family("framedrpc_server_connections", .gauge, "Open connections.") {
      $0.sample([], Double(counts.accepted - counts.closed))
    }
    text.family("framedrpc_server_connections_accepted", .counter, "Connections that were opened.") {
      $0.sample([], Double(counts.accepted))
    }
    text.family("framedrpc_server_handshakes_failed", .counter, "Connections that ended before a client was let in.") {
      $0.sample([], Double(counts.failedHandshakes))
    }
    text.family(
      "framedrpc_server_connections_turned_away", .counter, "Connections whose client or whose moment had too many."
    ) {
      $0.sample([], Double(counts.turnedAway))
    }
    text.family("framedrpc_server_unknown_methods", .counter, "Calls of methods there are not.") {
      $0.sample([], Double(counts.unknownMethods))
    }
    text.family(
      "framedrpc_server_violations", .counter,
      "Connections ended because the peer broke the protocol, by GOAWAY's code."
    ) { family in
      for (code, name) in Self.codes { family.sample([("code", name)], Double(counts.violations[code] ?? 0)) }
    }
  }

  private static let codes: [(GoawayCode, String)] = [
    (.protocol, "PROTOCOL"), (.frameSize, "FRAME_SIZE"), (.flowControl, "FLOW_CONTROL"), (.calm, "CALM"),
    (.internal, "INTERNAL"), (.auth, "AUTH"), (.idle, "IDLE"),
  ]
}
