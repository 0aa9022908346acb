import CoreMachine
import DatasetsTesting
import Foundation
import JobTypes
import PostgreSQL
import TaskProtocol
import Testing
@testable import Datasets

/// Where a retry goes on.
@Suite struct ResumptionTests {
  let me = TestDatasets.caller()

  /// A dataset of a real file, failed in a step; the probe's pin is the file's.
  private func failed(in step: String, _ reason: String = "DATA_API_UNAVAILABLE") async throws -> (DatasetRecord, URL) {
    let datasets = try await TestDatasets.shared()
    let file = URL(fileURLWithPath: "\(datasets.folder)/\(UUID().uuidString).gpkg")
    try Data("0123456789".utf8).write(to: file)
    let driver = ChainDriver(datasets)
    let draft = try await datasets.draft("resume-\(step)", spec: TestDatasets.spec(url: file.absoluteString))
    try await driver.run(draft, to: step)
    try await datasets.pin(file, in: draft)
    try await driver.fail(draft, reason)
    return (draft, file)
  }

  private func jobs(_ record: DatasetRecord) async throws -> [String] {
    try await TestDatasets.shared().administrator.query(
      """
      SELECT step || ' ' || job_type || ' ' || state || coalesce(' of ' || nullif(carried_from, $2)::text, '') AS t
      FROM coremachine.jobs WHERE operation_id = $1 ORDER BY step
      """, [.int64(try #require(record.operation?.id)), .int64(record.operation?.retryOf ?? 0)]
    ).map { try $0.text("t") }
  }

  @Test(arguments: [JobType.stacCatalogVectors, JobType.verify]) func afterTheLoad(_ step: String) async throws {
    let datasets = try await TestDatasets.shared()
    let (draft, _) = try await failed(in: step)
    let again = try await datasets.registry.retry(draft.key, me)
    #expect(again.operation?.retryOf == draft.operation?.id)
    #expect(
      try await jobs(again) == ["1 probe SUCCEEDED", "2 ingest_vector SUCCEEDED", "3 stac_catalog_vectors QUEUED"])
    #expect(again.operation?.stepWeights == VectorChain.weights)
    #expect(again.status == .requested)
    // The loaded tables are the new operation's, and are served in the end.
    let driver = ChainDriver(datasets)
    try await driver.publish(again)
    let ready = try await datasets.registry.get(draft.key)
    #expect(ready.status == .ready)
    let table = try await datasets.administrator.query(
      """
      SELECT c.table_name, l.state, l.operation_id FROM serving.collections c
      JOIN coremachine.ledger l ON l.identifier = 'data.' || c.table_name WHERE c.dataset_pk = $1
      """, [.int64(draft.pk)]
    ).oneRow()
    #expect(try table.text("table_name") == "d\(draft.pk)_b\(try #require(draft.operation?.id))_t0")
    #expect(try table.text("state") == "LIVE")
    #expect(try table.int64("operation_id") == again.operation?.id)
    #expect(ready.result?.build == again.operation?.id)
  }

  @Test func beforeTheLoadHasEnded() async throws {
    let datasets = try await TestDatasets.shared()
    let (draft, _) = try await failed(in: JobType.ingestVector)
    #expect(try await jobs(try await datasets.registry.retry(draft.key, me)) == ["1 probe QUEUED"])
  }

  @Test func whereTheRowsWereWrong() async throws {
    let datasets = try await TestDatasets.shared()
    let (draft, _) = try await failed(in: JobType.verify, "VERIFY_FAILED")
    #expect(try await jobs(try await datasets.registry.retry(draft.key, me)) == ["1 probe QUEUED"])
  }

  @Test func whereTheSourceChanged() async throws {
    let datasets = try await TestDatasets.shared()
    let (touched, file) = try await failed(in: JobType.verify)
    try Data("9876543210".utf8).write(to: file)
    #expect(try await jobs(try await datasets.registry.retry(touched.key, me)) == ["1 probe QUEUED"])
    let (gone, other) = try await failed(in: JobType.verify)
    try FileManager.default.removeItem(at: other)
    #expect(try await jobs(try await datasets.registry.retry(gone.key, me)) == ["1 probe QUEUED"])
  }

  @Test func afterTheRetryWindow() async throws {
    let datasets = try await TestDatasets.shared()
    let (draft, _) = try await failed(in: JobType.verify)
    try await datasets.administrator.query(
      "UPDATE coremachine.operations SET ended_at = now() - interval '25 hours' WHERE operation_id = $1",
      [.int64(try #require(draft.operation?.id))])
    _ = try await datasets.administrator.query("SELECT coremachine.ledger_doom_failed(interval '24 hours')")
    #expect(try await jobs(try await datasets.registry.retry(draft.key, me)) == ["1 probe QUEUED"])
  }
}
