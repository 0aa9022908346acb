import CoreMachine
import Datasets
import DatasetsTesting
import PostgreSQL
import TaskProtocol
import Testing

/// The problem a call is refused with; records an issue where it is not refused, or with something else.
func problem<T>(
  _ reason: Reason, sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> T
) async -> Problem? {
  do {
    _ = try await body()
    Issue.record("expected \(reason), nothing was thrown", sourceLocation: sourceLocation)
  } catch let problem as Problem {
    #expect(problem.reason == reason, sourceLocation: sourceLocation)
    return problem
  } catch { Issue.record("expected \(reason), got \(error)", sourceLocation: sourceLocation) }
  return nil
}

extension TestDatasets {
  /// A dataset of its own for one test.
  func draft(_ name: String = #function, spec: DatasetSpec = TestDatasets.spec()) async throws -> DatasetRecord {
    let (dataset, created) = try await registry.create(TestDatasets.identity(name), spec, TestDatasets.caller())
    #expect(created)
    return dataset
  }

  func published(_ name: String = #function, spec: DatasetSpec = TestDatasets.spec()) async throws -> DatasetRecord {
    let dataset = try await draft(name, spec: spec)
    try await ChainDriver(self).publish(dataset)
    return try await registry.get(dataset.key)
  }

  /// Puts a published dataset into DEPRECATED, for which there is no call yet.
  func deprecate(_ dataset: DatasetRecord) async throws {
    try await administrator.query(
      "UPDATE datasets.datasets SET state = 'DEPRECATED' WHERE pk = $1", [.int64(dataset.pk)])
  }

  func again(_ dataset: DatasetRecord, _ spec: DatasetSpec) async throws -> (dataset: DatasetRecord, created: Bool) {
    try await registry.create(dataset.identity, spec, TestDatasets.caller("terrane:principal:jo"))
  }

  func activeOperations(_ pk: Int64) async throws -> Int64 {
    try await count(
      "SELECT 1 FROM coremachine.operations WHERE subject = $1 AND state NOT IN ('SUCCEEDED', 'FAILED', 'CANCELLED')",
      [.int64(pk)])
  }
}
