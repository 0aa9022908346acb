public import FramedRPC
internal import Synchronization

/// The server's connections for its own services, which are made before it.
public final class ServerView: Sendable {
  private let server = Mutex<RPCServer?>(nil)

  public init() {}

  /// Until then there is nothing to see.
  public func begin(_ server: RPCServer) { self.server.withLock { $0 = server } }

  func connections(streams: Int) async -> [ConnectionView] {
    guard let server = server.withLock({ $0 }) else { return [] }
    return await server.connections(streams: streams)
  }
}
