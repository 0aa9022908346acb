internal import CGDAL
internal import Glibc

/// Appends the attributes of a feature to a COPY BINARY row. Text goes from GDAL's C string into the row: no Swift String
/// is made of a value.
struct FieldEncoder {
  let layer: String
  let columns: [Column]
  /// Encoding that text is recoded from; nil: it is UTF-8 already, which is checked.
  let encoding: String?
  /// Dates and times that do not exist, stored as null.
  private(set) var invalidDates: Int64 = 0
  private(set) var lastInvalidDate: String?

  init(layer: String, columns: [Column], encoding: String?) {
    self.layer = layer
    self.columns = columns
    self.encoding = encoding
  }

  /// Appends all columns of `feature`.
  mutating func append(_ feature: OGRFeatureH, id: Int64, to row: RowBuffer) throws(GeospatialError) {
    lastInvalidDate = nil
    for column in columns {
      let index = column.index
      if OGR_F_IsFieldSetAndNotNull(feature, index) == 0 {
        row.append(Int32(-1))
        continue
      }
      if column.fromText {
        try appendRecognised(feature, column, id, row)
        continue
      }
      switch column.kind {
      case .bool:
        row.append(Int32(1))
        row.append(UInt8(OGR_F_GetFieldAsInteger(feature, index) != 0 ? 1 : 0))
      case .int2:
        row.append(Int32(2))
        row.append(Int16(truncatingIfNeeded: OGR_F_GetFieldAsInteger(feature, index)))
      case .int4:
        row.append(Int32(4))
        row.append(OGR_F_GetFieldAsInteger(feature, index))
      case .int8:
        row.append(Int32(8))
        row.append(OGR_F_GetFieldAsInteger64(feature, index))
      case .float4:
        row.append(Int32(4))
        row.append(Float(OGR_F_GetFieldAsDouble(feature, index)).bitPattern)
      case .float8:
        row.append(Int32(8))
        row.append(OGR_F_GetFieldAsDouble(feature, index).bitPattern)
      case .text:
        try appendText(OGR_F_GetFieldAsString(feature, index), column, id, row)
      case .date, .time, .timestamptz:
        appendMoment(feature, column, row)
      case .bytea:
        var size: Int32 = 0
        let bytes = OGR_F_GetFieldAsBinary(feature, index, &size)
        row.append(size)
        row.append(UnsafeRawBufferPointer(start: bytes, count: Int(size)))
      case .int4Array, .int8Array, .float8Array, .textArray:
        try appendArray(feature, column, id, row)
      }
    }
  }

  // MARK: Text

  private func appendText(
    _ text: UnsafePointer<CChar>?, _ column: Column, _ id: Int64, _ row: RowBuffer
  ) throws(GeospatialError) {
    guard let text else {
      row.append(Int32(-1))
      return
    }
    if let encoding {
      let recoded = CPLRecode(text, encoding, "UTF-8")
      defer { VSIFree(recoded) }
      try appendUTF8(recoded, column, id, row)
    } else {
      try appendUTF8(text, column, id, row)
    }
  }

  @inline(__always)
  private func appendUTF8(
    _ text: UnsafePointer<CChar>, _ column: Column, _ id: Int64, _ row: RowBuffer
  ) throws(GeospatialError) {
    let length = strlen(text)
    guard length < 1 << 30 else { throw Self.encodingError(layer, column, id, "it is over 1 GiB long") }
    let bytes = UnsafeRawBufferPointer(start: text, count: length)
    guard UTF8Check.isValid(bytes) else { throw Self.encodingError(layer, column, id, "it is not UTF-8") }
    row.append(Int32(truncatingIfNeeded: length))
    row.append(bytes)
  }

  private static func encodingError(_ layer: String, _ column: Column, _ id: Int64, _ why: String) -> GeospatialError {
    GeospatialError(
      .encodingError, "The text of \(column.sourceName) in feature \(id) cannot be stored: \(why). Name the encoding.",
      layer: layer, feature: id, field: column.sourceName)
  }

  // MARK: Dates and times

  private mutating func appendMoment(_ feature: OGRFeatureH, _ column: Column, _ row: RowBuffer) {
    var year: Int32 = 0
    var month: Int32 = 0
    var day: Int32 = 0
    var hour: Int32 = 0
    var minute: Int32 = 0
    var second: Float = 0
    var zone: Int32 = 0
    guard
      OGR_F_GetFieldAsDateTimeEx(feature, column.index, &year, &month, &day, &hour, &minute, &second, &zone) != 0,
      let moment = Moment(
        year: year, month: month, day: day, hour: hour, minute: minute, second: second, zone: zone,
        timeOnly: column.kind == .time)
    else {
      invalidDates += 1
      lastInvalidDate = column.sourceName
      row.append(Int32(-1))
      return
    }
    switch column.kind {
    case .date:
      row.append(Int32(4))
      row.append(moment.days)
    case .time:
      row.append(Int32(8))
      row.append(moment.microsecondsOfDay)
    default:
      row.append(Int32(8))
      row.append(moment.microseconds)
    }
  }

  // MARK: Arrays

  private func appendArray(
    _ feature: OGRFeatureH, _ column: Column, _ id: Int64, _ row: RowBuffer
  ) throws(GeospatialError) {
    let lengthAt = row.count
    row.append(Int32(0))
    var count: Int32 = 0
    func header() {
      row.append(Int32(count > 0 ? 1 : 0))  // Dimensions: an empty array has none.
      row.append(Int32(0))  // No nulls.
      row.append(column.kind.elementOID)
      if count > 0 {
        row.append(count)
        row.append(Int32(1))  // Lower bound.
      }
    }
    switch column.kind {
    case .int4Array:
      let values = OGR_F_GetFieldAsIntegerList(feature, column.index, &count)
      header()
      for i in 0..<Int(count) {
        row.append(Int32(4))
        row.append(values![i])
      }
    case .int8Array:
      let values = OGR_F_GetFieldAsInteger64List(feature, column.index, &count)
      header()
      for i in 0..<Int(count) {
        row.append(Int32(8))
        row.append(values![i])
      }
    case .float8Array:
      let values = OGR_F_GetFieldAsDoubleList(feature, column.index, &count)
      header()
      for i in 0..<Int(count) {
        row.append(Int32(8))
        row.append(values![i].bitPattern)
      }
    default:
      let values = OGR_F_GetFieldAsStringList(feature, column.index)
      count = CSLCount(values)
      header()
      for i in 0..<Int(count) { try appendText(values![i], column, id, row) }
    }
    row.patch(Int32(row.count - lengthAt - 4), at: lengthAt)
  }

  // MARK: Recognised text (CSV)

  private func appendRecognised(
    _ feature: OGRFeatureH, _ column: Column, _ id: Int64, _ row: RowBuffer
  ) throws(GeospatialError) {
    guard let text = OGR_F_GetFieldAsString(feature, column.index), text[0] != 0 else {
      row.append(Int32(-1))
      return
    }
    switch column.kind {
    case .int8:
      row.append(Int32(8))
      row.append(Int64(strtoll(text, nil, 10)))
    case .float8:
      row.append(Int32(8))
      row.append(CPLAtof(text).bitPattern)
    default:
      try appendText(text, column, id, row)
    }
  }
}

/// A date and time as PostgreSQL counts it.
struct Moment: Equatable {
  /// Days since 2000-01-01.
  var days: Int32
  var microsecondsOfDay: Int64
  /// Microseconds since 2000-01-01 00:00 UTC.
  var microseconds: Int64

  /// - Parameter zone: OGR's flag: 0 unknown, 1 local (both taken as UTC), 100 UTC, each step from there 15 minutes.
  /// - Returns: nil for a moment that does not exist or that PostgreSQL cannot hold.
  init?(
    year: Int32, month: Int32, day: Int32, hour: Int32, minute: Int32, second: Float, zone: Int32,
    timeOnly: Bool = false
  ) {
    guard (0...23).contains(hour) || (hour == 24 && minute == 0 && second == 0), (0...59).contains(minute),
      second >= 0, second < 61
    else { return nil }
    // OGR keeps seconds as Float, good for milliseconds only: what lies beyond is noise.
    let milliseconds = Int64((Double(second) * 1_000).rounded())
    microsecondsOfDay = (Int64(hour) * 3_600 + Int64(minute) * 60) * 1_000_000 + milliseconds * 1_000
    if timeOnly {
      days = 0
      microseconds = microsecondsOfDay
      return
    }
    guard (-4_712...294_275).contains(year), (1...12).contains(month), day >= 1,
      day <= Self.daysIn(month: month, year: year)
    else { return nil }
    days = Self.days(year: Int64(year), month: Int64(month), day: Int64(day))
    let offset = zone > 1 ? Int64(zone - 100) * 15 * 60 * 1_000_000 : 0
    microseconds = Int64(days) * 86_400_000_000 + microsecondsOfDay - offset
  }

  private static func daysIn(month: Int32, year: Int32) -> Int32 {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  /// Julian day arithmetic as PostgreSQL's date2j does it.
  private static func days(year: Int64, month: Int64, day: Int64) -> Int32 {
    let a = (14 - month) / 12
    let y = year + 4_800 - a
    let m = month + 12 * a - 3
    let julian = day + (153 * m + 2) / 5 + 365 * y + y / 4 - y / 100 + y / 400 - 32_045
    return Int32(truncatingIfNeeded: julian - 2_451_545)
  }
}

/// UTF-8 as PostgreSQL accepts it.
enum UTF8Check {
  /// ASCII is skipped eight bytes at a time.
  static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var at = 0
    let end = bytes.count
    while at + 8 <= end && bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self) & 0x8080_8080_8080_8080 == 0 {
      at += 8
    }
    while at < end {
      let first = bytes[at]
      if first < 0x80 {
        at += 1
        continue
      }
      let extra: Int
      let low: UInt8
      let high: UInt8
      switch first {
      case 0xC2...0xDF: (extra, low, high) = (1, 0x80, 0xBF)
      case 0xE0: (extra, low, high) = (2, 0xA0, 0xBF)
      case 0xED: (extra, low, high) = (2, 0x80, 0x9F)
      case 0xE1...0xEF: (extra, low, high) = (2, 0x80, 0xBF)
      case 0xF0: (extra, low, high) = (3, 0x90, 0xBF)
      case 0xF1...0xF3: (extra, low, high) = (3, 0x80, 0xBF)
      case 0xF4: (extra, low, high) = (3, 0x80, 0x8F)
      default: return false
      }
      guard at + extra < end, bytes[at + 1] >= low, bytes[at + 1] <= high else { return false }
      for i in 1..<extra where bytes[at + 1 + i] & 0xC0 != 0x80 { return false }
      at += extra + 1
    }
    return true
  }
}
