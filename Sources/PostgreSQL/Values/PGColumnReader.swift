extension PGResult.Row {
  /// Reads the row's columns one after the other, from a position (from 0) on.
  public func reader(from position: Int = 0) -> PGColumnReader { PGColumnReader(self, position) }
}

/// Reads columns in their order. Where a statement and its reader list the same columns, this spares a look-up by name for
/// each; nothing of it is generic, so that a caller in another module runs what was specialised here.
///
/// Each method takes the next column, and throws ``PostgresError/Kind/typeMismatch`` as ``PGResult/Row``'s do.
public struct PGColumnReader: Sendable {
  private let row: PGResult.Row
  private var next: Int

  init(_ row: PGResult.Row, _ position: Int) {
    self.row = row
    next = position
  }

  /// Leaves out columns.
  public mutating func skip(_ count: Int) { next += count }

  public mutating func int64() throws(PostgresError) -> Int64 { try value() }
  public mutating func text() throws(PostgresError) -> String { try value() }
  public mutating func bytes() throws(PostgresError) -> [UInt8] { try value() }
  public mutating func double() throws(PostgresError) -> Double { try value() }
  public mutating func timestamp() throws(PostgresError) -> PGTimestamp { try value() }
  public mutating func optionalInt32() throws(PostgresError) -> Int32? { try optional() }
  public mutating func optionalInt64() throws(PostgresError) -> Int64? { try optional() }
  public mutating func optionalText() throws(PostgresError) -> String? { try optional() }
  public mutating func optionalDouble() throws(PostgresError) -> Double? { try optional() }
  public mutating func optionalTimestamp() throws(PostgresError) -> PGTimestamp? { try optional() }

  /// An array without NULL elements, or nil for NULL.
  public mutating func optionalDoubles() throws(PostgresError) -> [Double]? {
    guard let array = try optional(PGArray<Double>.self) else { return nil }
    let doubles = array.elements.compactMap { $0 }
    guard doubles.count == array.elements.count else {
      throw PostgresError(.typeMismatch, "array \(next - 1) holds a NULL")
    }
    return doubles
  }

  private mutating func value<T: PGDecodable>() throws(PostgresError) -> T {
    defer { next += 1 }
    return try row.value(at: next)
  }

  private mutating func optional<T: PGDecodable>(_ type: T.Type = T.self) throws(PostgresError) -> T? {
    defer { next += 1 }
    return try row.optional(at: next)
  }
}
