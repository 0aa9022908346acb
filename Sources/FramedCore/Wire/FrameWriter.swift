#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Appends frames to a queue of plaintext.
extension ByteQueue {
  @inline(__always)
  package func appendFrame(
    _ type: FrameType, _ flags: FrameFlags = [], stream: UInt32, meta: UnsafeRawBufferPointer,
    body: UnsafeRawBufferPointer
  ) {
    let length = meta.count + body.count
    let p = reserve(FrameHeader.size + length)
    FrameHeader(length: length, type: type, flags: flags, aux: meta.count, stream: stream).store(to: p)
    if let base = meta.baseAddress, meta.count > 0 { memcpy(p + FrameHeader.size, base, meta.count) }
    if let base = body.baseAddress, body.count > 0 { memcpy(p + FrameHeader.size + meta.count, base, body.count) }
    commit(FrameHeader.size + length)
  }

  /// Room for a body behind the header that ``commitFrame(_:stream:body:)`` writes.
  @inline(__always)
  package func reserveFrame(body size: Int) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: reserve(FrameHeader.size + size) + FrameHeader.size, count: size)
  }

  /// The frame whose body was written where ``reserveFrame(body:)`` said; nothing else was appended since.
  @inline(__always)
  package func commitFrame(_ type: FrameType, stream: UInt32, body size: Int) {
    FrameHeader(length: size, type: type, stream: stream).store(to: reserve(FrameHeader.size + size))
    commit(FrameHeader.size + size)
  }

  package func appendFrame(_ type: FrameType, _ flags: FrameFlags = [], stream: UInt32, meta: [UInt8], body: [UInt8]) {
    meta.withUnsafeBytes { meta in
      body.withUnsafeBytes { appendFrame(type, flags, stream: stream, meta: meta, body: $0) }
    }
  }

  package func appendHello(_ payload: [UInt8]) {
    let p = reserve(FrameHeader.size)
    FrameHeader(length: payload.count, type: .hello, aux: Int(Limits.minorVersion)).store(to: p)
    commit(FrameHeader.size)
    append(payload)
  }

  package func appendCancel(_ reason: CancelReason, stream: UInt32) {
    FrameHeader(length: 0, type: .cancel, aux: Int(reason.rawValue), stream: stream).store(
      to: reserve(FrameHeader.size))
    commit(FrameHeader.size)
  }

  package func appendCredit(_ bytes: UInt32, stream: UInt32) {
    let p = reserve(FrameHeader.size + 4)
    FrameHeader(length: 4, type: .credit, stream: stream).store(to: p)
    p.storeBytes(of: bytes.bigEndian, toByteOffset: FrameHeader.size, as: UInt32.self)
    commit(FrameHeader.size + 4)
  }

  package func appendPing(_ opaque: UInt64, ack: Bool) {
    let p = reserve(FrameHeader.size + 8)
    FrameHeader(length: 8, type: .ping, flags: ack ? .ack : []).store(to: p)
    p.storeBytes(of: opaque, toByteOffset: FrameHeader.size, as: UInt64.self)
    commit(FrameHeader.size + 8)
  }

  package func appendGoaway(_ code: GoawayCode, lastStream: UInt32, graceMs: UInt32, reason: String) {
    let text = reason.utf8Prefix(Limits.goawayReason)
    let length = 8 + text.count
    let p = reserve(FrameHeader.size + length)
    FrameHeader(length: length, type: .goaway, aux: Int(code.rawValue)).store(to: p)
    p.storeBytes(of: lastStream.bigEndian, toByteOffset: FrameHeader.size, as: UInt32.self)
    p.storeBytes(of: graceMs.bigEndian, toByteOffset: FrameHeader.size + 4, as: UInt32.self)
    text.withUnsafeBytes { bytes in
      if let base = bytes.baseAddress, bytes.count > 0 { memcpy(p + FrameHeader.size + 8, base, bytes.count) }
    }
    commit(FrameHeader.size + length)
  }
}

/// What a GOAWAY says.
package struct Goaway: Sendable, Hashable {
  /// Raw: a newer peer may send codes we do not know.
  package let code: UInt16
  package let lastStream: UInt32
  package let graceMs: UInt32
  package let reason: String

  /// From a frame whose shape ``FrameParser`` has checked.
  package init(_ frame: Frame) {
    code = frame.header.aux
    // The parser let no GOAWAY under 8 bytes through.
    lastStream = UInt32(bigEndian: frame.body.loadUnaligned(as: UInt32.self))
    graceMs = UInt32(bigEndian: frame.body.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
    reason = String(decoding: frame.body.dropFirst(8), as: UTF8.self)
  }
}

extension String {
  /// The first bytes of the text, at most `limit`, cut between characters' bytes and never inside one.
  package func utf8Prefix(_ limit: Int) -> [UInt8] {
    let bytes = Array(utf8)
    guard bytes.count > limit else { return bytes }
    var end = limit
    while end > 0, bytes[end] & 0xC0 == 0x80 { end -= 1 }
    return Array(bytes[..<end])
  }
}
