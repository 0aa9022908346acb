/// The parameters of one execution in the form libpq takes: one block of bytes, and each value's place in it.
struct EncodedParameters {
  private(set) var bytes: [UInt8] = []
  /// Offset into `bytes`; -1 is NULL.
  private(set) var offsets: [Int] = []
  private(set) var lengths: [Int32] = []
  /// 0 text, 1 binary.
  private(set) var formats: [Int32] = []

  init(_ values: [PGValue], types: [PGType.OID]) throws(PostgresError) {
    guard values.count == types.count else {
      throw PostgresError(.typeMismatch, "the statement has \(types.count) parameters, \(values.count) were given")
    }
    offsets.reserveCapacity(values.count)
    lengths.reserveCapacity(values.count)
    formats.reserveCapacity(values.count)
    for (index, value) in values.enumerated() { try append(value, as: types[index], place: index + 1) }
  }

  private mutating func append(_ value: PGValue, as type: PGType.OID, place: Int) throws(PostgresError) {
    if case .null = value {
      offsets.append(-1)
      lengths.append(0)
      formats.append(1)
      return
    }
    let start = bytes.count
    if case .text(let text) = value, !PGType.isTextual(type) {
      // The server reads the type's text form, which ends at a NUL.
      guard !text.utf8.contains(0) else {
        throw PostgresError(.typeMismatch, "parameter $\(place) holds a NUL character", sqlState: "22021")
      }
      bytes.append(contentsOf: text.utf8)
      bytes.append(0)
      formats.append(0)
    } else {
      guard value.appendBinary(to: &bytes, as: type) else {
        throw PostgresError(
          .typeMismatch, "parameter $\(place) is \(value.caseName), which does not fit type \(type) of the statement")
      }
      formats.append(1)
    }
    offsets.append(start)
    lengths.append(Int32(bytes.count - start))
  }
}

extension PGValue {
  var caseName: String {
    let text = String(describing: self)
    return String(text.prefix { $0 != "(" })
  }

  /// Appends the binary form of a value that is not NULL. False: it does not fit the type.
  func appendBinary(to bytes: inout [UInt8], as type: PGType.OID) -> Bool {
    switch self {
    case .null: return false
    case .bool(let value): return Self.append(value, to: &bytes, as: type)
    case .int16(let value): return Self.append(Int64(value), to: &bytes, as: type)
    case .int32(let value): return Self.append(Int64(value), to: &bytes, as: type)
    case .int64(let value): return Self.append(value, to: &bytes, as: type)
    case .float8(let value): return Self.append(value, to: &bytes, as: type)
    case .text(let value): return Self.append(value, to: &bytes, as: type)
    case .json(let value): return Self.append(value, to: &bytes, as: type)
    case .bytea(let value): return Self.append(value, to: &bytes, as: type)
    case .uuid(let value): return Self.append(value, to: &bytes, as: type)
    case .timestamp(let value): return Self.append(value, to: &bytes, as: type)
    case .boolArray(let values): return Self.array(values, to: &bytes, as: type, Self.append)
    case .int16Array(let values):
      return Self.array(values, to: &bytes, as: type) { Self.append(Int64($0), to: &$1, as: $2) }
    case .int32Array(let values):
      return Self.array(values, to: &bytes, as: type) { Self.append(Int64($0), to: &$1, as: $2) }
    case .int64Array(let values): return Self.array(values, to: &bytes, as: type, Self.append)
    case .float8Array(let values): return Self.array(values, to: &bytes, as: type, Self.append)
    case .textArray(let values), .jsonArray(let values): return Self.array(values, to: &bytes, as: type, Self.append)
    case .byteaArray(let values): return Self.array(values, to: &bytes, as: type, Self.append)
    case .uuidArray(let values): return Self.array(values, to: &bytes, as: type, Self.append)
    case .timestampArray(let values): return Self.array(values, to: &bytes, as: type, Self.append)
    }
  }

  /// array_send's form: dimensions, whether there are NULLs, element type, then length and lower bound, then the elements.
  private static func array<Element>(
    _ values: [Element?], to bytes: inout [UInt8], as type: PGType.OID,
    _ append: (Element, inout [UInt8], PGType.OID) -> Bool
  ) -> Bool {
    guard let element = PGType.element(ofArray: type) else { return false }
    bytes.append(bigEndian: Int32(values.isEmpty ? 0 : 1))
    bytes.append(bigEndian: Int32(values.contains { $0 == nil } ? 1 : 0))
    bytes.append(bigEndian: element)
    guard !values.isEmpty else { return true }
    bytes.append(bigEndian: Int32(values.count))
    bytes.append(bigEndian: Int32(1))
    for value in values {
      guard let value else {
        bytes.append(bigEndian: Int32(-1))
        continue
      }
      let lengthAt = bytes.count
      bytes.append(bigEndian: Int32(0))
      guard append(value, &bytes, element) else { return false }
      let length = UInt32(bytes.count - lengthAt - 4)
      bytes[lengthAt] = UInt8(truncatingIfNeeded: length >> 24)
      bytes[lengthAt + 1] = UInt8(truncatingIfNeeded: length >> 16)
      bytes[lengthAt + 2] = UInt8(truncatingIfNeeded: length >> 8)
      bytes[lengthAt + 3] = UInt8(truncatingIfNeeded: length)
    }
    return true
  }

  private static func append(_ value: Bool, to bytes: inout [UInt8], as type: PGType.OID) -> Bool {
    switch type {
    case PGType.bool: bytes.append(value ? 1 : 0)
    case PGType.text, PGType.varchar: bytes.append(contentsOf: (value ? "true" : "false").utf8)
    default: return false
    }
    return true
  }

  private static func append(_ value: Int64, to bytes: inout [UInt8], as type: PGType.OID) -> Bool {
    switch type {
    case PGType.int8: bytes.append(bigEndian: value)
    case PGType.int4:
      guard let exact = Int32(exactly: value) else { return false }
      bytes.append(bigEndian: exact)
    case PGType.int2:
      guard let exact = Int16(exactly: value) else { return false }
      bytes.append(bigEndian: exact)
    case PGType.oid:
      guard let exact = UInt32(exactly: value) else { return false }
      bytes.append(bigEndian: exact)
    case PGType.float8: bytes.append(bigEndian: Double(value).bitPattern)
    case PGType.float4: bytes.append(bigEndian: Float(value).bitPattern)
    case PGType.numeric: appendNumeric(value, to: &bytes)
    case PGType.text, PGType.varchar: bytes.append(contentsOf: String(value).utf8)
    default: return false
    }
    return true
  }

  private static func append(_ value: Double, to bytes: inout [UInt8], as type: PGType.OID) -> Bool {
    switch type {
    case PGType.float8: bytes.append(bigEndian: value.bitPattern)
    case PGType.float4: bytes.append(bigEndian: Float(value).bitPattern)
    case PGType.text, PGType.varchar: bytes.append(contentsOf: String(value).utf8)
    default: return false
    }
    return true
  }

  private static func append(_ value: String, to bytes: inout [UInt8], as type: PGType.OID) -> Bool {
    if type == PGType.jsonb {
      bytes.append(1)  // jsonb_send's version
    } else if !PGType.isTextual(type) {
      return false
    }
    bytes.append(contentsOf: value.utf8)
    return true
  }

  private static func append(_ value: [UInt8], to bytes: inout [UInt8], as type: PGType.OID) -> Bool {
    // A type of an extension takes its own binary form, such as PostGIS's EWKB.
    guard type == PGType.bytea || type >= PGType.firstUserDefined else { return false }
    bytes.append(contentsOf: value)
    return true
  }

  private static func append(_ value: PGUUID, to bytes: inout [UInt8], as type: PGType.OID) -> Bool {
    switch type {
    case PGType.uuid:
      bytes.append(bigEndian: value.high)
      bytes.append(bigEndian: value.low)
    case PGType.text, PGType.varchar: bytes.append(contentsOf: value.description.utf8)
    default: return false
    }
    return true
  }

  private static func append(_ value: PGTimestamp, to bytes: inout [UInt8], as type: PGType.OID) -> Bool {
    guard type == PGType.timestamptz || type == PGType.timestamp else { return false }
    let (moment, overflow) = value.microsecondsSince1970.subtractingReportingOverflow(PGTimestamp.epochOffset)
    guard !overflow else { return false }
    bytes.append(bigEndian: moment)
    return true
  }

  /// numeric_send's form: base-10,000 digits, most significant first.
  private static func appendNumeric(_ value: Int64, to bytes: inout [UInt8]) {
    var digits: [Int16] = []
    var rest = value.magnitude
    while rest > 0 {
      digits.append(Int16(rest % 10_000))
      rest /= 10_000
    }
    bytes.append(bigEndian: Int16(digits.count))
    bytes.append(bigEndian: Int16(max(0, digits.count - 1)))
    bytes.append(bigEndian: UInt16(value < 0 ? 0x4000 : 0))
    bytes.append(bigEndian: Int16(0))
    for digit in digits.reversed() { bytes.append(bigEndian: digit) }
  }
}

extension [UInt8] {
  mutating func append(bigEndian value: some FixedWidthInteger) {
    Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
  }
}
