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

  /// A .shp whose .shx and .dbf are whole but which is itself cut reads as features without geometry: caught here.
  static func check(_ files: SourceFiles) throws(GeospatialError) {
    for part in files.parts.prefix(2) {
      let head = FileBytes(part.path)?.read(at: 0, count: 100) ?? []
      guard head.count == 100, head.big32(0) == 9_994 else {
        throw GeospatialError(.sourceCorrupt, "\(part.name) is no part of a shapefile.", byte: 0)
      }
      let announced = Int64(head.big32(24)) * 2
      guard announced <= part.size else {
        throw GeospatialError(
          .sourceTruncated, "\(part.name) says it has \(announced) bytes; the file has \(part.size).", byte: part.size)
      }
    }
    try compareCounts(files.parts[1], files.parts[2])
  }

  /// Shapes and rows of attributes belong together by their number; GDAL reads as many as the shorter of both has.
  private static func compareCounts(_ index: SourceFiles.Part, _ table: SourceFiles.Part) throws(GeospatialError) {
    let lengths = FileBytes(index.path)?.read(at: 0, count: 100) ?? []
    let header = FileBytes(table.path)?.read(at: 0, count: 32) ?? []
    guard lengths.count == 100, header.count == 32 else {
      throw GeospatialError(.sourceTruncated, "\(table.name) ends in its header.", byte: table.size)
    }
    let (shapes, rows) = ((lengths.big32(24) * 2 - 100) / 8, header.little32(4))
    guard shapes == rows else {
      throw GeospatialError(
        .sourceCorrupt, "\(index.name) counts \(shapes) shapes, \(table.name) \(rows) rows of attributes.",
        details: ["shapes": "\(shapes)", "rows": "\(rows)"])
    }
  }
}
