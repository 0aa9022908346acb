import CoreMachine
import DatasetsTesting
import PostgreSQL
import TaskProtocol
import Testing
@testable import Datasets

/// From the verified build to what is served.
@Suite struct PublicationTests {
  @Test func publishing() async throws {
    let datasets = try await TestDatasets.shared()
    let driver = ChainDriver(datasets)
    let draft = try await datasets.draft()
    #expect(try await status(draft, datasets) == .requested)
    try await driver.start(draft)
    #expect(try await status(draft, datasets) == .provisioning)
    try await driver.succeed(draft, layers: 2)
    #expect(try await status(draft, datasets) == .processing)
    try await driver.succeed(draft, layers: 2)
    #expect(try await ledger(draft, datasets) == ["PRESENT", "PRESENT"])
    try await driver.succeed(draft, layers: 2)
    // Being verified: a preview, and nothing that anybody is served.
    #expect(try await datasets.routes(draft.pk).isEmpty)
    #expect(
      try await datasets.count(
        "SELECT 1 FROM serving.routes WHERE dataset_pk = $1 AND octet_length(preview_token_sha256) = 32",
        [.int64(draft.pk)])
        == 1)
    #expect(try await datasets.items(draft.identity) == 0)
    #expect(try await status(draft, datasets) == .processing)
    try await driver.succeed(draft, layers: 2)

    let published = try await datasets.registry.get(draft.key)
    #expect(published.status == .ready)
    #expect(published.state == .published)
    #expect(published.operation?.state == .succeeded)
    #expect(published.result?.featureCount == 6)
    #expect(published.result?.collections.map(\.id) == ["layer_0", "layer_1"])
    #expect(published.published != nil)
    #expect(published.statusSeq > draft.statusSeq)
    #expect(try await datasets.routes(draft.pk).count == 2)
    #expect(
      try await datasets.count("SELECT 1 FROM serving.routes WHERE dataset_pk = $1", [.int64(draft.pk)]) == 1)
    #expect(try await datasets.items(draft.identity) == 1)
    #expect(try await ledger(draft, datasets) == ["LIVE", "LIVE"])
  }

  @Test func aFailureTakesThePreviewAway() async throws {
    let datasets = try await TestDatasets.shared()
    let driver = ChainDriver(datasets)
    let draft = try await datasets.draft()
    try await driver.run(draft, to: "verify")
    try await driver.fail(draft, "VERIFY_FAILED")
    #expect(try await datasets.count("SELECT 1 FROM serving.routes WHERE dataset_pk = $1", [.int64(draft.pk)]) == 0)
    #expect(try await status(draft, datasets) == .failed)
  }

  @Test func whatTheDataAPIReads() async throws {
    let datasets = try await TestDatasets.shared()
    let published = try await datasets.published()
    let row = try await datasets.administrator.query(
      "SELECT *, bbox::text AS box FROM serving.routes WHERE dataset_pk = $1", [.int64(published.pk)]
    ).oneRow()
    #expect(try row.text("dataset_id") == published.identity.datasetID)
    #expect(try row.text("box") == "{0,50,1,51}")
    #expect(try row.text("stac_collection") == published.identity.stacCollection)
    #expect(try row.text("stac_item") == published.identity.stacItem)
    #expect(try row.timestamp("published_at").microsecondsSince1970 == published.published)
    let artifacts = try await datasets.registry.artifacts(of: published)
    #expect(artifacts.map(\.kind) == ["route", "stac_item", "table"])
  }

  @Test func theExtentOfACollectionIsThatOfItsItems() async throws {
    let datasets = try await TestDatasets.shared()
    let published = try await datasets.published()
    let extent = try await datasets.administrator.query(
      "SELECT content->'extent'->'spatial'->'bbox'->0 = '[0, 50, 1, 51]'::jsonb AS fits FROM pgstac.collections WHERE id = $1",
      [.text(published.identity.stacCollection)]
    ).oneRow()
    #expect(try extent.bool("fits"))
  }

  @Test func ledgerAndRealityAgree() async throws {
    let datasets = try await TestDatasets.shared()
    let published = try await datasets.published()
    let scan = LedgerScan(pool: datasets.pool, scratch: "/nowhere", files: ServedFiles(root: "/nowhere"))
    let mine = "d\(published.pk)_"
    func findings() async throws -> [LedgerScan.Finding] {
      let report = try await scan.run()
      return (report.unexpected + report.missing).filter {
        $0.identifier.contains(mine) || $0.identifier.hasPrefix("\(published.pk)/")
          || $0.identifier.hasPrefix(published.identity.stacCollection)
      }
    }
    #expect(try await findings().isEmpty)
    _ = try await datasets.pool.query("CREATE TABLE data.d\(published.pk)_b999_t0 (fid bigint)")
    #expect(try await findings().map(\.identifier) == ["data.d\(published.pk)_b999_t0"])
    _ = try await datasets.pool.query("DROP TABLE data.d\(published.pk)_b999_t0")
    _ = try await datasets.registry.delete(published.key, TestDatasets.caller())
    #expect(try await findings().isEmpty)
  }

  private func status(_ dataset: DatasetRecord, _ datasets: TestDatasets) async throws -> OutwardStatus {
    try await datasets.registry.get(dataset.key).status
  }

  private func ledger(_ dataset: DatasetRecord, _ datasets: TestDatasets) async throws -> [String] {
    try await datasets.administrator.query(
      "SELECT state FROM coremachine.ledger WHERE subject = $1 ORDER BY ledger_id", [.int64(dataset.pk)]
    ).map { try $0.text("state") }
  }
}
