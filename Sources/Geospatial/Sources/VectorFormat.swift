/// The vector formats that are read. One format, one GDAL driver: no other driver ever sees the file.
public enum VectorFormat: Sendable, CaseIterable {
  case geoPackage, geoJSON, geoJSONSequence, shapefile, csv, kml, flatGeobuf, fileGeodatabase

  /// GDAL's short name of the driver.
  public var driver: String {
    switch self {
    case .geoPackage: "GPKG"
    case .geoJSON: "GeoJSON"
    case .geoJSONSequence: "GeoJSONSeq"
    case .shapefile: "ESRI Shapefile"
    case .csv: "CSV"
    // Reads what KML's other driver leaves out: extended data, folders as layers.
    case .kml: "LIBKML"
    case .flatGeobuf: "FlatGeobuf"
    case .fileGeodatabase: "OpenFileGDB"
    }
  }

  /// Whether two readers at once take hardly more memory than one. The others hold the whole file.
  public var readsTwiceCheaply: Bool {
    switch self {
    case .geoPackage, .shapefile, .flatGeobuf, .fileGeodatabase, .csv, .geoJSONSequence: true
    case .geoJSON, .kml: false
    }
  }

  /// What people call it, and the names its files end with.
  public var description: (name: String, suffixes: [String]) {
    switch self {
    case .geoPackage: ("GeoPackage", ["gpkg"])
    case .geoJSON: ("GeoJSON", ["geojson", "json"])
    case .geoJSONSequence: ("GeoJSON text sequence", ["geojsonl", "geojsons", "ndjson", "jsonl"])
    case .shapefile: ("Shapefile", ["shp", "zip"])
    case .csv: ("CSV", ["csv"])
    case .kml: ("KML", ["kml", "kmz"])
    case .flatGeobuf: ("FlatGeobuf", ["fgb"])
    case .fileGeodatabase: ("zipped File Geodatabase", ["gdb.zip", "zip"])
    }
  }

  /// All of them, for messages.
  static var list: String {
    allCases.map { format in
      let (name, suffixes) = format.description
      return "\(name) (\(suffixes.map { "." + $0 }.joined(separator: ", ")))"
    }.joined(separator: "; ")
  }
}
