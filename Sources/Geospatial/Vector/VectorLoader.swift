internal import CGDAL

/// Takes COPY BINARY bytes.
public protocol RowSink: AnyObject {
  /// Takes `bytes`, which are only valid during the call. May block.
  func write(_ bytes: UnsafeRawBufferPointer) throws
}

/// How a layer is loaded.
public struct LoadPlan: Sendable {
  /// What to do with features that have no geometry.
  public enum NullGeometries: String, Sendable { case drop, keep, fail }

  /// Nil: the layer has attributes only.
  public var family: GeometryFamily?
  /// Every family of the layer: features of the others are read and passed over. Empty: there are no others.
  public var families: [GeometryFamily]
  /// Reference system and its origin as the survey found them.
  public var crs: String
  public var crsOrigin: CRSOrigin
  /// PostgreSQL types of CSV columns by column name, as the survey found them. Other formats know their own.
  public var recognisedTypes: [String: String]
  public var nullGeometries: NullGeometries
  /// Records that may be rejected before the load fails.
  public var maximumRejects: Int64
  /// Number rows from 1 instead of taking the source's feature ids.
  public var numbersRows: Bool

  public init(
    family: GeometryFamily?, families: [GeometryFamily] = [], crs: String, crsOrigin: CRSOrigin,
    recognisedTypes: [String: String] = [:], nullGeometries: NullGeometries = .drop, maximumRejects: Int64 = 0,
    numbersRows: Bool = false
  ) {
    self.family = family
    self.families = families.isEmpty ? [family].compactMap { $0 } : families
    self.crs = crs
    self.crsOrigin = crsOrigin
    self.recognisedTypes = recognisedTypes
    self.nullGeometries = nullGeometries
    self.maximumRejects = maximumRejects
    self.numbersRows = numbersRows
  }
}

/// What a load did.
public struct LoadResult: Sendable, Equatable {
  /// Features read.
  public var read: Int64 = 0
  /// Features that belong to tables of other families.
  public var elsewhere: Int64 = 0
  /// Features with parts of several families that are counted with another one; their part here is stored.
  public var guests: Int64 = 0
  /// Rows written.
  public var stored: Int64 = 0
  /// Rows written with a geometry.
  public var withGeometry: Int64 = 0
  public var dropped: [WarningCode: Int64] = [:]
  public var rejected: Int64 = 0
  public var repaired: Int64 = 0
  public var split: Int64 = 0
  public var dimensionsDropped: Int64 = 0
  /// Geometries the quick test did not prove clean.
  public var inspectedClosely: Int64 = 0
  public var box = BoundingBox()

  public init() {}
}

/// A feature had no id of its own, so ids of this source cannot be kept.
public struct FeatureIDMissing: Error {}

/// Reads a layer once and writes its rows in COPY BINARY: `fid`, the columns, `geom`.
public final class VectorLoader {
  public let columns: [Column]
  private let layer: VectorLayer
  private let plan: LoadPlan
  /// Nil: the layer has attributes only.
  private let geometry: GeometryEncoder?
  private var fields: FieldEncoder

  /// Bytes gathered before they go to the sink.
  private static let chunk = 1 << 20
  private static let signature: [UInt8] = Array("PGCOPY\n".utf8) + [0xFF, 0x0D, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0]

  public init(_ layer: VectorLayer, plan: LoadPlan) throws(GeospatialError) {
    self.layer = layer
    self.plan = plan
    var columns = try layer.columns()
    if layer.dataset.source.format == .csv {
      for i in columns.indices {
        guard let type = plan.recognisedTypes[columns[i].name], let kind = Column.Kind(rawValue: type) else {
          continue
        }
        columns[i].kind = kind
        columns[i].fromText = kind != .text
      }
    }
    self.columns = columns
    if let family = plan.family {
      geometry = try GeometryEncoder(
        layer: layer.name, family: family, families: plan.families,
        transformation: layer.transformation(crs: plan.crs, origin: plan.crsOrigin))
    } else {
      geometry = nil
    }
    // Shapefiles are recoded by their driver.
    let encoding = layer.dataset.source.format == .shapefile ? nil : layer.dataset.options.encoding
    fields = FieldEncoder(layer: layer.name, columns: columns, encoding: encoding)
  }

  /// Reads everything.
  ///
  /// - Parameters:
  ///   - warnings: counted per reason as the load goes.
  ///   - tick: called every few hundred rows with the rows read so far; throws to stop.
  /// - Throws: `GeospatialError`, `FeatureIDMissing`, or what sink and tick throw.
  public func run(
    into sink: any RowSink, warnings: inout WarningTally, tick: (Int64, borrowing WarningTally) throws -> Void
  ) throws -> LoadResult {
    let buffer = RowBuffer(capacity: Self.chunk + (64 << 10))
    Self.signature.withUnsafeBytes { buffer.append($0) }
    var result = LoadResult()
    try ErrorCapture.during { errors in
      OGR_L_ResetReading(layer.handle)
      while let feature = OGR_L_GetNextFeature(layer.handle) {
        defer { OGR_F_Destroy(feature) }
        result.read += 1
        if errors.failureCount > 0 {
          try reject(feature, errors.takeFailures(), &result, &warnings)
          continue
        }
        try append(feature, to: buffer, &result, &warnings, errors)
        if buffer.count >= Self.chunk {
          try sink.write(buffer.bytes)
          buffer.clear()
          try tick(result.read, warnings)
        } else if result.read & 0xFF == 0 {
          try tick(result.read, warnings)
        }
      }
      // A reader that complains has lost something, even where it goes on as if nothing had been.
      if errors.failureCount > 0 {
        throw VectorLayer.readFailure(errors.takeFailures(), layer: layer.name, feature: nil)
      }
      for remark in errors.takeRemarks() where plan.family == plan.families.first {
        warnings.add(.readerRemark, layer: layer.name, detail: remark.message)
      }
    }
    buffer.append(Int16(-1))
    try sink.write(buffer.bytes)
    if let geometry {
      result.repaired = geometry.repaired
      result.split = geometry.splitCount
      result.dimensionsDropped = geometry.dimensionsDropped
      result.inspectedClosely = geometry.inspectedClosely
      result.box = geometry.box
    }
    return result
  }

  private func append(
    _ feature: OGRFeatureH, to buffer: RowBuffer, _ result: inout LoadResult, _ warnings: inout WarningTally,
    _ errors: ErrorCapture
  ) throws {
    let start = buffer.count
    var id = OGR_F_GetFID(feature)
    if plan.numbersRows {
      id = result.read
    } else if id == OGRNullFID {
      throw FeatureIDMissing()
    }
    do {
      guard let geometry else {
        try appendAttributes(feature, id: id, count: columns.count + 1, to: buffer, &warnings)
        result.stored += 1
        return
      }
      let (source, made, placement) = try placed(feature, id: id, geometry)
      defer { if let made { OGR_G_DestroyGeometry(made) } }
      switch placement {
      case .home: break
      case .guest: result.guests += 1
      case .elsewhere:
        result.elsewhere += 1
        return
      }
      try appendAttributes(feature, id: id, count: columns.count + 2, to: buffer, &warnings)
      try appendGeometry(geometry, source, id: id, to: buffer, from: start, &result, &warnings, errors)
    } catch let error as GeospatialError where Self.isAboutRecord(error) {
      buffer.rewind(to: start)
      result.rejected += 1
      guard result.rejected <= plan.maximumRejects else { throw error }
      warnings.add(.recordRejected, layer: layer.name, feature: id, detail: error.message)
    }
  }

  /// The row's number of fields, its id and its attributes.
  private func appendAttributes(
    _ feature: OGRFeatureH, id: Int64, count: Int, to buffer: RowBuffer, _ warnings: inout WarningTally
  ) throws(GeospatialError) {
    buffer.append(Int16(count))
    buffer.append(Int32(8))
    buffer.append(id)
    try fields.append(feature, id: id, to: buffer)
    if let column = fields.lastInvalidDate {
      warnings.add(.dateInvalid, layer: layer.name, feature: id, detail: column)
    }
  }

  /// A record the reader gave with a complaint: part of it is missing.
  private func reject(
    _ feature: OGRFeatureH, _ failures: [ErrorCapture.Report], _ result: inout LoadResult,
    _ warnings: inout WarningTally
  ) throws(GeospatialError) {
    let id = OGR_F_GetFID(feature)
    // Whose table it was for is not known: the first family's counts it.
    guard plan.family == plan.families.first else {
      result.elsewhere += 1
      return
    }
    let error = VectorLayer.readFailure(failures, layer: layer.name, feature: id)
    result.rejected += 1
    guard result.rejected <= plan.maximumRejects else { throw error }
    warnings.add(.recordRejected, layer: layer.name, feature: id, detail: error.message)
  }

  /// The feature's geometry, whether it is ours to destroy, and where it belongs.
  private func placed(
    _ feature: OGRFeatureH, id: Int64, _ geometry: GeometryEncoder
  ) throws(GeospatialError) -> (source: OGRGeometryH?, made: OGRGeometryH?, GeometryEncoder.Placement) {
    if layer.geometrySource == .features {
      let source = OGR_F_GetGeometryRef(feature)
      return (source, nil, geometry.placement(of: source))
    }
    do {
      let made = try CSVGeometry.geometry(of: feature, source: layer.geometrySource, layer: layer.name, id: id)
      return (made, made, geometry.placement(of: made))
    } catch {
      // Nothing says which table it was for: the first family's tells it.
      guard plan.family == plan.families.first else { return (nil, nil, .elsewhere) }
      throw error
    }
  }

  private func appendGeometry(
    _ geometry: GeometryEncoder, _ source: OGRGeometryH?, id: Int64, to buffer: RowBuffer, from start: Int,
    _ result: inout LoadResult,
    _ warnings: inout WarningTally, _ errors: ErrorCapture
  ) throws {
    switch try geometry.append(source, feature: id, to: buffer, errors: errors) {
    case .stored:
      result.stored += 1
      result.withGeometry += 1
      let notes = geometry.lastNotes
      if !notes.isEmpty { note(notes, id, &warnings) }
    case .nothing(let code):
      switch plan.nullGeometries {
      case .fail:
        throw GeospatialError(
          .nullGeometryRefused, "Feature \(id) has no geometry.", layer: layer.name, feature: id,
          details: ["why": code.rawValue])
      case .keep:
        buffer.append(Int32(-1))
        result.stored += 1
      case .drop:
        buffer.rewind(to: start)
        result.dropped[code, default: 0] += 1
      }
      warnings.add(code, layer: layer.name, feature: id, detail: plan.nullGeometries == .keep ? "kept" : "left out")
    }
  }

  private func note(_ notes: GeometryEncoder.Notes, _ id: Int64, _ warnings: inout WarningTally) {
    if notes.contains(.repaired) {
      warnings.add(.geometryRepaired, layer: layer.name, feature: id, detail: "made valid")
    }
    if notes.contains(.split) {
      warnings.add(.antimeridianSplit, layer: layer.name, feature: id, detail: "split at ±180°")
    }
    if notes.contains(.drewCurves) {
      warnings.add(.curvesLinearized, layer: layer.name, feature: id, detail: "curves drawn as lines")
    }
    if notes.contains(.tookApart) {
      warnings.add(
        .geometryTakenApart, layer: layer.name, feature: id, detail: "\(plan.family?.suffix ?? "") parts stored")
    }
    if notes.contains(.flattened) {
      warnings.add(.dimensionsDropped, layer: layer.name, feature: id, detail: "height or measure dropped")
    }
  }

  /// Errors a request may allow some of; the others are about the layer.
  static func isAboutRecord(_ error: GeospatialError) -> Bool {
    switch error.code {
    case .coordinatesInvalid, .coordinatesOutOfRange, .encodingError, .geometryTooLarge: true
    default: false
    }
  }
}
