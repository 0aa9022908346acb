/// A parameter of a statement. It is converted to the type the server inferred for its place, so that `.int64(5)` fits an
/// `int4` column (or fails as ``PostgresError/Kind/typeMismatch`` when it is out of range), and `.text` fits any type the
/// server can read from text. Arrays take NULL elements: `[Int64]` converts to `[Int64?]` by itself.
public enum PGValue: Sendable, Equatable {
  case null
  case bool(Bool)
  case int16(Int16)
  case int32(Int32)
  case int64(Int64)
  case float8(Double)
  case text(String)
  case bytea([UInt8])
  /// JSON text, for `json`, `jsonb` and `text`.
  case json(String)
  case uuid(PGUUID)
  case timestamp(PGTimestamp)
  case boolArray([Bool?])
  case int16Array([Int16?])
  case int32Array([Int32?])
  case int64Array([Int64?])
  case float8Array([Double?])
  case textArray([String?])
  case byteaArray([[UInt8]?])
  case jsonArray([String?])
  case uuidArray([PGUUID?])
  case timestampArray([PGTimestamp?])
}

extension PGValue {
  /// The value, or NULL.
  public static func optional(_ value: String?) -> PGValue { value.map(PGValue.text) ?? .null }
  public static func optional(_ value: Bool?) -> PGValue { value.map(PGValue.bool) ?? .null }
  public static func optional(_ value: Int32?) -> PGValue { value.map(PGValue.int32) ?? .null }
  public static func optional(_ value: Int64?) -> PGValue { value.map(PGValue.int64) ?? .null }
  public static func optional(_ value: Double?) -> PGValue { value.map(PGValue.float8) ?? .null }
  public static func optional(_ value: [UInt8]?) -> PGValue { value.map(PGValue.bytea) ?? .null }
  public static func optional(_ value: PGUUID?) -> PGValue { value.map(PGValue.uuid) ?? .null }
  public static func optional(_ value: PGTimestamp?) -> PGValue { value.map(PGValue.timestamp) ?? .null }
  public static func optionalJSON(_ value: String?) -> PGValue { value.map(PGValue.json) ?? .null }
}

extension PGValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByFloatLiteral, ExpressibleByNilLiteral
{
  public init(stringLiteral value: String) { self = .text(value) }
  public init(integerLiteral value: Int64) { self = .int64(value) }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(floatLiteral value: Double) { self = .float8(value) }
  public init(nilLiteral: ()) { self = .null }
}

/// A moment, in microseconds since 1970-01-01T00:00:00Z: what `timestamptz` holds.
public struct PGTimestamp: Sendable, Hashable, Comparable {
  public var microsecondsSince1970: Int64

  public init(microsecondsSince1970: Int64) { self.microsecondsSince1970 = microsecondsSince1970 }
  public init(secondsSince1970: Double) { microsecondsSince1970 = Int64((secondsSince1970 * 1_000_000).rounded()) }

  public var secondsSince1970: Double { Double(microsecondsSince1970) / 1_000_000 }
  public static func < (left: PGTimestamp, right: PGTimestamp) -> Bool {
    left.microsecondsSince1970 < right.microsecondsSince1970
  }

  /// PostgreSQL counts from 2000-01-01.
  static let epochOffset: Int64 = 946_684_800_000_000
}

/// A 128-bit identifier.
public struct PGUUID: Sendable, Hashable, CustomStringConvertible {
  public var high: UInt64
  public var low: UInt64

  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// A random identifier (version 4).
  public static func random() -> PGUUID {
    PGUUID(
      high: (UInt64.random(in: 0 ... .max) & ~0xF000) | 0x4000,
      low: (UInt64.random(in: 0 ... .max) & ~(3 << 62)) | (2 << 62))
  }

  /// Reads 32 hexadecimal digits with any hyphens between them.
  public init?(_ text: String) {
    var digits = 0
    var high: UInt64 = 0
    var low: UInt64 = 0
    for character in text.utf8 where character != UInt8(ascii: "-") {
      guard let digit = Character(UnicodeScalar(character)).hexDigitValue, digits < 32 else { return nil }
      if digits < 16 { high = high << 4 | UInt64(digit) } else { low = low << 4 | UInt64(digit) }
      digits += 1
    }
    guard digits == 32 else { return nil }
    self.init(high: high, low: low)
  }

  public var description: String {
    func padded(_ value: UInt64, _ count: Int) -> String {
      let text = String(value, radix: 16)
      return String(repeating: "0", count: count - text.count) + text
    }
    return [
      padded(high >> 32, 8), padded(high >> 16 & 0xFFFF, 4), padded(high & 0xFFFF, 4), padded(low >> 48, 4),
      padded(low & 0xFFFF_FFFF_FFFF, 12),
    ].joined(separator: "-")
  }
}
