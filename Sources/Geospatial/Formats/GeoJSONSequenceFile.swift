/// Newline-delimited GeoJSON, or RFC 8142 with its record separators. GDAL leaves out records it cannot parse and goes on,
/// so they are counted here.
enum GeoJSONSequenceFile {
  private static let separator: UInt8 = 0x1E
  private static let newline: UInt8 = 0x0A

  /// How many records the file has. Each must begin and end as a JSON object does.
  static func count(_ path: String) throws(GeospatialError) -> Int64 {
    guard let file = FileBytes(path) else { throw SourceAddress.unreadable(path) }
    let head = file.read(at: 0, count: 4_096)
    guard !head.starts(with: [0xEF, 0xBB, 0xBF]) else {
      throw GeospatialError(
        .sourceCorrupt, "The file begins with a byte order mark, which is no JSON. Save it as UTF-8 without one.",
        byte: 0)
    }
    let first = head.first { !$0.isJSONSpace }
    var scan = Scan(delimiter: first == separator ? separator : newline)
    var offset: Int64 = 0
    while offset < file.size {
      let chunk = file.read(at: offset, count: 1 << 20)
      guard !chunk.isEmpty else { throw GeospatialError(.readError, "The file cannot be read.", byte: offset) }
      try scan.take(chunk, at: offset)
      offset += Int64(chunk.count)
    }
    try scan.finish(file.size)
    return scan.records
  }

  /// One pass over the bytes: of each record the first and the last that is no space.
  private struct Scan {
    let delimiter: UInt8
    var records: Int64 = 0
    private var begin: (byte: UInt8, at: Int64)?
    private var last: UInt8 = 0

    init(delimiter: UInt8) { self.delimiter = delimiter }

    mutating func take(_ chunk: [UInt8], at offset: Int64) throws(GeospatialError) {
      for (index, byte) in chunk.enumerated() {
        if byte == delimiter {
          try end(isLast: false)
        } else if !byte.isJSONSpace {
          if begin == nil { begin = (byte, offset + Int64(index)) }
          last = byte
        }
      }
    }

    mutating func finish(_ size: Int64) throws(GeospatialError) { try end(isLast: true, size: size) }

    private mutating func end(isLast: Bool, size: Int64 = 0) throws(GeospatialError) {
      guard let (byte, at) = begin else { return }
      records += 1
      guard byte == UInt8(ascii: "{") else {
        throw GeospatialError(.sourceCorrupt, "Record \(records) is no JSON object.", feature: records, byte: at)
      }
      guard last == UInt8(ascii: "}") else {
        throw isLast
          ? GeospatialError(
            .sourceTruncated, "The file ends in the middle of record \(records).", feature: records, byte: size)
          : GeospatialError(
            .sourceCorrupt, "Record \(records) ends before its object does.", feature: records, byte: at)
      }
      begin = nil
    }
  }
}
