public import NIOCore
public import ProtobufFacade

/// How a client connects, and what it allows the server.
public struct ClientConfiguration: Sendable {
  public var host: String
  public var port: Int
  public var tls: TLSConfiguration
  /// Event loops to share; `nil`: one loop for all clients of the process that name none.
  public var eventLoopGroup: (any EventLoopGroup)?
  public var connectTimeout: Duration = .seconds(10)
  /// Bytes of one message.
  public var maxMessage = 4 << 20
  /// Response bytes a stream may have on the way, untaken.
  public var initialCredit = 262_144
  /// Sent to the server for its logs.
  public var agent = "framed-rpc-swift"

  public init(host: String, port: Int, tls: TLSConfiguration) {
    self.host = host
    self.port = port
    self.tls = tls
  }
}

/// One connection to a server. Calls from any thread or task share it; they wait here for a free stream when the
/// server's limit is reached.
public final class RPCClient: Sendable {
  /// Connects, shakes hands and exchanges HELLOs.
  public static func connect(_ configuration: ClientConfiguration) async throws -> RPCClient {
    throw RuntimeError(.misuse, "not built yet")
  }

  public static func connect(host: String, port: Int, tls: TLSConfiguration) async throws -> RPCClient {
    try await connect(ClientConfiguration(host: host, port: port, tls: tls))
  }

  /// One request, one response. Cancelling the task cancels the call; at the deadline it throws
  /// ``StatusCode/deadlineExceeded`` whether or not the server answers.
  public func unary<Request: ProtobufMessage, Response: ProtobufMessage>(
    _ method: MethodDescriptor, _ request: Request, _: Response.Type = Response.self,
    options: CallOptions = CallOptions()
  ) async throws(RPCError) -> Response {
    throw RPCError(.unimplemented, "not built yet")
  }

  /// Opens a LATEST stream.
  public func latest<Request: ProtobufMessage, Response: ProtobufMessage>(
    _ method: MethodDescriptor, _ request: Request, _: Response.Type = Response.self,
    options: CallOptions = CallOptions()
  ) -> WatchStream<Response> {
    WatchStream()
  }

  /// Cancels every call and closes the connection.
  public func close() async {}

  /// Whether new calls can still be made: false after a GOAWAY, a lost connection, or ``close()``.
  public var isUsable: Bool { false }
}
