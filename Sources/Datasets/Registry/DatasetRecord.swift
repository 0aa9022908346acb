public import CoreMachine
internal import PostgreSQL

/// A dataset as it is answered: the row, its operation and its progress. Times are microseconds since 1970.
public struct DatasetRecord: Sendable {
  public var pk: Int64
  public var key: DatasetKey
  public var generation: Int64
  public var identity: DatasetIdentity
  public var state: DatasetState
  public var formerState: DatasetState?
  public var spec: DatasetSpec
  public var result: DatasetResult?
  /// Position in the change feed.
  public var statusSeq: Int64
  public var operation: OperationSummary?
  public var progress: ProgressSummary?
  public var created: Int64
  public var updated: Int64
  public var published: Int64?
  public var deleted: Int64?
  public var purge: Int64?

  public struct OperationSummary: Sendable {
    public var id: Int64
    public var kind: String
    public var state: OperationState
    public var retryOf: Int64?
    public var problem: Problem?
    /// Weights of the chain's steps; nil until it is planned.
    public var stepWeights: [Double]?
    public var created: Int64
    public var started: Int64?
    public var ended: Int64?
  }

  public struct ProgressSummary: Sendable {
    /// From 1.
    public var step: Int
    public var jobType: String
    public var phase: String
    public var done: Int64
    public var total: Int64?
    public var unit: String
    public var message: String
    /// 0…1 of the step.
    public var fraction: Double
    /// Units a second.
    public var rate: Double?
    public var warnings: [String: Int64]
  }

  public var status: OutwardStatus {
    OutwardStatus(dataset: state, operation: operation?.state, isPlanned: operation?.stepWeights != nil)
  }

  /// The calls that would be accepted now, for messages.
  public var legalCalls: [String] {
    switch state {
    case .draft:
      if isBusy { return operation?.state == .cancelling ? ["delete"] : ["cancel", "delete"] }
      return ["retry", "delete"]
    case .published, .deprecated:
      if isBusy { return operation?.state == .cancelling ? ["delete"] : ["cancel", "delete"] }
      return ["reprocess", "delete"]
    case .deleted: return ["undelete", "purge"]
    case .purging, .purged: return ["create"]
    }
  }

  /// True while an operation is under way.
  public var isBusy: Bool { operation.map { !$0.state.isTerminal } ?? false }

  static let columns = """
    pk, key, generation, namespace, dataset_id, resource_id, version_id, state, former_state, spec::text AS spec,
    result::text AS result, status_seq, operation_id, operation_kind, operation_state, retry_of,
    operation_problem::text AS operation_problem, step_weights, operation_created_at,
    operation_started_at, operation_ended_at, progress_step, progress_job_type, progress_phase, progress_done,
    progress_total, progress_unit, progress_message, progress_fraction, progress_rate, progress_warnings, created_at,
    updated_at, published_at, deleted_at, purge_at
    """

  /// Reads a row of datasets.records with `columns`.
  init(_ row: PGResult.Row, knownSpecs: [String: DatasetSpec] = [:]) throws {
    pk = try row.int64("pk")
    guard let key = DatasetKey(bytes: try row.bytes("key")) else { throw RecordError.malformed("key", pk) }
    self.key = key
    generation = try row.int64("generation")
    identity = try DatasetIdentity(
      namespace: row.text("namespace"), datasetID: row.text("dataset_id"), resourceID: row.text("resource_id"),
      versionID: row.text("version_id"))
    guard let state = DatasetState(rawValue: try row.text("state")) else { throw RecordError.malformed("state", pk) }
    self.state = state
    formerState = try row.optionalText("former_state").flatMap(DatasetState.init(rawValue:))
    let stored = try row.text("spec")
    spec = try knownSpecs[stored] ?? SpecCache.shared.spec(of: stored)
    result = try row.optionalText("result").map { try JSON.decode(DatasetResult.self, from: $0) }
    statusSeq = try row.int64("status_seq")
    created = try row.timestamp("created_at").microsecondsSince1970
    updated = try row.timestamp("updated_at").microsecondsSince1970
    published = try row.optionalTimestamp("published_at")?.microsecondsSince1970
    deleted = try row.optionalTimestamp("deleted_at")?.microsecondsSince1970
    purge = try row.optionalTimestamp("purge_at")?.microsecondsSince1970
    operation = try OperationSummary(row)
    progress = try ProgressSummary(row)
  }

  enum RecordError: Error { case malformed(String, Int64) }
}

extension DatasetRecord.OperationSummary {
  fileprivate init?(_ row: PGResult.Row) throws {
    guard let id = try row.optionalInt64("operation_id"),
      let state = OperationState(rawValue: try row.text("operation_state"))
    else { return nil }
    self.id = id
    self.state = state
    kind = try row.text("operation_kind")
    retryOf = try row.optionalInt64("retry_of")
    problem = try row.optionalText("operation_problem").map { try Problem(taskReport: $0) }
    stepWeights = try row.optionalArray("step_weights")
    created = try row.timestamp("operation_created_at").microsecondsSince1970
    started = try row.optionalTimestamp("operation_started_at")?.microsecondsSince1970
    ended = try row.optionalTimestamp("operation_ended_at")?.microsecondsSince1970
  }

}

extension DatasetRecord.ProgressSummary {
  fileprivate init?(_ row: PGResult.Row) throws {
    guard let step = try row.optionalInt32("progress_step") else { return nil }
    self.step = Int(step)
    jobType = try row.text("progress_job_type")
    phase = try row.text("progress_phase")
    done = try row.int64("progress_done")
    total = try row.optionalInt64("progress_total")
    unit = try row.text("progress_unit")
    message = try row.text("progress_message")
    fraction = try row.double("progress_fraction")
    rate = try row.optionalDouble("progress_rate")
    warnings = try row.optionalText("progress_warnings").map { try JSON.decode([String: Int64].self, from: $0) } ?? [:]
  }
}
