internal import Glibc
internal import NIOCore

/// A listener for programs of this machine, in the clear: what goes over it never leaves the kernel, which says whose process a
/// client is.
public struct UnixSocket: Sendable {
  /// What the kernel says of a client's process.
  public struct Process: Sendable, Hashable {
    public var pid: Int32
    public var uid: UInt32
    public var gid: UInt32
  }

  /// At most 107 bytes. What a server that is gone has left there is replaced; a server that listens there is not.
  public var path: String
  /// Whom a process stands for; `nil`: it is not let in.
  public var principal: @Sendable (Process) -> String?

  public init(path: String, principal: @escaping @Sendable (Process) -> String?) {
    self.path = path
    self.principal = principal
  }

  /// The longest path a socket can have.
  static let longestPath = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1

  /// Whether somebody takes connections there. What a server that is gone has left behind refuses them.
  static func isServed(_ path: String) -> Bool {
    var name = sockaddr_un()
    name.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard bytes.count <= longestPath else { return false }
    withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: bytes) }
    let socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    guard socket >= 0 else { return false }
    defer { close(socket) }
    return withUnsafePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
      }
    }
  }

  /// Asks the kernel. On the channel's loop.
  static func process(of channel: any Channel) -> EventLoopFuture<Process> {
    guard let options = channel as? any SocketOptionProvider else {
      return channel.eventLoop.makeFailedFuture(RuntimeError(.listen, "a client nobody knows"))
    }
    // SO_PEERCRED, whose struct is three ints.
    return options.unsafeGetSocketOption(level: .socket, name: NIOBSDSocket.Option(rawValue: 17))
  }
}
