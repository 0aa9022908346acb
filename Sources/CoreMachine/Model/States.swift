/// States of an operation. SUCCEEDED, FAILED and CANCELLED never change again.
public enum OperationState: String, Sendable, CaseIterable, Codable {
  case queued = "QUEUED"
  case running = "RUNNING"
  case inputRequired = "INPUT_REQUIRED"
  case cancelling = "CANCELLING"
  case succeeded = "SUCCEEDED"
  case failed = "FAILED"
  case cancelled = "CANCELLED"

  public var isTerminal: Bool { StateMachine.operation.legalMoves(from: rawValue).isEmpty }
}

/// States of a job and of a stage.
public enum StageState: String, Sendable, CaseIterable, Codable {
  case queued = "QUEUED"
  case running = "RUNNING"
  case succeeded = "SUCCEEDED"
  case failed = "FAILED"
  case cancelled = "CANCELLED"
}

/// States of a task.
public enum TaskState: String, Sendable, CaseIterable, Codable {
  case queued = "QUEUED"
  /// Not before a moment: a retry that backs off.
  case waiting = "WAITING"
  case running = "RUNNING"
  case succeeded = "SUCCEEDED"
  case failed = "FAILED"
  case cancelled = "CANCELLED"

  public var isTerminal: Bool { StateMachine.task.legalMoves(from: rawValue).isEmpty }
}

/// States of a ledger entry.
public enum LedgerState: String, Sendable, CaseIterable, Codable {
  /// May exist.
  case intent = "INTENT"
  /// Whole, staged.
  case present = "PRESENT"
  /// Served.
  case live = "LIVE"
  /// To be removed.
  case doomed = "DOOMED"
  /// Removed, and looked for again.
  case gone = "GONE"
}
