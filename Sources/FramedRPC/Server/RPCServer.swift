public import Logging

/// Answers FramedRPC calls on one address.
public final class RPCServer: Sendable {
  /// Fails when the certificate, key or authority cannot be used.
  public init(
    configuration: ServerConfiguration, router: RPCRouter, authorizer: any Authorizer = AllowAll(),
    logger: Logger = Logger(label: "framed-rpc")
  ) throws {
    throw RuntimeError(.misuse, "not built yet")
  }

  /// Listens. The port is the one really taken, also when 0 was asked for.
  public func start() async throws -> ListeningAddress {
    throw RuntimeError(.misuse, "not built yet")
  }

  /// Stops taking connections and calls, lets unary calls finish, ends every watcher with its place to resume from at a
  /// random moment of the grace's first half, and cancels what is left at its end. Returns when all connections closed.
  public func drain(grace: Duration? = nil) async {}

  /// Closes everything now.
  public func shutdown() async {}
}

/// Where a server listens.
public struct ListeningAddress: Sendable, Hashable, CustomStringConvertible {
  public let host: String
  public let port: Int
  public var description: String { "\(host):\(port)" }
}
