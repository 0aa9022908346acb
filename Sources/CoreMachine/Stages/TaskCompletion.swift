internal import PostgreSQL
internal import TaskProtocol

/// How an attempt ended.
enum TaskOutcome: Sendable {
  case succeeded(result: String)
  /// For good.
  case failed(ProblemReport)
  case retry(ProblemReport, after: Duration)
  /// Its lease ran out.
  case lost
  /// Given back, for instance because the engine stops.
  case released
  case cancelled

  var name: String {
    switch self {
    case .succeeded: "SUCCEEDED"
    case .failed: "FAILED"
    case .retry: "RETRY"
    case .lost: "LOST"
    case .released: "RELEASED"
    case .cancelled: "CANCELLED"
    }
  }
  var result: String? { if case .succeeded(let result) = self { result } else { nil } }
  var problem: ProblemReport? {
    switch self {
    case .failed(let problem), .retry(let problem, _): problem
    default: nil
    }
  }
  var delay: Duration? { if case .retry(_, let delay) = self { delay } else { nil } }
}

/// One row of a completion batch.
struct TaskCompletion: Sendable {
  var task: Int64
  var attempt: Int32
  var outcome: TaskOutcome
  var place: TaskPlace
  /// RUNNING, unless it is a cancelled task that did not run.
  var from: TaskState = .running
  /// From the claim, where this engine ran it.
  var duration: Duration?

  /// The move this was, once it is known what became of the task.
  func event(_ state: TaskState) -> EngineEvent {
    let reason: String? =
      switch (outcome, state) {
      case (.lost, .failed): "CRASH_LOOP"
      case (.lost, _): "LEASE_LOST"
      case (.released, .queued): "RELEASED"
      case (_, .failed), (_, .waiting): outcome.problem?.reason
      default: nil
      }
    return EngineEvent(
      resource: .task, from: from.rawValue, to: state.rawValue, subject: place.subject, operation: place.operation,
      step: place.step, jobType: place.jobType, task: task, attempt: attempt, reason: reason, duration: duration)
  }
}

/// Where in a chain a task is: what is said of its moves.
struct TaskPlace: Sendable {
  var subject: Int64
  var operation: Int64
  var step: Int
  var jobType: String

  init(subject: Int64, operation: Int64, step: Int, jobType: String) {
    self.subject = subject
    self.operation = operation
    self.step = step
    self.jobType = jobType
  }

  init(_ task: ClaimedTask) {
    subject = task.subject
    operation = task.operationID
    step = task.step
    jobType = task.jobType
  }

  /// Reads `columns`.
  init(_ row: PGResult.Row) throws {
    subject = try row.int64("subject")
    operation = try row.int64("operation_id")
    step = try row.int("step")
    jobType = try row.text("job_type")
  }

  /// Of a task `t`, with `joins`.
  static let columns = "o.subject, o.operation_id, j.step, j.job_type"
  static let joins = """
    JOIN coremachine.stages s ON s.stage_id = t.stage_id JOIN coremachine.jobs j ON j.job_id = s.job_id
    JOIN coremachine.operations o ON o.operation_id = j.operation_id
    """
}

/// What became of it.
enum CompletionVerdict: Sendable, Equatable {
  case applied(TaskState)
  /// Another attempt is current, or the task has ended: nothing was changed.
  case stale
}
