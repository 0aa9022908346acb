internal import CFramedTLS
internal import FramedCore
internal import NIOCore

/// The ALPN id of version 1.
let alpnProtocol = "framed-rpc/1"

/// Certificates and rules of one side, shared by its connections.
///
/// Unchecked: OpenSSL's SSL_CTX may be used from any thread once it is set up, and this never changes it after `init`.
final class TLSContext: @unchecked Sendable {
  fileprivate let pointer: OpaquePointer

  init(_ configuration: TLSConfiguration, isServer: Bool, alpn: String = alpnProtocol) throws(RuntimeError) {
    var error = [CChar](repeating: 0, count: 512)
    let made = framed_tls_context_new(
      isServer, configuration.certificateChainPath, configuration.privateKeyPath, configuration.authorityPath,
      configuration.requiresClientCertificate, alpn, &error, error.count)
    guard let made else { throw RuntimeError(.certificate, text(error)) }
    pointer = made
  }

  deinit { framed_tls_context_free(pointer) }
}

/// One connection's TLS: ciphertext in and out of memory. Belongs to one event loop.
final class TLSEngine {
  enum Failure: Error {
    case failed(String)
    /// close_notify came.
    case closed
  }

  private let tls: OpaquePointer
  /// Keeps the context's memory while the connection uses it.
  private let context: TLSContext
  private(set) var isEstablished = false

  /// Clients name the server they expect.
  init(_ context: TLSContext, serverName: String? = nil) throws(RuntimeError) {
    guard let made = framed_tls_new(context.pointer, serverName) else {
      throw RuntimeError(.handshake, "no TLS connection could be made")
    }
    tls = made
    self.context = context
  }

  deinit { framed_tls_free(tls) }

  /// Decrypts what came into `plaintext`, driving the handshake first. `deliver` runs whenever plaintext was added, and
  /// returns false to stop. True: the handshake finished in this call.
  func receive(
    _ ciphertext: UnsafeRawBufferPointer, into plaintext: ByteQueue, established: () throws(Failure) -> Void,
    deliver: () -> Bool
  ) throws(Failure) {
    framed_tls_feed(tls, ciphertext.baseAddress, ciphertext.count)
    // The pointer is not ours after this call.
    defer { framed_tls_feed(tls, nil, 0) }
    if !isEstablished {
      guard try handshake() else { return }
      try established()
    }
    while true {
      let size = max(plaintext.room, 16_384)
      let read = framed_tls_read(tls, plaintext.reserve(size), size)
      if read > 0 {
        plaintext.commit(read)
        guard deliver() else { return }
      } else if read == FRAMED_TLS_WANT_MORE {
        return
      } else {
        throw failure(read)
      }
    }
  }

  /// True when the handshake is done. Clients call it once with nothing received to begin.
  func handshake() throws(Failure) -> Bool {
    let result = framed_tls_handshake(tls)
    if result == 1 {
      isEstablished = true
      return true
    }
    guard result == FRAMED_TLS_WANT_MORE else { throw failure(Int(result)) }
    return false
  }

  /// Encrypts everything that waits into `buffer`; what finds no room there, into the output. Nothing may be in that.
  func send(_ plaintext: ByteQueue, into buffer: inout ByteBuffer) throws(Failure) {
    let size = plaintext.count
    buffer.reserveCapacity(minimumWritableBytes: size + (size / Self.record + 2) * Self.recordOverhead)
    let memory = buffer.writableBytes
    var failed: Failure?
    buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: memory) { memory in
      _ = framed_tls_direct(tls, memory.baseAddress, memory.count)
      do throws(Failure) { try send(plaintext) } catch { failed = error }
      return framed_tls_direct(tls, nil, 0)
    }
    if let failed { throw failed }
  }

  /// The most plaintext in a record, and more than TLS adds to it.
  private static let record = 16_384
  private static let recordOverhead = 64

  /// Encrypts everything that waits into the output.
  func send(_ plaintext: ByteQueue) throws(Failure) {
    while !plaintext.isEmpty {
      let bytes = plaintext.readable
      let written = framed_tls_write(tls, bytes.baseAddress, bytes.count)
      // Writing into memory never has to wait.
      guard written > 0 else { throw failure(written) }
      plaintext.consume(written)
    }
  }

  /// Ciphertext waits to be sent.
  var hasOutput: Bool {
    var count = 0
    _ = framed_tls_output(tls, &count)
    return count > 0
  }

  /// Hands out the ciphertext and forgets it.
  func takeOutput(_ body: (UnsafeRawBufferPointer) -> Void) {
    var count = 0
    let bytes = framed_tls_output(tls, &count)
    guard count > 0 else { return }
    body(UnsafeRawBufferPointer(start: bytes, count: count))
    framed_tls_clear_output(tls)
  }

  /// Gives back the memory that no bytes wait in.
  func releaseBuffers() { framed_tls_release(tls) }

  func closeNotify() { framed_tls_close_notify(tls) }

  /// The protocol agreed on; the handshake completes also when the client offered none.
  var agreedProtocol: String {
    var count = 0
    guard let bytes = framed_tls_alpn(tls, &count) else { return "" }
    return String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
  }

  /// The only URI in the peer's certificate.
  var peerURI: String? {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 2_048) { buffer in
      let count = framed_tls_peer_uri(tls, buffer.baseAddress, buffer.count)
      guard count > 0 else { return nil }
      return String(decoding: UnsafeRawBufferPointer(start: buffer.baseAddress, count: count), as: UTF8.self)
    }
  }

  /// When the peer's certificate expires, in seconds since 1970; nil: it has none.
  var peerExpiry: Int64? {
    let seconds = framed_tls_peer_expiry(tls)
    return seconds < 0 ? nil : seconds
  }

  private func failure(_ code: Int) -> Failure {
    if code == Int(FRAMED_TLS_CLOSED) { return .closed }
    var error = [CChar](repeating: 0, count: 256)
    framed_tls_error(tls, &error, error.count)
    return .failed(text(error))
  }
}

private func text(_ buffer: [CChar]) -> String {
  String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
