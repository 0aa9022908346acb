import CPostgreSQL

/// What one statement answered: its rows (a random-access collection) or the number of rows it touched.
public struct PGResult: Sendable {
  let storage: Storage

  /// Owns libpq's result, or the bytes of a composite value.
  ///
  /// Sendable: libpq documents a PGresult as read-only after its creation and free to pass between threads; nothing here
  /// changes it, and it is cleared once, when the last reference is gone.
  final class Storage: @unchecked Sendable {
    enum Content {
      case libpq(OpaquePointer)
      case composite(PGComposite)
    }
    let content: Content
    let rowCount: Int32
    let columns: PGColumns

    init(_ raw: OpaquePointer) {
      content = .libpq(raw)
      rowCount = PQntuples(raw)
      columns = PGColumns(
        (0..<PQnfields(raw)).map { column in PQfname(raw, column).map { String(cString: $0) } ?? "" })
    }

    init(_ value: PGComposite, _ columns: PGColumns) {
      content = .composite(value)
      rowCount = 1
      self.columns = columns
    }

    deinit { if case .libpq(let raw) = content { PQclear(raw) } }

    func isNull(row: Int32, _ column: Int32) -> Bool {
      switch content {
      case .libpq(let raw): PQgetisnull(raw, row, column) == 1
      case .composite(let value): value.fields[Int(column)].range == nil
      }
    }

    func type(of column: Int32) -> UInt32 {
      switch content {
      case .libpq(let raw): UInt32(PQftype(raw, column))
      case .composite(let value): value.fields[Int(column)].type
      }
    }

    /// The bytes of a value that is not NULL.
    func withBytes<T>(row: Int32, _ column: Int32, _ body: (UnsafeRawBufferPointer) -> T) -> T {
      switch content {
      case .libpq(let raw):
        return body(
          UnsafeRawBufferPointer(start: PQgetvalue(raw, row, column), count: Int(PQgetlength(raw, row, column))))
      case .composite(let value):
        return value.bytes.withUnsafeBytes { all in
          body(UnsafeRawBufferPointer(rebasing: all[value.fields[Int(column)].range ?? 0..<0]))
        }
      }
    }
  }

  init(_ raw: OpaquePointer) { storage = Storage(raw) }

  /// The names of the columns, in order.
  public var columns: [String] { storage.columns.names }

  /// Rows inserted, updated, deleted, selected or copied; 0 for other commands.
  public var affectedRows: Int {
    guard case .libpq(let raw) = storage.content, let text = PQcmdTuples(raw) else { return 0 }
    return Int(String(cString: text)) ?? 0
  }

  /// The command's tag, such as `INSERT 0 5`.
  public var commandTag: String {
    guard case .libpq(let raw) = storage.content else { return "" }
    return PQcmdStatus(raw).map { String(cString: $0) } ?? ""
  }

  /// The rows; the result is itself that collection.
  public var rows: PGResult { self }

  /// The one row there is. Anything else is a ``PostgresError/Kind/typeMismatch``.
  public func oneRow() throws(PostgresError) -> Row {
    guard count == 1 else { throw PostgresError(.typeMismatch, "one row was expected, \(count) came") }
    return self[0]
  }
}

extension PGResult: RandomAccessCollection {
  public var startIndex: Int { 0 }
  public var endIndex: Int { Int(storage.rowCount) }

  public subscript(position: Int) -> Row {
    precondition(position >= 0 && position < endIndex, "row \(position) of \(endIndex)")
    return Row(storage: storage, index: Int32(position))
  }
}

extension PGResult {
  /// One row. Reading a column throws ``PostgresError/Kind/typeMismatch`` when there is no such column, when it is NULL (the
  /// `optional…` forms allow that), or when its type is another.
  public struct Row: Sendable {
    let storage: Storage
    let index: Int32

    /// The value of a column as `T`.
    public func value<T: PGDecodable>(_ column: String, as type: T.Type = T.self) throws(PostgresError) -> T {
      let place = try place(of: column)
      guard let value = try read(place, as: type) else {
        throw PostgresError(.typeMismatch, "column \(column) is NULL")
      }
      return value
    }

    /// The value of a column as `T`, or nil for NULL.
    public func optional<T: PGDecodable>(_ column: String, as type: T.Type = T.self) throws(PostgresError) -> T? {
      try read(try place(of: column), as: type)
    }

    /// The value of the column at a position from 0.
    public func value<T: PGDecodable>(at column: Int, as type: T.Type = T.self) throws(PostgresError) -> T {
      guard let value = try optional(at: column, as: type) else {
        throw PostgresError(.typeMismatch, "column \(column) is NULL")
      }
      return value
    }

    /// The value of the column at a position from 0, or nil for NULL.
    public func optional<T: PGDecodable>(at column: Int, as type: T.Type = T.self) throws(PostgresError) -> T? {
      guard column >= 0, column < storage.columns.names.count else {
        throw PostgresError(.typeMismatch, "there is no column \(column)")
      }
      return try read(Int32(column), as: type)
    }

    public func isNull(_ column: String) throws(PostgresError) -> Bool {
      storage.isNull(row: index, try place(of: column))
    }

    private func place(of column: String) throws(PostgresError) -> Int32 {
      guard let place = storage.columns.places[column] else {
        throw PostgresError(.typeMismatch, "there is no column \(column)")
      }
      return place
    }

    private func read<T: PGDecodable>(_ column: Int32, as type: T.Type) throws(PostgresError) -> T? {
      if storage.isNull(row: index, column) { return nil }
      let oid = storage.type(of: column)
      guard let value = storage.withBytes(row: index, column, { T(postgres: $0, type: oid) }) else {
        throw PostgresError(
          .typeMismatch, "column \(storage.columns.names[Int(column)]) of type \(oid) does not read as \(T.self)")
      }
      return value
    }
  }
}

extension PGResult.Row {
  public func bool(_ column: String) throws(PostgresError) -> Bool { try value(column) }
  public func int16(_ column: String) throws(PostgresError) -> Int16 { try value(column) }
  public func int32(_ column: String) throws(PostgresError) -> Int32 { try value(column) }
  public func int64(_ column: String) throws(PostgresError) -> Int64 { try value(column) }
  public func int(_ column: String) throws(PostgresError) -> Int { try value(column) }
  public func double(_ column: String) throws(PostgresError) -> Double { try value(column) }
  public func text(_ column: String) throws(PostgresError) -> String { try value(column) }
  /// `json` or `jsonb`, as text.
  public func json(_ column: String) throws(PostgresError) -> String { try value(column) }
  public func bytes(_ column: String) throws(PostgresError) -> [UInt8] { try value(column) }
  public func uuid(_ column: String) throws(PostgresError) -> PGUUID { try value(column) }
  public func timestamp(_ column: String) throws(PostgresError) -> PGTimestamp { try value(column) }

  public func optionalBool(_ column: String) throws(PostgresError) -> Bool? { try optional(column) }
  public func optionalInt32(_ column: String) throws(PostgresError) -> Int32? { try optional(column) }
  public func optionalInt64(_ column: String) throws(PostgresError) -> Int64? { try optional(column) }
  public func optionalInt(_ column: String) throws(PostgresError) -> Int? { try optional(column) }
  public func optionalDouble(_ column: String) throws(PostgresError) -> Double? { try optional(column) }
  public func optionalText(_ column: String) throws(PostgresError) -> String? { try optional(column) }
  public func optionalJSON(_ column: String) throws(PostgresError) -> String? { try optional(column) }
  public func optionalBytes(_ column: String) throws(PostgresError) -> [UInt8]? { try optional(column) }
  public func optionalUUID(_ column: String) throws(PostgresError) -> PGUUID? { try optional(column) }
  public func optionalTimestamp(_ column: String) throws(PostgresError) -> PGTimestamp? { try optional(column) }

  /// An array without NULL elements.
  public func array<T: PGDecodable>(_ column: String, of type: T.Type = T.self) throws(PostgresError) -> [T] {
    let elements = try nullableArray(column, of: type)
    var result: [T] = []
    result.reserveCapacity(elements.count)
    for element in elements {
      guard let element else { throw PostgresError(.typeMismatch, "array \(column) holds a NULL") }
      result.append(element)
    }
    return result
  }
  /// An array whose elements may be NULL.
  public func nullableArray<T: PGDecodable>(_ column: String, of type: T.Type = T.self) throws(PostgresError) -> [T?] {
    try value(column, as: PGArray<T>.self).elements
  }
  /// An array without NULL elements, or nil for NULL.
  public func optionalArray<T: PGDecodable>(_ column: String, of type: T.Type = T.self) throws(PostgresError) -> [T]? {
    try isNull(column) ? nil : try array(column, of: type)
  }
  public func int64Array(_ column: String) throws(PostgresError) -> [Int64] { try array(column) }
  public func int32Array(_ column: String) throws(PostgresError) -> [Int32] { try array(column) }
  public func boolArray(_ column: String) throws(PostgresError) -> [Bool] { try array(column) }
  public func doubleArray(_ column: String) throws(PostgresError) -> [Double] { try array(column) }
  public func textArray(_ column: String) throws(PostgresError) -> [String] { try array(column) }
  public func bytesArray(_ column: String) throws(PostgresError) -> [[UInt8]] { try array(column) }
}
