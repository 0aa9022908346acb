/// Names of columns, and where each stands.
public struct PGColumns: Sendable {
  public let names: [String]
  let places: [String: Int32]

  public init(_ names: [String]) {
    self.names = names
    // Of two columns with one name the first counts.
    places = Dictionary(zip(names, 0...), uniquingKeysWith: { first, _ in first })
  }
}

extension PGResult {
  /// One row out of a composite value's binary form, as the server's `record_send` writes it.
  ///
  /// - Parameter columns: Their names, which the form does not hold.
  /// - Throws: ``PostgresError/Kind/typeMismatch`` where the bytes are not such a value of as many columns.
  public init(composite bytes: [UInt8], columns: PGColumns) throws(PostgresError) {
    guard let value = PGComposite(bytes), value.fields.count == columns.names.count else {
      throw PostgresError(.typeMismatch, "no composite value of \(columns.names.count) columns")
    }
    storage = Storage(value, columns)
  }
}

/// A composite value: the number of its fields, then of each its type, its length (-1: NULL) and its bytes; all numbers are
/// big-endian of four bytes.
struct PGComposite: Sendable {
  let bytes: [UInt8]
  let fields: [(type: UInt32, range: Range<Int>?)]

  init?(_ bytes: [UInt8]) {
    var fields: [(type: UInt32, range: Range<Int>?)] = []
    let isWhole = bytes.withUnsafeBytes { all -> Bool in
      var place = 0
      func number() -> Int32? {
        guard all.count - place >= 4 else { return nil }
        defer { place += 4 }
        return Int32(bigEndian: all.loadUnaligned(fromByteOffset: place, as: Int32.self))
      }
      // A field takes eight bytes at least.
      guard let count = number(), count >= 0, Int(count) <= all.count / 8 else { return false }
      fields.reserveCapacity(Int(count))
      for _ in 0..<count {
        guard let type = number(), let length = number() else { return false }
        guard length >= 0 else {
          fields.append((UInt32(bitPattern: type), nil))
          continue
        }
        guard all.count - place >= length else { return false }
        fields.append((UInt32(bitPattern: type), place..<place + Int(length)))
        place += Int(length)
      }
      return place == all.count
    }
    guard isWhole else { return nil }
    self.bytes = bytes
    self.fields = fields
  }
}
