internal import JobTypes

/// probe → ingest_vector → stac_catalog_vectors → verify, planned a step at a time from what the step before found.
/// Pure: planning the same thing twice gives the same plan.
struct VectorChain: Sendable {
  var subject: ChainSubject
  /// datasets.pk, part of the tables' names.
  var datasetPK: Int64
  /// The operation's id.
  var build: Int64
  /// Without a trailing slash.
  var publicURL: String

  static let steps = [JobType.probe, JobType.ingestVector, JobType.stacCatalogVectors, JobType.verify]

  /// Shares of the whole chain's progress, in the order of `steps`.
  static let weights: [Double] = [4, 86, 2, 8]

  static let dataSchema = "data"

  func probe() -> ProbeParameters {
    let source = subject.spec.source
    return ProbeParameters(
      source: source.url, layers: source.layer.isEmpty ? [] : [source.layer], crs: source.crs.nonEmpty,
      encoding: source.encoding.nonEmpty, csv: csv)
  }

  func ingest(after probe: ProbeResult) -> IngestVectorParameters {
    IngestVectorParameters(
      source: subject.spec.source.url, pin: probe.pin,
      layers: probe.layers.enumerated().map { index, layer in
        IngestLayer(layer: layer, table: table(index), title: Self.title(of: layer))
      },
      crs: subject.spec.source.crs.nonEmpty, encoding: subject.spec.source.encoding.nonEmpty, csv: csv,
      nullGeometries: nullGeometries, maxRejects: subject.spec.options.maxRejects)
  }

  func catalog(after ingest: IngestVectorResult) -> StacCatalogVectorsParameters {
    let metadata = subject.spec.metadata
    return StacCatalogVectorsParameters(
      collectionID: subject.identity.stacCollection, itemID: subject.identity.stacItem, title: subject.title,
      description: metadata.description.nonEmpty ?? subject.title, license: metadata.license,
      attribution: metadata.attribution,
      keywords: metadata.keywords, datetime: metadata.datetime ?? subject.requestedAt,
      datetimeSource: metadata.datetime == nil ? "publish_time" : "request",
      endpoint: publicURL + subject.identity.path,
      sourceSHA256: ingest.sourceSHA256, versions: ingest.versions, layers: ingest.layers)
  }

  func verify(after ingest: IngestVectorResult, previewToken: String) -> VerifyParameters {
    VerifyParameters(
      collections: ingest.layers.map { layer in
        VerifyCollection(
          id: layer.collectionID, schema: Self.dataSchema, table: layer.table, count: layer.counts.loaded,
          withGeometry: layer.counts.withGeometry, bbox: layer.bbox, columns: layer.columns.map(\.name),
          hasGeometry: !layer.geometryType.isEmpty)
      },
      endpointPath: subject.identity.path, previewToken: previewToken)
  }

  func publication(_ ingest: IngestVectorResult, _ stac: StacCatalogResult) -> Publication {
    let metadata = subject.spec.metadata
    return Publication(
      kind: "vector", title: subject.title, description: metadata.description, attribution: metadata.attribution,
      license: metadata.license.nonEmpty ?? "other", bbox: Self.union(ingest.layers.map(\.bbox)),
      collections: ingest.layers.enumerated().map { index, layer in
        Publication.Collection(
          id: layer.collectionID, position: index, schema: Self.dataSchema, table: layer.table,
          geometry_type: layer.geometryType.isEmpty ? nil : layer.geometryType, title: layer.title,
          feature_count: layer.counts.loaded, bbox: layer.bbox)
      },
      stac: stac)
  }

  func result(_ probe: ProbeResult, _ ingest: IngestVectorResult) -> DatasetResult {
    func sum(_ value: (IngestCounts) -> Int64) -> Int64 { ingest.layers.reduce(0) { $0 + value($1.counts) } }
    var crss: [String] = []
    for layer in ingest.layers where !crss.contains(layer.sourceCRS) { crss.append(layer.sourceCRS) }
    return DatasetResult(
      path: subject.identity.path, stacCollection: subject.identity.stacCollection, stacItem: subject.identity.stacItem,
      bbox: Self.union(ingest.layers.map(\.bbox)), crs: "EPSG:4326", featureCount: sum(\.loaded),
      collections: ingest.layers.map { layer in
        DatasetResult.Collection(
          id: layer.collectionID, title: layer.title, geometryType: layer.geometryType,
          featureCount: layer.counts.loaded, bbox: layer.bbox,
          columns: layer.columns.map { column in
            DatasetResult.Column(
              name: column.name, sourceName: column.sourceName, type: column.sqlType, nulls: column.statistics?.nulls,
              minimum: column.statistics?.minimum, maximum: column.statistics?.maximum,
              frequent: column.statistics?.frequent?.map { .init(value: $0.value, share: $0.share) })
          })
      },
      treatment: DatasetResult.Treatment(
        sourceCRS: crss.joined(separator: ", "), sourceFormat: probe.driver, sourceSHA256: ingest.sourceSHA256,
        sourceFeatures: sum { $0.source - ($0.shared ?? 0) },
        droppedNullGeometries: sum { $0.dropped.values.reduce(0, +) },
        repairedGeometries: sum(\.repaired), dimensionsDropped: sum(\.dimensionsDropped),
        renamedColumns: sum(\.renamedColumns), gdalVersion: ingest.versions.gdal, projVersion: ingest.versions.proj),
      build: build)
  }

  /// The layer's name, and which of its features where a collection has some of them.
  static func title(of layer: ProbedLayer) -> String {
    guard layer.geometryTypes != nil else { return layer.name }
    switch layer.geometryType {
    case "MultiPoint": return "\(layer.name) (points)"
    case "MultiLineString": return "\(layer.name) (lines)"
    default: return "\(layer.name) (polygons)"
    }
  }

  /// `d{pk}_b{build}_t{n}`: ids reach 255 bytes, PostgreSQL's names 63.
  func table(_ index: Int) -> String { "d\(datasetPK)_b\(build)_t\(index)" }

  private var csv: CSVOptions? {
    let source = subject.spec.source
    guard source.longitudeColumn.nonEmpty ?? source.latitudeColumn.nonEmpty ?? source.wktColumn.nonEmpty != nil else {
      return nil
    }
    return CSVOptions(
      longitudeColumn: source.longitudeColumn.nonEmpty, latitudeColumn: source.latitudeColumn.nonEmpty,
      wktColumn: source.wktColumn.nonEmpty)
  }

  private var nullGeometries: NullGeometryPolicy {
    switch subject.spec.options.nullGeometry {
    case .drop: .drop
    case .keep: .keep
    case .fail: .fail
    }
  }

  /// The box around boxes.
  static func union(_ boxes: [[Double]?]) -> [Double]? {
    boxes.compactMap { $0 }.reduce(nil as [Double]?) { whole, box in
      guard let whole else { return box }
      return [min(whole[0], box[0]), min(whole[1], box[1]), max(whole[2], box[2]), max(whole[3], box[3])]
    }
  }
}
