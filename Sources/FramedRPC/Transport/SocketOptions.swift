internal import FramedCore
internal import NIOCore

/// What both sides set on their sockets.
enum SocketOptions {
  /// At most 64 KiB encrypted ahead of the socket.
  static let writeAhead = ChannelOptions.Types.WriteBufferWaterMark(low: Limits.writeAhead / 2, high: Limits.writeAhead)

  /// A dead peer is noticed within about a minute: probes after 30 s of silence, 3 of them 10 s apart, and no more than
  /// 60 s with unacknowledged bytes.
  static func keepAlive(_ channel: any Channel) throws {
    guard let options = channel.syncOptions else { return }
    try options.setOption(.socketOption(.so_keepalive), value: 1)
    #if os(Linux)
      // TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT and TCP_USER_TIMEOUT, which NIO has no names for.
      for (name, value) in [(4, 30), (5, 10), (6, 3), (18, 60_000)] as [(CInt, Int)] {
        let option = ChannelOptions.Types.SocketOption(level: .tcp, name: NIOBSDSocket.Option(rawValue: name))
        try options.setOption(option, value: value)
      }
    #endif
  }
}

extension SocketAddress {
  /// `127.0.0.1:50312`.
  var readable: String {
    guard let ip = ipAddress, let port else { return "\(self)" }
    return ip.contains(":") ? "[\(ip)]:\(port)" : "\(ip):\(port)"
  }
}
