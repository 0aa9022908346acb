import CoreMachine
import DatasetsTesting
import PostgreSQL
import TaskProtocol
import Testing
@testable import Datasets

@Suite struct MoveTests {
  let me = TestDatasets.caller()

  // MARK: Cancel

  @Test func cancelBeforeItRuns() async throws {
    let datasets = try await TestDatasets.shared()
    let draft = try await datasets.draft()
    let cancelled = try await datasets.registry.cancel(draft.key, me)
    #expect(cancelled.status == .cancelled)
    #expect(cancelled.operation?.state == .cancelled)
    #expect(cancelled.statusSeq > draft.statusSeq)
    #expect(try await datasets.moves(draft.pk) == ["create - DRAFT", "cancel DRAFT DRAFT"])
    // Once more: nothing to do, nothing written.
    #expect(try await datasets.registry.cancel(draft.key, me).statusSeq == cancelled.statusSeq)
    #expect(try await datasets.moves(draft.pk).count == 2)
  }

  @Test func cancelWhileItRuns() async throws {
    let datasets = try await TestDatasets.shared()
    let driver = ChainDriver(datasets)
    let draft = try await datasets.draft()
    try await driver.run(draft, to: "verify")
    #expect(try await datasets.count("SELECT 1 FROM serving.routes WHERE dataset_pk = $1", [.int64(draft.pk)]) == 1)
    let cancelling = try await datasets.registry.cancel(draft.key, me)
    #expect(cancelling.status == .processing)
    #expect(cancelling.operation?.state == .cancelling)
    #expect(try await datasets.registry.cancel(draft.key, me).operation?.state == .cancelling)
    try await driver.stop(draft)
    let cancelled = try await datasets.registry.get(draft.key)
    #expect(cancelled.status == .cancelled)
    // The preview of what was being verified is gone with it.
    #expect(try await datasets.count("SELECT 1 FROM serving.routes WHERE dataset_pk = $1", [.int64(draft.pk)]) == 0)
  }

  @Test func cancelWhereNothingRuns() async throws {
    let datasets = try await TestDatasets.shared()
    let failed = try await datasets.draft()
    try await ChainDriver(datasets).start(failed)
    try await ChainDriver(datasets).fail(failed)
    let ofFailed = await problem(.illegalMove) { try await datasets.registry.cancel(failed.key, me) }
    #expect(ofFailed?.details["legal_moves"] == "retry, delete")
    #expect(ofFailed?.details["status"] == "failed")
    let published = try await datasets.published()
    let ofPublished = await problem(.illegalMove) { try await datasets.registry.cancel(published.key, me) }
    #expect(ofPublished?.details["legal_moves"] == "reprocess, delete")
  }

  // MARK: Retry

  @Test func retryRunsAFailedCreateAgain() async throws {
    let datasets = try await TestDatasets.shared()
    let driver = ChainDriver(datasets)
    let draft = try await datasets.draft()
    try await driver.start(draft)
    try await driver.fail(draft, "CRS_MISSING")
    let failed = try await datasets.registry.get(draft.key)
    #expect(failed.status == .failed)
    #expect(failed.operation?.problem?.reason.name == "CRS_MISSING")
    #expect(failed.operation?.problem?.isUserFixable == true)
    let again = try await datasets.registry.retry(draft.key, me)
    #expect(again.status == .requested)
    #expect(again.operation?.retryOf == draft.operation?.id)
    #expect(again.operation?.problem == nil)
    #expect(try await datasets.moves(draft.pk).last == "retry DRAFT DRAFT")
    // While it is under way: the same one.
    #expect(try await datasets.registry.retry(draft.key, me).operation?.id == again.operation?.id)
    try await driver.publish(again)
    #expect(try await datasets.registry.get(draft.key).status == .ready)
    let refused = await problem(.illegalMove) { try await datasets.registry.retry(draft.key, me) }
    #expect(refused?.details["legal_moves"] == "reprocess, delete")
  }

  @Test func retryOfACancelledOne() async throws {
    let datasets = try await TestDatasets.shared()
    let draft = try await datasets.draft()
    _ = try await datasets.registry.cancel(draft.key, me)
    #expect(try await datasets.registry.retry(draft.key, me).status == .requested)
  }

  // MARK: Delete, undelete, purge

  @Test func deleteWithdrawsAndUndeleteRestores() async throws {
    let datasets = try await TestDatasets.shared()
    let published = try await datasets.published()
    let routes = try await datasets.routes(published.pk)
    #expect(routes.count == 1)
    #expect(try await datasets.items(published.identity) == 1)

    let deleted = try await datasets.registry.delete(published.key, me)
    #expect(deleted.state == .deleted)
    #expect(deleted.formerState == .published)
    #expect(deleted.status == .deleted)
    #expect(deleted.statusSeq > published.statusSeq)
    let gap = try #require(deleted.purge) - (try #require(deleted.deleted))
    #expect(gap == TestDatasets.retention * 1_000_000)
    #expect(try await datasets.routes(published.pk).isEmpty)
    #expect(try await datasets.items(published.identity) == 0)
    #expect(
      try await datasets.count(
        "SELECT 1 FROM pgstac.collections WHERE id = $1", [.text(published.identity.stacCollection)]) == 0)
    // Its tables stay.
    #expect(
      try await datasets.texts(
        "SELECT to_regclass('data.d' || $1::bigint || '_b' || $2::bigint || '_t0')",
        [.int64(published.pk), .int64(published.operation?.id ?? 0)]
      ).first?.contains("_t0") == true)
    #expect(try await datasets.registry.delete(published.key, me).statusSeq == deleted.statusSeq)

    let back = try await datasets.registry.undelete(published.key, me)
    #expect(back.status == .ready)
    #expect(back.deleted == nil && back.purge == nil && back.formerState == nil)
    #expect(back.result == published.result)
    #expect(back.published == published.published)
    #expect(try await datasets.routes(published.pk) == routes)
    #expect(try await datasets.items(published.identity) == 1)
    #expect(
      try await datasets.moves(published.pk) == [
        "create - DRAFT", "publish DRAFT PUBLISHED", "delete PUBLISHED DELETED", "undelete DELETED PUBLISHED",
      ])
    let refused = await problem(.illegalMove) { try await datasets.registry.undelete(published.key, me) }
    #expect(refused?.details["legal_moves"] == "reprocess, delete")
  }

  @Test func aDeprecatedOneComesBackDeprecated() async throws {
    let datasets = try await TestDatasets.shared()
    let published = try await datasets.published()
    try await datasets.deprecate(published)
    _ = try await datasets.registry.delete(published.key, me)
    let back = try await datasets.registry.undelete(published.key, me)
    #expect(back.status == .deprecated)
    #expect(try await datasets.routes(published.pk).count == 1)
  }

  @Test func theItemsOfOtherVersionsStay() async throws {
    let datasets = try await TestDatasets.shared()
    let one = try await datasets.published()
    let identity = try DatasetIdentity(
      namespace: one.identity.namespace, datasetID: one.identity.datasetID, resourceID: one.identity.resourceID,
      versionID: "v2")
    let two = try await datasets.registry.create(identity, TestDatasets.spec(), me).dataset
    try await ChainDriver(datasets).publish(two)
    _ = try await datasets.registry.delete(one.key, me)
    #expect(try await datasets.items(one.identity) == 0)
    #expect(try await datasets.items(identity) == 1)
    #expect(try await datasets.routes(two.pk).count == 1)
  }

  @Test func deleteEndsWhatRuns() async throws {
    let datasets = try await TestDatasets.shared()
    let driver = ChainDriver(datasets)
    let draft = try await datasets.draft()
    try await driver.run(draft, to: "verify")
    let deleted = try await datasets.registry.delete(draft.key, me)
    #expect(deleted.operation?.state == .cancelling)
    #expect(deleted.formerState == .draft)
    // Its publish loses.
    await #expect(throws: ChainDriver.Refused.self) { try await driver.succeed(draft) }
    #expect(try await datasets.routes(draft.pk).isEmpty)
    let back = try await datasets.registry.undelete(draft.key, me)
    #expect(back.operation?.state == .cancelling)
    #expect(back.status == .processing)
    try await driver.stop(draft)
    #expect(try await datasets.registry.get(draft.key).status == .cancelled)
  }

  @Test func purge() async throws {
    let datasets = try await TestDatasets.shared()
    let published = try await datasets.published()
    let early = await problem(.illegalMove) { try await datasets.registry.purge(published.key, me) }
    #expect(early?.details["legal_moves"] == "reprocess, delete")
    _ = try await datasets.registry.delete(published.key, me)
    let purging = try await datasets.registry.purge(published.key, me)
    #expect(purging.state == .purging)
    #expect(purging.status == .deleted)
    #expect(
      try await datasets.count(
        "SELECT 1 FROM coremachine.duties WHERE kind = 'purge' AND key = $1",
        [
          .text("\(published.pk)")
        ]) == 1)
    #expect(try await datasets.registry.purge(published.key, me).statusSeq == purging.statusSeq)
    #expect(try await datasets.registry.get(published.key).state == .purging)
    for call in [
      datasets.registry.undelete, { try await datasets.registry.delete($0, $1) }, datasets.registry.retry,
      datasets.registry.cancel,
    ] {
      let refused = await problem(.illegalMove) { try await call(published.key, me) }
      #expect(refused?.details["legal_moves"] == "create")
    }

    let duties = DatasetDuties(pool: datasets.pool, retention: TestDatasets.retention)
    // Not before the ledger's things are gone.
    #expect(try await duties.purge(datasetPK: published.pk) == false)
    try await datasets.collectGarbage(of: published.pk)
    #expect(try await duties.purge(datasetPK: published.pk))
    #expect(try await duties.purge(datasetPK: published.pk))
    _ = await problem(.datasetNotFound) { try await datasets.registry.get(published.key) }
    let purged = try await datasets.registry.get(published.key, showDeleted: true)
    #expect(purged.state == .purged)
    #expect(purged.statusSeq > purging.statusSeq)
    #expect(
      try await datasets.count(
        "SELECT 1 FROM pg_tables WHERE schemaname = 'data' AND tablename LIKE $1",
        [
          .text("d\(published.pk)\\_%")
        ]) == 0)
    #expect(
      try await datasets.moves(published.pk).suffix(3) == [
        "delete PUBLISHED DELETED", "purge DELETED PURGING", "finish_purge PURGING PURGED",
      ])
  }

  @Test func purgeWaitsForTheOperation() async throws {
    let datasets = try await TestDatasets.shared()
    let draft = try await datasets.draft()
    try await ChainDriver(datasets).start(draft)
    _ = try await datasets.registry.delete(draft.key, me)
    _ = try await datasets.registry.purge(draft.key, me)
    let duties = DatasetDuties(pool: datasets.pool, retention: TestDatasets.retention)
    #expect(try await duties.purge(datasetPK: draft.pk) == false)
    try await ChainDriver(datasets).stop(draft)
    #expect(try await duties.purge(datasetPK: draft.pk))
  }

  @Test func whatWasDeletedLongAgoIsPurged() async throws {
    let datasets = try await TestDatasets.shared()
    let due = try await datasets.draft()
    let notDue = try await datasets.draft()
    for dataset in [due, notDue] { _ = try await datasets.registry.delete(dataset.key, me) }
    try await datasets.administrator.query(
      "UPDATE datasets.datasets SET purge_at = now() - interval '1 s' WHERE pk = $1", [.int64(due.pk)])
    try await DatasetDuties(pool: datasets.pool, retention: TestDatasets.retention).retire()
    #expect(try await datasets.registry.get(due.key).state == .purging)
    #expect(try await datasets.registry.get(notDue.key).state == .deleted)
  }

  @Test func everyCallOnWhatIsNotThere() async throws {
    let datasets = try await TestDatasets.shared()
    let key = DatasetKey(of: try TestDatasets.identity())
    let registry = datasets.registry
    let delete = { try await registry.delete($0, $1) }
    for call in [registry.cancel, registry.retry, delete, registry.undelete, registry.purge] {
      _ = await problem(.datasetNotFound) { try await call(key, me) }
    }
  }
}
