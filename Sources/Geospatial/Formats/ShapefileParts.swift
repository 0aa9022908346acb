internal import CGDAL
internal import Glibc

/// The files of a shapefile, and what their headers say.
enum ShapefileParts {
  static func find(_ address: SourceAddress) throws(GeospatialError) -> SourceFiles {
    let path = address.path
    let stem = String(path.dropLast(4))
    var siblings: [String] = []
    for (suffix, needed) in [("shx", true), ("dbf", true), ("prj", false), ("cpg", false)] {
      // Case-sensitive file systems know A.SHP with A.DBF as well as a.shp with a.dbf.
      let found = [suffix, suffix.uppercased()].map { stem + "." + $0 }.first { access($0, F_OK) == 0 }
      if let found {
        try address.requireInside(found)
        siblings.append(found)
      } else if needed {
        throw GeospatialError(
          .sourceIncomplete, "The shapefile has no .\(suffix) beside its .shp.", details: ["missing": suffix])
      }
    }
    return try SourceFiles(main: path, siblings: siblings)
  }

  /// How a part begins, and how long it is.
  private struct Head {
    var name: String
    var size: Int64
    /// 100, fewer of a file that is shorter.
    var bytes: [UInt8]
  }

  /// Looks at the three parts that are needed, in plain files.
  static func check(_ files: SourceFiles) throws(GeospatialError) {
    try check(
      files.parts.prefix(3).map {
        Head(name: $0.name, size: $0.size, bytes: FileBytes($0.path)?.read(at: 0, count: 100) ?? [])
      })
  }

  /// Looks at the three parts that are needed, in an archive.
  /// - Parameter shape: GDAL's name of the .shp.
  static func check(inArchive shape: String) throws(GeospatialError) {
    var heads: [Head] = []
    for suffixes in [["shp", "SHP"], ["shx", "SHX"], ["dbf", "DBF"]] {
      let stem = String(shape.dropLast(3))
      guard let head = suffixes.lazy.compactMap({ archived(stem + $0) }).first else {
        throw GeospatialError(.sourceCorrupt, "The archive's .\(suffixes[0]) cannot be read.")
      }
      heads.append(head)
    }
    try check(heads)
  }

  private static func archived(_ name: String) -> Head? {
    ErrorCapture.during { _ in
      guard let file = VSIFOpenL(name, "rb") else { return nil }
      defer { VSIFCloseL(file) }
      var bytes = [UInt8](repeating: 0, count: 100)
      let count = VSIFReadL(&bytes, 1, 100, file)
      // The archive's directory knows the size: nothing is unpacked for it.
      guard VSIFSeekL(file, 0, SEEK_END) == 0 else { return nil }
      let size = Int64(VSIFTellL(file))
      let last = name.split(separator: "/").last.map(String.init) ?? name
      return Head(name: last, size: size, bytes: Array(bytes.prefix(count)))
    }
  }

  /// A .shp whose .shx and .dbf are whole but which is itself cut reads as features without geometry: caught here.
  private static func check(_ heads: [Head]) throws(GeospatialError) {
    for part in heads.prefix(2) {
      guard part.bytes.count == 100, part.bytes.big32(0) == 9_994 else {
        throw GeospatialError(.sourceCorrupt, "\(part.name) is no part of a shapefile.", byte: 0)
      }
      let announced = Int64(part.bytes.big32(24)) * 2
      guard announced <= part.size else {
        throw GeospatialError(
          .sourceTruncated, "\(part.name) says it has \(announced) bytes; the file has \(part.size).", byte: part.size)
      }
    }
    try compareCounts(heads[1], heads[2])
  }

  /// Shapes and rows of attributes belong together by their number; GDAL reads as many as the shorter of both has.
  private static func compareCounts(_ index: Head, _ table: Head) throws(GeospatialError) {
    guard table.bytes.count >= 32 else {
      throw GeospatialError(.sourceTruncated, "\(table.name) ends in its header.", byte: table.size)
    }
    let (shapes, rows) = ((index.bytes.big32(24) * 2 - 100) / 8, table.bytes.little32(4))
    guard shapes == rows else {
      throw GeospatialError(
        .sourceCorrupt, "\(index.name) counts \(shapes) shapes, \(table.name) \(rows) rows of attributes.",
        details: ["shapes": "\(shapes)", "rows": "\(rows)"])
    }
  }
}
