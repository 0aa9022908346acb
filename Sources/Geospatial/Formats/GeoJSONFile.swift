/// Whether a GeoJSON file begins and ends as one.
enum GeoJSONFile {
  static func check(_ path: String, head: [UInt8]) throws(GeospatialError) {
    let start = head.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    guard let first = head.dropFirst(start).first(where: { !$0.isJSONSpace }) else { return }
    guard first == UInt8(ascii: "{") else {
      throw GeospatialError(.sourceCorrupt, "The file is no GeoJSON: it does not begin with {.", byte: 0)
    }
    guard let file = FileBytes(path) else { return }
    let tail = file.read(at: max(0, file.size - 4_096), count: 4_096)
    guard let last = tail.last(where: { !$0.isJSONSpace && $0 != 0 }), last == UInt8(ascii: "}") else {
      throw GeospatialError(.sourceTruncated, "The GeoJSON file ends in the middle.", byte: file.size)
    }
  }
}

extension GeoJSONFile {
  /// JSON text may hold the character zero; GDAL's and PostgreSQL's may not.
  static func remarks(_ path: String) -> [String] {
    let count = FileBytes(path)?.occurrences(of: "\\u0000") ?? 0
    return count == 0 ? [] : ["texts are cut at the character zero (\\u0000), of which the file has \(count)"]
  }
}

extension UInt8 {
  /// Blank, tab, line feed, carriage return (and the two nobody writes).
  var isJSONSpace: Bool { self == 0x20 || (0x09...0x0D).contains(self) }
}
