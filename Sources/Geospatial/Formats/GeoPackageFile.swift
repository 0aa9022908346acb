internal import Glibc

/// What a GeoPackage says of itself in its first bytes.
enum GeoPackageFile {
  static func check(_ path: String, head: [UInt8], size: Int64) throws(GeospatialError) {
    guard head.count >= 100, Array(head.prefix(16)) == Array("SQLite format 3\0".utf8) else {
      throw GeospatialError(.sourceCorrupt, "The file is called .gpkg but is no GeoPackage.", byte: 0)
    }
    var pageSize = Int64(head.big16(16))
    if pageSize == 1 { pageSize = 65_536 }
    // The page count is only to be believed where the change counter agrees with the version that wrote it.
    let pages = Int64(head.big32(28))
    if head.big32(24) == head.big32(92), pages * pageSize > size {
      throw GeospatialError(
        .sourceTruncated, "The GeoPackage says it has \(pages * pageSize) bytes; the file has \(size).", byte: size)
    }
    for suffix in ["-wal", "-journal"] {
      var info = stat()
      if stat(path + suffix, &info) == 0, info.st_size > 0 {
        throw GeospatialError(
          .sourceInUse,
          "Another program has not finished writing this GeoPackage (there is a \(suffix) file). Close it there.")
      }
    }
  }
}
