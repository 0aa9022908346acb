import CoreMachine
import DatasetsTesting
import Foundation
import PostgreSQL
import TaskProtocol
import Testing

@testable import Datasets

/// A new build of what is served: begun, published, failed, cancelled.
@Suite struct ReprocessTests {
  let me = TestDatasets.caller()

  /// The build that is served, by its route.
  private func servedBuild(_ record: DatasetRecord) async throws -> [String] {
    try await TestDatasets.shared().texts(
      "SELECT build FROM serving.routes WHERE dataset_pk = $1 AND preview_token_sha256 IS NULL", [.int64(record.pk)])
  }

  /// State of each table of a dataset, oldest first.
  private func tables(_ record: DatasetRecord) async throws -> [String] {
    try await TestDatasets.shared().administrator.query(
      "SELECT state FROM coremachine.ledger WHERE subject = $1 AND kind = 'table' ORDER BY operation_id",
      [.int64(record.pk)]
    ).map { try $0.text("state") }
  }

  private func build(_ record: DatasetRecord) throws -> String { "(\(try #require(record.result?.build)))" }

  @Test func theOlderBuildIsServedUntilTheNewOneIs() async throws {
    let datasets = try await TestDatasets.shared()
    let driver = ChainDriver(datasets)
    let first = try await datasets.published()
    let begun = try await datasets.registry.reprocess(first.key, me)
    #expect(begun.status == .updating)
    #expect(begun.state == .published)
    #expect(begun.operation?.state == .queued)
    #expect(begun.operation?.kind == "update")
    #expect(begun.operation?.retryOf == nil)
    #expect(begun.result == first.result)
    #expect(begun.statusSeq > first.statusSeq)
    try await driver.run(begun, to: "verify")
    #expect(try await servedBuild(first) == [try build(first)])
    #expect(try await datasets.count("SELECT 1 FROM serving.routes WHERE dataset_pk = $1", [.int64(first.pk)]) == 2)
    #expect(try await tables(first) == ["LIVE", "PRESENT"])
    try await driver.succeed(begun)
    let second = try await datasets.registry.get(first.key)
    #expect(second.status == .ready)
    #expect(second.result?.build == begun.operation?.id)
    #expect(second.generation == first.generation)
    #expect(try await servedBuild(first) == [try build(second)])
    #expect(try await datasets.items(first.identity) == 1)
    // Requests that have begun may still read the older table.
    #expect(try await tables(first) == ["DOOMED", "LIVE"])
    #expect(
      try await datasets.count(
        "SELECT 1 FROM coremachine.ledger WHERE subject = $1 AND state = 'DOOMED' AND doom_at > now()",
        [.int64(first.pk)]) == 1)
    #expect(
      try await datasets.moves(first.pk) == [
        "create - DRAFT", "publish DRAFT PUBLISHED", "reprocess PUBLISHED PUBLISHED", "publish PUBLISHED PUBLISHED",
      ])
  }

  @Test func whatFailsChangesNothingOfWhatIsServed() async throws {
    let datasets = try await TestDatasets.shared()
    let driver = ChainDriver(datasets)
    let first = try await datasets.published()
    let update = try await datasets.registry.reprocess(first.key, me)
    try await driver.run(update, to: "verify")
    try await driver.fail(update, "VERIFY_FAILED")
    let record = try await datasets.registry.get(first.key)
    #expect(record.status == .ready)
    #expect(record.operation?.id == update.operation?.id)
    #expect(record.operation?.problem?.reason.name == "VERIFY_FAILED")
    #expect(record.result == first.result)
    #expect(record.legalCalls == ["reprocess", "delete"])
    #expect(try await servedBuild(first) == [try build(first)])
    #expect(try await datasets.count("SELECT 1 FROM serving.routes WHERE dataset_pk = $1", [.int64(first.pk)]) == 1)
    #expect(try await tables(first) == ["LIVE", "PRESENT"])
    let retried = await problem(.illegalMove) { try await datasets.registry.retry(first.key, me) }
    #expect(retried?.details["legal_moves"] == "reprocess, delete")
    // The next one begins anew, and what the failed one left goes.
    let again = try await datasets.registry.reprocess(first.key, me)
    #expect(again.operation?.id != update.operation?.id)
    #expect(try await tables(first) == ["LIVE", "DOOMED"])
    #expect(try await driver.currentJob(again) == "probe")
    try await driver.publish(again)
    #expect(try await tables(first) == ["DOOMED", "DOOMED", "LIVE"])
  }

  @Test func anUpdateIsCancelled() async throws {
    let datasets = try await TestDatasets.shared()
    let driver = ChainDriver(datasets)
    let first = try await datasets.published()
    // Before it runs.
    _ = try await datasets.registry.reprocess(first.key, me)
    let queued = try await datasets.registry.cancel(first.key, me)
    #expect(queued.status == .ready)
    #expect(queued.operation?.state == .cancelled)
    // While it runs.
    let update = try await datasets.registry.reprocess(first.key, me)
    #expect(update.legalCalls == ["cancel", "delete"])
    try await driver.run(update, to: "verify")
    let cancelling = try await datasets.registry.cancel(first.key, me)
    #expect(cancelling.status == .updating)
    #expect(cancelling.legalCalls == ["delete"])
    #expect(
      await problem(.illegalMove) { try await datasets.registry.reprocess(first.key, me) }?.details["legal_moves"]
        == "delete")
    try await driver.stop(update)
    let record = try await datasets.registry.get(first.key)
    #expect(record.status == .ready)
    #expect(record.result == first.result)
    #expect(try await servedBuild(first) == [try build(first)])
    #expect(try await datasets.count("SELECT 1 FROM serving.routes WHERE dataset_pk = $1", [.int64(first.pk)]) == 1)
  }

  @Test func refusedWhereNothingIsServedOrAnUpdateIsUnderWay() async throws {
    let datasets = try await TestDatasets.shared()
    let driver = ChainDriver(datasets)
    let draft = try await datasets.draft()
    let ofDraft = await problem(.illegalMove) { try await datasets.registry.reprocess(draft.key, me) }
    #expect(ofDraft?.details["legal_moves"] == "cancel, delete")
    try await driver.start(draft)
    try await driver.fail(draft)
    let ofFailed = await problem(.illegalMove) { try await datasets.registry.reprocess(draft.key, me) }
    #expect(ofFailed?.details["legal_moves"] == "retry, delete")
    let published = try await datasets.published()
    _ = try await datasets.registry.reprocess(published.key, me)
    let ofBusy = await problem(.illegalMove) { try await datasets.registry.reprocess(published.key, me) }
    #expect(ofBusy?.details["legal_moves"] == "cancel, delete")
    _ = try await datasets.registry.delete(published.key, me)
    _ = await problem(.illegalMove) { try await datasets.registry.reprocess(published.key, me) }
    let nobody = DatasetKey(of: try TestDatasets.identity())
    _ = await problem(.datasetNotFound) { try await datasets.registry.reprocess(nobody, me) }
  }

  @Test func aRequestIDBeginsOneUpdate() async throws {
    let datasets = try await TestDatasets.shared()
    let driver = ChainDriver(datasets)
    let first = try await datasets.published()
    let id = TestDatasets.requestID()
    let caller = TestDatasets.caller(requestID: id)
    let answers = try await withThrowingTaskGroup(of: DatasetRecord.self) { group in
      for _ in 0..<8 { group.addTask { try await datasets.registry.reprocess(first.key, caller) } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    let begun = try #require(answers.first)
    #expect(Set(answers.map(\.operation?.id)).count == 1)
    try await driver.publish(begun)
    // Long after, the same call begins nothing.
    #expect(try await datasets.registry.reprocess(first.key, caller).status == .ready)
    #expect(try await datasets.activeOperations(first.pk) == 0)
    let other = TestDatasets.caller(requestID: id, body: "another")
    _ = await problem(.requestIDReused) { try await datasets.registry.reprocess(first.key, other) }
  }

  @Test func whatIsDeletedDuringAnUpdateComesBackAsItWas() async throws {
    let datasets = try await TestDatasets.shared()
    let driver = ChainDriver(datasets)
    let first = try await datasets.published()
    let update = try await datasets.registry.reprocess(first.key, me)
    try await driver.run(update, to: "verify")
    let deleted = try await datasets.registry.delete(first.key, me)
    #expect(deleted.operation?.state == .cancelling)
    #expect(try await datasets.count("SELECT 1 FROM serving.routes WHERE dataset_pk = $1", [.int64(first.pk)]) == 0)
    try await driver.stop(update)
    let back = try await datasets.registry.undelete(first.key, me)
    #expect(back.status == .ready)
    #expect(back.result == first.result)
    #expect(try await servedBuild(first) == [try build(first)])
  }

  @Test func whatIsDeprecatedStaysDeprecated() async throws {
    let datasets = try await TestDatasets.shared()
    let first = try await datasets.published()
    try await datasets.deprecate(first)
    let update = try await datasets.registry.reprocess(first.key, me)
    #expect(update.state == .deprecated)
    try await ChainDriver(datasets).publish(update)
    let record = try await datasets.registry.get(first.key)
    #expect(record.state == .deprecated)
    #expect(record.result?.build == update.operation?.id)
  }

  // MARK: The source

  @Test func theSourceOfWhatIsServedIsLookedAt() async throws {
    let datasets = try await TestDatasets.shared()
    let file = URL(fileURLWithPath: "\(datasets.folder)/\(UUID().uuidString).gpkg")
    try Data("0123456789".utf8).write(to: file)
    let published = try await datasets.published(spec: TestDatasets.spec(url: file.absoluteString))
    // The probe that was made up pinned no file.
    #expect(try await datasets.registry.sourceState(of: published) == .unknown)
    try await datasets.pin(file, in: published)
    #expect(try await datasets.registry.sourceState(of: published) == .unchanged)
    let time = try #require(try FileManager.default.attributesOfItem(atPath: file.path)[.modificationDate] as? Date)
    try Data("9876543210".utf8).write(to: file)
    try FileManager.default.setAttributes([.modificationDate: time.addingTimeInterval(1)], ofItemAtPath: file.path)
    #expect(try await datasets.registry.sourceState(of: published) == .changed)
    try FileManager.default.removeItem(at: file)
    #expect(try await datasets.registry.sourceState(of: published) == .missing)
    // Compared with what is served, not with what the update that failed has seen.
    try Data("now it is longer".utf8).write(to: file)
    let driver = ChainDriver(datasets)
    let update = try await datasets.registry.reprocess(published.key, me)
    try await driver.run(update, to: "ingest_vector")
    try await datasets.pin(file, in: update)
    try await driver.fail(update)
    #expect(try await datasets.registry.sourceState(of: try await datasets.registry.get(published.key)) == .changed)
    let second = try await datasets.registry.reprocess(published.key, me)
    try await driver.publish(second)
    try await datasets.pin(file, in: second)
    #expect(try await datasets.registry.sourceState(of: try await datasets.registry.get(published.key)) == .unchanged)
    let draft = try await datasets.draft()
    #expect(try await datasets.registry.sourceState(of: draft) == .unknown)
  }
}
