internal import PostgreSQL

/// One claim: as many tasks as there are slots, and the effects of the operations that begin to run with them.
struct ClaimBatch: Sendable {
  let engine: PGUUID
  let lease: Duration
  let types: [String: JobTypeDefinition]
  let delegate: any ChainDelegate
  let registered: [String: String]

  /// What was claimed, and what has to be written in the same transaction.
  struct Claimed: Sendable {
    var tasks: [ClaimedTask]
    /// How long until a retry falls due; nil: none waits.
    var due: Duration?
    /// `touch` last; empty when no operation began.
    var statements: [PostgresStatement]
  }

  /// Runs the claim in `transaction` and commits it.
  func run(slots: [Int], in transaction: PostgresTransaction) async throws -> ([ClaimedTask], due: Duration?) {
    let claimed = try await claim(slots: slots, in: transaction)
    if !claimed.statements.isEmpty { _ = try await transaction.commit(after: claimed.statements) }
    return (claimed.tasks, claimed.due)
  }

  /// The first round trip, and what follows from its answer: the statements are the caller's to run and commit.
  func claim(slots: [Int], in transaction: PostgresTransaction) async throws -> Claimed {
    let results = try await transaction.pipeline([
      PostgresStatement(
        "SELECT * FROM coremachine.claim_tasks($1, $2::text[], $3::integer[], $4)",
        [
          .uuid(engine), .textArray(types.values.map(\.handler)), .int32Array(slots.map(Int32.init)),
          .int64(lease.milliseconds),
        ]),
      "SELECT coremachine.next_due_ms() AS due",
    ])
    let tasks = try results[0].map(ClaimedTask.init)
    let due: Duration? = try results[1].oneRow().optionalInt64("due").map { .milliseconds($0) }
    var statements: [PostgresStatement] = []
    let started = tasks.filter(\.operationStarted)
    if !started.isEmpty {
      let views = try await views(of: started, in: transaction)
      for view in views {
        let transition = OperationTransition(operation: view, from: .queued, to: .running)
        statements += try delegate.effects(of: transition).compactMap { try Move.effect($0).statement(registered) }
      }
      statements.append(touchStatement(views.map(\.subject)))
    }
    return Claimed(tasks: tasks, due: due, statements: statements)
  }

  /// The operations that began to run. Only a retry has finished jobs by then.
  private func views(of started: [ClaimedTask], in transaction: PostgresTransaction) async throws -> [OperationView] {
    var jobs: [Int64: [FinishedJob]] = [:]
    let retries = started.filter { $0.step > 1 }.map(\.operationID)
    if !retries.isEmpty {
      let rows = try await transaction.query(
        """
        SELECT operation_id, step, job_type, parameters::text AS parameters, results::text[] AS results
        FROM coremachine.jobs WHERE operation_id = ANY ($1::bigint[]) AND state = 'SUCCEEDED' ORDER BY operation_id, step
        """, [.int64Array(retries)])
      for row in rows {
        jobs[try row.int64("operation_id"), default: []].append(
          FinishedJob(
            step: try row.int("step"), type: try row.text("job_type"), parameters: try row.text("parameters"),
            results: try row.optionalArray("results", of: String.self) ?? []))
      }
    }
    var seen: Set<Int64> = []
    return started.filter { seen.insert($0.operationID).inserted }.map {
      OperationView(
        id: $0.operationID, subject: $0.subject, kind: $0.kind, retryOf: $0.retryOf, state: .queued, plan: $0.plan,
        jobs: jobs[$0.operationID] ?? [])
    }
  }
}
