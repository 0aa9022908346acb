/// A vector source whose files were found, recognised by name and content, and checked as far as that needs no reader.
public struct VectorSource: Sendable {
  public let format: VectorFormat
  public let files: SourceFiles
  /// What GDAL is given to open.
  let gdalName: String
  /// Records the file holds by our own count, where its reader would leave out broken ones without an error.
  var records: Int64?
  /// What is lost in reading that no reader tells, in words.
  var remarks: [String] = []

  /// Recognises the source at `address`.
  public init(_ address: SourceAddress) throws(GeospatialError) {
    let path = address.path
    let name = path.lowercased()
    if name.hasSuffix(".vrt") { throw Self.refused("a VRT file") }
    let main = try SourceFiles(main: path, siblings: [])
    guard main.size > 0 else { throw GeospatialError(.sourceEmpty, "The file is empty.") }
    let head = FileBytes(path)?.read(at: 0, count: 4_096) ?? []
    try Self.refusePointers(head)
    let suffix = name.split(separator: "/").last?.split(separator: ".").last.map(String.init) ?? ""
    switch suffix {
    case "gpkg":
      try GeoPackageFile.check(path, head: head, size: main.size)
      (format, files, gdalName) = (.geoPackage, main, path)
    case "geojson", "json":
      try GeoJSONFile.check(path, head: head)
      remarks = GeoJSONFile.remarks(path)
      (format, files, gdalName) = (.geoJSON, main, path)
    case "geojsonl", "geojsons", "ndjson", "jsonl":
      records = try GeoJSONSequenceFile.count(path)
      remarks = GeoJSONFile.remarks(path)
      // The prefix decides the driver's own guess.
      (format, files, gdalName) = (.geoJSONSequence, main, "GeoJSONSeq:\(path)")
    case "shp":
      let parts = try ShapefileParts.find(address)
      try ShapefileParts.check(parts)
      (format, files, gdalName) = (.shapefile, parts, path)
    case "csv":
      (format, files, gdalName) = (.csv, main, path)
    case "kml", "kmz":
      try KMLFile.check(path, head: head, isArchive: suffix == "kmz")
      (format, files, gdalName) = (.kml, main, path)
    case "fgb":
      records = try FlatGeobufFile.count(path)
      (format, files, gdalName) = (.flatGeobuf, main, path)
    case "zip":
      guard !path.contains("{"), !path.contains("}") else {
        throw GeospatialError(.sourceInvalid, "The path of an archive may not hold { or }.")
      }
      let (inside, entry) = try ArchiveContents.only(ZipDirectory(path: path))
      (format, files, gdalName) = (inside, main, "/vsizip/{\(path)}/\(entry)")
      if inside == .shapefile { try ShapefileParts.check(inArchive: gdalName) }
    default:
      throw GeospatialError(
        .formatUnsupported,
        RasterSource.suffixes.contains(suffix)
          ? "A .\(suffix) file is a raster, not a source of vectors: ask for a dataset of type raster."
          : "Nothing reads .\(suffix.prefix(32)) files. What is read: \(VectorFormat.list), and GeoTIFF (.tif) as a raster."
      )
    }
  }

  static func refused(_ what: String) -> GeospatialError {
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
}
