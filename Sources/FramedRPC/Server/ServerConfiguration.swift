public import Logging
public import NIOCore

/// How a server listens, and what it allows a connection.
public struct ServerConfiguration: Sendable {
  public var host: String
  /// 0: any free port.
  public var port: Int
  public var tls: TLSConfiguration
  /// A further listener, for programs of this machine; `nil`: none.
  public var unixSocket: UnixSocket?
  /// Event loops to share; `nil`: the server makes ``eventLoopCount`` of its own.
  public var eventLoopGroup: (any EventLoopGroup)?
  public var eventLoopCount = 1
  public var limits = ServerLimits()
  /// Knows the bearer tokens of calls (metadata `authorization: Bearer …`); `nil`: tokens are not looked at. Where a call has one,
  /// it says who calls, whatever the certificate says.
  public var tokens: (any TokenVerifier)?
  /// How much of the server one client may have, over all its connections.
  public var clients: any ClientPolicy = ClientLimits()
  /// Where the server counts.
  public var metrics = ServerMetrics()
  /// Gets a line for every call that ended; `nil`: none.
  public var accessLog: Logger?

  public init(host: String = "127.0.0.1", port: Int, tls: TLSConfiguration) {
    self.host = host
    self.port = port
    self.tls = tls
  }
}

/// What one connection may use. Sent to the client in HELLO where it must know.
public struct ServerLimits: Sendable, Hashable {
  /// Bytes of one request or response message.
  public var maxMessage = 4 << 20
  /// Open streams per connection.
  public var maxStreams = 1_024
  /// Request bytes a stream may have on the way, unread.
  public var initialCredit = 262_144
  /// Used for unary methods whose caller names no timeout.
  public var defaultTimeout: Duration = .seconds(30)
  /// The longest timeout a unary call may ask for.
  public var maxTimeout: Duration = .seconds(300)
  /// Pings closer together than half of this are early; three early ones in two minutes end the connection.
  public var minPing: Duration = .seconds(10)
  /// Connections with open streams that are silent for so long are asked whether they live, and closed when they do not
  /// answer within ``pingTimeout``.
  public var pingSilence: Duration = .seconds(30)
  public var pingTimeout: Duration = .seconds(20)
  /// Connections without a stream are closed after this; `nil`: never.
  public var idleClose: Duration?
  /// A connection older than this, give or take a tenth, is drained, so that clients spread anew over servers; `nil`: never.
  public var maxConnectionAge: Duration?
  /// What a connection is forgiven: cancels of calls just made, pings, tiny grants and the like take a token each, which come
  /// back within 30 s; without one left the connection ends. `nil`: nothing is counted.
  public var abuseTokens: Int? = 200
  /// Bytes of messages that all connections together may hold; above it new calls are refused.
  public var maxHeldBytes = 1 << 30
  /// How long ``RPCServer/drain(grace:)`` waits, unless told otherwise.
  public var drainGrace: Duration = .seconds(30)

  public init() {}
}
