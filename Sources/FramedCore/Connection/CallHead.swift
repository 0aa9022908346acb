package import FramedMessages

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// The metadata of a CALL, read and found good. Never changes, so that a call's stream, its handler and the next call can
/// share it.
package final class CallHead: Sendable {
  package let meta: CallMeta
  /// The bytes it was read from; empty where no other call will have the same.
  private let wire: [UInt8]

  /// - Parameter wire: what ``isReadFrom(_:)`` compares with.
  init(_ meta: CallMeta, wire: UnsafeRawBufferPointer) {
    self.meta = meta
    let repeats = meta.requestID.isEmpty && meta.traceparent.isEmpty && wire.count <= Self.wireLimit
    self.wire = repeats ? [UInt8](wire) : []
  }

  /// Most connections call one method with one timeout again and again: what was read once need not be read again.
  @inline(__always)
  func isReadFrom(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard bytes.count == wire.count, let start = bytes.baseAddress, bytes.count > 0 else { return false }
    return wire.withUnsafeBytes { known in known.baseAddress.map { memcmp($0, start, bytes.count) == 0 } ?? false }
  }

  /// A bearer token fits.
  private static let wireLimit = 512
}
