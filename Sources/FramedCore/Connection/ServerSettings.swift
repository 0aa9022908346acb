package import FramedMessages
internal import ProtobufFacade

/// What a server allows a connection; what the client must know of it goes out in HELLO.
package struct ServerSettings: Sendable {
  package var maxFrame = Limits.floorFrame
  package var maxMessage = 4 << 20
  package var maxStreams = 1_024
  package var initialCredit = 262_144
  package var minPing = Limits.floorMinPing
  package var idleClose: Nanoseconds?
  package var drainGrace = Limits.drainGraceDefault
  package var defaultTimeout = Nanoseconds.seconds(30)
  package var maxTimeout = Nanoseconds.seconds(300)
  package var pingSilence = Nanoseconds.seconds(30)
  package var pingTimeout = Nanoseconds.seconds(20)
  package var helloTimeout = Limits.helloTimeout
  package var requestTimeout = Limits.requestTimeout
  /// A connection older than this, give or take a tenth, is drained; its client opens another.
  package var maxAge: Nanoseconds?
  package var handlerGrace = Limits.handlerGrace
  /// nil: nothing is counted (tests that show what the bucket is for).
  package var abuse: AbuseLimits? = AbuseLimits()
  /// Shared by all connections; nil: there is none.
  package var budget: ByteBudget?
  package var agent = "framed-rpc-swift"

  package init() {}

  var hello: Hello {
    var hello = Hello()
    hello.maxFrame = UInt32(maxFrame)
    hello.maxMessage = UInt32(maxMessage)
    hello.maxStreams = UInt32(maxStreams)
    hello.initialCredit = UInt32(initialCredit)
    hello.minPingMs = UInt32(clamping: minPing / 1_000_000)
    hello.idleCloseMs = idleClose.map { UInt32(clamping: $0 / 1_000_000) }
    hello.drainGraceMs = UInt32(clamping: drainGrace / 1_000_000)
    hello.agent = agent
    return hello
  }
}

/// The settings of all connections of a server: one copy.
package final class SharedSettings: Sendable {
  package let value: ServerSettings
  package init(_ value: ServerSettings) { self.value = value }
}

/// The peer's HELLO with the floors filled in.
package struct PeerSettings: Sendable, Hashable {
  package var maxFrame = Limits.floorFrame
  package var maxMessage = Limits.floorMessage
  package var maxStreams = Limits.floorStreams
  package var initialCredit = Limits.floorCredit
  package var minPing = Limits.floorMinPing
  package var features: [String] = []
  package var agent = ""

  /// What holds before the HELLO is read.
  package static let floors = PeerSettings()

  private init() {}

  package init(_ hello: Hello, fromServer: Bool) throws(ConnectionViolation) {
    maxFrame = min(try Self.atLeast(hello.maxFrame, Limits.floorFrame, "max_frame"), Limits.ceilingFrame)
    maxMessage = try Self.atLeast(hello.maxMessage, Limits.floorMessage, "max_message")
    initialCredit = try Self.atLeast(hello.initialCredit, Limits.floorCredit, "initial_credit")
    if Int64(initialCredit) > Limits.maxWindow {
      throw ConnectionViolation(.flowControl, "initial_credit above 2^31-1")
    }
    if fromServer { maxStreams = try Self.atLeast(hello.maxStreams, Limits.floorStreams, "max_streams") }
    if hello.minPingMs > 0 {
      minPing = .milliseconds(UInt64(hello.minPingMs))
      if minPing > Limits.floorMinPing { throw ConnectionViolation(.protocol, "min_ping_ms tighter than the floor") }
    }
    features = hello.features
    agent = hello.agent
  }

  private static func atLeast(_ value: UInt32, _ floor: Int, _ name: String) throws(ConnectionViolation) -> Int {
    if value == 0 { return floor }
    guard Int(value) >= floor else { throw ConnectionViolation(.protocol, "\(name) tighter than the floor") }
    return Int(value)
  }
}

extension PeerSettings {
  package static let pingAckFeature = "ping-ack"
}
