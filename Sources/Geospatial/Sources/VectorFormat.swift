internal import Glibc

/// The vector formats that are read. One format, one GDAL driver: no other driver ever sees the file.
public enum VectorFormat: String, Sendable, CaseIterable {
  case geoPackage = "GPKG"
  case geoJSON = "GeoJSON"
  case shapefile = "ESRI Shapefile"
  case csv = "CSV"

  /// GDAL's short name of the driver.
  public var driver: String { rawValue }
}

/// A vector source whose files were found, recognised by name and content, and checked as far as that needs no reader.
public struct VectorSource: Sendable {
  public let format: VectorFormat
  public let files: SourceFiles
  /// What GDAL is given to open.
  let gdalName: String

  /// Recognises the source at `address`.
  public init(_ address: SourceAddress) throws(GeospatialError) {
    let path = address.path
    let name = path.lowercased()
    if name.hasSuffix(".vrt") { throw Self.refused("a VRT file") }
    let main = try SourceFiles(main: path, siblings: [])
    guard main.size > 0 else { throw GeospatialError(.sourceEmpty, "The file is empty.") }
    let head = FileBytes(path)?.read(at: 0, count: 4_096) ?? []
    try Self.refusePointers(head)
    switch name.split(separator: "/").last?.split(separator: ".").last {
    case "gpkg":
      format = .geoPackage
      files = main
      gdalName = path
      try Self.checkGeoPackage(path, head: head, size: main.size)
    case "geojson", "json":
      format = .geoJSON
      files = main
      gdalName = path
      try Self.checkGeoJSON(path, head: head)
    case "shp":
      format = .shapefile
      files = try Self.shapefileParts(address)
      gdalName = path
      try Self.checkShapefile(files)
    case "csv":
      format = .csv
      files = try SourceFiles(main: path, siblings: [])
      gdalName = path
    case "zip":
      format = .shapefile
      files = main
      gdalName = "/vsizip/{\(path)}/\(try Self.shapefileEntry(ZipDirectory(path: path)))"
      guard !path.contains("{"), !path.contains("}") else {
        throw GeospatialError(.sourceInvalid, "The path of an archive may not hold { or }.")
      }
    default:
      throw GeospatialError(
        .formatUnsupported,
        "This file is none of: GeoPackage (.gpkg), GeoJSON (.geojson, .json), Shapefile (.shp, .zip), CSV.")
    }
  }

  private static func refused(_ what: String) -> GeospatialError {
    GeospatialError(.formatRefused, "The source is \(what), which can point at other data; it is never read.")
  }

  /// VRT and service descriptions are recognised by content whatever the file is called.
  private static func refusePointers(_ head: [UInt8]) throws(GeospatialError) {
    let text = String(decoding: head.prefix(1_024), as: UTF8.self)
    for (mark, what) in [
      ("<OGRVRTDataSource", "a VRT file"), ("<VRTDataset", "a VRT file"), ("<OGRWFSDataSource", "a WFS description"),
      ("<WMS_Capabilities", "a WMS description"), ("<GDAL_WMS", "a WMS description"),
    ] where text.contains(mark) {
      throw refused(what)
    }
  }

  private static func checkGeoPackage(_ path: String, head: [UInt8], size: Int64) throws(GeospatialError) {
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

  private static func checkGeoJSON(_ path: String, head: [UInt8]) throws(GeospatialError) {
    func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
    let start = head.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    guard let first = head.dropFirst(start).first(where: { !isSpace($0) }) else { return }
    guard first == UInt8(ascii: "{") else {
      throw GeospatialError(.sourceCorrupt, "The file is no GeoJSON: it does not begin with {.", byte: 0)
    }
    guard let file = FileBytes(path) else { return }
    let tail = file.read(at: max(0, file.size - 4_096), count: 4_096)
    guard let last = tail.last(where: { !isSpace($0) && $0 != 0 }), last == UInt8(ascii: "}") else {
      throw GeospatialError(.sourceTruncated, "The GeoJSON file ends in the middle.", byte: file.size)
    }
  }

  private static func shapefileParts(_ address: SourceAddress) throws(GeospatialError) -> SourceFiles {
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
  private static func checkShapefile(_ files: SourceFiles) throws(GeospatialError) {
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
  }

  /// The one .shp of the archive, with its siblings beside it.
  private static func shapefileEntry(_ zip: ZipDirectory) throws(GeospatialError) -> String {
    let names = zip.entries.filter { !$0.isFolder && !$0.name.hasPrefix("__MACOSX/") }.map(\.name)
    if let pointer = names.first(where: { $0.lowercased().hasSuffix(".vrt") }) {
      throw refused("an archive with \(pointer)")
    }
    let shapes = names.filter { $0.lowercased().hasSuffix(".shp") }
    guard let shape = shapes.first else {
      throw GeospatialError(
        .formatUnsupported, "The archive holds no shapefile.",
        details: ["entries": names.prefix(50).joined(separator: ", ")])
    }
    guard shapes.count == 1 else {
      throw GeospatialError(
        .archiveAmbiguous, "The archive holds \(shapes.count) shapefiles; one is allowed.",
        details: ["shapefiles": shapes.prefix(50).joined(separator: ", ")])
    }
    let present = Set(names.map { $0.lowercased() })
    for suffix in ["shx", "dbf"] where !present.contains(shape.lowercased().dropLast(3) + suffix) {
      throw GeospatialError(
        .sourceIncomplete, "The archive has no .\(suffix) beside \(shape).", details: ["missing": suffix])
    }
    return shape
  }
}
