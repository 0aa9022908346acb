import CoreMachine
import Credentials
import Datasets
import DatasetsTesting
import FramedMessages
import FramedRPC
import JobTypes
import PostgreSQL
import ProtobufFacade
import TaskProtocol
import TerraneMessages
import Testing

@testable import Services

@Suite struct CallTests {
  @Test func createGetAndTheirRecord() async throws {
    let world = try await World.shared()
    let client = try await world.client(.editor)
    let name = try World.name()
    let request = World.create(name, title: "Trees")
    let answer = try await client.createDataset(request)
    #expect(answer.created)
    let dataset = try #require(answer.dataset)
    #expect(dataset.status == .requested)
    #expect(dataset.state == .draft)
    #expect(dataset.generation == 1)
    #expect(dataset.name?.namespace == "default")
    #expect(dataset.datasetKey == "\(DatasetKey(of: try DatasetIdentity(name)))")
    #expect(dataset.operation?.state == .queued)
    #expect(dataset.spec?.metadata?.title == "Trees")
    #expect(dataset.epoch == World.epoch)
    #expect(dataset.result == nil)
    let again = try await client.createDataset(request)
    #expect(!again.created)
    #expect(again.dataset?.operation?.id == dataset.operation?.id)
    #expect(try await client.getDataset(GetDatasetRequest(dataset: .name(name))).datasetKey == dataset.datasetKey)

    try await world.driver.publish(try await world.record(dataset))
    let ready = try await client.getDataset(GetDatasetRequest(dataset: .key(dataset)))
    #expect(ready.status == .ready)
    #expect(ready.progress?.percent == 100)
    let result = try #require(ready.result)
    #expect(result.endpoint == "http://data.test/api/data/\(name.datasetID)/r/v1")
    #expect(
      result.stacItemURL == "http://data.test/stac/collections/default:\(name.datasetID):r/items/v1")
    #expect(result.featureCount == 3)
    #expect(result.collections.first?.columns.map(\.sourceName) == ["Name"])
    #expect(result.collections.first?.itemsURL == result.endpoint + "/collections/layer_0/items")
    #expect(result.treatment?.renamedColumns == 1)
    #expect(ready.lastOperation == nil)
  }

  @Test func aRefusalCarriesItsProblem() async throws {
    let world = try await World.shared()
    let client = try await world.client(.editor)
    let name = try World.name()
    _ = try await client.createDataset(World.create(name))
    let error = try #require(
      await refusal(.alreadyExists) { try await client.createDataset(World.create(name, title: "other")) })
    let problem = try #require(error.problem)
    #expect(problem.reason == "DATASET_EXISTS")
    #expect(problem.category == .state)
    #expect(problem.userFixable)
    #expect(!problem.remedy.isEmpty)
    #expect(problem.details["fields"] == "spec.metadata.title")
    #expect(problem.location?.field == "spec.metadata.title")
    let info = try #require(error.details.first { $0.typeURL == "type.googleapis.com/google.rpc.ErrorInfo" })
    let decoded = try ErrorInfo(protobuf: info.value)
    #expect(decoded.reason == "DATASET_EXISTS")
    #expect(decoded.domain == "terrane")
    #expect(decoded.metadata["fields"] == "spec.metadata.title")
  }

  @Test func badRequests() async throws {
    let world = try await World.shared()
    let client = try await world.client(.editor)
    func refused(_ code: StatusCode, _ reason: String, _ field: String, _ change: (inout CreateDatasetRequest) -> Void)
      async throws
    {
      var request = World.create(try World.name())
      change(&request)
      let error = await refusal(code) { try await client.createDataset(request) }
      #expect(error?.problem?.reason == reason)
      #expect(error?.problem?.location?.field == field)
    }
    try await refused(.invalidArgument, "INVALID_ARGUMENT", "name") { $0.name = nil }
    try await refused(.invalidArgument, "INVALID_ID", "name.dataset_id") { $0.name?.datasetID = "a/b" }
    try await refused(.invalidArgument, "RESERVED_VERSION", "name.version_id") { $0.name?.versionID = "latest" }
    try await refused(.invalidArgument, "INVALID_ARGUMENT", "spec") { $0.spec = nil }
    try await refused(.invalidArgument, "INVALID_ARGUMENT", "spec.type") { $0.spec?.type = .unspecified }
    try await refused(.unimplemented, "DATASET_TYPE_UNSUPPORTED", "spec.type") { $0.spec?.type = .largeRaster }
    try await refused(.invalidArgument, "INVALID_ARGUMENT", "spec.mosaic.datasets") { $0.spec?.type = .mosaic }
    try await refused(.invalidArgument, "INVALID_ID", "name.dataset_id") {
      $0.spec = DatasetSpec(type: .mosaic, source: .mosaic(MosaicSource(datasets: [DatasetName(datasetID: "a/b")])))
    }
    let absent = DatasetName(datasetID: "nobody", resourceID: "has", versionID: "this")
    try await refused(.failedPrecondition, "MEMBERS_NOT_READY", "spec.mosaic.datasets") {
      $0.spec = DatasetSpec(type: .mosaic, source: .mosaic(MosaicSource(datasets: [absent])))
    }
    try await refused(.unimplemented, "DATASET_TYPE_UNSUPPORTED", "spec.type") { $0.spec?.type = .unrecognized(99) }
    try await refused(.invalidArgument, "INVALID_ARGUMENT", "spec.vector.url") { $0.spec?.source = nil }
    try await refused(.invalidArgument, "SOURCE_SCHEME_UNSUPPORTED", "spec.vector.url") {
      $0.spec?.source = .vector(VectorSource(url: "https://example.com/a.gpkg"))
    }
    for outside in [
      "file:///etc/passwd", "file:///data/../etc/passwd", "file:///data%2f..%2f..%2fetc/x", "file:///datax/a",
    ] {
      try await refused(.invalidArgument, "SOURCE_OUTSIDE_ROOTS", "spec.vector.url") {
        $0.spec?.source = .vector(VectorSource(url: outside))
      }
    }
    try await refused(.invalidArgument, "SOURCE_INVALID", "spec.vector.url") {
      $0.spec?.source = .vector(VectorSource(url: "/data/a.gpkg"))
    }
    // What a type has no use for is not dropped in silence.
    try await refused(.invalidArgument, "INVALID_ARGUMENT", "spec.raster.url") { $0.spec?.type = .raster }
    try await refused(.invalidArgument, "INVALID_ARGUMENT", "spec.raster_options") {
      $0.spec?.rasterOptions = RasterOptions()
    }
    let raster: (inout CreateDatasetRequest) -> Void = {
      $0.spec?.type = .raster
      $0.spec?.source = .raster(RasterSource(url: "file:///data/a.tif"))
    }
    try await refused(.invalidArgument, "INVALID_ARGUMENT", "spec.vector_options") {
      raster(&$0)
      $0.spec?.vectorOptions = VectorOptions(maxRejects: 1)
    }
    try await refused(.invalidArgument, "SOURCE_OUTSIDE_ROOTS", "spec.raster.url") {
      raster(&$0)
      $0.spec?.source = .raster(RasterSource(url: "file:///etc/passwd.tif"))
    }
    let collection: (RasterCollectionSource) -> (inout CreateDatasetRequest) -> Void = { source in
      {
        $0.spec?.type = .rasterCollection
        $0.spec?.source = .rasterCollection(source)
      }
    }
    let file = "file:///data/a.tif"
    for source in [RasterCollectionSource(), RasterCollectionSource(pattern: "file:///data/*.tif", urls: [file])] {
      try await refused(.invalidArgument, "INVALID_ARGUMENT", "spec.raster_collection", collection(source))
    }
    try await refused(
      .invalidArgument, "INVALID_ARGUMENT", "spec.raster_collection.urls",
      collection(RasterCollectionSource(urls: [file, file])))
    try await refused(
      .invalidArgument, "INVALID_ARGUMENT", "spec.raster_collection.policy",
      collection(RasterCollectionSource(urls: [file], policy: .unrecognized(9))))
    try await refused(
      .invalidArgument, "SOURCE_OUTSIDE_ROOTS", "spec.raster_collection.urls",
      collection(RasterCollectionSource(urls: [file, "file:///etc/b.tif"])))
    try await refused(
      .invalidArgument, "SOURCE_OUTSIDE_ROOTS", "spec.raster_collection.pattern",
      collection(RasterCollectionSource(pattern: "file:///etc/*.tif")))
    let wrong: [(String, RasterOptions)] = [
      ("resolution", RasterOptions(resolution: -1)), ("resolution", RasterOptions(resolution: .nan)),
      ("resampling", RasterOptions(resampling: .unrecognized(77))),
      ("compression", RasterOptions(compression: .unrecognized(77))), ("colormap", RasterOptions(colormap: "A/b")),
      ("rescale", RasterOptions(rescale: [ValueRange(minimum: 2, maximum: 2)])),
      ("rescale", RasterOptions(rescale: [ValueRange(minimum: 0, maximum: .infinity)])),
      ("rescale", RasterOptions(rescale: Array(repeating: ValueRange(minimum: 0, maximum: 1), count: 101))),
      ("target_crs", RasterOptions(targetCrs: String(repeating: "x", count: 16_385))),
    ]
    for (field, options) in wrong {
      try await refused(.invalidArgument, "INVALID_ARGUMENT", "spec.raster_options.\(field)") {
        raster(&$0)
        $0.spec?.rasterOptions = options
      }
    }
    try await refused(.unimplemented, "OPTION_UNSUPPORTED", "spec.visibility") { $0.spec?.visibility = .private }
    try await refused(.invalidArgument, "INVALID_ARGUMENT", "spec.metadata.title") {
      $0.spec?.metadata?.title = String(repeating: "x", count: 1_025)
    }
    try await refused(.invalidArgument, "INVALID_ARGUMENT", "spec.metadata.description") {
      $0.spec?.metadata?.description = "a\u{0}b"
    }
    try await refused(.invalidArgument, "INVALID_ARGUMENT", "spec.metadata.keywords") {
      $0.spec?.metadata?.keywords = ["a\u{0}"]
    }
    try await refused(.invalidArgument, "INVALID_ARGUMENT", "spec.vector_options.max_rejects") {
      $0.spec?.vectorOptions = VectorOptions(maxRejects: -1)
    }
    try await refused(.invalidArgument, "INVALID_ARGUMENT", "spec.vector_options.null_geometry") {
      $0.spec?.vectorOptions = VectorOptions(nullGeometry: .unrecognized(9))
    }
    for reference in [nil, DatasetRef(), DatasetRef(by: .datasetKey("xyz"))] {
      _ = await refusal(.invalidArgument) { try await client.getDataset(GetDatasetRequest(dataset: reference)) }
    }
  }

  @Test func requestIDs() async throws {
    let world = try await World.shared()
    let client = try await world.client(.editor)
    let name = try World.name()
    let id = TestDatasets.requestID()
    let first = try await client.createDataset(World.create(name), options: CallOptions(requestID: id))
    let second = try await client.createDataset(World.create(name), options: CallOptions(requestID: id))
    #expect(first.created && second.created)
    #expect(first.dataset?.operation?.id == second.dataset?.operation?.id)
    let error = await refusal(.invalidArgument) {
      try await client.createDataset(World.create(name, title: "x"), options: CallOptions(requestID: id))
    }
    #expect(error?.problem?.reason == "REQUEST_ID_REUSED")
  }

  @Test func theLifeOfADataset() async throws {
    let world = try await World.shared()
    let client = try await world.client(.editor)
    let dataset = try #require(try await client.createDataset(World.create(try World.name())).dataset)
    let ref = DatasetRef.key(dataset)
    #expect(try await client.cancelDataset(CancelDatasetRequest(dataset: ref)).status == .cancelled)
    let again = try await client.retryDataset(RetryDatasetRequest(dataset: ref))
    #expect(again.status == .requested)
    #expect(again.operation?.retryOf == dataset.operation?.id)
    try await world.driver.publish(try await world.record(again))
    let error = await refusal(.failedPrecondition) {
      try await client.cancelDataset(CancelDatasetRequest(dataset: ref))
    }
    #expect(error?.problem?.reason == "ILLEGAL_MOVE")
    #expect(error?.problem?.details["legal_moves"] == "reprocess, delete")
    let shown = try await client.deleteDataset(DeleteDatasetRequest(dataset: ref, validateOnly: true))
    #expect(shown.dataset?.status == .ready)
    #expect(shown.artifacts.map(\.kind) == ["route", "stac_item", "table"])
    #expect(try await client.getDataset(GetDatasetRequest(dataset: ref)).status == .ready)
    let deleted = try await client.deleteDataset(DeleteDatasetRequest(dataset: ref))
    #expect(deleted.dataset?.status == .deleted)
    #expect(deleted.dataset?.result == nil)
    #expect(deleted.dataset?.purgeTime != nil)
    #expect(try await client.undeleteDataset(UndeleteDatasetRequest(dataset: ref)).status == .ready)
    _ = try await client.deleteDataset(DeleteDatasetRequest(dataset: ref))
    #expect(try await client.purgeDataset(PurgeDatasetRequest(dataset: ref)).state == .purging)
    let next = try await client.createDataset(World.create(try #require(dataset.name)))
    #expect(next.created)
    #expect(next.dataset?.generation == 2)
  }

  @Test(.timeLimit(.minutes(1))) func aThousandEqualCreatesOverTwentyConnections() async throws {
    let world = try await World.shared()
    let request = World.create(try World.name())
    let clients = try await withThrowingTaskGroup(of: DatasetServiceClient.self) { group in
      for _ in 0..<20 { group.addTask { try await world.client(.editor) } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    let answers = try await withThrowingTaskGroup(of: CreateDatasetResponse.self) { group in
      for client in clients {
        for _ in 0..<50 {
          group.addTask {
            try await client.createDataset(request, options: CallOptions(requestID: TestDatasets.requestID()))
          }
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(answers.count == 1_000)
    #expect(answers.filter(\.created).count == 1)
    #expect(Set(answers.map { $0.dataset?.datasetKey }).count == 1)
    #expect(Set(answers.map { $0.dataset?.operation?.id }).count == 1)
    #expect(Set(answers.map { $0.dataset?.generation }) == [1])
    let id = try #require(request.name?.datasetID)
    #expect(
      try await world.datasets.count(
        "SELECT 1 FROM coremachine.operations o JOIN datasets.datasets d ON d.pk = o.subject WHERE d.dataset_id = $1",
        [.text(id)]) == 1)
    for client in clients { await client.connection.close() }
  }
}
