import CoreMachine
import DatasetsTesting
import PostgreSQL
import TaskProtocol
import Testing
@testable import Datasets

/// Calls that meet on one dataset: whoever wins, the rows agree with each other.
@Suite(.serialized) struct RaceTests {
  let me = TestDatasets.caller()

  /// What must hold of a dataset at any time.
  func check(_ key: DatasetKey, _ datasets: TestDatasets) async throws -> DatasetRecord {
    let record = try await datasets.registry.get(key, showDeleted: true)
    let active = try await datasets.activeOperations(record.pk)
    #expect(active <= 1)
    #expect((active == 1) == record.isBusy, "the active operation is the dataset's")
    #expect(try await datasets.routes(record.pk).count == (record.state.isServed ? 1 : 0))
    #expect(try await datasets.items(record.identity) == (record.state.isServed ? 1 : 0))
    if record.operation?.kind == "update" {
      #expect(record.result != nil, "an update replaces or leaves what is served")
    } else {
      #expect((record.operation?.state == .succeeded) == (record.result != nil))
    }
    if record.state == .deleted, let operation = record.operation {
      #expect(operation.state.isTerminal || operation.state == .cancelling, "nothing runs on in a deleted dataset")
    }
    return record
  }

  func atOnce<A: Sendable, B: Sendable>(
    _ a: @Sendable @escaping () async throws -> A, _ b: @Sendable @escaping () async throws -> B
  ) async -> (Result<A, any Error>, Result<B, any Error>) {
    func caught<T: Sendable>(_ body: @Sendable () async throws -> T) async -> Result<T, any Error> {
      do { return .success(try await body()) } catch { return .failure(error) }
    }
    async let first = caught(a)
    async let second = caught(b)
    return await (first, second)
  }

  /// Plays rounds, in turns giving one side and the other a lead that grows, until each side has won and at least
  /// twelve were played.
  func untilBothWon(_ round: (_ lead: @escaping Lead) async throws -> Bool) async throws {
    var wins = [0, 0]
    for number in 0..<120 where number < 12 || wins.contains(0) {
      let firstWon = try await round { side in
        if side == number % 2 { try await Task.sleep(for: .milliseconds(number)) }
      }
      wins[firstWon ? 0 : 1] += 1
    }
    #expect(!wins.contains(0), "one side never won: \(wins)")
  }
  /// Waits where the side (0 or 1) is the one that gives a lead.
  typealias Lead = @Sendable (_ side: Int) async throws -> Void

  @Test func deleteAgainstPublish() async throws {
    let datasets = try await TestDatasets.shared()
    let driver = ChainDriver(datasets)
    try await untilBothWon { lead in
      let draft = try await datasets.draft("race")
      try await driver.run(draft, to: "verify")
      let (deleted, publish) = await atOnce(
        {
          try await lead(0)
          return try await datasets.registry.delete(draft.key, me)
        },
        {
          try await lead(1)
          return try await driver.succeed(draft)
        })
      _ = try deleted.get()
      let record = try await check(draft.key, datasets)
      #expect(record.state == .deleted)
      let published = (try? publish.get()) != nil
      #expect(record.formerState == (published ? .published : .draft))
      #expect(record.operation?.state == (published ? .succeeded : .cancelling))
      _ = try await datasets.registry.undelete(draft.key, me)
      _ = try await check(draft.key, datasets)
      return published
    }
  }

  @Test func cancelAgainstPublish() async throws {
    let datasets = try await TestDatasets.shared()
    let driver = ChainDriver(datasets)
    try await untilBothWon { lead in
      let draft = try await datasets.draft("race")
      try await driver.run(draft, to: "verify")
      let (cancel, publish) = await atOnce(
        {
          try await lead(0)
          return try await datasets.registry.cancel(draft.key, me)
        },
        {
          try await lead(1)
          return try await driver.succeed(draft)
        })
      let record = try await check(draft.key, datasets)
      switch (cancel, publish) {
      case (.success, .failure(let error)):
        #expect(error is ChainDriver.Refused)
        #expect(record.operation?.state == .cancelling)
        #expect(record.state == .draft)
        return true
      case (.failure(let error), .success):
        #expect((error as? Problem)?.reason == .illegalMove)
        #expect(record.status == .ready)
        #expect(try await datasets.moves(draft.pk).contains { $0.hasPrefix("cancel") } == false)
        return false
      default:
        Issue.record("cancel: \(cancel), publish: \(publish)")
        return false
      }
    }
  }

  /// A failed create is run again while somebody cancels: either there was nothing to cancel yet, or the new operation is.
  @Test func retryAgainstCancel() async throws {
    let datasets = try await TestDatasets.shared()
    let driver = ChainDriver(datasets)
    try await untilBothWon { lead in
      let draft = try await datasets.draft("race")
      try await driver.start(draft)
      try await driver.fail(draft)
      let failed = try #require(try await check(draft.key, datasets).operation?.id)
      let (retry, cancel) = await atOnce(
        {
          try await lead(0)
          return try await datasets.registry.retry(draft.key, me)
        },
        {
          try await lead(1)
          return try await datasets.registry.cancel(draft.key, me)
        })
      _ = try retry.get()
      let record = try await check(draft.key, datasets)
      #expect(record.operation?.retryOf == failed)
      switch cancel {
      case .success:
        #expect(record.operation?.state == .cancelled)
        return true
      case .failure(let error):
        #expect((error as? Problem)?.reason == .illegalMove)
        #expect(record.operation?.state == .queued)
        return false
      }
    }
  }

  /// A retry comes while the last task of a cancelled operation stops: either the operation is still being stopped, and the
  /// retry says so, or a new one begins.
  @Test func retryAgainstTheStopOfACancelledOperation() async throws {
    let datasets = try await TestDatasets.shared()
    let driver = ChainDriver(datasets)
    try await untilBothWon { lead in
      let draft = try await datasets.draft("race")
      try await driver.start(draft)
      let cancelling = try #require(try await datasets.registry.cancel(draft.key, me).operation)
      #expect(cancelling.state == .cancelling)
      let (retry, stop) = await atOnce(
        {
          try await lead(0)
          return try await datasets.registry.retry(draft.key, me)
        },
        {
          try await lead(1)
          return try await driver.stop(draft)
        })
      _ = try stop.get()
      let answered = try #require(try retry.get().operation)
      let record = try await check(draft.key, datasets)
      #expect(record.operation?.id == answered.id)
      guard answered.id == cancelling.id else {
        #expect(answered.retryOf == cancelling.id && record.operation?.state == .queued)
        return true
      }
      #expect(answered.state == .cancelling && record.operation?.state == .cancelled)
      return false
    }
  }

  @Test func undeleteAgainstPurge() async throws {
    let datasets = try await TestDatasets.shared()
    let published = try await datasets.published("race")
    let drafts = try await withThrowingTaskGroup(of: DatasetRecord.self) { group in
      for _ in 0..<16 { group.addTask { try await datasets.draft("race") } }
      return try await group.reduce(into: [published]) { $0.append($1) }
    }
    for dataset in drafts {
      _ = try await datasets.registry.delete(dataset.key, me)
      let (undelete, purge) = await atOnce(
        { try await datasets.registry.undelete(dataset.key, me) },
        { try await datasets.registry.purge(dataset.key, me) })
      let record = try await check(dataset.key, datasets)
      switch (undelete, purge) {
      case (.success, .failure(let error)):
        #expect((error as? Problem)?.reason == .illegalMove)
        #expect(record.state == dataset.state)
      case (.failure(let error), .success):
        #expect((error as? Problem)?.reason == .illegalMove)
        #expect(record.state == .purging)
      default: Issue.record("undelete: \(undelete), purge: \(purge)")
      }
    }
  }

  @Test func createAgainstCreateWithAnotherBody() async throws {
    let datasets = try await TestDatasets.shared()
    for _ in 0..<25 {
      let identity = try TestDatasets.identity("race")
      let answers = await withTaskGroup(of: (title: String, created: Bool?, reason: Reason?).self) { group in
        for number in 0..<8 {
          group.addTask {
            let title = number.isMultiple(of: 2) ? "even" : "odd"
            let caller = TestDatasets.caller(requestID: number < 4 ? TestDatasets.requestID() : nil, body: title)
            do {
              let answer = try await datasets.registry.create(identity, TestDatasets.spec(title: title), caller)
              return (title, answer.created, nil)
            } catch { return (title, nil, (error as? Problem)?.reason ?? Reason("\(error)")) }
          }
        }
        return await group.reduce(into: []) { $0.append($1) }
      }
      let record = try await check(DatasetKey(of: identity), datasets)
      #expect(answers.filter { $0.created == true }.count == 1)
      for answer in answers {
        if answer.title == record.spec.metadata.title {
          #expect(answer.reason == nil)
        } else {
          #expect(answer.reason == .datasetExists)
        }
      }
    }
  }

  @Test func everyCallAgainstEveryOtherOnAFailedDraft() async throws {
    let datasets = try await TestDatasets.shared()
    let driver = ChainDriver(datasets)
    for _ in 0..<20 {
      let draft = try await datasets.draft("race")
      try await driver.start(draft)
      try await driver.fail(draft)
      let errors = await withTaskGroup(of: (any Error)?.self) { group in
        for number in 0..<10 {
          group.addTask {
            do {
              switch number % 5 {
              case 0: _ = try await datasets.registry.retry(draft.key, me)
              case 1: _ = try await datasets.registry.delete(draft.key, me)
              case 2: _ = try await datasets.again(draft, TestDatasets.spec(title: "other \(number)"))
              case 3: _ = try await datasets.again(draft, TestDatasets.spec())
              default: _ = try await datasets.registry.cancel(draft.key, me)
              }
              return nil
            } catch { return error }
          }
        }
        return await group.reduce(into: []) { $0.append($1) }
      }
      for error in errors {
        guard let error else { continue }
        let reason = (error as? Problem)?.reason
        #expect(
          reason == .illegalMove || reason == .datasetExists || reason == .datasetDeleted, "\(error)")
      }
      let record = try await check(draft.key, datasets)
      #expect(record.state == .deleted)
    }
  }

  /// pgstac makes and drops a partition with each first and last item of a collection, while others read the items.
  @Test(.timeLimit(.minutes(1))) func itemsComeAndGoWhileTheyAreRead() async throws {
    let datasets = try await TestDatasets.shared()
    var published: [DatasetRecord] = []
    for _ in 0..<6 { published.append(try await datasets.published("race")) }
    let records = published
    let refused = await withTaskGroup(of: (any Error)?.self) { group in
      for record in records {
        group.addTask {
          do {
            for _ in 0..<4 {
              _ = try await datasets.registry.delete(record.key, me)
              _ = try await datasets.registry.undelete(record.key, me)
            }
            return nil
          } catch { return error }
        }
      }
      let readers = (0..<3).map { _ in
        Task {
          while !Task.isCancelled { _ = try? await datasets.administrator.query("SELECT count(*) FROM pgstac.items") }
        }
      }
      let errors = await group.reduce(into: [any Error]()) { if let error = $1 { $0.append(error) } }
      for reader in readers { reader.cancel() }
      return errors
    }
    #expect(refused.isEmpty, "\(refused)")
    for record in records { #expect(try await check(record.key, datasets).status == .ready) }
  }
}
