internal import Geospatial
internal import JobTypes
internal import TaskProtocol

/// `probe`: finds, checks and pins the source and tells what is in it.
enum ProbeHandler: TaskHandler {
  static let version: Int32 = 1

  static func run(_ context: TaskContext) throws -> String {
    let parameters = try context.parameters(ProbeParameters.self)
    let reporter = context.reporter
    try reporter.progress("open", unit: "steps", done: 0, total: 2, message: "Opening the source")
    switch parameters.expects {
    case "raster_collection": return try JSONText.encode(CollectionProbe.run(parameters, context))
    case "mosaic":
      // Of datasets that are served: nothing lies outside. What they are is held when the rest is planned.
      return try JSONText.encode(
        ProbeResult(
          pin: SourcePin(size: 0, mtimeNs: 0, parts: []), driver: "", route: "mosaic", layers: [], allLayers: [],
          versions: .current))
    default: break
    }
    let address = try SourceAddress(parameters.source, allowedRoots: context.assignment.allowedRoots)
    if parameters.expects == "raster" { return try JSONText.encode(RasterProbe.run(address, parameters, context)) }
    let source = try VectorSource(address)
    let dataset = try VectorDataset(
      source, options: VectorReadOptions(crs: parameters.crs, encoding: parameters.encoding, csv: parameters.csv))
    var warnings = WarningTally()
    for remark in dataset.remarks { warnings.add(.readerRemark, layer: nil, detail: remark) }
    var probed: [ProbedLayer] = []
    var ids: Set<String> = []
    var skipped: GeospatialError?
    var lacking: GeospatialError?
    for layer in try dataset.layers(named: parameters.layers) {
      try reporter.progress("survey", unit: "rows", done: 0, total: nil, message: "Looking at layer \(layer.name)")
      let survey: LayerSurvey
      do {
        survey = try layer.survey(warnings: &warnings) { rows in
          try reporter.progress(
            "survey", unit: "rows", done: rows, total: nil, message: "Looking at layer \(layer.name)")
        }
      } catch let error as GeospatialError where parameters.layers.isEmpty && error.code == .noFeatures {
        // Nobody asked for this layer by name; the others may have what it lacks.
        warnings.add(.layerSkipped, layer: layer.name, detail: error.message)
        skipped = skipped ?? error
        continue
      } catch let error as GeospatialError where error.code == .noGeometry && source.format != .csv {
        // A table beside maps is served as one; alone it would be a map without anything on it.
        lacking = lacking ?? error
        do { survey = try layer.surveyAttributes(warnings: &warnings) } catch let error as GeospatialError
          where parameters.layers.isEmpty && error.code == .noFeatures
        {
          warnings.add(.layerSkipped, layer: layer.name, detail: error.message)
          continue
        }
        warnings.add(.noGeometry, layer: layer.name, detail: "served as a table, without a map")
      }
      if survey.families.isEmpty {
        let id = ColumnNames.collectionID(layer.name, unlike: ids)
        ids.insert(id)
        probed.append(ProbedLayer(survey, nil, collectionID: id))
      }
      for family in survey.families {
        let name = survey.families.count == 1 ? layer.name : "\(layer.name)_\(family.suffix)"
        let id = ColumnNames.collectionID(name, unlike: ids)
        ids.insert(id)
        probed.append(ProbedLayer(survey, family, collectionID: id))
      }
    }
    if let lacking, probed.allSatisfy(\.geometryType.isEmpty) { throw lacking }
    if probed.isEmpty, let skipped { throw skipped }
    context.report(warnings)
    try source.files.requireUnchanged()
    let result = ProbeResult(
      pin: SourcePin(source.files), driver: source.format.driver, route: "vector", layers: probed,
      allLayers: dataset.layerNames, versions: .current)
    return try JSONText.encode(result)
  }
}

extension VectorReadOptions {
  init(crs: String?, encoding: String?, csv: CSVOptions?) {
    self.init(
      crs: crs, encoding: encoding, longitudeColumn: csv?.longitudeColumn, latitudeColumn: csv?.latitudeColumn,
      wktColumn: csv?.wktColumn)
  }
}

extension SourcePin {
  init(_ files: SourceFiles) {
    self.init(
      size: files.size, mtimeNs: files.mtimeNs,
      parts: files.parts.map { SourcePart(name: $0.name, size: $0.size, mtimeNs: $0.mtimeNs) })
  }
}

extension ProbedLayer {
  init(_ survey: LayerSurvey, _ family: GeometryFamily?, collectionID: String) {
    self.init(
      name: survey.name, collectionID: collectionID, featureCount: survey.featureCount,
      geometryType: family?.typeName ?? "",
      geometryTypes: survey.families.count <= 1 ? nil : survey.families.map(\.typeName), crs: survey.crs,
      crsOrigin: survey.crsOrigin.rawValue,
      columns: survey.columns.map { ColumnSchema($0) })
  }
}

extension ColumnSchema {
  init(_ column: Column, statistics: ColumnStatistics? = nil) {
    self.init(
      name: column.name, sourceName: column.sourceName, sqlType: column.kind.sqlType, sourceType: column.sourceType,
      statistics: statistics)
  }
}
