package import FramedMessages

/// Reads the metadata of most CALLs: known fields, each once, in the shape every generator writes, ASCII for text.
///
/// Unpacking through protobuf-c was two thirds of what a call cost this core. Whatever is not of that shape (unknown fields,
/// repeated ones, other text, metadata that is broken) is left to it: this reader says nothing about such bytes, so that the two
/// cannot disagree.
package enum CallMetaReader {
  /// The strings of the call before: most calls of a connection are of few methods.
  package struct Memory {
    fileprivate var method = ""
    package init() {}
  }

  /// `nil`: not of the common shape.
  package static func read(_ bytes: UnsafeRawBufferPointer, _ memory: inout Memory) -> CallMeta? {
    var fields = Fields(bytes)
    var meta = CallMeta()
    var seen: UInt32 = 0
    while let (number, type) = fields.tag() {
      // Field 3 repeats; the others come once.
      guard number < 32, number == 3 || seen & (1 << number) == 0 else { return nil }
      seen |= 1 << number
      switch (number, type) {
      case (1, .bytes):
        guard let text = fields.bytes() else { return nil }
        guard let method = ascii(text, like: memory.method) else { return nil }
        memory.method = method
        meta.method = method
      case (2, .varint):
        guard let value = fields.uint32() else { return nil }
        meta.timeoutMs = value
      case (3, .bytes):
        guard let entry = fields.bytes(), let header = header(entry) else { return nil }
        meta.metadata.append(header)
      case (4, .bytes):
        guard let id = fields.bytes() else { return nil }
        meta.requestID = Array(id)
      case (5, .bytes):
        guard let point = fields.bytes(), let resume = resume(point) else { return nil }
        meta.resume = resume
      case (6, .varint):
        guard let value = fields.uint32() else { return nil }
        meta.initialCredit = value
      case (7, .varint):
        guard let value = fields.uint32() else { return nil }
        meta.maxSilenceMs = value
      case (8, .varint):
        guard let value = fields.varint() else { return nil }
        meta.messageBytes = value
      case (9, .bytes):
        guard let text = fields.bytes(), let value = ascii(text, like: "") else { return nil }
        meta.traceparent = value
      case (10, .bytes):
        guard let text = fields.bytes(), let value = ascii(text, like: "") else { return nil }
        meta.tracestate = value
      case (11, .varint):
        guard let value = fields.uint32() else { return nil }
        meta.attempt = value
      default:
        return nil
      }
    }
    return fields.isAtEnd ? meta : nil
  }

  private static func header(_ bytes: UnsafeRawBufferPointer) -> Header? {
    var fields = Fields(bytes)
    var header = Header()
    var seen: UInt32 = 0
    while let (number, type) = fields.tag() {
      guard number < 3, seen & (1 << number) == 0, type == .bytes, let value = fields.bytes() else { return nil }
      seen |= 1 << number
      if number == 1 {
        guard let key = ascii(value, like: "") else { return nil }
        header.key = key
      } else {
        header.value = Array(value)
      }
    }
    return fields.isAtEnd ? header : nil
  }

  private static func resume(_ bytes: UnsafeRawBufferPointer) -> ResumePoint? {
    var fields = Fields(bytes)
    var point = ResumePoint()
    var seen: UInt32 = 0
    while let (number, type) = fields.tag() {
      guard number < 3, seen & (1 << number) == 0, type == .varint, let value = fields.varint() else { return nil }
      seen |= 1 << number
      if number == 1 { point.epoch = value } else { point.afterSeq = value }
    }
    return fields.isAtEnd ? point : nil
  }

  /// `known` itself where the bytes are the same: a string more is an allocation more.
  @inline(__always)
  private static func ascii(_ bytes: UnsafeRawBufferPointer, like known: String) -> String? {
    if bytes.count == known.utf8.count, known.utf8.withContiguousStorageIfAvailable({ $0.elementsEqual(bytes) }) == true
    {
      return known
    }
    for byte in bytes where byte >= 0x80 { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// Protobuf's wire format, strictly: numbers from 1, varints of no more bytes than they need.
private struct Fields {
  enum WireType {
    case varint
    case bytes
    case other
  }

  private let all: UnsafeRawBufferPointer
  private var at = 0
  private var isBroken = false

  init(_ bytes: UnsafeRawBufferPointer) { all = bytes }

  /// Everything was read, and nothing was wrong.
  var isAtEnd: Bool { at == all.count && !isBroken }

  @inline(__always)
  mutating func tag() -> (number: UInt32, type: WireType)? {
    guard at < all.count else { return nil }
    guard let tag = uint32(), tag >= 8 else {
      isBroken = true
      return nil
    }
    switch tag & 7 {
    case 0: return (tag >> 3, .varint)
    case 2: return (tag >> 3, .bytes)
    default: return (tag >> 3, .other)
    }
  }

  @inline(__always)
  mutating func varint() -> UInt64? {
    guard at < all.count else { return nil }
    let first = all[at]
    if first < 0x80 {
      at += 1
      return UInt64(first)
    }
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while at < all.count {
      let byte = all[at]
      at += 1
      // The tenth byte has room for one bit.
      if shift == 63, byte > 1 { return nil }
      value |= UInt64(byte & 0x7F) << shift
      // A zero at the end needs no byte: decoders differ in how many of those they take.
      if byte < 0x80 { return byte == 0 ? nil : value }
      shift += 7
    }
    return nil
  }

  /// `nil` also where the value has more than 32 bits: what becomes of it is for protobuf to say.
  @inline(__always)
  mutating func uint32() -> UInt32? {
    guard let value = varint(), value <= UInt64(UInt32.max) else { return nil }
    return UInt32(value)
  }

  @inline(__always)
  mutating func bytes() -> UnsafeRawBufferPointer? {
    guard let count = varint(), count <= UInt64(all.count - at) else { return nil }
    defer { at += Int(count) }
    return UnsafeRawBufferPointer(rebasing: all[at..<at + Int(count)])
  }
}
