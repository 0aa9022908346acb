internal import PostgreSQL
internal import TaskProtocol

/// The completion batch: marks tasks done, asks the pure functions what follows, and applies it. Three round trips.
struct CompletionBatch: Sendable {
  let advance: ChainAdvance
  let registered: [String: String]
  let actor: String
  let crashLoop: Int
  let observer: any EngineObserver
  let failPoint: String

  private static let mark = """
    SELECT * FROM coremachine.complete_tasks($1, $2::bigint[], $3::integer[], $4::text[], $5::text[], $6::text[], \
    $7::bigint[], $8)
    """

  /// What the mark came to, and what has to be written in the same transaction.
  struct Marked: Sendable {
    var verdicts: [CompletionVerdict]
    /// `touch` last.
    var statements: [PostgresStatement]
    /// For the observer, once that is committed.
    var events: [EngineEvent]
  }

  /// Runs the batch in `transaction` and commits it.
  func run(_ rows: [TaskCompletion], in transaction: PostgresTransaction) async throws -> [CompletionVerdict] {
    let marked = try await mark(rows, in: transaction)
    _ = try await transaction.commit(after: marked.statements)
    if !marked.events.isEmpty { observer.committed(marked.events) }
    return marked.verdicts
  }

  /// The first round trip, and what follows from its answer: the statements are the caller's to run and commit.
  func mark(_ rows: [TaskCompletion], in transaction: PostgresTransaction) async throws -> Marked {
    let marked = try await transaction.query(
      Self.mark,
      [
        .text(actor), .int64Array(rows.map(\.task)), .int32Array(rows.map(\.attempt)),
        .textArray(rows.map(\.outcome.name)), .textArray(rows.map(\.outcome.result)),
        .textArray(try rows.map { try $0.outcome.problem?.json() }),
        .int64Array(rows.map { $0.outcome.delay?.milliseconds }), .int64(Int64(crashLoop)),
      ])
    var verdicts = [CompletionVerdict](repeating: .stale, count: rows.count)
    var finished: [Int64: [FinishedJob]] = [:]
    var stages: [PGResult.Row] = []
    for row in marked {
      switch try row.text("row_kind") {
      case "task":
        let ordinal = try row.int("ordinal") - 1
        guard verdicts.indices.contains(ordinal), let state = TaskState(rawValue: try row.text("state")) else {
          continue
        }
        verdicts[ordinal] = .applied(state)
      case "job":
        finished[try row.int64("operation_id"), default: []].append(
          FinishedJob(
            step: try row.int("step"), type: try row.text("job_type"), parameters: try row.text("parameters"),
            results: try row.optionalArray("results", of: String.self) ?? []))
      default:
        stages.append(row)
      }
    }
    try FailPoint.reach("\(failPoint).marked")

    var statements: [PostgresStatement] = []
    var subjects: [Int64] = []
    var events = zip(rows, verdicts).compactMap { row, verdict in
      if case .applied(let state) = verdict { row.event(state) } else { nil }
    }
    for row in stages {
      let stage = try concluded(row, finished)
      let moves = try advance.moves(after: stage)
      events += EngineEvent.of(moves, after: stage)
      for move in moves {
        if case .touch(let subject) = move { subjects.append(subject) }
        if let statement = try move.statement(registered) { statements.append(statement) }
      }
    }
    if !subjects.isEmpty { statements.append(touchStatement(subjects)) }
    return Marked(verdicts: verdicts, statements: statements, events: events)
  }

  private func concluded(_ row: PGResult.Row, _ finished: [Int64: [FinishedJob]]) throws -> ConcludedStage {
    let id = try row.int64("operation_id")
    guard let state = StageState(rawValue: try row.text("state")),
      let operationState = OperationState(rawValue: try row.text("operation_state"))
    else { throw PostgresError(.typeMismatch, "a state this version does not know") }
    return ConcludedStage(
      ordinal: try row.int("stage_ordinal"), state: state,
      problem: try row.optionalText("problem").map { try ProblemReport(json: $0) },
      results: try row.optionalArray("results", of: String.self) ?? [],
      jobType: try row.text("job_type"), step: try row.int("step"), parameters: try row.text("parameters"),
      operation: OperationView(
        id: id, subject: try row.int64("subject"), kind: try row.text("kind"),
        retryOf: try row.optionalInt64("retry_of"), state: operationState, plan: try row.optionalText("plan"),
        jobs: finished[id] ?? []))
  }
}

/// Change numbers for these subjects: the last statement of a transaction.
func touchStatement(_ subjects: [Int64]) -> PostgresStatement {
  PostgresStatement("SELECT coremachine.touch($1::bigint[])", [.int64Array(subjects)])
}
