internal import FramedCore
internal import NIOCore

/// Who is at the other end, as whatever secures the channel knows.
struct ChannelPeer {
  /// The protocol agreed on; empty: the peer named none.
  var agreedProtocol: String
  /// Of a server's client: the URI of its certificate, or whom its process stands for.
  var uri: String?
  /// When that ends, in seconds since 1970; `nil`: with the connection.
  var expiry: Int64?
}

/// What lies between a socket and the protocol core: TLS, or nothing where the kernel itself knows the peer.
protocol ChannelSecurity: AnyObject {
  /// Nothing has to be exchanged before the peer is known.
  var isImmediate: Bool { get }
  /// Takes bytes of the socket. `established` once the peer is known; `deliver` whenever plaintext was added, false to stop.
  func receive(
    _ ciphertext: UnsafeRawBufferPointer, into plaintext: ByteQueue,
    established: () throws(TLSEngine.Failure) -> Void, deliver: () -> Bool
  ) throws(TLSEngine.Failure)
  /// True when the peer is known. Clients call it once with nothing received to begin.
  func handshake() throws(TLSEngine.Failure) -> Bool
  /// Secures everything that waits; what finds no room in `buffer` becomes output.
  func send(_ plaintext: ByteQueue, into buffer: inout ByteBuffer) throws(TLSEngine.Failure)
  var hasOutput: Bool { get }
  func takeOutput(_ body: (UnsafeRawBufferPointer) -> Void)
  /// Gives back the memory that no bytes wait in: nothing has come or gone for a while.
  func releaseBuffers()
  func closeNotify()
  var peer: ChannelPeer { get }
}

extension TLSEngine: ChannelSecurity {
  var isImmediate: Bool { false }
  var peer: ChannelPeer { ChannelPeer(agreedProtocol: agreedProtocol, uri: peerURI, expiry: peerExpiry) }
}

/// A socket within this machine: the kernel says whose process the peer is.
final class PlainSocket: ChannelSecurity {
  let peer: ChannelPeer

  /// `uri`: whom the peer's process stands for.
  init(uri: String? = nil) {
    peer = ChannelPeer(agreedProtocol: alpnProtocol, uri: uri, expiry: nil)
  }

  var isImmediate: Bool { true }

  func receive(
    _ bytes: UnsafeRawBufferPointer, into plaintext: ByteQueue, established: () throws(TLSEngine.Failure) -> Void,
    deliver: () -> Bool
  ) throws(TLSEngine.Failure) {
    plaintext.append(bytes)
    _ = deliver()
  }

  func handshake() throws(TLSEngine.Failure) -> Bool { true }

  func send(_ plaintext: ByteQueue, into buffer: inout ByteBuffer) throws(TLSEngine.Failure) {
    buffer.writeBytes(plaintext.readable)
    plaintext.consume(plaintext.count)
  }

  var hasOutput: Bool { false }
  func takeOutput(_ body: (UnsafeRawBufferPointer) -> Void) {}
  func releaseBuffers() {}

  func closeNotify() {}
}
