internal import CGDAL

/// One layer of an open source.
public final class VectorLayer {
  public let name: String
  let handle: OGRLayerH
  let dataset: VectorDataset
  /// Where geometries come from.
  let geometrySource: GeometrySource

  /// PostgreSQL's limit is 1,600 columns of a table; some room is left for our own.
  public static let maximumColumns = 1_500

  /// Where a layer's geometries come from.
  enum GeometrySource: Equatable {
    /// The reader gives them.
    case features
    /// Two text fields, by index.
    case coordinates(x: Int32, y: Int32)
    /// A text field of WKT, by index.
    case wkt(Int32)
  }

  init(_ handle: OGRLayerH, name: String, dataset: VectorDataset) throws(GeospatialError) {
    self.handle = handle
    self.name = name
    self.dataset = dataset
    if dataset.source.format == .csv {
      geometrySource = try CSVGeometry.columns(of: Self.fieldNames(handle), layer: name, options: dataset.options)
    } else {
      geometrySource = .features
    }
  }

  /// Fails where the layer has no column of geometries.
  func requireGeometry() throws(GeospatialError) {
    guard OGR_L_GetGeomType(handle) == wkbNone else { return }
    throw GeospatialError(
      .noGeometry, "The layer has no geometry.", layer: name,
      details: ["columns": CSVGeometry.candidates(Self.fieldNames(handle)).joined(separator: ", ")])
  }

  private static func fieldNames(_ layer: OGRLayerH) -> [String] {
    let definition = OGR_L_GetLayerDefn(layer)
    return (0..<OGR_FD_GetFieldCount(definition)).map { index in
      OGR_FD_GetFieldDefn(definition, index).flatMap { OGR_Fld_GetNameRef($0) }.map { String(cString: $0) } ?? ""
    }
  }

  /// Features the source says it has. May read the whole layer; the layer starts over afterwards.
  public func featureCount() throws(GeospatialError) -> Int64 {
    let (count, failures) = ErrorCapture.during { errors in
      let count = OGR_L_GetFeatureCount(handle, 1)
      OGR_L_ResetReading(handle)
      return (count, errors.takeFailures())
    }
    guard count >= 0, failures.isEmpty else {
      throw Self.readFailure(failures, layer: name, feature: nil)
    }
    if let records = dataset.source.records, records != count {
      throw GeospatialError(
        .sourceCorrupt, "The file has \(records) records; \(count) of them are features.", layer: name,
        details: ["records": "\(records)", "features": "\(count)"])
    }
    return count
  }

  /// Reader failures as a reason.
  static func readFailure(_ failures: [ErrorCapture.Report], layer: String, feature: Int64?) -> GeospatialError {
    let why = failures.text(or: "GDAL gives no reason")
    let code: GeospatialError.Code =
      why.contains("malformed") || why.contains("not a database") || why.contains("Corrupted")
      ? .sourceCorrupt
      : why.contains("UTF-8")
        ? .encodingError : why.contains("OGR_GEOJSON_MAX_OBJ_SIZE") ? .geometryTooLarge : .readError
    return GeospatialError(code, "The source cannot be read: \(why)", layer: layer, feature: feature)
  }

  /// The columns of the table to be, in the source's order. CSV columns are text unless `recognised` says otherwise.
  ///
  /// - Parameter recognised: kinds by field index.
  func columns(recognised: [Int32: Column.Kind] = [:]) throws(GeospatialError) -> [Column] {
    let definition = OGR_L_GetLayerDefn(handle)
    let count = OGR_FD_GetFieldCount(definition)
    guard count <= Self.maximumColumns else {
      throw GeospatialError(
        .tooManyColumns, "The layer has \(count) columns; \(Self.maximumColumns) are allowed.", layer: name,
        details: ["columns": "\(count)"])
    }
    var columns: [Column] = []
    for index in 0..<count {
      if case .wkt(index) = geometrySource { continue }
      guard let field = OGR_FD_GetFieldDefn(definition, index) else { continue }
      let type = OGR_Fld_GetType(field)
      let subtype = OGR_Fld_GetSubType(field)
      var sourceType = OGR_GetFieldTypeName(type).map { String(cString: $0) } ?? ""
      if subtype != OFSTNone, let name = OGR_GetFieldSubTypeName(subtype) { sourceType += "(\(String(cString: name)))" }
      var column = Column(
        name: "", sourceName: OGR_Fld_GetNameRef(field).map { String(cString: $0) } ?? "",
        kind: Column.Kind(type: type, subtype: subtype), sourceType: sourceType, index: index)
      if let kind = recognised[index] {
        column.kind = kind
        column.fromText = kind != .text
      }
      columns.append(column)
    }
    let names = ColumnNames.sanitised(columns.map(\.sourceName))
    for i in columns.indices { columns[i].name = names[i] }
    return columns
  }

  /// The reference system the features carry.
  func reference() -> CoordinateReference? {
    geometrySource == .features ? CoordinateReference(ofLayer: handle) : nil
  }

  /// The families of the layer's geometries, in a fixed order: from the layer's type, and by looking at every geometry where
  /// that says nothing.
  func families(tick: @escaping () -> Bool) throws(GeospatialError) -> [GeometryFamily] {
    if let family = GeometryFamily(OGR_GT_Flatten(OGR_L_GetGeomType(handle)).rawValue) { return [family] }
    let (types, failures) = geometryTypes(tick)
    guard failures.isEmpty else { throw Self.readFailure(failures, layer: name, feature: nil) }
    var found: Set<GeometryFamily> = []
    for type in types where OGR_GT_Flatten(type) != wkbUnknown && type != wkbNone {
      if OGR_GT_Flatten(type) == wkbGeometryCollection {
        found.formUnion(try familiesInCollections(tick))
      } else if let family = GeometryFamily(OGR_GT_Flatten(type).rawValue) {
        found.insert(family)
      } else {
        throw GeometryFamily.unsupported(type, layer: name, feature: nil)
      }
    }
    guard !found.isEmpty else {
      throw GeospatialError(.noGeometry, "No feature of the layer has a geometry.", layer: name)
    }
    return GeometryFamily.allCases.filter(found.contains)
  }

  /// GDAL tells of collections only that there are some; what is in them takes a look at every feature.
  private func familiesInCollections(_ tick: @escaping () -> Bool) throws(GeospatialError) -> Set<GeometryFamily> {
    let (found, failures) = ErrorCapture.during { errors in
      var found: Set<GeometryFamily> = []
      var rows = 0
      OGR_L_ResetReading(handle)
      while found.count < GeometryFamily.allCases.count, let feature = OGR_L_GetNextFeature(handle) {
        defer { OGR_F_Destroy(feature) }
        if let geometry = OGR_F_GetGeometryRef(feature) { found.formUnion(GeometryFamily.families(in: geometry)) }
        rows += 1
        if rows & 0xFF == 0, !tick() { break }
      }
      OGR_L_ResetReading(handle)
      return (found, errors.takeFailures())
    }
    guard failures.isEmpty else { throw Self.readFailure(failures, layer: name, feature: nil) }
    return found
  }

  private func geometryTypes(_ tick: @escaping () -> Bool) -> ([OGRwkbGeometryType], [ErrorCapture.Report]) {
    ErrorCapture.during { errors in
      let box = TickBox(tick)
      var count: Int32 = 0
      let types = withExtendedLifetime(box) {
        OGR_L_GetGeometryTypes(
          handle, 0, OGR_GGT_COUNT_NOT_NEEDED, &count, tickProgress, Unmanaged.passUnretained(box).toOpaque())
      }
      OGR_L_ResetReading(handle)
      defer { VSIFree(types) }
      guard let types else { return ([], errors.takeFailures()) }
      return ((0..<Int(count)).map { types[$0].eGeomType }, errors.takeFailures())
    }
  }
}

/// A closure behind a C pointer.
private final class TickBox {
  let tick: () -> Bool
  init(_ tick: @escaping () -> Bool) { self.tick = tick }
}

/// GDAL's progress callback: 0 asks it to stop.
private func tickProgress(_: Double, _: UnsafePointer<CChar>?, _ state: UnsafeMutableRawPointer?) -> Int32 {
  guard let state else { return 1 }
  return Unmanaged<TickBox>.fromOpaque(state).takeUnretainedValue().tick() ? 1 : 0
}

extension VectorLayer {
  /// Features counted in the storage itself, where the format can do that apart from its announced count.
  public func countStoredRows() -> Int64? {
    switch dataset.source.format {
    case .geoPackage: dataset.countRows(ofGeoPackageLayer: name)
    case .shapefile: DBFTable.liveRows(besideShapefile: dataset.source.gdalName)
    default: nil
    }
  }
}
