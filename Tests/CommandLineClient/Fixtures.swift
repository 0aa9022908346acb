@testable import FramedRPC
import FramedMessages
import TerraneMessages

let name = DatasetName(namespace: "default", datasetID: "demo", resourceID: "roads", versionID: "v1")
let key = String(repeating: "ab", count: 32)

/// A load in full swing.
func loading(_ percent: Double, step: Int32 = 2, warnings: [WarningCount] = []) -> DatasetStatus {
  DatasetStatus(
    datasetKey: key, generation: 1, status: .processing, operation: Operation(id: 7, state: .running),
    progress: Progress(
      percent: percent, step: step == 2 ? "ingest_vector" : "verify", stepNumber: step, stepCount: 4,
      message: "Loading roads", done: percent.isFinite ? Int64(percent * 25_000) : 0, total: 2_500_000, unit: "rows",
      rate: 12_300,
      etaSeconds: 100, etaBasis: "rate"),
    warnings: warnings, name: name)
}

func ended(_ status: Status) -> DatasetStatus {
  DatasetStatus(datasetKey: key, generation: 1, status: status, name: name)
}

let dropped = WarningCount(reason: "NULL_GEOMETRY", count: 12, message: "features without geometry were left out")

let ready = Dataset(
  datasetKey: key, name: name, generation: 1, status: .ready, state: .published,
  operation: Operation(
    id: 7, state: .succeeded, startTime: ProtobufTimestamp(seconds: 1_000), endTime: ProtobufTimestamp(seconds: 1_003)),
  warnings: [dropped],
  result: DatasetResult(
    endpoint: "http://127.0.0.1:7480/api/data/demo/roads/v1",
    docsURL: "http://127.0.0.1:7480/api/data/demo/roads/v1/",
    stacItemURL: "http://127.0.0.1:7480/stac/collections/default:demo:roads/items/v1", crs: "EPSG:4326",
    featureCount: 1_234_567,
    collections: [
      ServedCollection(
        id: "main", geometryType: "MultiLineString", featureCount: 1_234_555,
        columns: [Column(name: "fid"), Column(name: "geom_1", sourceName: "geom"), Column(name: "name")],
        tilesURL: "http://127.0.0.1:7480/api/data/demo/roads/v1/collections/main/tiles/{z}/{x}/{y}"),
      ServedCollection(id: "rails", geometryType: "MultiLineString", featureCount: 12, columnCount: 2),
    ],
    treatment: Treatment(
      sourceCrs: "EPSG:25832", sourceFeatures: 1_234_579, droppedNullGeometries: 12, repairedGeometries: 1,
      renamedColumns: 1, sourceFormat: "GPKG")))

func event(
  _ seq: UInt64, _ status: DatasetStatus? = loading(50), safe: UInt64? = nil, epoch: UInt64 = 5, snapshot: Bool = false
) -> WatchEvent<DatasetStatus> {
  WatchEvent(
    message: status, seq: status == nil ? 0 : seq, safeSeq: status == nil ? seq : safe, epoch: epoch, conflated: false,
    snapshot: snapshot, removed: false)
}
