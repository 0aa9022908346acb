import CoreMachine
import DatasetsTesting
import PostgreSQL
import Testing

@testable import Datasets

extension RaceTests {
  @Test func deleteAgainstThePublishOfAnUpdate() async throws {
    let datasets = try await TestDatasets.shared()
    let driver = ChainDriver(datasets)
    try await untilBothWon { lead in
      let first = try await datasets.published("race")
      let update = try await datasets.registry.reprocess(first.key, me)
      try await driver.run(update, to: "verify")
      let (deleted, publish) = await atOnce(
        {
          try await lead(0)
          return try await datasets.registry.delete(first.key, me)
        },
        {
          try await lead(1)
          return try await driver.succeed(update)
        })
      _ = try deleted.get()
      #expect(try await check(first.key, datasets).state == .deleted)
      let published = (try? publish.get()) != nil
      let back = try await datasets.registry.undelete(first.key, me)
      #expect(back.result?.build == (published ? update : first).operation?.id)
      _ = try await check(first.key, datasets)
      return published
    }
  }

  @Test func cancelAgainstThePublishOfAnUpdate() async throws {
    let datasets = try await TestDatasets.shared()
    let driver = ChainDriver(datasets)
    try await untilBothWon { lead in
      let first = try await datasets.published("race")
      let update = try await datasets.registry.reprocess(first.key, me)
      try await driver.run(update, to: "verify")
      let (cancel, publish) = await atOnce(
        {
          try await lead(0)
          return try await datasets.registry.cancel(first.key, me)
        },
        {
          try await lead(1)
          return try await driver.succeed(update)
        })
      let record = try await check(first.key, datasets)
      switch (cancel, publish) {
      case (.success, .failure(let error)):
        #expect(error is ChainDriver.Refused)
        #expect(record.operation?.state == .cancelling)
        #expect(record.result == first.result)
        return true
      case (.failure(let error), .success):
        #expect((error as? Problem)?.reason == .illegalMove)
        #expect(record.result?.build == update.operation?.id)
        return false
      default:
        Issue.record("cancel: \(cancel), publish: \(publish)")
        return false
      }
    }
  }

  /// An update begins while the dataset is deleted: either it is cancelled with it, or there was nothing to update.
  @Test func reprocessAgainstDelete() async throws {
    let datasets = try await TestDatasets.shared()
    try await untilBothWon { lead in
      let first = try await datasets.published("race")
      let (reprocess, deleted) = await atOnce(
        {
          try await lead(0)
          return try await datasets.registry.reprocess(first.key, me)
        },
        {
          try await lead(1)
          return try await datasets.registry.delete(first.key, me)
        })
      _ = try deleted.get()
      let record = try await check(first.key, datasets)
      #expect(record.state == .deleted)
      #expect(record.result == first.result)
      switch reprocess {
      case .success(let begun):
        #expect(record.operation?.id == begun.operation?.id)
        #expect(record.operation?.state == .cancelled)
        return true
      case .failure(let error):
        #expect((error as? Problem)?.reason == .illegalMove)
        #expect(record.operation?.id == first.operation?.id)
        return false
      }
    }
  }

  /// Of many calls that ask for an update at once one begins it; equal creates that come between see what is served.
  @Test func manyReprocessesAtOnceBeginOne() async throws {
    let datasets = try await TestDatasets.shared()
    for _ in 0..<20 {
      let first = try await datasets.published("race")
      let begun = await withTaskGroup(of: Int64?.self) { group in
        for number in 0..<8 {
          group.addTask {
            do {
              if number % 4 == 3 {
                let again = try await datasets.again(first, TestDatasets.spec())
                #expect(!again.created)
                return nil
              }
              return try await datasets.registry.reprocess(first.key, me).operation?.id
            } catch {
              #expect((error as? Problem)?.reason == .illegalMove, "\(error)")
              return nil
            }
          }
        }
        return await group.reduce(into: [Int64]()) { if let id = $1 { $0.append(id) } }
      }
      let record = try await check(first.key, datasets)
      #expect(begun == [try #require(record.operation?.id)])
      #expect(record.result == first.result)
    }
  }
}
