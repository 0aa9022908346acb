internal import CGDAL
internal import Glibc

/// How a request wants a vector source to be read.
public struct VectorReadOptions: Sendable {
  /// Reference system given by the request.
  public var crs: String?
  /// Character encoding of text; nil: what the format says.
  public var encoding: String?
  /// CSV column names; nil: recognised by their usual names.
  public var longitudeColumn: String?
  public var latitudeColumn: String?
  public var wktColumn: String?

  public init(
    crs: String? = nil, encoding: String? = nil, longitudeColumn: String? = nil, latitudeColumn: String? = nil,
    wktColumn: String? = nil
  ) {
    self.crs = crs
    self.encoding = encoding
    self.longitudeColumn = longitudeColumn
    self.latitudeColumn = latitudeColumn
    self.wktColumn = wktColumn
  }
}

/// An open vector source. Not for use by several threads.
public final class VectorDataset {
  public let source: VectorSource
  let options: VectorReadOptions
  private let handle: GDALDatasetH

  /// What the reader remarked when it opened the source, and what we know that it does not tell.
  public let remarks: [String]
  /// Names of all layers, in the source's order.
  public let layerNames: [String]

  /// Layers other software keeps its own notes in; they are no data.
  private static let notes: Set<String> = ["layer_styles", "qgis_projects"]

  /// Most layers one request may hold.
  public static let maximumLayers = 50

  /// Opens the source with its own driver and no other.
  public init(_ source: VectorSource, options: VectorReadOptions) throws(GeospatialError) {
    self.source = source
    self.options = options
    if let encoding = options.encoding { try Self.requireEncoding(encoding) }
    let (opened, failures, remarks) = ErrorCapture.during { errors in
      (Self.open(source, options), errors.takeFailures(), errors.takeRemarks())
    }
    self.remarks = source.remarks + remarks.map(\.message)
    guard let opened else { throw Self.refused(source, failures) }
    if !failures.isEmpty {
      // Opened with complaints: half a source is none.
      let error = Self.refused(source, failures)
      GDALClose(opened)
      throw error
    }
    handle = opened
    layerNames = (0..<GDALDatasetGetLayerCount(opened)).compactMap { index in
      GDALDatasetGetLayer(opened, index).flatMap { OGR_L_GetName($0) }.map { String(cString: $0) }
    }
  }

  deinit { GDALClose(handle) }

  private static func open(_ source: VectorSource, _ options: VectorReadOptions) -> GDALDatasetH? {
    var openOptions: [String] = []
    switch source.format {
    case .geoPackage:
      // Nothing is written beside the user's file: no lock, no shared memory, no journal.
      openOptions = ["IMMUTABLE=YES", "LIST_ALL_TABLES=NO"]
    case .csv:
      // GDAL's type guess turns 007 into 7; the columns are recognised by ourselves.
      openOptions = ["AUTODETECT_TYPE=NO", "EMPTY_STRING_AS_NULL=YES", "GEOM_POSSIBLE_NAMES=", "HEADERS=YES"]
    case .shapefile:
      if let encoding = options.encoding { openOptions = ["ENCODING=\(encoding)"] }
    case .geoJSON:
      openOptions = ["NATIVE_DATA=NO"]
    case .flatGeobuf:
      // Its spatial index and geometries may contradict each other in a damaged file.
      openOptions = ["VERIFY_BUFFERS=YES"]
    case .geoJSONSequence, .kml, .fileGeodatabase: break
    }
    let drivers = StringList([source.format.driver])
    let list = StringList(openOptions)
    let flags = UInt32(GDAL_OF_VECTOR | GDAL_OF_READONLY | GDAL_OF_VERBOSE_ERROR)
    return drivers.withConstPointer { allowed in
      list.withConstPointer { GDALOpenEx(source.gdalName, flags, allowed, $0, nil) }
    }
  }

  private static func requireEncoding(_ name: String) throws(GeospatialError) {
    let converter = iconv_open("UTF-8", name)
    guard converter != iconv_t(bitPattern: -1) else {
      throw GeospatialError(.encodingError, "There is no encoding \(name.prefix(100)).", details: ["encoding": name])
    }
    iconv_close(converter)
  }

  private static func refused(_ source: VectorSource, _ failures: [ErrorCapture.Report]) -> GeospatialError {
    let why = failures.text(or: "GDAL gives no reason")
    let ends = ["unexpected end of data", "unexpected EOF", "no element found", "unclosed token"]
    if ends.contains(where: why.contains) {
      return GeospatialError(.sourceTruncated, "The file ends in the middle: \(why)")
    }
    if why.contains("crs not found") {
      return GeospatialError(.crsInvalid, "The file names a reference system nobody knows: \(why)")
    }
    if why.contains("OGR_GEOJSON_MAX_OBJ_SIZE") {
      return GeospatialError(.geometryTooLarge, "A feature of the file is larger than its reader can take.")
    }
    return GeospatialError(.sourceCorrupt, "The \(source.format.driver) file cannot be read: \(why)")
  }

  /// The layers a request means.
  ///
  /// - Parameter names: layers by name; empty: all there are.
  public func layers(named names: [String]) throws(GeospatialError) -> [VectorLayer] {
    let data = layerNames.filter { !Self.notes.contains($0) }
    let list = data.prefix(200).joined(separator: ", ")
    guard !data.isEmpty else { throw GeospatialError(.noFeatures, "The source has no layers.") }
    let wanted = names.isEmpty ? data : names
    guard wanted.count <= Self.maximumLayers else {
      throw GeospatialError(
        .tooManyLayers,
        names.isEmpty
          ? "The source has \(data.count) layers; a dataset holds \(Self.maximumLayers)."
          : "\(names.count) layers are asked for; \(Self.maximumLayers) are allowed.", details: ["layers": list])
    }
    // Layers are looked up by name, here and by the task that loads them.
    if let twice = wanted.first(where: { name in layerNames.count { $0 == name } > 1 }) {
      throw GeospatialError(
        .layerAmbiguous, "Several layers are called \(twice).", layer: twice, details: ["layers": list])
    }
    var result: [VectorLayer] = []
    for name in wanted {
      guard layerNames.contains(name), let layer = GDALDatasetGetLayerByName(handle, name) else {
        throw GeospatialError(
          .layerNotFound, "The source has no layer \(name).", layer: name, details: ["layers": list])
      }
      result.append(try VectorLayer(layer, name: name, dataset: self))
    }
    return result
  }

  /// Features of a GeoPackage layer as its table has them, whatever the file's own notes say.
  func countRows(ofGeoPackageLayer name: String) -> Int64? {
    let quoted = "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    return ErrorCapture.during { _ in
      guard let rows = GDALDatasetExecuteSQL(handle, "SELECT COUNT(*) FROM \(quoted)", nil, nil) else { return nil }
      defer { GDALDatasetReleaseResultSet(handle, rows) }
      guard let row = OGR_L_GetNextFeature(rows) else { return nil }
      defer { OGR_F_Destroy(row) }
      return OGR_F_GetFieldAsInteger64(row, 0)
    }
  }
}
