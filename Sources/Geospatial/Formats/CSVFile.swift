/// CSV by our own count. GDAL cuts text at zero bytes, takes the rest of the file for one value where a quote is never closed,
/// and leaves out values beyond the header's columns, all without a word.
struct CSVFile {
  /// A row with more or fewer values than there are columns; empty values at its end count as none.
  struct RaggedRow: Equatable {
    /// From 1, without the header.
    var row: Int64
    var values: Int
  }

  /// Rows without the header and without empty lines.
  private(set) var rows: Int64 = 0
  private(set) var raggedRows: Int64 = 0
  /// The first few of them.
  private(set) var examples: [RaggedRow] = []

  private let columns: Int
  private let keep: Int
  private var delimiter: UInt8?
  private var isHeader = true
  private var isQuoted = false
  /// Where the open quote began.
  private var quoteAt: Int64 = 0
  private var isEmpty = true
  private var values = 1
  /// Values up to the last that is not empty.
  private var filled = 0
  private var counts: [UInt8: Int] = [:]

  private static let delimiters: [UInt8] = Array(",;\t|".utf8)

  /// Reads the whole file.
  ///
  /// - Parameters:
  ///   - columns: how many columns its reader sees, which tells the delimiter.
  ///   - keep: most examples to keep.
  init(_ path: String, columns: Int, keep: Int, tick: (Int64) throws -> Void) throws {
    self.columns = columns
    self.keep = keep
    guard let file = FileBytes(path) else { throw SourceAddress.unreadable(path) }
    var offset: Int64 = 0
    while offset < file.size {
      let chunk = file.read(at: offset, count: 1 << 20)
      guard !chunk.isEmpty else { throw GeospatialError(.readError, "The file cannot be read.", byte: offset) }
      try take(chunk, at: offset)
      offset += Int64(chunk.count)
      try tick(rows)
    }
    guard !isQuoted else {
      throw GeospatialError(
        .sourceCorrupt, "The quote that opens in row \(rows + 1) is never closed.", feature: rows + 1, byte: quoteAt)
    }
    endRow()
  }

  private mutating func take(_ chunk: [UInt8], at offset: Int64) throws(GeospatialError) {
    for (index, byte) in chunk.enumerated() {
      switch byte {
      case 0:
        throw GeospatialError(
          .sourceCorrupt, "The table has a zero byte in row \(rows + 1): it is not UTF-8 text, or damaged.",
          feature: rows + 1, byte: offset + Int64(index))
      case UInt8(ascii: "\""):
        if !isQuoted { quoteAt = offset + Int64(index) }
        isQuoted.toggle()
        isEmpty = false
      case 0x0A, 0x0D:
        if !isQuoted { endRow() }
      default:
        isEmpty = false
        if !isQuoted, byte == delimiter {
          values += 1
        } else if byte != 0x20 {
          filled = values
        }
        if isHeader, !isQuoted, Self.delimiters.contains(byte) { counts[byte, default: 0] += 1 }
      }
    }
  }

  private mutating func endRow() {
    defer { (isEmpty, values, filled) = (true, 1, 0) }
    guard !isEmpty else { return }
    if isHeader {
      isHeader = false
      delimiter = Self.delimiters.first { counts[$0, default: 0] == columns - 1 && columns > 1 }
      return
    }
    rows += 1
    guard delimiter != nil, filled > columns || values < columns else { return }
    raggedRows += 1
    if examples.count < keep { examples.append(RaggedRow(row: rows, values: values)) }
  }
}
