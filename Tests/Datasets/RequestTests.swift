import CoreMachine
import DatasetsTesting
import PostgreSQL
import TaskProtocol
import Testing
@testable import Datasets

/// Request ids, and creates that meet.
@Suite struct RequestTests {
  @Test func aRequestIsAnsweredAgain() async throws {
    let datasets = try await TestDatasets.shared()
    let identity = try TestDatasets.identity()
    let caller = TestDatasets.caller(requestID: TestDatasets.requestID(), body: "a")
    let first = try await datasets.registry.create(identity, TestDatasets.spec(), caller)
    let second = try await datasets.registry.create(identity, TestDatasets.spec(), caller)
    #expect(first.created)
    // What the first one was told: a caller whose answer was lost learns that it brought the dataset into being.
    #expect(second.created)
    #expect(second.dataset.pk == first.dataset.pk)
    #expect(try await datasets.moves(first.dataset.pk) == ["create - DRAFT"])
  }

  @Test func aRequestIsAnsweredAgainWhateverBecameOfTheDataset() async throws {
    let datasets = try await TestDatasets.shared()
    let identity = try TestDatasets.identity()
    let caller = TestDatasets.caller(requestID: TestDatasets.requestID(), body: "a")
    let first = try await datasets.registry.create(identity, TestDatasets.spec(), caller)
    _ = try await datasets.registry.delete(first.dataset.key, TestDatasets.caller())
    let second = try await datasets.registry.create(identity, TestDatasets.spec(), caller)
    #expect(second.created)
    #expect(second.dataset.pk == first.dataset.pk)
    #expect(second.dataset.status == .deleted)
  }

  @Test func anotherBodyIsRefused() async throws {
    let datasets = try await TestDatasets.shared()
    let id = TestDatasets.requestID()
    let first = try TestDatasets.identity()
    _ = try await datasets.registry.create(
      first, TestDatasets.spec(), TestDatasets.caller(requestID: id, body: "a"))
    let second = try TestDatasets.identity()
    let refused = await problem(.requestIDReused) {
      try await datasets.registry.create(second, TestDatasets.spec(), TestDatasets.caller(requestID: id, body: "b"))
    }
    #expect(refused?.location.field == "request_id")
    _ = await problem(.datasetNotFound) { try await datasets.registry.get(DatasetKey(of: second)) }
  }

  @Test func anotherPrincipalsIDIsAnotherID() async throws {
    let datasets = try await TestDatasets.shared()
    let id = TestDatasets.requestID()
    let one = try await datasets.registry.create(
      TestDatasets.identity(), TestDatasets.spec(), TestDatasets.caller("terrane:principal:a", requestID: id, body: "a")
    )
    let two = try await datasets.registry.create(
      TestDatasets.identity(), TestDatasets.spec(), TestDatasets.caller("terrane:principal:b", requestID: id, body: "b")
    )
    #expect(one.created && two.created)
    #expect(one.dataset.pk != two.dataset.pk)
  }

  @Test func aRefusedRequestKeepsNoID() async throws {
    let datasets = try await TestDatasets.shared()
    let dataset = try await datasets.draft()
    let id = TestDatasets.requestID()
    let other = TestDatasets.spec(title: "another")
    _ = await problem(.datasetExists) {
      try await datasets.registry.create(dataset.identity, other, TestDatasets.caller(requestID: id, body: "a"))
    }
    #expect(try await datasets.count("SELECT 1 FROM datasets.requests WHERE request_id = $1", [.bytea(id)]) == 0)
  }

  @Test func concurrentDuplicatesJoin() async throws {
    let datasets = try await TestDatasets.shared()
    for _ in 0..<10 {
      let identity = try TestDatasets.identity()
      let caller = TestDatasets.caller(requestID: TestDatasets.requestID(), body: "a")
      let answers = try await withThrowingTaskGroup(of: (Int64, Bool).self) { group in
        for _ in 0..<16 {
          group.addTask {
            let (dataset, created) = try await datasets.registry.create(identity, TestDatasets.spec(), caller)
            return (dataset.pk, created)
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(Set(answers.map(\.0)).count == 1)
      #expect(answers.allSatisfy { $0.1 })
      #expect(
        try await datasets.count(
          "SELECT 1 FROM datasets.datasets WHERE key = $1", [.bytea(DatasetKey(of: identity).bytes)])
          == 1)
    }
  }

  @Test func deleteAndRetryJoinToo() async throws {
    let datasets = try await TestDatasets.shared()
    let driver = ChainDriver(datasets)
    let dataset = try await datasets.draft()
    try await driver.start(dataset)
    try await driver.fail(dataset)
    let retry = TestDatasets.caller(requestID: TestDatasets.requestID(), body: "retry")
    let operations = try await withThrowingTaskGroup(of: Int64?.self) { group in
      for _ in 0..<8 { group.addTask { try await datasets.registry.retry(dataset.key, retry).operation?.id } }
      return try await group.reduce(into: Set()) { $0.insert($1) }
    }
    #expect(operations.count == 1)
    let delete = TestDatasets.caller(requestID: TestDatasets.requestID(), body: "delete")
    for _ in 0..<2 { #expect(try await datasets.registry.delete(dataset.key, delete).state == .deleted) }
    _ = try await datasets.registry.undelete(dataset.key, TestDatasets.caller())
    // The same call once more is the same call: it deletes nothing again.
    #expect(try await datasets.registry.delete(dataset.key, delete).state == .draft)
    _ = await problem(.requestIDReused) {
      try await datasets.registry.delete(dataset.key, TestDatasets.caller(requestID: delete.requestID, body: "x"))
    }
  }

  @Test func idsAreForgottenAfterADay() async throws {
    let datasets = try await TestDatasets.shared()
    let ids = [TestDatasets.requestID(), TestDatasets.requestID()]
    for id in ids {
      _ = try await datasets.registry.create(
        TestDatasets.identity(), TestDatasets.spec(), TestDatasets.caller(requestID: id, body: "a"))
    }
    try await datasets.administrator.query(
      "UPDATE datasets.requests SET at = now() - interval '25 hours' WHERE request_id = $1", [.bytea(ids[0])])
    try await DatasetDuties(pool: datasets.pool, retention: TestDatasets.retention).retire()
    let left = try await datasets.administrator.query(
      "SELECT request_id FROM datasets.requests WHERE request_id = ANY ($1)", [.byteaArray(ids)])
    #expect(try left.map { try $0.bytes("request_id") } == [ids[1]])
  }

  @Test(.timeLimit(.minutes(1))) func aThousandEqualCreatesMakeOneDataset() async throws {
    let datasets = try await TestDatasets.shared()
    let identity = try TestDatasets.identity()
    let answers = try await withThrowingTaskGroup(of: (pk: Int64, operation: Int64?, created: Bool).self) { group in
      for number in 0..<1_000 {
        group.addTask {
          // Half of them with a request id of their own.
          let id = number.isMultiple(of: 2) ? TestDatasets.requestID() : nil
          let (dataset, created) = try await datasets.registry.create(
            identity, TestDatasets.spec(), TestDatasets.caller(requestID: id, body: "same"))
          return (dataset.pk, dataset.operation?.id, created)
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(answers.count == 1_000)
    #expect(Set(answers.map(\.pk)).count == 1)
    #expect(Set(answers.map(\.operation)).count == 1)
    #expect(answers.filter(\.created).count == 1)
    let pk = try #require(answers.first?.pk)
    #expect(
      try await datasets.count("SELECT 1 FROM datasets.datasets WHERE dataset_id = $1", [.text(identity.datasetID)])
        == 1)
    #expect(try await datasets.count("SELECT 1 FROM coremachine.operations WHERE subject = $1", [.int64(pk)]) == 1)
    #expect(try await datasets.moves(pk) == ["create - DRAFT"])
  }
}
