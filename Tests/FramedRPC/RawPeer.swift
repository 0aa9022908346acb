import FramedCore
import Glibc

@testable import FramedRPC

/// A TLS client that speaks whatever bytes a test hands it.
final class RawPeer {
  struct Received: CustomStringConvertible {
    let header: FrameHeader
    let meta: [UInt8]
    let body: [UInt8]
    var type: FrameType? { FrameType(rawValue: header.type) }
    var description: String { "\(type.map { "\($0)" } ?? "?") stream \(header.stream) aux \(header.aux)" }
  }

  private let socket: Int32
  private let engine: TLSEngine?
  private let plaintext = ByteQueue()
  private(set) var isClosed = false
  private var prefaceRead = false

  /// `tls` nil: plain TCP.
  init(_ address: ListeningAddress, tls: TLSConfiguration?, alpn: String = "framed-rpc/1") throws {
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    self.socket = socket
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_port = in_port_t(UInt16(address.port).bigEndian)
    name.sin_addr.s_addr = inet_addr(address.host)
    let connected = withUnsafePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard connected == 0 else { throw RuntimeError(.connect, "errno \(errno)") }
    var timeout = timeval(tv_sec: 8, tv_usec: 0)
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    guard let tls else {
      engine = nil
      return
    }
    engine = try TLSEngine(try TLSContext(tls, isServer: false, alpn: alpn), serverName: address.host)
    try shakeHands()
  }

  deinit { Glibc.close(socket) }

  private func shakeHands() throws {
    guard let engine else { return }
    _ = try engine.handshake()
    flush()
    while !engine.isEstablished, !isClosed { try receive() }
  }

  private func flush() {
    engine?.takeOutput { bytes in _ = Glibc.send(socket, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL)) }
  }

  func send(_ bytes: [UInt8]) throws {
    guard let engine else {
      _ = Glibc.send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL))
      return
    }
    let queue = ByteQueue()
    queue.append(bytes)
    try engine.send(queue)
    flush()
  }

  /// Preface and an empty HELLO.
  func hello() throws {
    let queue = ByteQueue()
    queue.append(Limits.preface)
    queue.appendHello([])
    try send(Array(queue.readable))
  }

  /// Waits for bytes; sets ``isClosed`` when there will be none.
  func receive() throws {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let count = Glibc.recv(socket, &buffer, buffer.count, 0)
    if count <= 0 {
      // A timeout is not an end: a peer that should have closed and has not fails the test that waits for it.
      if count < 0, errno == EAGAIN { throw TimedOut() }
      isClosed = true
      return
    }
    guard let engine else { return plaintext.append(Array(buffer[..<count])) }
    do {
      try buffer[..<count].withUnsafeBytes { bytes in
        try engine.receive(bytes, into: plaintext, established: {}, deliver: { true })
      }
    } catch {
      isClosed = true
    }
    flush()
  }

  /// Frames until `isEnough` says so or the server closes.
  func frames(until isEnough: ([Received]) -> Bool = { _ in false }) throws -> [Received] {
    var frames: [Received] = []
    while true {
      if !prefaceRead, plaintext.count >= 8 {
        plaintext.consume(8)
        prefaceRead = true
      }
      while prefaceRead,
        case .frame(let frame, _, let size) = FrameParser.next(in: plaintext.readable, maxFrame: 1 << 20)
      {
        frames.append(Received(header: frame.header, meta: Array(frame.meta), body: Array(frame.body)))
        plaintext.consume(size)
        if isEnough(frames) { return frames }
      }
      if isClosed { return frames }
      try receive()
    }
  }
}
