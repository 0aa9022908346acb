/// A FlatGeobuf walked from feature to feature. GDAL takes a file that was cut for one that ends, and believes the count in
/// its header.
///
/// Layout (flatgeobuf.org, version 3): `fgb`, the major version, `fgb`, the patch version; the header's length and the header, a
/// flatbuffer; the spatial index, if there is one; the features, each with its length before it.
enum FlatGeobufFile {
  /// How many features the file has.
  static func count(_ path: String) throws(GeospatialError) -> Int64 {
    guard let file = FileBytes(path) else { throw SourceAddress.unreadable(path) }
    let head = file.read(at: 0, count: 12)
    let name = Array("fgb".utf8)
    guard head.count == 12, Array(head[0..<3]) == name, Array(head[4..<7]) == name else {
      throw GeospatialError(.sourceCorrupt, "The file is called .fgb but is no FlatGeobuf.", byte: 0)
    }
    guard head[3] == 3 else {
      throw GeospatialError(.formatUnsupported, "FlatGeobuf version \(head[3]) is not read; version 3 is.", byte: 3)
    }
    let length = head.little32(8)
    guard length >= 8, length <= largestHeader else { throw corrupt("its header cannot be \(length) bytes long", 8) }
    let header = file.read(at: 12, count: length)
    guard header.count == length else { throw truncated("its header", file.size) }
    guard let (announced, nodeSize) = Header.read(header) else { throw corrupt("its header is damaged", 12) }
    guard let index = indexSize(announced, nodeSize), let start = Int64(exactly: UInt64(12 + length) + index) else {
      throw corrupt("its index would be absurdly large", 12)
    }
    guard start <= file.size else { throw truncated("its index", file.size) }
    let count = try walk(file, from: start)
    guard announced == 0 || announced == UInt64(count) else {
      throw GeospatialError(
        UInt64(count) < announced ? .sourceTruncated : .sourceCorrupt,
        "The file announces \(announced) features; it has \(count).", byte: file.size)
    }
    return count
  }

  private static let largestHeader = 10 << 20

  /// From one length to the next, by chunks: features are small, and asking for each length alone would be slower.
  private static func walk(_ file: borrowing FileBytes, from start: Int64) throws(GeospatialError) -> Int64 {
    var count: Int64 = 0
    var next = start
    var chunk: [UInt8] = []
    var chunkStart = start
    while next < file.size {
      if next + 4 > chunkStart + Int64(chunk.count) {
        chunk = file.read(at: next, count: 1 << 20)
        chunkStart = next
        guard chunk.count >= 4 else { throw truncated("feature \(count + 1)", file.size) }
      }
      next += 4 + Int64(chunk.little32(Int(next - chunkStart)))
      count += 1
    }
    guard next == file.size else { throw truncated("feature \(count)", file.size) }
    return count
  }

  /// Bytes of the packed R-tree: 40 a node, as many levels as it takes to come to one.
  private static func indexSize(_ features: UInt64, _ nodeSize: UInt16) -> UInt64? {
    guard features > 0, nodeSize > 0 else { return 0 }
    guard nodeSize >= 2, features < 1 << 40 else { return nil }
    var level = features
    var nodes = features
    repeat {
      level = (level + UInt64(nodeSize) - 1) / UInt64(nodeSize)
      nodes += level
    } while level > 1
    return nodes * 40
  }

  /// The two fields of the header that say where the features begin.
  private enum Header {
    static func read(_ bytes: [UInt8]) -> (features: UInt64, nodeSize: UInt16)? {
      let table = bytes.little32(0)
      guard table + 4 <= bytes.count else { return nil }
      let vtable = table - Int(Int32(truncatingIfNeeded: bytes.little32(table)))
      guard vtable >= 0, vtable + 4 <= bytes.count else { return nil }
      let size = bytes.little16(vtable)
      guard vtable + size <= bytes.count else { return nil }
      func place(_ field: Int, _ width: Int) -> Int? {
        let entry = 4 + 2 * field
        guard entry + 2 <= size, case let offset = bytes.little16(vtable + entry), offset > 0,
          table + offset + width <= bytes.count
        else { return nil }
        return table + offset
      }
      return (place(8, 8).map { bytes.little64($0) } ?? 0, place(9, 2).map { UInt16(bytes.little16($0)) } ?? 16)
    }
  }

  private static func corrupt(_ why: String, _ byte: Int64) -> GeospatialError {
    GeospatialError(.sourceCorrupt, "The FlatGeobuf cannot be read: \(why).", byte: byte)
  }

  private static func truncated(_ what: String, _ size: Int64) -> GeospatialError {
    GeospatialError(.sourceTruncated, "The file ends in the middle of \(what).", byte: size)
  }
}
