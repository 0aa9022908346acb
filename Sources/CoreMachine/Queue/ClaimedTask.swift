internal import PostgreSQL

/// A task this engine holds the lease of.
struct ClaimedTask: Sendable {
  var id: Int64
  var attempt: Int32
  /// Index into the settings' slots.
  var slot: Int
  var operationID: Int64
  var subject: Int64
  var kind: String
  var retryOf: Int64?
  var step: Int
  var plan: String?
  /// This claim made the operation RUNNING.
  var operationStarted: Bool
  var jobType: String
  var stage: String
  var stageOrdinal: Int
  var parameters: String
  /// Tries that have failed before.
  var failures: Int
  var inputBytes: Int64

  /// Of the attempt's own schema.
  var stagingSchema: String { "staging_t\(id)_a\(attempt)" }
  /// Of the attempt's sessions, so that they can be ended when it is fenced.
  var applicationName: String { Self.applicationName(task: id, attempt: attempt) }

  static func applicationName(task: Int64, attempt: Int32) -> String { "terrane-task/\(task)/\(attempt)" }

  init(_ row: PGResult.Row) throws {
    id = try row.int64("task_id")
    attempt = try row.int32("attempt")
    slot = try row.int("slot")
    operationID = try row.int64("operation_id")
    subject = try row.int64("subject")
    kind = try row.text("kind")
    retryOf = try row.optionalInt64("retry_of")
    step = try row.int("step")
    plan = try row.optionalText("plan")
    operationStarted = try row.bool("operation_started")
    jobType = try row.text("job_type")
    stage = try row.text("stage")
    stageOrdinal = try row.int("stage_ordinal")
    parameters = try row.text("parameters")
    failures = try row.int("failures")
    inputBytes = try row.int64("input_bytes")
  }
}
