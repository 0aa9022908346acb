import CoreMachine
import DatasetsTesting
import JobTypes
import PostgreSQL
import TaskProtocol
import Testing
@testable import Datasets

/// Tables move from an attempt's staging schema into schema `data`.
@Suite struct AdoptionTests {
  /// The connection is lost during COMMIT, which took effect all the same: the engine runs the adoption again.
  @Test func anAdoptionThatRunsAgainFindsWhatItHasDone() async throws {
    let datasets = try await TestDatasets.shared()
    let draft = try await datasets.draft()
    let operation = try #require(draft.operation).id
    let task = try await datasets.administrator.query(
      "UPDATE coremachine.tasks SET state = 'RUNNING', attempt = 1 WHERE operation_id = $1 RETURNING task_id",
      [.int64(operation)]
    ).oneRow().int64("task_id")
    let table = "d\(draft.pk)_b\(operation)_t1"
    let parameters = IngestVectorParameters(
      source: "file:///nowhere", pin: SourcePin(size: 10, mtimeNs: 20, parts: []),
      layers: [IngestLayer(layer: MadeUp.probe().layers[0], table: table, title: "")])
    let texts = (try JSONText.encode(parameters), try JSONText.encode(MadeUp.ingest(parameters)))
    try await datasets.pool.transaction { transaction in
      try await transaction.execute(
        script: "CREATE SCHEMA staging_t\(task)_a1; CREATE TABLE staging_t\(task)_a1.\(table) (fid bigint)")
    }
    let adopt = try #require(
      DatasetJobs.definitions(files: ServedFiles(root: "/nowhere")).first { $0.name == JobType.ingestVector }?.adopt)
    @Sendable func run(attempt: Int32) async throws -> String {
      try await datasets.pool.transaction { transaction in
        try await adopt(
          AdoptionContext(
            transaction: transaction, taskID: task, attempt: attempt, operationID: operation, subject: draft.pk,
            kind: "create", step: 1, jobType: JobType.ingestVector, stage: "run", stagingSchema: "staging_t\(task)_a1",
            slotRole: nil, scratchDirectory: "/nowhere", parameters: texts.0, result: texts.1))
      }
    }
    let first = try await run(attempt: 1)
    #expect(try await run(attempt: 1) == first)
    #expect(
      try await datasets.count(
        "SELECT 1 FROM coremachine.ledger WHERE kind = 'table' AND state = 'PRESENT' AND identifier = $1",
        [.text("data.\(table)")]) == 1)
    // Another attempt has to bring a table of its own.
    await #expect(throws: ProblemReport.self) { try await run(attempt: 2) }
  }
}
