import CoreMachine
import DatasetsTesting
import PostgreSQL
import TaskProtocol
import Testing
@testable import Datasets

/// Every cell of the table "what an existing dataset answers".
@Suite struct CreateTests {
  let same = TestDatasets.spec()
  let other = TestDatasets.spec(title: "another")

  @Test func whereThereIsNone() async throws {
    let datasets = try await TestDatasets.shared()
    let identity = try TestDatasets.identity()
    let (dataset, created) = try await datasets.registry.create(identity, same, TestDatasets.caller())
    #expect(created)
    #expect(dataset.generation == 1)
    #expect(dataset.state == .draft)
    #expect(dataset.status == .requested)
    #expect(dataset.operation?.state == .queued)
    #expect(dataset.operation?.kind == "create")
    #expect(dataset.key == DatasetKey(of: identity))
    #expect(dataset.spec == same)
    #expect(dataset.statusSeq > 0)
    #expect(try await datasets.moves(dataset.pk) == ["create - DRAFT"])
  }

  @Test(arguments: [DatasetState.purging, .purged], [false, true])
  func whereItWasPurged(_ state: DatasetState, sameBody: Bool) async throws {
    let datasets = try await TestDatasets.shared()
    let body = sameBody ? same : other
    let first = try await datasets.draft("purged-\(state)")
    _ = try await datasets.registry.delete(first.key, TestDatasets.caller())
    _ = try await datasets.registry.purge(first.key, TestDatasets.caller())
    if state == .purged {
      let duties = DatasetDuties(pool: datasets.pool, retention: 1)
      #expect(try await duties.purge(datasetPK: first.pk))
    }
    let (second, created) = try await datasets.again(first, body)
    #expect(created)
    #expect(second.generation == 2)
    #expect(second.pk != first.pk)
    // The new life is what the key means from now on.
    #expect(try await datasets.registry.get(first.key).pk == second.pk)
    let (third, again) = try await datasets.again(first, body)
    #expect(!again)
    #expect(third.pk == second.pk)
  }

  @Test(arguments: [OperationState.queued, .running, .cancelling, .inputRequired])
  func whileADraftIsBusy(_ state: OperationState) async throws {
    let datasets = try await TestDatasets.shared()
    let first = try await datasets.draft("busy-\(state)")
    if state != .queued { try await ChainDriver(datasets).start(first) }
    if state == .cancelling { _ = try await datasets.registry.cancel(first.key, TestDatasets.caller()) }
    if state == .inputRequired {
      try await datasets.administrator.query(
        "UPDATE coremachine.operations SET state = 'INPUT_REQUIRED' WHERE subject = $1", [.int64(first.pk)])
    }
    let (again, created) = try await datasets.again(first, same)
    #expect(!created)
    #expect(again.pk == first.pk)
    #expect(again.operation?.id == first.operation?.id)
    #expect(again.operation?.state == state)
    let refused = await problem(.datasetExists) { try await datasets.again(first, other) }
    #expect(refused?.details["fields"] == "spec.metadata.title")
    #expect(refused?.location.field == "spec.metadata.title")
  }

  @Test(arguments: [OperationState.failed, .cancelled]) func whereADraftEnded(_ state: OperationState) async throws {
    let datasets = try await TestDatasets.shared()
    let driver = ChainDriver(datasets)
    let first = try await datasets.draft("ended-\(state)")
    try await driver.run(first, to: "stac_catalog_vectors")
    if state == .failed {
      try await driver.fail(first)
    } else {
      _ = try await datasets.registry.cancel(first.key, TestDatasets.caller())
      try await driver.stop(first)
    }
    // The same body: the record; RetryDataset would run it again.
    let (unchanged, ran) = try await datasets.again(first, same)
    #expect(!ran)
    #expect(unchanged.operation?.id == first.operation?.id)
    #expect(unchanged.status == (state == .failed ? .failed : .cancelled))
    // Another body: a new operation; what the first one left is garbage.
    #expect(try await left(first, datasets) == ["PRESENT"])
    let (second, created) = try await datasets.again(first, other)
    #expect(created)
    #expect(second.pk == first.pk)
    #expect(second.generation == 1)
    #expect(second.operation?.id != first.operation?.id)
    #expect(second.operation?.retryOf == nil)
    #expect(second.spec == other)
    #expect(second.status == .requested)
    #expect(try await left(first, datasets) == ["DOOMED"])
    #expect(try await datasets.moves(first.pk).last == "create DRAFT DRAFT")
  }

  private func left(_ dataset: DatasetRecord, _ datasets: TestDatasets) async throws -> [String] {
    try await datasets.administrator.query(
      "SELECT state FROM coremachine.ledger WHERE subject = $1", [.int64(dataset.pk)]
    ).map { try $0.text("state") }
  }

  @Test(arguments: [DatasetState.published, .deprecated]) func whereItIsServed(_ state: DatasetState) async throws {
    let datasets = try await TestDatasets.shared()
    let first = try await datasets.published("served-\(state)")
    if state == .deprecated { try await datasets.deprecate(first) }
    let (again, created) = try await datasets.again(first, same)
    #expect(!created)
    #expect(again.pk == first.pk)
    #expect(again.state == state)
    #expect(again.operation?.id == first.operation?.id)
    let refused = await problem(.datasetExists) { try await datasets.again(first, other) }
    #expect(refused?.details["fields"] == "spec.metadata.title")
    #expect(try await datasets.registry.get(first.key).spec == same)
  }

  @Test func whereItIsDeleted() async throws {
    let datasets = try await TestDatasets.shared()
    let first = try await datasets.published()
    _ = try await datasets.registry.delete(first.key, TestDatasets.caller())
    for spec in [same, other] {
      let refused = await problem(.datasetDeleted) { try await datasets.again(first, spec) }
      #expect(refused?.remedy.contains("undelete") == true)
      #expect(refused?.remedy.contains("purge") == true)
    }
  }

  @Test func aMemberAddedByAnUpgradeTakesItsDefault() async throws {
    let datasets = try await TestDatasets.shared()
    let draft = try await datasets.draft()
    let published = try await datasets.published()
    // As an older version would have stored them: without these members.
    for dataset in [draft, published] {
      try await datasets.administrator.query(
        """
        UPDATE datasets.datasets SET spec = ((spec::jsonb - 'options') #- '{source,wktColumn}' #- '{metadata,keywords}')::json
        WHERE pk = $1
        """, [.int64(dataset.pk)])
      let (again, created) = try await datasets.again(dataset, same)
      #expect(!created)
      #expect(again.pk == dataset.pk)
      #expect(again.spec == same)
      var changed = same
      changed.options.maxRejects = 5
      let refused = await problem(.datasetExists) { try await datasets.again(dataset, changed) }
      #expect(refused?.details["fields"] == "spec.vector_options.max_rejects")
    }
  }

  @Test func everyFieldThatDiffersIsNamed() {
    let a = TestDatasets.spec()
    var b = a
    b.source = DatasetSpec.VectorSource(
      url: "file:///b", layer: "l", crs: "EPSG:1", encoding: "e", longitudeColumn: "x", latitudeColumn: "y",
      wktColumn: "w")
    b.metadata = DatasetSpec.Metadata(
      title: "t", description: "d", attribution: "a", license: "l", keywords: ["k"], datetime: "2026-01-01T00:00:00Z")
    b.options = DatasetSpec.VectorOptions(nullGeometry: .keep, maxRejects: 1)
    let fields = b.fieldsDiffering(from: a)
    #expect(fields.count == 15)
    #expect(fields == fields.sorted())
    #expect(a.fieldsDiffering(from: a).isEmpty)
    // A member that is added to the spec has to be compared too.
    let members = [Mirror(reflecting: b.source), Mirror(reflecting: b.metadata), Mirror(reflecting: b.options)]
    #expect(members.reduce(0) { $0 + $1.children.count } == fields.count)
    #expect(Mirror(reflecting: b).children.count == 5)
  }

  @Test func everyFieldOfARasterThatDiffersIsNamed() throws {
    let a = DatasetSpec(raster: DatasetSpec.Raster(url: "file:///a.tif"), metadata: DatasetSpec.Metadata())
    var b = a
    b.raster = DatasetSpec.Raster(
      url: "file:///b.tif", crs: "EPSG:1",
      options: DatasetSpec.Raster.Options(
        targetCRS: "EPSG:2", resolution: 3, resampling: "mode", compression: "lzw", generateStatistics: false,
        buildOverviews: false, colormap: "viridis", rescale: [[0, 1]], enableTiles: true),
      files: DatasetSpec.Raster.Files(urls: ["file:///c.tif"], isTolerant: true),
      members: [try DatasetIdentity(namespace: "", datasetID: "a", resourceID: "b", versionID: "c")])
    let fields = b.fieldsDiffering(from: a)
    #expect(fields == fields.sorted() && a.fieldsDiffering(from: a).isEmpty)
    let members = [
      Mirror(reflecting: b.raster!), Mirror(reflecting: b.raster!.options), Mirror(reflecting: b.raster!.files!),
    ]
    // Two of them are the other two.
    #expect(members.reduce(0) { $0 + $1.children.count } - 2 == fields.count)
    #expect(fields.allSatisfy { $0.hasPrefix("spec.raster") || $0 == "spec.mosaic.datasets" })
  }

  @Test func aRasterIsKeptAsItWasAskedFor() async throws {
    let datasets = try await TestDatasets.shared()
    var spec = DatasetSpec(raster: DatasetSpec.Raster(url: "file:///a.tif"), metadata: DatasetSpec.Metadata())
    spec.raster?.options.rescale = [[0, 100.5]]
    #expect(try DatasetSpec(storedJSON: spec.storedJSON()) == spec)
    let dataset = try await datasets.draft(spec: spec)
    #expect(dataset.spec == spec && dataset.spec.sourceURL == "file:///a.tif")
    let again = try await datasets.again(dataset, spec)
    #expect(!again.created && again.dataset.pk == dataset.pk)
  }
}
