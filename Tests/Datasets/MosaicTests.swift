import CoreMachine
import DatasetsTesting
import JobTypes
import PostgreSQL
import TaskProtocol
import Testing
@testable import Datasets

/// Mosaics over datasets: what is planned, what is held, and for how long.
@Suite struct MosaicTests {
  let me = TestDatasets.caller()

  // MARK: Planning

  private let versions = LibraryVersions(gdal: "3", proj: "9", geos: "3")

  private func scene(_ id: String, crs: String = "EPSG:25832", colormap: String? = nil) -> MemberScene {
    let raster = RasterDescription(
      width: 10, height: 10,
      bands: [
        RasterBand(
          type: "float32", colour: "gray", nodata: nil, unit: "", description: "",
          statistics: RasterStatistics(minimum: 0, maximum: 10, mean: 5, standardDeviation: 1, validShare: 1))
      ], kind: "continuous", crs: crs, crsCode: crs, crsWKT: "", transform: [0, 10, 0, 0, 0, -10],
      bbox: [8, 49, 9, 50],
      footprint: [])
    return MemberScene(
      id: id, emptyPixels: 0, sourceSHA256: "aa", versions: versions,
      file: ProcessRasterResult(
        file: "1/2/3-1.tif", bytes: 5, sha256: "", raster: raster, compression: "deflate", isLossy: false,
        resampling: "", overviews: 1),
      rendering: RasterRendering(bands: [1], rescale: [[2, 7]], colormap: colormap ?? "magma"),
      item: #"{"id":"\#(id)"}"#)
  }

  @Test func theStepsInOrder() throws {
    let members = try ["a", "b"].map {
      try DatasetIdentity(namespace: "city", datasetID: $0, resourceID: "r", versionID: "v")
    }
    let subject = ChainSubject(
      identity: try DatasetIdentity(namespace: "city", datasetID: "all", resourceID: "r", versionID: "v"),
      spec: DatasetSpec(
        raster: DatasetSpec.Raster(url: "", members: members), metadata: DatasetSpec.Metadata(title: "All")),
      requestedAt: "2026-01-02T03:04:05Z")
    #expect(subject.spec.type == .mosaic && subject.spec.sourceURLs.isEmpty)
    let delegate = DatasetChain(publicURL: "http://data.test", secret: [1], replacedWindow: 60, filesRoot: "/files")
    let probe = ProbeResult(
      pin: SourcePin(size: 0, mtimeNs: 0, parts: []), driver: "", route: "mosaic", layers: [], allLayers: [],
      versions: versions)
    let found = MosaicDatasetsResult(
      mosaic: CreateMosaicResult(width: 20, height: 10, overview: nil),
      scenes: [scene("a"), scene("b", crs: "EPSG:25833")])
    let stac = StacCollectionResult(collection: #"{"id":"c"}"#, items: [#"{"id":"a"}"#, #"{"id":"b"}"#])
    let results: [(String, String)] = [
      (JobType.probe, try JSON.text(probe)), (JobType.mosaicDatasets, try JSON.text(found)),
      (JobType.stacCatalogCollection, try JSON.text(stac)), (JobType.verify, "{}"),
    ]
    var jobs: [FinishedJob] = []
    var planned = [JobType.probe]
    var effects: [[String]] = []
    for (type, result) in results {
      jobs.append(
        FinishedJob(
          step: jobs.count + 1, type: type,
          parameters: type == JobType.probe ? try FirstParameters(subject).json() : "{}", results: [result]))
      let view = OperationView(id: 34, subject: 12, kind: "create", state: .running, jobs: jobs)
      let step = try delegate.next(after: jobs[jobs.count - 1], of: view)
      #expect("\(step)" == "\(try delegate.next(after: jobs[jobs.count - 1], of: view))", "planning is pure")
      switch step {
      case .job(let job, let more):
        planned.append(job.type)
        effects.append(more.map(\.statement))
        if type == JobType.mosaicDatasets {
          let catalog = try JSON.decode(StacCatalogCollectionParameters.self, from: job.parameters)
          #expect(catalog.scenes.map(\.item) == found.scenes.map(\.item), "the members' own items")
          // Both are shown in one way: that stays.
          #expect(catalog.common.rendering == found.scenes[0].rendering)
        }
      case .publish(let more): effects.append(more.map(\.statement))
      case .fail(let problem, _): throw problem
      }
    }
    #expect(planned == MosaicChain.steps && MosaicChain.weights.count == planned.count)
    #expect(effects.first == ["datasets.hold_members"], "held from the moment it is planned")
    #expect(effects.last?.first == "datasets.let_go", "the build before is let go with publishing")
    for statement in effects.joined() { #expect(DatasetChain.statements[statement] != nil) }
  }

  // MARK: Holding

  /// A published dataset that a mosaic can be made of, as far as the database knows.
  private func raster(_ datasets: TestDatasets, _ name: String = #function) async throws -> DatasetRecord {
    let dataset = try await datasets.published(name)
    try await datasets.administrator.query(
      "UPDATE datasets.datasets SET dataset_type = 'raster' WHERE pk = $1", [.int64(dataset.pk)])
    return dataset
  }

  private func hold(_ members: [DatasetRecord], by mosaic: DatasetRecord, _ datasets: TestDatasets) async throws {
    _ = try await datasets.pool.query(
      "SELECT datasets.hold_members($1, $2, $3)",
      [
        .int64(mosaic.pk), .int64(try #require(mosaic.operation?.id)), .byteaArray(members.map(\.key.bytes)),
      ])
  }

  /// As the engine does: a row that is locked makes the statement fail, and it is run again.
  private func holdWhenFree(_ member: DatasetRecord, by mosaic: DatasetRecord, _ datasets: TestDatasets) async throws {
    while true {
      do { return try await hold([member], by: mosaic, datasets) } catch let error as PostgresError {
        guard error.sqlState == "55P03" else { throw error }
        await Task.yield()
      }
    }
  }

  private func held(_ dataset: DatasetRecord, _ datasets: TestDatasets) async throws -> Int64 {
    try await datasets.count(
      "SELECT 1 FROM coremachine.holds WHERE subject = $1 AND until IS NULL", [.int64(dataset.pk)])
  }

  @Test func onlyServedRastersAreHeld() async throws {
    let datasets = try await TestDatasets.shared()
    let (good, mosaic) = (try await raster(datasets), try await datasets.draft())
    let (vector, draft) = (try await datasets.published(), try await datasets.draft())
    let gone = try await raster(datasets)
    _ = try await datasets.registry.delete(gone.key, me)
    let all = [good, vector, draft, gone]
    try await hold(all, by: mosaic, datasets)
    try await hold(all, by: mosaic, datasets)
    #expect(try await held(good, datasets) == 1, "once, however often the batch runs")
    for other in [vector, draft, gone] { #expect(try await held(other, datasets) == 0) }
  }

  @Test func whatIsHeldIsNotDeletedAndNotPurged() async throws {
    let datasets = try await TestDatasets.shared()
    let (member, mosaic) = (try await raster(datasets), try await datasets.draft())
    try await hold([member], by: mosaic, datasets)
    let refused = await problem(.datasetHasDependents) { try await datasets.registry.delete(member.key, me) }
    #expect(refused?.details["dataset 1"] == mosaic.identity.reference)
    #expect(try await datasets.registry.get(member.key).status == .ready, "nothing of the delete stays")
    #expect(try await datasets.routes(member.pk).count == 1)
    _ = try await datasets.registry.delete(member.key, force: true, me)
    _ = await problem(.datasetHasDependents) { try await datasets.registry.purge(member.key, me) }
    // A mosaic that is deleted can come back; one that failed holds nothing.
    _ = try await datasets.registry.undelete(member.key, me)
    _ = try await datasets.registry.delete(mosaic.key, me)
    #expect(try await datasets.registry.dependents(of: member).isEmpty)
    _ = try await datasets.registry.delete(member.key, me)
    let kept = await problem(.datasetHasDependents) { try await datasets.registry.purge(member.key, me) }
    #expect(kept?.details["dataset 1"] == "\(mosaic.identity.reference) (deleted)")
    _ = try await datasets.pool.query(
      "SELECT datasets.end_preview($1, $2)", [.int64(mosaic.pk), .int64(try #require(mosaic.operation?.id))])
    _ = try await datasets.registry.purge(member.key, me)
    try await datasets.finishPurge(member.pk)
    #expect(try await datasets.registry.get(member.key, showDeleted: true).state == .purged)
  }

  @Test func oneWhoMayNotSeeAMosaicHearsOnlyThatThereIsOne() async throws {
    let datasets = try await TestDatasets.shared()
    let (member, mosaic) = (try await raster(datasets), try await datasets.draft())
    try await hold([member], by: mosaic, datasets)
    var other = me
    other.namespaces = ["elsewhere"]
    let refused = await problem(.datasetHasDependents) { try await datasets.registry.delete(member.key, other) }
    #expect(refused?.details == ["count": "1"] && refused?.message.contains(mosaic.identity.datasetID) == false)
  }

  /// A member that cannot be purged yet must not stand before all that can.
  @Test func whatIsHeldIsNotDueForPurging() async throws {
    let datasets = try await TestDatasets.shared()
    let (member, mosaic, free) = (try await raster(datasets), try await datasets.draft(), try await raster(datasets))
    try await hold([member], by: mosaic, datasets)
    for one in [member, free] {
      _ = try await datasets.registry.delete(one.key, force: true, me)
      _ = try await datasets.administrator.query(
        "UPDATE datasets.datasets SET purge_at = 'epoch' WHERE pk = $1", [.int64(one.pk)])
    }
    try await DatasetDuties(pool: datasets.pool, retention: TestDatasets.retention).retire()
    #expect(try await datasets.registry.get(free.key).state == .purging)
    #expect(try await datasets.registry.get(member.key).state == .deleted)
  }

  /// The type of a dataset is that of its last request: a try of another type may have failed before.
  @Test func aTryOfAnotherTypeLeavesNoTrace() async throws {
    let datasets = try await TestDatasets.shared()
    let draft = try await datasets.draft()
    let driver = ChainDriver(datasets)
    try await driver.start(draft)
    try await driver.fail(draft)
    let spec = DatasetSpec(raster: DatasetSpec.Raster(url: "file:///a.tif"), metadata: DatasetSpec.Metadata())
    _ = try await datasets.registry.create(draft.identity, spec, me)
    #expect(
      try await datasets.count(
        "SELECT 1 FROM datasets.datasets WHERE pk = $1 AND dataset_type = 'raster'", [.int64(draft.pk)]) == 1)
  }

  /// Planning a mosaic and deleting its member meet: either it is held and the delete is refused, or it is deleted and not held.
  @Test func aDeleteAndAPlanNeverBothWin() async throws {
    let datasets = try await TestDatasets.shared()
    for _ in 0..<12 {
      let (member, mosaic) = (try await raster(datasets), try await datasets.draft())
      async let planned: Void = holdWhenFree(member, by: mosaic, datasets)
      async let deleted = try? datasets.registry.delete(member.key, me)
      try await planned
      let isDeleted = await deleted != nil
      #expect(try await (held(member, datasets) == 1) != isDeleted)
    }
  }

  @Test func garbageCollectionLeavesWhatIsHeld() async throws {
    let datasets = try await TestDatasets.shared()
    let (member, mosaic) = (try await raster(datasets), try await datasets.draft())
    try await hold([member], by: mosaic, datasets)
    // As a new build of the member does: the one before is doomed, and its time has come.
    _ = try await datasets.pool.query("SELECT coremachine.ledger_doom($1, NULL, interval '0')", [.int64(member.pk)])
    func due() async throws -> Bool {
      // In a transaction of its own that is given up: the row would stay locked only.
      try await datasets.count(
        """
        SELECT 1 FROM coremachine.ledger d WHERE d.subject = $1 AND d.ledger_id IN (
          SELECT n.ledger_id FROM generate_series(1, 1) CROSS JOIN LATERAL coremachine.ledger_next_doomed(ARRAY['table'], '') n)
        """, [.int64(member.pk)]) > 0
    }
    #expect(try await due() == false)
    // Let go, and the readers' moment is over.
    _ = try await datasets.pool.query(
      "SELECT coremachine.let_go($1, 0, interval '1 hour')", [.int64(mosaic.pk)])
    #expect(try await held(member, datasets) == 0)
    #expect(try await due() == false, "readers are on their way")
    _ = try await datasets.administrator.query(
      "UPDATE coremachine.holds SET until = now() - interval '1 s' WHERE subject = $1", [.int64(member.pk)])
    _ = try await datasets.administrator.query(
      "UPDATE coremachine.ledger SET doom_at = 'epoch' WHERE subject = $1 AND state = 'DOOMED'", [.int64(member.pk)])
    #expect(try await due())
    _ = try await datasets.pool.query("SELECT coremachine.let_go($1, 0, interval '0')", [.int64(mosaic.pk)])
    #expect(
      try await datasets.count("SELECT 1 FROM coremachine.holds WHERE holder = $1", [.int64(mosaic.pk)]) == 0,
      "what is over is forgotten")
  }

  /// A task says which files it laid together; it is not trusted with names.
  @Test func onlyHeldFilesAreServed() async throws {
    let datasets = try await TestDatasets.shared()
    let (member, mosaic) = (try await raster(datasets), try await datasets.draft())
    try await hold([member], by: mosaic, datasets)
    let operation = try #require(mosaic.operation?.id)
    _ = try await datasets.administrator.query(
      "UPDATE coremachine.ledger SET kind = 'file', identifier = '9/' || subject || '/1-1.tif' WHERE subject = $1",
      [.int64(member.pk)])
    let adopt = try #require(
      DatasetJobs.definitions(files: ServedFiles(root: "/nowhere")).first { $0.name == JobType.mosaicDatasets }?.adopt)
    @Sendable func run(_ file: String) async throws -> String {
      var scene = scene("a")
      scene.file.file = file
      let result = try JSON.text(
        MosaicDatasetsResult(mosaic: CreateMosaicResult(width: 1, height: 1, overview: nil), scenes: [scene]))
      return try await datasets.pool.transaction { transaction in
        try await adopt(
          AdoptionContext(
            transaction: transaction, taskID: 1, attempt: 1, operationID: operation, subject: mosaic.pk,
            kind: "create", step: 2, jobType: JobType.mosaicDatasets, stage: "run", stagingSchema: nil, slotRole: nil,
            scratchDirectory: "/nowhere", parameters: "{}", result: result))
      }
    }
    _ = try await run("9/\(member.pk)/1-1.tif")
    for wrong in ["../../credentials/ca.key", "9/\(mosaic.pk)/1-1.tif", ""] {
      await #expect(throws: ProblemReport.self) { try await run(wrong) }
    }
  }
}
