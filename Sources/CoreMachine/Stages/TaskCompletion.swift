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
}

/// What became of it.
enum CompletionVerdict: Sendable, Equatable {
  case applied(TaskState)
  /// Another attempt is current, or the task has ended: nothing was changed.
  case stale
}
