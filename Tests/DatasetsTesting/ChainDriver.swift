public import CoreMachine
public import Datasets
import JobTypes
import PostgreSQL
import TaskProtocol

/// Drives an operation the way the engine does, without workers: the same statements, the same delegate, made-up results.
public struct ChainDriver: Sendable {
  let datasets: TestDatasets
  public let chain = DatasetChain(
    publicURL: "http://data.test", secret: [UInt8](repeating: 7, count: 32), replacedWindow: 600)

  public init(_ datasets: TestDatasets) { self.datasets = datasets }

  /// The operation is not (any more) in the state a step needs.
  public struct Refused: Error {}

  /// QUEUED → RUNNING.
  public func start(_ record: DatasetRecord) async throws {
    try await datasets.pool.transaction { transaction in
      try await require(
        transaction,
        "UPDATE coremachine.operations SET state = 'RUNNING', started_at = now() WHERE operation_id = $1 AND state = 'QUEUED' RETURNING 1",
        record)
      try await touch(record, transaction)
    }
  }

  /// The current job succeeds: what the delegate says follows.
  @discardableResult
  public func succeed(_ record: DatasetRecord, layers: Int = 1) async throws -> ChainStep {
    try await datasets.pool.transaction { transaction in
      try await require(
        transaction,
        "SELECT 1 FROM coremachine.operations WHERE operation_id = $1 AND state = 'RUNNING' FOR NO KEY UPDATE", record)
      let operation = try await view(record, transaction)
      let row = try await transaction.query(
        """
        SELECT step, job_type, parameters::text AS parameters FROM coremachine.jobs
        WHERE operation_id = $1 AND state IN ('QUEUED', 'RUNNING')
        """, [.int64(operation.id)]
      ).oneRow()
      let step = Int(try row.int32("step"))
      let type = try row.text("job_type")
      let job = FinishedJob(
        step: step, type: type, parameters: try row.text("parameters"),
        results: [try result(type, parameters: try row.text("parameters"), record, layers: layers)])
      if type == JobType.ingestVector { try await adopt(job, operation, transaction) }
      _ = try await transaction.query(
        "SELECT coremachine.end_job($1, $2, 'SUCCEEDED', $3, NULL)",
        [.int64(operation.id), .int32(Int32(step)), .textArray(job.results)])
      var whole = operation
      whole.jobs.append(job)
      let next = try chain.next(after: job, of: whole)
      switch next {
      case .job(let planned, let effects):
        _ = try await transaction.query(
          "SELECT coremachine.plan_job($1, $2, $3, 1, 1, $4, $5, $6)",
          [
            .int64(operation.id), .int32(Int32(step + 1)), .text(planned.type), .text(planned.parameters),
            .optional(planned.plan?.json), planned.plan.map { .float8Array($0.stepWeights) } ?? .null,
          ])
        try await apply(effects, transaction)
      case .publish(let effects):
        try await apply(effects, transaction)
        _ = try await transaction.query(
          "SELECT coremachine.end_operation($1, 'RUNNING', 'SUCCEEDED', NULL)", [.int64(operation.id)])
      case .fail(let problem, _): throw problem
      }
      try await touch(record, transaction)
      return next
    }
  }

  /// RUNNING → FAILED.
  public func fail(_ record: DatasetRecord, _ reason: String = "SOURCE_CORRUPT") async throws {
    let problem = ProblemReport(reason: reason, message: "made to fail")
    try await end(record, from: .running, to: .failed, problem)
  }

  /// CANCELLING → CANCELLED.
  public func stop(_ record: DatasetRecord) async throws {
    try await end(record, from: .cancelling, to: .cancelled, nil)
  }

  /// From QUEUED to before the job of a type.
  public func run(_ record: DatasetRecord, to type: String, layers: Int = 1) async throws {
    try await start(record)
    while try await currentJob(record) != type { try await succeed(record, layers: layers) }
  }

  /// From QUEUED to READY.
  public func publish(_ record: DatasetRecord, layers: Int = 1) async throws {
    try await run(record, to: JobType.verify, layers: layers)
    try await succeed(record, layers: layers)
  }

  /// The type of the job that runs, or is to.
  public func currentJob(_ record: DatasetRecord) async throws -> String {
    try await datasets.pool.query(
      "SELECT job_type FROM coremachine.jobs WHERE operation_id = $1 AND state IN ('QUEUED', 'RUNNING')",
      [.int64(operation(record))]
    ).oneRow().text("job_type")
  }

  // MARK: -

  private func operation(_ record: DatasetRecord) throws -> Int64 {
    guard let operation = record.operation else { throw Refused() }
    return operation.id
  }

  private func end(
    _ record: DatasetRecord, from: OperationState, to: OperationState, _ problem: ProblemReport?
  ) async throws {
    try await datasets.pool.transaction { transaction in
      try await require(
        transaction,
        "SELECT 1 FROM coremachine.operations WHERE operation_id = $1 AND state = '\(from.rawValue)' FOR NO KEY UPDATE",
        record)
      let before = try await view(record, transaction)
      _ = try await transaction.query(
        "UPDATE coremachine.jobs SET state = $2, ended_at = now() WHERE operation_id = $1 AND state IN ('QUEUED', 'RUNNING')",
        [.int64(before.id), .text(to.rawValue)])
      _ = try await transaction.query(
        "SELECT coremachine.end_operation($1, $2, $3, $4)",
        [.int64(before.id), .text(from.rawValue), .text(to.rawValue), .optional(try problem?.json())])
      try await apply(
        chain.effects(of: OperationTransition(operation: before, from: from, to: to, problem: problem)), transaction)
      try await touch(record, transaction)
    }
  }

  private func view(_ record: DatasetRecord, _ transaction: PostgresTransaction) async throws -> OperationView {
    let id = try operation(record)
    let row = try await transaction.query(
      "SELECT state, kind, retry_of, plan::text AS plan FROM coremachine.operations WHERE operation_id = $1",
      [.int64(id)]
    ).oneRow()
    let jobs = try await transaction.query(
      """
      SELECT step, job_type, parameters::text AS parameters, results[1]::text AS result FROM coremachine.jobs
      WHERE operation_id = $1 AND state = 'SUCCEEDED' ORDER BY step
      """, [.int64(id)])
    guard let state = OperationState(rawValue: try row.text("state")) else { throw Refused() }
    return OperationView(
      id: id, subject: record.pk, kind: try row.text("kind"), retryOf: try row.optionalInt64("retry_of"), state: state,
      plan: try row.optionalText("plan"),
      jobs: try jobs.map {
        FinishedJob(
          step: Int(try $0.int32("step")), type: try $0.text("job_type"), parameters: try $0.text("parameters"),
          results: [try $0.text("result")])
      })
  }

  /// What adoption leaves: the tables, and their rows in the ledger.
  private func adopt(_ job: FinishedJob, _ operation: OperationView, _ transaction: PostgresTransaction) async throws {
    for table in try JSONText.decode(IngestVectorParameters.self, from: job.parameters).layers.map(\.table) {
      try await transaction.execute(script: "CREATE TABLE data.\(table) (fid bigint PRIMARY KEY)")
      _ = try await transaction.query(
        """
        INSERT INTO coremachine.ledger (subject, operation_id, step, attempt, kind, identifier, state, bytes)
        VALUES ($1, $2, $3, 1, 'table', $4, 'PRESENT', 8192)
        """, [.int64(operation.subject), .int64(operation.id), .int32(Int32(job.step)), .text("data.\(table)")])
    }
  }

  private func apply(_ effects: [Effect], _ transaction: PostgresTransaction) async throws {
    for effect in effects {
      guard let sql = DatasetChain.statements[effect.statement] else { throw Refused() }
      _ = try await transaction.query(sql, effect.parameters)
    }
  }

  private func require(_ transaction: PostgresTransaction, _ sql: String, _ record: DatasetRecord) async throws {
    if try await transaction.query(sql, [.int64(try operation(record))]).isEmpty { throw Refused() }
  }

  private func touch(_ record: DatasetRecord, _ transaction: PostgresTransaction) async throws {
    _ = try await transaction.query("SELECT coremachine.touch(ARRAY[$1::bigint])", [.int64(record.pk)])
  }

  private func result(_ type: String, parameters: String, _ record: DatasetRecord, layers: Int) throws -> String {
    switch type {
    case JobType.probe: try JSONText.encode(MadeUp.probe(layers: layers))
    case JobType.ingestVector:
      try JSONText.encode(MadeUp.ingest(try JSONText.decode(IngestVectorParameters.self, from: parameters)))
    case JobType.stacCatalogVectors: try JSONText.encode(MadeUp.stac(record.identity))
    default: "{}"
    }
  }
}
