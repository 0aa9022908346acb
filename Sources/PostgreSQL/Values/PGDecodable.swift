/// A Swift type that a column's binary form can be read as. Conform your own raw-value enumerations through
/// ``PGResult/Row/text(_:)`` rather than here.
public protocol PGDecodable: Sendable {
  /// Reads a value that is not NULL. `nil`: the column's type, or this very value, does not fit.
  init?(postgres bytes: UnsafeRawBufferPointer, type: UInt32)
}

extension Bool: PGDecodable {
  public init?(postgres bytes: UnsafeRawBufferPointer, type: UInt32) {
    guard type == PGType.bool, bytes.count == 1 else { return nil }
    self = bytes[0] != 0
  }
}

extension FixedWidthInteger {
  /// Any integer column, if the value fits.
  init?(postgresInteger bytes: UnsafeRawBufferPointer, type: UInt32) {
    switch (type, bytes.count) {
    case (PGType.int8, 8): self.init(exactly: Int64(bigEndian: bytes.loadUnaligned(as: Int64.self)))
    case (PGType.int4, 4): self.init(exactly: Int32(bigEndian: bytes.loadUnaligned(as: Int32.self)))
    case (PGType.int2, 2): self.init(exactly: Int16(bigEndian: bytes.loadUnaligned(as: Int16.self)))
    case (PGType.oid, 4): self.init(exactly: UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self)))
    default: return nil
    }
  }
}

extension Int16: PGDecodable {
  public init?(postgres bytes: UnsafeRawBufferPointer, type: UInt32) { self.init(postgresInteger: bytes, type: type) }
}
extension Int32: PGDecodable {
  public init?(postgres bytes: UnsafeRawBufferPointer, type: UInt32) { self.init(postgresInteger: bytes, type: type) }
}
extension Int64: PGDecodable {
  public init?(postgres bytes: UnsafeRawBufferPointer, type: UInt32) { self.init(postgresInteger: bytes, type: type) }
}
extension Int: PGDecodable {
  public init?(postgres bytes: UnsafeRawBufferPointer, type: UInt32) { self.init(postgresInteger: bytes, type: type) }
}

extension Double: PGDecodable {
  public init?(postgres bytes: UnsafeRawBufferPointer, type: UInt32) {
    switch (type, bytes.count) {
    case (PGType.float8, 8):
      self.init(bitPattern: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)))
    case (PGType.float4, 4):
      self.init(Float(bitPattern: UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self))))
    case (PGType.numeric, _):
      guard let text = String(postgresNumeric: bytes), let value = Double(text) else { return nil }
      self = value
    default: return nil
    }
  }
}

extension String: PGDecodable {
  /// Text of every kind, JSON, numeric, and enumerations of the database's own.
  public init?(postgres bytes: UnsafeRawBufferPointer, type: UInt32) {
    switch type {
    case PGType.jsonb:
      guard bytes.first == 1 else { return nil }
      self.init(validating: UnsafeRawBufferPointer(rebasing: bytes.dropFirst()), as: UTF8.self)
    case PGType.numeric: self.init(postgresNumeric: bytes)
    case PGType.uuid:
      guard let value = PGUUID(postgres: bytes, type: type) else { return nil }
      self = value.description
    case _ where PGType.isTextual(type): self.init(validating: bytes, as: UTF8.self)
    default: return nil
    }
  }

  /// numeric_send's form: number of base-10,000 digits, weight of the first, sign, digits after the point, digits.
  init?(postgresNumeric bytes: UnsafeRawBufferPointer) {
    func word(_ index: Int) -> Int {
      Int(Int16(bigEndian: bytes.loadUnaligned(fromByteOffset: index * 2, as: Int16.self)))
    }
    guard bytes.count >= 8, word(0) >= 0, bytes.count == 8 + 2 * word(0) else { return nil }
    let (count, weight, sign, scale) = (word(0), word(1), UInt16(truncatingIfNeeded: word(2)), word(3))
    switch sign {
    case 0xC000:
      self = "NaN"
      return
    case 0xD000:
      self = "Infinity"
      return
    case 0xF000:
      self = "-Infinity"
      return
    default: break
    }
    func digit(_ index: Int) -> Int { index >= 0 && index < count ? word(4 + index) : 0 }
    func padded(_ value: Int) -> String { String(String(10_000 + value).dropFirst()) }
    var text = sign == 0x4000 ? "-" : ""
    if weight < 0 {
      text += "0"
    } else {
      for index in 0...weight { text += index == 0 ? String(digit(0)) : padded(digit(index)) }
    }
    if scale > 0 {
      var fraction = ""
      var index = weight + 1
      while fraction.utf8.count < scale {
        fraction += padded(digit(index))
        index += 1
      }
      text += "." + fraction.prefix(scale)
    }
    self = text
  }
}

extension PGUUID: PGDecodable {
  public init?(postgres bytes: UnsafeRawBufferPointer, type: UInt32) {
    guard type == PGType.uuid, bytes.count == 16 else { return nil }
    self.init(
      high: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
      low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
  }
}

extension PGTimestamp: PGDecodable {
  public init?(postgres bytes: UnsafeRawBufferPointer, type: UInt32) {
    guard type == PGType.timestamptz || type == PGType.timestamp, bytes.count == 8 else { return nil }
    let moment = Int64(bigEndian: bytes.loadUnaligned(as: Int64.self))
    // 'infinity' and '-infinity' are the two ends of the range, as they are here.
    if moment == .max || moment == .min {
      self.init(microsecondsSince1970: moment)
      return
    }
    let (value, overflow) = moment.addingReportingOverflow(Self.epochOffset)
    guard !overflow else { return nil }
    self.init(microsecondsSince1970: value)
  }
}

/// The bytes of a `bytea`, or of a value of an extension's type in its own binary form (PostGIS: EWKB).
extension Array: PGDecodable where Element == UInt8 {
  public init?(postgres bytes: UnsafeRawBufferPointer, type: UInt32) {
    guard type == PGType.bytea || type >= PGType.firstUserDefined else { return nil }
    self.init(bytes)
  }
}

/// A one-dimensional array with possible NULL elements.
public struct PGArray<Element: PGDecodable>: PGDecodable {
  public var elements: [Element?]

  public init?(postgres bytes: UnsafeRawBufferPointer, type: UInt32) {
    var offset = 0
    func next() -> Int32? {
      guard bytes.count - offset >= 4 else { return nil }
      defer { offset += 4 }
      return Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self))
    }
    guard PGType.element(ofArray: type) != nil || type >= PGType.firstUserDefined,
      let dimensions = next(), next() != nil, let element = next()
    else { return nil }
    elements = []
    if dimensions == 0 { return }
    guard dimensions == 1, let count = next(), count >= 0, next() != nil, Int(count) <= bytes.count / 4 else {
      return nil
    }
    elements.reserveCapacity(Int(count))
    for _ in 0..<count {
      guard let length = next() else { return nil }
      if length < 0 {
        elements.append(nil)
        continue
      }
      guard bytes.count - offset >= Int(length) else { return nil }
      let slice = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + Int(length)])
      guard let value = Element(postgres: slice, type: UInt32(bitPattern: element)) else { return nil }
      elements.append(value)
      offset += Int(length)
    }
  }
}
