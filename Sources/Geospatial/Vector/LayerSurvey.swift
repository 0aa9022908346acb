internal import CGDAL

/// What a layer is, before anything of it is loaded.
public struct LayerSurvey: Sendable {
  public var name: String
  /// Features the source says it has.
  public var featureCount: Int64
  /// Every family of its geometries, in the order of their tables; empty: it has attributes only.
  public var families: [GeometryFamily]
  /// `EPSG:n` where the system has a code, else its name.
  public var crs: String
  public var crsOrigin: CRSOrigin
  public var columns: [Column]
}

extension VectorLayer {
  /// Looks at the layer: counts, columns, family, reference system.
  ///
  /// - Parameters:
  ///   - warnings: takes what was assumed or renamed.
  ///   - tick: called while records are read; throws to stop.
  public func survey(
    warnings: inout WarningTally, tick: @escaping (_ rows: Int64) throws -> Void
  ) throws -> LayerSurvey {
    if dataset.source.format == .csv { return try surveyCSV(warnings: &warnings, tick: tick) }
    try requireGeometry()
    // What the request gets wrong is told before anything long is done.
    let transformation = try TransformationToWGS84.choose(
      source: reference(), request: dataset.options.crs, layer: name)
    let columns = try columns()
    let count = try featureCount()
    guard count > 0 else { throw GeospatialError(.noFeatures, "The layer has no features.", layer: name) }
    guard let transformation else { throw TransformationToWGS84.missing(layer: name) }
    var stopped: (any Error)?
    let families: [GeometryFamily]
    do {
      families = try self.families {
        do { try tick(0) } catch { stopped = error }
        return stopped == nil
      }
    } catch { throw stopped ?? error }
    note(columns, transformation, &warnings)
    return LayerSurvey(
      name: name, featureCount: count, families: families, crs: transformation.source.label,
      crsOrigin: transformation.origin, columns: columns)
  }

  /// Looks at a layer that has no geometry: counts and columns. `families` is empty.
  public func surveyAttributes(warnings: inout WarningTally) throws -> LayerSurvey {
    let columns = try columns()
    let count = try featureCount()
    guard count > 0 else { throw GeospatialError(.noFeatures, "The layer has no features.", layer: name) }
    for column in columns where column.name != column.sourceName {
      warnings.add(.columnsRenamed, layer: name, detail: "\(column.sourceName) → \(column.name)")
    }
    return LayerSurvey(name: name, featureCount: count, families: [], crs: "", crsOrigin: .source, columns: columns)
  }

  private func note(_ columns: [Column], _ transformation: TransformationToWGS84, _ warnings: inout WarningTally) {
    for column in columns where column.name != column.sourceName {
      warnings.add(.columnsRenamed, layer: name, detail: "\(column.sourceName) → \(column.name)")
    }
    switch transformation.origin {
    case .source: break
    case .request: warnings.add(.crsFromRequest, layer: name, detail: transformation.source.label)
    case .assumed: warnings.add(.crsAssumed, layer: name, detail: transformation.source.label)
    }
  }

  /// CSV says nothing about itself, so every row is looked at: types, coordinates, families.
  private func surveyCSV(
    warnings: inout WarningTally, tick: (_ rows: Int64) throws -> Void
  ) throws -> LayerSurvey {
    let definition = OGR_L_GetLayerDefn(handle)
    let fieldCount = OGR_FD_GetFieldCount(definition)
    guard fieldCount <= Self.maximumColumns else { return try tooMany() }
    let file = try CSVFile(
      dataset.source.files.parts[0].path, columns: Int(fieldCount), keep: WarningTally.maximumExamples, tick: tick)
    var kinds = [CSVKind](repeating: .int8, count: Int(fieldCount))
    var seen = [Bool](repeating: false, count: Int(fieldCount))
    var rows: Int64 = 0
    var fits = true
    var codes: Set<Int32> = []
    var families: Set<GeometryFamily> = []
    var broken: GeospatialError?
    try ErrorCapture.during { errors in
      OGR_L_ResetReading(handle)
      while let feature = OGR_L_GetNextFeature(handle) {
        defer { OGR_F_Destroy(feature) }
        rows += 1
        for index in 0..<fieldCount where kinds[Int(index)] != .text {
          guard OGR_F_IsFieldSetAndNotNull(feature, index) != 0, let text = OGR_F_GetFieldAsString(feature, index),
            text[0] != 0
          else { continue }
          seen[Int(index)] = true
          kinds[Int(index)] = max(kinds[Int(index)], CSVKind(text: text))
        }
        if case .wkt(let index) = geometrySource, let text = OGR_F_GetFieldAsString(feature, index),
          let srid = CSVGeometry.srid(of: text)
        {
          codes.insert(srid.code)
        }
        let made: OGRGeometryH?
        do {
          made = try CSVGeometry.geometry(of: feature, source: geometrySource, layer: name, id: rows)
        } catch let error as GeospatialError where VectorLoader.isAboutRecord(error) {
          // Whether such a row may be left out is for the load to decide.
          broken = broken ?? error
          made = nil
        }
        if let geometry = made {
          defer { OGR_G_DestroyGeometry(geometry) }
          let found = GeometryFamily.families(in: geometry)
          guard !found.isEmpty || OGR_G_IsEmpty(geometry) != 0 else {
            throw GeometryFamily.unsupported(OGR_G_GetGeometryType(geometry), layer: name, feature: rows)
          }
          families.formUnion(found)
          var box = OGREnvelope()
          OGR_G_GetEnvelope(geometry, &box)
          fits = fits && box.MinX >= -180 && box.MaxX <= 180 && box.MinY >= -90 && box.MaxY <= 90
        }
        if errors.failureCount > 0 {
          throw Self.readFailure(errors.takeFailures(), layer: name, feature: rows)
        }
        if rows & 0xFF == 0 { try tick(rows) }
      }
      if errors.failureCount > 0 { throw Self.readFailure(errors.takeFailures(), layer: name, feature: rows) }
      OGR_L_ResetReading(handle)
    }
    guard rows > 0 else { throw GeospatialError(.noFeatures, "The file has no rows.", layer: name) }
    guard rows == file.rows else {
      throw GeospatialError(.sourceCorrupt, "The file has \(file.rows) rows; \(rows) of them can be read.", layer: name)
    }
    for ragged in file.examples {
      warnings.add(
        .rowRagged, layer: name, feature: ragged.row,
        detail: "\(ragged.values) values for \(fieldCount) columns: "
          + (ragged.values > fieldCount ? "those beyond are left out" : "the others are null"))
    }
    warnings.add(.rowRagged, times: file.raggedRows - Int64(file.examples.count))
    guard !families.isEmpty else {
      throw broken ?? GeospatialError(.noGeometry, "No row of the file has coordinates.", layer: name)
    }
    let transformation = try referenceOfCSV(codes: codes, fits: fits)
    var recognised: [Int32: Column.Kind] = [:]
    for index in kinds.indices {
      recognised[Int32(index)] = !seen[index] || kinds[index] == .text ? .text : kinds[index] == .int8 ? .int8 : .float8
    }
    let columns = try columns(recognised: recognised)
    note(columns, transformation, &warnings)
    return LayerSurvey(
      name: name, featureCount: rows, families: GeometryFamily.allCases.filter(families.contains),
      crs: transformation.source.label,
      crsOrigin: transformation.origin, columns: columns)
  }

  private func tooMany() throws -> LayerSurvey {
    _ = try columns()
    throw GeospatialError(.tooManyColumns, "The file has too many columns.", layer: name)
  }

  /// SRIDs in the WKT count as the source's word; without any, the request decides, and then whether all coordinates fit.
  private func referenceOfCSV(codes: Set<Int32>, fits: Bool) throws(GeospatialError) -> TransformationToWGS84 {
    guard codes.count <= 1 else {
      throw GeospatialError(
        .crsConflict, "Rows name different SRIDs.", layer: name,
        details: ["srids": codes.sorted().prefix(20).map(String.init).joined(separator: ", ")])
    }
    var source: CoordinateReference?
    if let code = codes.first { source = try CoordinateReference(request: "EPSG:\(code)") }
    if let chosen = try TransformationToWGS84.choose(source: source, request: dataset.options.crs, layer: name) {
      return chosen
    }
    guard fits else { throw TransformationToWGS84.missing(layer: name) }
    return try TransformationToWGS84(from: CoordinateReference.wgs84(), origin: .assumed)
  }

  /// The transformation a survey settled on, for the load.
  func transformation(crs: String, origin: CRSOrigin) throws(GeospatialError) -> TransformationToWGS84 {
    if origin == .source, let own = reference() { return try TransformationToWGS84(from: own, origin: .source) }
    return try TransformationToWGS84(from: CoordinateReference(request: crs), origin: origin)
  }
}
