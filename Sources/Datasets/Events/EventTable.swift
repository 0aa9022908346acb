public import Logging

/// The names of events: what moves, and the move's verb in its table of states (docs/state-machines.md,
/// docs/dataset-states.md). They are stable: alarms and dashboards hang on them.
public enum EventName: String, Sendable, CaseIterable {
  case datasetCreate = "dataset.create"
  case datasetRetry = "dataset.retry"
  case datasetReprocess = "dataset.reprocess"
  case datasetDelete = "dataset.delete"
  case datasetUndelete = "dataset.undelete"
  case datasetPurge = "dataset.purge"
  case datasetFinishPurge = "dataset.finish_purge"
  case operationStart = "operation.start"
  case operationPublish = "operation.publish"
  case operationFail = "operation.fail"
  case operationCancel = "operation.cancel"
  case operationStop = "operation.stop"
  case jobPlan = "job.plan"
  case jobComplete = "job.complete"
  case jobFail = "job.fail"
  case taskClaim = "task.claim"
  case taskComplete = "task.complete"
  case taskFail = "task.fail"
  case taskRetry = "task.retry"
  case taskRequeue = "task.requeue"
  case taskCancel = "task.cancel"
}

/// What the log says of a change. docs/operations.md has this table (Tests/Datasets/EventsPageTests.swift).
public struct EventEntry: Sendable {
  public var name: EventName
  public var level: Logger.Level
  /// The line's message.
  public var message: String
  /// When there is such a line.
  public var meaning: String
  /// Fields beside those of every event.
  public var fields: [String]

  /// Fields that every line has.
  public static let common = ["event", "dataset_key", "name", "generation", "operation", "from", "to", "actor"]

  public static func entry(_ name: EventName) -> EventEntry {
    switch name {
    case .datasetCreate:
      EventEntry(
        name: name, level: .info, message: "dataset created",
        meaning: "A create made a dataset, or began a failed one anew (`from` is then DRAFT). Its operation is QUEUED.",
        fields: ["request_id"])
    case .datasetRetry:
      EventEntry(
        name: name, level: .info, message: "retry begun",
        meaning: "A retry began a new operation. It is QUEUED.", fields: ["retry_of", "request_id"])
    case .datasetReprocess:
      EventEntry(
        name: name, level: .info, message: "reprocess begun",
        meaning: "A new build of what is served was begun. It is QUEUED; the older build is served on.",
        fields: ["request_id"])
    case .datasetDelete:
      EventEntry(
        name: name, level: .info, message: "dataset deleted",
        meaning: "Endpoint and STAC item are withdrawn. What was under way is cancelled by a line of its own.",
        fields: ["request_id"])
    case .datasetUndelete:
      EventEntry(
        name: name, level: .info, message: "dataset undeleted",
        meaning: "It is back as it was before it was deleted.", fields: ["request_id"])
    case .datasetPurge:
      EventEntry(
        name: name, level: .info, message: "purge begun",
        meaning: "Nothing brings it back any more; its name is free. `actor` is `terrane:retention` where it fell due.",
        fields: ["request_id"])
    case .datasetFinishPurge:
      EventEntry(
        name: name, level: .info, message: "dataset purged", meaning: "All that it left is gone.", fields: [])
    case .operationStart:
      EventEntry(
        name: name, level: .info, message: "operation started", meaning: "The first task of an operation was claimed.",
        fields: ["step", "job_type"])
    case .operationPublish:
      EventEntry(
        name: name, level: .info, message: "dataset published",
        meaning: "The operation has SUCCEEDED, and the dataset is served from this moment.",
        fields: ["step", "job_type", "duration_ms"])
    case .operationFail:
      EventEntry(
        name: name, level: .warning, message: "operation failed",
        meaning: "`reason` is one of [errors.md](errors.md). Nothing is published.",
        fields: ["step", "job_type", "reason", "duration_ms"])
    case .operationCancel:
      EventEntry(
        name: name, level: .info, message: "operation cancelled by a call",
        meaning: "`to` is CANCELLED where nothing ran yet, else CANCELLING until its tasks have stopped.",
        fields: ["request_id"])
    case .operationStop:
      EventEntry(
        name: name, level: .info, message: "operation cancelled",
        meaning: "The last task of a cancelled operation stopped.",
        fields: ["step", "job_type", "duration_ms"])
    case .jobPlan:
      EventEntry(
        name: name, level: .info, message: "job planned", meaning: "The next job of the chain is QUEUED.",
        fields: ["step", "job_type"])
    case .jobComplete:
      EventEntry(
        name: name, level: .info, message: "job finished", meaning: "A job has SUCCEEDED.",
        fields: ["step", "job_type"])
    case .jobFail:
      EventEntry(
        name: name, level: .info, message: "job failed", meaning: "A job has FAILED; its operation's line follows.",
        fields: ["step", "job_type", "reason"])
    case .taskClaim:
      EventEntry(
        name: name, level: .debug, message: "attempt begun", meaning: "An engine claimed a task.",
        fields: ["step", "job_type", "task", "attempt"])
    case .taskComplete:
      EventEntry(
        name: name, level: .debug, message: "attempt succeeded", meaning: "What the attempt made is taken over.",
        fields: ["step", "job_type", "task", "attempt", "duration_ms"])
    case .taskFail:
      EventEntry(
        name: name, level: .info, message: "attempt failed for good",
        meaning: "Not to be tried again: a problem that stays, or the last of its tries.",
        fields: ["step", "job_type", "task", "attempt", "reason", "duration_ms"])
    case .taskRetry:
      EventEntry(
        name: name, level: .warning, message: "attempt failed and is tried again",
        meaning: "A passing problem; the task waits for its next try.",
        fields: ["step", "job_type", "task", "attempt", "reason", "duration_ms"])
    case .taskRequeue:
      EventEntry(
        name: name, level: .warning, message: "attempt lost",
        meaning: "`reason` LEASE_LOST: its worker or server died or was cut off. RELEASED: the server stops.",
        fields: ["step", "job_type", "task", "attempt", "reason", "duration_ms"])
    case .taskCancel:
      EventEntry(
        name: name, level: .debug, message: "attempt stopped", meaning: "A task of a cancelled operation has ended.",
        fields: ["step", "job_type", "task", "attempt", "duration_ms"])
    }
  }
}
