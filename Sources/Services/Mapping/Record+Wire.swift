internal import CoreMachine
internal import Datasets
internal import Foundation
internal import FramedMessages
internal import FramedRPC
internal import TerraneMessages

/// Turns records into messages. Knows the two things a record does not: the public URL and the feed's epoch.
struct RecordMapping: Sendable {
  /// Without a trailing slash.
  var publicURL: String
  var epoch: UInt64

  func dataset(_ record: DatasetRecord, now: Int64) -> Dataset {
    let operation = record.operation.map(TerraneMessages.Operation.init)
    return Dataset(
      datasetKey: "\(record.key)", name: DatasetName(record.identity), generation: record.generation,
      status: Status(record.status), state: TerraneMessages.DatasetState(record.state),
      spec: TerraneMessages.DatasetSpec(record.spec), operation: operation,
      lastOperation: record.state.isServed && [.failed, .cancelled].contains(record.operation?.state) ? operation : nil,
      progress: progress(record, now: now), problem: record.state.isServed ? nil : operation?.problem,
      warnings: warnings(record),
      result: result(record, withColumns: true), statusSeq: record.statusSeq, epoch: epoch,
      createTime: ProtobufTimestamp(microsecondsSince1970: record.created),
      updateTime: ProtobufTimestamp(microsecondsSince1970: record.updated),
      deleteTime: record.deleted.map { ProtobufTimestamp(microsecondsSince1970: $0) },
      purgeTime: record.purge.map { ProtobufTimestamp(microsecondsSince1970: $0) })
  }

  /// A status as it goes out, no longer than ``statusLimit``.
  func statusMessage(_ record: DatasetRecord, now: Int64) -> EncodedMessage {
    var status = status(record, now: now)
    let message = EncodedMessage(status)
    if message.bytes.count <= Self.statusLimit { return message }
    status.fit(Self.statusLimit)
    return EncodedMessage(status)
  }

  private func status(_ record: DatasetRecord, now: Int64) -> DatasetStatus {
    DatasetStatus(
      datasetKey: "\(record.key)", generation: record.generation, status: Status(record.status),
      operation: record.operation.map(TerraneMessages.Operation.init), progress: progress(record, now: now),
      problem: record.state.isServed ? nil : record.operation?.problem.map { TerraneMessages.Problem($0) },
      warnings: warnings(record),
      result: result(record, withColumns: false), name: DatasetName(record.identity),
      updateTime: ProtobufTimestamp(microsecondsSince1970: record.updated))
  }

  /// Bytes of one DatasetStatus: what a client has to make room for at every change.
  static let statusLimit = 8_192

  private func warnings(_ record: DatasetRecord) -> [WarningCount] {
    (record.progress?.warnings ?? [:]).sorted { $0.key < $1.key }.map { reason, count in
      WarningCount(reason: reason, count: count, message: WarningText.of(reason))
    }
  }

  private func progress(_ record: DatasetRecord, now: Int64) -> TerraneMessages.Progress? {
    guard let operation = record.operation else { return nil }
    if operation.state == .succeeded {
      let count = Int32(operation.stepWeights?.count ?? 0)
      return TerraneMessages.Progress(
        percent: 100, step: "published", stepNumber: count, stepCount: count, message: "served")
    }
    let message = operation.state == .cancelling ? "cancelling" : nil
    guard let current = record.progress else {
      return TerraneMessages.Progress(
        stepNumber: 1, message: message ?? (operation.state == .queued ? "waiting for a worker" : "starting"))
    }
    let fraction = ChainProgress.fraction(
      weights: operation.stepWeights, step: current.step, stepFraction: current.fraction)
    let elapsed = operation.started.map { Double(max(0, now - $0)) / 1_000_000 }
    let left =
      operation.state == .running
      ? fraction.flatMap { share in elapsed.flatMap { ChainProgress.secondsLeft(fraction: share, elapsedSeconds: $0) } }
      : nil
    return TerraneMessages.Progress(
      percent: (fraction ?? 0) * 100, step: current.jobType, stepNumber: Int32(current.step),
      stepCount: Int32(operation.stepWeights?.count ?? 0), message: message ?? current.message, done: current.done,
      total: current.total, unit: current.unit, rate: current.rate ?? 0, etaSeconds: left,
      etaBasis: left == nil ? "" : "rate")
  }

  private func result(_ record: DatasetRecord, withColumns: Bool) -> TerraneMessages.DatasetResult? {
    guard let result = record.result, record.state.isServed else { return nil }
    let endpoint = publicURL + result.path
    let collection = Self.escaped(result.stacCollection)
    return TerraneMessages.DatasetResult(
      endpoint: endpoint, docsURL: publicURL + "/docs",
      // Of many items: the list of them.
      stacItemURL: "\(publicURL)/stac/collections/\(collection)/items"
        + (result.stacItem.isEmpty ? "" : "/\(Self.escaped(result.stacItem))"),
      stacCollectionURL: "\(publicURL)/stac/collections/\(collection)",
      capabilities: Capabilities(
        ogcFeatures: result.rasters == nil, vectorTiles: result.rasters == nil, mapTiles: result.rasters != nil,
        stac: true),
      bbox: BoundingBox(result.bbox), crs: result.crs, featureCount: result.featureCount,
      collections: result.collections.map { served in
        let base = "\(endpoint)/collections/\(Self.escaped(served.id))"
        return ServedCollection(
          id: served.id, title: served.title, geometryType: served.geometryType, featureCount: served.featureCount,
          bbox: BoundingBox(served.bbox),
          columns: withColumns
            ? served.columns.map { column in
              Column(
                name: column.name, sourceName: column.sourceName == column.name ? "" : column.sourceName,
                type: column.type, nullCount: column.nulls, minimum: column.minimum ?? "",
                maximum: column.maximum ?? "",
                frequentValues: (column.frequent ?? []).map { FrequentValue(value: $0.value, share: $0.share) })
            } : [],
          columnCount: Int32(served.columns.count), itemsURL: "\(base)/items",
          tilesURL: served.geometryType.isEmpty ? "" : "\(base)/tiles/WebMercatorQuad/{z}/{x}/{y}")
      },
      treatment: Treatment(result.treatment), build: result.build,
      publishTime: record.published.map { ProtobufTimestamp(microsecondsSince1970: $0) },
      rasters: (result.rasters ?? []).map { ServedRaster($0, endpoint: endpoint, withBands: withColumns) })
  }

  private static func escaped(_ text: String) -> String {
    text.addingPercentEncoding(withAllowedCharacters: .urlPathAllowed.subtracting(CharacterSet(charactersIn: "/")))
      ?? text
  }
}

extension DatasetName {
  init(_ identity: DatasetIdentity) {
    self.init(
      namespace: identity.namespace, datasetID: identity.datasetID, resourceID: identity.resourceID,
      versionID: identity.versionID)
  }
}

extension BoundingBox {
  init?(_ box: [Double]?) {
    guard let box, box.count == 4 else { return nil }
    self.init(west: box[0], south: box[1], east: box[2], north: box[3])
  }
}

extension Status {
  init(_ status: OutwardStatus) {
    self =
      switch status {
      case .requested: .requested
      case .provisioning: .provisioning
      case .processing: .processing
      case .ready: .ready
      case .updating: .updating
      case .inputRequired: .inputRequired
      case .failed: .failed
      case .cancelled: .cancelled
      case .deprecated: .deprecated
      case .deleted: .deleted
      }
  }
}

extension TerraneMessages.DatasetState {
  fileprivate init(_ state: Datasets.DatasetState) {
    self =
      switch state {
      case .draft: .draft
      case .published: .published
      case .deprecated: .deprecated
      case .deleted: .deleted
      case .purging: .purging
      case .purged: .purged
      }
  }
}

extension TerraneMessages.Operation {
  fileprivate init(_ operation: DatasetRecord.OperationSummary) {
    self.init(
      id: operation.id, state: TerraneMessages.OperationState(operation.state),
      kind: operation.kind == "create" ? .create : .update,
      createTime: ProtobufTimestamp(microsecondsSince1970: operation.created),
      startTime: operation.started.map { ProtobufTimestamp(microsecondsSince1970: $0) },
      endTime: operation.ended.map { ProtobufTimestamp(microsecondsSince1970: $0) }, retryOf: operation.retryOf,
      problem: operation.problem.map { TerraneMessages.Problem($0) })
  }
}

extension TerraneMessages.OperationState {
  fileprivate init(_ state: EngineOperationState) {
    self =
      switch state {
      case .queued: .queued
      case .running: .running
      case .inputRequired: .inputRequired
      case .cancelling: .cancelling
      case .succeeded: .succeeded
      case .failed: .failed
      case .cancelled: .cancelled
      }
  }
}

extension TerraneMessages.DatasetSpec {
  fileprivate init(_ spec: Datasets.DatasetSpec) {
    let source = spec.source
    let csv = CsvColumns(longitude: source.longitudeColumn, latitude: source.latitudeColumn, wkt: source.wktColumn)
    let metadata = Metadata(
      title: spec.metadata.title, description: spec.metadata.description, attribution: spec.metadata.attribution,
      license: spec.metadata.license, keywords: spec.metadata.keywords,
      datetime: spec.metadata.datetime.flatMap(Self.timestamp))
    if let raster = spec.raster {
      let source: Source =
        if let members = raster.members {
          .mosaic(MosaicSource(datasets: members.map { DatasetName($0) }))
        } else if let files = raster.files {
          .rasterCollection(RasterCollectionSource(raster, files))
        } else {
          .raster(RasterSource(url: raster.url, crs: raster.crs))
        }
      self.init(
        type: raster.members != nil ? .mosaic : raster.files != nil ? .rasterCollection : .raster, source: source,
        metadata: metadata,
        visibility: .public, rasterOptions: RasterOptions(raster.options))
      return
    }
    self.init(
      type: .vector,
      source: .vector(
        VectorSource(
          url: source.url, layer: source.layer, crs: source.crs, encoding: source.encoding,
          csv: csv == CsvColumns() ? nil : csv)),
      metadata: metadata,
      vectorOptions: VectorOptions(
        nullGeometry: VectorOptions.NullGeometry(spec.options.nullGeometry), maxRejects: spec.options.maxRejects),
      visibility: .public)
  }

  private static func timestamp(_ text: String) -> ProtobufTimestamp? {
    (try? Date(text, strategy: .iso8601)).map {
      ProtobufTimestamp(microsecondsSince1970: Int64(($0.timeIntervalSince1970 * 1_000_000).rounded()))
    }
  }
}

extension VectorOptions.NullGeometry {
  fileprivate init(_ policy: Datasets.DatasetSpec.VectorOptions.NullGeometry) {
    self =
      switch policy {
      case .drop: .drop
      case .keep: .keep
      case .fail: .fail
      }
  }
}

extension Treatment {
  fileprivate init(_ treatment: Datasets.DatasetResult.Treatment) {
    self.init(
      sourceCrs: treatment.sourceCRS, sourceFeatures: treatment.sourceFeatures,
      droppedNullGeometries: treatment.droppedNullGeometries, repairedGeometries: treatment.repairedGeometries,
      zDropped: treatment.dimensionsDropped, renamedColumns: Int32(clamping: treatment.renamedColumns),
      sourceFormat: treatment.sourceFormat, sourceSha256: treatment.sourceSHA256, gdalVersion: treatment.gdalVersion,
      projVersion: treatment.projVersion, raster: treatment.raster.map(RasterTreatment.init))
  }
}
